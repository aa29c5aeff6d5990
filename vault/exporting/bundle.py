"""The manifest of an export, the archive it is packed into, and checking either without a vault.

The manifest lists every other file with its size and SHA-256; its own SHA-256 is the export's digest. Somebody who kept
the digest (the log does) knows that nothing was changed since; without it a check shows damage, not forgery.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

from vault.errors import NotFoundError
from vault.exporting.files import FORMAT, MANIFEST, NAMES, FileNote, indented, unwritable
from vault.files import FILE_MODE

FOLDER: Final = "memvault-export"  # what an archive unpacks into
_CHUNK: Final = 1 << 20
_MOST_MANIFEST: Final = 1 << 20
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NO_EXPORT: Final = "it is neither the archive nor the folder of an export"
# What the standard library raises for archives that were cut off, changed or made up.
_BROKEN: Final = (
    OSError, EOFError, ValueError, LookupError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verified:
    """What became of a check: the digest of the manifest found, how much was read, and everything that is wrong."""

    digest: str
    files: int
    bytes: int
    problems: tuple[str, ...]


def manifest(notes: Iterable[FileNote]) -> str:
    """Every file with its size and digest, by name."""
    files = [
        {"name": n.name, "bytes": n.bytes, "sha256": n.sha256} for n in sorted(notes, key=lambda n: n.name)
    ]
    return indented({"kind": "manifest", "format": FORMAT, "files": files})


def pack(folder: Path, target: Path, made_at: datetime) -> None:
    """The files of an export as one ZIP archive, the same bytes whenever the files are the same; durably."""
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        with (
            os.fdopen(os.open(target, flags, FILE_MODE), "w+b") as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            for name in NAMES:
                info = zipfile.ZipInfo(f"{FOLDER}/{name}", made_at.timetuple()[:6])
                info.create_system, info.external_attr = 3, (stat.S_IFREG | FILE_MODE) << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                info.file_size = (folder / name).stat().st_size
                with (folder / name).open("rb") as source, archive.open(info, "w") as packed:
                    shutil.copyfileobj(source, packed, _CHUNK)
            archive.close()
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise unwritable(error) from None


# --- checking ------------------------------------------------------------------------------------------------------


def verify(path: Path) -> Verified:
    """Every file of an archive or a folder against its manifest; raises NotFoundError where there is nothing.

    Nothing is unpacked, and no more is read of a file than its manifest says it has.
    """
    if not os.path.lexists(path):
        raise NotFoundError("file.missing", "there is no such archive or folder")
    try:
        with _opened(path) as bundle:
            return _checked(bundle)
    except _BROKEN:
        return Verified("", 0, 0, (_NO_EXPORT,))


class _Folder:
    """The files of a folder, none of them a link."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.names = sorted(entry.name for entry in path.iterdir())

    def open(self, name: str) -> IO[bytes]:
        descriptor = os.open(self._path / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        file = os.fdopen(descriptor, "rb")
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            file.close()
            raise ValueError
        return file


class _Archive:
    """The members of an archive; one that stands elsewhere than in the export's own folder counts as foreign."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.names = sorted(info.filename.removeprefix(f"{FOLDER}/") for info in archive.infolist())

    def open(self, name: str) -> IO[bytes]:
        return self._archive.open(f"{FOLDER}/{name}")


@contextmanager
def _opened(path: Path) -> Iterator[_Folder | _Archive]:
    if path.is_dir():
        yield _Folder(path)
        return
    with zipfile.ZipFile(path) as archive:
        yield _Archive(archive)


def _checked(bundle: _Folder | _Archive) -> Verified:
    if MANIFEST not in bundle.names:
        return Verified("", 0, 0, (_NO_EXPORT,))
    with bundle.open(MANIFEST) as file:
        data = file.read(_MOST_MANIFEST)
    listed = _listed(data)
    if listed is None:
        return Verified("", 0, 0, ("its manifest is not one",))
    problems = [f"{name} is not in the manifest" for name in _strange(bundle.names, listed)]
    read = len(data)
    for name, (size, digest) in listed.items():
        if name not in bundle.names:
            problems.append(f"{name} is missing")
            continue
        found, length = _hashed(bundle, name, size)
        read += max(length, 0)
        if length != size or found != digest:
            problems.append(f"{name} was changed")
    return Verified(hashlib.sha256(data).hexdigest(), len(listed) + 1, read, tuple(problems))


def _strange(names: list[str], listed: dict[str, Any]) -> list[str]:
    """Names that are there and should not be, or twice; as an error may show them."""
    known = {MANIFEST, *listed}
    odd = [name for position, name in enumerate(names) if name not in known or name in names[:position]]
    return ["".join(c if c.isalnum() or c in "-_./" else "?" for c in name[:64]) for name in odd[:20]]


def _listed(data: bytes) -> dict[str, tuple[int, str]] | None:
    """Name to size and digest; None where the manifest is not of the known form. Only names of an export are taken."""
    try:
        parsed = json.loads(data)
        files = {one["name"]: (one["bytes"], one["sha256"]) for one in parsed["files"]}
        right = (
            parsed["kind"] == "manifest" and parsed["format"] == FORMAT and len(files) == len(parsed["files"])
        )
        well = all(
            type(size) is int and size >= 0 and _DIGEST.fullmatch(digest) for size, digest in files.values()
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return files if right and well and set(files) == set(NAMES) - {MANIFEST} else None


def is_whole(path: Path, note: FileNote) -> bool:
    """Whether a file is still the one that was noted when it was complete."""
    return path.is_file() and _hashed(_Folder(path.parent), note.name, note.bytes) == (
        note.sha256,
        note.bytes,
    )


def _hashed(bundle: _Folder | _Archive, name: str, size: int) -> tuple[str, int]:
    """SHA-256 and length of a file, read up to one byte more than it should have."""
    found, length = hashlib.sha256(), 0
    try:
        with bundle.open(name) as file:
            while length <= size and (data := file.read(min(_CHUNK, size + 1 - length))):
                found.update(data)
                length += len(data)
    except _BROKEN:
        return "", -1
    return found.hexdigest(), length
