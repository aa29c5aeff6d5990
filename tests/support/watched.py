"""Programs run where an attempt to reach a network is seen: sockets refused, or counted by strace."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
REFUSE = ROOT / "tests" / "support" / "refuse"
CONNECT = [sys.executable, "-c", "import socket; socket.create_connection(('192.0.2.1', 9), timeout=0.2)"]
RESOLVE = [sys.executable, "-c", "import socket; socket.getaddrinfo('example.org', 443)"]
# urllib3, which Presidio's dependencies import, makes an IPv6 socket to see whether that can be done, and no more.
PROBE = frozenset({f"socket family {int(socket.AF_INET6)}"})
# What the kernel is asked for: names the family of each socket and the address of each connect and datagram.
CALLS = "socket,connect,sendto,sendmsg,sendmmsg,bind"


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """Nothing inherited but the path of programs; every cache empty."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(home),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
        "PYTHONPATH": os.pathsep.join([str(REFUSE), str(ROOT / "tests"), str(ROOT)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        **more,
    }


def run(command: list[str], env: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, env=env, cwd=cwd, capture_output=True, timeout=1_800, check=False)


def succeeded(done: subprocess.CompletedProcess[bytes]) -> None:
    assert done.returncode == 0, done.stderr[-1_500:].decode(errors="replace")


def asked(attempts: Path) -> frozenset[str]:
    return frozenset(attempts.read_text().splitlines() if attempts.exists() else ())


def refusing(tmp_path: Path, attempts: Path) -> dict[str, str]:
    return environment(tmp_path, MEMVAULT_TEST_ATTEMPTS=str(attempts))


def outward(trace: str) -> list[str]:
    """The calls that name another family than AF_UNIX; on a socket inherited or made by a pair none is named."""
    return [line for line in trace.splitlines() if re.search(r"AF_(?!UNIX|LOCAL)[A-Z0-9]+", line)]
