"""Everything of one person sealed anew as rows of another, and a person's user id in everything that is stored.

A memory keeps its times, versions, history, scope and the random part of its id; its place is new, and the old one
leads there. A value that both know has one token afterwards. Vectors stay: a token is embedded as its class's word.
Dates that were moved keep the distance that their own person's secret gave them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vault.crypto.record import read_stub
from vault.flows import ids, naming
from vault.flows.bodies import (
    Body,
    decode,
    encode,
    open_bodies,
    open_value,
    record_id,
    said,
    seal_value,
    value_terms,
)
from vault.flows.points import seal_blocks
from vault.flows.replay import taken_over
from vault.flows.stores import OpenStore
from vault.flows.tokens import TokenMap
from vault.index.points import pack_point, unpack_point
from vault.index.terms import canonical, terms
from vault.keys import identity
from vault.keys.keyring import SubjectKeys, TenantKeys
from vault.keys.keystore import Keystore
from vault.records.interface import MemoryRow, RecordStore, RevisionRow
from vault.redaction.operators import find_tokens
from vault.redaction.structure import walk_metadata

_BATCH: Final = 500


@dataclass(slots=True)
class Moved:
    """How much went over, the number of whom it went to, and by how much row numbers grew."""

    s: int
    by: int = 0
    memories: int = 0
    versions: int = 0
    tokens: int = 0


def move(
    store: OpenStore, source: SubjectKeys, into: SubjectKeys, user_id: str, *, by: int | None = None
) -> Moved:
    """Inside a transaction: everything of `source` becomes rows of `into`, whose user id is `user_id`.

    `by` is how much row numbers grew when this was done before, so that ids given out since mean the same again.
    """
    records = store.records
    there = records.ensure_subject(into.sid, into.kid)
    here = records.subject(source.sid)
    if here is None:
        return Moved(there.s)
    free = there.next_n - 1
    by = free if by is None or by < free else by
    records.allocate(there.s, by - free + here.next_n - 1)
    work = _Move(store.tenant, records, source, into, here.s, there.s, by, user_id)
    work.take_tokens()
    for rows in _batches(records, here.s):
        work.take_memories(rows)
    for past in records.all_revisions(here.s):
        work.take_revision(past)
    for row in records.replays(here.s):
        records.replace_replay(row, taken_over(store.tenant, source, into, row, there.s))
    details = dict(work.details())
    records.move_subject(here.s, there.s, by)
    for seq, detail in details.items():
        records.replace_detail(seq, detail)
    seal_blocks(store.tenant, into, records, there.s, range(there.next_n, by + here.next_n))
    return work.done


def _batches(records: RecordStore, s: int) -> Iterator[list[MemoryRow]]:
    after = 0
    while rows := records.memories(s, after_n=after, limit=_BATCH):
        yield rows
        after = rows[-1].n


@dataclass(slots=True)
class _Move:
    """One merge under way: which token a value has now, and how far row numbers grow."""

    tenant: TenantKeys
    records: RecordStore
    source: SubjectKeys
    into: SubjectKeys
    old: int
    s: int
    by: int
    user_id: str
    done: Moved = field(init=False)
    _tokens: TokenMap = field(init=False)
    _names: dict[str, str] = field(default_factory=dict)  # token of the one: token of the other
    _terms: dict[str, int] = field(default_factory=dict)  # token of the other: the term of its value

    def __post_init__(self) -> None:
        self.done = Moved(self.s, self.by)
        self._tokens = TokenMap(self.tenant, self.into, self.records, self.s)

    def take_tokens(self) -> None:
        theirs = TokenMap(self.tenant, self.source, self.records, self.old)
        for row in self.records.tokens(self.old):
            known = theirs.value(row.token)
            if known is not None:
                name = self._names[row.token] = self._tokens.adopt(row.token, *known)
                (self._terms[name],) = value_terms(self.into, [canonical(known[1])])
        self.done.tokens = len(self._names)

    def take_memories(self, rows: Sequence[MemoryRow]) -> None:
        bodies = open_bodies(self.tenant, self.source, rows)
        self.records.insert(
            [self._memory(row, self._body(body)) for row, body in zip(rows, bodies, strict=True)]
        )
        self.done.memories += len(rows)

    def _memory(self, row: MemoryRow, body: Body) -> MemoryRow:
        n, here = row.n + self.by, ids.place(row.s, row.n)
        plain = open_value(self.tenant, self.source, "vector", here, row.version, row.point)
        point = unpack_point(row.n, row.version, plain)
        counts = terms(said(body, row.created_ms))
        counts.update((self._terms[token], 1) for token in body.tokens if token in self._terms)
        packed = pack_point(
            point.vectors, counts, (point.agent, point.app, point.run), point.expires_ms or None
        )
        identity_, there = record_id(self.s, n, row.nonce), ids.place(self.s, n)
        return replace(
            row,
            s=self.s,
            n=n,
            body=seal_value(self.tenant, self.into, "record", identity_, row.version, encode(body)),
            point=seal_value(self.tenant, self.into, "vector", there, row.version, packed),
        )

    def take_revision(self, past: RevisionRow) -> None:
        before = record_id(past.s, past.n, past.nonce)
        after = record_id(self.s, past.n + self.by, past.nonce)
        actor = open_value(self.tenant, self.source, "actor", before, past.version, past.actor)
        body = None
        if past.body is not None:
            old = decode(open_value(self.tenant, self.source, "history", before, past.version, past.body))
            data = encode(self._body(old))
            body = seal_value(self.tenant, self.into, "history", after, past.version, data)
        actor = seal_value(self.tenant, self.into, "actor", after, past.version, actor)
        self.records.add_revision(replace(past, s=self.s, n=past.n + self.by, actor=actor, body=body))
        self.done.versions += 1

    def _body(self, body: Body) -> Body:
        """A stored version as the other person's, its tokens counted."""
        fresh = replace(body, scope={**body.scope, "user": self.user_id})
        if any(self._names.get(token, token) != token for token in body.tokens):
            fresh.text = self._renamed(body.text)
            fresh.name = self._renamed(body.name) if body.name is not None else None
            fresh.metadata = walk_metadata(body.metadata, lambda text, _: self._renamed(text))
            fresh.tokens = list(dict.fromkeys(self._names.get(token, token) for token in body.tokens))
        self._tokens.refer(fresh.tokens)
        return fresh

    def _renamed(self, text: str) -> str:
        pieces, position = [], 0
        for start, end, token in find_tokens(text):
            pieces += [text[position:start], f"[{self._names.get(token, token)}]"]
            position = end
        return "".join([*pieces, text[position:]])

    def details(self) -> Iterator[tuple[int, bytes]]:
        """What is sealed beside the log entries about the one, for the other."""
        for seq, detail in self.records.details(self.old):
            if read_stub(detail) is not None:
                yield seq, detail
                continue
            entry = b"log" + seq.to_bytes(8, "big")
            plain = open_value(self.tenant, self.source, "detail", entry, 1, detail)
            yield seq, seal_value(self.tenant, self.into, "detail", entry, 1, plain)


def rewrite_user(store: OpenStore, subject: SubjectKeys, s: int, user_id: str) -> int:
    """Inside a transaction: every stored version of a person's memories names this user id; how many that changed."""
    records, tenant = store.records, store.tenant
    numbers, versions = [], 0
    for rows in _batches(records, s):
        for row, body in zip(rows, open_bodies(tenant, subject, rows), strict=True):
            if body.scope.get("user") != user_id:
                data = encode(replace(body, scope={**body.scope, "user": user_id}))
                sealed = seal_value(
                    tenant, subject, "record", record_id(s, row.n, row.nonce), row.version, data
                )
                records.replace(row, replace(row, body=sealed))
                numbers.append(row.n)
    seal_blocks(tenant, subject, records, s, numbers)
    for past in records.all_revisions(s):
        if past.body is None:
            continue
        place = record_id(s, past.n, past.nonce)
        body = decode(open_value(tenant, subject, "history", place, past.version, past.body))
        if body.scope.get("user") != user_id:
            data = encode(replace(body, scope={**body.scope, "user": user_id}))
            sealed = seal_value(tenant, subject, "history", place, past.version, data)
            records.replace_revision(past, replace(past, body=sealed))
            versions += 1
    return len(numbers) + versions


# --- restored files --------------------------------------------------------------------------------------------------


def rows_again(keystore: Keystore, store: OpenStore, detail: Mapping[str, Any]) -> Moved | None:
    """Inside a transaction: restored rows of somebody who was merged since go over again, while their keys are there.

    None where there are none, or where keys are missing: of the one, of the other, or of a part of the rows.
    """
    tenant, records = store.tenant, store.records
    source = keystore.subject_by_sid(tenant, bytes.fromhex(detail["from"]))
    into = keystore.subject_by_sid(tenant, bytes.fromhex(detail["sid"]))
    here = records.subject(source.sid) if source is not None else None
    if source is None or into is None or here is None:
        return None
    if not records.sealed_under().get(here.s, {}).keys() <= source.deks.keys():
        return None
    names = identity.open_names(tenant, into, bytes.fromhex(detail["names"]))
    return move(store, source, into, names.primary[1], by=detail["by"])


def merge_again(keystore: Keystore, store: OpenStore, detail: Mapping[str, Any]) -> None:
    """Follow a merge that an older keystore does not know; rows that are restored with it go over first.

    Where the other person is not in the keystore either, and was not erased, nothing is done: the one is still there.
    """
    tenant, records = store.tenant, store.records
    into = keystore.subject_by_sid(tenant, bytes.fromhex(detail["sid"]))
    if into is None and not any(kid.hex() == detail["kid"] for kid, _ in keystore.tombstones(tenant.tid)):
        return
    if records.subject(bytes.fromhex(detail["from"])) is not None:
        with records.transaction():
            moved = rows_again(keystore, store, detail)
            if moved is not None:
                store.log.append_system("restore.reconciled", count=max(1, moved.memories))
    naming.take_over_details(store, bytes.fromhex(detail["sid"]))
    naming.absorb(keystore, tenant, detail)
