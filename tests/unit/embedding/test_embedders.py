"""From the configuration to an embedder: what may stand there, and what is missing stops the start."""

from __future__ import annotations

from typing import Any

import pytest
from support.models import configured, service_lines

from vault import Vault
from vault.config import VaultConfig, render
from vault.embedding.interface import FIRST_IDENTITY, identity
from vault.errors import ConfigError

KEYS = {"keys": {"provider": "file:/nowhere", "backup": "none"}}
REMOTE = {"url": "https://embed.example.org/v1", "dimension": 1536}
GOOD: dict[str, dict[str, Any]] = {
    "nothing": {},
    "static": {"provider": "static"},
    "minilm": {"provider": "minilm"},
    "minilm of a folder": {"provider": "minilm", "folder": "models/minilm"},
    "openai": {"provider": "openai", "model": "text-embedding-3-small", "remote": REMOTE},
    "azure": {"provider": "azure", "model": "my-deployment", "remote": {**REMOTE, "key": "env:KEY"}},
    "ollama": {"provider": "ollama", "model": "nomic-embed-text:v1.5", "remote": REMOTE},
    "sentence-transformers": {"provider": "sentence-transformers", "folder": "m"},
    "fastembed": {"provider": "fastembed", "model": "BAAI/bge-small-en-v1.5", "folder": "m"},
    "with the one before": {"provider": "minilm", "previous": {"provider": "static"}},
    "with a service before": {
        "previous": {"provider": "openai", "model": "m", "remote": {**REMOTE, "timeout_s": 5}},
    },
}
BAD: dict[str, tuple[dict[str, Any], str]] = {
    "another provider": ({"provider": "word2vec"}, "provider"),
    "a model for the shipped one": ({"model": "x"}, "model"),
    "a folder for the shipped one": ({"folder": "x"}, "folder"),
    "a service for the shipped one": ({"remote": REMOTE}, "remote"),
    "no service": ({"provider": "openai", "model": "m"}, "remote"),
    "no model": ({"provider": "ollama", "remote": REMOTE}, "model"),
    "a folder for a service": (
        {"provider": "azure", "model": "m", "folder": "x", "remote": REMOTE},
        "folder",
    ),
    "no folder": ({"provider": "fastembed", "model": "m"}, "folder"),
    "no model for fastembed": ({"provider": "fastembed", "folder": "m"}, "model"),
    "a model that is a path": ({"provider": "openai", "model": "../m", "remote": REMOTE}, "model"),
    "a model with a line": ({"provider": "openai", "model": "m\nx", "remote": REMOTE}, "model"),
    "two before": ({"previous": {"provider": "static", "previous": {"provider": "static"}}}, "previous"),
}
BAD_REMOTE: dict[str, dict[str, Any]] = {
    "key": {"key": "sk-a-secret-itself"},
    "url": {"url": "ftp://example.org"},
    "url ": {"url": "https://user:pw@example.org"},
    "url  ": {"url": "https://example.org/?key=x"},
    "url   ": {"url": "https://"},
    "dimension": {"dimension": 0},
    "timeout_s": {"timeout_s": 0},
    "batch": {"batch": 0},
    "revision": {"revision": "a b"},
    "proxy": {"proxy": "socks5://x"},
    "loopback": {"loopback": "yes"},
}


def parsed(embedder: dict[str, Any]) -> VaultConfig:
    return VaultConfig.parse({**KEYS, "embedder": embedder})


@pytest.mark.parametrize("case", GOOD)
def test_what_may_stand_there_is_rendered_and_read_again(case: str) -> None:
    import tomllib

    config = parsed(GOOD[case])
    assert VaultConfig.parse(tomllib.loads(render(config))) == config


@pytest.mark.parametrize("case", BAD)
def test_what_may_not_stand_there_is_named(case: str) -> None:
    settings, key = BAD[case]
    with pytest.raises(ConfigError) as caught:
        parsed(settings)
    assert caught.value.code == "config.invalid"
    assert f"embedder.{key}" in caught.value.message


@pytest.mark.parametrize("case", BAD_REMOTE)
def test_what_may_not_stand_there_for_a_service_is_named_and_not_repeated(case: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed({"provider": "openai", "model": "m", "remote": {**REMOTE, **BAD_REMOTE[case]}})
    assert f"embedder.remote.{case.strip()} " in caught.value.message
    assert "secret" not in caught.value.message


# --- an open vault ----------------------------------------------------------------------------------------------------


def refused(vault: Vault, lines: str) -> ConfigError:
    folder = configured(vault, lines)
    with pytest.raises(ConfigError) as caught:
        Vault.open(folder)
    return caught.value


def test_the_shipped_one_is_the_first_and_is_recorded(clinic: Vault) -> None:
    assert identity(clinic._opened().embedder()) == FIRST_IDENTITY


@pytest.mark.parametrize("provider", ["minilm", "sentence-transformers"])
def test_a_model_that_is_not_there_stops_the_start(
    clinic: Vault, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vault.embedding import libraries, minilm

    for module in (libraries, minilm):
        monkeypatch.setattr(module, "find_spec", lambda name: name)
    error = refused(clinic, f'provider = "{provider}"\nfolder = "not-there"')
    assert error.code == "embedder.missing"


@pytest.mark.parametrize("provider", ["minilm", "sentence-transformers", "fastembed"])
def test_a_library_that_is_not_there_stops_the_start_and_is_named(
    clinic: Vault, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vault.embedding import libraries, minilm

    for module in (libraries, minilm):
        monkeypatch.setattr(module, "find_spec", lambda _: None)
    model = 'model = "m"\n' if provider == "fastembed" else ""
    error = refused(clinic, f'provider = "{provider}"\n{model}folder = "not-there"')
    assert error.code == "embedder.extra"
    assert f"memvault[{provider}]" in error.message


def test_an_address_without_tls_stops_the_start(clinic: Vault) -> None:
    error = refused(clinic, service_lines("http://example.org"))
    assert error.code == "egress.plain"
