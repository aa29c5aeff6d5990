"""`status` and `doctor`: what a vault is, and what protects it right now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from vault.cli import output
from vault.cli.failures import FAILED
from vault.cli.verbs import Call, verb
from vault.errors import VaultError

if TYPE_CHECKING:
    from rich.console import Console

    from vault.flows.inspect import Check

PANEL: Final = "Running a vault"


def register(app: typer.Typer) -> None:
    verb(app, "status", panel=PANEL)(status)
    verb(app, "doctor", panel=PANEL)(doctor)
    verb(app, "rescan", panel=PANEL)(rescan)
    verb(app, "reembed", panel=PANEL)(reembed)


def status(
    call: Call,
    most: Annotated[int, typer.Option("--most", min=1, help="Count the memories of so many tenants.")] = 20,
) -> None:
    """Show the vault in short: tenants, memories, key epoch, policy pack, checkpoints, erasures, holds, sizes."""
    with call.admin("tenant.list") as admin:
        facts = admin.overview(most=most)
    call.out.show(facts, lambda screen: _status(screen, facts))


def _status(screen: Console, facts: dict[str, Any]) -> None:
    pack = facts["pack"]
    shown = {
        "vault": facts["vault"],
        "keys": f"epoch {facts['epoch']}, {facts['provider']}",
        "policy": f"{pack['name']} {pack['version']}, digest {pack['digest'][:16]}",
        "detector": facts["detector"],
        "embedder": facts["embedder"],
        **{
            name: f"{count['files']} files, {output.size(count['bytes'])}"
            for name, count in facts["files"].items()
        },
    }
    output.facts(screen, shown)
    screen.print()
    numbers = ("memories", "log", "signed up to", "erased, no roll yet", "overdue", "holds")
    table = output.table("tenant", *numbers[:3], "at", *numbers[3:], right=numbers)
    for tenant in facts["tenants"]:
        signed = output.when(tenant["signed_at"]) if tenant["signed_at"] else "never"
        row = (tenant["name"], tenant["memories"], tenant["log_entries"], tenant["checkpoint"], signed)
        rights = (tenant["requests_waiting"], tenant["rolls_overdue"], tenant["holds"])
        table.add_row(*output.cells(*row, *rights))
    screen.print(table)
    if facts["tenant_count"] > len(facts["tenants"]):
        output.line(screen, f"... of {facts['tenant_count']} tenants (--most N shows more)")


def doctor(call: Call) -> None:
    """Say what protects this vault right now, and what does not. Fails only when something is broken."""
    from vault.cli import surroundings
    from vault.flows.inspect import Check

    checks: list[Check] = list(surroundings.checks(call.folder))
    code = 0
    try:
        checks += _inside(call)
    except VaultError as error:
        checks.append(Check("vault", "fail", f"{error.message} [{error.code}]"))
        code = error.exit_code
    counts = Counter[str](check.level for check in checks)
    document = {"checks": checks, "counts": {level: counts[level] for level in output.SIGNS}}
    call.out.show(document, lambda screen: _checks(screen, checks, counts))
    if counts["fail"]:
        raise typer.Exit(code or FAILED)


def _inside(call: Call) -> list[Check]:
    from vault.flows import inspect

    config = call.config.keys
    keys = Path(config.provider.removeprefix("file:")).expanduser() if config.pkcs11 is None else None
    checks = list(inspect.files(call.folder, call.folder / keys if keys is not None else None))
    with call.admin("keys.status") as admin:
        return [*checks, *admin.doctor()]


def _checks(screen: Console, checks: Sequence[Check], counts: Counter[str]) -> None:
    from rich.text import Text

    table = output.table("", "", "")
    for check in sorted(checks, key=lambda check: list(output.SIGNS).index(check.level)):
        word, style = output.SIGNS[check.level]
        table.add_row(Text(word, style), check.area, output.safe(check.text))
    table.show_header = False
    screen.print(table)
    output.line(screen, f"{counts['ok']} in force, {counts['warn']} to know about, {counts['fail']} broken")


def rescan(
    call: Call,
    execute: Annotated[
        bool, typer.Option("--execute", help="Really redact; without it, only count.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count, which is the default.")] = False,
) -> None:
    """Examine every stored memory again with today's detector and pack. Counts only, unless told to --execute."""
    if execute and dry_run:
        raise typer.BadParameter("--execute and --dry-run exclude each other")
    with call.admin("memory.rescan") as admin, call.out.progress("examining") as progress:
        seen = admin.rescan(dry_run=not execute, progress=progress)
    found = dict(sorted(seen.found.items()))
    counts = {
        "examined": seen.examined,
        "redacted" if execute else "would_redact": seen.outdated,
        "held": seen.held,
    }

    def show(screen: Console) -> None:
        output.facts(screen, {**counts, **found})
        if not execute and seen.outdated:
            output.line(screen, "Nothing was changed. Repeat with --execute.")

    call.out.show({**counts, "found": found}, show)


def reembed(
    call: Call,
    execute: Annotated[bool, typer.Option("--execute", help="Really embed; without it, only count.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count, which is the default.")] = False,
) -> None:
    """Bring every memory of the tenant to the configured embedder. Counts only, unless told to --execute."""
    if execute and dry_run:
        raise typer.BadParameter("--execute and --dry-run exclude each other")
    with call.admin("index.reembed") as admin, call.out.progress("embedding") as progress:
        done = admin.reembed(dry_run=not execute, progress=progress)
    facts = {
        "from": done.before,
        "to": done.after,
        "texts_go_to": done.address,
        "memories": done.memories,
        "embedded" if execute else "would_embed": done.embedded,
    }

    def show(screen: Console) -> None:
        output.facts(screen, {**facts, "texts_go_to": done.address or "nowhere"})
        if not execute and (done.embedded or done.before != done.after):
            output.line(screen, "Nothing was changed. Repeat with --execute.")

    call.out.show(facts, show)
