"""The switches of telemetry: all have to be on, and the last three can only switch it off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final

VARIABLE: Final = "MEMVAULT_TELEMETRY"
DO_NOT_TRACK: Final = "DO_NOT_TRACK"
_ON: Final = frozenset({"on", "1", "true", "yes"})
_NO: Final = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True)
class Switches:
    """Each switch, and whether it is on."""

    configuration: bool  # [telemetry] enabled = true
    consent: bool  # memvault telemetry enable, by as many people as the pack asks for, here
    environment: bool  # neither variable says no
    pack: bool  # telemetry.yaml does not forbid it
    client: bool  # the extra is installed

    @property
    def on(self) -> bool:
        return not self.off()

    def off(self) -> list[str]:
        """The names of those that are off."""
        return [one.name for one in fields(self) if not getattr(self, one.name)]


def environment_allows(environment: Mapping[str, str]) -> bool:
    """False where a variable says no; any word that is not plainly a yes to telemetry is a no."""
    said = environment.get(VARIABLE)
    if said is not None and said.strip().casefold() not in _ON:
        return False
    return environment.get(DO_NOT_TRACK, "").strip().casefold() in _NO
