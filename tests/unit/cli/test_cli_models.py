"""`models list | install`: nothing is fetched unless it was said, and then exactly what was shown."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support.commands import run_command

from vault.cli import models as command
from vault.errors import ConfigError
from vault.redaction import models
from vault.redaction.models import Model, fetching, parse


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []

    def run(words: list[str]) -> int:
        calls.append(words)
        return 0

    monkeypatch.setattr(command, "run", run)
    return calls


def test_without_yes_the_command_is_shown_and_not_run(ran: list[list[str]], tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    words = ("models", "install", "spacy/en_core_web_sm", "--from", wheels)
    shown = run_command(*words, "--json")
    assert shown.code == 6
    assert ran == []
    assert "--no-index" in shown.document["would_run"]
    assert "--yes" in run_command(*words).out
    assert run_command(*words, "--yes").code == 0
    assert ran == [shown.document["would_run"]]


def test_a_command_that_fails_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "run", lambda _: 1)
    answer = run_command("models", "install", "spacy/en_core_web_sm", "--yes", "--json")
    assert (answer.code, answer.error["code"]) == (11, "models.fetch")


def test_what_is_run_may_say_something_but_not_on_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    assert command.run([sys.executable, "-c", "print('fetching')"]) == 0
    said = capfd.readouterr()
    assert (said.out, said.err.strip()) == ("", "fetching")


def test_pip_gets_one_package_from_one_place_and_nothing_it_needs(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check", "--no-deps"]
    model = parse("spacy/en_core_web_sm")
    wheel = tmp_path / "en_core_web_sm-3.8.0-py3-none-any.whl"
    wheel.touch()
    assert fetching(model, None) == [*pip, "en_core_web_sm"]
    assert fetching(model, None, "3.8.0") == [*pip, "en_core_web_sm==3.8.0"]
    assert fetching(model, str(wheel)) == [*pip, "--no-index", str(wheel)]
    assert fetching(model, str(tmp_path)) == [
        *(*pip, "--no-index", "--find-links"), str(tmp_path), "en_core_web_sm"
    ]  # fmt: skip
    assert fetching(model, "https://wheels.example.org/simple") == [
        *(*pip, "--index-url"), "https://wheels.example.org/simple", "en_core_web_sm"
    ]  # fmt: skip


def test_other_models_come_by_their_own_client() -> None:
    hub = [sys.executable, "-m", "huggingface_hub.cli.hf", "download"]
    assert fetching(parse("gliner/some/model"), None) == [*hub, "some/model"]
    assert fetching(parse("transformers/model"), None, "1a2b") == [*hub, "model", "--revision", "1a2b"]
    with pytest.raises(ConfigError):
        fetching(parse("gliner/some/model"), "/wheels")


@pytest.mark.parametrize(
    "name",
    ["", "spacy", "spacy/", "spacy/a b", "spacy/-r", "spacy/a/b", "spacy/x==1", "transformers/a/b/c", "stanza/en",
     "transformers/-x", "gliner/a\nb", "spacy/--index-url=x"],
)  # fmt: skip
def test_names_that_a_command_could_take_for_something_else_are_refused(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(name)
    assert caught.value.code == "models.name"


@pytest.mark.parametrize("release", ["", " 1", "-1", "1;2", "1 2", "x"])
def test_releases_too(release: str) -> None:
    with pytest.raises(ConfigError):
        fetching(Model("spacy", "en_core_web_sm"), None, release)


def test_a_folder_is_used_where_it_is() -> None:
    with pytest.raises(ConfigError):
        fetching(parse("spacy/./here"), None)


def test_list_shows_what_is_here_and_what_the_vault_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = tmp_path / "hub" / "models--some--model"
    commit = "a" * 40
    (hub / "snapshots" / commit).mkdir(parents=True)
    (hub / "snapshots" / commit / "gliner_config.json").write_text("{}")
    (hub / "refs").mkdir()
    (hub / "refs" / "main").write_text(commit)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    assert (Model("gliner", "some/model"), commit[:12]) in models.installed()
    assert models.locate(Model("gliner", "some/model")) == str(hub / "snapshots" / commit)
    vault = tmp_path / "vault"
    vault.mkdir()
    names = '["builtin", "presidio:gliner/some/model", "presidio:spacy/xx_no_model"]'
    (vault / "memvault.toml").write_text(
        f'[keys]\nprovider = "file:/k"\nbackup = "none"\n[detection]\ndetectors = {names}\n'
    )
    answer = run_command("--vault", vault, "models", "list", "--json")
    assert answer.code == 5
    wanted = {row["model"]: row["missing"] for row in answer.document["configured"]}
    assert wanted["gliner/some/model"] == ""
    assert "memvault models install spacy/xx_no_model" in wanted["spacy/xx_no_model"]
    assert "missing" in run_command("--vault", vault, "models", "list").out


def test_a_cache_that_was_tampered_with_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = tmp_path / "hub" / "models--some--model"
    (hub / "refs").mkdir(parents=True)
    (hub / "refs" / "main").write_text("../../../elsewhere")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    with pytest.raises(ConfigError):
        models.locate(Model("gliner", "some/model"))
