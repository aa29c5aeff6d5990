"""Qdrant's own engine for tests, where `qdrant-edge-py` is installed; a test that needs it skips without."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

if TYPE_CHECKING:
    from benchmarks.edge import EdgeClient

# Graphs for segments and subjects of a few points. A server takes no lower `full_scan_threshold`.
LOW: Final = {"full_scan_kb": 10, "indexing_kb": 50}


def edge_client(
    place: Path, *, full_scan_kb: int | None = None, indexing_kb: int | None = None
) -> EdgeClient:
    """An engine with its files in a folder; thresholds in KB, where they are given lower than a server's."""
    pytest.importorskip("qdrant_edge", reason="Qdrant's engine is not here: pip install qdrant-edge-py")
    from benchmarks.edge import FULL_SCAN_KB, EdgeClient

    full_scan_kb = FULL_SCAN_KB if full_scan_kb is None else full_scan_kb
    return EdgeClient(place, full_scan_kb=full_scan_kb, indexing_kb=indexing_kb)
