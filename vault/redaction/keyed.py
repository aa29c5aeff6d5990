"""Values that stand under a key inside a text: JSON, `key=value`, YAML and form lines, XML, table columns.

The key says what a value is, as it does for metadata: `{"patientSSN": 536904399}` needs no further proof.
Written values are found by scanning, not by parsing: broken JSON has keys too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

_QUOTED_KEY: Final = re.compile(r"[\"']\s{0,8}:")
_TOKEN: Final = re.compile(
    r"(?P<quote>[\"'])(?P<string>(?:[^\"'\\\n]|\\.|(?!(?P=quote))[\"']){0,512})(?P=quote)(?P<colon>\s{0,8}:)?"
    r"|(?P<bare>[^\s\"'{}\[\],:]{1,64})|(?P<mark>[{}\[\],])"
)
_MAX_DEPTH: Final = 64

_KEY: Final = re.compile(
    r"(?<![\w\"'.])(?P<key>[A-Za-z][\w.]{0,40}(?:[ -]\w[\w.]{0,20}){0,3})[\"'*]{0,3}"
    r"\s{0,3}(?:=>|->|[:=])(?!//)[ \t*]{0,4}"
)
_VALUE: Final = re.compile(
    r"\"(?P<a>[^\"\n]{1,200})\"|'(?P<b>[^'\n]{1,200})'|(?P<c>[^\n,;|&{}<>\"'()]{1,120})"
)
_LINE_WORDS: Final = 6
_NEXT_KEY: Final = re.compile(r"\s(?=\w[\w.-]{0,40}\s?[:=])")
_WORD: Final = re.compile(r"\S+")

_ELEMENT: Final = re.compile(r"<(?P<key>[A-Za-z][\w.:-]{0,40})(?:\s[^<>]{0,100})?>(?P<value>[^<>]{1,200})</")
_CELL: Final = re.compile(r"[^,;|\t\n]+")
_FEWEST_COLUMNS: Final = 2

Wanted = Callable[[str], bool]


def fields(text: str, wanted: Wanted) -> Iterator[tuple[str, int, int]]:
    """(key, start, end) of each value whose key is `wanted`; a nested key is a path."""
    if ":" in text or "=" in text:
        if _QUOTED_KEY.search(text):
            yield from _json(text, wanted)
        yield from _pairs(text, wanted)
    if "</" in text:
        for match in _ELEMENT.finditer(text):
            if wanted(match["key"]):
                yield match["key"], *match.span("value")
    if "\n" in text:
        yield from _columns(text, wanted)


def _json(text: str, wanted: Wanted) -> Iterator[tuple[str, int, int]]:
    path: list[str] = []
    lists: list[bool] = []
    key = ""
    for match in _TOKEN.finditer(text):
        mark = match["mark"]
        if mark is None:
            if match["colon"] is not None:
                key = match["string"]
                continue
            where = ".".join(filter(None, (*path[-2:], key)))
            if (key or (lists and lists[-1])) and wanted(where):
                span = match.span("string" if match["quote"] else "bare")
                if span[0] < span[1]:
                    yield where, *span
        elif mark in "{[" and len(path) < _MAX_DEPTH:
            path.append(key)
            lists.append(mark == "[")
        elif mark in "}]" and path:
            path.pop()
            lists.pop()
        key = ""


def _pairs(text: str, wanted: Wanted) -> Iterator[tuple[str, int, int]]:
    for match in _KEY.finditer(text):
        key = match["key"]
        if not wanted(key):
            continue
        value = _VALUE.match(text, match.end())
        if value is None:
            continue
        if value["c"] is None:
            yield key, *value.span("a" if value["a"] is not None else "b")
            continue
        start, end = value.span("c")
        alone = text.rfind("\n", 0, match.start()) + 1 == match.start() - _indent(text, match.start())
        following = _NEXT_KEY.search(text, start, end)
        if following:
            end = following.start()
        words = [word.span() for word in _WORD.finditer(text, start, end)]
        if not words:
            continue
        if not following and not (
            alone and text[end : end + 1] in ("", "\n", ",", ";") and len(words) <= _LINE_WORDS
        ):
            words = words[: _leading(text, words)]
        first, last = words[0][0], words[-1][1]
        while last > first + 1 and text[last - 1] in ".!?":
            last -= 1
        yield key, first, last


def _indent(text: str, at: int) -> int:
    start = at
    while start > 0 and text[start - 1] in " \t-*>":
        start -= 1
    return at - start


def _leading(text: str, words: list[tuple[int, int]]) -> int:
    """How many words of an unquoted value inside a sentence belong to it: the first, and capitals or numbers."""
    count = 1
    while count < len(words) and (text[words[count][0]].isupper() or text[words[count][0]].isdigit()):
        if text[words[count - 1][1] - 1] in ".!?" and words[count - 1][1] - words[count - 1][0] > 2:
            break
        count += 1
    return count


def _columns(text: str, wanted: Wanted) -> Iterator[tuple[str, int, int]]:
    """Values of tables: rows of equally many cells under a line of wanted keys."""
    header: list[str] = []
    at = 0
    for line in text.splitlines(keepends=True):
        cells = [cell.span() for cell in _CELL.finditer(line)]
        names = [line[start:end].strip() for start, end in cells]
        if len(cells) != len(header) or len(cells) < _FEWEST_COLUMNS:
            header = names if sum(map(wanted, names)) else []
        elif not all(set(name) <= set("-: ") for name in names):
            for name, (start, end) in zip(header, cells, strict=True):
                value = line[start:end]
                if wanted(name) and value.strip():
                    first = start + len(value) - len(value.lstrip())
                    yield name, at + first, at + start + len(value.rstrip())
        at += len(line)
