"""Qdrant's own engine in this process, behind the methods of `QdrantClient` that the adapter calls.

`qdrant-edge-py` holds the engine that the server holds: segments, graphs, payload indexes, sparse vectors, optimizers,
the write-ahead log. A collection is one shard, in a folder of its own. Whatever of a request has no counterpart there
raises `NotInEdge`; nothing is left out in silence. What the server does around the engine is as follows here:

- It optimizes in the background. Here each write ends with it, so a collection is always green.
- It flushes every five seconds and then cuts the log. Here whatever optimized something flushes, as do another
  configuration and `close`; nothing cuts the log.
- It is a server without a cluster: shard keys are refused as such a one refuses them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import UUID

import httpx
import qdrant_edge as edge
from pydantic import BaseModel
from qdrant_client.http import models
from qdrant_client.http.exceptions import UnexpectedResponse

# What a server's configuration has where nobody changed it: in its config.yaml, thresholds in KB.
LINKS: Final = 16
EF_CONSTRUCT: Final = 100
FULL_SCAN_KB: Final = 10_000
LEAST_VACUUM: Final = 100  # the server refuses less
_CONFIG: Final = "edge_config.json"  # the engine's, in the shard's folder

_T = TypeVar("_T")


class NotInEdge(Exception):  # noqa: N818 - no error of the server's: nothing may catch it as one
    """A request that this stand-in cannot carry out as the server would."""


class EdgeClient:
    """The adapter's part of `QdrantClient`, on shards in a folder; what is there is found again."""

    def __init__(
        self, folder: Path, *, full_scan_kb: int = FULL_SCAN_KB, indexing_kb: int | None = None
    ) -> None:
        """Graphs are made for segments of more than `indexing_kb`, and for subjects of more than `full_scan_kb`."""
        self._folder = folder
        self._full_scan_kb = full_scan_kb
        self._indexing_kb = indexing_kb
        self._lock = threading.RLock()  # a shard is closed and loaded again to take on another configuration
        self._shards: dict[str, Any] = {}
        self._writes = 0

    # --- collections -------------------------------------------------------------------------------------------

    def get_collections(self) -> models.CollectionsResponse:
        names = sorted(path.parent.name for path in self._folder.glob(f"*/{_CONFIG}"))
        return models.CollectionsResponse(
            collections=[models.CollectionDescription(name=name) for name in names]
        )

    def collection_exists(self, collection_name: str) -> bool:
        return (self._folder / collection_name / _CONFIG).exists()

    def get_collection(self, collection_name: str) -> models.CollectionInfo:
        """Its state and its sizes; the rest of what a server tells is not there."""
        with self._engine(collection_name) as shard:
            info = shard.info()
            return models.CollectionInfo.model_construct(
                status=models.CollectionStatus.GREEN,
                points_count=info.points_count,
                segments_count=info.segments_count,
                indexed_vectors_count=info.indexed_vectors_count,
            )

    def create_collection(
        self,
        *,
        collection_name: str,
        vectors_config: dict[str, models.VectorParams],
        sparse_vectors_config: dict[str, models.SparseVectorParams],
        hnsw_config: models.HnswConfigDiff,
        optimizers_config: models.OptimizersConfigDiff,
        on_disk_payload: bool,
        shard_number: int | None,
        sharding_method: models.ShardingMethod | None,
        replication_factor: int | None,
        write_consistency_factor: int | None,
    ) -> bool:
        if (shard_number or 1, replication_factor or 1, write_consistency_factor or 1) != (1, 1, 1):
            raise NotInEdge("more than one shard or copy")
        if sharding_method is not None:
            raise NotInEdge("shards by key")
        config = edge.EdgeConfig(
            vectors={name: _dense(params) for name, params in vectors_config.items()},
            sparse_vectors={name: _sparse(params) for name, params in sparse_vectors_config.items()},
            hnsw_config=self._graph(hnsw_config),
            optimizers=_optimizers({"indexing_threshold": self._indexing_kb}, optimizers_config),
            on_disk_payload=on_disk_payload,
        )
        path = self._folder / collection_name
        with self._lock:
            if self.collection_exists(collection_name):
                raise _refusal(409, f"Wrong input: Collection `{collection_name}` already exists!")
            path.mkdir(parents=True)
            self._shards[collection_name] = _engine(lambda: edge.EdgeShard.create(str(path), config))
        return True

    def update_collection(
        self,
        collection_name: str,
        optimizers_config: models.OptimizersConfigDiff,
        collection_params: models.CollectionParamsDiff,
    ) -> bool:
        """On return it is optimized to what was asked for; a server does that in the background."""
        _only(collection_params, "on_disk_payload")
        path = self._folder / collection_name
        with self._engine(collection_name) as shard:
            present = json.loads((path / _CONFIG).read_text())
            config = edge.EdgeConfig(  # what is left out stays as it is, but vectors may not be left out
                vectors={
                    name: _dense(models.VectorParams(**one)) for name, one in present["vectors"].items()
                },
                sparse_vectors={
                    name: _sparse(models.SparseVectorParams(**one))
                    for name, one in present["sparse_vectors"].items()
                },
                optimizers=_optimizers(present["optimizers"], optimizers_config),
                on_disk_payload=collection_params.on_disk_payload,
            )
            _engine(shard.flush)
            shard.close()
            del self._shards[collection_name]
            self._shards[collection_name] = _engine(lambda: edge.EdgeShard.load(str(path), config))
            _optimize(self._shards[collection_name])
        return True

    def create_payload_index(
        self, collection_name: str, field_name: str, field_schema: models.KeywordIndexParams
    ) -> models.UpdateResult:
        _only(field_schema, "type", "is_tenant")
        kind = edge.KeywordIndexParams(is_tenant=field_schema.is_tenant)
        return self._update(collection_name, edge.UpdateOperation.create_field_index(field_name, kind))

    def list_shard_keys(self, collection_name: str) -> models.ShardKeysResponse:
        raise _refusal(400, f"Bad request: Collection {collection_name} has no shard keys")

    def create_shard_key(self, collection_name: str, shard_key: str) -> bool:
        raise _refusal(400, "Bad request: Distributed mode disabled")

    # --- points ------------------------------------------------------------------------------------------------

    def upsert(
        self,
        *,
        collection_name: str,
        points: Sequence[models.PointStruct],
        shard_key_selector: str | None,
        wait: bool,
        ordering: models.WriteOrdering,
        timeout: int,
    ) -> models.UpdateResult:
        _no_shard(shard_key_selector)
        sent = [edge.Point(str(point.id), _vectors(point.vector), point.payload) for point in points]
        return self._update(collection_name, edge.UpdateOperation.upsert_points(sent))

    def delete(
        self,
        *,
        collection_name: str,
        points_selector: models.PointIdsList | models.FilterSelector,
        wait: bool,
        ordering: models.WriteOrdering,
        timeout: int,
    ) -> models.UpdateResult:
        if isinstance(points_selector, models.PointIdsList):
            _only(points_selector, "points")
            operation = edge.UpdateOperation.delete_points([str(one) for one in points_selector.points])
        else:
            _only(points_selector, "filter")
            operation = edge.UpdateOperation.delete_points_by_filter(_filter(points_selector.filter))
        return self._update(collection_name, operation)

    def count(
        self, collection_name: str, count_filter: models.Filter, exact: bool, timeout: int
    ) -> models.CountResult:
        request = edge.CountRequest(exact=exact, filter=_filter(count_filter))
        with self._engine(collection_name) as shard:
            return models.CountResult(count=_engine(lambda: shard.count(request)))

    def retrieve(
        self,
        *,
        collection_name: str,
        ids: Sequence[str],
        with_payload: bool,
        consistency: models.ReadConsistencyType | None,
        timeout: int,
    ) -> list[models.Record]:
        with self._engine(collection_name) as shard:
            found = _engine(lambda: shard.retrieve(list(ids), with_payload, False))
        return [_record(one) for one in found]

    def scroll(
        self, collection_name: str, *, limit: int, with_payload: bool, with_vectors: bool
    ) -> tuple[list[models.Record], str | None]:
        """For tests, which look at all that the engine has; the adapter does not call it."""
        request = edge.ScrollRequest(limit=limit, with_payload=with_payload, with_vector=with_vectors)
        with self._engine(collection_name) as shard:
            found, following = _engine(lambda: shard.scroll(request))
        return [_record(one) for one in found], str(following) if following is not None else None

    def query_batch_points(
        self,
        *,
        collection_name: str,
        requests: Sequence[models.QueryRequest],
        consistency: models.ReadConsistencyType | None,
        timeout: int,
    ) -> list[models.QueryResponse]:
        batch = edge.QueryBatchRequest([_query(request) for request in requests])
        with self._engine(collection_name) as shard:
            answers = _engine(lambda: shard.query_batch(batch))
        return [models.QueryResponse(points=[_scored(one) for one in points]) for points in answers]

    # --- the engine --------------------------------------------------------------------------------------------

    @contextmanager
    def _engine(self, name: str) -> Iterator[Any]:
        """The shard, for one caller at a time."""
        with self._lock:
            if name not in self._shards:
                if not self.collection_exists(name):
                    raise _refusal(404, f"Not found: Collection `{name}` doesn't exist!")
                path = str(self._folder / name)
                self._shards[name] = _engine(lambda: edge.EdgeShard.load(path))
            yield self._shards[name]

    def _update(self, name: str, operation: Any) -> models.UpdateResult:
        with self._engine(name) as shard:
            _engine(lambda: shard.update(operation))
            _optimize(shard)
            self._writes += 1
            return models.UpdateResult(operation_id=self._writes, status=models.UpdateStatus.COMPLETED)

    def _graph(self, diff: models.HnswConfigDiff) -> Any:
        _only(diff, "m", "payload_m")
        return edge.HnswIndexConfig(
            m=LINKS if diff.m is None else diff.m,
            ef_construct=EF_CONSTRUCT,
            full_scan_threshold=self._full_scan_kb,
            payload_m=diff.payload_m,
        )

    def close(self) -> None:
        with self._lock:
            while self._shards:
                _, shard = self._shards.popitem()
                _engine(shard.flush)
                shard.close()


# --- what is said, in the engine's words --------------------------------------------------------------------------


def _only(model: BaseModel, *known: str) -> None:
    """Nothing that is not translated may be set."""
    fields = type(model).model_fields
    others = [name for name in fields if name not in known and getattr(model, name) != fields[name].default]
    if others:
        raise NotInEdge(f"{type(model).__name__}: {', '.join(others)}")


def _no_shard(key: object) -> None:
    if key is not None:
        raise _refusal(400, f"Bad request: Shard key {key} not found")


def _dense(params: models.VectorParams) -> Any:
    _only(params, "size", "distance")
    if params.distance != models.Distance.COSINE:
        raise NotInEdge(str(params.distance))
    return edge.EdgeVectorParams(size=params.size, distance=edge.Distance.Cosine)


def _sparse(params: models.SparseVectorParams) -> Any:
    _only(params, "modifier")
    if params.modifier != models.Modifier.IDF:
        raise NotInEdge(str(params.modifier))
    return edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)


def _optimizers(present: dict[str, Any], diff: models.OptimizersConfigDiff) -> Any:
    """What there is with what is asked for in its place."""
    names = ("deleted_threshold", "vacuum_min_vector_number", "indexing_threshold")
    _only(diff, *names)
    asked = {name: getattr(diff, name) for name in names if getattr(diff, name) is not None}
    if asked.get("vacuum_min_vector_number", LEAST_VACUUM) < LEAST_VACUUM:
        raise _refusal(422, "Validation error in JSON body: vacuum_min_vector_number must be 100 or larger")
    kept = {name: value for name, value in present.items() if value is not None}
    return edge.EdgeOptimizersConfig(**{**kept, **asked})


def _vectors(vectors: Any) -> dict[str, Any]:
    if not isinstance(vectors, dict):
        raise NotInEdge("a vector without a name")
    return {name: _vector(value) for name, value in vectors.items()}


def _vector(value: Any) -> Any:
    if isinstance(value, models.SparseVector):
        return edge.SparseVector(list(value.indices), list(value.values))
    if isinstance(value, list) and all(isinstance(one, float) for one in value):
        return value
    raise NotInEdge("a vector that is neither dense nor sparse")


def _filter(wanted: models.Filter) -> Any:
    """Fields with the value that they must have; nothing else."""
    _only(wanted, "must")
    if not isinstance(wanted.must, list):
        raise NotInEdge("a filter without conditions, or with one that stands alone")
    return edge.Filter(must=[_condition(one) for one in wanted.must])


def _condition(wanted: Any) -> Any:
    if not isinstance(wanted, models.FieldCondition) or not isinstance(wanted.match, models.MatchValue):
        raise NotInEdge(f"a condition of another kind: {type(wanted).__name__}")
    _only(wanted, "key", "match")
    return edge.FieldCondition(wanted.key, match=edge.MatchValue(wanted.match.value))


def _query(request: models.QueryRequest) -> Any:
    _only(request, "query", "using", "filter", "params", "limit", "with_payload")
    if request.query is None or request.using is None or request.filter is None or request.limit is None:
        raise NotInEdge("a question without vector, name, filter or limit")
    if not isinstance(request.with_payload, bool):
        raise NotInEdge("a part of the payload")
    return edge.QueryRequest(
        query=edge.Query.Nearest(_vector(request.query), using=request.using),
        filter=_filter(request.filter),
        params=_params(request.params) if request.params is not None else None,
        limit=request.limit,
        with_payload=request.with_payload,
    )


def _params(params: models.SearchParams) -> Any:
    _only(params, "exact", "idf")
    corpus = None
    if params.idf is not None:
        if not isinstance(params.idf, models.IdfCorpusParams):
            raise NotInEdge("an IDF of another scope")
        corpus = edge.IdfParams(corpus=_filter(params.idf.corpus))
    return edge.SearchParams(exact=bool(params.exact), idf=corpus)


# --- what is answered, in the server's words ----------------------------------------------------------------------


def _scored(point: Any) -> models.ScoredPoint:
    return models.ScoredPoint(
        id=_id(point.id), version=point.version, score=point.score, payload=point.payload
    )


def _record(record: Any) -> models.Record:
    vectors = None
    if record.vector is not None:
        vectors = {
            name: models.SparseVector(indices=value.indices, values=value.values)
            if isinstance(value, edge.SparseVector)
            else value
            for name, value in record.vector.items()
        }
    return models.Record(id=_id(record.id), payload=record.payload, vector=vectors)


def _id(value: object) -> str | int:
    return str(value) if isinstance(value, UUID) else int(str(value))


def _optimize(shard: Any) -> None:
    """Until nothing is left to do; the flush lets go of the segments that others took the place of."""
    if _engine(shard.optimize):
        _engine(shard.flush)


def _engine(call: Callable[[], _T]) -> _T:
    """What the engine refuses the server answers with an error; it raises nothing more definite than Exception."""
    try:
        return call()
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise _refusal(500 if "runtime error" in str(error) else 400, str(error)) from error


def _refusal(status: int, text: str) -> UnexpectedResponse:
    body = json.dumps({"status": {"error": text}}).encode()
    return UnexpectedResponse(status, "Qdrant Edge", body, httpx.Headers())
