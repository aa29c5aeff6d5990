"""Private files and folders: owner-only modes, durable writes, and one content-free error per cause."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

from vault.errors import StorageError

FILE_MODE: Final = 0o600
FOLDER_MODE: Final = 0o700


def private_folder(path: Path) -> Path:
    """Create `path` readable by its owner only; an existing folder is tightened."""
    try:
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        if path.stat().st_mode & 0o077:
            path.chmod(FOLDER_MODE)
    except OSError as error:
        raise convert_os(error) from None
    return path


def write_private(path: Path, data: bytes | bytearray, *, durable: bool = True) -> None:
    """Write a new 0600 file, whole or not at all: temporary name, fsync, rename, fsync of the folder.

    Without `durable` both syncs are left to the caller, who has many files to write and then `sync_file`s each.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
        try:
            written = 0
            while written < len(data):
                written += os.write(descriptor, memoryview(data)[written:])
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        temporary.replace(path)
        if durable:
            sync_folder(path.parent)
    except OSError as error:
        raise convert_os(error) from None


def sync_file(path: Path) -> None:
    """Make what was written to a file durable; never of a database that is open in this process (POSIX locks)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Make renames and unlinks in a folder durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def convert_os(error: OSError) -> StorageError:
    """One content-free error per cause; paths stay out because they may hold names."""
    causes = {
        errno.ENOSPC: ("storage.full", "the disk is full; nothing was stored"),
        errno.EDQUOT: ("storage.full", "the disk quota is used up; nothing was stored"),
        errno.EROFS: ("storage.readonly", "the file system is read-only; nothing was stored"),
        errno.EACCES: ("storage.permission", "the files of the vault are not accessible to this user"),
        errno.EPERM: ("storage.permission", "the files of the vault are not accessible to this user"),
        errno.EMFILE: ("storage.handles", "too many open files; raise the limit or lower tenants.open_files"),
    }
    code, message = causes.get(error.errno or 0, ("storage.io", "the file system refused an operation"))
    return StorageError(code, message)
