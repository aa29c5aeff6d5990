"""Certificates with something else in any one place: refused by name, or harmless; the verifier never crashes."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from support.erasures import Case, destroyed, resigned, unpacked

from vault.audit import verify
from vault.audit.verify import VerificationError

OTHER: list[Any] = [
    None, True, 0, 1, -1, 2**53 - 1, "", "x", "0" * 32, "0" * 64, "AAAA", "=", "\u00e9", "\n\n", [], [0], [""], {},
    {"": 0}, [[]], "9" * 30, "2026-11-21T09:30:00.007Z",
]  # fmt: skip
# What the signature alone answers for: the vault says it, and nothing in the log says otherwise.
SAID = {"software", "name", "version", "statement", "horizon", "residual", "issued", "live_erased"}


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


def put(value: Any, path: tuple[Any, ...], item: Any) -> Any:
    changed = copy.deepcopy(value)
    if not path:
        return item
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    if item is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = item
    return changed


@pytest.fixture(scope="module")
def case() -> Case:
    return destroyed()


def check_of(data: bytes, case: Case) -> str:
    try:
        verify.verify_certificate(data, case.verifiers())
    except VerificationError as error:
        return error.check or "UNNAMED"
    return ""


def test_anything_else_in_the_file(case: Case) -> None:
    bundle, _ = unpacked(case.build())
    chosen = random.Random(1)
    for path in places(bundle):
        for item in (..., *chosen.sample(OTHER, 3)):
            if path or item is not ...:
                changed = put(bundle, path, item)
                found = check_of(json.dumps(changed).encode(), case)
                assert found not in {"", "UNNAMED"} or changed == bundle or path[1:2] == ("older",), path


def test_anything_else_in_the_statement(case: Case) -> None:
    """Signed with the real key; what is taken is what only the vault can say."""
    bundle, statement = unpacked(case.build())
    chosen = random.Random(2)
    for path in places(statement):
        for item in (..., *chosen.sample(OTHER, 4)):
            if not path and item is ...:
                continue
            changed = put(statement, path, item)
            data = resigned(copy.deepcopy(bundle), changed, case.log.key, case.log.origin)
            found = check_of(data, case)
            assert found != "UNNAMED", path
            assert (
                found or changed == statement or SAID & set(path) or {"out_of_scope", "limits"} & set(path)
            ), path
