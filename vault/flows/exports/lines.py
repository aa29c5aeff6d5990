"""What an export says of a person, line by line: memories with their history, tokens, entries of the log.

Texts are given as they are stored, tokens and all; `Values` puts the person's own values in their place, for the
classes a role may see. Text that only looks like a token stays escaped, so that no reader takes one for the other.
Reasons were never redacted when they were typed: they are examined now, and what is found in them is a marker.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from vault.audit.jcs import strict_loads
from vault.errors import RejectedError
from vault.flows import ids
from vault.flows.bodies import Body, decode, open_actor, open_bodies, open_value, record_id
from vault.flows.context import Call, milliseconds, moment
from vault.flows.redact import Material, redactor, unnamed
from vault.flows.reveal import map_metadata
from vault.flows.scope import Found
from vault.flows.tokens import TokenMap
from vault.records.interface import LogRow, MemoryRow, RevisionRow, TokenRow
from vault.redaction.operators import escape_tokens, find_tokens
from vault.types import Metadata

Line = dict[str, Any]

WITHHELD_REASON: Final = "[WITHHELD]"


def iso(at: datetime) -> str:
    """A time as every line has it."""
    return at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _ms(value: int | None) -> str | None:
    return None if value is None else iso(moment(value))


class Values:
    """Puts values in the place of tokens and counts them by class; without `allowed` it changes nothing."""

    def __init__(self, call: Call, found: Found, allowed: frozenset[str] | None) -> None:
        self._map = TokenMap(call.tenant, found.subject, call.records, found.s)
        self._allowed = allowed
        self._known: dict[str, tuple[str, str] | None] = {}
        self.shown: Counter[str] = Counter()
        self.withheld: Counter[str] = Counter()

    def text(self, text: str) -> str:
        if self._allowed is None:
            return text
        pieces, position = [], 0
        for start, end, token in find_tokens(text):
            value = self._seen(token)
            if value is not None:
                pieces += [text[position:start], escape_tokens(value)]
                position = end
        return "".join([*pieces, text[position:]])

    def metadata(self, metadata: Metadata) -> Metadata:
        return metadata if self._allowed is None else map_metadata(metadata, self.text)

    def token(self, row: TokenRow) -> Line:
        """A line about a token itself."""
        entity, _ = self._opened(row.token) or ("", "")
        line: Line = {"kind": "token", "token": f"[{row.token}]", "class": entity, "uses": row.refs}
        value = self._seen(row.token) if self._allowed is not None else None
        return line if value is None else {**line, "value": value}

    def _opened(self, token: str) -> tuple[str, str] | None:
        if token not in self._known:
            self._known[token] = self._map.value(token)
        return self._known[token]

    def _seen(self, token: str) -> str | None:
        known = self._opened(token)
        if known is None:
            return None
        seen = self._allowed is not None and known[0] in self._allowed
        (self.shown if seen else self.withheld)[known[0]] += 1
        return known[1] if seen else None


class Reasons:
    """Reasons as they may be handed out: one pass of the detector for all of a window."""

    def __init__(self, call: Call, reasons: Iterable[str | None]) -> None:
        texts = sorted({reason for reason in reasons if reason})
        engine = redactor(call.stages)
        self._shown: dict[str, str] = {}
        try:
            drafts = engine.drafts([[Material(text)] for text in texts])
            self._shown = {text: unnamed(draft) for text, draft in zip(texts, drafts, strict=True)}
        except RejectedError:  # the pack blocks what one of them holds: which one, one by one
            for text in texts:
                try:
                    self._shown[text] = unnamed(engine.draft(Material(text)))
                except RejectedError:
                    self._shown[text] = WITHHELD_REASON

    def __call__(self, reason: str | None) -> str | None:
        return self._shown[reason] if reason else None


# --- memories ------------------------------------------------------------------------------------------------------


def memory_lines(call: Call, found: Found, numbers: Sequence[int], values: Values) -> list[Line]:
    """The memories with these numbers, and what is left of those that were deleted, each with its history."""
    with call.records.reading():
        rows = {row.n: row for row in call.records.memories_at(found.s, numbers)}
        past = {n: call.records.revisions(found.s, n) for n in numbers}
    live = [rows[n] for n in numbers if n in rows]
    bodies = dict(zip((row.n for row in live), open_bodies(call.tenant, found.subject, live), strict=True))
    steps = {n: [_opened(call, found, row) for row in past[n]] for n in numbers}
    reasons = Reasons(
        call, [*(body.reason for body in bodies.values()), *(s[2] for of in steps.values() for s in of)]
    )
    now = milliseconds(call.stages.now())
    lines = []
    for n in numbers:
        history = [_step(step, values, reasons) for step in steps[n]]
        if n in rows:
            lines.append(_held(call, rows[n], bodies[n], history, values, reasons, now))
        elif history:
            lines.append(_gone(call, past[n], history, found))
    return lines


_Opened = tuple[RevisionRow, str, str | None, Body | None]


def _opened(call: Call, found: Found, row: RevisionRow) -> _Opened:
    identity = record_id(row.s, row.n, row.nonce)
    actor, reason = open_actor(call.tenant, found.subject, identity, row.version, row.actor)
    body = None
    if row.body is not None:
        body = decode(open_value(call.tenant, found.subject, "history", identity, row.version, row.body))
    return row, actor, reason, body


def _step(step: _Opened, values: Values, reasons: Reasons) -> Line:
    row, actor, reason, body = step
    line: Line = {
        "version": row.version, "event": row.event, "at": _ms(row.at_ms), "actor": actor, "reason": reasons(reason),
    }  # fmt: skip
    if body is not None:
        line |= {"text": values.text(body.text), "metadata": values.metadata(body.metadata)}
        line |= {"name": values.text(body.name)} if body.name else {}
    return line


def _held(
    call: Call, row: MemoryRow, body: Body, history: list[Line], values: Values, reasons: Reasons, now_ms: int
) -> Line:
    current: Line = {
        "version": row.version, "event": body.event, "at": _ms(row.updated_ms), "actor": body.actor,
        "reason": reasons(body.reason),
    }  # fmt: skip
    return {
        "kind": "memory",
        "id": ids.encode(call.tenant, row),
        "deleted": False,
        "expired": row.expired(now_ms),
        "version": row.version,
        "text": values.text(body.text),
        "role": body.role,
        "name": values.text(body.name) if body.name else None,
        "metadata": values.metadata(body.metadata),
        **{f"{kind}_id": body.scope.get(kind) for kind in ("user", "agent", "app", "run")},
        "created_at": _ms(row.created_ms),
        "updated_at": _ms(row.updated_ms),
        "expires_at": _ms(row.expires_ms),
        "history": [*history, current],
    }


def _gone(call: Call, past: Sequence[RevisionRow], history: list[Line], found: Found) -> Line:
    first, last = past[0], past[-1]
    # Which version of the `ids` key its id was made with is gone with its row; every version finds it.
    number = call.tenant.current["ids"]
    _, identity = call.stages.keystore.identity(call.tenant, found.subject.sid)
    return {
        "kind": "memory",
        "id": ids.spelled(call.tenant, number, first.s, first.n, first.nonce),
        "deleted": True,
        "expired": False,
        "version": last.version,
        **dict.fromkeys(("text", "role", "name", "metadata")),
        "user_id": identity,
        **dict.fromkeys(("agent_id", "app_id", "run_id")),
        "created_at": _ms(first.at_ms),
        "updated_at": _ms(last.at_ms),
        "expires_at": None,
        "history": history,
    }


# --- log -----------------------------------------------------------------------------------------------------------


def access_lines(call: Call, found: Found, start: int, end: int) -> list[Line]:
    """The entries about the person among those with start <= number < end, with what is sealed beside them."""
    numbers = call.records.numbers(found.s)
    rows = [row for row in call.records.log(start, end) if row.s in numbers]
    details = [call.store.log.open_detail(row, found.subject) or {} for row in rows]
    reasons = Reasons(call, (detail.get("reason") for detail in details))
    return [_access(row, detail, reasons) for row, detail in zip(rows, details, strict=True)]


def _access(row: LogRow, detail: dict[str, Any], reasons: Reasons) -> Line:
    entry = strict_loads(row.entry)
    shown = detail.get("classes")
    return {
        "kind": "access",
        "entry": row.seq,
        "at": entry["t"],
        "action": entry["act"],
        "purpose": entry["pur"],
        "result": entry["res"],
        "count": entry["n"],
        "actor": detail.get("actor"),
        "roles": list(detail.get("roles", ())),
        "memory_ids": list(detail.get("ids", ())),
        **({"classes": shown} if isinstance(shown, dict) else {}),
        "reason": reasons(detail.get("reason")),
    }


def changes(call: Call, found: Found, since: int, writes: frozenset[str]) -> list[Line]:
    """What the log says was changed about the person from entry `since` on."""
    numbers = call.records.numbers(found.s)
    entries = (strict_loads(row.entry) for row in call.records.log(since) if row.s in numbers)
    return [
        {"at": entry["t"], "action": entry["act"], "count": entry["n"]}
        for entry in entries
        if entry["res"] == "ok" and entry["n"] and entry["act"] in writes
    ]
