"""Mentions of a value in other people's memories: found by who answers for the data, and redacted there.

A value is looked for in everything that is stored about each person: the values behind their tokens, the text, name and
metadata of every version. Nothing of it is shown; the answer says which memories of whom, and where in them. How many
people are opened and how many memories are named is bounded; a cursor goes on where an answer ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from vault.crypto.primitives import hmac_sha256
from vault.flows import ids, validate
from vault.flows.bodies import Body, decode, open_bodies, open_value, record_id
from vault.flows.context import Call, Caller, Stages, calling
from vault.flows.listing import read_cursor, write_cursor
from vault.flows.people.sought import Sought
from vault.flows.people.subjects import person, refuse_bound
from vault.flows.scope import LOGGED_IDS
from vault.flows.sign import sign_if_due
from vault.flows.tokens import TokenMap
from vault.keys.keyring import SubjectKeys
from vault.records.interface import MemoryRow, RevisionRow
from vault.redaction.structure import walk_metadata

FIND: Final = "subject.find_mentions"
VALUE_BYTES: Final = 512
MOST_PEOPLE: Final = 100_000
_BATCH: Final = 200
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Mention:
    """A memory that mentions the value: whose it is (`kind:id`), and where: text, name, metadata, history.

    `clear` says that the value stands there readable somewhere; else every mention of it is a token already.
    """

    memory_id: str
    about: str
    where: tuple[str, ...]
    clear: bool


@dataclass(frozen=True, slots=True)
class Mentions:
    """One part of an answer: what was found, in how many people's memories, and the cursor where it goes on."""

    found: tuple[Mention, ...]
    people: int
    memories: int
    next_cursor: str | None


@dataclass(slots=True)
class _Search:
    """A search under way."""

    call: Call
    sought: Sought
    limit: int
    people: int = 0
    memories: int = 0
    found: list[Mention] = field(default_factory=list)
    named: dict[int, tuple[SubjectKeys, list[str]]] = field(default_factory=dict)


def find_mentions(
    stages: Stages,
    caller: Caller,
    value: object,
    *,
    user_id: object,
    limit: object,
    people: object,
    cursor: object,
    progress: Progress | None,
) -> Mentions:
    """Which memories of anybody but `user_id` mention a value; logged with counts and ids, never with the value."""
    with calling(stages, caller, FIND) as call:
        refuse_bound(call)
        wanted = validate.text("value", value, VALUE_BYTES)
        search = _Search(call, Sought(wanted), validate.limit(limit, stages.config.limits.results))
        most = validate.limit(people, MOST_PEOPLE, "people")
        validate.callback("progress", progress)
        own = validate.identifier("user_id", user_id)
        left_out = person(call, own).sid if own is not None else None
        question = hmac_sha256(call.tenant.key("tags"), b"mentions", wanted.encode(), left_out or b"")
        start, after = read_cursor(call, cursor, question) or (0, 0)
        rows = [row for row in call.records.subjects() if row.s >= start and row.sid != left_out]
        total = min(most, len(rows))
        stopped: tuple[int, int] | None = None
        for row in sorted(rows, key=lambda row: row.s):
            if search.people == total:
                stopped = (row.s, 0)
                break
            stopped = _look(search, row.sid, row.s, after if row.s == start else 0)
            if progress is not None:
                progress(search.people, total)
            if stopped is not None:
                break
        _log(search)
        following = write_cursor(call, stopped, question) if stopped is not None else None
        sign_if_due(call)
    return Mentions(tuple(search.found), search.people, search.memories, following)


def _look(search: _Search, sid: bytes, s: int, after: int) -> tuple[int, int] | None:
    """One person's memories from behind number `after`; where it stopped because the answer is full, else None."""
    call = search.call
    search.people += 1
    subject = call.stages.keystore.subject_by_sid(call.tenant, sid)
    if subject is None:
        return None
    values = token_values(call, subject, s)
    about = ""
    with call.records.reading():
        while rows := call.records.memories(s, after_n=after, limit=_BATCH):
            for row, body in zip(rows, open_bodies(call.tenant, subject, rows), strict=True):
                search.memories += 1
                where, clear = _places(body, search.sought, values)
                for _, past in past_versions(call, subject, row):
                    old, in_clear = _places(past, search.sought, values)
                    where, clear = [*where, *(["history"] if old else [])], clear or in_clear
                if where:
                    about = about or ":".join(call.stages.keystore.identity(call.tenant, subject.sid))
                    memory_id = ids.encode(call.tenant, row)
                    search.found.append(Mention(memory_id, about, tuple(dict.fromkeys(where)), clear))
                    search.named.setdefault(s, (subject, []))[1].append(memory_id)
                if len(search.found) == search.limit:
                    return s, row.n
            after = rows[-1].n
    return None


def token_values(call: Call, subject: SubjectKeys, s: int) -> dict[str, str]:
    """The value behind each token of a person."""
    tokens = TokenMap(call.tenant, subject, call.records, s)
    known = ((row.token, tokens.value(row.token)) for row in call.records.tokens(s))
    return {token: value[1] for token, value in known if value is not None}


def past_versions(call: Call, subject: SubjectKeys, row: MemoryRow) -> Iterator[tuple[RevisionRow, Body]]:
    """The superseded versions of a memory that still have a value."""
    identity = record_id(row.s, row.n, row.nonce)
    for past in call.records.revisions(row.s, row.n):
        if past.body is not None:
            data = open_value(call.tenant, subject, "history", identity, past.version, past.body)
            yield past, decode(data)


def _places(body: Body, sought: Sought, values: Mapping[str, str]) -> tuple[list[str], bool]:
    """Where in a version the value stands, and whether any of it is readable."""
    metadata: list[str] = []

    def visit(text: str, _context: str | None) -> str:
        metadata.append(text)
        return text

    walk_metadata(body.metadata, visit)
    where, clear = [], False
    for name, texts in (("text", [body.text]), ("name", [body.name or ""]), ("metadata", metadata)):
        places = [place for text in texts for place in sought.places(text, values)]
        where += [name] if places else []
        clear |= any(place.clear for place in places)
    return where, clear


def _log(search: _Search) -> None:
    """One entry for the search, and one for each person whose memories the answer names, in their own log."""
    call = search.call
    call.log_read(call.event(count=len(search.found), people=search.people, memories=search.memories))
    for s, (subject, named) in search.named.items():
        call.log_read(call.event(count=len(named), ids=named[:LOGGED_IDS]), subject, s)
