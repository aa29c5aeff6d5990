"""The `conll` format: one token a line with its tag, blank lines between texts; IOB, IOB2, IO and BIOES tags.

Tokens are joined to a text as it was probably written, and every offset is exact in that text. Where a comment
`# text = ...` gives the text itself and the tokens are found in it, that text is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from vault.errors import InvalidInputError
from vault.redaction.evaluation import labels
from vault.redaction.evaluation.samples import DataSet, Sample, Span

_TAG: Final = re.compile(r"O|[BIESLU]-[^\s-][^\s]*")
_RAW: Final = "# text = "
_COMMENT: Final = re.compile(r"#\s*[A-Za-z_:]+[\w: ]*=")  # `# sent_id = 7`, `# newdoc id = x`
_DOCUMENT: Final = "-DOCSTART-"
_HANDLE: Final = "@"

_NO_SPACE_BEFORE: Final = re.compile(
    r"[,.!?;:%)\]}’”…]+|'(?:s|m|d|re|ve|ll|t)|’(?:s|m|d|re|ve|ll|t)|n['’]t", re.I
)
_NO_SPACE_AFTER: Final = frozenset("([{$#£€“‘")
_QUOTE: Final = '"'
_APOSTROPHES: Final = frozenset("'’´`")
_CUT: Final = frozenset({"s", "m", "d", "re", "ve", "ll", "t"})  # what a tokeniser leaves after an apostrophe

# What the entity types of these corpora mean to us; any other type (product, creative-work, MISC) is no
# personal data and is read as unmarked text.
_MARKED: Final = frozenset({"PERSON", "LOCATION", "ORGANIZATION"})


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    tag: str
    line: int


def read_columns(lines: Sequence[str]) -> DataSet:
    """The texts of a column file; raises InvalidInputError naming the line that has no tag."""
    made = DataSet("conll")
    types: set[str] = set()
    columns = _Columns(lines)
    for raw, tokens in columns.texts():
        sample = _sample(raw, tokens, types, made)
        if sample.text:
            made.samples.append(sample)
    known = {labels.group(one, "conll") for one in types}
    made.classes = frozenset().union(*(labels.accepts(name) for name in known if _is_marked(name)))
    return made


def _is_marked(name: str) -> bool:
    return name in _MARKED or bool(labels.accepts(name))


class _Columns:
    """Which columns hold token and tag, told from the file itself."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = lines
        rows = [(number, cells) for number, line in enumerate(lines, 1) if (cells := self._cells(line))]
        full = [cells for _, cells in rows if len(cells) > 1]
        if not full:
            raise InvalidInputError("data.columns", "the file has no lines with a token and a tag")
        most = max(len(cells) for cells in full)
        self._token = 1 if most > 2 and all(c[0].partition("-")[0].isdigit() for c in full) else 0
        share = [sum(len(c) > at and _TAG.fullmatch(c[at]) is not None for c in full) for at in range(most)]
        self._tag = max(range(self._token + 1, most), key=lambda at: (share[at], at))
        if share[self._tag] == 0:
            raise InvalidInputError("data.columns", "the file has no column of IOB tags")

    def texts(self) -> Iterator[tuple[str | None, list[_Token]]]:
        raw: str | None = None
        tokens: list[_Token] = []
        for number, line in enumerate(self._lines, 1):
            cells = self._cells(line)
            if cells:
                tokens += self._read(cells, number)
                continue
            if line.startswith(_RAW):
                raw = line.removeprefix(_RAW)
            elif not line.strip() and tokens:
                yield raw, tokens
                raw, tokens = None, []
        if tokens:
            yield raw, tokens

    def _read(self, cells: list[str], number: int) -> Iterator[_Token]:
        if cells[0].startswith(_DOCUMENT) or (self._token and not cells[0].isdigit()):
            return  # `3-4` repeats what the next two lines hold
        if len(cells) > self._tag and _TAG.fullmatch(cells[self._tag]):
            tag = cells[self._tag]
        elif _TAG.fullmatch(cells[-1]):
            tag = cells[-1]  # a token that holds a blank, or no token at all, shifts the columns
        else:
            raise InvalidInputError("data.line", f"line {number}: no IOB tag where the other lines have one")
        text = cells[self._token].strip() if len(cells) > self._token + 1 else ""
        if text:
            yield _Token(text, tag, number)

    @staticmethod
    def _cells(line: str) -> list[str]:
        """The cells of a line; none for a blank line or a comment."""
        if not line.strip():
            return []
        if _COMMENT.match(line):
            return []
        cells = line.split("\t") if "\t" in line else line.split()
        commented = line.startswith("#") and not (len(cells) > 1 and _TAG.fullmatch(cells[-1]))
        return [] if commented and "\t" not in line else cells


def _sample(raw: str | None, tokens: list[_Token], types: set[str], made: DataSet) -> Sample:
    text, places = _placed(raw, tokens)
    spans: list[Span] = []
    handles = _handles(tokens)
    for first, last, kind in _entities(tokens):
        types.add(kind)
        parts = _without(first, last, handles)
        if not _is_marked(labels.group(kind, "conll")):
            made.skipped[f"type {kind}"] += 1
            continue
        spans += [Span(places[a][0], places[b][1], kind) for a, b in parts]
        if not parts:
            made.skipped["handles"] += 1
    neutral = tuple(places[at] for at in sorted(handles))
    return Sample(text, tuple(spans), tokens[0].line, neutral)


def _entities(tokens: Sequence[_Token]) -> Iterator[tuple[int, int, str]]:
    """First and last token of each entity and its type; an I- without a beginning begins one."""
    first, kind = -1, ""
    for at, token in enumerate(tokens):
        mark, _, own = token.tag.partition("-")
        if first >= 0 and (mark in "OBSU" or own != kind):
            yield first, at - 1, kind
            first = -1
        if mark == "O":
            continue
        if first < 0:
            first, kind = at, own
        if mark in "ESLU":
            yield first, at, kind
            first = -1
    if first >= 0:
        yield first, len(tokens) - 1, kind


def _handles(tokens: Sequence[_Token]) -> frozenset[int]:
    """Tokens that are a user's handle: `@name`, or `@` and the word after it."""
    found = set()
    for at, token in enumerate(tokens):
        if _begins_handle(tokens, at):
            found |= {at, at + 1}
        elif token.text.startswith(_HANDLE) and len(token.text) > 1:
            found.add(at)
    return frozenset(found)


def _begins_handle(tokens: Sequence[_Token], at: int) -> bool:
    following = tokens[at + 1].text if tokens[at].text == _HANDLE and at + 1 < len(tokens) else ""
    return following[:1].isalnum() or following[:1] == "_"


def _without(first: int, last: int, handles: frozenset[int]) -> list[tuple[int, int]]:
    """What remains of an entity without the handles in it."""
    parts: list[tuple[int, int]] = []
    for at in range(first, last + 1):
        if at in handles:
            continue
        if parts and parts[-1][1] == at - 1:
            parts[-1] = (parts[-1][0], at)
        else:
            parts.append((at, at))
    return parts


def _placed(raw: str | None, tokens: Sequence[_Token]) -> tuple[str, list[tuple[int, int]]]:
    """The text, and where in it each token stands."""
    if raw is not None:
        places, position = [], 0
        for token in tokens:
            start = raw.find(token.text, position)
            if start < 0:
                break
            position = start + len(token.text)
            places.append((start, position))
        if len(places) == len(tokens):
            return raw, places
    return _joined(tokens)


def _joined(tokens: Sequence[_Token]) -> tuple[str, list[tuple[int, int]]]:
    pieces: list[str] = []
    places: list[tuple[int, int]] = []
    length, glue, quoted = 0, True, False
    for at, token in enumerate(tokens):
        closing = (token.text == _QUOTE and quoted) or _is_cut(tokens, at)
        if not (glue or closing or _NO_SPACE_BEFORE.fullmatch(token.text)):
            pieces.append(" ")
            length += 1
        places.append((length, length + len(token.text)))
        pieces.append(token.text)
        length += len(token.text)
        if token.text == _QUOTE:
            quoted = not quoted
        opening = token.text == _QUOTE and quoted
        cut = token.text in _APOSTROPHES and _is_cut(tokens, at)
        glue = opening or cut or token.text in _NO_SPACE_AFTER or _begins_handle(tokens, at)
    return "".join(pieces), places


def _is_cut(tokens: Sequence[_Token], at: int) -> bool:
    """Whether a token is an apostrophe within a word, or the `n` before one: `do n ' t`."""
    words = [token.text.lower() for token in tokens[at : at + 3]]
    if len(words) == 3 and words[0] == "n" and words[1] in _APOSTROPHES and words[2] == "t":
        return True
    return len(words) > 1 and words[0] in _APOSTROPHES and words[1] in _CUT
