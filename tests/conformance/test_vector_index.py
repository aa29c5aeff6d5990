"""What every vector index must do, whatever is behind it: one suite, run on each adapter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from vault.index.interface import FloatVector, Points, Query, Vector, VectorIndex, pack_point, unpack_points
from vault.index.quantise import quantise
from vault.index.sealed import SealedIndex

DIMENSION = 32
TENANT = b"t" * 16
MODEL = b"model---"
ADAPTERS: dict[str, Callable[[int], VectorIndex]] = {
    "sealed": lambda cache_bytes: SealedIndex(cache_bytes=cache_bytes)
}


@pytest.fixture(params=ADAPTERS)
def make(request: pytest.FixtureRequest) -> Callable[[int], VectorIndex]:
    return ADAPTERS[request.param]


@pytest.fixture
def index(make: Callable[[int], VectorIndex]) -> VectorIndex:
    return make(64 << 20)


def direction(seed: int) -> FloatVector:
    vector = np.random.default_rng(seed).normal(size=DIMENSION).astype(np.float32)
    return vector / np.linalg.norm(vector)


class Subject:
    """A subject's stored points, read as the vault's flows read them."""

    def __init__(self, sid: bytes = b"s" * 16, tenant: bytes = TENANT) -> None:
        self.key = (tenant, sid)
        self.changes = 0
        self.next_n = 1
        self.reads = 0
        self._rows: dict[int, bytes] = {}

    def add(
        self,
        vector: FloatVector,
        terms: dict[int, int] | None = None,
        *,
        tags: Sequence[bytes | None] = (None, None, None),
        expires_ms: int | None = None,
    ) -> int:
        n, self.next_n = self.next_n, self.next_n + 1
        self._rows[n] = pack_point([Vector(MODEL, *quantise(vector))], terms or {}, tags, expires_ms)
        return n

    def remove(self, n: int) -> None:
        del self._rows[n]
        self.changes += 1

    def position(self) -> tuple[int, int]:
        return self.changes, self.next_n

    def points(self, after_n: int) -> Points:
        self.reads += 1
        return unpack_points([(n, data) for n, data in sorted(self._rows.items()) if n > after_n], MODEL)


def asking(
    vector: FloatVector, terms: dict[int, float] | None = None, *, agent: bytes | None = None, now_ms: int = 0
) -> Query:
    return Query(vector, terms or {}, agent, None, None, now_ms)


def numbers(index: VectorIndex, subject: Subject, query: Query, limit: int = 10) -> list[int]:
    return [hit.n for hit in index.search(subject, query, limit)]


def test_the_nearest_comes_first(index: VectorIndex) -> None:
    subject = Subject()
    added = [subject.add(direction(seed)) for seed in range(20)]
    for seed, n in enumerate(added):
        hits = index.search(subject, asking(direction(seed)), 5)
        assert hits[0].n == n
        assert len(hits) == 5
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        assert all(isinstance(part, float) for part in hits[0].explain.values())


def test_a_shared_word_decides_between_equals(index: VectorIndex) -> None:
    subject = Subject()
    same = direction(1)
    for word in range(10, 20):
        subject.add(same, {word: 1, 99: 1})
    assert numbers(index, subject, asking(same, {14: 1.0}), 1) == [5]


def test_fewer_than_asked_means_that_there_are_no_more(index: VectorIndex) -> None:
    subject = Subject()
    assert index.search(subject, asking(direction(1)), 5) == []
    subject.add(direction(1))
    subject.add(direction(2))
    assert len(index.search(subject, asking(direction(1)), 5)) == 2
    assert len(index.search(subject, asking(direction(1)), 1)) == 1


def test_added_and_removed_points_are_seen_at_once(index: VectorIndex) -> None:
    subject = Subject()
    first = subject.add(direction(1))
    assert numbers(index, subject, asking(direction(1))) == [first]
    second = subject.add(direction(2))
    assert numbers(index, subject, asking(direction(2)))[0] == second
    subject.remove(first)
    assert numbers(index, subject, asking(direction(1))) == [second]
    third = subject.add(direction(3))
    assert third not in (first, second)
    assert set(numbers(index, subject, asking(direction(1)))) == {second, third}


def test_an_unmoved_position_needs_no_reading(index: VectorIndex) -> None:
    subject = Subject()
    for seed in range(5):
        subject.add(direction(seed))
    numbers(index, subject, asking(direction(1)))
    reads = subject.reads
    numbers(index, subject, asking(direction(2)))
    assert subject.reads == reads


def test_scope_tags_and_expiry_are_kept_to(index: VectorIndex) -> None:
    """Also when what is admitted ranks far behind what is not."""
    subject = Subject()
    for _ in range(60):
        subject.add(direction(1), tags=(b"a" * 8, None, None))
    far = subject.add(-direction(1), tags=(b"b" * 8, b"p" * 8, b"r" * 8))
    until = subject.add(-direction(1), tags=(b"b" * 8, None, None), expires_ms=500)
    assert set(numbers(index, subject, asking(direction(1), agent=b"b" * 8), 5)) == {far, until}
    assert numbers(index, subject, asking(direction(1), agent=b"b" * 8, now_ms=500), 5) == [far]
    assert numbers(index, subject, asking(direction(1), agent=b"c" * 8), 5) == []
    both = Query(direction(1), {}, b"b" * 8, b"p" * 8, b"r" * 8, 0)
    assert numbers(index, subject, both, 5) == [far]
    assert len(numbers(index, subject, asking(direction(1)), 100)) == 62


def test_subjects_and_tenants_do_not_mix(index: VectorIndex) -> None:
    one, other = Subject(b"1" * 16), Subject(b"2" * 16)
    elsewhere = Subject(b"1" * 16, b"T" * 16)
    one.add(direction(1))
    other.add(direction(2))
    other.add(direction(1))
    assert numbers(index, one, asking(direction(1))) == [1]
    assert numbers(index, other, asking(direction(1))) == [2, 1]
    assert numbers(index, elsewhere, asking(direction(1))) == []


def test_what_is_forgotten_is_read_again(index: VectorIndex) -> None:
    one, other, elsewhere = Subject(b"1" * 16), Subject(b"2" * 16), Subject(b"1" * 16, b"T" * 16)
    everyone = (one, other, elsewhere)
    for subject in everyone:
        subject.add(direction(1))
        numbers(index, subject, asking(direction(1)))

    def read_again() -> list[bool]:
        before = [subject.reads for subject in everyone]
        for subject in everyone:
            assert numbers(index, subject, asking(direction(1))) == [1]
        return [subject.reads > reads for subject, reads in zip(everyone, before, strict=True)]

    index.forget(TENANT, b"1" * 16)
    assert read_again() == [True, False, False]
    index.forget(TENANT)
    assert read_again() == [True, True, False]
    index.clear()
    assert read_again() == [True, True, True]
    assert read_again() == [False, False, False]


def test_memory_is_bounded_and_answers_are_not(make: Callable[[int], VectorIndex]) -> None:
    index = make(20_000)
    subjects = [Subject(bytes([n]) * 16) for n in range(30)]
    for subject in subjects:
        for seed in range(20):
            subject.add(direction(seed), {seed: 1})
    for _ in range(2):
        for subject in subjects:
            assert numbers(index, subject, asking(direction(7)), 1) == [8]
    facts = index.describe()
    assert facts["adapter"]
    assert int(facts["scopes"]) < 30


def test_many_threads_and_a_writer(index: VectorIndex) -> None:
    subject = Subject()
    for seed in range(50):
        subject.add(direction(seed))

    def ask(seed: int) -> bool:
        if seed % 10 == 9:
            index.forget(TENANT, subject.key[1])
        return numbers(index, subject, asking(direction(seed)), 1) == [seed + 1]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, [seed % 50 for seed in range(400)]))
