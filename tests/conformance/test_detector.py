"""What every detector must do, run on each that ships."""

from __future__ import annotations

import socket
import threading
from itertools import pairwise

import pytest

from vault.errors import DetectorError, InvalidInputError
from vault.redaction.detect import BuiltinDetector
from vault.redaction.interface import Detector
from vault.redaction.operators import Redacted, plan
from vault.redaction.union import UnionDetector
from vault.types import Finding

TEXT = (
    "Write to john.doe@example.com, card 4111 1111 1111 1111, SSN 536-90-4399, IBAN DE89370400440532013000."
)
SAMPLES = {
    "EMAIL_ADDRESS": "mail john.doe@example.com now",
    "CREDIT_CARD": "card 4111 1111 1111 1111",
    "US_SSN": "my ssn is 536904399",
    "IBAN_CODE": "pay DE89370400440532013000",
    "IP_ADDRESS": "from 192.168.10.20",
    "MAC_ADDRESS": "at 00:1A:2B:3C:4D:5E",
    "PHONE_NUMBER": "call 212-736-5000",
    "UK_NHS": "number 943 476 5919",
    "URL": "see https://example.com/x",
    "DATE_TIME": "on 2023-05-06",
    "CRYPTO": "to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
}


def presidio() -> Detector:
    pytest.importorskip("presidio_analyzer", reason="the extra memvault[presidio] is not installed")
    from vault.redaction.presidio import PresidioDetector

    return PresidioDetector()


@pytest.fixture(scope="module", params=["builtin", "presidio", "union"])
def detector(request: pytest.FixtureRequest) -> Detector:
    if request.param == "builtin":
        return BuiltinDetector()
    return presidio() if request.param == "presidio" else UnionDetector([BuiltinDetector(), presidio()])


def test_has_the_shape(detector: Detector) -> None:
    assert isinstance(detector, Detector)
    assert detector.version == detector.version
    assert detector.version.isprintable()
    assert set(SAMPLES) <= detector.entities


@pytest.mark.parametrize("entity", SAMPLES)
def test_finds_what_it_says_it_finds(detector: Detector, entity: str) -> None:
    assert entity in {found.entity for found in detector.detect(SAMPLES[entity])}


@pytest.mark.parametrize(
    "text", ["", " ", "we like tea and long walks", "a caf\u00e9 by the sea \U0001f600", "\n\n", "."]
)
def test_finds_nothing_in_plain_text(detector: Detector, text: str) -> None:
    assert detector.detect(text) == []


def test_findings_are_ordered_apart_and_of_known_classes(detector: Detector) -> None:
    found = detector.detect(TEXT)
    assert len(found) >= 4
    assert all(isinstance(one, Finding) and 0 < one.score <= 1 for one in found)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert {one.entity for one in found} <= detector.entities


def test_the_same_text_gives_the_same_findings(detector: Detector) -> None:
    assert detector.detect(TEXT) == detector.detect(TEXT)


def test_offsets_are_those_of_the_text_given(detector: Detector) -> None:
    text = "caf\u00e9 \u200b4111\u00a01111\u00a01111\u00a01111\u200b ok"
    (one,) = detector.detect(text)
    assert text[one.start : one.end] == "4111\u00a01111\u00a01111\u00a01111"


def test_the_key_of_a_value_counts(detector: Detector) -> None:
    assert detector.detect("536904399") == []
    assert [one.entity for one in detector.detect("536904399", context="patient.ssn")] == ["US_SSN"]


def test_kept_classes_are_not_reported(detector: Detector) -> None:
    kept = frozenset({"EMAIL_ADDRESS", "URL"})
    assert not kept & {one.entity for one in detector.detect(TEXT, keep=kept)}
    assert "CREDIT_CARD" in {one.entity for one in detector.detect(TEXT, keep=kept)}


def test_what_is_not_text_is_refused(detector: Detector) -> None:
    for bad in ("\ud800", "ok \udcff"):
        with pytest.raises(InvalidInputError):
            detector.detect(bad)


def test_no_network(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a socket was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert detector.detect(TEXT)


def test_many_threads_at_once(detector: Detector) -> None:
    expected = detector.detect(TEXT)
    wrong: list[object] = []

    def work() -> None:
        for _ in range(5):
            try:
                if detector.detect(TEXT) != expected:
                    wrong.append("differs")
            except DetectorError as error:
                wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_its_findings_can_be_planned(detector: Detector) -> None:
    parts = plan(TEXT, detector.detect(TEXT), {}, "token")
    assert "".join(part.original if isinstance(part, Redacted) else part for part in parts) == TEXT
    left = "".join(part for part in parts if isinstance(part, str))
    assert not any(value in left for value in ("4111", "john", "536", "DE89"))
