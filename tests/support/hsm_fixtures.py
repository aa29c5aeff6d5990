"""The fixture of the tests that need a hardware security module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.hsm import Hsm, module


@pytest.fixture
def hsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hsm]:
    """A token in a folder of its own; providers made of it are closed at the end, and no PIN is left unwiped."""
    made = Hsm(tmp_path / "hsm", module())
    made.tokens.mkdir(parents=True)
    text = f"directories.tokendir = {made.tokens}\nobjectstore.backend = file\nlog.level = ERROR\n"
    (made.folder / "softhsm2.conf").write_text(text)
    monkeypatch.setenv("SOFTHSM2_CONF", made.environment["SOFTHSM2_CONF"])
    made.init_token(made.label)
    yield made
    made.close()
    assert not any(any(pin) for pin in made.pins)
