"""What the rows of a records file are sealed under, and how rows are taken out whose key is gone."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from vault.records.interface import BlockRow, ReplayRow, RevisionRow, TokenRow
from vault.storage import Database

# Bytes 22 to 25 of PMV1 (docs/format.md): the generation, whose key the header's kid and it name together.
_GENERATION: Final = "substr({column}, 23, 4)"
_COLUMNS: Final = (
    ("memories", "body"),
    ("points", "point"),
    ("blocks", "body"),
    ("revisions", "actor"),
    ("revisions", "body"),
    ("tokens", "value"),
    ("replays", "result"),
    ("log", "detail"),
)

DISCARD: Final = {
    BlockRow: ("DELETE FROM blocks WHERE s = ? AND b = ?", ("s", "b")),
    RevisionRow: ("DELETE FROM revisions WHERE s = ? AND n = ? AND version = ?", ("s", "n", "version")),
    TokenRow: ("DELETE FROM tokens WHERE s = ? AND token = ?", ("s", "token")),
    ReplayRow: ("DELETE FROM replays WHERE mac = ?", ("mac",)),
}


def sealed_under(database: Database) -> dict[int, dict[int, int]]:
    """Per subject: each generation that anything of it is sealed under, and how many memories that is."""
    found: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for table, column in _COLUMNS:
        generation = _GENERATION.format(column=column)
        rows = database.query(
            f"SELECT s, {generation}, count(*) FROM {table}"  # noqa: S608 - names from the table above
            f" WHERE s IS NOT NULL AND {column} IS NOT NULL GROUP BY 1, 2"
        )
        for s, number, count in rows:
            per_subject = found[int(s)]
            key = int.from_bytes(number, "big")
            per_subject[key] = max(per_subject.get(key, 0), count if table == "memories" else 0)
    return dict(found)
