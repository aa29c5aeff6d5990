"""Telemetry's switches: who agreed to it, here, and what it would send.

The agreement stands in the keystore, sealed, with the installation id, and is bound to the place of the vault's folder:
a moved copy has none, and putting a keystore backup back takes it away.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

from vault.config import PROJECT_KEY
from vault.errors import ConflictError, DeniedError, VaultError
from vault.flows.context import SYSTEM_TENANT, Call, Caller, Stages, calling, milliseconds
from vault.keys import cases
from vault.keys.cases import CONSENT, Case
from vault.observe.bodies import PATH, Interval, bodies
from vault.observe.switches import Switches, environment_allows
from vault.observe.usage import Embedding, Index, Installation, Keys, Pack, System, size_of
from vault.policy.locate import is_name

NO_ID: Final = UUID(int=0)  # in a preview, before anybody agreed
_NO_KEY: Final = "phc_"  # in the preview of a process that is off, where the configuration has none by value
_MACHINE: Final = Path("/etc/machine-id")
_SYSTEMS: Final = {"linux": System.LINUX, "darwin": System.MACOS, "win32": System.WINDOWS}
_LIBRARIES: Final = ("posthog", "httpcore2")


@dataclass(frozen=True, slots=True)
class Consent:
    """Who agreed, since when (ms), to what id; `here` tells whether it was given for this place."""

    install: UUID
    agreed: tuple[str, ...]
    since: int
    here: bool

    def word(self, needed: int) -> str:
        """`given`, `waiting` for others, or `elsewhere`."""
        if not self.here:
            return "elsewhere"
        return "given" if len(self.agreed) >= needed else "waiting"


def switches(stages: Stages, folder: Path) -> Switches:
    """Every switch as it is now, for this process."""
    return Switches(
        configuration=stages.config.telemetry.enabled,
        consent=agreed(stages, folder) is not None,
        environment=environment_allows(os.environ),
        pack=stages.policy.telemetry.allowed,
        client=all(find_spec(name) is not None for name in _LIBRARIES),
    )


def agreed(stages: Stages, folder: Path) -> UUID | None:
    """The installation id, where as many people agreed, here, as the pack asks for; None where that cannot be read."""
    try:
        with stages.lease.shared():
            stages.keystore.refresh()
            consent = _read(stages, folder)
    except VaultError:
        return None
    if consent is None or consent.word(_needed(stages)) != "given":
        return None
    return consent.install


def status(stages: Stages, folder: Path, caller: Caller) -> dict[str, Any]:
    """Each switch, those that are off, and who agreed."""
    with calling(stages, caller, "telemetry.status") as call:
        call.log_read(call.event(count=1))
        return _status(stages, folder)


def preview(stages: Stages, folder: Path, caller: Caller) -> dict[str, Any]:
    """The requests that this process would send now, byte for byte; while off, those of a process that just began."""
    with calling(stages, caller, "telemetry.status") as call:
        call.log_read(call.event(count=1))
        asked, on = stages.config.telemetry, switches(stages, folder).on
        install = agreed(stages, folder) or NO_ID
        found = (stages.usage.pending(install) if on else []) or _example(stages, install)
        url = asked.endpoint.rstrip("/") + PATH if asked.endpoint is not None else None
        return {
            "on": on,
            "requests": [{"method": "POST", "url": url, "body": body.decode("ascii")} for body in found],
        }


def enable(stages: Stages, folder: Path, caller: Caller) -> dict[str, Any]:
    """Agree to telemetry in this place; raises DeniedError where the pack forbids it.

    Where the pack asks for others, each of them does the same; the first agreement counts as long as an approval does.
    """
    with calling(stages, caller, "telemetry.enable") as call:
        if not stages.policy.telemetry.allowed:
            call.log_read(call.event(result="refused"))
            raise DeniedError("policy.telemetry", "the policy pack does not allow telemetry")
        me, now = caller.principal.id, milliseconds(stages.now())
        consent = _read(stages, folder)
        if consent is None or not consent.here or _lapsed(stages, consent, now):
            consent = Consent(uuid4(), (me,), now, here=True)
        elif me not in consent.agreed:
            consent = Consent(consent.install, (*consent.agreed, me), consent.since, here=True)
        _write(call, folder, consent)
        return _status(stages, folder)


def disable(stages: Stages, folder: Path, caller: Caller) -> dict[str, Any]:
    """Take the agreement back, and forget the installation id; every process notices before it sends again."""
    with calling(stages, caller, "telemetry.disable") as call:
        with call.records.transaction():
            call.store.log.append(call.event(count=1))
            cases.remove(stages.keystore, call.tenant, CONSENT)
        return _status(stages, folder)


def rotate(stages: Stages, folder: Path, caller: Caller) -> dict[str, Any]:
    """Another installation id, which nothing links to the one before; raises ConflictError where nobody agreed."""
    with calling(stages, caller, "telemetry.rotate") as call:
        consent = _read(stages, folder)
        if consent is None or not consent.here:
            call.log_read(call.event(result="refused"))
            raise ConflictError("telemetry.off", "nobody agreed to telemetry here: there is no id to replace")
        _write(call, folder, Consent(uuid4(), consent.agreed, consent.since, here=True))
        return _status(stages, folder)


def forget(stages: Stages) -> None:
    """Take the agreement out of a keystore that was put back."""
    cases.remove(stages.keystore, stages.tenant(SYSTEM_TENANT), CONSENT)


# --- the agreement ------------------------------------------------------------------------------------------------


def _needed(stages: Stages) -> int:
    return 1 + stages.policy.telemetry.approvals


def _lapsed(stages: Stages, consent: Consent, now: int) -> bool:
    """Whether an agreement that still waits for others is too old for them to join."""
    hours = timedelta(hours=stages.policy.rights.erasure.approval_hours)
    waiting = consent.word(_needed(stages)) == "waiting"
    return waiting and now - consent.since > hours.total_seconds() * 1000


def _read(stages: Stages, folder: Path) -> Consent | None:
    case = cases.get(stages.keystore, stages.tenant(SYSTEM_TENANT), CONSENT)
    if case is None:
        return None
    body = case.body
    return Consent(
        UUID(hex=body["install"]), tuple(body["agreed"]), case.at_ms, here=body["place"] == _place(folder)
    )


def _write(call: Call, folder: Path, consent: Consent) -> None:
    body = {"install": consent.install.hex, "agreed": list(consent.agreed), "place": _place(folder)}
    with call.records.transaction():
        call.store.log.append(call.event(count=len(consent.agreed)))
    cases.put(
        call.stages.keystore, call.tenant, Case(CONSENT, "telemetry", "given", None, consent.since, body)
    )


def _place(folder: Path) -> str:
    """A digest of where the vault is: the path of its folder, which folder that is, and which machine says so."""
    try:
        inode = folder.stat().st_ino
        machine = _MACHINE.read_text(encoding="ascii", errors="replace").strip() if _MACHINE.is_file() else ""
    except OSError:
        inode, machine = 0, ""
    return hashlib.sha256(json.dumps([str(folder.resolve()), inode, machine]).encode()).hexdigest()


# --- what is said -------------------------------------------------------------------------------------------------


def _status(stages: Stages, folder: Path) -> dict[str, Any]:
    found, consent = switches(stages, folder), _read(stages, folder)
    return {
        "on": found.on,
        "off": found.off(),
        "switches": asdict(found),
        "consent": consent.word(_needed(stages)) if consent is not None else "none",
        "agreed": list(consent.agreed) if consent is not None else [],
        "needed": _needed(stages),
        "installation": str(consent.install) if consent is not None and consent.here else None,
        "endpoint": stages.config.telemetry.endpoint,
    }


def installation(stages: Stages) -> Installation:
    """What is in use here, in words and numbers of the catalogue."""
    config = stages.config
    major, minor, patch = _numbers(version("memvault"))
    detectors = {name.partition(":")[0] for name in config.detection.detectors}
    pack = config.policy.pack
    shipped: Mapping[str, Pack] = {one.value: one for one in Pack}
    return Installation(
        memvault_major=major,
        memvault_minor=minor,
        memvault_patch=patch,
        python_minor=int(platform.python_version_tuple()[1]),
        system=_SYSTEMS.get(sys.platform, System.OTHER),
        keys=_keys(stages),
        embedding=Embedding(config.embedder.provider),
        index=Index(config.index.adapter),
        pack=shipped.get(pack, Pack.OWN) if is_name(pack) else Pack.OWN,
        detector_builtin="builtin" in detectors,
        detector_presidio="presidio" in detectors,
        tenants=size_of(stages.keystore.tenant_count() - 1),  # the vault's own is none
    )


def _keys(stages: Stages) -> Keys:
    if stages.config.keys.pkcs11 is not None:
        return Keys.PKCS11
    return Keys.FILE if stages.config.keys.passphrase is None else Keys.PASSPHRASE


def _numbers(release: str) -> tuple[int, int, int]:
    found = [int(part) for part in re.findall(r"\d+", release)[:3]]
    major, minor, patch = (*found, 0, 0, 0)[:3]
    return major, minor, patch


def _example(stages: Stages, install: UUID) -> list[bytes]:
    """The first sending of a process that opened the vault now and did nothing."""
    asked, now = stages.config.telemetry, stages.now()
    key = asked.key if asked.key is not None and PROJECT_KEY.fullmatch(asked.key) else _NO_KEY
    said = [installation(stages)]
    return list(bodies(said, key=key, install=install, interval=Interval.beginning(now), batch=asked.batch))
