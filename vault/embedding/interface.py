"""What an embedder is, what it is known by, and how redacted text reads before it is embedded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Final, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

# A stored stand-in for a detected value, such as [EMAIL:k7q2m9].
_TOKEN: Final = re.compile(r"\[([A-Z][A-Z0-9_]{0,63}):[0-9a-z]{1,64}\]")


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into unit vectors; the same name, version and text give the same vector, to rounding.

    `version` changes whenever a vector may change: rows embedded under another version are embedded again.
    Implementations are safe to call from several threads.
    """

    @property
    def name(self) -> str:
        """A stable name, content-free, stored beside what it embedded."""
        ...

    @property
    def version(self) -> str:
        """Bound to the model's bytes."""
        ...

    @property
    def dimension(self) -> int:
        """The length of each vector."""
        ...

    @property
    def address(self) -> str | None:
        """The host that texts are sent to; None where none leaves this process."""
        ...

    def embed(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Rows (n, dimension): each of length 1, or zero for a text without words. Raises EmbedderError."""
        ...


# What embedded the memories of stores that do not name it: the model of format 1.
FIRST_IDENTITY: Final = "static-minilm-256 1-380638385d0f 256"


def identity(embedder: Embedder) -> str:
    """What an embedder is known by in a store: vectors of two identities are never compared."""
    return f"{embedder.name} {embedder.version} {embedder.dimension}"


def model_id(identity: str) -> bytes:
    """The 8 bytes that stand for an identity in a sealed point."""
    return hashlib.sha256(identity.encode()).digest()[:8]


def plain_words(text: str) -> str:
    """`text` with redaction tokens as their label's words: `[CREDIT_CARD:k7q2m9]` reads "credit card"."""
    if "[" not in text:
        return text
    return _TOKEN.sub(lambda found: f" {found[1].replace('_', ' ').lower()} ", text)
