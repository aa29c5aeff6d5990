"""The verbs that make and run a vault."""

from __future__ import annotations

import os
import stat
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.commands import Run, added

from vault.flows.rotate import LEVELS


def test_init_says_where_the_key_is_and_then_two_commands_just_work(bare: Run, tmp_path: Path) -> None:
    made = bare("init", "./clinic")
    assert made.code == 0, made.err
    assert str(tmp_path / "data" / "memvault") in made.out
    assert "loses everything" in made.out
    assert "aid, not a certification" in made.out
    assert bare("--vault", "./clinic", "add", "--user", "pat-42", text="Allergic to penicillin\n").code == 0
    assert "penicillin" in bare("--vault", "./clinic", "search", "--user", "pat-42", "drugs to avoid?").out


def test_init_writes_its_answers_into_the_configuration(bare: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n", encoding="utf-8")
    secret.chmod(0o600)
    options = ("--key-folder", tmp_path / "k", "--passphrase", f"file:{secret}", "--keystore-backup", "none")
    made = bare("init", "--json", "./v", *options, "--explicit-tenants", "--tenant", "ward-7")
    assert made.code == 0, made.err
    assert (made.document["tenant"], made.document["keystore_backups"]) == ("ward-7", "none")
    text = Path("v/memvault.toml").read_text(encoding="utf-8")
    assert 'create = "explicit"' in text
    assert "correct horse" not in text
    assert bare("--vault", "v", "add", "--user", "u", "Prefers tea").code == 0
    assert bare("--vault", "v", "add", "--user", "u", "--tenant", "unknown", "Prefers tea").code == 9
    secret.write_text("wrong horse\n", encoding="utf-8")
    answer = bare("--vault", "v", "list", "--user", "u", "--json")
    assert (answer.code, answer.error["code"]) == (10, "keys.passphrase_wrong")


def test_init_makes_private_files_and_refuses_what_is_there(bare: Run, tmp_path: Path) -> None:
    assert bare("init", "./v", "--key-folder", tmp_path / "k").code == 0
    for path in (Path("v"), *Path("v").rglob("*"), tmp_path / "k", *(tmp_path / "k").rglob("*")):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    again = bare("init", "--json", "./v")
    assert (again.code, again.error["code"]) == (11, "vault.exists")
    inside = bare("init", "--json", "./w", "--key-folder", "./w/keys")
    assert (inside.code, inside.error["code"]) == (11, "keys.inside")
    plain = bare("init", "--json", "./x", "--passphrase", "my secret phrase")
    assert plain.code == 11
    assert "my secret phrase" not in plain.err


def test_tenants_are_listed_and_created_once(run: Run) -> None:
    assert run("tenant", "create", "ward-1").code == 0
    assert run("tenant", "create", "ward-1").code == 2
    assert "ward-1" in run("tenant", "list").out
    assert run("tenant", "create", "memvault:system").code == 2
    assert run("tenant", "create", "").code == 2


@pytest.mark.parametrize("level", LEVELS)
def test_every_level_of_keys_rotates_and_memories_stay_readable(run: Run, level: str) -> None:
    memory_id = added(run, f"rot-{level}", "Prefers tea; nurse@example.org")
    rotated = run("keys", "rotate", level, "--json")
    assert rotated.code == 0, rotated.err
    assert rotated.document["level"] == level
    assert "Prefers tea" in run("get", memory_id).out
    found = run("search", "--json", "--user", f"rot-{level}", "nurse@example.org").document["hits"]
    assert [hit["memory"]["id"] for hit in found] == [memory_id]
    assert run("audit", "verify").code == 0
    assert run("index", "verify").code == 0


def test_help_names_every_level(bare: Run) -> None:
    said = bare("keys", "rotate", "--help").out
    for level in LEVELS:
        assert f"{level}:" in said


def test_keys_are_backed_up_and_verified(run: Run) -> None:
    backup = run("keys", "backup", "--json").document
    assert Path(backup["folder"]).is_dir()
    verified = run("keys", "verify", "--json").document
    assert verified["backup"]["current"] is True
    assert verified["keystore"]["subjects"] == verified["backup"]["subjects"]
    status = run("keys", "status", "--json").document
    assert status["backup"] == backup["folder"]
    assert "provider" in run("keys", "status").out


def test_the_log_says_who_saw_a_person_and_denials_leave_a_trace(run: Run) -> None:
    memory_id = added(run, "log-1", "Prefers tea")
    added(run, "log-2", "Prefers milk")
    run("get", memory_id)
    run("reveal", memory_id, "--reason", "call back", "--role", "staff")
    assert run("reveal", memory_id, "--reason", "curious").code == 3
    mine = run("audit", "show", "--json", "--user-id", "log-1").document["entries"]
    assert [entry["action"] for entry in mine] == [
        "subject.create",
        "memory.add",
        "memory.get",
        "memory.reveal",
    ]
    assert {entry["about"] for entry in mine} == {"user:log-1"}
    assert mine[-1]["reason"] == "call back"
    everything = run("audit", "show", "--json", "--limit", "100000").document["entries"]
    assert any(entry["result"] == "denied" for entry in everything)
    assert run("audit", "show", "--json", "--user", "log-1").document["entries"] == mine
    assert (
        run("audit", "show", "--json", "--user-id", "log-1", "--since", "2099-01-01").document["entries"]
        == []
    )
    assert run("audit", "show", "--json", "--user-id", "never-seen").document["entries"] == []
    assert "memory.reveal" in run("audit", "show", "--user-id", "log-1", "--since", "1h").out


def test_a_checkpoint_is_a_signed_note_and_nothing_else(run: Run) -> None:
    note = run("audit", "checkpoint").out
    origin, size, _root, empty, signature = note.rstrip("\n").split("\n")
    assert origin.startswith("memvault/")
    assert int(size) > 0
    assert empty == ""
    assert signature.startswith("— ")
    assert run("audit", "checkpoint", "--json").document["checkpoint"].startswith(origin)


def test_verify_catches_a_changed_byte_with_exit_code_7(bare: Run, tmp_path: Path) -> None:
    assert bare("init", "./v", "--key-folder", tmp_path / "k").code == 0
    for number in range(5):
        added(lambda *a, **k: bare("--vault", "v", *a, **k), "u", f"fact number {number}")
    assert bare("--vault", "v", "audit", "verify").code == 0
    (tenant,) = bare("--vault", "v", "status", "--json").document["tenants"]
    records = Path("v/tenants") / tenant["folder"] / "records.db"
    data = bytearray(records.read_bytes())
    data[16 + 8192] ^= 1  # the second page: the root of a table that every store has
    records.write_bytes(data)
    answer = bare("--vault", "v", "audit", "verify", "--json")
    assert answer.code == 7
    assert answer.out == ""


def test_sweep_counts_first_and_deletes_when_told(run: Run) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=3)
    memory_id = added(run, "sweep-1", "Prefers tea", "--expires", soon.isoformat())
    added(run, "sweep-1", "Prefers milk")
    time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()) + 0.1)
    assert run("get", memory_id).code == 9
    assert run("index", "sweep", "--json").document == {"deleted": 0, "would_delete": 1}
    assert run("index", "sweep", "--json", "--execute").document == {"deleted": 1}
    assert run("index", "sweep", "--json").document == {"deleted": 0, "would_delete": 0}
    last = run("history", "--json", memory_id).document["revisions"][-1]
    assert (last["event"], last["text"]) == ("EXPIRE", None)


def test_the_index_is_described_verified_and_made_anew(run: Run) -> None:
    added(run, "idx-1", "Prefers tea")
    status = run("index", "status", "--json").document
    assert status["memories"] >= 1
    assert run("index", "rebuild", "--json").document["rebuilt"] == status["memories"]
    verified = run("index", "verify", "--json").document
    assert (verified["checked"], verified["stale"]) == (status["memories"], 0)


def test_rescan_counts_first(run: Run) -> None:
    seen = run("rescan", "--json").document
    assert seen == {"examined": seen["examined"], "would_redact": 0, "held": 0, "found": {}}
    assert seen["examined"] > 0
    done = run("rescan", "--json", "--execute").document
    assert done == {"examined": seen["examined"], "redacted": 0, "held": 0, "found": {}}
    assert run("rescan", "--execute", "--dry-run").code == 2


def test_what_shows_nothing_of_a_tenant_that_is_not_there(run: Run) -> None:
    for verb in (
        ("audit", "verify"),
        ("audit", "show"),
        ("index", "verify"),
        ("keys", "status"),
        ("index", "sweep"),
        ("retention", "plan"),
        ("retention", "run", "--execute"),
        ("rescan",),
        ("reembed",),
    ):
        answer = run(*verb, "--tenant", "nowhere", "--json")
        assert (answer.code, answer.error["code"]) == (9, "tenant.unknown"), verb


def test_a_read_only_home_of_keys_is_reported_not_traced(bare: Run, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    answer = bare("init", "./v", "--key-folder", blocked / "keys")
    assert answer.code in {10, 11}
    assert "Traceback" not in answer.err
    assert not os.path.lexists("v/memvault.toml")
