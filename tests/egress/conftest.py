"""What the tests of this folder watch programs with."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support.watched import CALLS


@pytest.fixture
def traced(tmp_path: Path) -> list[str]:
    """The words before a command that write down its system calls about sockets."""
    words = ["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-o", str(tmp_path / "trace")]
    if not shutil.which("strace"):
        pytest.skip("strace is not installed (apt-get install strace)")
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this system does not let us trace a process (ptrace is refused)")
    return words
