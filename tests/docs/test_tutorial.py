"""The tutorial from its first command to its last, in one folder; what it shows is what is printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "tutorial.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
MEMORY = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
REQUEST = re.compile(r"\b[0-9a-f]{32}\b")


def matches(shown: str, output: str) -> bool:
    """Whether a line that is shown is one of those printed; `...` stands for anything, blanks are alike."""
    parts = [r"\s+".join(map(re.escape, part.split())) for part in shown.split("...")]
    pattern = re.compile(r"\s*" + r".*?".join(rf"\s*{part}\s*" for part in parts))
    return any(pattern.fullmatch(line) for line in output.splitlines())


@pytest.mark.slow
def test_the_tutorial(tmp_path: Path) -> None:
    environment = {
        **{name: os.environ[name] for name in ("PYTHONPATH", "LANG", "LC_ALL") if name in os.environ},
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "HOME": str(tmp_path),
        "PYTHONWARNINGS": "error",
    }
    known: dict[str, str] = {}
    output = ""
    for language, text in BLOCKS:
        if language == "text":
            missing = [line for line in text.splitlines() if not matches(line, output)]
            assert missing == [], output
            continue
        if text.startswith("export MEMVAULT_VAULT="):
            assert text == 'export MEMVAULT_VAULT="$PWD/clinic"\n'
            environment["MEMVAULT_VAULT"] = str(tmp_path / "clinic")
            continue
        output = ""
        for command in [text] if language == "python" else text.splitlines():
            told = re.sub(r"\b(MEMORY|REQUEST)\b", lambda match: known[match[1]], command)
            arguments = [sys.executable, "-c", told] if language == "python" else ["bash", "-euc", told]
            done = subprocess.run(
                arguments,
                cwd=tmp_path,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, (told, done.stdout, done.stderr)
            output += done.stdout
            for name, pattern, verb in (("MEMORY", MEMORY, " add "), ("REQUEST", REQUEST, " request open ")):
                if verb in told and (found := pattern.search(done.stdout)):
                    known[name] = found.group()
        if "memvault list" in text or "memvault audit verify\n" in text:
            assert "penicillin" not in output
    assert set(known) == {"MEMORY", "REQUEST"}
    assert (tmp_path / "certificate.html").read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert b"pat-42" not in (tmp_path / "certificate.json").read_bytes()
