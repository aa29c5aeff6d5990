"""Write vault/redaction/evaluation/measured.json: what the built-in detector reaches on the shipped samples.

    python tools/measure_detector.py            # write it
    python tools/measure_detector.py --check    # exit 1 where the file is not what would be written

Run it last, after any change to a rule, the model or the samples: the figures name the detector's version.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from vault.redaction.detect import BuiltinDetector
from vault.redaction.evaluation import figures, run, shipped

FILE = Path(__file__).resolve().parents[1] / "vault/redaction/evaluation" / figures.FILE


def document() -> dict[str, Any]:
    """The figures as they belong in the file."""
    detector, data = BuiltinDetector(), shipped.samples()
    _, report = run.evaluate(data, detector)
    return {
        "detector": detector.version,
        "model": model_version(),
        "samples_sha256": shipped.digest(),
        "texts": report["texts"],
        "character": report["character"],
        "ordinary": report["ordinary"],
        "classes": run.by_class(report),
    }


def model_version() -> str | None:
    """The version of the names model; None where there is none."""
    try:
        from vault.redaction.ner import NameModel
    except ImportError:
        return None
    return str(NameModel.load().version)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    made = json.dumps(document(), indent=1, ensure_ascii=True) + "\n"
    if asked.check:
        return 0 if FILE.is_file() and FILE.read_text(encoding="ascii") == made else 1
    FILE.write_text(made, encoding="ascii")
    print(f"{FILE.name}: {len(json.loads(made)['classes'])} classes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
