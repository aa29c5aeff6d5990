"""Child processes of the crash suite: where they find the code, and how they are started."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parent.parent
CLI = (sys.executable, "-c", "from vault.cli.main import main; main()")


def environment() -> dict[str, str]:
    """The parent's environment, with this tree first on the path and one thread for the number library."""
    path = os.pathsep.join((str(TESTS), str(TESTS.parent)))
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def start(module: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Run `python -m support.<module>` with pipes for what it reads and says."""
    return subprocess.Popen(
        [sys.executable, "-m", f"support.{module}", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        **options,
    )
