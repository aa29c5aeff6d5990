"""Looks for many values at once, in every encoding a leak could have, in a lot of bytes.

A table of two million bits answers for each position whether any pattern begins with the four bytes there; the few
positions that pass are compared in full. Letters are folded on both sides (ASCII), so a hit in another case counts.
Ten megabytes take about a quarter of a second, whatever the number of patterns.
"""

from __future__ import annotations

import base64
import json
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

import numpy as np
import numpy.typing as npt

SHORTEST = 6  # bytes: a shorter pattern would be met by chance
_LONG = 12  # digits: fewer are met by chance in times in nanoseconds, so they count only where no digit is beside them
_BITS = 21
_SPREAD = np.uint32(2_654_435_761)  # Knuth's multiplicative hash


def encodings(value: str) -> Iterator[tuple[str, bytes]]:
    """A text in every form it could have been written in; (name of the form, bytes)."""
    for text, form in {value: "raw", **_forms(value)}.items():
        for name, data in _written(text):
            yield f"{form}/{name}" if form != "raw" else name, data


def _forms(value: str) -> dict[str, str]:
    """The same text folded and normalised, where that makes a difference beyond ASCII case."""
    forms = {
        "nfd": unicodedata.normalize("NFD", value),
        "nfkc": unicodedata.normalize("NFKC", value),
        "casefolded": value.casefold(),
        "upper": value.upper(),
    }
    return {
        text: form
        for form, text in forms.items()
        if text != value and not (value.isascii() and text.isascii())
    }


def _written(text: str) -> Iterator[tuple[str, bytes]]:
    raw = text.encode()
    yield "utf-8", raw
    yield "utf-16le", text.encode("utf-16-le")
    yield "utf-16be", text.encode("utf-16-be")
    yield "hex", raw.hex().encode()
    yield from base64_forms(raw)
    yield "json", json.dumps(text)[1:-1].encode()
    yield "url", quote(text, safe="").encode()
    yield "url+", quote_plus(text).encode()
    yield "url-all", "".join(f"%{byte:02x}" for byte in raw).encode()
    yield "html", escape(text).encode()
    yield "repr", ascii(text)[1:-1].encode()


def base64_forms(raw: bytes) -> Iterator[tuple[str, bytes]]:
    """What of `raw` is visible in base64 whatever stands before and after it: three alignments."""
    for shift in range(3):
        coded = base64.b64encode(bytes(shift) + raw)
        start = (8 * shift + 5) // 6  # the first character that holds bits of `raw` alone
        end = (8 * (shift + len(raw))) // 6
        yield f"base64+{shift}", coded[start:end]
        yield f"base64url+{shift}", coded[start:end].translate(bytes.maketrans(b"+/", b"-_"))


class Scanner:
    """Finds `values` (name: text) and `patterns` (name: bytes) in data; answers "name as form" of each hit."""

    def __init__(self, values: Mapping[str, str], patterns: Mapping[str, bytes] | None = None) -> None:
        self.patterns: dict[bytes, str] = {}
        for name, value in values.items():
            for form, data in encodings(value):
                self._enter(f"{name} as {form}", data)
        for name, data in (patterns or {}).items():
            self._enter(name, data)
        self._by_start: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for pattern in self.patterns:
            self._by_start[pattern[:4]].append(pattern)
        starts = np.array([int.from_bytes(start, "little") for start in self._by_start], dtype=np.uint32)
        self._table = np.zeros(1 << _BITS, dtype=np.bool_)
        self._table[_slots(starts)] = True

    def _enter(self, name: str, data: bytes) -> None:
        folded = data.lower()
        if len(folded) >= SHORTEST:
            self.patterns.setdefault(folded, name)

    def scan(self, data: bytes) -> set[str]:
        """The names of everything found in `data`."""
        folded = data.lower()
        found: set[str] = set()
        if len(folded) < SHORTEST:
            return found
        for position in self._candidates(folded):
            for pattern in self._by_start.get(folded[position : position + 4], ()):
                if folded.startswith(pattern, position) and not _in_a_number(folded, pattern, position):
                    found.add(self.patterns[pattern])
        return found

    def _candidates(self, folded: bytes) -> list[int]:
        found: list[npt.NDArray[np.int64]] = []
        for shift in range(4):
            count = (len(folded) - shift) // 4
            windows = np.frombuffer(folded, dtype="<u4", count=count, offset=shift)
            found.append(4 * np.flatnonzero(self._table[_slots(windows)]) + shift)
        return [int(position) for position in np.concatenate(found)]

    def scan_files(self, folder: Path, *, skip: Iterable[Path] = ()) -> dict[str, set[str]]:
        """Hits by file, in the bytes and in the name of every file under `folder`."""
        left_out = set(skip)
        hits: dict[str, set[str]] = {}
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            found = self.scan(name.encode())
            if path.is_file() and path not in left_out:
                found |= self.scan(path.read_bytes())
            if found:
                hits[name] = found
        return hits


def _in_a_number(data: bytes, pattern: bytes, position: int) -> bool:
    """Whether a few digits are part of a longer number."""
    if len(pattern) >= _LONG or not pattern.isdigit():
        return False
    end = position + len(pattern)
    return data[max(position - 1, 0) : position].isdigit() or data[end : end + 1].isdigit()


def _slots(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    return (words * _SPREAD) >> np.uint32(32 - _BITS)


def vector_patterns(
    name: str, vector: npt.NDArray[np.float32], quantised: npt.NDArray[np.int8]
) -> dict[str, bytes]:
    """Stretches of 16 bytes of a vector as float32 (both byte orders), float16 and int8; none nearly constant."""
    forms = {
        "float32": np.ascontiguousarray(vector, dtype="<f4").tobytes(),
        "float32be": np.ascontiguousarray(vector, dtype=">f4").tobytes(),
        "float16": np.ascontiguousarray(vector, dtype="<f2").tobytes(),
        "int8": np.ascontiguousarray(quantised, dtype=np.int8).tobytes(),
    }
    found = {}
    for form, data in forms.items():
        for start in range(0, len(data) - 15, max(16, len(data) // 8 // 16 * 16)):
            piece = data[start : start + 16]
            if len(set(piece)) >= 8:
                found[f"{name} as {form} at {start}"] = piece
    return found
