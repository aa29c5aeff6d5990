"""What the front pages say is run: the example, the commands, the links."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "threat-model.md")
NOT_RUN = ("make ", "pip ", "git ", "python3 ")  # they set up what this suite already runs in


def blocks(page: str, language: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(block: str) -> str:
    """The commands of a shell block, without those that set up an environment."""
    kept = []
    for line in block.splitlines():
        parts = [part.strip() for part in re.split(r"&&|\s#\s.*$", line) if part.strip()]
        wanted = [part for part in parts if not part.startswith(NOT_RUN)]
        if wanted:
            kept.append(" && ".join(wanted))
    return "\n".join(kept)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home of its own, and the interpreter's own `memvault` first on the path."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    inherited = {name: os.environ[name] for name in ("PYTHONPATH", "LANG", "LC_ALL") if name in os.environ}
    return {**inherited, "HOME": str(home), "PATH": path, "PYTHONWARNINGS": "error", "USER": "intake"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    return work


def run(arguments: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        arguments, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{arguments[:3]} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_python_example_does_what_its_comments_say(folder: Path, environment: dict[str, str]) -> None:
    (example,) = blocks("README.md", "python")
    assert len([line for line in example.splitlines() if line.strip()]) <= 15
    run(["memvault", "init", "./clinic"], folder, environment)
    output = run([sys.executable, "-c", example], folder, environment)
    assert "[EMAIL:" in output
    assert "ana.rivera@example.org" not in output
    assert [line.split()[:2] for line in output.splitlines() if line[:1].isdigit()] == [
        ["1", "ADD"],
        ["2", "UPDATE"],
    ]


@pytest.mark.slow
def test_the_commands_run_as_they_stand(folder: Path, environment: dict[str, str]) -> None:
    first, *others = [commands(block) for block in blocks("README.md", "sh")]
    assert first == "memvault init ./clinic"
    for number, script in enumerate(filter(None, others)):
        place = folder / str(number)
        place.mkdir()
        output = run(["sh", "-euc", script], place, {**environment, "HOME": str(place)})
        assert "020" not in output  # the telephone number of the example is stored as a token
        assert "penicillin" in output


def test_pages_stay_short() -> None:
    lengths = {page: len((ROOT / page).read_text(encoding="utf-8").splitlines()) for page in PAGES}
    assert lengths["README.md"] <= 180
    assert lengths["CONTRIBUTING.md"] < 120


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = {target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)}
    missing = sorted(t for t in targets if t and "://" not in t and not (ROOT / t).exists())
    assert not missing
