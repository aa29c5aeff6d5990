"""What of a point leaves the process for an index elsewhere: its vector turned and blurred, its terms renamed.

Obfuscation that dies with the key, not encryption: inner products within one subject stay visible, and who knows some
of its texts can link or rebuild others (figures and limits: docs/qdrant.md). Each subject and each generation of its
data key has a turn of its own, so that vectors of two subjects cannot be compared, and old copies of the index are
stranded when the generation is destroyed.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Final

import numpy as np
import numpy.typing as npt

from vault.crypto.primitives import SecretKey, length_prefixed
from vault.index.interface import FloatVector

ROUNDS: Final = 3  # permutation, signs, Hartley: each number of the result depends on each of the vector
# Radius of the noise, where vectors have length 1: of the ten nearest, 99.7 % are among the noisy 50 nearest, while 64
# known texts link 47 % of the others instead of 67 % (measured, research/crypto-audit section 3.2).
NOISE: Final = 0.5
_TERM_BYTES: Final = 4
_DOUBLE_BITS: Final = 53  # of the random 64, those that a double can hold

Doubles = npt.NDArray[np.float64]


class Veil:
    """The keyed transform of one subject and generation, for vectors of one length. Deterministic."""

    __slots__ = ("_dimension", "_key", "_rounds")

    def __init__(self, key: SecretKey, dimension: int) -> None:
        """`key` is the subject's key for the use `index`; making it costs about 0.1 ms at 256 dimensions."""
        self._key = key
        self._dimension = dimension
        self._rounds = [self._round(number) for number in range(ROUNDS)]

    def _round(self, number: int) -> tuple[npt.NDArray[np.intp], Doubles]:
        order = np.argsort(self._words(self._dimension, b"order", bytes([number])), kind="stable")
        signs = self._words(self._dimension, b"signs", bytes([number])) & np.uint64(1)
        return order, signs.astype(np.float64) * 2.0 - 1.0

    def turned(self, vectors: FloatVector) -> FloatVector:
        """Vectors (..., d) under the orthogonal transform: lengths and inner products stay. What a query becomes."""
        out: Doubles = vectors.astype(np.float64)
        for order, signs in self._rounds:
            spectrum = np.fft.fft(out[..., order] * signs, axis=-1)
            out = (spectrum.real - spectrum.imag) / math.sqrt(self._dimension)
        single: FloatVector = out.astype(np.float32)
        return single

    def covered(self, vector: FloatVector, record: bytes, version: int) -> FloatVector:
        """The unit vector (d,) that is stored for one version of a record: turned, with noise of its own.

        The noise depends on nothing but key, record, version and vector: sent again it is the same, so that no average
        of repeated uploads removes it, and a vector made anew by another embedder does not share it.
        """
        parts = (b"noise", record, version.to_bytes(8, "big"), vector.astype("<f4").tobytes())
        words = self._words(2 * ((self._dimension + 1) // 2) + 1, *parts)
        uniform = ((words >> np.uint64(64 - _DOUBLE_BITS)).astype(np.float64) + 0.5) / 2.0**_DOUBLE_BITS
        half = len(uniform) // 2
        radius, angle = np.sqrt(-2.0 * np.log(uniform[:half])), 2.0 * math.pi * uniform[half : 2 * half]
        # Box and Muller 1958; numpy's own distributions may change between versions.
        normal = np.concatenate((radius * np.cos(angle), radius * np.sin(angle)))[: self._dimension]
        reach = NOISE * uniform[-1] ** (1.0 / self._dimension)  # uniform in the ball
        noisy = self.turned(vector).astype(np.float64) + normal * (reach / np.linalg.norm(normal))
        stored: FloatVector = (noisy / np.linalg.norm(noisy)).astype(np.float32)
        return stored

    def term(self, term: int) -> int:
        """The 32-bit name of a lexical term outside: a PRF of it, one-way without the key."""
        return int.from_bytes(self._stream(_TERM_BYTES, b"term", term.to_bytes(_TERM_BYTES, "big")), "big")

    def terms(self, terms: Iterable[int]) -> list[int]:
        """The names of several terms, each once, in order; counts stay inside."""
        return sorted({self.term(term) for term in terms})

    def _words(self, count: int, *parts: bytes) -> npt.NDArray[np.uint64]:
        return np.frombuffer(self._stream(8 * count, *parts), dtype="<u8").astype(np.uint64)

    def _stream(self, size: int, *parts: bytes) -> bytes:
        """SHAKE-256 (FIPS 202) over key and label: a PRF, since a sponge has no length extension."""
        sponge = hashlib.shake_256(self._key.buffer)
        self._key.require_open()
        sponge.update(length_prefixed((b"pmv/index/v1", *parts)))
        return sponge.digest(size)
