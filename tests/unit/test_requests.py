"""Rights requests: every state and refusal, every scope, and an erasure that is cut off between any two steps."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, tzinfo
from types import ModuleType
from typing import Any

import pytest
from support.calls import Clock, entries, operator, rows, session_of, stages_of
from support.rights import (
    GROUND,
    SECRET,
    erased,
    fill,
    opened,
    privacy,
    running,
    sid_of,
    tenant_keys,
    verdict,
)

from vault import Vault
from vault.audit.certificate import statement_of
from vault.errors import (
    ConflictError,
    DeniedError,
    InvalidInputError,
    NotFoundError,
    StorageError,
    VaultError,
)
from vault.flows.erasing import certify, erase, requests, roll
from vault.policy.decide import Retention
from vault.policy.pack import load
from vault.rights import Request

USER, OTHER = "pat-1", "pat-2"


@pytest.fixture
def filled(clinic: Vault) -> Vault:
    for user in (USER, OTHER):
        fill(clinic, user, run_id=f"run-{user}", agent_id="desk", app_id="web")
    return clinic


def needing(vault: Vault, approvals: int, *, hours: int = 72) -> None:
    """The pack in force, asking for approvals."""
    stages = stages_of(vault)
    rights = stages.policy.rights
    changed = replace(rights, erasure=replace(rights.erasure, approvals=approvals, approval_hours=hours))
    stages.policy = replace(stages.policy, rights=changed)


def code(error: type[VaultError], call: Callable[..., object], *arguments: Any, **options: Any) -> str:
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    return caught.value.code


def survives(vault: Vault, user: str = OTHER) -> None:
    """Somebody else's data is all there, and found."""
    app = session_of(vault)
    found = app.list(user_id=user).memories
    assert len(found) == 3
    assert app.search(SECRET, user_id=user)
    assert len(app.history(next(m.id for m in found if m.version == 2))) == 2


# --- states ----------------------------------------------------------------------------------------------------------


def test_a_request_goes_its_way_and_says_where_it_is(filled: Vault) -> None:
    session = privacy(filled)
    request = opened(session, user_id=USER)
    assert (request.info().state, request.info().counts, request.info().digest) == ("opened", None, None)
    shown = request.preview()
    assert shown.state == "previewed"
    assert (shown.counts or {})["memories"] == 3
    done = request.run()
    assert (done.state, done.removed["memories"]) == ("erased", 3)
    assert USER.encode() in (done.opening or b"")
    assert request.run().opening is None  # given out once
    assert verdict(filled, request.certificate()).state == "live-erased"
    assert request.info().state == "erased"  # not final: backups can still be read
    assert request.info().roll_due is not None
    assert session.requests.roll(force=True) is not None
    assert (request.info().state, request.info().roll_due) == ("erased", None)
    assert (
        session.requests.roll(force=True) is None
    )  # nothing waits, even before the certificate is asked for
    assert verdict(filled, request.certificate()).state == "asserted"
    assert request.info().state == "certified"
    assert request.certificate() == request.certificate()
    assert [one.id for one in session.requests.list()] == [request.id]
    operator(filled).audit_verify()
    survives(filled)


def test_each_step_is_refused_out_of_turn(filled: Vault) -> None:
    session = privacy(filled)
    request = opened(session, user_id=USER)
    assert code(ConflictError, request.run) == "request.state"
    assert code(ConflictError, request.certificate) == "request.state"
    assert code(ConflictError, request.approve, "0" * 64) == "request.state"
    request.preview()
    assert code(ConflictError, request.certificate) == "request.state"
    request.run()
    assert code(ConflictError, request.cancel) == "request.state"
    assert request.preview().state == "erased"  # shows what it was, and counts nothing anew
    given_up = opened(session, user_id=OTHER)
    assert given_up.cancel().state == "cancelled"
    for call in (given_up.run, given_up.certificate, given_up.cancel):
        assert code(ConflictError, call) == "request.state"
    assert given_up.preview().state == "cancelled"
    assert code(NotFoundError, session.requests.get("0" * 32).info) == "request.unknown"
    survives(filled)


def test_what_changed_since_the_preview_is_looked_at_again(filled: Vault) -> None:
    request = opened(privacy(filled), user_id=USER)
    first = request.preview().digest
    session_of(filled).add("One more", user_id=USER)
    assert code(ConflictError, request.run) == "request.changed"
    assert request.info().state == "previewed"
    assert request.preview().digest != first
    assert request.run().removed["memories"] == 4


def test_a_preview_of_nothing_is_refused(filled: Vault) -> None:
    session = privacy(filled)
    for scope in ({"user_id": "nobody"}, {"run_id": "no-run"}, {"expired": True}):
        assert code(NotFoundError, opened(session, **scope).preview) == "request.nothing"
    assert code(NotFoundError, opened(session, memory_ids=["no-memory"]).preview) == "memory.unknown"


def test_grounds_and_scopes_are_those_of_the_pack(filled: Vault) -> None:
    asking = privacy(filled).requests
    assert code(InvalidInputError, asking.open, ground="gdpr.99", user_id=USER) == "ground.unknown"
    assert code(InvalidInputError, asking.open, ground=GROUND, type="export", user_id=USER) == "type.unknown"
    for scope in ({}, {"user_id": USER, "expired": True}, {"memory_ids": ["x"], "tenant": True}):
        assert code(InvalidInputError, asking.open, ground=GROUND, **scope) == "scope.one"
    gdpr = load("gdpr")
    stages_of(filled).policy = gdpr
    assert (
        code(InvalidInputError, asking.open, ground="controller.decision", user_id=USER) == "ground.unknown"
    )
    assert erased(privacy(filled), user_id=USER, ground="gdpr.17.1.a").info().approvals_needed == 0


def test_who_may_not_cannot(filled: Vault) -> None:
    request = opened(privacy(filled), user_id=USER)
    for session in (session_of(filled), running(filled)):
        theirs = session.requests.get(request.id)
        for call in (theirs.info, theirs.preview, theirs.run, theirs.certificate, theirs.cancel):
            assert code(DeniedError, call).startswith("policy.")
        assert code(DeniedError, session.requests.list).startswith("policy.")
        assert code(DeniedError, session.requests.roll).startswith("policy.")


# --- approvals -------------------------------------------------------------------------------------------------------


def test_as_many_other_people_agree_as_the_pack_asks_for(filled: Vault) -> None:
    needing(filled, 2)
    request = opened(privacy(filled), user_id=USER)
    digest = str(request.preview().digest)
    assert request.info().approvals_needed == 2
    assert code(DeniedError, request.run) == "approval.missing"
    assert code(DeniedError, request.approve, digest) == "approval.self"
    second, third = (privacy(filled, name=name).requests.get(request.id) for name in ("second", "third"))
    assert code(ConflictError, second.approve, "0" * 64) == "request.changed"
    second.approve(digest)
    second.approve(digest)  # twice is once
    assert [one["by"] for one in request.info().approvals] == ["second"]
    assert code(DeniedError, request.run) == "approval.missing"
    third.approve(digest)
    assert request.run().state == "erased"
    agreed = [entry for entry in entries(filled) if entry["act"] == "erasure.approve"]
    assert len([entry for entry in agreed if entry["res"] == "ok"]) == 3


def test_an_approval_is_of_one_preview_and_ends(filled: Vault) -> None:
    needing(filled, 1, hours=72)
    clock = Clock(filled)
    request = opened(privacy(filled), user_id=USER)
    other = privacy(filled, name="second").requests.get(request.id)
    other.approve(str(request.preview().digest))
    session_of(filled).add("One more", user_id=USER)
    assert request.preview().approvals == ()
    other.approve(str(request.preview().digest))
    clock.move(hours=73)
    assert code(DeniedError, request.run) == "approval.missing"
    other.approve(str(request.preview().digest))
    clock.move(hours=71)
    assert request.run().state == "erased"


def test_a_tenant_takes_the_operator_and_privacy(filled: Vault) -> None:
    request = opened(running(filled), tenant=True, ground="gdpr.28.3.g")
    assert code(DeniedError, privacy(filled).requests.get(request.id).run).startswith("policy.")
    shown = request.preview()
    assert (shown.approvals_needed, (shown.counts or {})["memories"]) == (1, 6)
    assert code(DeniedError, request.run) == "approval.missing"
    privacy(filled).requests.get(request.id).approve(str(shown.digest))
    assert request.run(roll=True).state == "erased"
    assert verdict(filled, request.certificate()).state == "asserted"


# --- an erased tenant ------------------------------------------------------------------------------------------------


@pytest.fixture
def ended(filled: Vault) -> tuple[Vault, Request]:
    fill(filled, USER, tenant="bank")
    request = opened(running(filled), tenant=True, ground="gdpr.28.3.g")
    privacy(filled).requests.get(request.id).approve(str(request.preview().digest))
    request.run(roll=True)
    return filled, request


def test_an_erased_tenant_answers_as_an_absent_one(ended: tuple[Vault, Request]) -> None:
    vault, _ = ended
    app = session_of(vault)
    for call in (
        lambda: app.add("New words", user_id=USER),
        lambda: app.search("tea", user_id=USER),
        lambda: app.list(user_id=USER),
        lambda: app.delete_all(user_id=USER),
        lambda: privacy(vault).holds.place(user_id=USER, matter="case 7"),
        lambda: privacy(vault).exports.preview(user_id=USER),
        operator(vault).sweep,
        operator(vault).index_status,
    ):
        assert code(NotFoundError, call) == "tenant.unknown"
    assert rows(vault, "memories") == rows(vault, "subjects") == 0
    assert len(session_of(vault, "bank").list(user_id=USER).memories) == 3


def test_an_erased_tenant_can_still_be_audited_and_its_name_is_taken(ended: tuple[Vault, Request]) -> None:
    vault, request = ended
    assert verdict(vault, request.certificate()).state == "asserted"
    operator(vault).audit_verify()
    assert {info.name: info.erased for info in operator(vault).tenants()} == {"clinic": True, "bank": False}
    assert code(InvalidInputError, operator(vault).create_tenant, "clinic") == "tenant.exists"
    folder = vault.folder
    vault.close()
    with Vault.open(folder) as again:
        assert code(NotFoundError, session_of(again).list, user_id=USER) == "tenant.unknown"
        assert running(again).requests.get(request.id).info().state == "certified"


# --- scopes ----------------------------------------------------------------------------------------------------------


def _ids(vault: Vault) -> list[str]:
    return [memory.id for memory in session_of(vault).list(user_id=USER, order="created_at").memories]


SCOPES: dict[str, Callable[[Vault], dict[str, Any]]] = {
    "person": lambda _v: {"user_id": USER},
    "memories": lambda v: {"memory_ids": _ids(v)[:2]},
    "one memory with a history": lambda v: {"memory_ids": _ids(v)[2:]},
    "run": lambda _v: {"run_id": f"run-{USER}"},
    "a person's agent": lambda _v: {"user_id": USER, "agent_id": "desk"},
    "a person's app and run": lambda _v: {"user_id": USER, "app_id": "web", "run_id": f"run-{USER}"},
}


@pytest.mark.parametrize("name", SCOPES)
def test_exactly_the_scope_goes_and_it_is_proven(filled: Vault, name: str) -> None:
    scope = SCOPES[name](filled)
    gone = set(scope.get("memory_ids", _ids(filled)))
    kept = set(_ids(filled)) - gone
    request = erased(privacy(filled), **scope)
    assert set(_ids(filled)) == kept
    for memory_id in gone:
        assert code(NotFoundError, session_of(filled).get, memory_id) == "memory.unknown"
    survives(filled)
    operator(filled).audit_verify()
    first = request.certificate()
    assert verdict(filled, first).state == "live-erased"
    assert all(count["after"] == 0 for count in statement_of(first)["predicate"]["counts"])
    privacy(filled).requests.roll(force=True)
    assert verdict(filled, request.certificate()).state == "asserted"
    assert set(_ids(filled)) == kept
    if kept:
        assert session_of(filled).search("tea", user_id=USER) or name == "memories"
    survives(filled)
    operator(filled).audit_verify()


def test_a_roll_hours_later_is_still_certified(filled: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives up the keys that other memories needed, with a tombstone of that hour."""
    clock = Clock(filled)
    request = erased(privacy(filled), memory_ids=_ids(filled)[:2])
    moved = clock.move(hours=20)

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return moved.astimezone(tz)

    monkeypatch.setattr("vault.audit.log.datetime", Later)
    privacy(filled).requests.roll(force=True)
    data = request.certificate()
    assert verdict(filled, data).state == "asserted"
    assert len(statement_of(data)["predicate"]["tombstones"]) == 1


def test_an_agents_own_memories_go_with_those_that_carry_it(clinic: Vault) -> None:
    app = session_of(clinic)
    app.add("Said by the desk itself", agent_id="desk")
    app.add("Of a patient at the desk", user_id=OTHER, agent_id="desk")
    app.add("Of a patient elsewhere", user_id=OTHER)
    counts = erased(privacy(clinic), agent_id="desk").info().counts or {}
    assert (counts["memories"], counts["data keys"]) == (2, 1)
    assert [memory.text for memory in app.list(user_id=OTHER).memories] == ["Of a patient elsewhere"]
    assert app.list(agent_id="desk").memories == ()


def test_what_expired_goes_by_request_too(filled: Vault) -> None:
    now, app = stages_of(filled).now, session_of(filled)
    clock = Clock(filled, now() - timedelta(hours=2))
    memory = app.add("Ends soon", user_id=USER, expires_at=clock.now + timedelta(hours=1)).memories[0]
    stages_of(filled).now = now
    request = erased(privacy(filled), expired=True)
    assert code(NotFoundError, app.get, memory.id) == "memory.unknown"
    assert statement_of(request.certificate())["predicate"]["scope"] == "expired"
    assert len(_ids(filled)) == 3


def test_what_expired_stays_for_as_long_as_the_pack_wants_it_kept(filled: Vault) -> None:
    stages, now = stages_of(filled), stages_of(filled).now
    clock = Clock(filled, now() - timedelta(hours=2))
    session_of(filled).add("Ends soon", user_id=USER, expires_at=clock.now + timedelta(hours=1))
    stages.now = now
    given = stages.policy.retention
    stages.policy = replace(stages.policy, retention={**given, "memory": Retention(30, min_rule="t/keep")})
    assert code(NotFoundError, opened(privacy(filled), expired=True).preview) == "request.nothing"
    stages.policy = replace(stages.policy, retention=given)
    assert erased(privacy(filled), expired=True).info().counts["memories"] == 1  # type: ignore[index]


def test_nothing_of_the_person_is_left_in_any_table(filled: Vault) -> None:
    sid = sid_of(filled, USER)
    erased(privacy(filled), user_id=USER)
    stages, keys = stages_of(filled), tenant_keys(filled)
    with stages.stores.use(keys) as store:
        assert store.records.subject(sid) is None
        assert store.archive.left(sid) == 0
        subjects = [row.s for row in store.records.subjects()]
        for table in ("memories", "points", "revisions", "tokens", "replays"):
            sql = f"SELECT DISTINCT s FROM {table}"  # noqa: S608 - names from this list
            found = store.records.database.query(sql)  # type: ignore[attr-defined]
            assert {s for (s,) in found} <= set(subjects), table
    assert stages.keystore.subject_by_sid(keys, sid) is None


def test_the_opening_is_the_persons_and_nobody_elses(filled: Vault) -> None:
    request = opened(privacy(filled), user_id=USER)
    request.preview()
    opening = request.run().opening
    assert opening is not None
    other = opened(privacy(filled), user_id=OTHER)
    other.preview()
    theirs = other.run().opening
    assert theirs is not None
    data = request.certificate()
    assert verdict(filled, data, subject=opening)
    from vault.audit.verify import VerificationError

    with pytest.raises(VerificationError):
        verdict(filled, data, subject=theirs)
    with pytest.raises(VerificationError):
        verdict(filled, data, subject=opening.replace(USER.encode(), OTHER.encode()))
    assert verdict(filled, other.certificate(), subject=theirs)


# --- cut off ---------------------------------------------------------------------------------------------------------

WORK = {
    requests: ("run", "_check_ready", "_begin", "_remove", "_finish", "_answer"),
    erase: ("remove", "_remove_part", "purge"),
    roll: ("roll", "_reseal", "_bury"),
    certify: ("certify", "_proofs", "_keep", "_probe"),
}  # fmt: skip


def _steps() -> Iterator[tuple[ModuleType, str]]:
    """Every function that these functions call, where it can be replaced: from the code."""
    for module, names in WORK.items():
        for function in names:
            tree = ast.parse(inspect.getsource(getattr(module, function)))
            for node in ast.walk(tree):
                if not isinstance(node, ast.Call):
                    continue
                called = node.func
                home, name = module, getattr(called, "id", "")
                if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
                    home, name = getattr(module, called.value.id, None), called.attr
                if inspect.ismodule(home) and inspect.isfunction(getattr(home, name, None)):
                    yield home, name


PURE = {  # what cannot fail halfway: it touches nothing outside
    "flag", "milliseconds", "moment", "commit", "subject_opening", "tombstone", "probed", "epoch_destroyed",
    "certified", "counts", "b64encode", "version", "statement_of", "build", "prove_present", "prove_absent",
    "key_leaf", "_targets", "_all_keys", "_needed", "_valid_approvals", "_opening", "_given_up", "_kept_proof",
    "_folders", "named_keys",
}  # fmt: skip
STEPS = sorted({(home.__name__, name): home for home, name in _steps() if name not in PURE}.items())


class Cut:
    """A function that fails once: before it does anything, or when it is done."""

    def __init__(self, inner: Callable[..., Any], *, after: bool) -> None:
        self.inner, self.after, self.done = inner, after, False

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        if self.done:
            return self.inner(*arguments, **options)
        if not self.after:
            self.done = True
            raise StorageError("storage.io", "cut off")
        answer = self.inner(*arguments, **options)
        self.done = True
        raise StorageError("storage.io", "cut off")
        return answer


def test_the_steps_are_found() -> None:
    names = {f"{home}.{name}" for (home, name), _ in STEPS}
    assert {
        "vault.flows.erasing.erase.remove", "vault.flows.erasing.erase.purge", "vault.flows.erasing.erase.bury",
        "vault.flows.erasing.roll.roll", "vault.keys.cases.move", "vault.keys.rotation.roll",
        "vault.keys.rotation.drop_generations",
    } <= names  # fmt: skip
    assert len(names) > 20


@pytest.mark.parametrize(("scope", "after"), [("person", False), ("memory", True)])
def test_an_erasure_goes_on_wherever_it_was_cut_off(
    filled: Vault, monkeypatch: pytest.MonkeyPatch, scope: str, after: bool
) -> None:
    """One vault, one request for each step; a failing step loses nobody's data and no success is told early."""
    session = privacy(filled)
    for number, ((_, name), home) in enumerate(STEPS):
        user = f"cut-{number}"
        ids = fill(filled, user)
        request = opened(session, **({"user_id": user} if scope == "person" else {"memory_ids": ids[1:]}))
        request.preview()
        with monkeypatch.context() as patch:
            cut = Cut(getattr(home, name), after=after)
            patch.setattr(home, name, cut)
            opening = _to_the_end(request, cut, personal=scope == "person")
        left = len(session_of(filled).list(user_id=user).memories)
        assert left == (0 if scope == "person" else 1), name
        assert (opening is not None) == (scope == "person"), name
        found = verdict(filled, request.certificate(), **({"subject": opening} if opening else {}))
        assert found.state == "asserted", name
    survives(filled)
    operator(filled).audit_verify()


def _to_the_end(request: Request, cut: Cut, *, personal: bool) -> bytes | None:
    """Run, roll and certify, each again where it failed; at most once, since the step fails once."""
    opening = None
    for call in (lambda: request.run(roll=True), request.certificate):
        for _ in range(2):
            try:
                answer = call()
            except StorageError as error:
                if error.message != "cut off" or not cut.done:
                    raise
            else:
                opening = getattr(answer, "opening", None) or opening
                break
        else:
            raise AssertionError("failed twice")
    return opening


def test_a_roll_between_the_halves_of_an_erasure_proves_nothing_too_early(
    filled: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off before the keys went, an epoch later resumed: the backup that the roll made still opens them."""
    session = privacy(filled)
    request = opened(session, user_id=USER)
    request.preview()
    with monkeypatch.context() as patch:
        patch.setattr(requests, "_remove", Cut(requests._remove, after=False))
        with pytest.raises(StorageError):
            request.run()
    operator(filled).keys_rotate("root")
    assert operator(filled).keys_rotate("subject")["held"] == 1  # waits for the erasure
    assert request.run().state == "erased"
    assert verdict(filled, request.certificate()).state == "live-erased"
    session.requests.roll(force=True)
    assert verdict(filled, request.certificate()).state == "asserted"


def test_an_epoch_that_was_kept_is_not_passed_over(filled: Vault) -> None:
    """`--keep-old` before the erasure: the older epoch opens backups that have the person's key."""
    operator(filled).keys_rotate("root", keep_old=True)
    request = erased(privacy(filled), user_id=USER)
    operator(filled).keys_rotate("root")
    data = request.certificate()
    epochs = {one["epoch"]: one["state"] for one in statement_of(data)["predicate"]["epochs"]}
    assert verdict(filled, data).state == "asserted"
    assert set(epochs) == {1, 2}
    assert stages_of(filled).provider.live_epochs() == {3}
