"""`memvault telemetry`: whether counts of calls leave this vault, and exactly what would. Acts as the operator."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import typer

from vault.cli import output
from vault.cli.inspecting import PANEL
from vault.cli.verbs import Call, verb

if TYPE_CHECKING:
    from rich.console import Console

_WHERE: Final = {
    "configuration": "[telemetry] enabled in memvault.toml",
    "consent": "memvault telemetry enable, here",
    "environment": "MEMVAULT_TELEMETRY and DO_NOT_TRACK",
    "pack": "telemetry.yaml of the policy pack",
    "client": "the extra memvault[telemetry]",
}


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Counts of calls: off, unless everything says on.")
    verb(group, "status")(status)
    verb(group, "preview")(preview)
    verb(group, "enable")(enable)
    verb(group, "disable")(disable)
    verb(group, "rotate")(rotate)
    app.add_typer(group, name="telemetry", rich_help_panel=PANEL)


def status(call: Call) -> None:
    """Show each switch, and which are off."""
    with call.admin("telemetry.status") as admin:
        facts = admin.telemetry_status()
    _show(call, facts)


def preview(call: Call) -> None:
    """Print the bytes that this command would send: each request's body on a line, and nothing else.

    What a service has counted is in its own memory: there it is `Admin.telemetry_preview`.
    """
    with call.admin("telemetry.status") as admin:
        found = admin.telemetry_preview()
    call.out.show(found, lambda _: _bodies(found))


def _bodies(found: dict[str, Any]) -> None:
    for one in found["requests"]:
        sys.stdout.write(one["body"] + "\n")


def enable(call: Call) -> None:
    """Agree to telemetry, here. Where the policy pack asks for others, each of them runs this too."""
    with call.admin("telemetry.enable") as admin:
        facts = admin.telemetry_enable()
    _show(call, facts)


def disable(call: Call) -> None:
    """Take the agreement back, and forget the installation id; running services notice before they send again."""
    with call.admin("telemetry.disable") as admin:
        facts = admin.telemetry_disable()
    _show(call, facts)


def rotate(call: Call) -> None:
    """Replace the random installation id; nothing links the new one to the old."""
    with call.admin("telemetry.rotate") as admin:
        facts = admin.telemetry_rotate()
    _show(call, facts)


def _show(call: Call, facts: dict[str, Any]) -> None:
    call.out.show(facts, lambda screen: _drawn(screen, facts))


def _drawn(screen: Console, facts: dict[str, Any]) -> None:
    output.line(screen, ("telemetry is on" if facts["on"] else "telemetry is off", "bold"))
    for name, on in facts["switches"].items():
        sign = ("on   ", "yellow") if on else ("off  ", "green")
        output.line(screen, "  ", name.ljust(15), sign, _WHERE[name])
    if facts["consent"] == "waiting":
        missing = facts["needed"] - len(facts["agreed"])
        output.line(
            screen, f"the policy pack asks for {missing} more people to run memvault telemetry enable"
        )
    if facts["consent"] == "elsewhere":
        output.line(screen, "somebody agreed to it in another place; here it takes memvault telemetry enable")
    known = {name: facts[name] for name in ("agreed", "installation", "endpoint") if facts[name]}
    output.facts(screen, known)
