"""What goes wrong is one line and an exit code, and never repeats what was typed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from support.children import CLI, environment
from support.commands import Run

from vault.cli.failures import guarded
from vault.errors import HeldError, IntegrityViolationError, VaultError

SECRET = "Ana-Rivera-536-90-4399"


@pytest.mark.parametrize(
    "arguments",
    [
        (SECRET,),
        ("search", "--user", "u", "--limit", SECRET, "q"),
        ("search", "--user", "u", "q", SECRET),
        ("search", f"--{SECRET}"),
        ("search", f"-{SECRET}"),
        ("keys", SECRET),
        ("get",),
        ("add", "--user"),
        ("list", "--user", "u", "--order", SECRET),
        ("keys", "rotate", SECRET),
        ("policy", "explain", "memory.get", "--pack", SECRET),
        ("add", "--user", "u", "--metadata", SECRET, "text"),
        ("audit", "show", "--since", SECRET),
        ("list", "--user", "u", "--cursor", SECRET),
    ],
)
def test_usage_errors_do_not_repeat_the_command_line(run: Run, arguments: tuple[str, ...]) -> None:
    for as_json in ((), ("--json",)):
        answer = run(*as_json, *arguments)
        assert answer.code in {2, 9, 11}
        assert answer.out == ""
        assert SECRET not in answer.err
        assert "536" not in answer.err
        if as_json:
            assert set(answer.error) == {"code", "message"}


def test_a_slip_of_the_finger_is_answered_with_a_suggestion(run: Run) -> None:
    assert "did you mean search?" in run("serch").err
    assert "did you mean --user" in run("list", "--usr", "x").err
    assert "option --user is used wrongly" in run("list", "--user").err


def codes() -> dict[type[VaultError], int]:
    found: dict[type[VaultError], int] = {}
    waiting: list[type[VaultError]] = [VaultError]
    while waiting:
        kind = waiting.pop()
        found[kind] = kind.exit_code
        waiting += kind.__subclasses__()
    return found


@pytest.mark.parametrize("kind", sorted(codes(), key=lambda kind: kind.__name__))
def test_every_error_of_the_vault_becomes_its_exit_code(
    kind: type[VaultError], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise kind("area.reason", "a sentence without content")

    assert guarded(fail, as_json=False) == kind.exit_code
    assert capsys.readouterr().err == "error: a sentence without content [area.reason]\n"
    assert guarded(fail, as_json=True) == kind.exit_code
    said = json.loads(capsys.readouterr().err)
    assert said == {"error": {"code": "area.reason", "message": "a sentence without content"}}


def test_exit_codes_are_the_documented_ones() -> None:
    assert set(codes().values()) == {1, 2, 3, 4, 5, 7, 9, 10, 11}
    assert (HeldError.exit_code, IntegrityViolationError.exit_code) == (4, 7)


def test_a_bug_shows_its_type_and_nothing_of_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise LookupError(SECRET)

    assert guarded(fail, as_json=False) == 1
    said = capsys.readouterr().err
    assert "LookupError" in said
    assert SECRET not in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (typer.Abort(), 130), (OSError(5, SECRET), 10)]
)
def test_interrupts_and_system_errors_have_codes_of_their_own(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    assert guarded(fail, as_json=False) == code
    assert SECRET not in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    """`memvault list | head`: the pipe closes before the answer is written."""
    many = "\n".join(json.dumps({"text": f"fact number {n} " + "word " * 200}) for n in range(100))
    file = folder.parent / "many.jsonl"
    file.write_text(many, encoding="utf-8")
    place = {**environment(), "MEMVAULT_VAULT": os.fspath(folder)}
    subprocess.run(
        [*CLI, "import", os.fspath(file), "--user", "pipe-1"], env=place, check=True, capture_output=True
    )
    started = subprocess.Popen(
        [*CLI, "list", "--user", "pipe-1"], env=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert started.stdout is not None
    started.stdout.close()
    _, errors = started.communicate(timeout=60)
    assert errors == b""
    assert started.returncode == 141


def test_a_locale_that_lacks_letters_is_no_reason_to_fail(folder: Path) -> None:
    place = {**environment(), "MEMVAULT_VAULT": os.fspath(folder), "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    done = subprocess.run(
        [*CLI, "add", "--user", "ascii-1"], env=place, input="prefers crème brûlée".encode(), capture_output=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"cr\xe8me" in done.stdout


def test_starting_the_command_line_loads_nothing_heavy() -> None:
    heavy = ("numpy", "pydantic", "yaml", "sqlcipher3", "cryptography", "model2vec", "rich")
    code = f"import sys, vault.cli.main; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
