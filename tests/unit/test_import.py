"""`import vault` is light: drivers, models and number libraries are loaded when a vault opens, not before."""

from __future__ import annotations

import json
import subprocess
import sys

HEAVY = (
    "asyncio",
    "cryptography",
    "model2vec",
    "numpy",
    "phonenumbers",
    "pkcs11",
    "presidio_analyzer",
    "presidio_anonymizer",
    "pydantic",
    "regex",
    "rfc8785",
    "rich",
    "spacy",
    "sqlcipher3",
    "sqlite3",
    "Stemmer",
    "typer",
    "yaml",
)


def loaded_by(code: str) -> set[str]:
    """The modules that a fresh interpreter holds after `code`."""
    listing = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", listing], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    return set(json.loads(done.stdout))


def test_importing_vault_loads_nothing_heavy() -> None:
    loaded = loaded_by("import vault")
    assert loaded.isdisjoint(HEAVY)
    assert "vault.session" in loaded


def test_using_every_public_name_loads_nothing_heavy() -> None:
    code = "import vault\nfor name in vault.__all__:\n    repr(getattr(vault, name))"
    assert loaded_by(code).isdisjoint(HEAVY)


def test_what_counts_as_heavy_would_be_seen() -> None:
    loaded = loaded_by("import vault.compose")
    assert loaded >= {"numpy", "cryptography", "pydantic", "sqlcipher3"}
