"""Keys that stay hidden and get wiped, and the primitives' edges."""

from __future__ import annotations

import copy
import gc
import pickle

import pytest

from vault.crypto import primitives
from vault.crypto.primitives import (
    CHUNK_BYTES,
    BlockCipher256,
    SecretKey,
    SigningKey,
    argon2id,
    chunked_open,
    chunked_seal,
    hkdf_expand_sha512,
    hmac_sha256,
    hmac_sha256_each,
    length_prefixed,
    mac_sha256_raw,
    verify_ed25519,
    wipe,
)
from vault.errors import (
    DecryptionError,
    IntegrityViolationError,
    InvalidInputError,
    KeyProviderError,
)


def fixed(byte: int = 7) -> SecretKey:
    return SecretKey(bytearray([byte]) * 32)


def test_a_key_is_shown_by_nothing() -> None:
    key = SecretKey(bytearray(b"sixteen letters!" * 2))
    assert repr(key) == "SecretKey(<hidden>)"
    assert repr([key]) == "[SecretKey(<hidden>)]"
    for show in (str, bytes, "{}".format, "%s".__mod__, hash, copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError) as caught:
            show(key)  # type: ignore[operator]
        assert "letters" not in str(caught.value)
    assert not hasattr(key, "__dict__")


def test_a_key_must_be_wipeable() -> None:
    with pytest.raises(TypeError, match="bytearray"):
        SecretKey(b"0" * 32)  # type: ignore[arg-type]


def test_close_wipes_the_bytes_and_ends_every_use() -> None:
    key = fixed()
    buffer = key.buffer
    assert not key.closed
    with key as same:
        assert same is key
    assert key.closed
    assert buffer == bytes(32)
    key.close()
    assert len(key) == 32
    uses = (
        lambda: key.buffer,
        lambda: key.derive("record"),
        lambda: hmac_sha256(key, b"x"),
        lambda: hmac_sha256_each(key, b"x", [b"y"]),
        lambda: mac_sha256_raw(key, b"x"),
        lambda: chunked_seal(key, b"", b"x"),
        lambda: BlockCipher256(key),
        lambda: SigningKey.from_seed(key),
        lambda: key == fixed(),
    )
    for use in uses:
        with pytest.raises(KeyProviderError) as caught:
            use()
        assert caught.value.code == "key.closed"


def test_a_key_closed_in_the_middle_of_a_use_gives_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread closes the key after its buffer was handed out: what zeros derive must not be used."""
    key = fixed()

    class ClosingExpand:
        def __init__(self, *_: object) -> None:
            pass

        def derive_into(self, *_: object) -> None:
            key.close()

    monkeypatch.setattr(primitives, "HKDFExpand", ClosingExpand)
    with pytest.raises(KeyProviderError):
        hkdf_expand_sha512(key, b"info", 32)


def test_a_dropped_key_is_wiped_unless_its_bytes_are_still_in_use() -> None:
    kept = SecretKey(bytearray(b"k" * 32)).buffer  # taken from a temporary: still whole
    assert kept == b"k" * 32

    class Traced(bytearray):
        wiped = False

        def __setitem__(self, index: object, value: object) -> None:
            Traced.wiped = value == bytes(32)
            super().__setitem__(index, value)  # type: ignore[index, assignment]

    SecretKey(Traced(b"k" * 32))
    gc.collect()
    assert Traced.wiped


def test_key_bytes_of_a_driver_are_taken_over_and_overwritten_where_they_lay() -> None:
    plain = bytes(range(7, 39))
    with SecretKey.taken(plain) as key:
        assert key.buffer == bytearray(range(7, 39))
        assert plain == bytes(32)  # the very object
    for short in (b"", b"k"):  # shared by the whole interpreter: left alone
        assert SecretKey.taken(short).buffer == bytearray(short)
    assert (bytes(0), b"k") == (b"", b"k")


def test_key_bytes_that_somebody_else_holds_are_not_overwritten() -> None:
    plain = bytes(range(7, 39))
    holders = [plain, plain]
    with pytest.raises(ValueError, match="shared"):
        SecretKey.taken(plain)
    assert holders[0] == bytes(range(7, 39))


def test_random_keys_differ_and_have_the_size_asked_for() -> None:
    keys = [SecretKey.random() for _ in range(20)]
    assert len({bytes(key.buffer) for key in keys}) == 20
    assert len(SecretKey.random(64)) == 64
    assert SecretKey.random(64).buffer != bytes(64)


def test_random_keys_without_a_random_device(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(primitives, "_URANDOM", tmp_path / "absent")  # type: ignore[operator]
    assert SecretKey.random() != SecretKey.random()


def test_equality_is_by_content_and_only_with_keys() -> None:
    assert fixed() == fixed()
    assert fixed() != fixed(8)
    assert fixed() != b"\x07" * 32


def test_derived_keys_differ_by_use_and_have_the_length_asked_for() -> None:
    key = fixed()
    record = key.derive("record")
    assert record == fixed().derive("record")
    assert record != key.derive("history")
    assert record != fixed(8).derive("record")
    assert len(key.derive("record", 64)) == 64


def test_wipe_of_nothing() -> None:
    empty = bytearray()
    wipe(empty)
    assert empty == b""


def test_hmac_parts_do_not_run_together() -> None:
    key = fixed()
    tags = {
        hmac_sha256(key, b"ab", b"c"),
        hmac_sha256(key, b"a", b"bc"),
        hmac_sha256(key, b"abc"),
        hmac_sha256(key, b"abc", b""),
        hmac_sha256(key),
    }
    assert len(tags) == 5
    assert hmac_sha256(key, b"a") == mac_sha256_raw(key, length_prefixed([b"a"]))
    seconds = [b"", b"c", b"bc", b"c"]
    assert hmac_sha256_each(key, b"ab", seconds) == [hmac_sha256(key, b"ab", one) for one in seconds]
    assert length_prefixed([b"a", b""]) == b"\0\0\0\1a\0\0\0\0"


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_chunked_sealing_at_chunk_boundaries(size: int) -> None:
    key, plaintext = fixed(), bytes(range(256)) * (size // 256) + bytes(size % 256)
    sealed = chunked_seal(key, b"context", plaintext)
    assert len(sealed) == 56 + size + 16 * (size // CHUNK_BYTES + 1)
    assert chunked_open(key, b"context", sealed) == plaintext
    assert chunked_seal(key, b"context", bytearray(plaintext)) != sealed  # another salt
    for damaged in (sealed[:-1], sealed + b"\0", sealed[:55], b"", sealed[:-16]):
        with pytest.raises(DecryptionError) as caught:
            chunked_open(key, b"context", damaged)
        assert (caught.value.code, caught.value.__cause__) == ("record.unreadable", None)
        assert caught.value.__context__ is None


def test_the_message_key_is_wiped_after_use(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytearray] = []
    real = primitives.AESGCM

    def recording(key: bytearray) -> object:
        made.append(key)
        assert key != bytes(32)
        return real(key)

    monkeypatch.setattr(primitives, "AESGCM", recording)
    sealed = chunked_seal(fixed(), b"", b"text")
    chunked_open(fixed(), b"", sealed)
    with pytest.raises(DecryptionError):
        chunked_open(fixed(), b"", sealed[:-1] + bytes([sealed[-1] ^ 1]))
    assert [bytes(key) for key in made] == [bytes(32)] * 3


def test_sealing_refuses_wrong_lengths() -> None:
    with pytest.raises(InvalidInputError):
        chunked_seal(bytearray(31), b"", b"")
    with pytest.raises(InvalidInputError):
        chunked_seal(bytearray(32), b"", b"", salt=bytes(23))


def test_block_cipher_is_a_permutation_of_blocks_that_outlives_its_key() -> None:
    key = fixed()
    cipher = BlockCipher256(key)
    block = bytes(range(16))
    hidden = cipher.encrypt_block(block)
    key.close()
    assert cipher.encrypt_block(block) == hidden != block
    assert cipher.decrypt_block(hidden) == block
    # FIPS 197, appendix C.3
    standard = BlockCipher256(SecretKey(bytearray(range(32))))
    plain = bytes.fromhex("00112233445566778899aabbccddeeff")
    assert standard.encrypt_block(plain).hex() == "8ea2b7ca516745bfeafc49904b496089"
    for length in (0, 15, 17, 32):
        with pytest.raises(InvalidInputError):
            cipher.encrypt_block(bytes(length))
        with pytest.raises(InvalidInputError):
            cipher.decrypt_block(bytes(length))
    with pytest.raises(InvalidInputError):
        BlockCipher256(SecretKey(bytearray(16)))


def test_signing() -> None:
    seed = fixed()
    signer = SigningKey.from_seed(seed)
    signature = signer.sign(b"message")
    verify_ed25519(signer.public_bytes(), signature, b"message")
    assert SigningKey.from_seed(seed).public_bytes() == signer.public_bytes()
    assert SigningKey.generate().public_bytes() != SigningKey.generate().public_bytes()
    assert repr(signer) == "SigningKey(<hidden>)"
    with pytest.raises(TypeError):
        pickle.dumps(signer)
    with pytest.raises(InvalidInputError):
        SigningKey.from_seed(SecretKey(bytearray(31)))
    for public, bad, message in (
        (signer.public_bytes(), signature, b"another"),
        (signer.public_bytes(), signature[:-1], b"message"),
        (SigningKey.generate().public_bytes(), signature, b"message"),
        (b"short", signature, b"message"),
    ):
        with pytest.raises(IntegrityViolationError) as caught:
            verify_ed25519(public, bad, message)
        assert caught.value.code == "signature.invalid"


def test_argon2id_refuses_parameters_out_of_range() -> None:
    passphrase = bytearray(b"correct horse")
    small = argon2id(passphrase, bytes(16), memory_kib=64, iterations=1, lanes=1)
    assert small == argon2id(passphrase, bytes(16), memory_kib=64, iterations=1, lanes=1)
    assert small != argon2id(passphrase, bytes(15) + b"1", memory_kib=64, iterations=1, lanes=1)
    for wrong in ({"memory_kib": 1}, {"iterations": 0}, {"lanes": 0}):
        with pytest.raises(InvalidInputError):
            argon2id(passphrase, bytes(16), **wrong)
    with pytest.raises(InvalidInputError):
        argon2id(passphrase, b"short")


def test_argon2id_says_what_the_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**_: object) -> None:
        raise primitives.UnsupportedAlgorithm("no")

    monkeypatch.setattr(primitives, "Argon2id", missing)
    with pytest.raises(KeyProviderError) as caught:
        argon2id(bytearray(b"x"), bytes(16))
    assert caught.value.code == "key.argon2_missing"

    class Starved:
        def __init__(self, **_: object) -> None:
            pass

        def derive_into(self, *_: object) -> None:
            raise MemoryError

    monkeypatch.setattr(primitives, "Argon2id", Starved)
    with pytest.raises(KeyProviderError) as caught:
        argon2id(bytearray(b"x"), bytes(16))
    assert caught.value.code == "key.argon2_memory"
