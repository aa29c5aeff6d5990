"""Disks that are full, read-only or closed to this user: a clear error, nothing lost, and on it goes afterwards."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import session_of
from support.nursery import Nursery
from support.remote import Remote, RemoteError
from support.small_disk import SmallDisk

from vault import Principal, Session, Vault
from vault.audit.events import ACTIONS
from vault.audit.log import TenantLog
from vault.errors import KeyProviderError, RollbackError, StorageError, UnavailableError, VaultError
from vault.flows.rotate import LEVELS
from vault.keys.keystore import Keystore
from vault.storage import Database

pytest_plugins = ("support.crash_fixtures",)

TEXT = (
    "The patient talked at length about the garden, the roses, the tulips and the weather of the week. " * 6
)
FULL = {"storage.full", "audit.unwritable"}


def operator_of(vault: Vault, tenant: str = "clinic") -> Any:
    return vault.admin(Principal(tenant, "operator", ("operator",)))


def auditor_of(vault: Vault) -> Any:
    return vault.admin(Principal("clinic", "auditor", ("auditor",)), purpose="audit")


def stored(session: Session, *users: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for user in users:
        cursor = None
        while True:
            page = session.list(user_id=user, limit=500, cursor=cursor)
            found.update(memory.text for memory in page.memories)
            cursor = page.next_cursor
            if cursor is None:
                break
    return found


def refused(action: Callable[[], Any]) -> str:
    """The code of the refusal, whose message must name the cause."""
    with pytest.raises(UnavailableError) as caught:
        action()
    assert "full" in str(caught.value)
    return caught.value.code


# --- full ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(small_disk: Callable[[int], SmallDisk]) -> SmallDisk:
    return small_disk(8)


@pytest.fixture
def cramped(disk: SmallDisk) -> Iterator[Vault]:
    """A vault, its keys and their backups on a disk that the test can fill."""
    vault = Vault.init(disk.place / "vault", key_folder=disk.place / "keys")
    session = session_of(vault)
    for number in range(10):
        session.add(f"Note {number} on the garden, ask kim@example.org", user_id="u")
    yield vault
    disk.empty()
    vault.close()


Write = Callable[[Session, int], list[str]]


def _add(session: Session, number: int) -> list[str]:
    return [memory.text for memory in session.add(f"Entry {number}. {TEXT}", user_id="w").memories]


def _messages(session: Session, number: int) -> list[str]:
    messages = [{"role": "user", "content": f"Entry {number}.{part}. {TEXT}"} for part in range(5)]
    return [memory.text for memory in session.add(messages, user_id="w").memories]


def _many(session: Session, number: int) -> list[str]:
    items = [{"content": f"Entry {number}.{part}. {TEXT}", "user_id": "w"} for part in range(20)]
    ids = session.add_many(items, batch=20).ids
    assert len(ids) == 20
    return [str(item["content"]) for item in items]


def _subjects(session: Session, number: int) -> list[str]:
    """A new data subject each time: the keystore grows."""
    return [memory.text for memory in session.add(f"Entry {number}.", user_id=f"w{number}").memories]


@pytest.mark.parametrize("leave", [0, 8_192, 40_000, 150_000])
@pytest.mark.parametrize("write", [_add, _messages, _many, _subjects])
def test_a_disk_fills_up(cramped: Vault, disk: SmallDisk, write: Write, leave: int) -> None:
    session, kept = session_of(cramped), Counter[str]()
    disk.fill(leave)
    number, code = 0, ""
    while not code:
        number += 1
        assert number < 2_000, "the disk does not fill"
        try:
            kept.update(write(session, number))
        except UnavailableError as error:
            code = error.code
    assert code == "storage.full"
    users = [f"w{n}" for n in range(1, number + 1)] if write is _subjects else ["w"]
    disk.empty()
    assert stored(session, *users) == kept
    kept.update(write(session, number))  # the same handle goes on
    with Vault.open(cramped.folder) as fresh:
        assert stored(session_of(fresh), *users) == kept
        operator = operator_of(fresh)
        assert operator.audit_verify()["records"] == kept.total() + 10
        assert operator.index_verify()["stale"] == 0
        assert operator.keys_verify()["keystore"]["tenants"] == 2


def _until_refused(call: Callable[[], Any]) -> tuple[int, VaultError]:
    """What is left of the last block is used up first: how often it was answered, and the refusal."""
    for number in range(2_000):
        try:
            call()
        except VaultError as error:
            return number, error
    pytest.fail("the disk does not fill")


def test_every_kind_of_call_on_a_full_disk(cramped: Vault, disk: SmallDisk) -> None:
    """Each is refused or done, never half: what was refused changed nothing."""
    session = session_of(cramped)
    first, second = session.list(user_id="u", order="created_at", limit=2).memories
    before = stored(session, "u")
    disk.fill()
    calls: dict[str, Callable[[], Any]] = {
        "add": lambda: session.add(TEXT, user_id="u"),
        "update": lambda: session.update(first.id, "Other words"),
        "delete": lambda: session.delete(second.id),
        "delete_all": lambda: session.delete_all(user_id="u"),
        "get": lambda: session.get(first.id),
        "search": lambda: session.search("garden", user_id="u"),
        "list": lambda: session.list(user_id="u"),
        "history": lambda: session.history(first.id),
    }
    answered: dict[str, int] = {}
    for name, call in calls.items():
        answered[name], refusal = _until_refused(call)
        if refusal.code != "memory.unknown":  # an earlier delete found room
            assert refusal.code in FULL, name
            assert "full" in str(refusal), name
    disk.empty()
    if not (answered["add"] or answered["update"] or answered["delete"] or answered["delete_all"]):
        assert stored(session, "u") == before
    assert session.add(TEXT, user_id="u").memories
    assert operator_of(cramped).audit_verify()["records"] == stored(session, "u").total()


@pytest.mark.parametrize("leave", [0, 60_000])
@pytest.mark.parametrize("level", LEVELS)
def test_a_rotation_on_a_full_disk(cramped: Vault, disk: SmallDisk, level: str, leave: int) -> None:
    session, operator = session_of(cramped), operator_of(cramped)
    (tagged,) = session.add("Pruning is due", user_id="u", agent_id="gardener").memories
    before = stored(session, "u")
    session.add_many([{"content": f"Entry {n}. {TEXT}", "user_id": "w"} for n in range(400)])
    disk.fill(leave)
    _, refusal = _until_refused(lambda: operator.keys_rotate(level))
    assert refusal.code in {*FULL, "storage.io"}  # a file's key change reports what the driver says
    with pytest.raises(UnavailableError):
        session.add(TEXT * 60, user_id="u")
    disk.empty()
    assert stored(session, "u") == before
    assert session.search("pruning", user_id="u", agent_id="gardener")[0].memory.id == tagged.id
    operator.keys_rotate(level)
    assert stored(session, "u") == before
    with Vault.open(cramped.folder) as fresh:
        assert stored(session_of(fresh), "u") == before
        assert operator_of(fresh).audit_verify()["records"] == 411
        assert operator_of(fresh).keys_verify()["keystore"]["tenants"] == 2


def test_init_on_a_full_disk(disk: SmallDisk) -> None:
    for leave in (0, 4_096, 30_000, 120_000):
        disk.fill(leave)
        assert (
            refused(lambda: Vault.init(disk.place / "vault", key_folder=disk.place / "keys"))
            == "storage.full"
        )
        disk.empty()
        if (disk.place / "vault" / "memvault.toml").exists():
            break
    else:
        Vault.init(disk.place / "vault", key_folder=disk.place / "keys").close()
    with Vault.open(disk.place / "vault") as vault:
        assert session_of(vault).add("First words", user_id="u").memories


def test_a_new_tenant_on_a_full_disk(cramped: Vault, disk: SmallDisk) -> None:
    disk.fill()
    assert refused(lambda: [session_of(cramped, f"tenant-{n}") for n in range(300)]) == "storage.full"
    disk.empty()
    names = [info.name for info in operator_of(cramped).tenants()]
    for name in [*names, "one-more"]:
        session = session_of(cramped, name)
        session.add("First words", user_id="f")
        assert stored(session, "f").total() == 1
        operator_of(cramped, name).audit_verify()


def test_closing_on_a_full_disk(cramped: Vault, disk: SmallDisk) -> None:
    """What cannot be signed is said; every file is closed, and the next opening verifies and signs."""
    session = session_of(cramped)
    assert session.add("Unsigned words", user_id="u").memories
    other = session_of(cramped, "bank")
    other.add("Unsigned, too", user_id="u")
    open_stores = list(cramped._opened().stores._open.values())
    disk.fill()
    assert refused(cramped.close) == "storage.full"
    for store in open_stores:
        with pytest.raises(UnavailableError):
            store.records.count()
    disk.empty()
    with Vault.open(cramped.folder) as fresh:
        assert stored(session_of(fresh), "u").total() == 11
        assert operator_of(fresh).audit_verify()["records"] == 11
        assert stored(session_of(fresh, "bank"), "u").total() == 1


def test_a_file_size_limit(clinic: Vault, nursery: Nursery) -> None:
    """The same without a disk of one's own: the process may not make its files larger."""
    session_of(clinic).add("Known before", user_id="w")
    with Remote(nursery, clinic.folder) as other:
        other.call("limit_files", 400_000)
        kept, code = 0, ""
        while not code:
            outcome = other.call("add_until_refused", TEXT, "w")
            kept, code = kept + outcome["added"], outcome["code"]
        assert code in {"storage.full", "storage.io"}
        assert kept > 0
        other.call("limit_files", -1)
        other.call("add", TEXT, user_id="w")
    assert stored(session_of(clinic), "w").total() == kept + 2
    assert operator_of(clinic).audit_verify()["records"] == kept + 2


# --- read-only and closed ------------------------------------------------------------------------------------------


def test_a_read_only_disk(disk: SmallDisk) -> None:
    """A read must be logged, so a vault on a read-only disk is not opened; it is whole when it can be written again."""
    place, keys = disk.place / "vault", disk.place / "keys"
    with Vault.init(place, key_folder=keys) as vault:
        (memory,) = session_of(vault).add("The garden", user_id="u").memories
    with disk.read_only():
        for attempt in (
            lambda: Vault.open(place),
            lambda: Vault.init(disk.place / "other", key_folder=disk.place / "k"),
        ):
            with pytest.raises(UnavailableError) as caught:
                attempt()
            assert caught.value.code == "storage.readonly"
            assert "read-only" in str(caught.value)
    with Vault.open(place) as vault:
        assert session_of(vault).get(memory.id) == memory
        assert session_of(vault).add("The roses", user_id="u").memories
        assert operator_of(vault).audit_verify()["records"] == 2


NOBODY = 65534


def _as_another_user(nursery: Nursery, folder: Path) -> str:
    """Open the vault as the user `nobody`: what it found, or the code of the refusal."""
    try:
        with Remote(nursery, folder, user=NOBODY) as other:
            return f"opened {len(other.call('list', user_id='u')['memories'])}"
    except RemoteError as error:
        return error.code


def _hand_over(*places: Path) -> None:
    for place in places:
        for path in (place, *place.rglob("*")):
            os.chown(path, NOBODY, NOBODY)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_files_of_another_user(memory_path: Path, nursery: Nursery) -> None:
    for path in (memory_path, *memory_path.parents):
        if path.stat().st_mode & 0o001 == 0:
            path.chmod(path.stat().st_mode | 0o011)  # let the other user pass, not look
    place, keys = memory_path / "vault", memory_path / "keys"
    with Vault.init(place, key_folder=keys) as vault:
        session_of(vault).add("The garden", user_id="u")
    assert _as_another_user(nursery, place) in {"config.unreadable", "storage.permission"}
    _hand_over(place)
    assert _as_another_user(nursery, place) in {"keys.file_unreadable", "keys.epoch_missing"}
    _hand_over(keys)
    for path in keys.glob("*.key"):
        os.chown(path, 0, 0)
    assert _as_another_user(nursery, place) == "keys.file_unreadable"
    _hand_over(keys)
    assert _as_another_user(nursery, place) == "opened 1"
    for path in place.rglob("*.db"):
        os.chown(path, 0, 0)
    assert _as_another_user(nursery, place) == "storage.permission"
    for path in place.rglob("*.db"):
        path.chmod(0o644)
    assert _as_another_user(nursery, place) in {"storage.readonly", "audit.unwritable"}
    _hand_over(place)
    assert _as_another_user(nursery, place) == "opened 1"


def test_a_key_folder_that_is_gone_while_open(clinic: Vault, tmp_path: Path) -> None:
    """The keys in memory serve until they are dropped; then nothing opens, and nothing is lost."""
    session = session_of(clinic)
    (memory,) = session.add("The garden", user_id="u").memories
    keys = tmp_path / "clinic-keys"
    keys.rename(tmp_path / "away")
    clinic._opened().cache.flush()
    with pytest.raises(KeyProviderError) as caught:
        session.get(memory.id)
    assert caught.value.code == "keys.epoch_missing"
    (tmp_path / "away").rename(keys)
    assert session.get(memory.id) == memory


def test_a_records_file_that_is_gone(make_vault: Callable[..., Vault]) -> None:
    """A tenant that was in use is never begun anew in silence, whether its log was signed already or not."""
    vault = make_vault()
    session_of(vault).add("The garden", user_id="u")
    path = vault._opened().stores.path(vault._opened().tenant("clinic"))
    kept = path.read_bytes(), path.with_name("records.db-wal").read_bytes()
    for signed in (False, True):
        path.unlink()
        path.with_name("records.db-wal").unlink(missing_ok=True)
        if not signed:
            vault._opened().stores.abandon()
            vault.close()
        with pytest.raises(RollbackError) as caught, Vault.open(vault.folder) as reopened:
            session_of(reopened).list(user_id="u")
        assert caught.value.code == "records.missing"
        path.write_bytes(kept[0])
        path.with_name("records.db-wal").write_bytes(kept[1])
        with Vault.open(vault.folder) as reopened:
            assert stored(session_of(reopened), "u").total() == 1
        kept = path.read_bytes(), b""


# --- how files are opened and written ------------------------------------------------------------------------------


def test_writes_are_synced_and_reads_need_not_be(clinic: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """`synchronous` on the live connection while each entry is written: FULL (2) for all but the entries of reads."""
    seen: dict[str, set[int]] = {}
    keystore: set[int] = set()
    append, begin = TenantLog.append, Database._begin

    def spy_append(self: TenantLog, event: Any, *arguments: Any) -> int:
        (level,) = self._store.database.one("PRAGMA synchronous")  # type: ignore[attr-defined]
        if event.count != 0 or event.action != "memory.expire":  # a sweep that finds nothing changes nothing
            seen.setdefault(event.action, set()).add(level)
        return append(self, event, *arguments)

    def spy_begin(self: Database, synchronous: str) -> None:
        begin(self, synchronous)
        if self.path.name.startswith("keystore-"):
            keystore.add(self.one("PRAGMA synchronous")[0])  # type: ignore[index]

    monkeypatch.setattr(TenantLog, "append", spy_append)
    monkeypatch.setattr(Database, "_begin", spy_begin)
    session = session_of(clinic)
    for turn in range(2):  # a write after a read, and the other way round
        (memory,) = session.add(f"The garden {turn}", user_id=f"u{turn}").memories
        session.get(memory.id)
        session.search("garden", user_id=f"u{turn}")
        session.list(user_id=f"u{turn}")
        session.add_many([{"content": "Roses", "user_id": f"u{turn}"}])
        session.history(memory.id)
        session.update(memory.id, "Tulips")
        session.get(memory.id)
        session.delete(memory.id)
        session.delete_all(user_id=f"u{turn}")
    operator = operator_of(clinic)
    operator.audit_checkpoint()
    operator.sweep()
    kinds = {action.name: action.kind for action in ACTIONS.values()}
    assert {
        "memory.add",
        "memory.update",
        "memory.delete",
        "memory.delete_all",
        "subject.create",
    } <= seen.keys()
    assert {"memory.get", "memory.search", "memory.list", "memory.history"} <= seen.keys()
    for action, levels in seen.items():
        wanted = {1} if kinds[action] == "read" else {2}
        assert levels == wanted, action
    assert keystore == {2}


def test_every_file_is_opened_the_same_way(clinic: Vault) -> None:
    session_of(clinic).add("The garden", user_id="u")
    session_of(clinic, "bank").add("The account", user_id="u")
    stages = clinic._opened()
    databases = [stages.keystore.database]
    databases += [store.records.database for store in stages.stores._open.values()]  # type: ignore[attr-defined]
    assert len(databases) == 4  # the keystore, two tenants, and the vault's own log
    assert {database.path for database in databases} == set(clinic.folder.rglob("*.db"))
    settings = {
        "journal_mode": "wal",
        "secure_delete": "1",
        "foreign_keys": "1",
        "temp_store": "2",
        "trusted_schema": "0",
        "cipher_page_size": "8192",
        "cipher_status": "1",
    }
    for database in databases:
        for name, value in settings.items():
            row = database.one(f"PRAGMA {name}")
            assert row is not None, name
            assert str(row[0]) == value, name
    for path in clinic.folder.rglob("*"):
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path.name


def test_a_checkpoint_that_cannot_be_written_is_due_again(
    clinic: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write is done and logged: it is not answered as a failure, and the next call signs."""
    path = clinic.folder / "memvault.toml"
    path.write_text(path.read_text().replace("checkpoint_entries = 1000", "checkpoint_entries = 1"))
    with Vault.open(clinic.folder) as vault:
        session = session_of(vault)
        put = Keystore.put_checkpoint

        def full(*_arguments: object) -> None:
            raise StorageError("storage.full", "the disk is full; nothing was stored")

        with monkeypatch.context() as patch:
            patch.setattr(Keystore, "put_checkpoint", full)
            (memory,) = session.add("The garden", user_id="u").memories
            assert session.get(memory.id) == memory
        tenant = vault._opened().tenant("clinic")
        assert vault._opened().keystore.checkpoint(tenant.tid) is None
        assert Keystore.put_checkpoint is put
        session.get(memory.id)
        checkpoint = vault._opened().keystore.checkpoint(tenant.tid)
        assert checkpoint is not None
        assert checkpoint.size >= 4


def test_a_repeated_write_has_an_entry_too(clinic: Vault) -> None:
    """It answers what is stored, so it is logged; it stores nothing, so its count is 0."""
    session = session_of(clinic)
    (memory,) = session.add("The garden", user_id="u", idempotency_key="the-garden").memories
    session.add("The garden", user_id="u", idempotency_key="the-garden")
    items = [
        {"content": text, "user_id": "u", "idempotency_key": f"item-{text}"} for text in ("roses", "tulips")
    ]
    session.add_many(items[:1])
    ids = session.add_many(items).ids
    entries = [e for e in auditor_of(clinic).audit_show() if e.action == "memory.add"]
    assert [entry.count for entry in entries] == [1, 0, 1, 1, 0]
    assert entries[1].memory_ids == (memory.id,)
    assert entries[4].memory_ids == (ids[0],)
