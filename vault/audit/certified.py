"""The entries that a certificate proves, each with a detail that may be opened to whoever holds the certificate.

They are the vault's own entries: the actor is `memvault`, and their details name no person, no role and no reason. What
a person did (asking, approving) is logged beside them under that person's own action.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, Literal

from vault.audit.log import Event
from vault.audit.nonmembership import Key
from vault.errors import InvalidInputError
from vault.types import Destruction, SubjectKind

ACTOR: Final = "memvault"
BLIND_BYTES: Final = 32
Scope = Literal["subject", "memory", "scope", "tenant", "expired", "redacted"]


@dataclass(frozen=True, slots=True)
class Count:
    """How many items of the erased scope one store held before, and how many the probe found after."""

    store: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Probe:
    """What an independent search looked at (decrypted pages, WAL frames, raw files), for how many needles, its hits."""

    version: str
    pages: int
    frames: int
    files: int
    needles: int
    hits: int


@dataclass(frozen=True, slots=True)
class Withheld:
    """Data kept in spite of the erasure: what kind, how many items, on what ground, and when that is reviewed."""

    what: str
    count: int
    ground: str
    review: date


def commit(blind: bytes, kind: SubjectKind, value: str) -> bytes:
    """A commitment to a data subject: HMAC-SHA256(blind, "kind:value"). The blind goes to the person, never kept."""
    if len(blind) != BLIND_BYTES:
        raise InvalidInputError("blind.length", "the blind of a commitment is 32 bytes")
    return hmac.digest(blind, f"{kind}:{value}".encode(), "sha256")


def subject_opening(blind: bytes, kind: SubjectKind, value: str) -> bytes:
    """The file for the person concerned, with which they show that a certificate is about them."""
    commit(blind, kind, value)
    return json.dumps({"r": blind.hex(), "subject": f"{kind}:{value}"}, indent=2).encode() + b"\n"


def requested(request: str, scope: Scope, ground: str, *, purpose: str) -> Event:
    """An erasure was asked for, of what kind of scope and on which ground, such as `gdpr.17.1.b`."""
    detail = {"request": request, "scope": scope, "ground": ground}
    return _event("erasure.requested", purpose, 1, detail)


def tombstone(
    request: str, erasure: str, keys: Iterable[Key], subjects: Sequence[bytes] = (), *, purpose: str
) -> Event:
    """The data keys that one erasure gives up; committed before they are deleted.

    `keys` are (kid, generation); none where content was removed and the generation goes with a later roll.
    `subjects` are commitments to the erased person's ids; none where the scope is not a person.
    """
    rows = [{"kid": kid.hex(), "generation": number} for kid, number in sorted(keys)]
    people = [commitment.hex() for commitment in subjects]
    detail = {"request": request, "erasure": erasure, "keys": rows, "subjects": people}
    return _event("erasure.tombstone", purpose, len(rows), detail)


def probed(
    request: str,
    probe: Probe,
    counts: Sequence[Count],
    withheld: Sequence[Withheld] = (),
    *,
    purpose: str,
) -> Event:
    """What was searched for after the erasure, where, what was found, and what was kept on purpose."""
    detail = {
        "request": request,
        "probe": asdict(probe),
        "counts": [asdict(count) for count in counts],
        "withheld": [{**asdict(item), "review": item.review.isoformat()} for item in withheld],
    }
    return _event("erasure.probed", purpose, probe.hits, detail)


def epoch_destroyed(destruction: Destruction, provider: str, live: Iterable[int], *, purpose: str) -> Event:
    """What became of an epoch, in the provider's own word; `live` are the epochs that the provider still holds."""
    detail = {
        "epoch": destruction.epoch,
        "provider": provider,
        "state": destruction.state,
        "effective_at": timestamp(destruction.effective_at),
        "evidence": destruction.evidence,
        "live": sorted(live),
    }
    return _event("epoch.destroyed", purpose, 1, detail)


def certified(request: str, digest: str, state: str, *, purpose: str) -> Event:
    """A certificate was signed: `digest` is the SHA-256 of its statement."""
    return _event(
        "erasure.certified", purpose, 1, {"request": request, "certificate": digest, "state": state}
    )


def timestamp(at: datetime) -> str:
    """A time as entries and certificates hold it: UTC, milliseconds."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _event(action: str, purpose: str, count: int, detail: dict[str, Any]) -> Event:
    return Event(action=action, purpose=purpose, actor=ACTOR, count=count, detail=detail)
