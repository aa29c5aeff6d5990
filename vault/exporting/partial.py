"""An export while it is being written: a folder for its owner alone beside the destination, `<name>.partial`.

    lock         one process at a time
    state.json   what is exported and which files are complete, with a MAC of the vault that wrote it
    files/       what will be handed out; the last one may be cut off
    archive      those files packed, until it gets the destination's name

A killed process leaves this folder and nothing else. It is continued file by file, or removed; nothing in the
destination's folder is touched beside it.
"""

from __future__ import annotations

import hmac
import json
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from vault.errors import ConflictError, InvalidInputError, StorageError
from vault.exporting.files import FORMAT, NAMES, FileNote, Writer, unwritable
from vault.files import FOLDER_MODE, sync_folder, write_private
from vault.locks import FileLock

SUFFIX: Final = ".partial"
_STATE: Final = "state.json"
_LOCK: Final = "lock"
_FILES: Final = "files"
_ARCHIVE: Final = "archive"
_MOST_STATE: Final = 1 << 20
_OTHERS: Final = 0o077

Mac = Callable[[bytes], bytes]


@dataclass(slots=True)
class State:
    """How far an export has come: `binding` says of what, `position` which state of it, `files` what is complete.

    `finished` is the manifest's digest once only the move to the destination is left.
    """

    binding: str
    made_at: str
    log_end: int
    position: tuple[int, int]
    files: list[FileNote] = field(default_factory=list)
    finished: str | None = None
    complete: bool = True

    def note(self, name: str) -> FileNote | None:
        return next((found for found in self.files if found.name == name), None)


def destination(to: str, kept_out: Iterable[Path]) -> Path:
    """The place of a new file or folder, symbolic links of its folder resolved; raises InvalidInputError.

    `kept_out` are folders that hold nothing readable: the vault's own, and those of its keys.
    """
    place = Path(to).expanduser().absolute()
    if place.name in ("", ".", ".."):
        raise InvalidInputError("to.folder", "to must name a new file in a folder that exists")
    try:
        folder = place.parent.resolve(strict=True)
    except (OSError, RuntimeError):
        folder = None
    if folder is None or not folder.is_dir():
        raise InvalidInputError("to.folder", "to must name a new file in a folder that exists")
    for one in kept_out:
        if folder.is_relative_to(one.resolve()):
            raise InvalidInputError(
                "to.inside", "to lies inside the vault or beside its keys; choose a place outside"
            )
    return folder / place.name


class Partial:
    """The unfinished export of one destination, held by one process."""

    def __init__(self, place: Path) -> None:
        """Make the folder, or take over the one that is there; raises InvalidInputError or ConflictError."""
        self._place = place
        self._folder = place.with_name(place.name + SUFFIX)
        self._held = ExitStack()
        _own_folder(self._folder)
        lock = FileLock(self._folder / _LOCK, 0.0)
        self._held.callback(lock.close)
        try:
            self._held.enter_context(lock.hold())
        except StorageError as error:
            self._held.close()
            if error.code != "storage.locked":
                raise
            raise ConflictError("export.busy", "another export to this place is under way") from None
        _own_folder(self._folder / _FILES)

    @staticmethod
    def is_there(place: Path) -> bool:
        """Whether an unfinished export to this place was left behind."""
        return os.path.lexists(place.with_name(place.name + SUFFIX))

    # --- state -------------------------------------------------------------------------------------------------

    def read(self, mac: Mac) -> State | None:
        """What was noted last, or None where nothing was; raises ConflictError for a note this vault did not write."""
        path = self._folder / _STATE
        if not os.path.lexists(path):
            return None
        try:
            with path.open("rb") as file:
                parsed = json.loads(file.read(_MOST_STATE))
            state, genuine = parsed["state"], bytes.fromhex(parsed["mac"])
            if parsed["format"] == FORMAT and hmac.compare_digest(mac(_canonical(state)), genuine):
                files = [FileNote(**found) for found in state.pop("files")]
                return State(**{**state, "files": files, "position": tuple(state["position"])})
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise other_export()

    def write(self, state: State, mac: Mac) -> None:
        """Note how far it has come, durably."""
        data = asdict(state)
        body = {"format": FORMAT, "state": data, "mac": mac(_canonical(data)).hex()}
        try:
            write_private(self._folder / _STATE, json.dumps(body).encode())
        except StorageError as error:
            raise StorageError(error.code, f"the export cannot be written: {error.message}") from None

    # --- files -------------------------------------------------------------------------------------------------

    @property
    def files(self) -> Path:
        return self._folder / _FILES

    @property
    def archive(self) -> Path:
        return self._folder / _ARCHIVE

    def writer(self, name: str) -> Writer:
        return Writer(self.files / name)

    def publish(self, made: Path) -> None:
        """Give what is complete the destination's name, then leave nothing else behind."""
        try:
            if os.path.lexists(self._place):
                raise occupied()
            made.rename(self._place)
            sync_folder(self._place.parent)
        except OSError as error:
            raise unwritable(error) from None

    # --- the end -----------------------------------------------------------------------------------------------

    def empty(self) -> None:
        """Remove what was written, and keep the place; the note goes last, and nothing it speaks of outlives it."""
        try:
            for path in (*(self.files / name for name in NAMES), self.archive):
                path.unlink(missing_ok=True)
            for name in (f"{_STATE}.new", _STATE):
                (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(error) from None

    def remove(self) -> None:
        """Remove everything an export writes; a file of somebody else's stays, with a ConflictError."""
        self.empty()
        try:
            if self.files.is_dir():
                self.files.rmdir()
            (self._folder / _LOCK).unlink(missing_ok=True)
            self._folder.rmdir()
            sync_folder(self._folder.parent)
        except OSError:
            raise ConflictError(
                "export.partial", "what was written is removed, but for files that no export wrote"
            ) from None

    def close(self) -> None:
        """Let another process have it."""
        self._held.close()


def other_export() -> ConflictError:
    """The one answer to a folder that is not the beginning of this very export."""
    return ConflictError(
        "export.partial",
        "an unfinished export of something else lies at this place (.partial); begin anew, or choose another place",
    )


def occupied() -> InvalidInputError:
    return InvalidInputError(
        "to.exists", "there is something at the destination; nothing is ever overwritten"
    )


def _own_folder(path: Path) -> None:
    """A folder of this user alone; one that is there must be a real folder, and closed to everybody else."""
    try:
        path.mkdir(mode=FOLDER_MODE)
    except FileExistsError:
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS:
            raise InvalidInputError(
                "to.partial", "what lies beside the destination (.partial) is no folder of this user alone"
            ) from None
    except OSError as error:
        raise unwritable(error) from None


def _canonical(data: dict[str, Any]) -> bytes:
    return json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
