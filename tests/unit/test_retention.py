"""What outlives its time goes: by each trigger, exactly as planned, with its values, and never under a hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from support.calls import Clock, auditor, entries, held, operator, rows, session_of, stages_of

from vault import Principal, Session, Vault
from vault.admin import Admin
from vault.errors import DeniedError, NotFoundError
from vault.flows.erasing import retention
from vault.flows.erasing.retention import RetentionResult
from vault.keys import cases
from vault.policy.decide import Retention
from vault.rights import Holds
from vault.types import Memory

DAY = 86_400


@pytest.fixture
def clock(clinic: Vault) -> Clock:
    return Clock(clinic)


@pytest.fixture
def op(clinic: Vault) -> Admin:
    return operator(clinic)


def keep(vault: Vault, **periods: Retention) -> None:
    """The vault's pack with other periods."""
    stages = stages_of(vault)
    known = {**stages.policy.retention, **periods}
    stages.policy = replace(stages.policy, retention=MappingProxyType(known))


def at_most(created: int | None = None, idle: int | None = None, least: int | None = None) -> Retention:
    return Retention(least, created, "t/least", "t/old", idle, "t/idle")


def add(session: Session, text: str = "likes tea", user: str = "pat-1", **options: Any) -> Memory:
    return session.add(text, user_id=user, **options).memories[0]


def counts(result: RetentionResult) -> dict[tuple[str, str], tuple[int, int, int]]:
    return {(rule.rule, rule.counted_from): (rule.count, rule.people, rule.held) for rule in result.rules}


def holds_of(vault: Vault) -> Holds:
    return session_of(vault, roles=("privacy",), purpose="rights-request", name="dpo").holds


def texts(session: Session, user: str = "pat-1") -> list[str]:
    return sorted(memory.text for memory in session.list(user_id=user).memories)


# --- rules ---


def test_baseline_removes_nothing_but_what_expires(
    clinic: Vault, app: Session, op: Admin, clock: Clock
) -> None:
    add(app)
    add(app, "for a week", expires_at=clock.now + timedelta(days=7))
    clock.move(days=4000)
    found = op.retention_plan()
    assert counts(found) == {("expires_at", "expires_at"): (1, 1, 0)}
    assert (found.executed, found.count, found.held) == (False, 1, 0)
    assert op.retention_run().count == 1
    assert texts(app) == ["likes tea"]


@pytest.mark.parametrize(("created", "idle", "left"), [
    (30, None, ["new"]),
    (None, 30, ["changed", "new"]),
    (31, None, ["changed", "new", "old"]),
    (60, 30, ["changed", "new"]),
])  # fmt: skip
def test_each_trigger_counts_from_its_own_time(
    clinic: Vault,
    app: Session,
    op: Admin,
    clock: Clock,
    created: int | None,
    idle: int | None,
    left: list[str],
) -> None:
    keep(clinic, memory=at_most(created, idle))
    add(app, "old")
    changing = add(app, "to be changed")
    clock.move(seconds=29 * DAY)
    app.update(changing.id, "changed")
    add(app, "new")
    clock.move(seconds=DAY - 1)
    assert op.retention_plan().count == 0
    clock.move(seconds=1)
    assert op.retention_run().count == 3 - len(left)
    assert texts(app) == left


def test_a_memory_counts_once_under_the_first_rule_about_it(
    clinic: Vault, app: Session, op: Admin, clock: Clock
) -> None:
    keep(clinic, memory=at_most(10, 5), history=at_most(1))
    expiring = add(app, "expires", expires_at=clock.now + timedelta(days=1))
    app.update(expiring.id, "expires too")
    add(app, "idle", user="pat-2")
    clock.move(days=6)
    assert [(r.record, r.rule, r.count) for r in op.retention_plan().rules] == [
        ("memory", "expires_at", 1),
        ("memory", "t/old", 0),
        ("memory", "t/idle", 1),
        ("history", "t/old", 0),
    ]
    add(app, "fresh", user="pat-2")
    clock.move(days=4)
    done = op.retention_run()
    assert [(r.record, r.rule, r.days, r.count) for r in done.rules] == [
        ("memory", "expires_at", None, 1),
        ("memory", "t/old", 10, 1),
        ("memory", "t/idle", 5, 0),
        ("history", "t/old", 1, 0),
    ]
    assert texts(app, "pat-2") == ["fresh"]


def test_a_minimum_holds_back_what_expires_by_itself(
    clinic: Vault, app: Session, op: Admin, clock: Clock
) -> None:
    keep(clinic, memory=at_most(least=10))
    memory = add(app, expires_at=clock.now + timedelta(days=1))
    clock.move(days=9)
    assert (op.retention_run().count, op.sweep()) == (0, 0)
    with pytest.raises(NotFoundError):
        app.get(memory.id)  # hidden all the same
    clock.move(days=1)
    assert op.sweep(dry_run=True) == op.sweep() == 1


def test_somebodys_request_waits_for_no_minimum(clinic: Vault, app: Session) -> None:
    keep(clinic, memory=at_most(least=3650))
    app.delete(add(app).id)
    assert texts(app) == []


# --- earlier values ---


@pytest.mark.parametrize(("trigger", "gone"), [("created", 2), ("updated", 1)])
def test_earlier_values_go_and_their_times_stay(
    clinic: Vault, app: Session, op: Admin, clock: Clock, trigger: str, gone: int
) -> None:
    limit = {"created": at_most(10), "updated": at_most(idle=10)}[trigger]
    keep(clinic, history=limit)
    memory = add(app, "call ana@example.org")
    app.update(
        memory.id, "call bob@example.org"
    )  # the first value is superseded now, the second after five days
    clock.move(days=5)
    app.update(memory.id, "call cyd@example.org")
    clock.move(days=5)
    values = rows(clinic, "tokens")
    assert counts(op.retention_plan())["t/old" if trigger == "created" else "t/idle", trigger] == (gone, 1, 0)
    assert op.retention_run().count == gone
    steps = app.history(memory.id)
    assert [step.event for step in steps] == ["ADD", "UPDATE", "UPDATE"]
    assert [step.text is None for step in steps] == [True, gone == 2, False]
    assert {step.actor for step in steps} == {"intake-bot"}
    assert rows(clinic, "tokens") == values - gone
    assert app.get(memory.id).version == 3
    assert op.retention_run().count == 0
    op.audit_verify()


def test_a_removed_memory_takes_its_history_along(
    clinic: Vault, app: Session, op: Admin, clock: Clock
) -> None:
    keep(clinic, memory=at_most(10), history=at_most(10))
    memory = add(app, "call ana@example.org")
    app.update(memory.id, "call bob@example.org")
    clock.move(days=10)
    assert op.retention_run().count == 1
    assert [(s.event, s.text, s.reason) for s in app.history(memory.id)] == [
        ("ADD", None, None),
        ("UPDATE", None, None),
        ("EXPIRE", None, "t/old"),
    ]
    assert [rows(clinic, table) for table in ("memories", "points", "tokens")] == [0, 0, 0]
    op.audit_verify()


# --- plan and run ---


def test_the_plan_is_what_the_run_does_and_stores_nothing(
    clinic: Vault, app: Session, op: Admin, clock: Clock
) -> None:
    keep(clinic, memory=at_most(30, 20), history=at_most(idle=5))
    for number in range(12):
        memory = add(app, f"fact {number}", user=f"pat-{number % 4}")
        if number % 3 == 0:
            app.update(memory.id, f"fact {number} again")
        clock.move(days=3)
    before = held(clinic)
    planned = op.retention_plan()
    assert op.retention_run(dry_run=True) == planned
    assert held(clinic) == before
    done = op.retention_run()
    assert done == replace(planned, executed=True)
    assert done.count > 5
    assert len([rule for rule in done.rules if rule.count]) == 3
    assert op.retention_plan().count == 0
    op.audit_verify()
    assert op.index_verify()["stale"] == 0


def test_many_go_in_batches_with_progress(clinic: Vault, app: Session, op: Admin, clock: Clock) -> None:
    keep(clinic, memory=at_most(1))
    app.add_many([{"content": f"visit number {n}", "user_id": f"u{n % 2}"} for n in range(250)])
    clock.move(days=1)
    told: list[tuple[int, int]] = []
    assert op.retention_run(progress=lambda done, total: told.append((done, total))).count == 250
    assert told == [(100, 250), (125, 250), (225, 250), (250, 250)]
    logged = [entry for entry in entries(clinic) if entry["act"] == "retention.run"]
    assert [entry["n"] for entry in logged] == [100, 25, 100, 25]
    assert len({entry["subj"] for entry in logged}) == 2


def test_what_changes_meanwhile_is_looked_at_again(
    clinic: Vault, app: Session, op: Admin, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(clinic, memory=at_most(idle=10))
    memories = [add(app, f"fact {n}", user=f"pat-{n}") for n in range(4)]
    clock.move(days=10)
    found: Callable[..., Any] = retention._find

    def then(*given: Any) -> Any:
        due = found(*given)
        app.update(memories[0].id, "changed meanwhile")
        app.delete(memories[1].id)
        stages = stages_of(clinic)
        tenant = stages.keystore.tenant("clinic")
        assert tenant is not None
        with stages.stores.use(tenant) as store, store.records.transaction():
            store.records.remove_subject(due[2].s)
        return due

    monkeypatch.setattr(retention, "_find", then)
    assert op.retention_run().count == 1
    assert texts(app, "pat-0") == ["changed meanwhile"]
    assert texts(app, "pat-3") == []


def test_one_tenants_retention_is_no_other_tenants(
    clinic: Vault, app: Session, op: Admin, clock: Clock
) -> None:
    keep(clinic, memory=at_most(1))
    add(app)
    session_of(clinic, "bank").add("has a loan", user_id="pat-1")
    clock.move(days=2)
    assert op.retention_run().count == 1
    assert rows(clinic, "memories", "bank") == 1


def test_the_log_says_what_went_under_which_rule(
    clinic: Vault, app: Session, op: Admin, clock: Clock
) -> None:
    keep(clinic, memory=at_most(1))
    memory = add(app)
    clock.move(days=2)
    op.retention_plan()
    op.retention_run()
    op.retention_run()
    seen = [entry for entry in auditor(clinic).audit_show() if entry.action.startswith("retention.")]
    assert [(e.action, e.count, e.about, e.memory_ids) for e in seen] == [
        ("retention.plan", 0, None, ()),
        ("retention.run", 1, "user:pat-1", (memory.id,)),
        ("retention.run", 0, None, ()),
    ]


# --- holds, backups ---


def test_a_hold_wins_and_what_it_keeps_is_counted_and_logged(
    clinic: Vault, app: Session, op: Admin, clock: Clock
) -> None:
    keep(clinic, memory=at_most(10), history=at_most(1))
    for user in ("pat-1", "pat-2"):
        add(app, user=user)
        app.update(add(app, "call ana@example.org", user=user).id, "call bob@example.org")
    hold = holds_of(clinic).place(user_id="pat-1", matter="case 2026-117")
    clock.move(days=5)
    assert counts(op.retention_run())["t/old", "created"] == (1, 1, 1)
    clock.move(days=5)
    planned, done = op.retention_plan(), op.retention_run()
    assert done == replace(planned, executed=True)
    assert [(r.record, r.count, r.held) for r in done.rules] == [
        ("memory", 0, 0),
        ("memory", 2, 2),
        ("history", 0, 0),
    ]
    assert (done.count, done.held) == (2, 2)
    assert len(texts(app)) == 2
    assert texts(app, "pat-2") == []
    refused = [e for e in auditor(clinic).audit_show() if e.result == "refused"]
    assert [(e.action, e.count, e.about) for e in refused] == [
        ("retention.run", 1, "user:pat-1"),
        ("retention.run", 2, "user:pat-1"),
    ]
    holds_of(clinic).release(hold.id)
    assert op.retention_run().count == 2
    assert texts(app) == []


def test_a_sweep_passes_over_what_is_held(clinic: Vault, app: Session, op: Admin, clock: Clock) -> None:
    for user in ("pat-1", "pat-2"):
        add(app, user=user, expires_at=clock.now + timedelta(days=1))
    holds_of(clinic).place(user_id="pat-1", matter="case 2026-117")
    clock.move(days=2)
    assert op.sweep() == 1
    assert rows(clinic, "memories") == 1
    assert [e["n"] for e in entries(clinic) if e["act"] == "memory.expire" and e["res"] == "refused"] == [1]


def test_a_hold_placed_between_two_batches_stops_the_rest(
    clinic: Vault, app: Session, op: Admin, clock: Clock
) -> None:
    keep(clinic, memory=at_most(1))
    app.add_many([{"content": f"visit {n}", "user_id": "pat-1"} for n in range(150)])
    clock.move(days=1)
    holds = holds_of(clinic)
    done = op.retention_run(progress=lambda *_: holds.place(user_id="pat-1", matter="case 2026-117") and None)
    assert (done.count, done.held) == (100, 50)
    assert rows(clinic, "memories") == 50


def test_a_tenant_wide_hold_stops_all_of_it(clinic: Vault, app: Session, op: Admin, clock: Clock) -> None:
    keep(clinic, memory=at_most(1))
    add(app)
    holds_of(clinic).place(tenant=True, matter="case 2026-117")
    clock.move(days=1)
    done = op.retention_run()
    assert (done.count, done.held) == (0, 1)


@pytest.mark.parametrize("record", ["memory", "history"])
def test_whoever_lost_something_waits_for_the_next_roll(
    clinic: Vault, app: Session, op: Admin, clock: Clock, record: str
) -> None:
    keep(clinic, **{record: at_most(10)})
    app.update(add(app, "old").id, "old again")
    clock.move(days=10)
    add(app, "new", user="pat-2")
    stages = stages_of(clinic)
    tenant = stages.keystore.tenant("clinic")
    assert tenant is not None
    assert cases.stale(stages.keystore, tenant.tid) == []
    op.retention_plan()
    assert cases.stale(stages.keystore, tenant.tid) == []
    op.retention_run()
    subject = stages.keystore.subject(tenant, "user", "pat-1")
    assert subject is not None
    assert [sid for sid, _ in cases.stale(stages.keystore, tenant.tid)] == [subject.sid]


# --- who may ---


@pytest.mark.parametrize("role", ["app", "staff", "privacy", "auditor"])
def test_only_an_operator_runs_it(clinic: Vault, app: Session, role: str) -> None:
    add(app)
    purpose = {"privacy": "rights-request", "auditor": "audit"}.get(role, "service")
    admin = clinic.admin(Principal("clinic", "someone", (role,)), purpose=purpose)
    for call in (admin.retention_plan, admin.retention_run):
        with pytest.raises(DeniedError):
            call()
