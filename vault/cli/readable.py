"""Looks for readable input in files: raw, UTF-16, hexadecimal and base64, upper and lower case alike."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Self

_WORDS: Final = 3  # so many words in a row are not found in random bytes, nor in a configuration by chance


def needles(sample: dict[str, Any]) -> frozenset[str]:
    """Everything of a sample that must not be readable: texts, every three words in a row, values, names, ids."""
    found: set[str] = set()
    for tenant in sample["tenants"]:
        found.add(tenant["name"])
        for person in tenant["people"]:
            found |= {person["user"], person["name"], person["run"]}
            for message in person["messages"]:
                words = message["text"].split()
                found |= {message["text"], *message.get("values", ())}
                found |= {" ".join(words[i : i + _WORDS]) for i in range(len(words) - _WORDS + 1)}
    return frozenset(found)


class Haystack:
    """The bytes of some files, searched for strings in every form that a person or a tool could read."""

    def __init__(self, paths: Iterable[Path]) -> None:
        contents = {path: path.read_bytes() for path in paths}
        self.sizes = {path: len(data) for path, data in contents.items()}
        self._exact = b"\x00".join(contents.values())
        self._folded = self._exact.lower()

    @classmethod
    def of(cls, data: bytes) -> Self:
        """A haystack of bytes that are no file; JSON escapes are undone."""
        made = cls(())
        made._exact = json.dumps(json.loads(data), ensure_ascii=False).encode()
        made._folded = made._exact.lower()
        return made

    def count(self, strings: Iterable[str]) -> int:
        """How many of the strings are there in at least one form."""
        return sum(1 for string in strings if self._holds(string))

    def _holds(self, string: str) -> bool:
        data = string.encode()
        if any(
            form.lower() in self._folded for form in (data, string.encode("utf-16-le"), data.hex().encode())
        ):
            return True
        return any(form in self._exact for form in _base64_forms(data))


def _base64_forms(data: bytes) -> Iterator[bytes]:
    """Base64 of the string at each of its three alignments, without the characters that neighbours change."""
    for shift in range(3):
        encoded = base64.b64encode(bytes(shift) + data)
        yield encoded[(0, 2, 3)[shift] : len(encoded) - 4 if (shift + len(data)) % 3 else len(encoded)]
