"""The stand-in for a Qdrant server: what it carries out it carries out as a server does, and the rest it refuses."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pytest
from qdrant_client.http import models
from qdrant_client.http.exceptions import UnexpectedResponse
from support.edge import LOW, edge_client

from vault.errors import VectorIndexError
from vault.index.interface import Covered, Place
from vault.index.qdrant import Layout, QdrantIndex

if TYPE_CHECKING:
    from benchmarks.edge import EdgeClient

NAME, DIMENSION, POINTS = "memvault-128", 128, 3_000
HERE, ELSEWHERE = Place("t1", "s1"), Place("t2", "s2")


def identity(place: Place, n: int) -> bytes:
    return UUID(int=(int(place.sid[1:]) << 64) + n).bytes


def points(place: Place, count: int) -> list[Covered]:
    random = np.random.default_rng(len(place.sid) + count)
    vectors = random.normal(size=(count, DIMENSION)).astype(np.float32)
    return [
        Covered(identity(place, n), vector, [1, 10 + n % 5] if n % 2 else [])  # half of them without terms
        for n, vector in enumerate(vectors)
    ]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EdgeClient]:
    client = edge_client(tmp_path_factory.mktemp("edge"), **LOW)
    index = QdrantIndex(client, Layout())  # type: ignore[arg-type]
    index.put(HERE, points(HERE, POINTS))
    index.put(ELSEWHERE, points(ELSEWHERE, 20))
    yield client
    client.close()


def within(place: Place) -> models.Filter:
    return QdrantIndex._within(place.tenant, place.sid)


def asked(client: EdgeClient, query: Any, using: str, limit: int, **params: Any) -> list[models.ScoredPoint]:
    request = models.QueryRequest(
        query=query,
        using=using,
        filter=within(HERE),
        limit=limit,
        with_payload=True,
        params=models.SearchParams(**params) if params else None,
    )
    (answer,) = client.query_batch_points(
        collection_name=NAME, requests=[request], consistency=None, timeout=5
    )
    return answer.points


def test_nearest_by_cosine_within_the_filter_and_with_payload(client: EdgeClient) -> None:
    stored = points(HERE, POINTS)
    found = asked(client, stored[7].vector.tolist(), "dense", 5, exact=True)
    assert found[0].id == str(UUID(bytes=stored[7].id))
    matrix = np.stack([one.vector / np.linalg.norm(one.vector) for one in stored])
    best = np.sort(matrix @ matrix[7])[::-1][:5]
    assert [one.score for one in found] == pytest.approx(best.tolist(), abs=1e-5)
    assert all(one.payload == {"tenant": "t1", "sid": "s1"} for one in found)


def test_without_exact_a_graph_is_asked(client: EdgeClient) -> None:
    """What it finds is not always what there is: nothing else shows from outside that it is one."""
    random = np.random.default_rng(3)
    missed = 0
    for _ in range(50):
        vector = random.normal(size=DIMENSION).tolist()
        near, true = (
            {one.id for one in asked(client, vector, "dense", 20, **params)}
            for params in ({}, {"exact": True})
        )
        assert len(near) == 20
        missed += len(true - near)
    assert 0 < missed < 50 * 20 * 0.2


def test_rarity_of_a_term_is_counted_within_the_filter(client: EdgeClient) -> None:
    holders = sum(13 in one.terms for one in points(HERE, POINTS))
    term = models.SparseVector(indices=[13], values=[1.0])
    scoped = asked(client, term, "terms", 3, idf=models.IdfCorpusParams(corpus=within(HERE)))
    assert len(scoped) == 3
    assert scoped[0].score == pytest.approx(math.log((POINTS + 1) / (holders + 0.5)), rel=1e-5)
    one = models.IdfCorpusParams(corpus=within(ELSEWHERE))
    assert asked(client, term, "terms", 3, idf=one)[0].score != pytest.approx(scoped[0].score)


def test_another_configuration_changes_nothing_else(tmp_path: Path) -> None:
    client = edge_client(tmp_path, **LOW)
    index = QdrantIndex(client, Layout())  # type: ignore[arg-type]
    index.put(HERE, points(HERE, 200))
    config = tmp_path / NAME / "edge_config.json"
    before = json.loads(config.read_text())
    index.vacuum()
    assert json.loads(config.read_text()) == before
    assert before["optimizers"]["vacuum_min_vector_number"] == 1_000
    assert (before["hnsw_config"]["m"], before["hnsw_config"]["payload_m"]) == (0, 16)
    assert index.count("t1", "s1") == 200
    index.close()


def test_ids_counts_and_what_is_there(client: EdgeClient) -> None:
    assert client.count(NAME, within(HERE), exact=True, timeout=5).count == POINTS
    assert client.count(NAME, within(ELSEWHERE), exact=True, timeout=5).count == 20
    known, unknown = identity(ELSEWHERE, 3), UUID(int=77)
    (record,) = client.retrieve(
        collection_name=NAME,
        ids=[str(UUID(bytes=known)), str(unknown)],
        with_payload=True,
        consistency=None,
        timeout=5,
    )
    assert record.id == str(UUID(bytes=known))
    assert record.payload == {"tenant": "t2", "sid": "s2"}


def test_a_folder_is_found_again(tmp_path: Path) -> None:
    first = edge_client(tmp_path)
    QdrantIndex(first, Layout()).put(HERE, points(HERE, 10))  # type: ignore[arg-type]
    first.close()
    second = edge_client(tmp_path)
    assert [one.name for one in second.get_collections().collections] == [NAME]
    assert QdrantIndex(second, Layout()).count("t1", "s1") == 10  # type: ignore[arg-type]
    second.close()


@pytest.mark.parametrize(
    "changed",
    [
        {"offset": 1},
        {"score_threshold": 0.5},
        {"with_vector": True},
        {"with_payload": ["sid"]},
        {"prefetch": models.Prefetch(limit=3)},
        {"using": None},
        {"query": str(UUID(int=1))},
        {"filter": None},
        {"filter": models.Filter(must_not=[models.HasIdCondition(has_id=[1])])},
        {"filter": models.Filter(must=[models.HasIdCondition(has_id=[1])])},
        {"filter": models.Filter(must=[models.FieldCondition(key="n", range=models.Range(gt=1))])},
        {"params": models.SearchParams(hnsw_ef=10)},
        {"params": models.SearchParams(indexed_only=True)},
        {"params": models.SearchParams(idf=models.IdfScope.GLOBAL)},
    ],
)
def test_what_has_no_counterpart_is_not_left_out(client: EdgeClient, changed: dict[str, Any]) -> None:
    from benchmarks.edge import NotInEdge

    request = models.QueryRequest(
        query=[1.0] * DIMENSION, using="dense", filter=within(HERE), limit=3, with_payload=True
    ).model_copy(update=changed)
    with pytest.raises(NotInEdge):
        client.query_batch_points(collection_name=NAME, requests=[request], consistency=None, timeout=5)


def test_refusals_are_a_servers(client: EdgeClient, tmp_path: Path) -> None:
    empty = edge_client(tmp_path)
    with pytest.raises(UnexpectedResponse, match="404"):
        empty.get_collection(NAME)
    with pytest.raises(UnexpectedResponse, match="400"):  # vectors of another length
        asked(client, [1.0], "dense", 3)
    with pytest.raises(UnexpectedResponse, match="Distributed mode disabled"):
        client.create_shard_key(NAME, "t1")
    few = models.OptimizersConfigDiff(vacuum_min_vector_number=99)
    with pytest.raises(UnexpectedResponse, match="100"):
        client.update_collection(NAME, few, models.CollectionParamsDiff())


def test_shard_keys_need_a_server(tmp_path: Path) -> None:
    from benchmarks.edge import NotInEdge

    index = QdrantIndex(edge_client(tmp_path), Layout(shard_keys=True))  # type: ignore[arg-type]
    with pytest.raises(NotInEdge):
        index.put(HERE, points(HERE, 1))
    with pytest.raises(VectorIndexError):
        QdrantIndex(edge_client(tmp_path), Layout())._create_shard(NAME, "t1")  # type: ignore[arg-type]
