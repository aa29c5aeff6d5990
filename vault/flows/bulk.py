"""Many memories at once: one detection and embedding pass and one transaction per batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import Any, Final

from vault.config import LimitsConfig
from vault.errors import ConflictError, InvalidInputError, RejectedError
from vault.flows import validate
from vault.flows.additions import Addition
from vault.flows.context import Caller, Stages
from vault.flows.write import add_batch
from vault.types import Content

_FIELDS: Final = frozenset(
    {"content", "user_id", "agent_id", "app_id", "run_id", "metadata", "expires_at", "idempotency_key"}
)
_MOST: Final = 10_000
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
) -> BulkResult:
    """Store batch by batch; a batch is stored whole or not at all."""
    size = validate.limit(batch, _MOST, "batch")
    if on_error not in ("raise", "collect"):
        raise InvalidInputError("on_error.value", 'on_error must be "raise" or "collect"')
    validate.callback("progress", progress)
    if isinstance(items, str | bytes | bytearray | Mapping) or not isinstance(items, Iterable):
        raise InvalidInputError("items.type", "items must be a list or another iterable of objects")
    result = BulkResult()
    done = 0
    for chunk in _chunks(items, size):
        _add_chunk(stages, caller, chunk, done, result, collect=on_error == "collect", action=action)
        done += len(chunk)
        if progress is not None:
            progress(done)
    return result


def _chunks(items: Iterable[Mapping[str, Any]], size: int) -> Iterator[list[Mapping[str, Any]]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _add_chunk(
    stages: Stages,
    caller: Caller,
    chunk: list[Mapping[str, Any]],
    start: int,
    result: BulkResult,
    *,
    collect: bool,
    action: str,
) -> None:
    additions: list[Addition] = []
    keys: list[str | None] = []
    positions: list[int] = []
    for offset, item in enumerate(chunk):
        try:
            checked, key = check_item(stages.config.limits, stages.now(), item, user_id=caller.user_id)
        except InvalidInputError as error:
            if not collect:
                raise
            result.refused.append(Refusal(start + offset, error.code, error.message))
            continue
        for number, addition in enumerate(checked):
            additions.append(replace(addition, turn=offset))
            keys.append(f"{key}#{number}" if key is not None else None)
            positions.append(start + offset)
    if not additions:
        return
    try:
        stored = add_batch(stages, caller, additions, action=action, keys=keys)
        result.ids.extend(memory.id for memory in stored)
    except _REFUSALS:
        if not collect:
            raise
        _one_by_one(stages, caller, additions, keys, positions, result, action)
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
