"""The log as a feed: signed entries line by line, with the checkpoints that cover them, for a collector of logs.

`jsonl` says a line at a time:

    {"memvault":"audit-export","format":1,"origin":...,"start":n,"edge":[...]}    first of a file: where it begins
    {"act":...}                                                                  an entry, byte for byte as it is hashed
    {"checkpoint":"..."}                                                         after the last entry that it covers

`edge` is the right edge of the tree before entry `start`, so that a part of a log verifies without what came before it.
`ocsf` has one event a line (`vault/audit/ocsf.py`), and no other lines.

The end of a file says where to go on: what stands there is compared with the log first, and a line that was cut off is
written again. Where there is no file to look at, a cursor file says it: log, number of the next entry, root before it.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from vault.audit import ocsf
from vault.audit.jcs import strict_loads
from vault.audit.log import LogStore
from vault.audit.merkle import Frontier, leaf_hash
from vault.audit.note import open_note
from vault.errors import AuditChainError, InvalidInputError, RollbackError
from vault.files import convert_os, sync_file, write_private
from vault.locks import FileLock

Format = Literal["jsonl", "ocsf"]
_KIND: Final = "audit-export"
_CURSOR: Final = "audit-cursor"
_FORMAT: Final = 1
_LONGEST_LINE: Final = (
    1 << 18
)  # bytes; an entry has less than 2^16, a checkpoint at most as many, an event both
_MOST_CURSOR: Final = 4_096  # bytes of a cursor file


class Sink(Protocol):
    """Where lines go."""

    def write(self, data: bytes) -> None: ...
    def flush(self) -> None: ...


class Stream:
    """The caller's own stream of bytes; its errors are the caller's."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        self._stream.write(data)

    def flush(self) -> None:
        self._stream.flush()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a feed goes on: the number of the next entry, and what must be true of the log before it."""

    next: int
    entry: bytes | None = None  # the entry before it
    root: bytes | None = None  # the tree of all entries before it
    note: bytes | None = None  # the checkpoint of this size

    def check(self, store: LogStore, edge: Frontier) -> None:
        """The log still begins with what was exported; raises RollbackError. `edge` is its tree up to `next`."""
        if edge.size != self.next:
            raise RollbackError(
                "audit.rolled_back",
                "the log ends before the end of what was exported: an older file was restored",
            )
        stored = store.checkpoint_at(self.next)
        row = next(iter(store.log(self.next - 1, self.next)), None) if self.entry is not None else None
        same = (
            (self.root is None or self.root == edge.root())
            and (self.note is None or (stored is not None and stored[1] == self.note))
            and (self.entry is None or (row is not None and row.entry == self.entry))
        )
        if not same:
            raise RollbackError("audit.forked", "the log does not contain what was exported")


def edge_at(store: LogStore, size: int) -> Frontier:
    """The right edge of the stored log's tree of `size`, or of the whole log where it is shorter."""
    before = [stored for stored in store.checkpoints() if stored[0] <= size]
    edge = Frontier.from_bytes(before[-1][2]) if before else Frontier()
    for row in store.log(edge.size, size):
        edge.append(leaf_hash(row.entry))
    return edge


class Feed:
    """Turns the entries of one log, from `edge` on, into lines, and checks them against the log's checkpoints."""

    def __init__(
        self,
        form: Format,
        origin: str,
        edge: Frontier,
        notes: Sequence[tuple[int, bytes]],
        vkeys: Sequence[str],
        software: str,
    ) -> None:
        self._form = form
        self._origin = origin
        self._edge = edge
        self._notes = dict(notes)
        self._vkeys = vkeys
        self._software = software
        self.checkpoints = 0

    def begin(self, place: Place | None) -> bytes:
        """What comes before the first entry: the first line of a new file, or a checkpoint that was cut off."""
        if self._form == "ocsf":
            return b""
        if place is not None:
            note = self._notes.get(self._edge.size) if place.entry is not None else None
            return _line({"checkpoint": note.decode()}) if note is not None else b""
        edge = [base64.b64encode(node).decode() for node in self._edge.nodes]
        head = {"memvault": _KIND, "format": _FORMAT, "origin": self._origin}
        return _line({**head, "start": self._edge.size, "edge": edge})

    def lines(self, entry: bytes) -> Iterator[bytes]:
        """The lines of the next entry. Raises AuditChainError where the entries are not those of a checkpoint."""
        self._edge.append(leaf_hash(entry))
        note = self._notes.get(self._edge.size)
        if note is not None:
            head = open_note(note, self._vkeys)
            if (head.origin, head.size, head.root) != (self._origin, self._edge.size, self._edge.root()):
                raise AuditChainError("audit.root", "the log's entries do not hash to a signed checkpoint")
            self.checkpoints += 1
        if self._form == "ocsf":
            yield ocsf.event(entry, software=self._software, checkpoint=note)
            return
        yield entry + b"\n"
        if note is not None:
            yield _line({"checkpoint": note.decode()})

    def cursor(self) -> bytes:
        """What a cursor file says after the entries so far."""
        root = base64.b64encode(self._edge.root()).decode()
        said = {"memvault": _CURSOR, "format": _FORMAT, "origin": self._origin}
        return _line({**said, "next": self._edge.size, "root": root})


def _line(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


# --- where to go on ------------------------------------------------------------------------------------------------


def read_cursor(path: Path, origin: str) -> Place | None:
    """What a cursor file says of this log; None where there is none yet. Raises InvalidInputError."""
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_CURSOR + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise convert_os(error) from None
    fields = _fields(data)
    found, root = fields.get("next"), _root(fields.get("root"))
    if fields.get("memvault") != _CURSOR or type(found) is not int or found < 0 or root is None:
        raise InvalidInputError("cursor.form", "the cursor file is none")
    if fields.get("origin") != origin:
        raise InvalidInputError("cursor.log", "the cursor file is of another log")
    return Place(found, root=root)


def write_cursor(path: Path, feed: Feed) -> None:
    """Put the cursor of a feed in its file, whole and durable."""
    write_private(path, feed.cursor())


def _root(value: object) -> bytes | None:
    try:
        root = base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return None
    return root if len(root) == 32 else None


def _fields(data: bytes) -> dict[str, Any]:
    """A line's JSON object; an empty one where it is none."""
    try:
        return strict_loads(data)
    except AuditChainError:
        return {}


def _last(line: bytes, form: Format, origin: str) -> Place | None:
    """What the last line of a file says; None where this is no line of such a feed."""
    fields = _fields(line)
    if form == "ocsf":
        raw = fields.get("raw_data")
        line = raw.encode() if isinstance(raw, str) else b""
        fields = _fields(line) if line else {}
    if fields.get("v") == 1 and type(fields.get("seq")) is int:
        return Place(int(fields["seq"]) + 1, entry=line)
    if form == "ocsf":
        return None
    if fields.get("memvault") == _KIND and type(fields.get("start")) is int:
        if fields.get("origin") != origin:
            raise InvalidInputError("to.log", "the file holds another log")
        return Place(int(fields["start"]))
    note = fields.get("checkpoint")
    if isinstance(note, str):
        size = note.split("\n")[1:2]
        if size and size[0].isascii() and size[0].isdigit():
            return Place(int(size[0]), note=note.encode())
    return None


# --- the file ------------------------------------------------------------------------------------------------------


class Target:
    """A file that grows, held by one process, and where it goes on; `place` is None where it is empty."""

    def __init__(self, file: FileIO, path: Path, place: Place | None) -> None:
        self._file = file
        self._path = path
        self._waiting = bytearray()
        self.place = place

    def write(self, data: bytes) -> None:
        """Take lines; they are in the file once they are flushed."""
        self._waiting += data

    def flush(self) -> None:
        """Write what waits, durably; raises StorageError."""
        try:
            while self._waiting:
                del self._waiting[: self._file.write(self._waiting)]
            sync_file(self._path)
        except OSError as error:
            raise convert_os(error) from None


@contextmanager
def target(path: Path, form: Format, origin: str, *, resume: bool) -> Iterator[Target]:
    """A new file, or with `resume` one that is there, after its last whole line.

    Raises InvalidInputError `to.exists`, `to.form` or `to.log`, StorageError `storage.locked` while another holds it.
    """
    if path.is_symlink() or (path.exists() and not (resume and path.is_file())):
        raise _occupied()
    with closing(FileLock(path, 0.0)) as lock, lock.hold():
        try:
            file = FileIO(path, "r+b")  # unbuffered: nothing is left to be written when it closes
        except OSError as error:
            raise convert_os(error) from None
        with file:
            if not resume and file.seek(0, os.SEEK_END):
                raise _occupied()
            try:
                yield Target(file, path, _tail(file, form, origin))
            except BaseException:
                if (
                    file.seek(0, os.SEEK_END) == 0
                ):  # nothing was written: no empty file in the way of the next attempt
                    path.unlink(missing_ok=True)
                raise


def _tail(file: FileIO, form: Format, origin: str) -> Place | None:
    """Cut off what is no whole line, and read the last one."""
    end = file.seek(0, os.SEEK_END)
    start = file.seek(max(0, end - 2 * _LONGEST_LINE))
    held = file.read()
    whole, newline, rest = held.rpartition(b"\n")
    if not newline:
        if start or not rest.startswith(b'{"me'[: len(rest)]):  # how the first line of either format begins
            raise _no_export()
        file.truncate(file.seek(0))
        return None
    place = _last(whole.rpartition(b"\n")[2], form, origin)
    if place is None:
        raise _no_export()
    file.truncate(file.seek(start + len(held) - len(rest)))
    return place


def _occupied() -> InvalidInputError:
    return InvalidInputError(
        "to.exists", "there is something under the name for the export already; resume goes on with a file"
    )


def _no_export() -> InvalidInputError:
    return InvalidInputError("to.form", "the file does not end as an export of this format does")
