"""Drives every method of `Subjects` with canaries, on its successful and its failing paths; see `support.drive`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from support.canaries import SAMPLES
from vault.errors import DeniedError, HeldError, VaultError

if TYPE_CHECKING:
    from support.drive import Drive


def _person(d: Drive) -> str:
    """Somebody with tokens, metadata, a history, a deleted memory and a remembered write."""
    c, user, session = d.canaries, d.canaries.identity("user id"), d.session()
    for entity in ("EMAIL_ADDRESS", "PHONE_NUMBER"):
        session.add(d.personal[entity], user_id=user, metadata={c.word("metadata key"): c.fact()})
    first = session.add(c.fact(), user_id=user, idempotency_key=c.word("idempotency key")).memories[0]
    session.update(first.id, c.fact(), reason=c.word("reason"))
    session.delete(session.add(c.fact(), user_id=user).memories[0].id, reason=c.word("reason"))
    return user


def rename(d: Drive, s: Any) -> None:
    c, user, new = d.canaries, _person(d), d.canaries.identity("user id")
    s.rename(user, new, dry_run=True)
    assert s.rename(user, new, reason=c.word("reason")).aliases == (user,)
    assert s.rename(user, c.identity("user id"), keep_old_as_alias=False).rewritten > 0
    d.refused(VaultError, s.rename, c.identity("user id"), c.identity("user id"))
    d.refused(VaultError, s.rename, user, _person(d))
    d.refused(VaultError, s.rename, user, c.word("refused id") + "\x00")
    d.refused(VaultError, s.rename, user, c.identity("user id"), reason=c.word("refused reason") + "\x00")
    d.refused(DeniedError, d.session().subjects.rename, user, c.identity("user id"))
    bound = d.session("privacy", "rights-request", user_id=user)
    d.refused(VaultError, bound.subjects.rename, user, c.identity("user id"))


def merge(d: Drive, s: Any) -> None:
    c, one, other = d.canaries, _person(d), _person(d)
    s.merge(one, other, dry_run=True)
    assert s.merge(one, other, reason=c.word("reason")).memories == 3
    assert s.merge(one, other).memories == 0
    assert len(d.session().list(user_id=one).memories) == 6
    d.refused(VaultError, s.merge, c.identity("user id"), other)
    d.refused(VaultError, s.merge, other, c.word("refused id") + "\x00")
    d.refused(VaultError, s.merge, other, other)
    privacy, held = d.session("privacy", "rights-request"), _person(d)
    hold = privacy.holds.place(user_id=held, matter=c.word("matter"))
    d.refused(HeldError, s.merge, held, other)
    d.refused(HeldError, s.rename, held, c.identity("user id"))
    privacy.holds.release(hold.id)
    d.refused(DeniedError, d.session().subjects.merge, one, other)


def aliases(d: Drive, s: Any) -> None:
    c, user, new = d.canaries, _person(d), d.canaries.identity("user id")
    assert s.add_alias(user, new, reason=c.word("reason")).aliases == (new,)
    assert s.aliases(new).user_id == user
    d.session().add(c.fact(), user_id=new)
    d.refused(VaultError, s.add_alias, d.people[0], new)
    d.refused(VaultError, s.remove_alias, user, c.identity("user id"))
    d.refused(VaultError, s.remove_alias, user, c.word("refused id") + "\x00")
    assert s.remove_alias(user, new, reason=c.word("reason")).aliases == ()
    d.refused(VaultError, s.aliases, new)
    d.refused(VaultError, s.aliases, [c.word("refused id")])
    d.refused(DeniedError, d.session().subjects.aliases, user)


def mentions(d: Drive, s: Any) -> None:
    c, user = d.canaries, _person(d)
    value, app = c.word("value"), d.session()
    memory = app.add(f"{value} and {c.fact()}", user_id=user, metadata={f"x {value}": [value]}).memories[0]
    app.update(memory.id, c.fact())
    named = app.add({"role": "user", "content": c.fact(), "name": value}, user_id=d.people[0]).memories[0]
    found = s.find_mentions(value, user_id=d.people[1], progress=lambda done, total: None)
    assert {one.memory_id for one in found.found} == {memory.id, named.id}
    assert value not in repr(found)
    assert s.find_mentions(SAMPLES["EMAIL_ADDRESS"][1], limit=1).next_cursor is not None
    d.refused(VaultError, s.find_mentions, c.word("refused value") + "\x00")
    d.refused(VaultError, s.find_mentions, [c.word("refused value")])
    d.refused(VaultError, s.find_mentions, value, cursor=c.word("refused cursor"))
    d.refused(VaultError, s.find_mentions, value, user_id=c.identity("user id"))
    d.refused(VaultError, s.find_mentions, value, limit=c.word("refused value"))
    d.refused(DeniedError, d.session().subjects.find_mentions, value)
    ids = [one.memory_id for one in found.found]
    d.refused(VaultError, s.redact_mentions, value, [*ids, c.word("refused id")], reason=c.word("reason"))
    d.refused(VaultError, s.redact_mentions, value, ids, reason=c.word("refused reason") + "\x00")
    d.refused(
        VaultError, s.redact_mentions, value, ids, reason=c.word("reason"), entity=c.word("refused class")
    )
    d.refused(VaultError, s.redact_mentions, value, {c.word("refused id")}, reason=c.word("reason"))
    d.refused(DeniedError, d.session().subjects.redact_mentions, value, ids, reason=c.word("reason"))
    s.redact_mentions(value, ids, reason=c.word("reason"), dry_run=True)
    assert s.redact_mentions(value, ids, reason=c.word("reason"), entity="PERSON").memories == 2
    assert not any(one.clear for one in s.find_mentions(value).found)


def search(d: Drive, s: Any) -> None:
    c, user, app = d.canaries, _person(d), d.session()
    mail, fact = SAMPLES["EMAIL_ADDRESS"][1], c.fact()
    for person in (user, d.people[0]):
        app.add(f"{fact} {mail}", user_id=person, metadata={"room": c.word("metadata")})
    for query in (fact, mail, c.word("question")):
        for hit in s.search(
            query, user_ids=[user, d.people[0], c.identity("user id")], explain=True, recency=30
        ):
            assert mail not in repr(hit)
    s.search(fact, user_ids=None, filters={"room": c.word("filter value")})
    d.refused(VaultError, s.search, c.word("refused question") + "\x00", user_ids=[user])
    d.refused(VaultError, s.search, fact, user_ids=c.identity("user id"))
    d.refused(VaultError, s.search, fact, user_ids=[c.identity("user id") + "\x00"])
    d.refused(VaultError, s.search, fact, user_ids=[c.identity(f"user id {n}") for n in range(101)])
    d.refused(VaultError, s.search, fact, user_ids=[user], filters={"user_id": c.identity("user id")})
    d.refused(VaultError, s.search, fact, user_ids=[user], recency=c.word("refused value"))
    d.refused(DeniedError, d.session().subjects.search, fact, user_ids=[user])


PEOPLE: dict[str, Callable[[Drive, Any], None]] = {
    "rename": rename, "merge": merge, "aliases": aliases, "add_alias": aliases, "remove_alias": aliases,
    "search": search, "find_mentions": mentions, "redact_mentions": mentions,
}  # fmt: skip
