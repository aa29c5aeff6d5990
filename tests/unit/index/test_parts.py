"""Conversations of rows, told by their scope tags."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vault.index.parts import Conversations, numbered

TAGS = st.lists(st.tuples(*[st.sampled_from([0, 1, 2**64 - 1])] * 3), max_size=12)


@given(TAGS, TAGS)
def test_rows_of_one_conversation_have_one_number(
    first: list[tuple[int, int, int]], second: list[tuple[int, int, int]]
) -> None:
    known: Conversations = {}
    parts = [np.array(tags, dtype=np.uint64).reshape(-1, 3) for tags in (first, second)]
    numbers = [n for part in parts for n in numbered(part, known).tolist()]
    meant = dict(zip([*first, *second], numbers, strict=True))
    assert [meant[tags] for tags in (*first, *second)] == numbers
    assert len(set(numbers)) == len(meant) == len(known)


@given(TAGS)
def test_two_runs_have_no_conversation_in_common(tags: list[tuple[int, int, int]]) -> None:
    known: Conversations = {}
    rows = np.array(tags, dtype=np.uint64).reshape(-1, 3)
    assert not set(numbered(rows, known, 0).tolist()) & set(numbered(rows, known, 1).tolist())
