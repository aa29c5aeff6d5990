"""From the configuration to an embedder: what may stand there, and what is missing stops the start."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calls import session_of
from support.models import NARROW, Service, serving

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


def configured(vault: Vault, lines: str) -> Path:
    """Close it and write another `[embedder]` into its configuration."""
    folder = vault.folder
    vault.close()
    path = folder / "memvault.toml"
    head, _, tail = path.read_text().partition("[embedder]")
    rest = tail[tail.index("\n[limits]") :]
    path.write_text(f"{head}[embedder]\n{lines}\n{rest}")
    return folder


def service_lines(url: str, **more: str) -> str:
    values = "".join(f"{name} = {value}\n" for name, value in more.items())
    return f"""provider = "openai"
model = "m"
[embedder.remote]
url = "{url}"
dimension = {NARROW}
loopback = true
{values}"""


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


def test_opening_a_vault_with_a_service_asks_it_nothing(make_vault: Callable[..., Vault]) -> None:
    with serving(Service()) as service, Vault.open(configured(make_vault(), service_lines(service.url))):
        assert service.received == b""


KEY_FAULTS = {
    "unset": ('"env:MEMVAULT_TEST_KEY"', "embedder.key_missing"),
    "empty": ('"env:MEMVAULT_TEST_EMPTY"', "embedder.key_missing"),
    "two lines": ('"env:MEMVAULT_TEST_LINES"', "embedder.key_form"),
    "not ascii": ('"env:MEMVAULT_TEST_WIDE"', "embedder.key_form"),
    "no file": ('"file:not-there"', "embedder.key_missing"),
    "open to others": ('"file:key"', "embedder.key_permissions"),
}


@pytest.mark.parametrize("case", KEY_FAULTS)
def test_a_key_that_cannot_be_had_stores_nothing(
    make_vault: Callable[..., Vault], case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMVAULT_TEST_EMPTY", "")
    monkeypatch.setenv("MEMVAULT_TEST_LINES", "a\nX-Other: b")
    monkeypatch.setenv("MEMVAULT_TEST_WIDE", "schlüssel")
    reference, code = KEY_FAULTS[case]
    with serving(Service()) as service:
        folder = configured(make_vault(), service_lines(service.url, key=reference))
        (folder / "key").write_text("sk-1")
        (folder / "key").chmod(0o644)
        with Vault.open(folder) as vault:
            session = session_of(vault)
            with pytest.raises(ConfigError) as caught:
                session.add("Prefers mornings", user_id="pat-1")
            assert caught.value.code == code
            assert session.list(user_id="pat-1").memories == ()
        assert service.received == b""


def test_a_key_in_a_private_file_is_read_each_time(make_vault: Callable[..., Vault]) -> None:
    with serving(Service()) as service:
        folder = configured(make_vault(), service_lines(service.url, key='"file:key"'))
        with Vault.open(folder) as vault:
            for key in ("sk-1", "sk-2"):
                (folder / "key").write_text(key + "\n")
                os.chmod(folder / "key", 0o600)  # noqa: PTH101
                session_of(vault).add("Prefers mornings", user_id="pat-1")
        assert [asked.headers["authorization"] for asked in service.asked] == ["Bearer sk-1", "Bearer sk-2"]
