"""`docs/embedders.md`: each configuration on it loads, its commands change a real vault's model, its codes are all."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from support.calls import session_of
from support.models import configured
from test_documented import page, raised, rows, sections

from vault import Vault
from vault.config import VaultConfig
from vault.errors import ConfigError

PAGE = page("docs/embedders.md")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
(COMMANDS,) = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
KEYS = {"keys": {"provider": "file:/nowhere", "backup": "none"}}


def test_every_provider_has_an_example_that_loads() -> None:
    loaded = [VaultConfig.parse({**KEYS, **tomllib.loads(text)}).embedder for text in EXAMPLES]
    providers = {row[0].strip("`") for row in rows(sections(PAGE, 2)["Which one"])[1:]}
    assert {"static", *(one.provider for one in loaded)} == providers


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_a_vault_opens_with_it_or_says_what_is_missing(clinic: Vault, number: int) -> None:
    _, _, lines = EXAMPLES[number].partition("[embedder]\n")
    folder = configured(clinic, lines)
    if "folder" in lines:
        with pytest.raises(ConfigError) as caught:
            Vault.open(folder)
        assert caught.value.code in ("embedder.missing", "embedder.extra")
    else:
        Vault.open(folder).close()


def test_every_code_of_a_service_is_explained() -> None:
    explained = set(
        re.findall(r"`(egress\.[a-z_]+|embedder\.[a-z_]+)`", sections(PAGE, 2)["When a service fails"])
    )
    known = {code for _, code in raised()}
    assert explained <= known
    failed = {code for name, code in raised() if name == "EgressError" and code.startswith("egress.")}
    assert failed <= explained


def test_the_commands_change_the_model(clinic: Vault) -> None:
    (memory,) = session_of(clinic).add("The roses were pruned", user_id="pat-1").memories
    folder = configured(clinic, EXAMPLES[-1].partition("[embedder]\n")[2])
    env = {
        **{name: os.environ[name] for name in ("PYTHONPATH", "LANG", "LC_ALL") if name in os.environ},
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "MEMVAULT_VAULT": str(folder),
    }
    said = [
        subprocess.run(
            ["bash", "-euc", line], env=env, capture_output=True, text=True, timeout=120, check=True
        ).stdout
        for line in COMMANDS.splitlines()
    ]
    assert re.search(r"would embed +1\b", said[0])
    assert re.search(r"texts go to +nowhere\b", said[0])
    assert re.search(r"embedded +1\b", said[1])
    assert len(re.findall(r"\bminilm [0-9a-f]{12} 384\b", said[2])) == 2
    configured(clinic, 'provider = "minilm"')
    with Vault.open(folder) as vault:
        assert [hit.memory for hit in session_of(vault).search("roses", user_id="pat-1")] == [memory]
