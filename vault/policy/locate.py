"""Where shipped packs are: in the wheel, or beside the package in a checkout; never the working folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from vault.errors import PolicyInvalidError

MANIFEST: Final = "pack.yaml"
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_IN_WHEEL: Final = Path(__file__).resolve().parent / "packs"
_IN_CHECKOUT: Final = Path(__file__).resolve().parents[2] / "policies"


def is_name(text: str) -> bool:
    """Whether a text is the name of a pack, and not a path."""
    return _NAME.fullmatch(text) is not None


def names() -> tuple[str, ...]:
    """The names of the shipped packs, sorted."""
    return tuple(
        sorted(
            {path.parent.name for root in (_IN_WHEEL, _IN_CHECKOUT) for path in root.glob(f"*/{MANIFEST}")}
        )
    )


def shipped(name: str) -> Path:
    """The folder of a shipped pack. Raises PolicyInvalidError `policy.missing`."""
    if is_name(name):
        for root in (_IN_WHEEL, _IN_CHECKOUT):
            if (root / name / MANIFEST).is_file():
                return root / name
    raise PolicyInvalidError("policy.missing", "no pack of that name is shipped")
