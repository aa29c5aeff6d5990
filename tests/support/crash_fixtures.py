"""Fixtures of the crash suite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.nursery import Nursery


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """A process that forks children for the tests."""
    made = Nursery(tmp_path_factory.mktemp("nursery") / "socket")
    yield made
    made.close()
