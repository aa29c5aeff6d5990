"""Listing a scope page by page: stable order, cursors bound to their question."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final, Literal

from vault.crypto.primitives import hmac_sha256
from vault.errors import InvalidInputError
from vault.filters import Filter
from vault.filters import parse as parse_filter
from vault.flows import validate
from vault.flows.bodies import to_memory
from vault.flows.context import Call, Caller, Stages, calling, milliseconds
from vault.flows.reveal import reveal_reason, revealed
from vault.flows.scope import Found, locate, log_read, open_row, translate, view
from vault.observe.calls import stage
from vault.observe.words import Stage
from vault.records.interface import MemoryRow
from vault.types import Memory, Page, Scope

Order = Literal["created_at", "-created_at", "updated_at", "-updated_at"]
_ORDERS: Final = ("created_at", "-created_at", "updated_at", "-updated_at")
_CURSOR_MAC: Final = 16


def list_page(
    stages: Stages,
    caller: Caller,
    *,
    scope: Scope,
    filters: object,
    limit: object,
    order: object,
    cursor: object,
    reveal: object,
) -> Page:
    """One page of a scope's memories in a stable order."""
    with calling(stages, caller, "memory.list") as call:
        scope = call.confine(scope)
        count = validate.limit(limit, stages.config.limits.results)
        if order not in _ORDERS:
            raise InvalidInputError(
                "order.value", "order must be created_at or updated_at, with - for newest first"
            )
        tree = parse_filter(filters)  # type: ignore[arg-type]
        why = reveal_reason(call, reveal)
        question = _question(call, scope, tree, str(order))
        after = read_cursor(call, cursor, question)
        found = locate(call, scope)
        memories: list[Memory] = []
        following: str | None = None
        if found is not None:
            with stage(Stage.OPEN), call.records.reading():
                memories, last, more = _page(call, found, tree, count, str(order), after)
            following = write_cursor(call, last, question) if more and last is not None else None
            memories = revealed(call, found, memories, why)
        log_read(call, found, [memory.id for memory in memories], why)
    return Page(tuple(memories), following)


def _page(
    call: Call, found: Found, tree: Filter | None, limit: int, order: str, after: tuple[int, int] | None
) -> tuple[list[Memory], tuple[int, int] | None, bool]:
    column = 1 if order.endswith("created_at") else 2
    keys = sorted(
        ((row[column], row[0]) for row in call.records.order(found.s)), reverse=order.startswith("-")
    )
    now = milliseconds(call.stages.now())
    tree = translate(call, found, tree)
    memories: list[Memory] = []
    last: tuple[int, int] | None = None
    for key in keys:
        if after is not None and (key >= after if order.startswith("-") else key <= after):
            continue
        opened = open_row(call, found, key[1])
        if opened is None or not _admitted(opened[0], found, now):
            continue
        if tree is not None and not tree.matches(view(*opened)):
            continue
        if len(memories) == limit:
            return memories, last, True
        memories.append(to_memory(call.tenant, *opened))
        last = key
    return memories, last, False


def _admitted(row: MemoryRow, found: Found, now_ms: int) -> bool:
    if row.expired(now_ms):
        return False
    return all(hmac.compare_digest(getattr(row, kind) or b"", tag) for kind, tag in found.wanted.items())


def _question(call: Call, scope: Scope, tree: Filter | None, order: str) -> bytes:
    """What a cursor belongs to: another scope, filter or order makes it invalid."""
    parts = [f"{kind}={value}".encode() for kind, value in scope.items()]
    return hmac_sha256(
        call.tenant.key("tags"),
        b"cursor",
        *parts,
        tree.canonical() if tree is not None else b"",
        order.encode(),
    )


def write_cursor(call: Call, last: tuple[int, int], question: bytes) -> str:
    """Where an answer ended, bound to its question."""
    data = last[0].to_bytes(8, "big") + last[1].to_bytes(8, "big")
    mac = hmac_sha256(call.tenant.key("tags"), question, data)[:_CURSOR_MAC]
    return base64.urlsafe_b64encode(data + mac).decode()


def read_cursor(call: Call, cursor: object, question: bytes) -> tuple[int, int] | None:
    """Where to go on; raises InvalidInputError for a cursor of another question."""
    if cursor is None:
        return None
    try:
        data = base64.b64decode(cursor if isinstance(cursor, str) else "!", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    expected = hmac_sha256(call.tenant.key("tags"), question, data[:16])[:_CURSOR_MAC]
    if len(data) != 16 + _CURSOR_MAC or not hmac.compare_digest(data[16:], expected):
        raise InvalidInputError("cursor.invalid", "the cursor does not belong to this question")
    return int.from_bytes(data[:8], "big"), int.from_bytes(data[8:16], "big")
