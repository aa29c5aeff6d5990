"""The files of an export: which there are, how a line of JSON is written, and what is noted of a complete file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from vault.errors import StorageError
from vault.files import FILE_MODE, convert_os

FORMAT: Final = 1
MEMORIES: Final = "memories.jsonl"
TOKENS: Final = "tokens.jsonl"
ACCESS: Final = "access-log.jsonl"
SUMMARY: Final = "export.json"
PAGE: Final = "index.html"
SCHEMA: Final = "schema.json"
MANIFEST: Final = "manifest.json"
PARTS: Final = (MEMORIES, TOKENS, ACCESS)
NAMES: Final = (*PARTS, SUMMARY, PAGE, SCHEMA, MANIFEST)

# Valid inside JSON as they are, but many readers of JSON Lines would take them for the end of a line.
_LINE_ENDS: Final = str.maketrans({"\u2028": "\\u2028", "\u2029": "\\u2029", "\x85": "\\u0085"})
_CAUSES: Final = {
    "storage.full": "the disk is full",
    "storage.readonly": "the file system is read-only",
    "storage.permission": "the folder is not this user's to write in",
}


@dataclass(frozen=True, slots=True)
class FileNote:
    """A complete file: its size, its SHA-256, how many lines it has, and what was counted while it was written."""

    name: str
    bytes: int
    sha256: str
    lines: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)


def one_line(value: Mapping[str, Any]) -> str:
    """A JSON object on a line of its own, letters of every script as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).translate(_LINE_ENDS) + "\n"


def indented(value: Mapping[str, Any]) -> str:
    """A JSON document that people may look into."""
    return json.dumps(value, ensure_ascii=False, indent=2).translate(_LINE_ENDS) + "\n"


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file that an export wrote, one at a time."""
    with path.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            yield json.loads(line)


def schema() -> str:
    """The JSON Schema of every document and line in an export; it travels with each."""
    return Path(__file__).with_name("schema.json").read_text(encoding="utf-8")


def unwritable(error: OSError) -> StorageError:
    """One content-free error per cause: a path may hold names, so none is in it."""
    code = convert_os(error).code
    cause = _CAUSES.get(code, "the file system refused an operation")
    return StorageError(code, f"the export cannot be written: {cause}")


class Writer:
    """One file, readable by its owner alone, counted and hashed while it is written; whole only after `done`."""

    def __init__(self, path: Path) -> None:
        self._name = path.name
        self._hash = hashlib.sha256()
        self._bytes = 0
        self._lines = 0
        self._descriptor: int | None = None
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._descriptor = os.open(path, flags, FILE_MODE)
        except OSError as error:
            raise unwritable(error) from None

    def write(self, text: str) -> None:
        """UTF-8, at once: nothing waits in a buffer that a failure could leave behind."""
        data = memoryview(text.encode())
        self._hash.update(data)
        self._bytes += len(data)
        try:
            while data and self._descriptor is not None:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise unwritable(error) from None

    def line(self, value: Mapping[str, Any]) -> None:
        """One JSON line."""
        self.write(one_line(value))
        self._lines += 1

    def done(self, counts: Mapping[str, Mapping[str, int]] | None = None) -> FileNote:
        """The file is on the disk: what to note of it."""
        try:
            if self._descriptor is not None:
                os.fsync(self._descriptor)
        except OSError as error:
            raise unwritable(error) from None
        kept = {name: dict(sorted(of.items())) for name, of in (counts or {}).items()}
        return FileNote(self._name, self._bytes, self._hash.hexdigest(), self._lines, kept)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)
