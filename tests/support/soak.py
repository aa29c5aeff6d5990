"""Where the long tests leave their tables: `docs/soak/`, with the commit they ran on."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def record(name: str, title: str, *parts: str) -> None:
    """Print a report; where `MEMVAULT_SOAK_DIR` names a folder, also write it there as `name`.md."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    ran = f"Commit {commit.stdout.strip() or 'unknown'}, Python {platform.python_version()}, {platform.platform()}."
    report = "\n\n".join([f"# {title}", ran, *parts]) + "\n"
    print(report)
    folder = os.environ.get("MEMVAULT_SOAK_DIR")
    if folder:
        (Path(folder) / f"{name}.md").write_text(report)
