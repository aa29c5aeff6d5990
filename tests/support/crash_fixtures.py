"""Fixtures of the crash suite, used through `pytest_plugins`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.nursery import Nursery
from support.small_disk import SmallDisk

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


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], SmallDisk]]:
    """Mounts small disks; skips where that is not permitted."""
    mounted: list[Path] = []

    def mount(megabytes: int) -> SmallDisk:
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "none", str(place)]
        try:
            done = subprocess.run(command, capture_output=True, check=False)
        except FileNotFoundError:
            pytest.skip("there is no mount command here")
        if done.returncode:
            pytest.skip("mounting a small file system is not permitted here")
        mounted.append(place)
        return SmallDisk(place)

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)
