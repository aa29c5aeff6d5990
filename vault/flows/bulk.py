"""Many memories at once: one detection and embedding pass and one transaction per batch.

A long write is spread over every core: workers detect and embed the batches to come while this process commits.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import chain, groupby, islice
from operator import itemgetter
from typing import Any, Final

from vault.config import LimitsConfig
from vault.errors import ConflictError, InvalidInputError, RejectedError
from vault.flows import validate
from vault.flows.additions import Addition, Embedded, Workers
from vault.flows.context import Caller, Stages
from vault.flows.redact import Draft
from vault.flows.write import add_batch, materials
from vault.types import Content

_FIELDS: Final = frozenset(
    {"content", "user_id", "agent_id", "app_id", "run_id", "metadata", "expires_at", "idempotency_key"}
)
_MOST: Final = 10_000
ALONE_S: Final = 1.0  # seconds before workers are started for the rest: about what starting them costs
_REFUSALS: Final = (RejectedError, InvalidInputError, ConflictError)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An item that was not stored: its position (from 0) and a stable code; never its content."""

    position: int
    code: str
    message: str


@dataclass(slots=True)
class BulkResult:
    """Ids of what was stored, in order, and what was refused."""

    ids: list[str] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def add_many(
    stages: Stages,
    caller: Caller,
    items: Iterable[Mapping[str, Any]],
    *,
    batch: object,
    on_error: object,
    progress: Callable[[int], None] | None,
    action: str = "memory.add",
    workers: Callable[[], Workers | None] = lambda: None,
) -> BulkResult:
    """Store batch by batch; a batch is stored whole or not at all. `workers` starts those of a long write."""
    size = validate.limit(batch, _MOST, "batch")
    if on_error not in ("raise", "collect"):
        raise InvalidInputError("on_error.value", 'on_error must be "raise" or "collect"')
    validate.callback("progress", progress)
    if isinstance(items, str | bytes | bytearray | Mapping) or not isinstance(items, Iterable):
        raise InvalidInputError("items.type", "items must be a list or another iterable of objects")
    result = BulkResult()
    collect = on_error == "collect"
    checked = (
        _checked(stages, caller, chunk, start, result, collect=collect)
        for start, chunk in _chunks(items, size)
    )
    for chunk in _prepared(checked, workers):
        _store(stages, caller, chunk, result, collect=collect, action=action)
        if progress is not None:
            progress(chunk.end)
    return result


@dataclass(slots=True)
class _Chunk:
    """The valid additions of one batch, with the idempotency key and the item of each."""

    end: int
    additions: list[Addition] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    made: Future[list[tuple[Draft, Embedded]]] | None = None
    invalid: InvalidInputError | None = None  # raised once everything before it is stored


def _chunks(items: Iterable[Mapping[str, Any]], size: int) -> Iterator[tuple[int, list[Mapping[str, Any]]]]:
    iterator, start = iter(items), 0
    while chunk := list(islice(iterator, size)):
        yield start, chunk
        start += len(chunk)


def _checked(
    stages: Stages,
    caller: Caller,
    items: list[Mapping[str, Any]],
    start: int,
    result: BulkResult,
    *,
    collect: bool,
) -> _Chunk:
    chunk = _Chunk(start + len(items))
    for offset, item in enumerate(items):
        try:
            checked, key = check_item(stages.config.limits, stages.now(), item, user_id=caller.user_id)
        except InvalidInputError as error:
            if not collect:
                chunk.invalid = error
                return chunk
            result.refused.append(Refusal(start + offset, error.code, error.message))
            continue
        for number, addition in enumerate(checked):
            chunk.additions.append(replace(addition, turn=offset))
            chunk.keys.append(f"{key}#{number}" if key is not None else None)
            chunk.positions.append(start + offset)
    return chunk


def _prepared(chunks: Iterator[_Chunk], start: Callable[[], Workers | None]) -> Iterator[_Chunk]:
    """The chunks in order: those of a long write are detected and embedded by workers, a few ahead of the commits.

    Not those of its first second: most writes are short, and who may not write is refused before anything is started.
    """
    until = time.monotonic() + ALONE_S
    for chunk in chunks:
        yield chunk
        if time.monotonic() > until:
            break
    following = next(chunks, None)
    if following is None:
        return
    workers = start()
    if workers is None:
        yield from chain([following], chunks)
        return
    ahead: deque[_Chunk] = deque()
    try:
        for chunk in chain([following], chunks):
            ahead.append(chunk)
            if chunk.invalid is not None:
                break
            chunk.made = workers.submit(materials(chunk.additions))
            if len(ahead) > workers.count + 1:  # so much is read before it is asked for, and no more
                yield ahead.popleft()
        while ahead:
            yield ahead.popleft()
    finally:
        workers.close()


def _store(
    stages: Stages, caller: Caller, chunk: _Chunk, result: BulkResult, *, collect: bool, action: str
) -> None:
    if chunk.invalid is not None:
        raise chunk.invalid
    if not chunk.additions:
        return
    ready = chunk.made.result if chunk.made is not None else None
    try:
        stored = add_batch(stages, caller, chunk.additions, action=action, keys=chunk.keys, ready=ready)
        result.ids.extend(memory.id for memory in stored)
    except _REFUSALS:
        if not collect:
            raise
        _one_by_one(stages, caller, chunk.additions, chunk.keys, chunk.positions, result, action)
    result.refused.sort(key=lambda refusal: refusal.position)


def _one_by_one(
    stages: Stages,
    caller: Caller,
    additions: list[Addition],
    keys: list[str | None],
    positions: list[int],
    result: BulkResult,
    action: str,
) -> None:
    """Something in the batch was refused: find it without losing its neighbours; an item is stored whole or not."""
    parts = zip(positions, additions, keys, strict=True)
    for position, members in groupby(parts, key=itemgetter(0)):
        _, own, own_keys = zip(*members, strict=True)
        try:
            stored = add_batch(stages, caller, own, action=action, keys=own_keys)
            result.ids.extend(memory.id for memory in stored)
        except _REFUSALS as error:
            result.refused.append(Refusal(position, error.code, error.message))


def check_item(
    limits: LimitsConfig, now: datetime, item: Mapping[str, Any], *, user_id: str | None = None
) -> tuple[list[Addition], str | None]:
    """What an item would add, and its idempotency key; raises InvalidInputError. Nothing is detected or stored.

    `user_id` is the user of items that name none.
    """
    if not isinstance(item, Mapping):
        raise InvalidInputError("item.type", "an item must be an object")
    unknown = set(item) - _FIELDS
    if unknown:
        raise InvalidInputError("item.field", "an item has a field that add does not take")
    content: Content = item.get("content")  # type: ignore[assignment]
    named = {name: item.get(name) for name in ("user_id", "agent_id", "app_id", "run_id")}
    if named["user_id"] is None:
        named["user_id"] = user_id
    scope = validate.scope(**named)
    metadata = validate.metadata(item.get("metadata"), limits.metadata_bytes)
    until = validate.expires_at(item.get("expires_at"), now)
    parts, _ = validate.messages(content, limits.text_bytes, limits.messages)
    key = validate.idempotency_key(item.get("idempotency_key"))
    return [Addition(scope, p["content"], p.get("role"), p.get("name"), metadata, until) for p in parts], key
