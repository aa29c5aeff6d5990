"""Wycheproof and RFC vectors for the primitives, as the installed `cryptography` and OpenSSL compute them."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from vector_files import load, wycheproof

from vault.crypto.primitives import (
    SecretKey,
    argon2id,
    hkdf_expand_sha512,
    mac_sha256_raw,
    verify_ed25519,
)
from vault.errors import IntegrityViolationError


def test_wycheproof_aes_gcm() -> None:
    opened = refused = refused_by_design = 0
    for group, case in wycheproof("aes_gcm"):
        cipher, nonce = AESGCM(bytes.fromhex(case["key"])), bytes.fromhex(case["iv"])
        aad, message = bytes.fromhex(case["aad"]), bytes.fromhex(case["msg"])
        sealed = bytes.fromhex(case["ct"] + case["tag"])
        if not 64 <= group["ivSize"] <= 1024:  # `cryptography` takes nonces of 8 to 128 bytes only
            with pytest.raises(ValueError, match=r"(?i)nonce"):
                cipher.decrypt(nonce, sealed, aad)
            with pytest.raises(ValueError, match=r"(?i)nonce"):
                cipher.encrypt(nonce, message, aad)
            if case["result"] == "valid":
                refused_by_design += 1
            else:
                refused += 1
        elif case["result"] == "valid":
            assert cipher.decrypt(nonce, sealed, aad) == message, case["tcId"]
            assert cipher.encrypt(nonce, message, aad) == sealed, case["tcId"]
            opened += 1
        else:
            with pytest.raises(InvalidTag):
                cipher.decrypt(nonce, sealed, aad)
            refused += 1
    assert (opened, refused, refused_by_design) == (202, 87, 27)


def test_wycheproof_hkdf_sha512() -> None:
    """Our expand step, behind RFC 5869's extract step."""
    derived = refused = 0
    for _, case in wycheproof("hkdf_sha512"):
        salt = bytes.fromhex(case["salt"]) or bytes(64)
        prk = bytearray(hmac.digest(salt, bytes.fromhex(case["ikm"]), "sha512"))
        info = bytes.fromhex(case["info"])
        if case["result"] == "valid":
            okm = hkdf_expand_sha512(prk, info, case["size"])
            assert okm.hex() == case["okm"], case["tcId"]
            assert hkdf_expand_sha512(SecretKey(prk), info, case["size"]) == okm, case["tcId"]
            derived += 1
        else:
            with pytest.raises(ValueError, match=r"length|large"):
                hkdf_expand_sha512(prk, info, case["size"])
            refused += 1
    assert (derived, refused) == (80, 3)


def test_wycheproof_hkdf_sha256() -> None:
    derived = refused = 0
    for _, case in wycheproof("hkdf_sha256"):
        salt, info = bytes.fromhex(case["salt"]), bytes.fromhex(case["info"])
        if case["result"] == "valid":
            okm = HKDF(hashes.SHA256(), case["size"], salt, info).derive(bytes.fromhex(case["ikm"]))
            assert okm.hex() == case["okm"], case["tcId"]
            derived += 1
        else:
            with pytest.raises(ValueError, match=r"length|large"):
                HKDF(hashes.SHA256(), case["size"], salt, info)
            refused += 1
    assert (derived, refused) == (83, 3)


def test_wycheproof_hmac_sha256() -> None:
    matched = refused = 0
    for group, case in wycheproof("hmac_sha256"):
        key = SecretKey(bytearray.fromhex(case["key"]))
        tag = mac_sha256_raw(key, bytes.fromhex(case["msg"]))[: group["tagSize"] // 8]
        if case["result"] == "valid":
            assert tag.hex() == case["tag"], case["tcId"]
            matched += 1
        else:
            assert tag.hex() != case["tag"], case["tcId"]
            refused += 1
    assert (matched, refused) == (66, 108)


def test_wycheproof_ed25519() -> None:
    verified = refused = 0
    for group, case in wycheproof("ed25519"):
        public = bytes.fromhex(group["publicKey"]["pk"])
        signature, message = bytes.fromhex(case["sig"]), bytes.fromhex(case["msg"])
        if case["result"] == "valid":
            verify_ed25519(public, signature, message)
            verified += 1
        else:
            with pytest.raises(IntegrityViolationError):
                verify_ed25519(public, signature, message)
            refused += 1
    assert (verified, refused) == (88, 63)


def test_rfc_key_derivation() -> None:
    vectors = load("kdf/kdf.json")
    argon = vectors["argon2id_rfc9106_5.3"]
    kdf = Argon2id(
        salt=bytes.fromhex(argon["salt_hex"]),
        length=argon["tag_len"],
        iterations=argon["iterations"],
        lanes=argon["lanes"],
        memory_cost=argon["memory_kib"],
        ad=bytes.fromhex(argon["ad_hex"]),
        secret=bytes.fromhex(argon["secret_hex"]),
    )
    assert kdf.derive(bytes.fromhex(argon["password_hex"])).hex() == argon["tag_hex"]
    run = 1
    for case in vectors["scrypt_rfc7914_12"]:
        sizes = {"n": case["n"], "r": case["r"], "p": case["p"], "maxmem": 1 << 26, "dklen": 64}
        derived = hashlib.scrypt(case["password"].encode(), salt=case["salt"].encode(), **sizes)
        assert derived.hex() == case["out"]
        run += 1
    hkdf = vectors["hkdf_rfc5869_a1"]
    okm = HKDF(hashes.SHA256(), 42, bytes.fromhex(hkdf["salt"]), bytes.fromhex(hkdf["info"]))
    assert okm.derive(bytes.fromhex(hkdf["ikm"])).hex() == hkdf["okm"]
    assert run + 1 == 5


def test_argon2id_as_the_vault_calls_it() -> None:
    """From the reference implementation's own tests: version 0x13, t=2, m=64 MiB, p=1."""
    key = argon2id(bytearray(b"password"), b"somesalt", memory_kib=1 << 16, iterations=2, lanes=1)
    assert key.buffer.hex() == "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7"
