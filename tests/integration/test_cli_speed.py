"""`memvault add` and `memvault search` as whole commands, interpreter start included."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from support.children import CLI, environment

LIMIT_S = 1.5
TRIES = 3


def whole_command(place: Path, *arguments: str, text: str = "") -> float:
    started = time.perf_counter()
    done = subprocess.run(
        [*CLI, *arguments],
        env={**environment(), "MEMVAULT_VAULT": os.fspath(place)},
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    took = time.perf_counter() - started
    assert done.returncode == 0, done.stderr
    return took


@pytest.mark.slow
def test_add_and_search_answer_within_a_second_and_a_half(tmp_path: Path) -> None:
    place = tmp_path / "clinic"
    whole_command(place, "init", os.fspath(place), "--key-folder", os.fspath(tmp_path / "keys"))
    adds = [whole_command(place, "add", "--user", "u", text=f"Prefers tea, number {n}") for n in range(TRIES)]
    searches = [whole_command(place, "search", "--user", "u", "tea") for _ in range(TRIES)]
    # the best of a few: a busy machine is not what is measured
    assert min(adds) < LIMIT_S, adds
    assert min(searches) < LIMIT_S, searches
