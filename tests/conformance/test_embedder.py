"""What every embedder must do, whatever is behind it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.embedding.interface import Embedder
from vault.embedding.static import StaticEmbedder

EMBEDDERS: dict[str, Callable[[], Embedder]] = {"static": StaticEmbedder}


@pytest.fixture(scope="module", params=EMBEDDERS)
def embedder(request: pytest.FixtureRequest) -> Embedder:
    return EMBEDDERS[request.param]()


def test_keeps_the_protocol(embedder: Embedder) -> None:
    assert isinstance(embedder, Embedder)
    assert embedder.name
    assert embedder.version
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
    assert np.array_equal(embedder.embed(texts), embedder.embed(texts))


def test_a_fresh_instance_agrees(embedder: Embedder) -> None:
    other = type(embedder)()
    text = ["She prefers morning appointments."]
    assert (other.name, other.version, other.dimension) == (
        embedder.name,
        embedder.version,
        embedder.dimension,
    )
    assert np.array_equal(other.embed(text), embedder.embed(text))


def test_rows_belong_to_the_caller(embedder: Embedder) -> None:
    text = ["She prefers morning appointments."]
    first = embedder.embed(text)
    expected = first.copy()
    first[:] = 0
    assert np.array_equal(embedder.embed(text), expected)


def test_token_ids_do_not_reach_the_vector(embedder: Embedder) -> None:
    one, other = embedder.embed(["call [PHONE:k7q2m9] first", "call [PHONE:zzzz22] first"])
    assert np.array_equal(one, other)


def test_related_texts_are_nearer(embedder: Embedder) -> None:
    asked, near, far = embedder.embed(
        [
            "What food does she avoid?",
            "She is allergic to peanuts and shellfish.",
            "The invoice was paid in March.",
        ]
    )
    assert asked @ near > asked @ far
