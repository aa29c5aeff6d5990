"""Presidio as a frame: equal spans through both doors, our operators in its anonymizer, configured models."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("presidio_analyzer", reason="the extra memvault[presidio] is not installed")
pytest.importorskip("presidio_anonymizer", reason="the extra memvault[presidio] is not installed")

from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine import NoOpNlpEngine
from presidio_anonymizer.entities import InvalidParamError, RecognizerResult

from vault.config import VaultConfig
from vault.errors import ConfigError, DetectorError, InvalidInputError, RejectedError
from vault.redaction import models, presidio_engines
from vault.redaction.detect import BuiltinDetector
from vault.redaction.models import Model
from vault.redaction.operators import OPERATORS, TOKEN_ALPHABET, TOKEN_LENGTH, Redacted, plan, shifted
from vault.redaction.presidio import PresidioDetector
from vault.redaction.presidio_frame import VaultRecognizer
from vault.redaction.presidio_operators import anonymizer, configs

TEXTS = [
    "Margaret Ellison moved to Albuquerque; write to nurse@hospital.local or call (212) 555-0123.",
    "Her social security number is 536-90-4399, card 4111 1111 1111 1111, CVV 123.",
    "SSN\u00a05\u200b36\u201190\u20114399 and DE89 3704 0044 0532 0130 00",
    "Admitted on March 14th, 2021, aged 93; MRN 483920.",
    '{"patient": {"email": "ana@example.org", "note": "born 12 March 1984"}}',
    "She prefers tea over coffee and walks five kilometres.",
    "",
    "see https://portal.example.org/patients/7 and http://intranet/x, 10.0.0.1",
]


@pytest.fixture(autouse=True)
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="module")
def detector() -> BuiltinDetector:
    return BuiltinDetector()


@pytest.fixture(scope="module")
def engine(detector: BuiltinDetector) -> Any:
    nlp = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}])
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.add_recognizer(VaultRecognizer(detector))
    return AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])


# --- our detector in Presidio's engine ---


def test_the_recogniser_has_the_detectors_classes_and_version(detector: BuiltinDetector) -> None:
    recogniser = VaultRecognizer(detector, supported_language="de")
    assert set(recogniser.supported_entities) == detector.entities
    assert (recogniser.version, recogniser.supported_language) == (detector.version, "de")


@pytest.mark.parametrize("text", TEXTS)
def test_both_doors_give_equal_spans(engine: Any, detector: BuiltinDetector, text: str) -> None:
    through = sorted((r.start, r.end, r.entity_type, r.score) for r in engine.analyze(text, "en"))
    assert through == sorted((f.start, f.end, f.entity, float(f.score)) for f in detector.detect(text))


def test_classes_that_are_not_asked_for_hide_no_other(engine: Any, detector: BuiltinDetector) -> None:
    text = TEXTS[0]
    asked = ["EMAIL_ADDRESS"]
    (one,) = engine.analyze(text, "en", entities=asked)
    keep = detector.entities - {"EMAIL_ADDRESS"}
    assert [(one.start, one.end)] == [(f.start, f.end) for f in detector.detect(text, keep=keep)]


def test_a_text_that_cannot_be_examined_is_no_text_without_findings(engine: Any) -> None:
    with pytest.raises(InvalidInputError):
        engine.analyze("a\ud800b", "en")


# --- our operators in Presidio's anonymizer ---

FIXED = TOKEN_ALPHABET[:TOKEN_LENGTH]
CHOICE = {
    "EMAIL_ADDRESS": "token", "PERSON": "token", "CREDIT_CARD": "mask", "DATE_TIME": "generalise", "URL": "keep",
    "DATE_OF_BIRTH": "shift", "AGE": "generalise",
}  # fmt: skip


def rendered(text: str, detector: BuiltinDetector) -> str:
    pieces = []
    for part in plan(text, detector.detect(text), CHOICE, "drop"):
        if not isinstance(part, Redacted):
            pieces.append(part)
        elif part.replacement is not None:
            pieces.append(part.replacement)
        else:
            label = part.entity.split("_")[0]
            pieces.append(shifted(part, 40) if part.operator == "shift" else f"[{label}:{FIXED}]")
    return "".join(pieces)


@pytest.mark.parametrize("text", TEXTS)
def test_our_operators_work_under_presidios_anonymizer(
    engine: Any, detector: BuiltinDetector, text: str
) -> None:
    behind: dict[str, str] = {}

    def assign(label: str, entity: str, value: str) -> str:
        behind[value] = entity
        return f"{label}:{FIXED}"

    found = [RecognizerResult(r.entity_type, r.start, r.end, r.score) for r in engine.analyze(text, "en")]
    made = anonymizer().anonymize(
        text,
        found,
        operators=configs(CHOICE, "drop", assign=assign, days=40),
        merge_entities_with_spaces=False,
    )
    assert made.text == rendered(text, detector)
    assert all(CHOICE[entity] == "token" and value in text for value, entity in behind.items())


def test_block_refuses_under_presidio_too() -> None:
    with pytest.raises(RejectedError):
        anonymizer().anonymize(
            "4821", [RecognizerResult("CARD_PIN", 0, 4, 1.0)], operators=configs({}, "block")
        )


@pytest.mark.parametrize("operator", ["token", "shift"])
def test_what_is_not_handed_in_is_asked_for(operator: str) -> None:
    with pytest.raises(InvalidParamError):
        anonymizer().anonymize(
            "2023-05-06", [RecognizerResult("DATE_TIME", 0, 10, 1.0)], operators=configs({}, operator)
        )


def test_every_operator_of_the_vault_is_there() -> None:
    assert {f"memvault_{name}" for name in OPERATORS} <= set(anonymizer().get_anonymizers())


# --- models under Presidio ---


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spaCy pipeline that knows two names: small, and loaded like any other."""
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns(
        [
            {"label": "PERSON", "pattern": "Zorblatt Quux"},
            {"label": "GPE", "pattern": "Xanthopolis"},
            {"label": "CARDINAL", "pattern": "twelve"},
        ]
    )
    place = tmp_path_factory.mktemp("models") / "tiny"
    nlp.to_disk(place)
    return place


def test_a_spacy_model_in_a_folder_is_loaded_and_its_labels_are_ours(tiny: Path) -> None:
    detector = PresidioDetector(model=Model("spacy", str(tiny)))
    text = "Zorblatt Quux of Xanthopolis counts twelve; my ssn is 536904399"
    found = {(f.entity, text[f.start : f.end]) for f in detector.detect(text)}
    assert found == {("PERSON", "Zorblatt Quux"), ("LOCATION", "Xanthopolis"), ("US_SSN", "536904399")}
    assert {"PERSON", "LOCATION", "ORGANIZATION"} <= detector.entities


def test_the_version_names_the_model_and_changes_with_it(tiny: Path, tmp_path: Path) -> None:
    import shutil

    other = tmp_path / "tiny"
    shutil.copytree(tiny, other)
    meta = json.loads((other / "meta.json").read_text())
    (other / "meta.json").write_text(json.dumps({**meta, "version": "9.9.9"}))
    plain = PresidioDetector().version
    versions = {PresidioDetector(model=Model("spacy", str(place))).version for place in (tiny, other)}
    assert len(versions) == 2
    assert all(",spacy/tiny-" in version and str(tmp_path) not in version for version in versions)
    assert plain not in versions


@pytest.mark.parametrize("model", ["spacy/xx_no_such_model", "transformers/nobody/nothing", "gliner/nothing"])
def test_a_missing_model_is_an_error_that_names_the_command(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    with pytest.raises(ConfigError) as caught:
        PresidioDetector(model=models.parse(model))
    assert caught.value.code == "models.missing"
    assert f"memvault models install {model}" in str(caught.value)


def test_a_folder_without_a_model_is_an_error(tmp_path: Path) -> None:
    for kind in models.KINDS:
        with pytest.raises(ConfigError) as caught:
            PresidioDetector(model=models.parse(f"{kind}/./nothing", beside=tmp_path))
        assert caught.value.code == "models.missing"
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(ConfigError) as caught:
        PresidioDetector(model=Model("spacy", str(tmp_path)))
    assert caught.value.code == "models.broken"


@pytest.mark.parametrize("kind", ["transformers", "gliner"])
def test_a_model_without_the_package_it_runs_in_is_an_error(
    kind: models.Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / {"transformers": "config.json", "gliner": "gliner_config.json"}[kind]).write_text("{}")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        presidio_engines._recogniser(Model(kind, str(tmp_path)), str(tmp_path))
    assert caught.value.code == "models.runtime"


def test_a_model_that_fails_on_a_text_refuses_it() -> None:
    """Presidio's recogniser logs such a failure and answers that there is nothing."""
    detector = PresidioDetector()

    def failing(_: str) -> None:
        raise ValueError("536-90-4399")

    class Swallows:
        def analyze(self, **asked: Any) -> list[Any]:
            try:
                presidio_engines._Loud(failing)(asked["text"])
            except Exception:  # noqa: BLE001  as Presidio does
                return []
            return []

    detector._analyzer = presidio_engines.Analyzer(Swallows(), None, False, "")
    with pytest.raises(DetectorError) as caught:
        detector.detect("my ssn is 536-90-4399")
    assert "536" not in str(caught.value)


# --- recognisers of one's own ---

OWN = """
recognizers:
  - name: Badge
    supported_language: en
    supported_entity: STAFF_BADGE
    patterns:
      - {name: badge, regex: 'ZX-\\d{5}', score: 0.9}
"""


def test_recognisers_of_a_file_run_beside_the_others(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(OWN)
    detector = PresidioDetector(recognisers=[path])
    text = "badge ZX-12345 of 10.0.0.1"
    assert {(f.entity, text[f.start : f.end]) for f in detector.detect(text)} == {
        ("STAFF_BADGE", "ZX-12345"),
        ("IP_ADDRESS", "10.0.0.1"),
    }
    assert "STAFF_BADGE" in detector.entities
    assert ",recognisers-" in detector.version


@pytest.mark.parametrize("content", [None, "recognizers: [", "other: 1", "recognizers: [{name: x}]", "- 1"])
def test_a_file_that_does_not_load_stops_the_start(
    tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "own.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError) as caught:
        PresidioDetector(recognisers=[path])
    assert caught.value.code == "presidio.recognisers"
    assert capsys.readouterr().out == ""


# --- the configuration ---


def config(**detection: Any) -> VaultConfig:
    return VaultConfig.parse({"keys": {"provider": "file:/k", "backup": "none"}, "detection": detection})


def test_the_configuration_names_detectors_and_files(tiny: Path) -> None:
    from vault import compose

    asked = config(detectors=["builtin", "presidio:spacy/./tiny"], recognisers=["own.yaml"]).detection
    (tiny.parent / "own.yaml").write_text(OWN)
    found_by = compose.detector(asked.detectors, 0.4, folder=tiny.parent, recognisers=asked.recognisers)
    text = "Zorblatt Quux has badge ZX-12345 and MRN 483920"
    assert {"PERSON", "STAFF_BADGE", "MRN"} <= {f.entity for f in found_by.detect(text)}
    assert "spacy/tiny-" in found_by.version


@pytest.mark.parametrize(
    "name",
    [
        "",
        "nlp",
        "presidio:",
        "presidio:stanza/en",
        "presidio:spacy/",
        "builtin:spacy/x",
        "presidio:spacy/a b",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        config(detectors=[name])


def test_no_detector_is_refused() -> None:
    with pytest.raises(ConfigError):
        config(detectors=[])


# --- the page ---


def test_the_examples_of_the_page_are_true() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "presidio.md").read_text(encoding="utf-8")
    first, second = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert [found.entity_type for found in last_value(first)] == ["EMAIL_ADDRESS"]
    assert last_value(second) == second.rpartition("made.text  # ")[2].strip()


def last_value(code: str) -> Any:
    """What the last line of an example gives."""
    *body, last = code.strip().splitlines()
    names: dict[str, Any] = {}
    exec("\n".join(body), names)  # noqa: S102  our own page
    return eval(last, names)  # noqa: S307
