"""Renames, aliases and merges: every memory once, under every id of the person, and under nobody else's keys."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.calls import Clock, auditor, entries, operator, session_of, staff, stages_of
from support.pages import PageReader
from support.rights import opened, privacy, tenant_keys

from vault import Session, Vault
from vault.crypto.record import read_header
from vault.errors import ConflictError, DeniedError, HeldError, InvalidInputError, NotFoundError
from vault.flows import merging, naming
from vault.keys import cases, rotation
from vault.records.interface import BLOCK

EMAIL, PHONE = "ana.rivera@example.org", "+44 20 7946 0958"


@pytest.fixture
def officer(clinic: Vault) -> Session:
    return privacy(clinic)


def fill(vault: Vault) -> dict[str, str]:
    """Two people who are one: with tokens they share, a history, a deleted memory, a remembered write; ids by name."""
    app = session_of(vault)
    made = {
        "first": app.add(f"Reach her at {EMAIL}", user_id="old", agent_id="desk", metadata={"mail": EMAIL}),
        "second": app.add(
            {"role": "user", "content": f"My number is {PHONE}", "name": "Kim"}, user_id="old", run_id="r1"
        ),
        "gone": app.add("Said and taken back", user_id="old"),
        "said": app.add("Said once", user_id="old", idempotency_key="said-once"),
        "own": app.add(f"Write to {EMAIL} or bo@example.org", user_id="new", agent_id="desk"),
    }
    ids = {name: added.memories[0].id for name, added in made.items()}
    app.update(ids["first"], f"Reach her at {EMAIL} or {PHONE}", reason="more")
    app.delete(ids["gone"], reason="asked")
    return ids


def seen(session: Session, user: str) -> list[Any]:
    """What a caller sees of a person's memories, but for ids and tokens."""
    return [
        (
            m.text.count("["),
            m.agent_id,
            m.run_id,
            m.created_at,
            m.updated_at,
            m.version,
            m.role,
            sorted(m.metadata),
        )
        for m in session.list(user_id=user, order="created_at", limit=1000).memories
    ]


def intact(vault: Vault) -> None:
    admin = operator(vault)
    assert admin.index_verify()["stale"] == 0
    assert admin.audit_verify()["records"] == admin.index_verify()["checked"]
    admin.keys_verify()


# --- rename ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", [True, False])
def test_a_renamed_person_is_found_by_the_new_id_and_the_old_where_it_is_kept(
    clinic: Vault, officer: Session, keep: bool
) -> None:
    ids, app = fill(clinic), session_of(clinic)
    before = seen(app, "old")
    counted = officer.subjects.rename("old", "MRN-7", keep_old_as_alias=keep, dry_run=True)
    assert (counted.user_id, counted.done) == ("MRN-7", False)
    assert seen(app, "old") == before
    done = officer.subjects.rename("old", "MRN-7", keep_old_as_alias=keep, reason="national number")
    assert (done.user_id, done.aliases, done.done) == ("MRN-7", ("old",) if keep else (), True)
    assert done.rewritten == 4  # three memories, one earlier version
    assert seen(app, "MRN-7") == before
    assert seen(app, "old") == (before if keep else [])
    for name in ("first", "second", "said"):
        memory = app.get(ids[name])
        assert (memory.id, memory.user_id) == (ids[name], "MRN-7")
    assert {r.version for r in app.history(ids["first"])} == {1, 2}
    assert [hit.memory.id for hit in app.search(EMAIL, user_id="MRN-7", limit=1)] == [ids["first"]]
    again = officer.subjects.aliases("MRN-7")
    assert (again.user_id, again.aliases) == ("MRN-7", ("old",) if keep else ())
    added = app.add("One more", user_id="old").memories[0]
    assert (added.user_id == "MRN-7") == keep
    intact(clinic)


def test_an_id_that_is_not_kept_is_in_no_stored_byte(clinic: Vault, officer: Session) -> None:
    """But in the log, which says what happened; the next roll makes it unreadable in backups."""
    app = session_of(clinic)
    waiting = cases.stale(stages_of(clinic).keystore, tenant_keys(clinic).tid)
    assert waiting == []
    memory = app.add("Likes tea", user_id="canary-id-7714").memories[0]
    app.update(memory.id, "Likes tea, too")
    officer.subjects.rename("canary-id-7714", "pat-1", keep_old_as_alias=False)
    stages, keys = stages_of(clinic), tenant_keys(clinic)
    subject = stages.keystore.subject(keys, "user", "pat-1")
    assert subject is not None
    assert [sid for sid, _ in cases.stale(stages.keystore, keys.tid)] == [subject.sid]
    with stages.stores.use(keys) as store:
        row = store.records.subject(subject.sid)
        assert row is not None
        with store.records.transaction():
            assert merging.rewrite_user(store, subject, row.s, "pat-1") == 0  # nothing left to rewrite
    pages = b"".join(PageReader(clinic.folder / "keystore" / "keystore-1.db", _file_key(clinic)).everything())
    assert b"canary" not in pages
    assert app.list(user_id="canary-id-7714").memories == ()


def _file_key(vault: Vault) -> bytes:
    from vault.keys.layout import read_file_key

    return bytes(read_file_key(vault.folder / "keystore", stages_of(vault).provider, 1).buffer)


def test_renaming_back_and_forth(clinic: Vault, officer: Session) -> None:
    fill(clinic)
    subjects, app = officer.subjects, session_of(clinic)
    before = seen(app, "old")
    subjects.rename("old", "b")
    subjects.rename("b", "c", keep_old_as_alias=False)
    done = subjects.rename("old", "b")  # by an alias
    assert (done.user_id, done.aliases) == ("b", ("c", "old"))
    done = subjects.rename("c", "old")  # an alias becomes the first id
    assert (done.user_id, done.aliases) == ("old", ("b", "c"))
    assert seen(app, "old") == seen(app, "b") == seen(app, "c") == before
    with pytest.raises(InvalidInputError) as caught:
        subjects.rename("b", "old")
    assert caught.value.code == "subject.same"
    intact(clinic)


def test_an_id_that_somebody_has_is_refused(clinic: Vault, officer: Session) -> None:
    fill(clinic)
    officer.subjects.add_alias("new", "n2")
    for taken in ("new", "n2"):
        for call in (officer.subjects.rename, officer.subjects.add_alias):
            with pytest.raises(ConflictError) as caught:
                call("old", taken)
            assert caught.value.code == "subject.taken"
    with pytest.raises(NotFoundError):
        officer.subjects.rename("nobody", "somebody")
    assert officer.subjects.aliases("old").aliases == ()


# --- aliases ---------------------------------------------------------------------------------------------------------


def test_every_verb_takes_an_alias(clinic: Vault, officer: Session, tmp_path: Path) -> None:
    ids, app = fill(clinic), session_of(clinic)
    assert officer.subjects.add_alias("old", "MRN 7").aliases == ("MRN 7",)
    assert officer.subjects.add_alias("MRN 7", "second name", reason="maiden name").user_id == "old"
    assert seen(app, "MRN 7") == seen(app, "old") == seen(app, "second name")
    assert app.search(EMAIL, user_id="MRN 7", limit=1)[0].memory.id == ids["first"]
    added = app.add_many(
        [{"content": "By two names", "user_id": name} for name in ("old", "MRN 7", "new")]
    ).ids
    assert [app.get(one).user_id for one in added] == ["old", "old", "new"]
    first = app.list(user_id="MRN 7", limit=1)
    assert app.list(user_id="MRN 7", limit=1, cursor=first.next_cursor).memories
    assert staff(clinic).list(user_id="MRN 7", reveal="call back").memories[0].text.count(EMAIL)
    assert {s.about for s in auditor(clinic).audit_show(user_id="second name")} == {"user:old"}
    made = officer.exports.run(user_id="MRN 7", to=tmp_path / "copy.zip")
    assert made.counts["memories"] == 5
    preview = opened(officer, user_id="second name").preview()
    assert preview.counts["memories"] == 5
    assert app.delete_all(user_id="MRN 7", agent_id="desk").deleted == 1
    assert officer.subjects.remove_alias("old", "MRN 7").aliases == ("second name",)
    assert app.list(user_id="MRN 7").memories == ()
    with pytest.raises(NotFoundError) as caught:
        officer.subjects.remove_alias("old", "MRN 7")
    assert caught.value.code == "subject.no_alias"
    with pytest.raises(NotFoundError):
        officer.subjects.remove_alias("second name", "old")  # the first id is no alias
    intact(clinic)


def test_a_session_bound_by_an_alias_is_that_persons(clinic: Vault, officer: Session) -> None:
    ids = fill(clinic)
    officer.subjects.add_alias("old", "o2")
    for bound in ("old", "o2"):
        own = session_of(clinic, user_id=bound)
        assert len(own.list().memories) == len(own.list(user_id="old").memories) == 3
        assert len(own.list(user_id="o2").memories) == 3
        assert own.get(ids["first"]).user_id == "old"
        assert own.add("Said by myself").memories[0].user_id == "old"
        with pytest.raises(NotFoundError):
            own.get(ids["own"])
        with pytest.raises(InvalidInputError):
            own.list(user_id="new")
        own.delete(own.list(order="-created_at").memories[0].id)


def test_an_erased_persons_aliases_are_free(clinic: Vault, officer: Session) -> None:
    fill(clinic)
    officer.subjects.add_alias("old", "o2")
    request = opened(officer, user_id="o2")
    request.preview()
    request.run()
    app = session_of(clinic)
    assert app.list(user_id="o2").memories == app.list(user_id="old").memories == ()
    assert app.add("Somebody else", user_id="o2").memories[0].user_id == "o2"
    with pytest.raises(NotFoundError):
        officer.subjects.aliases("old")


def test_there_are_not_more_than_so_many_aliases(clinic: Vault, officer: Session) -> None:
    fill(clinic)
    for number in range(100):
        officer.subjects.add_alias("old", f"name {number}")
    with pytest.raises(InvalidInputError) as caught:
        officer.subjects.add_alias("old", "one more")
    assert caught.value.code == "alias.count"
    with pytest.raises(InvalidInputError):
        officer.subjects.rename("old", "one more")
    with pytest.raises(InvalidInputError):
        officer.subjects.merge("new", "old")
    assert len(officer.subjects.aliases("name 99").aliases) == 100


# --- merge -----------------------------------------------------------------------------------------------------------


def test_a_merge_moves_everything_once(clinic: Vault, officer: Session) -> None:
    ids, app = fill(clinic), session_of(clinic)
    before = {name: asdict(app.get(ids[name])) for name in ("first", "second", "said", "own")}
    histories = {name: app.history(ids[name]) for name in ids}
    both = sorted([*seen(app, "old"), *seen(app, "new")], key=repr)
    counted = officer.subjects.merge("old", "new", dry_run=True)
    assert (counted.memories, counted.versions, counted.tokens, counted.done) == (3, 3, 3, False)
    done = officer.subjects.merge("old", "new", reason="one patient, case 7")
    assert (done.user_id, done.aliases) == ("new", ("old",))
    assert (done.memories, done.versions, done.tokens, done.done) == (3, 3, 3, True)
    assert sorted(seen(app, "new"), key=repr) == both == sorted(seen(app, "old"), key=repr)
    for name, known in before.items():
        memory = asdict(app.get(ids[name]))
        assert memory["user_id"] == "new"
        same = set(known) - {"id", "user_id", "text", "metadata"}
        assert {key: memory[key] for key in same} == {key: known[key] for key in same}
        assert app.get(memory["id"]).id == memory["id"]
    for name, steps in histories.items():
        after = app.history(ids[name])
        assert [(s.version, s.event, s.at, s.actor, s.reason) for s in after] == [
            (s.version, s.event, s.at, s.actor, s.reason) for s in steps
        ]
    again = officer.subjects.merge("old", "new")
    assert (again.memories, again.done) == (0, True)
    intact(clinic)
    clinic.close()
    with Vault.open(clinic.folder) as vault:
        assert sorted(seen(session_of(vault), "old"), key=repr) == both
        intact(vault)


def test_a_value_both_know_has_one_token_and_comes_back(clinic: Vault, officer: Session) -> None:
    ids, app, kim = fill(clinic), session_of(clinic), staff(clinic)
    officer.subjects.merge("old", "new")
    own, first = app.get(ids["own"]).text, app.get(ids["first"])
    token = own.split("to ")[1].split(" ")[0]
    assert token in first.text
    assert first.metadata == {"mail": token}
    assert [token in (step.text or "") for step in app.history(ids["first"])] == [True, True]
    assert [hit.memory.id for hit in app.search(EMAIL, user_id="old", limit=2)] != []
    found = {hit.memory.text for hit in app.search(EMAIL, user_id="new", limit=2)}
    assert found == {own, first.text}
    shown = kim.reveal(ids["first"], reason="call back")
    assert (EMAIL in shown.text, PHONE in shown.text, shown.metadata) == (True, True, {"mail": EMAIL})
    assert PHONE in kim.reveal(ids["second"], reason="call back").text
    assert app.add(f"Again {EMAIL}", user_id="old").memories[0].text == f"Again {token}"
    with stages_of(clinic).stores.use(tenant_keys(clinic)) as store:
        (row,) = store.records.subjects()
        refs = {token.token: token.refs for token in store.records.tokens(row.s)}
    assert refs[token[1:-1]] == 4  # own, first and its earlier version, the one just added
    for memory in app.list(user_id="new").memories:
        app.delete(memory.id)
    assert not store.records.has_tokens(row.s)


def test_tokens_of_one_name_for_two_values_are_told_apart(
    clinic: Vault, officer: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both people have a token of the same letters: six random ones are enough for one person, not for two."""
    monkeypatch.setattr("vault.flows.tokens.secrets.choice", lambda alphabet: "a")
    app, kim = session_of(clinic), staff(clinic)
    one = app.add("Mail ana@example.org", user_id="old", metadata={"ana@example.org": 1}).memories[0]
    app.update(one.id, f"{one.text} today")
    other = app.add("Mail bob@example.org", user_id="new").memories[0]
    assert one.text == other.text == "Mail [EMAIL:aaaaaa]"
    monkeypatch.setattr("vault.flows.tokens.secrets.choice", lambda alphabet: "b")
    officer.subjects.merge("old", "new")
    assert app.get(one.id).text == "Mail [EMAIL:bbbbbb] today"
    assert app.get(one.id).metadata == {"[EMAIL:bbbbbb]": 1}
    assert app.get(other.id).text == "Mail [EMAIL:aaaaaa]"
    assert [step.text for step in app.history(one.id)] == ["Mail [EMAIL:bbbbbb]", "Mail [EMAIL:bbbbbb] today"]
    assert kim.reveal(one.id, reason="x y").text == "Mail ana@example.org today"
    assert kim.reveal(other.id, reason="x y").text == "Mail bob@example.org"
    assert [h.memory.text for h in app.search("ana@example.org", user_id="new", limit=1)] == [
        app.get(one.id).text
    ]
    intact(clinic)


def test_a_repeated_write_is_still_known(clinic: Vault, officer: Session) -> None:
    ids, app = fill(clinic), session_of(clinic)
    officer.subjects.merge("old", "new")
    again = app.add("Said once", user_id="old", idempotency_key="said-once").memories
    assert [m.id for m in again] == [app.get(ids["said"]).id]
    with pytest.raises(ConflictError):
        app.add("Said otherwise", user_id="old", idempotency_key="said-once")
    assert len(app.list(user_id="new").memories) == 4


def test_blocks_expiry_and_scopes_go_along(clinic: Vault, officer: Session) -> None:
    clock, app = Clock(clinic), session_of(clinic)
    until = clock.now + timedelta(hours=1)
    for user, count in (("old", 2 * BLOCK + 3), ("new", BLOCK + 5)):
        items = [
            {"content": f"{user} {n} on gardens", "user_id": user, "run_id": f"r{n % 3}"}
            for n in range(count)
        ]
        app.add_many([item | ({"expires_at": until} if n % 5 == 0 else {}) for n, item in enumerate(items)])
    total = 3 * BLOCK + 8
    app.search("gardens", user_id="new")
    app.search("gardens", user_id="old")
    officer.subjects.merge("old", "new")
    assert len(app.list(user_id="new", limit=1000).memories) == total
    assert len(app.search("gardens", user_id="old", limit=1000)) == total
    by_run = [len(app.list(user_id="old", run_id=f"r{n}", limit=1000).memories) for n in range(3)]
    assert sum(by_run) == total
    assert len(app.search("old gardens", user_id="new", run_id="r1", limit=1000)) == by_run[1]
    app.add_many([{"content": f"later {n}", "user_id": "old"} for n in range(BLOCK)])
    intact(clinic)
    clock.move(hours=2)
    left = [m for m in app.list(user_id="new", limit=1000).memories if m.expires_at is None]
    assert len(app.list(user_id="new", limit=1000).memories) == len(left)
    assert operator(clinic).sweep() == total + BLOCK - len(left)
    intact(clinic)


def test_a_chain_of_merges_keeps_every_id(clinic: Vault, officer: Session) -> None:
    app = session_of(clinic)
    ids: dict[str, list[str]] = {}
    for user in "abcd":
        ids[user] = [app.add(f"{user} {n}", user_id=user).memories[0].id for n in range(3)]
    told: list[str] = []
    for source, into in (("a", "b"), ("c", "d"), ("b", "d")):
        officer.subjects.merge(source, into)
        told += [m.id for m in app.list(user_id=into, limit=100).memories]
        for user, old in ids.items():
            assert [app.get(one).text for one in old] == [f"{user} {n}" for n in range(3)]
        assert all(app.get(one).id for one in told)  # those of in between, too
    assert officer.subjects.aliases("a") == officer.subjects.aliases("d")
    assert officer.subjects.aliases("d").aliases == ("a", "b", "c")
    assert {m.user_id for m in app.list(user_id="b", limit=100).memories} == {"d"}
    app.delete(ids["a"][0])
    with pytest.raises(NotFoundError):
        app.get(ids["a"][0])
    assert [step.event for step in app.history(ids["a"][0])] == ["ADD", "DELETE"]
    app.update(ids["a"][1], "a 1, too")
    assert app.get(ids["a"][1]).version == 2
    operator(clinic).keys_rotate("subject")
    operator(clinic).keys_rotate("ids")
    operator(clinic).keys_rotate("index")
    assert app.get(ids["a"][1]).text == "a 1, too"
    assert officer.subjects.aliases("c").user_id == "d"
    intact(clinic)


def test_the_keys_of_the_one_are_destroyed_with_tombstones(clinic: Vault, officer: Session) -> None:
    fill(clinic)
    stages, keys = stages_of(clinic), tenant_keys(clinic)
    gone = stages.keystore.subject(keys, "user", "old")
    stays = stages.keystore.subject(keys, "user", "new")
    assert gone is not None
    assert stays is not None
    officer.subjects.merge("old", "new")
    assert (gone.kid, 1) in stages.keystore.tombstones(keys.tid)
    assert {kid for kid, _ in stages.keystore.live_kids(keys.tid)} == {stays.kid}
    with stages.stores.use(keys) as store:
        records = store.records
        (row,) = records.subjects()
        blobs = [m.body for m in records.memories(row.s)] + [m.point for m in records.memories(row.s)]
        blobs += [t.value for t in records.tokens(row.s)] + [r.result for r in records.replays(row.s)]
        blobs += [b for r in records.all_revisions(row.s) for b in (r.actor, r.body) if b is not None]
        blobs += [row.detail for row in records.log() if row.s is not None and row.detail is not None]
        assert {read_header(blob).kid for blob in blobs} == {stays.kid}
        assert records.setting(naming.PENDING) == 1
    assert (
        rotation.verify_copy(clinic.folder / "keystore", stages.provider, stages.keystore.epoch)["subjects"]
        == 1
    )
    assert store.archive.left(gone.sid) == 0
    assert store.archive.left(stays.sid) > 0


def test_the_log_of_both_is_the_log_of_the_one(clinic: Vault, officer: Session, tmp_path: Path) -> None:
    fill(clinic)
    before = [
        (s.seq, s.action, s.actor)
        for s in auditor(clinic).audit_show()
        if s.about in ("user:old", "user:new")
    ]
    officer.subjects.merge("old", "new", reason="case 7")
    officer.subjects.rename("new", "newest", reason="case 8")
    for name in ("old", "new", "newest"):
        after = auditor(clinic).audit_show(user_id=name)
        assert {s.about for s in after} == {"user:newest"}
        assert [(s.seq, s.action, s.actor) for s in after][: len(before)] == before
        assert [(s.action, s.count, s.reason) for s in after if s.reason and s.reason.startswith("case")] == [
            ("subject.merge", 3, "case 7"),
            ("subject.rename", 5, "case 8"),
        ]
    for entry in entries(clinic):
        assert "case" not in repr(entry)
    made = officer.exports.run(user_id="old", to=tmp_path / "copy", format="folder")
    assert made.counts["log_entries"] >= len(before)
    for entry in auditor(clinic).audit_show():
        if entry.action.startswith("subject.") and entry.about is None:
            assert (entry.reason, entry.memory_ids) == (None, ())


def test_who_is_erased_after_a_merge_is_gone_by_every_id(clinic: Vault, officer: Session) -> None:
    ids, app = fill(clinic), session_of(clinic)
    officer.subjects.merge("old", "new")
    request = opened(officer, user_id="old")
    request.preview()
    request.run(roll=True)
    assert request.certificate()
    for memory_id in ids.values():
        with pytest.raises(NotFoundError):
            app.get(memory_id)
        with pytest.raises(NotFoundError):
            app.history(memory_id)
    stages, keys = stages_of(clinic), tenant_keys(clinic)
    with stages.stores.use(keys) as store:
        assert [
            row.detail for row in store.records.log() if row.s is not None and row.detail is not None
        ] == []
        meta = dict(store.records.database.query("SELECT key, value FROM meta"))  # type: ignore[attr-defined]
    assert [key for key in meta if key.startswith(("moved.", "parts."))] == []
    assert app.list(user_id="old").memories == app.list(user_id="new").memories == ()
    intact(clinic)


def test_one_without_memories_can_be_merged_either_way(clinic: Vault, officer: Session) -> None:
    app = session_of(clinic)
    app.add("Likes tea", user_id="a")
    gone = app.add("Gone", user_id="b").memories[0]
    app.delete(gone.id)
    done = officer.subjects.merge("b", "a")
    assert (done.memories, done.versions) == (0, 2)
    assert [step.event for step in app.history(gone.id)] == ["ADD", "DELETE"]
    held = officer.holds.place(matter="case 7", user_id="empty")  # who has keys, and no rows
    officer.holds.release(held.id)
    assert officer.subjects.rename("empty", "still empty").rewritten == 0
    assert officer.subjects.merge("a", "empty").memories == 1
    assert [m.user_id for m in app.list(user_id="b").memories] == ["still empty"]
    held = officer.holds.place(matter="case 8", user_id="another")
    officer.holds.release(held.id)
    assert officer.subjects.merge("another", "a").memories == 0
    assert officer.subjects.aliases("another").user_id == "still empty"
    intact(clinic)


# --- who may, and holds ----------------------------------------------------------------------------------------------


def test_only_the_privacy_role_for_a_request(clinic: Vault) -> None:
    fill(clinic)
    for role, purpose in (
        ("app", "service"),
        ("staff", "treatment"),
        ("operator", "operations"),
        ("privacy", "service"),
    ):
        subjects = session_of(clinic, roles=(role,), purpose=purpose).subjects
        for call in (
            lambda s: s.rename("old", "x"), lambda s: s.merge("old", "new"), lambda s: s.aliases("old"),
            lambda s: s.add_alias("old", "x"), lambda s: s.remove_alias("old", "x"), lambda s: s.find_mentions("Ana"),
            lambda s: s.redact_mentions("Ana", ["x"], reason="y"),
        ):  # fmt: skip
            with pytest.raises(DeniedError):
                call(subjects)
    assert sum(entry["res"] == "denied" for entry in entries(clinic)) == 28


def test_a_bound_session_is_refused(clinic: Vault) -> None:
    fill(clinic)
    bound = session_of(clinic, roles=("privacy",), purpose="rights-request", user_id="old").subjects
    for call in (
        lambda: bound.rename("old", "x"), lambda: bound.merge("old", "new"), lambda: bound.aliases("old"),
        lambda: bound.add_alias("old", "x"), lambda: bound.remove_alias("old", "x"), lambda: bound.find_mentions("Ana"),
        lambda: bound.redact_mentions("Ana", ["x"], reason="y"),
    ):  # fmt: skip
        with pytest.raises(InvalidInputError) as caught:
            call()
        assert caught.value.code == "scope.bound"


def test_a_hold_keeps_a_person_whole_and_somebody_can_come_to_them(clinic: Vault, officer: Session) -> None:
    fill(clinic)
    officer.subjects.add_alias("old", "o2")
    hold = officer.holds.place(matter="case 7", user_id="old")
    for call in (
        lambda: officer.subjects.merge("old", "new"),
        lambda: officer.subjects.merge("o2", "new", dry_run=True),
        lambda: officer.subjects.rename("old", "x"),
        lambda: officer.subjects.remove_alias("old", "o2"),
    ):
        with pytest.raises(HeldError):
            call()
    refused = [entry["act"] for entry in entries(clinic) if entry["res"] == "refused"]
    assert refused == ["subject.merge", "subject.merge", "subject.rename", "subject.alias"]
    assert officer.subjects.add_alias("old", "o3").aliases == ("o2", "o3")
    assert officer.subjects.merge("new", "old").memories == 1
    assert [one.about for one in officer.holds.list()] == ["user:old"]
    with pytest.raises(HeldError):
        session_of(clinic).delete_all(user_id="new")
    officer.holds.release(hold.id)
    assert officer.subjects.rename("new", "x").user_id == "x"


def test_a_hold_placed_in_between_wins(
    clinic: Vault, officer: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the check of the call, before the vault is held alone."""
    fill(clinic)
    officer.subjects.add_alias("old", "o2")
    lease = stages_of(clinic).lease
    alone = type(lease).alone
    held: list[str] = []

    def slow(self: Any) -> Any:
        held.append(officer.holds.place(matter="case 7", user_id="old").id)
        return alone(self)

    for call in (
        lambda: officer.subjects.merge("old", "new"),
        lambda: officer.subjects.rename("old", "x"),
        lambda: officer.subjects.remove_alias("old", "o2"),
    ):
        monkeypatch.setattr(type(lease), "alone", slow)
        with pytest.raises(HeldError):
            call()
        monkeypatch.setattr(type(lease), "alone", alone)
        officer.holds.release(held.pop())
    assert [e["act"] for e in entries(clinic) if e["res"] == "refused"] == [
        "subject.merge",
        "subject.rename",
        "subject.alias",
    ]
    intact(clinic)


def test_what_changed_in_between_is_looked_at_again(
    clinic: Vault, officer: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(clinic)
    lease = stages_of(clinic).lease
    alone = type(lease).alone
    other = Vault.open(clinic.folder)
    meanwhile: list[Callable[[], object]] = []

    def slow(self: Any) -> Any:
        if meanwhile:
            meanwhile.pop()()
        return alone(self)

    monkeypatch.setattr(type(lease), "alone", slow)
    meanwhile.append(lambda: privacy(other).subjects.merge("old", "new"))
    assert officer.subjects.merge("old", "new").memories == 0  # the other process was faster
    meanwhile.append(lambda: session_of(other).add("A new person", user_id="x"))
    with pytest.raises(ConflictError):
        officer.subjects.rename("new", "x")

    def erase() -> None:
        request = opened(privacy(other), user_id="x")
        request.preview()
        request.run()

    meanwhile.append(erase)
    with pytest.raises(NotFoundError):
        officer.subjects.merge("x", "new")
    other.close()
    intact(clinic)


# --- other processes, crashes, restored files ------------------------------------------------------------------------


def test_another_process_follows_at_its_next_call(clinic: Vault, officer: Session) -> None:
    ids = fill(clinic)
    with Vault.open(clinic.folder) as other:
        app = session_of(other)
        assert len(app.list(user_id="old").memories) == 3  # keys and points are cached now
        app.search("number", user_id="old")
        officer.subjects.merge("old", "new")
        assert len(app.list(user_id="old").memories) == 4
        assert app.get(ids["first"]).user_id == "new"
        assert app.add("By the old id", user_id="old").memories[0].user_id == "new"
        assert {hit.memory.user_id for hit in app.search("number", user_id="old")} == {"new"}
        officer.subjects.rename("new", "newest")
        assert app.get(ids["first"]).user_id == "newest"
    intact(clinic)


@pytest.mark.parametrize("change", ["merge", "rename", "alias"])
def test_the_keystore_follows_later_where_a_process_died_in_between(
    clinic: Vault, officer: Session, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The rows and the entry are there, the keystore knows nothing yet; whoever comes next goes on, before all else."""
    fill(clinic)
    calls: dict[str, Callable[[Session], Any]] = {
        "merge": lambda s: s.subjects.merge("old", "new"),
        "rename": lambda s: s.subjects.rename("old", "x"),
        "alias": lambda s: s.subjects.add_alias("old", "x"),
    }
    other = Vault.open(clinic.folder)
    app = session_of(other)
    app.list(user_id="old")

    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(naming, "catch_up", die)
        with pytest.raises(KeyboardInterrupt):
            calls[change](officer)
    found = "new" if change == "merge" else "x"
    added = app.add("Said at once, by another process", user_id="old").memories[0]
    assert added.user_id == {"merge": "new", "rename": "x", "alias": "old"}[change]
    assert len(app.list(user_id="old").memories) == (5 if change == "merge" else 4)
    assert app.list(user_id=found).memories == app.list(user_id="old").memories
    with stages_of(other).stores.use(tenant_keys(other)) as store:
        assert store.records.setting(naming.PENDING) == 1
    again = calls[change]
    if change == "merge":
        assert again(officer).memories == 0
    elif change == "rename":
        with pytest.raises(InvalidInputError):
            again(officer)
    else:
        assert again(officer).aliases == ("x",)
    other.close()
    intact(clinic)


@pytest.mark.parametrize("keep", [True, False])
def test_an_older_keystore_learns_every_change_from_the_log(
    clinic: Vault, officer: Session, tmp_path: Path, keep: bool
) -> None:
    fill(clinic)
    session_of(clinic).add("A third one", user_id="third")
    officer.subjects.add_alias("third", "t2")
    clinic.close()
    shutil.copytree(clinic.folder / "keystore", tmp_path / "older")
    with Vault.open(clinic.folder) as vault:
        subjects = privacy(vault).subjects
        subjects.merge("old", "new")
        subjects.rename("new", "newest", keep_old_as_alias=keep)
        subjects.add_alias("old", "o2")
        subjects.remove_alias("third", "t2")
        subjects.rename("third", "t2", keep_old_as_alias=False)
        subjects.add_alias("newest", "third")
        wanted = [subjects.aliases(name) for name in ("newest", "t2")]
        before = seen(session_of(vault), "newest")
    shutil.rmtree(clinic.folder / "keystore")
    shutil.copytree(tmp_path / "older", clinic.folder / "keystore")
    for _ in range(2):
        with Vault.open(clinic.folder) as vault:
            subjects = privacy(vault).subjects
            assert [subjects.aliases(name) for name in ("newest", "t2")] == wanted
            assert subjects.aliases("third").user_id == "newest"
            assert seen(session_of(vault), "third") == before
            assert len(stages_of(vault).keystore.tombstones(tenant_keys(vault).tid)) == 1
            intact(vault)
