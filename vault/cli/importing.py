"""`memvault import`: a JSON or JSON Lines file into the vault, in bulk, and a report of what was refused.

JSON Lines are read line by line and never held as a whole. Every line carries an idempotency key made of the file's
digest, the line's number and its scope: the same import, repeated within 24 hours, stores nothing twice.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO, Final

import typer

from vault.cli import output, parsing
from vault.cli.failures import FAILED
from vault.cli.memories import PANEL, AgentOption, AppOption, RunOption
from vault.cli.verbs import Call, verb
from vault.errors import InvalidInputError, NotFoundError, VaultError

if TYPE_CHECKING:
    from rich.console import Console

    from vault.admin import Admin

MOST_LINE_BYTES: Final = 8 << 20
MOST_DOCUMENT_BYTES: Final = 256 << 20  # a JSON document is parsed as a whole; JSON Lines have no limit
CHUNK: Final = 2_048
SHOWN: Final = 20

_TEXTS: Final = ("memory", "text", "content")
_SCOPES: Final = ("user_id", "agent_id", "app_id", "run_id")
_ORIGINAL: Final = {
    "id": "original_id",
    "created_at": "original_created_at",
    "updated_at": "original_updated_at",
}
_EXPIRIES: Final = ("expires_at", "expiration_date")
_IGNORED: Final = frozenset({"hash", "score"})  # what other memory layers export and a vault makes itself
_KNOWN: Final = frozenset(
    {*_TEXTS, *_SCOPES, *_ORIGINAL, *_EXPIRIES, *_IGNORED, "messages", "role", "name", "metadata"}
)

Line = tuple[int, Any, int]  # number (from 1), what it holds or an error, bytes read so far


@dataclass(slots=True)
class Report:
    """What became of the lines; a refusal names the line and the reason, never what it says."""

    lines: int = 0
    memories: int = 0
    refused: list[dict[str, object]] = field(default_factory=list)
    dry_run: bool = False


def register(app: typer.Typer) -> None:
    verb(app, "import", panel=PANEL)(import_)


def import_(
    call: Call,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="JSON array, object with memories, or JSON Lines.")
    ],
    agent: AgentOption = None,
    app: AppOption = None,
    run: RunOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check every line, store nothing.")] = False,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="FILE", help="Write the report as JSON, readable by you only."),
    ] = None,
) -> None:
    """Store many memories from a file. Repeat an import that was cut off, within 24 hours, and it goes on.

    A line is an object with memory, text or content (or messages), optionally user_id, agent_id, app_id, run_id,
    metadata, role, name, expires_at. --user, --agent, --app and --run are for lines that name no scope. A line's own
    id, created_at and updated_at are kept in its metadata as original_id, original_created_at, original_updated_at.
    Refused lines are reported by number and reason, the others are stored; then the exit code is 5.
    """
    defaults = {
        name: value
        for name, value in parsing.scope_ids(call.user(agent, app, run), agent, app, run).items()
        if value is not None
    }
    found = Report(dry_run=dry_run)
    total = _file_size(file)
    if report is not None and (report.is_dir() or not report.absolute().parent.is_dir()):
        raise InvalidInputError("report.place", "--report must name a file in a folder that exists")
    try:
        with call.out.progress("checking" if dry_run else "importing", total) as progress:
            lines = ((number, _item(held, defaults), done) for number, held, done in read_lines(file))
            if dry_run:
                _check(call, lines, found, progress)
            else:
                _store(call, _keyed(lines, _digest(file)), found, progress)
    finally:
        if report is not None:
            _write_report(report, found)
    call.out.show(found, lambda screen: _show(screen, found))
    if found.refused:
        raise typer.Exit(FAILED)


def _show(screen: Console, found: Report) -> None:
    for refusal in found.refused[:SHOWN]:
        output.line(screen, ("refused", "red"), " line {line}: {message} [{code}]".format(**refusal))
    if len(found.refused) > SHOWN:
        output.line(screen, f"... and {len(found.refused) - SHOWN} more; --report FILE names them all")
    done = "could be stored" if found.dry_run else "are stored"
    colour = "red" if found.refused else "green"
    output.line(
        screen,
        (f"{found.memories} memories of {found.lines} lines {done}, {len(found.refused)} refused", colour),
    )


def _write_report(path: Path, found: Report) -> None:
    from vault.files import write_private

    write_private(path, (json.dumps(output.plain(found), indent=2) + "\n").encode())


# --- reading -----------------------------------------------------------------------------------------------------


def _file_size(path: Path) -> int:
    try:
        found = path.stat()
    except OSError:
        raise NotFoundError("file.missing", "the file to import does not exist or cannot be read") from None
    if stat.S_ISDIR(found.st_mode) or not os.access(path, os.R_OK):
        raise InvalidInputError("file.unreadable", "the file to import cannot be read")
    return found.st_size


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_lines(path: Path) -> Iterator[Line]:
    """Each line (or element of a JSON document) with its number; or the InvalidInputError it is."""
    with path.open("rb") as file:
        if path.suffix in (".jsonl", ".ndjson") or not _is_document(file):
            yield from _json_lines(file)
        else:
            yield from _document(file)


def _is_document(file: BinaryIO) -> bool:
    """A JSON document begins with a list, or with an object that does not end on its line or lists memories."""
    first = file.readline(MOST_LINE_BYTES).removeprefix(b"\xef\xbb\xbf")
    while first and not first.strip():
        first = file.readline(MOST_LINE_BYTES)
    file.seek(0)
    if first.lstrip().startswith(b"["):
        return True
    try:
        parsed = json.loads(first)
    except (ValueError, RecursionError):
        return first.lstrip().startswith(b"{") and not first.rstrip().endswith(b"}")
    return isinstance(parsed, dict) and isinstance(parsed.get("memories"), list)


def _document(file: BinaryIO) -> Iterator[Line]:
    data = file.read(MOST_DOCUMENT_BYTES + 1)
    if len(data) > MOST_DOCUMENT_BYTES:
        raise InvalidInputError("import.size", "the JSON document is larger than 256 MiB; use JSON Lines")
    parsed = parsing.parse_json(parsing.decoded(data, "the file to import"), "the file to import")
    items = parsed.get("memories") if isinstance(parsed, dict) else parsed
    if not isinstance(items, list):
        raise InvalidInputError(
            "import.form", "the file must hold a list, an object with a list of memories, or JSON Lines"
        )
    for number, item in enumerate(items, 1):
        yield number, item, len(data) * number // len(items)


def _json_lines(file: BinaryIO) -> Iterator[Line]:
    number = done = 0
    while data := file.readline(MOST_LINE_BYTES + 1):
        number, done = number + 1, done + len(data)
        if len(data) > MOST_LINE_BYTES:
            while data and not data.endswith(b"\n"):
                data = file.readline(MOST_LINE_BYTES)
                done += len(data)
            yield number, InvalidInputError("line.length", "the line is longer than 8 MiB"), done
        elif data.strip():
            try:
                yield number, parsing.parse_json(parsing.decoded(data, "the line"), "the line"), done
            except InvalidInputError as error:
                yield number, error, done


def _item(held: Any, defaults: Mapping[str, str]) -> Any:
    """What `add` takes, from one line; an InvalidInputError in its place where the line is not of the known form."""
    try:
        return held if isinstance(held, InvalidInputError) else to_item(held, defaults)
    except InvalidInputError as error:
        return error


def to_item(held: Any, defaults: Mapping[str, str]) -> dict[str, Any]:
    """One line as the arguments of an `add`; raises InvalidInputError naming what is wrong, never what it says."""
    if not isinstance(held, dict):
        raise InvalidInputError("line.type", "the line is not a JSON object")
    if set(held) - _KNOWN:
        raise InvalidInputError("line.field", "the line has a field that an import does not know")
    given = {name: value for name, value in held.items() if value is not None}
    item: dict[str, Any] = {"content": _content(given)}
    scope = {name: given[name] for name in _SCOPES if name in given}
    item.update(scope or defaults)
    metadata = given.get("metadata", {})
    if not isinstance(metadata, dict):
        raise InvalidInputError("metadata.type", "metadata must be an object")
    originals = {kept: given[name] for name, kept in _ORIGINAL.items() if name in given}
    item["metadata"] = {**originals, **metadata}
    expiry = next((given[name] for name in _EXPIRIES if name in given), None)
    if expiry is not None:
        item["expires_at"] = parsing.iso_time(expiry, "expires_at")
    return item


def _content(given: Mapping[str, Any]) -> Any:
    texts = [given[name] for name in (*_TEXTS, "messages") if name in given]
    if len(texts) != 1:
        raise InvalidInputError(
            "line.text", "the line must have exactly one of memory, text, content and messages"
        )
    about = {name: given[name] for name in ("role", "name") if name in given}
    if not about or "messages" in given:
        if about:
            raise InvalidInputError("line.text", "role and name stand inside messages")
        return texts[0]
    return {"content": texts[0], **about}


# --- storing -----------------------------------------------------------------------------------------------------


def _keyed(lines: Iterable[Line], digest: str) -> Iterator[Line]:
    for number, item, done in lines:
        if isinstance(item, dict):
            scope = [str(item.get(name)) for name in _SCOPES]
            parts = json.dumps([digest, number, *scope]).encode()
            item["idempotency_key"] = f"import-{hashlib.sha256(parts).hexdigest()}"
        yield number, item, done


def _check(
    call: Call, lines: Iterable[Line], found: Report, progress: Callable[[int, int | None], None]
) -> None:
    from datetime import UTC, datetime

    from vault.flows.bulk import check_item

    now = datetime.now(UTC)
    for number, item, done in lines:
        found.lines += 1
        try:
            if isinstance(item, InvalidInputError):
                raise item
            found.memories += len(check_item(call.config.limits, now, item)[0])
        except InvalidInputError as error:
            _refuse(found, number, error.code, error.message)
        progress(done, None)


def _store(
    call: Call, lines: Iterator[Line], found: Report, progress: Callable[[int, int | None], None]
) -> None:
    """Chunk by chunk, so that neither the file nor the answer is ever in memory as a whole."""
    from vault.session import Vault

    purpose = call.asked.purpose or call.config.cli.purpose
    call.listen()
    with Vault.open(call.folder) as vault, call.explaining("memory.import"):
        principal = call.principal(vault)
        vault.session(principal, purpose=purpose)  # creates the tenant where the configuration lets it
        admin = vault.admin(principal, purpose=purpose)
        while chunk := list(islice(lines, CHUNK)):
            _store_chunk(admin, chunk, found)
            progress(chunk[-1][2], None)


def _store_chunk(admin: Admin, chunk: list[Line], found: Report) -> None:
    numbers, items = array("Q"), []
    for number, item, _ in chunk:
        if isinstance(item, VaultError):
            _refuse(found, number, item.code, item.message)
        else:
            numbers.append(number)
            items.append(item)
    result = admin.import_many(items)
    found.lines += len(chunk)
    found.memories += len(result.ids)
    for refusal in result.refused:
        _refuse(found, numbers[refusal.position], refusal.code, refusal.message)
    found.refused.sort(key=lambda refusal: int(str(refusal["line"])))


def _refuse(found: Report, line: int, code: str, message: str) -> None:
    found.refused.append({"line": line, "code": code, "message": message})
