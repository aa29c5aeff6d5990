"""A small file system for one test: a tmpfs of some megabytes that can be filled, emptied and made read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class SmallDisk:
    """A mounted tmpfs."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self._ballast = place / "ballast"

    def free(self) -> int:
        """Bytes that are left."""
        state = os.statvfs(self.place)
        return state.f_bavail * state.f_frsize

    def fill(self, leave: int = 0) -> None:
        """Take all space but `leave` bytes."""
        with self._ballast.open("ab") as file:
            while self.free() > leave:
                try:
                    file.write(bytes(min(65_536, self.free() - leave)))
                    file.flush()
                except OSError:
                    return

    def empty(self) -> None:
        """Give the space back."""
        self._ballast.unlink(missing_ok=True)

    @contextmanager
    def read_only(self) -> Iterator[None]:
        self._remount("ro")
        try:
            yield
        finally:
            self._remount("rw")

    def _remount(self, mode: str) -> None:
        # By the system call's own tool, and lazily forced: an open file for writing would refuse a plain remount.
        done = subprocess.run(
            ["mount", "-o", f"remount,{mode}", str(self.place)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("the file system cannot be made read-only while its files are open")
