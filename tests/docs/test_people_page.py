"""The how-to page of merges, renames and mentions: every command runs, in order, and does what the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from test_erasure_pages import PAGES, Shell, commands

from vault import Principal, Vault

PAGE = "merge-patients.md"
NAME = "Quorzil Vembrath"
BOT = Principal("clinic", "bot", ("app",))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    made = Shell(tmp_path)
    with Vault.open(made.base / "clinic") as vault:
        session = vault.session(BOT, purpose="service")
        session.add("Wrote from ana.rivera@example.org too", user_id="old-1")
        session.add("Prefers mornings", user_id="old-2")
        made.memory = session.add(f"the {NAME.lower()} matter is open", user_id="pat-7").memories[0].id
        session.update(made.memory, f"the {NAME.lower()} matter is closed")
    return made


def test_the_page(shell: Shell) -> None:
    for command in commands(PAGE):
        shell.run(command)
    assert "Nothing was merged. Repeat with --execute." in shell.output
    assert "make one now" in shell.output
    with Vault.open(shell.base / "clinic") as vault:
        session = vault.session(BOT, purpose="service")
        for name in ("old-1", "pat-42", "MRN-1187", "ins-9920"):
            assert len(session.list(user_id=name).memories) == 3
        memory = session.get(shell.memory)
        assert (memory.version, NAME.lower() in memory.text) == (3, False)
        assert not any(NAME.lower() in (step.text or "") for step in session.history(shell.memory))


def test_the_lines_of_python(
    shell: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for command in commands(PAGE):
        shell.run(command)
    (block,) = re.findall(r"```python\n(.*?)```", (PAGES / PAGE).read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.chdir(shell.base)
    exec(compile(block, PAGE, "exec"), {})  # noqa: S102 - the page's own lines
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("1 (")
    assert "old-2" in first
    assert "user:pat-7" in second
    assert "False" in second
