"""What every record store must do, whatever is behind it: one suite, run on each adapter."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from vault.crypto.primitives import SecretKey
from vault.errors import IntegrityViolationError, VaultError
from vault.records.interface import BLOCK, BlockRow, MemoryRow, RecordStore, ReplayRow, RevisionRow, TokenRow
from vault.records.sqlcipher import SqlcipherRecords
from vault.types import TenantId

TID = TenantId(bytes(range(16)))
Open = Callable[[], AbstractContextManager[RecordStore]]


def _sqlcipher(folder: Path) -> Open:
    key = SecretKey.random()
    SqlcipherRecords.create(folder / "records.db", key, TID)

    @contextmanager
    def connect() -> Iterator[RecordStore]:
        store = SqlcipherRecords(folder / "records.db", key, TID, timeout_s=0.2)
        try:
            yield store
        finally:
            store.close()

    return connect


ADAPTERS: dict[str, Callable[[Path], Open]] = {"sqlcipher": _sqlcipher}


@pytest.fixture(params=ADAPTERS)
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens one tenant's store; each call is a handle of its own, as other processes have one."""
    return ADAPTERS[request.param](tmp_path)


@pytest.fixture
def store(connect: Open) -> Iterator[RecordStore]:
    with connect() as opened:
        yield opened


@pytest.fixture
def s(store: RecordStore) -> int:
    with store.transaction():
        return store.ensure_subject(bytes(16), b"k" * 16).s


def memory(
    s: int, n: int, *, version: int = 1, expires: int | None = None, body: bytes = b"body"
) -> MemoryRow:
    tag = b"t" * 16
    return MemoryRow(
        s, n, b"nonce6", 1, version, 1_000 + n, 2_000 + n, expires, tag, None, None, body, b"point%d" % n
    )


def revision(s: int, n: int, version: int, body: bytes | None = b"old") -> RevisionRow:
    return RevisionRow(s, n, version, b"nonce6", "UPDATE", 3_000 + version, b"actor", body)


def token(s: int, name: str, refs: int = 1) -> TokenRow:
    return TokenRow(s, name, name.encode().ljust(16, b"."), b"value of " + name.encode(), refs)


def intact(store: RecordStore) -> None:
    assert store.recount() == store.digest()
    store.check_pages()


# --- subjects ------------------------------------------------------------------------------------------------------


def test_a_subject_is_made_once(store: RecordStore) -> None:
    sid, kid = os.urandom(16), os.urandom(16)
    assert store.subject(sid) is None
    assert store.subjects() == []
    with store.transaction():
        made = store.ensure_subject(sid, kid)
        assert store.ensure_subject(sid, kid) == made
        other = store.ensure_subject(os.urandom(16), kid)
    assert (made.sid, made.kid, made.next_n, made.changes) == (sid, kid, 1, 0)
    assert other.s != made.s
    assert store.subject(sid) == store.subject_by_number(made.s) == made
    assert sorted(row.s for row in store.subjects()) == sorted([made.s, other.s])
    assert store.subject_by_number(999) is None
    intact(store)


def test_a_subject_does_not_change_its_key(store: RecordStore) -> None:
    sid = os.urandom(16)
    with store.transaction():
        store.ensure_subject(sid, b"a" * 16)
    with pytest.raises(IntegrityViolationError), store.transaction():
        store.ensure_subject(sid, b"b" * 16)


def test_numbers_are_given_once(store: RecordStore, s: int) -> None:
    with store.transaction():
        assert store.allocate(s, 3) == 1
        assert store.allocate(s, 1) == 4
    row = store.subject_by_number(s)
    assert row is not None
    assert row.next_n == 5
    with pytest.raises(IntegrityViolationError), store.transaction():
        store.allocate(s + 1, 1)
    intact(store)


# --- memories ------------------------------------------------------------------------------------------------------


def test_memories_come_back_as_they_went_in(store: RecordStore, s: int) -> None:
    rows = [memory(s, n, expires=n * 100 if n % 2 else None) for n in range(1, 6)]
    with store.transaction():
        store.insert(rows)
    assert store.memories(s) == rows
    assert store.memories(s, after_n=2) == rows[2:]
    assert store.memories(s, after_n=1, limit=2) == rows[1:3]
    assert store.memory(s, 3) == rows[2]
    assert store.memory(s, 9) is None
    assert store.memory(s + 1, 3) is None
    assert [row.n for row in store.memories_at(s, [5, 2, 9, 2])] in ([5, 2], [2, 5])
    assert {(row.n, row.body) for row in store.memories_at(s, [1, 3])} == {(1, b"body"), (3, b"body")}
    assert store.order(s) == [(n, 1_000 + n, 2_000 + n) for n in range(1, 6)]
    assert store.points(s) == [(n, 1, b"point%d" % n) for n in range(1, 6)]
    assert store.points(s, after_n=4) == [(5, 1, b"point5")]
    assert store.count() == 5
    assert [row.n for row in store.expired(300, 10)] == [1, 3]
    assert [row.n for row in store.expired(10_000, 2)] == [1, 3]
    intact(store)


def test_a_new_version_takes_the_place_of_the_old(store: RecordStore, s: int) -> None:
    old = memory(s, 1)
    with store.transaction():
        store.insert([old, memory(s, 2)])
    before = store.subject_by_number(s)
    new = replace(old, version=2, updated_ms=9_000, body=b"new body", point=b"new point")
    with store.transaction():
        store.replace(old, new)
    after = store.subject_by_number(s)
    assert store.memory(s, 1) == new
    assert store.points(s)[0] == (1, 2, b"new point")
    assert store.count() == 2
    assert before is not None
    assert after is not None
    assert after.changes > before.changes  # caches see it
    with store.transaction():
        store.remove(new)
    gone = store.subject_by_number(s)
    assert gone is not None
    assert gone.changes > after.changes
    assert store.memory(s, 1) is None
    assert [n for n, _, _ in store.points(s)] == [2]
    assert store.count() == 1
    intact(store)


# --- blocks of points ----------------------------------------------------------------------------------------------


def test_points_are_read_between_two_numbers(store: RecordStore, s: int) -> None:
    with store.transaction():
        store.insert([memory(s, n) for n in range(1, 9)])
    assert [n for n, _, _ in store.points(s, after_n=2, before_n=6)] == [3, 4, 5]
    assert [n for n, _, _ in store.points(s, after_n=6)] == [7, 8]


def test_blocks_come_in_order_and_only_whole(store: RecordStore, s: int) -> None:
    rows = [BlockRow(s, b, b"block %d" % b) for b in range(3)]
    with store.transaction():
        for row in reversed(rows):
            store.put_block(row)
    assert store.blocks(s) == rows
    assert store.blocks(s, after_n=1) == rows[1:]
    assert store.blocks(s, after_n=BLOCK - 1) == rows[1:]
    assert store.blocks(s, after_n=BLOCK) == rows[2:]
    assert store.blocks(s + 1) == []
    intact(store)


def test_a_changed_memory_takes_its_block_along(store: RecordStore, s: int) -> None:
    old, gone = memory(s, 1), memory(s, BLOCK)
    blocks = [BlockRow(s, b, b"block") for b in range(3)]
    with store.transaction():
        store.insert([old, gone, memory(s, 2 * BLOCK)])
        for row in blocks:
            store.put_block(row)
    with store.transaction():
        store.replace(old, replace(old, version=2))
    assert store.blocks(s) == blocks[1:]
    intact(store)
    with store.transaction():
        store.remove(gone)
    assert store.blocks(s) == blocks[2:]
    intact(store)
    with store.transaction():
        store.remove_subject(s)
    assert store.blocks(s) == []
    intact(store)


# --- revisions, tokens, remembered writes --------------------------------------------------------------------------


def test_revisions(store: RecordStore, s: int) -> None:
    rows = [revision(s, 1, 1), revision(s, 1, 2), revision(s, 2, 1)]
    with store.transaction():
        for row in rows:
            store.add_revision(row)
    assert store.revisions(s, 1) == rows[:2]
    assert store.revisions(s, 7) == []
    assert sorted(store.all_revisions(s), key=lambda r: (r.n, r.version)) == rows
    emptied = replace(rows[0], body=None)
    with store.transaction():
        store.replace_revision(rows[0], emptied)
    assert store.revisions(s, 1) == [emptied, rows[1]]
    intact(store)


def test_tokens_live_as_long_as_something_names_them(store: RecordStore, s: int) -> None:
    first, second = token(s, "EMAIL:aaaaaa"), token(s, "PHONE:bbbbbb")
    assert not store.has_tokens(s)
    with store.transaction():
        store.add_token(first)
        store.add_token(second)
        store.refer_token(s, first.token, 1)
        store.refer_token(s, "EMAIL:zzzzzz", 1)  # unknown: nothing happens
    assert store.has_tokens(s)
    assert store.token(s, first.token) == replace(first, refs=2)
    assert store.token_by_mac(s, second.mac) == second
    assert store.token_by_mac(s, b"?" * 16) is None
    assert store.token(s + 1, first.token) is None
    assert sorted(row.token for row in store.tokens(s)) == [first.token, second.token]
    moved = replace(second, mac=b"m" * 16, value=b"sealed again")
    with store.transaction():
        store.refer_token(s, first.token, -1)
        store.replace_token(second, moved)
    assert store.token(s, first.token) == first
    assert store.token(s, second.token) == moved
    with store.transaction():
        store.refer_token(s, first.token, -1)
    assert store.token(s, first.token) is None
    assert store.tokens(s) == [moved]
    intact(store)


def test_remembered_writes_are_forgotten_in_time(store: RecordStore, s: int) -> None:
    rows = [ReplayRow(b"m%d" % n * 8, b"digest", s, b"result", n * 1_000) for n in range(3)]
    with store.transaction():
        for row in rows:
            store.remember(row)
    assert store.replay(rows[1].mac) == rows[1]
    assert store.replay(b"other mac") is None
    assert sorted(store.replays(s), key=lambda r: r.at_ms) == rows
    sealed = replace(rows[2], result=b"sealed again")
    with store.transaction():
        store.replace_replay(rows[2], sealed)
        store.forget_replays(1_000)
    assert store.replay(rows[0].mac) is None
    assert store.replay(rows[2].mac) == sealed
    intact(store)


def test_a_removed_subject_leaves_no_row(store: RecordStore, s: int) -> None:
    with store.transaction():
        other = store.ensure_subject(b"o" * 16, b"k" * 16).s
        for number in (s, other):
            store.insert([memory(number, 1), memory(number, 2)])
            store.add_revision(revision(number, 1, 1))
            store.add_token(token(number, "EMAIL:aaaaaa"))
            store.remember(ReplayRow(b"m%d" % number * 8, b"digest", number, b"result", 1))
        store.append_entry(0, b"entry", b"mac", s, b"detail")
        store.append_entry(1, b"entry", b"mac", other, b"detail")
    with store.transaction():
        assert store.remove_subject(s) == 2
    assert store.subject_by_number(s) is None
    assert (store.memories(s), store.all_revisions(s), store.tokens(s), store.replays(s)) == ([], [], [], [])
    assert store.points(s) == []
    assert store.details(s) == []
    assert [row.detail for row in store.log()] == [
        None,
        b"detail",
    ]  # the entry stays, what was sealed beside it goes
    assert store.count() == 2
    assert store.purge_free_space() is True
    intact(store)


def test_a_number_goes_on_as_another(connect: Open, store: RecordStore, s: int) -> None:
    """Three people become one, in two steps: every number they had leads to the one that is left."""
    sealed = b"PMV1\x01\x00" + b"k" * 16 + (7).to_bytes(4, "big") + bytes(90)
    with store.transaction():
        second, third = (store.ensure_subject(bytes([n]) * 16, b"k" * 16).s for n in (2, 3))
        for number in (s, second, third):
            store.insert([memory(number, 1, body=sealed)])
            store.add_revision(revision(number, 1, 1, sealed))
            store.add_token(token(number, "EMAIL:aaaaaa"))
            store.remember(ReplayRow(b"m%d" % number * 8, b"digest", number, b"result", 1))
            store.append_entry(number, b"entry", b"mac", number, sealed)
    assert (store.moved_to(s), store.numbers(s)) == (None, [s])
    for number, into, by in ((s, second, 10), (second, third, 100)):
        with store.transaction():
            store.insert([memory(into, by + 1, body=sealed)])
            (replay,) = [row for row in store.replays(number) if row.mac == b"m%d" % number * 8]
            store.replace_replay(replay, replace(replay, s=into))
            store.move_subject(number, into, by)
        assert (store.memories(number), store.points(number), store.all_revisions(number)) == ([], [], [])
        assert (store.tokens(number), store.blocks(number)) == ([], [])
        assert store.subject(bytes([number]) * 16) is None
        intact(store)
    with connect() as other:
        for one in (store, other):
            assert (one.moved_to(s), one.moved_to(second)) == ((third, 110), (third, 100))
            assert one.moved_to(third) is None
            assert (one.numbers(third), one.numbers(s)) == ([third, second, s], [s])
            row = one.subject_by_number(third)
            assert row is not None
            assert [one.subject_by_number(number) for number in (s, second)] == [row, row]
            assert [found.s for found in one.subjects()] == [third]
            assert [seq for seq, _ in one.details(third)] == [s, second, third]
            assert [row.s for row in one.log()] == [s, second, third]  # an entry says what it said
            assert [m.n for m in one.memories(third)] == [1, 101]
            assert len(one.replays(third)) == 2
    assert set(store.sealed_under()) == {third}
    with store.transaction():
        store.remove_subject(third)
    assert [store.subject_by_number(number) for number in (s, second, third)] == [None, None, None]
    assert [store.moved_to(number) for number in (s, second, third)] == [None, None, None]
    assert [row.detail for row in store.log()] == [None, None, None]
    intact(store)


# --- log -----------------------------------------------------------------------------------------------------------


def test_the_log_is_read_in_order(store: RecordStore, s: int) -> None:
    assert store.log_head() == (0, bytes(16))
    with store.transaction():
        for seq in range(2_500):
            store.append_entry(
                seq, b"entry %d" % seq, b"mac %d" % seq, s if seq % 2 else None, b"d" if seq % 2 else None
            )
    assert store.log_head() == (2_500, b"mac 2499")
    assert [row.seq for row in store.log()] == list(range(2_500))
    assert [row.seq for row in store.log(2_498)] == [2_498, 2_499]
    assert [row.seq for row in store.log(999, 1_002)] == [999, 1_000, 1_001]
    assert len(store.details(s)) == 1_250
    with store.transaction():
        store.replace_detail(1, b"sealed again")
        store.rechain_log([(seq, b"new %d" % seq) for seq in range(2_500)])
    assert store.log_head() == (2_500, b"new 2499")
    assert next(iter(store.log(1))).detail == b"sealed again"
    with pytest.raises(VaultError), store.transaction():
        store.append_entry(5, b"a second fifth", b"mac", None, None)


def test_checkpoints(store: RecordStore) -> None:
    assert store.last_checkpoint() is None
    assert store.checkpoints() == []
    with store.transaction():
        store.add_checkpoint(5, b"note 5", b"peaks")
        store.add_checkpoint(3, b"note 3", b"peaks")
        store.add_checkpoint(5, b"another note", b"peaks")  # the first one of a size stays
    assert store.checkpoints() == [(3, b"note 3", b"peaks"), (5, b"note 5", b"peaks")]
    assert store.last_checkpoint() == store.checkpoint_at(5) == (5, b"note 5", b"peaks")
    assert store.checkpoint_at(4) is None


def test_settings(store: RecordStore) -> None:
    assert store.setting("log") == 1
    with store.transaction():
        store.set_setting("log", 7)
        store.set_setting("tags", 2)
    assert (store.setting("log"), store.setting("tags"), store.setting("other")) == (7, 2, 1)


# --- all or nothing, together with others --------------------------------------------------------------------------


def test_a_transaction_is_all_or_nothing(store: RecordStore, s: int) -> None:
    with store.transaction():
        store.insert([memory(s, 1)])
    before = store.digest()

    def interrupted() -> None:
        with store.transaction():
            store.insert([memory(s, 2)])
            store.remove(memory(s, 1))
            store.add_token(token(s, "EMAIL:aaaaaa"))
            store.append_entry(0, b"entry", b"mac", s, None)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert [row.n for row in store.memories(s)] == [1]
    assert store.tokens(s) == []
    assert store.log_head()[0] == 0
    assert store.digest() == before
    intact(store)
    with store.transaction(durable=False):
        store.insert([memory(s, 2)])
    assert store.digest() != before
    intact(store)


def test_handles_see_each_others_commits_whole(connect: Open, store: RecordStore, s: int) -> None:
    with connect() as other:
        assert other.tid == TID
        with store.transaction():
            store.insert([memory(s, 1)])
            assert other.memories(s) == []
        assert other.memories(s) == [memory(s, 1)]
        with other.reading():
            assert other.count() == 1
            with store.transaction():
                store.insert([memory(s, 2)])
            assert other.count() == 1
            assert other.recount() == other.digest()
        assert other.count() == 2
        with other.transaction():
            other.insert([memory(s, 3)])
        intact(store)
        with store.transaction():
            with pytest.raises(VaultError) as caught:
                other.transaction().__enter__()
            assert caught.value.code == "storage.locked"
    with connect() as later:
        assert later.count() == 3


def test_the_digest_depends_on_rows_not_on_their_order(
    connect: Open, tmp_path: Path, store: RecordStore
) -> None:
    empty = store.digest()
    with store.transaction():
        s = store.ensure_subject(bytes(16), b"k" * 16).s
        store.insert([memory(s, 1), memory(s, 2)])
    both = store.digest()
    with store.transaction():
        store.remove(memory(s, 1))
        store.insert([memory(s, 1)])
    row = store.subject_by_number(s)
    assert row is not None
    with store.transaction():
        assert store.remove_subject(s) == 2
    assert len({empty, both}) == 2
    assert store.digest() == empty
    intact(store)


def test_every_column_is_in_the_digest(store: RecordStore, s: int) -> None:
    base = memory(s, 1)
    seen = set()
    other: dict[str, object] = {
        "nonce": b"other6", "id_key": 2, "version": 2, "created_ms": 1, "updated_ms": 1, "expires_ms": 1,
        "agent": None, "app": b"a" * 16, "run": b"r" * 16, "body": b"other", "point": b"other",
    }  # fmt: skip
    assert set(other) == set(MemoryRow.__slots__) - {"s", "n"}
    with store.transaction():
        store.insert([base])
    seen.add(store.digest())
    for name, value in other.items():
        changed = replace(base, **{name: value})  # type: ignore[arg-type]
        with store.transaction():
            store.remove(base)
            store.insert([changed])
        seen.add(store.digest())
        intact(store)
        with store.transaction():
            store.remove(changed)
            store.insert([base])
    assert len(seen) >= len(other) + 1


def test_what_was_proven_is_kept_with_the_rows(connect: Open, s: int, store: RecordStore) -> None:
    assert store.proof() is None
    asked: list[tuple[bytes, int, bytes]] = []

    def prove(digest: bytes, size: int, head: bytes) -> bytes:
        asked.append((digest, size, head))
        return b"proof %d" % len(asked)

    store.prove = prove
    with store.transaction():
        store.append_entry(0, b"entry", b"mac", None, None)
        store.insert([memory(s, 1)])
    assert asked == [(store.digest(), 1, b"mac")]
    assert store.proof() == (1, b"proof 1")
    with store.transaction():
        store.append_entry(1, b"entry", b"mac 2", None, None)  # no row changed
    assert store.proof() == (1, b"proof 1")
    with connect() as other:
        assert other.proof() == (1, b"proof 1")


def test_a_new_file_key_keeps_everything(store: RecordStore, s: int) -> None:
    with store.transaction():
        store.insert([memory(s, n, body=os.urandom(200)) for n in range(1, 200)])
    rows, digest = store.memories(s), store.digest()
    store.rekey(SecretKey.random())
    assert (store.memories(s), store.digest()) == (rows, digest)
    with store.transaction():
        store.remove(rows[0])
    intact(store)


@pytest.mark.parametrize("seed", range(5))
def test_any_sequence_of_changes_keeps_the_digest_true(store: RecordStore, seed: int) -> None:
    """Against a plain model, with transactions that fail in between."""
    chance = random.Random(seed)
    with store.transaction():
        numbers = [store.ensure_subject(bytes([n]) * 16, b"k" * 16).s for n in range(3)]
    model: dict[tuple[int, int], MemoryRow] = {}

    def change(trial: dict[tuple[int, int], MemoryRow]) -> None:
        s = chance.choice(numbers)
        mine = [row for row in trial.values() if row.s == s]
        choice = chance.random()
        if choice < 0.5 or not mine:
            first = store.allocate(s, 2)
            rows = [memory(s, first + i, body=chance.randbytes(30)) for i in range(2)]
            store.insert(rows)
            trial.update({(row.s, row.n): row for row in rows})
        elif choice < 0.75:
            old = chance.choice(mine)
            new = replace(old, version=old.version + 1, body=chance.randbytes(30))
            store.add_revision(RevisionRow(s, old.n, old.version, old.nonce, "UPDATE", 1, b"a", old.body))
            store.replace(old, new)
            trial[s, old.n] = new
        else:
            gone = chance.choice(mine)
            store.remove(gone)
            del trial[s, gone.n]

    def attempt(*, fails: bool) -> None:
        nonlocal model
        trial = dict(model)
        with store.transaction(durable=False):
            for _ in range(chance.randrange(1, 4)):
                change(trial)
            if fails:
                raise RuntimeError
        model = trial

    for turn in range(25):
        if turn % 4 == 3:
            with pytest.raises(RuntimeError):
                attempt(fails=True)
        else:
            attempt(fails=False)
        assert store.recount() == store.digest()
    for s in numbers:
        assert store.memories(s) == [row for key, row in sorted(model.items()) if key[0] == s]
    assert store.count() == store.counted() == len(model)
    assert store.intact()


# --- what no key opens any more, and copies ------------------------------------------------------------------------


def sealed(generation: int, size: int = 120) -> bytes:
    """The clear part of a PMV1 blob as a store sees it, and something behind it."""
    return b"PMV1\x01\x00" + b"k" * 16 + generation.to_bytes(4, "big") + os.urandom(size)


def test_every_generation_that_anything_is_sealed_under_is_found(store: RecordStore, s: int) -> None:
    with store.transaction():
        store.insert([replace(memory(s, n, body=sealed(n)), point=sealed(10 + n)) for n in (1, 2)])
        store.insert([replace(memory(s, 3, body=sealed(1)), point=sealed(11))])
        store.put_block(BlockRow(s, 0, sealed(20)))
        store.add_revision(replace(revision(s, 9, 1, sealed(31)), actor=sealed(30)))
        store.add_revision(replace(revision(s, 9, 2, None), actor=sealed(30)))
        store.add_token(replace(token(s, "EMAIL:a"), value=sealed(40)))
        store.remember(ReplayRow(b"m" * 16, b"d" * 16, s, sealed(50), 1))
        store.append_entry(0, b"{}", b"m" * 16, s, sealed(60))
        store.append_entry(1, b"{}", b"m" * 16, None, sealed(61))
        other = store.ensure_subject(os.urandom(16), b"k" * 16).s
        store.insert([replace(memory(other, 1, body=sealed(7)), point=sealed(7))])
    found = store.sealed_under()
    assert found[other] == {7: 1}
    assert found[s] == {1: 2, 2: 1, **dict.fromkeys((11, 12, 20, 30, 31, 40, 50, 60), 0)}


def test_rows_are_taken_out_as_they_lie_there(store: RecordStore, s: int) -> None:
    rows = [
        memory(s, 1), BlockRow(s, 0, b"block"), revision(s, 5, 1), token(s, "EMAIL:a"),
        ReplayRow(b"m" * 16, b"d" * 16, s, b"result", 1),
    ]  # fmt: skip
    before = store.digest()
    with store.transaction():
        store.insert([rows[0]])  # type: ignore[list-item]
        store.put_block(rows[1])  # type: ignore[arg-type]
        store.add_revision(rows[2])  # type: ignore[arg-type]
        store.add_token(rows[3])  # type: ignore[arg-type]
        store.remember(rows[4])  # type: ignore[arg-type]
    with store.transaction():
        for row in rows[1:]:
            store.discard(row)  # type: ignore[arg-type]
        store.discard(rows[0])  # type: ignore[arg-type]
    assert store.digest() == before
    assert (store.memories(s), store.blocks(s), store.all_revisions(s)) == ([], [], [])
    assert (store.tokens(s), store.replays(s)) == ([], [])
    intact(store)


def test_a_store_that_was_not_replaced_did_not_move(store: RecordStore) -> None:
    assert not store.moved
