"""Bounds on work, for tests of what must not be quadratic. How fast something is belongs in benchmarks/."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

TRIES: Final = 8


def least(work: Callable[[], object], enough: float) -> float:
    """The least processor time, in seconds, that `work` took in several tries; the first below `enough` will do.

    A busy machine only adds to a measurement, so what is slow by its nature is slow in every try.
    """
    found = float("inf")
    for _ in range(TRIES):
        began = time.process_time()
        work()
        found = min(found, time.process_time() - began)
        if found < enough:
            break
    return found
