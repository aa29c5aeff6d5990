"""The shared options, the defaults, and which vault a command means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.commands import Run, added

from vault.cli.verbs import Asked, find_vault, system_user


def test_shared_options_stand_before_the_verb_or_after_it(bare: Run, folder: Path) -> None:
    before = bare("--vault", folder, "--user", "opt-1", "--json", "add", "Prefers tea")
    after = bare("add", "--vault", folder, "--user", "opt-1", "--json", "Prefers tea")
    mixed = bare("--json", "--user", "nobody", "list", "--vault", folder, "--user", "opt-1")
    assert (before.code, after.code) == (0, 0)
    assert [memory["text"] for memory in mixed.document["memories"]] == ["Prefers tea"] * 2


def test_the_later_option_wins_and_an_empty_text_counts_as_given() -> None:
    early = Asked(tenant="a", user="u", roles=("x",), json=True)
    assert early.then(Asked()) == early
    assert early.then(Asked(user="", roles=("y",))) == Asked(tenant="a", user="", roles=("y",), json=True)


def test_the_vault_is_found_upwards_and_the_environment_wins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("MEMVAULT_VAULT", raising=False)
    deep = tmp_path / "vault" / "a" / "b"
    deep.mkdir(parents=True)
    assert find_vault(deep) == deep
    (tmp_path / "vault" / "memvault.toml").write_text("", encoding="utf-8")
    assert find_vault(deep) == tmp_path / "vault"
    monkeypatch.setenv("MEMVAULT_VAULT", "/elsewhere")
    assert find_vault(deep) == Path("/elsewhere")


def test_a_command_inside_the_folder_needs_no_vault_option(
    bare: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "keystore")
    assert bare("add", "--user", "opt-2", text="Prefers tea").code == 0
    assert "Prefers tea" in bare("search", "--user", "opt-2", "tea").out


def test_without_a_vault_every_verb_says_so(bare: Run) -> None:
    for verb in (
        ("list", "--user", "x"),
        ("status",),
        ("keys", "status"),
        ("policy", "lint"),
        ("audit", "verify"),
    ):
        answer = bare(*verb, "--json")
        assert (answer.code, answer.error["code"]) == (11, "config.missing"), verb


def test_the_principal_is_the_operating_system_user_whatever_the_environment_says(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("USER", "LOGNAME", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    memory_id = added(run, "opt-3", "Prefers tea")
    actor = run("history", "--json", memory_id).document["revisions"][0]["actor"]
    assert actor == system_user() != "somebody-else"


def test_the_configured_user_is_used_only_where_no_scope_is_given(run: Run, folder: Path) -> None:
    configuration = folder / "memvault.toml"
    before = configuration.read_text(encoding="utf-8")
    configuration.write_text(before + '\nuser = "opt-4"\n', encoding="utf-8")
    try:
        mine = run("add", "--json", text="Prefers tea").document["memories"][0]
        agents = run("add", "--json", "--agent", "triage", text="Prefers tea").document["memories"][0]
    finally:
        configuration.write_text(before, encoding="utf-8")
    assert (mine["user_id"], mine["agent_id"]) == ("opt-4", None)
    assert (agents["user_id"], agents["agent_id"]) == (None, "triage")


def test_another_tenant_sees_nothing_and_is_made_by_its_first_use(run: Run) -> None:
    memory_id = added(run, "opt-5", "Prefers tea")
    assert run("get", "--tenant", "other", memory_id).code == 9
    assert run("search", "--tenant", "other", "--user", "opt-5", "--json", "tea").document["hits"] == []
    names = [tenant["name"] for tenant in run("tenant", "list", "--json").document["tenants"]]
    assert names == ["default", "other"]


def test_a_purpose_or_role_that_the_pack_does_not_permit_is_denied(run: Run) -> None:
    assert run("list", "--user", "x", "--purpose", "curiosity").code == 3
    denied = run("list", "--user", "x", "--role", "auditor")
    assert denied.code == 3
    assert "--role app --purpose service" in denied.err
    assert run("status", "--role", "app").code == 3


def test_the_environment_names_the_vault_and_nothing_else(
    bare: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEMVAULT_VAULT", os.fspath(folder))
    for name in ("TENANT", "USER", "ROLE", "PURPOSE", "JSON"):
        monkeypatch.setenv(f"MEMVAULT_{name}", "other-tenant")
    listed = bare("list", "--user", "opt-6")
    assert (listed.code, listed.out.strip()) == (0, "no memories")
