"""The local provider's files: their form, their modes, and what becomes of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from vault.crypto.primitives import SecretKey
from vault.crypto.wrap import WrapContext
from vault.errors import KeyProviderError
from vault.keys import local
from vault.keys.local import LocalProvider

CONTEXT = WrapContext(tenant=bytes(16), level="kek", id=b"1", epoch=1)
PASSPHRASE = "four plain words, please"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_MEMORY_KIB", 8_192)


def passphrase(text: str = PASSPHRASE) -> Callable[[], bytearray]:
    return lambda: bytearray(text.encode())


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(KeyProviderError) as caught:
        action()
    assert "keys/" not in str(caught.value)  # no path
    return caught.value.code


def test_a_key_file_is_private_and_random(folder: Path) -> None:
    provider = LocalProvider(folder)
    provider.new_epoch()
    provider.new_epoch()
    first, second = folder / "epoch-1.key", folder / "epoch-2.key"
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in (first, second):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.read_bytes().startswith(b"memvault-epoch/1 raw\n")
        assert path.stat().st_size == len(b"memvault-epoch/1 raw\n") + 32
    assert first.read_bytes() != second.read_bytes()
    provider.close()


def test_a_passphrase_keeps_the_secret_out_of_the_file(folder: Path) -> None:
    """With the costs that are shipped: RFC 9106 section 4, the second recommended option."""
    provider = LocalProvider(folder, passphrase())
    provider.new_epoch()
    data = (folder / "epoch-1.key").read_bytes()
    head = re.fullmatch(
        rb"memvault-epoch/1 argon2id m=65536,t=3,p=4 salt=[0-9a-f]{32}\n(PMW1.*)", data, re.DOTALL
    )
    assert head is not None
    secret = provider._secrets[1]
    assert bytes(secret.buffer) not in data
    blob = provider.wrap(1, SecretKey.random(), CONTEXT)
    provider.close()
    again = LocalProvider(folder, passphrase())
    again.unwrap(1, blob, CONTEXT)
    again.close()


@pytest.mark.usefixtures("cheap")
def test_two_vaults_with_one_passphrase_have_two_secrets(tmp_path: Path) -> None:
    files = []
    for name in ("one", "other"):
        provider = LocalProvider(tmp_path / name, passphrase())
        provider.new_epoch()
        files.append((tmp_path / name / "epoch-1.key").read_bytes())
        provider.close()
    assert files[0] != files[1]
    (tmp_path / "other" / "epoch-1.key").write_bytes(files[0])
    LocalProvider(tmp_path / "other", passphrase()).wrap(1, SecretKey.random(), CONTEXT)


@pytest.mark.usefixtures("cheap")
def test_passphrases(folder: Path) -> None:
    LocalProvider(folder, passphrase()).new_epoch()
    key = SecretKey.random()
    wrong = LocalProvider(folder, passphrase("four plain words, pleasE"))
    assert code_of(lambda: wrong.wrap(1, key, CONTEXT)) == "keys.passphrase_wrong"
    without = LocalProvider(folder)
    assert code_of(lambda: without.wrap(1, key, CONTEXT)) == "keys.passphrase_missing"
    given: list[bytearray] = []

    def source() -> bytearray:
        given.append(bytearray(PASSPHRASE.encode()))
        return given[-1]

    right = LocalProvider(folder, source)
    right.wrap(1, key, CONTEXT)
    right.wrap(1, key, CONTEXT)
    assert len(given) == 1  # asked once, then wiped
    assert not any(given[0])


@pytest.mark.usefixtures("cheap")
@pytest.mark.parametrize("field", [b"m=8192", b"t=3", b"p=4", b"salt="])
def test_the_costs_in_the_header_are_bound(folder: Path, field: bytes) -> None:
    LocalProvider(folder, passphrase()).new_epoch()
    path = folder / "epoch-1.key"
    data = path.read_bytes()
    changed = {b"m=8192": b"m=8191", b"t=3": b"t=2", b"p=4": b"p=2", b"salt=": b"salt="}[field]
    if field == b"salt=":
        place = data.index(b"salt=") + 5
        data = data[:place] + (b"0" if data[place : place + 1] != b"0" else b"1") + data[place + 1 :]
    path.write_bytes(data.replace(field, changed, 1))
    provider = LocalProvider(folder, passphrase())
    assert code_of(lambda: provider.wrap(1, SecretKey.random(), CONTEXT)) == "keys.passphrase_wrong"


@pytest.mark.parametrize(
    "costs", [b"m=99999999,t=3,p=4", b"m=8192,t=999,p=4", b"m=8192,t=3,p=99", b"m=1,t=3,p=4"]
)
def test_costs_that_would_exhaust_the_machine_are_refused(folder: Path, costs: bytes) -> None:
    folder.mkdir(mode=0o700)
    path = folder / "epoch-1.key"
    path.write_bytes(b"memvault-epoch/1 argon2id " + costs + b" salt=" + b"0" * 32 + b"\n" + bytes(100))
    path.chmod(0o600)
    provider = LocalProvider(folder, passphrase())
    assert code_of(lambda: provider.wrap(1, SecretKey.random(), CONTEXT)) == "keys.file_foreign"


def test_a_destroyed_file_is_overwritten_and_stays_empty(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = LocalProvider(folder)
    provider.new_epoch()
    path = folder / "epoch-1.key"
    secret = path.read_bytes()[-32:]
    seen: list[bytes] = []
    fsync = os.fsync

    def spy(descriptor: int) -> None:
        seen.append(path.read_bytes())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    held = provider._secret(1)
    assert provider.destroy_epoch(1).state == "asserted"
    assert held.closed
    assert len(seen[0]) == 53  # overwritten in full before it is emptied
    assert all(secret not in data for data in seen)
    assert path.read_bytes() == b""
    assert provider.new_epoch() == 2


def test_a_destruction_that_was_cut_off_is_one(folder: Path) -> None:
    """Killed after the overwriting and before the emptying: the file has its size, and no key."""
    provider = LocalProvider(folder)
    provider.new_epoch()
    provider.new_epoch()
    path = folder / "epoch-1.key"
    path.write_bytes((b"memvault-epoch/1 destroyed\n" + os.urandom(53))[:53])
    assert provider.live_epochs() == {2}
    provider.destroy_epoch(1)
    assert path.read_bytes() == b""


def test_other_files_in_the_folder_are_no_keys(folder: Path) -> None:
    provider = LocalProvider(folder)
    provider.new_epoch()
    for name in ("epoch-x.key", "epoch-.key", "epoch-7.key.new", "epoch-8.txt", "notes", "epoch-\u0663.key"):
        (folder / name).write_bytes(b"something")
    assert provider.live_epochs() == {1}
    assert provider.new_epoch() == 2


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    assert LocalProvider(tmp_path / "none").live_epochs() == frozenset()
    (tmp_path / "file").touch()
    assert LocalProvider(tmp_path / "file").live_epochs() == frozenset()


def test_closing_wipes(folder: Path) -> None:
    provider = LocalProvider(folder)
    provider.new_epoch()
    secret = provider._secret(1)
    provider.close()
    assert secret.closed
    assert not any(secret._buffer)
