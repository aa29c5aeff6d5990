"""What lies on the disk is wrong: each case gives its own clear error, without content, and changes no file."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from support.calls import operator, session_of, stages_of, told

from vault import Principal, Vault, VaultError
from vault.config import EmbedderChoice, QdrantConfig, VaultConfig
from vault.errors import (
    ConfigError,
    IntegrityViolationError,
    KeyProviderError,
    PolicyInvalidError,
    RollbackError,
    StorageError,
)

CANARY = "Quorzil-77-vembrath"
FACT = "walks the dog to the harbour every morning"
PERSON = "pat-42-trembold"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two closed vaults with one memory in each of two tenants; tests work on copies."""
    home = tmp_path_factory.mktemp("stores")
    for name in ("clinic", "other"):
        with Vault.init(home / name, key_folder=home / f"{name}-keys", keystore_backup="none") as vault:
            for tenant in ("clinic", "bank"):
                session_of(vault, tenant).add(FACT, user_id=PERSON)
    return home


class Home:
    """A copy of both vaults, its key references put right."""

    def __init__(self, original: Path, place: Path) -> None:
        shutil.copytree(original, place)
        self.place = place
        for name in ("clinic", "other"):
            config = place / name / "memvault.toml"
            config.write_text(config.read_text().replace(str(original), str(place)))
        self.vault = place / "clinic"
        self.keys = place / "clinic-keys"
        self.config = self.vault / "memvault.toml"
        self.keystore = self.vault / "keystore" / "keystore-1.db"

    def records(self, tenant: str = "clinic") -> Path:
        with Vault.open(self.vault) as vault:
            keys = stages_of(vault).keystore.tenant(tenant)
            assert keys is not None
            return stages_of(vault).stores.path(keys)

    def set(self, section: str, line: str) -> None:
        """Put a line into a section of the configuration, in the place of the one with that key."""
        key = line.partition("=")[0].strip()
        text = self.config.read_text()
        head, heading, rest = text.partition(f"[{section}]\n") if section else ("", "", text)
        body, bracket, tail = rest.partition("\n[")
        kept = [old for old in body.splitlines() if not old.startswith((f"{key} =", f"# {key} ="))]
        self.config.write_text(head + heading + "\n".join([line, *kept]) + "\n" + bracket + tail)

    def digest(self) -> dict[str, bytes]:
        """Every file but locks, and the WAL's bookkeeping, which opening a file may make."""
        return {
            str(path.relative_to(self.place)): hashlib.sha256(path.read_bytes()).digest()
            for path in sorted(self.place.rglob("*"))
            if path.is_file() and not path.name.endswith((".lock", "-wal", "-shm"))
        }


@pytest.fixture
def home(original: Path, tmp_path: Path) -> Home:
    return Home(original, tmp_path / "copy")


def search(folder: Path, tenant: str = "clinic") -> None:
    with Vault.open(folder) as vault:
        session_of(vault, tenant).search("dog", user_id=PERSON)


def fails(
    home: Home, error: type[VaultError], code: str, attempt: Callable[[Path], None] = search
) -> VaultError:
    before = home.digest()
    with pytest.raises(VaultError) as caught:
        attempt(home.vault)
    assert (type(caught.value), caught.value.code) == (error, code)
    spoken = told(caught.value)
    assert CANARY not in spoken
    assert FACT not in spoken
    assert PERSON not in spoken
    assert home.digest() == before
    return caught.value


def test_the_copies_open(home: Home) -> None:
    for tenant in ("clinic", "bank"):
        search(home.vault, tenant)
        search(home.place / "other", tenant)


# --- key file and passphrase --------------------------------------------------------------------------------


def test_a_missing_key_file(home: Home) -> None:
    (home.keys / "epoch-1.key").unlink()
    fails(home, KeyProviderError, "keys.epoch_missing")


def test_a_missing_key_folder(home: Home) -> None:
    shutil.rmtree(home.keys)
    fails(home, KeyProviderError, "keys.epoch_missing")


def test_an_empty_key_file(home: Home) -> None:
    (home.keys / "epoch-1.key").write_bytes(b"")
    fails(home, KeyProviderError, "keys.epoch_missing")


@pytest.mark.parametrize(
    "data",
    [
        CANARY.encode(),
        b"memvault-epoch/1 raw\n" + bytes(31),
        b"memvault-epoch/2 raw\n" + bytes(32),
        bytes(64),
    ],
)
def test_a_foreign_file_as_key_file(home: Home, data: bytes) -> None:
    (home.keys / "epoch-1.key").write_bytes(data)
    fails(home, KeyProviderError, "keys.file_foreign")


def test_the_key_file_of_another_vault(home: Home) -> None:
    shutil.copy(home.place / "other-keys" / "epoch-1.key", home.keys / "epoch-1.key")
    error = fails(home, IntegrityViolationError, "keystore.key_mismatch")
    assert error.exit_code == 7


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
def test_a_key_file_that_others_can_read(home: Home, mode: int) -> None:
    (home.keys / "epoch-1.key").chmod(mode)
    fails(home, KeyProviderError, "keys.permissions")


def test_a_folder_as_key_file(home: Home) -> None:
    (home.keys / "epoch-1.key").unlink()
    (home.keys / "epoch-1.key").mkdir(mode=0o700)
    fails(home, KeyProviderError, "keys.file_unreadable")


@pytest.fixture
def guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A vault under the passphrase that an environment variable holds."""
    monkeypatch.setenv("MEMVAULT_TEST_PASSPHRASE", f"right {CANARY}")
    folder = tmp_path / "guarded"
    made = Vault.init(
        folder,
        key_folder=tmp_path / "guarded-keys",
        passphrase="env:MEMVAULT_TEST_PASSPHRASE",
        keystore_backup="none",
    )
    made.close()
    return folder


def test_a_wrong_or_missing_passphrase(guarded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Vault.open(guarded).close()
    monkeypatch.setenv("MEMVAULT_TEST_PASSPHRASE", f"wrong {CANARY}")
    with pytest.raises(KeyProviderError) as caught:
        Vault.open(guarded)
    assert caught.value.code == "keys.passphrase_wrong"
    assert CANARY not in told(caught.value)
    for missing in (
        lambda: monkeypatch.delenv("MEMVAULT_TEST_PASSPHRASE"),
        lambda: monkeypatch.setenv("MEMVAULT_TEST_PASSPHRASE", ""),
    ):
        missing()
        with pytest.raises(ConfigError) as unset:
            Vault.open(guarded)
        assert unset.value.code == "keys.passphrase_missing"


def test_a_passphrase_in_a_file(guarded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MEMVAULT_TEST_PASSPHRASE")
    secret = tmp_path / "passphrase"
    config = guarded / "memvault.toml"
    config.write_text(config.read_text().replace("env:MEMVAULT_TEST_PASSPHRASE", f"file:{secret}"))

    def code() -> str:
        with pytest.raises(VaultError) as caught:
            Vault.open(guarded)
        assert CANARY not in told(caught.value)
        return caught.value.code

    assert code() == "keys.passphrase_missing"
    secret.write_text(f"right {CANARY}\n")
    secret.chmod(0o644)
    assert code() == "keys.passphrase_permissions"
    secret.chmod(0o600)
    Vault.open(guarded).close()  # the line end at the end of a file is not part of it
    secret.write_text("")
    assert code() in ("keys.passphrase_missing", "keys.passphrase_wrong")


def test_a_passphrase_forgotten_in_the_configuration(guarded: Path) -> None:
    config = guarded / "memvault.toml"
    config.write_text(config.read_text().replace('passphrase = "env:', '# passphrase = "env:'))
    with pytest.raises(KeyProviderError) as caught:
        Vault.open(guarded)
    assert caught.value.code == "keys.passphrase_missing"


def test_a_key_file_with_cheaper_passphrase_hashing_does_not_open(guarded: Path, tmp_path: Path) -> None:
    key = tmp_path / "guarded-keys" / "epoch-1.key"
    data = key.read_bytes()
    key.write_bytes(data.replace(b"m=65536,t=3", b"m=64,t=1", 1))
    with pytest.raises(KeyProviderError) as caught:
        Vault.open(guarded)
    assert caught.value.code == "keys.passphrase_wrong"
    key.write_bytes(data.replace(b"m=65536,t=3", b"m=99999999,t=999", 1))  # no hour of work for one bad file
    with pytest.raises(KeyProviderError) as caught:
        Vault.open(guarded)
    assert caught.value.code == "keys.file_foreign"


# --- keystore -----------------------------------------------------------------------------------------------


def test_a_missing_keystore(home: Home) -> None:
    home.keystore.unlink()
    fails(home, ConfigError, "keystore.missing")
    shutil.rmtree(home.keystore.parent)
    fails(home, ConfigError, "keystore.missing")


def test_a_missing_wrapped_file_key(home: Home) -> None:
    home.keystore.with_suffix(".key").unlink()
    fails(home, ConfigError, "keystore.key_missing")


def test_a_foreign_wrapped_file_key(home: Home) -> None:
    home.keystore.with_suffix(".key").write_bytes(CANARY.encode() * 9)
    fails(home, IntegrityViolationError, "keystore.key_mismatch")


def _plain_database(path: Path) -> None:
    for leftover in path.parent.glob(path.name + "*"):
        leftover.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE meta(key TEXT PRIMARY KEY, value)")
        database.execute("INSERT INTO meta VALUES(?, ?)", ("schema", CANARY))
    database.close()


def _foreign_file(path: Path) -> None:
    path.write_bytes(CANARY.encode() * 2_000)


def _short_file(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5_000])


def _changed_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4_000] ^= 1
    path.write_bytes(data)


SPOILED = {
    "a plaintext database": _plain_database,
    "a foreign file": _foreign_file,
    "a cut file": _short_file,
    "a changed byte": _changed_byte,
}


@pytest.mark.parametrize("how", SPOILED)
@pytest.mark.parametrize("what", ["keystore", "records"])
def test_a_spoiled_store(home: Home, what: str, how: str) -> None:
    SPOILED[how](home.keystore if what == "keystore" else home.records())
    fails(home, IntegrityViolationError, "storage.unreadable")


@pytest.mark.parametrize("what", ["keystore", "records"])
def test_an_empty_store(home: Home, what: str) -> None:
    (home.keystore if what == "keystore" else home.records()).write_bytes(b"")
    fails(home, IntegrityViolationError, "storage.empty")


def test_the_keystore_of_another_vault(home: Home) -> None:
    shutil.copy(home.place / "other" / "keystore" / "keystore-1.db", home.keystore)
    fails(home, IntegrityViolationError, "storage.unreadable")


def test_the_records_of_another_tenant(home: Home) -> None:
    shutil.copy(home.records("bank"), home.records("clinic"))
    fails(home, IntegrityViolationError, "storage.unreadable")


def test_missing_records(home: Home) -> None:
    """The keystore knows a signed log of them: an empty store in their place would pass for "nothing known"."""
    home.records().unlink()
    fails(home, RollbackError, "records.missing")


def test_a_spoiled_tenant_leaves_the_others_alone(home: Home) -> None:
    _foreign_file(home.records("clinic"))
    search(home.vault, "bank")


# --- versions -----------------------------------------------------------------------------------------------


def test_a_newer_keystore(home: Home) -> None:
    with Vault.open(home.vault) as vault:
        database = stages_of(vault).keystore.database
        with database.transaction():
            database.execute("UPDATE meta SET value = 99 WHERE key = 'schema'")
    fails(home, ConfigError, "keystore.newer")


def test_newer_records(home: Home) -> None:
    with Vault.open(home.vault) as vault:
        keys = stages_of(vault).keystore.tenant("clinic")
        assert keys is not None
        with stages_of(vault).stores.use(keys) as store:
            database: Any = store.records.database  # type: ignore[attr-defined]
            with database.transaction():
                database.execute("UPDATE meta SET value = 99 WHERE key = 'schema'")
    fails(home, ConfigError, "records.newer")
    search(home.vault, "bank")


@pytest.mark.parametrize("version", ["2", "3", "1000000"])
def test_a_newer_configuration(home: Home, version: str) -> None:
    home.set("", f"format = {version}")
    fails(home, ConfigError, "config.newer")


@pytest.mark.parametrize("version", ["0", "-1", "true", "1.0", f'"{CANARY}"', "[]", "1979-05-27"])
def test_a_version_that_never_was(home: Home, version: str) -> None:
    home.set("", f"format = {version}")
    fails(home, ConfigError, "config.invalid")


# --- configuration ------------------------------------------------------------------------------------------

SECTIONS = [name for name in VaultConfig.model_fields if name != "format"]


def test_no_configuration(home: Home) -> None:
    home.config.unlink()
    fails(home, ConfigError, "config.missing")
    fails(home, ConfigError, "config.missing", lambda folder: Vault.open(folder / "nowhere").close())


def test_a_configuration_that_is_a_folder(home: Home) -> None:
    home.config.unlink()
    home.config.mkdir()
    fails(home, ConfigError, "config.unreadable")


@pytest.mark.parametrize(
    "text", [f"[keys\n{CANARY}", f"{CANARY} = ", f'a = "{CANARY}', f'a = 1\na = "{CANARY}"']
)
def test_a_configuration_that_is_no_toml(home: Home, text: str) -> None:
    home.config.write_text(text)
    fails(home, ConfigError, "config.syntax")


def test_a_configuration_that_is_no_text(home: Home) -> None:
    home.config.write_bytes(b"\xff\xfe" + CANARY.encode("utf-16-le"))
    fails(home, ConfigError, "config.unreadable")


@pytest.mark.parametrize("section", ["", *SECTIONS])
def test_an_unknown_key_at_every_level(home: Home, section: str) -> None:
    home.set(section, f'colour = "{CANARY}"')
    error = fails(home, ConfigError, "config.invalid")
    assert f"{section}.colour is not a known key".removeprefix(".") in error.message


def test_an_unknown_section(home: Home) -> None:
    home.config.write_text(home.config.read_text() + f'\n[detectors]\nname = "{CANARY}"\n')
    error = fails(home, ConfigError, "config.invalid")
    assert "detectors is not a known key" in error.message


def test_a_missing_section_and_a_missing_key(home: Home) -> None:
    text = home.config.read_text()
    home.config.write_text("\n".join(line for line in text.splitlines() if not line.startswith("backup =")))
    assert "keys.backup is missing" in fails(home, ConfigError, "config.invalid").message
    home.config.write_text("format = 1\n")
    assert "keys is missing" in fails(home, ConfigError, "config.invalid").message


def _values() -> Iterator[tuple[str, str, str]]:
    """For each key of each section, values of other types, and numbers out of bounds."""
    for section in SECTIONS:
        model: Any = VaultConfig.model_fields[section].annotation
        for key, field in model.model_fields.items():
            kinds = {*get_args(field.annotation), field.annotation}  # of `int | None`: int
            wrong = [f'["{CANARY}", 1]', "2031-01-01", *(["true"] if bool not in kinds else [])]
            if not kinds & {EmbedderChoice, QdrantConfig}:  # every key of which has a default
                wrong.append("{}")
            if kinds & {int, float}:
                wrong += [f'"{CANARY}"', '"5"', "-1", "0", "1e300", "inf", "nan", "99999999999"]
            if int in kinds:
                wrong += ["5.5", "64.0"]
            if not kinds & {int, float}:
                wrong += ["5", "1.5"]
            yield from ((section, key, value) for value in wrong)


@pytest.mark.parametrize("section", SECTIONS)
def test_values_of_another_type_or_out_of_bounds(home: Home, section: str) -> None:
    text = home.config.read_text()
    for _, key, value in (case for case in _values() if case[0] == section):
        home.config.write_text(text)
        home.set(section, f"{key} = {value}")
        error = fails(home, ConfigError, "config.invalid")
        assert f"{section}.{key}" in error.message, value


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("keys", f'passphrase = "{CANARY}"'),
        ("keys", 'passphrase = "env:"'),
        ("keys", f'provider = "{CANARY}"'),
        ("keys", f'provider = "https://{CANARY}"'),
        ("tenants", f'create = "{CANARY}"'),
        ("detection", f'detectors = ["{CANARY}"]'),
        ("detection", "detectors = []"),
    ],
)
def test_values_that_are_not_allowed(home: Home, section: str, line: str) -> None:
    home.set(section, line)
    fails(home, ConfigError, "config.invalid")


def test_a_pack_that_is_not_there(home: Home) -> None:
    for name in (CANARY, f"./{CANARY}", f"/{CANARY}", f"../{CANARY}"):
        home.set("policy", f'pack = "{name}"')
        fails(home, PolicyInvalidError, "policy.missing")


# --- the file system ----------------------------------------------------------------------------------------


def test_a_folder_where_a_store_should_be(home: Home) -> None:
    place = home.records()
    shutil.rmtree(place.parent)
    place.mkdir(parents=True)
    with pytest.raises((StorageError, RollbackError, ConfigError)) as caught:
        search(home.vault)
    assert caught.value.exit_code in (7, 10, 11)


def test_a_closed_vault_answers_nothing(home: Home) -> None:
    vault = Vault.open(home.vault)
    session, admin = session_of(vault), operator(vault)
    vault.close()
    vault.close()
    for attempt in (
        lambda: session.add("a cat", user_id=PERSON),
        lambda: session.add_many([{"content": "a cat", "user_id": PERSON}]),
        lambda: session.search("dog", user_id=PERSON),
        lambda: session.list(user_id=PERSON),
        lambda: session.get("7f9c24e8-3b12-4fef-91e0-5a0b93c1d2e4"),
        lambda: session.delete_all(user_id=PERSON),
        lambda: vault.session(Principal("clinic", "bot"), purpose="service"),
        lambda: vault.admin(Principal("clinic", "op")),
        admin.tenants,
        admin.audit_verify,
        admin.sweep,
    ):
        with pytest.raises(VaultError) as caught:
            attempt()
        assert caught.value.code == "vault.closed"
    assert repr(vault) == "<Vault closed>"
    search(home.vault)
