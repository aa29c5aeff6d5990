"""One regex for many words, shared beginnings written once: `either(("may", "mars"))` is `ma(?:rs|y)`.

The engine tries alternatives one after the other; a tree of them leaves it a few characters to try.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby


def either(words: Iterable[str]) -> str:
    """What matches any of the words, the longest that fits; a group wherever it needs to be one."""
    return _tree(sorted(set(words)))


def _tree(words: list[str]) -> str:
    rest = [word for word in words if word]
    ways = [
        re.escape(first).replace("\\ ", " ") + _tree([word[1:] for word in group])
        for first, group in groupby(rest, key=lambda word: word[0])
    ]
    if not ways:
        return ""
    optional = len(rest) < len(words)
    return f"(?:{'|'.join(ways)})" + ("?" if optional else "") if optional or len(ways) > 1 else ways[0]
