"""What the archive keeps beside the tiles: the sealed detail of each entry, in bundles of 256, and whose it is.

A detail is PMV1 as in the records and dies with its subject's key; a bundle of them is sealed once more under the
tenant's `detail` key, because the ids in them would tie a person's entries together, which the entries avoid.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vault.audit.log import LogKeys
from vault.audit.tiles import Folder, damaged, remove
from vault.audit.verify import TILE_WIDTH, tile_path
from vault.crypto.record import RecordContext, open_, read_header, seal
from vault.errors import DecryptionError

_NOBODY: Final = bytes(16)
_ITEM: Final = struct.Struct(">Q16sI")  # entry, subject, length of the detail that follows
_PART: Final = struct.Struct(">I")  # length of the sealed part that follows
_PART_BYTES: Final = 1 << 20
USE: Final = "archive"


@dataclass(frozen=True, slots=True)
class Detail:
    """The sealed detail of one entry and the subject it belongs to; both None where they are gone."""

    seq: int
    sid: bytes | None
    blob: bytes | None


class Details:
    """The bundles of details of one tenant."""

    def __init__(self, folder: Path, keys: LogKeys) -> None:
        self._folder = Folder(folder)
        self._keys = keys

    def write(self, number: int, details: Sequence[Detail]) -> None:
        """Put a bundle in the place of the one there is; durable after `sync`."""
        parts: list[bytes] = [b""]
        for one in details:
            if len(parts[-1]) >= _PART_BYTES:
                parts.append(b"")
            blob = one.blob or b""
            parts[-1] += _ITEM.pack(one.seq, one.sid or _NOBODY, len(blob)) + blob
        version = self._keys.current["detail"]
        data = b""
        with self._keys.key("detail").derive(USE) as key:
            for part, plain in enumerate(parts):
                sealed = seal(key, self._keys.tid, version, self._context(number, part), plain)
                data += _PART.pack(len(sealed)) + sealed
        self._folder.put(_name(number), data)

    def sync(self) -> None:
        self._folder.sync()

    def read(self, number: int) -> list[Detail]:
        """A bundle's details in order; none where there is no such bundle. Raises AuditChainError if it was changed."""
        data = self._folder.read(_name(number)) or b""
        found: list[Detail] = []
        at = part = 0
        while at < len(data):
            end = at + _PART.size + int.from_bytes(data[at : at + _PART.size], "big")
            found += _items(self._open(data[at + _PART.size : end], number, part))
            at, part = end, part + 1
        return found

    def _open(self, sealed: bytes, number: int, part: int) -> bytes:
        try:
            master = self._keys.versions["detail"].get(read_header(sealed).generation)
            if master is None:
                raise damaged()
            with master.derive(USE) as key:
                return open_(key, sealed, self._context(number, part))
        except DecryptionError:
            raise damaged() from None

    def _context(self, number: int, part: int) -> RecordContext:
        identity = b"details" + number.to_bytes(8, "big") + part.to_bytes(4, "big")
        return RecordContext(tenant=self._keys.tid, sid=_NOBODY, record_id=identity, version=1, use=USE)

    def mirror(self, target: Path, size: int) -> int:
        """Make another folder hold the same bundles, durable; how many were written."""
        there, written = Folder(target), 0
        for number in self.numbers(size):
            data = self._folder.read(_name(number))
            if data is not None and there.read(_name(number)) != data:
                there.put(_name(number), data)
                written += 1
        there.sync()
        return written

    def numbers(self, size: int) -> Iterator[int]:
        """The bundles that exist of a log with `size` entries."""
        for number in range(-(-size // TILE_WIDTH)):
            if (self._folder.root / _name(number)).is_file():
                yield number

    def drop(self, size: int) -> int:
        """Remove every bundle: the tenant itself goes; returns how many there were."""
        paths = [self._folder.root / _name(number) for number in self.numbers(size)]
        remove(paths)
        return len(paths)


def _name(number: int) -> str:
    return tile_path("details", number, TILE_WIDTH).removeprefix("tile/")


def _items(data: bytes) -> Iterator[Detail]:
    at = 0
    while at < len(data):
        seq, sid, length = _ITEM.unpack_from(data, at)
        at += _ITEM.size
        blob = data[at : at + length]
        if len(blob) != length:
            raise damaged()
        yield Detail(seq, None if sid == _NOBODY else sid, blob or None)
        at += length
