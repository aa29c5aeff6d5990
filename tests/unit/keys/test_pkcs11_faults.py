"""What goes wrong with a token: each fault has a code of its own, and says nothing it should not."""

from __future__ import annotations

import ctypes
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.hsm import Hsm

from vault.crypto.primitives import SecretKey
from vault.crypto.wrap import WrapContext
from vault.errors import ConfigError, DecryptionError, KeyProviderError, VaultError
from vault.keys import pkcs11 as adapter
from vault.keys import pkcs11_device
from vault.keys.pkcs11 import Pkcs11Provider

pytest_plugins = ("support.hsm_fixtures",)

CONTEXT = WrapContext(tenant=bytes(16), level="kek", id=b"1", epoch=1)


def code_of(action: Callable[[], object], kind: type[VaultError] = KeyProviderError) -> str:
    with pytest.raises(kind) as caught:
        action()
    return caught.value.code


# --- getting in ------------------------------------------------------------------------------------------------------


def test_a_wrong_pin(hsm: Hsm) -> None:
    hsm.provider().new_epoch()
    for wrong in (b"pin-000000000000", b"", b"\xff\xfe", b"x" * 300):
        provider = hsm.provider(pin=lambda wrong=wrong: bytearray(wrong))  # type: ignore[misc]
        assert code_of(provider.live_epochs) == "keys.pin"
        assert code_of(provider.new_epoch) == "keys.pin"
    assert hsm.provider().live_epochs() == {1}


def test_a_wrong_pin_is_found_although_the_process_is_logged_in(hsm: Hsm) -> None:
    right, wrong = hsm.provider(), hsm.provider(pin=lambda: bytearray(b"pin-000000000000"))
    right.new_epoch()
    blob = right.wrap(1, SecretKey.random(), CONTEXT)
    assert code_of(wrong.live_epochs) == "keys.pin"
    right.unwrap(1, blob, CONTEXT)


def test_a_pin_that_cannot_be_read(hsm: Hsm) -> None:
    def missing() -> bytearray:
        raise ConfigError("keys.pin_missing", "the environment variable with the PIN is not set")

    assert code_of(hsm.provider(pin=missing).live_epochs, ConfigError) == "keys.pin_missing"


def test_a_pin_is_read_for_a_login_and_not_for_a_call(hsm: Hsm) -> None:
    provider = hsm.provider()
    provider.new_epoch()
    for _ in range(5):
        provider.wrap(1, SecretKey.random(), CONTEXT)
    assert len(hsm.pins) == 1
    provider.close()
    provider.live_epochs()
    assert len(hsm.pins) == 2


@pytest.mark.parametrize(
    ("flag", "code"), [("USER_PIN_LOCKED", "keys.pin_locked"), ("USER_PIN_FINAL_TRY", "keys.pin_last_try")]
)
def test_the_last_attempt_is_not_spent(
    hsm: Hsm, monkeypatch: pytest.MonkeyPatch, flag: str, code: str
) -> None:
    import pkcs11

    def find(self: object) -> Any:
        return SimpleNamespace(flags=pkcs11.TokenFlag[flag] | pkcs11.TokenFlag.RNG)  # it has no `open`

    monkeypatch.setattr(pkcs11_device.Device, "_find", find)
    assert code_of(hsm.provider().live_epochs) == code
    assert hsm.pins == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("PinLocked", "keys.pin_locked"),
        ("PinExpired", "keys.pin_unset"),
        ("UserPinNotInitialized", "keys.pin_unset"),
    ],
)
def test_a_token_that_lets_nobody_in(
    hsm: Hsm, monkeypatch: pytest.MonkeyPatch, error: str, code: str
) -> None:
    import pkcs11

    class Refusing:
        flags = pkcs11.TokenFlag.RNG

        def open(self, **_given: object) -> None:
            raise getattr(pkcs11, error)

    monkeypatch.setattr(pkcs11_device.Device, "_find", lambda self: Refusing())
    assert code_of(hsm.provider().live_epochs) == code


def test_tokens_by_label_and_by_serial_number(hsm: Hsm) -> None:
    assert code_of(hsm.provider(token="bank").live_epochs) == "keys.token_missing"
    provider = hsm.provider()
    provider.new_epoch()
    serial = hsm.session().token.serial.decode()
    provider.close()
    hsm.init_token(hsm.label)
    assert code_of(hsm.provider().live_epochs) == "keys.token_ambiguous"
    assert hsm.provider(token=f"serial:{serial}").live_epochs() == {1}
    assert code_of(hsm.provider(token="serial:0000").live_epochs) == "keys.token_missing"
    assert code_of(hsm.provider(token=serial).live_epochs) == "keys.token_missing"


def test_a_module_that_is_not_there_or_is_none(hsm: Hsm, tmp_path: Path) -> None:
    def at(path: Path) -> Pkcs11Provider:
        hsm.given.append(Pkcs11Provider(path, hsm.label, hsm.source, hsm.vault_id, timeout_s=20))
        return hsm.given[-1]

    (tmp_path / "text.so").write_text("no library")
    assert code_of(at(tmp_path / "none.so").live_epochs) == "keys.module_missing"
    assert code_of(at(tmp_path).live_epochs) == "keys.module_missing"
    assert code_of(at(tmp_path / "text.so").live_epochs) == "keys.module_unusable"
    import _ctypes

    other = Path(_ctypes.__file__)  # a library, and no PKCS#11 module
    assert code_of(at(other).live_epochs) == "keys.module_unusable"


def test_a_module_that_does_not_start(hsm: Hsm) -> None:
    hsm.tokens.rename(hsm.folder / "away")
    provider = hsm.provider()
    assert code_of(provider.live_epochs) == "keys.module_unusable"
    (hsm.folder / "away").rename(hsm.tokens)
    assert provider.live_epochs() == frozenset()


def test_without_the_extra(hsm: Hsm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(ConfigError) as caught:
        Pkcs11Provider(hsm.module, hsm.label, hsm.source, hsm.vault_id, timeout_s=1)
    assert caught.value.code == "keys.extra_missing"
    assert "memvault[hsm]" in caught.value.message


# --- lost on the way -------------------------------------------------------------------------------------------------


def close_all_sessions(hsm: Hsm) -> None:
    """What a module does when its device restarts: every session of the process is gone."""
    slot = hsm.session().token.slot.slot_id
    assert ctypes.CDLL(str(hsm.module)).C_CloseAllSessions(ctypes.c_ulong(slot)) == 0


def log_out(hsm: Hsm) -> None:
    """What other code of this process may do: it logs out every session, and private objects seem not to be there."""
    assert ctypes.CDLL(str(hsm.module)).C_Logout(ctypes.c_ulong(hsm.session().handle)) == 0


@pytest.mark.parametrize("lose", [close_all_sessions, log_out])
def test_a_lost_session_is_opened_again(hsm: Hsm, lose: Callable[[Hsm], None]) -> None:
    provider = hsm.provider()
    provider.new_epoch()
    key = SecretKey.random()
    blob = provider.wrap(1, key, CONTEXT)
    lose(hsm)
    assert provider.unwrap(1, blob, CONTEXT) == key
    lose(hsm)
    provider.wrap(1, key, CONTEXT)
    lose(hsm)
    assert provider.live_epochs() == {1}
    lose(hsm)
    assert provider.new_epoch() == 2  # not 1: the mark was not taken for absent
    lose(hsm)
    assert "not found again" in provider.destroy_epoch(2).evidence  # really destroyed, not just out of sight
    lose(hsm)
    assert provider.live_epochs() == {1}
    lose(hsm)
    assert code_of(lambda: provider.unwrap(2, blob, CONTEXT)) == "keys.epoch_missing"
    lose(hsm)
    provider.close()


def test_a_token_that_is_taken_away_is_no_wrong_context(hsm: Hsm) -> None:
    provider = hsm.provider()
    provider.new_epoch()
    key = SecretKey.random()
    blob = provider.wrap(1, key, CONTEXT)
    (token,) = hsm.tokens.iterdir()
    token.rename(hsm.folder / "drawer")
    actions: list[Callable[[], object]] = [
        lambda: provider.unwrap(1, blob, CONTEXT),
        lambda: provider.wrap(1, key, CONTEXT),
        provider.live_epochs,
        provider.new_epoch,
        lambda: provider.destroy_epoch(1),
    ]
    for action in actions:
        assert code_of(action) == "keys.token_missing"
    (hsm.folder / "drawer").rename(token)
    assert provider.unwrap(1, blob, CONTEXT) == key  # put back: nothing has to be opened anew
    assert provider.live_epochs() == {1}


def test_a_failing_token_is_no_wrong_context(hsm: Hsm, monkeypatch: pytest.MonkeyPatch) -> None:
    """SoftHSM answers CKR_GENERAL_ERROR to a wrong context; a broken device may say the same."""
    import pkcs11

    provider = hsm.provider()
    provider.new_epoch()
    blob = provider.wrap(1, SecretKey.random(), CONTEXT)
    elsewhere = WrapContext(tenant=bytes(16), level="kek", id=b"2", epoch=1)
    with pytest.raises(DecryptionError):
        provider.unwrap(1, blob, elsewhere)

    def broken(*_given: object) -> bytes:
        raise pkcs11.GeneralError

    monkeypatch.setattr(adapter, "_decrypt", broken)
    for context in (CONTEXT, elsewhere):
        with pytest.raises(KeyProviderError) as caught:
            provider.unwrap(1, blob, context)
        assert caught.value.code == "keys.token_failed"
        assert "GeneralError" in caught.value.message
    monkeypatch.setattr(adapter, "_try_out", lambda key: False)
    assert code_of(lambda: provider.unwrap(1, blob, CONTEXT)) == "keys.token_unsuitable"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("DeviceRemoved", "keys.token_missing"),
        ("TokenNotPresent", "keys.token_missing"),
        ("DeviceMemory", "keys.token_full"),
        ("SessionCount", "keys.token_full"),
        ("TokenWriteProtected", "keys.token_readonly"),
        ("MechanismInvalid", "keys.token_unsuitable"),
        ("TemplateInconsistent", "keys.token_unsuitable"),
        ("DeviceError", "keys.token_failed"),
        ("SessionHandleInvalid", "keys.token_failed"),
        ("PKCS11Error", "keys.token_failed"),
    ],
)
def test_every_return_code_becomes_one_of_ours(
    hsm: Hsm, monkeypatch: pytest.MonkeyPatch, error: str, code: str
) -> None:
    import pkcs11

    asked: list[int] = []

    def failing(*_given: object) -> bytes:
        asked.append(1)
        raise getattr(pkcs11, error)("text of the driver")

    provider = hsm.provider()
    provider.new_epoch()
    monkeypatch.setattr(adapter, "_encrypt", failing)
    with pytest.raises(KeyProviderError) as caught:
        provider.wrap(1, SecretKey.random(), CONTEXT)
    assert (caught.value.code, len(asked)) == (code, 2)  # once more in a new session, and no oftener
    assert error in caught.value.message
    assert "text of the driver" not in str(caught.value)


# --- slow ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def stuck(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Decrypting hangs until the event is set."""
    release, decrypt = threading.Event(), adapter._decrypt

    def waiting(*given: Any) -> bytes:
        release.wait(30)
        return decrypt(*given)

    monkeypatch.setattr(adapter, "_decrypt", waiting)
    return release


def test_a_slow_token_is_given_up_and_comes_back_by_itself(hsm: Hsm, stuck: threading.Event) -> None:
    stuck.set()
    provider, other = hsm.provider(timeout_s=2), hsm.provider(timeout_s=2)
    provider.new_epoch()
    key = SecretKey.random()
    blob = provider.wrap(1, key, CONTEXT)
    stuck.clear()
    began = time.monotonic()
    assert code_of(lambda: provider.unwrap(1, blob, CONTEXT)) == "keys.provider_slow"
    assert 2 <= time.monotonic() - began < 20
    began = time.monotonic()
    assert code_of(lambda: provider.wrap(1, key, CONTEXT)) == "keys.provider_slow"
    assert code_of(other.live_epochs) == "keys.provider_slow"  # the same module
    provider.close()  # does not wait either
    assert time.monotonic() - began < 5  # three that wait would take six
    stuck.set()
    deadline = time.monotonic() + 10
    while True:
        try:
            assert provider.unwrap(1, blob, CONTEXT) == key
            break
        except KeyProviderError:
            assert time.monotonic() < deadline
    assert len(hsm.pins) >= 2  # in a new session: the old one's state is unknown
    assert other.live_epochs() == {1}


# --- forks -----------------------------------------------------------------------------------------------------------

FORK = """
import os
p.new_epoch()
key = SecretKey.random()
blob = p.wrap(1, key, CONTEXT)
for generation in (1, 2):
    child = os.fork()
    if child == 0:
        assert p.unwrap(1, blob, CONTEXT) == key
        assert p.new_epoch() == generation + 1
        if generation == 2:
            p.close()
        grandchild = os.fork()
        if grandchild == 0:
            assert p.live_epochs() == set(range(1, generation + 2))
            os._exit(0)
        assert os.waitpid(grandchild, 0)[1] == 0
        assert p.unwrap(1, blob, CONTEXT) == key
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert p.live_epochs() == set(range(1, generation + 2))
    assert p.unwrap(1, blob, CONTEXT) == key
print("whole")
"""


def test_a_child_logs_in_for_itself_and_the_parent_goes_on(hsm: Hsm) -> None:
    assert hsm.elsewhere("import warnings; warnings.simplefilter('ignore')\n" + FORK) == "whole"


def test_a_child_starts_the_module_anew_and_closes_no_session_of_its_parent(tmp_path: Path) -> None:
    """SoftHSM would not mind; the standard has a child call C_Initialize before anything else."""
    done: list[str] = []
    module = pkcs11_device.Module(tmp_path / "module.so")
    device = module.devices["clinic"] = pkcs11_device.Device(module, "clinic")
    module._library = SimpleNamespace(finalize=lambda: done.append("shut down"))
    device.session = SimpleNamespace(close=lambda: done.append("closed"))  # type: ignore[assignment]
    module.forked()
    assert device.session is None
    module.settle()
    module.settle()
    assert done == ["shut down"]


def test_a_call_that_hung_in_the_parent_does_not_hang_in_the_child(hsm: Hsm) -> None:
    code = """
import os, threading, warnings
from vault.keys import pkcs11 as adapter
warnings.simplefilter("ignore")
p.new_epoch()
key = SecretKey.random()
blob = p.wrap(1, key, CONTEXT)
real, begun, release = adapter._decrypt, threading.Event(), threading.Event()
def hang(*given):
    begun.set()
    release.wait(30)
    return real(*given)
adapter._decrypt = hang
caller = threading.Thread(target=lambda: p.unwrap(1, blob, CONTEXT))
caller.start()
begun.wait(30)
child = os.fork()
if child == 0:
    adapter._decrypt = real
    assert p.unwrap(1, blob, CONTEXT) == key
    os._exit(0)
print(os.waitpid(child, 0)[1])
release.set()
caller.join()
"""
    assert hsm.elsewhere(code) == "0"


# --- nothing is said -------------------------------------------------------------------------------------------------


def test_no_pin_and_no_key_is_in_any_error_text_or_log(
    hsm: Hsm, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    key = SecretKey.random()
    secrets = [hsm.pin, hsm.pin.encode().hex(), key.buffer.hex(), repr(bytes(key.buffer))[2:-1]]
    secrets += ["wrong" + "-pin"]
    said: list[str] = []

    def note(action: Callable[[], object]) -> None:
        with pytest.raises(VaultError) as caught:
            action()
        said.append("".join(traceback.format_exception(caught.value)) + repr(caught.value))

    right, wrong = hsm.pin.encode(), secrets[-1].encode()
    provider = hsm.provider(pin=lambda: bytearray(right))
    provider.new_epoch()
    blob = provider.wrap(1, key, CONTEXT)
    note(hsm.provider(pin=lambda: bytearray(wrong)).live_epochs)
    note(hsm.provider(token="bank").live_epochs)
    note(lambda: provider.unwrap(1, blob[:-1], CONTEXT))
    note(lambda: provider.unwrap(2, blob, CONTEXT))
    monkeypatch.setattr(adapter, "_encrypt", lambda *given: given[0].nothing)
    with pytest.raises(AttributeError):  # a bug is not swallowed
        provider.wrap(1, key, CONTEXT)
    said += [repr(provider), str(provider), repr(provider.describe()), repr(vars(provider)), caplog.text]
    said += [repr(provider._device), repr(vars(provider._device))]
    for text in said:
        for secret in secrets:
            assert secret not in text
