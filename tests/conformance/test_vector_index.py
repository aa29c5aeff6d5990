"""What every vector index must do, whatever is behind it: one suite, run on each adapter."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from support.edge import LOW, edge_client

from vault.crypto.primitives import SecretKey
from vault.errors import VectorIndexError
from vault.index.interface import Covered, FloatVector, Hit, OutsideReader, Place, Query, VectorIndex
from vault.index.points import Points, Vector, pack_point, unpack_points
from vault.index.protect import Veil
from vault.index.qdrant import Layout, QdrantIndex
from vault.index.quantise import dequantise, quantise
from vault.index.score import Outline, whole_of
from vault.index.sealed import SealedIndex

DIMENSION = 32
TENANT = b"t" * 16
MODEL = b"model---"
SERVER = "MEMVAULT_QDRANT_URL"


class Told(QdrantIndex):
    """Qdrant that hears of every change before it is asked, but for each fourth, which waits in the outbox."""

    def search(self, reader: OutsideReader, query: Query, limit: int) -> list[Hit]:
        assert isinstance(reader, Subject)
        reader.tell(self)
        return super().search(reader, query, limit)

    def outline(self, reader: OutsideReader, query: Query) -> Outline:
        assert isinstance(reader, Subject)
        reader.tell(self)
        return super().outline(reader, query)


def told(client: Any) -> Told:
    """In a collection of its own."""
    return Told(client, Layout(collection=f"test-{uuid.uuid4().hex}"))


def in_memory(_place: Path) -> Told:
    return told(QdrantClient(":memory:"))


def on_edge(place: Path) -> Told:
    """Qdrant's own engine, with graphs even in small scopes."""
    return told(edge_client(place, **LOW))


def on_server(_place: Path) -> Told:
    url = os.environ.get(SERVER)
    if url is None:
        pytest.skip(f"no Qdrant server: set {SERVER}")
    return told(QdrantClient(url=url))


QDRANT: dict[str, Callable[[Path], Told]] = {
    "qdrant": in_memory, "qdrant edge": on_edge, "qdrant server": on_server,
}  # fmt: skip
cached = pytest.mark.parametrize("make", ["sealed"], indirect=True)  # Qdrant keeps nothing in the process


@pytest.fixture(params=["sealed", *QDRANT])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[int], VectorIndex]]:
    made: list[VectorIndex] = []

    def one(cache_bytes: int) -> VectorIndex:
        engine = QDRANT.get(request.param)
        made.append(engine(tmp_path) if engine else SealedIndex(cache_bytes=cache_bytes))
        return made[-1]

    yield one
    for index in made:
        if isinstance(index, QdrantIndex):
            index.close()


@pytest.fixture
def index(make: Callable[[int], VectorIndex]) -> VectorIndex:
    return make(64 << 20)


def direction(seed: int, dimension: int = DIMENSION) -> FloatVector:
    vector = np.random.default_rng(seed).normal(size=dimension).astype(np.float32)
    return vector / np.linalg.norm(vector)


class Subject:
    """A subject's stored points, read as the vault's flows read them."""

    def __init__(self, sid: bytes = b"s" * 16, tenant: bytes = TENANT) -> None:
        self.key = (tenant, sid)
        self.changes = 0
        self.next_n = 1
        self.reads = 0
        self._rows: dict[int, bytes] = {}
        self._lock = threading.Lock()
        self._key = SecretKey(bytearray(hashlib.sha256(tenant + sid).digest()))
        self._there: dict[bytes, int] = {}
        self.doubts: list[str] = []

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

    # what an index elsewhere asks besides

    @property
    def place(self) -> Place:
        return Place(self.key[0].hex(), self.key[1].hex())

    def cover(self, dimension: int) -> Veil:
        return Veil(self._key, dimension)

    def there(self) -> int:
        return len(self._there)

    def numbers(self, ids: Sequence[bytes]) -> dict[bytes, int | None]:
        return {one: self._there[one] for one in ids if one in self._there}

    def absent(self) -> list[int]:
        return [n for n in sorted(self._rows) if n not in self._there.values()]

    def around(self, numbers: Sequence[int], reach: int) -> list[Points]:
        rows = sorted(self._rows)
        wanted = {at + step for at in map(rows.index, numbers) for step in range(-reach, reach + 1)}
        held = sorted(wanted & set(range(len(rows))))
        cuts = [i for i, at in enumerate(held) if not i or held[i - 1] != at - 1]
        return [
            self._at([rows[at] for at in held[start:end]])
            for start, end in itertools.zip_longest(cuts, cuts[1:])
        ]

    def sample(self, rows: int) -> Points:
        return self._at(sorted(self._rows)[:: max(1, len(self._rows) // rows)])

    def _at(self, numbers: Sequence[int]) -> Points:
        return unpack_points([(n, self._rows[n]) for n in numbers], MODEL)

    def doubt(self, kind: str, ids: Sequence[bytes]) -> None:
        self.doubts.append(kind)

    def tell(self, index: QdrantIndex) -> None:
        with self._lock:
            gone = [one for one, n in self._there.items() if n not in self._rows]
            index.remove(self.place.tenant, gone)
            for one in gone:
                del self._there[one]
            known = set(self._there.values())
            new = [n for n in sorted(self._rows) if n not in known and n % 4]
            points = self._at(new)
            veil, ends = self.cover(points.vectors.shape[1]), points.sizes.cumsum()
            covered = []
            for at, n in enumerate(new):
                vector = dequantise(points.vectors[at], float(points.scales[at]))
                terms = points.terms[ends[at] - points.sizes[at] : ends[at]].tolist()
                covered.append(Covered(os.urandom(16), veil.covered(vector, b"%d" % n, 1), veil.terms(terms)))
                self._there[covered[-1].id] = n
            if covered:
                index.put(self.place, covered)


def asking(
    vector: FloatVector, terms: dict[int, float] | None = None, *, agent: bytes | None = None, now_ms: int = 0
) -> Query:
    return Query(vector, terms or {}, agent, None, None, now_ms, explain=True)


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


def test_parts_of_a_score_are_given_where_they_are_asked_for(index: VectorIndex) -> None:
    subject = Subject()
    for seed in range(20):
        subject.add(direction(seed), {seed: 1, 100 + seed % 3: 2})
    query = asking(direction(4), {4: 1.0, 101: 1.0})
    explained = index.search(subject, query, 20)
    for hit in explained:
        parts = sum(value for name, value in hit.explain.items() if name.endswith("_part"))
        assert parts == pytest.approx(hit.score, abs=1e-5)
    plain = index.search(subject, replace(query, explain=False), 20)
    assert plain == [replace(hit, explain={}) for hit in explained]


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


@cached
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


@cached
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
    assert int(facts.get("scopes", 0)) < 30


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


@pytest.mark.parametrize("engine", QDRANT)
def test_texts_without_terms_make_no_term_more_common(engine: str, tmp_path: Path) -> None:
    index, subject = QDRANT[engine](tmp_path), Subject()
    for seed in range(400):
        subject.add(direction(seed), {7: 1, 8 + seed % 10: 1} if seed % 2 else {})
    query = asking(direction(1), {7: 1.0, 9: 1.0, 99: 1.0})
    subject.tell(index)
    total = subject.there()
    _, counted = index._candidates(subject, query, query.vector, 200, total)
    told = [n for n in subject._there.values() if n % 2 == 0]
    assert counted[7] == pytest.approx(len(told), abs=0.1)
    assert counted[9] == pytest.approx(sum((n - 1) % 10 == 1 for n in told), abs=0.1)
    assert counted[99] == 0
    index.close()


# --- Qdrant beside sealed -----------------------------------------------------------------------------------------

WIDE, ROWS, ASKED = 256, 700, 50


def related(subject: Subject, seed: int) -> None:
    """Rows around 20 topics, their terms drawn from a long-tailed vocabulary, some terms of the topic's own."""
    random = np.random.default_rng(seed)
    topics = [direction(seed * 1_000 + topic, WIDE) for topic in range(20)]
    for _ in range(ROWS):
        topic = int(random.integers(20))
        vector = topics[topic] + 0.8 * direction(int(random.integers(2**31)), WIDE)
        words = {int(word) for word in random.zipf(1.4, 10) if word < 5_000}
        subject.add(
            (vector / np.linalg.norm(vector)).astype(np.float32),
            {**dict.fromkeys(words, 1), 10_000 + topic * 7 + int(random.integers(7)): 2},
        )


@pytest.mark.parametrize("engine", QDRANT)
def test_qdrant_answers_as_sealed_does(engine: str, tmp_path: Path) -> None:
    """Recall at 10 of the exact answer, in two scopes of one collection; design: a loss of 0.01 at most."""
    qdrant, sealed = QDRANT[engine](tmp_path), SealedIndex(cache_bytes=64 << 20)
    found = 0
    for sid in (b"1" * 16, b"2" * 16):
        subject = Subject(sid)
        related(subject, sid[0])
        for seed in range(ASKED):
            random = np.random.default_rng([seed, sid[0]])
            topic = int(random.integers(20))
            vector = direction(sid[0] * 1_000 + topic, WIDE) + 0.8 * direction(seed, WIDE)
            terms = {
                10_000 + topic * 7 + int(random.integers(7)): 1.0,
                int(random.integers(1, 40)): 1.0,
                99_999: 1.0,
            }
            query = asking((vector / np.linalg.norm(vector)).astype(np.float32), terms)
            found += len(set(numbers(qdrant, subject, query)) & set(numbers(sealed, subject, query)))
        assert subject.doubts == []
    qdrant.close()
    recall = found / (2 * ASKED * 10)
    print(f"recall@10 of sealed: {recall:.4f}")
    assert recall >= 0.99


def dealt(rows: int, words: int) -> tuple[list[Subject], Subject]:
    """The same points dealt to three subjects of unlike size, and all of them in one; each in its own conversation."""
    subjects = [Subject(bytes([65 + at]) * 16) for at in range(3)]
    one = Subject(b"o" * 16)
    shares, drawn = (rows // 12, rows // 4, rows), np.random.default_rng(7)
    for at, (subject, share) in enumerate(zip(subjects, shares, strict=True)):
        for _ in range(share):
            vector = direction(int(drawn.integers(1 << 30)))
            terms = {int(term): 1 for term in drawn.integers(at, words + at, 6)}
            subject.add(vector, terms)
            one.add(vector, terms, tags=(b"%d" % at, None, None))
    return subjects, one


def pooled(index: VectorIndex, subjects: list[Subject], query: Query, limit: int) -> list[Hit]:
    """What several subjects answer as one, best first."""
    whole = whole_of(index.outline(subject, query) for subject in subjects)
    asked = replace(query, whole=whole)
    found = [hit for subject in subjects for hit in index.search(subject, asked, limit)]
    return sorted(found, key=lambda hit: hit.score, reverse=True)[:limit]


def test_several_subjects_rank_as_one_would_that_had_all_their_points(index: VectorIndex) -> None:
    subjects, one = dealt(rows=96, words=30)
    for seed in range(20):
        query = asking(direction(seed + 500), {seed: 1.0, seed + 1: 2.0, 31: 1.0, 999: 1.0})
        alone = index.search(one, query, 20)
        together = pooled(index, subjects, query, 20)
        assert [hit.score for hit in together] == pytest.approx([hit.score for hit in alone], abs=2e-6)
        assert [hit.explain["dense"] for hit in together] == pytest.approx(
            [hit.explain["dense"] for hit in alone], abs=2e-6
        )


def test_large_subjects_rank_nearly_as_one_would(index: VectorIndex) -> None:
    subjects, one = dealt(rows=900, words=300)
    lost = []
    for seed in range(20):
        query = asking(direction(seed + 500), {seed: 1.0, seed + 1: 2.0, 31: 1.0, 999: 1.0})
        alone = {round(hit.score, 2) for hit in index.search(one, query, 10)}
        together = {round(hit.score, 2) for hit in pooled(index, subjects, query, 10)}
        lost.append(len(alone - together) / len(alone))
    assert sum(lost) / len(lost) < 0.1


def test_a_subject_without_points_adds_nothing(index: VectorIndex) -> None:
    subjects, _ = dealt(rows=12, words=9)
    query = asking(direction(1), {3: 1.0})
    alone = pooled(index, subjects, query, 10)
    assert pooled(index, [Subject(b"e" * 16), *subjects], query, 10) == alone
    assert pooled(index, [Subject(b"e" * 16)], query, 10) == []


def test_a_subject_alone_ranks_as_ever(index: VectorIndex) -> None:
    subjects, _ = dealt(rows=48, words=20)
    for subject, seed in itertools.product(subjects, range(5)):
        query = asking(direction(seed), {seed: 1.0, seed + 9: 3.0, 999: 1.0})
        assert pooled(index, [subject], query, 10) == index.search(subject, query, 10)


def test_a_whole_needs_a_part() -> None:
    with pytest.raises(VectorIndexError):
        whole_of([])
