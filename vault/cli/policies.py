"""`policy lint | test | diff | explain`: about packs, without opening a vault."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from vault.cli import output
from vault.cli.failures import FAILED
from vault.cli.inspecting import PANEL
from vault.cli.verbs import Call, Function, verb
from vault.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

    from vault.policy.decide import Policy
    from vault.policy.tools import CaseResult

PackArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="PACK", show_default=False, help="Name of a shipped pack, or folder; default: the vault's."
    ),
]
_STYLES: Final = {"passed": "green", "failed": "bold red", "skipped": "yellow"}


def register(app: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Policy packs: lint, test, diff, explain.")
    verbs: dict[str, Function] = {"lint": lint, "test": run_tests, "diff": diff, "explain": explain}
    for name, function in verbs.items():
        verb(group, name)(function)
    app.add_typer(group, name="policy", rich_help_panel=PANEL)


def pack_place(call: Call, pack: str | None) -> str | Path:
    """A pack as named on the command line (a folder wins over nothing), or the one the vault is configured with."""
    if pack is not None:
        return Path(pack) if "/" in pack or Path(pack, "pack.yaml").is_file() else pack
    name = call.config.policy.pack
    return call.folder / name if name.startswith((".", "/")) else name


def lint(call: Call, pack: PackArgument = None) -> None:
    """Say what is wrong or doubtful in a pack; errors make the exit code 5."""
    from vault.policy import tools

    found = tools.lint(pack_place(call, pack))
    call.out.show({"findings": found}, lambda screen: _lines(screen, found, "nothing to complain about"))
    if any(line.startswith("error") for line in found):
        raise typer.Exit(FAILED)


def run_tests(call: Call, pack: PackArgument = None) -> None:
    """Run a pack's own tests, with the vault's detectors (the built-in one without a vault); exit code 5 on failure."""
    from vault.policy import tools
    from vault.policy.pack import load

    place = pack_place(call, pack)
    detector = _detector(call, load(place))
    results = tools.run_tests(place, detector)
    call.out.show({"results": results}, lambda screen: _results(screen, results))
    if any(result.status == "failed" for result in results):
        raise typer.Exit(FAILED)


def _detector(call: Call, policy: Policy) -> Callable[[str], set[str]]:
    from vault import compose
    from vault.config import DetectionConfig

    try:
        asked = call.config.detection
    except ConfigError as error:
        if error.code != "config.missing":
            raise
        asked = DetectionConfig()
    detector = compose.detector(
        asked.detectors,
        policy.threshold,
        strict=policy.strict,
        folder=call.folder,
        recognisers=asked.recognisers,
    )
    return lambda text: {finding.entity for finding in detector.detect(text)}


def _results(screen: Console, results: list[CaseResult]) -> None:
    for result in results:
        if result.status != "passed":
            detail = f" {result.file}: {result.case}: {result.detail}"
            output.line(screen, (result.status, _STYLES[result.status]), detail)
    counts = Counter[str](result.status for result in results)
    output.line(screen, ", ".join(f"{counts[status]} {status}" for status in _STYLES))


def diff(
    call: Call,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Pack in force.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Pack to compare with it.")],
) -> None:
    """Say what changes, and for whom, when one pack takes the place of another."""
    from vault.policy import tools
    from vault.policy.pack import load

    found = tools.diff(load(pack_place(call, old)), load(pack_place(call, new)))
    call.out.show({"changes": found}, lambda screen: _lines(screen, found, "both decide alike"))


def explain(
    call: Call,
    action: Annotated[str, typer.Argument(metavar="ACTION", help="Such as memory.search or memory.reveal.")],
    pack: Annotated[
        str | None, typer.Option("--pack", metavar="PACK", help="Another pack than the vault's.")
    ] = None,
) -> None:
    """Say which rule permits or denies an action to --role for --purpose, and who could do it instead."""
    from vault.policy import tools
    from vault.policy.decide import Request
    from vault.policy.pack import load

    purpose = call.asked.purpose or (call.config.cli.purpose if pack is None else "service")
    roles = call.asked.roles or (call.config.cli.roles if pack is None else ("app",))
    policy = load(pack_place(call, pack))
    request = Request(action, purpose, roles)
    said = tools.explain(policy, request)
    decision = policy.decide(request)
    facts = {"permit": decision.permit, "rule": decision.rule, "reason": decision.reason, "explanation": said}
    call.out.show(facts, lambda screen: _lines(screen, said.splitlines(), ""))


def _lines(screen: Console, lines: list[str], otherwise: str) -> None:
    for text in lines or [otherwise]:
        output.line(screen, text)
