"""A whole vault whose root key is in a token: made, used, rotated at every level, opened again, and refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support.children import CLI
from support.commands import Answer, run_command
from support.hsm import Hsm

from vault import Principal, Vault
from vault.compose import default_config
from vault.config import VaultConfig, render
from vault.errors import ConfigError, KeyProviderError, VaultError
from vault.flows.rotate import LEVELS

pytest_plugins = ("support.hsm_fixtures",)

APP = Principal("clinic", "intake-bot", ("app",))
OPERATOR = Principal("clinic", "op", ("operator",))


class Clinic:
    """A vault on a token, its PIN in the environment."""

    def __init__(self, hsm: Hsm, base: Path) -> None:
        self.hsm, self.base, self.folder = hsm, base, base / "clinic"
        self.made = run_command(
            "init",
            self.folder,
            "--json",
            "--tenant",
            "clinic",
            "--keystore-backup",
            base / "backups",
            *self.options(),
        )

    def options(self) -> tuple[object, ...]:
        token = ("--pkcs11-token", self.hsm.label, "--pkcs11-pin", "env:CLINIC_PIN")
        return ("--pkcs11-module", self.hsm.module, *token)

    def run(self, *arguments: object, text: str = "") -> Answer:
        return run_command("--vault", self.folder, *arguments, text=text)

    def elsewhere(self, *arguments: object) -> Any:
        """The same command in a process of its own."""
        done = subprocess.run(
            [*CLI, "--vault", str(self.folder), *map(str, arguments), "--json"],
            env={**os.environ, "SOFTHSM2_CONF": self.hsm.environment["SOFTHSM2_CONF"]},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def texts(self) -> list[str]:
        answer = self.run("list", "--user", "pat-42", "--json")
        assert answer.code == 0, answer.err
        return [memory["text"] for memory in answer.document["memories"]]


@pytest.fixture
def clinic(hsm: Hsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    monkeypatch.setenv("CLINIC_PIN", hsm.pin)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    made = Clinic(hsm, tmp_path)
    assert made.made.code == 0, made.made.err
    return made


def test_a_vault_on_a_token_from_its_making_to_its_reopening(clinic: Clinic) -> None:
    facts = clinic.made.document
    assert facts["key_token"] == "clinic"
    assert "key_folder" not in facts
    assert clinic.run("add", "--user", "pat-42", text="Allergic to penicillin; ana@example.org\n").code == 0
    found = clinic.run("search", "--user", "pat-42", "which drugs to avoid?", "--json").document
    assert "penicillin" in found["hits"][0]["memory"]["text"]
    before = clinic.texts()
    for level in LEVELS:
        rotated = clinic.run("keys", "rotate", level, "--json")
        assert rotated.code == 0, rotated.err
        assert clinic.texts() == before, level
    found = clinic.elsewhere("search", "--user", "pat-42", "which drugs to avoid?")
    assert "penicillin" in found["hits"][0]["memory"]["text"]
    clinic.elsewhere("add", "--user", "pat-42", "Prefers tea")
    assert len(clinic.texts()) == 2
    assert clinic.run("audit", "verify").code == 0
    verified = clinic.run("keys", "verify", "--json").document
    assert (verified["backup"]["epoch"], verified["backup"]["current"]) == (2, True)


def test_what_status_and_doctor_say(clinic: Clinic) -> None:
    facts = clinic.run("keys", "status", "--json").document
    assert facts["provider"] == "PKCS#11 token clinic"
    assert facts["key_label"].startswith("memvault/")
    assert "backup of the token" in facts["destruction"]
    answer = clinic.run("doctor", "--json")
    assert answer.code == 0, answer.out
    said = {(check["area"], check["level"]): check["text"] for check in answer.document["checks"]}
    assert "module is its vendor's code" in said["egress", "warn"]
    assert not any("key folder" in check["text"] for check in answer.document["checks"])
    assert "PKCS#11 token clinic" in clinic.run("status").out
    told = clinic.run("init", clinic.base / "again", *clinic.options())
    assert "Whoever loses the token or its PIN loses everything" in told.out


def test_rotating_the_root_destroys_the_key_in_the_token(clinic: Clinic) -> None:
    clinic.run("add", "--user", "pat-42", text="Prefers tea\n")
    old = clinic.base / "old-keystore"
    shutil.copytree(clinic.folder / "keystore", old)
    rotated = clinic.run("keys", "rotate", "root", "--json").document
    text = json.dumps(rotated)
    assert "destroyed" in text
    assert "asserted" not in text
    config = VaultConfig.load(clinic.folder)
    assert config.keys.pkcs11 is not None
    label = f"memvault/{config.keys.pkcs11.vault_id}/"
    assert clinic.hsm.elsewhere(LABELS) == f"{label}2"
    shutil.rmtree(clinic.folder / "keystore")
    shutil.copytree(old, clinic.folder / "keystore")
    answer = clinic.run("list", "--user", "pat-42", "--json")
    assert (answer.code, answer.error["code"]) == (10, "keys.epoch_missing")


LABELS = """
import pkcs11
p.live_epochs()
session = pkcs11.lib(str(p._device._module.path)).get_token(token_label="clinic").open()
kind = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.SECRET_KEY}
print(*sorted(key[pkcs11.Attribute.LABEL] for key in session.get_objects(kind)))
"""


def test_an_open_vault_follows_a_rotation_in_another_process(clinic: Clinic) -> None:
    with Vault.open(clinic.folder) as vault:
        session = vault.session(APP, purpose="service")
        session.add("Prefers tea", user_id="pat-42")
        clinic.elsewhere("keys", "rotate", "root")
        assert [memory.text for memory in session.list(user_id="pat-42").memories] == ["Prefers tea"]
        session.add("Prefers the window seat", user_id="pat-42")
        assert vault.admin(OPERATOR).keys_status()["epoch"] == 2
    assert len(clinic.elsewhere("list", "--user", "pat-42")["memories"]) == 2


def test_two_vaults_on_one_token_in_one_process(clinic: Clinic) -> None:
    second = clinic.base / "second"
    given = {"pkcs11_module": clinic.hsm.module, "pkcs11_token": "clinic", "pkcs11_pin": "env:CLINIC_PIN"}
    with (
        Vault.init(second, keystore_backup="none", **given) as other,  # type: ignore[arg-type]
        Vault.open(clinic.folder) as vault,
    ):
        for opened, text in ((vault, "Prefers tea"), (other, "Prefers rum")):
            opened.session(APP, purpose="service").add(text, user_id="pat-42")
        other.admin(OPERATOR).keys_rotate("root")
        other.close()
        session = vault.session(APP, purpose="service")
        assert [memory.text for memory in session.list(user_id="pat-42").memories] == ["Prefers tea"]
        vault.admin(OPERATOR).keys_rotate("root")


def test_the_pin_is_nowhere(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    clinic.run("add", "--user", "pat-42", text="Prefers tea\n")
    said = [clinic.made.out, clinic.made.err]
    for command in (
        ("status",),
        ("keys", "status"),
        ("doctor",),
        ("keys", "rotate", "root"),
        ("audit", "show"),
    ):
        answer = clinic.run(*command)
        said += [answer.out, answer.err]
    wrong = "pin-" + "000000000000"
    monkeypatch.setenv("CLINIC_PIN", wrong)
    answer = clinic.run("list", "--user", "pat-42", "--json")
    assert (answer.code, answer.error["code"]) == (10, "keys.pin")
    said += [answer.out, answer.err]
    for secret in (clinic.hsm.pin, wrong):
        assert not any(secret in text for text in said)
        for path in [*clinic.folder.rglob("*"), *(clinic.base / "backups").rglob("*")]:
            assert path.is_dir() or secret.encode() not in path.read_bytes(), path


def test_a_pin_in_a_file(clinic: Clinic) -> None:
    pin = clinic.base / "pin"
    pin.write_text(clinic.hsm.pin + "\n")
    pin.chmod(0o600)
    config = clinic.folder / "memvault.toml"
    config.write_text(config.read_text().replace("env:CLINIC_PIN", "file:../pin"))
    assert clinic.texts() == []
    pin.chmod(0o644)
    refused(clinic, ConfigError, "keys.pin_permissions")
    pin.unlink()
    refused(clinic, ConfigError, "keys.pin_missing")


def test_no_pin_no_token_no_module(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    config = clinic.folder / "memvault.toml"
    text = config.read_text()
    monkeypatch.delenv("CLINIC_PIN")
    refused(clinic, ConfigError, "keys.pin_missing")
    monkeypatch.setenv("CLINIC_PIN", clinic.hsm.pin)
    config.write_text(text.replace('token = "clinic"', 'token = "bank"'))
    refused(clinic, KeyProviderError, "keys.token_missing")
    config.write_text(text.replace(str(clinic.hsm.module), "/no/such/module.so"))
    refused(clinic, KeyProviderError, "keys.module_missing")
    config.write_text(text)
    assert clinic.texts() == []


def refused(clinic: Clinic, kind: type[VaultError], code: str) -> None:
    with pytest.raises(kind) as caught:
        Vault.open(clinic.folder)
    assert caught.value.code == code


# --- making one ------------------------------------------------------------------------------------------------------


def test_the_configuration_that_init_writes(clinic: Clinic) -> None:
    text = (clinic.folder / "memvault.toml").read_text()
    config = VaultConfig.load(clinic.folder)
    assert 'provider = "pkcs11"' in text
    assert "[keys.pkcs11]" in text
    assert 'pin = "env:CLINIC_PIN"' in text
    assert config.keys.pkcs11 is not None
    assert clinic.made.document["key_id"] == config.keys.pkcs11.vault_id
    assert render(config) == text


def test_an_init_that_was_cut_off_takes_its_key_over(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    from vault import compose

    def cut(*_given: object, **_named: object) -> None:
        raise KeyboardInterrupt

    place = clinic.base / "second"
    given: Any = {
        "pkcs11_module": clinic.hsm.module,
        "pkcs11_token": "clinic",
        "pkcs11_pin": "env:CLINIC_PIN",
    }
    with monkeypatch.context() as patch:
        patch.setattr(compose.Keystore, "create", cut)
        with pytest.raises(KeyboardInterrupt):
            Vault.init(place, **given)
    with Vault.init(place, **given) as vault:
        vault.session(APP, purpose="service").add("Prefers tea", user_id="pat-42")
        assert vault.admin(OPERATOR).keys_status()["epoch"] == 1
    config = VaultConfig.load(place)
    assert config.keys.pkcs11 is not None
    label = f"memvault/{config.keys.pkcs11.vault_id}/1"
    assert clinic.hsm.elsewhere(LABELS).split().count(label) == 1
    assert len(clinic.hsm.elsewhere(LABELS).split()) == 2


@pytest.mark.parametrize("missing", ["module", "token", "pin"])
def test_all_three_are_needed(tmp_path: Path, missing: str) -> None:
    given = {"module": "/lib/module.so", "token": "clinic", "pin": "env:PIN"}
    del given[missing]
    with pytest.raises(ConfigError) as caught:
        default_config(tmp_path / "v", pkcs11=given)
    assert caught.value.code == "config.invalid"
    assert f"keys.pkcs11.{missing}" in caught.value.message


@pytest.mark.parametrize("other", [{"key_folder": "/keys"}, {"passphrase": "env:PHRASE"}])
def test_a_token_and_a_folder_are_not_both_taken(tmp_path: Path, other: dict[str, Any]) -> None:
    given = {"module": "/lib/module.so", "token": "clinic", "pin": "env:PIN"}
    with pytest.raises(ConfigError) as caught:
        default_config(tmp_path / "v", pkcs11=given, **other)
    assert caught.value.code == "keys.both"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("module", "softhsm.so"), ("module", "~/softhsm.so"), ("module", ""), ("module", "/a\0b"),
        ("token", ""), ("token", "a\nb"), ("token", "x" * 65),
        ("pin", "1234"), ("pin", "env:"), ("pin", "file:"), ("pin", "vault:x"), ("pin", ""),
        ("vault_id", "0123"), ("vault_id", "0123456789ABCDEF"), ("vault_id", "0123456789abcdef\n"),
        ("timeout_s", 0), ("timeout_s", 601), ("timeout_s", "10"), ("slot", 1),
    ],
)  # fmt: skip
def test_values_of_the_section_that_are_refused(key: str, value: object) -> None:
    section = {"module": "/lib/m.so", "token": "clinic", "pin": "env:PIN", "vault_id": "0123456789abcdef"}
    good: dict[str, Any] = {"provider": "pkcs11", "backup": "none", "pkcs11": section}
    VaultConfig.parse({"keys": good})
    with pytest.raises(ConfigError) as caught:
        VaultConfig.parse({"keys": {**good, "pkcs11": {**section, key: value}}})
    assert f"keys.pkcs11.{key}" in caught.value.message
    assert not value or str(value) not in caught.value.message.removeprefix("memvault.toml: keys.pkcs11")


def test_provider_and_section_belong_together() -> None:
    section = {"module": "/lib/m.so", "token": "clinic", "pin": "env:PIN", "vault_id": "0123456789abcdef"}
    for keys, key in (
        ({"provider": "pkcs11"}, "keys.pkcs11"),
        ({"provider": "file:/keys", "pkcs11": section}, "keys.pkcs11"),
        ({"provider": "pkcs11", "pkcs11": section, "passphrase": "env:P"}, "keys.passphrase"),
        ({"provider": "pkcs11:clinic", "pkcs11": section}, "keys.provider"),
    ):
        with pytest.raises(ConfigError) as caught:
            VaultConfig.parse({"keys": {"backup": "none", **keys}})
        assert f"{key} is missing or not allowed" in caught.value.message
