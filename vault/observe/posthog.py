"""PostHog's client, held to what was previewed: the only importer of `posthog`, loaded when telemetry is on.

Of the client only its lowest call is used: no queue, no retries, no feature flags, no exception or metrics capture, no
super properties. It is given a session of ours, which sends the previewed bytes through the vault's one door or nothing
at all: what the client adds of its own accord beyond a time of sending is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from posthog.request import APIError, batch_post

from vault.door import Door
from vault.errors import EgressError
from vault.observe.bodies import PATH

_MOST_BYTES: Final = 65_536  # of an answer, which is a word
_HEADERS: Final = {"content-type": "application/json"}
_ADDED: Final = "sent_at"  # by the client, from its clock; not sent


@dataclass(frozen=True, slots=True)
class _Answer:
    """As much of an answer as the client looks at; the door has let nothing else through."""

    status_code: int = 200


class _Session:
    """Stands where the client expects its HTTP session, for one body."""

    def __init__(self, door: Door, body: bytes) -> None:
        self._door = door
        self._body = body

    def post(self, url: str, *, data: str, headers: Mapping[str, str], timeout: float) -> _Answer:
        """Send the body that was previewed; raises EgressError where the client made another one."""
        made: dict[str, Any] = json.loads(data)
        made.pop(_ADDED, None)
        if made != json.loads(self._body) or not url.endswith(PATH):
            raise EgressError("telemetry.body", "the client would send something else than was previewed")
        self._door.send(PATH, self._body, _HEADERS, most_bytes=_MOST_BYTES)
        return _Answer()


class PosthogCarrier:
    """Carries bodies to one PostHog."""

    def __init__(self, door: Door, endpoint: str, key: str) -> None:
        self._door = door
        self._endpoint = endpoint
        self._key = key

    def send(self, body: bytes) -> None:
        """Send one body, once; raises EgressError where it did not arrive."""
        batch = json.loads(body)["batch"]
        try:
            batch_post(
                self._key,
                self._endpoint,
                gzip=False,
                path=PATH,
                batch=batch,
                session=_Session(self._door, body),
            )
        except APIError:
            raise EgressError("egress.status", "the service refused the request") from None

    def close(self) -> None:
        self._door.close()
