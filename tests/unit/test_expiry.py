"""`expires_at` hides a memory at once, everywhere; the sweep removes it for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from support.calls import Clock, entries, operator, rows, session_of, staff

from vault import Principal, Session, Vault
from vault.errors import DeniedError, NotFoundError


@pytest.fixture
def clock(clinic: Vault) -> Clock:
    return Clock(clinic)


def test_hidden_everywhere_at_its_minute(clinic: Vault, app: Session, clock: Clock) -> None:
    until = clock.now + timedelta(hours=1)
    kept = app.add("likes tea", user_id="u").memories[0]
    memory = app.add("likes tea until ana@example.org calls", user_id="u", expires_at=until).memories[0]
    assert memory.expires_at == until
    memory = app.update(memory.id, "likes tea until bob@example.org calls")
    clock.move(minutes=59, seconds=59)
    assert app.get(memory.id) == memory
    assert len(app.list(user_id="u").memories) == len(app.search("tea", user_id="u")) == 2
    clock.move(seconds=1)
    for attempt in (
        app.get,
        app.delete,
        lambda i: app.update(i, "x"),
        lambda i: staff(clinic).reveal(i, reason="x"),
    ):
        with pytest.raises(NotFoundError):
            attempt(memory.id)
    assert app.list(user_id="u").memories == (kept,)
    assert [hit.memory for hit in app.search("tea", user_id="u", limit=2)] == [kept]
    assert app.list(user_id="u", filters={"expires_at": {"exists": True}}).memories == ()
    assert [(s.event, s.text, s.metadata) for s in app.history(memory.id)] == [
        ("ADD", None, None),
        ("UPDATE", None, None),
    ]
    assert rows(clinic, "memories") == 2  # hidden, and still there


def test_the_sweep_removes_for_good(clinic: Vault, app: Session, clock: Clock) -> None:
    until = clock.now + timedelta(hours=1)
    kept = app.add("likes tea", user_id="u", expires_at=until + timedelta(days=1)).memories[0]
    gone = app.add("reach me at ana@example.org", user_id="u", expires_at=until).memories[0]
    app.update(gone.id, "reach me at bob@example.org")
    op = operator(clinic)
    assert op.sweep() == 0
    clock.move(hours=2)
    assert op.sweep(dry_run=True) == 1
    assert rows(clinic, "memories") == 2
    assert op.sweep() == 1
    assert [rows(clinic, table) for table in ("memories", "points", "tokens")] == [1, 1, 0]
    assert app.get(kept.id) == kept
    steps = app.history(gone.id)
    assert [(s.event, s.actor, s.text) for s in steps] == [
        ("ADD", "intake-bot", None),
        ("UPDATE", "intake-bot", None),
        ("EXPIRE", "op", None),
    ]
    assert op.sweep() == 0
    assert [e["n"] for e in entries(clinic) if e["act"] == "memory.expire" and e["n"]] == [1]
    op.audit_verify()


def test_a_sweep_of_many_reports_its_progress(clinic: Vault, app: Session, clock: Clock) -> None:
    until = clock.now + timedelta(hours=1)
    app.add_many(
        [{"content": f"visit number {n}", "user_id": f"u{n % 3}", "expires_at": until} for n in range(600)]
    )
    app.add("likes tea", user_id="u0")
    clock.move(hours=2)
    told: list[int] = []
    assert operator(clinic).sweep(progress=lambda done, _total: told.append(done)) == 600
    assert told[-1] == 600
    assert told == sorted(told)
    assert rows(clinic, "memories") == 1


def test_the_sweep_of_one_tenant_is_no_other_tenants(clinic: Vault, app: Session, clock: Clock) -> None:
    until = clock.now + timedelta(hours=1)
    app.add("likes tea", user_id="u", expires_at=until)
    session_of(clinic, "bank").add("has a loan", user_id="u", expires_at=until)
    clock.move(hours=2)
    assert operator(clinic).sweep() == 1
    assert rows(clinic, "memories", "bank") == 1


def test_delete_all_takes_expired_memories_too(clinic: Vault, app: Session, clock: Clock) -> None:
    app.add("likes tea", user_id="u", expires_at=clock.now + timedelta(hours=1))
    clock.move(hours=2)
    assert app.delete_all(user_id="u").deleted == 1
    assert rows(clinic, "memories") == 0


def test_an_update_keeps_the_expiry(app: Session, clock: Clock) -> None:
    until = clock.now + timedelta(hours=1)
    memory = app.add("likes tea", user_id="u", expires_at=until).memories[0]
    assert app.update(memory.id, "likes rum").expires_at == until
    clock.move(hours=1)
    assert app.search("rum", user_id="u") == []


@pytest.mark.parametrize(
    "until",
    [
        datetime(2199, 1, 1, tzinfo=UTC),
        datetime(2199, 1, 1, 5, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_any_zone_and_the_last_year_there_is(app: Session, until: datetime) -> None:
    memory = app.add("likes tea", user_id="u", expires_at=until).memories[0]
    assert memory.expires_at == until
    assert app.get(memory.id).expires_at == until
    assert memory.expires_at.tzinfo is UTC


def test_expiry_can_be_filtered(app: Session, clock: Clock) -> None:
    soon, late = clock.now + timedelta(days=1), clock.now + timedelta(days=30)
    for text, until in (("soon", soon), ("late", late), ("never", None)):
        app.add(text, user_id="u", expires_at=until)

    def listed(condition: object) -> list[str]:
        return [m.text for m in app.list(user_id="u", filters={"expires_at": condition}).memories]

    assert listed({"lt": clock.now + timedelta(days=2)}) == ["soon"]
    assert listed({"exists": False}) == ["never"]
    assert listed({"gte": late.isoformat()}) == ["late"]


def test_only_an_operator_sweeps(clinic: Vault, app: Session) -> None:
    app.add("likes tea", user_id="u")
    with pytest.raises(DeniedError):
        clinic.admin(Principal("clinic", "bot", ("app",)), purpose="service").sweep()
