"""Laws of policies: a forbid more never permits more, an extending pack relaxes nothing, junk is denied."""

from __future__ import annotations

import itertools
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vault.errors import PolicyInvalidError
from vault.policy.combine import Pack, combine
from vault.policy.coverage import check_coverage
from vault.policy.decide import ON_FAILURE, OPERATORS, REVEAL, Policy, Request, Rule
from vault.policy.model import (
    AccessFile,
    DetectionFile,
    PackFile,
    PurposesFile,
    RetentionFile,
    RightsFile,
    TaxonomyFile,
    TelemetryFile,
)

PURPOSES = ("service", "care", "audit")
ROLES = ("app", "nurse", "clerk")
TODAY = date(2026, 3, 1)
FLOORS = st.sampled_from([0.1, 0.5, 0.9, 1.0])
ENTITIES = ("EMAIL_ADDRESS", "PHONE_NUMBER", "PASSWORD", "DATE_TIME")
CLASSES = {"contact": ENTITIES[:2], "secret": ENTITIES[2:3], "date": ENTITIES[3:]}
ACTIONS = ("memory.add", "memory.get", "memory.delete", REVEAL, "keys.rotate")
PATTERNS = ("memory.add", "memory.get", "memory.*", "keys.*")

REQUESTS = [
    Request(action, purpose, roles)
    for action, purpose in itertools.product(ACTIONS, PURPOSES)
    for size in range(3)
    for roles in itertools.combinations(ROLES, size)
]


def some(values: tuple[str, ...], *, least: int = 0) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=len(values), unique=True)


def permits(names: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    plain = st.fixed_dictionaries({"actions": some(PATTERNS, least=1)})
    reveal = st.fixed_dictionaries(
        {"actions": st.just([REVEAL]), "classes": some((*CLASSES, *ENTITIES), least=1)}
    )
    return st.builds(
        lambda name, body, purposes, roles: {
            "id": name, "effect": "permit", "why": "w", "purposes": purposes, "roles": roles, **body
        },
        names, st.one_of(plain, reveal), some(PURPOSES, least=1), some(ROLES, least=1),
    )  # fmt: skip


def forbids(names: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    plain = st.fixed_dictionaries({"actions": some((*PATTERNS, "*", REVEAL), least=1)})
    reveal = st.fixed_dictionaries(
        {"actions": st.just([REVEAL]), "classes": some((*CLASSES, *ENTITIES), least=1)}
    )
    return st.builds(
        lambda name, body, purposes, roles: {
            "id": name, "effect": "forbid", "why": "w", "purposes": purposes, "roles": roles, **body
        },
        names, st.one_of(plain, reveal), some(PURPOSES), some(ROLES),
    )  # fmt: skip


def rules(prefix: str, kinds: Any, *, most: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    names = st.sampled_from([f"{prefix}{number}" for number in range(most * 3)])
    return st.lists(kinds(names), max_size=most, unique_by=lambda rule: rule["id"])


def retention(prefix: str, *, least: tuple[int, int], most: tuple[int, int]) -> st.SearchStrategy[list[Any]]:
    memory = st.builds(
        lambda record, days, limit, trigger: {
            "id": f"{prefix}-{record}", "record": record, "min_days": days, "max_days": limit, "trigger": trigger,
            "why": "w",
        },
        st.sampled_from(["memory", "history"]), st.none() | st.integers(*least), st.integers(*most),
        st.sampled_from([None, "created", "updated"]),
    )  # fmt: skip
    audit = st.builds(
        lambda days: {"id": f"{prefix}-audit", "record": "audit", "min_days": days, "why": "w"},
        st.integers(*least),
    )
    return st.lists(memory | audit, max_size=3)


def waivers() -> st.SearchStrategy[list[dict[str, Any]]]:
    """At most one for a class, good for the day of the tests, or expired."""
    one = st.builds(
        lambda entity, days: {
            "entity": entity, "reason": "r", "approved_by": "a", "expires": TODAY + timedelta(days=days)
        },
        st.sampled_from(ENTITIES), st.sampled_from([-1, 0, 30]),
    )  # fmt: skip
    return st.lists(one, max_size=2, unique_by=lambda waiver: waiver["entity"])


def detection() -> st.SearchStrategy[dict[str, Any]]:
    operator = st.sampled_from(OPERATORS)
    return st.fixed_dictionaries(
        {
            "operators": st.dictionaries(st.sampled_from(ENTITIES), operator),
            "required": some(ENTITIES),
            "threshold": st.sampled_from([0.1, 0.4, 0.8]),
            "default_operator": operator,
            "strict": st.booleans(),
            "on_failure": st.sampled_from(ON_FAILURE),
            "floors": st.dictionaries(st.sampled_from(ENTITIES), FLOORS),
            "waivers": waivers(),
        }
    )


GROUNDS = ("gdpr.17.1.a", "gdpr.17.1.b", "own.reason")


def rights() -> st.SearchStrategy[dict[str, Any]]:
    """Any rights file of a pack that extends none; what is left out has the value of UNSET."""
    others = st.integers(0, 3)
    erasure = st.fixed_dictionaries(
        {},
        optional={
            "approvals": others, "approval_hours": st.integers(1, 720), "roll_within_hours": st.integers(0, 24)
        },
    )  # fmt: skip
    approvals = st.fixed_dictionaries({}, optional={"approvals": others})
    return st.fixed_dictionaries(
        {},
        optional={
            "erasure": erasure,
            "tenant_erasure": approvals,
            "hold_release": approvals,
            "grounds": some(GROUNDS).map(lambda codes: {code: {"title": code} for code in codes}),
        },
    )


@st.composite
def stricter(draw: st.DrawFn, parents: list[Policy]) -> dict[str, Any]:
    """A detection file no weaker than the parents: what is weaker is refused (tests/unit/policy)."""

    def at_least(inherited: list[str]) -> str:
        return draw(st.sampled_from(OPERATORS[max(OPERATORS.index(one) for one in inherited) :]))

    found: dict[str, Any] = {"required": draw(some(ENTITIES))}
    found["operators"] = {e: at_least([p.operator_for(e) for p in parents]) for e in draw(some(ENTITIES))}
    if draw(st.booleans()):
        found["default_operator"] = at_least([p.default_operator for p in parents])
    if draw(st.booleans()):
        found["threshold"] = draw(st.floats(0, min(p.threshold for p in parents)))
    found["strict"] = draw(st.sampled_from([True, None]))
    if not any(parent.strict for parent in parents):
        found["strict"] = draw(st.sampled_from([True, False, None]))
    least = max(ON_FAILURE.index(parent.on_failure) for parent in parents)
    found["on_failure"] = draw(st.sampled_from([*ON_FAILURE[least:], None]))
    lowest = {e: max(parent.floors.get(e, 0.1) for parent in parents) for e in ENTITIES}
    found["floors"] = {e: draw(st.floats(lowest[e], 1)) for e in draw(some(ENTITIES))}
    found["waivers"] = draw(waivers())
    return found


def pack(
    name: str, extends: tuple[str, ...], access: Any, detect: Any, keep: Any, right: Any, *, whole: bool
) -> Pack:
    manifest = {"id": name, "version": "1.0.0", "title": "t", "min_engine": "0.1.0", "disclaimer": "d"}
    vocabulary = {"roles": {r: {"title": r} for r in ROLES} if whole else {}, "rules": access}
    classes = {"classes": {k: {"title": k, "sensitivity": 1, "entities": v} for k, v in CLASSES.items()}}
    purposes = {"purposes": {p: {"title": p} for p in PURPOSES}}
    return Pack(
        manifest=PackFile.model_validate({**manifest, "extends": extends}, strict=False),
        taxonomy=TaxonomyFile.model_validate(classes, strict=False) if whole else None,
        detection=DetectionFile.model_validate(detect, strict=False),
        purposes=PurposesFile.model_validate(purposes, strict=False) if whole else None,
        access=AccessFile.model_validate(vocabulary, strict=False),
        retention=RetentionFile.model_validate({"rules": keep}, strict=False),
        rights=RightsFile.model_validate(right, strict=False) if right is not None else None,
        telemetry=None,
        tests={},
        digest=name,
    )


def telemetry() -> st.SearchStrategy[TelemetryFile | None]:
    return st.none() | st.builds(
        TelemetryFile, allowed=st.none() | st.booleans(), approvals=st.none() | st.integers(0, 3)
    )


@st.composite
def roots(draw: st.DrawFn, name: str = "root") -> Policy:
    access = draw(rules(f"{name}-p", permits, most=4)) + draw(rules(f"{name}-f", forbids, most=2))
    keep = draw(retention(name, least=(1, 10), most=(20, 50)))
    right = draw(st.none() | rights())
    file = pack(name, (), access, draw(detection()), keep, right, whole=True)
    return combine(replace(file, telemetry=draw(telemetry())), [])


@st.composite
def children(draw: st.DrawFn, parents: list[Policy]) -> Policy:
    access = draw(rules("child-f", forbids, most=3))
    keep = draw(retention("child", least=(11, 15), most=(15, 19)))
    names = tuple(parent.name for parent in parents)
    file = pack("child", names, access, draw(stricter(parents)), keep, None, whole=False)
    right = RightsFile.model_validate(draw(rights()), strict=False)
    # What would relax is refused (the unit tests say how); then the child says nothing of rights, or of telemetry.
    for one in (replace(file, telemetry=draw(telemetry())), file):
        for part in (right, None):
            with suppress(PolicyInvalidError):
                return combine(replace(one, rights=part), parents)
    return combine(file, parents)


def assert_no_weaker(strict: Policy, lax: Policy) -> None:
    for request in REQUESTS:
        tight, loose = strict.decide(request), lax.decide(request)
        assert loose.permit or not tight.permit
        assert tight.classes <= loose.classes


@settings(max_examples=50, deadline=None)
@given(roots(), st.data())
def test_a_forbid_more_never_permits_more(policy: Policy, data: st.DataObject) -> None:
    extra = Rule(
        id="extra",
        pack="test",
        permit=False,
        actions=frozenset(data.draw(some(ACTIONS))),
        purposes=frozenset(data.draw(some(PURPOSES))) or None,
        roles=frozenset(data.draw(some(ROLES))) or None,
        classes=frozenset(data.draw(some(ENTITIES))),
        controls=(),
        why="w",
    )
    assert_no_weaker(replace(policy, forbids=(*policy.forbids, extra)), policy)


@settings(max_examples=50, deadline=None)
@given(roots(), st.data())
def test_a_permit_more_never_denies_more(policy: Policy, data: st.DataObject) -> None:
    (group,) = policy.permits
    assume(group)
    fewer = tuple(rule for rule in group if data.draw(st.booleans()))
    assert_no_weaker(replace(policy, permits=(fewer,)), policy)


@settings(max_examples=50, deadline=None)
@given(st.data(), roots("root"), roots("other"), st.booleans())
def test_an_extending_pack_relaxes_nothing(data: st.DataObject, one: Policy, two: Policy, both: bool) -> None:
    parents = [one, two] if both else [one]
    policy = data.draw(children(parents))
    for parent in parents:
        assert_no_weaker(policy, parent)
        for entity in (*ENTITIES, "UNLISTED"):
            ranks = [OPERATORS.index(p.operator_for(entity)) for p in (policy, parent)]
            assert ranks[0] >= ranks[1]
        assert policy.threshold <= parent.threshold
        assert policy.required_classes >= parent.required_classes
        assert policy.strict >= parent.strict
        assert ON_FAILURE.index(policy.on_failure) >= ON_FAILURE.index(parent.on_failure)
        assert all(policy.floors[entity] >= floor for entity, floor in parent.floors.items())
        mine, theirs = policy.rights, parent.rights
        assert mine.erasure.approvals >= theirs.erasure.approvals
        assert mine.erasure.approval_hours <= theirs.erasure.approval_hours
        assert mine.erasure.roll_within_hours <= theirs.erasure.roll_within_hours
        assert mine.tenant_erasure.approvals >= theirs.tenant_erasure.approvals
        assert mine.hold_release.approvals >= theirs.hold_release.approvals
        assert mine.grounds.items() <= theirs.grounds.items()
        assert policy.telemetry.allowed <= parent.telemetry.allowed
        assert policy.telemetry.approvals >= parent.telemetry.approvals
        for record, kept in parent.retention.items():
            period = policy.retention[record]
            for most, mine_too in ((kept.max_days, period.max_days), (kept.idle_days, period.idle_days)):
                assert most is None or (mine_too is not None and mine_too <= most)
            assert kept.min_days is None or (period.min_days or 0) >= kept.min_days


@dataclass(frozen=True)
class Figures:
    recalls: dict[str, float]
    version: str = "d-1"

    def recall(self, entity: str) -> float | None:
        return self.recalls.get(entity)

    def samples(self, entity: str) -> int:
        return int(entity in self.recalls)


@settings(max_examples=50, deadline=None)
@given(st.data(), roots(), some(ENTITIES), st.dictionaries(st.sampled_from(ENTITIES), FLOORS))
def test_what_a_parent_refuses_to_start_with_a_child_starts_with_only_under_its_own_waiver(
    data: st.DataObject, parent: Policy, found: list[str], recalls: dict[str, float]
) -> None:
    policy = data.draw(children([parent]))
    waived = {w.entity for w in policy.waivers if w.expires >= TODAY}
    strict = replace(
        parent,
        waivers=(),
        required_classes=parent.required_classes - waived,
        floors={entity: floor for entity, floor in parent.floors.items() if entity not in waived},
    )

    def starts(one: Policy) -> bool:
        try:
            check_coverage(one, frozenset(found), version="d-1", measured=Figures(recalls), today=TODAY)
        except PolicyInvalidError:
            return False
        return True

    assert starts(strict) or not starts(policy)


@settings(max_examples=50, deadline=None)
@given(roots())
def test_more_roles_never_reveal_what_a_forbid_withholds(policy: Policy) -> None:
    for purpose in PURPOSES:
        for rule in policy.forbids:
            if REVEAL in rule.actions and (rule.purposes is None or purpose in rule.purposes):
                shown = policy.reveal_classes(ROLES, purpose)
                assert not shown & (rule.classes or frozenset(ENTITIES))


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=3)
    | st.sampled_from([*ACTIONS, *PURPOSES, *ROLES]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.tuples(inner) | st.dictionaries(st.text(max_size=2), inner)
    ),
    max_leaves=3,
)


@settings(max_examples=50, deadline=None)
@given(roots(), JUNK, JUNK, JUNK, JUNK)
def test_junk_is_denied_or_decided_but_never_raises(
    policy: Policy, action: Any, purpose: Any, roles: Any, classes: Any
) -> None:
    decision = policy.decide(Request(action, purpose, roles, classes))
    if decision.permit:
        assert action in ACTIONS
        assert purpose in PURPOSES
        assert set(roles) & set(ROLES)
