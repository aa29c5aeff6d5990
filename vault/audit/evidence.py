"""The evidence bundle: a log with its checkpoints, histories and certificates, for an auditor to check offline.

    manifest.json              what is in it: path, size and SHA-256 of every other file
    checkpoint                 the newest signed head
    tile/...                   the log as C2SP tlog-tiles: hashes, and entries as they are stored and hashed
    checkpoints/<size>         every signed head
    openings.jsonl             the details of `state` and `epoch.destroyed` entries, with what opens their commitments
    lifecycle.json             rotations, backups, epochs and given-up keys, as the log's entries tell them
    packs.json                 which policy was in force from which entry on
    certificates/<digest>.json erasure certificates
    README.txt                 how to check it

A folder, or a zip of the same. No entry, detail or history in it names a person; certificates name their requests.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Protocol

from vault.audit.certified import timestamp
from vault.audit.jcs import strict_loads
from vault.audit.log import LogRowLike, LogStore
from vault.audit.merkle import leaf_hash
from vault.audit.proofs import Opener
from vault.audit.verify import MANIFEST, OPENED, TILE_WIDTH, History, Tiles, opened, tile_path
from vault.errors import AuditChainError, InvalidInputError
from vault.files import FILE_MODE, FOLDER_MODE, convert_os, sync_folder

_LONGEST: Final = (1 << 16) - 1  # bytes of an entry in a bundle, whose length is u16be
_STAMP: Final = (1980, 1, 1, 0, 0, 0)  # of every file in a zip: equal contents make equal archives
_README: Final = b"""Evidence of a memvault log. Check it on a machine of your own, without the vault:

    python verify.py evidence THIS_FOLDER_OR_ZIP --vkey KEYFILE --since CHECKPOINT

verify.py comes with memvault's source (vault/audit/verify.py) and needs Python and the package cryptography. KEYFILE
holds the log's verifier keys. Take them, and a checkpoint that you kept, from somebody you trust: never from here.
"""


class Sink(Protocol):
    """Where the files of a bundle go."""

    def put(self, name: str, data: bytes) -> None: ...


class _Folder:
    def __init__(self, place: Path) -> None:
        self._place = place
        self._made = {place}

    def _make(self, folder: Path) -> None:
        if folder not in self._made:
            self._make(folder.parent)
            folder.mkdir(mode=FOLDER_MODE)
            self._made.add(folder)

    def put(self, name: str, data: bytes) -> None:
        path = self._place / name
        self._make(path.parent)
        with open(path, "xb", opener=_private) as file:
            file.write(data)


class _Zip:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def put(self, name: str, data: bytes) -> None:
        item = zipfile.ZipInfo(name, _STAMP)
        item.external_attr = (0o100000 | FILE_MODE) << 16
        item.compress_type = zipfile.ZIP_DEFLATED
        self._archive.writestr(item, data)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, FILE_MODE)


@contextmanager
def writing(place: Path) -> Iterator[Sink]:
    """A new folder, or a zip where the name ends so, that appears under its name once it is complete.

    Raises InvalidInputError as `check_place` does, StorageError where it cannot be written.
    """
    check_place(place)
    partial = place.with_name(place.name + ".partial")
    try:
        _remove(partial)
        if place.suffix == ".zip":
            with open(partial, "xb", opener=_private) as file:
                with zipfile.ZipFile(file, "w") as archive:
                    yield _Zip(archive)
                file.flush()
                os.fsync(file.fileno())
        else:
            partial.mkdir(mode=FOLDER_MODE)
            yield _Folder(partial)
        partial.replace(place)
        sync_folder(place.absolute().parent)
    except OSError as error:
        raise convert_os(error) from None
    finally:
        _remove(partial)


def check_place(place: Path) -> None:
    """Raises InvalidInputError where there is something already, or no folder to put it in."""
    if place.exists() or place.is_symlink():
        raise InvalidInputError("out.exists", "there is something under the name for the bundle already")
    if not place.absolute().parent.is_dir():
        raise InvalidInputError("out.folder", "the folder to put the bundle in does not exist")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a bundle holds."""

    origin: str
    entries: int
    checkpoints: int
    certificates: int
    files: int
    bytes: int


class _Listed:
    """Passes files on and keeps what the manifest says of them."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.files: list[dict[str, Any]] = []

    def put(self, name: str, data: bytes) -> None:
        self._sink.put(name, data)
        digest = hashlib.sha256(data).hexdigest()
        self.files.append({"path": name, "bytes": len(data), "sha256": digest})


def build(
    store: LogStore,
    log: Opener,
    sink: Sink,
    *,
    certificates: Iterable[bytes] = (),
    software: str,
    at: datetime,
) -> Summary:
    """Write the log up to its newest checkpoint, and all that belongs to it, as one consistent state.

    Raises AuditChainError where nothing is signed yet, or where an entry's detail cannot be opened.
    """
    listed = _Listed(sink)
    with store.reading():
        last = store.last_checkpoint()
        if last is None:
            raise AuditChainError("audit.checkpoint", "the log has no checkpoint yet")
        size = last[0]
        _write_log(store, log, size, listed)
        listed.put("checkpoint", last[1])
        heads = [(number, note) for number, note, _ in store.checkpoints() if number <= size]
    for number, note in heads:
        listed.put(f"checkpoints/{number}", note)
    shown = {f"certificates/{hashlib.sha256(data).hexdigest()[:32]}.json": data for data in certificates}
    for name, data in shown.items():
        listed.put(name, data)
    listed.put("README.txt", _README)
    manifest = {
        "kind": "memvault-evidence",
        "format": 1,
        "origin": log.origin,
        "size": size,
        "made_at": timestamp(at),
        "software": software,
        "files": sorted(listed.files, key=lambda item: str(item["path"])),
    }
    sink.put(MANIFEST, json.dumps(manifest, indent=1).encode() + b"\n")
    written = sum(int(item["bytes"]) for item in listed.files)
    return Summary(log.origin, size, len(heads), len(shown), len(listed.files) + 1, written)


def _write_log(store: LogStore, log: Opener, size: int, sink: _Listed) -> None:
    """Entries in bundles, hashes in tiles, openings and histories: one pass."""
    tiles, history = Tiles(), History()
    openings: list[str] = []
    bundle: list[bytes] = []
    count = 0
    for row in store.log(0, size):
        if len(row.entry) > _LONGEST:
            raise AuditChainError("audit.syntax", "a log entry is longer than a bundle can hold")
        bundle.append(len(row.entry).to_bytes(2, "big") + row.entry)
        for path, data in tiles.append(leaf_hash(row.entry)):
            sink.put(path, data)
        fields, detail = _told(log, row, openings)
        history.feed(fields, detail)
        count += 1
        if len(bundle) == TILE_WIDTH or count == size:
            sink.put(tile_path("entries", (count - 1) // TILE_WIDTH, len(bundle)), b"".join(bundle))
            bundle = []
    if count != size:
        raise AuditChainError("audit.gap", "the log has a gap")
    for path, data in tiles.partial():
        sink.put(path, data)
    sink.put("openings.jsonl", "".join(openings).encode())
    sink.put("lifecycle.json", _document(history.keys))
    sink.put("packs.json", _document(history.packs))


def _told(log: Opener, row: LogRowLike, openings: list[str]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The fields of an entry and, where a bundle shows it, the detail, whose opening is noted."""
    fields = strict_loads(row.entry)
    if fields["act"] not in OPENED:
        return fields, None
    blind, detail = log.opening(row)
    line = {"seq": row.seq, "blind": _b64(blind), "detail": _b64(detail)}
    openings.append(json.dumps(line, separators=(",", ":")) + "\n")
    return opened(row.entry, blind, detail)


def _document(rows: list[dict[str, Any]]) -> bytes:
    return json.dumps({"format": 1, "rows": rows}, indent=1).encode() + b"\n"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
