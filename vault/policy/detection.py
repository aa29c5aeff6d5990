"""detection.yaml of a pack and of those it extends, together: the strictest of what is inherited, or stricter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vault.errors import PolicyInvalidError
from vault.policy.decide import ON_FAILURE, OPERATORS, DataClass, OnFailure, Operator, Policy, Waiver
from vault.policy.model import DetectionFile

_STRENGTH: Final = {operator: rank for rank, operator in enumerate(OPERATORS)}


@dataclass(frozen=True, slots=True)
class Detection:
    """The combined detection part of a policy."""

    operators: dict[str, Operator]
    default_operator: Operator
    required: frozenset[str]
    threshold: float
    strict: bool
    on_failure: OnFailure
    floors: dict[str, float]
    waivers: tuple[Waiver, ...]


def combine_detection(
    name: str, given: DetectionFile | None, parents: Sequence[Policy], classes: Mapping[str, DataClass]
) -> Detection:
    """The detection part of pack `name`. Raises PolicyInvalidError policy.unknown, .schema, .relaxed, .rule."""
    own = given or DetectionFile()
    _check_names(own, {entity for data_class in classes.values() for entity in data_class.entities})
    both = " and ".join(parent.name for parent in parents)
    operators, default = _operators(name, own, parents, both)
    return Detection(
        operators=operators,
        default_operator=default,
        required=frozenset(own.required).union(*(parent.required_classes for parent in parents)),
        threshold=_threshold(name, own, parents, both),
        strict=_strict(name, own, parents, both),
        on_failure=_on_failure(name, own, parents, both),
        floors=_floors(name, own, parents, both),
        waivers=tuple(Waiver(w.entity, w.reason, w.expires, w.approved_by) for w in own.waivers),
    )


def check_known(where: str, names: Iterable[str], vocabulary: Iterable[str]) -> None:
    """Raises PolicyInvalidError policy.unknown for a name that is not in the vocabulary."""
    known = set(vocabulary)
    for index, name in enumerate(names):
        if name not in known:
            raise PolicyInvalidError("policy.unknown", f"{where}[{index}]: declared nowhere in the pack")


def _check_names(own: DetectionFile, entities: set[str]) -> None:
    check_known("detection.yaml: required", own.required, entities)
    for key, named in (("operators", own.operators), ("floors", own.floors)):
        for entity in named:
            if entity not in entities:
                raise PolicyInvalidError(
                    "policy.unknown", f"detection.yaml: {key}.{entity}: not in the taxonomy"
                )
    waived = [waiver.entity for waiver in own.waivers]
    check_known("detection.yaml: waivers", waived, entities)
    if len(set(waived)) < len(waived):
        raise PolicyInvalidError("policy.rule", "detection.yaml: waivers: a class is waived twice")


def _operators(
    name: str, own: DetectionFile, parents: Sequence[Policy], both: str
) -> tuple[dict[str, Operator], Operator]:
    if not parents:
        if own.default_operator is None:
            raise _unset()
        return dict(own.operators), own.default_operator
    default = _strictest(parent.default_operator for parent in parents)
    if own.default_operator is not None:
        _refuse_weaker(f"default_operator of pack {name}", own.default_operator, default, both)
    listed = {entity for parent in parents for entity in parent.operators}
    operators = {entity: _strictest(p.operator_for(entity) for p in parents) for entity in sorted(listed)}
    for entity, operator in own.operators.items():
        _refuse_weaker(f"operators.{entity} of pack {name}", operator, operators.get(entity, default), both)
        operators[entity] = operator
    return operators, own.default_operator or default


def _threshold(name: str, own: DetectionFile, parents: Sequence[Policy], both: str) -> float:
    if not parents:
        if own.threshold is None:
            raise _unset()
        return own.threshold
    inherited = min(parent.threshold for parent in parents)
    if own.threshold is not None and own.threshold > inherited:
        raise _relaxed(f"threshold of pack {name} is higher than that of {both}")
    return inherited if own.threshold is None else own.threshold


def _strict(name: str, own: DetectionFile, parents: Sequence[Policy], both: str) -> bool:
    inherited = any(parent.strict for parent in parents)
    if own.strict is False and inherited:
        raise _relaxed(f"strict of pack {name} is off, and on in {both}")
    return inherited or bool(own.strict)


def _on_failure(name: str, own: DetectionFile, parents: Sequence[Policy], both: str) -> OnFailure:
    """A pack that extends none and says nothing refuses."""
    if not parents:
        return own.on_failure or "refuse"
    inherited = max((parent.on_failure for parent in parents), key=ON_FAILURE.index)
    if own.on_failure is not None and ON_FAILURE.index(own.on_failure) < ON_FAILURE.index(inherited):
        raise _relaxed(f"on_failure of pack {name} is weaker than that of {both}")
    return own.on_failure or inherited


def _floors(name: str, own: DetectionFile, parents: Sequence[Policy], both: str) -> dict[str, float]:
    floors: dict[str, float] = {}
    for parent in parents:
        for entity, floor in parent.floors.items():
            floors[entity] = max(floor, floors.get(entity, 0.0))
    for entity, floor in own.floors.items():
        if floor < floors.get(entity, 0.0):
            raise _relaxed(f"floors.{entity} of pack {name} is lower than that of {both}")
        floors[entity] = floor
    return floors


def _strictest(operators: Iterable[Operator]) -> Operator:
    return max(operators, key=_STRENGTH.__getitem__)


def _refuse_weaker(what: str, own: Operator, inherited: Operator, both: str) -> None:
    if _STRENGTH[own] < _STRENGTH[inherited]:
        raise _relaxed(f"{what} is weaker than that of {both}")


def _relaxed(what: str) -> PolicyInvalidError:
    return PolicyInvalidError("policy.relaxed", f"detection.yaml: {what}")


def _unset() -> PolicyInvalidError:
    return PolicyInvalidError(
        "policy.schema", "detection.yaml: a pack that extends none sets threshold and default_operator"
    )
