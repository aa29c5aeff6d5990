"""One BLAS thread while the names model works: its matrices are small, and a second thread only waits.

Left alone, numpy's BLAS uses a thread for every core. They wait for each other where other work wants the cores too,
and a text of 200 words took 40 ms instead of 2. The limit is put back when the model is done.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


@cache
def _controller() -> Any:
    return ThreadpoolController().select(user_api="blas")


def one_thread() -> AbstractContextManager[Any]:
    """A context in which numpy's matrix products use the calling thread alone."""
    limit: AbstractContextManager[Any] = _controller().limit(limits=1)
    return limit
