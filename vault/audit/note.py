"""Signed checkpoints (C2SP signed-note v1.0.0, tlog-checkpoint v1.0.0) and entry proofs (C2SP tlog-proof)."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from vault.audit import verify
from vault.audit.verify import ED25519, PROOF_HEADER, Checkpoint, VerificationError, key_id, valid_name
from vault.crypto.primitives import SigningKey
from vault.errors import AuditChainError, InvalidInputError

__all__ = ["Checkpoint", "format_proof", "open_note", "open_text", "sign_note", "sign_text", "vkey"]


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def vkey(name: str, public: bytes) -> str:
    """The verifier key of an Ed25519 public key: name+id+base64. Raises InvalidInputError for a bad name."""
    if not valid_name(name) or len(public) != 32:
        raise InvalidInputError(
            "audit.vkey", "a key name holds no spaces or plus signs, a public key is 32 bytes"
        )
    return f"{name}+{key_id(name, public).hex()}+{_b64(bytes((ED25519,)) + public)}"


def sign_text(text: str, name: str, signers: Sequence[SigningKey]) -> bytes:
    """A signed note: `text`, then one signature of each signer under the key name `name`.

    Raises InvalidInputError for text that does not end in a newline or holds other control characters.
    """
    if not text.endswith("\n") or any(c < " " and c != "\n" for c in text) or not signers:
        raise InvalidInputError("audit.note", "a note is lines of text with at least one signer")
    if not valid_name(name):
        raise InvalidInputError("audit.vkey", "a key name holds no spaces or plus signs")
    message = text.encode("utf-8")
    lines = [
        f"\u2014 {name} {_b64(key_id(name, signer.public_bytes()) + signer.sign(message))}\n"
        for signer in signers
    ]
    return message + b"\n" + "".join(lines).encode("utf-8")


def sign_note(checkpoint: Checkpoint, signers: Sequence[SigningKey]) -> bytes:
    """A signed checkpoint; the key name is the log's own (two signers while a key is being rotated)."""
    text = f"{checkpoint.origin}\n{checkpoint.size}\n{_b64(checkpoint.root)}\n"
    return sign_text(text, checkpoint.origin, signers)


def open_note(note: bytes, vkeys: Sequence[str]) -> Checkpoint:
    """The checkpoint in `note`, signed by one of `vkeys` under the log's own name. Raises AuditChainError."""
    try:
        return verify.open_checkpoint(note, [verify.parse_vkey(key) for key in vkeys])
    except VerificationError as error:
        raise AuditChainError("audit.checkpoint", str(error)) from None


def open_text(note: bytes, vkeys: Sequence[str]) -> str:
    """The text of a note that one of `vkeys` signed. Raises AuditChainError."""
    try:
        return verify.open_note(note, [verify.parse_vkey(key) for key in vkeys])[0]
    except VerificationError as error:
        raise AuditChainError("audit.checkpoint", str(error)) from None


def format_proof(index: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """A `.tlog-proof`: that entry `index` is in the tree which the signed checkpoint `note` heads."""
    lines = [PROOF_HEADER, f"index {index}", *map(_b64, proof), "", ""]
    return "\n".join(lines).encode("ascii") + note
