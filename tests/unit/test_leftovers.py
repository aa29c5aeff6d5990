"""A leftover planted in any store makes the certificate refuse, and takes nothing else to be found than looking."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calls import Clock, operator, session_of, stages_of
from support.pages import vault_keys
from support.rights import SECRET, erased, fill, privacy, sid_of, tenant_keys, verdict
from support.thief import keystore_thief, records_thief

from vault import Vault
from vault.crypto.primitives import SecretKey
from vault.errors import IntegrityViolationError
from vault.records.interface import BLOCK
from vault.rights import Request
from vault.storage import Database

USER = "pat-1"
TABLES = ("subjects", "memories", "points", "blocks", "revisions", "tokens", "replays")

Row = dict[str, Any]


class Before:
    """What a thief copied of one person before the erasure."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.sid = sid_of(vault, USER)
        thief = records_thief(vault, "clinic")
        (subject,) = [row for row in thief.rows("subjects") if row["sid"] == self.sid]
        self.s, self.kid = subject["s"], subject["kid"]
        self.rows = {name: [r for r in thief.rows(name) if r["s"] == self.s] for name in TABLES}
        self.details = [row for row in thief.rows("log") if row["s"] == self.s]
        self.keys = [row for row in keystore_thief(vault).rows("subjects") if row["sid"] == self.sid]
        self.deks = [row for row in keystore_thief(vault).rows("deks") if row["sid"] == self.sid]
        self.archive = {path: path.read_bytes() for path in vault.folder.rglob("details/*") if path.is_file()}


@pytest.fixture
def before(clinic: Vault) -> Before:
    fill(clinic, USER)
    app = session_of(clinic)
    app.add_many([{"content": f"Note number {n} of the ward", "user_id": USER} for n in range(2 * BLOCK)])
    fill(clinic, "pat-2")
    operator(clinic).audit_checkpoint()  # archives the log, details and all
    return Before(clinic)


# --- one per store ---------------------------------------------------------------------------------------------------


def _row(table: str) -> Callable[[Before], None]:
    def plant(b: Before) -> None:
        thief = records_thief(b.vault, "clinic")
        if table != "subjects":
            thief.write("subjects", {**b.rows["subjects"][0], "sid": bytes(16), "kid": bytes(16)})
        if table == "points":
            thief.write("memories", {**b.rows["memories"][0], "body": b"\x00" * 200})
        thief.write(table, b.rows[table][0])

    plant.__name__ = table
    return plant


def log_detail(b: Before) -> None:
    thief = records_thief(b.vault, "clinic")
    detail = b.details[0]
    row = next(row for row in thief.rows("log") if row["seq"] == detail["seq"])
    thief.change("log", row, detail=detail["detail"])


def key(b: Before) -> None:
    keystore_thief(b.vault).write("subjects", {**b.keys[0], "ref": bytes(32)})


def data_key(b: Before) -> None:
    keystore_thief(b.vault).write("deks", b.deks[0])


def archived_detail(b: Before) -> None:
    assert b.archive
    for path, data in b.archive.items():
        path.write_bytes(data)


def raw_file(b: Before) -> None:
    (b.vault.folder / "tenants" / "spool.tmp").write_bytes(b"spooled " * 99 + b.rows["memories"][0]["body"])


def token_in_clear(b: Before) -> None:
    (b.vault.folder / "cache.txt").write_text(
        f"as we said: [{b.rows['tokens'][0]['token']}]", encoding="utf-8"
    )


def wal_frame(b: Before) -> None:
    """Written and removed again: the page is clean, and an old frame of it still lies in the WAL."""
    path = records_thief(b.vault, "clinic").path
    database = Database(path, SecretKey(bytearray(vault_keys(b.vault)[path])))
    try:
        with database.transaction():
            database.execute(
                "INSERT INTO meta(key, value) VALUES('planted', ?)", (b.rows["memories"][0]["body"],)
            )
        with database.transaction():
            database.execute("DELETE FROM meta WHERE key = 'planted'")
    finally:
        database.close()
    assert path.with_name(path.name + "-wal").stat().st_size > 0


PLANTED = [
    *map(_row, TABLES),
    log_detail,
    key,
    data_key,
    archived_detail,
    raw_file,
    token_in_clear,
    wal_frame,
]


@pytest.mark.parametrize("plant", PLANTED, ids=lambda one: str(one.__name__))
def test_a_planted_leftover_of_a_person_is_found(before: Before, plant: Callable[[Before], None]) -> None:
    request = erased(privacy(before.vault), user_id=USER)
    plant(before)
    refused(request)


def refused(request: Request) -> None:
    with pytest.raises(IntegrityViolationError) as caught:
        request.certificate()
    assert caught.value.code == "certificate.refused"
    assert caught.value.message.startswith(
        ("no certificate: it would fail the check counts", "no certificate: it would fail the check probe")
    ), caught.value.message
    assert SECRET not in str(caught.value)
    assert USER not in str(caught.value)


@pytest.mark.parametrize("table", ["memories", "points", "revisions"])
@pytest.mark.parametrize("what", ["the row", "its bytes elsewhere"])
def test_a_planted_leftover_of_one_memory_is_found(before: Before, table: str, what: str) -> None:
    """The rest of the person stays, so that neither id nor key tells it apart: the salts of the sealed values do."""
    number = before.rows["revisions"][0]["n"]
    memory_id = next(m.id for m in session_of(before.vault).list(user_id=USER).memories if m.version == 2)
    request = erased(privacy(before.vault), memory_ids=[memory_id])
    (row,) = [r for r in before.rows[table] if r["n"] == number]
    if what == "the row":
        if table == "points":
            memory = next(r for r in before.rows["memories"] if r["n"] == number)
            records_thief(before.vault, "clinic").write("memories", {**memory, "body": b"\x00" * 200})
        records_thief(before.vault, "clinic").write(table, row)
    else:
        blob = next(row[name] for name in ("body", "point") if isinstance(row.get(name), bytes))
        (before.vault.folder / "leftover.bin").write_bytes(b"\x01" * 7 + blob)
    refused(request)


def test_without_a_leftover_there_is_a_certificate_and_again_once_it_is_gone(before: Before) -> None:
    request = erased(privacy(before.vault), user_id=USER)
    raw_file(before)
    refused(request)
    (before.vault.folder / "tenants" / "spool.tmp").unlink()
    assert verdict(before.vault, request.certificate()).state == "live-erased"


def test_what_is_over_in_the_keystore_does_not_name_a_person_any_more(before: Before) -> None:
    """A hold that was released, and the mark that something of the person waits for a roll."""
    session = privacy(before.vault)
    session.holds.release(session.holds.place(user_id=USER, matter="case 7").id)
    app = session_of(before.vault)
    app.delete(app.list(user_id=USER).memories[0].id)
    request = erased(session, user_id=USER)
    assert verdict(before.vault, request.certificate()).state == "live-erased"
    assert [hold.about for hold in session.holds.list(released=True)] == [None]
    assert session.requests.roll(force=True) is not None
    assert verdict(before.vault, request.certificate()).state == "asserted"


def test_what_is_left_of_others_is_no_leftover(before: Before) -> None:
    """Another person's data under the same values, the erased one's files of the caller outside the vault."""
    Clock(before.vault)
    (before.vault.folder.parent / "outside.bin").write_bytes(before.rows["memories"][0]["body"])
    request = erased(privacy(before.vault), user_id=USER)
    assert verdict(before.vault, request.certificate()).state == "live-erased"
    assert session_of(before.vault).search(SECRET, user_id="pat-2")
    assert stages_of(before.vault).keystore.subject(tenant_keys(before.vault), "user", USER) is None
    assert isinstance(before.vault.folder, Path)
