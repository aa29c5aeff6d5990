"""The names model of the package: weights checked against pinned hashes, texts in, findings out."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any, Final, Self

import numpy as np

from vault.errors import DetectorError
from vault.redaction.ner.decode import Piece, pieces
from vault.redaction.ner.network import Floats, Network, Tally
from vault.redaction.ner.tokens import FEATURES, TOKEN
from vault.types import Finding

# SHA-256 of the two files; training/train_ner.py prints them. The version is bound to the weights.
PINNED: Final = {
    "weights.npz": "b45da0ecc5e69a433916e407370178c379435fb4152d0c9193fd8043942a0ce9",
    "model.json": "60abf680cec535eb18d26a878f4e49d08ae7707349aa286e29c76549be191392",
}
NAME: Final = "names"
MAX_RECALL: Final = 6.0

# In a text of another language the model must be surer by so much, and wants a capital letter.
_FOREIGN_DOUBT: Final = 1.5


class NameModel:
    """Finds PERSON, LOCATION and ORGANIZATION in normalised text. Thread-safe; needs numpy alone."""

    def __init__(self, arrays: Mapping[str, Any], manifest: Mapping[str, Any]) -> None:
        if manifest["features"] != FEATURES:
            raise ValueError("weights of other features")
        self._network = Network(arrays, manifest["dilations"])
        self._bias = float(manifest["bias"])
        self._manifest = manifest
        self.version = str(manifest["version"])

    @classmethod
    def load(cls) -> NameModel:
        """The model of the package, read and checked once. Raises DetectorError if it is not the pinned one."""
        return _shipped()

    @classmethod
    def from_bytes(cls, weights: bytes, manifest: bytes, pinned: Mapping[str, str]) -> Self:
        """A model from its two files. Raises DetectorError when they are not the pinned bytes."""
        for name, data in (("weights.npz", weights), ("model.json", manifest)):
            if hashlib.sha256(data).hexdigest() != pinned[name]:
                raise DetectorError("detector.integrity", f"the names model's {name} is not the pinned file")
        with np.load(io.BytesIO(weights), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        return cls(arrays, json.loads(manifest))

    def clear(self) -> None:
        """Forget the words seen so far (kept as hashes and vectors, to be quick)."""
        self._network.clear()

    def find(self, texts: Sequence[str], *, recall: float = 0.0) -> list[list[Finding]]:
        """The findings of each text, in order and apart; `recall` (in logits, to 6) finds more and errs more.

        More recall never masks fewer words. Any string is accepted.
        """
        found: list[list[Finding]] = [[] for _ in texts]
        tokens = [TOKEN.findall(text) for text in texts]
        asked = [number for number, words in enumerate(tokens) if words]
        bias = self._bias + min(max(recall, 0.0), MAX_RECALL)
        for number, (logits, tally) in zip(
            asked, self._network.logits([tokens[number] for number in asked]), strict=True
        ):
            spans = _decoded(logits, tally, tokens[number], bias)
            if spans:
                found[number] = _findings(texts[number], spans)
        return found


@cache
def _shipped() -> NameModel:
    folder = resources.files(__package__)
    try:
        weights, manifest = (folder.joinpath(name).read_bytes() for name in ("weights.npz", "model.json"))
    except OSError:
        raise DetectorError("detector.missing", "the names model's files cannot be read") from None
    return NameModel.from_bytes(weights, manifest, PINNED)


def _decoded(logits: Floats, tally: Tally, tokens: Sequence[str], bias: float) -> list[Piece]:
    """The runs of tokens that are names, without those a text of another language only seems to have."""
    foreign = tally.foreign >= 2 and tally.foreign > tally.english
    strange = tally.other_script > 2 and 2 * tally.other_script > len(tokens)
    if not (foreign or strange):
        return pieces(logits, bias)
    barred = [number for number, token in enumerate(tokens) if not token[0].isupper()]
    return pieces(logits, bias - _FOREIGN_DOUBT, barred)


def _findings(text: str, spans: Sequence[Piece]) -> list[Finding]:
    """Findings at character offsets; punctuation at the edges of a run is left out, but for a final point."""
    places = [match.span() for match in TOKEN.finditer(text)]
    out = []
    for first, after, label, score in spans:
        words = [place for place in places[first:after] if text[place[0]].isalnum()]
        if words:
            out.append(Finding(label, words[0][0], words[-1][1], score, NAME))
    return out
