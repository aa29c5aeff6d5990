"""New files that a command hands out: readable by their owner alone, never over something that is there."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vault.errors import InvalidInputError, StorageError
from vault.files import FILE_MODE, convert_os

Write = Callable[[bytes], None]


@contextmanager
def new_file(path: Path | None, option: str) -> Iterator[Write]:
    """Reserve a new 0600 file before anything is done that cannot be done again; what was not written goes away.

    Without a path nothing is written. Raises InvalidInputError where something is there already or cannot be made.
    """
    if path is None:
        yield _nowhere
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    except FileExistsError:
        raise InvalidInputError("file.exists", f"the file given with {option} is there already") from None
    except OSError:
        raise InvalidInputError("file.place", f"the file given with {option} cannot be made") from None
    written = 0

    def write(data: bytes) -> None:
        nonlocal written
        try:
            while written < len(data):
                written += os.write(descriptor, memoryview(data)[written:])
            os.fsync(descriptor)
        except OSError as error:
            raise _unwritten(error, option) from None

    try:
        yield write
    finally:
        os.close(descriptor)
        if not written:
            with suppress(OSError):
                path.unlink()


def _unwritten(error: OSError, option: str) -> StorageError:
    return StorageError(convert_os(error).code, f"the file given with {option} cannot be written")


def _nowhere(_data: bytes) -> None:
    """Nobody asked for it."""
