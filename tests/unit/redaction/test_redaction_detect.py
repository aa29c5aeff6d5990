"""The built-in detector as a whole: closed on failure, off the network, linear, versioned."""

from __future__ import annotations

import base64
import gc
import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from support.timing import least

from vault.errors import DetectorError, InvalidInputError
from vault.redaction import detect as detect_module
from vault.redaction.detect import BuiltinDetector
from vault.redaction.interface import Guard
from vault.redaction.normalise import View
from vault.redaction.patterns import OVERLAP, WINDOW, PatternRecogniser, Rule, RuleSet, windows
from vault.redaction.union import UnionDetector
from vault.redaction.views import MAX_DEPTH
from vault.types import Finding

RICH = (
    "Contact john.doe@example.com or 212-736-5000, card 4111 1111 1111 1111, SSN 536-90-4399, DOB 03/12/1985, "
    "IBAN DE89370400440532013000, from 10.0.0.1, see https://example.com/x, call +44 20 7946 0958"
)


class Failing:
    name = "failing"
    entities = frozenset({"X"})
    digits = -1

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def find(self, view: View) -> Iterable[Finding]:
        raise self._error


class Marker:
    """Finds every occurrence of a word."""

    name = "marker"
    entities = frozenset({"CODENAME"})
    digits = -1

    def find(self, view: View) -> Iterable[Finding]:
        at = view.text.find("moonshine")
        if at >= 0:
            yield Finding("CODENAME", at, at + 9, 0.9, self.name)


@pytest.mark.parametrize("error", [ValueError("4111 1111"), RecursionError(), MemoryError(), KeyError("x")])
def test_a_failing_recogniser_refuses_the_text_without_quoting_it(error: Exception) -> None:
    detector = BuiltinDetector(names=None, extra=[Failing(error)])
    with pytest.raises(DetectorError) as caught:
        detector.detect("anything 4111 1111")
    assert "4111" not in str(caught.value)
    assert "failing" in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_our_own_errors_and_interrupts_pass_through() -> None:
    with pytest.raises(InvalidInputError), Guard("x"):
        raise InvalidInputError("a.b", "c")
    with pytest.raises(KeyboardInterrupt):
        BuiltinDetector(names=None, extra=[Failing(KeyboardInterrupt())]).detect("x")


def test_a_recogniser_of_ones_own_joins_in() -> None:
    detector = BuiltinDetector(names=None, extra=[Marker()])
    assert "CODENAME" in detector.entities
    assert detector.version.endswith(",marker")
    (one,) = detector.detect("project m\u200boonshine")
    assert (one.entity, one.start, one.end) == ("CODENAME", 8, 18)


def test_a_span_outside_the_text_is_refused() -> None:
    class Wild(Marker):
        def find(self, view: View) -> Iterable[Finding]:
            return [Finding("CODENAME", 0, 999, 0.9, "wild")]

    with pytest.raises(DetectorError):
        BuiltinDetector(names=None, extra=[Wild()]).detect("short")


def test_no_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was used")

    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert len(BuiltinDetector(names=None).detect(RICH)) >= 8


def test_neither_presidio_nor_spacy_is_imported() -> None:
    # and without the names model no numpy
    code = (
        "import sys; from vault.redaction.detect import BuiltinDetector;"
        f"BuiltinDetector(names=None).detect({RICH!r} + '\\u00e9');"
        "bad = {'spacy', 'presidio_analyzer', 'tldextract', 'requests', 'numpy'} & set(sys.modules);"
        "sys.exit(' '.join(bad) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_kept_classes_are_neither_reported_nor_hide_others() -> None:
    detector = BuiltinDetector(names=None)
    text = "date of birth: 03/12/1985, and the last time that we all met was on 2023-05-06"
    assert {f.entity for f in detector.detect(text)} == {"DATE_OF_BIRTH", "DATE_TIME"}
    assert {f.entity for f in detector.detect(text, keep=frozenset({"DATE_TIME"}))} == {"DATE_OF_BIRTH"}
    everything = detector.detect(RICH, keep=detector.entities)
    assert everything == []


def test_a_birth_date_is_more_than_a_date() -> None:
    (one,) = BuiltinDetector(names=None).detect("date of birth: 03/12/1985")
    assert one.entity == "DATE_OF_BIRTH"


def test_names_are_found_by_their_key_but_not_claimed_without_the_model() -> None:
    detector = BuiltinDetector(names=None)
    assert [f.entity for f in detector.detect("Marie Curie", context="patient_name")] == ["PERSON"]
    assert "PERSON" not in detector.entities
    assert detector.detect("Marie Curie met Pierre in Paris") == []


class Capitals:
    """A names model that takes every capitalised word for a name."""

    version = "capitals-1"

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.recall = 0.0

    def find(self, texts: Sequence[str], *, recall: float = 0.0) -> list[list[Finding]]:
        self.asked.append(list(texts))
        self.recall = recall
        return [
            [Finding("PERSON", *match.span(), 0.7, "names") for match in re.finditer(r"\b[A-Z][a-z]+", text)]
            for text in texts
        ]


def test_the_names_model_is_asked_once_for_a_batch_and_claimed() -> None:
    names = Capitals()
    detector = BuiltinDetector(names=names)
    found = detector.batch(["met Marie", "nobody here", "with Pierre"])
    assert [[(f.entity, f.start) for f in one] for one in found] == [[("PERSON", 4)], [], [("PERSON", 5)]]
    assert names.asked == [["met Marie", "nobody here", "with Pierre"]]
    assert {"PERSON", "LOCATION", "ORGANIZATION"} <= detector.entities
    assert "capitals-1" in detector.version
    assert detector.detect("met Marie", keep=frozenset({"PERSON"})) == []


def test_strict_mode_turns_the_dial_and_votes() -> None:
    names = Capitals()
    strict = BuiltinDetector(names=names, strict=True)
    strict.detect("x")
    assert names.recall > 0
    assert strict.version != BuiltinDetector(names=names).version
    (one,) = BuiltinDetector(names=None, strict=True).detect("we saw Dr. Zubeida Okonkwo there")
    assert (one.entity, one.start, one.end) == ("PERSON", 11, 26)


def test_a_rule_with_a_form_outranks_the_names_model() -> None:
    (one,) = BuiltinDetector(names=Capitals()).detect("Ana@example.org")
    assert one.entity == "EMAIL_ADDRESS"


def test_a_failing_names_model_refuses_the_text() -> None:
    class Broken(Capitals):
        def find(self, texts: Sequence[str], *, recall: float = 0.0) -> list[list[Finding]]:
            raise ValueError(texts[0])

    with pytest.raises(DetectorError) as caught:
        BuiltinDetector(names=Broken()).detect("secret 42")
    assert "secret" not in str(caught.value)


def test_the_threshold_decides() -> None:
    text = "the number 536904399 alone"
    assert BuiltinDetector(names=None).detect(text) == []
    (guess,) = BuiltinDetector(names=None, threshold=0.01).detect(text)
    assert text[guess.start : guess.end] == "536904399"
    strict = BuiltinDetector(names=None, threshold=0.99)
    assert {f.entity for f in strict.detect(RICH)} == {"CREDIT_CARD", "IBAN_CODE"}
    assert strict.version != BuiltinDetector(names=None).version


def test_findings_do_not_overlap_and_lie_in_the_text() -> None:
    end = 0
    for one in BuiltinDetector(names=None).detect(RICH):
        assert end <= one.start < one.end <= len(RICH)
        end = one.end


def test_batch() -> None:
    detector = BuiltinDetector(names=None)
    assert detector.batch(["a@b.org", "nothing"]) == [detector.detect("a@b.org"), []]


def test_version_is_bound_to_rules_and_data(monkeypatch: pytest.MonkeyPatch) -> None:
    version = BuiltinDetector(names=None).version
    assert re.fullmatch(r"builtin-2\+[0-9a-f]{12}", version)
    sources = detect_module._sources()
    monkeypatch.setattr(detect_module, "_sources", lambda: sources[1:])
    detect_module.rules_version.cache_clear()
    try:
        assert BuiltinDetector(names=None).version != version
    finally:
        detect_module.rules_version.cache_clear()


def test_the_version_covers_every_module_that_findings_depend_on() -> None:
    folder = Path(detect_module.__file__).parent
    named = {one.name for one in detect_module._sources()}
    assert {"detect.py", "views.py", "rules.py", "patterns.json", "normalise.py", "resolve.py"} <= named
    assert {path.name for path in folder.iterdir()} >= detect_module._APART
    assert not named & detect_module._APART


def test_windows_cover_the_text_once() -> None:
    assert list(windows(100)) == [(0, 100, 100)]
    for length in (WINDOW + OVERLAP, WINDOW + OVERLAP + 1, 3 * WINDOW + 17):
        spans = list(windows(length))
        owned = [(start, end) for start, _, end in spans]
        assert owned[0][0] == 0
        assert owned[-1][1] == length
        assert all(a[1] == b[0] for a, b in pairwise(owned))
        assert all(end <= length for _, end, _ in spans)


@pytest.mark.parametrize("shift", range(-24, 3, 2))
def test_nothing_is_lost_at_a_window_border(shift: int) -> None:
    head = "x " * ((WINDOW + shift) // 2)
    text = f"{head}SSN 536-90-4399 and MRN 483920 {'y ' * 400}"
    values = [text[f.start : f.end] for f in BuiltinDetector(names=None).detect(text)]
    assert values == ["536-90-4399", "483920"]


def test_what_lies_before_a_window_is_seen_by_look_behind() -> None:
    rules = RuleSet(
        name="t", entity="T", rules=(Rule(name="t", regex=r"\b1\b|(?<!x)2", score=1.0, digits=1),)
    )
    text = "x" * (WINDOW - 1) + "x1" + "y" * WINDOW
    assert list(PatternRecogniser(rules).find(View(text))) == []
    text = "x" * WINDOW + "2" + "y" * WINDOW
    assert list(PatternRecogniser(rules).find(View(text))) == []


def test_a_union_finds_what_any_of_its_detectors_finds() -> None:
    both = UnionDetector([BuiltinDetector(names=None), BuiltinDetector(names=None, extra=[Marker()])])
    assert {f.entity for f in both.detect("moonshine a@b.org")} == {"CODENAME", "EMAIL_ADDRESS"}
    assert both.version.count("builtin-2+") == 2
    assert "CODENAME" in both.entities


ADVERSARIAL = [
    *(
        "a.a.a.",
        "ab:ab:",
        "A1 A1 ",
        "1",
        "1 ",
        "4 ",
        "1-2-3 ",
        "(1",
        "a@",
        "a@b.",
        "a.b@",
        "://",
        "http://a",
        "www.",
    ),
    *(
        "http://a)",
        "password:",
        "password is ",
        "eyJ-",
        "-----BEGIN PRIVATE KEY-----",
        "1.1.1.",
        "1::",
        "GB82 ",
    ),
    *(
        "4111 1111 1111 1111 ",
        "ssn 536904399 ",
        "12 Main ",
        "mrn 1-",
        "%B41111111111111",
        ";1=",
        "api key ",
        "rx  ",
    ),
    *(
        "claim   ",
        "jan 1 ",
        "\u200b1",
        "e\u0301",
        "\uff11",
        "_1",
        '""@',
        "@[",
        "cvv  ",
        "pin, ",
        "born 1/1/85 ",
    ),
    *(
        "five ",
        "five three six ",
        "dot dot dot ",
        "john at a dot b ",
        " at ",
        "%25",
        "%2525",
        "&amp;",
        "&#64;",
    ),
    *("\\", "\\u0040", "\\x41", "=40", "0x41 ", "41 ", "41:", "61", "1010 ", "Zm9vYmFyYmF6cXV4", "ME2Q===="),
    *(
        "**a",
        "<b>",
        "<b",
        "[b]",
        "`a",
        "'+'",
        "j o h n ",
        "a-b-",
        "M.a.",
        "\u0430",
        "\u0430b",
        "\u202e12",
        "\u202e123\u202c",
        "\u2067a1b\n",
    ),
    *('{"a":', '{"ssn":1,', "[1,", "ssn=1 ", "name: ", "<a>b</", "ssn,mrn\n1,2\n", "/a/b?", "?a=b&", "a_b_"),
    *("1,", "(4", "4|", "O0", "l1I", "J0hn ", "moc.", "reversed 12 ", "two thousand and ", "Ana "),
    *("zip ", "medical  record ", "bc1q", "0-0-", "::", "sk-", "xoxb-", "12 N. ", "a-", "secret= "),
]


@pytest.mark.parametrize("seed", ADVERSARIAL)
def test_time_is_linear_in_the_length(seed: str) -> None:
    detector = BuiltinDetector(names=None)

    def seconds(size: int, enough: float) -> float:
        text = (seed * (size // len(seed) + 1))[:size]
        return least(lambda: detector.detect(text), enough)

    detector.detect(RICH + seed)
    gc.disable()  # its passes over what other tests left behind are not ours
    try:
        small = seconds(16_384, 1.0)
        # Four times the text takes four times as long, with room for a busy machine; quadratic would be sixteen.
        within = min(max(6.5 * small, 0.3), 4)  # 1.5 s on a quiet machine, for the slowest of them
        assert seconds(65_536, within) < within
    finally:
        gc.enable()


def test_what_is_encoded_too_deeply_is_refused() -> None:
    text = "ssn 536-90-4399"
    detector = BuiltinDetector(names=None)
    for depth in range(1, 6):
        text = base64.b64encode(text.encode()).decode()
        if depth <= MAX_DEPTH:
            (one,) = detector.detect(f"data {text}")
            assert (one.entity, one.start, one.end) == ("US_SSN", 5, 5 + len(text))
        else:
            with pytest.raises(DetectorError) as caught:
                detector.detect(f"data {text}")
            assert caught.value.code == "detector.budget"


def test_everything_in_a_long_text_is_found() -> None:
    text = "we met again and talked for a while. " * 1500 + "SSN 536-90-4399"
    assert [text[f.start : f.end] for f in BuiltinDetector(names=None).detect(text)] == ["536-90-4399"]


def test_what_is_whole_in_one_message_does_not_reach_into_the_next() -> None:
    detector = BuiltinDetector(names=None)
    first, second = detector.detect_group(["write to w1.0@example.org", "Visit 3 of w1"])
    assert [one.entity for one in first] == ["EMAIL_ADDRESS"]
    assert second == []
