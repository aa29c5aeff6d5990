"""Where the test vectors lie and how to read them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
THIRD_PARTY = HERE / "third_party"


def load(name: str) -> Any:
    return json.loads((THIRD_PARTY / name).read_text("utf-8"))


def lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (THIRD_PARTY / name).read_text("utf-8").splitlines()]


def wycheproof(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """(group, case) for every case of one file; checks that the file holds as many as it says."""
    document = load(f"wycheproof/{name}_test.json")
    cases = [(group, case) for group in document["testGroups"] for case in group["tests"]]
    assert len(cases) == document["numberOfTests"]
    yield from cases


def b64(text: str) -> bytes:
    return base64.b64decode(text)
