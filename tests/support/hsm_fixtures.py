"""The fixture of the tests that need a hardware security module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.fixture
def on_token(hsm: Hsm, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `Vault.init` is told so that the root key is on that token, and the variables another process needs."""
    monkeypatch.setenv("CLINIC_PIN", hsm.pin)
    return {"pkcs11_module": hsm.module, "pkcs11_token": hsm.label, "pkcs11_pin": "env:CLINIC_PIN"}


@pytest.fixture
def token_environment(hsm: Hsm, on_token: dict[str, Any]) -> dict[str, str]:
    """The variables with which another process finds the token and its PIN."""
    assert on_token["pkcs11_pin"] == "env:CLINIC_PIN"
    return {"SOFTHSM2_CONF": hsm.environment["SOFTHSM2_CONF"], "CLINIC_PIN": hsm.pin}
