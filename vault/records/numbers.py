"""Numbers of subjects whose rows went on under another number: two people became one.

Kept beside the rows: where number `s` went and by how much its row numbers grew (`moved.<s>`), and which numbers went
on as `s` (`parts.<s>`). Numbers say nothing about a person; a lookup costs one read, where a number is not found.
"""

from __future__ import annotations

import struct
from typing import Final

from vault.storage import Database

_PLACE: Final = struct.Struct(">QQ")
_NUMBER: Final = struct.Struct(">Q")


def moved_to(database: Database, s: int) -> tuple[int, int] | None:
    """(number, by how much row numbers grew) of what a number went on as, or None."""
    row = database.one("SELECT value FROM meta WHERE key = ?", (f"moved.{s}",))
    if row is None:
        return None
    into, by = _PLACE.unpack(row[0])
    return into, by


def of(database: Database, s: int) -> list[int]:
    """A subject's own number, and those that went on as it."""
    row = database.one("SELECT value FROM meta WHERE key = ?", (f"parts.{s}",))
    return [s, *(number for (number,) in _NUMBER.iter_unpack(row[0]))] if row is not None else [s]


def move(database: Database, s: int, into: int, by: int) -> None:
    """Inside a transaction: `s`, and what went on as `s` before, go on as `into`."""
    gone = of(database, s)
    for number in gone:
        place = moved_to(database, number)
        already = place[1] if place is not None else 0
        _put(database, f"moved.{number}", _PLACE.pack(into, already + by))
    parts = [*of(database, into)[1:], *gone]
    _put(database, f"parts.{into}", b"".join(map(_NUMBER.pack, parts)))
    database.execute("DELETE FROM meta WHERE key = ?", (f"parts.{s}",))


def forget(database: Database, s: int) -> None:
    """Inside a transaction: the subject is gone, and nothing went on as it."""
    for number in of(database, s):
        database.execute("DELETE FROM meta WHERE key IN (?, ?)", (f"moved.{number}", f"parts.{number}"))


def fold(database: Database, found: dict[int, dict[int, int]]) -> dict[int, dict[int, int]]:
    """What was counted by number, of numbers that went on as others counted with those."""
    for s in list(found):
        place = moved_to(database, s)
        if place is not None:
            counts = found.setdefault(place[0], {})
            for key, count in found.pop(s).items():
                counts[key] = max(counts.get(key, 0), count)
    return found


def _put(database: Database, key: str, value: bytes) -> None:
    database.execute("INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)", (key, value))
