"""The shipped data: Presidio's patterns, IBAN formats and top-level domains (patterns.json, see NOTICE)."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def pattern_data() -> dict[str, Any]:
    """The parsed patterns.json; written by tools/extract_presidio_patterns.py."""
    data: dict[str, Any] = json.loads(resources.files(__package__).joinpath("patterns.json").read_bytes())
    return data
