"""Putting a keystore back from a backup: its two files, in the place of whatever is there. The vault is held alone."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from vault.files import FILE_MODE, convert_os, private_folder, sync_file, sync_folder
from vault.keys.layout import keystore_epochs
from vault.storage import put_in_place

TRIAL: Final = (
    "keystore.restored"  # beside the keystore's folder: the copy that is looked at before it goes there
)


def lay_out(backup: Path, epoch: int, vault: Path) -> Path:
    """Copy a backup's two files into a folder of their own inside the vault; the backup stays as it is."""
    trial = vault / TRIAL
    clear(vault)
    private_folder(trial)
    try:
        for name in (f"keystore-{epoch}.db", f"keystore-{epoch}.key"):
            shutil.copyfile(backup / name, trial / name)
            (trial / name).chmod(FILE_MODE)
            sync_file(trial / name)
        sync_folder(trial)
    except OSError as error:
        raise convert_os(error) from None
    return trial


def move_in(trial: Path, epoch: int, folder: Path) -> None:
    """From the trial folder into the keystore's: key, then file, then what other epochs left there goes.

    Cut off anywhere, the same restore does it again from the backup.
    """
    private_folder(folder)
    name = f"keystore-{epoch}"
    try:
        (trial / f"{name}.key").replace(folder / f"{name}.key")
        sync_folder(folder)
        put_in_place(trial / f"{name}.db", folder / f"{name}.db")
        for other in sorted(set(keystore_epochs(folder)) - {epoch}):
            for path in sorted(folder.glob(f"keystore-{other}.*"), key=lambda path: path.suffix == ".db"):
                path.unlink()
        sync_folder(folder)
    except OSError as error:
        raise convert_os(error) from None


def clear(vault: Path) -> None:
    """Remove the trial folder, if there is one."""
    try:
        if (vault / TRIAL).exists():
            shutil.rmtree(vault / TRIAL)
            sync_folder(vault)
    except OSError as error:
        raise convert_os(error) from None
