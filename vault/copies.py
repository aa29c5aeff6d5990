"""How backups are called, and where those of data go: for what makes them and for what only watches them."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from vault.config import VaultConfig

NAME: Final = re.compile(r"(data|keystore-(\d{1,9}))-(\d{8}T\d{6}Z)-\d{9}")
PARTIAL: Final = ".partial-"  # before the name of one that is not complete; the next backup removes it
_STAMP: Final = "%Y%m%dT%H%M%SZ"


def new_name(kind: str) -> str:
    """The name of a backup that is made now: `data`, or `keystore-` and its epoch, and the time (UTC)."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)  # one reading, so that names sort by time
    return f"{kind}-{time.strftime(_STAMP, time.gmtime(seconds))}-{rest:09d}"


def made_at(name: str) -> datetime | None:
    """When the backup of this name was made; None where it is no name of a backup."""
    match = NAME.fullmatch(name)
    return datetime.strptime(match[3], _STAMP).replace(tzinfo=UTC) if match is not None else None


def data_folder(config: VaultConfig, folder: Path) -> Path | None:
    """Where backups of data go by the configuration of the vault in `folder`; None where it does not say."""
    named = config.backup.data
    return folder / Path(named).expanduser() if named is not None else None
