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
from vault.redaction.ner.decode import Piece, leads, pieces
from vault.redaction.ner.network import Floats, Network, Tally
from vault.redaction.ner.tokens import FEATURES, TITLE_TEXT, TOKEN, USUAL_TEXT
from vault.types import Finding

# SHA-256 of the two files; training/train_ner.py prints them. The version is bound to the weights.
PINNED: Final = {
    "weights.npz": "e9587109eddd57aa5bef960f020185cd7d3bf72d50689b810a3fb66072b1116b",
    "model.json": "77cf2768dd3098d2f5c96439e04268dd3e7564c7684ad3ec6eb1ff25f043408e",
}
NAME: Final = "names"
MAX_RECALL: Final = 6.0

# In a text of another language the model must be surer by so much, and wants a capital letter.
_FOREIGN_DOUBT: Final = 1.5
# In a text that has capitals it must be surer of a word without one.
_SMALL_DOUBT: Final = 1.0
_WITH_CAPITALS: Final = frozenset({USUAL_TEXT, TITLE_TEXT})


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
        """The findings of each text, in order; apart, but that a span may come as two classes, the surer first.

        `recall` (in logits, to 6) finds more and errs more.
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
    """The runs of tokens that are names.

    Each token is decided by itself: its lead over "nothing" against the bar of its kind. A greater bias lowers
    all bars, so it never takes a token out.
    """
    lead = leads(logits)
    hits: list[int] = np.flatnonzero(lead > -bias).tolist()
    if not hits:
        return []
    strange = tally.other_script > tally.latin
    if strange or 2 <= tally.foreign > tally.english:
        bar = _FOREIGN_DOUBT - bias
        hits = [
            hit
            for hit in hits
            if lead[hit] > bar
            and tokens[hit][0].isupper()
            and not (strange and _begins_sentence(tokens, hit))
        ]
    elif tally.case in _WITH_CAPITALS:
        bar = _SMALL_DOUBT - bias
        hits = [hit for hit in hits if lead[hit] > bar or not tokens[hit][0].islower()]
    return pieces(logits, lead, hits)


def _begins_sentence(tokens: Sequence[str], number: int) -> bool:
    """Whether a capital is owed to the place of the word, and the next word has none to say otherwise."""
    follows = number == 0 or tokens[number - 1][0] in ".!?\n"
    return follows and number + 1 < len(tokens) and tokens[number + 1][0].islower()


def _findings(text: str, spans: Sequence[Piece]) -> list[Finding]:
    """Findings at character offsets; punctuation at the edges of a run is left out."""
    places = [match.span() for match in TOKEN.finditer(text)]
    out = []
    for first, after, label, score in spans:
        words = [place for place in places[first:after] if text[place[0]].isalnum()]
        if words:
            out.append(Finding(label, words[0][0], words[-1][1], score, NAME))
    return out
