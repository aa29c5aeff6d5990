"""The gate: a vault starts only with a detector that finds what its pack relies on, as surely as it asks.

What a detector finds is measured, not claimed: `memvault detect measure` runs it over the shipped evaluation set. The
figures belong to one version of the detector; another version, or another set of detectors, has none until measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Final, Protocol

from vault.errors import PolicyInvalidError
from vault.policy.decide import Policy, Waiver

LONGEST_WAIVER: Final = timedelta(days=366)
MEASURE: Final = "memvault detect measure --write"


class Measured(Protocol):
    """What a detector of one `version` found of each entity class in the evaluation set."""

    @property
    def version(self) -> str: ...

    def recall(self, entity: str) -> float | None:
        """The part of the class's samples that were found; None where the set has none."""
        ...

    def samples(self, entity: str) -> int: ...


def check_coverage(
    policy: Policy,
    detector_entities: frozenset[str],
    *,
    version: str = "",
    measured: Measured | None = None,
    today: date | None = None,
) -> None:
    """Refuse to start without what the policy relies on; a waiver that holds `today` excepts its class.

    Raises PolicyInvalidError: `policy.coverage` naming the required classes without a detector, `policy.measure`
    where floors are set and the detector of this `version` has no figures, `policy.recall` naming the classes under
    their floor.
    """
    waived = {waiver.entity for waiver in in_force(policy, today or datetime.now(UTC).date())}
    required = policy.required_classes | policy.floors.keys()
    missing = sorted(required - detector_entities - waived)
    if missing:
        raise PolicyInvalidError(
            "policy.coverage", f"pack {policy.name} requires a detector for: {', '.join(missing)}"
        )
    floors = {entity: floor for entity, floor in sorted(policy.floors.items()) if entity not in waived}
    if not floors:
        return
    if measured is None or measured.version != version:
        raise PolicyInvalidError(
            "policy.measure",
            f"pack {policy.name} sets recall floors and this detector is not measured: run `{MEASURE}` on this vault",
        )
    low = [*_under(floors, measured)]
    if low:
        raise PolicyInvalidError(
            "policy.recall", f"measured recall is under the floors of pack {policy.name}: {', '.join(low)}"
        )


def in_force(policy: Policy, today: date) -> Iterator[Waiver]:
    """The waivers that hold on a day: not expired, and not for longer than a year from it."""
    for waiver in policy.waivers:
        if today <= waiver.expires <= today + LONGEST_WAIVER:
            yield waiver


def _under(floors: dict[str, float], measured: Measured) -> Iterator[str]:
    for entity, floor in floors.items():
        recall, samples = measured.recall(entity), measured.samples(entity)
        if recall is None or samples < 1:
            yield f"{entity} (no samples, floor {floor:g})"
        elif recall < floor:
            yield f"{entity} ({recall:.3f} of {samples} samples, floor {floor:g})"
