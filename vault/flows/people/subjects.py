"""Who a person is: another user id, further ids, and two ids of one person that become one.

Each change is one transaction (rows and log entries) that the keystore then follows (`naming`), the vault held alone:
no call that found a person by one id writes under it after the change. A legal hold keeps a person from being renamed,
merged away, or losing an id; somebody may be merged into a person under hold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from vault.audit.log import Event
from vault.errors import HeldError, InvalidInputError, NotFoundError
from vault.flows import merging, naming, validate
from vault.flows.context import Call, Caller, Stages, calling
from vault.flows.holds import refuse_held
from vault.flows.naming import ALIAS, MERGE, RENAME
from vault.flows.reconcile import settle
from vault.flows.rotate import fresh_tenant
from vault.flows.sign import sign
from vault.flows.stores import OpenStore
from vault.keys import cases, identity
from vault.keys.identity import Names
from vault.keys.keyring import SubjectKeys, TenantKeys
from vault.records.interface import SubjectRow

MOST_ALIASES: Final = 100
_T = TypeVar("_T")
_Change = Callable[[TenantKeys, OpenStore], _T]


@dataclass(frozen=True, slots=True)
class PersonIds:
    """The ids of a person: the first one, which answers carry, and the others that find the same memories."""

    user_id: str
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Renamed:
    """A person's ids after a rename, and how many stored versions name the new one; `done` is False for a dry run."""

    user_id: str
    aliases: tuple[str, ...]
    rewritten: int
    done: bool


@dataclass(frozen=True, slots=True)
class Merged:
    """A person's ids after a merge, and what came from the other: memories, earlier versions, tokens."""

    user_id: str
    aliases: tuple[str, ...]
    memories: int
    versions: int
    tokens: int
    done: bool


# --- rename ----------------------------------------------------------------------------------------------------------


def rename(
    stages: Stages,
    caller: Caller,
    user_id: object,
    new_id: object,
    *,
    keep_old: object,
    reason: object,
    dry_run: object,
) -> Renamed:
    """Give a person another user id; the old one becomes an alias, or is nobody's."""
    old, new = _id("user_id", user_id), _id("new_id", new_id)
    keep, dry = validate.flag("keep_old_as_alias", keep_old), validate.flag("dry_run", dry_run)
    why = validate.reason(reason)
    with calling(stages, caller, RENAME) as call:
        refuse_bound(call)
        subject = person(call, old)
        names = identity.names(stages.keystore, call.tenant, subject.sid)
        if names.primary == ("user", new):
            raise InvalidInputError("subject.same", "the person has this id already")
        identity.refuse_taken(stages.keystore, call.tenant, subject.sid, ("user", new))
        refuse_held(call, subject.sid)
        after = _bounded(identity.renamed(names, ("user", new), keep_old=keep))
        if dry:
            row = call.records.subject(subject.sid)
            count = len(call.records.order(row.s)) if row is not None else 0
            call.log_read(call.event(dry_run=True), subject, row.s if row is not None else None)
            return Renamed(*_shown(after), rewritten=count, done=False)
        event = call.event(reason=why)

    def change(tenant: TenantKeys, store: OpenStore) -> tuple[Names, int]:
        found = _again(stages, tenant, old)
        identity.refuse_taken(stages.keystore, tenant, found.sid, ("user", new))
        known = identity.names(stages.keystore, tenant, found.sid)
        told = _bounded(identity.renamed(known, ("user", new), keep_old=keep))
        if not keep:  # the old id stands in stored versions, and so in backups
            cases.mark_stale(stages.keystore, tenant.tid, found.sid)
        with store.records.transaction():
            s = store.records.ensure_subject(found.sid, found.kid).s
            count = merging.rewrite_user(store, found, s, new)
            _tell(store, event, found, s, told, count=count)
        naming.catch_up(stages.keystore, store)
        store.records.purge_free_space()
        return told, count

    told, count = _alone(stages, caller, RENAME, change)
    return Renamed(*_shown(told), rewritten=count, done=True)


# --- merge -----------------------------------------------------------------------------------------------------------


def merge(
    stages: Stages, caller: Caller, source: object, into: object, *, reason: object, dry_run: object
) -> Merged:
    """Make one person of two; everything of `source` is sealed anew as that of `into`, and its keys are destroyed."""
    one, other = _id("source", source), _id("into", into)
    why, dry = validate.reason(reason), validate.flag("dry_run", dry_run)
    if one == other:
        raise InvalidInputError("subject.same", "source and into are the same id")
    with calling(stages, caller, MERGE) as call:
        refuse_bound(call)
        gone, stays = person(call, one), person(call, other)
        names = identity.names(stages.keystore, call.tenant, stays.sid)
        row = call.records.subject(gone.sid)
        known = call.records.subject(stays.sid)
        s = known.s if known is not None else None
        if gone.sid == stays.sid:  # as after the same call before
            call.log_read(call.event(reason=why), stays, s)
            return Merged(*_shown(names), memories=0, versions=0, tokens=0, done=True)
        refuse_held(call, gone.sid)
        if dry:
            after = _bounded(names.plus(*identity.names(stages.keystore, call.tenant, gone.sid).all()))
            call.log_read(call.event(dry_run=True), stays, s)
            return Merged(*_shown(after), *_counts(call, row), done=False)
        event = call.event(reason=why)

    def change(tenant: TenantKeys, store: OpenStore) -> tuple[Names, merging.Moved]:
        return _merge(stages, tenant, store, one, other, event)

    told, moved = _alone(stages, caller, MERGE, change)
    for subject in (gone, stays):
        stages.index.forget(call.tenant.tid, subject.sid)
    return Merged(
        *_shown(told), memories=moved.memories, versions=moved.versions, tokens=moved.tokens, done=True
    )


def _merge(
    stages: Stages, tenant: TenantKeys, store: OpenStore, one: str, other: str, event: Event
) -> tuple[Names, merging.Moved]:
    keystore = stages.keystore
    source, into = _again(stages, tenant, one), _again(stages, tenant, other, held=True)
    names = identity.names(keystore, tenant, into.sid)
    if source.sid == into.sid:  # another call was faster
        return names, merging.Moved(0)
    told = _bounded(names.plus(*identity.names(keystore, tenant, source.sid).all()))
    with store.records.transaction():
        moved = merging.move(store, source, into, told.primary[1])
        followed = naming.told_merge(tenant, source, into, told, moved.by)
        _tell(store, event, into, moved.s, told, count=moved.memories, followed=followed)
    naming.catch_up(keystore, store)
    with store.records.transaction(durable=False):
        settle(keystore, store)
    store.records.purge_free_space()
    return told, moved


def _counts(call: Call, row: SubjectRow | None) -> tuple[int, int, int]:
    """Memories, earlier versions and tokens of a subject."""
    if row is None:
        return 0, 0, 0
    records, s = call.records, row.s
    return len(records.order(s)), len(records.all_revisions(s)), len(records.tokens(s))


# --- aliases ---------------------------------------------------------------------------------------------------------


def aliases(stages: Stages, caller: Caller, user_id: object) -> PersonIds:
    """The ids of the person that any of them names."""
    wanted = _id("user_id", user_id)
    with calling(stages, caller, ALIAS) as call:
        refuse_bound(call)
        subject = person(call, wanted)
        names = identity.names(stages.keystore, call.tenant, subject.sid)
        row = call.records.subject(subject.sid)
        call.log_read(call.event(count=len(names.aliases)), subject, row.s if row is not None else None)
    return PersonIds(*_shown(names))


def add_alias(stages: Stages, caller: Caller, user_id: object, alias: object, *, reason: object) -> PersonIds:
    """One more id for a person; ConflictError where it is somebody else's."""
    new = ("user", _id("alias", alias))

    def after(tenant: TenantKeys, subject: SubjectKeys, names: Names) -> Names:
        identity.refuse_taken(stages.keystore, tenant, subject.sid, new)
        return _bounded(names.plus(new))

    return _renamed_by(stages, caller, user_id, after, reason, held=True)


def remove_alias(
    stages: Stages, caller: Caller, user_id: object, alias: object, *, reason: object
) -> PersonIds:
    """One id less; NotFoundError where it is no alias of the person. The first id cannot be removed."""
    gone = ("user", _id("alias", alias))

    def after(_tenant: TenantKeys, _subject: SubjectKeys, names: Names) -> Names:
        if gone not in names.aliases:
            raise NotFoundError("subject.no_alias", "this id is no alias of the person")
        return names.without(gone)

    return _renamed_by(stages, caller, user_id, after, reason, held=False)


def _renamed_by(
    stages: Stages,
    caller: Caller,
    user_id: object,
    after: Callable[[TenantKeys, SubjectKeys, Names], Names],
    reason: object,
    *,
    held: bool,
) -> PersonIds:
    wanted, why = _id("user_id", user_id), validate.reason(reason)
    with calling(stages, caller, ALIAS) as call:
        refuse_bound(call)
        subject = person(call, wanted)
        after(call.tenant, subject, identity.names(stages.keystore, call.tenant, subject.sid))
        if not held:
            refuse_held(call, subject.sid)
        event = call.event(reason=why)

    def change(tenant: TenantKeys, store: OpenStore) -> Names:
        found = _again(stages, tenant, wanted, held=held)
        told = after(tenant, found, identity.names(stages.keystore, tenant, found.sid))
        with store.records.transaction():
            s = store.records.ensure_subject(found.sid, found.kid).s
            _tell(store, event, found, s, told, count=0)
        naming.catch_up(stages.keystore, store)
        return told

    return PersonIds(*_shown(_alone(stages, caller, ALIAS, change)))


# --- shared ----------------------------------------------------------------------------------------------------------


def person(call: Call, user_id: str) -> SubjectKeys:
    """The keys of who has this id; NotFoundError, logged, where nobody does."""
    subject = call.stages.keystore.subject(call.tenant, "user", user_id)
    if subject is None:
        call.log_read(call.event(result="not_found"))
        raise NotFoundError("subject.unknown", "there is no such subject")
    return subject


def refuse_bound(call: Call) -> None:
    """Raises InvalidInputError in a session bound to one user: these acts are about more than one."""
    if call.caller.user_id is not None:
        raise InvalidInputError("scope.bound", "this session is bound to one user; open one that is not")


def _id(name: str, value: object) -> str:
    found = validate.identifier(name, value)
    if found is None:
        raise InvalidInputError("scope.missing", f"give {name}")
    return found


def _again(stages: Stages, tenant: TenantKeys, user_id: str, *, held: bool = False) -> SubjectKeys:
    """The person as the vault held alone has them; HeldError where a hold was placed meanwhile, unless `held` may."""
    subject = stages.keystore.subject(tenant, "user", user_id)
    if subject is None:
        raise NotFoundError("subject.unknown", "there is no such subject")
    if not held and cases.held(stages.keystore, tenant, subject.sid):
        raise HeldError("hold.in_force", "a legal hold was placed meanwhile: see `memvault hold list`")
    return subject


def _alone(stages: Stages, caller: Caller, action: str, change: _Change[_T]) -> _T:
    """Make a change while nobody else is at work; what it logged is signed, and so archived. A refusal is recorded."""
    try:
        with stages.lease.alone():
            tenant = fresh_tenant(stages, caller.principal.tenant)
            with stages.stores.use(tenant) as store:
                store.log.pack = stages.policy.digest[:16]
                done = change(tenant, store)
                sign(stages.keystore, store)
                return done
    except HeldError:
        with calling(stages, caller, action):
            raise


def _tell(
    store: OpenStore,
    event: Event,
    subject: SubjectKeys,
    s: int,
    names: Names,
    *,
    count: int,
    followed: dict[str, Any] | None = None,
) -> None:
    """Inside the transaction of a change: the entry that the keystore follows, and its twin in the person's own log."""
    detail = event.detail or {}
    seq = store.records.log_head()[0]
    plain = {"roles": detail.get("roles", []), **(followed or naming.told(store.tenant, subject, names))}
    store.log.append(replace(event, count=count, detail=plain))
    user_id, others = _shown(names)
    store.log.append(
        replace(event, count=count, detail={**detail, "user_id": user_id, "aliases": list(others)}),
        subject,
        s,
    )
    naming.note(store, seq)


def _bounded(names: Names) -> Names:
    if len(names.aliases) > MOST_ALIASES:
        raise InvalidInputError("alias.count", f"a person has at most {MOST_ALIASES} aliases")
    return names


def _shown(names: Names) -> tuple[str, tuple[str, ...]]:
    return names.primary[1], tuple(value for _, value in names.aliases)
