"""What every key provider must do, whatever holds the root: one suite, run on each adapter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.hsm import Hsm

from vault.crypto.primitives import SecretKey
from vault.crypto.wrap import WrapContext
from vault.errors import DecryptionError, KeyProviderError
from vault.keys import local
from vault.keys.interface import KeyProvider
from vault.keys.local import LocalProvider

pytest_plugins = ("support.hsm_fixtures",)

CONTEXT = WrapContext(tenant=bytes(16), level="kek", id=b"1", epoch=1)
Open = Callable[[], KeyProvider]


def _file(folder: Path) -> Open:
    return lambda: LocalProvider(folder)


def _passphrase(folder: Path) -> Open:
    return lambda: LocalProvider(folder, lambda: bytearray(b"four plain words, please"))


ADAPTERS: dict[str, Callable[[Path], Open]] = {"local file": _file, "local passphrase": _passphrase}
TOKEN = "pkcs11 token"


@pytest.fixture(params=[*ADAPTERS, TOKEN])
def connect(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens one provider; each call is a handle of its own."""
    if request.param == TOKEN:
        hsm: Hsm = request.getfixturevalue("hsm")
        return hsm.provider
    monkeypatch.setattr(local, "_MEMORY_KIB", 8_192)  # the cost is tested where it is set
    return ADAPTERS[request.param](tmp_path / "keys")


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(KeyProviderError) as caught:
        action()
    return caught.value.code


def test_epochs_count_up(connect: Open) -> None:
    provider = connect()
    assert provider.live_epochs() == frozenset()
    assert [provider.new_epoch() for _ in range(3)] == [1, 2, 3]
    assert provider.live_epochs() == connect().live_epochs() == {1, 2, 3}
    assert provider.name
    provider.close()


def test_what_is_wrapped_opens_again(connect: Open) -> None:
    provider = connect()
    epoch = provider.new_epoch()
    key = SecretKey.random()
    blob = provider.wrap(epoch, key, CONTEXT)
    assert provider.unwrap(epoch, blob, CONTEXT) == key
    assert bytes(key.buffer) not in blob
    assert provider.wrap(epoch, key, CONTEXT) != blob
    provider.close()
    again = connect()
    assert again.unwrap(epoch, blob, CONTEXT) == key
    again.close()
    assert again.unwrap(epoch, blob, CONTEXT) == key  # closing forgets, it does not lock out


def test_nothing_opens_in_another_place(connect: Open) -> None:
    provider = connect()
    first, second = provider.new_epoch(), provider.new_epoch()
    blob = provider.wrap(first, SecretKey.random(), CONTEXT)
    others = [
        WrapContext(tenant=b"t" * 16, level="kek", id=b"1", epoch=1),
        WrapContext(tenant=bytes(16), level="tenant", id=b"1", epoch=1),
        WrapContext(tenant=bytes(16), level="kek", id=b"2", epoch=1),
        WrapContext(tenant=bytes(16), level="kek", id=b"1", epoch=2),
    ]
    for context in others:
        with pytest.raises(DecryptionError):
            provider.unwrap(first, blob, context)
    with pytest.raises(DecryptionError):
        provider.unwrap(second, blob, CONTEXT)
    provider.close()


def test_any_flipped_bit_is_refused(connect: Open) -> None:
    provider = connect()
    epoch = provider.new_epoch()
    blob = provider.wrap(epoch, SecretKey.random(), CONTEXT)
    for position in range(len(blob)):
        changed = bytearray(blob)
        changed[position] ^= 1
        with pytest.raises(DecryptionError):
            provider.unwrap(epoch, bytes(changed), CONTEXT)
    for cut in (b"", blob[:-1], blob + b"\0"):
        with pytest.raises(DecryptionError):
            provider.unwrap(epoch, cut, CONTEXT)
    provider.close()


def test_a_destroyed_epoch_never_opens_again(connect: Open) -> None:
    provider = connect()
    first, second = provider.new_epoch(), provider.new_epoch()
    key = SecretKey.random()
    gone, kept = provider.wrap(first, key, CONTEXT), provider.wrap(second, key, CONTEXT)
    witness = connect()
    assert witness.unwrap(first, gone, CONTEXT) == key
    done = provider.destroy_epoch(first)
    assert (done.epoch, done.state in {"destroyed", "asserted", "scheduled"}) == (first, True)
    assert done.effective_at.tzinfo is not None
    assert done.evidence
    for handle in (provider, witness, connect()):
        assert handle.live_epochs() == {second}
        assert code_of(lambda h=handle: h.unwrap(first, gone, CONTEXT)) == "keys.epoch_missing"  # type: ignore[misc]
        assert code_of(lambda h=handle: h.wrap(first, key, CONTEXT)) == "keys.epoch_missing"  # type: ignore[misc]
        assert handle.unwrap(second, kept, CONTEXT) == key
    assert provider.destroy_epoch(first).epoch == first  # again: the same answer
    assert provider.new_epoch() == 3  # and its number is not given again
    provider.close()


def test_an_epoch_that_never_was(connect: Open) -> None:
    provider = connect()
    assert code_of(lambda: provider.wrap(1, SecretKey.random(), CONTEXT)) == "keys.epoch_missing"
    epoch = provider.new_epoch()
    assert code_of(lambda: provider.unwrap(epoch + 1, b"", CONTEXT)) == "keys.epoch_missing"
    provider.close()


def test_a_description_has_no_secret(connect: Open) -> None:
    provider = connect()
    provider.new_epoch()
    facts = provider.describe()
    assert {"provider", "destruction"} <= facts.keys()
    text = " ".join([*facts, *facts.values(), repr(provider), str(provider)])
    assert "four plain words" not in text
    provider.close()
