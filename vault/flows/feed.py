"""Handing the log to a collector of logs: every entry once, in order, with the checkpoints that cover them.

The export is logged and the log is signed before anything leaves, so that what leaves ends with a checkpoint. Then
entries go out a page at a time: nobody waits for a slow collector. The records hold every entry, archived ones too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any, Final

from vault.audit import feed
from vault.audit.events import stamp
from vault.audit.feed import Feed, Format, Place, Sink
from vault.audit.jcs import strict_loads
from vault.errors import AuditChainError, InvalidInputError
from vault.exporting.partial import destination
from vault.flows import validate
from vault.flows.context import Call, Caller, Stages, calling
from vault.flows.exports.run import kept_out
from vault.flows.sign import sign

Progress = Callable[[int, int], None]
_PAGE: Final = 1_000  # entries
_ACTION: Final = "audit.export"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for, checked."""

    to: object
    form: Format
    since: datetime | None
    resume: bool
    cursor: Path | None


@dataclass(frozen=True, slots=True)
class _Begun:
    """An export that is decided, logged and signed: entries `begin` <= seq < `end` are to be written to `sink`."""

    sink: Sink
    lines: Feed
    origin: str
    begin: int
    end: int
    place: Place | None  # the end of a file that is gone on with
    vkeys: list[str]


def run(
    stages: Stages,
    folder: Path,
    caller: Caller,
    to: object,
    *,
    form: object,
    since: object,
    resume: object,
    cursor: object,
    progress: Progress | None,
) -> dict[str, Any]:
    """Write the tenant's log to a file, or to a stream of bytes; see `Admin.audit_export`."""
    asked = _Asked(
        to,
        _form(form),
        validate.since(since),
        validate.flag("resume", resume),
        Path(validate.path("cursor", cursor)).absolute() if cursor is not None else None,
    )
    validate.callback("progress", progress)
    if asked.resume and asked.cursor is not None:
        raise InvalidInputError("resume.cursor", "go on at the end of the file or from a cursor, not both")
    with ExitStack() as held:
        with calling(stages, caller, _ACTION) as call:
            begun = _begun(call, folder, asked, held)
        _write(stages, caller, begun, asked.cursor, progress)
    return {
        "origin": begun.origin,
        "from": begun.begin,
        "next": begun.end,
        "entries": begun.end - begun.begin,
        "checkpoints": begun.lines.checkpoints,
        "vkeys": begun.vkeys,
    }


def _form(value: object) -> Format:
    if value == "jsonl":
        return "jsonl"
    if value == "ocsf":
        return "ocsf"
    raise InvalidInputError("format.value", 'format must be "jsonl" or "ocsf"')


def _begun(call: Call, folder: Path, asked: _Asked, held: ExitStack) -> _Begun:
    """Find where to begin, compare what was exported before with the log, log the export, and sign."""
    log = call.store.log
    sink, place = _sink(call, folder, asked, held)
    before = feed.read_cursor(asked.cursor, log.origin) if asked.cursor is not None else place
    begin = before.next if before is not None else _first(call, asked.since)
    edge = feed.edge_at(call.records, begin)
    if before is not None:
        before.check(call.records, edge)
    with call.records.transaction():
        size = call.records.log_head()[0]
        log.append(call.event(count=size + 1 - begin, format=asked.form))
    end = sign(call.stages.keystore, call.store).size
    notes = [(covered, note) for covered, note, _ in call.records.checkpoints() if begin <= covered <= end]
    lines = Feed(asked.form, log.origin, edge, notes, log.vkeys(), version("memvault"))
    return _Begun(sink, lines, log.origin, begin, end, place, log.vkeys())


def _sink(call: Call, folder: Path, asked: _Asked, held: ExitStack) -> tuple[Sink, Place | None]:
    """Where the lines go, and what stands at the end of a file that is gone on with."""
    if callable(getattr(asked.to, "write", None)):
        if asked.resume:
            raise InvalidInputError("resume.stream", "a stream has no end to go on at; give a cursor")
        return feed.Stream(asked.to), None
    path = destination(validate.path("to", asked.to), kept_out(call.stages, folder))
    file = held.enter_context(feed.target(path, asked.form, call.store.log.origin, resume=asked.resume))
    return file, file.place


def _first(call: Call, since: datetime | None) -> int:
    """The number of the first entry of a time or later; all of them follow it, whatever the clock did."""
    if since is None:
        return 0
    earliest = stamp(since)
    entries = (row for row in call.records.log() if strict_loads(row.entry)["t"] >= earliest)
    found = next(entries, None)
    return found.seq if found is not None else call.records.log_head()[0]


def _write(
    stages: Stages, caller: Caller, begun: _Begun, cursor: Path | None, progress: Progress | None
) -> None:
    begun.sink.write(begun.lines.begin(begun.place))
    done, total = 0, begun.end - begun.begin
    for page in _pages(stages, caller, begun.begin, begun.end):
        for entry in page:
            for line in begun.lines.lines(entry):
                begun.sink.write(line)
        begun.sink.flush()
        if cursor is not None:
            feed.write_cursor(cursor, begun.lines)
        done += len(page)
        if progress is not None:
            progress(done, total)


def _pages(stages: Stages, caller: Caller, begin: int, end: int) -> Iterator[list[bytes]]:
    """The entries, a page at a time; the vault is not held while a page is written."""
    while begin < end:
        with stages.lease.shared():
            stages.keystore.refresh()
            with stages.stores.use(stages.tenant(caller.principal.tenant)) as store:
                rows = list(islice(store.records.log(begin, end), _PAGE))
        if [row.seq for row in rows] != list(range(begin, begin + len(rows))) or not rows:
            raise AuditChainError("audit.gap", "the log has a gap")
        yield [row.entry for row in rows]
        begin += len(rows)
