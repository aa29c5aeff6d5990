"""A vault whose index is Qdrant in the client's memory: as it should be, lying, or kept in a file."""

from __future__ import annotations

import os
import pickle
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import httpx
import pytest
from qdrant_client import QdrantClient
from qdrant_client.http import models
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse
from qdrant_client.local import local_collection

from vault import Vault

CANARY: Final = "Quorzil-77-vembrath"
COLLECTION: Final = "memvault-256"


def configure(folder: Path, adapter: str = "qdrant") -> None:
    """Name Qdrant in a closed vault's configuration."""
    config = folder / "memvault.toml"
    text = config.read_text().replace('adapter = "sealed"', f'adapter = "{adapter}"')
    text = text.replace('adapter = "qdrant"', f'adapter = "{adapter}"')
    config.write_text(text if "[index.qdrant]" in text else f"{text}\n[index.qdrant]\n")


def elsewhere(place: Path, name: str = "clinic") -> Vault:
    """A new vault with its index in Qdrant; the caller has put a client in the place of `qdrant.connect`."""
    Vault.init(place / name, key_folder=place / f"{name}-keys", keystore_backup="none").close()
    configure(place / name)
    return Vault.open(place / name)


class Kept(QdrantClient):
    """One engine for several openings: closing does nothing."""

    def __init__(self) -> None:
        super().__init__(":memory:")

    def close(self, grpc_grace: float | None = None, **kwargs: Any) -> None:
        """Stays open."""

    def all(self) -> list[models.Record]:
        """Every point of every tenant, with all that Qdrant holds of it."""
        names = [one.name for one in self.get_collections().collections]
        return [point for name in sorted(names) for point in self.within(name)]

    def within(self, name: str) -> list[models.Record]:
        return self.scroll(name, limit=100_000, with_payload=True, with_vectors=True)[0]


def filters_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on no point changes: the engine, which looks at each for every filter, does so once for each filter."""
    true, known = local_collection.calculate_payload_mask, {}

    def once(*, payload_filter: models.Filter | None, **arguments: Any) -> Any:
        asked = payload_filter.model_dump_json() if payload_filter is not None else ""
        if asked not in known:
            known[asked] = true(payload_filter=payload_filter, **arguments)
        return known[asked]

    monkeypatch.setattr(local_collection, "calculate_payload_mask", once)


class Hostile(Kept):
    """Answers questions as `lie` makes them of the true answers; `gone` is what it was told to remove."""

    def __init__(self) -> None:
        super().__init__()
        self.lie: Callable[[Hostile, models.QueryRequest, list[Any]], list[Any]] | None = None
        self.gone: list[models.Record] = []

    def query_batch_points(self, **arguments: Any) -> list[models.QueryResponse]:  # type: ignore[override]
        answers = super().query_batch_points(**arguments)
        if self.lie is None:
            return answers
        return [
            models.QueryResponse(points=self.lie(self, request, answer.points))
            for request, answer in zip(arguments["requests"], answers, strict=True)
        ]

    def delete(self, **arguments: Any) -> models.UpdateResult:  # type: ignore[override]
        before = {point.id: point for point in self.all()}
        done = super().delete(**arguments)
        after = {point.id for point in self.all()}
        self.gone += [point for identity, point in before.items() if identity not in after]
        return done


def _asked(request: models.QueryRequest) -> dict[str, str]:
    """The payload that the filter of a question asks for."""
    assert isinstance(request.filter, models.Filter)
    return {one.key: one.match.value for one in request.filter.must}  # type: ignore[union-attr]


def _as_hit(record: Any, payload: Any = None) -> models.ScoredPoint:
    return models.ScoredPoint(id=record.id, version=1, score=0.9, payload=payload or record.payload)


def _foreign(client: Hostile, request: models.QueryRequest, _points: list[Any]) -> list[Any]:
    return [_as_hit(record) for record in client.all()]


def _relabelled(client: Hostile, request: models.QueryRequest, _points: list[Any]) -> list[Any]:
    return [_as_hit(record, _asked(request)) for record in client.all()]


def _wrong_payload(_client: Hostile, request: models.QueryRequest, points: list[Any]) -> list[Any]:
    return [_as_hit(point, {**_asked(request), "text": CANARY}) for point in points]


def _stale(client: Hostile, request: models.QueryRequest, points: list[Any]) -> list[Any]:
    return [*(_as_hit(record, _asked(request)) for record in client.gone), *points]


def _repeated(_client: Hostile, _request: models.QueryRequest, points: list[Any]) -> list[Any]:
    return [*points, *points]


def _made_up(_client: Hostile, request: models.QueryRequest, points: list[Any]) -> list[Any]:
    ids = (str(uuid4()), 7)
    new = [models.ScoredPoint(id=one, version=1, score=2.0, payload=_asked(request)) for one in ids]
    return [*new, *points]


def _nothing(_client: Hostile, _request: models.QueryRequest, _points: list[Any]) -> list[Any]:
    return []


def _nonsense(_client: Hostile, _request: models.QueryRequest, points: list[Any]) -> list[Any]:
    return [point.model_copy(update={"score": float("nan")}) for point in points]


LIES: Final = {
    "foreign points": _foreign, "foreign points under one's own name": _relabelled, "wrong payloads": _wrong_payload,
    "stale points": _stale, "duplicates": _repeated, "ids made up": _made_up, "nothing": _nothing,
}  # fmt: skip
HARMLESS: Final = {"scores that are no numbers": _nonsense}


def _refuses(_client: Hostile, _request: models.QueryRequest, _points: list[Any]) -> list[Any]:
    raise UnexpectedResponse(500, "Internal", CANARY.encode(), httpx.Headers())


def _times_out(_client: Hostile, _request: models.QueryRequest, _points: list[Any]) -> list[Any]:
    raise ResponseHandlingException(httpx.ReadTimeout(CANARY))


def _is_away(_client: Hostile, _request: models.QueryRequest, _points: list[Any]) -> list[Any]:
    raise ConnectionRefusedError(CANARY)


def _talks_nonsense(_client: Hostile, _request: models.QueryRequest, _points: list[Any]) -> list[Any]:
    models.ScoredPoint.model_validate({"id": CANARY, "score": CANARY})
    raise AssertionError


FAILURES: Final = {
    "errors": _refuses, "time-outs": _times_out, "no connection": _is_away, "malformed": _talks_nonsense,
}  # fmt: skip


class Journal(Kept):
    """An engine whose changes are in a file once they happened: what a server has after its caller was killed."""

    def __init__(self, path: Path, step: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._path = path
        self._step = step
        if path.exists():
            with path.open("rb") as file:
                while True:
                    try:
                        name, arguments = pickle.load(file)
                    except EOFError:
                        break
                    getattr(super(), name)(**arguments)

    def _journalled(self, name: str, arguments: dict[str, Any]) -> Any:
        self._step()
        done = getattr(super(), name)(**arguments)
        with self._path.open("ab") as file:
            file.write(pickle.dumps((name, arguments)))
        self._step()
        return done

    def create_collection(self, **arguments: Any) -> bool:  # type: ignore[override]
        return bool(self._journalled("create_collection", arguments))

    def upsert(self, **arguments: Any) -> Any:  # type: ignore[override]
        return self._journalled("upsert", arguments)

    def delete(self, **arguments: Any) -> Any:  # type: ignore[override]
        return self._journalled("delete", arguments)


class Death:
    """Kills this process with SIGKILL at one step; counts them."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = 0

    def __call__(self) -> None:
        self.count += 1
        if self.count == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
