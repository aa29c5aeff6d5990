"""What a vault is and what protects it right now: facts for `status`, checks for `doctor`. Changes nothing.

A check reports what is in force, read back from where it is in force, never what the configuration asks for.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

from vault.audit.jcs import strict_loads
from vault.embedding.interface import identity
from vault.flows import tenants, validate
from vault.flows.context import Call, Caller, Stages, calling, milliseconds, moment
from vault.flows.erasing import roll
from vault.flows.rotate import backup_folder
from vault.flows.vectors import named_in_force
from vault.keys.rotation import newest_backup
from vault.records.interface import THERE
from vault.storage import Database
from vault.types import Principal

Level = Literal["ok", "warn", "fail"]

# Read back from each open connection; synchronous 2 is FULL, temp_store 2 is memory (SQLite PRAGMA reference).
PRAGMAS: Final = {
    "cipher_status": "1",
    "journal_mode": "wal",
    "secure_delete": "1",
    "synchronous": "2",
    "foreign_keys": "1",
    "temp_store": "2",
    "trusted_schema": "0",
    "cipher_page_size": "8192",
}
_SAMPLES: Final = {
    "e-mail address": ("write to ana.rivera@example.org", "EMAIL_ADDRESS"),
    "telephone number": ("call me on +44 20 7946 0958", "PHONE_NUMBER"),
    "card number": ("the card is 4111 1111 1111 1111", "CREDIT_CARD"),
    "social security number": ("her SSN is 536-90-4399", "US_SSN"),
    "name in a sentence": ("Yesterday Maria Gonzalez met John Smith", "PERSON"),
}
_OTHERS: Final = 0o077  # mode bits of everybody but the owner
_BACKUP_DAYS: Final = 7
_CHECKPOINT_DAYS: Final = 1
_CLOCK_SLACK: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`: what was looked at, how it is, and the sentence that says so."""

    area: str
    level: Level
    text: str


# --- status --------------------------------------------------------------------------------------------------------


def overview(
    stages: Stages, folder: Path, principal: Principal, purpose: str, *, most: int
) -> dict[str, Any]:
    """The vault in short; memories are counted for the first `most` tenants by name, each count is logged."""
    validate.limit(most, 10_000, "most")
    names = [tenant.name for tenant in tenants.names(stages, principal, purpose)]
    counted = [
        _tenant(stages, Caller(Principal(name, principal.id, principal.roles), purpose))
        for name in names[:most]
    ]
    pack = stages.policy
    return {
        "vault": str(folder),
        "epoch": stages.keystore.epoch,
        "provider": stages.provider.describe()["provider"],
        "pack": {"name": pack.name, "version": pack.version, "digest": pack.digest},
        "detector": stages.detector.version,
        "embedder": stages.embedder().version,
        "tenant_count": len(names),
        "tenants": counted,
        "files": dict(_sizes(folder)),
    }


def _tenant(stages: Stages, caller: Caller) -> dict[str, Any]:
    with calling(stages, caller, "keys.status") as call:
        known = stages.keystore.checkpoint(call.tenant.tid)
        facts: dict[str, Any] = {
            "name": call.tenant.name,
            "memories": call.records.count(),
            "log_entries": call.records.log_head()[0],
            "checkpoint": known.size if known else 0,
            "signed_at": moment(known.at_ms) if known else None,
            "folder": call.tenant.tid.hex(),
            **roll.waiting(stages, call.tenant),
        }
        call.log_read(call.event(count=1))
    return facts


def _sizes(folder: Path) -> Iterator[tuple[str, dict[str, int]]]:
    for name in ("tenants", "keystore"):
        sizes = [found.st_size for found in _stats(folder / name) if stat.S_ISREG(found.st_mode)]
        yield name, {"files": len(sizes), "bytes": sum(sizes)}


def index_status(stages: Stages, caller: Caller) -> dict[str, Any]:
    """The index of the tenant: its adapter, its embedder, and how many memories it holds."""
    with calling(stages, caller, "index.verify") as call:
        configured = identity(stages.embedder())
        facts = {
            "adapter": call.index.describe()["adapter"],
            "configured_adapter": stages.config.index.adapter,
            "waiting": sum(n for state, n in call.records.outbox.counts().items() if state != THERE),
            "memories": call.records.count(),
            "scopes": len(call.records.subjects()),
            "embedder": named_in_force(call.records),
            "configured": configured,
        }
        call.log_read(call.event(count=0))
    return facts


# --- doctor --------------------------------------------------------------------------------------------------------


def doctor(stages: Stages, folder: Path, caller: Caller) -> list[Check]:
    """Every check that needs an open vault, for the caller's tenant and the vault as a whole."""
    stages.keystore.refresh()
    known = stages.keystore.tenant(caller.principal.tenant) is not None
    if not known:
        caller = tenants.system_caller(caller.principal, caller.purpose)
    with calling(stages, caller, "keys.status") as call:
        signed = [*_log(call), *_embedder(call)]
        rights = _rights(call)
        if not known:
            signed.append(
                Check("log", "warn", "there is no such tenant: this is the log of the vault itself")
            )
        with call.records.transaction():  # the settings of a write are those inside one
            call.store.log.append(call.event(count=1))
            settings = list(_pragmas(call))
    return [
        *settings,
        *_keys(stages, folder),
        *_detection(stages),
        *_policy(stages),
        *_egress(stages),
        *rights,
        *signed,
    ]


def _pragmas(call: Call) -> Iterator[Check]:
    databases: list[tuple[str, object]] = [
        ("records file", getattr(call.records, "database", None)),
        ("keystore", call.stages.keystore.database),
    ]
    for what, database in databases:
        if not isinstance(database, Database):
            yield Check("storage", "warn", f"{what}: this store has no settings that can be read back")
            continue
        found = {name: _pragma(database, name) for name in PRAGMAS}
        wrong = [
            f"{name} is {found[name] or 'unset'}" for name, wanted in PRAGMAS.items() if found[name] != wanted
        ]
        if wrong:
            yield Check("storage", "fail", f"{what}: {', '.join(wrong)}")
        else:
            yield Check(
                "storage", "ok", f"{what}: {', '.join(f'{name} {value}' for name, value in found.items())}"
            )
        if _pragma(database, "cipher_memory_security") != "1":
            yield Check(
                "memory",
                "warn",
                f"{what}: SQLCipher wipes its keys; SQLite's buffers are neither locked nor wiped",
            )
        yield Check(
            "crypto",
            "warn",
            f"{what}: SQLCipher {_pragma(database, 'cipher_version')} with {_pragma(database, 'cipher_provider')} "
            f"{_pragma(database, 'cipher_provider_version')}: not a validated FIPS module",
        )
    yield Check(
        "crypto", "warn", f"records: cryptography {version('cryptography')}: not a validated FIPS module"
    )


def _pragma(database: Database, name: str) -> str:
    row = database.one(f"PRAGMA {name}")
    return str(row[0]) if row else ""


def _keys(stages: Stages, folder: Path) -> Iterator[Check]:
    facts = stages.provider.describe()
    yield Check("keys", "ok", f"provider: {facts['provider']}, epoch {stages.keystore.epoch} is live")
    yield Check("keys", "warn", f"destruction of an epoch is {facts['destruction']}")
    older = sorted(epoch for epoch in stages.provider.live_epochs() if epoch != stages.keystore.epoch)
    if older:
        kept = ", ".join(map(str, older))
        yield Check(
            "keys", "warn", f"keys of other epochs still exist ({kept}): backups under them still open"
        )
    target = backup_folder(stages, folder)
    newest = newest_backup(target) if target is not None else None
    if target is None:
        yield Check(
            "keys",
            "warn",
            'no keystore backup is wanted (keys.backup = "none"): a lost keystore is a lost vault',
        )
    elif newest is None:
        yield Check("keys", "warn", "there is no keystore backup yet: memvault keys backup")
    elif newest[1] != stages.keystore.epoch:
        yield Check(
            "keys", "warn", f"the newest keystore backup is of epoch {newest[1]}: memvault keys backup"
        )
    else:
        age = datetime.now(UTC) - datetime.fromtimestamp(newest[0].stat().st_mtime, UTC)
        level: Level = "ok" if age < timedelta(days=_BACKUP_DAYS) else "warn"
        yield Check("keys", level, f"the newest keystore backup is of this epoch and {_ago(age)} old")


def _detection(stages: Stages) -> Iterator[Check]:
    found: list[str] = []
    missed: list[str] = []
    for what, (text, entity) in _SAMPLES.items():
        hit = any(finding.entity == entity for finding in stages.detector.detect(text))
        (found if hit else missed).append(what)
    entities = sorted(stages.detector.entities)
    yield Check(
        "detection", "ok", f"{stages.detector.version} knows {len(entities)} classes: {', '.join(entities)}"
    )
    yield Check(
        "detection", "ok" if found else "fail", f"found in a test just now: {', '.join(found) or 'nothing'}"
    )
    if missed:
        yield Check(
            "detection",
            "warn",
            f"NOT found in a test just now: {', '.join(missed)}. What is not found is encrypted, but not redacted.",
        )
    classed = frozenset[str]().union(*(group.entities for group in stages.policy.classes.values()))
    unknown = sorted(classed - stages.detector.entities)
    if unknown:
        yield Check(
            "detection", "warn", f"classes of the pack that no detector reports: {', '.join(unknown)}"
        )


def _policy(stages: Stages) -> Iterator[Check]:
    pack = stages.policy
    yield Check("policy", "ok", f"pack {pack.name} {pack.version}, digest {pack.digest}")
    yield Check("policy", "warn", pack.disclaimer)
    for line in pack.not_covered:
        yield Check("policy", "warn", f"not covered: {line}")


def _embedder(call: Call) -> Iterator[Check]:
    named, configured = named_in_force(call.records), identity(call.stages.embedder())
    if named == configured:
        yield Check("embedder", "ok", f"memories are embedded by {named}, as configured")
    else:
        yield Check(
            "embedder",
            "warn",
            f"memories are embedded by {named}, and {configured} is configured: memvault reembed --execute",
        )


def _egress(stages: Stages) -> Iterable[Check]:
    embedder, config, otel = stages.embedder(), stages.config.index, stages.config.otel
    if embedder.address is not None:
        yield Check(
            "egress",
            "warn",
            f"redacted texts and redacted questions go to {embedder.address} (embedder {embedder.name})",
        )
    if config.qdrant is not None:
        yield Check(
            "egress",
            "warn",
            f"index: obfuscated vectors and terms, not encrypted, go to {config.qdrant.url}",
        )
    if otel.endpoint is not None:
        yield Check(
            "egress",
            "warn",
            f"traces and metrics, without content, with pseudonyms of tenants, go to {otel.endpoint}",
        )
    if embedder.address is None and config.qdrant is None and otel.endpoint is None:
        yield Check(
            "egress",
            "ok",
            f"none: key provider {stages.provider.name}, index {stages.index.describe()['adapter']} and embedder "
            f"{embedder.version} work inside this process; no address is configured",
        )
    foreign = stages.provider.describe().get("egress")
    if foreign is not None:
        yield Check("egress", "warn", foreign)


def _rights(call: Call) -> list[Check]:
    found = roll.waiting(call.stages, call.tenant)
    waiting, overdue, holds = found["requests_waiting"], found["rolls_overdue"], found["holds"]
    level: Level = "warn" if overdue else "ok"
    text = f"{waiting} erasures wait for a roll, {overdue} rolls are overdue"
    return [
        Check("erasure", level, f"{text}: memvault request roll --execute" if overdue else text),
        Check("holds", "ok", f"{holds} legal holds are in force"),
    ]


def _log(call: Call) -> list[Check]:
    now = call.stages.now()
    known = call.stages.keystore.checkpoint(call.tenant.tid)
    size, _ = call.records.log_head()
    checks = [
        Check("log", "ok", f"{size} entries; numbering and chain verified on opening, from the checkpoint on")
    ]
    if known is None:
        checks.append(Check("log", "warn", "no checkpoint is signed yet: memvault audit checkpoint"))
    else:
        age = now - moment(known.at_ms)
        level: Level = "ok" if age < timedelta(days=_CHECKPOINT_DAYS) else "warn"
        unsigned = call.store.log.unsigned()
        checks.append(
            Check(
                "log",
                level,
                f"the newest checkpoint covers {known.size} entries, is {_ago(age)} old; "
                f"{unsigned} entries are not signed yet",
            )
        )
    checks.append(
        Check(
            "log", "warn", "a rollback of everything at once shows only against a checkpoint kept elsewhere"
        )
    )
    latest = known.at_ms if known else 0
    for row in call.records.log(max(0, size - 1)):
        latest = max(latest, milliseconds(datetime.fromisoformat(strict_loads(row.entry)["t"])))
    ahead = moment(latest) - now
    if ahead > _CLOCK_SLACK:
        checks.append(
            Check("clock", "fail", f"the clock is {_ago(ahead)} behind the newest entry of the log")
        )
    else:
        checks.append(
            Check(
                "clock", "ok", f"{now.isoformat(timespec='seconds')}, not behind the newest entry of the log"
            )
        )
    return checks


def _ago(age: timedelta) -> str:
    seconds = max(0, int(age.total_seconds()))
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}"
    return f"{seconds} seconds" if seconds >= 2 else "a moment"


# --- files ---------------------------------------------------------------------------------------------------------


def files(folder: Path, keys: Path | None) -> Iterator[Check]:
    """Permissions of everything in the vault's folder and in the key folder, where there is one. Opens nothing."""
    for what, place in (("vault", folder), ("key", keys)):
        if place is None:
            continue
        if not place.is_dir():
            yield Check("files", "fail", f"the {what} folder is missing")
            continue
        modes = [place.stat().st_mode, *(found.st_mode for found in _stats(place))]
        exposed = sum(1 for mode in modes if mode & _OTHERS)
        if exposed:
            yield Check(
                "files", "fail", f"{what} folder: {exposed} of {len(modes)} are accessible to other users"
            )
        else:
            yield Check("files", "ok", f"{what} folder: {len(modes)} files and folders, none open to others")
    if keys is not None and folder.is_dir() and keys.is_dir() and folder.stat().st_dev == keys.stat().st_dev:
        yield Check(
            "files", "warn", "key and data are on the same file system: whoever copies the disk has both"
        )


def _stats(place: Path) -> Iterator[os.stat_result]:
    """Of everything below a folder; what another process removes meanwhile is left out."""
    for path in place.rglob("*"):
        with suppress(FileNotFoundError):
            yield path.stat()
