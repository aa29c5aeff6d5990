"""Off means off: no connection is tried and PostHog's client is not loaded, while any switch of telemetry is off.

Each case is a process of its own with sockets refused, and then counted by strace. With every switch on, the same
program tries to connect: the cases are off because of the switch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest
from support.posthog import operator_of, set_pack, set_telemetry
from support.watched import PROBE, asked, environment, outward, refusing, run, succeeded

from vault import Vault
from vault.observe.switches import Switches

NOBODY = "http://127.0.0.1:9"  # nobody listens there
WORK = """
import sys
import time
if "without-client" in sys.argv:
    sys.modules["posthog"] = None
from vault import Principal, Vault
with Vault.open(sys.argv[1]) as vault:
    session = vault.session(Principal("clinic", "intake-bot", ("app",)), purpose="service")
    session.add("Prefers mornings", user_id="pat-1")
    session.search("when?", user_id="pat-1")
    vault.admin(Principal("clinic", "root", ("operator",))).telemetry_status()
    vault.admin(Principal("clinic", "root", ("operator",))).telemetry_preview()
    until = time.monotonic() + 60 * ("wait" in sys.argv)
    while time.monotonic() < until and not hasattr(sys.modules.get("vault.observe.posthog"), "PosthogCarrier"):
        time.sleep(0.01)
loaded = [name for name in ("posthog", "requests", "httpcore2", "vault.observe.posthog", "vault.door")
          if sys.modules.get(name) is not None]
print(" ".join(loaded))
"""
NAMES = tuple(one.name for one in fields(Switches))
CASES = {"the default": None, **{f"without {name}": {name} for name in NAMES}, "without any": set(NAMES)}
VARIABLES = ({"MEMVAULT_TELEMETRY": "off"}, {"MEMVAULT_TELEMETRY": "0"}, {"DO_NOT_TRACK": "1"})


pytest.importorskip("posthog", reason="the extra memvault[telemetry] is not installed")


@pytest.fixture
def made(make_vault: Callable[..., Vault]) -> Callable[[set[str] | None], Path]:
    """A closed vault with these switches off and all others on; None: as `init` left it."""

    def make(off: set[str] | None) -> Path:
        vault = make_vault()
        if off is not None and "consent" not in off:
            operator_of(vault).telemetry_enable()
        vault.close()
        if off is not None:
            set_telemetry(vault.folder, NOBODY, **({"enabled": False} if "configuration" in off else {}))
            set_pack(vault.folder, {"allowed": False} if "pack" in off else None)
        return vault.folder

    return make


def program(folder: Path, off: set[str] | None) -> list[str]:
    more = ["without-client"] if off is not None and "client" in off else []
    return [sys.executable, "-c", WORK, str(folder), *more]


def variables(off: set[str] | None) -> list[dict[str, str]]:
    return list(VARIABLES) if off is not None and "environment" in off else [{}]


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_asked_and_nothing_is_loaded(
    tmp_path: Path, made: Callable[[set[str] | None], Path], case: str
) -> None:
    folder, attempts = made(CASES[case]), tmp_path / "attempts"
    for more in variables(CASES[case]):
        done = run(program(folder, CASES[case]), {**refusing(tmp_path, attempts), **more}, tmp_path)
        succeeded(done)
        assert done.stdout.split() == []
        assert asked(attempts) == frozenset()


def test_with_every_switch_on_the_same_program_asks(
    tmp_path: Path, made: Callable[[set[str] | None], Path]
) -> None:
    folder, attempts = made(set()), tmp_path / "attempts"
    done = run([*program(folder, set()), "wait"], refusing(tmp_path, attempts), tmp_path)
    succeeded(done)
    assert {b"posthog", b"vault.observe.posthog", b"vault.door"} <= set(done.stdout.split())
    assert asked(attempts) - PROBE


def test_strace_counts_no_connection_by_default(
    tmp_path: Path, made: Callable[[set[str] | None], Path], traced: list[str]
) -> None:
    succeeded(run([*traced, *program(made(None), None)], environment(tmp_path), tmp_path))
    assert outward((tmp_path / "trace").read_text()) == []


@pytest.mark.parametrize("name", NAMES)
def test_strace_counts_no_connection_without_one_switch(
    tmp_path: Path, made: Callable[[set[str] | None], Path], traced: list[str], name: str
) -> None:
    folder = made({name})
    succeeded(
        run([*traced, *program(folder, {name})], {**environment(tmp_path), **variables({name})[0]}, tmp_path)
    )
    assert outward((tmp_path / "trace").read_text()) == []


def test_strace_counts_the_connection_with_every_switch_on(
    tmp_path: Path, made: Callable[[set[str] | None], Path], traced: list[str]
) -> None:
    succeeded(run([*traced, *program(made(set()), set()), "wait"], environment(tmp_path), tmp_path))
    assert any("connect(" in line for line in outward((tmp_path / "trace").read_text()))
