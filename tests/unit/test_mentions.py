"""Mentions of a value in other people's memories: found wherever it stands, told without it, and redacted for good."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.calls import Clock, auditor, entries, operator, session_of, staff, stages_of
from support.rights import privacy, tenant_keys

from vault import Session, Vault
from vault.audit.log import TenantLog
from vault.errors import ConflictError, HeldError, InvalidInputError, NotFoundError
from vault.flows.people import redact
from vault.keys import cases
from vault.redaction.interface import OneByOne
from vault.types import Finding

NAME = "Quorzil Vembrath"  # which no detector takes for a name here
SEEN = f"Was seen with {NAME} at the pool"


class Blind(OneByOne):
    """A detector that finds nothing but e-mail addresses."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.entities = inner.entities
        self.version = inner.version + "+blind"

    def detect(self, text: str, **options: Any) -> list[Finding]:
        return [f for f in self._inner.detect(text, **options) if f.entity == "EMAIL_ADDRESS"]


@pytest.fixture
def officer(clinic: Vault) -> Session:
    stages = stages_of(clinic)
    stages.detector = Blind(stages.detector)
    return privacy(clinic)


def fill(vault: Vault) -> dict[str, str]:
    """The name in a text, a message's name, metadata (key, value, deep), an earlier version, behind a token."""
    app = session_of(vault)
    made = {
        "text": app.add(SEEN, user_id="a").memories[0].id,
        "name": app.add({"role": "user", "content": "Hello", "name": NAME.upper()}, user_id="a").memories[0].id,
        "value": app.add("Has a friend", user_id="b", metadata={"deep": [{"who": f"x, {NAME}"}]}).memories[0].id,
        "key": app.add("Has another", user_id="b", metadata={f"with {NAME}": 7}).memories[0].id,
        "history": app.add(SEEN, user_id="c").memories[0].id,
        "nobody": app.add("Likes tea", user_id="c", metadata={"n": 5550187}).memories[0].id,
        "agent": app.add("The rule is: greet quorzil  vembrath", agent_id="desk").memories[0].id,
        "own": app.add(f"I am {NAME}", user_id="quorzil").memories[0].id,
    }  # fmt: skip
    app.update(made["history"], "Was seen with nobody")
    gone = app.add(SEEN, user_id="c").memories[0].id
    app.delete(gone)
    return made


def found(officer: Session, value: str = NAME, **options: Any) -> dict[str, tuple[tuple[str, ...], bool]]:
    return {m.memory_id: (m.where, m.clear) for m in officer.subjects.find_mentions(value, **options).found}


def test_it_is_found_wherever_it_stands(clinic: Vault, officer: Session) -> None:
    made = fill(clinic)
    answer = officer.subjects.find_mentions(NAME, user_id="quorzil")
    names = {memory_id: name for name, memory_id in made.items()}
    assert {names[m.memory_id]: (m.about, m.where, m.clear) for m in answer.found} == {
        "text": ("user:a", ("text",), True),
        "name": ("user:a", ("name",), True),
        "value": ("user:b", ("metadata",), True),
        "key": ("user:b", ("metadata",), True),
        "history": ("user:c", ("history",), True),
        "agent": ("agent:desk", ("text",), True),
    }
    assert (answer.people, answer.memories, answer.next_cursor) == (4, 7, None)
    assert made["own"] in found(officer)
    assert found(officer, "Vembrath").keys() == found(officer).keys()  # a part of the name
    assert found(officer, "Vembrat") == {}
    assert found(officer, "555-0187").keys() == {made["nobody"]}  # a number in metadata
    assert NAME not in repr(answer)


def test_values_behind_tokens_are_found_too(clinic: Vault, officer: Session) -> None:
    app = session_of(clinic)
    first = app.add("Mail Ana.Rivera@example.org", user_id="a").memories[0]
    app.update(first.id, "Mail nobody")
    app.add("Mail ana.rivera@example.org", user_id="b", metadata={"m": "ANA.RIVERA@example.org"})
    app.add("Mail bob@example.org", user_id="c")
    answer = officer.subjects.find_mentions("ana.rivera@example.org")
    assert [(m.about, m.where, m.clear) for m in answer.found] == [
        ("user:a", ("history",), False),
        ("user:b", ("text", "metadata"), False),
    ]
    done = officer.subjects.redact_mentions(
        "ana.rivera@example.org", [m.memory_id for m in answer.found], reason="asked"
    )
    assert (done.memories, done.unchanged) == (0, 2)  # they are tokens already


def test_answers_are_bounded_and_go_on(clinic: Vault, officer: Session) -> None:
    app = session_of(clinic)
    for n in range(9):
        app.add_many([{"content": f"{SEEN} {k}", "user_id": f"u{n}"} for k in range(3)])
    whole = [m.memory_id for m in officer.subjects.find_mentions(NAME).found]
    assert len(whole) == 27
    told: list[tuple[int, int]] = []
    for limit, people in ((1, 100), (4, 100), (100, 2), (5, 2), (2, 1), (28, 9)):
        parts, cursor = [], None
        while True:
            part = officer.subjects.find_mentions(
                NAME, limit=limit, people=people, cursor=cursor, progress=lambda *at: told.append(at)
            )
            assert len(part.found) <= limit
            assert part.people <= people
            parts += [m.memory_id for m in part.found]
            cursor = part.next_cursor
            if cursor is None:
                break
        assert parts == whole
    assert told[0] == (1, 9)
    assert told[-1] == (9, 9)
    cursor = officer.subjects.find_mentions(NAME, limit=1).next_cursor
    for value, options in (("Vembrath", {}), (NAME, {"user_id": "u1"})):
        with pytest.raises(InvalidInputError) as caught:
            officer.subjects.find_mentions(value, cursor=cursor, **options)
        assert caught.value.code == "cursor.invalid"


def test_a_search_is_logged_with_counts_and_in_the_log_of_who_was_found(
    clinic: Vault, officer: Session
) -> None:
    made = fill(clinic)
    officer.subjects.find_mentions(NAME, user_id="quorzil")
    seen = [one for one in auditor(clinic).audit_show() if one.action == "subject.find_mentions"]
    assert [(one.about, one.count) for one in seen] == [
        (None, 6),
        ("user:a", 2),
        ("user:b", 2),
        ("user:c", 1),
        ("agent:desk", 1),
    ]
    assert set(seen[1].memory_ids) == {made["text"], made["name"]}
    assert seen[0].memory_ids == ()
    stages, keys = stages_of(clinic), tenant_keys(clinic)
    with stages.stores.use(keys) as store:
        rows = list(store.records.log())
        subject = {row.s: stages.keystore.subject_by_sid(keys, row.sid) for row in store.records.subjects()}
        log = TenantLog(store.records, keys)
        details = [log.open_detail(row, subject.get(row.s) if row.s is not None else None) for row in rows]
    assert "Quorzil" not in repr([row.entry for row in rows])
    for one in details:
        if one is not None and "people" in one:
            assert (one["people"], one["memories"]) == (4, 7)
            assert "Quorzil" not in repr(one)


def test_a_mention_is_redacted_in_every_version(clinic: Vault, officer: Session) -> None:
    made, app, kim = fill(clinic), session_of(clinic), staff(clinic)
    ids = list(found(officer, user_id="quorzil"))
    before = {memory_id: app.get(memory_id) for memory_id in ids}
    counted = officer.subjects.redact_mentions(NAME, ids, reason="Q. asked", entity="PERSON", dry_run=True)
    assert (counted.memories, counted.versions, counted.unchanged, counted.done) == (6, 1, 0, False)
    assert {memory_id: app.get(memory_id) for memory_id in ids} == before
    done = officer.subjects.redact_mentions(NAME, [*ids, made["nobody"]], reason="Q. asked", entity="PERSON")
    assert (done.memories, done.versions, done.unchanged, done.done) == (6, 1, 1, True)
    assert {(m.where, m.clear) for m in officer.subjects.find_mentions(NAME, user_id="quorzil").found} == {
        (("text", "history"), False), (("name", "history"), False), (("metadata", "history"), False),
        (("history",), False),
    }  # fmt: skip
    text = app.get(made["text"])
    assert text.text.startswith("Was seen with [PERSON:")
    assert (text.version, app.get(made["history"]).version, app.get(made["nobody"]).version) == (2, 2, 1)
    assert [(r.event, r.reason) for r in app.history(made["text"])] == [("ADD", None), ("REDACT", "Q. asked")]
    assert {r.text for r in app.history(made["text"])} == {text.text}
    assert app.get(made["name"]).name.startswith("[PERSON:")  # type: ignore[union-attr]
    assert app.get(made["value"]).metadata["deep"][0]["who"].startswith("x, [PERSON:")  # type: ignore[index,union-attr,call-overload]
    assert next(iter(app.get(made["key"]).metadata)).startswith("with [PERSON:")
    assert kim.reveal(made["text"], reason="x y").text == SEEN
    assert app.search(NAME, user_id="a", limit=1)[0].memory.id == made["text"]
    again = officer.subjects.redact_mentions(NAME, ids, reason="again")
    assert (again.memories, again.unchanged) == (0, 6)
    stale = {sid for sid, _ in cases.stale(stages_of(clinic).keystore, tenant_keys(clinic).tid)}
    assert len(stale) == 4
    admin = operator(clinic)
    assert admin.audit_verify()["records"] == admin.index_verify()["checked"]
    assert admin.index_verify()["stale"] == 0


def test_a_redacted_mention_is_in_no_version_that_can_be_read(clinic: Vault, officer: Session) -> None:
    made, app = fill(clinic), session_of(clinic)
    officer.subjects.redact_mentions("Vembrath", list(found(officer, "Vembrath")), reason="asked")
    for memory_id in made.values():
        memory = app.get(memory_id)
        assert "embrath" not in repr([memory, *app.history(memory_id)]).lower()


def test_the_class_is_the_one_named_or_detected_or_a_name(clinic: Vault, officer: Session) -> None:
    app = session_of(clinic)

    def redacted(value: str, **options: Any) -> str:
        memory = app.add(f"Said {value} here", user_id="a").memories[0]
        officer.subjects.redact_mentions(value, [memory.id], reason="asked", **options)
        return app.get(memory.id).text

    assert redacted("Quorzil").startswith("Said [PERSON:")
    assert redacted("zebra 77", entity="MRN").startswith("Said [MRN:")
    assert (
        redacted("swordfish 9", entity="CARD_CVV") == "Said [CARD_CVV] here"
    )  # a class that is never stored
    assert redacted("Springfield", entity="LOCATION").startswith(
        "Said [PLACE:"
    )  # though the pack keeps the class
    for bad in ("NOBODY", "person", "", 7, ["PERSON"]):
        with pytest.raises(InvalidInputError) as caught:
            redacted("Quorzil", entity=bad)
        assert caught.value.code == "entity.unknown"
    text = app.add("Call me on +44 20 7946 0958", user_id="b").memories[0]
    stages_of(clinic).detector = stages_of(clinic).detector._inner  # type: ignore[attr-defined]
    assert (
        officer.subjects.redact_mentions("+44 20 7946 0958", [text.id], reason="asked").entity
        == "PHONE_NUMBER"
    )


def test_ids_that_are_unknown_or_held_change_nothing(clinic: Vault, officer: Session) -> None:
    made, app = fill(clinic), session_of(clinic)
    with pytest.raises(NotFoundError):
        officer.subjects.redact_mentions(
            NAME, [made["text"], "00000000-0000-4000-8000-000000000000"], reason="x y"
        )
    officer.holds.place(matter="case 7", user_id="b")
    with pytest.raises(HeldError):
        officer.subjects.redact_mentions(NAME, [made["text"], made["value"]], reason="x y")
    assert app.get(made["text"]).version == 1
    refused = [e for e in entries(clinic) if e["act"] == "subject.redact_mentions" and e["res"] == "refused"]
    assert len(refused) == 1
    for bad in ([], "x", None, [7], [made["text"]] * 10_001):
        with pytest.raises(InvalidInputError):
            officer.subjects.redact_mentions(NAME, bad, reason="x y")  # type: ignore[arg-type]
    for value in ("", "a", "?!", "x" * 600):
        with pytest.raises(InvalidInputError):
            officer.subjects.find_mentions(value)
        with pytest.raises(InvalidInputError):
            officer.subjects.redact_mentions(value, [made["text"]], reason="x y")
    with pytest.raises(InvalidInputError):
        officer.subjects.redact_mentions(NAME, [made["text"]], reason=None)  # type: ignore[arg-type]


def test_an_expired_memory_is_found_and_redacted_while_it_is_stored(clinic: Vault, officer: Session) -> None:
    clock, app = Clock(clinic), session_of(clinic)
    memory = app.add(SEEN, user_id="a", expires_at=clock.now + timedelta(hours=1)).memories[0]
    clock.move(hours=2)
    assert found(officer) == {memory.id: (("text",), True)}
    assert officer.subjects.redact_mentions(NAME, [memory.id], reason="asked").memories == 1
    assert found(officer) == {memory.id: (("text", "history"), False)}


def test_what_changes_meanwhile_is_not_half_redacted(
    clinic: Vault, officer: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, app = fill(clinic), session_of(clinic)
    embedder = stages_of(clinic).embedder()
    embed = type(embedder).embed

    def slow(self: Any, texts: Any) -> Any:
        monkeypatch.setattr(type(embedder), "embed", embed)
        app.update(made["name"], "Hello again")
        return embed(self, texts)

    monkeypatch.setattr(type(embedder), "embed", slow)
    with pytest.raises(ConflictError):
        officer.subjects.redact_mentions(NAME, [made["text"], made["name"]], reason="asked")
    assert NAME in app.get(made["text"]).text
    assert officer.subjects.redact_mentions(NAME, [made["text"], made["name"]], reason="asked").memories == 2


def test_many_memories_are_redacted_in_batches(
    clinic: Vault, officer: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redact, "_BATCH", 7)
    app = session_of(clinic)
    app.add_many([{"content": f"{SEEN} {n}", "user_id": "a"} for n in range(40)])
    ids = [m.memory_id for m in officer.subjects.find_mentions(NAME).found]
    assert officer.subjects.redact_mentions(NAME, ids, reason="asked").memories == 40
    tokens = {m.text.split("[")[1].split("]")[0] for m in app.list(user_id="a", limit=100).memories}
    assert len(tokens) == 1
    assert operator(clinic).index_verify()["stale"] == 0


def test_a_merged_persons_mentions_are_one_persons(clinic: Vault, officer: Session) -> None:
    fill(clinic)
    officer.subjects.merge("a", "b")
    officer.subjects.add_alias("quorzil", "q")
    about = [m.about for m in officer.subjects.find_mentions(NAME, user_id="q").found]
    assert sorted(about) == ["agent:desk", *["user:b"] * 4, "user:c"]
    with pytest.raises(NotFoundError):
        officer.subjects.find_mentions(NAME, user_id="nobody")
