"""The probe as a process of its own: it shares no handle, no cache and no lock with the vault that asks it.

A process apart also because closing a file that SQLite has open would drop the locks of the whole process on it. The
plan comes on standard input: a line of JSON (files, needles in hex), then the raw keys of the files, 32 bytes each; the
answer is a line of JSON. Keys and needles never stand in arguments, environment or files.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vault.crypto.primitives import KEY_BYTES, SecretKey
from vault.errors import StorageError
from vault.probe.pages import database_pages, wal_frames
from vault.probe.search import Needles

VERSION: Final = "memvault-probe 1"
TIMEOUT_S: Final = 3_600


@dataclass(frozen=True, slots=True)
class Searched:
    """What was looked at, and how often something was found."""

    pages: int
    frames: int
    files: int
    needles: int
    hits: int


@dataclass(frozen=True, slots=True)
class DatabasePlan:
    """A database to decrypt page by page, and the byte strings that must not be in it."""

    path: Path
    key: SecretKey
    needles: Sequence[bytes]


def search(databases: Sequence[DatabasePlan], folders: Sequence[Path], raw: Sequence[bytes]) -> Searched:
    """Decrypt every page and WAL frame of the databases, read every file of the folders as it is; count.

    Raises StorageError `probe.failed` where anything cannot be read: what was not searched is not clean.
    """
    plan = {
        "databases": [{"path": str(one.path), "needles": _hex(one.needles)} for one in databases],
        "folders": [str(one) for one in folders],
        "raw": _hex(raw),
    }
    message = bytearray(json.dumps(plan).encode() + b"\n")
    for one in databases:
        message += one.key.buffer
    try:
        done = subprocess.run(
            [sys.executable, "-m", "vault.probe.run"],
            input=message,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        raise _failed() from None
    finally:
        message[:] = bytes(len(message))
    if done.returncode != 0:
        raise _failed()
    answer: dict[str, int] = json.loads(done.stdout)
    return Searched(**answer)


def _failed() -> StorageError:
    return StorageError("probe.failed", "the probe could not read everything it must: nothing is certified")


def _hex(needles: Sequence[bytes]) -> list[str]:
    return sorted({needle.hex() for needle in needles})


def _searched(plan: dict[str, Any], keys: Sequence[SecretKey]) -> Searched:
    pages = frames = files = hits = count = 0
    for one, key in zip(plan["databases"], keys, strict=True):
        needles = Needles(map(bytes.fromhex, one["needles"]))
        path = Path(one["path"])
        count += needles.count
        for page in database_pages(path, key):
            pages += 1
            hits += needles.hits(page)
        for page in wal_frames(path.with_name(path.name + "-wal"), key):
            frames += 1
            hits += needles.hits(page)
    raw = Needles(map(bytes.fromhex, plan["raw"]))
    for folder in map(Path, plan["folders"]):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                files += 1
                hits += _in_file(raw, path)
    return Searched(pages, frames, files, count + raw.count, hits)


def _in_file(needles: Needles, path: Path) -> int:
    try:
        return needles.hits_in_file(path)
    except FileNotFoundError:
        return 0  # gone since the folder was listed: a WAL, a temporary file


def main() -> int:
    """Read the plan and the keys, search, answer."""
    keys = []
    with open(0, "rb", closefd=False) as source:  # standard input, for its `readinto`
        plan = json.loads(source.readline())
        for _ in plan["databases"]:
            buffer = bytearray(KEY_BYTES)
            if source.readinto(buffer) != KEY_BYTES:
                return 2
            keys.append(SecretKey(buffer))
    try:
        found = _searched(plan, keys)
    except OSError:
        return 1
    finally:
        for key in keys:
            key.close()
    answer = {name: getattr(found, name) for name in Searched.__slots__}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
