"""The names model of the package: pinned, offline, deterministic; spans in range whatever the text."""

from __future__ import annotations

import subprocess
import sys
from importlib import resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.children import environment
from threadpoolctl import threadpool_info

from vault.errors import DetectorError
from vault.redaction.ner import NameModel, decode, network
from vault.redaction.ner.model import PINNED
from vault.redaction.ner.network import Tally
from vault.redaction.ner.tokens import LOWER_TEXT, TEXT_CASES, TITLE_TEXT, TOKEN, UPPER_TEXT, USUAL_TEXT
from vault.types import Finding

MODEL = NameModel.load()
FACTS = [
    "Margaret Holloway moved from Aberdeen to Lisbon last spring.",
    "My neighbour Tom said that Priya Raman now works for Siemens.",
    "",
    "the invoice was paid twice, please refund the second payment",
    "Dear Mr. Okonkwo,\n\nyour appointment with Dr. Lindqvist is on Monday.",
    "?!  ...",
]
PIECES = st.sampled_from(
    [
        "Anna",
        "Meyer",
        "of",
        "in",
        "Berlin",
        "Ltd.",
        ",",
        ".",
        "\n",
        " ",
        "  ",
        "@ann",
        "http://x.y",
        "İ",
        "ß",
        "Иван",
        "王",
        "'s",
        "-",
        "4",
    ]
)
TEXTS = st.one_of(
    st.text(max_size=80),
    st.lists(PIECES, max_size=30).map(" ".join),
    st.lists(PIECES, max_size=30).map("".join),
)


def masked(text: str, found: list[Finding]) -> set[int]:
    """The word tokens that a finding covers."""
    return {
        m.start()
        for m in TOKEN.finditer(text)
        if m.group()[0].isalnum() and any(f.start < m.end() and m.start() < f.end for f in found)
    }


def run(code: str) -> str:
    """What the code prints in an interpreter of its own with one thread: threads of BLAS fight on a busy machine."""
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment()
    )
    return done.stdout.strip()


def files() -> tuple[bytes, bytes]:
    folder = resources.files("vault.redaction.ner")
    return folder.joinpath("weights.npz").read_bytes(), folder.joinpath("model.json").read_bytes()


def test_people_and_places_of_plain_sentences_are_found() -> None:
    found = {(FACTS[0][f.start : f.end], f.entity) for f in MODEL.find([FACTS[0]])[0]}

    assert found == {("Margaret Holloway", "PERSON"), ("Aberdeen", "LOCATION"), ("Lisbon", "LOCATION")}


def test_a_title_stands_outside_the_name() -> None:
    text = FACTS[4]

    assert "Okonkwo" in {text[f.start : f.end] for f in MODEL.find([text])[0]}


@pytest.mark.parametrize("tampered", ["weights.npz", "model.json"])
def test_other_bytes_than_the_pinned_are_refused(tampered: str) -> None:
    weights, manifest = files()
    if tampered == "weights.npz":
        weights = weights[:-1] + bytes([weights[-1] ^ 1])
    else:
        manifest += b" "

    with pytest.raises(DetectorError) as caught:
        NameModel.from_bytes(weights, manifest, PINNED)

    assert caught.value.code == "detector.integrity"


def test_the_version_names_the_weights() -> None:
    assert MODEL.version.endswith(PINNED["weights.npz"][:12])


def test_the_files_are_small() -> None:
    assert sum(map(len, files())) < 5_250_000


def test_load_returns_one_model() -> None:
    assert NameModel.load() is MODEL


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.floats(0, 6))
def test_spans_are_in_range_in_order_and_apart(text: str, recall: float) -> None:
    last, spans = 0, []
    for one in MODEL.find([text], recall=recall)[0]:
        if spans and (one.start, one.end) == spans[-1]:
            assert one.entity == "PERSON"  # what was taken for a place or an organisation, once more
            continue
        spans.append((one.start, one.end))
        assert last <= one.start < one.end <= len(text)
        assert one.entity in {"PERSON", "LOCATION", "ORGANIZATION"}
        assert one.recogniser == "names"
        assert 0.4 < one.score <= 0.9
        assert text[one.start].isalnum()
        last = one.end


@settings(max_examples=60, deadline=None)
@given(st.lists(TEXTS, max_size=12))
def test_a_batch_finds_what_single_texts_show(texts: list[str]) -> None:
    single = [MODEL.find([text])[0] for text in texts]

    for alone, together in zip(single, MODEL.find(texts), strict=True):
        assert [(f.entity, f.start, f.end) for f in alone] == [(f.entity, f.start, f.end) for f in together]
        assert [f.score for f in alone] == pytest.approx([f.score for f in together], abs=2e-3)


@settings(max_examples=150, deadline=None)
@given(TEXTS, st.floats(0, 3), st.floats(0, 3))
def test_more_recall_never_masks_fewer_words(text: str, low: float, more: float) -> None:
    assert masked(text, MODEL.find([text], recall=low)[0]) <= masked(
        text, MODEL.find([text], recall=low + more)[0]
    )


def test_a_forgetful_model_finds_the_same() -> None:
    before = MODEL.find(FACTS)
    MODEL.clear()

    assert MODEL.find(FACTS) == before


def test_the_cache_holds_no_text() -> None:
    MODEL.find(["Xanthippe Quillfeather called."])
    index = MODEL._network._cache.index

    assert all(isinstance(key, int) for key in index)


def test_half_a_character_is_no_reason_to_fail() -> None:
    assert [f.entity for f in MODEL.find(["\udc80 x\udc80y \ud800"])[0]] == []


def test_more_words_than_the_cache_holds_are_read() -> None:
    text = " ".join(f"w{chr(97 + i % 26)}{i:x}q" for i in range(40_000))

    assert isinstance(MODEL.find([text])[0], list)
    assert MODEL.find([FACTS[0]])[0]


def test_a_long_text_gives_what_its_parts_give() -> None:
    filler = "it rained all day and we stayed at home . " * 20
    text = filler * 9 + FACTS[0] + " " + filler * 9
    at = len(filler) * 9

    inside = [(f.start - at, f.end - at) for f in MODEL.find([text])[0] if at <= f.start < at + len(FACTS[0])]

    assert [FACTS[0][a:b] for a, b in inside] == ["Margaret Holloway", "Aberdeen", "Lisbon"]


def test_64_kilobytes_of_anything_take_a_moment() -> None:
    code = """if True:
        from support.timing import least
        from vault.redaction.ner import NameModel
        model = NameModel.load()
        slowest = 0.0
        for unit in ("a.a.a.", "A1 A1 ", "ab:ab:", "x", chr(0x301), chr(10), "@a", "O'", "www.", "Anna "):
            text = (unit * 65_536)[:65_536]
            slowest = max(slowest, least(lambda: model.find([text]), 1.5))
        print(slowest)
    """

    assert float(run(code)) < 1.5


def test_windows_of_a_long_text_meet_without_a_seam() -> None:
    sentence = "Then Oliver wrote to Beatrice Lang about the house in Graz . "
    text = sentence * 200
    found = MODEL.find([text])[0]
    per_sentence = [
        sorted(
            (f.start % len(sentence), f.end % len(sentence)) for f in found if f.start // len(sentence) == i
        )
        for i in range(2, 198)
    ]

    assert all(one == per_sentence[0] for one in per_sentence)


@pytest.mark.parametrize(
    ("counts", "case"),
    [
        ((5, 1, 0), USUAL_TEXT),
        ((5, 0, 0), LOWER_TEXT),
        ((0, 1, 5), UPPER_TEXT),
        ((1, 5, 0), TITLE_TEXT),
        ((0, 2, 0), USUAL_TEXT),
    ],
)
def test_the_case_of_a_text(counts: tuple[int, int, int], case: int) -> None:
    assert Tally([*counts, 0, 0, 0, 0]).case == case < TEXT_CASES


@pytest.mark.parametrize(
    "text",
    [
        "Ich habe gestern den neuen Schrank gekauft und die alte Lampe in den Keller gestellt.",
        "Hier, nous avons acheté une nouvelle voiture et la facture est dans le tiroir.",
        "Ayer compramos una lavadora nueva y la factura está en el cajón de la cocina.",
        "Вчера мы купили новый холодильник и поставили старый в подвал.",
        "昨日、新しい冷蔵庫を買いました。週末は山へ行きます。",
        "اشتريت أمس ثلاجة جديدة ووضعت الغسالة القديمة في القبو.",
    ],
)
def test_sentences_without_names_in_other_languages_stay(text: str) -> None:
    assert MODEL.find([text]) == [[]]


def test_no_training_library_is_imported() -> None:
    code = """if True:
        import sys
        from vault.redaction.ner import NameModel
        NameModel.load().find(["Anna"])
        print({"torch", "onnxruntime"} & set(sys.modules))
    """

    assert run(code) == "set()"


def test_it_works_on_one_thread_and_puts_the_setting_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def threads() -> set[int]:
        return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}

    before, during = threads(), []
    run = network.Network._run
    monkeypatch.setattr(
        network.Network, "_run", lambda self, *rows: during.append(threads()) or run(self, *rows)
    )
    NameModel.load().find(["Ana lives in Porto"])
    assert during == [{1}]
    assert threads() == before


def test_what_may_be_a_person_is_reported_as_one_too() -> None:
    """Under a pack that keeps organisations and places, a person taken for one must not be kept."""
    names = decode.CLASSES
    logits = np.full((1, 1 + 2 * len(names)), -9.0, dtype=np.float32)
    logits[0, 1 + 2 * names.index("ORGANIZATION")] = 6.0
    for person, classes in ((5.0, ["ORGANIZATION", "PERSON"]), (0.0, ["ORGANIZATION"])):
        logits[0, 1 + 2 * names.index("PERSON")] = person
        found = decode.pieces(logits, decode.leads(logits), [0])
        assert [label for _, _, label, _ in found] == classes
        assert found == sorted(found, key=lambda one: -one[3])
