"""The data map names every column of every schema, and no column that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

from vault.keys import layout
from vault.records import schema

DOCS = Path(__file__).parents[2] / "docs" / "data-map.md"
_TABLE = re.compile(r"CREATE TABLE (\w+)\((.*?)\)(?: WITHOUT ROWID|\s+WITHOUT ROWID)?;", re.DOTALL)


def columns(schema: str) -> set[str]:
    found = set()
    for table, body in _TABLE.findall(schema):
        body = re.sub(r"PRIMARY KEY\([^)]*\)", "", body)
        for part in body.split(","):
            name = part.split()[0] if part.split() else ""
            if re.fullmatch(r"[a-z_]+", name):
                found.add(f"{table}.{name}")
    return found


def section(title: str) -> set[str]:
    text = DOCS.read_text()
    start = text.index(title)
    end = text.find("\n## ", start + 1)
    cells = [line.split("|")[1] for line in text[start:end].splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`(\w+\.\w+)`", cell)}


def test_schema_parser_sees_the_columns_it_must() -> None:
    assert {"memories.body", "points.point", "log.detail"} <= columns(schema.TABLES)
    assert {"subjects.ident", "deks.wrapped"} <= columns(layout.TABLES)


def test_every_records_column_is_mapped() -> None:
    assert section("## `tenants/<tid>/records.db`") == columns(schema.TABLES + schema.PLACED)


def test_every_keystore_column_is_mapped() -> None:
    assert section("## `keystore/keystore-<epoch>.db`") == columns(layout.TABLES + layout.CASES)
