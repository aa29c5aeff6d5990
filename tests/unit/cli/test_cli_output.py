"""How answers look, with and without a terminal."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from support.commands import Run, run_command
from typer.main import get_command

from vault.cli import output
from vault.cli.main import app
from vault.types import DeleteResult


def verbs() -> dict[tuple[str, ...], Any]:
    """Every command by its path; groups and the root are left out."""
    found: dict[tuple[str, ...], Any] = {}

    def walk(command: Any, path: tuple[str, ...]) -> None:
        children = getattr(command, "commands", {})
        for name, child in children.items():
            walk(child, (*path, name))
        if not children:
            found[path] = command

    walk(get_command(app), ())
    return found


VERBS = verbs()
WANTED = (
    "init demo add search get list update delete delete-all history reveal import status doctor rescan reembed"
    " detect:eval detect:text detect:coverage detect:measure models:list models:install tenant:list"
    " backup:create backup:archive backup:list backup:verify backup:restore"
    " tenant:create keys:status keys:rotate keys:backup keys:verify policy:lint policy:test policy:diff policy:explain"
    " audit:verify audit:show audit:checkpoint audit:export"
    " index:status index:verify index:rebuild index:move index:sweep evidence:build evidence:verify evidence:page"
    " retention:plan retention:run export:run export:verify hold:place hold:list hold:release"
    " request:open request:preview request:approve request:run request:certificate request:roll request:list"
    " request:show request:cancel"
    " subject:rename subject:merge subject:mentions subject:redact subject:search"
    " telemetry:status telemetry:preview telemetry:enable telemetry:disable telemetry:rotate"
    " subject:alias:add subject:alias:list subject:alias:remove"
)


def test_the_commands_are_these() -> None:
    assert {":".join(path) for path in VERBS} == set(WANTED.split())


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_explains_itself_and_takes_the_shared_options(path: tuple[str, ...]) -> None:
    answer = run_command(*path, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert "Usage" in answer.out
    options = {option for parameter in VERBS[path].params for option in parameter.opts}
    assert options >= {"--vault", "--tenant", "--user", "--purpose", "--role", "--json"}


def test_help_comes_in_the_order_of_a_first_use() -> None:
    text = run_command("--help").out
    places = [
        text.index(f" {name} ") for name in ("init", "demo", "add", "search", "status", "doctor", "keys")
    ]
    assert places == sorted(places)


def test_the_version_is_the_packages() -> None:
    from vault import __version__

    assert run_command("--version").out == f"memvault {__version__}\n"


def test_records_become_plain_json() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    value = {"at": at, "result": DeleteResult(2), "path": Path("a"), "set": (1, "x")}
    assert output.plain(value) == {
        "at": "2026-01-02T03:04:05.678Z", "result": {"deleted": 2}, "path": "a", "set": [1, "x"]
    }  # fmt: skip


@pytest.mark.parametrize(
    "steering", ["\x1b[31m", "\x00", "\u202e", "\u2066", "\x9b", "\u200f", "\r", "\u2028"]
)
def test_what_steers_a_terminal_is_made_visible(steering: str) -> None:
    shown = output.safe(f"a{steering}b")
    assert steering[0] not in shown
    assert shown.startswith("a\ufffd")


def test_ordinary_text_is_shown_as_it_is() -> None:
    text = "Zoë [EMAIL:k7q2m9] 日本\tx\ny"
    assert output.safe(text) == text


def test_brackets_and_colons_of_stored_text_are_no_markup(run: Run) -> None:
    text = "[bold]loud[/bold] :smile: [link=x]y[/link] [/]"
    assert text in run("add", "--user", "out-1", text=text).out


def test_piped_answers_are_one_line_each_and_without_colour(run: Run) -> None:
    run("add", "--user", "out-2", text="word " * 200)
    listed = run("list", "--user", "out-2").out
    assert len(listed.splitlines()) == 2
    assert "\x1b" not in listed


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 << 20, "5.0 MiB"), (1 << 41, "2048.0 GiB")],
)
def test_sizes_are_for_people(count: int, said: str) -> None:
    assert output.size(count) == said


def test_json_is_one_ascii_document_whatever_is_stored(run: Run) -> None:
    said = run("add", "--json", "--user", "out-3", text="A naïve question about the café \u202e").out
    assert said.isascii()
    assert json.loads(said)["memories"][0]["text"].startswith("A naïve question about the café")


def test_progress_is_shown_where_a_person_watches_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with output.Output(as_json=False).progress("rotating") as report:
        report(1, 2)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with output.Output(as_json=True).progress("rotating") as report:
        report(1, 2)
    assert capsys.readouterr() == ("", "")
    with output.Output(as_json=False).progress("rotating", 10) as report:
        report(5, None)
    out, err = capsys.readouterr()
    assert out == ""
    assert "rotating" in err


def test_no_verb_hides_a_default_that_acts(run: Run) -> None:
    """What deletes many asks for --execute; nothing asks for a confirmation that a script would answer."""
    for path, command in VERBS.items():
        if path in {("delete-all",), ("index", "sweep"), ("retention", "run"), ("rescan",), ("reembed",)}:
            (execute,) = [p for p in command.params if "--execute" in p.opts]
            assert execute.default is False
        assert not any(
            getattr(p, "prompt", None) for p in command.params if isinstance(p, typer.core.TyperOption)
        )
