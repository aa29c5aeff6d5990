"""What a data backup says of itself: one JSON file of counts and digests, signed with the key of the vault's own log.

    data-<time>/manifest.json   format, time, vault, epoch; per tenant: file, size, SHA-256, counts, signed log head
    data-<time>/manifest.sig    C2SP signed note: "memvault-backup/1", SHA-256 of the manifest
    data-<time>/tenants/<tid>/records.db

No names: tenants are their random ids. No keystore, no key file, no log archive: those have backups of their own.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from vault.audit.log import origin, vkeys
from vault.audit.note import open_text, sign_text
from vault.crypto.primitives import SigningKey
from vault.errors import AuditChainError, IntegrityViolationError, InvalidInputError
from vault.files import convert_os, write_private
from vault.keys.keyring import TenantKeys

NAME: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"
FORMAT: Final = 1
_HEADER: Final = "memvault-backup/1"
_MOST_BYTES: Final = 256 << 20
_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Part:
    """One tenant's records file in a backup: what it must be, and what is in it."""

    tid: str
    file: str
    bytes: int
    sha256: str
    memories: int
    subjects: int
    entries: int
    size: int  # entries under the checkpoint
    root: str
    checkpoint: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """A data backup: when, of which vault, and its parts; the vault's own log is one of them."""

    created: datetime
    memvault: str
    vault: str
    epoch: int
    tenants: tuple[Part, ...]

    def part(self, tid: bytes) -> Part | None:
        return next((part for part in self.tenants if part.tid == tid.hex()), None)


def file_of(tid: bytes) -> str:
    return f"tenants/{tid.hex()}/records.db"


def write(folder: Path, manifest: Manifest, system: TenantKeys) -> None:
    """Write the manifest and its signature; durable."""
    data = {"format": FORMAT, "kind": "data", **asdict(manifest)}
    data["created"] = manifest.created.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    raw = json.dumps(data, indent=2).encode() + b"\n"
    signer = SigningKey.from_seed(system.key("audit"))
    write_private(folder / NAME, raw)
    write_private(folder / SIGNATURE, sign_text(_text(raw), origin(system), [signer]))


def _text(raw: bytes) -> str:
    return f"{_HEADER}\n{hashlib.sha256(raw).hexdigest()}\n"


def read(folder: Path) -> Manifest:
    """The manifest as it lies there, its signature unchecked; raises IntegrityViolationError where it is not one."""
    return _parsed(_raw(folder, NAME))


def read_signed(folder: Path, system: TenantKeys) -> Manifest:
    """The manifest, signed by this vault. Raises IntegrityViolationError."""
    raw = _raw(folder, NAME)
    try:
        text = open_text(_raw(folder, SIGNATURE), vkeys(system))
    except AuditChainError:
        raise IntegrityViolationError(
            "backup.foreign",
            "the backup is not signed by a key that this keystore knows: it is of another vault, was changed, or the"
            " keystore is older than the backup (restore the newest keystore backup first)",
        ) from None
    if not hmac.compare_digest(text, _text(raw)):
        raise damaged()
    return _parsed(raw)


def _raw(folder: Path, name: str) -> bytes:
    path = folder / name
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise damaged()
        return path.read_bytes()
    except FileNotFoundError:
        raise InvalidInputError(
            "backup.none", "there is no complete backup in that folder (its manifest is missing)"
        ) from None
    except OSError as error:
        raise convert_os(error) from None


def _parsed(raw: bytes) -> Manifest:
    try:
        data: dict[str, Any] = json.loads(raw)
        if data.pop("kind") != "data" or data.pop("format") != FORMAT:
            raise InvalidInputError("backup.format", "the backup was written by a newer memvault; upgrade")
        parts = tuple(Part(**part) for part in data.pop("tenants"))
        created = datetime.fromisoformat(data.pop("created"))
        found = Manifest(created=created, tenants=parts, **data)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise damaged() from None
    for part in found.tenants:
        if part.file != file_of(bytes.fromhex(part.tid)):
            raise damaged()  # it would name a file elsewhere
    return found


def digest(path: Path) -> str:
    """SHA-256 of a file at rest."""
    found = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
    except FileNotFoundError:
        raise damaged() from None
    except OSError as error:
        raise convert_os(error) from None
    return found.hexdigest()


def damaged() -> IntegrityViolationError:
    return IntegrityViolationError(
        "backup.damaged", "a file of the backup is missing or is not what was written: use another backup"
    )
