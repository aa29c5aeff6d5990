"""The names model's arithmetic: cached vectors of token types, residual convolutions, one row of logits a token.

Whatever depends on a token alone is computed at its first sight and kept in a bounded table under the
token's hash, so the table holds no text. Texts of a batch stand in one matrix with rows of zeros between
them; one matrix product then serves all. Windows of a long text overlap by more than the reach of the
convolutions, so they give what one pass over the whole would.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vault.redaction.ner.language import language_vote
from vault.redaction.ner.threads import one_thread
from vault.redaction.ner.tokens import (
    LOWER,
    ROWS,
    TEXT_CASES,
    TITLE,
    UPPER,
    canonical,
    case_kind,
    features,
    script,
    text_case,
)

Floats = npt.NDArray[np.float32]

_EPSILON: Final = np.float32(1e-6)
_CACHED_TYPES: Final = 16_384
_WINDOW: Final = 768
_GROUP_ROWS: Final = 1_024

# Columns of what is counted in a text.
_COUNTS: Final = 7


class Tally:
    """What the words of a text say about it: its case, and votes for its language and script."""

    __slots__ = ("case", "english", "foreign", "latin", "other_script")

    def __init__(self, counts: Sequence[float]) -> None:
        lower, title, upper, self.english, self.foreign, self.other_script, self.latin = (
            int(c) for c in counts
        )
        self.case = text_case(lower, title, upper)


class _Cache:
    """Rows of known token types; filled under the network's lock, read without."""

    __slots__ = ("counts", "index", "rows", "used")

    def __init__(self, width: int) -> None:
        self.index: dict[int, int] = {}
        self.rows = np.zeros((_CACHED_TYPES, width), dtype=np.float32)
        self.counts = np.zeros((_CACHED_TYPES, _COUNTS), dtype=np.float32)
        self.used = 1  # row 0 stays zero: it stands between texts

    def full(self, more: int) -> bool:
        return self.used + more > _CACHED_TYPES or len(self.index) + more > 4 * _CACHED_TYPES


class Network:
    """Logits of tokens. Thread-safe."""

    def __init__(self, arrays: Mapping[str, npt.NDArray[Any]], dilations: Sequence[int]) -> None:
        self._table = arrays["table"]
        self._scale = arrays["scale"].astype(np.float32)
        single = {
            name: np.ascontiguousarray(a, dtype=np.float32)
            for name, a in arrays.items()
            if a.ndim < 3 and name not in {"table", "scale"}
        }
        self._enter, self._enter_bias = single["enter"], single["enter_bias"]
        self._leave, self._leave_bias = single["leave"], single["leave_bias"]
        self._cases, self._out, self._out_bias = single["cases"], single["out"], single["out_bias"]
        self._blocks = [
            (d, np.ascontiguousarray(k, dtype=np.float32), b.astype(np.float32))
            for d, k, b in zip(dilations, arrays["kernels"], arrays["kernel_biases"], strict=True)
        ]
        self._width = self._out.shape[0]
        if self._table.shape[0] != ROWS or self._cases.shape[0] != TEXT_CASES:
            raise ValueError("weights of other features")
        self._pad = max(dilations)
        self._reach = sum(dilations)
        self._lock = Lock()
        self._cache = _Cache(self._width)

    def clear(self) -> None:
        """Forget every token type seen so far."""
        with self._lock:
            self._cache = _Cache(self._width)

    def logits(self, texts: Sequence[Sequence[str]]) -> list[tuple[Floats, Tally]]:
        """For each list of tokens its logits (n, tags) and tally; no list may be empty."""
        with one_thread():
            return self._logits(texts)

    def _logits(self, texts: Sequence[Sequence[str]]) -> list[tuple[Floats, Tally]]:
        out: list[tuple[Floats, Tally]] = []
        group: list[Sequence[str]] = []
        rows = 0
        for tokens in texts:
            size = len(tokens) + self._pad
            if group and (rows + size > _GROUP_ROWS or len(tokens) > _WINDOW):
                out += self._group(group)
                group, rows = [], 0
            if len(tokens) > _WINDOW:
                out.append(self._long(tokens))
            else:
                group.append(tokens)
                rows += size
        return out + self._group(group) if group else out

    def _group(self, texts: Sequence[Sequence[str]]) -> list[tuple[Floats, Tally]]:
        """Short texts in one pass, rows of zeros between them."""
        gap = [""] * self._pad
        flat: list[str] = []
        starts: list[int] = []
        gaps: list[int] = []
        for tokens in texts:
            if flat:
                gaps += range(len(flat), len(flat) + self._pad)
                flat += gap
            starts.append(len(flat))
            flat += tokens
        x, counts = self._look_up(flat)
        tallies = [Tally(row) for row in np.add.reduceat(counts, starts, axis=0).tolist()]
        spans = [slice(start, start + len(tokens)) for start, tokens in zip(starts, texts, strict=True)]
        for span, tally in zip(spans, tallies, strict=True):
            x[span] += self._cases[tally.case]
        found = self._run(x, gaps)
        return [(found[span], tally) for span, tally in zip(spans, tallies, strict=True)]

    def _long(self, tokens: Sequence[str]) -> tuple[Floats, Tally]:
        """A long text in windows; its first window says what kind of text it is."""
        tally: Tally | None = None
        parts = []
        for start in range(0, len(tokens), _WINDOW):
            left = max(0, start - self._reach)
            x, counts = self._look_up(tokens[left : start + _WINDOW + self._reach])
            if tally is None:
                tally = Tally(counts.sum(axis=0).tolist())
            x += self._cases[tally.case]
            parts.append(self._run(x, [])[start - left :][:_WINDOW])
        assert tally is not None  # noqa: S101 - there is at least one window
        return np.concatenate(parts), tally

    def _run(self, x: Floats, gaps: list[int]) -> Floats:
        """The convolutions over rows `x`, beyond which there are zeros; the rows `gaps` stay zero."""
        n, width, pad = len(x), self._width, self._pad
        zero = np.array(gaps, dtype=np.intp)
        wide = np.zeros((n + 2 * pad, width), dtype=np.float32)
        inner = wide[pad : pad + n]
        windows = np.empty((n, 3 * width), dtype=np.float32)
        both = np.empty((n, 2 * width), dtype=np.float32)
        left, right = both[:, :width], both[:, width:]
        for dilation, kernel, bias in self._blocks:
            np.divide(x, _norm(x), out=inner)
            around = (wide[pad - dilation :][:n], inner, wide[pad + dilation :][:n])
            np.concatenate(around, axis=1, out=windows)
            np.matmul(windows, kernel, out=both)
            both += bias
            np.maximum(left, right, out=left)
            x += left
            if gaps:
                x[zero] = 0.0
        x /= _norm(x)
        out: Floats = np.matmul(x, self._out)
        out += self._out_bias
        return out

    def _look_up(self, tokens: Sequence[str]) -> tuple[Floats, Floats]:
        """Rows and counts of the tokens; "" is the row of zeros."""
        cache = self._cache
        ids = list(map(cache.index.get, map(hash, tokens)))
        if None in ids:
            with self._lock:
                cache = self._learn(tokens)
                ids = list(map(cache.index.get, map(hash, tokens)))
        index = np.array(ids, dtype=np.intp)
        return cache.rows[index], cache.counts[index]

    def _learn(self, tokens: Sequence[str]) -> _Cache:
        """A cache that knows all these tokens: the present one filled up, or a new one when it is full."""
        cache = self._cache
        new = {token for token in tokens if hash(token) not in cache.index}
        if cache.full(len(new)):
            cache = self._cache = _Cache(self._width)
            new = set(tokens)
        index = cache.index
        index[hash("")] = 0
        fresh: dict[str, list[str]] = {}
        for token in new:
            if token:
                fresh.setdefault(canonical(token), []).append(token)
        todo = [form for form in sorted(fresh) if hash(form) not in index]
        if todo:
            first = cache.used
            cache.rows[first : first + len(todo)] = self._encode(todo)
            for row, form in enumerate(todo, first):
                cache.counts[row] = _counts(form)
            cache.used += len(todo)
            index.update((hash(form), row) for row, form in enumerate(todo, first))
        for form, raw in fresh.items():
            row = index[hash(form)]
            index.update((hash(token), row) for token in raw)
        return cache

    def _encode(self, forms: Sequence[str]) -> Floats:
        """The vectors of token types: their table rows summed, and two layers."""
        ids: list[int] = []
        weights: list[float] = []
        starts = []
        for form in forms:
            rows, grams = features(form)
            starts.append(len(ids))
            ids += rows
            weights += [1.0] * (len(rows) - grams)
            weights += [max(grams, 1) ** -0.5] * grams
        picked = np.array(ids, dtype=np.intp)
        scaled = self._table[picked] * (self._scale[picked] * np.array(weights, dtype=np.float32))[:, None]
        both = np.add.reduceat(scaled, starts, axis=0) @ self._enter + self._enter_bias
        half = both.shape[1] // 2
        out: Floats = np.maximum(both[:, :half], both[:, half:]) @ self._leave + self._leave_bias
        return out


def _norm(x: Floats) -> Floats:
    """The root of the mean square of each row, as a column."""
    squares = np.einsum("ij,ij->i", x, x)
    squares *= np.float32(1.0 / x.shape[1])
    squares += _EPSILON
    out: Floats = np.sqrt(squares, out=squares)[:, None]
    return out


def _counts(form: str) -> list[float]:
    kind = case_kind(form)
    vote = language_vote(form.lower())
    letter = form[0].isalpha()
    latin = letter and script(form[0]) == 0
    return [kind == LOWER, kind == TITLE, kind == UPPER, vote > 0, vote < 0, letter and not latin, latin]
