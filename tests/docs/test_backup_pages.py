"""`docs/how-to/back-up-and-restore.md` and `move-a-vault.md`: the commands in their order, and the codes they name."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vault import Principal, Session, Vault

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    name: (ROOT / "docs" / "how-to" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("back-up-and-restore", "move-a-vault")
}


def blocks(name: str) -> list[str]:
    found = re.findall(r"^ *```sh\n(.*?)^ *```", PAGES[name], re.MULTILINE | re.DOTALL)
    return [re.sub(r"^ +", "", block, flags=re.MULTILINE) for block in found]


def app(vault: Vault) -> Session:
    return vault.session(Principal("default", "bot", ("app",)), purpose="service")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A vault `clinic` with its keys in `keys`, in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    with Vault.init(folder / "clinic", key_folder=folder / "keys") as vault:
        for number in range(4):
            app(vault).add(f"The pool opens at {number}", user_id=f"pat-{number % 2}")
    return folder


def run(script: str, work: Path) -> str:
    env = {
        **{name: os.environ[name] for name in ("PYTHONPATH", "LANG", "LC_ALL") if name in os.environ},
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "MEMVAULT_VAULT": str(work / "clinic"),
        "HOME": str(work),
    }
    done = subprocess.run(
        ["bash", "-euc", script], cwd=work, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def seen(folder: Path, user: str) -> int:
    with Vault.open(folder) as vault:
        return len(app(vault).list(user_id=user).memories)


def test_backing_up_and_restoring_as_the_page_says(work: Path) -> None:
    daily, archive, weekly, empty, older = blocks("back-up-and-restore")
    said = run(daily, work)
    assert "default" not in said
    run(archive, work)
    assert "memories" in run(weekly, work)

    for name in ("tenants", "keystore", "archive"):
        shutil.rmtree(work / "clinic" / name)
    shutil.copytree(work / "backups" / "archive", work / "clinic" / "archive")
    said = run(empty, work)
    assert said.count("Nothing was changed. Repeat with --execute.") == 2
    assert seen(work / "clinic", "pat-0") == 2

    with Vault.open(work / "clinic") as vault:
        app(vault).add("A note of later", user_id="pat-0")
    run(older, work)
    assert seen(work / "clinic", "pat-0") == 2


def test_moving_as_the_page_says(work: Path) -> None:
    backup, copy, correct, look, retire = blocks("move-a-vault")
    for step in (backup, copy, correct):
        run(step, work)
    said = run(look, work)
    assert "records" in said
    assert str(work / "elsewhere" / "keys") in (work / "elsewhere" / "clinic" / "memvault.toml").read_text()
    run(retire, work)
    assert seen(work / "elsewhere" / "clinic", "pat-1") == 2
    with Vault.open(work / "elsewhere" / "clinic") as vault:
        assert vault._opened().keystore.epoch == 2


def test_every_code_that_the_page_names_is_raised_somewhere() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "vault").rglob("*.py"))
    table = PAGES["back-up-and-restore"].split("## When it refuses")[1].split("\n## ")[0]
    named = {
        name
        for line in table.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([a-z]+\.[a-z_]+)`", line.split("|")[1])
    }
    assert len(named) > 10
    assert {name for name in named if f'"{name}"' not in code} == set()
