"""Running the command line inside the suite's own process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import typer.testing
from typer.testing import CliRunner

from vault.cli.main import app

# The runner makes all commands anew for each that it runs, which takes longer than most of them.
typer.testing._get_command = cache(typer.testing._get_command)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output, which must be exactly one JSON document."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.err)["error"]
        return found


def run_command(*arguments: object, text: str | bytes = b"") -> Answer:
    result = CliRunner().invoke(app, [str(a) for a in arguments], input=text)
    return Answer(result.exit_code, result.stdout, result.stderr)


Run = Callable[..., Answer]


def added(run: Run, user: str, text: str, *options: str) -> str:
    """Add a text and return the id of its memory."""
    answer = run("add", "--json", "--user", user, *options, text=text)
    assert answer.code == 0, answer.err
    return str(answer.document["memories"][0]["id"])
