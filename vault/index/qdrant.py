"""The adapter for Qdrant: one collection for all tenants, filtered by tenant and subject in here and nowhere else.

A point there has a random id, a vector and terms under the subject's key (`vault.index.protect`), and two keyed
stand-ins as payload. A search takes many more candidates than it was asked for, then ranks the sealed points behind
them exactly. Whatever Qdrant answers can therefore hide a memory, and can do nothing else: an id that is not the
subject's own is dropped and reported.
"""

from __future__ import annotations

import math
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
from vault.index.interface import (
    Covered,
    Hit,
    OutsideIndex,
    OutsideReader,
    Place,
    Points,
    Query,
    join_points,
)
from vault.index.score import ScopeIndex, idf

# Ten candidates for each hit from vectors, and as many from terms: of the ten nearest, 99.7 % are among the 50 nearest
# of the noisy vectors (research/crypto-audit section 3.2).
OVERSAMPLE: Final = 10
LEAST: Final = 100
_DEEPER: Final = 4  # so many times more, where tags and expiry left too few
_PAYLOAD_LINKS: Final = 16  # HNSW links a point within its subject; none across subjects, whose turns differ
# Qdrant's source allows no less than 100 vectors in a segment for the vacuum (optimizers_builder.rs); 0.2 and 1,000
# are its defaults, which it gets back.
_VACUUM: Final = models.OptimizersConfigDiff(deleted_threshold=0.0, vacuum_min_vector_number=100)
_CALM: Final = models.OptimizersConfigDiff(deleted_threshold=0.2, vacuum_min_vector_number=1_000)
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

    def __init__(self, client: QdrantClient, dimension: int, layout: Layout) -> None:
        self._client = client
        self._dimension = dimension
        self._layout = layout
        self._collection = f"{layout.collection}-{dimension}"
        asked = layout.read_consistency
        self._consistency = models.ReadConsistencyType(asked) if asked is not None else None
        self._lock = threading.Lock()
        self._known: set[str] = set()  # tenants whose part of the collection is there

    # --- search ------------------------------------------------------------------------------------------------

    def search(self, reader: OutsideReader, query: Query, limit: int) -> list[Hit]:
        absent, total = reader.absent(), reader.there()
        wanted = max(LEAST, OVERSAMPLE * limit)
        while True:
            every = wanted >= total
            numbers = self._candidates(reader, query, wanted, every=every) if total else []
            if every and len(numbers) < total:
                reader.doubt("missing", [])
                points = reader.points(0)
            else:
                points = join_points([reader.at(numbers), absent])
            weights = query.terms if every else self._weights(reader, query, points, absent, total)
            hits = self._ranked(points, query, weights)
            if every or len(hits) >= limit:
                return hits[:limit]
            wanted *= _DEEPER

    def _ranked(self, points: Points, query: Query, weights: Mapping[int, float]) -> list[Hit]:
        scope = ScopeIndex(self._dimension)
        scope.extend(points.n, points.vectors, points.scales, points.terms, points.counts, points.sizes)
        facts = dict(zip(points.n, points.facts, strict=True))
        ranked = scope.search(query.vector, weights, len(points.n))
        scope.clear()
        return [Hit(n, score, explain) for n, score, explain in ranked if query.admits(*facts[n])]

    def _candidates(self, reader: OutsideReader, query: Query, wanted: int, *, every: bool) -> list[int]:
        """Row numbers of the nearest by vector and of the best by terms; all there are, where `every`."""
        cover, place = reader.cover(self._dimension), reader.place
        near = models.SearchParams(exact=True) if every else None
        vector = cover.turned(query.vector).tolist()
        requests = [self._request(place, vector, _DENSE, wanted, near)]
        weights: dict[int, float] = {}
        for term, weight in query.terms.items():
            name = cover.term(term)
            weights[name] = weights.get(name, 0.0) + weight
        if weights and not every:
            requests.append(self._lexical(place, weights, wanted))
        numbers: set[int] = set()
        for answer in self._batch(place, requests):
            numbers.update(self._believed(reader, answer.points[:wanted]))
        return sorted(numbers)

    def _believed(self, reader: OutsideReader, found: Sequence[models.ScoredPoint]) -> Iterator[int]:
        """Of what one answer names, the rows of this subject; everything else is reported."""
        place = {"tenant": reader.place.tenant, "sid": reader.place.sid}
        ids: dict[bytes, None] = {}
        for point in found:
            identity = _identity(point.id)
            if identity is None or point.payload != place:
                reader.doubt("foreign", [identity or b""])
            elif identity in ids:
                reader.doubt("repeated", [identity])
            else:
                ids[identity] = None
        known = reader.numbers(list(ids))
        unknown = [identity for identity in ids if identity not in known]
        if unknown:
            reader.doubt("unknown", unknown)
        return (n for n in known.values() if n is not None)

    def _weights(
        self, reader: OutsideReader, query: Query, points: Points, absent: Points, total: int
    ) -> dict[int, float]:
        """The query's terms, weighted so that their IDF among the candidates becomes that of the whole scope.

        How many points hold a term is worked out from Qdrant's own IDF over this scope, asked for term by term; what
        it says is kept between what was seen and what is possible.
        """
        cover, place = reader.cover(self._dimension), reader.place
        here, held = _frequencies(points), _frequencies(absent)
        terms = [term for term in query.terms if term in here]
        requests = [self._lexical(place, {cover.term(term): 1.0}, 1) for term in terms]
        weights = dict(query.terms)
        for term, answer in zip(terms, self._batch(place, requests), strict=True):
            seen = here[term] - held.get(term, 0)
            score = answer.points[0].score if answer.points else 0.0
            counted = (total + 1) / math.exp(score) - 0.5 if 0.0 < score < math.log(2 * total + 2) else seen
            frequency = min(max(counted, seen), total) + held.get(term, 0)
            whole = idf(total + len(absent.n), frequency)
            weights[term] *= whole / idf(len(points.n), here[term])
        return weights

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

    def _batch(self, place: Place, requests: list[models.QueryRequest]) -> list[models.QueryResponse]:
        if not requests:
            return []
        self._prepare(place.tenant)
        answers = self._ask(
            self._client.query_batch_points,
            requests=requests,
            consistency=self._consistency,
            timeout=self._layout.timeout_s,
        )
        if len(answers) != len(requests):
            raise _unavailable()
        return answers

    # --- what is there -----------------------------------------------------------------------------------------

    def put(self, place: Place, points: Sequence[Covered]) -> None:
        self._prepare(place.tenant)
        payload = {"tenant": place.tenant, "sid": place.sid}
        for start in range(0, len(points), _BATCH):
            structs = [
                models.PointStruct(id=str(UUID(bytes=point.id)), vector=_vectors(point), payload=payload)
                for point in points[start : start + _BATCH]
            ]
            self._write(self._client.upsert, points=structs, shard_key_selector=self._shard(place.tenant))

    def remove(self, tenant: str, ids: Sequence[bytes]) -> None:
        if not ids:
            return
        self._prepare(tenant)
        for start in range(0, len(ids), _BATCH):
            names: list[int | str | UUID] = [str(UUID(bytes=one)) for one in ids[start : start + _BATCH]]
            self._write(self._client.delete, points_selector=models.PointIdsList(points=names))
        if self.present(tenant, ids):
            raise _left()

    def remove_all(self, tenant: str, sid: str | None = None) -> None:
        self._prepare(tenant)
        self._write(
            self._client.delete, points_selector=models.FilterSelector(filter=self._within(tenant, sid))
        )
        if self.count(tenant, sid):
            raise _left()

    def count(self, tenant: str, sid: str | None = None) -> int:
        self._prepare(tenant)
        within, timeout = self._within(tenant, sid), self._layout.timeout_s
        return int(self._ask(self._client.count, count_filter=within, exact=True, timeout=timeout).count)

    def present(self, tenant: str, ids: Sequence[bytes]) -> set[bytes]:
        self._prepare(tenant)
        found: set[bytes] = set()
        for start in range(0, len(ids), _BATCH):
            records = self._ask(
                self._client.retrieve,
                ids=[str(UUID(bytes=one)) for one in ids[start : start + _BATCH]],
                with_payload=False,
                consistency=self._consistency,
                timeout=self._layout.timeout_s,
            )
            found.update(identity for one in records if (identity := _identity(one.id)) is not None)
        return found & set(ids)

    def vacuum(self) -> None:
        """Raises VectorIndexError `index.vacuum` where Qdrant is not done in time. Its limits: docs/qdrant.md."""
        self._ask(self._client.update_collection, optimizers_config=_VACUUM)
        try:
            deadline = time.monotonic() + self._layout.vacuum_timeout_s
            while self._ask(self._client.get_collection).status != models.CollectionStatus.GREEN:
                if time.monotonic() > deadline:
                    raise VectorIndexError(
                        "index.vacuum", "the index is not done with wiping what was removed: run it again"
                    )
                time.sleep(_POLL_S)
        finally:
            self._ask(self._client.update_collection, optimizers_config=_CALM)

    # --- the collection ----------------------------------------------------------------------------------------

    def _prepare(self, tenant: str) -> None:
        """The collection is there, and with shard keys the tenant's shard; asked once for each tenant."""
        if tenant in self._known:
            return
        with self._lock:
            if not self._ask(self._client.collection_exists):
                self._create()
            if self._layout.shard_keys:
                self._create_shard(tenant)
            self._known.add(tenant)

    def _create(self) -> None:
        layout = self._layout
        self._unless_there(
            self._client.create_collection,
            lambda: bool(self._ask(self._client.collection_exists)),
            vectors_config={
                _DENSE: models.VectorParams(size=self._dimension, distance=models.Distance.COSINE)
            },
            sparse_vectors_config={_TERMS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            hnsw_config=models.HnswConfigDiff(m=0, payload_m=_PAYLOAD_LINKS),
            optimizers_config=_CALM,
            shard_number=layout.shard_number,
            sharding_method=models.ShardingMethod.CUSTOM if layout.shard_keys else None,
            replication_factor=layout.replication_factor,
            write_consistency_factor=layout.write_consistency_factor,
        )
        for name, is_tenant in (("sid", True), ("tenant", False)):
            kind = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=is_tenant)
            self._ask(self._client.create_payload_index, field_name=name, field_schema=kind)

    def _create_shard(self, tenant: str) -> None:
        def there() -> bool:
            answer = self._ask(self._client.list_shard_keys)
            return any(one.key == tenant for one in answer.shard_keys or ())

        if not there():
            self._unless_there(self._client.create_shard_key, there, shard_key=tenant)

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
            return method(collection_name=self._collection, **arguments)
        except _FAILURES:
            raise _unavailable() from None

    # --- nothing is cached -------------------------------------------------------------------------------------

    def forget(self, tenant: bytes, sid: bytes | None = None) -> None:
        """Nothing of a subject is kept in this process."""

    def clear(self) -> None:
        """Nothing of a subject is kept in this process."""

    def describe(self) -> dict[str, int | str]:
        return {"adapter": "qdrant", "collection": self._collection}

    def close(self) -> None:
        self._client.close()


def _identity(value: object) -> bytes | None:
    """The 16 bytes of a point's id; None for one that the vault did not give."""
    try:
        return UUID(str(value)).bytes
    except ValueError:
        return None


def _vectors(point: Covered) -> dict[str, Any]:
    found: dict[str, Any] = {_DENSE: point.vector.tolist()}
    if point.terms:
        found[_TERMS] = models.SparseVector(indices=point.terms, values=[1.0] * len(point.terms))
    return found


def _frequencies(points: Points) -> dict[int, int]:
    """How many of the points hold each term; a point names a term once."""
    terms, counts = np.unique(points.terms, return_counts=True)
    return dict(zip(terms.tolist(), counts.tolist(), strict=True))


def _unavailable() -> VectorIndexError:
    return VectorIndexError(
        "index.unavailable", "the index is away, slow, or did not answer as it must; try again"
    )


def _left() -> VectorIndexError:
    return VectorIndexError("index.left", "the index still has points that were taken out; run it again")
