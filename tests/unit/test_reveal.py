"""Revealing values: exact, by class and role, with a reason, and in the log before it is answered."""

from __future__ import annotations

import pytest
from support.calls import auditor, entries, session_of, staff

from vault import Principal, Session, Vault
from vault.errors import DeniedError, NotFoundError

FACT = "Ms Rivera, 536-90-4399, card 4111 1111 1111 1111, ana@example.org, CVV 917, password: Vexil-93!torq"


@pytest.fixture
def privacy(clinic: Vault) -> Session:
    """May see everything but secrets and what was dropped."""
    return session_of(clinic, roles=("privacy",), purpose="rights-request", name="pia")


@pytest.mark.parametrize(
    "value",
    [
        "ana.rivera@example.org",
        "Ana.RIVERA+tag@Example.ORG",
        "jose\u0301@example.org",
        "jos\u00e9@example.org",
        "ａｎａ@ｅｘａｍｐｌｅ.org",
        "a\u200bna@exa\u00admple.org",
        "212-555-0187",
        "(212)\u00a0555\u20110187",
        "٠٢١٢-555-0187",
        "+44 20 7946 0958",
        "５３６-９０-４３９９",
        "3817 Quillmoor Avenue",
        "4111 1111 1111 1111",
        "4111\u20091111\u20091111\u20091111",
        "GB82 WEST 1234 5698 7654 32",
    ],
)
def test_the_original_comes_back_to_the_letter(app: Session, privacy: Session, value: str) -> None:
    """Also where a second spelling of the same value is in the same subject, and around it nothing is lost."""
    original = f"\u202b  «{value}»\r\n\tand {value} \u0301— [EMAIL:abcdef] 👩‍⚕️ "
    memory = app.add(original, user_id="u", metadata={"copy": value, "list": [original]}).memories[0]
    assert value not in repr(memory)
    app.add(value.upper(), user_id="u")
    shown = privacy.reveal(memory.id, reason="access request")
    assert shown.text.encode() == original.encode()
    assert shown.metadata == {"copy": value, "list": [original]}


def test_two_spellings_of_one_value_each_come_back_as_written(app: Session, privacy: Session) -> None:
    spellings = ["jose\u0301@example.org", "jos\u00e9@example.org", "JOS\u00c9@example.org"]
    memories = [app.add(f"write to {spelling}", user_id="u").memories[0] for spelling in spellings]
    assert [privacy.reveal(m.id, reason="x").text for m in memories] == [f"write to {s}" for s in spellings]


def test_each_role_sees_its_classes(clinic: Vault, app: Session, privacy: Session) -> None:
    memory = app.add(FACT, user_id="u").memories[0]
    shown = staff(clinic).reveal(memory.id, reason="call her back").text
    assert "ana@example.org" in shown
    for hidden in ("536-90-4399", "4111 1111 1111 1111", "917", "Vexil-93!torq"):
        assert hidden not in shown
    shown = privacy.reveal(memory.id, reason="access request").text
    for seen in ("ana@example.org", "536-90-4399", "4111 1111 1111 1111"):
        assert seen in shown
    assert "[CARD_CVV]" in shown  # dropped on its way in: nobody can see it
    assert "Vexil-93!torq" not in shown  # a secret is never handed out again
    assert app.get(memory.id) == memory


def test_values_come_back_in_bulk_with_a_reason(clinic: Vault, app: Session) -> None:
    texts = ["write to ana@example.org", "or to bob@example.org, SSN 536-90-4399", "likes [EMAIL:abcdef]"]
    memories = app.add(
        [{"content": text, "name": "carol@example.org"} for text in texts], user_id="u"
    ).memories
    kim = staff(clinic)
    (ssn,) = [part for part in memories[1].text.split() if part.startswith("[SSN:")]
    seen = [texts[0], texts[1].replace("536-90-4399", ssn), texts[2]]
    assert [kim.get(m.id, reveal="call back").text for m in memories] == seen
    page = kim.list(user_id="u", reveal="call back").memories
    assert [m.text for m in page] == seen
    assert {m.name for m in page} == {"carol@example.org"}
    found = kim.search("write to ana", user_id="u", reveal="call back")
    assert sorted(hit.memory.text for hit in found) == sorted(seen)
    assert [m.text for m in kim.list(user_id="u").memories] == [m.text for m in memories]  # not without one


def test_every_reveal_is_logged_with_its_reason_and_its_counts(clinic: Vault, app: Session) -> None:
    memory = app.add("write to ana@example.org or bob@example.org, SSN 536-90-4399", user_id="u").memories[0]
    kim, aud = staff(clinic), auditor(clinic)
    calls = {
        "one": lambda: kim.reveal(memory.id, reason="reason one"),
        "two": lambda: kim.get(memory.id, reveal="reason two"),
        "three": lambda: kim.list(user_id="u", reveal="reason three"),
        "four": lambda: kim.search("write", user_id="u", reveal="reason four"),
    }
    for number, act in calls.items():
        act()
        seen = [s for s in aud.audit_show(user_id="u") if s.action == "memory.reveal"][-1]
        assert (seen.actor, seen.reason, seen.count, seen.result) == ("kim", f"reason {number}", 2, "ok")
        assert seen.memory_ids == (memory.id,)
        assert seen.about == "user:u"


def test_an_application_may_not_reveal_and_its_try_is_logged(clinic: Vault, app: Session) -> None:
    memory = app.add("write to ana@example.org", user_id="u").memories[0]
    for attempt in (
        lambda: app.reveal(memory.id, reason="curious"),
        lambda: app.get(memory.id, reveal="curious"),
        lambda: app.list(user_id="u", reveal="curious"),
        lambda: app.search("write", user_id="u", reveal="curious"),
    ):
        before = len(entries(clinic))
        with pytest.raises(DeniedError) as caught:
            attempt()
        assert caught.value.code == "policy.denied"
        assert [(e["act"], e["res"]) for e in entries(clinic)[before:]] == [("memory.reveal", "denied")]


def test_a_reveal_of_nothing_is_not_found(clinic: Vault, app: Session) -> None:
    foreign = session_of(clinic, "bank").add("write to ana@example.org", user_id="u").memories[0]
    bound = clinic.session(Principal("clinic", "kim", ("staff",)), purpose="service", user_id="someone-else")
    mine = app.add("write to ana@example.org", user_id="u").memories[0]
    for session, memory_id in ((staff(clinic), foreign.id), (bound, mine.id)):
        with pytest.raises(NotFoundError):
            session.reveal(memory_id, reason="x")
        with pytest.raises(NotFoundError):
            session.get(memory_id, reveal="x")
    assert staff(clinic).list(user_id="stranger", reveal="x").memories == ()


def test_revealed_values_are_shown_not_stored(clinic: Vault, app: Session) -> None:
    memory = app.add("write to ana@example.org", user_id="u").memories[0]
    shown = staff(clinic).reveal(memory.id, reason="x")
    assert shown.version == 1
    again = app.update(memory.id, shown.text)  # clear text written back is redacted again, to the same token
    assert again.text == memory.text
    assert len(app.history(memory.id)) == 2
