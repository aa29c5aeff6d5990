"""The PKCS#11 provider on SoftHSM2: what is on the token, who sees it, and what becomes of it."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.hsm import Hsm

from vault.crypto.primitives import SecretKey
from vault.crypto.wrap import WrapContext
from vault.errors import DecryptionError, InvalidInputError, KeyProviderError
from vault.keys import pkcs11 as adapter
from vault.keys.pkcs11 import Pkcs11Provider

pytest_plugins = ("support.hsm_fixtures",)

VECTORS = Path(__file__).parents[2] / "vectors" / "pmv1.json"
CONTEXT = WrapContext(tenant=bytes(16), level="kek", id=b"1", epoch=1)


def code_of(action: Callable[[], object]) -> str:
    with pytest.raises(KeyProviderError) as caught:
        action()
    return caught.value.code


def keys_on(hsm: Hsm, **wanted: Any) -> list[Any]:
    import pkcs11

    at = pkcs11.Attribute
    template = {at.CLASS: pkcs11.ObjectClass.SECRET_KEY}
    return list(
        hsm.session().get_objects({**template, **{at[name]: value for name, value in wanted.items()}})
    )


def marks_on(hsm: Hsm) -> list[bytes]:
    import pkcs11

    wanted = {pkcs11.Attribute.CLASS: pkcs11.ObjectClass.DATA}
    return [mark[pkcs11.Attribute.VALUE] for mark in hsm.session().get_objects(wanted)]


# --- the key in the token ------------------------------------------------------------------------------------------


def test_the_key_is_made_in_the_token_and_never_leaves_it(hsm: Hsm) -> None:
    import pkcs11

    provider = hsm.provider()
    provider.new_epoch()
    (key,) = keys_on(hsm)
    at = pkcs11.Attribute
    assert key[at.LABEL] == f"memvault/{hsm.vault_id}/1"
    assert key[at.ID] == bytes.fromhex(hsm.vault_id)
    assert (key.key_type, key.key_length) == (pkcs11.KeyType.AES, 256)
    for name in ("TOKEN", "PRIVATE", "SENSITIVE", "ALWAYS_SENSITIVE", "NEVER_EXTRACTABLE", "LOCAL"):
        assert key[at[name]] is True, name
    for name in ("EXTRACTABLE", "MODIFIABLE", "WRAP", "UNWRAP", "SIGN", "VERIFY", "DERIVE"):
        assert key[at[name]] is False, name
    with pytest.raises(pkcs11.AttributeSensitive):
        _ = key[at.VALUE]
    thief = hsm.session().generate_key(pkcs11.KeyType.AES, 256, label="thief", store=False)
    with pytest.raises(pkcs11.KeyUnextractable):
        thief.wrap_key(key)
    for name, value in (("EXTRACTABLE", True), ("SENSITIVE", False), ("WRAP", True), ("LABEL", "other")):
        with pytest.raises(pkcs11.PKCS11Error):
            key[at[name]] = value


def test_the_form_of_a_wrapped_key(hsm: Hsm) -> None:
    provider = hsm.provider()
    epoch = provider.new_epoch()
    for size in (1, 32, 64, 1024):
        with SecretKey.random(size) as key:
            blobs = [provider.wrap(epoch, key, CONTEXT) for _ in range(3)]
            assert {blob[:6] for blob in blobs} == {b"PMH1\x01\x00"}
            assert {len(blob) for blob in blobs} == {6 + 12 + size + 16}
            assert len({blob[6:18] for blob in blobs}) == 3  # a random IV each
            assert all(provider.unwrap(epoch, blob, CONTEXT) == key for blob in blobs)
    for size in (0, 1025):
        with pytest.raises(InvalidInputError):
            provider.wrap(epoch, SecretKey(bytearray(size)), CONTEXT)


def test_the_vectors_of_the_format(hsm: Hsm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known keys, put into the token from outside: it seals and opens as the checked-in vectors say."""
    import pkcs11

    provider = hsm.provider()
    provider.live_epochs()
    at = pkcs11.Attribute
    cases = json.loads(VECTORS.read_text())["pmh1"]
    for case in cases:
        hsm.session().create_object({
            at.CLASS: pkcs11.ObjectClass.SECRET_KEY, at.KEY_TYPE: pkcs11.KeyType.AES, at.TOKEN: True, at.PRIVATE: True,
            at.ID: bytes.fromhex(hsm.vault_id), at.LABEL: f"memvault/{hsm.vault_id}/{case['epoch']}",
            at.ENCRYPT: True, at.DECRYPT: True, at.VALUE: bytes.fromhex(case["key"]),
        })  # fmt: skip
        epoch = case["epoch"]
        context = WrapContext(bytes.fromhex(case["tenant"]), case["level"], bytes.fromhex(case["id"]), epoch)
        key = SecretKey(bytearray.fromhex(case["plaintext"]))
        assert provider.unwrap(epoch, bytes.fromhex(case["wrapped"]), context) == key
        with monkeypatch.context() as patch:
            patch.setattr(adapter.os, "urandom", lambda size, case=case: bytes.fromhex(case["iv"])[:size])
            assert provider.wrap(epoch, key, context).hex() == case["wrapped"]
    assert len(cases) == 3


def test_a_local_wrap_is_not_one_of_a_token(hsm: Hsm) -> None:
    from vault.crypto.wrap import wrap

    provider = hsm.provider()
    epoch = provider.new_epoch()
    with pytest.raises(DecryptionError), SecretKey.random() as key:
        provider.unwrap(epoch, wrap(SecretKey.random(), key, CONTEXT), CONTEXT)


def test_a_refusal_has_no_cause_that_says_more(hsm: Hsm) -> None:
    provider = hsm.provider()
    epoch = provider.new_epoch()
    blob = provider.wrap(epoch, SecretKey.random(), CONTEXT)
    with pytest.raises(DecryptionError) as caught:
        provider.unwrap(epoch, blob[:-1] + bytes([blob[-1] ^ 1]), CONTEXT)
    assert (caught.value.code, caught.value.__cause__, caught.value.__context__) == (
        "record.unreadable",
        None,
        None,
    )


def test_a_token_that_does_not_do_what_is_needed_is_found_out(
    hsm: Hsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = hsm.provider()
    provider.live_epochs()
    encrypt, decrypt = adapter._encrypt, adapter._decrypt
    own_iv: dict[str, Any] = {"_encrypt": lambda key, plain, iv, bound: encrypt(key, plain, bytes(12), bound)}
    no_context: dict[str, Any] = {
        "_encrypt": lambda key, plain, iv, bound: encrypt(key, plain, iv, b""),
        "_decrypt": lambda key, sealed, iv, bound: decrypt(key, sealed, iv, b""),
    }
    no_tag: dict[str, Any] = {
        "_encrypt": lambda *given: encrypt(*given)[:-1],
        "_decrypt": lambda *given: bytes(32),
    }
    for fault in (own_iv, no_context, no_tag):
        with monkeypatch.context() as patch:
            for name, replacement in fault.items():
                patch.setattr(adapter, name, replacement)
            assert code_of(provider.new_epoch) in ("keys.token_unsuitable", "keys.token_failed")
        assert keys_on(hsm) == []
    assert provider.live_epochs() == frozenset()
    assert provider.new_epoch() >= 4  # the numbers that came to nothing are not given again


def copies(pid: int, key: SecretKey) -> tuple[int, int]:
    """How often the whole key, and its second half, are in another process's writable memory."""
    whole = half = 0
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:  # noqa: PTH123
        for line in maps:
            place, mode = line.split()[:2]
            if "w" not in mode:
                continue
            start, end = (int(digits, 16) for digits in place.split("-"))
            memory.seek(start)
            content = memory.read(end - start)
            whole += content.count(key.buffer)
            half += content.count(key.buffer[16:])
    return whole, half


@pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process where Linux shows it")
def test_an_unwrapped_key_is_in_memory_once_and_gone_when_it_is_closed(hsm: Hsm) -> None:
    provider = hsm.provider()
    provider.new_epoch()
    with SecretKey.random() as key:
        blob = provider.wrap(1, key, CONTEXT)
        code = f"""
key = p.unwrap(1, bytes.fromhex("{blob.hex()}"), CONTEXT)
print("held", flush=True)
input()
key.close()
print("closed", flush=True)
input()
"""
        with hsm.start(code) as child:
            assert child.stdout.readline() == "held\n"
            assert copies(child.pid, key) == (1, 1)
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline() == "closed\n"
            assert copies(child.pid, key)[0] == 0
            child.communicate("\n", timeout=60)


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_numbers_go_on_when_every_key_is_destroyed(hsm: Hsm) -> None:
    provider = hsm.provider()
    for number in (1, 2, 3):
        assert provider.new_epoch() == number
        provider.destroy_epoch(number)
    assert provider.live_epochs() == frozenset()
    assert keys_on(hsm) == []
    assert marks_on(hsm) == [b"memvault-mark/1 3"]
    provider.close()
    assert hsm.elsewhere("print(p.new_epoch(), sorted(p.live_epochs()))") == "4 [4]"


def test_an_epoch_whose_making_was_cut_off_keeps_its_number(
    hsm: Hsm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(_key: object) -> None:
        raise KeyboardInterrupt

    provider = hsm.provider()
    provider.new_epoch()
    with monkeypatch.context() as patch:
        patch.setattr(adapter, "_prove", cut)
        with pytest.raises(KeyboardInterrupt):
            provider.new_epoch()
    assert provider.live_epochs() == {
        1,
        2,
    }  # as after a crash: the next roll destroys what is beyond its epoch
    provider.destroy_epoch(2)
    assert provider.new_epoch() == 3
    assert marks_on(hsm) == [b"memvault-mark/1 3"]


def put_mark(hsm: Hsm, value: bytes) -> None:
    import pkcs11

    at = pkcs11.Attribute
    hsm.session().create_object({
        at.CLASS: pkcs11.ObjectClass.DATA, at.TOKEN: True, at.PRIVATE: True, at.APPLICATION: "memvault",
        at.LABEL: f"memvault/{hsm.vault_id}/mark", at.VALUE: value,
    })  # fmt: skip


def test_a_change_of_the_mark_that_was_cut_off(hsm: Hsm) -> None:
    provider = hsm.provider()
    provider.new_epoch()
    put_mark(hsm, b"memvault-mark/1 7")
    assert provider.live_epochs() == {1}
    assert provider.new_epoch() == 8
    assert marks_on(hsm) == [b"memvault-mark/1 8"]


@pytest.mark.parametrize(
    "value", [b"?", b"8", b"memvault-mark/1 ", b"memvault-mark/1 -1", b"memvault-mark/2 1"]
)
def test_a_mark_that_is_none_of_ours_stops_new_epochs(hsm: Hsm, value: bytes) -> None:
    provider = hsm.provider()
    provider.new_epoch()
    put_mark(hsm, value)
    assert code_of(provider.new_epoch) == "keys.mark_damaged"
    assert provider.live_epochs() == {1}


def test_two_vaults_on_one_token_do_not_see_each_other(hsm: Hsm) -> None:
    one, other = hsm.provider(), hsm.provider(vault_id="0123456789abcdef")
    one.new_epoch()
    key = SecretKey.random()
    blob = one.wrap(1, key, CONTEXT)
    assert other.live_epochs() == frozenset()
    assert code_of(lambda: other.unwrap(1, blob, CONTEXT)) == "keys.epoch_missing"
    assert other.new_epoch() == 1
    with pytest.raises(DecryptionError):
        other.unwrap(1, blob, CONTEXT)
    other.destroy_epoch(1)
    assert one.live_epochs() == {1}
    assert one.unwrap(1, blob, CONTEXT) == key
    other.close()
    assert one.unwrap(1, blob, CONTEXT) == key  # the other one's leaving logs nobody out


def test_other_objects_on_the_token_are_no_epochs(hsm: Hsm) -> None:
    import pkcs11

    provider = hsm.provider()
    provider.new_epoch()
    vault_id = bytes.fromhex(hsm.vault_id)
    prefix = f"memvault/{hsm.vault_id}/"
    for label in (
        "",
        "other",
        f"{prefix}",
        f"{prefix}x",
        f"{prefix}02",
        f"{prefix}0",
        f"{prefix}-3",
        f"{prefix}\u0663",
    ):
        hsm.session().generate_key(pkcs11.KeyType.AES, 256, id=vault_id, label=label, store=True)
    assert provider.live_epochs() == {1}
    assert provider.new_epoch() == 2


def test_two_keys_for_one_epoch_are_not_chosen_from(hsm: Hsm, monkeypatch: pytest.MonkeyPatch) -> None:
    import pkcs11

    def double(number: int) -> None:
        label = f"memvault/{hsm.vault_id}/{number}"
        hsm.session().generate_key(
            pkcs11.KeyType.AES, 256, id=bytes.fromhex(hsm.vault_id), label=label, store=True
        )

    provider = hsm.provider()
    provider.live_epochs()
    monkeypatch.setattr(adapter, "_prove", lambda key: double(1))  # another process, at the same moment
    assert code_of(provider.new_epoch) == "keys.epoch_raced"
    assert len(keys_on(hsm)) == 1  # its own is gone again
    double(1)
    assert code_of(lambda: provider.wrap(1, SecretKey.random(), CONTEXT)) == "keys.epoch_ambiguous"
    provider.destroy_epoch(1)
    assert keys_on(hsm) == []


# --- destruction -----------------------------------------------------------------------------------------------------


def test_a_destruction_says_what_was_destroyed(hsm: Hsm) -> None:
    provider = hsm.provider()
    provider.new_epoch()
    done = provider.destroy_epoch(1)
    serial = hsm.session().token.serial.decode()
    assert (done.epoch, done.state) == (1, "destroyed")
    for part in (
        f"serial {serial}",
        f"memvault/{hsm.vault_id}/1",
        f"CKA_ID {hsm.vault_id}",
        "not found again",
    ):
        assert part in done.evidence
    assert hsm.pin not in done.evidence
    again = provider.destroy_epoch(1)
    assert (again.state, "not on the token" in again.evidence) == ("destroyed", True)


def test_a_key_that_stays_is_not_called_destroyed(hsm: Hsm, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stubborn:
        def destroy(self) -> None:
            """CKR_OK, and nothing happened."""

    provider = hsm.provider()
    provider.new_epoch()
    monkeypatch.setattr(provider, "_keys", lambda session, epoch: [Stubborn()])
    assert code_of(lambda: provider.destroy_epoch(1)) == "keys.destroy_failed"


def test_what_another_process_destroyed_is_dead_here(hsm: Hsm) -> None:
    provider = hsm.provider()
    provider.new_epoch()
    key = SecretKey.random()
    blob = provider.wrap(1, key, CONTEXT)
    assert provider.unwrap(1, blob, CONTEXT) == key
    made = hsm.elsewhere(
        "print(p.destroy_epoch(1).state, p.new_epoch(), p.wrap(2, SecretKey.random(), CONTEXT).hex())"
    )
    state, number, hexed = made.split()
    assert (state, number) == ("destroyed", "2")
    assert code_of(lambda: provider.unwrap(1, blob, CONTEXT)) == "keys.epoch_missing"
    assert code_of(lambda: provider.wrap(1, key, CONTEXT)) == "keys.epoch_missing"
    assert provider.live_epochs() == {2}
    assert len(provider.unwrap(2, bytes.fromhex(hexed), CONTEXT)) == 32


def test_a_handle_that_was_given_to_another_key_is_not_used(hsm: Hsm) -> None:
    provider = hsm.provider()
    first, second = provider.new_epoch(), provider.new_epoch()
    blob = provider.wrap(first, SecretKey.random(), CONTEXT)
    provider.wrap(second, SecretKey.random(), CONTEXT)
    provider._handles[first], provider._handles[second] = provider._handles[second], provider._handles[first]
    provider.unwrap(first, blob, CONTEXT)


# --- many at once ----------------------------------------------------------------------------------------------------


def test_many_threads_and_providers_share_one_token(hsm: Hsm) -> None:
    shared = hsm.provider()
    shared.new_epoch()
    key = SecretKey.random()
    failed: list[BaseException] = []

    def work(provider: Pkcs11Provider) -> None:
        try:
            for _ in range(20):
                assert provider.unwrap(1, provider.wrap(1, key, CONTEXT), CONTEXT) == key
                assert provider.live_epochs() == {1}
            if provider is not shared:
                provider.close()
        except BaseException as error:  # noqa: BLE001 - shown below
            failed.append(error)

    providers = [shared, shared, *(hsm.provider() for _ in range(4))]
    threads = [threading.Thread(target=work, args=(provider,)) for provider in providers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert shared.live_epochs() == {1}


def test_the_thread_ends_with_the_last_provider(hsm: Hsm) -> None:
    def running() -> int:
        return sum(thread.name == "memvault-pkcs11" for thread in threading.enumerate())

    one, other = hsm.provider(), hsm.provider()
    one.live_epochs(), other.live_epochs()
    assert running() == 1
    one.close()
    assert running() == 1
    (thread,) = [t for t in threading.enumerate() if t.name == "memvault-pkcs11"]
    other.close()
    thread.join(10)
    assert running() == 0
    other.close()
    lost = hsm.provider(token="bank")
    assert code_of(lost.live_epochs) == "keys.token_missing"
    (thread,) = [t for t in threading.enumerate() if t.name == "memvault-pkcs11"]
    lost.close()  # who never got in leaves no thread either
    thread.join(10)
    assert running() == 0
