"""Metadata: keys are text, numbers can be identifiers, nothing is walked past the limits."""

from __future__ import annotations

import pytest

from vault.errors import InvalidInputError
from vault.redaction.structure import MAX_CHARS, MAX_DEPTH, MAX_NODES, walk_metadata
from vault.types import Metadata


def seen(metadata: Metadata) -> list[tuple[str, str | None]]:
    calls: list[tuple[str, str | None]] = []

    def visit(text: str, context: str | None) -> str:
        calls.append((text, context))
        return text

    assert walk_metadata(metadata, visit) == metadata
    return calls


def test_every_text_key_and_number_is_visited_with_its_key() -> None:
    assert seen({"a": "x", "b": {"ssn": 536904399, "ok": True}, "c": ["y", 1.5, None, ["z"]]}) == [
        ("a", None),
        ("x", "a"),
        ("b", None),
        ("ssn", None),
        ("536904399", "b.ssn"),
        ("ok", None),
        ("c", None),
        ("y", "c"),
        ("1.5", "c"),
        ("z", "c"),
    ]


def test_numbers_keep_their_type_unless_changed() -> None:
    metadata: Metadata = {"ssn": 536904399, "n": 7, "x": 2.5, "whole": 536904399.0}
    done = walk_metadata(metadata, lambda text, _: "[SSN]" if text == "536904399" else text)
    assert done == {"ssn": "[SSN]", "n": 7, "x": 2.5, "whole": "[SSN]"}
    assert type(done["n"]) is int
    assert metadata["ssn"] == 536904399


def test_keys_are_replaced_and_told_apart() -> None:
    done = walk_metadata({"a@b.c": 1, "d@e.f": 2, "x": 3}, lambda text, _: "[EMAIL]" if "@" in text else text)
    assert done == {"[EMAIL]": 1, "[EMAIL] 2": 2, "x": 3}


def test_limits() -> None:
    deep: Metadata = {}
    for _ in range(MAX_DEPTH):
        deep = {"k": deep}
    seen(deep)
    with pytest.raises(InvalidInputError) as caught:
        seen({"k": deep})
    assert caught.value.code == "metadata.depth"
    with pytest.raises(InvalidInputError) as caught:
        seen({"k": [None] * MAX_NODES})
    assert caught.value.code == "metadata.size"
    with pytest.raises(InvalidInputError) as caught:
        seen({"k": "x" * MAX_CHARS})
    assert caught.value.code == "metadata.length"


def test_a_cycle_ends_in_an_error() -> None:
    loop: Metadata = {}
    loop["self"] = loop
    with pytest.raises(InvalidInputError):
        seen(loop)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"x", {1: "x"}])
def test_what_json_does_not_have_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        walk_metadata({"k": value}, lambda text, _: text)  # type: ignore[dict-item]
    assert caught.value.code.startswith("metadata.")
