"""measured.json is of this detector, on the samples that ship; what it says comes out again."""

from __future__ import annotations

import pytest

from vault.redaction.detect import BuiltinDetector
from vault.redaction.evaluation import measured, run, shipped

TOLERANCE = 0.02  # another processor may add numbers up in another order


def test_the_figures_are_of_this_detector_and_these_samples() -> None:
    for strict in (False, True):
        found = measured(BuiltinDetector(strict=strict).version)
        assert found is not None, "run tools/measure_detector.py"
        assert found.samples_sha256 == shipped.digest(), "run tools/measure_detector.py"


def test_every_class_of_the_samples_has_figures() -> None:
    found = measured()
    assert found is not None
    assert set(found.classes) == {span.label for one in shipped.samples().samples for span in one.spans}


@pytest.mark.slow
def test_measuring_again_gives_the_same_figures() -> None:
    found = measured()
    assert found is not None
    _, report = run.evaluate(shipped.samples(), BuiltinDetector())
    again = run.by_class(report)
    for name, figures in found.classes.items():
        assert again[name]["samples"] == figures.samples
        assert again[name]["recall"] == pytest.approx(figures.recall, abs=TOLERANCE), name
