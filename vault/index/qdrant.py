"""The adapter for Qdrant: one collection for all tenants, filtered by tenant and subject in here and nowhere else.

Vectors of another length are in a collection of their own: what is taken out is taken out of all of these.

A point there has a random id, a vector and terms under the subject's key (`vault.index.protect`), and two keyed
stand-ins as payload. A search takes many more candidates than it was asked for, then ranks the sealed points behind
them exactly. Whatever Qdrant answers can therefore hide a memory, and can do nothing else: an id that is not the
subject's own is dropped and reported.
"""

from __future__ import annotations

import itertools
import math
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import numpy as np
from grpc import RpcError
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http import models
from qdrant_client.http.exceptions import ApiException

from vault.errors import ConfigError, VectorIndexError
from vault.index.context import REACH
from vault.index.interface import Covered, FloatVector, Hit, OutsideIndex, OutsideReader, Place, Query
from vault.index.parts import outline_of, outline_whole, ranked_runs
from vault.index.points import Points
from vault.index.score import Outline, whole_of

# Sixteen candidates for each hit from vectors, and as many from terms; a search for ten memories asks for twelve hits.
# Of the ten nearest, 99.7 % are among the 50 nearest of the noisy vectors (research/crypto-audit section 3.2), fewer
# once what a scope shares is taken out.
OVERSAMPLE: Final = 16
LEAST: Final = 200
_WIDER: Final = (
    20_000  # in scopes above it, more by the root of their size: the more rows, the more are nearly as near
)
# So many points say what a scope's vectors have in common, and how long its memories are: candidates lie near the
# question and cannot.
SAMPLE: Final = 1_024
_EACH: Final = 10  # candidates for each term alone, so that a rare one is not lost among common ones
_MOST_TERMS: Final = 256  # of a question, which may be a long text
_DEEPER: Final = 4  # so many times more, where tags and expiry left too few
_PAYLOAD_LINKS: Final = 16  # HNSW links a point within its subject; none across subjects, whose turns differ
# Qdrant's source allows no less than 100 vectors in a segment for the vacuum (optimizers_builder.rs); 0.2 and 1,000
# are its defaults, which it gets back.
_VACUUM: Final = models.OptimizersConfigDiff(deleted_threshold=0.0, vacuum_min_vector_number=100)
_CALM: Final = models.OptimizersConfigDiff(deleted_threshold=0.2, vacuum_min_vector_number=1_000)
# Segments with fewer are written anew where their payload is to be kept in another way, there and back. All of them
# are, whether or not they have anything removed, so that is for collections of no more points than this.
_REWRITTEN: Final = 20_000
_POLL_S: Final = 0.2
_BATCH: Final = 500  # points in one request: 0.5 MB at 256 dimensions
_DENSE: Final = "dense"
_TERMS: Final = "terms"
# What the client raises for a server that is away, slow, refuses, or answers something else than its interface says.
_FAILURES: Final = (
    ApiException, QdrantException, RpcError, OSError, RuntimeError, ValueError, TypeError, LookupError, AttributeError,
)  # fmt: skip

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Layout:
    """How the collection is made and asked: shards, copies, how many copies a write and a read wait for."""

    collection: str = "memvault"
    shard_number: int | None = None
    shard_keys: bool = False  # a shard of its own for each tenant
    replication_factor: int | None = None
    write_consistency_factor: int | None = None
    read_consistency: str | None = None  # majority, quorum, all
    timeout_s: int = 5
    vacuum_timeout_s: float = 600.0


def connect(
    url: str, *, api_key: str | None, grpc_port: int | None, ca: Path | None, timeout_s: int
) -> QdrantClient:
    """A client that has not connected yet; gRPC where a port for it is given. No proxy of the environment is used."""
    options: dict[str, Any] = {"grpc.enable_http_proxy": 0}
    rest: dict[str, Any] = {"trust_env": False}
    if ca is not None:
        try:
            options["root_certificates"] = ca.read_bytes()
        except OSError:
            raise ConfigError(
                "index.ca", "the file of trusted certificates of the index cannot be read"
            ) from None
        rest["verify"] = str(ca)
    return QdrantClient(
        url=url,
        api_key=api_key,
        prefer_grpc=grpc_port is not None,
        grpc_port=grpc_port or 6334,
        grpc_options=options,
        timeout=timeout_s,
        check_compatibility=False,
        **rest,
    )


class QdrantIndex(OutsideIndex):
    """Candidates from Qdrant, ranks from the records."""

    def __init__(self, client: QdrantClient, layout: Layout) -> None:
        self._client = client
        self._layout = layout
        asked = layout.read_consistency
        self._consistency = models.ReadConsistencyType(asked) if asked is not None else None
        self._lock = threading.Lock()
        self._known: set[tuple[str, str]] = set()  # collections, each with a tenant whose part of it is there

    # --- search ------------------------------------------------------------------------------------------------

    def search(self, reader: OutsideReader, query: Query, limit: int) -> list[Hit]:
        absent, total = reader.absent(), reader.there()
        wanted = max(LEAST, OVERSAMPLE * limit)
        if total > _WIDER:
            wanted = round(wanted * math.sqrt(total / _WIDER))
        while wanted < total and len(absent) < total:  # else the records are read whole as soon
            hits = self._best_of(reader, query, limit, wanted, absent, total)
            if len(hits) >= limit:
                return hits
            wanted *= _DEEPER
        if total and self._known_there(reader, query, wanted) < total:
            reader.doubt("missing", [])
        return ranked_runs([reader.points(0)], query, limit, query.whole)

    def outline(self, reader: OutsideReader, query: Query) -> Outline:
        """Of a scope that is read whole, exact; of a larger one as its sample is, with Qdrant's count for each term."""
        absent, total = reader.absent(), reader.there()
        if total <= LEAST:
            return outline_whole(reader.points(0), query)
        frequencies = self._held_there(reader, query, total)
        runs = reader.around(absent, 0)
        _count_waiting(runs, absent, frequencies)
        return outline_of(len(query.vector), total + len(absent), runs, reader.sample(SAMPLE), frequencies)

    def _held_there(self, reader: OutsideReader, query: Query, total: int) -> dict[int, float]:
        """How many of the subject's points there hold each term of the question."""
        place, dimension = reader.place, len(query.vector)
        cover = reader.cover(dimension)
        terms = list(itertools.islice(query.terms, _MOST_TERMS))
        answers = self._batch(
            place, dimension, [self._lexical(place, {cover.term(term): 1.0}, 1) for term in terms]
        )
        return {term: _holders(answer.points, total) for term, answer in zip(terms, answers, strict=True)}

    def _best_of(
        self,
        reader: OutsideReader,
        query: Query,
        limit: int,
        wanted: int,
        absent: Sequence[int],
        total: int,
    ) -> list[Hit]:
        """The best of candidates, of what is not there yet, and of the rows around them, as in the whole scope."""
        rows, dimension = total + len(absent), len(query.vector)
        sample = reader.sample(SAMPLE)
        given = query.whole or whole_of([outline_of(dimension, rows, [], sample, {})])
        # The products of rows with the question less the mean are in the order of the centred cosines, but for lengths.
        direction = query.vector - given.mean if query.vector.any() else query.vector
        numbers, frequencies = self._candidates(reader, query, direction, wanted, total)
        runs = reader.around([*numbers, *absent], REACH)
        _count_waiting(runs, absent, frequencies)
        whole = query.whole or whole_of([outline_of(dimension, rows, runs, sample, frequencies)])
        return ranked_runs(runs, query, limit, whole)

    def _candidates(
        self, reader: OutsideReader, query: Query, direction: FloatVector, wanted: int, total: int
    ) -> tuple[list[int], dict[int, float]]:
        """Row numbers of the nearest by vector, the best by all terms, a few by each; how many points hold a term.

        That is worked out from Qdrant's own IDF over this scope; ranking takes no less than it sees itself.
        """
        dimension, place = len(direction), reader.place
        cover = reader.cover(dimension)
        terms = list(itertools.islice(query.terms, _MOST_TERMS))
        names = [cover.term(term) for term in terms]
        weights: dict[int, float] = {}
        for term, name in zip(terms, names, strict=True):
            weights[name] = weights.get(name, 0.0) + query.terms[term]
        requests = [self._request(place, cover.turned(direction).tolist(), _DENSE, wanted, None)]
        if terms:
            requests.append(self._lexical(place, weights, wanted))
        shared = len(requests)
        requests += [self._lexical(place, {name: 1.0}, _EACH) for name in names]
        answers = self._batch(place, dimension, requests)
        frequencies = {
            term: _holders(answer.points, total) for term, answer in zip(terms, answers[shared:], strict=True)
        }
        return self._believed(reader, requests, answers), frequencies

    def _known_there(self, reader: OutsideReader, query: Query, wanted: int) -> int:
        """How many of the scope's points there are, asked for as the nearest of all."""
        dimension = len(query.vector)
        vector = reader.cover(dimension).turned(query.vector).tolist()
        exactly = models.SearchParams(exact=True)
        requests = [self._request(reader.place, vector, _DENSE, wanted, exactly)]
        return len(self._believed(reader, requests, self._batch(reader.place, dimension, requests)))

    def _believed(
        self,
        reader: OutsideReader,
        requests: Sequence[models.QueryRequest],
        answers: Sequence[models.QueryResponse],
    ) -> list[int]:
        """Of what the answers name, the rows of this subject; everything else is reported."""
        place = {"tenant": reader.place.tenant, "sid": reader.place.sid}
        every: set[bytes] = set()
        for request, answer in zip(requests, answers, strict=True):
            ids: set[bytes] = set()
            for point in answer.points[: request.limit]:
                identity = _identity(point.id)
                if identity is None or point.payload != place:
                    reader.doubt("foreign", [identity or b""])
                elif identity in ids:
                    reader.doubt("repeated", [identity])
                else:
                    ids.add(identity)
            every |= ids
        known = reader.numbers(sorted(every))
        unknown = sorted(every - known.keys())
        if unknown:
            reader.doubt("unknown", unknown)
        return sorted({n for n in known.values() if n is not None})

    def _lexical(self, place: Place, weights: Mapping[int, float], limit: int) -> models.QueryRequest:
        corpus = models.SearchParams(idf=models.IdfCorpusParams(corpus=self._within(place.tenant, place.sid)))
        names = sorted(weights)
        vector = models.SparseVector(indices=names, values=[weights[name] for name in names])
        return self._request(place, vector, _TERMS, limit, corpus)

    def _request(
        self, place: Place, query: Any, using: str, limit: int, params: models.SearchParams | None
    ) -> models.QueryRequest:
        return models.QueryRequest(
            query=query,
            using=using,
            filter=self._within(place.tenant, place.sid),
            params=params,
            limit=limit,
            with_payload=True,
            shard_key=self._shard(place.tenant),
        )

    def _batch(
        self, place: Place, dimension: int, requests: list[models.QueryRequest]
    ) -> list[models.QueryResponse]:
        if not requests:
            return []
        answers = self._ask(
            self._client.query_batch_points,
            collection_name=self._prepared(place.tenant, dimension),
            requests=requests,
            consistency=self._consistency,
            timeout=self._layout.timeout_s,
        )
        if len(answers) != len(requests):
            raise _unavailable()
        return answers

    # --- what is there -----------------------------------------------------------------------------------------

    def put(self, place: Place, points: Sequence[Covered]) -> None:
        payload = {"tenant": place.tenant, "sid": place.sid}
        for part in _parts(points):
            self._write(
                self._client.upsert,
                collection_name=self._prepared(place.tenant, len(part[0].vector)),
                points=[
                    models.PointStruct(id=_name(point.id), vector=_vectors(point), payload=payload)
                    for point in part
                ],
                shard_key_selector=self._shard(place.tenant),
            )

    def remove(self, tenant: str, ids: Sequence[bytes]) -> None:
        if not ids:
            return
        for collection in self._collections():
            for part in _parts(ids):
                selected = models.PointIdsList(points=[_name(one) for one in part])
                self._write(self._client.delete, collection_name=collection, points_selector=selected)
        if self.present(tenant, ids):
            raise _left()

    def remove_all(self, tenant: str, sid: str | None = None) -> None:
        selected = models.FilterSelector(filter=self._within(tenant, sid))
        for collection in self._collections():
            self._write(self._client.delete, collection_name=collection, points_selector=selected)
        if self.count(tenant, sid):
            raise _left()

    def count(self, tenant: str, sid: str | None = None) -> int:
        within, timeout = self._within(tenant, sid), self._layout.timeout_s
        answers = [
            self._ask(
                self._client.count,
                collection_name=collection,
                count_filter=within,
                exact=True,
                timeout=timeout,
            )
            for collection in self._collections()
        ]
        return sum(int(answer.count) for answer in answers)

    def present(self, tenant: str, ids: Sequence[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        for collection in self._collections() if ids else ():
            for part in _parts(ids):
                records = self._ask(
                    self._client.retrieve,
                    collection_name=collection,
                    ids=[_name(one) for one in part],
                    with_payload=False,
                    consistency=self._consistency,
                    timeout=self._layout.timeout_s,
                )
                found.update(identity for one in records if (identity := _identity(one.id)) is not None)
        return found & set(ids)

    def vacuum(self) -> None:
        """Raises VectorIndexError `index.vacuum` where Qdrant is not done in time. Its limits: docs/qdrant.md."""
        for collection in self._collections():
            self._vacuum(collection)

    def _vacuum(self, name: str) -> None:
        deadline = time.monotonic() + self._layout.vacuum_timeout_s
        held = self._ask(self._client.get_collection, collection_name=name).points_count
        rewritten = held is not None and held <= _REWRITTEN
        try:
            self._configure(name, _VACUUM, on_disk=False if rewritten else None)
            self._settled(name, deadline)
        finally:
            self._configure(name, _CALM, on_disk=True if rewritten else None)
        if rewritten:
            self._settled(name, deadline)

    def _configure(self, name: str, optimizers: models.OptimizersConfigDiff, *, on_disk: bool | None) -> None:
        self._ask(
            self._client.update_collection,
            collection_name=name,
            optimizers_config=optimizers,
            collection_params=models.CollectionParamsDiff(on_disk_payload=on_disk),
        )

    def _settled(self, name: str, deadline: float) -> None:
        while (
            self._ask(self._client.get_collection, collection_name=name).status
            != models.CollectionStatus.GREEN
        ):
            if time.monotonic() > deadline:
                raise VectorIndexError(
                    "index.vacuum", "the index is not done with wiping what was removed: run it again"
                )
            time.sleep(_POLL_S)

    # --- the collections ---------------------------------------------------------------------------------------

    def _collections(self) -> list[str]:
        """Those of this vault that there are, whatever the length of their vectors."""
        named = re.compile(rf"{re.escape(self._layout.collection)}-[0-9]+")
        answer = self._ask(self._client.get_collections)
        names = [one.name for one in answer.collections if named.fullmatch(one.name)]
        with self._lock:  # one that somebody dropped is made again
            self._known = {known for known in self._known if known[0] in names}
        return names

    def _prepared(self, tenant: str, dimension: int) -> str:
        """The collection for vectors of this length, with shard keys the tenant's shard too; asked once for each."""
        name = f"{self._layout.collection}-{dimension}"
        if (name, tenant) not in self._known:
            with self._lock:
                if name not in {known for known, _ in self._known}:
                    self._create(name, dimension)
                if self._layout.shard_keys:
                    self._create_shard(name, tenant)
                self._known.add((name, tenant))
        return name

    def _create(self, name: str, dimension: int) -> None:
        """The collection with its payload indexes, as far as they are not there; made again they stay as they are."""
        layout = self._layout

        def there() -> bool:
            return bool(self._ask(self._client.collection_exists, collection_name=name))

        if not there():
            self._unless_there(
                self._client.create_collection,
                there,
                collection_name=name,
                vectors_config={_DENSE: models.VectorParams(size=dimension, distance=models.Distance.COSINE)},
                sparse_vectors_config={_TERMS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
                hnsw_config=models.HnswConfigDiff(m=0, payload_m=_PAYLOAD_LINKS),
                optimizers_config=_CALM,
                on_disk_payload=True,
                shard_number=layout.shard_number,
                sharding_method=models.ShardingMethod.CUSTOM if layout.shard_keys else None,
                replication_factor=layout.replication_factor,
                write_consistency_factor=layout.write_consistency_factor,
            )
        for field, is_tenant in (("sid", True), ("tenant", False)):
            kind = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=is_tenant)
            self._ask(
                self._client.create_payload_index, collection_name=name, field_name=field, field_schema=kind
            )

    def _create_shard(self, name: str, tenant: str) -> None:
        def there() -> bool:
            answer = self._ask(self._client.list_shard_keys, collection_name=name)
            return any(one.key == tenant for one in answer.shard_keys or ())

        if not there():
            self._unless_there(self._client.create_shard_key, there, collection_name=name, shard_key=tenant)

    def _unless_there(self, make: Callable[..., object], there: Callable[[], bool], **arguments: Any) -> None:
        """Make something that another process may have made a moment ago."""
        try:
            self._ask(make, **arguments)
        except VectorIndexError:
            if not there():
                raise

    @staticmethod
    def _within(tenant: str, sid: str | None) -> models.Filter:
        wanted = [("tenant", tenant), *([("sid", sid)] if sid is not None else [])]
        return models.Filter(
            must=[
                models.FieldCondition(key=key, match=models.MatchValue(value=value)) for key, value in wanted
            ]
        )

    def _shard(self, tenant: str) -> str | None:
        return tenant if self._layout.shard_keys else None

    def _write(self, method: Callable[..., models.UpdateResult], **arguments: Any) -> None:
        """A write that is in place when it returns, on as many copies as the collection asks for, in order.

        What is taken out is taken out of every shard: a tenant's stand-in changes with a rotation, its old shard stays.
        """
        timeout = self._layout.timeout_s
        order = models.WriteOrdering.STRONG
        answer = self._ask(method, wait=True, ordering=order, timeout=timeout, **arguments)
        if answer.status != models.UpdateStatus.COMPLETED:
            raise _unavailable()

    def _ask(self, method: Callable[..., _T], **arguments: Any) -> _T:
        """One call of the client; whatever it raises becomes one error without content."""
        try:
            return method(**arguments)
        except _FAILURES:
            raise _unavailable() from None

    # --- nothing is cached -------------------------------------------------------------------------------------

    def forget(self, tenant: bytes, sid: bytes | None = None) -> None:
        """Nothing of a subject is kept in this process."""

    def clear(self) -> None:
        """Nothing of a subject is kept in this process."""

    def describe(self) -> dict[str, int | str]:
        return {"adapter": "qdrant", "collection": self._layout.collection}

    def close(self) -> None:
        self._client.close()


def _identity(value: object) -> bytes | None:
    """The 16 bytes of a point's id; None for one that the vault did not give."""
    try:
        return UUID(str(value)).bytes
    except ValueError:
        return None


def _holders(points: Sequence[models.ScoredPoint], total: int) -> float:
    """How many points hold a term, from the score of one that does: its IDF, which is log((N + 1) / (n + 0.5))."""
    score = points[0].score if points else 0.0
    return min((total + 1) / math.exp(score) - 0.5, total) if 0.0 < score < math.log(2 * total + 2) else 0.0


def _name(identity: bytes) -> str:
    return str(UUID(bytes=identity))


def _parts(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """As many at a time as one request takes."""
    for start in range(0, len(values), _BATCH):
        yield values[start : start + _BATCH]


def _vectors(point: Covered) -> dict[str, Any]:
    """Both, of a text without terms too: Qdrant's IDF counts the points that have such a vector, whatever is in it."""
    terms = models.SparseVector(indices=point.terms, values=[1.0] * len(point.terms))
    return {_DENSE: point.vector.tolist(), _TERMS: terms}


def _count_waiting(runs: Sequence[Points], absent: Sequence[int], frequencies: dict[int, float]) -> None:
    """Add the points that are not there yet to how many hold each term."""
    for run in runs if absent else ():
        waiting = np.repeat(np.isin(run.n, absent), run.sizes)
        for term in run.terms[waiting].tolist():
            if term in frequencies:
                frequencies[term] += 1


def _unavailable() -> VectorIndexError:
    return VectorIndexError(
        "index.unavailable", "the index is away, slow, or did not answer as it must; try again"
    )


def _left() -> VectorIndexError:
    return VectorIndexError("index.left", "the index still has points that were taken out; run it again")
