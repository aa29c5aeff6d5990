"""`docs/how-to/retention.md`: its commands in their order, on a vault with people of two years in it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.calls import Clock

from vault import Principal, Vault

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "how-to" / "retention.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A vault `clinic` whose memories were stored 800 and 100 days ago, in an empty folder."""
    folder = tmp_path / "work"
    folder.mkdir()
    with Vault.init(folder / "clinic", key_folder=tmp_path / "keys", keystore_backup="none") as vault:
        clock = Clock(vault, datetime.now(UTC) - timedelta(days=800))
        session = vault.session(Principal("clinic", "bot", ("app",)), purpose="service")
        session.add("reach her at ana.rivera@example.org", user_id="pat-1")
        clock.move(days=700)
        memory = session.add("prefers tea", user_id="pat-2").memories[0]
        session.update(memory.id, "prefers rum")
        session.add("stayed a week", user_id="pat-2", expires_at=clock.now + timedelta(days=7))
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


def test_the_commands_do_what_the_page_says(work: Path) -> None:
    write, plan, execute, show = BLOCKS
    said = run(write, work)
    assert "memory is kept since its last change at most 730 days instead of no set time" in said
    config = work / "clinic" / "memvault.toml"
    text = config.read_text(encoding="utf-8")
    assert 'pack = "baseline"' in text
    config.write_text(text.replace('pack = "baseline"', f'pack = "{work / "clinic-pack"}"'), encoding="utf-8")

    planned = run(plan, work)
    assert re.search(r"expires_at +memories +expires_at +1 +1 +0", planned)
    assert re.search(r"clinic-pack/two-years +memories +updated +730 +1 +1 +0", planned)
    assert re.search(r"clinic-pack/corrections +earlier values +created +90 +1 +1 +0", planned)
    assert "3 would be removed; nothing was" in planned
    assert "removed 3" in run(execute, work)
    assert "0 would be removed" in run(plan, work)
    assert run(show, work).count("retention.run") == 3


def test_the_rest_of_the_page_is_so(work: Path) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    env = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=work,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "1"
