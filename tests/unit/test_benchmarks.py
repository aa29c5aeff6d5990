"""What a benchmark names in the package is there: a function that was renamed would be missed only when it is run."""

from __future__ import annotations

import importlib
from operator import attrgetter

import pytest

from benchmarks import stages

NAMED = sorted(
    {place for stage in (*stages.SHARED, *stages.ADD, *stages.SEARCH) for place in stage.functions}
)


@pytest.mark.parametrize("place", NAMED)
def test_a_stage_names_a_function(place: str) -> None:
    module, _, path = place.partition(":")
    assert callable(attrgetter(path)(importlib.import_module(module)))
