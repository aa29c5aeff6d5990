"""The data map against what a vault really writes: its schemas, a vault in use, points in Qdrant."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.calls import stages_of
from support.elsewhere import Kept, elsewhere
from test_documented import rows

from vault import Principal, Vault
from vault.flows.backups.manifest import Manifest, Part
from vault.flows.bodies import Body
from vault.index.points import Point
from vault.keys import layout
from vault.records import schema
from vault.storage import Database

TEXT = (Path(__file__).parents[2] / "docs" / "data-map.md").read_text(encoding="utf-8")
RECORDS, KEYSTORE = "## `tenants/<tid>/records.db`", "## `keystore/keystore-<epoch>.db`"
_TABLE = re.compile(r"CREATE TABLE (\w+)\((.*?)\)(?: WITHOUT ROWID|\s+WITHOUT ROWID)?;", re.DOTALL)
# Where the fixture puts what the map has a word for.
PLACES = {
    "key folder": "keys", "backup folder": "backups", "data backups": "data", "archive": "vault/archive",
    "destination": "copy.zip", "evidence": "evidence", "export": "log.jsonl", "cursor": "log.cursor",
    "checkpoint": "kept.checkpoint",
}  # fmt: skip
# What this vault does not come to write: a restore under way, an export under way, figures that were asked for.
RARE = {
    "memvault.restoring",
    "keystore.restored/",
    "records.db.restored",
    "measured.json",
    "<destination>.partial/",
}


def columns(tables: str) -> set[str]:
    found = set()
    for table, body in _TABLE.findall(tables):
        body = re.sub(r"PRIMARY KEY\([^)]*\)", "", body)
        for part in body.split(","):
            name = part.split()[0] if part.split() else ""
            if re.fullmatch(r"[a-z_]+", name):
                found.add(f"{table}.{name}")
    return found


def part(title: str) -> str:
    start = TEXT.index(title)
    end = TEXT.find("\n## ", start + 1)
    return TEXT[start : end if end > 0 else None]


def table_of(title: str) -> list[list[str]]:
    """The rows of a section's tables, less their headings."""
    return [row for row in rows(part(title)) if row[0] not in ("column", "file", "what", "where")]


def section(title: str) -> set[str]:
    return {name for row in table_of(title) for name in re.findall(r"`(\w+\.\w+)`", row[0])}


# --- a vault in use ------------------------------------------------------------------------------------------------


@dataclass
class Used:
    """A vault in which everything was done that leaves something, and the folder it all lies in."""

    base: Path
    vault: Vault

    def databases(self) -> Iterator[tuple[str, Database]]:
        stages = stages_of(self.vault)
        yield KEYSTORE, stages.keystore.database
        for name in ("clinic", "memvault:system"):
            with stages.stores.use(stages.tenant(name)) as store:
                yield RECORDS, store.records.database  # type: ignore[attr-defined]

    def query(self, title: str, sql: str) -> set[str]:
        return {
            str(row[0])
            for found, database in self.databases()
            if found == title
            for row in database.query(sql)
        }


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Used]:
    base = tmp_path_factory.mktemp("used")
    vault = Vault.init(base / "vault", key_folder=base / "keys", keystore_backup=base / "backups")
    bot, office = Principal("clinic", "bot", ("app",)), Principal("clinic", "office", ("privacy",))
    session = vault.session(bot, purpose="service")
    later = datetime.now(UTC) + timedelta(days=1)
    for user in ("ana", "ben", "cy", "dee"):
        session.add(
            f"{user} wrote from {user}@example.org", user_id=user, expires_at=later, metadata={"a": 1}
        )
        memory = session.add(
            "prefers tea", user_id=user, run_id="r1", idempotency_key=f"key-of-{user}-1"
        ).memories[0]
        session.update(memory.id, "prefers rum")
    session.delete(memory.id)
    session.add_many([{"content": f"note {number}", "user_id": "eve"} for number in range(40)])
    rights = vault.session(office, purpose="rights-request")
    rights.subjects.add_alias(user_id="ana", alias="ana-2")
    rights.subjects.merge(source="dee", into="cy")
    rights.holds.place(matter="case 7", user_id="ana")
    request = rights.requests.open(ground="gdpr.17.1.b", user_id="ben")
    request.preview()
    request.run()
    rights.exports.run(user_id="ana", to=base / "copy.zip")
    operator = vault.admin(Principal("clinic", "op", ("operator",)))
    operator.keys_rotate("subject")
    operator.backup_create("data", to=base / "data")
    operator.keys_backup()
    auditor = vault.admin(Principal("clinic", "aud", ("auditor",)), purpose="audit")
    auditor.audit_evidence(base / "evidence")
    auditor.audit_export(base / "log.jsonl", cursor=base / "log.cursor")
    (base / "kept.checkpoint").write_text(auditor.audit_checkpoint())
    yield Used(base, vault)
    vault.close()


# --- tables --------------------------------------------------------------------------------------------------------


def test_schema_parser_sees_the_columns_it_must() -> None:
    assert {"memories.body", "points.point", "log.detail"} <= columns(schema.TABLES)
    assert {"subjects.ident", "deks.wrapped"} <= columns(layout.TABLES)


def test_every_records_column_is_mapped() -> None:
    assert section(RECORDS) == columns(schema.TABLES + schema.PLACED)


def test_every_keystore_column_is_mapped() -> None:
    assert section(KEYSTORE) == columns(layout.TABLES + layout.CASES)


@pytest.mark.parametrize("title", [RECORDS, KEYSTORE])
def test_the_tables_of_a_vault_in_use_are_those_of_the_map(used: Used, title: str) -> None:
    names = used.query(
        title, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    real = {
        f"{table}.{column}"
        for table in names
        for column in used.query(title, f"SELECT name FROM pragma_table_info('{table}')")  # noqa: S608 - a table's name
    }
    assert real == section(title)


@pytest.mark.parametrize("title", [RECORDS, KEYSTORE])
def test_every_setting_of_a_database_is_named(used: Used, title: str) -> None:
    named = set(re.findall(r"`([\w.<>]+)`", part(title).split("`meta` holds")[1].split("\n\n")[0]))
    keys = used.query(title, "SELECT key FROM meta")
    found = {re.sub(r"^setting\..*", "setting.<name>", re.sub(r"\d+", "<n>", key)) for key in keys}
    assert found - named == set()
    assert {"schema", "state"} <= found


@pytest.mark.parametrize("title", [RECORDS, KEYSTORE])
def test_every_column_has_a_form_and_an_end(title: str) -> None:
    for names, holds, form, _, goes in table_of(title):
        assert holds, names
        assert re.search(r"sealed|tag|random|count|clear|wrapped|hashes|word|time|token|chain", form), names
        assert goes, names


def test_what_is_sealed_in_clear_is_in_no_other_form(used: Used) -> None:
    """Whatever the map calls sealed begins as a sealed record does, wrapped keys as wrapped keys do."""
    marks = {"sealed": b"PMV1", "wrapped (PMW1)": b"PMW1"}
    looked = set()
    for title, database in used.databases():
        for names, _, form, *_ in table_of(title):
            mark = next((mark for word, mark in marks.items() if form.startswith(word)), None)
            if mark is None:
                continue
            for table, column in (name.split(".") for name in re.findall(r"`(\w+\.\w+)`", names)):
                sql = f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - names of the schema
                for (value,) in database.query(sql):
                    assert bytes(value[:4]) == mark, f"{table}.{column}"
                    looked.add(f"{table}.{column}")
    assert {
        "memories.body",
        "points.point",
        "blocks.body",
        "tokens.value",
        "log.detail",
        "revisions.body",
    } <= looked
    assert {"subjects.ident", "subjects.secret", "deks.wrapped", "aliases.ident", "cases.body"} <= looked


def test_what_is_inside_sealed_values_is_named() -> None:
    inside = {row[0]: row[1] for row in table_of("## Inside the sealed values")}
    for where, kind in (("`memories.body`, `revisions.body`", Body), ("`points.point`", Point)):
        named = set(re.findall(r"`(\w+)`", inside[where]))
        assert named == {one.name for one in fields(kind)}, where


# --- files ---------------------------------------------------------------------------------------------------------


def patterns() -> dict[str, re.Pattern[str]]:
    """The places that the map names, as patterns for paths; other `<words>` are one name, a folder is all in it."""
    found = {}
    for row in [*table_of("## Other files"), [RECORDS], [KEYSTORE]]:
        for name in [] if row[0].startswith("PKCS#11") else re.findall(r"`([^`]+)`", row[0]):
            place = re.sub(r"<([\w ]+)>", lambda match: PLACES.get(match[1], match[0]), name)
            text = re.sub(r"<[^>]+>", "[^/]+", re.escape(place).replace(r"\*", "[^/]*").replace(r"\ ", " "))
            found[name] = re.compile(f"(.*/)?{text}" + (".*" if name.endswith("/") else ""))
    return found


def test_every_file_of_a_vault_in_use_is_mapped(used: Used) -> None:
    files = {path.relative_to(used.base).as_posix() for path in used.base.rglob("*") if path.is_file()}
    assert len(files) > 20
    known = patterns()
    assert sorted(file for file in files if not any(one.fullmatch(file) for one in known.values())) == []
    unseen = {name for name, one in known.items() if not any(one.fullmatch(file) for file in files)}
    assert {name for name in unseen if not any(name.endswith(rare) for rare in RARE)} == set()


def test_the_manifest_of_a_backup_holds_what_the_map_says() -> None:
    (row,) = [row for row in table_of("## Other files") if "manifest.json" in row[0]]
    named = set(re.findall(r"`(\w+)`", row[1]))
    assert named == {one.name for kind in (Manifest, Part) for one in fields(kind)}


# --- elsewhere -----------------------------------------------------------------------------------------------------


def test_qdrant_holds_what_the_map_says_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vault.index import qdrant

    engine = Kept()
    monkeypatch.setattr(qdrant, "connect", lambda *_args, **_kwargs: engine)
    with elsewhere(tmp_path) as vault:
        session = vault.session(Principal("clinic", "bot", ("app",)), purpose="service")
        for number in range(3):
            session.add(f"The roses were pruned {number} times", user_id="ana", metadata={"room": "blue"})
        points = engine.all()
    assert len(points) == 3
    named = {row[0] for row in table_of("## Qdrant, where the configuration names it")}
    payload: set[str] = set()
    for point in points:
        vectors: Any = point.vector
        payload |= set(point.payload or {})
        assert {f"vector `{name}`" for name in vectors} == {
            name for name in named if name.startswith("vector")
        }
    said = " ".join(name for name in named if name.startswith("payload"))
    assert payload == set(re.findall(r"`(\w+)`", said))
    assert len(named) == 4
