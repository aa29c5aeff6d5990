"""`memvault retention`: what has outlived its time by the pack's rules, counted and removed. Acts as the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vault.cli import output
from vault.cli.inspecting import PANEL
from vault.cli.verbs import Call, verb

if TYPE_CHECKING:
    from rich.console import Console

    from vault.flows.erasing.retention import RetentionResult


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="What is kept too long: count it, remove it.")
    verb(group, "plan")(plan)
    verb(group, "run")(run)
    app.add_typer(group, name="retention", rich_help_panel=PANEL)


def plan(call: Call) -> None:
    """Show, rule by rule, exactly what `retention run --execute` would remove now."""
    with call.admin("retention.plan") as admin:
        found = admin.retention_plan()
    _show(call, found)


def run(
    call: Call,
    execute: Annotated[
        bool, typer.Option("--execute", help="Really remove it; without it this is the plan.")
    ] = False,
) -> None:
    """Remove memories and earlier values that are older than the pack allows, and what has expired.

    Counts them only, unless told to --execute. Cut off, it goes on with the next run. Legal holds win.
    """
    with call.admin("retention.run") as admin, call.out.progress("removing") as progress:
        done = admin.retention_run(dry_run=not execute, progress=progress)
    _show(call, done)


def _show(call: Call, result: RetentionResult) -> None:
    call.out.show(result, lambda screen: _drawn(screen, result))


def _drawn(screen: Console, result: RetentionResult) -> None:
    word = "removed" if result.executed else "due"
    numbers = (word, "people", "held")
    table = output.table("rule", "what", "counted from", "days", *numbers, right=("days", *numbers))
    for rule in result.rules:
        what = "memories" if rule.record == "memory" else "earlier values"
        days = "" if rule.days is None else rule.days
        table.add_row(
            *output.cells(rule.rule, what, rule.counted_from, days, rule.count, rule.people, rule.held)
        )
    screen.print(table)
    screen.print()
    if result.executed:
        output.line(screen, f"removed {result.count}")
    else:
        output.line(screen, f"{result.count} would be removed; nothing was. Repeat with run --execute.")
    if result.held:
        output.line(screen, (f"{result.held} more are kept by legal holds", "yellow"))
