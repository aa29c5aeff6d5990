"""Services that embed: what is sent in each wire format, and that no wrong answer becomes a vector."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from support.models import NARROW, NarrowEmbedder, Service, serving

from vault.door import Door
from vault.embedding.remote import AzureEmbedder, OllamaEmbedder, OpenAIEmbedder, RemoteEmbedder
from vault.errors import EgressError, EmbedderError

TEXTS = ["She prefers mornings", "", "[EMAIL:k7q2m9] wrote", "  ", "The invoice was paid"]
SENT = ["She prefers mornings", " email  wrote", "The invoice was paid"]
KINDS: dict[str, Callable[..., RemoteEmbedder]] = {
    "openai": OpenAIEmbedder,
    "azure": lambda *arguments, **options: AzureEmbedder(*arguments, api_version="2024-10-21", **options),
    "ollama": OllamaEmbedder,
}


@pytest.fixture
def service() -> Iterator[Service]:
    with serving(Service()) as made:
        yield made


@pytest.fixture
def make(service: Service) -> Iterator[Callable[..., RemoteEmbedder]]:
    door = Door(service.url, ca=None, proxy=None, loopback=True, timeout_s=5.0)

    def made(kind: str = "openai", **options: Any) -> RemoteEmbedder:
        settings = {"dimension": NARROW, "revision": "1", "batch": 64, "key": lambda: "sk-1", **options}
        return KINDS[kind](door, "some/model", **settings)

    yield made
    door.close()


WANTED = {
    "openai": (
        "/embeddings",
        {"model": "some/model", "input": SENT, "encoding_format": "float"},
        ("authorization", "Bearer sk-1"),
    ),
    "azure": (
        "/openai/deployments/some%2Fmodel/embeddings?api-version=2024-10-21",
        {"model": "some/model", "input": SENT, "encoding_format": "float"},
        ("api-key", "sk-1"),
    ),
    "ollama": (
        "/api/embed",
        {"model": "some/model", "input": SENT, "truncate": False},
        ("authorization", "Bearer sk-1"),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_sent_and_what_comes_of_it(
    service: Service, make: Callable[..., RemoteEmbedder], kind: str
) -> None:
    embedder = make(kind)
    rows = embedder.embed(TEXTS)
    (asked,) = service.asked
    path, document, (header, value) = WANTED[kind]
    assert (asked.path, asked.document, asked.headers[header]) == (path, document, value)
    assert b"k7q2m9" not in service.received
    assert (embedder.name, embedder.version, embedder.address) == (f"{kind}:some/model", "1", "127.0.0.1")
    assert rows == pytest.approx(NarrowEmbedder().embed(TEXTS), abs=1e-5)
    assert not rows[1].any()
    assert not rows[3].any()


@pytest.mark.parametrize("kind", KINDS)
def test_a_length_is_asked_for_where_that_is_configured(
    service: Service, make: Callable[..., RemoteEmbedder], kind: str
) -> None:
    make(kind, ask_dimension=True).embed(["x"])
    assert service.asked[0].document["dimensions"] == NARROW


def test_without_a_key_no_header_of_it_is_sent(service: Service, make: Callable[..., RemoteEmbedder]) -> None:
    make("ollama", key=None).embed(["x"])
    assert "authorization" not in service.asked[0].headers


def test_texts_go_in_batches(service: Service, make: Callable[..., RemoteEmbedder]) -> None:
    texts = [f"number {n}" for n in range(7)]
    rows = make(batch=3).embed(texts)
    assert [len(asked.document["input"]) for asked in service.asked] == [3, 3, 1]
    assert rows == pytest.approx(NarrowEmbedder().embed(texts), abs=1e-5)


def test_no_text_and_only_blank_texts_ask_nobody(
    service: Service, make: Callable[..., RemoteEmbedder]
) -> None:
    assert make().embed([]).shape == (0, NARROW)
    assert not make().embed(["", " \n"]).any()
    assert service.asked == []


def altered(document: dict[str, Any], change: Callable[[list[Any]], Any]) -> bytes:
    """An answer whose list of vectors was changed, in either format."""
    if "embeddings" in document:
        document["embeddings"] = change(document["embeddings"])
    else:
        vectors = [entry["embedding"] for entry in document["data"]]
        changed = change(vectors)
        if not isinstance(changed, list):
            document["data"] = changed
        else:
            document["data"] = [{"index": n, "embedding": one} for n, one in enumerate(changed)]
    return json.dumps(document).encode()


WRONG: dict[str, Callable[[list[Any]], Any]] = {
    "one too few": lambda vectors: vectors[:-1],
    "one too many": lambda vectors: [*vectors, vectors[0]],
    "none": lambda _: [],
    "null": lambda _: None,
    "an object": lambda _: {"0": [1.0]},
    "a number": lambda _: 7,
    "too short": lambda vectors: [vectors[0][:-1], *vectors[1:]],
    "too long": lambda vectors: [[*vectors[0], 0.0], *vectors[1:]],
    "words": lambda vectors: [["1.0"] * NARROW, *vectors[1:]],
    "truth values": lambda vectors: [[True] * NARROW, *vectors[1:]],
    "nothing": lambda vectors: [[None] * NARROW, *vectors[1:]],
    "nested": lambda vectors: [[[0.5]] * NARROW, *vectors[1:]],
    "over float32": lambda vectors: [[1e39] * NARROW, *vectors[1:]],
    "over float64": lambda vectors: [[10**400] * NARROW, *vectors[1:]],
    "a text": lambda vectors: ["0.5" * NARROW, *vectors[1:]],
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_an_answer_of_another_shape_is_refused(
    service: Service, make: Callable[..., RemoteEmbedder], kind: str, wrong: str
) -> None:
    service.answer = lambda handler, texts: handler.reply(
        altered(service.document(handler.path, texts), WRONG[wrong])
    )
    with pytest.raises(EmbedderError) as caught:
        make(kind).embed(["first", "second"])
    assert caught.value.code == "embedder.answer"
    assert "first" not in str(caught.value)


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_numbers_that_are_none_are_refused(
    service: Service, make: Callable[..., RemoteEmbedder], constant: bytes
) -> None:
    def answer(handler: Any, texts: list[str]) -> None:
        rest = json.dumps(service.vectors(texts)[0][1:]).encode()[1:]
        handler.reply(b'{"data": [{"index": 0, "embedding": [' + constant + b", " + rest + b"}]}")

    service.answer = answer
    with pytest.raises(EgressError) as caught:
        make().embed(["first"])
    assert caught.value.code == "egress.reply"


@pytest.mark.parametrize("indexes", [[0, 0], [1, 2], [-1, 0], ["a", "b"], [None, 0]])
def test_vectors_that_do_not_say_whose_they_are_are_refused(
    service: Service, make: Callable[..., RemoteEmbedder], indexes: list[Any]
) -> None:
    def answer(handler: Any, texts: list[str]) -> None:
        vectors = service.vectors(texts)
        data = [{"index": i, "embedding": v} for i, v in zip(indexes, vectors, strict=True)]
        handler.reply(json.dumps({"data": data}).encode())

    service.answer = answer
    with pytest.raises(EmbedderError) as caught:
        make().embed(["first", "second"])
    assert caught.value.code == "embedder.answer"


def test_more_than_the_vectors_could_need_is_not_read(
    service: Service, make: Callable[..., RemoteEmbedder]
) -> None:
    service.answer = lambda handler, _: handler.reply(b" " * 200_000)
    with pytest.raises(EgressError) as caught:
        make().embed(["first"])
    assert caught.value.code == "egress.size"


def test_one_bad_batch_refuses_all(service: Service, make: Callable[..., RemoteEmbedder]) -> None:
    def answer(handler: Any, texts: list[str]) -> None:
        if len(service.asked) == 2:
            handler.reply(b"{}", 503)
        else:
            handler.reply(json.dumps(service.document(handler.path, texts)).encode())

    service.answer = answer
    with pytest.raises(EgressError):
        make(batch=1).embed(["first", "second", "third"])
    assert len(service.asked) == 2


def test_rows_are_of_length_one(make: Callable[..., RemoteEmbedder]) -> None:
    assert np.linalg.norm(make().embed(["x", "y z"]), axis=1) == pytest.approx(1.0, abs=1e-5)
