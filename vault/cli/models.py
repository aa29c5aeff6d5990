"""`models list | install`: optional models for detectors; the one command that fetches anything, and says so first."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from vault.cli import output
from vault.cli.failures import FAILED
from vault.cli.inspecting import PANEL
from vault.cli.verbs import Call, Function, verb
from vault.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from vault.redaction.models import Model

UNCONFIRMED = 6  # as everywhere: what was asked for needs a confirmation


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Optional models for detectors: list, install.")
    verbs: dict[str, Function] = {"list": list_models, "install": install}
    for name, function in verbs.items():
        verb(group, name)(function)
    app.add_typer(group, name="models", rich_help_panel=PANEL)


def list_models(call: Call) -> None:
    """Show the models on this machine, and those the vault is configured with; exit code 5 where one is missing."""
    from vault.redaction import models

    here = [{"model": str(model), "version": version} for model, version in models.installed()]
    wanted = []
    for model in _configured(call):
        try:
            models.locate(model)
            wanted.append({"model": str(model), "missing": ""})
        except ConfigError as error:
            wanted.append({"model": str(model), "missing": error.message})

    def show(screen: Console) -> None:
        for row in here:
            output.line(screen, f"{row['model']} {row['version']}")
        if not here:
            output.line(screen, "no optional models; the built-in detector needs none")
        for row in wanted:
            state = ("missing", "bold red") if row["missing"] else ("in use", "green")
            output.line(screen, state, f" {row['model']} {row['missing']}".rstrip())

    call.out.show({"installed": here, "configured": wanted}, show)
    if any(row["missing"] for row in wanted):
        raise typer.Exit(FAILED)


def _configured(call: Call) -> list[Model]:
    """The models that the vault's detectors name; none without a vault."""
    from vault.redaction import models

    try:
        names = call.config.detection.detectors
    except ConfigError as error:
        if error.code != "config.missing" or call.asked.vault is not None:
            raise
        return []
    return [models.parse(name.partition(":")[2], beside=call.folder) for name in names if ":" in name]


def install(
    call: Call,
    model: Annotated[
        str, typer.Argument(metavar="KIND/NAME", help="spacy/NAME, transformers/NAME or gliner/NAME.")
    ],
    place: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="PLACE",
            help="spaCy: a wheel, a folder of wheels, or the https address of an index; default: the index of pip.",
        ),
    ] = None,
    release: Annotated[
        str | None,
        typer.Option("--release", metavar="RELEASE", help="That release, or revision, and no other."),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Fetch it. Without this the command is only shown.")
    ] = False,
) -> None:
    """Fetch a model with pip (spaCy) or Hugging Face's client; nothing else in this program ever fetches one."""
    from vault.redaction import models

    if call.asked.vault is not None:
        _configured(call)  # a vault that is named has to be there, as for every command
    command = models.fetching(models.parse(model), place, release)
    if not yes:
        call.out.show({"would_run": command}, lambda screen: _plan(screen, command))
        raise typer.Exit(UNCONFIRMED)
    code = run(command)
    if code:
        raise ConfigError("models.fetch", "the model was not installed; what the command said is above")
    call.out.show({"ran": command}, lambda screen: output.line(screen, "installed ", model))


def run(command: list[str]) -> int:
    """Run a command, what it says on standard error; answers its exit code."""
    return subprocess.run(command, check=False, stdout=sys.stderr).returncode


def _plan(screen: Console, command: list[str]) -> None:
    output.line(screen, "would run: ", " ".join(command))
    output.line(screen, "nothing was fetched; say --yes to fetch it")
