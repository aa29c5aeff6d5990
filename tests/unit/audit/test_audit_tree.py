"""Canonical JSON, the tree, signed checkpoints and proofs: the vault's side of what `verify.py` checks."""

from __future__ import annotations

import pytest

from vault.audit import merkle
from vault.audit.jcs import canonical, strict_loads
from vault.audit.note import Checkpoint, format_proof, open_note, sign_note, sign_text, vkey
from vault.crypto.primitives import SigningKey
from vault.errors import AuditChainError, InvalidInputError

LEAVES = [merkle.leaf_hash(bytes([n])) for n in range(7)]


@pytest.mark.parametrize(
    "bad",
    [
        b'{"a":1,"a":1}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":1.0}',
        b'{"a":1e3}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":9007199254740992}',
        b'{"a":-9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b'\xef\xbb\xbf{"a":1}',
        b'{"a":1} x',
        b"[1]",
        b'"text"',
        b"",
        b"[" * 100_000,
    ],
)
def test_json_of_more_than_one_meaning_is_refused(bad: bytes) -> None:
    with pytest.raises(AuditChainError) as caught:
        strict_loads(bad)
    assert caught.value.code == "audit.entry_malformed"
    assert caught.value.__cause__ is None


def test_strict_json_reads_what_is_plain() -> None:
    assert strict_loads(b'{"a":9007199254740991,"b":["x",true,null,{"c":-1}]}') == {
        "a": 2**53 - 1,
        "b": ["x", True, None, {"c": -1}],
    }
    assert strict_loads('{"e":"\\ud83d\\ude00 \u00e9"}'.encode()) == {"e": "\U0001f600 \u00e9"}


@pytest.mark.parametrize("bad", [float("nan"), {"a": 2**53}, {"a": b"x"}, {1: "a"}, {"a": "\ud800"}])
def test_values_without_canonical_form_are_refused(bad: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        canonical(bad)
    assert caught.value.code == "audit.canonical"


def test_canonical_json_sorts_by_utf16_units_beyond_ascii() -> None:
    assert canonical({"\ufb33": 1, "\U0001f600": 2, "a": 3}) == '{"a":3,"\U0001f600":2,"\ufb33":1}'.encode()


def test_proofs_of_absent_leaves_and_trees_are_refused() -> None:
    for index in (-1, 7):
        with pytest.raises(InvalidInputError):
            merkle.inclusion_proof(LEAVES, index)
    for size in (0, 8):
        with pytest.raises(InvalidInputError):
            merkle.consistency_proof(LEAVES, size)


def test_proofs_of_something_else_are_refused() -> None:
    root, proof = merkle.root(LEAVES), merkle.inclusion_proof(LEAVES, 3)
    merkle.verify_inclusion(3, 7, LEAVES[3], proof, root)
    changed = [bytes(32), *proof[1:]]
    for arguments in (
        (2, 7, LEAVES[3], proof, root),
        (3, 4, LEAVES[3], proof, root),
        (3, 3, LEAVES[3], proof, root),
        (-1, 7, LEAVES[3], proof, root),
        (3, 7, LEAVES[2], proof, root),
        (3, 7, LEAVES[3][:-1], proof, root),
        (3, 7, LEAVES[3], proof[:-1], root),
        (3, 7, LEAVES[3], [*proof, root], root),
        (3, 7, LEAVES[3], changed, root),
        (3, 7, LEAVES[3], [proof[0][:-1], *proof[1:]], root),
        (3, 7, LEAVES[3], proof, merkle.root(LEAVES[:6])),
    ):
        with pytest.raises(AuditChainError) as caught:
            merkle.verify_inclusion(*arguments)
        assert caught.value.code == "audit.inclusion"


def test_a_tree_does_not_extend_another() -> None:
    older, newer = merkle.root(LEAVES[:3]), merkle.root(LEAVES)
    proof = merkle.consistency_proof(LEAVES, 3)
    merkle.verify_consistency(3, 7, older, newer, proof)
    merkle.verify_consistency(7, 7, newer, newer, [])
    for arguments in (
        (3, 7, newer, newer, proof),
        (3, 7, older, older, proof),
        (4, 7, older, newer, proof),
        (3, 7, older, newer, proof[:-1]),
        (3, 7, older, newer, []),
        (3, 7, older, newer, [*proof, older]),
        (7, 7, older, newer, []),
        (7, 7, newer, newer, proof),
        (7, 3, newer, older, proof),
        (0, 7, merkle.EMPTY_ROOT, newer, []),
        (0, 0, merkle.EMPTY_ROOT, merkle.EMPTY_ROOT, []),
    ):
        with pytest.raises(AuditChainError) as caught:
            merkle.verify_consistency(*arguments)
        assert caught.value.code == "audit.consistency"


def test_frontiers_of_another_length_are_refused() -> None:
    frontier = merkle.Frontier()
    for leaf in LEAVES:
        frontier.append(leaf)
    stored = frontier.to_bytes()
    assert merkle.Frontier.from_bytes(stored).root() == merkle.root(LEAVES)
    assert merkle.Frontier.from_bytes(bytes(8)).root() == merkle.EMPTY_ROOT
    for bad in (b"", stored[:-1], stored + bytes(32), stored[:8]):
        with pytest.raises(AuditChainError):
            merkle.Frontier.from_bytes(bad)


def test_checkpoints_open_under_their_own_keys_only() -> None:
    old, new, other = (SigningKey.generate() for _ in range(3))
    head = Checkpoint("memvault/t/00ff", 7, merkle.root(LEAVES))
    keys = [vkey(head.origin, signer.public_bytes()) for signer in (old, new)]
    both = sign_note(head, [old, new])
    assert open_note(both, keys[:1]) == open_note(both, keys[1:]) == open_note(both, keys) == head
    assert open_note(sign_note(head, [new]), keys) == head
    for note, trusted in (
        (both, [vkey(head.origin, other.public_bytes())]),
        (both, []),
        (both.replace(b"\n7\n", b"\n8\n"), keys),
        (both, ["no key"]),
        (sign_text("memvault/t/00ff\n7\n", head.origin, [old]), keys),
        (sign_text("memvault/t/other\n7\n" + "A" * 43 + "=\n", head.origin, [old]), keys),
        (sign_text("memvault/t/00ff\n07\n" + "A" * 43 + "=\n", head.origin, [old]), keys),
        (sign_text("memvault/t/00ff\n7\nAAAA\n", head.origin, [old]), keys),
        (sign_text("memvault/t/00ff\n7\n" + "A" * 43 + "=\n\nx\n", head.origin, [old]), keys),
    ):
        with pytest.raises(AuditChainError) as caught:
            open_note(note, trusted)
        assert caught.value.code == "audit.checkpoint"
    extended = sign_text("memvault/t/00ff\n7\n" + "A" * 43 + "=\nextension\n", head.origin, [old])
    assert open_note(extended, keys).root == bytes(32)


def test_notes_that_cannot_be_written_are_refused() -> None:
    signer = SigningKey.generate()
    for text, name, signers in (
        ("no newline", "log", [signer]),
        ("tab\there\n", "log", [signer]),
        ("text\n", "log", []),
        ("text\n", "lo g", [signer]),
        ("text\n", "lo+g", [signer]),
        ("text\n", "", [signer]),
    ):
        with pytest.raises(InvalidInputError):
            sign_text(text, name, signers)
    with pytest.raises(InvalidInputError):
        vkey("log", b"short")


def test_proof_files_look_as_specified() -> None:
    text = format_proof(5, [b"\0" * 32], b"note\n").decode()
    assert text == "c2sp.org/tlog-proof@v1\nindex 5\n" + "A" * 43 + "=\n\nnote\n"
    assert format_proof(0, [], b"note\n") == b"c2sp.org/tlog-proof@v1\nindex 0\n\nnote\n"
