"""One pack and the policies it extends become one policy that is nowhere weaker than any of them.

A pack that extends others has no permits: it adds forbids, shortens retention, strengthens operators, lowers
the threshold, requires more classes. Several extended packs hold together: each has to permit, and the
strictest operator and period win. What relaxes or contradicts is a load error (policy.relaxed,
policy.conflict) naming both sides. Waivers are the one thing not inherited: a pack that extends one with
waivers starts without them, and states (and dates, and signs) its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

from vault.errors import PolicyInvalidError
from vault.policy.decide import ACROSS, ACTIONS, PEOPLE_AT_ONCE, REVEAL, DataClass, Policy, Retention, Rule
from vault.policy.detection import check_known, combine_detection
from vault.policy.model import (
    AccessFile,
    AccessRule,
    DetectionFile,
    PackFile,
    PurposesFile,
    RetentionFile,
    RetentionRule,
    RightsFile,
    TaxonomyFile,
    TelemetryFile,
    TestsFile,
)
from vault.policy.rights import combine_rights, rights_controls
from vault.policy.telemetry import combine_telemetry

RECORDS: Final = ("memory", "history", "audit")
NAMED_ALONE: Final = frozenset({REVEAL, ACROSS})  # a permit names them: no wildcard stands for them

_V = TypeVar("_V")


@dataclass(frozen=True, slots=True)
class Pack:
    """The parsed files of one pack folder; `digest` covers them and the digests of the packs it extends."""

    manifest: PackFile
    taxonomy: TaxonomyFile | None
    detection: DetectionFile | None
    purposes: PurposesFile | None
    access: AccessFile | None
    retention: RetentionFile | None
    rights: RightsFile | None
    telemetry: TelemetryFile | None
    tests: Mapping[str, TestsFile]
    digest: str

    @property
    def name(self) -> str:
        return self.manifest.id


def combine(pack: Pack, parents: Sequence[Policy]) -> Policy:
    """The policy of a pack over its extended packs. Raises PolicyInvalidError naming file and key path."""
    classes = _merged("taxonomy.yaml: classes", pack, [p.classes for p in parents], _classes(pack))
    _check_entities(classes)
    purposes = _merged("purposes.yaml: purposes", pack, [p.purposes for p in parents], _purposes(pack))
    roles = _merged("access.yaml: roles", pack, [p.roles for p in parents], _roles(pack))
    controls = _merged("pack.yaml: controls", pack, [p.controls for p in parents], pack.manifest.controls)
    own = _Access(pack, purposes, roles, classes, controls, extends=bool(parents)).rules()
    permits = tuple(dict.fromkeys(group for parent in parents for group in parent.permits))
    if not parents:
        permits = (tuple(rule for rule in own if rule.permit),)
    inherited = dict.fromkeys(rule for parent in parents for rule in parent.forbids)
    forbids = (*inherited, *(rule for rule in own if not rule.permit))
    _check_rule_ids([*(rule for group in permits for rule in group), *forbids])
    _check_controls(pack, controls)
    found = combine_detection(pack.name, pack.detection, parents, classes)
    return Policy(
        name=pack.name,
        version=pack.manifest.version,
        digest=pack.digest,
        title=pack.manifest.title,
        disclaimer=pack.manifest.disclaimer,
        packs=tuple(dict.fromkeys([pack.name, *(name for parent in parents for name in parent.packs)])),
        not_covered=tuple(
            dict.fromkeys([*(line for p in parents for line in p.not_covered), *pack.manifest.not_covered])
        ),
        controls=MappingProxyType(controls),
        purposes=MappingProxyType(purposes),
        roles=MappingProxyType(roles),
        classes=MappingProxyType(classes),
        people_at_once=_people_at_once(pack, parents),
        permits=permits,
        forbids=forbids,
        operators=MappingProxyType(found.operators),
        default_operator=found.default_operator,
        required_classes=found.required,
        threshold=found.threshold,
        strict=found.strict,
        on_failure=found.on_failure,
        floors=MappingProxyType(found.floors),
        waivers=found.waivers,
        retention=MappingProxyType(_retention(pack, parents)),
        rights=combine_rights(pack.name, pack.rights, parents),
        telemetry=combine_telemetry(pack.name, pack.telemetry, parents),
    )


def _classes(pack: Pack) -> dict[str, DataClass]:
    entries = pack.taxonomy.classes if pack.taxonomy else {}
    return {
        name: DataClass(
            entry.title, entry.sensitivity, frozenset(entry.entities), entry.controls, entry.kept or ""
        )
        for name, entry in entries.items()
    }


def _purposes(pack: Pack) -> dict[str, str]:
    return {name: p.title for name, p in pack.purposes.purposes.items()} if pack.purposes else {}


def _roles(pack: Pack) -> dict[str, str]:
    return {name: role.title for name, role in pack.access.roles.items()} if pack.access else {}


def _merged(
    where: str, pack: Pack, inherited: Iterable[Mapping[str, _V]], own: Mapping[str, _V]
) -> dict[str, _V]:
    """One vocabulary out of several; the same name with another meaning is a conflict."""
    merged: dict[str, _V] = {}
    for vocabulary in (*inherited, own):
        for name, meaning in vocabulary.items():
            if merged.setdefault(name, meaning) != meaning:
                raise PolicyInvalidError(
                    "policy.conflict",
                    f"{where}.{name}: pack {pack.name} or two packs it extends disagree on it",
                )
    return merged


def _check_entities(classes: Mapping[str, DataClass]) -> None:
    owner: dict[str, str] = {}
    for name, data_class in classes.items():
        for entity in data_class.entities:
            if owner.setdefault(entity, name) != name:
                raise PolicyInvalidError(
                    "policy.conflict", f"taxonomy.yaml: {entity} is in both {owner[entity]} and {name}"
                )


def _check_rule_ids(rules: Iterable[Rule]) -> None:
    seen: dict[str, Rule] = {}
    for rule in rules:
        other = seen.setdefault(rule.id, rule)
        if other is not rule:
            raise PolicyInvalidError(
                "policy.conflict",
                f"access.yaml: rule {rule.id} is in pack {rule.pack} and in pack {other.pack}",
            )


def _check_controls(pack: Pack, controls: Mapping[str, str]) -> None:
    """Every control that anything in the pack names is one of pack.yaml's."""
    named: list[tuple[str, tuple[str, ...]]] = []
    if pack.taxonomy:
        named += [(f"taxonomy.yaml: classes.{k}", v.controls) for k, v in pack.taxonomy.classes.items()]
    if pack.purposes:
        named += [(f"purposes.yaml: purposes.{k}", v.controls) for k, v in pack.purposes.purposes.items()]
    if pack.access:
        named += [(f"access.yaml: rules.{rule.id}", rule.controls) for rule in pack.access.rules]
    if pack.retention:
        named += [(f"retention.yaml: rules.{rule.id}", rule.controls) for rule in pack.retention.rules]
    if pack.rights:
        named += [(f"rights.yaml: {key}", controls) for key, controls in rights_controls(pack.rights)]
    for where, ids in named:
        check_known(f"{where}.controls", ids, controls)
    if pack.telemetry:
        check_known("telemetry.yaml: controls", pack.telemetry.controls, controls)


def _people_at_once(pack: Pack, parents: Sequence[Policy]) -> int:
    """The lowest of what is inherited, or a lower one; a pack that extends none states what it likes."""
    inherited = min((parent.people_at_once for parent in parents), default=PEOPLE_AT_ONCE)
    stated = pack.access.people_at_once if pack.access else None
    if stated is not None and parents and stated > inherited:
        raise PolicyInvalidError(
            "policy.relaxed",
            f"access.yaml: people_at_once of pack {pack.name} is higher than that of what it extends",
        )
    return inherited if stated is None else stated


class _Access:
    """Compiles access.yaml against the vocabularies of the pack."""

    def __init__(
        self,
        pack: Pack,
        purposes: Mapping[str, str],
        roles: Mapping[str, str],
        classes: Mapping[str, DataClass],
        controls: Mapping[str, str],
        *,
        extends: bool,
    ) -> None:
        self._pack = pack
        self._purposes = purposes
        self._roles = roles
        self._classes = classes
        self._controls = controls
        self._extends = extends
        self._entities = {entity for data_class in classes.values() for entity in data_class.entities}

    def rules(self) -> list[Rule]:
        entries = self._pack.access.rules if self._pack.access else ()
        return [self._rule(f"access.yaml: rules[{index}]", entry) for index, entry in enumerate(entries)]

    def _rule(self, where: str, entry: AccessRule) -> Rule:
        permit = entry.effect == "permit"
        if permit and self._extends:
            raise PolicyInvalidError(
                "policy.relaxed", f"{where}: rule {entry.id} permits; a pack that extends others only forbids"
            )
        if permit and not (entry.purposes and entry.roles):
            raise PolicyInvalidError("policy.rule", f"{where}: a permit names its purposes and roles")
        actions = frozenset(
            action
            for index, pattern in enumerate(entry.actions)
            for action in _expanded(f"{where}.actions[{index}]", pattern, permit=permit)
        )
        if entry.classes and actions != {REVEAL}:
            raise PolicyInvalidError("policy.rule", f"{where}: classes belong to {REVEAL} alone")
        if permit and REVEAL in actions and not entry.classes:
            raise PolicyInvalidError("policy.rule", f"{where}: a permit of {REVEAL} names its classes")
        check_known(f"{where}.purposes", entry.purposes, self._purposes)
        check_known(f"{where}.roles", entry.roles, self._roles)
        return Rule(
            id=entry.id,
            pack=self._pack.name,
            permit=permit,
            actions=actions,
            purposes=frozenset(entry.purposes) or None,
            roles=frozenset(entry.roles) or None,
            classes=self._resolved(f"{where}.classes", entry.classes),
            controls=entry.controls,
            why=entry.why,
        )

    def _resolved(self, where: str, names: Sequence[str]) -> frozenset[str]:
        check_known(where, names, [*self._classes, *self._entities])
        return frozenset(
            entity
            for name in names
            for entity in (self._classes[name].entities if name in self._classes else {name})
        )


def _expanded(where: str, pattern: str, *, permit: bool) -> set[str]:
    """The actions of a pattern. No wildcard permits revealing or searching many people, and `*` never permits."""
    if pattern == "*" and permit:
        raise PolicyInvalidError("policy.rule", f"{where}: only a forbid may name every action")
    if "*" not in pattern:
        matching = {pattern} & set(ACTIONS)
    else:
        matching = {action for action in ACTIONS if action.startswith(pattern.removesuffix("*"))}
        if permit:
            matching -= NAMED_ALONE
    if not matching:
        raise PolicyInvalidError("policy.unknown", f"{where}: not an action of this engine")
    return matching


def _retention(pack: Pack, parents: Sequence[Policy]) -> dict[str, Retention]:
    """The longest minimum and the shortest maximum; a rule that relaxes or contradicts is an error."""
    merged: dict[str, Retention] = {}
    for record in RECORDS:
        inherited = Retention()
        for parent in parents:
            inherited = _tightened(inherited, parent.retention[record])
        kept = inherited
        for index, rule in enumerate(pack.retention.rules if pack.retention else ()):
            if rule.record == record:
                _check_period(f"retention.yaml: rules[{index}]", rule, inherited)
                kept = _tightened(kept, _period(f"{pack.name}/{rule.id}", rule))
        for most, name in ((kept.max_days, kept.max_rule), (kept.idle_days, kept.idle_rule)):
            if kept.min_days is not None and most is not None and kept.min_days > most:
                raise PolicyInvalidError(
                    "policy.conflict",
                    f"retention.yaml: {record}: rule {kept.min_rule} keeps longer than {name} allows",
                )
        merged[record] = kept
    return merged


def _period(label: str, rule: RetentionRule) -> Retention:
    if rule.trigger == "updated":
        return Retention(rule.min_days, None, label, "", rule.max_days, label)
    return Retention(rule.min_days, rule.max_days, label, label)


def _check_period(where: str, rule: RetentionRule, kept: Retention) -> None:
    if rule.min_days is None and rule.max_days is None:
        raise PolicyInvalidError("policy.rule", f"{where}: a retention rule sets min_days or max_days")
    if rule.max_days is None and rule.trigger is not None:
        raise PolicyInvalidError(
            "policy.rule", f"{where}: trigger says what max_days counts from, and there is none"
        )
    if rule.max_days is not None and rule.record == "audit":
        raise PolicyInvalidError("policy.engine", f"{where}.max_days: this engine never shortens the log")
    if kept.min_days is not None and rule.min_days is not None and rule.min_days < kept.min_days:
        raise PolicyInvalidError(
            "policy.relaxed", f"{where}: rule {rule.id} keeps shorter than {kept.min_rule}"
        )
    limits = [(kept.max_days, kept.max_rule)]
    if rule.trigger == "updated":  # what was created so long ago was changed so long ago at the most
        limits.append((kept.idle_days, kept.idle_rule))
    for most, name in limits:
        if most is not None and rule.max_days is not None and rule.max_days > most:
            raise PolicyInvalidError("policy.relaxed", f"{where}: rule {rule.id} keeps longer than {name}")


def _tightened(one: Retention, other: Retention) -> Retention:
    least, least_rule = _tighter(one.min_days, one.min_rule, other.min_days, other.min_rule, max)
    most, most_rule = _tighter(one.max_days, one.max_rule, other.max_days, other.max_rule, min)
    idle, idle_rule = _tighter(one.idle_days, one.idle_rule, other.idle_days, other.idle_rule, min)
    return Retention(least, most, least_rule, most_rule, idle, idle_rule)


def _tighter(
    one: int | None, one_rule: str, other: int | None, other_rule: str, pick: Callable[[int, int], int]
) -> tuple[int | None, str]:
    if other is None or (one is not None and pick(one, other) == one):
        return one, one_rule
    return other, other_rule
