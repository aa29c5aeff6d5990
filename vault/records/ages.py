"""Which memories and old values are how old: times alone, without a sealed byte."""

from __future__ import annotations

from typing import Final

from vault.records.interface import Lifetime, Superseded
from vault.storage import Database

_MEMORIES: Final = "SELECT s, n, created_ms, updated_ms, expires_ms FROM memories WHERE"
_OLD: Final = """
SELECT r.s, r.n, r.version, r.at_ms, COALESCE(
    (SELECT min(later.at_ms) FROM revisions later WHERE later.s = r.s AND later.n = r.n AND later.version > r.version),
    (SELECT m.updated_ms FROM memories m WHERE m.s = r.s AND m.n = r.n), r.at_ms)
FROM revisions r WHERE r.body IS NOT NULL AND r.at_ms <= ? ORDER BY r.s, r.n, r.version
"""


def outlived(
    database: Database, expired_ms: int, created_ms: int | None, updated_ms: int | None
) -> list[Lifetime]:
    """By the index on expiry where nothing else is asked for, else by reading every memory's row."""
    if created_ms is None and updated_ms is None:
        rows = database.query(f"{_MEMORIES} expires_ms <= ? ORDER BY s, n", (expired_ms,))
    else:
        rows = database.query(
            f"{_MEMORIES} expires_ms <= ? OR created_ms <= ? OR updated_ms <= ? ORDER BY s, n",
            (expired_ms, created_ms, updated_ms),
        )
    return [Lifetime(*row) for row in rows]


def superseded(database: Database, before_ms: int) -> list[Superseded]:
    """A value was superseded when the next version was stored."""
    return [Superseded(*row) for row in database.query(_OLD, (before_ms,))]
