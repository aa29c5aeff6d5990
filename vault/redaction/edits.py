"""One rewritten stretch of a text: what views are made of."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Edit(NamedTuple):
    """`text[start:end]` reads as `text`; `reversed` says character by character from its end."""

    start: int
    end: int
    text: str
    reversed: bool = False


def apart(edits: Iterable[Edit]) -> list[Edit]:
    """The edits by start, without those that overlap an earlier one."""
    kept: list[Edit] = []
    for edit in sorted(edits):
        if not kept or edit.start >= kept[-1].end:
            kept.append(edit)
    return kept
