"""Rights requests: open, preview, approve, run, certify. The only way to erase; every step can be done again.

    opened -> previewed -> (approved) -> running -> erased -> certified        or cancelled

`erased`: unreadable here, in every process. `certified`: a certificate was signed; the newest one replaces it until its
state is final. The request stands in the keystore, sealed; who the person is goes from it with the erasure.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from vault.audit import certified, nonmembership
from vault.errors import ConflictError, DeniedError, HeldError, NotFoundError
from vault.flows import validate
from vault.flows.context import Call, Caller, Stages, calling, milliseconds, moment
from vault.flows.erasing import erase, roll
from vault.flows.erasing.asked import ErasureResult, RequestInfo, checked
from vault.flows.erasing.certify import CERTIFIED, certify
from vault.flows.erasing.erase import Target
from vault.flows.erasing.roll import WAITING, Rolled
from vault.flows.holds import RUNNING, identifier, refuse_bound, refuse_held
from vault.flows.sign import sign_leaves
from vault.flows.tenants import close_tenant
from vault.keys import cases
from vault.keys.cases import Case
from vault.types import Scope

OPENED: Final = "opened"
PREVIEWED: Final = "previewed"
CANCELLED: Final = "cancelled"


# --- open, preview, approve ------------------------------------------------------------------------------------------


def open_(stages: Stages, caller: Caller, kind: object, asked: dict[str, Any], ground: object) -> RequestInfo:
    """Take a request in; nothing is looked for yet. `asked` is its scope, already checked."""
    kind, ground = checked(kind, ground, stages.policy.rights.grounds)
    refuse_bound(caller)
    with calling(stages, caller, _action(asked)) as call:
        now = milliseconds(stages.now())
        body = {
            "type": kind, "asked": asked, "ground": ground, "by": caller.principal.id, "purpose": caller.purpose,
            "approvals": [], "log": {"tombstones": []},
        }  # fmt: skip
        case = Case(cases.new_id(), "request", OPENED, None, now, body)
        event = certified.requested(case.id.hex(), asked["scope"], ground, purpose=caller.purpose)
        with call.records.transaction():
            case.body["log"]["request"] = call.store.log.append(event) - 1
            call.store.log.append(call.event(count=0, request=case.id.hex()))
        cases.put(stages.keystore, call.tenant, case)
        return _shown(call, case)


def preview(stages: Stages, caller: Caller, request_id: object) -> RequestInfo:
    """Count what would go, freeze and hash it; approvals bind to the digest. Approvals of another preview end."""
    with _case(stages, caller, request_id) as (call, case):
        if case.state in (RUNNING, WAITING, CERTIFIED, CANCELLED):
            return _shown(call, case)
        frozen = _frozen(call, case)
        if case.body.get("digest") != frozen["digest"]:
            case.body |= {**frozen, "approvals": []}
        cases.move(stages.keystore, call.tenant, case, PREVIEWED)
        call.log_read(call.event(count=0, request=case.id.hex()))
        for one in case.body["withheld"]:
            call.log_read(call.event(result="refused", count=one["count"], request=case.id.hex()))
        return _shown(call, case)


def _frozen(call: Call, case: Case) -> dict[str, Any]:
    asked = case.body["asked"]
    going, kept = erase.split(call, erase.targets(call, asked))
    if not going:
        raise HeldError("hold.in_force", "a legal hold covers everything in the scope of this request")
    counts = erase.counted(call, going)
    withheld = _withheld(call, kept)
    return {
        "digest": erase.digest(asked, going, withheld, sorted(counts.items())),
        "targets": [target.to_json() for target in going],
        "before": counts,
        "withheld": withheld,
    }


def _withheld(call: Call, kept: list[Target]) -> list[dict[str, Any]]:
    """What a hold keeps, by count, with the hold's next review."""
    if not kept:
        return []
    holds = cases.every(call.stages.keystore, call.tenant, "hold", cases.PLACED)
    sids = {target.sid for target in kept}
    reviews = [h.body["review"] for h in holds if h.body["review"] and (h.sid is None or h.sid in sids)]
    review = min(reviews, default=f"{call.stages.now().year + 1}-01-01")
    counts = erase.counted(call, kept)
    return [{"what": "memories", "count": counts["memories"], "ground": "legal-hold", "review": review}]


def approve(stages: Stages, caller: Caller, request_id: object, digest: object) -> RequestInfo:
    """Another principal agrees to exactly what was previewed; raises DeniedError for the requester."""
    with _case(stages, caller, request_id, "erasure.approve") as (call, case):
        if case.state != PREVIEWED:
            raise ConflictError("request.state", "only a previewed request can be approved")
        if not isinstance(digest, str) or digest != case.body["digest"]:
            raise ConflictError("request.changed", "the digest is not that of the newest preview")
        if caller.principal.id == case.body["by"]:
            raise DeniedError("approval.self", "who asked for the erasure cannot approve it")
        others = [one for one in case.body["approvals"] if one["by"] != caller.principal.id]
        at = stages.now().astimezone(UTC).isoformat(timespec="milliseconds")
        case.body["approvals"] = [*others, {"by": caller.principal.id, "at": at, "digest": digest}]
        with call.records.transaction():
            call.store.log.append(call.event(count=1, request=case.id.hex(), digest=digest))
        cases.move(stages.keystore, call.tenant, case, PREVIEWED)
        return _shown(call, case)


def cancel(stages: Stages, caller: Caller, request_id: object) -> RequestInfo:
    """Give a request up before it runs."""
    with _case(stages, caller, request_id) as (call, case):
        if case.state not in (OPENED, PREVIEWED):
            raise ConflictError("request.state", "a request that ran cannot be cancelled")
        with call.records.transaction():
            call.store.log.append(call.event(count=0, request=case.id.hex(), result="refused"))
        case.body = {
            name: case.body[name] for name in ("type", "ground", "by", "purpose", "approvals", "log")
        } | {"asked": {"scope": case.body["asked"]["scope"]}}
        cases.move(stages.keystore, call.tenant, case, CANCELLED)
        return _shown(call, case)


# --- run -------------------------------------------------------------------------------------------------------------


def run(
    stages: Stages, folder: Path, caller: Caller, request_id: object, *, now: bool | None
) -> ErasureResult:
    """Erase what was previewed; resumes after a crash. `now` rolls at once, None as the pack says."""
    at_once = (
        stages.policy.rights.erasure.roll_within_hours == 0 if now is None else validate.flag("roll", now)
    )
    with _case(stages, caller, request_id) as (call, case):
        if case.state in (OPENED, PREVIEWED, CANCELLED):
            _check_ready(call, case)
            _begin(call, case)
    # Alone, so that nobody acknowledges a write under a key that is going.
    with stages.lease.alone(), _case(stages, caller, request_id) as (call, case):
        if case.state == RUNNING:
            _remove(call, case)
    with _case(stages, caller, request_id) as (call, case):
        if case.state == RUNNING:
            _finish(call, case)
        waiting = case.state == WAITING
    if waiting and at_once:
        roll.roll(stages, folder)
    with _case(stages, caller, request_id) as (call, case):
        return _answer(call, case)


def _check_ready(call: Call, case: Case) -> None:
    if case.state != PREVIEWED:
        raise ConflictError("request.state", "only a previewed request runs, and none that was cancelled")
    needed = _needed(call, case)
    if len(_valid_approvals(call, case)) < needed:
        raise DeniedError(
            "approval.missing", f"the pack asks for {needed} approval(s) of this preview by other people"
        )
    if _frozen(call, case)["digest"] != case.body["digest"]:
        raise ConflictError(
            "request.changed", "what would be erased changed since the preview; preview it again"
        )


def _begin(call: Call, case: Case) -> None:
    """Everything that later steps need, durable before anything is gone: proofs of before, needles, ids."""
    stages = call.stages
    going = _targets(case)
    head, leaves = sign_leaves(stages.keystore, call.store)
    proof = nonmembership.prove_present(leaves, _all_keys(going))
    records, keystore = erase.needles(call, going)
    case.body |= {
        "erasure": os.urandom(16).hex(),
        "blind": os.urandom(certified.BLIND_BYTES).hex(),
        "epoch": stages.keystore.epoch,
        "policy": [stages.policy.name, stages.policy.version, stages.policy.digest],
        "since": head.size,
        "keys_before": {"root": proof.root.hex(), **proof.to_json()},
        "needles": {"records": records, "keystore": keystore},
    }
    cases.move(stages.keystore, call.tenant, case, RUNNING)


def _remove(call: Call, case: Case) -> None:
    """Tombstones logged, then keys and rows gone: every other process fails at its next operation."""
    keystore, going = call.stages.keystore, _targets(case)
    if not case.body["log"]["tombstones"]:
        keys = [key for target in going if target.whole for key in target.data_keys()]
        event = certified.tombstone(
            case.id.hex(), case.body["erasure"], keys, _opening(case)[1], purpose=case.body["purpose"]
        )
        with call.records.transaction():
            for target in going:
                refuse_held(call, target.sid)
            case.body["begun"] = True  # before the entry: from it on a hold comes too late
            cases.put(keystore, call.tenant, case)
            case.body["log"]["tombstones"].append(call.store.log.append(event) - 1)
        cases.put(keystore, call.tenant, case)
    erase.remove(call, going, case.body["erasure"])
    if case.body["asked"]["scope"] == "tenant" and not case.body["withheld"]:
        close_tenant(call)


def _finish(call: Call, case: Case) -> None:
    """Wipe what was removed from every file, and who it was about from the request, but for the person's opening."""
    erase.purge(call, _targets(case))
    opening = _opening(case)[0]
    if opening is not None:
        case.body["opening"] = opening.decode()
    case.body["erased_ms"] = milliseconds(call.stages.now())
    case.body["until"] = call.stages.keystore.epoch  # the last one that ever wrapped a key that is gone
    case.body["asked"] = {"scope": case.body["asked"]["scope"]}
    del case.body["blind"]
    cases.move(call.stages.keystore, call.tenant, case, WAITING)
    call.stages.keystore.database.truncate_wal()


def _answer(call: Call, case: Case) -> ErasureResult:
    """What was done, and the person's opening: once it is handed out it is kept nowhere."""
    shown = _shown(call, case)
    opening = case.body.pop("opening", None)
    if opening is not None:
        cases.put(call.stages.keystore, call.tenant, case)
        call.stages.keystore.database.truncate_wal()
    return ErasureResult(
        id=shown.id,
        state=shown.state,
        removed=dict(case.body["before"]),
        withheld=shown.withheld,
        roll_due=shown.roll_due,
        opening=opening.encode() if opening is not None else None,
    )


def _opening(case: Case) -> tuple[bytes | None, list[bytes]]:
    """The commitment to the person, and what opens it; neither where the scope is not a person."""
    if case.body["asked"]["scope"] != "subject":
        return None, []
    named = Scope(**case.body["asked"]["ids"]).subject()
    if named is None:
        return None, []
    blind = bytes.fromhex(case.body["blind"])
    return certified.subject_opening(blind, *named), [certified.commit(blind, *named)]


# --- certificate -----------------------------------------------------------------------------------------------------


def certificate(stages: Stages, folder: Path, caller: Caller, request_id: object) -> bytes:
    """The certificate of an erasure as far as it is by now; made anew while backups can still be read.

    Raises IntegrityViolationError `certificate.refused` where the probe finds anything left.
    """
    with _case(stages, caller, request_id) as (call, case):
        if case.state not in (WAITING, CERTIFIED):
            raise ConflictError("request.state", "there is no certificate before the erasure ran")
        if case.state == WAITING:
            certify(call, folder, case)
        return base64.b64decode(case.body["certificate"])


# --- roll, lists -----------------------------------------------------------------------------------------------------


def roll_due(stages: Stages, folder: Path, caller: Caller, *, force: object) -> Rolled | None:
    """Roll where something has waited as long as the pack allows, or at once if `force`; None where nothing is due."""
    forced = validate.flag("force", force)
    refuse_bound(caller)
    with calling(stages, caller, "subject.erase") as call:
        call.log_read(call.event(count=0))
    within = stages.policy.rights.erasure.roll_within_hours * 3_600_000
    if not roll.due(stages, None if forced else within, milliseconds(stages.now())):
        return None
    return roll.roll(stages, folder)


def every(stages: Stages, caller: Caller) -> list[RequestInfo]:
    """Every request of the tenant, oldest first."""
    refuse_bound(caller)
    with calling(stages, caller, "subject.erase") as call:
        found = [_shown(call, case) for case in cases.every(stages.keystore, call.tenant, "request")]
        call.log_read(call.event(count=0, listed=len(found)))  # nothing was erased
    return found


def info(stages: Stages, caller: Caller, request_id: object) -> RequestInfo:
    """One request as it stands."""
    with _case(stages, caller, request_id) as (call, case):
        call.log_read(call.event(count=0, request=case.id.hex()))
        return _shown(call, case)


# --- helpers ---------------------------------------------------------------------------------------------------------


def _action(asked: dict[str, Any]) -> str:
    return "tenant.erase" if asked["scope"] == "tenant" else "subject.erase"


@contextmanager
def _case(
    stages: Stages, caller: Caller, request_id: object, action: str | None = None
) -> Iterator[tuple[Call, Case]]:
    """A request of the caller's tenant, decided by what it asks for; raises NotFoundError."""
    identity = identifier("request_id", request_id)
    refuse_bound(caller)
    stages.keystore.refresh()
    tenant = stages.keystore.tenant(caller.principal.tenant)
    case = cases.get(stages.keystore, tenant, identity) if tenant is not None else None
    known = case is not None and case.kind == "request"
    asked = case.body["asked"] if case is not None and known else {"scope": "subject"}
    with calling(stages, caller, action or _action(asked)) as call:
        fresh = cases.get(stages.keystore, call.tenant, identity)
        if fresh is None or fresh.kind != "request" or _action(fresh.body["asked"]) != _action(asked):
            raise NotFoundError("request.unknown", "there is no such request")
        yield call, fresh


def _targets(case: Case) -> list[Target]:
    return [Target.from_json(one) for one in case.body["targets"]]


def _all_keys(found: Iterable[Target]) -> list[tuple[bytes, int]]:
    return [key for target in found for key in target.data_keys()]


def _needed(call: Call, case: Case) -> int:
    rights = call.stages.policy.rights
    whole = case.body["asked"]["scope"] == "tenant"
    return rights.tenant_erasure.approvals if whole else rights.erasure.approvals


def _valid_approvals(call: Call, case: Case) -> list[dict[str, str]]:
    """Approvals of the newest preview, by others than the requester, not older than the pack allows."""
    oldest = call.stages.now() - timedelta(hours=call.stages.policy.rights.erasure.approval_hours)
    return [
        one
        for one in case.body["approvals"]
        if one["digest"] == case.body["digest"]
        and one["by"] != case.body["by"]
        and datetime.fromisoformat(one["at"]) >= oldest
    ]


def _shown(call: Call, case: Case) -> RequestInfo:
    body, due = case.body, None
    if roll.waits(call.stages.keystore, call.tenant, case):
        hours = call.stages.policy.rights.erasure.roll_within_hours
        due = moment(body["erased_ms"] + hours * 3_600_000).isoformat(timespec="milliseconds")
    return RequestInfo(
        id=case.id.hex(),
        type=body["type"],
        scope=body["asked"]["scope"],
        ground=body["ground"],
        state=case.state,
        opened_at=moment(case.at_ms).isoformat(timespec="milliseconds"),
        opened_by=body["by"],
        digest=body.get("digest"),
        counts=dict(body["before"]) if "before" in body else None,
        withheld=tuple(body.get("withheld", ())),
        approvals=tuple(body["approvals"]),
        approvals_needed=_needed(call, case),
        roll_due=due,
    )
