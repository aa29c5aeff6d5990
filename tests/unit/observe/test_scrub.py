"""The whole scrubber: every way a process can say what went wrong, with a value in all of it."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest
from support.children import environment

from vault.errors import StorageError
from vault.observe import install
from vault.observe.traces import Where, trace, type_name

SECRET = "Ana-Rivera-536-90-4399"
CHILD = """
import asyncio, gc, logging, sys, threading, warnings
SECRET = sys.argv[1]
logging.basicConfig(level=logging.DEBUG)  # the host's own handler, which prints whatever it is given
from vault.observe import install
from vault.errors import StorageError
install(form="json", level="debug")
def fail(local):
    secret = local
    try:
        raise ValueError(local, {"x": local})
    except ValueError as error:
        error.add_note(local)
        raise StorageError(local, local) from error
logging.getLogger("host").error("text %s", SECRET, extra={"body": SECRET})
try:
    fail(SECRET)
except StorageError:
    logging.getLogger(SECRET).exception("failed %s", SECRET)
warnings.warn(SECRET)
warnings.warn(type("W" + SECRET, (UserWarning,), {})(SECRET))
threading.Thread(target=fail, args=(SECRET,), name=SECRET).start()
class Loud:
    def __del__(self):
        raise RuntimeError(SECRET)
loud = Loud(); del loud; gc.collect()
async def main():
    task = asyncio.create_task(work(), name=SECRET); await asyncio.sleep(0.05); del task; gc.collect()
    asyncio.get_running_loop().call_soon(fail, SECRET); await asyncio.sleep(0.05)
    asyncio.get_running_loop().call_exception_handler({"message": SECRET})
async def work():
    fail(SECRET)
asyncio.run(main())
from vault.filters import parse
try:
    parse({"a": {SECRET: 1}})
except Exception as error:
    raise KeyError(SECRET) from error
"""


def test_every_way_out_of_a_process_shows_types_codes_and_frames_only(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    done = subprocess.run(
        [sys.executable, "-X", "dev", str(script), SECRET],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert SECRET not in done.stderr + done.stdout
    assert str(tmp_path) not in done.stderr
    assert "Traceback" not in done.stderr
    said = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    where = [one["where"] for one in said if one["event"] == "exception"]
    assert set(where) >= {"warning", "thread", "unraisable", "main"}
    tasks = [one for one in said if one["event"] == "log" and one.get("where") == "task"]
    assert len(tasks) >= 2
    last = said[-1]
    assert last["where"] == "main"
    assert last["types"] == ["KeyError", "vault.errors.InvalidInputError"]
    assert last["codes"] == ["filters.operator"]
    assert any(frame.startswith("vault.filters:") for frame in last["frames"])
    assert last["frames_of_others"] == 2
    thread = next(one for one in said if one.get("where") == "thread")
    assert thread["types"] == ["vault.errors.StorageError", "ValueError"]
    assert thread["codes"] == ["other"]


def test_removing_it_puts_everything_back() -> None:
    def hooks() -> tuple[object, ...]:
        return (
            sys.excepthook, sys.unraisablehook, threading.excepthook, warnings.showwarning,
            logging.getLogRecordFactory(), list(logging.root.handlers), logging.getLogger("memvault").level,
        )  # fmt: skip

    before = hooks()
    with install() as scrubber:
        assert hooks()[:5] != before[:5]
        scrubber.remove()
        assert hooks() == before
    assert hooks() == before


def test_a_class_is_named_only_where_it_is_found_under_its_name() -> None:
    assert type_name(KeyError) == "KeyError"
    assert type_name(StorageError) == "vault.errors.StorageError"
    made = type(SECRET, (StorageError,), {})
    assert type_name(made) == "vault.errors.StorageError"
    made.__module__ = SECRET
    assert type_name(made) == "vault.errors.StorageError"
    posing = type("StorageError", (Exception,), {"__module__": "vault.errors"})
    assert type_name(posing) == "Exception"


def test_chains_that_turn_in_circles_and_groups_end() -> None:
    one, other = ValueError(SECRET), StorageError("storage.io", SECRET)
    one.__cause__, other.__cause__ = other, one
    found = trace(ExceptionGroup(SECRET, [one]), Where.MAIN)
    assert found.types == ("ExceptionGroup", "ValueError", "vault.errors.StorageError")
    assert found.codes == ("storage.io",)
    assert SECRET not in repr(found)


def test_a_bug_behind_the_command_line_says_where(capsys: pytest.CaptureFixture[str]) -> None:
    from vault.cli.failures import guarded
    from vault.filters import parse

    def run() -> None:
        try:
            parse({"a": {SECRET: 1}})
        except Exception as error:
            raise TypeError(SECRET) from error

    with install(form="console", level="off"):
        assert guarded(run, as_json=False) == 1
    said = capsys.readouterr().err
    assert "internal error (TypeError)" in said
    assert "types=TypeError,vault.errors.InvalidInputError" in said
    assert "vault.filters:" in said
    assert SECRET not in said
