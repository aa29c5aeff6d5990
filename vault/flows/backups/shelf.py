"""The folders that backups stand in: where they are, what is in them, which are old, how one comes and goes.

data-<time>/             a data backup: manifest, records files
keystore-<epoch>-<time>/ a keystore backup: the file and its wrapped key
.partial-...             one that is not complete, or is being removed; nobody reads it
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from vault.config import BackupConfig
from vault.copies import NAME, PARTIAL, data_folder, made_at
from vault.errors import ConfigError, InvalidInputError
from vault.files import convert_os, private_folder, sync_folder
from vault.flows import validate
from vault.flows.backups import manifest
from vault.flows.context import SYSTEM_TENANT, Stages
from vault.flows.rotate import backup_folder
from vault.locks import FileLock

KINDS: Final = ("data", "keystore")
_LOCK: Final = "backup.lock"
Epochs = frozenset[int]


@dataclass(frozen=True, slots=True)
class Backup:
    """One complete backup; not `usable` is a keystore of an epoch that was destroyed: nobody can open it."""

    kind: str
    name: str
    folder: Path
    created: datetime
    bytes: int
    epoch: int
    usable: bool
    tenants: int | None = None
    memories: int | None = None


@dataclass(frozen=True, slots=True)
class Keep:
    """How many backups, or for how many days; a backup that neither wants goes. None and None: all stay."""

    count: int | None
    days: int | None

    @property
    def everything(self) -> bool:
        return self.count is None and self.days is None


# --- where -----------------------------------------------------------------------------------------------------------


def place(stages: Stages, folder: Path, kind: object, to: object) -> Path:
    """Where backups of a kind go: `to`, or as configured. Raises ConfigError where that is not apart from the rest."""
    if kind not in KINDS:
        raise InvalidInputError("backup.kind", "say what to back up: data or keystore")
    given = _named(to)
    chosen = given or (
        data_folder(stages.config, folder) if kind == "data" else backup_folder(stages, folder)
    )
    if chosen is None:
        setting = "backup.data" if kind == "data" else "keys.backup"
        raise InvalidInputError("backup.to", f"say where to (--to), or set {setting} in memvault.toml")
    _check_apart(stages, folder, str(kind), chosen)
    return chosen


def archive_place(stages: Stages, folder: Path, to: object) -> Path:
    """Where a copy of the log archive goes; raises ConfigError where that is not apart from the rest."""
    given = _named(to)
    if given is None:
        raise InvalidInputError("backup.to", "say where to (--to)")
    _check_apart(stages, folder, "archive", given)
    return given


def _named(to: object) -> Path | None:
    return Path(validate.path("to", to)).expanduser().absolute() if to is not None else None


def configured(stages: Stages, folder: Path) -> set[Path]:
    """The folders that the configuration names for backups."""
    named = (data_folder(stages.config, folder), backup_folder(stages, folder))
    return {found for found in named if found is not None}


def _check_apart(stages: Stages, folder: Path, kind: str, chosen: Path) -> None:
    keys = stages.provider.describe().get("folder")
    others: dict[str, Path | None] = {
        "the vault's folder": folder,
        "the log archive": stages.stores.archive(stages.tenant(SYSTEM_TENANT)).folder.parent,
    }
    if kind != "keystore":
        others["the folder of keystore backups"] = backup_folder(stages, folder)
        others["the key folder"] = Path(keys) if keys else None
    if kind != "data":
        others["the folder of data backups"] = data_folder(stages.config, folder)
    for what, other in others.items():
        if other is not None and chosen.resolve().is_relative_to(other.resolve()):
            raise ConfigError(
                "backup.place", f"backups of the {kind} must not lie in {what}: keep them apart"
            )


# --- what is there ---------------------------------------------------------------------------------------------------


def found(live: Epochs, kind: str, place: Path) -> list[Backup]:
    """The complete backups of a kind in a folder, newest first; `live` are the epochs that the provider holds."""
    try:
        names = [path for path in place.iterdir() if NAME.fullmatch(path.name) and path.is_dir()]
        backups = [one for path in names if (one := _read(live, path)) is not None]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise convert_os(error) from None
    return sorted((one for one in backups if one.kind == kind), key=_age, reverse=True)


def _age(backup: Backup) -> tuple[datetime, str]:
    return backup.created, backup.name.rpartition("-")[2]


def _read(live: Epochs, path: Path) -> Backup | None:
    """What stands in a folder, whatever it was renamed to; None where it is not a complete backup."""
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    if (path / manifest.NAME).is_file():
        said = manifest.read(path)
        memories = sum(part.memories for part in said.tenants)
        return Backup(
            "data",
            path.name,
            path,
            _made(path, said.created),
            size,
            said.epoch,
            True,
            len(said.tenants),
            memories,
        )
    for database in sorted(path.glob("keystore-*.db")):
        digits = database.name.removeprefix("keystore-").removesuffix(".db")
        if digits.isascii() and digits.isdigit() and database.with_suffix(".key").is_file():
            made = _made(path, datetime.fromtimestamp(database.stat().st_mtime, UTC))
            return Backup("keystore", path.name, path, made, size, int(digits), int(digits) in live)
    return None


def _made(path: Path, otherwise: datetime) -> datetime:
    return made_at(path.name) or otherwise


def one(live: Epochs, path: Path) -> Backup:
    """The backup in a folder, or the newest usable one in a folder of backups. Raises InvalidInputError."""
    try:
        itself = _read(live, path) if path.is_dir() else None
    except OSError as error:
        raise convert_os(error) from None
    if itself is not None:
        return itself
    inside = [backup for kind in KINDS for backup in found(live, kind, path)]
    if len({backup.kind for backup in inside}) > 1:
        raise InvalidInputError(
            "backup.which", "there are backups of both kinds in that folder; name one of them"
        )
    usable = [backup for backup in inside if backup.usable] or inside
    if not usable:
        raise InvalidInputError("backup.none", "there is no complete backup in that folder")
    return usable[0]


# --- coming and going ------------------------------------------------------------------------------------------------


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Alone at this folder; what a backup or a removal that was cut off left is removed first."""
    private_folder(place)
    lock = FileLock(place / _LOCK, 1.0)
    try:
        with lock.hold():
            try:
                for leftover in place.glob(f"{PARTIAL}*"):
                    shutil.rmtree(leftover)
            except OSError as error:
                raise convert_os(error) from None
            yield
    finally:
        lock.close()


def finish(partial: Path, complete: Path) -> Path:
    """Give a backup that is complete its name; durable."""
    try:
        sync_folder(partial)
        partial.replace(complete)
        sync_folder(complete.parent)
    except OSError as error:
        raise convert_os(error) from None
    return complete


def retention(config: BackupConfig, kind: str, keep: int | None, days: int | None) -> Keep:
    """As asked for, else as configured."""
    if keep is not None or days is not None:
        return Keep(keep, days)
    if kind == "data":
        return Keep(config.data_keep, config.data_keep_days)
    return Keep(config.keystore_keep, config.keystore_keep_days)


def surplus(found: Sequence[Backup], keep: Keep, now: datetime, *, coming: int = 0) -> list[Backup]:
    """The backups that are to go, of some that stand newest first; `coming` more are about to be made.

    The newest usable one always stays. Keystore backups of a destroyed epoch are of no use to anybody and go first.
    """
    if keep.everything:
        return []
    gone = [one for one in found if not one.usable]
    for position, one in enumerate(one for one in found if one.usable):
        counted = keep.count is not None and position + coming < keep.count
        young = keep.days is not None and now - one.created < timedelta(days=keep.days)
        if not counted and not young and (position or coming):
            gone.append(one)
    return gone


def prune(live: Epochs, kind: str, place: Path, keep: Keep, now: datetime) -> list[str]:
    """Remove what is to go; the names. Called once a new backup is complete."""
    removed = []
    try:
        for one in surplus(found(live, kind, place), keep, now):
            doomed = one.folder.replace(place / f"{PARTIAL}{one.name}")  # half removed, it is none any more
            sync_folder(place)
            shutil.rmtree(doomed)
            removed.append(one.name)
    except OSError as error:
        raise convert_os(error) from None
    return removed
