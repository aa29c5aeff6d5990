"""The windows of an export: decide > read > log > write, again and again; then describe, pack, log, and hand out.

What a window reads is logged before it is written, and no window keeps a transaction, the lease or a key from the one
before: whoever erases the person in between is obeyed by the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from vault.audit.events import ACTIONS
from vault.errors import NotFoundError
from vault.exporting import bundle
from vault.exporting.files import (
    ACCESS,
    MANIFEST,
    MEMORIES,
    PAGE,
    PARTS,
    SCHEMA,
    SUMMARY,
    TOKENS,
    FileNote,
    Writer,
    indented,
    lines_of,
    schema,
)
from vault.exporting.page import write_page
from vault.exporting.partial import Mac, Partial, State
from vault.flows.context import Call, Caller, Stages, calling
from vault.flows.exports.lines import Line, Values, access_lines, changes, iso, memory_lines
from vault.flows.exports.summary import classes_of, counts_of, summary_of
from vault.flows.scope import LOGGED_IDS, Found, locate
from vault.flows.sign import sign_if_due
from vault.types import Scope

EXPORT: Final = "subject.export"
Progress = Callable[[int, int], None]
Counts = dict[str, Counter[str]]
_TOKENS: Final = 500  # in one operation
_ENTRIES: Final = 2_000  # of the log, in one operation
_CHANGES: Final = 100  # that are listed


@dataclass(frozen=True, slots=True)
class Asked:
    """One export as it was asked for, checked and permitted; `binding` says of whom, showing what, under which pack."""

    stages: Stages
    caller: Caller
    scope: Scope
    place: Path
    why: str | None
    classes: frozenset[str] | None
    archive: bool
    progress: Progress | None
    resume: bool
    mac: Mac
    binding: str


def located(call: Call, scope: Scope) -> Found:
    """The person asked about; raises NotFoundError, logged, where nothing is held or never was."""
    found = locate(call, scope)
    if found is None:
        call.log_read(call.event(result="not_found"))
        raise NotFoundError("subject.unknown", "nothing is held about such a user")
    return found


def token_page(call: Call, found: Found, values: Values, after: str) -> tuple[list[Line], str | None]:
    """The next tokens by name, and from where the page behind them begins; None at the end."""
    rows = call.records.tokens(found.s, after=after, limit=_TOKENS)
    return [values.token(row) for row in rows], rows[-1].token if len(rows) == _TOKENS else None


def write_export(asked: Asked, partial: Partial, state: State | None) -> State:
    """Go on from `state`, or begin; returns what was finished, under the destination's name."""
    return _Export(asked, partial).written(state)


class _Export:
    """One run of one export."""

    def __init__(self, asked: Asked, partial: Partial) -> None:
        self._asked = asked
        self._partial = partial
        self._sid = b""

    def written(self, state: State | None) -> State:
        state = self._begun(state)
        parts = {MEMORIES: self._memories, TOKENS: self._tokens, ACCESS: self._access}
        for name, write in parts.items():
            if state.note(name) is None:
                with self._partial.writer(name) as writer:
                    counts = write(writer, state)
                    state.files.append(writer.done(counts))
                self._partial.write(state, self._asked.mac)
        digest = self._described(state)
        made = self._partial.files
        if self._asked.archive:
            made = self._partial.archive
            bundle.pack(self._partial.files, made, datetime.fromisoformat(state.made_at))
        with self._window() as (call, found):
            count, shown = counts_of(state)["memories"], classes_of(state, "shown")
            self._log(call, found, count, stage="handed out", digest=digest, classes=shown or None)
        state.finished = digest
        self._partial.write(state, self._asked.mac)
        self._partial.publish(made)
        return state

    @contextmanager
    def _window(self) -> Iterator[tuple[Call, Found]]:
        """A short operation: permitted now, under the keys of now, about the person the export began with."""
        with calling(self._asked.stages, self._asked.caller, EXPORT) as call:
            found = located(call, self._asked.scope)
            self._sid = self._sid or found.subject.sid
            if found.subject.sid != self._sid:
                raise NotFoundError("subject.unknown", "nothing is held about such a user")
            yield call, found
            sign_if_due(call)

    def _log(self, call: Call, found: Found, count: int = 0, **detail: Any) -> None:
        event = call.event(count=count, reason=self._asked.why, **detail)
        call.log_read(event, found.subject, found.s)

    def _log_values(self, call: Call, found: Found, values: Values, ids: list[str] | None = None) -> None:
        if values.shown:
            event = call.event(
                action="memory.reveal", count=values.shown.total(), ids=ids, reason=self._asked.why,
                classes=dict(values.shown),
            )  # fmt: skip
            call.log_read(event, found.subject, found.s)

    def _tell(self, done: int, state: State) -> None:
        if self._asked.progress is not None:
            self._asked.progress(done, state.position[1] - 1 + state.log_end)

    # --- the beginning ---------------------------------------------------------------------------------------------

    def _begun(self, state: State | None) -> State:
        """Where to go on, or the first note of a new export: which state of the person's data it is of."""
        with self._window() as (call, found):
            position = _position(call, found)
            if state is not None and (state.position != position or not self._whole(state)):
                self._partial.empty()
                state = None
            self._log(call, found, stage="begun" if state is None else "continued")
            if state is None:
                size, _ = call.records.log_head()
                state = State(self._asked.binding, iso(call.stages.now()), size, position)
        state = replace(state, finished=None, files=[note for note in state.files if note.name in PARTS])
        self._partial.write(state, self._asked.mac)
        return state

    def _whole(self, state: State) -> bool:
        """Whether the files that were noted as complete are still what was written."""
        return all(bundle.is_whole(self._partial.files / note.name, note) for note in state.files)

    # --- the parts -------------------------------------------------------------------------------------------------

    def _memories(self, writer: Writer, state: State) -> Counts:
        counts: Counts = {"counts": Counter(), "shown": Counter(), "withheld": Counter()}
        for start in range(1, state.position[1], LOGGED_IDS):
            numbers = range(start, min(start + LOGGED_IDS, state.position[1]))
            with self._window() as (call, found):
                values = Values(call, found, self._asked.classes)
                lines = memory_lines(call, found, numbers, values)
                ids = [line["id"] for line in lines]
                if ids:
                    self._log(call, found, len(ids), ids=ids)
                self._log_values(call, found, values, ids)
            for line in lines:
                writer.line(line)
            gone = sum(line["deleted"] for line in lines)
            counts["counts"].update(
                memories=len(lines) - gone, deleted=gone, versions=sum(len(line["history"]) for line in lines)
            )
            counts["shown"].update(values.shown)
            counts["withheld"].update(values.withheld)
            self._tell(numbers[-1], state)
        return counts

    def _tokens(self, writer: Writer, _state: State) -> Counts:
        after: str | None = ""
        count = 0
        while after is not None:
            with self._window() as (call, found):
                values = Values(call, found, self._asked.classes)
                lines, after = token_page(call, found, values, after)
                self._log_values(call, found, values)
            for line in lines:
                writer.line(line)
            count += len(lines)
        return {"counts": Counter(tokens=count)}

    def _access(self, writer: Writer, state: State) -> Counts:
        counts: Counts = {"counts": Counter(log_entries=0), "actions": Counter()}
        for start in range(0, state.log_end, _ENTRIES):
            end = min(start + _ENTRIES, state.log_end)
            with self._window() as (call, found):
                lines = access_lines(call, found, start, end)
            for line in lines:
                writer.line(line)
            counts["counts"]["log_entries"] += len(lines)
            counts["actions"].update(line["action"] for line in lines)
            self._tell(state.position[1] - 1 + end, state)
        return counts

    # --- the end ---------------------------------------------------------------------------------------------------

    def _described(self, state: State) -> str:
        """Summary, page, schema and manifest of the complete parts; the digest that stands for all of them."""
        with self._window() as (call, found):
            state.complete = _position(call, found) == state.position
            changed = [] if state.complete else _changes(call, found, state)
            asked = self._asked
            summary = summary_of(
                call,
                found,
                state,
                asked.scope.user_id,
                changed,
                revealing=asked.classes is not None,
            )
        notes = [*state.files, self._text(SUMMARY, indented(summary)), self._text(SCHEMA, schema())]
        with self._partial.writer(PAGE) as writer:
            write_page(summary, lambda name: lines_of(self._partial.files / name), writer.write)
            notes.append(writer.done())
        return self._text(MANIFEST, bundle.manifest(notes)).sha256

    def _text(self, name: str, text: str) -> FileNote:
        with self._partial.writer(name) as writer:
            writer.write(text)
            return writer.done()


def _position(call: Call, found: Found) -> tuple[int, int]:
    """Two counters that move with every change of the person's memories."""
    row = call.records.subject(found.subject.sid)
    return (row.changes, row.next_n) if row is not None else (-1, 1)


def _changes(call: Call, found: Found, state: State) -> list[Line]:
    writes = frozenset(name for name, action in ACTIONS.items() if action.kind == "write")
    return changes(call, found, state.log_end, writes)[:_CHANGES]
