"""The erasure certificate: a signed in-toto statement in a DSSE envelope, with the proofs that let a stranger check it.

    {"mediaType": ..., "format": 1, "envelope": DSSE, "proofs": {...}}

What the log holds (keys given up, ends of epochs, counts, the probe's result, times) is taken from the log's own
entries, so that a certificate cannot say something else. It is checked by the stand-alone verifier before it is handed
out: one that does not verify is never made. No I/O here. The bytes are in docs/format.md.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final

from vault.audit import note, verify
from vault.audit.certified import timestamp
from vault.audit.jcs import canonical
from vault.audit.proofs import Proofs, ProvenEntry
from vault.audit.verify import (
    MEDIA_TYPE,
    PAYLOAD_TYPE,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    Verdict,
    VerificationError,
)
from vault.crypto.primitives import SigningKey
from vault.errors import IntegrityViolationError

FORMAT: Final = 1

LIMITS: Final = (
    "It proves what the log says and what the keystore held, not that no copy exists outside the vault.",
    "It says nothing about what was copied out of the vault before: exports, answers, model context, screenshots.",
    "Backups hold the encrypted data until they expire. It stays personal data; what is gone is its key.",
    "Mentions of the person in other people's memories are not part of it.",
    "Whoever holds the log's signing key can sign another log: compare with a checkpoint kept elsewhere.",
)
RESIDUAL: Final = (
    "What stays: log entries with pseudonyms whose key is gone, random key ids, counts and times."
)
BACKUPS: Final = {
    "live-erased": "Backups made before the erasure can still be read until their key epoch is destroyed.",
    "asserted": "Backups made before the erasure cannot be read, provided that nobody kept a copy of the key file that"
    " was wiped.",
    "scheduled": "Backups made before the erasure can still be read until the scheduled destruction takes effect.",
    "backup-proof": "Backups made before the erasure cannot be read: the key epochs that wrapped its keys are"
    " destroyed.",
}


@dataclass(frozen=True, slots=True)
class PolicyRef:
    """The policy pack under which the erasure was done; `digest` is 64 hex digits."""

    name: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class ErasureFacts:
    """What a certificate says beside what the log says.

    `live_erased` is when reads began to fail. `horizon` is the day on which the last backup from before the erasure
    expires, None where nobody set one. Texts are sentences of the product or of the pack: nothing about a person.
    """

    live_erased: datetime
    issued: datetime
    policy: PolicyRef
    software: str
    out_of_scope: tuple[str, ...] = ()
    horizon: date | None = None
    backups: str | None = None  # None: the sentence that fits the state
    residual: str = RESIDUAL


def build(facts: ErasureFacts, proofs: Proofs, signers: Sequence[SigningKey]) -> bytes:
    """The certificate, signed with the log's own key, and checked as a stranger would check it.

    Raises IntegrityViolationError `certificate.refused`, naming the check, where it would not verify: something was
    left, an epoch did not end as it must, a key is still live, the log says something else.
    """
    payload = canonical(_statement(facts, proofs))
    data = assemble(payload, proofs, signers)
    try:
        verify_own(data, proofs.vkeys, facts.issued)
    except VerificationError as error:
        raise IntegrityViolationError(
            "certificate.refused", f"no certificate: it would fail the check {error.check}: {error}"
        ) from None
    return data


def verify_own(data: bytes, vkeys: Sequence[str], now: datetime) -> Verdict:
    """The verdict on a certificate under this vault's own verifier keys; raises VerificationError."""
    return verify.verify_certificate(data, [verify.parse_vkey(key) for key in vkeys], now=now)


def assemble(payload: bytes, proofs: Proofs, signers: Sequence[SigningKey]) -> bytes:
    """The file: the signed payload and its proofs. What it says is not checked."""
    message = verify.pae(PAYLOAD_TYPE, payload)
    signatures = []
    for signer in signers:
        key = verify.parse_vkey(note.vkey(proofs.origin, signer.public_bytes()))
        signatures.append({"keyid": verify.key_name(key), "sig": _b64(signer.sign(message))})
    envelope = {"payloadType": PAYLOAD_TYPE, "payload": _b64(payload), "signatures": signatures}
    document = {"mediaType": MEDIA_TYPE, "format": FORMAT, "envelope": envelope, "proofs": _proofs(proofs)}
    return json.dumps(document, ensure_ascii=False, indent=1).encode() + b"\n"


def statement_of(data: bytes) -> dict[str, Any]:
    """The signed statement of a certificate, to show it; nothing is verified. Raises VerificationError."""
    bundle: Any = verify.strict_loads(data)
    try:
        statement: Any = verify.strict_loads(base64.b64decode(bundle["envelope"]["payload"], validate=True))
    except (KeyError, TypeError, ValueError):
        raise VerificationError("the file is no certificate") from None
    if not isinstance(statement, dict) or not isinstance(statement.get("predicate"), dict):
        raise VerificationError("the file is no certificate")
    return statement


def _statement(facts: ErasureFacts, proofs: Proofs) -> dict[str, Any]:
    """The in-toto statement: its subject is the erasure itself, by its random id."""
    erasures = list(dict.fromkeys(str(entry.said()["erasure"]) for entry in proofs.tombstones))
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": f"erasure:{name}", "digest": {"sha256": hashlib.sha256(name.encode()).hexdigest()}}
            for name in erasures
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": _predicate(facts, proofs, erasures),
    }


def _predicate(facts: ErasureFacts, proofs: Proofs, erasures: list[str]) -> dict[str, Any]:
    request, probe = proofs.request.said(), proofs.probe.said()
    given_up = [entry.said() for entry in proofs.tombstones]
    epochs = [entry.said() for entry in proofs.epochs]
    state = verify.state_word(epochs)
    keys = {verify.key_bytes(key): key for entry in given_up for key in entry["keys"]}
    return {
        "format": FORMAT,
        "request": request["request"],
        "erasures": erasures,
        "scope": request["scope"],
        "ground": request["ground"],
        "state": state,
        "times": _times(facts, proofs, state),
        "subjects": sorted({name for entry in given_up for name in entry["subjects"]}),
        "tombstones": [keys[name] for name in sorted(keys)],
        "epochs": epochs,
        "counts": probe["counts"],
        "probe": probe["probe"],
        "withheld": probe["withheld"],
        "out_of_scope": list(facts.out_of_scope),
        "backups": {
            "horizon": facts.horizon.isoformat() if facts.horizon else None,
            "statement": facts.backups or BACKUPS[state],
        },
        "residual": facts.residual,
        "limits": list(LIMITS),
        "policy": asdict(facts.policy),
        "software": facts.software,
        "log": _log(proofs),
    }


def _times(facts: ErasureFacts, proofs: Proofs, state: str) -> dict[str, str | None]:
    ended = [str(entry.fields()["t"]) for entry in proofs.epochs]
    return {
        "requested": proofs.request.fields()["t"],
        "live_erased": timestamp(facts.live_erased),
        "probed": proofs.probe.fields()["t"],
        "backup_proof": max(ended) if state == "backup-proof" else None,
        "issued": timestamp(facts.issued),
    }


def _log(proofs: Proofs) -> dict[str, Any]:
    head, before = (
        verify.parse_checkpoint(text.decode().partition("\n\n")[0] + "\n")
        for text in (proofs.checkpoint, proofs.before)
    )
    return {
        "origin": proofs.origin,
        "size": head.size,
        "root": _b64(head.root),
        "before": {"size": before.size, "root": _b64(before.root)},
        "leaves": {
            "request": proofs.request.index,
            "tombstones": [entry.index for entry in proofs.tombstones],
            "epochs": [entry.index for entry in proofs.epochs],
            "probe": proofs.probe.index,
            "state_before": proofs.state_before.index,
            "state_after": proofs.state_after.index,
        },
    }


def _proofs(proofs: Proofs) -> dict[str, Any]:
    return {
        "checkpoint": proofs.checkpoint.decode(),
        "before": proofs.before.decode(),
        "consistency": [_b64(node) for node in proofs.consistency],
        "older": [{"size": size, "path": [_b64(node) for node in path]} for size, path in proofs.older],
        "request": _leaf(proofs.request),
        "tombstones": [_leaf(entry) for entry in proofs.tombstones],
        "epochs": [_leaf(entry) for entry in proofs.epochs],
        "probe": _leaf(proofs.probe),
        "state_before": _leaf(proofs.state_before),
        "state_after": _leaf(proofs.state_after),
        "keys_before": proofs.keys_before.to_json(),
        "keys_after": proofs.keys_after.to_json(),
    }


def _leaf(entry: ProvenEntry) -> dict[str, str]:
    return {
        "entry": _b64(entry.entry),
        "proof": entry.proof.decode(),
        "blind": _b64(entry.blind),
        "detail": _b64(entry.detail),
    }


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
