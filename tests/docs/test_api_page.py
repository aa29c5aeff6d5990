"""Pages made from the source say what it says today: docs/api.md, docs/error-codes.md; no public name is left out."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest
from test_documented import raised

import vault

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def generator(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "made"), [("api_reference", "api.md"), ("error_reference", "error-codes.md")]
)
def test_the_page_is_current(name: str, made: str) -> None:
    """Where this fails: `python tools/api_reference.py`, `python tools/error_reference.py`."""
    assert generator(name).page() == (ROOT / "docs" / made).read_text(encoding="utf-8")


def test_the_codes_that_events_hold_are_current() -> None:
    tool = generator("error_reference")
    assert tool.module() == tool.MODULE.read_text(encoding="utf-8")


def test_every_code_that_is_raised_is_on_the_page() -> None:
    codes = set(
        re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "error-codes.md").read_text("utf-8"), re.MULTILINE)
    )
    assert {code for _, code in raised()} <= codes


def test_every_public_name_has_its_place() -> None:
    headings = set(re.findall(r"^#{3,4} `([\w.]+)`", PAGE, re.MULTILINE))
    assert {name for name in vault.__all__ if name not in ("errors", "VaultError")} <= headings
    assert {"Admin.audit_export", "Session.add", "Requests.open", "Holds.place", "Exports.run"} <= headings


def test_everything_on_it_is_described() -> None:
    bare = []
    for part in re.split(r"^#{3,4} ", PAGE, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition("\n")
        words = re.sub(r"```.*?```", "", body, flags=re.DOTALL).split()
        if len(words) < 3:
            bare.append(heading)
    assert bare == []
