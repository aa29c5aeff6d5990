"""What a session promises about single memories: add, get, update, delete, scopes, and who may do it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from datetime import UTC
from typing import Any

import pytest
from support.calls import Clock, entries, rows, session_of, staff, stages_of

from vault import Memory, Principal, Session, Vault
from vault.errors import ConflictError, DeniedError, InvalidInputError, NotFoundError, PurposeDeniedError
from vault.redaction.detect import BuiltinDetector

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TOKEN = re.compile(r"\[[A-Z_]+:[a-z0-9]{6}\]")
NOWHERE = "7f9c24e8-3b12-4fef-91e0-5a0b93c1d2e4"


def add(session: Session, text: str, **options: Any) -> Memory:
    (memory,) = session.add(text, **{"user_id": "pat-42", **options}).memories
    return memory


# --- add ----------------------------------------------------------------------------------------------------


def test_a_text_comes_back_as_it_was_stored(clinic: Vault, app: Session) -> None:
    clock = Clock(clinic)
    result = app.add(
        "Ms Rivera moved her follow-up; reach her at ana.rivera@example.org",
        user_id="pat-42",
        metadata={"source": "chat"},
    )
    (memory,) = result.memories
    assert ID.fullmatch(memory.id)
    assert TOKEN.sub("[]", memory.text) == "Ms [] moved her follow-up; reach her at []"
    assert (memory.user_id, memory.agent_id, memory.app_id, memory.run_id) == ("pat-42", None, None, None)
    assert (memory.metadata, memory.version, memory.role, memory.name) == ({"source": "chat"}, 1, None, None)
    assert memory.created_at == memory.updated_at == clock.now
    assert memory.created_at.tzinfo is UTC
    assert memory.expires_at is None
    assert (result.redacted, result.skipped) == ({"PERSON": 1, "EMAIL_ADDRESS": 1}, 0)
    assert app.get(memory.id) == memory
    assert app.list(user_id="pat-42").memories == (memory,)
    assert [hit.memory for hit in app.search("follow-up", user_id="pat-42")] == [memory]


def test_one_message(app: Session) -> None:
    memory = app.add(
        {"role": "assistant", "name": "desk", "content": "Booked a quiet room"}, user_id="u"
    ).memories[0]
    assert (memory.role, memory.name, memory.text) == ("assistant", "desk", "Booked a quiet room")
    assert app.get(memory.id) == memory


def test_a_conversation_is_one_memory_a_message_and_system_messages_stay_out(app: Session) -> None:
    conversation = [
        {"role": "system", "content": "Never talk about the weather"},
        {"role": "user", "content": "I am allergic to nuts"},
        {"role": "developer", "content": "Use short sentences"},
        {"role": "assistant", "content": "Noted, no nuts"},
        {"role": "tool", "content": "order 7 without nuts"},
        {"content": "Thanks"},
    ]
    result = app.add(conversation, user_id="u", run_id="r")
    assert [(m.role, m.text) for m in result.memories] == [
        ("user", "I am allergic to nuts"),
        ("assistant", "Noted, no nuts"),
        ("tool", "order 7 without nuts"),
        (None, "Thanks"),
    ]
    assert result.skipped == 2
    assert app.list(user_id="u").memories == result.memories
    assert not [hit for hit in app.search("weather", user_id="u") if "weather" in hit.memory.text]


def test_nothing_is_deduplicated(app: Session) -> None:
    first, second = add(app, "likes tea"), add(app, "likes tea")
    assert first.id != second.id
    assert len(app.list(user_id="pat-42").memories) == 2


@pytest.mark.parametrize(
    "text",
    [
        " \t leading and trailing blanks \n",
        "line one\r\nline two\rline three\n\n",
        "e\u0301 and \u00e9 stay apart, ﬁ and fi too, Ⅳ and IV, ｆｕｌｌ and full",
        "👩‍⚕️ 👨‍👩‍👧‍👦 🏳️‍🌈 families and flags",
        "\u202bשלום עולם\u202c and مرحبا بالعالم",
        "zero\u200bwidth\u2060joiners\ufeff and soft\u00adhyphens",
        "\U00010ffff \U0001f600 \ufffd \ufdd0 far planes",
        "a\u0300\u0301\u0302\u0303 many marks",
        "quotes \"'` \\ slashes / <b>&amp;</b> {json: [1]} %s %(x)s ${y}",
        "[~ [ ]] [[ [A] [lower:abcdef] []",
    ],
)
def test_text_without_personal_data_is_kept_to_the_letter(clinic: Vault, app: Session, text: str) -> None:
    clinic._opened().detector = BuiltinDetector(names=None)  # a model takes odd words for names now and then
    memory = add(app, text, metadata={"copy": text})
    assert app.get(memory.id).text == text
    assert app.get(memory.id).metadata == {"copy": text}


def test_metadata_keeps_its_types_and_its_order(clinic: Vault, app: Session) -> None:
    clinic._opened().detector = BuiltinDetector(names=None)
    metadata = {
        "z": 1, "a": 1.5, "flag": True, "off": False, "none": None, "empty": "",
        "list": [1, "two", [3.0, None], {"four": 4}], "nested": {"Ünïcode key": {"deep": ["x"]}},
        "big": 2**63 - 1, "small": -(2**63) + 1, "zero": 0, "minus": -0.0,
    }  # fmt: skip
    memory = add(app, "prefers tea", metadata=metadata)
    assert memory.metadata == metadata
    read = app.get(memory.id).metadata
    assert read == metadata
    assert list(read) == list(metadata)
    assert [type(value) for value in read.values()] == [type(value) for value in metadata.values()]


def test_metadata_is_redacted_in_keys_values_and_numbers(app: Session) -> None:
    metadata = {
        "mail": "write to ana@example.org", "ana@example.org": "friend", "ssn": 536904399, "patient": {"mrn": "483920"},
        "calls": ["212-555-0187", 7], "age": 93, "cvv": "917", "n": 483920, "room": "12b",
    }  # fmt: skip
    memory = app.add("prefers tea", user_id="u", metadata=metadata)
    stored = memory.memories[0].metadata
    shown = TOKEN.sub("[]", repr(stored))
    assert shown == (
        "{'mail': 'write to []', '[]': 'friend', 'ssn': '[]', 'patient': {'mrn': '[]'}, 'calls': ['[]', 7],"
        " 'age': '90+', 'cvv': '[CARD_CVV]', 'n': 483920, 'room': '12b'}"
    )
    mail, key = str(stored["mail"]).removeprefix("write to "), list(stored)[1]
    assert mail == key  # one person's address, one token
    assert memory.redacted == {
        "EMAIL_ADDRESS": 2, "US_SSN": 1, "MRN": 1, "PHONE_NUMBER": 1, "AGE": 1, "CARD_CVV": 1,
    }  # fmt: skip


def test_the_callers_metadata_is_neither_changed_nor_kept(app: Session) -> None:
    metadata: dict[str, Any] = {"mail": "ana@example.org", "tags": ["a"]}
    memory = add(app, "prefers tea", metadata=metadata)
    assert metadata == {"mail": "ana@example.org", "tags": ["a"]}
    metadata["tags"].append("b")
    memory.metadata["own"] = True
    assert app.get(memory.id).metadata["tags"] == ["a"]
    assert "own" not in app.get(memory.id).metadata


def test_a_value_has_one_token_in_a_subject_and_another_in_the_next(app: Session) -> None:
    def token(user: str) -> str:
        return TOKEN.findall(add(app, "reach me at ana@example.org", user_id=user).text)[0]

    assert token("a") == token("a")
    assert token("a") != token("b")


def test_text_that_looks_like_a_token_stands_for_nothing(clinic: Vault, app: Session) -> None:
    clinic._opened().detector = BuiltinDetector(names=None)
    real = TOKEN.findall(add(app, "reach me at ana@example.org").text)[0]
    planted = add(app, f"what is {real} and [PERSON:abcdef]?", metadata={real: real})
    assert planted.text == f"what is [~{real[1:]} and [~PERSON:abcdef]?"
    shown = staff(clinic).reveal(planted.id, reason="check")
    assert shown.text == f"what is {real} and [PERSON:abcdef]?"
    assert shown.metadata == {real: real}


# --- scopes -------------------------------------------------------------------------------------------------

SCOPES = {
    "user": {"user_id": "x"}, "agent": {"agent_id": "x"}, "app": {"app_id": "x"}, "run": {"run_id": "x"},
    "user+agent": {"user_id": "x", "agent_id": "x"}, "user+run": {"user_id": "x", "run_id": "x"},
    "agent+run": {"agent_id": "x", "run_id": "x"}, "app+run": {"app_id": "x", "run_id": "x"},
    "all": {"user_id": "x", "agent_id": "x", "app_id": "x", "run_id": "x"},
}  # fmt: skip
# A memory belongs to the first of user, agent, app, run that it carries; the others narrow.
SEEN = {
    "user": {"user", "user+agent", "user+run", "all"}, "agent": {"agent", "agent+run"}, "app": {"app", "app+run"},
    "run": {"run"}, "user+agent": {"user+agent", "all"}, "user+run": {"user+run", "all"}, "agent+run": {"agent+run"},
    "app+run": {"app+run"}, "all": {"all"},
}  # fmt: skip


def test_each_scope_sees_its_subject_and_narrows_by_the_other_ids(app: Session) -> None:
    for name, ids in SCOPES.items():
        app.add(f"a fact of {name}", **ids)
    for name, ids in SCOPES.items():
        listed = {m.text.removeprefix("a fact of ") for m in app.list(**ids).memories}
        found = {hit.memory.text.removeprefix("a fact of ") for hit in app.search("a fact", limit=50, **ids)}
        assert listed == found == SEEN[name], name


def test_delete_all_removes_what_the_scope_lists(app: Session) -> None:
    for name in SCOPES:
        for kind, ids in SCOPES.items():
            app.add(f"a fact of {kind}", **ids)
        assert app.delete_all(**SCOPES[name]).deleted == len(SEEN[name]), name
        left = {
            m.text.removeprefix("a fact of ") for ids in SCOPES.values() for m in app.list(**ids).memories
        }
        assert left == set(SCOPES) - SEEN[name], name
        for ids in SCOPES.values():
            app.delete_all(**ids)


def test_ids_are_compared_composed_and_by_case(app: Session) -> None:
    add(app, "likes tea", user_id="Jose\u0301")
    assert app.list(user_id="Jos\u00e9").memories[0].user_id == "Jos\u00e9"
    for other in ("jos\u00e9", "Jose", "JOS\u00c9", " Jos\u00e9", "Jos\u00e9 ", "\uff2aos\u00e9"):
        assert app.list(user_id=other).memories == ()


# --- update -------------------------------------------------------------------------------------------------


def test_an_update_is_a_new_version_of_the_same_memory(clinic: Vault, app: Session) -> None:
    clock = Clock(clinic)
    first = app.add(
        {"role": "user", "name": "desk", "content": "likes tea"}, user_id="u", agent_id="a", metadata={"n": 1}
    ).memories[0]
    clock.move(minutes=5)
    second = app.update(first.id, "likes coffee", metadata={"n": 2}, reason="she said so")
    assert second == dataclasses.replace(
        first, text="likes coffee", metadata={"n": 2}, version=2, updated_at=clock.now
    )
    assert app.get(first.id) == second
    assert [hit.memory for hit in app.search("coffee", user_id="u", agent_id="a")] == [second]
    assert app.search("tea", user_id="u", threshold=0.3) == []
    assert rows(clinic, "memories") == 1


def test_text_and_metadata_are_updated_each_alone(app: Session) -> None:
    memory = add(app, "reach me at ana@example.org", metadata={"mail": "ana@example.org", "n": 1})
    text_only = app.update(memory.id, "reach me at noon")
    assert (text_only.text, text_only.metadata) == ("reach me at noon", memory.metadata)
    metadata_only = app.update(memory.id, metadata={"n": 2})
    assert (metadata_only.text, metadata_only.metadata) == ("reach me at noon", {"n": 2})
    assert app.update(memory.id, metadata={}).metadata == {}
    assert app.get(memory.id).version == 4


def test_an_update_redacts_like_an_add(app: Session) -> None:
    memory = add(app, "likes tea")
    updated = app.update(memory.id, "call 212-555-0187", metadata={"mail": "ana@example.org"})
    assert TOKEN.sub("[]", updated.text) == "call []"
    assert TOKEN.fullmatch(str(updated.metadata["mail"]))


def test_an_update_keeps_the_subjects_tokens_and_takes_no_others(clinic: Vault, app: Session) -> None:
    clinic._opened().detector = BuiltinDetector(names=None)  # six letters of a token may read as a name
    mine = add(app, "reach me at ana@example.org")
    token = TOKEN.findall(mine.text)[0]
    foreign = TOKEN.findall(add(app, "reach me at bob@example.org", user_id="someone-else").text)[0]
    elsewhere = TOKEN.findall(add(session_of(clinic, "bank"), "reach me at bob@example.org").text)[0]
    updated = app.update(
        mine.id,
        f"{token} again {token}, {foreign}, {elsewhere}, [EMAIL:abcdef]",
        metadata={"m": token, "f": foreign},
    )
    assert updated.text == f"{token} again {token}, [~{foreign[1:]}, [~{elsewhere[1:]}, [~EMAIL:abcdef]"
    assert updated.metadata == {"m": token, "f": f"[~{foreign[1:]}"}
    shown = staff(clinic).reveal(mine.id, reason="check")
    assert shown.text == f"ana@example.org again ana@example.org, {foreign}, {elsewhere}, [EMAIL:abcdef]"
    assert shown.metadata == {"m": "ana@example.org", "f": foreign}


def test_what_was_read_can_be_written_back_unchanged(clinic: Vault, app: Session) -> None:
    text = "[EMAIL:abcdef] [~EMAIL:abcdef] [~~X:1] ana@example.org and [MRN: 4711], SSN 536-90-4399"
    memory = add(
        app, text, metadata={"a": "[PERSON:zzzzzz] bob@example.org", "[X:1]": 1, "cvv": "917", "age": 93}
    )
    tokens = rows(clinic, "tokens")
    for _ in range(3):
        read = app.get(memory.id)
        again = app.update(read.id, read.text, metadata=read.metadata)
        assert (again.text, again.metadata) == (memory.text, memory.metadata)
    assert rows(clinic, "tokens") == tokens
    privacy = session_of(clinic, roles=("privacy",), purpose="rights-request")
    assert privacy.reveal(memory.id, reason="request").text == text


def test_tokens_live_as_long_as_a_version_names_them(clinic: Vault, app: Session) -> None:
    first = add(app, "reach me at ana@example.org")
    second = add(app, "she is ana@example.org, call 212-555-0187")
    assert rows(clinic, "tokens") == 2
    app.update(first.id, "moved away")
    app.delete(second.id)
    assert rows(clinic, "tokens") == 1  # the history of the first still says it
    app.delete(first.id)
    assert rows(clinic, "tokens") == 0


class Meanwhile:
    """The vault's own embedder, which lets something else happen while it works."""

    def __init__(self, inner: Any, act: Callable[[], object]) -> None:
        self._inner, self._act = inner, act

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def embed(self, texts: list[str]) -> Any:
        act, self._act = self._act, lambda: None
        act()
        return self._inner.embed(texts)


@pytest.mark.parametrize("other", ["update", "delete"])
def test_a_change_meanwhile_is_a_conflict_and_changes_nothing(
    clinic: Vault, app: Session, other: str
) -> None:
    memory = add(app, "likes tea")
    change = {"update": lambda: app.update(memory.id, "likes milk"), "delete": lambda: app.delete(memory.id)}[
        other
    ]
    stages, inner = stages_of(clinic), stages_of(clinic).embedder()
    meanwhile = Meanwhile(inner, change)
    stages.embedder = lambda: meanwhile
    with pytest.raises(ConflictError) as caught:
        app.update(memory.id, "likes coffee")
    assert caught.value.code == "memory.changed"
    assert [step.event for step in app.history(memory.id)] == ["ADD", other.upper()]
    if other == "update":
        assert app.get(memory.id).text == "likes milk"
        assert app.update(memory.id, "likes coffee").version == 3


# --- delete -------------------------------------------------------------------------------------------------


def test_a_deleted_memory_is_gone(clinic: Vault, app: Session) -> None:
    kept, gone = (
        add(app, "likes tea"),
        add(app, "likes ana@example.org", metadata={"mail": "bob@example.org"}),
    )
    app.update(gone.id, "likes carol@example.org")
    assert app.delete(gone.id, reason="asked to").deleted == 1
    for attempt in (
        app.get,
        app.delete,
        lambda i: app.update(i, "x"),
        lambda i: staff(clinic).reveal(i, reason="x"),
    ):
        with pytest.raises(NotFoundError) as caught:
            attempt(gone.id)
        assert caught.value.code == "memory.unknown"
    assert app.list(user_id="pat-42").memories == (kept,)
    assert [hit.memory for hit in app.search("likes", user_id="pat-42")] == [kept]
    assert app.search("ana@example.org", user_id="pat-42", threshold=0.5) == []
    assert [rows(clinic, table) for table in ("memories", "points", "tokens")] == [1, 1, 0]


def test_absent_and_foreign_are_one_answer(clinic: Vault, app: Session) -> None:
    foreign = add(session_of(clinic, "bank"), "has a loan").id
    messages = set()
    for attempt in (app.get, app.delete, app.history, lambda i: app.update(i, "x")):
        for memory_id in (foreign, NOWHERE, foreign.upper(), "not-an-id"):
            with pytest.raises(NotFoundError) as caught:
                attempt(memory_id)
            messages.add(str(caught.value))
    assert messages == {"there is no such memory [memory.unknown]"}


def test_deleting_nobodys_memories_deletes_none(app: Session) -> None:
    assert app.delete_all(user_id="stranger").deleted == 0
    add(app, "likes tea")
    assert app.delete_all(user_id="pat-42", run_id="never").deleted == 0
    assert app.delete_all(user_id="pat-42").deleted == 1
    assert app.delete_all(user_id="pat-42").deleted == 0


# --- a session bound to one user ----------------------------------------------------------------------------


def test_a_bound_session_means_its_user(clinic: Vault, app: Session) -> None:
    bound = session_of(clinic, user_id="pat-42")
    others = add(app, "likes coffee", user_id="pat-43")
    mine = bound.add("likes tea").memories[0]
    assert mine.user_id == "pat-42"
    assert bound.add("asked the bot", agent_id="bot").memories[0].user_id == "pat-42"
    assert (
        len(bound.add_many([{"content": "likes milk"}, {"content": "likes rum", "user_id": "pat-42"}]).ids)
        == 2
    )
    assert (
        len(bound.list().memories)
        == len(bound.search("likes"))
        == len(bound.list(user_id="pat-42").memories)
        == 4
    )
    assert [m.text for m in bound.list(agent_id="bot").memories] == ["asked the bot"]
    assert bound.get(mine.id) == mine
    for attempt in (bound.get, bound.delete, bound.history, lambda i: bound.update(i, "x")):
        with pytest.raises(NotFoundError):
            attempt(others.id)
    for refused in (
        lambda: bound.search("likes", user_id="pat-43"),
        lambda: bound.list(user_id="pat-43"),
        lambda: bound.add("likes rum", user_id="pat-43"),
        lambda: bound.add_many([{"content": "likes rum", "user_id": "pat-43"}]),
        lambda: bound.delete_all(user_id="pat-43"),
    ):
        with pytest.raises(InvalidInputError) as caught:
            refused()
        assert caught.value.code == "scope.bound"
    with pytest.raises(InvalidInputError):
        bound.delete_all()  # "everything" is said, not implied
    assert bound.delete_all(agent_id="bot").deleted == 1
    assert app.get(others.id) == others


# --- who and why --------------------------------------------------------------------------------------------


def test_a_purpose_outside_the_packs_words_is_refused(clinic: Vault) -> None:
    with pytest.raises(PurposeDeniedError) as caught:
        clinic.session(Principal("clinic", "bot", ("app",)), purpose="curiosity")
    assert caught.value.code == "policy.purpose"


@pytest.mark.parametrize("roles", [(), ("nobody",), ("APP",), ("auditor",), ("operator", "nobody")])
def test_a_role_without_a_rule_may_do_nothing_and_the_denial_is_logged(
    clinic: Vault, app: Session, roles: tuple[str, ...]
) -> None:
    memory = add(app, "likes tea")
    nobody = session_of(clinic, roles=roles, name="mallory")
    calls: dict[str, Callable[[], object]] = {
        "memory.add": lambda: nobody.add("likes rum", user_id="pat-42"),
        "memory.search": lambda: nobody.search("tea", user_id="pat-42"),
        "memory.get": lambda: nobody.get(memory.id),
        "memory.list": lambda: nobody.list(user_id="pat-42"),
        "memory.update": lambda: nobody.update(memory.id, "x"),
        "memory.delete": lambda: nobody.delete(memory.id),
        "memory.delete_all": lambda: nobody.delete_all(user_id="pat-42"),
        "memory.history": lambda: nobody.history(memory.id),
        "memory.reveal": lambda: nobody.reveal(memory.id, reason="x"),
    }
    for action, attempt in calls.items():
        with pytest.raises(DeniedError) as caught:
            attempt()
        assert caught.value.code == "policy.denied"
        last = entries(clinic)[-1]
        assert (last["act"], last["res"]) == (action, "denied")
    assert app.list(user_id="pat-42").memories == (memory,)


def test_a_role_acts_for_its_own_purposes_only(clinic: Vault, app: Session) -> None:
    memory = add(app, "likes tea")
    with pytest.raises(DeniedError):
        session_of(clinic, purpose="treatment").get(memory.id)
    assert session_of(clinic, roles=("staff",), purpose="treatment").get(memory.id) == memory
    assert session_of(clinic, roles=("nobody", "app")).get(memory.id) == memory


def test_each_call_leaves_one_entry_of_its_name(clinic: Vault, app: Session) -> None:
    memory = add(app, "likes tea")
    calls: dict[str, Callable[[], object]] = {
        "memory.search": lambda: app.search("tea", user_id="pat-42"),
        "memory.get": lambda: app.get(memory.id),
        "memory.list": lambda: app.list(user_id="pat-42"),
        "memory.update": lambda: app.update(memory.id, "likes rum"),
        "memory.history": lambda: app.history(memory.id),
        "memory.delete": lambda: app.delete(memory.id),
        "memory.delete_all": lambda: app.delete_all(user_id="pat-42"),
    }
    for action, act in calls.items():
        before = len(entries(clinic))
        act()
        (entry,) = entries(clinic)[before:]
        assert (entry["act"], entry["res"], entry["pur"]) == (action, "ok", "service")
