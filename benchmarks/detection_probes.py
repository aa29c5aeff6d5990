"""Evasion probes and ordinary facts of the test suite, put to both detectors of `benchmarks.detection`."""

from __future__ import annotations

import importlib
import pkgutil
import re
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.detection_systems import System
from vault.policy.pack import load
from vault.redaction.operators import plan

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


def ordinary(systems: Sequence[System]) -> dict[str, dict[str, int]]:
    """Ordinary facts with numbers in them (tests/unit/redaction/ordinary.py): how many of them each system changes.

    `changed` is what the pack `baseline` would do to the text, for classes of ours and of theirs alike.
    """
    place = TESTS / "unit" / "redaction" / "ordinary.py"
    if not place.is_file():
        return {}
    names = runpy.run_path(str(place))
    facts = [one for name in names if not name.startswith("_") for one in _texts(names[name])]
    pack = load("baseline")
    found: dict[str, dict[str, int]] = {}
    for system in systems:
        answers = [(text, system.detect(text)) for text in facts]
        plans = (plan(text, own, pack.operators, pack.default_operator) for text, own in answers)
        found[system.name] = {
            "texts": len(facts),
            "with a finding": sum(bool(own) for _, own in answers),
            "changed": sum(any(not isinstance(part, str) for part in parts) for parts in plans),
        }
    return found


def _texts(value: object) -> Sequence[str]:
    """The value, if it is a collection of texts."""
    if isinstance(value, list | tuple) and value and all(isinstance(one, str) for one in value):
        return value
    return ()


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
