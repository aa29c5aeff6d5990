"""The operator's page: each symptom is brought about, and must show the code and exit code that its section names."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from vault import Principal, Session, Vault, VaultError

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
BOT = Principal(tenant="clinic", id="intake-bot", roles=("app",))
OPERATOR = Principal(tenant="clinic", id="op", roles=("operator",))


class Place:
    """A vault's folder and its keys, with two people in it; every call opens and closes the vault."""

    def __init__(self, base: Path, **options: str) -> None:
        self.folder, self.keys, self.backups = base / "vault", base / "keys", base / "backups"
        with Vault.init(self.folder, key_folder=self.keys, keystore_backup=self.backups, **options) as vault:
            session = vault.session(BOT, purpose="service")
            for user in ("ana", "ben"):
                session.add("The pool opens on Mondays", user_id=user)

    def use(self, act: Callable[[Session], object] = lambda session: session.list(user_id="ana")) -> object:
        with Vault.open(self.folder) as vault:
            return act(vault.session(BOT, purpose="service"))

    def configure(self, old: str, new: str) -> None:
        path = self.folder / "memvault.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")

    def keystore_backup(self) -> Path:
        with Vault.open(self.folder) as vault:
            return Path(vault.admin(OPERATOR).keys_backup()["folder"])

    def restore_keystore(self, copy: Path) -> None:
        shutil.rmtree(self.folder / "keystore")
        shutil.copytree(copy, self.folder / "keystore")
        (self.folder / "keystore").chmod(0o700)

    def records(self) -> list[Path]:
        return sorted((self.folder / "tenants").glob("*/records.db"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def section(heading: str) -> str:
    return PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0].split("\n# ")[0]


def documented(heading: str, error: VaultError) -> None:
    text = section(heading)
    assert f"[{error.code}]" in text
    assert int(re.findall(r"exit (\d+)", text.partition("**Meaning**")[0])[-1]) == error.exit_code


def test_another_process_holds_the_vault(place: Place) -> None:
    place.configure("lock_timeout_s = 10.0", "lock_timeout_s = 0.2")
    with Vault.open(place.folder) as vault, (place.folder / "vault.lock").open("r+b") as lock:
        session = vault.session(BOT, purpose="service")
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(VaultError) as caught:
            session.add("Cy runs", user_id="cy")
        fcntl.flock(lock, fcntl.LOCK_UN)
        documented("Locked", caught.value)
        assert session.list(user_id="cy").memories == ()


@pytest.mark.parametrize("given", ["wrong", None])
def test_wrong_or_missing_passphrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    monkeypatch.setenv("CLINIC_PASSPHRASE", "a long and good one")
    place = Place(tmp_path, passphrase="env:CLINIC_PASSPHRASE")
    monkeypatch.delenv("CLINIC_PASSPHRASE")
    if given is not None:
        monkeypatch.setenv("CLINIC_PASSPHRASE", given)
    with pytest.raises(VaultError) as caught:
        place.use()
    assert f"[{caught.value.code}]" in section("Wrong passphrase")
    assert caught.value.code == ("keys.passphrase_wrong" if given else "keys.passphrase_missing")


def test_every_code_of_the_pkcs11_provider_is_in_the_table() -> None:
    codes: set[str] = set()
    for name in ("pkcs11.py", "pkcs11_device.py", "bounded.py"):
        source = (Path(__file__).resolve().parents[2] / "vault" / "keys" / name).read_text(encoding="utf-8")
        codes |= set(re.findall(r'"(keys\.[a-z_]+)"', source))
    assert len(codes) >= 15
    text = section("The HSM refuses or does not answer")
    table = {
        code
        for line in text.splitlines()
        if line.startswith("| `")
        for code in re.findall(r"`(keys\.[a-z_]+)`", line)
    }
    assert codes | {"keys.pin_missing", "keys.pin_permissions"} == table
    for code in codes - {"keys.epoch_ambiguous", "keys.epoch_raced", "keys.mark_damaged"}:
        assert f"[{code}]" in text or code in ("keys.token_unsuitable", "keys.destroy_failed")


def test_missing_key_file(place: Place) -> None:
    place.keys.rename(place.keys.with_name("elsewhere"))
    with pytest.raises(VaultError) as caught:
        place.use()
    documented("Missing key file", caught.value)
    place.keys.with_name("elsewhere").rename(place.keys)
    assert place.use()


@pytest.mark.parametrize("lost", ["keystore-1.db", "keystore-1.key"])
def test_missing_keystore(place: Place, lost: str) -> None:
    (place.folder / "keystore" / lost).unlink()
    with pytest.raises(VaultError) as caught:
        place.use()
    documented("Missing keystore", caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("cache_mb", "cash_mb"),
        ("[limits]", "[limits"),
        ("cache_mb = 256", "cache_mb = 0"),
        ("baseline", "missing-pack"),
    ],
)
def test_wrong_configuration(place: Place, old: str, new: str) -> None:
    place.configure(old, new)
    with pytest.raises(VaultError) as caught:
        place.use()
    documented("Wrong or missing configuration", caught.value)


def test_changed_bytes(place: Place) -> None:
    for records in place.records():
        data = bytearray(records.read_bytes())
        data[len(data) // 2] ^= 1
        data[100] ^= 1
        records.write_bytes(data)
    with pytest.raises(VaultError) as caught:
        place.use()
    documented("Integrity error", caught.value)


def test_files_of_another_time_are_refused_and_a_restore_mends_it(place: Place, tmp_path: Path) -> None:
    """Data, keystore and log archive put back by hand, one of them from before; then with the command."""
    copy = place.keystore_backup()
    older = tmp_path / "older"
    shutil.copytree(place.folder, older)
    with Vault.open(place.folder) as vault:
        backup = vault.admin(OPERATOR).backup_create("data", to=tmp_path / "data")["folder"]
    place.use(lambda session: session.add("Cy runs", user_id="cy"))
    newer = tmp_path / "newer"
    shutil.copytree(place.folder, newer)
    for parts, code in (
        (("keystore",), "keystore.older"),
        (("tenants",), "audit.rolled_back"),
        (("keystore", "tenants"), "archive.ahead"),
    ):
        shutil.rmtree(place.folder)
        shutil.copytree(newer, place.folder)
        for part in parts:
            if part == "keystore":
                place.restore_keystore(copy)
            else:
                shutil.rmtree(place.folder / part)
                shutil.copytree(older / part, place.folder / part)
        with pytest.raises(VaultError) as caught:
            place.use()
        documented("Rollback", caught.value)
        assert caught.value.code == code
    shutil.rmtree(place.folder / "keystore")
    shutil.copytree(newer / "keystore", place.folder / "keystore")
    Vault.restore(place.folder, backup, OPERATOR, kind="data", execute=True)
    assert [memory.text for memory in place.use().memories] == ["The pool opens on Mondays"]  # type: ignore[attr-defined]
    with Vault.open(place.folder) as vault:
        assert vault.admin(OPERATOR).audit_verify()["records"] == 2


def test_an_unfinished_restore(place: Place) -> None:
    (place.folder / "memvault.restoring").write_text('{"kind": "data", "backup": "data-1", "done": []}')
    with pytest.raises(VaultError) as caught:
        place.use()
    text = section("Unfinished restore")
    assert f"[{caught.value.code}]" in text
    assert f"exit {caught.value.exit_code};" in text


def test_missing_records_file(place: Place) -> None:
    for records in place.records():
        records.unlink()
    with pytest.raises(VaultError) as caught:
        place.use()
    documented("Rollback", caught.value)


def test_a_vault_from_before_a_fork(place: Place) -> None:
    script = """
import os, sys
from vault import Principal, Vault, VaultError
vault = Vault.open(sys.argv[1])
session = vault.session(Principal("clinic", "intake-bot", ("app",)), purpose="service")
session.list(user_id="ana")
child = os.fork()
if child == 0:
    try:
        session.list(user_id="ana")
    except VaultError as error:
        print(error.code, error.exit_code, flush=True)
    os._exit(0)
os.waitpid(child, 0)
vault.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(place.folder)],
        env=dict(os.environ), capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    code, exit_code = done.stdout.split()
    assert f"[{code}]" in section("After a fork")
    assert f"exit {exit_code}" in section("After a fork")
