"""Opening many records of one subject: the same answers as one by one, and the same refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.crypto.primitives import CHUNK_BYTES, SecretKey
from vault.crypto.record import Header, Opener, RecordContext, open_, seal
from vault.errors import DecryptionError

KEY = SecretKey(bytearray(range(32)))
KID = bytes(range(16))
CONTEXT = RecordContext(b"t" * 16, b"s" * 16, b"row 1", 3, "record")
OPENER = Opener(KEY, Header(KID, 9), CONTEXT)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 2**64 - 1), st.binary(max_size=600))
def test_an_opener_reads_what_was_sealed_for_any_row(record_id: bytes, version: int, data: bytes) -> None:
    context = replace(CONTEXT, record_id=record_id, version=version)
    blob = seal(KEY, KID, 9, context, data)
    assert OPENER.open(blob, record_id, version) == open_(KEY, blob, context) == data


@pytest.mark.parametrize("size", [CHUNK_BYTES - 5, CHUNK_BYTES - 4, CHUNK_BYTES, 3 * CHUNK_BYTES])
def test_an_opener_reads_records_of_several_chunks(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    assert OPENER.open(seal(KEY, KID, 9, CONTEXT, data), b"row 1", 3) == data


def test_an_opener_refuses_any_changed_byte() -> None:
    blob = seal(KEY, KID, 9, CONTEXT, b"a fact")
    for at in range(len(blob)):
        with pytest.raises(DecryptionError):
            OPENER.open(blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :], b"row 1", 3)
    for cut in (b"", blob[:26], blob[:-1], blob[:97], blob + b"0"):
        with pytest.raises(DecryptionError):
            OPENER.open(cut, b"row 1", 3)


def test_an_opener_refuses_another_row_subject_use_key_and_generation() -> None:
    blob = seal(KEY, KID, 9, CONTEXT, b"a fact")
    for record_id, version in ((b"row 2", 3), (b"row 1", 2), (b"row", 3)):
        with pytest.raises(DecryptionError):
            OPENER.open(blob, record_id, version)
    others = (
        Opener(KEY, Header(KID, 8), CONTEXT),
        Opener(KEY, Header(bytes(16), 9), CONTEXT),
        Opener(KEY.derive("other"), Header(KID, 9), CONTEXT),
        Opener(KEY, Header(KID, 9), replace(CONTEXT, tenant=b"u" * 16)),
        Opener(KEY, Header(KID, 9), replace(CONTEXT, sid=b"u" * 16)),
        Opener(KEY, Header(KID, 9), replace(CONTEXT, use="history")),
        Opener(KEY, Header(KID, 9), replace(CONTEXT, schema=2)),
    )
    for other in others:
        with pytest.raises(DecryptionError):
            other.open(blob, b"row 1", 3)
