"""Redacting again: what an older detector let through is in no stored form afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vault import Principal, Session, Vault
from vault.admin import Admin
from vault.flows import rescan
from vault.redaction.detect import BuiltinDetector
from vault.redaction.interface import Detector, OneByOne
from vault.types import Finding

SECRET = "Quandramir"


class Named(OneByOne):
    """A detector that also knows one made-up name."""

    def __init__(self, inner: Detector) -> None:
        self._inner = inner
        self.entities = inner.entities | {"PERSON"}
        self.version = inner.version + "+named"

    def detect(self, text: str, **options: Any) -> list[Finding]:
        found = self._inner.detect(text, **options)
        at = text.find(SECRET)
        while at >= 0:
            found.append(Finding("PERSON", at, at + len(SECRET), 0.9, "named"))
            at = text.find(SECRET, at + 1)
        return sorted(found, key=lambda one: one.start)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with Vault.init(tmp_path / "clinic", key_folder=tmp_path / "clinic-keys", keystore_backup="none") as made:
        made._opened().detector = BuiltinDetector(names=None)  # the older one: it knows no names
        yield made


def app(vault: Vault) -> Session:
    return vault.session(Principal("clinic", "bot", ("app",)), purpose="service")


def operator(vault: Vault) -> Admin:
    return vault.admin(Principal("clinic", "op", ("operator",)))


def filled(vault: Vault) -> list[str]:
    session = app(vault)
    ids = [
        session.add(f"{SECRET} prefers mornings, write to q@example.org", user_id="pat-1").memories[0].id,
        session.add(f"First said by {SECRET}", user_id="pat-1").memories[0].id,
        session.add("Nothing of the kind", user_id="pat-1").memories[0].id,
        session.add("A cat", user_id="pat-2", metadata={"owner": f"it is {SECRET}'s"}).memories[0].id,
    ]
    session.update(ids[1], "Said by someone")
    return ids


def upgrade(vault: Vault) -> None:
    stages = vault._opened()
    stages.detector = Named(stages.detector)


def test_with_the_same_detector_there_is_nothing_to_do(vault: Vault) -> None:
    ids = filled(vault)
    seen = operator(vault).rescan()
    assert (seen.examined, seen.outdated, dict(seen.found)) == (4, 0, {})
    assert app(vault).get(ids[0]).version == 1


def test_a_dry_run_counts_and_changes_nothing(vault: Vault) -> None:
    ids = filled(vault)
    before = [app(vault).get(one) for one in ids]
    upgrade(vault)
    seen = operator(vault).rescan(dry_run=True)
    assert (seen.examined, seen.outdated, dict(seen.found)) == (4, 3, {"PERSON": 3})
    assert [app(vault).get(one) for one in ids] == before


def test_what_is_found_is_in_no_stored_form(vault: Vault) -> None:
    ids = filled(vault)
    upgrade(vault)
    seen = operator(vault).rescan()
    assert (seen.outdated, dict(seen.found)) == (3, {"PERSON": 3})
    session = app(vault)
    texts = [session.get(one).text for one in ids]
    assert texts[0].startswith("[PERSON:")
    assert "[EMAIL:" in texts[0]
    assert texts[1:] == ["Said by someone", "Nothing of the kind", "A cat"]
    assert str(session.get(ids[3]).metadata["owner"]).startswith("it is [PERSON:")
    assert [step.event for step in session.history(ids[0])] == ["ADD", "REDACT"]
    assert [step.event for step in session.history(ids[1])] == [
        "ADD",
        "UPDATE",
    ]  # only an older value held it
    shown = repr([[session.history(one) for one in ids], session.list(user_id="pat-1"), texts])
    assert SECRET not in shown
    again = operator(vault).rescan()
    assert (again.examined, again.outdated) == (4, 0)
    operator(vault).audit_verify()


def test_a_redacted_value_is_revealed_and_found_again(vault: Vault) -> None:
    ids = filled(vault)
    upgrade(vault)
    operator(vault).rescan()
    staff = vault.session(Principal("clinic", "nurse", ("staff",)), purpose="treatment")
    assert (
        staff.reveal(ids[0], reason="call back").text == f"{SECRET} prefers mornings, write to q@example.org"
    )
    assert staff.search(SECRET, user_id="pat-1")[0].memory.id == ids[0]


def test_tokens_die_with_the_last_version_that_names_them(vault: Vault) -> None:
    ids = filled(vault)
    upgrade(vault)
    operator(vault).rescan()
    for one in ids:
        app(vault).delete(one)
    records = vault._opened().stores
    tenant = vault._opened().tenant("clinic")
    with records.use(tenant) as store:
        assert [row for known in store.records.subjects() for row in store.records.tokens(known.s)] == []


def test_the_log_names_the_memories(vault: Vault) -> None:
    ids = filled(vault)
    upgrade(vault)
    operator(vault).rescan()
    auditor = vault.admin(Principal("clinic", "aud", ("auditor",)), purpose="audit")
    entries = [entry for entry in auditor.audit_show() if entry.action == "memory.rescan"]
    assert {one for entry in entries for one in entry.memory_ids} == {ids[0], ids[1], ids[3]}
    assert sum(entry.count for entry in entries) == 3


def test_a_memory_changed_meanwhile_is_left_to_the_next_rescan(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = filled(vault)
    upgrade(vault)
    examine = rescan._examine

    def slow(call: Any, subject: Any, engine: Any, rows: Any) -> Any:
        found = examine(call, subject, engine, rows)
        if found and not changed:
            changed.append(ids[0])
            app(vault).update(ids[0], "Changed by its user")
        return found

    changed: list[str] = []
    monkeypatch.setattr(rescan, "_examine", slow)
    operator(vault).rescan()
    assert app(vault).get(ids[0]).text == "Changed by its user"
    assert operator(vault).rescan().outdated == 1  # the first version, in the history
    assert operator(vault).rescan().outdated == 0
