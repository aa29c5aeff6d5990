"""Handing out evidence: the log with everything that lets an auditor check it on a machine of their own."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vault.audit import evidence
from vault.audit.verify import VerificationError, parse_vkey, verify_evidence
from vault.errors import IntegrityViolationError, InvalidInputError
from vault.flows import validate
from vault.flows.context import Call, Caller, Stages, calling
from vault.flows.sign import sign
from vault.keys import cases


def build(stages: Stages, folder: Path, caller: Caller, out: object) -> dict[str, Any]:
    """Sign the head, write a bundle to `out` (a new folder, or a new `.zip`), and check it as an auditor would.

    Raises IntegrityViolationError `certificate.evidence` where the bundle does not verify.
    """
    place = Path(validate.path("out", out)).absolute()
    if place.resolve().is_relative_to(folder.resolve()):
        raise InvalidInputError("out.inside", "evidence is handed out: write it outside the vault's folder")
    evidence.check_place(place)
    with calling(stages, caller, "audit.evidence") as call:
        certificates = _certificates(call)
        with call.records.transaction():
            call.store.log.append(call.event(count=len(certificates)))
        sign(stages.keystore, call.store)
        with evidence.writing(place) as sink:
            summary = evidence.build(
                call.records,
                call.store.log,
                sink,
                certificates=certificates,
                software=f"memvault {version('memvault')}",
                at=stages.now(),
            )
        keys = call.store.log.vkeys()
    _check(place, keys)
    return {**asdict(summary), "vkeys": keys}


def _certificates(call: Call) -> Sequence[bytes]:
    """The newest certificate of every request that has one, oldest request first."""
    found = cases.every(call.stages.keystore, call.tenant, "request")
    return [base64.b64decode(case.body["certificate"]) for case in found if case.body.get("certificate")]


def _check(place: Path, keys: Sequence[str]) -> None:
    try:
        verify_evidence(place, [parse_vkey(key) for key in keys])
    except VerificationError as error:
        raise IntegrityViolationError(
            "certificate.evidence", f"the bundle that was written does not verify: {error.check}: {error}"
        ) from None
