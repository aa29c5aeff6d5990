"""`memvault export`: a copy of everything held about a person, and checking one. It acts as the privacy role."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from vault.cli import output
from vault.cli.failures import FAILED
from vault.cli.memories import RevealOption
from vault.cli.verbs import PRIVACY, Call, verb
from vault.errors import InvalidInputError

if TYPE_CHECKING:
    from rich.console import Console

    from vault.exporting.bundle import Verified
    from vault.flows.exports.run import ExportPreview, ExportResult

PANEL: Final = "Rights of a person"


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Copies of everything held about a person: make, check.")
    verb(group, "run")(run)
    verb(group, "verify")(verify)
    app.add_typer(group, name="export", rich_help_panel=PANEL)


def run(
    call: Call,
    to: Annotated[
        Path, typer.Option("--to", metavar="PATH", help="A new file for the archive, outside the vault.")
    ],
    user_id: Annotated[
        str | None, typer.Option("--user-id", metavar="ID", help="Whose data (or --user).")
    ] = None,
    reveal: RevealOption = None,
    folder: Annotated[
        bool, typer.Option("--folder", help="Make a folder of the files, not an archive.")
    ] = False,
    restart: Annotated[
        bool, typer.Option("--restart", help="Begin anew where an export to this place was cut off.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count; write nothing.")] = False,
) -> None:
    """Write everything held about one user to an archive: memories, history, the log, a page to read.

    Logged before it is written. Repeat an export that was cut off, and it goes on.
    """
    person = user_id if user_id is not None else call.asked.user
    if person is None:
        raise InvalidInputError("scope.missing", "name whose data: --user-id")
    shown: str | Literal[False] = False if reveal is None else reveal
    with call.session("subject.export", scoped=True, who=PRIVACY) as session:
        if dry_run:
            found = session.exports.preview(user_id=person, reveal=shown)
            call.out.show(found, lambda screen: _counted(screen, found))
            return
        with call.out.progress("exporting") as progress:
            made = session.exports.run(
                user_id=person,
                to=to,
                reveal=shown,
                format="folder" if folder else "archive",
                progress=progress,
                resume=not restart,
            )
    call.out.show(made, lambda screen: _made(screen, made))


def _counted(screen: Console, found: ExportPreview) -> None:
    output.facts(
        screen,
        {
            **found.counts,
            "values_to_show": found.revealed or "none",
            "values_to_hide": found.withheld or "none",
        },
    )
    output.line(screen, "Nothing was written. Repeat without --dry-run.")


def _made(screen: Console, made: ExportResult) -> None:
    output.facts(screen, {"written": made.path, **made.counts, "digest": made.digest})
    if not made.complete:
        output.line(screen, ("data changed while it was read; the copy says what", "yellow"))
    output.line(
        screen, "It is not encrypted, and readable by you alone: hand it over by a safe way, then remove it."
    )


def verify(
    call: Call,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="The archive, or the folder.")],
    digest: Annotated[
        str | None, typer.Option("--digest", metavar="HEX", help="The digest it was made with.")
    ] = None,
) -> None:
    """Check every file of an export against its manifest; exit code 5 when something was changed. Opens no vault."""
    from vault.exporting import bundle

    found = bundle.verify(path)
    problems = list(found.problems)
    if digest is not None and not problems and digest.strip().lower() != found.digest:
        problems.append("it is another export, or its manifest was changed: the digest differs")
    document = {"digest": found.digest, "files": found.files, "bytes": found.bytes, "problems": problems}
    call.out.show(document, lambda screen: _verified(screen, found, problems))
    if problems:
        raise typer.Exit(FAILED)


def _verified(screen: Console, found: Verified, problems: list[str]) -> None:
    for problem in problems:
        output.line(screen, ("FAIL ", "bold red"), problem)
    if not problems:
        output.line(screen, ("ok ", "green"), f"{found.files} files, {output.size(found.bytes)}")
        output.line(screen, f"digest {found.digest}")
