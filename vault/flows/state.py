"""How a tenant's upkeep stands, for whoever watches: what waits, and how long ago what must be done was done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from vault.copies import made_at
from vault.flows.stores import OpenStore
from vault.keys.keystore import Keystore
from vault.observe.catalogue import Measured
from vault.observe.events import Pseudo


def measured(
    keystore: Keystore, store: OpenStore, *, backups: Path | None, tenant: Pseudo | None, now: datetime
) -> Measured:
    """One look: a few rows, and the times of three files."""
    known = keystore.checkpoint(store.tenant.tid)
    return Measured(
        outbox=store.records.outbox.waiting(),
        unsigned=store.log.unsigned(),
        key_age=_since(keystore.made_at(), now),
        checkpoint_age=_since(known.at_ms / 1_000 if known is not None else None, now),
        archive_age=_since(store.archive.written_at(), now),
        backup_age=_since(_newest(backups), now),
        tenant=tenant,
    )


def _since(seconds: float | None, now: datetime) -> timedelta | None:
    return None if seconds is None else max(timedelta(), now - datetime.fromtimestamp(seconds, UTC))


def _newest(backups: Path | None) -> float | None:
    """When the newest data backup of a folder was made, by its name."""
    if backups is None:
        return None
    try:
        made = [made_at(path.name) for path in backups.iterdir() if path.name.startswith("data-")]
    except OSError:
        return None
    return max((one.timestamp() for one in made if one is not None), default=None)
