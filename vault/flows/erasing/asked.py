"""What a rights request asks for, and how a request and its erasure are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vault.errors import InvalidInputError
from vault.flows import validate

TYPES: Final = ("erasure",)
MOST_IDS: Final = 10_000


@dataclass(frozen=True, slots=True)
class RequestInfo:
    """A request as it stands; `counts` and `digest` are those of its preview. Times are ISO 8601, UTC."""

    id: str
    type: str
    scope: str
    ground: str
    state: str
    opened_at: str
    opened_by: str
    digest: str | None = None
    counts: dict[str, int] | None = None
    withheld: tuple[dict[str, Any], ...] = ()
    approvals: tuple[dict[str, str], ...] = ()
    approvals_needed: int = 0
    roll_due: str | None = None


@dataclass(frozen=True, slots=True)
class ErasureResult:
    """What a run did; `opening` (JSON, for the person alone, given out once) shows that a certificate is about them."""

    id: str
    state: str
    removed: dict[str, int]
    withheld: tuple[dict[str, Any], ...]
    roll_due: str | None
    opening: bytes | None


def asked(named: dict[str, Any], *, memory_ids: object, tenant: object, expired: object) -> dict[str, Any]:
    """The scope of a request as it is kept; raises InvalidInputError unless it is exactly one."""
    ids = {name: value for name, value in named.items() if value is not None}
    whole, over = validate.flag("tenant", tenant), validate.flag("expired", expired)
    if sum((bool(ids), memory_ids is not None, whole, over)) != 1:
        raise InvalidInputError("scope.one", "name one scope: ids, memory_ids, tenant or expired")
    if memory_ids is not None:
        return {"scope": "memory", "memory_ids": _memory_ids(memory_ids)}
    if whole or over:
        return {"scope": "tenant" if whole else "expired"}
    scope = validate.scope(**named)
    kept = {name: getattr(scope, name) for name in named if getattr(scope, name) is not None}
    return {"scope": "subject" if list(kept) == ["user_id"] else "scope", "ids": kept}


def _memory_ids(value: object) -> list[str]:
    if not isinstance(value, list | tuple) or not value or len(value) > MOST_IDS:
        raise InvalidInputError("memory_ids.type", f"memory_ids must be a list of 1 to {MOST_IDS} ids")
    return [validate.text("memory_ids", one, 256) for one in value]


def checked(kind: object, ground: object, grounds: Mapping[str, str]) -> tuple[str, str]:
    """The type of a request and its ground, one of the pack's; raises InvalidInputError."""
    if not isinstance(kind, str) or kind not in TYPES:
        raise InvalidInputError("type.unknown", f"type must be one of {', '.join(TYPES)}")
    if not isinstance(ground, str) or ground not in grounds:
        raise InvalidInputError("ground.unknown", f"ground must be one of {', '.join(sorted(grounds))}")
    return kind, ground
