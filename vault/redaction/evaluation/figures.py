"""What detectors reached on the shipped samples: measured.json beside this module, and in a vault's folder.

The shipped file holds the built-in detector, and the same in strict mode; tools/measure_detector.py writes it. A
vault with another detector has a file of its own; `memvault detect measure --write` writes that. Reading needs the
standard library only: a pack's gate asks at every start.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
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


def measured(version: str | None = None, folder: Path | None = None) -> Measured | None:
    """The figures of the detector of a version: the shipped ones, else those in the vault's `folder`; None if neither.

    Without a version, those of the detector as it ships. Raises ConfigError for a broken file.
    """
    own = _read(folder / FILE) if folder is not None else ()
    for found in (*_shipped(), *own):
        if version in (None, found.version):
            return found
    return None


@cache
def _shipped() -> tuple[Measured, ...]:
    return _read(resources.files(__package__).joinpath(FILE))


def _read(place: Traversable | Path) -> tuple[Measured, ...]:
    try:
        data = place.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError:
        raise ConfigError("detection.measured", "the file of measured figures cannot be read") from None
    return parse(data)


def parse(data: bytes) -> tuple[Measured, ...]:
    """The figures in a file's bytes, the detector as it ships first; raises ConfigError for a broken one."""
    try:
        document: dict[str, Any] = json.loads(data)
        return tuple(
            Measured(
                one["version"], one["model"], document["samples_sha256"], MappingProxyType(_classes(one))
            )
            for one in document["detectors"]
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ConfigError("detection.measured", "the file of measured figures is not valid") from None


def _classes(one: Mapping[str, Any]) -> dict[str, ClassFigures]:
    return {
        name: ClassFigures(row["samples"], row["recall"], row["precision"], row["character_recall"])
        for name, row in one["classes"].items()
    }


def render(samples_sha256: str, detectors: Sequence[Mapping[str, Any]]) -> bytes:
    """The bytes of a file of figures."""
    document = {"samples_sha256": samples_sha256, "detectors": list(detectors)}
    return (json.dumps(document, indent=1) + "\n").encode("ascii")
