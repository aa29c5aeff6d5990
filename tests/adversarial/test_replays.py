"""What a verifier keeps: which request it made, which certificates it saw, and older checkpoints of the log."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from support.erasures import (
    BLIND,
    ERASURE,
    OTHERS,
    REQUEST,
    START,
    Case,
    MemoryLog,
    destroyed,
    resigned,
    scheduled,
    signer,
    unpacked,
)
from support.forgeries import refused, reproved

from vault.audit import certificate, certified, merkle, verify
from vault.audit.note import Checkpoint, sign_note
from vault.audit.verify import VerificationError
from vault.crypto.primitives import SigningKey


def test_a_certificate_shown_for_another_request() -> None:
    case = destroyed()
    assert refused(case.build(), case, request="0" * 32) == "replay"


def test_a_certificate_shown_again() -> None:
    case = destroyed()
    first_one, newer = case.build(), case.build(issued=START + timedelta(minutes=2))
    verdict = verify.verify_certificate(first_one, case.verifiers())
    seen = [{name: getattr(verdict, name) for name in ("request", "erasures", "digest", "issued")}]
    assert refused(first_one, case, seen=seen) == "replay"
    after = verify.verify_certificate(newer, case.verifiers(), seen=seen)
    seen.append({name: getattr(after, name) for name in ("request", "erasures", "digest", "issued")})
    between = case.build(issued=START + timedelta(seconds=90))
    assert refused(between, case, seen=seen) == "replay"
    elsewhere = [{**seen[0], "request": "0" * 32, "digest": "0" * 64}]
    assert refused(newer, case, seen=elsewhere) == "replay"
    assert ERASURE in verdict.erasures


def test_a_certificate_about_another_person() -> None:
    case = destroyed()
    data = case.build()
    verify.verify_certificate(
        data, case.verifiers(), subject=certified.subject_opening(BLIND, "user", "pat-42")
    )
    for wrong in (
        certified.subject_opening(BLIND, "user", "pat-43"),
        certified.subject_opening(BLIND, "agent", "pat-42"),
        certified.subject_opening(bytes(32), "user", "pat-42"),
        b'{"r":"00","subject":"user:pat-42"}',
        b"{}",
    ):
        assert refused(data, case, subject=wrong) == "subject-commitment"


def kept(log: MemoryLog, size: int, root: bytes | None = None, *, key: SigningKey | None = None) -> bytes:
    whole = merkle.Tree(map(merkle.leaf_hash, log.entries))
    return sign_note(Checkpoint(log.origin, size, root or whole.root(size)), [key or log.key])


def test_checkpoints_that_the_verifier_kept() -> None:
    case = destroyed()
    size, before = len(case.log.entries), case.log.signed[0][0]
    data = case.build()
    with_proof = certificate.build(case.facts(), case.proofs(since=[2]), [case.log.key])
    for known in (size, before):
        verify.verify_certificate(data, case.verifiers(), since=[kept(case.log, known)])
        assert refused(data, case, since=[kept(case.log, known, bytes(32))]) == "older-checkpoint"
    verify.verify_certificate(with_proof, case.verifiers(), since=[kept(case.log, 2), kept(case.log, size)])
    assert refused(with_proof, case, since=[kept(case.log, 2, bytes(32))]) == "older-checkpoint"
    assert refused(data, case, since=[kept(case.log, 2)]) == "older-checkpoint"
    other = MemoryLog(b"u" * 16, case.log.key)
    other.reads(size)
    assert refused(data, case, since=[kept(other, size)]) == "older-checkpoint"


def test_a_log_whose_tail_was_cut_off() -> None:
    """The certificate is honest, and older than what the verifier knows: it does not pass for the newest."""
    case = destroyed()
    data = case.build()
    case.log.reads(4)
    assert refused(data, case, since=[kept(case.log, len(case.log.entries))]) == "older-checkpoint"


def test_a_forked_log_shows_against_a_kept_checkpoint_only() -> None:
    """The limit that is stated: who holds the signing key can write another log, unless somebody kept a checkpoint."""
    honest = destroyed()
    fork = Case(keys=[(OTHERS[0], 1)], after=[(kid, 1) for kid in OTHERS[1:]])
    fork.log.append(certified.certified(REQUEST, "0" * 64, "backup-proof", purpose="operations"))
    data = fork.told().build()
    verify.verify_certificate(data, honest.verifiers())
    assert refused(data, honest, since=[honest.log.signed[0][1]]) == "older-checkpoint"


def test_older_and_newer_signing_keys() -> None:
    """After a rotation the older checkpoint is signed with the older key: the verifier must trust both."""
    case, old, new = destroyed(), signer(1), signer(5)
    log, data, trusted = case.log, case.build(), case.verifiers()
    log.key = new
    bundle, statement = unpacked(reproved(log, data))
    bundle["proofs"]["before"] = kept(log, log.signed[0][0], key=old).decode()
    rotated = resigned(bundle, statement, new, log.origin)
    verify.verify_certificate(rotated, [*trusted, *case.verifiers()])
    assert refused(rotated, case) == "checkpoint-signature"
    with pytest.raises(VerificationError) as caught:
        verify.verify_certificate(rotated, trusted)
    assert caught.value.check == "trust-key"


def test_a_verifier_of_tomorrow() -> None:
    case = scheduled()
    data = case.build()
    verdict = verify.verify_certificate(data, case.verifiers(), now=datetime.now(UTC) + timedelta(days=400))
    assert (
        verdict.state == "scheduled"
    )  # the day has passed, and the certificate still does not say destroyed
    assert "NOT destroyed" in " ".join(verdict.sentences())
