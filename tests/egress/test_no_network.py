"""G2: no attempt to reach a network, with sockets refused, in a namespace without interfaces, and by count of strace.

What runs is every public method of the library (tests/support/drive.py) and the whole demo, each in a process of its
own with empty caches. Each way of watching is first shown to notice a connection.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.soak import markdown, record
from support.watched import (
    CONNECT,
    PROBE,
    RESOLVE,
    ROOT,
    asked,
    environment,
    outward,
    refusing,
    run,
    succeeded,
)

DEMO = [sys.executable, "-c", "from vault.cli.main import main; main()", "demo", "--json"]
PRESIDIO = """
from vault.redaction.presidio import PresidioDetector
found = PresidioDetector().detect("write to ana.rivera@example.org or see https://www.example.co.uk/x")
assert {"EMAIL_ADDRESS"} <= {f.entity for f in found}, found
"""
UNIT = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit"]


def session(tmp_path: Path) -> list[str]:
    return [sys.executable, "-m", "support.drive", str(tmp_path / "work")]


@pytest.fixture(params=["session", "demo"])
def command(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The two programs that are watched."""
    if request.param == "demo":
        return DEMO
    (tmp_path / "work").mkdir()
    return session(tmp_path)


# --- sockets refused ----------------------------------------------------------------------------------------------


@pytest.fixture
def attempts(tmp_path: Path) -> Path:
    return tmp_path / "attempts"


@pytest.mark.parametrize("call", [CONNECT, RESOLVE])
def test_a_refused_attempt_is_noticed(tmp_path: Path, attempts: Path, call: list[str]) -> None:
    assert run(call, refusing(tmp_path, attempts), tmp_path).returncode != 0
    assert attempts.read_text()


def test_with_sockets_refused_everything_works_and_nothing_asked(
    tmp_path: Path, attempts: Path, command: list[str]
) -> None:
    succeeded(run(command, refusing(tmp_path, attempts), tmp_path))
    assert not attempts.exists()


def test_the_optional_detector_asks_for_no_network_either(tmp_path: Path, attempts: Path) -> None:
    pytest.importorskip("presidio_analyzer", reason="the extra memvault[presidio] is not installed")
    succeeded(run([sys.executable, "-c", PRESIDIO], refusing(tmp_path, attempts), tmp_path))
    assert asked(attempts) <= PROBE


# --- a namespace without interfaces -------------------------------------------------------------------------------


@pytest.fixture
def isolated() -> list[str]:
    """The words before a command that give it a network namespace of its own."""
    for words in (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"]):
        if (
            shutil.which("unshare")
            and subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0
        ):
            return words
    pytest.skip(
        "this system lets us make no network namespace (util-linux unshare, as root or with user namespaces)"
    )


def test_the_namespace_has_no_way_out(tmp_path: Path, isolated: list[str]) -> None:
    devices = run([*isolated, "cat", "/proc/net/dev"], environment(tmp_path), tmp_path).stdout.decode()
    assert re.findall(r"^\s*(\S+):", devices, re.MULTILINE) == ["lo"]
    failed = run([*isolated, *CONNECT], environment(tmp_path), tmp_path)
    assert b"unreachable" in failed.stderr


def test_in_a_namespace_without_interfaces_everything_works(
    tmp_path: Path, isolated: list[str], command: list[str]
) -> None:
    succeeded(run([*isolated, *command], environment(tmp_path), tmp_path))


@pytest.mark.soak
def test_in_a_namespace_without_interfaces_the_unit_suite_passes(tmp_path: Path, isolated: list[str]) -> None:
    succeeded(run([*isolated, *UNIT], environment(tmp_path), ROOT))


@pytest.mark.soak
def test_with_sockets_refused_the_unit_suite_passes_and_nothing_asked(tmp_path: Path, attempts: Path) -> None:
    succeeded(run(UNIT, refusing(tmp_path, attempts), ROOT))
    assert asked(attempts) <= PROBE


# --- strace -------------------------------------------------------------------------------------------------------


def test_strace_counts_a_connection(tmp_path: Path, traced: list[str]) -> None:
    run([*traced, *CONNECT], environment(tmp_path), tmp_path)
    assert any("connect(" in line for line in outward((tmp_path / "trace").read_text()))


def test_strace_counts_no_connection(tmp_path: Path, traced: list[str], command: list[str]) -> None:
    succeeded(run([*traced, *command], environment(tmp_path), tmp_path))
    assert outward((tmp_path / "trace").read_text()) == []


@pytest.mark.soak
def test_the_count_for_the_record(tmp_path: Path, traced: list[str]) -> None:
    """Connections asked of the kernel, by program; the last line is seen to be counted."""
    (tmp_path / "work").mkdir()
    programs = {
        "every public method of the library": (session(tmp_path), tmp_path),
        "`memvault demo`": (DEMO, tmp_path),
        "the unit suite": (UNIT, ROOT),
        "one connection on purpose": (CONNECT, tmp_path),
    }
    rows: list[tuple[object, ...]] = []
    for name, (words, cwd) in programs.items():
        done = run([*traced, *words], environment(tmp_path), cwd)
        if words is not CONNECT:
            succeeded(done)
        calls = [line for line in (tmp_path / "trace").read_text().splitlines() if "connect(" in line]
        rows.append(
            (
                name,
                len(calls),
                len([line for line in calls if "AF_UNIX" in line]),
                len(outward("\n".join(calls))),
            )
        )
    record(
        "egress", "Connections asked of the kernel",
        f"Counted with `{' '.join(traced[:-2])} -o trace ...`, in an environment with empty caches.",
        markdown(("program", "connect", "of these AF_UNIX", "of these to a network"), rows),
        "The unit suite asks the C library for the name of the user, which asks nscd over AF_UNIX. Importing urllib3, a"
        " dependency of the optional Presidio detector, binds an IPv6 socket to ::1 to learn whether there is IPv6, and"
        " connects nothing.",
    )  # fmt: skip
    assert [row[3] for row in rows] == [0, 0, 0, 1]
