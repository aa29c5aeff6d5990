"""The decision: may these roles do this for this purpose? Pure, cached, and no unless a rule says yes.

Order: an action or purpose outside the vocabulary is denied; a forbid that applies wins; then every pack with
permits among those the policy is built from has to permit; anything that cannot be evaluated is denied.
The tenant is not an input: it is bound by code and keys before a decision is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Literal

from vault.errors import DeniedError, PurposeDeniedError

REVEAL: Final = "memory.reveal"
ACROSS: Final = "subject.search"
ACTIONS: Final = (
    "memory.add",
    "memory.search",
    "memory.get",
    "memory.list",
    "memory.update",
    "memory.delete",
    "memory.delete_all",
    "memory.history",
    "memory.reveal",
    "memory.import",
    "memory.expire",
    "memory.rescan",
    "retention.plan",
    "retention.run",
    "tenant.create",
    "tenant.list",
    "tenant.erase",
    "keys.status",
    "keys.rotate",
    "keys.backup",
    "keys.verify",
    "backup.create",
    "backup.verify",
    "backup.restore",
    "policy.activate",
    "audit.show",
    "audit.verify",
    "audit.checkpoint",
    "audit.evidence",
    "audit.export",
    "index.move",
    "index.rebuild",
    "index.reembed",
    "index.verify",
    "subject.erase",
    "subject.export",
    "subject.merge",
    "subject.rename",
    "subject.alias",
    ACROSS,
    "subject.find_mentions",
    "subject.redact_mentions",
    "erasure.approve",
    "hold.place",
    "hold.release",
    "hold.list",
    "telemetry.status",
    "telemetry.enable",
    "telemetry.disable",
    "telemetry.rotate",
)

Operator = Literal["keep", "shift", "generalise", "mask", "token", "drop", "block"]
# By strictness. A shifted date comes before a year: it keeps all intervals, so that one date known from elsewhere
# undoes every other; nothing undoes a year, and Safe Harbor accepts it alone (45 CFR 164.514(b)(2)(i)(C)).
OPERATORS: Final[tuple[Operator, ...]] = (
    "keep",
    "shift",
    "generalise",
    "mask",
    "token",
    "drop",
    "block",
)
PEOPLE_AT_ONCE: Final = 100  # what a pack has that says nothing
Trigger = Literal["created", "updated"]
OnFailure = Literal["redact-field", "refuse"]
ON_FAILURE: Final[tuple[OnFailure, ...]] = ("redact-field", "refuse")  # by strictness

DEFAULT_DENY: Final = "default-deny"
UNKNOWN_PURPOSE: Final = "unknown-purpose"
INVALID_REQUEST: Final = "invalid-request"

_KNOWN_ACTIONS: Final = frozenset(ACTIONS)
_CACHE_ENTRIES: Final = 1024  # roles and purposes come from callers, so the cache is bounded
_NONE: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: `classes` are the entity classes a reveal wants, empty for all it may have."""

    action: str
    purpose: str
    roles: tuple[str, ...]
    classes: frozenset[str] = _NONE


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer and the rule behind it; `digest` names the policy.

    For `memory.reveal`, `classes` may be shown and `masked` were asked for but stay tokens.
    """

    permit: bool
    rule: str
    reason: str
    digest: str
    classes: frozenset[str] = _NONE
    masked: frozenset[str] = _NONE


@dataclass(frozen=True, slots=True)
class Rule:
    """One compiled access rule; None for purposes or roles means any (forbids only).

    `classes` are entity classes: what a permit reveals, or what a forbid withholds instead of the action.
    """

    id: str
    pack: str
    permit: bool
    actions: frozenset[str]
    purposes: frozenset[str] | None
    roles: frozenset[str] | None
    classes: frozenset[str]
    controls: tuple[str, ...]
    why: str

    def applies(self, action: str, purpose: str, roles: Iterable[str]) -> bool:
        return (
            action in self.actions
            and (self.purposes is None or purpose in self.purposes)
            and (self.roles is None or not self.roles.isdisjoint(roles))
        )


@dataclass(frozen=True, slots=True)
class DataClass:
    """A group of entity classes with one meaning; `sensitivity` runs from 0 (public) to 4 (secret).

    `kept` says why its values may stay as written.
    """

    title: str
    sensitivity: int
    entities: frozenset[str]
    controls: tuple[str, ...] = ()
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Retention:
    """How long one kind of record is kept, in days, and which rules say so.

    `min_days` and `max_days` count from its creation, `idle_days` (a maximum too) from its last change.
    """

    min_days: int | None = None
    max_days: int | None = None
    min_rule: str = ""
    max_rule: str = ""
    idle_days: int | None = None
    idle_rule: str = ""


@dataclass(frozen=True, slots=True)
class Erasure:
    """How many others approve an erasure, for how long an approval counts, and how soon no backup opens any more."""

    approvals: int
    approval_hours: int
    roll_within_hours: int


@dataclass(frozen=True, slots=True)
class Approvals:
    """How many other principals have to agree."""

    approvals: int


@dataclass(frozen=True, slots=True)
class Rights:
    """What erasures and the release of holds wait for; `grounds` are all that an erasure may name, with titles."""

    erasure: Erasure
    tenant_erasure: Approvals
    hold_release: Approvals
    grounds: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Whether telemetry may be on at all, and how many others have to agree. A pack never switches it on."""

    allowed: bool = True
    approvals: int = 0


@dataclass(frozen=True, slots=True)
class Waiver:
    """Lets a vault start although one entity class is not detected as surely as the pack asks, until a day."""

    entity: str
    reason: str
    expires: date
    approved_by: str


@dataclass(frozen=True, slots=True, eq=False, repr=False, kw_only=True)
class Policy:
    """A loaded policy: immutable, with the digest that log entries carry.

    `permits` holds one group of rules per independent root pack; each group has to permit on its own.
    """

    name: str
    version: str
    digest: str
    title: str
    disclaimer: str
    packs: tuple[str, ...]
    not_covered: tuple[str, ...]
    controls: Mapping[str, str]
    purposes: Mapping[str, str]
    roles: Mapping[str, str]
    classes: Mapping[str, DataClass]
    people_at_once: int
    permits: tuple[tuple[Rule, ...], ...]
    forbids: tuple[Rule, ...]
    operators: Mapping[str, Operator]
    default_operator: Operator
    required_classes: frozenset[str]
    threshold: float
    strict: bool
    on_failure: OnFailure
    floors: Mapping[str, float]
    waivers: tuple[Waiver, ...]
    retention: Mapping[str, Retention]
    rights: Rights
    telemetry: Telemetry
    _cache: dict[tuple[str, str, tuple[str, ...]], Decision] = field(default_factory=dict, init=False)

    def __repr__(self) -> str:
        return f"Policy({self.name} {self.version} {self.digest[:16]})"

    def decide(self, request: Request) -> Decision:
        """Permit or deny; never raises for a request, however malformed."""
        try:
            key = (request.action, request.purpose, request.roles)
            decision = self._cache.get(key)
            if decision is None:
                decision = self._evaluate(*key)
                if len(self._cache) >= _CACHE_ENTRIES:
                    self._cache.clear()
                self._cache[key] = decision
            return _narrowed(decision, request.classes) if request.classes else decision
        except (TypeError, ValueError, AttributeError, LookupError):
            return self._deny(INVALID_REQUEST, "the request could not be evaluated")

    def require(self, request: Request) -> Decision:
        """The decision where it permits. Raises PurposeDeniedError or DeniedError naming the rule."""
        decision = self.decide(request)
        if decision.permit:
            return decision
        message = f"{decision.reason} (rule {decision.rule})"
        if decision.rule == UNKNOWN_PURPOSE or (
            decision.rule == DEFAULT_DENY and not self._purpose_allows(request.action, request.purpose)
        ):
            raise PurposeDeniedError("policy.purpose", message)
        raise DeniedError("policy.denied", message)

    def reveal_classes(self, roles: Iterable[str], purpose: str) -> frozenset[str]:
        """The entity classes whose values these roles may see for this purpose."""
        return self.decide(Request(REVEAL, purpose, tuple(roles))).classes

    def operator_for(self, entity: str) -> Operator:
        """What becomes of a finding of this entity class."""
        return self.operators.get(entity, self.default_operator)

    def _evaluate(self, action: str, purpose: str, roles: tuple[str, ...]) -> Decision:
        if action not in _KNOWN_ACTIONS or not isinstance(roles, tuple):
            return self._deny(INVALID_REQUEST, "the request could not be evaluated")
        if purpose not in self.purposes:
            return self._deny(UNKNOWN_PURPOSE, "the purpose is not in the pack's vocabulary")
        withheld: set[str] = set()
        for rule in self.forbids:
            if rule.applies(action, purpose, roles):
                if not rule.classes:
                    return self._deny(rule.id, f"a rule forbids {action}")
                withheld |= rule.classes
        groups = [[r for r in group if r.applies(action, purpose, roles)] for group in self.permits]
        if not groups or not all(groups):
            return self._deny(DEFAULT_DENY, f"no rule permits {action} for this purpose and these roles")
        granted = [frozenset[str]().union(*(rule.classes for rule in group)) for group in groups]
        classes = frozenset.intersection(*granted) - withheld
        if action == REVEAL and not classes:
            return self._deny(DEFAULT_DENY, "no class of values may be revealed")
        names = "+".join(sorted({group[0].id for group in groups}))
        return Decision(True, names, f"a rule permits {action}", self.digest, classes)

    def _purpose_allows(self, action: str, purpose: str) -> bool:
        """Whether some role could do this for this purpose."""
        return all(any(r.applies(action, purpose, r.roles or ()) for r in group) for group in self.permits)

    def _deny(self, rule: str, reason: str) -> Decision:
        return Decision(False, rule, reason, self.digest)


def _narrowed(decision: Decision, wanted: frozenset[str]) -> Decision:
    if not decision.permit:
        return decision
    shown = decision.classes & wanted
    return Decision(True, decision.rule, decision.reason, decision.digest, shown, frozenset(wanted - shown))
