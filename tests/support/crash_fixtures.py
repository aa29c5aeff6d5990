"""Fixtures of the crash suite, used through `pytest_plugins`."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.nursery import Nursery

_MEMORY = Path("/dev/shm")


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """A process that forks children for the tests."""
    made = Nursery(tmp_path_factory.mktemp("nursery") / "socket")
    yield made
    made.close()


@pytest.fixture(scope="module")
def memory_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is one: what a killed process leaves is the same, a sync costs nothing."""
    if not (_MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)):
        yield tmp_path_factory.mktemp("memory")
        return
    place = Path(tempfile.mkdtemp(prefix="memvault-test-", dir=_MEMORY))
    yield place
    shutil.rmtree(place)


@pytest.fixture
def memory_path(memory_root: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=memory_root))
