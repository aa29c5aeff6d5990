"""`policy lint | test | diff | explain`."""

from __future__ import annotations

import shutil
from pathlib import Path

from support.commands import Run

from vault.policy.locate import shipped


def copy_of_baseline(place: Path, change: tuple[str, str, str]) -> Path:
    folder = place / "changed"
    shutil.copytree(shipped("baseline"), folder)
    name, old, new = change
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder


def test_the_vaults_pack_is_clean_and_passes_its_tests(run: Run) -> None:
    lint = run("policy", "lint", "--json")
    assert lint.code == 0
    assert not [line for line in lint.document["findings"] if line.startswith("error")]
    results = run("policy", "test", "--json").document["results"]
    assert results
    assert {result["status"] for result in results} == {"passed"}
    assert f"{len(results)} passed, 0 failed, 0 skipped" in run("policy", "test").out


def test_packs_need_no_vault(bare: Run) -> None:
    assert bare("policy", "lint", "baseline").code == 0
    assert bare("policy", "test", "baseline").code == 0
    explained = bare("policy", "explain", "memory.search", "--pack", "baseline")
    assert explained.out.startswith("permit")


def test_a_broken_pack_fails_lint_with_5_and_loading_with_11(run: Run, tmp_path: Path) -> None:
    broken = copy_of_baseline(tmp_path, ("access.yaml", "effect: permit", "efect: permit"))
    lint = run("policy", "lint", broken)
    assert lint.code == 5
    assert "access.yaml" in lint.out
    assert run("policy", "test", broken).code == 11
    assert run("policy", "diff", "baseline", broken).code == 11
    assert run("policy", "diff", "baseline", "no-such-pack").code == 11


def test_diff_says_what_changes_for_whom(run: Run, tmp_path: Path) -> None:
    stricter = copy_of_baseline(tmp_path, ("detection.yaml", "PASSWORD: token", "PASSWORD: drop"))
    changes = run("policy", "diff", "--json", "baseline", stricter).document["changes"]
    assert any("PASSWORD" in change and "stricter" in change for change in changes)
    assert "alike" in run("policy", "diff", "baseline", "baseline").out


def test_explain_names_the_rule_and_who_could_do_it_instead(run: Run) -> None:
    denied = run("policy", "explain", "memory.reveal", "--json").document
    assert denied["permit"] is False
    assert "staff for treatment" in denied["explanation"]
    permitted = run(
        "policy", "explain", "memory.reveal", "--role", "staff", "--purpose", "treatment", "--json"
    ).document
    assert (permitted["permit"], permitted["rule"]) == (True, "staff-reveal")
