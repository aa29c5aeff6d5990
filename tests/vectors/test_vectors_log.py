"""Vectors for the log: Merkle proofs, signed notes, a whole tlog-tiles log, canonical JSON."""

from __future__ import annotations

import json

import pytest
from vector_files import THIRD_PARTY, b64, lines, load

from vault.audit import merkle
from vault.audit.jcs import canonical
from vault.audit.verify import (
    EMPTY_ROOT,
    VerificationError,
    leaf_hash,
    open_checkpoint,
    open_note,
    parse_vkey,
    read_bundles,
    verify_tree,
)
from vault.errors import AuditChainError


def test_transparency_dev_inclusion_proofs() -> None:
    valid = refused = 0
    for case in lines("merkle/inclusion.jsonl"):
        arguments = (
            case["leafIdx"],
            case["treeSize"],
            b64(case["leafHash"] or ""),
            [b64(node) for node in case["proof"] or ()],
            b64(case["root"] or ""),
        )
        if case["wantErr"]:
            with pytest.raises(AuditChainError):
                merkle.verify_inclusion(*arguments)
            refused += 1
        else:
            merkle.verify_inclusion(*arguments)
            valid += 1
    assert (valid, refused) == (6, 92)


def test_transparency_dev_consistency_proofs() -> None:
    valid = refused = 0
    for case in lines("merkle/consistency.jsonl"):
        arguments = (
            case["size1"],
            case["size2"],
            b64(case["root1"] or ""),
            b64(case["root2"] or ""),
            [b64(node) for node in case["proof"] or ()],
        )
        if case["wantErr"]:
            with pytest.raises(AuditChainError):
                merkle.verify_consistency(*arguments)
            refused += 1
        else:
            merkle.verify_consistency(*arguments)
            valid += 1
    assert (valid, refused) == (6, 92)


def test_certificate_transparency_reference_roots() -> None:
    vector = load("merkle/ct-reference-roots.json")
    leaves = [leaf_hash(bytes.fromhex(leaf)) for leaf in vector["leaves_hex"]]
    assert EMPTY_ROOT.hex() == vector["empty_root"] == merkle.root([]).hex()
    roots = [merkle.root(leaves[:size]).hex() for size in range(1, len(leaves) + 1)]
    assert roots == vector["roots"]
    assert len(roots) == 8


def test_signed_notes() -> None:
    vectors = load("signed-note/notes.json")
    opened = refused = 0
    for case in vectors["cases"]:
        note, verifiers = bytes.fromhex(case["note_hex"]), [parse_vkey(key) for key in case["vkeys"]]
        if case["want"] == "ok":
            text, names = open_note(note, verifiers)
            assert note.startswith(text.encode()), case["name"]
            assert len(names) == case["verified"], case["name"]
            opened += 1
        else:
            with pytest.raises(VerificationError):
                open_note(note, verifiers)
            refused += 1
    assert (opened, refused) == (3, 10)
    for vkey in vectors["bad_vkeys"]:
        with pytest.raises(VerificationError):
            parse_vkey(vkey)
        refused += 1
    assert refused == 12


def test_tessera_log() -> None:
    """Every checkpoint, the entry bundles and the leaf tiles of a log that another implementation wrote."""
    folder = THIRD_PARTY / "tlog-tiles-tessera"

    def read(path: str) -> bytes:
        return (folder / path).read_bytes()

    verifiers = [parse_vkey((folder / "vkey.txt").read_text("ascii"))]
    newest = open_checkpoint((folder / "checkpoint").read_bytes(), verifiers)
    entries = list(read_bundles(read, newest.size))
    assert len(entries) == newest.size == 15
    sizes = []
    for size in range(16):
        checkpoint = open_checkpoint((folder / f"checkpoint.{size}").read_bytes(), verifiers)
        assert checkpoint.size == size
        verify_tree(entries, newest, checkpoint)
        sizes.append(size)
        if size:
            assert list(read_bundles(read, size)) == entries[:size]
            tile = (folder / f"tile/0/000.p/{size}").read_bytes()
            assert tile == b"".join(map(leaf_hash, entries[:size]))
            verify_tree(entries[:size], checkpoint)
            proof = merkle.consistency_proof([leaf_hash(entry) for entry in entries], size)
            merkle.verify_consistency(size, newest.size, checkpoint.root, newest.root, proof)
    assert len(sizes) == 16


def test_canonical_json() -> None:
    run = 0
    for source in sorted((THIRD_PARTY / "jcs" / "input").iterdir()):
        expected = (THIRD_PARTY / "jcs" / "output" / source.name).read_bytes()
        digits = (THIRD_PARTY / "jcs" / "outhex" / source.with_suffix(".txt").name).read_text("ascii")
        assert canonical(json.loads(source.read_text("utf-8"))) == expected == bytes.fromhex(digits)
        run += 1
    assert run == 6
