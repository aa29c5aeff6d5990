"""Write vault/redaction/evaluation/samples.jsonl.gz, the shipped evaluation set of the detector.

    python tools/make_detection_samples.py            write the file
    python tools/make_detection_samples.py --check    fail if the file is not what this tool would write

The texts come from the held-out templates of `training/corpus` and from names on the held-out side of its split,
so nothing the names model was trained on is asked again. State-issued identifiers that no template knows are
made from the detector's own table of forms, checks and cues (kind "national"): they prove that every row of it
works in a sentence, not that the row is right; `training/corpus/checksums.py` and the tests do that for the
countries that matter most. Each line is {"text", "spans": [[start, end, class]],
"kind"} and, for texts that probe one class, "probe". Needs what the generator needs (gazetteers and Faker).
"""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from tools.national_samples import sentences  # noqa: E402
from training.corpus import Sample, render, templates  # noqa: E402

TARGET = REPOSITORY / "vault" / "redaction" / "evaluation" / "samples.jsonl.gz"
SEED = 20_251_121
# Texts from one template: enough that every class comes twenty times and more.
OF_A_PROBE, OF_A_TEXT = 5, 4
MOST_BYTES = 250_000


def draw(key: object) -> random.Random:
    """A generator for one text, so that none depends on those before it."""
    return random.Random(f"{SEED}/{key}")  # noqa: S311 - test data


def line(sample: Sample, probe: str | None) -> dict[str, Any]:
    spans = [list(span) for span in sample.spans]
    record: dict[str, Any] = {"text": sample.text, "spans": spans, "kind": sample.kind}
    return record if probe is None else record | {"probe": probe}


def lines() -> Iterator[dict[str, Any]]:
    """Every sample once, template by template."""
    seen = set()
    for template in templates(held_out=True):
        for index in range(OF_A_PROBE if template.probe else OF_A_TEXT):
            sample = render(template, draw((template.text, index)))
            if sample.text not in seen:
                seen.add(sample.text)
                yield line(sample, template.probe)


def national(known: set[str]) -> Iterator[dict[str, Any]]:
    """Sentences about the state-issued identifiers of which no template makes samples."""
    for text, spans in sentences(draw, known):
        yield line(Sample(text, spans, "national"), spans[0][2])


def packed() -> bytes:
    """The bytes of the file; shuffled, so that any part of it is a fair sample of the whole."""
    records = list(lines())
    records += national({entity for one in records for _, _, entity in one["spans"]})
    draw("order").shuffle(records)
    text = "".join(json.dumps(one, ensure_ascii=False, separators=(",", ":")) + "\n" for one in records)
    return gzip.compress(text.encode(), compresslevel=9, mtime=0)


def main() -> int:
    data = packed()
    if len(data) > MOST_BYTES:
        print(f"{len(data)} bytes are more than {MOST_BYTES}", file=sys.stderr)
        return 1
    if "--check" in sys.argv[1:]:
        # The text counts: zlib versions may pack it differently.
        same = TARGET.exists() and gzip.decompress(TARGET.read_bytes()) == gzip.decompress(data)
        return 0 if same else 1
    TARGET.write_bytes(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
