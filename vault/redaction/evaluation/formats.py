"""Readers of annotated files: `presidio`, `tab`, `asq`, `conll` and `jsonl`, as people publish them.

A file is UTF-8 text (a byte-order mark and any line ends will do) or that text in gzip. What cannot be read is an
InvalidInputError that names the line and never quotes it; a marked value that is not where the file says is
looked for in its text, and counted where it is not there either.
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, Final

from vault.errors import InvalidInputError
from vault.redaction.evaluation.columns import read_columns
from vault.redaction.evaluation.samples import DataSet, Sample, Span

MOST_BYTES: Final = 1 << 30  # of a file after gzip: more is no test set, or a bomb
_GZIP: Final = b"\x1f\x8b"

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_QUERY: Final = "===QUERY==="
_TAGS: Final = "===PHI_TAGS==="
_NO_TAGS: Final = frozenset({"", "[]", "{}", "none", "null", "n/a"})

# How the same thing is called in the shapes that are known, first come, first served.
_TEXT_KEYS: Final = ("full_text", "text", "sentence", "content")
_SPAN_KEYS: Final = ("spans", "entities", "NER", "ner", "labels", "label", "annotations")
_START_KEYS: Final = ("start_position", "start_offset", "start")
_END_KEYS: Final = ("end_position", "end_offset", "end")
_LABEL_KEYS: Final = ("entity_type", "label", "type", "identifier_type", "class", "tag")
_VALUE_KEYS: Final = ("entity_value", "span_text", "value", "text", "entity")
_LIST_KEYS: Final = ("samples", "data", "records", "examples")


def read(data: bytes, form: str) -> DataSet:
    """The samples of a file's bytes in a format; raises InvalidInputError for an unknown format or a broken file."""
    if form not in READERS:
        raise InvalidInputError("format.unknown", f"the format must be one of {', '.join(sorted(READERS))}")
    made = READERS[form](_decoded(data))
    if not made.samples:
        raise InvalidInputError("data.empty", "the file holds no text to examine")
    return made


def _decoded(data: bytes) -> list[str]:
    """The lines of a file, without their ends."""
    if data.startswith(_GZIP):
        data = _unpacked(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInputError("data.encoding", f"line {line}: the file is not UTF-8") from None
    # Not splitlines(): U+2028, form feeds and the like are part of a text.
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _unpacked(data: bytes) -> bytes:
    try:
        with gzip.GzipFile(fileobj=BytesIO(data)) as file:
            unpacked = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        raise InvalidInputError("data.gzip", "the file is not whole: gzip cannot unpack it") from None
    if len(unpacked) > MOST_BYTES:
        raise InvalidInputError("data.length", f"the file holds more than {MOST_BYTES} bytes")
    return unpacked


# --- JSON ---


def _records(lines: Sequence[str]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The objects of a file with the line each begins on: JSON lines, one JSON list, or a list under a known key."""
    whole = "\n".join(lines)
    first = whole.lstrip()[:1]
    parsed = _parsed(whole) if first in ("[", "{") else None
    if isinstance(parsed, dict):
        parsed = next((parsed[key] for key in _LIST_KEYS if isinstance(parsed.get(key), list)), [parsed])
    if isinstance(parsed, list):
        for number, record in enumerate(parsed, 1):
            yield number, _object(record, f"record {number}")
        return
    for number, line in enumerate(lines, 1):
        if line.strip():
            record = _parsed(line)
            if record is None:
                raise InvalidInputError("data.json", f"line {number}: not valid JSON")
            yield number, _object(record, f"line {number}")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _object(record: object, where: str) -> Mapping[str, Any]:
    if not isinstance(record, dict):
        raise InvalidInputError("data.record", f"{where}: not a JSON object")
    return record


def _first(record: Mapping[str, Any], keys: Iterable[str], kind: type | tuple[type, ...]) -> Any:
    """The value under the first of the keys that is there and of the kind; a bool is no number."""
    for key in keys:
        value = record.get(key)
        if isinstance(value, kind) and not isinstance(value, bool):
            return value
    return None


def _text(record: Mapping[str, Any], number: int) -> str:
    text = _first(record, _TEXT_KEYS, str)
    if text is None:
        raise InvalidInputError("data.text", f"record {number}: no text (one of {', '.join(_TEXT_KEYS)})")
    if not _SURROGATE.search(text):
        return str(text)
    raise InvalidInputError("data.text", f"record {number}: the text holds a lone surrogate")


def _read_json(form: str) -> Callable[[Sequence[str]], DataSet]:
    def reader(lines: Sequence[str]) -> DataSet:
        made = DataSet(form)
        for number, record in _records(lines):
            text = _text(record, number)
            marked = _first(record, _SPAN_KEYS, list)
            finder = _Finder(text, made)
            spans = [span for item in marked or () if (span := _span(item, finder, number)) is not None]
            made.samples.append(Sample(text, _sorted(spans), number, finder.repeats()))
        return made

    return reader


def _span(item: object, finder: _Finder, number: int) -> Span | None:
    """A span from [start, end, label] or an object, by its offsets where they hold, by its value otherwise."""
    if isinstance(item, list) and len(item) == 3:
        item = dict(zip(("start", "end", "label"), item, strict=True))
    if not isinstance(item, dict):
        raise InvalidInputError(
            "data.span", f"record {number}: a span that is no [start, end, label] or object"
        )
    label = _first(item, _LABEL_KEYS, str)
    start, end = _first(item, _START_KEYS, int), _first(item, _END_KEYS, int)
    value = _first(item, _VALUE_KEYS, str)
    if label is None:
        raise InvalidInputError("data.span", f"record {number}: a span without a label")
    inside = start is not None and end is not None and 0 <= start < end <= len(finder.text)
    if inside and value in (None, finder.text[start:end]):
        return Span(start, end, label)
    if value is None:
        outside = start is not None and end is not None
        finder.made.skipped["spans outside the text" if outside else "spans without offsets or a value"] += 1
        return None
    return finder.find(value, label)


def _sorted(spans: Iterable[Span]) -> tuple[Span, ...]:
    return tuple(sorted(set(spans), key=lambda span: (span.start, span.end, span.label)))


class _Finder:
    """Locates values in one text: a value that is tagged twice is found at its first two places.

    Places where it stands as a word of its own come first. Its other places are neither looked for nor a mistake.
    """

    def __init__(self, text: str, made: DataSet) -> None:
        self.text = text
        self.made = made
        self._left: dict[str, list[tuple[int, int]]] = {}
        self._folded = text.lower()

    def find(self, value: str, label: str) -> Span | None:
        value = value.strip()
        if value not in self._left:
            self._left[value] = self._places(value)
        if not self._left[value]:
            self.made.skipped["values not in their text"] += 1
            return None
        start, end = self._left[value].pop(0)
        return Span(start, end, label)

    def repeats(self) -> tuple[tuple[int, int], ...]:
        return tuple(sorted(place for places in self._left.values() for place in places))

    def _places(self, value: str) -> list[tuple[int, int]]:
        if not value:
            return []
        text, sought = self.text, value
        if value not in text and len(self._folded) == len(text):
            text, sought = self._folded, value.lower()
        found = [match.span() for match in re.finditer(re.escape(sought), text)]
        whole = [place for place in found if self._alone(*place)]
        return whole or found

    def _alone(self, start: int, end: int) -> bool:
        before = self.text[start - 1 : start].isalnum() and self.text[start].isalnum()
        after = self.text[end : end + 1].isalnum() and self.text[end - 1].isalnum()
        return not before and not after


# --- TAB ---


def _read_tab(lines: Sequence[str]) -> DataSet:
    """Documents with `entities`, or with `annotations` by annotator: each annotator's view is a sample."""
    made = DataSet("tab")
    for number, record in _records(lines):
        text = _text(record, number)
        for mentions in _mentions(record, number):
            made.samples.append(Sample(text, _sorted(_tab_spans(mentions, text, number, made)), number))
    return made


def _mentions(record: Mapping[str, Any], number: int) -> Iterator[list[Any]]:
    annotations = record.get("annotations")
    if isinstance(annotations, dict):
        for views in annotations.values():
            mentions = views.get("entity_mentions") if isinstance(views, dict) else None
            if not isinstance(mentions, list):
                raise InvalidInputError("data.tab", f"record {number}: an annotator without entity_mentions")
            yield mentions
        return
    mentions = _first(record, ("entities", "entity_mentions"), list)
    if mentions is None:
        raise InvalidInputError("data.tab", f"record {number}: neither entities nor annotations")
    yield mentions


def _tab_spans(mentions: list[Any], text: str, number: int, made: DataSet) -> Iterator[Span]:
    for mention in mentions:
        one = _object(mention, f"record {number}: a mention")
        start, end = _first(one, _START_KEYS, int), _first(one, _END_KEYS, int)
        label, kind = _first(one, ("entity_type",), str), _first(one, ("identifier_type",), str)
        entity = _first(one, ("entity_id", "span_id"), str)
        if start is None or end is None or kind not in ("DIRECT", "QUASI", "NO_MASK"):
            raise InvalidInputError(
                "data.tab", f"record {number}: a mention without offsets or identifier_type"
            )
        if not 0 <= start < end <= len(text):
            made.skipped["spans outside the text"] += 1
            continue
        yield Span(start, end, label or "MISC", entity or f"{start}-{end}", kind)


# --- ASQ-PHI ---


def _read_asq(lines: Sequence[str]) -> DataSet:
    made = DataSet("asq")
    query: list[str] = []
    tags: list[tuple[int, str]] = []
    state, began = "", 0
    for number, line in enumerate([*lines, _QUERY], 1):
        mark = line.strip()
        if _mark(mark) == _QUERY:
            if state:
                made.samples += _asq_sample(query, tags, began, made)
            query, tags, state, began = [], [], _QUERY, number
        elif _mark(mark) == _TAGS and state:
            state = _TAGS
        elif state == _QUERY:
            query.append(line)
        elif state == _TAGS:
            tags.append((number, mark))
        elif mark:
            raise InvalidInputError("data.asq", f"line {number}: text before the first {_QUERY}")
    return made


def _asq_sample(query: list[str], tags: list[tuple[int, str]], began: int, made: DataSet) -> Iterator[Sample]:
    text = "\n".join(query).strip()
    finder = _Finder(text, made)
    found = [finder.find(value, label) for number, line in tags for label, value in _asq_tags(number, line)]
    if text:
        yield Sample(text, _sorted(span for span in found if span is not None), began + 1, finder.repeats())


def _mark(line: str) -> str:
    return line.replace(" ", "").upper() if line.startswith("=") else ""


def _asq_tags(number: int, line: str) -> Iterator[tuple[str, str]]:
    """Label and value of the tags on a line: an object, or a list of them; a line may also say that there are none."""
    if line.strip("-=_*` ").lower() in _NO_TAGS:
        return
    parsed = _parsed(line.rstrip(","))
    for record in parsed if isinstance(parsed, list) else [parsed]:
        label = _first(record, ("identifier_type", *_LABEL_KEYS), str) if isinstance(record, dict) else None
        value = record.get("value") if isinstance(record, dict) else None
        if label is None or not isinstance(value, str | int | float):
            raise InvalidInputError("data.asq", f"line {number}: not a tag with identifier_type and value")
        yield label, str(value)


READERS: Final[Mapping[str, Callable[[Sequence[str]], DataSet]]] = {
    "presidio": _read_json("presidio"),
    "tab": _read_tab,
    "asq": _read_asq,
    "conll": read_columns,
    "jsonl": _read_json("jsonl"),
}
