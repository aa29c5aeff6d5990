"""Legal holds: while one is in force, nothing about the person (or the whole tenant) is removed or made unreadable.

A hold wins over erase, delete, delete_all, expiry, retention, rescan, merge, the rotation of a subject's keys, and over
restored data that does not know it: it stands in the keystore, and the log can put it back into a restored one. What
only changes forward (add, update) goes on: earlier versions stay in the history.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from vault.errors import AuditChainError, ConflictError, HeldError, InvalidInputError, NotFoundError
from vault.flows import validate
from vault.flows.context import Call, Caller, Stages, calling, milliseconds, moment
from vault.flows.reconcile import REPLAYS, replayable
from vault.keys import cases
from vault.keys.cases import PLACED, RELEASED, Case
from vault.keys.keyring import SubjectKeys, TenantKeys
from vault.keys.keystore import Keystore
from vault.types import Scope

RUNNING: Final = "running"  # state of a request whose erasure was begun
MATTER_BYTES: Final = 200


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal hold; `about` is "kind:id", "tenant", or None once the person is erased. Times are ISO 8601, UTC."""

    id: str
    matter: str
    about: str | None
    state: str
    placed_at: str
    placed_by: str
    reason: str | None = None
    review: date | None = None
    released_at: str | None = None
    released_by: str | None = None


def place(
    stages: Stages, caller: Caller, scope: Scope | None, *, matter: object, reason: object, review: object
) -> Hold:
    """Hold everything about the scope's subject, or with no scope the whole tenant; a person may have no data yet."""
    named = validate.text("matter", matter, MATTER_BYTES)
    why = validate.reason(reason)
    if review is not None and type(review) is not date:
        raise InvalidInputError("review.type", "review must be a date")
    refuse_bound(caller)
    with calling(stages, caller, "hold.place") as call:
        sid = _subject(call, scope).sid if scope is not None else None
        at = milliseconds(stages.now())
        body = {
            "matter": named,
            "reason": why,
            "review": review.isoformat() if review else None,
            "by": caller.principal.id,
        }
        case = Case(cases.new_id(), "hold", PLACED, sid, at, body)
        _commit(call, case)
        return _shown(call, case)


def release(stages: Stages, caller: Caller, hold_id: object, *, reason: object) -> Hold:
    """End a hold; what waited for it can run again. NotFoundError where there is none in force with this id."""
    why = validate.reason(reason)
    refuse_bound(caller)
    with calling(stages, caller, "hold.release") as call:
        case = _find(call, hold_id)
        if case.state != PLACED:
            raise NotFoundError("hold.unknown", "there is no such hold in force")
        at = moment(milliseconds(stages.now())).isoformat(timespec="milliseconds")
        case.state = RELEASED
        case.body |= {"released_at": at, "released_by": caller.principal.id, "released_why": why}
        _commit(call, case)
        return _shown(call, case)


def every(stages: Stages, caller: Caller, *, released: object = False) -> list[Hold]:
    """The holds in force, oldest first; with `released` those that ended too."""
    refuse_bound(caller)
    states = () if validate.flag("released", released) else (PLACED,)
    with calling(stages, caller, "hold.list") as call:
        found = [_shown(call, case) for case in cases.every(stages.keystore, call.tenant, "hold", *states)]
        call.log_read(call.event(count=len(found)))
    return found


def refuse_held(call: Call, sid: bytes | None) -> None:
    """Raises HeldError where a hold covers the subject (with None: anything in the tenant); `calling` records it."""
    if cases.held(call.stages.keystore, call.tenant, sid):
        raise HeldError(
            "hold.in_force", "a legal hold forbids this: see `memvault hold list`; release it first, or wait"
        )


def refuse_bound(caller: Caller) -> None:
    """Rights requests and holds are about anybody in the tenant: a session of one user has none."""
    if caller.user_id is not None:
        raise InvalidInputError("scope.bound", "this session is bound to one user_id; open one that is not")


def is_held(call: Call, sid: bytes) -> bool:
    """Whether a hold covers the subject."""
    return cases.held(call.stages.keystore, call.tenant, sid)


def _subject(call: Call, scope: Scope) -> SubjectKeys:
    named = scope.subject()
    if named is None:
        raise InvalidInputError("scope.empty", "name the person or scope the hold is about")
    keystore = call.stages.keystore
    return keystore.subject(call.tenant, *named) or keystore.create_subject(call.tenant, *named)


def _commit(call: Call, case: Case) -> None:
    """Log and keep. A crash in between leaves a hold in force: one more than the log says, or one longer than it says.

    A hold is placed while no other process can remove anything: a removal sees it, or was before it.
    """
    event = call.event(count=1, case=_written(case))
    with call.records.transaction():
        if case.state == PLACED:
            _refuse_late(call, case.sid)
            cases.put(call.stages.keystore, call.tenant, case)
        call.store.log.append(event)
    if case.state != PLACED:
        cases.put(call.stages.keystore, call.tenant, case)


def _refuse_late(call: Call, sid: bytes | None) -> None:
    """Once the tombstone of an erasure is in the log, even a restore would go on with it: a hold cannot stop it."""
    for case in cases.every(call.stages.keystore, call.tenant, "request", RUNNING):
        named = {target["sid"] for target in case.body["targets"] if target["whole"]}
        if case.body.get("begun") and named and (sid is None or sid.hex() in named):
            raise ConflictError(
                "hold.too_late",
                "an erasure of what this hold is about was begun before; it can only be ended",
            )


def _written(case: Case) -> dict[str, Any]:
    sid = case.sid.hex() if case.sid is not None else None
    return {"id": case.id.hex(), "state": case.state, "sid": sid, "at_ms": case.at_ms, "body": case.body}


def _again(keystore: Keystore, tenant: TenantKeys, detail: Mapping[str, Any]) -> int:
    """A restored keystore learns of a hold that the log knows."""
    written = detail["case"]
    sid = bytes.fromhex(written["sid"]) if written["sid"] is not None else None
    identity = bytes.fromhex(written["id"])
    case = Case(identity, "hold", written["state"], sid, written["at_ms"], written["body"])
    known = cases.get(keystore, tenant, identity)
    if known is not None and known.state in (RELEASED, case.state):
        return 0
    cases.put(keystore, tenant, case)
    return 1


REPLAYS["hold.place"] = _again
REPLAYS["hold.release"] = _again


def verify(call: Call) -> None:
    """Compare the holds of the keystore with what the log says of them.

    Raises AuditChainError where one that the log knows is missing, or ended without an entry.
    """
    logged: dict[str, str] = {}
    for action, detail in replayable(call.store.log, call.records.log()):
        if action.startswith("hold."):
            logged[detail["case"]["id"]] = detail["case"]["state"]
    kept = {case.id.hex(): case.state for case in cases.every(call.stages.keystore, call.tenant, "hold")}
    for identity in logged.keys() | kept.keys():
        if kept.get(identity) != PLACED and kept.get(identity) != logged.get(identity):
            raise AuditChainError("audit.holds", "the legal holds in force are not those that the log knows")


def _find(call: Call, hold_id: object) -> Case:
    identity = identifier("hold_id", hold_id)
    case = cases.get(call.stages.keystore, call.tenant, identity)
    if case is None or case.kind != "hold":
        raise NotFoundError("hold.unknown", "there is no such hold in force")
    return case


def identifier(name: str, value: object) -> bytes:
    """The id of a case as callers write it: 32 hex digits."""
    if not isinstance(value, str):
        raise InvalidInputError(f"{name}.type", f"{name} must be a str")
    try:
        identity = bytes.fromhex(value)
    except ValueError:
        identity = b""
    if len(identity) != cases.ID_BYTES or value != identity.hex():
        raise InvalidInputError(f"{name}.form", f"{name} must be 32 hex digits")
    return identity


def _shown(call: Call, case: Case) -> Hold:
    about: str | None = "tenant"
    if case.sid is not None:
        try:
            about = ":".join(call.stages.keystore.identity(call.tenant, case.sid))
        except NotFoundError:
            about = None
    body = case.body
    return Hold(
        id=case.id.hex(),
        matter=body["matter"],
        about=about,
        state=case.state,
        placed_at=moment(case.at_ms).isoformat(timespec="milliseconds"),
        placed_by=body["by"],
        reason=body["reason"],
        review=date.fromisoformat(body["review"]) if body["review"] else None,
        released_at=body.get("released_at"),
        released_by=body.get("released_by"),
    )
