"""PMV1 records, PMW1 wraps and the multiset hash: what opens, what does not, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vault.crypto.lthash import STATE_BYTES, LtHash
from vault.crypto.primitives import SecretKey
from vault.crypto.record import MAX_DATA, RecordContext, open_, padme, read_header, seal
from vault.crypto.wrap import WrapContext, unwrap, wrap
from vault.errors import DecryptionError, InvalidInputError, KeyProviderError

KEY = SecretKey(bytearray(range(32)))
KID = bytes(range(16))
CONTEXT = RecordContext(b"t" * 16, b"s" * 16, b"row 1", 3, "record")
WRAP = WrapContext(b"t" * 16, "dek", b"id", 4)


def test_a_record_opens_in_its_own_place_only() -> None:
    blob = seal(KEY, KID, 9, CONTEXT, b"a fact")
    assert open_(KEY, blob, CONTEXT) == b"a fact"
    assert (read_header(blob).kid, read_header(blob).generation) == (KID, 9)
    elsewhere = (
        replace(CONTEXT, tenant=b"u" * 16),
        replace(CONTEXT, sid=b"u" * 16),
        replace(CONTEXT, record_id=b"row 2"),
        replace(CONTEXT, version=2),
        replace(CONTEXT, use="history"),
        replace(CONTEXT, schema=2),
        replace(CONTEXT, record_id=b"row ", version=3),
    )
    for other in elsewhere:
        with pytest.raises(DecryptionError):
            open_(KEY, blob, other)
    with pytest.raises(DecryptionError):
        open_(KEY.derive("other"), blob, CONTEXT)


def test_a_record_does_not_open_under_another_kid_or_generation() -> None:
    blob = seal(KEY, KID, 9, CONTEXT, b"a fact")
    for at in (6, 21, 22, 25):
        moved = blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]
        assert read_header(moved) != read_header(blob)
        with pytest.raises(DecryptionError):
            open_(KEY, moved, CONTEXT)


def test_the_length_of_a_record_is_padded() -> None:
    lengths = {len(seal(KEY, KID, 1, CONTEXT, bytes(size))) for size in range(400, 412)}
    assert lengths == {82 + 416 + 16}


def test_records_at_the_limits() -> None:
    whole = bytes(MAX_DATA)
    assert open_(KEY, seal(KEY, KID, 0, CONTEXT, whole), CONTEXT) == whole
    with pytest.raises(InvalidInputError, match="larger"):
        seal(KEY, KID, 0, CONTEXT, whole + b"1")


@pytest.mark.parametrize(
    "wrong",
    [
        {"tenant": b"t" * 15},
        {"sid": b"s" * 17},
        {"version": -1},
        {"version": 1 << 64},
        {"schema": 1 << 16},
        {"use": "r\xe9cord"},
    ],
)
def test_contexts_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    blob = seal(KEY, KID, 1, CONTEXT, b"x")
    context = replace(CONTEXT, **wrong)
    with pytest.raises(InvalidInputError):
        seal(KEY, KID, 1, context, b"x")
    with pytest.raises(InvalidInputError):
        open_(KEY, blob, context)


def test_headers_out_of_range_are_refused() -> None:
    for kid, generation in ((KID[1:], 1), (KID, -1), (KID, 1 << 32)):
        with pytest.raises(InvalidInputError):
            seal(KEY, kid, generation, CONTEXT, b"x")
    for blob in (b"", b"PMV1", b"PMV2" + bytes(200), b"PMV1\x01\x01" + bytes(200), bytes(200)):
        with pytest.raises(DecryptionError):
            read_header(blob)


def test_padme_lengths() -> None:
    # Every size up to 9 is its own class; then low bits go. 9 -> 10 is the paper's worst case, 11 %.
    assert [padme(size) for size in range(12)] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 10, 12]
    assert padme(1000) == 1024
    assert padme(1 << 24) == 1 << 24


def test_a_wrapped_key_opens_in_its_own_place_only() -> None:
    secret = SecretKey.random()
    wrapped = wrap(KEY, secret, WRAP)
    assert len(wrapped) == 110
    assert unwrap(KEY, wrapped, WRAP) == secret
    for other in (
        replace(WRAP, tenant=b"u" * 16),
        replace(WRAP, level="kek"),
        replace(WRAP, id=b"jd"),
        replace(WRAP, epoch=3),
    ):
        with pytest.raises(DecryptionError):
            unwrap(KEY, wrapped, other)
    for at in range(len(wrapped)):
        with pytest.raises(DecryptionError):
            unwrap(KEY, wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :], WRAP)
    for damaged in (b"", wrapped[:-32], wrapped[:-1], wrapped + b"\0", wrapped + bytes(2000)):
        with pytest.raises(DecryptionError):
            unwrap(KEY, damaged, WRAP)


def test_wrapping_refuses_what_is_no_key() -> None:
    for size in (0, 1025):
        with pytest.raises(InvalidInputError):
            wrap(KEY, SecretKey(bytearray(size)), WRAP)
    closed = SecretKey.random()
    closed.close()
    with pytest.raises(KeyProviderError):
        wrap(KEY, closed, WRAP)
    for wrong in (replace(WRAP, tenant=b""), replace(WRAP, epoch=1 << 64), replace(WRAP, level="\xe9")):
        with pytest.raises(InvalidInputError):
            wrap(KEY, SecretKey.random(), wrong)


def test_a_key_closed_while_it_is_wrapped_gives_no_wrap(monkeypatch: pytest.MonkeyPatch) -> None:
    from vault.crypto import wrap as module

    secret = SecretKey.random()

    def closing(*arguments: object) -> bytes:
        secret.close()
        return b"sealed zeros"

    monkeypatch.setattr(module, "chunked_seal", closing)
    with pytest.raises(KeyProviderError):
        wrap(KEY, secret, WRAP)


def test_a_record_is_not_a_wrap_and_a_wrap_not_a_record() -> None:
    blob, wrapped = seal(KEY, KID, 1, CONTEXT, b"x"), wrap(KEY, SecretKey.random(), WRAP)
    with pytest.raises(DecryptionError):
        unwrap(KEY, blob, WRAP)
    with pytest.raises(DecryptionError):
        open_(KEY, wrapped, CONTEXT)


def test_multiset_hash_states() -> None:
    total = LtHash()
    assert total.state() == bytes(STATE_BYTES)
    total.add(b"one")
    again = LtHash(total.state())
    again.add(b"two")
    assert total.digest() != again.digest()
    again.remove(b"two")
    assert total.digest() == again.digest()
    assert len(total.digest()) == 32
    with pytest.raises(InvalidInputError):
        LtHash(bytes(STATE_BYTES - 1))
