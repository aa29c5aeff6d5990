"""What `memvault policy lint | test | diff | explain` say about packs, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from vault.errors import PolicyInvalidError
from vault.policy.combine import Pack
from vault.policy.decide import ACROSS, ACTIONS, OPERATORS, Decision, Policy, Request, Rule
from vault.policy.model import OperatorCase, RequestCase, TestsFile, TextCase
from vault.policy.pack import read
from vault.policy.rights import rights_controls

Classify = Callable[[str], Iterable[str]]

_PERSONAL: Final = 2  # the sensitivity from which `keep` deserves a word
_SECRET: Final = 4


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What became of one test of a pack; `skipped` where it needs a detector and none was given."""

    file: str
    case: str
    status: Literal["passed", "failed", "skipped"]
    detail: str = ""


def lint(name_or_path: str | Path) -> list[str]:
    """What is wrong ("error: ...") or doubtful ("warning: ...") in a pack; empty for a clean one."""
    try:
        pack, policy = read(name_or_path)
    except PolicyInvalidError as invalid:
        return [f"error: {invalid.message}"]
    found = [*_about_manifest(pack), *_about_rules(pack, policy), *_about_detection(pack, policy)]
    found += _about_rights(pack, policy)
    failed = [result for result in run_tests(name_or_path) if result.status == "failed"]
    return [f"warning: {line}" for line in found] + [
        f"error: {result.file}: {result.case}: {result.detail}" for result in failed
    ]


def run_tests(name_or_path: str | Path, detector: Classify | None = None) -> list[CaseResult]:
    """The pack's own tests; `detector` answers the entity classes found in a text.

    Raises PolicyInvalidError where the pack does not load.
    """
    pack, policy = read(name_or_path)
    return [result for file, tests in pack.tests.items() for result in _run(policy, file, tests, detector)]


def diff(old: Policy, new: Policy) -> list[str]:
    """What changes for whom when `new` replaces `old`; empty where both decide alike."""
    return [
        *_diff_access(old, new),
        *_diff_detection(old, new),
        *_diff_retention(old, new),
        *_diff_rights(old, new),
        *_diff_telemetry(old, new),
    ]


def explain(policy: Policy, request: Request) -> str:
    """Why a request gets its answer: the rule, its reason and controls, or who could do it instead."""
    decision = policy.decide(request)
    lines = [f"{'permit' if decision.permit else 'deny'}: {decision.reason}"]
    for rule in _rules(policy):
        if rule.id in decision.rule.split("+"):
            lines.append(f"rule {rule.id} of pack {rule.pack}: {rule.why}")
            lines += [f"  {policy.controls[control]}" for control in rule.controls]
    if decision.classes:
        lines.append(f"shown: {', '.join(sorted(decision.classes))}")
    if decision.masked:
        lines.append(f"stay tokens: {', '.join(sorted(decision.masked))}")
    lines += _waits(policy, request.action) if decision.permit else []
    if not decision.permit:
        able = [f"{role} for {purpose}" for role, purpose in _able(policy, request.action)]
        lines.append(f"permitted to: {'; '.join(able) or 'nobody'}")
    lines += [
        f"waived: {waiver.entity} until {waiver.expires}, by {waiver.approved_by}"
        for waiver in policy.waivers
    ]
    lines.append(f"policy {policy.name} {policy.version}, digest {policy.digest}")
    return "\n".join(lines)


def _waits(policy: Policy, action: str) -> Iterator[str]:
    """What rights.yaml, and the number in access.yaml, add to a permit."""
    rights = policy.rights
    approvals = {
        "subject.erase": rights.erasure.approvals,
        "tenant.erase": rights.tenant_erasure.approvals,
        "hold.release": rights.hold_release.approvals,
        "telemetry.enable": policy.telemetry.approvals,
    }
    if action == ACROSS:
        yield f"looks into the memories of at most {policy.people_at_once} people at once"
    if needed := approvals.get(action, 0):
        who = "another principal" if needed == 1 else f"{needed} other principals"
        yield f"runs once approved by {who} within {rights.erasure.approval_hours} hours"
    if action in ("subject.erase", "tenant.erase"):
        soon = rights.erasure.roll_within_hours
        yield f"backups open no more {f'within {soon} hours' if soon else 'as soon as it has run'}"
        yield f"grounds: {', '.join(rights.grounds) or 'none, so that nothing is erased by request'}"
    if action == "telemetry.enable" and not policy.telemetry.allowed:
        yield "and is refused: telemetry.yaml does not allow it"


def _rules(policy: Policy) -> Iterator[Rule]:
    yield from policy.forbids
    for group in policy.permits:
        yield from group


def _able(policy: Policy, action: str) -> Iterator[tuple[str, str]]:
    for role in policy.roles:
        for purpose in policy.purposes:
            if policy.decide(Request(action, purpose, (role,))).permit:
                yield role, purpose


# --- lint ---


def _about_manifest(pack: Pack) -> Iterator[str]:
    if not pack.manifest.not_covered:
        yield "pack.yaml: not_covered is empty; every pack leaves something out"
    if pack.manifest.version not in {change.version for change in pack.manifest.changes}:
        yield "pack.yaml: changes has no entry for this version"
    used: set[str] = set()
    for section in (pack.taxonomy and pack.taxonomy.classes, pack.purposes and pack.purposes.purposes):
        used |= {control for entry in (section or {}).values() for control in entry.controls}
    for rules in (pack.access and pack.access.rules, pack.retention and pack.retention.rules):
        used |= {control for rule in rules or () for control in rule.controls}
    if pack.rights:
        used |= {control for _, controls in rights_controls(pack.rights) for control in controls}
    if pack.telemetry:
        used |= set(pack.telemetry.controls)
    for control in pack.manifest.controls:
        if control not in used:
            yield f"pack.yaml: controls.{control}: nothing refers to it"


def _about_rules(pack: Pack, policy: Policy) -> Iterator[str]:
    own = [rule for rule in _rules(policy) if rule.pack == pack.name]
    cases = [case for tests in pack.tests.values() for case in tests.requests]
    for rule in own:
        where = f"access.yaml: rule {rule.id}"
        if not rule.controls:
            yield f"{where}: names no control"
        if not any(rule.applies(case.action, case.purpose, case.roles) for case in cases):
            yield f"{where}: no test reaches it"
        if rule.permit:
            yield from _about_permit(where, rule, policy)
    if not any(case.expect == "deny" for case in cases):
        yield "tests: no case expects a denial"
    for kind, names, used in (
        (
            "purpose",
            pack.purposes.purposes if pack.purposes else {},
            {p for r in own for p in r.purposes or ()},
        ),
        ("role", pack.access.roles if pack.access else {}, {role for r in own for role in r.roles or ()}),
    ):
        for name in names:
            if name not in used:
                yield f"{kind} {name}: no rule names it"


def _about_permit(where: str, rule: Rule, policy: Policy) -> Iterator[str]:
    for other in policy.forbids:
        if (
            not other.classes
            and rule.actions <= other.actions
            and (other.purposes is None or (rule.purposes or frozenset()) <= other.purposes)
            and (other.roles is None or (rule.roles or frozenset()) <= other.roles)
        ):
            yield f"{where}: never permits, rule {other.id} forbids all of it"
    for name, data_class in policy.classes.items():
        if data_class.sensitivity >= _SECRET and rule.classes & data_class.entities:
            yield f"{where}: reveals class {name} of the highest sensitivity"


def _about_detection(pack: Pack, policy: Policy) -> Iterator[str]:
    for waiver in policy.waivers:
        where = f"detection.yaml: waiver of {waiver.entity}"
        yield f"{where}, approved by {waiver.approved_by}, until {waiver.expires}: {waiver.reason}"
        if waiver.entity not in policy.required_classes | policy.floors.keys():
            yield f"{where}: nothing requires that class"
    for entity in sorted(pack.detection.floors if pack.detection else ()):
        if policy.operator_for(entity) == "keep":
            yield f"detection.yaml: {entity} has a recall floor and is kept"
    tested = {entity for tests in pack.tests.values() for case in tests.texts for entity in case.expect}
    for entity in sorted(pack.detection.required if pack.detection else ()):
        if policy.operator_for(entity) == "keep":
            yield f"detection.yaml: {entity} is required and kept"
        if entity not in tested:
            yield f"detection.yaml: {entity} is required and no test text holds it"
    for name, data_class in policy.classes.items():
        for entity in sorted(data_class.entities):
            if (
                data_class.sensitivity >= _PERSONAL
                and not data_class.kept
                and policy.operator_for(entity) == "keep"
            ):
                yield f"detection.yaml: {entity} of class {name} is kept as written"


def _about_rights(pack: Pack, policy: Policy) -> Iterator[str]:
    if not policy.rights.grounds:
        yield "rights.yaml: there is no ground, so that nothing can be erased by request"
    if pack.rights:
        for key in ("erasure", "tenant_erasure", "hold_release"):
            section = getattr(pack.rights, key)
            if key in pack.rights.model_fields_set and not section.why:
                yield f"rights.yaml: {key}: does not say why"
    if pack.telemetry and not pack.telemetry.why:
        yield "telemetry.yaml: does not say why"


# --- test ---


def _run(policy: Policy, file: str, tests: TestsFile, detector: Classify | None) -> Iterator[CaseResult]:
    for request in tests.requests:
        yield _result(file, request.id, _check_request(policy, request))
    for operator in tests.operators:
        yield _result(file, operator.id, _check_operator(policy, operator))
    for right in tests.rights:
        section, _, key = right.key.partition(".")
        got = getattr(getattr(policy.rights, section), key)
        yield _result(file, right.id, "" if got == right.expect else f"expected {right.expect}, got {got}")
    for number in tests.numbers:
        value = getattr(policy, number.key)
        problem = "" if value == number.expect else f"expected {number.expect}, got {value}"
        yield _result(file, number.id, problem)
    for ground in tests.grounds:
        known = "known" if ground.ground in policy.rights.grounds else "unknown"
        problem = "" if known == ground.expect else f"{ground.ground} is {known}"
        yield _result(file, ground.id, problem)
    for text in tests.texts:
        if detector is None:
            yield CaseResult(file, text.id, "skipped", "needs a detector")
        else:
            yield _result(file, text.id, _check_text(text, frozenset(detector(text.text))))


def _result(file: str, case: str, problem: str) -> CaseResult:
    return CaseResult(file, case, "failed" if problem else "passed", problem)


def _check_request(policy: Policy, case: RequestCase) -> str:
    decision = policy.decide(Request(case.action, case.purpose, case.roles, frozenset(case.classes)))
    got = "permit" if decision.permit else "deny"
    if got != case.expect:
        return f"expected {case.expect}, got {got} by rule {decision.rule}"
    if case.rule is not None and case.rule not in decision.rule.split("+"):
        return f"expected rule {case.rule}, got rule {decision.rule}"
    return _check_classes(policy, case, decision)


def _check_classes(policy: Policy, case: RequestCase, decision: Decision) -> str:
    shown = _entities(policy, case.masks) & decision.classes
    if shown:
        return f"expected to stay tokens: {', '.join(sorted(shown))}"
    if case.reveals is not None and _entities(policy, case.reveals) != decision.classes:
        wrong = sorted(_entities(policy, case.reveals) ^ decision.classes)
        return f"revealed classes differ in: {', '.join(wrong)}"
    return ""


def _entities(policy: Policy, names: Iterable[str]) -> frozenset[str]:
    return frozenset(
        entity
        for name in names
        for entity in (policy.classes[name].entities if name in policy.classes else {name})
    )


def _check_operator(policy: Policy, case: OperatorCase) -> str:
    got = policy.operator_for(case.entity)
    return "" if got == case.operator else f"{case.entity}: expected {case.operator}, got {got}"


def _check_text(case: TextCase, found: frozenset[str]) -> str:
    missing = sorted(set(case.expect) - found)
    if missing:
        return f"not found: {', '.join(missing)}"
    extra = sorted(set(case.absent) & found)
    return f"found, and should not be: {', '.join(extra)}" if extra else ""


# --- diff ---


def _diff_access(old: Policy, new: Policy) -> Iterator[str]:
    if old.people_at_once != new.people_at_once:
        yield f"one search looks into {new.people_at_once} people at most instead of {old.people_at_once}"
    for kind, before, after in (("purpose", old.purposes, new.purposes), ("role", old.roles, new.roles)):
        yield from (f"{kind} {name} is new" for name in after if name not in before)
        yield from (f"{kind} {name} is gone" for name in before if name not in after)
    for role in dict.fromkeys((*old.roles, *new.roles)):
        for purpose in dict.fromkeys((*old.purposes, *new.purposes)):
            who = f"role {role} for purpose {purpose}"
            for action in ACTIONS:
                was = old.decide(Request(action, purpose, (role,)))
                now = new.decide(Request(action, purpose, (role,)))
                if was.permit != now.permit:
                    yield f"{who} {'may now' if now.permit else 'may no longer'} {action}"
                if now.classes - was.classes:
                    yield f"{who} now sees {', '.join(sorted(now.classes - was.classes))}"
                if was.classes - now.classes:
                    yield f"{who} no longer sees {', '.join(sorted(was.classes - now.classes))}"


def _diff_detection(old: Policy, new: Policy) -> Iterator[str]:
    if old.threshold != new.threshold:
        yield f"the detection threshold goes from {old.threshold:g} to {new.threshold:g}"
    if old.default_operator != new.default_operator:
        yield f"entity classes without an operator: {_change(old.default_operator, new.default_operator)}"
    for entity in sorted({*old.operators, *new.operators}):
        if old.operator_for(entity) != new.operator_for(entity):
            yield f"{entity}: {_change(old.operator_for(entity), new.operator_for(entity))}"
    if old.strict != new.strict:
        yield f"detection is {'now' if new.strict else 'no longer'} strict"
    if old.on_failure != new.on_failure:
        yield f"a text that cannot be examined: {old.on_failure} becomes {new.on_failure}"
    for entity in sorted({*old.floors, *new.floors}):
        was, now = old.floors.get(entity, 0.0), new.floors.get(entity, 0.0)
        if was != now:
            yield f"the recall floor of {entity} goes from {was:g} to {now:g}"
    for waiver in new.waivers:
        if waiver not in old.waivers:
            yield f"{waiver.entity} is waived until {waiver.expires} (by {waiver.approved_by}): {waiver.reason}"
    for waiver in old.waivers:
        if waiver not in new.waivers:
            yield f"the waiver of {waiver.entity} until {waiver.expires} is gone"
    for entity in sorted(new.required_classes - old.required_classes):
        yield f"{entity} now needs a detector"
    for entity in sorted(old.required_classes - new.required_classes):
        yield f"{entity} no longer needs a detector"


def _change(old: str, new: str) -> str:
    ranks = [str(operator) for operator in OPERATORS]
    word = "stricter" if ranks.index(new) > ranks.index(old) else "weaker"
    return f"{old} becomes {new} ({word})"


def _diff_retention(old: Policy, new: Policy) -> Iterator[str]:
    for record, was in old.retention.items():
        now = new.retention[record]
        for word, before, after in (
            ("at least", was.min_days, now.min_days),
            ("at most", was.max_days, now.max_days),
            ("since its last change at most", was.idle_days, now.idle_days),
        ):
            if before != after:
                yield f"{record} is kept {word} {_days(after)} instead of {_days(before)}"


def _diff_rights(old: Policy, new: Policy) -> Iterator[str]:
    was, now = old.rights, new.rights
    for what, unit, before, after in (
        ("an erasure needs", "approvals", was.erasure.approvals, now.erasure.approvals),
        ("erasing a tenant needs", "approvals", was.tenant_erasure.approvals, now.tenant_erasure.approvals),
        ("releasing a hold needs", "approvals", was.hold_release.approvals, now.hold_release.approvals),
        ("an approval counts for", "hours", was.erasure.approval_hours, now.erasure.approval_hours),
        (
            "backups stop opening within",
            "hours of an erasure",
            was.erasure.roll_within_hours,
            now.erasure.roll_within_hours,
        ),
    ):
        if before != after:
            yield f"{what} {after} {unit} instead of {before}"
    yield from (f"an erasure may now name {code}" for code in now.grounds if code not in was.grounds)
    yield from (f"an erasure may no longer name {code}" for code in was.grounds if code not in now.grounds)
    for code, title in now.grounds.items():
        if was.grounds.get(code, title) != title:
            yield f"{code} now means: {title}"


def _diff_telemetry(old: Policy, new: Policy) -> Iterator[str]:
    was, now = old.telemetry, new.telemetry
    if was.allowed != now.allowed:
        yield f"telemetry is {'now' if now.allowed else 'no longer'} allowed"
    if was.approvals != now.approvals:
        yield f"switching telemetry on needs {now.approvals} approvals instead of {was.approvals}"


def _days(days: int | None) -> str:
    return f"{days} days" if days is not None else "no set time"
