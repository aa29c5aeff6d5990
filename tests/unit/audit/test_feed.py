"""The export for collectors: entries as they are hashed, under checkpoints, once each, however often it is cut off."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.calls import stages_of

from vault import Principal, Vault
from vault.admin import Admin
from vault.audit import feed, verify
from vault.audit.merkle import Frontier
from vault.audit.verify import VerificationError
from vault.errors import (
    AuditChainError,
    DeniedError,
    InvalidInputError,
    RollbackError,
    StorageError,
    VaultError,
)
from vault.flows import feed as flow
from vault.locks import FileLock

BOT = Principal("clinic", "bot", ("app",))
AUDITOR = Principal("clinic", "aud", ("auditor",))


@pytest.fixture
def filled(clinic: Vault) -> Vault:
    session = clinic.session(BOT, purpose="service")
    for number in range(6):
        session.add(f"reach me at ana{number}@example.org", user_id=f"pat-{number % 2}")
        if number % 3 == 2:
            auditor(clinic).audit_checkpoint()
    return clinic


def auditor(vault: Vault) -> Admin:
    return vault.admin(AUDITOR, purpose="audit")


def stored(vault: Vault) -> list[bytes]:
    stages = stages_of(vault)
    with stages.stores.use(stages.tenant("clinic")) as store:
        return [row.entry for row in store.records.log()]


def entries(data: bytes) -> list[bytes]:
    return [line for line in data.splitlines() if b'"seq":' in line]


def verified(path: Path, vkeys: list[str], *since: bytes) -> int:
    keys = [verify.parse_vkey(key) for key in vkeys]
    known = [verify.open_checkpoint(note, keys) for note in since]
    return verify.verify_feed(path, keys, *known).size


def test_the_whole_log_is_written_as_it_is_hashed_and_verifies(filled: Vault, tmp_path: Path) -> None:
    path, seen = tmp_path / "log.jsonl", []
    facts = auditor(filled).audit_export(path, progress=lambda done, total: seen.append((done, total)))
    assert entries(path.read_bytes()) == stored(filled)
    assert facts["entries"] == facts["next"] == len(stored(filled))
    assert seen[-1] == (facts["entries"], facts["entries"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert verified(path, facts["vkeys"]) == facts["next"]
    notes = [json.loads(line)["checkpoint"] for line in path.read_bytes().splitlines() if b'{"check' in line]
    assert len(notes) == facts["checkpoints"] == 3
    for note in notes:
        assert verified(path, facts["vkeys"], note.encode()) == facts["next"]
    text = path.read_text(encoding="utf-8")
    assert not any(word in text for word in ("@", "example.org", '"pat-0"', '"bot"', '"aud"'))


def test_it_is_decided_and_logged_before_anything_leaves(filled: Vault, tmp_path: Path) -> None:
    with pytest.raises(DeniedError):
        filled.admin(BOT, purpose="service").audit_export(tmp_path / "log.jsonl")
    assert not (tmp_path / "log.jsonl").exists()
    out = io.BytesIO()
    auditor(filled).audit_export(out)
    last = json.loads(entries(out.getvalue())[-2])
    assert (last["act"], last["res"], last["n"]) == ("audit.export", "ok", len(stored(filled)) - 1)
    denied = [json.loads(entry) for entry in stored(filled) if b'"denied"' in entry]
    assert [entry["act"] for entry in denied] == ["audit.export"]


@pytest.mark.parametrize(
    ("role", "purpose"),
    [
        ("operator", "operations"),
        ("auditor", "security"),
        ("privacy", "rights-request"),
        ("staff", "service"),
    ],
)
def test_the_shipped_packs_permit_it_to_the_auditor_alone(
    filled: Vault, tmp_path: Path, role: str, purpose: str
) -> None:
    with pytest.raises(DeniedError):
        filled.admin(Principal("clinic", "x", (role,)), purpose=purpose).audit_export(tmp_path / "log.jsonl")
    assert not list(tmp_path.glob("log*"))


@pytest.mark.parametrize("form", ["jsonl", "ocsf"])
def test_wherever_a_file_was_cut_off_it_goes_on_and_has_every_entry_once(
    filled: Vault, tmp_path: Path, form: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow, "_PAGE", 4)
    whole = tmp_path / "whole"
    facts = auditor(filled).audit_export(whole, format=form)
    data = whole.read_bytes()
    ends = [at + 1 for at, byte in enumerate(data) if byte == 10]
    cuts = sorted({0, 1, 4, 60, *ends, *(end - 1 for end in ends), *(end + 7 for end in ends[:-1])})
    for cut in cuts:
        path = tmp_path / "cut"
        path.write_bytes(data[:cut])
        auditor(filled).audit_export(path, format=form, resume=True)
        found = path.read_bytes()
        assert found.startswith(data), cut
        if form == "jsonl":
            assert entries(found) == stored(filled), cut
            verified(path, facts["vkeys"])
        else:
            numbers = [json.loads(line)["metadata"]["sequence"] for line in found.splitlines()]
            assert numbers == list(range(len(stored(filled)))), cut
        path.unlink()


_KILLED = """
import os, signal, sys
from vault import Principal, Vault
from vault.audit import feed
from vault.flows import feed as flow
flow._PAGE = 3
write, left = feed.Target.write, [int(sys.argv[3])]
def cut(self, data):
    if len(data) >= left[0]:
        write(self, data[: left[0]])
        self.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= len(data)
    write(self, data)
feed.Target.write = cut
vault = Vault.open(sys.argv[1])
vault.admin(Principal("clinic", "aud", ("auditor",)), purpose="audit").audit_export(sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.parametrize("most", [40, 700, 2_500])
def test_an_export_that_was_killed_is_gone_on_with(filled: Vault, tmp_path: Path, most: int) -> None:
    path = tmp_path / "log.jsonl"
    filled.close()
    arguments = [sys.executable, "-c", _KILLED, str(tmp_path / "clinic"), str(path), str(most)]
    killed = subprocess.run(arguments, check=False, timeout=60, env=dict(os.environ))
    assert killed.returncode == -signal.SIGKILL
    assert path.stat().st_size == most
    with Vault.open(tmp_path / "clinic") as vault:
        facts = auditor(vault).audit_export(path, resume=True)
        assert entries(path.read_bytes()) == stored(vault)
        assert verified(path, facts["vkeys"]) == facts["next"]


def test_a_cursor_goes_on_in_the_next_file_and_the_parts_verify_alone_and_together(
    filled: Vault, tmp_path: Path
) -> None:
    cursor, parts = tmp_path / "cursor", [tmp_path / str(number) for number in range(3)]
    for part in parts:
        filled.session(BOT, purpose="service").list(user_id="pat-0")
        facts = auditor(filled).audit_export(part, cursor=cursor)
        assert verified(part, facts["vkeys"]) == facts["next"]
    together = tmp_path / "together"
    together.write_bytes(b"".join(part.read_bytes() for part in parts))
    assert entries(together.read_bytes()) == stored(filled)
    assert verified(together, facts["vkeys"]) == facts["next"]
    together.write_bytes(parts[0].read_bytes() + parts[2].read_bytes())
    with pytest.raises(VerificationError):
        verified(together, facts["vkeys"])
    assert json.loads(cursor.read_text())["next"] == facts["next"]
    assert stat.S_IMODE(cursor.stat().st_mode) == 0o600


def test_since_begins_at_a_time_and_the_part_verifies(filled: Vault, tmp_path: Path) -> None:
    path, later = tmp_path / "log.jsonl", tmp_path / "later"
    middle = datetime.fromisoformat(json.loads(stored(filled)[5])["t"])
    facts = auditor(filled).audit_export(path, since=middle)
    assert facts["from"] <= 5
    assert entries(path.read_bytes()) == stored(filled)[facts["from"] :]
    assert verified(path, facts["vkeys"]) == facts["next"]
    facts = auditor(filled).audit_export(later, since=datetime.now(UTC) + timedelta(days=1))
    assert facts["entries"] == 2  # of the export itself
    assert verified(later, facts["vkeys"]) == facts["next"]


def test_a_log_that_was_put_back_or_forked_is_noticed(filled: Vault, tmp_path: Path) -> None:
    path, cursor = tmp_path / "log.jsonl", tmp_path / "cursor"
    auditor(filled).audit_export(path)
    auditor(filled).audit_export(io.BytesIO(), cursor=cursor)
    lines = path.read_bytes().splitlines(keepends=True)
    head = json.loads(cursor.read_text())

    def refused(code: str, **given: Any) -> None:
        with pytest.raises(RollbackError) as caught:
            auditor(filled).audit_export(given.pop("to", path), **given)
        assert caught.value.code == code

    other = lines[-2].replace(b'"n":0', b'"n":1')
    assert other != lines[-2]
    path.write_bytes(b"".join([*lines[:-2], other]))
    refused("audit.forked", resume=True)
    ahead = lines[-2].replace(b'"seq":', b'"seq":9')
    path.write_bytes(b"".join([*lines[:-2], ahead]))
    refused("audit.rolled_back", resume=True)
    path.write_bytes(b"".join([*lines[:-1], lines[-1].replace("—".encode(), b"+")]))
    refused("audit.forked", resume=True)
    for change, code in (({"root": "A" * 43 + "="}, "audit.forked"), ({"next": 999}, "audit.rolled_back")):
        cursor.write_text(json.dumps({**head, **change}))
        refused(code, to=tmp_path / "new", cursor=cursor)
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"something else\n", "to.form"),
        (b"something else", "to.form"),
        (b"\n", "to.form"),
        (b"{}\n", "to.form"),
        (b"x" * 600_000, "to.form"),
        (b'{"memvault":"audit-export","format":1,"origin":"memvault/t/00","start":0,"edge":[]}\n', "to.log"),
        (b'{"checkpoint":"none"}\n', "to.form"),
    ],
)
def test_a_file_of_something_else_is_left_alone(
    filled: Vault, tmp_path: Path, content: bytes, code: str
) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    for resume, expected in ((True, code), (False, "to.exists")):
        with pytest.raises(InvalidInputError) as caught:
            auditor(filled).audit_export(path, resume=resume)
        assert caught.value.code == expected
        assert path.read_bytes() == content
    if code == "to.form":
        with pytest.raises(InvalidInputError):
            auditor(filled).audit_export(path, format="ocsf", resume=True)


def _vault_folder(place: Path) -> dict[str, Any]:
    return {"to": place / "clinic" / "log.jsonl"}


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (_vault_folder, "to.inside"),
        (lambda place: {"to": place / "nowhere" / "log.jsonl"}, "to.folder"),
        (lambda place: {"format": "csv"}, "format.value"),
        (lambda place: {"resume": True, "cursor": place / "cursor"}, "resume.cursor"),
        (lambda place: {"to": io.BytesIO(), "resume": True}, "resume.stream"),
        (lambda place: {"cursor": place / "clinic" / "memvault.toml"}, "cursor.form"),
        (lambda place: {"cursor": place / "empty"}, "cursor.form"),
        (lambda place: {"cursor": place / "bad"}, "cursor.form"),
        (lambda place: {"cursor": place / "other"}, "cursor.log"),
    ],
)
def test_what_cannot_be_is_refused(
    filled: Vault, tmp_path: Path, given: Callable[[Path], dict[str, Any]], code: str
) -> None:
    root = "A" * 43 + "="
    (tmp_path / "empty").write_bytes(b"{}")
    (tmp_path / "bad").write_text(
        '{"memvault":"audit-cursor","format":1,"origin":"x","next":0,"root":"AAAAA"}'
    )
    said = {"memvault": "audit-cursor", "format": 1, "origin": "memvault/t/00", "next": 0, "root": root}
    (tmp_path / "other").write_text(json.dumps(said))
    with pytest.raises(InvalidInputError) as caught:
        auditor(filled).audit_export(**{"to": tmp_path / "log.jsonl", **given(tmp_path)})
    assert caught.value.code == code
    assert not (tmp_path / "log.jsonl").exists()


def test_another_tenants_export_is_not_gone_on_with(filled: Vault, tmp_path: Path) -> None:
    path, cursor = tmp_path / "log.jsonl", tmp_path / "cursor"
    auditor(filled).audit_export(path)
    auditor(filled).audit_export(io.BytesIO(), cursor=cursor)
    before = path.read_bytes(), cursor.read_bytes()
    filled.session(Principal("bank", "bot", ("app",)), purpose="service").add("likes tea", user_id="pat-0")
    other = filled.admin(Principal("bank", "aud", ("auditor",)), purpose="audit")
    for to, given in ((tmp_path / "new", {"cursor": cursor}), (path, {"resume": True})):
        with pytest.raises((InvalidInputError, RollbackError)):
            other.audit_export(to, **given)  # type: ignore[arg-type]
    assert (path.read_bytes(), cursor.read_bytes()) == before
    assert not (tmp_path / "new").exists()
    out = io.BytesIO()
    other.audit_export(out)
    assert not set(entries(out.getvalue())) & set(stored(filled))


def test_a_file_has_one_writer(filled: Vault, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    auditor(filled).audit_export(path)
    lock = FileLock(path, 0.0)
    with lock.hold(), pytest.raises(StorageError) as caught:
        auditor(filled).audit_export(path, resume=True)
    lock.close()
    assert caught.value.code == "storage.locked"
    link = tmp_path / "link"
    link.symlink_to(path)
    with pytest.raises(InvalidInputError):
        auditor(filled).audit_export(link, resume=True)


def test_a_disk_that_fills_up_is_said_and_the_export_goes_on_later(
    filled: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.jsonl"
    monkeypatch.setattr(flow, "_PAGE", 3)
    pages = iter([None, None, OSError(errno.ENOSPC, "full")])

    def sync(_path: Path) -> None:
        if (error := next(pages)) is not None:
            raise error

    with monkeypatch.context() as context:
        context.setattr(feed, "sync_file", sync)
        with pytest.raises(StorageError) as caught:
            auditor(filled).audit_export(path)
    assert caught.value.code == "storage.full"
    assert caught.value.__cause__ is None
    facts = auditor(filled).audit_export(path, resume=True)
    assert entries(path.read_bytes()) == stored(filled)
    assert verified(path, facts["vkeys"]) == facts["next"]


def test_what_is_taken_while_it_is_opened_is_left_alone(
    filled: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.jsonl"
    hold = FileLock.hold

    def between(act: Callable[[], object], **given: Any) -> VaultError:
        """Something happens to the file just before, or just after, the export holds it."""

        def held(self: FileLock) -> Any:
            if self._path == path:
                act()
            return hold(self)

        with monkeypatch.context() as context:
            context.setattr(feed.FileLock, "hold", held)
            with pytest.raises(VaultError) as caught:
                auditor(filled).audit_export(path, **given)
        return caught.value

    assert between(lambda: path.write_bytes(b"somebody else's")).code == "to.exists"
    assert path.read_bytes() == b"somebody else's"

    def lost(*_arguments: object) -> Any:
        raise FileNotFoundError(errno.ENOENT, "gone")

    with monkeypatch.context() as context:
        context.setattr(feed, "FileIO", lost)
        with pytest.raises(StorageError) as caught:
            auditor(filled).audit_export(path, resume=True)
    assert caught.value.code == "storage.io"


def test_entries_that_are_not_those_of_a_checkpoint_are_not_handed_out(
    filled: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    for drop, code in ((lambda rows: rows[1:], "audit.gap"), (lambda rows: [], "audit.gap")):
        with monkeypatch.context() as context:
            context.setattr(flow, "islice", lambda rows, _most, drop=drop: drop(list(rows)))
            with pytest.raises(AuditChainError) as caught:
                auditor(filled).audit_export(io.BytesIO())
        assert caught.value.code == code
    stages = stages_of(filled)
    with stages.stores.use(stages.tenant("clinic")) as store:
        notes = [(size, note) for size, note, _ in store.records.checkpoints()]
        lines = feed.Feed("jsonl", store.log.origin, Frontier(), notes, store.log.vkeys(), "1.0")
    changed = [entry.replace(b'"n":', b'"n":1', 1) for entry in stored(filled)]
    with pytest.raises(AuditChainError) as caught:
        b"".join(line for entry in changed for line in lines.lines(entry))
    assert caught.value.code == "audit.root"


def test_a_folder_that_cannot_be_written_is_said(filled: Vault, tmp_path: Path) -> None:
    full = Path("/dev/full")
    with full.open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space"):
        auditor(filled).audit_export(stream)
    with pytest.raises(VaultError):
        auditor(filled).audit_export(tmp_path / "log.jsonl", cursor=tmp_path / "clinic-keys")


_DAMAGE: list[Callable[[list[bytes]], list[bytes]]] = [
    lambda lines: lines[:-1],
    lambda lines: lines[1:],
    lambda lines: [*lines[:3], *lines[4:]],
    lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]],
    lambda lines: [*lines[:3], lines[3].replace(b'"n":', b'"n":1'), *lines[4:]],
    lambda lines: [*lines[:3], b"[]\n", *lines[3:]],
    lambda lines: [*lines[:-1], lines[-1][:-1]],
    lambda lines: [lines[0].replace(b'"start":0', b'"start":1'), *lines[1:]],
    lambda lines: [lines[0].replace(b'"start":0', b'"start":-1'), *lines[1:]],
    lambda lines: [lines[0].replace(b'"edge":[]', b'"edge":7'), *lines[1:]],
    lambda lines: [lines[0].replace(b'"start":0,"edge":[]', b'"start":1,"edge":["AAAA"]'), *lines[1:]],
    lambda lines: [lines[0], lines[0].replace(b"memvault/t/", b"memvault/t/f"), *lines[1:]],
    lambda lines: [],
]


@pytest.mark.parametrize("number", range(len(_DAMAGE)))
def test_a_changed_export_does_not_verify(
    filled: Vault, tmp_path: Path, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "log.jsonl"
    facts = auditor(filled).audit_export(path)
    keys = tmp_path / "keys"
    keys.write_text("\n".join(facts["vkeys"]))
    assert verify.main(["log", str(path), "--vkey", str(keys)]) == 0
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = _DAMAGE[number](list(lines))
    assert damaged != lines
    path.write_bytes(b"".join(damaged))
    assert verify.main(["log", str(path), "--vkey", str(keys)]) == 5
    assert "does not verify: log:" in capsys.readouterr().err


def test_an_export_is_held_against_a_checkpoint_that_was_kept(filled: Vault, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    admin = auditor(filled)
    early = admin.audit_checkpoint().encode()
    facts = admin.audit_export(whole)
    assert verified(whole, facts["vkeys"], early) == facts["next"]
    admin.audit_export(part, since=datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(VerificationError, match="begins after"):
        verified(part, facts["vkeys"], early)
    late = admin.audit_checkpoint().encode()
    with pytest.raises(VerificationError, match="older"):
        verified(whole, facts["vkeys"], late)
