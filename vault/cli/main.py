"""`memvault`: the application, its global options, and the one place where errors become exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from vault.cli import (
    backups,
    detecting,
    evidence,
    exports,
    holds,
    importing,
    inspecting,
    memories,
    models,
    operate,
    policies,
    requests,
    retention,
    subjects,
    telemetry,
)
from vault.cli.failures import guarded
from vault.cli.verbs import Asked, with_shared
from vault.observe.scrub import install


class Commands(TyperGroup):
    """The root command; every exception of every verb ends here."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(
                    errors="backslashreplace"
                )  # a locale that lacks a letter is no reason to fail
        start = super().main
        with install(
            form="console", level="off"
        ):  # a verb that opens a vault speaks as that one is configured
            code = guarded(
                lambda: start(
                    given,
                    prog_name or "memvault",
                    complete_var,
                    standalone_mode=False,
                    windows_expand_args=windows_expand_args,
                    **extra,
                ),
                as_json="--json" in given,
            )
        if standalone_mode:
            sys.exit(code)
        return code


app: Final = typer.Typer(
    name="memvault",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A compliance memory vault: what goes in is redacted, encrypted, bound to one tenant, and logged.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from vault import __version__

        typer.echo(f"memvault {__version__}")
        raise typer.Exit


def _root(
    _call: None,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def _remember(ctx: typer.Context, asked: Asked, _values: dict[str, Any]) -> None:
    ctx.obj = asked


app.callback()(with_shared(_root, _remember))
operate.register(app)
backups.register(app)
retention.register(app)
memories.register(app)
importing.register(app)
exports.register(app)
requests.register(app)
holds.register(app)
subjects.register(app)
inspecting.register(app)
policies.register(app)
detecting.register(app)
models.register(app)
telemetry.register(app)
evidence.register(app)


def main() -> None:
    """Entry point of the `memvault` command."""
    app()
