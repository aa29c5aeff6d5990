"""Many processes and threads on one vault: everyone sees what was written, nobody waits without a bound."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import session_of
from support.nursery import Nursery
from support.remote import Remote, RemoteError

from vault import AsyncVault, Principal, Session, Vault
from vault.errors import NotFoundError, StorageError, UnavailableError, VaultError
from vault.flows.rotate import LEVELS

pytest_plugins = ("support.crash_fixtures",)


@pytest.fixture
def tmp_path(memory_path: Path) -> Path:
    return memory_path


@pytest.fixture
def others(clinic: Vault, nursery: Nursery) -> Iterator[list[Remote]]:
    """Three more processes on the test's vault."""
    session_of(clinic)
    with ExitStack() as stack:
        yield [stack.enter_context(Remote(nursery, clinic.folder)) for _ in range(3)]


def operator_of(vault: Vault, tenant: str = "clinic") -> Any:
    return vault.admin(Principal(tenant, "operator", ("operator",)))


def texts(session: Session, **scope: Any) -> Counter[str]:
    found: Counter[str] = Counter()
    cursor = None
    while True:
        page = session.list(limit=500, cursor=cursor, **scope)
        found.update(memory.text for memory in page.memories)
        cursor = page.next_cursor
        if cursor is None:
            return found


# --- everyone sees everything ------------------------------------------------------------------------------------


def test_each_process_sees_what_the_others_wrote(clinic: Vault, others: list[Remote]) -> None:
    here = session_of(clinic)
    for round_ in range(4):
        for number, other in enumerate(others):
            other.begin("add", f"Round {round_} from process {number}: roses in the garden", user_id="shared")
        here.add(f"Round {round_} from here: roses in the garden", user_id="shared")
        for other in others:
            other.finish()
        expected = 4 * (round_ + 1)
        assert sum(texts(here, user_id="shared").values()) == expected
        for other in others:
            assert len(other.call("list", user_id="shared")["memories"]) == expected
            hits = other.call("search", "roses in the garden", user_id="shared", limit=50)
            assert len(hits) == expected
        assert len(here.search("roses in the garden", user_id="shared", limit=50)) == expected
    assert operator_of(clinic).audit_verify()["records"] == 16


def test_a_warm_cache_follows_another_process(clinic: Vault, others: list[Remote]) -> None:
    here, other = session_of(clinic), others[0]
    for number in range(5):
        here.add(f"Note {number} about the garden", user_id="u")
    assert len(here.search("garden", user_id="u", limit=50)) == 5  # the scope is cached now

    (added,) = other.call("add", "A note about tulips in the garden", user_id="u")["memories"]
    assert here.search("tulips", user_id="u", limit=1)[0].memory.id == added["id"]

    other.call("update", added["id"], "A note about violins in the orchestra")
    hit = here.search("violins orchestra", user_id="u", limit=1)[0]
    assert (hit.memory.id, hit.memory.version) == (added["id"], 2)
    assert "tulips" not in " ".join(h.memory.text for h in here.search("tulips", user_id="u", limit=50))

    other.call("delete", added["id"])
    assert added["id"] not in [h.memory.id for h in here.search("violins", user_id="u", limit=50)]
    with pytest.raises(NotFoundError):
        here.get(added["id"])

    other.call("delete_all", user_id="u")
    assert here.search("garden", user_id="u", limit=50) == []


def test_processes_that_meet_a_new_tenant(clinic: Vault, others: list[Remote]) -> None:
    """Of several processes that create a tenant at the same moment one creates, and nobody's first write is lost."""
    for round_ in range(6):
        name = f"tenant-{round_}"
        start = time.time() + 0.05
        for other in others:
            other.begin("at", start, "tenant", name)
        time.sleep(max(0.0, start - time.time()))
        here = session_of(clinic, name)
        for other in others:
            other.finish()
        start = time.time() + 0.02
        for number, other in enumerate(others):
            other.begin("at", start, "add", f"First words of process {number}", user_id="u")
        here.add("First words of this process", user_id="u")
        for other in others:
            other.finish()
        assert sum(texts(here, user_id="u").values()) == 4
        assert operator_of(clinic, name).audit_verify()["records"] == 4
    assert len([t for t in operator_of(clinic).tenants() if t.name.startswith("tenant-")]) == 6


def test_processes_that_open_a_new_tenants_store(make_vault: Callable[..., Vault], nursery: Nursery) -> None:
    """The tenant is known, its file is not there yet: of several processes one makes the file."""
    vault = make_vault(explicit_tenants=True)
    names = [f"tenant-{number}" for number in range(8)]
    admin = operator_of(vault)
    admin.create_tenant("clinic")
    for name in names:
        admin.create_tenant(name)
    with ExitStack() as stack:
        others = [stack.enter_context(Remote(nursery, vault.folder)) for _ in range(4)]
        for name in names:
            for other in others:
                other.call("tenant", name)
            start = time.time() + 0.05
            for number, other in enumerate(others):
                other.begin("at", start, "add", f"First words of process {number}", user_id="u")
            for other in others:
                other.finish()
            assert sum(texts(session_of(vault, name), user_id="u").values()) == 4
            assert operator_of(vault, name).audit_verify()["records"] == 4


def test_a_handle_that_closes_leaves_the_others_files_alone(
    clinic: Vault, others: list[Remote], nursery: Nursery
) -> None:
    """Closing the last-but-one handle must not remove the WAL under the one that stays (SQLite's POSIX locks)."""
    here = session_of(clinic)
    for number in range(3):
        here.add(f"Note {number} about roses", user_id="u")
        with Vault.open(clinic.folder) as second:  # a second handle in this process
            session_of(second).add(f"Note {number} about tulips", user_id="u")
        with Remote(nursery, clinic.folder) as passing:
            passing.call("add", f"Note {number} about violets", user_id="u")
    assert _locked_files(clinic.folder) >= {"records.db", f"keystore-{_epoch(clinic)}.db"}
    clinic.close()
    for other in others:
        assert len(other.call("list", user_id="u")["memories"]) == 9


def _locked_files(folder: Path) -> set[str]:
    """Names of the database files on which this process holds SQLite's shared lock (Linux)."""
    locks = Path("/proc/locks")
    if not locks.exists():
        pytest.skip("locks are visible on Linux only")
    inodes = {path.stat().st_ino: path.name for path in folder.rglob("*.db")}
    held = [line.split() for line in locks.read_text().splitlines()]
    mine = [
        int(fields[5].split(":")[2])
        for fields in held
        if fields[1] == "POSIX" and fields[4] == str(os.getpid())
    ]
    return {inodes[inode] for inode in mine if inode in inodes}


def _epoch(vault: Vault) -> int:
    return vault._opened().keystore.epoch


# --- rotation while others work ----------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
def test_rotation_while_others_write_and_read(clinic: Vault, others: list[Remote], level: str) -> None:
    session_of(clinic).add("Known before the rotation", user_id="before", agent_id="gardener")
    rotating, working = others[0], others[1:]
    for number, other in enumerate(working):
        other.begin("work", 0.7, f"user{number}")
    rotating.begin("rotate", [level], 5)
    stop = time.monotonic() + 0.7
    here = session_of(clinic)
    while time.monotonic() < stop:
        (hit,) = here.search("rotation", user_id="before", agent_id="gardener")
        assert hit.memory.text == "Known before the rotation"
    assert rotating.finish() == 5
    for number, other in enumerate(working):
        outcome = other.finish()
        assert outcome["errors"] == {}
        assert outcome["done"] >= 10
        stored = texts(here, user_id=f"user{number}", agent_id="gardener")
        assert stored == Counter(outcome["kept"].values())
    operator = operator_of(clinic)
    assert operator.audit_verify()["records"] == operator.index_verify()["checked"]
    assert operator.index_verify()["stale"] == 0
    assert operator.keys_verify()["keystore"]["tenants"] == 2


def test_opening_while_the_root_rotates(clinic: Vault, others: list[Remote]) -> None:
    """An opening never meets a keystore half replaced."""
    session_of(clinic).add("Known before", user_id="u")
    others[0].begin("rotate", ["root"], 12)
    for _ in range(25):
        with Vault.open(clinic.folder) as vault:
            assert len(session_of(vault).list(user_id="u").memories) == 1
    assert others[0].finish() == 12


def test_verification_while_others_write(clinic: Vault, others: list[Remote]) -> None:
    """No false alarm: log, records and points are compared within one state of the store."""
    session_of(clinic)
    for number, other in enumerate(others):
        other.begin("work", 1.5, f"user{number}")
    operator, stop = operator_of(clinic), time.monotonic() + 1.4
    while time.monotonic() < stop:
        operator.audit_verify()
        assert operator.index_verify()["stale"] == 0
    for other in others:
        assert other.finish()["errors"] == {}


def test_an_index_rebuilt_while_others_update(clinic: Vault, others: list[Remote]) -> None:
    """A rebuilt point is no new version of its memory: an update that meets it keeps the records' hash true."""
    here = session_of(clinic)
    ids = [here.add(f"Note {number} about roses", user_id="u").memories[0].id for number in range(20)]
    others[0].begin("work", 1.0, "u")
    others[1].begin("index_rebuild")
    for _ in range(2):
        for number, memory_id in enumerate(ids):
            here.update(memory_id, f"Note {number} about tulips")
        operator_of(clinic).index_rebuild()
    others[0].finish()
    others[1].finish()
    assert operator_of(clinic).audit_verify()["records"] >= 20


def test_a_handle_with_old_keys_closes_in_peace(clinic: Vault, nursery: Nursery) -> None:
    """Closing signs the log with the keys in force, not with those the handle was opened with."""
    operator = operator_of(clinic)
    session_of(clinic)
    for number, level in enumerate(LEVELS):
        with Remote(nursery, clinic.folder) as other:
            other.call("add", f"Before {level}", user_id="u")  # something unsigned in its log
            operator.keys_rotate(level)
        assert operator.audit_verify()["records"] == number + 1


# --- bounded waits -----------------------------------------------------------------------------------------------


def limited(vault: Vault, seconds: float) -> Vault:
    """The same vault opened again with another `lock_timeout_s`."""
    path = vault.folder / "memvault.toml"
    text = path.read_text()
    assert "lock_timeout_s = 10.0" in text
    path.write_text(text.replace("lock_timeout_s = 10.0", f"lock_timeout_s = {seconds}"))
    return Vault.open(vault.folder)


@contextmanager
def holding(other: Remote, place: Path) -> Iterator[None]:
    """Another process holds the tenant's write lock."""
    until = place / "release"
    other.begin("hold", str(until))
    assert other.finish() == "holding"
    try:
        yield
    finally:
        until.touch()
        assert other.finish() == "held"


def test_a_long_holder_is_not_waited_for_without_end(
    clinic: Vault, others: list[Remote], tmp_path: Path
) -> None:
    here = session_of(clinic)
    (kept,) = here.add("Roses in the garden", user_id="u").memories
    with limited(clinic, 0.4) as impatient:
        session = session_of(impatient)
        session.search("roses", user_id="u")
        operations: dict[str, tuple[Callable[[], Any], str]] = {
            "add": (lambda: session.add("Tulips", user_id="u"), "storage.locked"),
            "update": (lambda: session.update(kept.id, "Violets"), "storage.locked"),
            "delete": (lambda: session.delete(kept.id), "storage.locked"),
            "get": (lambda: session.get(kept.id), "audit.unwritable"),  # a read must log
        }
        with holding(others[0], tmp_path):
            for name, (operation, code) in operations.items():
                began = time.monotonic()
                with pytest.raises(UnavailableError) as refused:
                    operation()
                assert refused.value.code == code, name
                assert 0.3 < time.monotonic() - began < 30, name
        (memory,) = session.list(user_id="u").memories
        assert (memory.text, memory.version) == ("Roses in the garden", 1)
        assert session.add("Tulips", user_id="u").memories


def test_threads_wait_no_longer_than_one(clinic: Vault, others: list[Remote], tmp_path: Path) -> None:
    """Eight threads behind one lock are refused after one timeout each, not one after the other."""
    session_of(clinic).add("Roses", user_id="u")
    with limited(clinic, 2) as impatient:
        session = session_of(impatient)
        session.list(user_id="u")
        with holding(others[0], tmp_path), ThreadPoolExecutor(8) as pool:
            began = time.monotonic()
            codes = list(pool.map(lambda _: _code(lambda: session.add("Tulips", user_id="u")), range(8)))
            assert time.monotonic() - began < 12  # sixteen, were it one after the other
        assert codes == ["storage.locked"] * 8
        assert len(session.list(user_id="u").memories) == 1


def test_a_rotation_waits_with_a_bound(clinic: Vault, others: list[Remote], tmp_path: Path) -> None:
    with limited(clinic, 0.4) as impatient:
        operator = operator_of(impatient)
        with holding(others[0], tmp_path):
            began = time.monotonic()
            with pytest.raises(StorageError) as refused:
                operator.keys_rotate("tenant")
            assert refused.value.code == "storage.locked"
            assert time.monotonic() - began < 30
        assert operator.keys_rotate("tenant") == {"level": "tenant", "kek": 2}


def test_a_steady_stream_does_not_starve_a_rotation(clinic: Vault, nursery: Nursery) -> None:
    """Threads whose operations always overlap leave no moment without one: a rotation gets its turn nevertheless."""
    session = session_of(clinic)
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            session.search("roses", user_id="u")

    with ThreadPoolExecutor(6) as pool:
        running = [pool.submit(read) for _ in range(6)]
        with Remote(nursery, clinic.folder) as other:
            for _ in range(3):
                began = time.monotonic()
                other.call("keys_rotate", "tenant")
                operator_of(clinic).keys_rotate("tenant")
                assert time.monotonic() - began < 60
        stop.set()
        for future in running:
            future.result()


# --- fork, threads, asyncio --------------------------------------------------------------------------------------


def _in_child(action: Callable[[], Any]) -> Any:
    """Run in a forked child and bring back what it found; the child ends without cleaning up."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = json.dumps(action())
        except BaseException as error:  # noqa: BLE001 - the parent shows it
            answer = json.dumps(f"{type(error).__name__}: {error}")
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return json.loads(said)


@pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # forking beside threads is what is tested
def test_a_fork_refuses_and_forgets(clinic: Vault) -> None:
    session, operator = session_of(clinic), operator_of(clinic)
    (memory,) = session.add("Roses, write to ana@example.org", user_id="u").memories
    session.search("roses", user_id="u")
    stages = clinic._opened()
    tenant = stages.keystore.tenant("clinic")
    assert tenant is not None
    subject = stages.keystore.subject(tenant, "user", "u")
    assert subject is not None
    held = [tenant.kek, subject.secret, *subject.deks.values(), *stages.provider._secrets.values()]  # type: ignore[attr-defined]
    held += [key for versions in tenant.versions.values() for key in versions.values()]
    held += list(subject._uses.values())
    scope = next(iter(stages.index._scopes.values()))  # type: ignore[attr-defined]
    assert len(scope.index) == 1

    def in_child() -> dict[str, Any]:
        def code(action: Callable[[], Any]) -> str:
            try:
                action()
            except VaultError as error:
                return error.code
            return "worked"

        answers = {
            "add": code(lambda: session.add("Tulips", user_id="u")),
            "search": code(lambda: session.search("roses", user_id="u")),
            "get": code(lambda: session.get(memory.id)),
            "rotate": code(lambda: operator.keys_rotate("tenant")),
            "session": code(lambda: session_of(clinic)),
            "close": code(clinic.close),
            "after": code(lambda: session.get(memory.id)),
        }
        wiped = all(key.closed and not any(key._buffer) for key in held)
        with Vault.open(clinic.folder) as own:
            added = session_of(own).add("Written by the child", user_id="u").memories
        return {"codes": answers, "wiped": wiped, "rows": len(scope.index), "added": len(added)}

    found = _in_child(in_child)
    assert set(found["codes"].values()) == {"vault.forked", "worked", "vault.closed"}
    assert {name for name, code in found["codes"].items() if code == "worked"} == {"close"}
    assert found["codes"]["after"] == "vault.closed"
    assert (found["wiped"], found["rows"], found["added"]) == (True, 0, 1)
    assert not any(key.closed for key in held)
    session.add("Tulips", user_id="u")
    stored = texts(session, user_id="u")
    assert len(stored) == 3
    assert "Written by the child" in stored
    assert operator.audit_verify()["records"] == 3


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_inside_a_rotation_leaves_the_lock_to_the_parent(clinic: Vault) -> None:
    """The child shares the parent's open lock files; refusing must not unlock them."""
    session = session_of(clinic)
    session.add("Roses", user_id="u")
    stages = clinic._opened()
    with stages.lease.alone():
        code = _in_child(lambda: _code(lambda: session.add("Tulips", user_id="u")))
        assert code == "vault.forked"
        with pytest.raises(StorageError) as refused:
            limited(clinic, 0.2)
        assert refused.value.code == "storage.locked"
    session.add("Tulips", user_id="u")


def _code(action: Callable[[], Any]) -> str:
    try:
        action()
    except VaultError as error:
        return error.code
    return "worked"


def test_eight_threads_on_one_vault(clinic: Vault) -> None:
    session = session_of(clinic)
    shared = [session.add(f"Shared note {n}", user_id="shared").memories[0].id for n in range(8)]

    def work(number: int) -> Counter[str]:
        kept: Counter[str] = Counter()
        for turn in range(12):
            text = f"Turn {turn} of thread {number}: roses, write to t{number}@example.org"
            stored = session.add(
                [{"role": "user", "content": text}, {"role": "user", "content": text}], user_id="all"
            )
            kept.update(memory.text for memory in stored.memories)
            first = stored.memories[0]
            assert session.get(first.id).text == first.text
            if turn % 3 == 0:
                kept[first.text] -= 1
                session.delete(first.id)
            changed = session.update(shared[number], f"Shared note {number}, turn {turn}")
            assert changed.version == turn + 2
            assert session.search(text, user_id="all", limit=300)
            session.add_many(
                [{"content": f"Bulk {turn} {number} {n}", "user_id": f"bulk{number}"} for n in range(3)]
            )
        return kept

    with ThreadPoolExecutor(8) as pool:
        kept = sum(pool.map(work, range(8)), Counter())
    assert texts(session, user_id="all") == kept
    for number in range(8):
        assert sum(texts(session, user_id=f"bulk{number}").values()) == 36
        assert len(session.history(shared[number])) == 13
    operator = operator_of(clinic)
    assert operator.audit_verify()["records"] == kept.total() + 8 + 8 * 36
    assert operator.index_verify()["stale"] == 0


def test_threads_while_another_process_moves_the_keystore(clinic: Vault, others: list[Remote]) -> None:
    """Many threads find at once that the keystore was replaced: one moves over, the others follow."""
    session = session_of(clinic)
    session.add("Roses", user_id="u")
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            others[0].call("keys_rotate", "root")
            found = list(pool.map(lambda _: len(session.search("roses", user_id="u")), range(16)))
            assert found == [1] * 16


def test_fifty_tasks_on_an_async_vault(clinic: Vault) -> None:
    async def one(session: Any, number: int) -> str:
        text = f"Task {number} talked about the garden"
        added = await session.add(text, user_id=f"u{number % 5}")
        memory = await session.get(added.memories[0].id)
        hits = await session.search(text, user_id=f"u{number % 5}", limit=50)
        assert memory.id in [hit.memory.id for hit in hits]
        return str(memory.text)

    async def main() -> list[str]:
        async with AsyncVault(Vault.open(clinic.folder)) as vault:
            session = await vault.session(Principal("clinic", "app", ("app",)), purpose="service")
            return list(await asyncio.gather(*(one(session, number) for number in range(50))))

    stored = asyncio.run(main())
    assert stored == [f"Task {number} talked about the garden" for number in range(50)]
    session = session_of(clinic)
    assert sum(sum(texts(session, user_id=f"u{n}").values()) for n in range(5)) == 50


def test_a_refused_remote_call_carries_the_code(others: list[Remote]) -> None:
    with pytest.raises(RemoteError) as refused:
        others[0].call("get", "not-an-id")
    assert refused.value.code == "memory.unknown"
