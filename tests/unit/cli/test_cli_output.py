"""How answers look, with and without a terminal."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer
from support.commands import Run, run_command
from typer.main import get_command

from vault.cli import output
from vault.cli.main import app
from vault.types import DeleteResult


def commands() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []

    def walk(command: object, path: tuple[str, ...]) -> None:
        children = getattr(command, "commands", {})
        found.append(path)
        for name, child in children.items():
            walk(child, (*path, name))

    walk(get_command(app), ())
    return found


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    answer = run_command(*path, "--help")
    assert answer.code == 0
    assert "Usage" in answer.out
    assert answer.err == ""


@pytest.mark.parametrize("path", [p for p in commands() if len(get_children(p)) == 0] if False else commands())
def test_every_verb_takes_json_and_the_shared_options(path: tuple[str, ...]) -> None:
    command: object = get_command(app)
    for name in path:
        command = command.commands[name]  # type: ignore[attr-defined]
    if getattr(command, "commands", {}) and path:
        return
    options = {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]
    assert options >= {"--vault", "--tenant", "--user", "--purpose", "--role", "--json"}
