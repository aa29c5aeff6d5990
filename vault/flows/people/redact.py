"""A value redacted in memories that mention it: a token in its place, in the current version and in the history.

Only the value that was named is redacted, whatever the detector thinks of it. Each memory in which it stands readable
gets a new version, REDACT in its history; older versions are redacted where they lie. What was removed becomes
unreadable in backups with the next roll.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from vault.errors import ConflictError, InvalidInputError, NotFoundError
from vault.flows import ids, validate
from vault.flows.bodies import Body, encode, open_body, record_id, seal_value
from vault.flows.change import known_subject, put_version
from vault.flows.context import Call, Caller, Stages, calling
from vault.flows.holds import refuse_held
from vault.flows.people.mentions import VALUE_BYTES, past_versions, token_values
from vault.flows.people.sought import Sought
from vault.flows.people.subjects import refuse_bound
from vault.flows.points import seal_blocks
from vault.flows.redact import Draft, Segments, finish, preview
from vault.flows.scope import LOGGED_IDS
from vault.flows.sign import sign_if_due
from vault.flows.tokens import TokenMap
from vault.flows.vectors import embed, still
from vault.keys import cases
from vault.keys.keyring import SubjectKeys
from vault.records.interface import MemoryRow, RevisionRow
from vault.redaction.operators import Redacted, marker
from vault.redaction.structure import walk_metadata

REDACT: Final = "subject.redact_mentions"
MOST_IDS: Final = 10_000
_BATCH: Final = 200  # memories in one transaction
_DEFAULT: Final = "PERSON"


@dataclass(frozen=True, slots=True)
class RedactedMentions:
    """Memories that hold the value no more, how many older versions that took, and how many had nothing to redact."""

    memories: int
    versions: int
    unchanged: int
    entity: str
    done: bool


@dataclass(slots=True)
class _Mentioning:
    """A memory with the value in it: a draft of its current version, and of the older ones that hold it."""

    row: MemoryRow
    body: Body
    draft: Draft
    past: list[tuple[RevisionRow, Body, Draft]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Cut:
    """What is cut out of texts, as which class, and by which operator."""

    sought: Sought
    entity: str
    drops: bool

    def draft(self, body: Body, values: Mapping[str, str]) -> Draft:
        planned: dict[tuple[str, str | None], Segments] = {}

        def visit(text: str, context: str | None) -> str:
            planned[text, context] = self.segments(text, values)
            return text

        walk_metadata(body.metadata, visit)
        name = self.segments(body.name, values) if body.name is not None else None
        return Draft(self.segments(body.text, values), name, body.metadata, planned)

    def segments(self, text: str, values: Mapping[str, str]) -> Segments:
        """The stored text cut at what can be read of the value; a token that holds a part of it goes with it."""
        pieces: list[str | Redacted] = []
        position = 0
        for place in self.sought.places(text, values):
            if place.clear:
                pieces += [text[position : place.start], self._redacted(place.original)]
                position = place.end
        return [*pieces, text[position:]]

    def _redacted(self, original: str) -> Redacted:
        if self.drops:
            return Redacted(self.entity, "drop", original, marker(self.entity))
        return Redacted(self.entity, "token", original, None)


def redact_mentions(
    stages: Stages,
    caller: Caller,
    value: object,
    memory_ids: object,
    *,
    reason: object,
    entity: object,
    dry_run: object,
) -> RedactedMentions:
    """Put a token in the place of a value in these memories and their history; NotFoundError for an unknown id."""
    with calling(stages, caller, REDACT) as call:
        refuse_bound(call)
        sought = Sought(validate.text("value", value, VALUE_BYTES))
        named = _ids(memory_ids)
        why, dry = validate.required_reason(reason), validate.flag("dry_run", dry_run)
        found = _entity(call, entity, str(value))
        drops = stages.policy.operators.get(found, stages.policy.default_operator) in ("drop", "block")
        cut = _Cut(sought, found, drops)
        groups = _grouped(call, named)
        for subject, _ in groups:
            refuse_held(call, subject.sid)
        memories = versions = 0
        for subject, rows in groups:
            for start in range(0, len(rows), _BATCH):
                mentioning = _examine(call, subject, rows[start : start + _BATCH], cut)
                if mentioning and not dry:
                    _redact(call, subject, mentioning, why)
                memories += len(mentioning)
                versions += sum(len(one.past) for one in mentioning)
        if dry or not memories:
            call.log_read(call.event(count=0, dry_run=dry, memories=memories, reason=why))
        else:
            call.records.purge_free_space()
        sign_if_due(call)
    return RedactedMentions(memories, versions, len(named) - memories, found, done=not dry)


def _ids(value: object) -> list[str]:
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MOST_IDS:
        raise InvalidInputError("memory_ids.type", f"memory_ids must be a list of 1 to {MOST_IDS} ids")
    return list(dict.fromkeys(validate.text("memory_ids", one, 256) for one in value))


def _entity(call: Call, entity: object, value: str) -> str:
    """The class to redact the value as: the one asked for, else what the detector takes it for, else a name."""
    known = {one for data_class in call.stages.policy.classes.values() for one in data_class.entities}
    if entity is not None:
        if not isinstance(entity, str) or entity not in known:
            raise InvalidInputError(
                "entity.unknown", "entity must be one of the pack's classes, such as PERSON"
            )
        return entity
    whole = [
        f for f in call.stages.detector.detect(value) if f.end - f.start == len(value) and f.entity in known
    ]
    return max(whole, key=lambda finding: finding.score).entity if whole else _DEFAULT


def _grouped(call: Call, named: Sequence[str]) -> list[tuple[SubjectKeys, list[MemoryRow]]]:
    """The rows of these ids by person; expired ones too, which are stored until they are swept."""
    groups: dict[int, list[MemoryRow]] = {}
    for memory_id in named:
        row = ids.find(call.tenant, call.records, memory_id)
        if row is None:
            call.log_read(call.event(result="not_found"))
            raise NotFoundError("memory.unknown", "there is no such memory")
        groups.setdefault(row.s, []).append(row)
    return [(known_subject(call, s), rows) for s, rows in groups.items()]


def _examine(call: Call, subject: SubjectKeys, rows: Sequence[MemoryRow], cut: _Cut) -> list[_Mentioning]:
    """Of these memories of one person those in which the value stands readable, in whatever version."""
    found = []
    values = token_values(call, subject, rows[0].s)
    for row in rows:
        body = open_body(call.tenant, subject, row)
        one = _Mentioning(row, body, cut.draft(body, values))
        for revision, old in past_versions(call, subject, row):
            draft = cut.draft(old, values)
            if draft.changes:
                one.past.append((revision, old, draft))
        if one.draft.changes or one.past:
            found.append(one)
    return found


def _redact(call: Call, subject: SubjectKeys, mentioning: Sequence[_Mentioning], why: str) -> None:
    """One transaction: new versions, redacted histories, and the entry that names the memories."""
    stages, s = call.stages, mentioning[0].row.s
    vectors = embed(call, [preview(one.draft) for one in mentioning])
    tokens = TokenMap(call.tenant, subject, call.records, s)
    with call.records.transaction():
        refuse_held(call, subject.sid)
        cases.mark_stale(stages.keystore, call.tenant.tid, subject.sid)
        for one, vector in zip(mentioning, still(call, vectors), strict=True):
            current = call.records.memory(s, one.row.n)
            if current is None or current.version != one.row.version:
                raise ConflictError("memory.changed", "a memory was changed meanwhile; do it again")
            for revision, old, draft in one.past:
                sealed = seal_value(
                    call.tenant,
                    subject,
                    "history",
                    record_id(s, one.row.n, one.row.nonce),
                    revision.version,
                    encode(_finished(tokens, old, draft)),
                )
                call.records.replace_revision(revision, replace(revision, body=sealed))
            if one.draft.changes:
                body = _finished(tokens, one.body, one.draft)
                tokens.refer(body.tokens)  # by the new version; the old one's references go to its revision
                new = replace(body, event="REDACT", actor=call.caller.principal.id, reason=why)
                put_version(call, subject, current, body, new, vector)
        seal_blocks(call.tenant, subject, call.records, s, [m.row.n for m in mentioning if m.draft.changes])
        named = [ids.encode(call.tenant, one.row) for one in mentioning]
        event = call.event(count=len(named), ids=named[:LOGGED_IDS], reason=why)
        call.store.log.append(event, subject, s)
    stages.index.forget(call.tenant.tid, subject.sid)


def _finished(tokens: TokenMap, body: Body, draft: Draft) -> Body:
    """A version as it is stored from now on; tokens that it no longer names are given up."""
    done = finish(draft, tokens)
    tokens.refer([token for token in done.tokens if token not in body.tokens])
    tokens.refer([token for token in body.tokens if token not in done.tokens], -1)
    return replace(body, text=done.text, name=done.name, metadata=done.metadata, tokens=done.tokens)
