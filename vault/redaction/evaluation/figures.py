"""What the shipped detector reached on the shipped samples: measured.json, written by tools/measure_detector.py.

Reading it needs the standard library only: a pack's gate asks for it at every start.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, Final

from vault.errors import ConfigError

FILE: Final = "measured.json"


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One class: how often it is in the samples, which share was wholly masked by a finding of its kind, which
    share of its findings touches a marked value of its kind, and which share of its characters was masked."""

    samples: int
    recall: float | None
    precision: float | None
    character_recall: float | None


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one detector (`version`) with one names model (`model`), on the samples with this SHA-256."""

    version: str
    model: str | None
    samples_sha256: str
    classes: Mapping[str, ClassFigures]

    def recall(self, entity: str) -> float | None:
        """The measured recall of a class; None where it was not measured."""
        figures = self.classes.get(entity)
        return figures.recall if figures is not None else None

    def precision(self, entity: str) -> float | None:
        """The measured precision of a class; None where it was not measured."""
        figures = self.classes.get(entity)
        return figures.precision if figures is not None else None

    def samples(self, entity: str) -> int:
        """How many values of a class are in the samples."""
        figures = self.classes.get(entity)
        return figures.samples if figures is not None else 0


@cache
def measured() -> Measured | None:
    """The shipped figures; None where the installation has none. Raises ConfigError for a broken file."""
    try:
        data = resources.files(__package__).joinpath(FILE).read_bytes()
    except OSError:
        return None
    return parse(data)


def parse(data: bytes) -> Measured:
    """The figures in a file's bytes; raises ConfigError `detection.measured` for a broken one."""
    try:
        document: dict[str, Any] = json.loads(data)
        classes = {
            name: ClassFigures(row["samples"], row["recall"], row["precision"], row["character_recall"])
            for name, row in document["classes"].items()
        }
        return Measured(
            document["detector"], document["model"], document["samples_sha256"], MappingProxyType(classes)
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError("detection.measured", "the file of measured figures is not valid") from None
