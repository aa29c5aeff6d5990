"""`status` and `doctor`: what they report is what is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.commands import Answer, Run, added

from vault.cli.surroundings import file_system
from vault.flows import inspect
from vault.session import Vault
from vault.storage import Database
from vault.types import Principal


def levels(answer: Answer, area: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"ok": [], "warn": [], "fail": []}
    for check in answer.document["checks"]:
        if check["area"] == area:
            found[check["level"]].append(check["text"])
    return found


def test_status_counts_tenants_and_memories(run: Run) -> None:
    added(run, "st-1", "Prefers tea")
    added(run, "st-1", "Prefers milk")
    added(run, "st-1", "Prefers milk", "--tenant", "ward-2")
    status = run("status", "--json").document
    assert {t["name"]: t["memories"] for t in status["tenants"]} == {"default": 2, "ward-2": 1}
    assert (status["epoch"], status["pack"]["name"], status["tenant_count"]) == (1, "baseline", 2)
    assert all(group["bytes"] > 0 for group in status["files"].values())
    shown = run("status", "--most", "1").out
    assert "default" in shown
    assert "of 2 tenants" in shown


def test_doctor_finds_nothing_broken_and_says_what_is_not_protected(run: Run) -> None:
    answer = run("doctor", "--json")
    assert answer.code == 0, answer.out
    assert answer.document["counts"]["fail"] == 0
    areas = {check["area"] for check in answer.document["checks"]}
    assert areas >= {"platform", "memory", "files", "storage", "crypto", "keys", "detection", "policy", "egress", "log",
                     "clock"}  # fmt: skip
    storage = levels(answer, "storage")["ok"]
    assert all("secure_delete 1" in text and "synchronous 2" in text for text in storage)
    assert len(storage) == 2
    assert all("not a validated FIPS module" in text for text in levels(answer, "crypto")["warn"])
    found = levels(answer, "detection")["ok"]
    assert any("found in a test just now" in text and "name in a sentence" in text for text in found)
    assert any("aid, not a certification" in text for text in levels(answer, "policy")["warn"])
    text = run("doctor").out
    assert "broken" in text.splitlines()[-1]


def test_doctor_reads_settings_back_from_where_they_are_in_force(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Database.one

    def weaker(self: Database, sql: str, *rest: object) -> object:
        return (0,) if sql == "PRAGMA secure_delete" else whole(self, sql, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Database, "one", weaker)
    answer = run("doctor", "--json")
    assert answer.code == 5
    assert any("secure_delete is 0" in text for text in levels(answer, "storage")["fail"])


@pytest.fixture
def spare(bare: Run, tmp_path: Path) -> Run:
    """A vault that may be damaged."""
    assert bare("init", "./v", "--key-folder", tmp_path / "keys").code == 0

    def on_spare(*arguments: object, **options: str) -> Answer:
        return bare("--vault", "v", *arguments, **options)

    return on_spare


def test_doctor_fails_on_files_that_others_can_read(spare: Run, tmp_path: Path) -> None:
    Path("v/memvault.toml").chmod(0o644)
    answer = spare("doctor", "--json")
    assert answer.code == 5
    assert any("1 of" in text for text in levels(answer, "files")["fail"])
    Path("v/memvault.toml").chmod(0o600)
    (tmp_path / "keys").chmod(0o755)
    assert any("key folder" in text for text in levels(spare("doctor", "--json"), "files")["fail"])


def test_doctor_of_a_vault_that_does_not_open_still_reports(spare: Run, tmp_path: Path) -> None:
    (tmp_path / "keys" / "epoch-1.key").rename(tmp_path / "elsewhere")
    answer = spare("doctor", "--json")
    assert answer.code == 10
    assert any("keys.epoch_missing" in text for text in levels(answer, "vault")["fail"])
    assert levels(answer, "platform")["ok"]
    assert spare("status", "--json").error["code"] == "keys.epoch_missing"


def test_doctor_without_a_vault_says_so(bare: Run) -> None:
    answer = bare("doctor", "--json")
    assert answer.code == 11
    assert any("config.missing" in text for text in levels(answer, "vault")["fail"])


def test_doctor_warns_of_a_missing_an_old_and_no_wanted_backup(spare: Run, tmp_path: Path) -> None:
    (backup,) = (tmp_path / "keys" / "keystore-backups").iterdir()
    os.utime(backup, (1_700_000_000, 1_700_000_000))
    assert any("days old" in text for text in levels(spare("doctor", "--json"), "keys")["warn"])
    backup.rename(tmp_path / "elsewhere")
    assert any("no keystore backup yet" in text for text in levels(spare("doctor", "--json"), "keys")["warn"])
    configuration = Path("v/memvault.toml")
    text = configuration.read_text(encoding="utf-8")
    configuration.write_text(text.replace(f'"{tmp_path}/keys/keystore-backups"', '"none"'), encoding="utf-8")
    assert any(
        "no keystore backup is wanted" in text for text in levels(spare("doctor", "--json"), "keys")["warn"]
    )


def test_doctor_sees_a_clock_behind_the_log(clinic: Vault) -> None:
    from datetime import UTC, datetime, timedelta

    clinic.session(Principal("clinic", "bot", ("app",)), purpose="service").add("Prefers tea", user_id="u")
    stages = clinic._opened()
    operator = clinic.admin(Principal("clinic", "op", ("operator",)))
    assert {c.level for c in operator.doctor() if c.area == "clock"} == {"ok"}
    stages.now = lambda: datetime.now(UTC) - timedelta(hours=3)
    (clock,) = [check for check in operator.doctor() if check.area == "clock"]
    assert clock.level == "fail"
    assert "2 hours" in clock.text


def test_doctor_of_a_vault_without_tenants_looks_at_its_own_log(clinic: Vault) -> None:
    checks = clinic.admin(Principal("nobody", "op", ("operator",))).doctor()
    assert any("no such tenant" in check.text for check in checks)
    assert {check.level for check in checks if check.area == "storage"} == {"ok"}


def test_exposed_files_are_counted_without_opening_anything(tmp_path: Path) -> None:
    vault, keys = tmp_path / "v", tmp_path / "k"
    for place in (vault, keys):
        place.mkdir(mode=0o700)
        (place / "file").touch(mode=0o600)
    assert [check.level for check in inspect.files(vault, keys)] == ["ok", "ok", "warn"]
    (vault / "file").chmod(0o640)
    assert [check.level for check in inspect.files(vault, keys)] == ["fail", "ok", "warn"]
    assert [check.level for check in inspect.files(vault, tmp_path / "gone")][-1] == "fail"


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/data/vault", "nfs4"),
        ("/srv/database", "ext4"),
        ("/srv/my disk/v", "cifs"),
        ("/home/u/v", "ext4"),
    ],
)
def test_the_file_system_is_the_one_of_the_nearest_mount(folder: str, kind: str) -> None:
    mounts = (
        "/dev/a / ext4 rw 0 0\nhost:/x /srv/data nfs4 rw 0 0\n//h/s /srv/my\\040disk cifs rw 0 0\nshort\n"
    )
    assert file_system(Path(folder), mounts) == kind


def test_without_a_list_of_mounts_the_kind_is_unknown() -> None:
    assert file_system(Path("/anywhere"), "") is None
