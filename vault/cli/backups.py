"""`memvault backup`: copies of the data and of the keystore, apart, and putting them back. It acts as the operator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vault.cli import output
from vault.cli.inspecting import PANEL
from vault.cli.verbs import OPERATOR, Call, Function, system_user, verb
from vault.errors import InvalidInputError
from vault.types import Principal

if TYPE_CHECKING:
    from rich.console import Console

    from vault.flows.backups.shelf import Backup

DataOption = Annotated[bool, typer.Option("--data", help="The data: every tenant's records file.")]
KeystoreOption = Annotated[
    bool, typer.Option("--keystore", help="The keystore, which is kept apart from the data.")
]


def register(app: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True, help="Backups of data and keystore: make, list, check, restore."
    )
    verbs: dict[str, Function] = {
        "create": create,
        "archive": archive,
        "list": listing,
        "verify": verify,
        "restore": restore,
    }
    for name, function in verbs.items():
        verb(group, name)(function)
    app.add_typer(group, name="backup", rich_help_panel=PANEL)


def _kind(*, data: bool, keystore: bool) -> str:
    if data == keystore:
        raise InvalidInputError("backup.kind", "say one of the two: --data or --keystore")
    return "data" if data else "keystore"


def create(
    call: Call,
    data: DataOption = False,
    keystore: KeystoreOption = False,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FOLDER", help="Where to; default: backup.data, or keys.backup."),
    ] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", metavar="N", help="Then remove all but the N newest of this kind.")
    ] = None,
    keep_days: Annotated[
        int | None,
        typer.Option(
            "--keep-days", metavar="D", help="Then remove what is older than D days (and past --keep)."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be copied and removed.")
    ] = False,
) -> None:
    """Back up the data or the keystore while the vault is in use, and check the copy before it gets its name.

    Keep the two apart, and the log archive (audit.archive) out of both. The newest usable backup is never removed.
    """
    kind = _kind(data=data, keystore=keystore)
    with call.admin("backup.create") as admin, call.out.progress("copying") as progress:
        made = admin.backup_create(
            kind, to=to, keep=keep, keep_days=keep_days, dry_run=dry_run, progress=progress
        )
    call.out.show(made, lambda screen: output.facts(screen, made))


def archive(
    call: Call,
    to: Annotated[Path, typer.Option("--to", metavar="FOLDER", help="The copy, apart from everything else.")],
) -> None:
    """Bring a copy of the log archive up to date, while the vault is in use; only what is new is written."""
    with call.admin("backup.create") as admin, call.out.progress("copying") as progress:
        made = admin.backup_archive(to, progress=progress)
    call.out.show(made, lambda screen: output.facts(screen, made))


def listing(
    call: Call,
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Where to look; default: the configured folders.")
    ] = None,
) -> None:
    """List the complete backups, newest first, and say which can still be opened."""
    with call.admin("backup.verify") as admin:
        found = admin.backup_list(to=folder)
    call.out.show({"backups": found}, lambda screen: _listed(screen, found))


def _listed(screen: Console, found: list[Backup]) -> None:
    table = output.table("made (UTC)", "kind", "epoch", "tenants", "memories", "size", "usable", "folder")
    for one in found:
        usable = "yes" if one.usable else "no: its epoch is destroyed"
        cells = (one.created.strftime("%Y-%m-%d %H:%M:%S"), one.kind, one.epoch, one.tenants, one.memories)
        table.add_row(*output.cells(*cells, output.size(one.bytes), usable, one.folder))
    screen.print(table)


def verify(
    call: Call,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A backup, or a folder of backups of one kind.")
    ],
) -> None:
    """Check every file of a backup, the newest in the folder: digests, pages, log, rows, keys; exit code 7 if not."""
    with call.admin("backup.verify") as admin, call.out.progress("checking") as progress:
        facts = admin.backup_verify(folder, progress=progress)
    call.out.show(facts, lambda screen: output.facts(screen, facts))


def restore(
    call: Call,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A backup, or a folder of backups of one kind.")
    ],
    data: DataOption = False,
    keystore: KeystoreOption = False,
    execute: Annotated[
        bool, typer.Option("--execute", help="Really restore; without it only what would happen is said.")
    ] = False,
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss", help="Go on though keys or log entries are lost for good; it is logged."
        ),
    ] = False,
) -> None:
    """Put a backup back: all tenants, or the one named with --tenant. Says what would happen, unless told to --execute.

    Nothing erased comes back: rows whose key was destroyed since are removed, the log is brought forward from the log
    archive, and only then is anything served. The vault need not open as it is; nobody else can use it meanwhile.
    """
    from vault.session import Vault

    kind = _kind(data=data, keystore=keystore)
    with call.explaining("backup.restore"), call.out.progress("restoring") as progress:
        done = Vault.restore(
            call.folder,
            folder,
            _principal(call),
            kind=kind,
            purpose=call.asked.purpose or OPERATOR[1],
            tenant=call.asked.tenant if kind == "data" else None,
            execute=execute,
            accept_loss=accept_loss,
            progress=progress,
        )
    call.out.show(done, lambda screen: _restored(screen, done))


def _principal(call: Call) -> Principal:
    """The operator, named without opening the vault."""
    tenant = call.asked.tenant or call.config.cli.tenant or "default"
    return Principal(tenant, system_user(), call.asked.roles or OPERATOR[:1])


def _restored(screen: Console, done: dict[str, Any]) -> None:
    executed = done["executed"]
    tenants = done["tenants" if done["kind"] == "data" else "tenants_in_line"]
    facts = {name: value for name, value in done.items() if not isinstance(value, list | dict)}
    output.facts(screen, facts)
    table = output.table(
        "tenant", "memories", "purged", "lost", "log", "from archive", "log lost", "people lost",
        right=("memories", "purged", "lost", "log", "from archive", "log lost", "people lost"),
    )  # fmt: skip
    for one in tenants:
        numbers = (
            "memories",
            "purged",
            "lost",
            "entries",
            "entries_from_archive",
            "entries_lost",
            "subjects_lost",
        )
        table.add_row(*output.cells(one["tenant"], *(one[name] for name in numbers)))
    screen.print(table)
    for one in tenants:
        for problem in one["problems"]:
            output.line(screen, ("refuses: ", "bold yellow"), f"{one['tenant']}: {problem}")
    for tid, reason in done.get("tenants_pending", {}).items():
        output.line(screen, ("pending: ", "bold yellow"), f"tenant {tid}: {reason}")
    if not executed:
        output.line(screen, "Nothing was changed. Repeat with --execute.")
