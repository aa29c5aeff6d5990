"""Write vault/redaction/evaluation/measured.json: what the built-in detector reaches on the shipped samples.

    python tools/measure_detector.py            # write it
    python tools/measure_detector.py --check    # exit 1 where the file is not what would be written

Run it last, after any change to a rule, the model or the samples: the figures name the detector's version. Then
`python -m benchmarks.detection --markdown` puts them into docs/detection.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vault.redaction.detect import BuiltinDetector
from vault.redaction.evaluation import figures, run, shipped

FILE = Path(__file__).resolve().parents[1] / "vault/redaction/evaluation" / figures.FILE


def made() -> bytes:
    """The figures as they belong in the file: of the detector as it ships, then in strict mode."""
    data, model = shipped.samples(), shipped.model_version()
    records = []
    for detector in (BuiltinDetector(), BuiltinDetector(strict=True)):
        _, report = run.evaluate(data, detector)
        records.append(run.record(report, model))
    return figures.render(shipped.digest(), records)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    data = made()
    if asked.check:
        return 0 if FILE.is_file() and FILE.read_bytes() == data else 1
    FILE.write_bytes(data)
    for found in figures.parse(data):
        print(f"{found.version}: {len(found.classes)} classes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
