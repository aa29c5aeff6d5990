"""Legal holds: what they are, and that no path in the code removes or reseals what is held.

The paths are derived from the code: a function of `vault/flows` that takes rows or keys away has a driver here.
"""

from __future__ import annotations

import ast
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.calls import Clock, entries, operator, session_of, stages_of
from support.rights import erased, fill, opened, privacy, running, sealed, sid_of

from vault import Principal, Vault
from vault.errors import (
    AuditChainError,
    ConflictError,
    DeniedError,
    HeldError,
    IntegrityViolationError,
    InvalidInputError,
    NotFoundError,
)
from vault.flows.erasing import requests as flow
from vault.redaction.detect import BuiltinDetector
from vault.redaction.interface import Detector, OneByOne
from vault.types import Finding

FLOWS = Path(flow.__file__).parents[1]
HELD, FREE = "pat-1", "pat-2"
NAME = "Quandramir"


class Named(OneByOne):
    """A detector that knows one more name than the one before."""

    def __init__(self, inner: Detector) -> None:
        self._inner = inner
        self.entities = inner.entities | {"PERSON"}
        self.version = inner.version + "+named"

    def detect(self, text: str, **options: Any) -> list[Finding]:
        at = text.find(NAME)
        more = [Finding("PERSON", at, at + len(NAME), 0.9, "named")] if at >= 0 else []
        return sorted([*self._inner.detect(text, **options), *more], key=lambda one: one.start)


class World:
    """Two persons with the same in every store: one is held, one is not; both have what each path would take."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        stages_of(vault).detector = BuiltinDetector(names=None)  # an older one, which knows no names
        self.clock = Clock(vault)
        self.app = session_of(vault)
        self.privacy = privacy(vault)
        self.ids = {user: fill(vault, user, agent_id="desk") for user in (HELD, FREE)}
        for user in (HELD, FREE):
            soon = self.clock.now + timedelta(hours=1)
            self.app.add("Ends soon", user_id=user, expires_at=soon)
            self.app.add(f"Was seen with {NAME} today", user_id=user)
        self.sid = sid_of(vault, HELD)

    def reopen(self) -> None:
        self.vault = Vault.open(self.vault.folder)
        self.app, self.privacy = session_of(self.vault), privacy(self.vault)

    def hold(self, **about: Any) -> str:
        return self.privacy.holds.place(matter="case 7", **(about or {"user_id": HELD})).id

    def refused(self, call: Callable[..., object], *arguments: Any, **options: Any) -> None:
        with pytest.raises(HeldError) as caught:
            call(*arguments, **options)
        assert caught.value.code == "hold.in_force"


@pytest.fixture
def world(clinic: Vault) -> Iterator[World]:
    made = World(clinic)
    yield made
    made.vault.close()


# --- every path ------------------------------------------------------------------------------------------------------


def delete(w: World) -> None:
    for memory_id in w.ids[HELD]:
        w.refused(w.app.delete, memory_id)


def delete_all(w: World) -> None:
    w.refused(w.app.delete_all, user_id=HELD)
    w.refused(w.app.delete_all, user_id=HELD, agent_id="desk")


def sweep(w: World) -> None:
    w.clock.move(days=1)
    assert operator(w.vault).sweep() == 1  # the other person's


def retention(w: World) -> None:
    w.clock.move(days=1)
    done = operator(w.vault).retention_run()
    assert (done.count, done.held) == (1, 1)


def rescan(w: World) -> None:
    stages_of(w.vault).detector = Named(stages_of(w.vault).detector)
    counted = operator(w.vault).rescan(dry_run=True)
    done = operator(w.vault).rescan()
    assert (done.outdated, done.held) == (counted.outdated, counted.held) == (1, 1)
    assert done.found == {"PERSON": 1}


def erase_person(w: World) -> None:
    w.refused(opened(w.privacy, user_id=HELD).preview)


def erase_memory(w: World) -> None:
    w.refused(opened(w.privacy, memory_ids=w.ids[HELD][:1]).preview)


def erase_scope(w: World) -> None:
    """What is not held goes; the rest is withheld, and the request says so."""
    request = opened(w.privacy, agent_id="desk")
    shown = request.preview()
    assert [(one["what"], one["count"], one["ground"]) for one in shown.withheld] == [
        ("memories", 3, "legal-hold")
    ]
    assert request.run().removed["memories"] == 3


def erase_tenant(w: World) -> None:
    request = opened(running(w.vault), tenant=True)
    shown = request.preview()
    assert shown.withheld[0]["count"] == 5
    privacy(w.vault).requests.get(request.id).approve(str(shown.digest))
    assert request.run().removed["memories"] == 5
    assert (
        session_of(w.vault).list(user_id=FREE).memories == ()
    )  # the tenant is still there: somebody is held in it


def erase_between(w: World) -> None:
    """Previewed before the hold, run after it: of a hold and a removal one is always first."""
    w.privacy.holds.release(w.privacy.holds.list()[0].id)
    request = opened(w.privacy, user_id=HELD)
    request.preview()
    w.hold()
    w.refused(request.run)


def rotate(w: World) -> None:
    done = operator(w.vault).keys_rotate("subject")
    assert (done["subjects"], done["held"], done["generations_dropped"]) == (1, 1, 1)


def roll(w: World) -> None:
    """What waited for a roll before the hold was placed waits for its end."""
    hold = w.privacy.holds.list()[0].id
    w.privacy.holds.release(hold)
    w.app.delete(w.ids[HELD][0])
    w.hold()
    before = sealed(w.vault, w.sid)
    done = w.privacy.requests.roll(force=True)
    assert done is None  # nothing else waits
    w.app.delete(w.ids[FREE][0])
    done = w.privacy.requests.roll(force=True)
    assert done is not None
    assert (done.resealed, done.held) == (1, 1)
    assert sealed(w.vault, w.sid) == before


def merge(w: World) -> None:
    from vault.flows.people import subjects

    stages, caller = stages_of(w.vault), w.privacy._caller
    w.refused(subjects.merge, stages, caller, HELD, FREE, reason=None, dry_run=False)


def rename(w: World) -> None:
    from vault.flows.people import subjects

    stages, caller = stages_of(w.vault), w.privacy._caller
    w.refused(subjects.rename, stages, caller, HELD, "pat-9", keep_old=False, reason=None, dry_run=False)


def redact_mentions(w: World) -> None:
    from vault.flows.people import redact

    memory = next(m for m in w.app.list(user_id=HELD).memories if NAME in m.text)
    stages, caller = stages_of(w.vault), w.privacy._caller
    options = {"reason": "a third person asked", "entity": None, "dry_run": False}
    w.refused(redact.redact_mentions, stages, caller, NAME, [memory.id], **options)


def restore(w: World) -> None:
    """A backup from before the held person's last memory: putting it back would take that one away."""
    who, folder = Principal("clinic", "op", ("operator",)), w.vault.folder
    backup = operator(w.vault).backup_create("data", to=folder.parent / "shelf")
    w.privacy.holds.release(w.privacy.holds.list()[0].id)
    w.app.add("Said after the backup", user_id=HELD)
    w.hold()
    before = sealed(w.vault, w.sid)
    w.vault.close()
    w.refused(Vault.restore, folder, backup["folder"], who, kind="data", execute=True)
    w.reopen()
    assert sealed(w.vault, w.sid) == before


DRIVERS: dict[str, Callable[[World], None]] = {
    one.__name__: one
    for one in (
        delete, delete_all, sweep, retention, rescan, erase_person, erase_memory, erase_scope, erase_tenant,
        erase_between, rotate, roll, merge, rename,
        redact_mentions, restore,
    )
}  # fmt: skip
SILENT = {"roll"}  # the vault's own doing: nobody asked for anything
APART = {"roll", "restore"}  # compare for themselves: their person is not the one that was filled

# Which driver tries each function that takes rows or keys away. `-`: it takes nothing that could still be read, or it
# replaces bytes by the same content.
SITES: dict[str, str] = {
    "change.delete": "delete",
    "change.delete_all": "delete_all",
    "change._remove": "delete",  # only by `remove_rows`, which asks first
    "change._empty": "retention",  # by `remove_rows` and `empty_revisions`, which ask first
    "change.put_version": "- the version before goes into the history",
    "erase.remove": "erase_person",
    "erase._remove_part": "erase_memory",
    "rescan._redact_history": "rescan",
    "retention._remove": "retention",
    "roll._reseal": "roll",
    "roll._bury": "roll",
    "rotate._reseal_subject": "rotate",
    "rotate.reseal_rows": "rotate",  # by the rotation and the roll, which ask first
    "rotate.retag": "- the same content under other tags",
    "points.change_points": "- the same memory, its vectors made anew",
    "merging.move": "merge",
    "merging.rewrite_user": "rename",
    "merging.merge_again": "- as the log says that it was done",
    "redact._redact": "redact_mentions",
    "removals._remove": "- what was removed before the hold, as the log says; see restore",
    "removals.remove_everything": "- what was removed before the hold, as the log says; see restore",
    "naming.catch_up": "- as the log says that it was done",
    "graft._refresh_details": "- details of the log, as the archive has them",
    "restore_keys.restore_keystore": "- keys that the newer keystore knows to be gone",
    "plan.give_up": "- rows whose key nobody has",
    "reconcile._bury_again": "- a tombstone of the log: the hold came later, or the erasure was not held",
    "reconcile.purge": "- rows whose keys are gone",
    "reconcile._purge_details": "- rows whose keys are gone",
    "reconcile._purge_generations": "- rows whose keys are gone",
}
TAKERS = {"remove", "remove_subject", "discard", "replace_revision", "replace", "replace_detail"}
BY_NAME = {
    "remove_rows", "empty_revisions", "reseal_rows", "drop_generations", "bury", "absorb", "replace_subject",
}  # fmt: skip


def sites() -> dict[str, set[str]]:
    """`module.function` of vault/flows to what it calls that takes rows or keys away."""
    found: dict[str, set[str]] = {}
    for path in sorted(FLOWS.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef):
                continue
            for node in ast.walk(function):
                taken = _takes(node)
                if taken:
                    found.setdefault(f"{path.stem}.{function.name}", set()).add(taken)
    return found


def _takes(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    called = node.func
    if (
        isinstance(called, ast.Attribute)
        and called.attr in TAKERS
        and ast.unparse(called.value).endswith("records")
    ):
        return called.attr
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    return name if name in BY_NAME else ""


def test_every_function_that_takes_rows_or_keys_away_has_a_driver() -> None:
    found = sites()
    assert set(found) == set(SITES), "a new path has to be tried under a hold"
    assert {driver for driver in SITES.values() if not driver.startswith("- ")} <= set(DRIVERS)
    assert all(len(why.split()) > 3 for why in SITES.values() if why.startswith("- "))


WITH_ALL_HELD = (
    "delete",
    "delete_all",
    "erase_person",
    "erase_memory",
)  # the others need somebody who is free
CASES = [("person", name) for name in sorted(DRIVERS)] + [("tenant", name) for name in WITH_ALL_HELD]


@pytest.mark.parametrize(("about", "name"), CASES)
def test_nothing_that_is_held_is_removed_or_resealed_and_the_attempt_is_logged(
    world: World, about: str, name: str
) -> None:
    world.hold(**({"tenant": True} if about == "tenant" else {}))
    before = sealed(world.vault, world.sid)
    DRIVERS[name](world)
    if name not in APART:
        assert sealed(world.vault, world.sid) == before
    if name not in SILENT:
        assert [one for one in entries(world.vault) if one["res"] == "refused"]
    operator(world.vault).audit_verify()
    assert world.app.list(user_id=HELD).memories


def test_a_hold_on_the_tenant_stops_what_takes_from_everybody(world: World) -> None:
    world.hold(tenant=True)
    both = [sealed(world.vault, sid_of(world.vault, user)) for user in (HELD, FREE)]
    world.clock.move(days=1)
    assert operator(world.vault).sweep() == 0
    assert operator(world.vault).keys_rotate("subject")["held"] == 2
    world.refused(opened(world.privacy, agent_id="desk").preview)
    world.refused(opened(running(world.vault), tenant=True).preview)
    world.refused(opened(world.privacy, expired=True).preview)
    assert [sealed(world.vault, sid_of(world.vault, user)) for user in (HELD, FREE)] == both


# --- what a hold is --------------------------------------------------------------------------------------------------


def test_placed_listed_released_and_then_everything_goes_on(world: World) -> None:
    made = world.privacy.holds.place(
        user_id=HELD, matter="case 7", reason="ordered", review=date(2027, 6, 30)
    )
    assert (made.about, made.state, made.placed_by, made.review) == (
        f"user:{HELD}", "placed", "officer", date(2027, 6, 30),
    )  # fmt: skip
    assert world.privacy.holds.list() == [made]
    world.app.add("Still written", user_id=HELD)
    world.app.update(world.ids[HELD][1], "Prefers coffee")
    ended = world.privacy.holds.release(made.id, reason="case closed")
    assert (ended.state, ended.released_by) == ("released", "officer")
    assert world.privacy.holds.list() == []
    assert world.privacy.holds.list(released=True) == [ended]
    with pytest.raises(NotFoundError):
        world.privacy.holds.release(made.id)
    assert world.app.delete_all(user_id=HELD).deleted == 6
    actions = [entry["act"] for entry in entries(world.vault)]
    assert actions.count("hold.place") == actions.count("hold.release") == 1


def test_two_holds_on_one_person_are_two(world: World) -> None:
    first, second = world.hold(), world.hold()
    world.privacy.holds.release(first)
    world.refused(world.app.delete_all, user_id=HELD)
    world.privacy.holds.release(second)
    world.app.delete_all(user_id=HELD)


def test_somebody_about_whom_nothing_is_held_yet_can_be_held(world: World) -> None:
    world.hold(user_id="nobody-yet")
    memory = world.app.add("First words", user_id="nobody-yet").memories[0]
    world.refused(world.app.delete, memory.id)


def test_a_hold_on_another_person_or_tenant_stops_nothing(world: World) -> None:
    world.hold(user_id=FREE)
    privacy(world.vault, "bank").holds.place(user_id=HELD, matter="elsewhere")
    assert world.app.delete_all(user_id=HELD).deleted == 5


def test_what_a_hold_withheld_goes_after_its_end(world: World) -> None:
    hold = world.hold()
    erased(world.privacy, agent_id="desk")
    world.privacy.holds.release(hold)
    request = erased(world.privacy, agent_id="desk")
    counts = request.info().counts or {}
    assert {name: count for name, count in counts.items() if count} == {
        "memories": 3,
        "points": 3,
        "history": 1,
    }


def test_the_review_of_the_hold_is_on_the_certificate(world: World) -> None:
    from vault.audit.certificate import statement_of

    world.privacy.holds.place(user_id=HELD, matter="case 7", review=date(2031, 5, 4))
    data = erased(world.privacy, agent_id="desk").certificate()
    (withheld,) = statement_of(data)["predicate"]["withheld"]
    assert withheld == {"what": "memories", "count": 3, "ground": "legal-hold", "review": "2031-05-04"}


def test_who_may_not_hold_cannot_and_a_session_of_one_user_neither(world: World) -> None:
    for call in (
        lambda s: s.holds.place(user_id=HELD, matter="case 7"),
        lambda s: s.holds.release("0" * 32),
        lambda s: s.holds.list(),
    ):
        with pytest.raises(DeniedError):
            call(world.app)
        bound = session_of(world.vault, roles=("privacy",), purpose="rights-request", user_id=HELD)
        with pytest.raises(InvalidInputError) as caught:
            call(bound)
        assert caught.value.code == "scope.bound"


def test_a_hold_that_comes_after_the_tombstone_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tombstone is in the log, and a restore would go on with it: a hold that promises otherwise would lie."""
    request = opened(world.privacy, user_id=HELD)
    request.preview()
    with monkeypatch.context() as patch:
        patch.setattr(flow.erase, "bury", _broken)
        with pytest.raises(OSError, match="cut off"):
            request.run()
    for about in ({"user_id": HELD}, {"tenant": True}):
        with pytest.raises(ConflictError) as caught:
            world.hold(**about)
        assert caught.value.code == "hold.too_late"
    world.hold(user_id=FREE)
    request.run()
    world.hold()  # of whoever comes under this id again


def test_a_hold_before_the_tombstone_stops_an_erasure_that_was_begun(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = opened(world.privacy, user_id=HELD)
    request.preview()
    with monkeypatch.context() as patch:
        patch.setattr(flow, "_remove", _broken)
        with pytest.raises(OSError, match="cut off"):
            request.run()
    before = sealed(world.vault, world.sid)
    hold = world.hold()
    world.refused(request.run)
    assert sealed(world.vault, world.sid) == before
    world.privacy.holds.release(hold)
    assert request.run().state == "erased"


def _broken(*_arguments: object, **_options: object) -> None:
    raise OSError("cut off")


def test_an_older_keystore_learns_of_holds_from_the_log(world: World, tmp_path: Path) -> None:
    """Placed and released after the copy was made: both are known again before anything is served."""
    gone = world.hold(user_id=FREE)
    vault, folder = world.vault, world.vault.folder
    vault.close()
    shutil.copytree(folder / "keystore", tmp_path / "older")
    with Vault.open(folder) as again:
        kept = privacy(again).holds.place(user_id=HELD, matter="case 8", review=date(2030, 1, 1))
        privacy(again).holds.release(gone)
    shutil.rmtree(folder / "keystore")
    shutil.copytree(tmp_path / "older", folder / "keystore")
    with Vault.open(folder) as restored:
        assert privacy(restored).holds.list() == [kept]
        with pytest.raises(HeldError):
            session_of(restored).delete_all(user_id=HELD)
        assert session_of(restored).delete_all(user_id=FREE).deleted == 5


def test_holds_ride_a_roll(world: World) -> None:
    hold = world.privacy.holds.place(user_id=HELD, matter="case 7")
    operator(world.vault).keys_rotate("root")
    operator(world.vault).keys_rotate("tenant")
    assert world.privacy.holds.list() == [hold]
    world.refused(world.app.delete_all, user_id=HELD)
    assert isinstance(datetime.fromisoformat(hold.placed_at).astimezone(UTC), datetime)


def test_a_hold_ended_in_the_file_alone_is_noticed_and_ends_nothing(clinic: Vault) -> None:
    """Whoever has the keystore's file key can change its columns; they are sealed once more beside the case."""
    session = session_of(clinic)
    memory = session.add("The garden is green", user_id="pat-42").memories[0]
    privacy(clinic).holds.place(user_id="pat-42", matter="case 2026-117", reason="court order")
    stages = stages_of(clinic)
    database = stages.keystore.database
    changes = (
        "state = 'released'",
        "state = 'released', sid = zeroblob(16)",
        "kind = 'tenant'",
        "sid = zeroblob(16)",
    )
    (whole,) = database.query("SELECT * FROM cases")
    for change in changes:
        with database.transaction():
            database.execute(f"UPDATE cases SET {change}")  # noqa: S608 - from the line above
        with pytest.raises(IntegrityViolationError):
            operator(clinic).audit_verify()
        if "sid" not in change and "kind" not in change:
            with pytest.raises(IntegrityViolationError):
                session.delete(memory.id)
        with database.transaction():
            database.execute("DELETE FROM cases")
        with pytest.raises(AuditChainError, match="legal holds"):
            operator(clinic).audit_verify()
        with database.transaction():
            database.execute("INSERT INTO cases VALUES(?, ?, ?, ?, ?, ?, ?)", whole)
    with pytest.raises(HeldError):
        session.delete(memory.id)
    operator(clinic).audit_verify()
