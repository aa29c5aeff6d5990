"""The example of the DSSE protocol: what its signature covers is what our encoding gives."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from vector_files import load

from vault.audit import verify
from vault.audit.verify import VerificationError


def test_the_example_of_the_protocol() -> None:
    example = load("dsse/dsse.json")
    message = verify.pae(example["payloadType"], example["payload"].encode())
    assert message.decode() == example["pae"]
    raw = base64.b64decode(example["envelope"]["signatures"][0]["sig"])
    signature = utils.encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    numbers = ec.EllipticCurvePublicNumbers(int(example["x"]), int(example["y"]), ec.SECP256R1())
    numbers.public_key().verify(signature, message, ec.ECDSA(SHA256()))
    assert base64.b64decode(example["envelope"]["payload"]).decode() == example["payload"]


def test_an_envelope_of_another_type_is_no_certificate() -> None:
    envelope = load("dsse/dsse.json")["envelope"]
    named = {**envelope, "signatures": [{"keyid": "", **one} for one in envelope["signatures"]]}
    with pytest.raises(VerificationError) as caught:
        verify.open_envelope(named, [], verify.Checks())
    assert caught.value.check == "payload-type"


def test_lengths_are_of_bytes() -> None:
    assert verify.pae("t\u00e9", b"\x00\xff") == "DSSEv1 3 t\u00e9 2 ".encode() + b"\x00\xff"
