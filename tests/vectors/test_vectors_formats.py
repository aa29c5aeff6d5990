"""The stored formats of docs/format.md: the vault reads and writes the bytes of the checked-in vectors."""

from __future__ import annotations

import base64
import hashlib
import json
import runpy
from datetime import datetime
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from vector_files import HERE

from vault.audit.events import b64u, entry
from vault.audit.merkle import Frontier, inclusion_proof
from vault.audit.note import Checkpoint, format_proof, open_note, sign_note, vkey
from vault.audit.verify import leaf_hash, parse_vkey, verify_proof, verify_tree
from vault.crypto import primitives
from vault.crypto.lthash import LtHash
from vault.crypto.primitives import BlockCipher256, SecretKey, SigningKey
from vault.crypto.record import RecordContext, open_, read_header, seal
from vault.crypto.wrap import WrapContext, unwrap, wrap
from vault.errors import DecryptionError
from vault.keys import pkcs11

VECTORS: dict[str, Any] = json.loads((HERE / "pmv1.json").read_text("utf-8"))
GENERATOR = HERE.parent.parent / "tools" / "make_format_vectors.py"


def key(digits: str) -> SecretKey:
    return SecretKey(bytearray.fromhex(digits))


def fix_salt(monkeypatch: pytest.MonkeyPatch, digits: str) -> None:
    monkeypatch.setattr(primitives.os, "urandom", lambda size: bytes.fromhex(digits)[:size])


def record_context(case: dict[str, Any]) -> RecordContext:
    return RecordContext(
        tenant=bytes.fromhex(case["tenant"]),
        sid=bytes.fromhex(case["sid"]),
        record_id=bytes.fromhex(case["record_id"]),
        version=case["version"],
        use=case["use"],
        schema=case["schema"],
    )


def test_the_generator_writes_the_checked_in_file() -> None:
    generated = runpy.run_path(str(GENERATOR))["vectors"]()
    assert generated == VECTORS


def test_use_keys() -> None:
    dek = key(VECTORS["dek"])
    for use, digits in VECTORS["use_keys"].items():
        assert dek.derive(use) == key(digits)
    assert len(VECTORS["use_keys"]) == 7


def test_records(monkeypatch: pytest.MonkeyPatch) -> None:
    for case in VECTORS["pmv1"]:
        if "data" in case:
            data = bytes.fromhex(case["data"])
        else:
            seed = b"memvault format vectors " + case["data_shake256"].encode()
            data = hashlib.shake_256(seed).digest(case["data_bytes"])
        use_key, context = key(VECTORS["dek"]).derive(case["use"]), record_context(case)
        with monkeypatch.context() as patch:
            fix_salt(patch, case["salt"])
            blob = seal(use_key, bytes.fromhex(case["kid"]), case["generation"], context, data)
        assert hashlib.sha256(blob).hexdigest() == case["blob_sha256"], case["name"]
        assert blob.hex() == case.get("blob", blob.hex()), case["name"]
        assert open_(use_key, blob, context) == data, case["name"]
        header = read_header(blob)
        assert (header.kid.hex(), header.generation) == (case["kid"], case["generation"]), case["name"]
    assert len(VECTORS["pmv1"]) == 10


def test_records_to_refuse() -> None:
    for case in VECTORS["pmv1_refused"]:
        with pytest.raises(DecryptionError):
            open_(key(VECTORS["use_keys"]["record"]), bytes.fromhex(case["blob"]), record_context(case))
    assert len(VECTORS["pmv1_refused"]) == 13


def test_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    for case in VECTORS["pmw1"]:
        context = WrapContext(
            bytes.fromhex(case["tenant"]), case["level"], bytes.fromhex(case["id"]), case["epoch"]
        )
        wrapping, secret = key(case["key"]), key(case["plaintext"])
        with monkeypatch.context() as patch:
            fix_salt(patch, case["salt"])
            assert wrap(wrapping, secret, context).hex() == case["wrapped"]
        assert unwrap(wrapping, bytes.fromhex(case["wrapped"]), context) == secret
    assert len(VECTORS["pmw1"]) == 5


def test_wraps_of_a_token() -> None:
    """What a token is asked to bind and how its answer lies in the blob; tests/unit/keys has them done by a token."""
    for case in VECTORS["pmh1"]:
        context = WrapContext(
            bytes.fromhex(case["tenant"]), case["level"], bytes.fromhex(case["id"]), case["epoch"]
        )
        bound, blob = pkcs11._bound(context), bytes.fromhex(case["wrapped"])
        assert bound.hex() == case["context"]
        assert blob.startswith(pkcs11._HEADER + bytes.fromhex(case["iv"]))
        sealed = blob[pkcs11._BODY :]
        opened = AESGCM(bytes.fromhex(case["key"])).decrypt(bytes.fromhex(case["iv"]), sealed, bound)
        assert opened.hex() == case["plaintext"]
    assert len(VECTORS["pmh1"]) == 3


def test_memory_ids() -> None:
    for case in VECTORS["memory_id"]:
        cipher = BlockCipher256(key(case["key"]))
        block = case["s"].to_bytes(5, "big") + case["n"].to_bytes(5, "big") + bytes.fromhex(case["nonce"])
        shown = bytes.fromhex(case["id"].replace("-", ""))
        assert cipher.encrypt_block(block) == shown
        assert cipher.decrypt_block(shown) == block
        assert [len(part) for part in case["id"].split("-")] == [8, 4, 4, 4, 12]
    assert len(VECTORS["memory_id"]) == 3


def unb64u(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_log_entries() -> None:
    for case in VECTORS["entry_1"]:
        fields = case["fields"]
        data = entry(
            fields["act"],
            log=unb64u(fields["log"]),
            seq=fields["seq"],
            at=datetime.fromisoformat(fields["t"]),
            purpose=fields["pur"],
            actor=unb64u(fields["actor"]),
            subject=unb64u(fields["subj"]),
            obj=unb64u(fields["obj"]),
            result=fields["res"],
            count=fields["n"],
            salt=unb64u(fields["salt"]),
            commitment=unb64u(fields["dc"]),
            pack=fields["pack"],
        )
        assert data.decode() == case["entry"]
        assert json.loads(data) == fields
        assert leaf_hash(data).hex() == case["leaf"]
        assert b64u(unb64u(fields["salt"])) == fields["salt"]
    assert len(VECTORS["entry_1"]) == 5


def test_checkpoint_and_proof() -> None:
    case = VECTORS["checkpoint"]
    entries = [item["entry"].encode() for item in VECTORS["entry_1"]]
    leaves = [leaf_hash(data) for data in entries]
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    assert frontier.to_bytes().hex() == case["frontier"]
    assert frontier.root().hex() == case["root"]
    signer = SigningKey.from_seed(key(case["seed"]))
    assert vkey(case["origin"], signer.public_bytes()) == case["vkey"]
    checkpoint = Checkpoint(case["origin"], case["size"], frontier.root())
    note = case["note"].encode()
    assert sign_note(checkpoint, [signer]) == note
    assert open_note(note, [case["vkey"]]) == checkpoint
    verify_tree(entries, checkpoint)
    proof = case["proof_of_entry_1"].encode()
    assert format_proof(1, inclusion_proof(leaves, 1), note) == proof
    assert verify_proof(entries[1], proof, [parse_vkey(case["vkey"])]) == checkpoint


def test_multiset_hash() -> None:
    total = LtHash()
    for item in VECTORS["lthash"]["items"]:
        total.add(bytes.fromhex(item))
    assert total.digest().hex() == VECTORS["lthash"]["digest"]


def test_every_kind_of_vector_is_run_above() -> None:
    run = {"about", "dek", "use_keys", "pmv1", "pmv1_refused", "pmw1", "pmh1"}
    run |= {"memory_id", "entry_1", "checkpoint", "lthash"}
    assert set(VECTORS) == run
