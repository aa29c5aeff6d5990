"""Evasion probes and ordinary facts of the test suite, put to both detectors of `benchmarks.detection`."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.detection_systems import System

TESTS: Final = Path(__file__).resolve().parents[1] / "tests"
_MARKED: Final = re.compile("⟦(.*?)⟧", re.DOTALL)


def evasions(systems: Sequence[System]) -> dict[str, dict[str, int]]:
    """Per family of tests/adversarial/evasions: the probes, and how many each system masked wholly."""
    return {
        family: {
            "probes": len(probes),
            **{system.name: sum(_masked(system, probe) for probe in probes) for system in systems},
        }
        for family, probes in _families()
    }


def _families() -> Iterator[tuple[str, list[Any]]]:
    sys.path.insert(0, str(TESTS / "adversarial"))
    package = importlib.import_module("evasions")
    for module in pkgutil.iter_modules(package.__path__):
        yield from importlib.import_module(f"evasions.{module.name}").PROBES.items()


def _masked(system: System, probe: str | Sequence[str]) -> bool:
    """Whether no letter or digit between the marks is left; several texts are messages of one call."""
    marked = [probe] if isinstance(probe, str) else list(probe)
    texts, spans = zip(*map(_parsed, marked), strict=True)
    for text, wanted, found in zip(texts, spans, system.together(texts), strict=True):
        covered = {at for one in found for at in range(one.start, one.end)}
        if any(at not in covered and text[at].isalnum() for a, b in wanted for at in range(a, b)):
            return False
    return True


def _parsed(marked: str) -> tuple[str, list[tuple[int, int]]]:
    text, spans, last = "", [], 0
    for match in _MARKED.finditer(marked):
        text += marked[last : match.start()]
        spans.append((len(text), len(text) + len(match[1])))
        text += match[1]
        last = match.end()
    return text + marked[last:], spans
