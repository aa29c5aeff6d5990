"""The optional Presidio detector: no download, no network, no skipped text, no content in logs."""

from __future__ import annotations

import builtins
import logging
import socket
from typing import Any

import pytest
from support.timing import least

from vault.errors import ConfigError, DetectorError
from vault.redaction import presidio as presidio_module
from vault.redaction.presidio import PresidioDetector


@pytest.fixture(scope="module")
def detector() -> PresidioDetector:
    pytest.importorskip("presidio_analyzer", reason="the extra memvault[presidio] is not installed")
    return PresidioDetector()


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("presidio_analyzer"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ConfigError) as caught:
        PresidioDetector()
    assert "memvault[presidio]" in str(caught.value)


def test_no_socket_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("presidio_analyzer")

    def refuse(*_: object) -> None:
        raise AssertionError("a socket was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    text = "write to john.doe@example.com at https://example.com"
    assert {f.entity for f in PresidioDetector().detect(text)} == {"EMAIL_ADDRESS", "URL"}


def test_words_near_a_match_count_as_whole_words(detector: PresidioDetector) -> None:
    assert [f.entity for f in detector.detect("my ssn is 536904399")] == ["US_SSN"]
    assert detector.detect("my assn is 536904399") == []
    assert [f.entity for f in detector.detect("536904399", context="patientSsn")] == ["US_SSN"]


def test_spans_map_back_to_the_original(detector: PresidioDetector) -> None:
    text = "card 4111\u00a01111\u200b1111-1111 ok"
    (one,) = detector.detect(text)
    assert text[one.start : one.end] == "4111\u00a01111\u200b1111-1111"


def test_kept_classes(detector: PresidioDetector) -> None:
    text = "on 2023-05-06 see https://example.com"
    assert [f.entity for f in detector.detect(text, keep=frozenset({"URL"}))] == ["DATE_TIME"]
    assert detector.detect(text, keep=detector.entities) == []


def test_a_regex_that_times_out_refuses_the_text(
    detector: PresidioDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    from presidio_analyzer import pattern_recognizer

    monkeypatch.setattr(pattern_recognizer, "REGEX_TIMEOUT_SECONDS", 1e-9)
    with pytest.raises(DetectorError) as caught:
        detector.detect("0123 456 789 " * 600)
    assert caught.value.code == "detector.timeout"


def test_a_failure_inside_refuses_the_text_without_quoting_it(
    detector: PresidioDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise ValueError("536-90-4399")

    monkeypatch.setattr(detector._engine, "analyze", fail)
    with pytest.raises(DetectorError) as caught:
        detector.detect("536-90-4399")
    assert "536" not in str(caught.value)
    assert caught.value.__context__ is None


def test_presidio_logs_nothing(detector: PresidioDetector, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "presidio-analyzer")
    detector.detect("IBAN DE89370400440532013000 and 536-90-4399")
    logging.getLogger("presidio-analyzer").error("Failed to validate text %s", "DE89370400440532013000")
    assert caplog.records == []


@pytest.mark.parametrize("at", [0, 5, 10, 16])
def test_nothing_is_lost_at_a_window_border(detector: PresidioDetector, at: int) -> None:
    head = "x " * ((presidio_module.WINDOW - at) // 2)
    text = f"{head}SSN 536-90-4399 {'y ' * 300}"
    assert [text[f.start : f.end] for f in detector.detect(text)] == ["536-90-4399"]


@pytest.mark.parametrize("seed", ["a.a.a.", "A1 A1 ", "ab:ab:", "1 "])
def test_long_input_is_examined_in_bounded_time(detector: PresidioDetector, seed: str) -> None:
    text = seed * (16_384 // len(seed))
    assert least(lambda: detector.detect(text), 20) < 20
