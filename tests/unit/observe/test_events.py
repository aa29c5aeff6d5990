"""No event can hold a free string."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import timedelta
from enum import Enum
from types import UnionType
from typing import Any, get_args, get_type_hints

import pytest

import vault.observe
from vault.crypto.primitives import SecretKey
from vault.observe.events import Event, Pseudo, plain
from vault.observe.pseudonyms import Kind, Pseudonyms

NUMBERS = (bool, int, float, timedelta, Pseudo, type(None))


def declared() -> Iterator[type[Event]]:
    """Every event class that a module of the package declares."""
    for module in pkgutil.walk_packages(vault.observe.__path__, "vault.observe."):
        importlib.import_module(module.name)
    waiting = Event.__subclasses__()
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if is_dataclass(one):  # `slots=True` leaves the undecorated class behind
            yield one


def kinds(annotation: Any) -> Iterator[type]:
    yield from get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)


def test_every_field_of_every_event_is_closed() -> None:
    for event in declared():
        hints = get_type_hints(event)
        for one in fields(event):
            for kind in kinds(hints[one.name]):
                closed = kind in NUMBERS or (issubclass(kind, Enum) and not issubclass(kind, str))
                assert closed, f"{event.__name__}.{one.name}"
        assert event.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert event.__module__.startswith("vault.observe.")


@pytest.mark.parametrize("value", ["text", b"bytes", ["a"], {"a": 1}, object()])
def test_anything_else_is_refused_at_run_time_too(value: Any) -> None:
    with pytest.raises(TypeError):
        plain(value)


def test_a_pseudonym_needs_a_whole_mac() -> None:
    for value in ("pat-42", b"short", bytearray(32)):
        with pytest.raises(TypeError):
            Pseudo(value)  # type: ignore[arg-type]


def test_pseudonyms_are_bound_to_key_and_kind() -> None:
    one, other = Pseudonyms(SecretKey(bytearray(b"1" * 32))), Pseudonyms(SecretKey(bytearray(b"2" * 32)))
    same = {one.of(Kind.TENANT, "pat-42"), one.of(Kind.TENANT, "pat-42")}
    assert len(same) == 1
    assert len(same | {one.of(Kind.PRINCIPAL, "pat-42"), other.of(Kind.TENANT, "pat-42")}) == 3
