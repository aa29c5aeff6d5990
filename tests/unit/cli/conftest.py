"""A vault made by `memvault init`, and ways to run commands on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.commands import Run, run_command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One vault per module; tests use users of their own."""
    home = tmp_path_factory.mktemp("home")
    made = run_command("init", home / "clinic", "--key-folder", home / "keys")
    assert made.code == 0, made.err
    return home / "clinic"


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on the module's vault; `text` goes to standard input."""
    monkeypatch.setenv("MEMVAULT_VAULT", os.fspath(folder))
    return run_command


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command in an empty folder, with a home of its own and no vault named."""
    monkeypatch.delenv("MEMVAULT_VAULT", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", os.fspath(tmp_path / "data"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return run_command
