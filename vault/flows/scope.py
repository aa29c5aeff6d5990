"""Where a scoped read looks, and the log entry it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vault.filters import Filter
from vault.flows.bodies import Body, open_bodies, open_body
from vault.flows.context import Call, moment
from vault.flows.sign import sign_if_due
from vault.flows.tokens import TokenMap
from vault.index.terms import canonical
from vault.keys.keyring import SubjectKeys
from vault.observe.calls import stage
from vault.observe.words import Stage
from vault.records.interface import MemoryRow
from vault.types import Scope

LOGGED_IDS: Final = 100  # an entry's sealed detail names at most so many memories; the count is always exact


@dataclass(slots=True)
class Found:
    """Where a scoped read looks: the subject's keys, its local number, and the tags that rows must carry."""

    subject: SubjectKeys
    s: int
    wanted: dict[str, bytes]


def locate(call: Call, scope: Scope) -> Found | None:
    """The subject a scope names, or None: unknown, erased and never seen are one answer."""
    kind, value = scope.subject() or ("user", "")
    subject = call.stages.keystore.subject(call.tenant, kind, value)
    row = call.records.subject(subject.sid) if subject is not None else None
    if subject is None or row is None:
        return None
    wanted: dict[str, bytes] = {
        k: call.tenant.tag(k, v) for k, v in scope.items() if v is not None and k not in ("user", kind)
    }
    return Found(subject, row.s, wanted)


def open_row(call: Call, found: Found, n: int) -> tuple[MemoryRow, Body] | None:
    row = call.records.memory(found.s, n)
    return (row, open_body(call.tenant, found.subject, row)) if row is not None else None


def open_rows(call: Call, found: Found, numbers: Sequence[int]) -> dict[int, tuple[MemoryRow, Body]]:
    """`open_row` for many, by number; a row that is gone is left out, and points stay where they are."""
    with stage(Stage.OPEN):
        rows = call.records.memories_at(found.s, numbers)
        bodies = open_bodies(call.tenant, found.subject, rows)
    return {row.n: (row, body) for row, body in zip(rows, bodies, strict=True)}


def view(row: MemoryRow, body: Body) -> dict[str, object]:
    """What a caller's filter may look at."""
    return {
        **body.metadata,
        "role": body.role,
        "created_at": moment(row.created_ms),
        "updated_at": moment(row.updated_ms),
        "expires_at": moment(row.expires_ms) if row.expires_ms is not None else None,
    }


def translate(call: Call, found: Found, tree: Filter | None) -> Filter | None:
    """A filter value that was redacted on its way in is compared as its token; asking never makes a token."""
    if tree is None:
        return None
    tokens = TokenMap(call.tenant, found.subject, call.records, found.s)
    by_value: dict[str, list[str]] = {}  # spellings of one value have tokens of their own
    for row in call.records.tokens(found.s):
        known = tokens.value(row.token)
        if known is not None:
            by_value.setdefault(canonical(known[1]), []).append(f"[{row.token}]")

    def alternatives(value: str) -> list[str]:
        return [value, *by_value.get(canonical(value), ())]

    return tree.map_values(alternatives)


def log_written(call: Call, subject: SubjectKeys, s: int, written: Sequence[str]) -> None:
    """Inside the transaction of a write: entries that name every memory written."""
    for start in range(0, len(written), LOGGED_IDS):
        part = list(written[start : start + LOGGED_IDS])
        event = call.event(count=len(part), object_id=part[0] if len(part) == 1 else "", ids=part)
        call.store.log.append(event, subject, s)


def log_read(call: Call, found: Found | None, shown: list[str], why: str | None) -> None:
    event = call.event(
        count=len(shown), object_id=shown[0] if len(shown) == 1 else "", ids=shown[:LOGGED_IDS], reason=why
    )
    call.log_read(event, found.subject if found else None, found.s if found else None)
    sign_if_due(call)
