"""`memvault retention`: the plan is what the run does; nothing goes without --execute; holds are told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support.calls import Clock
from support.commands import Run, run_command

from vault import Principal, Vault

PACK = {
    "pack.yaml": {
        "id": "kept-short",
        "version": "1.0.0",
        "title": "Short",
        "min_engine": "0.3.0",
        "extends": ["baseline"],
        "disclaimer": "An aid, not a certification.",
    },
    "retention.yaml": {
        "rules": [
            {"id": "year", "record": "memory", "max_days": 365, "trigger": "updated", "why": "w"},
            {"id": "month", "record": "history", "max_days": 30, "why": "w"},
        ]
    },
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Commands on a vault with two old memories of pat-1, one of pat-2, and an earlier value of pat-3."""
    folder, pack = tmp_path / "clinic", tmp_path / "kept-short"
    pack.mkdir()
    for name, content in PACK.items():
        (pack / name).write_text(json.dumps(content), encoding="utf-8")
    with Vault.init(folder, key_folder=tmp_path / "keys", keystore_backup="none") as vault:
        clock = Clock(vault, datetime.now(UTC) - timedelta(days=400))
        session = vault.session(Principal("clinic", "bot", ("app",)), purpose="service")
        for user in ("pat-1", "pat-1", "pat-2"):
            session.add("prefers tea", user_id=user)
        clock.move(days=300)
        session.update(session.add("prefers rum", user_id="pat-3").memories[0].id, "prefers gin")
        holds = vault.session(Principal("clinic", "dpo", ("privacy",)), purpose="rights-request").holds
        holds.place(user_id="pat-2", matter="case 2026-117")
    config = folder / "memvault.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('pack = "baseline"', f'pack = "{pack}"'), encoding="utf-8")
    monkeypatch.setenv("MEMVAULT_VAULT", str(folder))
    return run_command


def test_the_plan_is_printed_rule_by_rule(run: Run) -> None:
    answer = run("retention", "plan")
    assert answer.code == 0
    assert [line.split() for line in answer.out.splitlines()] == [
        ["rule", "what", "counted", "from", "days", "due", "people", "held"],
        ["expires_at", "memories", "expires_at", "0", "0", "0"],
        ["kept-short/year", "memories", "updated", "365", "2", "1", "1"],
        ["kept-short/month", "earlier", "values", "created", "30", "1", "1", "0"],
        [],
        ["3", "would", "be", "removed;", "nothing", "was.", "Repeat", "with", "run", "--execute."],
        ["1", "more", "are", "kept", "by", "legal", "holds"],
    ]
    assert run("retention", "run").out == answer.out
    assert run("retention", "plan").out == answer.out


def test_json_names_the_same_and_only_execute_removes(run: Run) -> None:
    planned = run("retention", "plan", "--json").document
    assert planned == run("retention", "run", "--json").document
    assert planned["executed"] is False
    assert planned["rules"][1] == {
        "rule": "kept-short/year",
        "record": "memory",
        "counted_from": "updated",
        "days": 365,
        "count": 2,
        "people": 1,
        "held": 1,
    }
    assert run("list", "--user", "pat-1", "--json").document["memories"]
    done = run("retention", "run", "--execute", "--json").document
    assert done == {**planned, "executed": True}
    assert run("list", "--user", "pat-1", "--json").document["memories"] == []
    assert len(run("list", "--user", "pat-2", "--json").document["memories"]) == 1
    assert run("retention", "run", "--execute").out.splitlines()[-2:] == [
        "removed 0",
        "1 more are kept by legal holds",
    ]


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_who_may_not_is_told_who_may(run: Run, verb: str) -> None:
    answer = run("retention", verb, "--role", "app", "--purpose", "service", "--json")
    assert (answer.code, answer.error["code"]) == (3, "policy.purpose")
    assert "permitted with --role operator --purpose operations" in answer.error["message"]
