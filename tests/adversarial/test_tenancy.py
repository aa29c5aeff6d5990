"""G3: every path attacked from another tenant and from another user of the same tenant. No crossing, one answer.

`ATTACKS` holds, for every public method of a session and of the upkeep interface, what somebody else tries with it.
A method that is not in it fails the first test, so a new one has to be thought about.
"""

from __future__ import annotations

import base64
import inspect
import io
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from support.thief import Thief, mend_hash, records_thief

from vault import Principal, Session, Vault
from vault.admin import Admin
from vault.aio import AsyncExports, AsyncHolds, AsyncRequest, AsyncRequests, AsyncSession, AsyncSubjects
from vault.audit.jcs import strict_loads
from vault.errors import InvalidInputError, NotFoundError, VaultError
from vault.exports import Exports
from vault.flows.context import Call
from vault.rights import Holds, Request, Requests
from vault.subjects import Subjects

ABSENT = "00000000-0000-4000-8000-000000000000"
SECRET = "The quorvanthine ledger is kept under the third floorboard"
ADDRESS = "ana.rivera@example.org"
A, B = "clinic", "bank"
ALICE, BOB = "alice", "bob"


def public(cls: type) -> set[str]:
    return {name for name, member in inspect.getmembers(cls) if not name.startswith("_") and callable(member)}


@dataclass
class World:
    """Alice's memories in tenant A; Bob in the same tenant; Mallory in tenant B, who also calls a user alice."""

    vault: Vault
    alice: Session
    bob: Session  # bound to his own user id
    mallory: Session  # of the other tenant
    staff_b: Session
    victim: str  # the id of Alice's memory
    token: str  # the token in it, with brackets
    cursor: str  # of a listing of Alice's
    key: str = "alice-key-0001"

    def everything(self) -> list[Any]:
        """What Alice has, as she sees it: must not change under any attack."""
        page = self.alice.list(user_id=ALICE, limit=100)
        return [*page.memories, *(self.alice.history(memory.id) for memory in page.memories)]

    def attackers(self) -> list[Session]:
        return [self.bob, self.mallory]


def session(
    vault: Vault, tenant: str, role: str = "app", *, user_id: str | None = None, name: str = "bot"
) -> Session:
    return vault.session(Principal(tenant, name, (role,)), purpose="service", user_id=user_id)


def admin(vault: Vault, tenant: str, role: str = "operator", purpose: str = "operations") -> Admin:
    return vault.admin(Principal(tenant, "op", (role,)), purpose=purpose)


@pytest.fixture
def world(make_vault: Callable[..., Vault]) -> World:
    return made_world(make_vault())


def made_world(vault: Vault) -> World:
    alice = session(vault, A)
    first = alice.add(f"{SECRET}; write to {ADDRESS}", user_id=ALICE, agent_id="desk", metadata={"room": "blue"},
                      idempotency_key="alice-key-0001").memories[0]  # fmt: skip
    alice.update(first.id, f"{first.text} (checked)", reason="checked")
    alice.add("Another quorvanthine fact", user_id=ALICE, metadata={"room": "red"})
    page = alice.list(user_id=ALICE, limit=1)
    assert page.next_cursor is not None
    world = World(
        vault, alice, session(vault, A, user_id=BOB), session(vault, B), session(vault, B, "staff"), first.id,
        first.text[first.text.index("[EMAIL:") :].split("]")[0] + "]", page.next_cursor,
    )  # fmt: skip
    for other, user in ((world.bob, BOB), (world.mallory, ALICE)):
        other.add("A fact of my own about roses", user_id=user, metadata={"room": "blue"})
        other.add("A second fact of my own about tulips", user_id=user)
    return world


# --- the attacks --------------------------------------------------------------------------------------------------

Attack = Callable[[World, Session], Any]

NESTED: tuple[Any, ...] = (
    {"user_id": ALICE},
    {"AND": [{"room": "blue"}, {"user_id": ALICE}]},
    {"OR": [{"room": "blue"}, {"user_id": {"eq": ALICE}}]},
    {"NOT": [{"user_id": BOB}]},
    {"AND": [{"OR": [{"NOT": [{"tenant": B}]}]}]},
    {"room": {"tenant_id": A}},
    {"USER_ID": ALICE}, {"userId": ALICE}, {" user id ": ALICE}, {"user-id": ALICE}, {"\u0443ser_id": ALICE},
    {"us\u200ber_id": ALICE}, {"\uff55\uff53\uff45\uff52\uff3f\uff49\uff44": ALICE}, {"ten\u0430nt": A},
    {"principal": "bot"},
)  # fmt: skip
HARMLESS: tuple[Any, ...] = (  # allowed, and of no use: they look at metadata only
    {"OR": [{"room": "blue"}, {"room": {"ne": "blue"}}]}, {"room": "*"}, {"NOT": [{"room": "none"}]},
    {"created_at": {"gt": "1990-01-01"}}, {"user": ALICE}, {"id": {"ne": "x"}}, {"sid": {"exists": False}},
    {"text": {"contains": "quorvanthine"}}, {"run": {"nin": []}},
)  # fmt: skip
SCOPES: tuple[Any, ...] = (
    "*", "%", "**", "*%", " * ", "\uff0a", "", " ", "\t", "\u3000", "ali*\x00", f"{ALICE}\u200b", f"\ufeff{ALICE}",
    f"{ALICE}\n", f"{ALICE}\u202e", f"{ALICE}\ud800", [ALICE], (ALICE, BOB), {"eq": ALICE}, {"ne": BOB},
    {"in": [ALICE]}, {"$ne": None}, {"OR": [ALICE, BOB]}, 0, True, b"alice", 1.5, object(), "a" * 257,
)  # fmt: skip
LOOKALIKES = (
    "\u0430lice",
    "Alice",
    "ALICE",
    "al\u0131ce",
    "\uff41lice",
    "alice ",
    " alice",
    "alic\u0117",
    "alice\u0301",
    "a1ice",
)


def _scoped(call: Callable[..., Any]) -> Iterator[Attack]:
    """A method that takes a scope: Alice's name, wildcards, operators, look-alikes, her agent."""

    def with_scope(**scope: Any) -> Attack:
        return lambda w, s: call(w, s, **scope)

    yield with_scope(user_id=ALICE)
    for value in SCOPES:
        for kind in ("user_id", "agent_id", "app_id", "run_id"):
            yield with_scope(**{kind: value})
    for value in LOOKALIKES:
        yield with_scope(user_id=value)
    yield with_scope(agent_id="desk")
    yield with_scope(user_id=None, agent_id=None)
    yield with_scope(user_id=ALICE, agent_id="desk")
    yield with_scope()


def _filtered(call: Callable[..., Any]) -> Iterator[Attack]:
    def with_filter(tree: Any, **scope: Any) -> Attack:
        return lambda w, s: call(w, s, filters=tree, **scope)

    for tree in (*NESTED, *HARMLESS):
        yield with_filter(tree, user_id=BOB)
        yield with_filter(tree, agent_id="desk")
    yield lambda w, s: call(w, s, user_id=BOB, filters={"room": w.token})
    yield lambda w, s: call(w, s, user_id=BOB, filters={"room": {"contains": ADDRESS}})


def _by_id(call: Callable[..., Any]) -> Iterator[Attack]:
    """A method that takes an id: hers, as it is and disguised."""
    yield lambda w, s: call(w, s, w.victim)
    yield lambda w, s: call(w, s, w.victim.upper())
    yield lambda w, s: call(w, s, w.victim.replace("-", ""))
    yield lambda w, s: call(w, s, f" {w.victim} ")
    yield lambda w, s: call(w, s, w.victim + "\x00")
    yield lambda w, s: call(w, s, [w.victim])
    yield lambda w, s: call(w, s, {"eq": w.victim})
    for bad in ("*", "%", "", None, 0, ABSENT, b"\x00" * 16, object()):
        yield lambda w, s, bad=bad: call(w, s, bad)


def _add(w: World, s: Session, **options: Any) -> Any:
    return s.add("Words put into somebody's mouth", **options)


def _search(w: World, s: Session, **options: Any) -> Any:
    return s.search("quorvanthine ledger floorboard " + ADDRESS, limit=100, **options)


def _list(w: World, s: Session, **options: Any) -> Any:
    return s.list(limit=100, **options)


def _many(w: World, s: Session, **options: Any) -> Any:
    return s.add_many([{"content": "Words put into somebody's mouth", **options}])


def _add_attacks() -> Iterator[Attack]:
    yield from _scoped(_add)
    yield lambda w, s: _add(w, s, user_id=BOB, metadata={"user_id": ALICE})
    yield lambda w, s: _add(w, s, user_id=BOB, metadata={"Tenant": A})
    yield lambda w, s: _add(w, s, user_id=BOB, metadata={"\u0443ser_id": ALICE})
    yield lambda w, s: s.add(f"mine: {w.token}", user_id=BOB)
    # Her key with her very request: answers nothing of hers
    yield lambda w, s: s.add(
        f"{SECRET}; write to {ADDRESS}", user_id=BOB, agent_id="desk", idempotency_key=w.key
    )
    yield lambda w, s: s.add(f"{SECRET}; write to {ADDRESS}", user_id=ALICE, agent_id="desk", metadata={"room": "blue"},
                             idempotency_key=w.key)  # fmt: skip


def _list_attacks() -> Iterator[Attack]:
    yield from _scoped(_list)
    yield from _filtered(_list)
    yield lambda w, s: _list(w, s, user_id=BOB, cursor=w.cursor)
    yield lambda w, s: _list(w, s, user_id=ALICE, cursor=w.cursor)
    yield lambda w, s: _list(w, s, user_id=BOB, cursor=_crafted(w.cursor))
    yield lambda w, s: _list(w, s, user_id=BOB, cursor=base64.urlsafe_b64encode(bytes(32)).decode())
    for bad in ("", "*", 7, b"x", ["x"], {"$gt": ""}, "\ud800", "A" * 10_000):
        yield lambda w, s, bad=bad: _list(w, s, user_id=BOB, cursor=bad)


def _crafted(cursor: str) -> str:
    data = bytearray(base64.urlsafe_b64decode(cursor))
    data[15] ^= 1
    return base64.urlsafe_b64encode(bytes(data)).decode()


SESSION_ATTACKS: dict[str, list[Attack]] = {
    "add": list(_add_attacks()),
    "add_many": [
        *_scoped(_many),
        lambda w, s: s.add_many([{"content": SECRET, "user_id": BOB, "idempotency_key": w.key}]),
        lambda w, s: s.add_many([{"content": "x y", "user_id": BOB, "tenant": A}]),
        lambda w, s: s.add_many([{"content": "x y", "user_id": BOB, "id": w.victim}]),
    ],
    "search": [*_scoped(_search), *_filtered(_search)],
    "get": list(_by_id(lambda w, s, i: s.get(i))),
    "list": list(_list_attacks()),
    "update": [
        *_by_id(lambda w, s, i: s.update(i, "Words put into somebody's mouth")),
        *_by_id(lambda w, s, i: s.update(i, metadata={"room": "mine"})),
    ],
    "delete": list(_by_id(lambda w, s, i: s.delete(i))),
    "delete_all": list(_scoped(lambda w, s, **scope: s.delete_all(**scope))),
    "history": list(_by_id(lambda w, s, i: s.history(i))),
    "reveal": list(_by_id(lambda w, s, i: s.reveal(i, reason="curious"))),
}


def _export(w: World, s: Session, **options: Any) -> Any:
    """What somebody else gets of an export: the answer and every byte that was written."""
    place = Path(w.vault.folder).parent / "stolen"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    answer = session_for(s, "privacy", "rights-request").exports.run(
        to=place / "copy", format="folder", **options
    )
    return answer, [path.read_text(encoding="utf-8") for path in (place / "copy").iterdir()]


def session_for(s: Session, role: str, purpose: str) -> Session:
    """The attacker with a right it should not have: a bound session stays bound, and each stays in its tenant."""
    caller = s._caller
    principal = Principal(caller.principal.tenant, caller.principal.id, (role,))
    return s._vault.session(principal, purpose=purpose, user_id=caller.user_id)


EXPORT_ATTACKS: dict[str, list[Attack]] = {
    "run": [
        *(lambda w, s, u=u, r=r: _export(w, s, user_id=u, reveal=r)
          for u in (ALICE, BOB, None, *SCOPES, *LOOKALIKES) for r in (False, "curious")),
        lambda w, s: _export(w, s, user_id=BOB, reveal=w.token),
    ],
    "preview": [
        *(lambda w, s, u=u: session_for(s, "privacy", "rights-request").exports.preview(user_id=u, reveal="curious")
          for u in (ALICE, BOB, None, *SCOPES, *LOOKALIKES)),
    ],
}  # fmt: skip


def _people(s: Session) -> Subjects:
    return session_for(s, "privacy", "rights-request").subjects


ACROSS_ROLES = {"privacy": "rights-request", "care-team": "treatment"}


def _across(s: Session, role: str, **options: Any) -> Any:
    subjects = session_for(s, role, ACROSS_ROLES[role]).subjects
    return subjects.search("quorvanthine ledger floorboard " + ADDRESS, limit=100, **options)


PEOPLE: tuple[Any, ...] = (ALICE, BOB, None, *SCOPES, *LOOKALIKES)
SUBJECT_ATTACKS: dict[str, list[Attack]] = {
    "aliases": [lambda w, s, u=u: _people(s).aliases(u) for u in PEOPLE],
    "add_alias": [
        *(lambda w, s, u=u: _people(s).add_alias(u, "mine") for u in PEOPLE),
        *(lambda w, s, u=u: _people(s).add_alias(BOB, u) for u in PEOPLE),
    ],
    "remove_alias": [
        *(lambda w, s, u=u: _people(s).remove_alias(u, "mine") for u in PEOPLE),
        *(lambda w, s, u=u: _people(s).remove_alias(ALICE, u) for u in PEOPLE),
    ],
    "rename": [
        *(lambda w, s, u=u: _people(s).rename(u, "mine", dry_run=True) for u in PEOPLE),
        *(lambda w, s, u=u: _people(s).rename(u, "mine") for u in PEOPLE),
        *(lambda w, s, u=u: _people(s).rename("mine", u, keep_old_as_alias=False) for u in PEOPLE),
    ],
    "merge": [
        *(lambda w, s, u=u, d=d: _people(s).merge(u, BOB, dry_run=d) for u in PEOPLE for d in (True, False)),
        *(lambda w, s, u=u: _people(s).merge(BOB, u) for u in PEOPLE),
        *(lambda w, s, u=u: _people(s).merge("mine", u) for u in PEOPLE),
    ],
    "search": [
        *(lambda w, s, u=u, r=r: _across(s, r, user_ids=u)
          for u in (None, *([one] for one in PEOPLE), [ALICE, BOB], *SCOPES) for r in ACROSS_ROLES),
        *(lambda w, s, t=t: _across(s, "privacy", user_ids=[ALICE], filters=t) for t in (*NESTED, *HARMLESS)),
        *(lambda w, s, k=k, v=v: _across(s, "privacy", user_ids=None, **{k: v})
          for k in ("agent_id", "app_id", "run_id") for v in ("desk", ALICE, *SCOPES[::4])),
        lambda w, s: _across(s, "privacy", user_ids=[w.victim, w.token]),
        lambda w, s: _across(s, "privacy", user_ids=[f"user:{ALICE}", f"{A}/{ALICE}", f"{A}:{ALICE}"]),
    ],
    "find_mentions": [
        *(lambda w, s, v=v: _people(s).find_mentions(v, limit=9) for v in (SECRET, ADDRESS, "quorvanthine", "ledger")),
        *(lambda w, s, u=u: _people(s).find_mentions("quorvanthine", user_id=u) for u in PEOPLE),
        *(lambda w, s, v=v: _people(s).find_mentions(v) for v in ("[EMAIL:k7q2m9]", "*", "%", "", None, 7, [SECRET])),
        lambda w, s: _people(s).find_mentions("quorvanthine", cursor=w.cursor),
    ],
    "redact_mentions": [
        *(lambda w, s, v=v: _people(s).redact_mentions(v, [w.victim], reason="curious")
          for v in (SECRET, ADDRESS, "quorvanthine")),
        *(lambda w, s, i=i: _people(s).redact_mentions("quorvanthine", i, reason="curious")
          for i in ("*", [], None, [ABSENT], {"eq": ABSENT}, [["x"]])),
        lambda w, s: _people(s).redact_mentions("quorvanthine", w.victim, reason="curious"),
        lambda w, s: _people(s).redact_mentions("quorvanthine", [w.victim.upper()], reason="curious"),
    ],
}  # fmt: skip


def _requests(s: Session) -> Any:
    return session_for(s, "privacy", "rights-request").requests


def _holds(s: Session) -> Any:
    return session_for(s, "privacy", "rights-request").holds


def _erase(_w: World, s: Session, **scope: Any) -> Any:
    """The whole way: asked, looked at, run, certified."""
    request = _requests(s).open(ground="gdpr.17.1.b", **scope)
    return request.preview(), request.run(roll=False), request.certificate()


def _of_alice(w: World) -> str:
    """A request about Alice that her own officer opened."""
    return str(_requests(w.alice).open(ground="gdpr.17.1.b", user_id=ALICE).id)


def _by_request(call: Callable[[Any], Any]) -> list[Attack]:
    return [lambda w, s: call(_requests(s).get(_of_alice(w)))]


def _whole_tenant(_w: World, s: Session) -> Any:
    return session_for(s, "operator", "operations").requests.open(ground="gdpr.28.3.g", tenant=True).preview()


REQUEST_ATTACKS: dict[str, list[Attack]] = {
    "open": [
        *(lambda w, s, v=v: _erase(w, s, user_id=v) for v in (ALICE, *SCOPES, *LOOKALIKES)),
        *(lambda w, s, k=k, v=v: _erase(w, s, **{k: v})
          for k in ("agent_id", "app_id", "run_id") for v in ("desk", ALICE, *SCOPES[::4])),
        lambda w, s: _erase(w, s, memory_ids=[w.victim]),
        lambda w, s: _erase(w, s, memory_ids=[w.token, ABSENT, "*"]),
        lambda w, s: _erase(w, s, expired=True),
        _whole_tenant,
    ],
    "get": _by_request(lambda r: r.info()),
    "list": [lambda w, s: (_of_alice(w), _requests(s).list())[1]],
    "roll": [lambda _w, s: _requests(s).roll()],
    **{name: _by_request(lambda r, name=name: getattr(r, name)()) for name in (
        "info", "preview", "run", "certificate", "cancel",
    )},
    "approve": _by_request(lambda r: r.approve("0" * 64)),
}  # fmt: skip


def _held(w: World) -> str:
    return str(_holds(w.alice).place(user_id=ALICE, matter="the quorvanthine matter").id)


HOLD_ATTACKS: dict[str, list[Attack]] = {
    "place": [
        *(lambda _w, s, v=v: _holds(s).place(user_id=v, matter="x y") for v in (ALICE, *SCOPES, *LOOKALIKES)),
        lambda _w, s: _holds(s).place(tenant=True, matter="x y"),
    ],
    "release": [lambda w, s: _holds(s).release(_held(w))],
    "list": [lambda w, s: (_held(w), _holds(s).list(released=True))[1]],
}  # fmt: skip


def visible(answer: Any) -> str:
    """Everything an answer shows, as one text."""
    return repr(answer)


def attempt(attack: Attack, world: World, attacker: Session) -> Any:
    try:
        return attack(world, attacker)
    except VaultError as error:
        return error


def test_every_method_is_attacked() -> None:
    assert (
        set(SESSION_ATTACKS) == public(Session) == public(AsyncSession)
    )  # which is the same methods in threads
    assert set(EXPORT_ATTACKS) == public(Exports) == public(AsyncExports)
    assert set(SUBJECT_ATTACKS) == public(Subjects) == public(AsyncSubjects)
    assert set(REQUEST_ATTACKS) == public(Requests) | public(Request)
    assert public(AsyncRequests) | public(AsyncRequest) == public(Requests) | public(Request)
    assert set(HOLD_ATTACKS) == public(Holds) == public(AsyncHolds)
    assert set(ADMIN_ATTACKS) == public(Admin)
    assert sum(len(attacks) for attacks in SESSION_ATTACKS.values()) > 700


@pytest.mark.parametrize("method", sorted(SESSION_ATTACKS))
def test_no_call_of_another_user_or_tenant_shows_or_changes_anything(world: World, method: str) -> None:
    before = world.everything()
    for attacker in world.attackers():
        for number, attack in enumerate(SESSION_ATTACKS[method]):
            answer = attempt(attack, world, attacker)
            shown = visible(answer)
            assert "quorvanthine" not in shown or method in ("add", "add_many"), (method, number)
            assert world.victim not in shown, (method, number)
            assert ADDRESS not in shown, (method, number)
    assert world.everything() == before


@pytest.mark.parametrize("method", sorted(SUBJECT_ATTACKS))
def test_no_act_on_people_reaches_another_user_or_tenant(world: World, method: str) -> None:
    """A bound session is about one person only; an officer of another tenant finds, names and changes nothing here."""
    before, log = world.everything(), _entries(world, A)
    names = _people(world.alice).aliases(ALICE)
    for number, attack in enumerate(SUBJECT_ATTACKS[method]):
        answer = attempt(attack, world, world.bob)
        assert isinstance(answer, InvalidInputError), (method, number)
        assert "quorvanthine" not in visible(answer), (method, number)
    rows = len(_entries(world, A))
    for number, attack in enumerate(SUBJECT_ATTACKS[method]):
        shown = visible(attempt(attack, world, world.mallory))
        assert "quorvanthine" not in shown, (method, number)
        assert world.victim not in shown, (method, number)
        assert ADDRESS not in shown, (method, number)
    assert len(_entries(world, A)) == rows
    assert _entries(world, A)[: len(log)] == log
    assert world.everything() == before
    assert _people(world.alice).aliases(ALICE) == names
    found = _people(world.alice).find_mentions("quorvanthine").found
    assert found[0].memory_id == world.victim
    assert _across(world.alice, "privacy", user_ids=[ALICE])[0].memory.id == world.victim


@pytest.mark.parametrize("method", sorted(EXPORT_ATTACKS))
def test_no_export_of_another_user_or_tenant_holds_anything(world: World, method: str) -> None:
    before = world.everything()
    counts = []
    for attacker in world.attackers():
        for number, attack in enumerate(EXPORT_ATTACKS[method]):
            answer = attempt(attack, world, attacker)
            counts.append(not isinstance(answer, VaultError))
            shown = visible(answer)
            assert "quorvanthine" not in shown, (method, number)
            assert world.victim not in shown, (method, number)
            assert ADDRESS not in shown, (method, number)
    assert any(counts)  # their own
    assert not all(counts)
    assert world.everything() == before


@pytest.mark.parametrize("method", sorted(REQUEST_ATTACKS))
def test_no_request_of_another_user_or_tenant_erases_or_shows_anything(world: World, method: str) -> None:
    """A session of one user has no requests at all; another tenant's requests are absent."""
    before = world.everything()
    for attacker in world.attackers():
        for number, attack in enumerate(REQUEST_ATTACKS[method]):
            answer = attempt(attack, world, attacker)
            shown = visible(answer)
            assert "quorvanthine" not in shown, (method, number)
            assert world.victim not in shown, (method, number)
            assert attacker is not world.bob or isinstance(answer, VaultError), (method, number)
    assert world.everything() == before


@pytest.mark.parametrize("method", sorted(HOLD_ATTACKS))
def test_no_hold_of_another_user_or_tenant_is_seen_placed_or_ended(world: World, method: str) -> None:
    for attacker in world.attackers():
        for number, attack in enumerate(HOLD_ATTACKS[method]):
            answer = attempt(attack, world, attacker)
            assert "quorvanthine" not in visible(answer), (method, number)
            assert attacker is not world.bob or isinstance(answer, VaultError), (method, number)
    held = [hold.state for hold in _holds(world.alice).list(released=True)]
    assert held == ([] if method == "place" else ["placed"] * len(world.attackers()))


def test_without_the_checks_of_a_bound_session_the_same_attacks_succeed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Call, "confine", lambda self, scope: scope)
    monkeypatch.setattr(Call, "may_see", lambda self, kind, identity: True)
    reached = {
        method
        for method in ("search", "get", "list", "history")
        for attack in SESSION_ATTACKS[method]
        if "quorvanthine" in visible(attempt(attack, world, world.bob))
    }
    assert reached == {"search", "get", "list", "history"}
    before = world.everything()
    attempt(SESSION_ATTACKS["delete"][0], world, world.bob)
    assert world.everything() != before


def test_the_same_calls_do_reach_what_is_the_callers_own(world: World) -> None:
    """The attacks are seen to work where they may: aimed at Alice by Alice."""
    mine = world.alice
    assert "quorvanthine" in visible(_search(world, mine, user_id=ALICE))
    assert "quorvanthine" in visible(_list(world, mine, user_id=ALICE))
    assert "quorvanthine" in visible(mine.get(world.victim))
    assert "quorvanthine" in visible(mine.history(world.victim))
    assert ADDRESS in visible(session(world.vault, A, "staff").reveal(world.victim, reason="call back"))
    assert mine.list(user_id=ALICE, cursor=world.cursor, limit=1).memories
    assert ADDRESS in visible(_export(world, mine, user_id=ALICE, reveal="asked for it"))
    assert mine.delete_all(user_id=ALICE).deleted == 2


def test_a_bound_session_writes_only_for_its_own_user(world: World) -> None:
    assert {m.user_id for m in world.bob.add("Nobody named", agent_id="desk").memories} == {BOB}
    for scope in ({"user_id": ALICE}, {"user_id": "Bob"}, {"user_id": "b\u043eb"}):
        with pytest.raises(InvalidInputError):
            world.bob.add("Words put into somebody's mouth", **scope)
    assert world.bob.list(agent_id="desk").memories[0].user_id == BOB


# --- one answer for absent and foreign ----------------------------------------------------------------------------

BY_ID: dict[str, Callable[[Session, str], Any]] = {
    "get": lambda s, i: s.get(i),
    "history": lambda s, i: s.history(i),
    "update": lambda s, i: s.update(i, "new words"),
    "delete": lambda s, i: s.delete(i),
    "reveal": lambda s, i: s.reveal(i, reason="curious"),
}


def test_methods_that_take_an_id_are_all_compared() -> None:
    taking = {
        name
        for name in public(Session)
        if "memory_id" in inspect.signature(getattr(Session, name)).parameters
    }
    assert taking == set(BY_ID)


@pytest.mark.parametrize("method", sorted(BY_ID))
@pytest.mark.parametrize("other", ["user", "tenant"])
def test_absent_and_foreign_are_one_answer_and_one_log_entry(world: World, method: str, other: str) -> None:
    role = "staff" if method == "reveal" else "app"
    tenant = A if other == "user" else B
    attacker = session(world.vault, tenant, role, user_id=BOB if other == "user" else None)
    entries, errors = [], []
    for target in (ABSENT, world.victim, "no id at all"):
        with pytest.raises(NotFoundError) as caught:
            BY_ID[method](attacker, target)
        errors.append((type(caught.value), caught.value.code, str(caught.value), caught.value.args))
        row = records_thief(world.vault, tenant).rows("log")[-1]
        entry = strict_loads(row["entry"])
        entries.append(({key: entry[key] if key in SAME else len(entry[key]) for key in entry if key not in FREE},
                        row["s"], len(row["detail"])))  # fmt: skip
    assert len(set(errors)) == 1
    assert entries[0] == entries[1] == entries[2]
    assert entries[0][0]["res"] == "not_found"


SAME = frozenset(
    {"act", "res", "n", "v", "pur", "subj", "obj", "actor", "log", "pack"}
)  # equal, not only of equal length
FREE = frozenset({"seq", "t"})


@pytest.mark.parametrize("method", ["search", "list", "delete_all"])
def test_a_scope_nobody_has_and_a_scope_of_another_tenant_are_one_answer(world: World, method: str) -> None:
    session(world.vault, A).add("A fact about somebody", user_id="only-in-a")
    calls = {"search": lambda s, u: s.search("fact", user_id=u), "list": lambda s, u: s.list(user_id=u),
             "delete_all": lambda s, u: s.delete_all(user_id=u)}  # fmt: skip
    foreign, absent = calls[method](world.mallory, "only-in-a"), calls[method](world.mallory, "nobody")
    assert foreign == absent
    rows = records_thief(world.vault, B).rows("log")[-2:]
    first, second = ({k: v for k, v in strict_loads(row["entry"]).items() if k in SAME} for row in rows)
    assert first == second
    assert len(rows[0]["detail"]) == len(rows[1]["detail"])


# --- ids that look alike ------------------------------------------------------------------------------------------


def test_ids_that_look_alike_are_different_people_and_normal_forms_are_one(world: World) -> None:
    app = world.alice
    app.add("composed", user_id="Zo\u00eb")
    assert [m.text for m in app.list(user_id="Zoe\u0308").memories] == ["composed"]
    for number, lookalike in enumerate(LOOKALIKES):
        assert app.list(user_id=lookalike).memories == ()
        app.add(f"number {number}", user_id=lookalike)
    for number, lookalike in enumerate(LOOKALIKES):
        assert [m.text for m in app.list(user_id=lookalike).memories] == [f"number {number}"]
    assert len(app.list(user_id=ALICE).memories) == 2


@pytest.mark.parametrize("where", ["tenant", "id", "user_id"])
def test_a_session_is_not_opened_for_a_tenant_principal_or_user_that_is_no_plain_id(
    clinic: Vault, where: str
) -> None:
    for bad in SCOPES:
        names = {"tenant": A, "id": "bot", where: bad}
        principal = Principal(names["tenant"], names["id"], ("app",))
        with pytest.raises(InvalidInputError):
            clinic.session(principal, purpose="service", user_id=names.get("user_id"))
    assert operator_tenants(clinic) <= {A}


def operator_tenants(vault: Vault) -> set[str]:
    return {info.name for info in admin(vault, A).tenants()}


@pytest.mark.parametrize(
    "name",
    [
        "memvault:system",
        "memvault:",
        "MEMVAULT:system",
        "memVault:x",
        "memvault:system\u0301",
    ],
)
def test_the_vaults_own_tenant_cannot_be_named(clinic: Vault, name: str) -> None:
    with pytest.raises(InvalidInputError):
        session(clinic, name)
    with pytest.raises(InvalidInputError):
        admin(clinic, name)
    with pytest.raises(InvalidInputError):
        admin(clinic, A).create_tenant(name)


@pytest.mark.parametrize(
    "name", ["Clinic", "cl\u0456nic", "clinic ", "clini\u0441", "CLINIC", "\uff43linic", "clinic/../clinic"]
)
def test_tenants_whose_names_look_alike_share_nothing(world: World, name: str) -> None:
    other = session(world.vault, name)
    assert other.list(user_id=ALICE).memories == ()
    assert other.search("quorvanthine", user_id=ALICE) == []
    with pytest.raises(NotFoundError):
        other.get(world.victim)


def test_normal_forms_of_a_tenants_name_are_one_tenant(clinic: Vault) -> None:
    session(clinic, "Caf\u00e9").add("once", user_id=ALICE)
    assert len(session(clinic, "Cafe\u0301").list(user_id=ALICE).memories) == 1


# --- tokens -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tenant", [A, B])
def test_a_foreign_token_is_inert_in_text_update_metadata_name_and_filter(world: World, tenant: str) -> None:
    app, staff = session(world.vault, tenant, name="other"), session(world.vault, tenant, "staff")
    memory = app.add(
        {"content": f"please call {world.token} or {world.token[1:-1]}", "name": f"N {world.token}"}, user_id="carol",
        metadata={"contact": world.token, world.token: 1},
    ).memories[0]  # fmt: skip
    app.update(memory.id, f"again {world.token} and [{world.token}] and [~{world.token[1:]}")
    tree = {"contact": {"contains": world.token}}
    shown = visible([staff.reveal(memory.id, reason="work"), staff.get(memory.id, reveal="work"),
                     staff.history(memory.id), staff.search(world.token, user_id="carol", reveal="work"),
                     staff.list(user_id="carol", reveal="work", filters=tree)])  # fmt: skip
    assert ADDRESS not in shown
    assert world.token not in visible(app.get(memory.id).text)


def test_a_subjects_own_token_typed_by_the_caller_reveals_only_after_an_update(world: World) -> None:
    """`update` keeps the subject's own tokens, so that an edited text stays whole; `add` takes them as plain text."""
    app, staff = world.alice, session(world.vault, A, "staff")
    added = app.add(f"typed {world.token}", user_id=ALICE).memories[0]
    assert ADDRESS not in staff.reveal(added.id, reason="work").text
    kept = app.update(world.victim, f"moved: {world.token}")
    assert ADDRESS in staff.reveal(kept.id, reason="work").text


def test_asking_by_a_value_finds_it_in_ones_own_scope_only(world: World) -> None:
    assert [hit.memory.id for hit in world.alice.search(ADDRESS, user_id=ALICE, limit=1)] == [world.victim]
    for other, user in ((world.bob, BOB), (world.mallory, ALICE)):
        scores = {hit.memory.text: hit.score for hit in other.search(ADDRESS, user_id=user, explain=True)}
        assert all("quorvanthine" not in text for text in scores)


# --- upkeep -------------------------------------------------------------------------------------------------------


def _admin_b(role: str, purpose: str, name: str, *args: Any, **kwargs: Any) -> Callable[[World], Any]:
    return lambda w: getattr(admin(w.vault, B, role, purpose), name)(*args, **kwargs)


def _operator(name: str, *args: Any, **kwargs: Any) -> Callable[[World], Any]:
    return _admin_b("operator", "operations", name, *args, **kwargs)


def _exported(vault: Vault, tenant: str, **more: Any) -> io.BytesIO:
    out = io.BytesIO()
    admin(vault, tenant, "auditor", "audit").audit_export(out, **more)
    return out


ADMIN_ATTACKS: dict[str, list[Callable[[World], Any]]] = {
    "audit_show": [
        _admin_b("auditor", "audit", "audit_show"),
        _admin_b("auditor", "audit", "audit_show", user_id=ALICE),
        _admin_b("auditor", "audit", "audit_show", user_id=BOB),
        *(_admin_b("auditor", "audit", "audit_show", user_id=bad) for bad in ("*", "%", [ALICE], {"ne": ""})),
    ],
    **{
        name: [_operator(name)]
        for name in ("audit_verify", "audit_checkpoint", "keys_status", "keys_backup", "keys_verify", "index_verify",
                     "index_rebuild", "index_move", "index_status", "sweep", "rescan", "reembed", "retention_plan",
                      "retention_run", "overview", "doctor", "tenants")
    },
    **{
        f"telemetry_{name}": [_operator(f"telemetry_{name}")]
        for name in ("status", "preview", "enable", "disable", "rotate")
    },
    "audit_evidence": [
        _admin_b("auditor", "audit", "audit_evidence", out) for out in ("../evidence", "/nowhere/evidence", None, [A])
    ],
    "audit_export": [
        lambda w: _exported(w.vault, B).getvalue(),
        *(
            _admin_b("auditor", "audit", "audit_export", to, **more)
            for to in ("../log.jsonl", "/nowhere/log.jsonl", None, [A])
            for more in ({}, {"format": "ocsf"}, {"resume": True}, {"cursor": A})
        ),
    ],
    "backup_create": [
        lambda w: admin(w.vault, B).backup_create("data", to=w.vault.folder.parent / "copies"),
        *(_operator("backup_create", kind) for kind in ("keystore", A, "*", None, [A])),
    ],
    "backup_archive": [
        lambda w: admin(w.vault, B).backup_archive(w.vault.folder.parent / "archive-copy"),
        *(_operator("backup_archive", path) for path in (A, "*", None, [A])),
    ],
    "backup_list": [_operator("backup_list"), _operator("backup_list", to="/nowhere")],
    "backup_verify": [
        lambda w: admin(w.vault, B).backup_verify(
            admin(w.vault, B).backup_create("data", to=w.vault.folder.parent / "copies")["folder"]
        ),
        *(_operator("backup_verify", path) for path in ("/nowhere", A, None, [A])),
    ],
    "keys_rotate": [_operator("keys_rotate", level) for level in
                    ("tenant", "subject", "records", "index", "log", "audit", "ids", "detail", "root", "*", A)],
    "create_tenant": [_operator("create_tenant", name) for name in (A, "memvault:system", "*", "", None, [A])],
    "import_many": [
        _admin_b("app", "service", "import_many", [{"content": "imported words", "user_id": ALICE}]),
        _admin_b("app", "service", "import_many", [{"content": "imported words", "user_id": ALICE, "tenant": A}]),
    ],
}  # fmt: skip


@pytest.mark.parametrize("method", sorted(ADMIN_ATTACKS))
def test_upkeep_of_one_tenant_neither_shows_nor_changes_anothers_memories(world: World, method: str) -> None:
    before = world.everything()
    rows = _entries(world, A)
    for attack in ADMIN_ATTACKS[method]:
        try:
            answer = attack(world)
        except VaultError as error:
            answer = error
        shown = visible(answer)
        assert "quorvanthine" not in shown
        assert world.victim not in shown
        assert f"user:{BOB}" not in shown  # Bob is a user of the other tenant only
    if method not in (
        "overview",
    ):  # which asks each tenant for its counts, and is written in each tenant's log
        assert _entries(world, A) == rows
    assert world.everything() == before


def _entries(world: World, tenant: str) -> list[bytes]:
    """The log, but for the `state` entries that a store leaves when it is closed (a new epoch closes all)."""
    entries = [row["entry"] for row in records_thief(world.vault, tenant).rows("log")]
    return [entry for entry in entries if strict_loads(entry)["act"] != "state"]


def test_rotation_in_one_tenant_leaves_the_keys_of_another_alone(world: World) -> None:
    mine = admin(world.vault, A)
    before = mine.keys_status()["keys"]
    for level in ("tenant", "subject", "records", "index", "log", "audit", "ids", "detail"):
        admin(world.vault, B).keys_rotate(level)
    assert mine.keys_status()["keys"] == before


# --- rows moved by somebody with the file key ---------------------------------------------------------------------


def test_blobs_swapped_between_rows_users_and_tenants_never_open(world: World) -> None:
    """Every pair of sealed blobs of one kind changes places; whoever asks gets an integrity error, never the text."""
    bodies = [(t, row) for t in (A, B) for row in records_thief(world.vault, t).rows("memories")]
    crossings = 0
    for tenant, row in bodies:
        for _, other in bodies:
            if other is not row:
                crossings += _swapped(world, tenant, "memories", row, body=other["body"])
    assert crossings == 0
    for table, column in (("points", "point"), ("tokens", "value"), ("revisions", "actor"), ("revisions", "body"),
                          ("log", "detail")):  # fmt: skip
        rows = [(t, row) for t in (A, B) for row in records_thief(world.vault, t).rows(table) if row[column]]
        for tenant, row in rows[:6]:
            for _, other in rows[-6:]:
                if other is not row:
                    crossings += _swapped(world, tenant, table, row, **{column: other[column]})
    assert crossings == 0


def _swapped(world: World, tenant: str, table: str, row: dict[str, Any], **changes: Any) -> int:
    """Put other bytes into a row, look at everything, put the old ones back; 1 where nothing noticed."""
    thief = records_thief(world.vault, tenant)
    world.vault._opened().index.clear()
    thief.change(table, row, **changes)
    try:
        seen = []
        for user in (ALICE, BOB):
            reader, staff = session(world.vault, tenant), session(world.vault, tenant, "staff")
            seen += [
                _answer(reader.list, user_id=user), _answer(reader.search, "quorvanthine roses", user_id=user),
                _answer(staff.list, user_id=user, reveal="work"),
                *(_answer(reader.history, memory) for memory in _ids(world, tenant)),
            ]  # fmt: skip
        seen.append(_answer(admin(world.vault, tenant, "auditor", "audit").audit_show))
        if tenant == B:
            assert not any("quorvanthine" in visible(one) or ADDRESS in visible(one) for one in seen)
        verified = _answer(admin(world.vault, tenant).audit_verify)
        assert isinstance(verified, VaultError), "the verification of the log and the records saw nothing"
        return int(not any(isinstance(one, VaultError) and one.exit_code == 7 for one in seen))
    finally:
        thief.change(table, row, **{name: row[name] for name in changes})


def _ids(world: World, tenant: str) -> list[str]:
    return [world.victim] if tenant == A else []


def _answer(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    try:
        return call(*args, **kwargs)
    except VaultError as error:
        return error


def test_a_whole_row_of_another_tenant_put_into_ones_own_file_never_opens(world: World) -> None:
    theirs, mine = records_thief(world.vault, A), records_thief(world.vault, B)
    subject = next(row for row in mine.rows("subjects"))
    for memory, point in zip(theirs.rows("memories"), theirs.rows("points"), strict=True):
        n = memory["n"] + 100
        mine.write("memories", {**memory, "s": subject["s"], "n": n})
        mine.write("points", {**point, "s": subject["s"], "n": n})
    mine.change("subjects", subject, next_n=200, changes=subject["changes"] + 1)
    answers = [
        _answer(world.mallory.list, user_id=ALICE),
        _answer(world.mallory.search, SECRET, user_id=ALICE),
    ]
    assert all(isinstance(answer, VaultError) and answer.exit_code == 7 for answer in answers)


def test_a_whole_subject_of_another_tenant_put_into_ones_own_file_is_refused_at_opening(
    world: World, tmp_path: Path
) -> None:
    theirs, mine = records_thief(world.vault, A), records_thief(world.vault, B)
    stolen = {
        table: theirs.rows(table) for table in ("subjects", "memories", "points", "tokens", "revisions")
    }
    world.vault.close()
    for table, rows in stolen.items():
        for row in rows:
            mine.write(table, {**row, "s": row["s"] + 50})
    with Vault.open(world.vault.folder) as vault:
        with pytest.raises(VaultError) as caught:
            session(vault, B).list(user_id=ALICE)
        assert caught.value.exit_code == 7


CHANGES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "version up": lambda row: {"version": row["version"] + 1},
    "version down": lambda row: {"version": row["version"] - 1},
    "nonce": lambda row: {"nonce": bytes(6)},
    "subject": lambda row: {"s": row["s"] + 40},
    "number": lambda row: {"n": row["n"] + 10},
    "id key": lambda row: {"id_key": 2},
    "created": lambda row: {"created_ms": row["created_ms"] - 1},
    "updated": lambda row: {"updated_ms": row["updated_ms"] + 1},
    "expiry": lambda row: {"expires_ms": 4_000_000_000_000},
    "agent tag": lambda row: {"agent": None if row["agent"] else bytes(16)},
    "app tag": lambda row: {"app": bytes(16)},
    "run tag": lambda row: {"run": bytes(16)},
    "body": lambda row: {"body": row["body"][:-1]},
}


def test_every_column_of_a_memory_is_changed_by_one_of_the_attacks(world: World) -> None:
    from vault.records.interface import MemoryRow

    columns = {
        name
        for change in CHANGES.values()
        for name in change(records_thief(world.vault, A).rows("memories")[0])
    }
    assert columns == {field.name for field in fields(MemoryRow)} - {"point"}


@pytest.mark.parametrize("what", sorted(CHANGES))
def test_a_changed_column_of_a_memory_crosses_nothing_and_is_found(world: World, what: str) -> None:
    thief = records_thief(world.vault, A)
    row = next(row for row in thief.rows("memories") if row["agent"])
    world.vault._opened().index.clear()
    thief.change("memories", row, **CHANGES[what](row))
    for attacker in world.attackers():
        user = BOB if attacker is world.bob else ALICE
        for answer in (_answer(attacker.list, user_id=user), _answer(attacker.search, SECRET, user_id=user),
                       _answer(attacker.get, world.victim)):  # fmt: skip
            assert "quorvanthine" not in visible(answer)
    with pytest.raises(VaultError) as caught:
        admin(world.vault, A).audit_verify()
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("mended", [False, True], ids=["rows alone", "rows and their hash"])
def test_an_older_version_of_a_row_put_back_is_found(world: World, mended: bool) -> None:
    """Whoever kept the bytes of the first version puts them where the second one is, and mends the unkeyed hash."""
    app = world.alice
    memory = app.add("The limit is ten", user_id=ALICE).memories[0]
    thief = records_thief(world.vault, A)
    place = max((row["s"], row["n"]) for row in thief.rows("memories") if row["s"] == 1)
    old = {table: _row(thief, table, place) for table in ("memories", "points")}
    app.update(memory.id, "The limit is two")
    world.vault._opened().index.clear()
    for table, row in old.items():
        thief.write(table, row)
    assert app.get(memory.id).text == "The limit is ten"  # it opens: it was written by the vault, once
    if mended:
        mend_hash(world.vault, A)
    with pytest.raises(VaultError) as caught:
        admin(world.vault, A).audit_verify()
    assert caught.value.exit_code == 7
    if mended:
        world.vault.close()
        with Vault.open(world.vault.folder) as again, pytest.raises(VaultError) as caught:
            session(again, A).get(memory.id)
        assert caught.value.exit_code == 7


def _row(thief: Thief, table: str, place: tuple[int, int]) -> dict[str, Any]:
    return next(row for row in thief.rows(table) if (row["s"], row["n"]) == place)


def test_details_of_the_log_that_changed_places_are_found(world: World) -> None:
    thief = records_thief(world.vault, A)
    first, second = [row for row in thief.rows("log") if row["s"] is not None][-2:]
    thief.change("log", first, detail=second["detail"])
    thief.change("log", second, detail=first["detail"])
    for call in (admin(world.vault, A).audit_verify, admin(world.vault, A, "auditor", "audit").audit_show):
        with pytest.raises(VaultError) as caught:
            call()
        assert caught.value.exit_code == 7


def test_the_json_of_an_answer_says_nothing_about_other_subjects(world: World) -> None:
    """What a caller sees of its own memory holds no number, tag or id that is shared with another subject."""
    mine = json.dumps(visible(world.bob.list(user_id=BOB)))
    theirs = world.alice.list(user_id=ALICE).memories
    assert not any(memory.id in mine for memory in theirs)
