"""The samples that are shipped: texts of our own generator and probes, marked with our own classes."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import Final

from vault.errors import ConfigError
from vault.redaction.evaluation.formats import read
from vault.redaction.evaluation.samples import DataSet

SAMPLES: Final = "samples.jsonl.gz"


def _bytes() -> bytes:
    try:
        return resources.files(__package__).joinpath(SAMPLES).read_bytes()
    except OSError:
        raise ConfigError("detection.samples", "this installation lacks the evaluation samples") from None


def samples(most: int = 0) -> DataSet:
    """The shipped samples, or so many of them, evenly spread; raises ConfigError where they are missing."""
    data = read(_bytes(), "jsonl")
    if most:
        data.samples = data.samples[:: -(-len(data.samples) // most)]
    return data


@cache
def digest() -> str:
    """SHA-256 of the file of samples, in hex."""
    return hashlib.sha256(_bytes()).hexdigest()


def model_version() -> str:
    """The version of the names model that ships."""
    from vault.redaction.ner import NameModel  # numpy

    return NameModel.load().version
