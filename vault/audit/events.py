"""The catalogue of what the log can say, and the builder of its entries (format 1; docs/format.md).

An entry holds enumerated words, times, counts and keyed pseudonyms: no text, identifier, query or address.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Literal

from vault.audit.jcs import canonical, strict_loads
from vault.errors import InvalidInputError

FORMAT: Final = 1
SALT_BYTES: Final = 16  # so that the hash of a dropped entry cannot be guessed back

Kind = Literal["read", "write", "admin", "integrity"]


@dataclass(frozen=True, slots=True)
class Action:
    """A kind of event: its name, whether it reads, writes, administers or guards, and what it means."""

    name: str
    kind: Kind
    description: str


_CATALOGUE: Final[tuple[tuple[Kind, Mapping[str, str]], ...]] = (
    (
        "read",
        {
            "memory.search": "memories were searched",
            "memory.get": "one memory was read",
            "memory.list": "memories were listed",
            "memory.history": "the revisions of one memory were read",
            "memory.reveal": "redacted values were shown",
            "audit.show": "log entries were read",
            "subject.export": "what is held about a person was handed out",
            "subject.search": "memories of several people were searched at once",
            "subject.find_mentions": "memories of other people were searched for a value",
            "hold.list": "holds were listed",
            "retention.plan": "what has outlived its time was counted",
            "audit.export": "log entries were handed out to a collector of logs",
            "audit.evidence": "log, checkpoints and certificates were handed out as evidence",
        },
    ),
    (
        "write",
        {
            "memory.add": "memories were stored",
            "memory.update": "a memory was changed",
            "memory.delete": "a memory was removed",
            "memory.delete_all": "every memory in a scope was removed",
            "memory.import": "memories were taken over from elsewhere",
            "memory.expire": "memories past their time were removed",
            "memory.rescan": "memories were examined again, and redacted where more was found",
            "retention.run": "what had outlived its time was removed",
            "subject.erase": "what was held about a person, or a part of it, was erased",
            "subject.merge": "two people became one",
            "subject.rename": "a person received another id",
            "subject.redact_mentions": "a value was redacted in memories of other people",
            "subject.create": "a data subject received keys",
        },
    ),
    (
        "admin",
        {
            "tenant.create": "a tenant was created",
            "tenant.list": "tenants were listed",
            "tenant.erase": "a tenant was erased",
            "subject.alias": "further ids of a person were added, removed or listed",
            "erasure.approve": "somebody else agreed to an erasure, or to the release of a hold",
            "hold.place": "a hold was placed",
            "hold.release": "a hold was released",
            "keys.status": "the state of keys was read",
            "keys.rotate": "keys were replaced",
            "keys.backup": "the keystore was backed up",
            "keys.verify": "the keystore was checked",
            "backup.create": "data or keystore were backed up",
            "backup.verify": "backups were listed or checked",
            "backup.restore": "data or keystore were put back from a backup",
            "policy.activate": "a policy pack came into force",
            "audit.verify": "the log was checked",
            "audit.checkpoint": "a checkpoint was asked for",
            "index.move": "the tenant's memories were brought to another index",
            "index.rebuild": "the index was made anew from the records",
            "index.reembed": "memories were embedded by another model, or that was counted",
            "index.verify": "the index was compared with the records",
            "telemetry.status": "the state of telemetry was read, or what it would send",
            "telemetry.enable": "telemetry was agreed to",
            "telemetry.disable": "the agreement to telemetry was taken back",
            "telemetry.rotate": "telemetry received another installation id",
            "vault.open": "the vault was opened",
        },
    ),
    (
        "integrity",
        {
            "restore.reconciled": "restored data was brought in line with the keystore",
            "integrity.alarm": "stored bytes were not what the vault wrote",
            "state": "keystore root, records hash, epoch and counts, before a checkpoint",
            "erasure.requested": "an erasure was asked for",
            "erasure.tombstone": "data keys were given up for good, before they were deleted",
            "erasure.probed": "stores were searched for what an erasure may have left",
            "erasure.certified": "a certificate of an erasure was signed",
            "epoch.destroyed": "an epoch's root key was destroyed, or its destruction was asked for",
        },
    ),
)

ACTIONS: Final[Mapping[str, Action]] = MappingProxyType(
    {name: Action(name, kind, text) for kind, actions in _CATALOGUE for name, text in actions.items()}
)
RESULTS: Final = frozenset({"ok", "denied", "not_found", "refused", "error"})


def action(name: str) -> Action:
    """The catalogue's entry for `name`. Raises InvalidInputError for an action it does not hold."""
    found = ACTIONS.get(name)
    if found is None:
        raise InvalidInputError("audit.action", "the action is not in the log's catalogue")
    return found


def changes_rows(entry: bytes) -> bool:
    """Whether a stored entry says that records were added, changed or removed in its transaction."""
    parsed = strict_loads(entry)
    if parsed["res"] != "ok" or not parsed["n"]:
        return False
    return parsed["act"] == "restore.reconciled" or action(str(parsed["act"])).kind == "write"


def b64u(data: bytes) -> str:
    """URL-safe base64 without padding, as entries hold bytes."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def stamp(at: datetime) -> str:
    """A time as entries hold it: RFC 3339 in UTC, milliseconds. Raises InvalidInputError without a time zone."""
    if at.tzinfo is None:
        raise InvalidInputError("audit.time", "a time needs its time zone")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def entry(
    name: str,
    *,
    log: bytes,
    seq: int,
    at: datetime,
    purpose: str,
    actor: bytes,
    subject: bytes = b"",
    obj: bytes = b"",
    result: str = "ok",
    count: int = 0,
    salt: bytes,
    commitment: bytes = b"",
    pack: str = "",
) -> bytes:
    """The canonical bytes of one entry, to be stored and hashed as they are.

    `log` is the log's id; `actor`, `subject` and `obj` are pseudonyms; `commitment` hides a detail sealed
    elsewhere; `pack` is the policy's digest (16 hex digits). Raises InvalidInputError for an action or result
    out of the catalogue, a salt of another length, or a field that is no plain word.
    """
    action(name)
    if result not in RESULTS:
        raise InvalidInputError("audit.result", "the result is not in the log's vocabulary")
    if len(salt) != SALT_BYTES:
        raise InvalidInputError("audit.salt", "an entry's salt is 16 bytes")
    if not purpose.isascii() or not pack.isascii() or seq < 0 or count < 0:
        raise InvalidInputError("audit.field", "purpose and pack are ASCII, numbers are not negative")
    return canonical(
        {
            "v": FORMAT,
            "log": b64u(log),
            "seq": seq,
            "t": stamp(at),
            "act": name,
            "pur": purpose,
            "actor": b64u(actor),
            "subj": b64u(subject),
            "obj": b64u(obj),
            "res": result,
            "n": count,
            "salt": b64u(salt),
            "dc": b64u(commitment),
            "pack": pack,
        }
    )
