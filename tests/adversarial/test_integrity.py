"""G6: whatever is changed, removed, reordered, truncated or rolled back is noticed, and where that ends.

The thief here holds the raw file keys: without them the file's own page MACs notice every changed byte, which the
part on raw bytes shows. "Noticed" is an error of the integrity kind (exit code 7) or a vault that does not open; an
answer that differs, without an error, counts as missed.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.pages import PAGE
from support.soak import markdown, record
from support.thief import Thief, flipped, keystore_thief, mend_hash, records_thief

from vault import Principal, Session, Vault
from vault.admin import Admin
from vault.audit.jcs import strict_loads
from vault.audit.log import TenantLog
from vault.errors import (
    AuditChainError,
    ConfigError,
    IntegrityViolationError,
    RollbackError,
    UnavailableError,
    VaultError,
)
from vault.records.interface import BLOCK

TENANT = "clinic"
LATER = timedelta(days=30)


def app(vault: Vault, tenant: str = TENANT) -> Session:
    return vault.session(Principal(tenant, "bot", ("app",)), purpose="service")


def operator(vault: Vault, tenant: str = TENANT) -> Admin:
    return vault.admin(Principal(tenant, "op", ("operator",)))


def auditor(vault: Vault) -> Admin:
    return vault.admin(Principal(TENANT, "aud", ("auditor",)), purpose="audit")


def fill(vault: Vault) -> list[str]:
    """At least one row in every table, and every column filled in some row."""
    session, ids = app(vault), []
    session.add_many([{"content": f"Fact number {n}", "user_id": "alice"} for n in range(BLOCK)])
    for user in ("alice", "bob"):
        added = session.add(
            f"{user} can be reached at {user}@example.org", user_id=user, agent_id="desk", app_id="portal", run_id="r1",
            metadata={"room": "blue"}, expires_at=datetime.now(UTC) + LATER, idempotency_key=f"key-of-{user}",
        ).memories[0]  # fmt: skip
        session.update(added.id, f"{added.text}, before noon", reason="checked")
        gone = session.add("Something that goes away again", user_id=user).memories[0]
        session.delete(gone.id, reason="not needed")
        ids.append(added.id)
    operator(vault).audit_checkpoint()
    session.add("A fact after the first checkpoint", user_id="alice")
    operator(vault).keys_rotate("subject")  # leaves tombstones
    officer = vault.session(Principal(TENANT, "dpo", ("privacy",)), purpose="rights-request")
    officer.holds.place(user_id="bob", matter="case 2026-117", reason="court order")
    officer.subjects.add_alias("alice", "mrn-1")
    session.delete(
        session.add("Another thing that goes away", user_id="alice").memories[0].id
    )  # waits for a roll
    operator(vault).audit_checkpoint()
    session.search("who can be reached?", user_id="alice")
    return ids


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A filled vault, made once, closed: `vault` hands out copies."""
    place = tmp_path_factory.mktemp("template")
    with Vault.init(place / "clinic", key_folder=place / "clinic-keys", keystore_backup="none") as made:
        fill(made)
    return place


@pytest.fixture
def vault(template: Path, tmp_path: Path) -> Iterator[Vault]:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    config = tmp_path / "clinic" / "memvault.toml"
    config.write_text(config.read_text().replace(str(template), str(tmp_path)))
    opened = Vault.open(tmp_path / "clinic")
    yield opened
    with suppress(VaultError):  # many tests leave it damaged
        opened.close()


def noticed(call: Callable[[], Any]) -> VaultError | None:
    """The error of the integrity kind, or of a vault that fails closed; None where the call answered."""
    try:
        call()
    except (IntegrityViolationError, ConfigError, UnavailableError) as error:
        return error
    return None


def reopened(vault: Vault) -> VaultError | None:
    """What somebody meets who opens the vault anew and looks at everything, before any verification is asked for."""

    def look() -> None:
        with Vault.open(vault.folder) as again:
            session = app(again)
            for user in ("alice", "bob"):
                for memory in session.list(user_id=user).memories:
                    session.history(memory.id)
                session.search("who can be reached?", user_id=user)

    return noticed(look)


# --- every column of every row, with the file's key ---------------------------------------------------------------

# Numbers that steer caches and cost at worst an error or a moment; whoever holds the file's key gains nothing.
UNBOUND = {
    "subjects.next_n": "a lower number makes the next add fail, a higher one leaves a gap",
    "subjects.changes": "tells caches of running processes that something changed",
    "meta.key of setting.tombstones": "how many erasures the file is in line with; it is brought in line again",
    "meta.key of count": "memories are counted anew where no number is kept",
    "meta.key of embedder": "the first model is in force then: searches refuse, or find nothing by meaning",
    "meta.value of embedder": "as its key",
    "meta.key of setting.naming": "the keystore follows the changes of ids in the log again, up to the newest",
    "meta.value of setting.naming": "as its key",
    "meta.value of setting.tombstones": "as its key; rows put back under destroyed keys do not open either way",
}
# What a records file may lack: tables that only some vaults fill.
EMPTY = {"placed": "what an index kept elsewhere was told; `index verify` compares it with that index"}
AT_OPENING = {"meta.key of tid", "meta.value of tid", "meta.key of schema", "meta.value of schema"}
UNBOUND_KEYSTORE = {
    "tenants.created_ms": "shown to operators",
    "checkpoints.at_ms": "shown to operators; the signed note is what counts",
    "checkpoints.tid": "as if that tenant had no checkpoint yet, which a crash can leave: rollback goes unseen then",
    "tenant_keys.current": "every number but 0 means in force",
    "tombstones.kid": "consulted after a restore of older records only, which is then refused instead of purged",
    "tombstones.tid": "as its key id",
    "tombstones.generation": "as its key id",
    "tombstones.erase_id": "names the erasure; a certificate is made of the log, which says it too",
    "tombstones.at_ms": "shown to operators",
    "meta.value of changes": "tells running processes to drop cached keys",
    "meta.value of pack": "another value makes the next opening log the pack in force",
    "meta.key of pack": "as its value",
    "stale.sid": "the roll that destroys what was removed does not come; no certificate says it did",
    "stale.since_ms": "as its subject: it comes later",
}


def variants(value: Any, rng: random.Random, flips: int) -> Iterator[Any]:
    """Other values for a column: single bits turned (at the ends first), cut, a neighbour number, another letter."""
    if isinstance(value, bytes):
        places = {
            rng.randrange(len(value)),
            len(value) - 1,
            0,
            *(rng.randrange(len(value)) for _ in range(flips)),
        }
        for position in sorted(places, key=lambda place: rng.random())[:flips]:
            yield flipped(value, position, rng.randrange(8))
        yield value[:-1]
    elif isinstance(value, int):
        yield value + 1
    elif isinstance(value, str):
        yield ("B" if value[:1] != "B" else "C") + value[1:]
    else:
        yield b"\x01" * 16


def label(table: str, row: dict[str, Any], column: str) -> str:
    return f"{table}.{column} of {row['key']}" if table == "meta" else f"{table}.{column}"


@contextmanager
def changed(thief: Thief, table: str, row: dict[str, Any], column: str, value: Any) -> Iterator[bool]:
    """The row with one other value, put back at the end; False where the database itself refuses the value."""
    try:
        thief.change(table, row, **{column: value})
    except UnavailableError:
        yield False
        return
    try:
        yield True
    finally:
        thief.remove(table, {**row, column: value})
        thief.write(table, row)


@contextmanager
def as_it_was(folder: Path, kept: Path) -> Iterator[None]:
    """Puts every file of a closed vault back at the end: opening changes more than what a test changes."""
    shutil.copytree(folder, kept)
    try:
        yield
    finally:
        shutil.rmtree(folder)
        kept.rename(folder)


Change = tuple[str, dict[str, Any], str, Any]


def changes(thief: Thief, *, rows: int | None = None, flips: int = 2) -> Iterator[Change]:
    """Every column of `rows` rows of each table (all by default) with other values: table, row, column, value."""
    rng = random.Random(7)
    for table, columns in thief.tables().items():
        found = thief.rows(table)
        for row in found if rows is None or table == "meta" else rng.sample(found, min(rows, len(found))):
            for column in columns:
                if row[column] is None and table in ("log", "revisions"):
                    continue  # tried the other way round: a value that goes missing
                for value in variants(row[column], rng, flips):
                    yield table, row, column, value


def survey_records(vault: Vault, **size: Any) -> tuple[int, set[str]]:
    """Changes beside the open vault, one by one; how many there were, and the columns whose change nobody noticed."""
    thief = records_thief(vault, TENANT)
    assert check_everything(vault) is None
    tried, missed = 0, set()
    for table, row, column, value in list(changes(thief, **size)):
        with changed(thief, table, row, column, value) as done:
            if done:
                tried += 1
                if check_everything(vault) is None:
                    missed.add(label(table, row, column))
    assert check_everything(vault) is None  # and everything is as it was
    return tried, missed


def survey_keystore(vault: Vault, scratch: Path, **size: Any) -> tuple[int, set[str]]:
    """The same in the keystore of the closed vault, which is opened anew each time."""
    thief = keystore_thief(vault)
    vault.close()
    tried, missed = 0, set()
    for table, row, column, value in list(changes(thief, **size)):
        with as_it_was(vault.folder, scratch / "kept"):
            try:
                thief.change(table, row, **{column: value})
            except UnavailableError:
                continue
            tried += 1
            if verified_anew(vault) is None:
                missed.add(label(table, row, column))
    assert verified_anew(vault) is None
    return tried, missed


def check_everything(vault: Vault) -> VaultError | None:
    return noticed(operator(vault).audit_verify)


def test_the_sample_fills_every_table_and_every_column(vault: Vault) -> None:
    for thief in (records_thief(vault, TENANT), keystore_thief(vault)):
        for table, columns in thief.tables().items():
            rows = thief.rows(table)
            assert rows or table in EMPTY, table
            assert not rows or {
                column for row in rows for column in columns if row[column] is not None
            } == set(columns), table


def test_any_changed_value_in_the_records_file_is_noticed(vault: Vault) -> None:
    tried, missed = survey_records(vault, rows=2)
    assert tried > 150
    assert missed == set(UNBOUND) | AT_OPENING


def test_what_the_running_vault_does_not_look_at_is_noticed_when_it_is_opened(vault: Vault) -> None:
    thief = records_thief(vault, TENANT)
    vault.close()
    for name in AT_OPENING:
        column, key = name.removeprefix("meta.").split(" of ")
        row = next(row for row in thief.rows("meta") if row["key"] == key)
        for value in variants(row[column], random.Random(1), flips=5):
            with changed(thief, "meta", row, column, value):
                assert reopened(vault), name
    assert reopened(vault) is None


def test_any_changed_value_in_the_keystore_is_noticed(vault: Vault, tmp_path: Path) -> None:
    tried, missed = survey_keystore(vault, tmp_path, rows=1, flips=1)
    assert tried > 40
    assert missed <= set(UNBOUND_KEYSTORE)


@pytest.mark.soak
def test_flipped_bytes_all_over_every_blob_are_noticed(vault: Vault, tmp_path: Path) -> None:
    records, missed_records = survey_records(vault, flips=60)
    keystore, missed_keystore = survey_keystore(vault, tmp_path, flips=20)
    bound = {**UNBOUND, **dict.fromkeys(AT_OPENING, "noticed when the file is opened"), **UNBOUND_KEYSTORE}
    record(
        "integrity", "Changed values, and who notices",
        "One value at a time is changed with the raw key of the file: bits flipped all over each blob, blobs cut,"
        " numbers and letters changed. Noticed is what `audit verify` or `keys verify` refuses.",
        markdown(("file", "changes", "columns not noticed"), [
            ("records", records, len(missed_records)), ("keystore", keystore, len(missed_keystore)),
        ]),
        markdown(("column not noticed", "why it may be so"),
              [(name, bound.get(name, "UNEXPECTED")) for name in sorted(missed_records | missed_keystore)]),
    )  # fmt: skip
    assert missed_records == set(UNBOUND) | AT_OPENING
    assert missed_keystore <= set(UNBOUND_KEYSTORE)


def test_a_blob_that_goes_missing_is_noticed(vault: Vault) -> None:
    thief = records_thief(vault, TENANT)
    for table, column in (("log", "detail"), ("log", "s"), ("revisions", "body"), ("memories", "agent")):
        for row in thief.rows(table):
            if row[column] is not None:
                with changed(thief, table, row, column, None):
                    assert check_everything(vault), (table, column)
    assert check_everything(vault) is None


@pytest.mark.parametrize("mended", [False, True], ids=["rows alone", "rows and their hash"])
def test_a_removed_row_is_noticed_in_every_table(vault: Vault, mended: bool) -> None:
    """Also where the unkeyed multiset hash is made to fit again: the proof in the file needs a key of the keystore."""
    thief = records_thief(vault, TENANT)
    for table in ("subjects", "memories", "points", "revisions", "tokens", "replays"):
        row = thief.rows(table)[0]
        state = next(one for one in thief.rows("meta") if one["key"] == "state")
        thief.remove(table, row)
        if mended:
            mend_hash(vault, TENANT)
        assert check_everything(vault), table
        thief.write(table, row)
        thief.change("meta", state, value=state["value"])
    assert check_everything(vault) is None


def test_without_the_proof_a_mended_hash_would_go_unseen(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    thief = records_thief(vault, TENANT)
    for table in ("memories", "points"):
        thief.remove(table, thief.rows(table)[-1])  # one that no block holds
    mend_hash(vault, TENANT)
    assert check_everything(vault)
    monkeypatch.setattr(TenantLog, "verify_records", lambda self: None)
    assert check_everything(vault) is None


def test_rows_hash_and_proof_put_back_together_are_noticed(vault: Vault) -> None:
    """An older state of all rows with its own proof, under the log as it is now: the log knows that more happened."""
    thief = records_thief(vault, TENANT)
    tables = ("meta", "subjects", "memories", "points", "revisions", "tokens", "replays")
    for signed_between in (False, True):
        before = {table: thief.rows(table) for table in tables}
        app(vault).add("A fact that somebody wants to disappear", user_id="alice")
        if signed_between:
            operator(vault).audit_checkpoint()
        after = {table: thief.rows(table) for table in tables}
        for rows, put in ((after, False), (before, True)):
            for table in tables:
                for row in rows[table]:
                    if put:
                        thief.write(table, row)
                    elif row not in before[table]:
                        thief.remove(table, row)
        assert isinstance(check_everything(vault), AuditChainError)
        assert isinstance(reopened_by_another(vault), AuditChainError)
        for table in tables:
            for row in after[table]:
                thief.write(table, row)
        assert check_everything(vault) is None


def reopened_by_another(vault: Vault) -> VaultError | None:
    """What a second opening meets while the first one goes on."""
    return noticed(lambda: _list_once(vault.folder))


def _list_once(folder: Path) -> None:
    again = Vault.open(folder)
    try:
        app(again).list(user_id="alice")
    finally:
        again.close()


def test_a_point_moved_to_another_version_number_is_noticed(vault: Vault) -> None:
    """The join by version hides such a row: a search just finds less, so the count has to tell."""
    thief = records_thief(vault, TENANT)
    row = thief.rows("points")[0]
    with changed(thief, "points", row, "version", row["version"] + 1):
        assert check_everything(vault)


# --- the log ------------------------------------------------------------------------------------------------------


def _renumbered(thief: Thief, rows: list[dict[str, Any]]) -> None:
    """Write a log that has these entries in this order."""
    for row in thief.rows("log"):
        thief.remove("log", row)
    for seq, row in enumerate(rows):
        thief.write("log", {**row, "seq": seq})


def _reworded(rows: list[dict[str, Any]], old: bytes, new: bytes) -> list[dict[str, Any]]:
    return [{**row, "entry": row["entry"].replace(old, new)} for row in rows]


LOG_ATTACKS: dict[str, Callable[[list[dict[str, Any]]], list[dict[str, Any]]]] = {
    "first removed": lambda rows: rows[1:],
    "one in the middle removed": lambda rows: rows[:5] + rows[6:],
    "last signed removed": lambda rows: rows[:-2],
    "everything removed": lambda rows: [],
    "two change places": lambda rows: [*rows[:3], rows[4], rows[3], *rows[5:]],
    "one twice": lambda rows: [*rows[:4], rows[3], *rows[4:]],
    "one inserted": lambda rows: [*rows[:4], *_reworded(rows[3:4], b'"n":1', b'"n":2'), *rows[4:]],
    "one appended": lambda rows: [*rows, rows[-1]],
    "reversed": lambda rows: rows[::-1],
    "a word changed": lambda rows: _reworded(rows, b"service", b"serviCe"),
    "a failure made a success": lambda rows: _reworded(rows, b'"res":"not_found"', b'"res":"ok"'),
    "spaces added": lambda rows: _reworded(rows, b",", b", "),
    "key twice": lambda rows: [{**row, "entry": row["entry"][:-1] + b',"v":1}'} for row in rows],
}


@pytest.mark.parametrize("attack", sorted(LOG_ATTACKS))
def test_a_log_entry_edited_removed_reordered_or_inserted_is_noticed(vault: Vault, attack: str) -> None:
    with pytest.raises(VaultError):
        app(vault).get("00000000-0000-4000-8000-000000000000")
    operator(vault).audit_checkpoint()
    thief = records_thief(vault, TENANT)
    rows = thief.rows("log")
    edited = LOG_ATTACKS[attack](rows)
    assert edited != rows
    _renumbered(thief, edited)
    found = check_everything(vault)
    assert isinstance(found, AuditChainError | RollbackError)


@pytest.mark.parametrize("back", [1, 3])
def test_the_log_ends_before_the_newest_checkpoint_of_the_keystore(vault: Vault, back: int) -> None:
    thief = records_thief(vault, TENANT)
    vault.close()
    for row in thief.rows("log")[-back:]:
        thief.remove("log", row)
    assert isinstance(reopened(vault), RollbackError)


def test_checkpoints_in_the_file_are_checked_one_by_one(vault: Vault) -> None:
    thief = records_thief(vault, TENANT)
    rows = thief.rows("checkpoints")
    assert len(rows) >= 2
    for row in rows:
        for column in ("note", "frontier"):
            for position in range(0, len(row[column]), 19):
                with changed(thief, "checkpoints", row, column, flipped(row[column], position)):
                    assert check_everything(vault), (column, position)
    for first, second in ((rows[0], rows[1]), (rows[1], rows[0])):
        with changed(thief, "checkpoints", first, "note", second["note"]):
            assert check_everything(vault)


def test_a_checkpoint_forged_with_another_key_is_noticed(vault: Vault) -> None:
    from vault.audit.note import Checkpoint, sign_note
    from vault.crypto.primitives import SigningKey

    thief = records_thief(vault, TENANT)
    row = thief.rows("checkpoints")[-1]
    origin = row["note"].split(b"\n")[0].decode()
    forged = sign_note(Checkpoint(origin=origin, size=row["size"], root=bytes(32)), [SigningKey.generate()])
    with changed(thief, "checkpoints", row, "note", forged):
        assert check_everything(vault)


def test_the_exported_log_verifies_offline_and_a_change_in_it_does_not(vault: Vault, tmp_path: Path) -> None:
    """The stand-alone verifier on entries and checkpoint as they are stored: no key and no part of the vault needed."""
    import subprocess
    import sys

    from vault.audit import verify

    report = operator(vault).audit_verify()
    note = operator(vault).audit_checkpoint()
    size = int(note.split("\n")[1])
    entries = [row["entry"] for row in records_thief(vault, TENANT).rows("log")][:size]
    verifier = Path(verify.__file__)
    for number, (change, code) in enumerate(((None, 0), (2, 5), (size - 1, 5), ("shorter", 5))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "checkpoint").write_text(note)
        lines = list(entries)
        if isinstance(change, int):
            entry = strict_loads(lines[change])
            lines[change] = lines[change].replace(f'"act":"{entry["act"]}"'.encode(), b'"act":"memory.get"')
            assert lines != entries
        elif change is not None:
            lines = lines[:-1]
        (folder / "entries.jsonl").write_bytes(b"\n".join(lines) + b"\n")
        done = subprocess.run(
            [sys.executable, "-I", str(verifier), "log", str(folder), "--vkey", report["vkeys"][0]],
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == code, (change, done.stderr)


# --- raw bytes, without any key -----------------------------------------------------------------------------------


def files_of(vault: Vault) -> list[Path]:
    return sorted(path for path in vault.folder.rglob("*.db"))


def test_a_flipped_bit_on_any_page_of_any_database_is_noticed(vault: Vault, tmp_path: Path) -> None:
    files = [path.relative_to(vault.folder) for path in files_of(vault)]
    assert len(files) == 3  # keystore, the tenant, the vault's own log
    vault.close()
    rng = random.Random(3)
    flips = 0
    for name in files:
        whole = (vault.folder / name).read_bytes()
        for page in range(len(whole) // PAGE):
            for position in {rng.randrange(PAGE), PAGE - 1} if page == 0 else {rng.randrange(PAGE)}:
                with as_it_was(vault.folder, tmp_path / "kept"):
                    spoiled = flipped(whole, page * PAGE + position, rng.randrange(8))
                    (vault.folder / name).write_bytes(spoiled)
                    assert verified_anew(vault), (name, page, position)
                flips += 1
    assert flips > 40
    assert verified_anew(vault) is None


def verified_anew(vault: Vault) -> VaultError | None:
    """What the two verifications say to somebody who opens the vault for them."""

    def look() -> None:
        with Vault.open(vault.folder) as again:
            operator(again).keys_verify()
            operator(again).audit_verify()

    return noticed(look)


@pytest.mark.parametrize("part", ["key file", "keystore key"])
def test_a_flipped_bit_in_a_file_that_holds_a_wrapped_key_is_noticed(
    vault: Vault, tmp_path: Path, part: str
) -> None:
    folder = tmp_path / "clinic-keys" if part == "key file" else vault.folder / "keystore"
    vault.close()
    (path,) = [one for one in folder.glob("*.key") if one.stat().st_size]
    whole = path.read_bytes()
    for position in range(0, len(whole), 4):
        path.write_bytes(flipped(whole, position))
        assert reopened(vault), position
    path.write_bytes(whole)
    assert reopened(vault) is None


@pytest.mark.parametrize("name", ["records.db", "keystore-1.db"])
@pytest.mark.parametrize("size", [0, 1, 16, 100, PAGE, PAGE + 1, -PAGE, -1])
def test_a_truncated_file_is_noticed(vault: Vault, name: str, size: int) -> None:
    path = next(path for path in files_of(vault) if path.name == name and path.stat().st_size > 3 * PAGE)
    vault.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:size])
    assert verified_anew(vault)


def test_a_truncated_or_spoiled_wal_loses_at_most_what_was_never_signed(vault: Vault, tmp_path: Path) -> None:
    """SQLite stops reading a WAL at the first frame that does not check; a checkpoint tells what is missing then."""
    app(vault).add("A fact that is only in the WAL", user_id="alice")
    operator(vault).audit_checkpoint()
    app(vault).add("A fact after the checkpoint", user_id="alice")
    path = records_thief(vault, TENANT).path
    copy = tmp_path / "copy"
    shutil.copytree(vault.folder, copy)  # as after a power cut: the WAL is still there
    vault.close()
    wal = copy / path.relative_to(vault.folder).with_name("records.db-wal")
    whole = wal.read_bytes()
    assert len(whole) > 3 * PAGE
    frames = (len(whole) - 32) // (PAGE + 24)
    outcomes = set()
    for frame in (0, 1, frames // 2, frames - 2, frames - 1, frames):
        end = 32 + frame * (PAGE + 24)
        for data in (whole[: end + 100], flipped(whole, min(end + 60, len(whole) - 1))):
            shutil.rmtree(tmp_path / "try", ignore_errors=True)
            shutil.copytree(copy, tmp_path / "try")
            (tmp_path / "try" / wal.relative_to(copy)).write_bytes(data)
            outcomes.add(_texts(tmp_path / "try"))
    assert RollbackError.__name__ in outcomes
    assert {outcome for outcome in outcomes if not outcome.endswith("Error")} <= {"signed", "signed, later"}


def _texts(folder: Path) -> str:
    """The error of opening, or which of the two facts are there."""
    try:
        with Vault.open(folder) as vault:
            texts = " ".join(memory.text for memory in app(vault).list(user_id="alice").memories)
            operator(vault).audit_verify()
    except VaultError as error:
        return type(error).__name__
    return ", ".join(
        name for name, part in (("signed", "in the WAL"), ("later", "after the checkpoint")) if part in texts
    )


# --- rollback and mixing ------------------------------------------------------------------------------------------


def _closed_copy(vault: Vault, place: Path) -> Path:
    """A copy of the closed vault; it is opened again afterwards by whoever needs it."""
    shutil.copytree(vault.folder, place)
    return place


def test_a_rolled_back_records_file_is_noticed_at_opening(
    make_vault: Callable[..., Vault], tmp_path: Path
) -> None:
    vault = make_vault()
    fill(vault)
    records = records_thief(vault, TENANT).path
    vault.close()
    older = tmp_path / "older.db"
    shutil.copy(records, older)
    with Vault.open(vault.folder) as again:
        app(again).add("A fact written later", user_id="alice")  # signed when the vault closes
    shutil.copy(older, records)
    found = reopened(vault)
    assert isinstance(found, RollbackError)
    assert "older file was restored" in found.message


def test_what_came_after_the_newest_checkpoint_can_be_rolled_back_unseen(
    vault: Vault, tmp_path: Path
) -> None:
    """The limit, on purpose: nothing but a checkpoint says what there should be. See G6 in the threat model."""
    operator(vault).audit_checkpoint()
    thief = records_thief(vault, TENANT)
    thief.rows("meta")  # moves the WAL into the file
    older = thief.path.read_bytes()
    app(vault).add("A fact that nobody signed yet", user_id="alice")
    crashed = tmp_path / "crashed"
    shutil.copytree(vault.folder, crashed)  # the process dies here: nothing is signed at closing
    vault.close()
    place = crashed / thief.path.relative_to(vault.folder)
    for leftover in place.parent.glob("records.db-*"):
        leftover.unlink()
    place.write_bytes(older)
    with Vault.open(crashed) as again:
        texts = [memory.text for memory in app(again).list(user_id="alice").memories]
        assert check_everything(again) is None
    assert not any("nobody signed yet" in text for text in texts)


def test_keystore_and_records_rolled_back_together_go_unseen_but_for_a_checkpoint_kept_elsewhere(
    vault: Vault, tmp_path: Path
) -> None:
    """The other limit: everything at once. The note that was handed out says that the log had more entries."""
    vault.close()
    older = _closed_copy(vault, tmp_path / "older")
    with Vault.open(vault.folder) as again:
        app(again).add("A fact written later", user_id="alice")
        note = operator(again).audit_checkpoint()
    shutil.rmtree(vault.folder)
    shutil.move(older, vault.folder)
    with Vault.open(vault.folder) as again:
        assert check_everything(again) is None
        assert not any("written later" in m.text for m in app(again).list(user_id="alice").memories)
        assert len(records_thief(again, TENANT).rows("log")) < int(note.split("\n")[1])


def test_a_rolled_back_keystore_alone_is_noticed(vault: Vault, tmp_path: Path) -> None:
    vault.close()
    older = tmp_path / "keystore"
    shutil.copytree(vault.folder / "keystore", older)
    with Vault.open(vault.folder) as again:
        app(again).add("A new person arrives", user_id="carol")
    shutil.rmtree(vault.folder / "keystore")
    shutil.move(older, vault.folder / "keystore")
    assert isinstance(reopened(vault), RollbackError)


def test_a_tombstone_that_a_rotation_left_is_no_reason_to_purge(vault: Vault) -> None:
    """A keystore row with another key id: the person's rows stay, and opening says which backup to restore."""
    keys, records = keystore_thief(vault), records_thief(vault, TENANT)
    vault.close()
    before = records.rows("memories")
    subject = max(keys.rows("subjects"), key=lambda row: row["generation"])
    assert any(row["kid"] == subject["kid"] for row in keys.rows("tombstones"))
    keys.change("subjects", subject, kid=flipped(subject["kid"], 0))
    assert isinstance(reopened(vault), RollbackError)
    assert records.rows("memories") == before


def test_a_records_file_that_is_gone_is_noticed(vault: Vault) -> None:
    path = records_thief(vault, TENANT).path
    vault.close()
    for leftover in path.parent.glob("records.db*"):
        leftover.unlink()
    assert isinstance(reopened(vault), RollbackError)


def test_a_records_file_that_is_gone_before_anything_was_signed_is_noticed(
    make_vault: Callable[..., Vault], tmp_path: Path
) -> None:
    vault = make_vault()
    app(vault).add("A fact in the first minute", user_id="alice")
    crashed = tmp_path / "crashed"
    shutil.copytree(vault.folder, crashed)
    path = crashed / records_thief(vault, TENANT).path.relative_to(vault.folder)
    vault.close()
    for leftover in path.parent.glob("records.db*"):
        leftover.unlink()
    assert isinstance(noticed(lambda: _list_once(crashed)), RollbackError)


def test_a_foreign_tenants_file_under_another_tenants_folder_is_refused(vault: Vault) -> None:
    app(vault, "bank").add("A fact of the bank", user_id="alice")
    mine, theirs = records_thief(vault, TENANT), records_thief(vault, "bank")
    vault.close()
    shutil.copy(theirs.path, mine.path)
    assert isinstance(reopened(vault), IntegrityViolationError)


def test_a_foreign_tenants_file_encrypted_under_ones_own_key_is_refused_too(
    vault: Vault, tmp_path: Path
) -> None:
    """Whoever has both file keys decrypts one file and encrypts it again as the other."""
    from vault.crypto.primitives import SecretKey
    from vault.storage import Database

    app(vault, "bank").add("A fact of the bank", user_id="alice")
    mine, theirs = records_thief(vault, TENANT), records_thief(vault, "bank")
    vault.close()
    source = Database(theirs.path, SecretKey(bytearray(theirs._key)))
    target = Database(tmp_path / "moved.db", SecretKey(bytearray(mine._key)), create=True)
    source.copy_to(target)
    source.close()
    target.close()
    shutil.copy(tmp_path / "moved.db", mine.path)
    found = reopened(vault)
    assert isinstance(found, IntegrityViolationError)
    assert found.code == "records.foreign"


@pytest.mark.parametrize("which", ["records", "keystore"])
def test_a_newer_schema_is_refused_and_says_what_to_do(vault: Vault, which: str) -> None:
    thief = records_thief(vault, TENANT) if which == "records" else keystore_thief(vault)
    vault.close()
    row = next(row for row in thief.rows("meta") if row["key"] == "schema")
    thief.change("meta", row, value=99)
    found = reopened(vault)
    assert isinstance(found, ConfigError)
    assert "upgrade" in found.message


def test_a_newer_layout_of_the_folder_is_refused(vault: Vault) -> None:
    vault.close()
    path = vault.folder / "memvault.toml"
    path.write_text(path.read_text().replace("format = 1", "format = 2"))
    assert isinstance(reopened(vault), ConfigError)


# --- keys ---------------------------------------------------------------------------------------------------------


def test_a_wrong_key_file_opens_nothing(make_vault: Callable[..., Vault], tmp_path: Path) -> None:
    vault, other = make_vault("clinic"), make_vault("other")
    fill(vault)
    vault.close()
    other.close()
    shutil.copy(tmp_path / "other-keys" / "epoch-1.key", tmp_path / "clinic-keys" / "epoch-1.key")
    assert isinstance(reopened(vault), IntegrityViolationError | UnavailableError)


@pytest.mark.parametrize("missing", ["keystore-1.db", "keystore-1.key", "epoch-1.key"])
def test_a_missing_part_of_the_keys_is_named(vault: Vault, tmp_path: Path, missing: str) -> None:
    vault.close()
    folder = tmp_path / "clinic-keys" if missing.startswith("epoch") else vault.folder / "keystore"
    (folder / missing).unlink()
    found = reopened(vault)
    assert isinstance(found, ConfigError | UnavailableError)
    assert "missing" in found.message or "does not hold" in found.message


def test_another_vaults_keystore_is_refused(make_vault: Callable[..., Vault], tmp_path: Path) -> None:
    vault, other = make_vault("clinic"), make_vault("other")
    fill(vault)
    fill(other)
    vault.close()
    other.close()
    shutil.rmtree(vault.folder / "keystore")
    shutil.copytree(other.folder / "keystore", vault.folder / "keystore")
    assert reopened(vault)


def test_an_operation_meets_a_changed_record_as_an_integrity_error_not_as_a_shorter_answer(
    vault: Vault,
) -> None:
    thief = records_thief(vault, TENANT)
    row = next(row for row in thief.rows("memories") if row["agent"] is not None)
    (wanted,) = [memory.id for memory in app(vault).list(user_id="alice", agent_id="desk").memories]
    thief.change("memories", row, body=flipped(row["body"], 90))
    for call in (
        lambda: app(vault).get(wanted), lambda: app(vault).list(user_id="alice"),
        lambda: app(vault).search("who can be reached?", user_id="alice"), lambda: app(vault).history(wanted),
        lambda: app(vault).update(wanted, "other words"), lambda: app(vault).delete(wanted),
        lambda: app(vault).delete_all(user_id="alice"),
    ):  # fmt: skip
        with pytest.raises(IntegrityViolationError):
            call()
