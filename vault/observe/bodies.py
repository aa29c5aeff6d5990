"""From events to the bytes of a request: made once, here, so that what is previewed is what is sent.

The form is that of PostHog's `/batch/`. What its client would add (library, system, host, session, person, feature
flags) is not in it; the two `$` properties ask the receiver for less: no person profile, no look-up of the address.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

from vault.observe.events import Event

PATH: Final = "/batch/"
ASKED: Final = {"$process_person_profile": False, "$geoip_disable": True}


@dataclass(frozen=True, slots=True)
class Interval:
    """What is counted together: a random id, and the hour in which counting began."""

    id: UUID
    hour: datetime

    @classmethod
    def beginning(cls, now: datetime) -> Interval:
        return cls(uuid4(), now.astimezone(UTC).replace(minute=0, second=0, microsecond=0))


def bodies(
    events: Sequence[Event], *, key: str, install: UUID, interval: Interval, batch: int
) -> Iterator[bytes]:
    """The body of each request; the same events of the same interval are the same bytes."""
    for start in range(0, len(events), batch):
        made = [
            _event(event, install, interval, start + number)
            for number, event in enumerate(events[start : start + batch])
        ]
        yield json.dumps({"batch": made, "api_key": key}, allow_nan=False).encode("ascii")


def _event(event: Event, install: UUID, interval: Interval, number: int) -> dict[str, Any]:
    return {
        "event": event.name,
        "distinct_id": str(install),
        "uuid": str(uuid5(interval.id, str(number))),
        "timestamp": interval.hour.isoformat().replace("+00:00", "Z"),
        "properties": {**event.fields(), **ASKED},
    }
