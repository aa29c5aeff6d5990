"""The how-to of an access request is run as it stands, command by command, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "how-to" / "answer-an-access-request.md").read_text(
    "utf-8"
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def run(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Runs a script in a folder with a vault and a person in it."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    inherited = {name: os.environ[name] for name in ("PYTHONPATH", "LANG", "LC_ALL") if name in os.environ}
    environment = {
        **inherited, "PATH": path, "HOME": str(tmp_path), "MEMVAULT_VAULT": str(tmp_path / "work" / "clinic"),
        "PYTHONWARNINGS": "error",
    }  # fmt: skip
    (tmp_path / "work").mkdir()

    def script(text: str) -> str:
        done = subprocess.run(
            ["sh", "-euc", text], cwd=tmp_path / "work", env=environment, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    script("memvault init clinic --tenant clinic --key-folder ../keys")
    for text in ("Write to ana.rivera@example.org", "Likes tea", "The password is hunter2-Blue!"):
        script(f"echo '{text}' | memvault add --user pat-42")
    return script


@pytest.mark.slow
def test_the_commands_do_what_the_page_says(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    counted, made, looked_at, removed = blocks("sh")
    work = tmp_path / "work"
    shown = run(counted)
    assert "EMAIL_ADDRESS 1" in shown
    assert "PASSWORD 1" in shown
    assert "Nothing was written" in shown
    assert {path.name for path in work.iterdir()} == {"clinic"}
    digest = re.search(r"digest +([0-9a-f]{64})", run(made))
    assert digest is not None
    assert digest[1] in run(looked_at)
    page = (work / "request-7" / "memvault-export" / "index.html").read_text("utf-8")
    assert "ana.rivera@example.org" in page
    assert "hunter2" not in page
    listed = set(re.findall(r"^\| `([\w.-]+)` \|", PAGE, re.MULTILINE))
    assert listed == {path.name for path in (work / "request-7" / "memvault-export").iterdir()}
    assert "rights" in run(removed)
    entries = json.loads(run(f"{removed.splitlines()[-1]} --json"))["entries"]
    last = [entry for entry in entries if entry["action"] == "subject.export"][-1]
    assert (last["count"], last["reason"]) == (3, "access request 7, identity checked")
    assert {path.name for path in work.iterdir()} == {"clinic"}


@pytest.mark.slow
def test_the_python_example_runs(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (example,) = blocks("python")
    (tmp_path / "work" / "example.py").write_text(example)
    shown = run("python example.py")
    assert "'memories': 3" in shown
    assert shown.strip().endswith("True")
    assert (tmp_path / "work" / "copy.zip").is_file()
    assert json.loads(run("memvault export verify copy.zip --json"))["problems"] == []
