"""Wycheproof's vectors for C2SP chunked-encryption, the suite of PMV1 and PMW1."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from vector_files import load, wycheproof

from vault.crypto.primitives import (
    AES_128_GCM,
    AES_256_GCM,
    ChunkedSuite,
    SecretKey,
    chunked_open,
    chunked_open_key,
    chunked_seal,
)
from vault.crypto.record import RecordContext, open_
from vault.errors import DecryptionError, InvalidInputError


@pytest.mark.parametrize(
    ("name", "suite"),
    [
        ("c2sp_chunked_encryption_aes_256_gcm", AES_256_GCM),
        ("c2sp_chunked_encryption_aes_128_gcm", AES_128_GCM),
    ],
)
def test_wycheproof_chunked_encryption(name: str, suite: ChunkedSuite) -> None:
    opened = refused = 0
    for _, case in wycheproof(name):
        sealed = zlib.decompress(bytes.fromhex(case["ct"]))
        key, context = bytearray.fromhex(case["key"]), bytes.fromhex(case["ctx"])
        if case["result"] == "valid":
            message = chunked_open(key, context, sealed, suite=suite)
            assert len(message) == case["msgLength"], case["tcId"]
            assert hashlib.sha512(message).hexdigest() == case["msgSha512"], case["tcId"]
            assert chunked_seal(key, context, message, salt=sealed[:24], suite=suite) == sealed, case["tcId"]
            opened += 1
        else:
            with pytest.raises(DecryptionError):
                chunked_open(key, context, sealed, suite=suite)
            if "InvalidKeySize" in case["flags"]:
                with pytest.raises(InvalidInputError):
                    chunked_seal(key, context, b"", suite=suite)
            refused += 1
    assert (opened, refused) == (10, 25)


def test_wycheproof_chunked_encryption_into_wipeable_memory() -> None:
    """The same vectors through the variant for keys, which takes one chunk and nothing else."""
    opened = refused = 0
    for _, case in wycheproof("c2sp_chunked_encryption_aes_256_gcm"):
        sealed = zlib.decompress(bytes.fromhex(case["ct"]))
        key, context = SecretKey(bytearray.fromhex(case["key"])), bytes.fromhex(case["ctx"])
        if case["result"] == "valid" and case["msgLength"] < 16384:
            message = chunked_open_key(key, context, sealed).buffer
            assert hashlib.sha512(message).hexdigest() == case["msgSha512"], case["tcId"]
            opened += 1
        else:
            with pytest.raises(DecryptionError):
                chunked_open_key(key, context, sealed)
            refused += 1
    assert (opened, refused) == (4, 31)


def test_a_ciphertext_of_two_keys_opens_under_neither() -> None:
    vector = load("commitment/gcm-two-keys.json")
    nonce, body = bytes.fromhex(vector["nonce"]), bytes.fromhex(vector["ct_and_tag"])
    tried = 0
    for number in ("1", "2"):
        key = bytearray.fromhex(vector["key" + number])
        # Plain AES-GCM takes it under both keys, which is the attack.
        assert AESGCM(key).decrypt(nonce, body, b"").hex() == vector["pt" + number]
        context = RecordContext(bytes(16), bytes(16), b"1", 1, "record")
        for header in (bytes(56), bytes(44) + nonce):
            with pytest.raises(DecryptionError):
                chunked_open(key, b"", header + body)
            with pytest.raises(DecryptionError):
                open_(SecretKey(key[:]), b"PMV1\x01\x00" + bytes(20) + header + body, context)
            tried += 1
    assert tried == 4
