"""Who may export, what they may see of it, and that the log says so before anything is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calls import auditor, entries, operator, session_of, stages_of
from support.exported import EMAIL, USER, Read, live, privacy

from vault import Session, Vault
from vault.errors import (
    AuditWriteError,
    DeniedError,
    InvalidInputError,
    NotFoundError,
    PurposeDeniedError,
    StorageError,
)
from vault.flows.context import Call
from vault.policy.decide import REVEAL, Decision, Policy, Request


def logged(vault: Vault, action: str = "subject.export") -> list[tuple[str, int]]:
    return [(entry["res"], entry["n"]) for entry in entries(vault) if entry["act"] == action]


OTHERS = (
    ("app", "service"), ("staff", "service"), ("staff", "treatment"), ("operator", "operations"), ("auditor", "audit"),
)  # fmt: skip


@pytest.mark.parametrize(("role", "purpose"), OTHERS)
@pytest.mark.parametrize("method", ["run", "preview"])
def test_no_other_role_exports_and_the_attempt_is_logged(
    clinic: Vault, tmp_path: Path, role: str, purpose: str, method: str
) -> None:
    live(clinic)
    exports = session_of(clinic, roles=(role,), purpose=purpose).exports
    options: dict[str, Any] = {"to": tmp_path / "copy"} if method == "run" else {}
    with pytest.raises(DeniedError):
        getattr(exports, method)(user_id=USER, **options)
    assert logged(clinic) == [("denied", 0)]
    assert not list(tmp_path.glob("copy*"))


def test_the_privacy_role_exports_for_a_request_only(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    with pytest.raises(PurposeDeniedError):
        session_of(clinic, roles=("privacy",)).exports.run(user_id=USER, to=tmp_path / "copy")
    assert logged(clinic) == [("denied", 0)]


def test_revealing_is_a_decision_of_its_own(
    clinic: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pack may let a role export and see no value."""
    live(clinic)
    original = Policy.decide

    def decide(self: Policy, request: Request) -> Decision:
        if request.action == REVEAL:
            return Decision(False, "no-values", "a rule forbids it", self.digest)
        return original(self, request)

    monkeypatch.setattr(Policy, "decide", decide)
    exports = privacy(clinic).exports
    for call in (
        lambda: exports.run(user_id=USER, to=tmp_path / "copy", reveal="request 7"),
        lambda: exports.preview(user_id=USER, reveal="request 7"),
    ):
        with pytest.raises(DeniedError, match="no-values"):
            call()
    assert logged(clinic, REVEAL) == [("denied", 0)] * 2
    assert not list(tmp_path.glob("copy*"))
    exports.run(user_id=USER, to=tmp_path / "copy", format="folder")
    assert EMAIL not in Read(tmp_path / "copy").everything()


def test_a_reason_is_a_reason(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    for reveal, code in ((True, "text.type"), ("", "text.empty"), ("x" * 1_025, "text.length")):
        with pytest.raises(InvalidInputError) as caught:
            privacy(clinic).exports.run(user_id=USER, to=tmp_path / "copy", reveal=reveal)  # type: ignore[arg-type]
        assert caught.value.code == code


def test_unknown_absent_and_foreign_users_are_one_answer_and_one_entry(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    session_of(clinic, "bank").add("Likes tea", user_id="only-at-the-bank")
    session_of(clinic).search("tea", user_id="asked-about")
    found = []
    for number, user in enumerate(("nobody", "only-at-the-bank", "asked-about")):
        for call in (
            lambda user=user, number=number: privacy(clinic).exports.run(
                user_id=user, to=tmp_path / f"copy-{number}"
            ),
            lambda user=user: privacy(clinic).exports.preview(user_id=user),
        ):
            with pytest.raises(NotFoundError) as caught:
                call()
            found.append((caught.value.code, caught.value.message))
    assert set(found) == {("subject.unknown", "nothing is held about such a user")}
    assert logged(clinic) == [("not_found", 0)] * 6
    assert not list(tmp_path.glob("copy*"))


def test_a_bound_session_exports_its_own_user_and_nobody_else(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    session_of(clinic).add("Bob's own", user_id="bob")
    bound = privacy(clinic, user_id="bob").exports
    with pytest.raises(InvalidInputError):
        bound.run(user_id=USER, to=tmp_path / "copy")
    assert bound.run(to=tmp_path / "copy.zip").counts["memories"] == 2
    assert Read(tmp_path / "copy.zip").summary["subject"] == {
        "user_id": "bob",
        "ids": [{"kind": "user", "id": "bob"}],
    }
    with pytest.raises(InvalidInputError):
        privacy(clinic).exports.run(to=tmp_path / "other.zip")


def test_every_window_is_logged_with_its_ids_and_what_it_shows_by_class(
    clinic: Vault, tmp_path: Path
) -> None:
    session_of(clinic).add_many(
        [{"content": f"Entry {n}, write to a{n % 3}@example.org", "user_id": USER} for n in range(230)]
    )
    made = privacy(clinic).exports.run(user_id=USER, to=tmp_path / "copy.zip", reveal="request 7")
    seen = [entry for entry in auditor(clinic).audit_show(user_id=USER) if entry.purpose == "rights-request"]
    shown = [(entry.action, entry.count, len(entry.memory_ids)) for entry in seen]
    windows = [("subject.export", n, n) for n in (100, 100, 30)]
    reveals = [("memory.reveal", n, n) for n in (100, 100, 30)]
    paired = [entry for pair in zip(windows, reveals, strict=True) for entry in pair]
    assert shown == [
        ("subject.export", 0, 0), *paired, ("memory.reveal", 3, 0), ("subject.export", 230, 0)
    ]  # fmt: skip
    assert {entry.reason for entry in seen} == {"request 7"}
    assert {entry.actor for entry in seen} == {"kim"}
    ids = {one for entry in seen for one in entry.memory_ids}
    assert ids == {memory.id for memory in session_of(clinic).list(user_id=USER, limit=1000).memories}
    begun, handed_out = (detail for detail in _details(clinic) if "stage" in detail)
    assert (begun["stage"], handed_out["stage"]) == ("begun", "handed out")
    assert handed_out["digest"] == made.digest
    assert handed_out["classes"] == {"EMAIL_ADDRESS": 230}
    operator(clinic).audit_verify()


def _details(vault: Vault) -> list[dict[str, Any]]:
    stages = stages_of(vault)
    tenant = stages.keystore.tenant("clinic")
    assert tenant is not None
    subject = stages.keystore.subject(tenant, "user", USER)
    with stages.stores.use(tenant) as store:
        found = (store.log.open_detail(row, subject) for row in store.records.log() if row.s is not None)
        return [detail for detail in found if detail is not None]


@pytest.mark.parametrize("before", [1, 2, 3, 4, 5])
def test_what_cannot_be_logged_is_not_written(
    clinic: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    """The log fails at its n-th entry: the begin, the memories, the values, the tokens, the end."""
    live(clinic)
    _failing_at(monkeypatch, before)
    place = tmp_path / "copy"
    with pytest.raises(AuditWriteError):
        privacy(clinic).exports.run(user_id=USER, to=place, reveal="request 7", format="folder")
    assert not place.exists()
    files = tmp_path / "copy.partial" / "files"
    written = (
        {path.name: path.read_text(encoding="utf-8") for path in files.iterdir()} if files.exists() else {}
    )
    shown = "".join(written.values())
    assert ("Likes tea" in shown) == (before > 3), written.keys()
    assert (EMAIL in shown) == (before > 3)


def _failing_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    count = 0
    original: Callable[..., None] = Call.log_read

    def log_read(self: Call, *arguments: Any) -> None:
        nonlocal count
        count += 1
        if count == number:
            raise AuditWriteError("audit.unwritable", "the log entry could not be written")
        original(self, *arguments)

    monkeypatch.setattr(Call, "log_read", log_read)


def test_no_window_keeps_a_reader_the_lease_or_a_lock(clinic: Vault, tmp_path: Path) -> None:
    """While an export is under way another session writes, the WAL is emptied, and keys are rotated."""
    session_of(clinic).add_many([{"content": f"Entry {n}", "user_id": USER} for n in range(250)])
    stages = stages_of(clinic)
    emptied: list[bool] = []

    def meanwhile(done: int, total: int) -> None:
        assert 0 < done <= total
        if done == 100:
            session_of(clinic).add("Something of Bob's", user_id="bob")
            tenant = stages.keystore.tenant("clinic")
            assert tenant is not None
            with stages.stores.use(tenant) as store:
                emptied.append(store.records.purge_free_space())
            for level in ("subject", "root", "tenant"):
                operator(clinic).keys_rotate(level)

    made = privacy(clinic).exports.run(user_id=USER, to=tmp_path / "copy.zip", progress=meanwhile)
    assert emptied == [True]
    assert made.counts["memories"] == 250


def test_data_that_changes_meanwhile_is_said_to_have_changed(clinic: Vault, tmp_path: Path) -> None:
    app = session_of(clinic)
    app.add_many([{"content": f"Entry {n}", "user_id": USER} for n in range(150)])
    ids = [memory.id for memory in app.list(user_id=USER, limit=1000).memories]

    def meanwhile(done: int, _total: int) -> None:
        if done == 100:
            app.update(ids[0], "changed behind its back")
            app.delete(ids[-1], reason="meanwhile")
            app.add("added meanwhile", user_id=USER)
            app.add("somebody else's", user_id="bob")

    made = privacy(clinic).exports.run(
        user_id=USER, to=tmp_path / "copy", format="folder", progress=meanwhile
    )
    read = Read(made.path)
    assert made.complete is read.summary["complete"] is False
    assert [(c["action"], c["count"]) for c in read.summary["changes"]] == [
        ("memory.update", 1),
        ("memory.delete", 1),
        ("memory.add", 1),
    ]
    texts = [line["text"] for line in read.memories]
    assert (texts[0], texts[-1], len(texts)) == ("Entry 0", None, 150)  # each as it was when it was read
    assert "While this copy was made, the data changed." in read.page
    assert "meanwhile" not in [line["text"] for line in read.memories]


def test_a_person_erased_meanwhile_is_nowhere(
    clinic: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys go: the next window finds nobody, and what was written is removed."""
    session_of(clinic).add_many([{"content": f"Entry {n}", "user_id": USER} for n in range(150)])
    keystore = stages_of(clinic).keystore
    original = keystore.subject
    gone = False

    def subject(tenant: Any, kind: str, value: str) -> Any:
        return None if gone else original(tenant, kind, value)

    def meanwhile(done: int, _total: int) -> None:
        nonlocal gone
        gone = done >= 100

    monkeypatch.setattr(keystore, "subject", subject)
    with pytest.raises(NotFoundError):
        privacy(clinic).exports.run(user_id=USER, to=tmp_path / "copy.zip", progress=meanwhile)
    assert not list(tmp_path.glob("copy*"))


def test_a_closed_vault_exports_nothing(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    exports = privacy(clinic).exports
    clinic.close()
    with pytest.raises(Exception, match="closed"):
        exports.run(user_id=USER, to=tmp_path / "copy.zip")


def test_the_parts_of_a_session_are_of_that_session(clinic: Vault) -> None:
    live(clinic)
    session: Session = privacy(clinic)
    assert repr(session.exports) == "<Exports>"
    assert session.exports.preview(user_id=USER).counts["memories"] == 2


def test_a_full_disk_is_said_and_can_be_resumed(
    clinic: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno
    import os

    live(clinic)
    original = os.write

    def full(descriptor: int, data: Any) -> int:
        if Path(f"/proc/self/fd/{descriptor}").readlink().name == "tokens.jsonl":
            raise OSError(errno.ENOSPC, "no space", "/somewhere")
        return original(descriptor, data)

    monkeypatch.setattr("vault.exporting.files.os.write", full)
    with pytest.raises(StorageError) as caught:
        privacy(clinic).exports.run(user_id=USER, to=tmp_path / "copy.zip")
    assert caught.value.code == "storage.full"
    assert "the disk is full; what is complete is kept" in caught.value.message
    monkeypatch.undo()
    assert (tmp_path / "copy.zip.partial" / "files" / "memories.jsonl").is_file()
    assert privacy(clinic).exports.run(user_id=USER, to=tmp_path / "copy.zip").complete
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.zip"]
