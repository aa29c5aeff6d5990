"""`memvault request` and `memvault hold`: the whole way of an erasure, what is only shown, and the exit codes."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.commands import Answer, Run, added

from vault.cli import verbs
from vault.flows.erasing import requests

GROUND = ("--ground", "gdpr.17.1.b")


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def opened(run: Run, user: str, *options: str) -> str:
    answer = run("request", "open", "--json", "--user-id", "-", *GROUND, *options, text=user)
    assert answer.code == 0, answer.err
    return str(answer.document["id"])


def previewed(run: Run, user: str) -> tuple[str, Any]:
    request = opened(run, user)
    return request, run("request", "preview", request, "--json").document


def failed(answer: Answer, code: int, error: str) -> None:
    assert (answer.code, answer.error["code"]) == (code, error), answer.err
    assert answer.out == ""


def test_an_erasure_from_the_wish_to_the_certificate(run: Run, desk: Path) -> None:
    memory = added(run, "cli-1", "Reach her at ana@example.org")
    added(run, "cli-other", "Prefers tea")
    request, shown = previewed(run, "cli-1")
    assert (shown["state"], shown["counts"]["memories"], shown["approvals_needed"]) == ("previewed", 1, 0)
    dry = run("request", "run", request)
    assert "Nothing was erased" in dry.out
    assert run("get", memory).code == 0
    done = run("request", "run", request, "--execute", "--opening", "opening.json", "--json")
    assert (done.document["state"], done.document["opening"]) == ("erased", "opening.json")
    assert "cli-1" not in done.out
    assert json.loads(Path("opening.json").read_text(encoding="utf-8"))["subject"] == "user:cli-1"
    assert stat.S_IMODE(Path("opening.json").stat().st_mode) == 0o600
    assert run("get", memory).code == 9
    first = run("request", "certificate", request, "--out", "live.json", "--json").document
    assert (first["state"], first["probe"]["hits"]) == ("live-erased", 0)
    waiting = run("request", "roll", "--json").document
    assert (waiting["rolled"], waiting["waiting"], waiting["overdue"]) == (False, 1, 0)
    assert run("request", "roll", "--execute", "--json").document == {"rolled": False}  # not due yet
    rolled = run("request", "roll", "--execute", "--force", "--json").document
    assert rolled["rolled"] is True
    assert set(rolled["destroyed"].values()) == {"asserted"}
    page = run("request", "certificate", request, "--out", "c.json", "--html", "c.html")
    assert "asserted" in page.out
    assert Path("c.html").read_text(encoding="utf-8").startswith("<!")
    for name in ("c.json", "c.html", "live.json"):
        assert stat.S_IMODE(Path(name).stat().st_mode) == 0o600
        assert "cli-1" not in Path(name).read_text(encoding="utf-8")
    assert run("request", "show", request, "--json").document["state"] == "certified"
    assert run("search", "--json", "--user", "cli-other", "tea").document["hits"]


def test_nothing_is_overwritten_and_what_failed_leaves_no_file(run: Run, desk: Path) -> None:
    added(run, "cli-2", "Prefers tea")
    request, _ = previewed(run, "cli-2")
    Path("taken.json").write_text("mine", encoding="utf-8")
    failed(run("request", "run", request, "--execute", "--opening", "taken.json", "--json"), 2, "file.exists")
    assert run("request", "show", request, "--json").document["state"] == "previewed"
    failed(run("request", "certificate", request, "--out", "early.json", "--json"), 5, "request.state")
    assert not Path("early.json").exists()
    answer = run("request", "run", request, "--execute")
    assert "no --opening FILE" in answer.out
    failed(run("request", "certificate", request, "--out", "taken.json", "--json"), 2, "file.exists")
    both = ("--out", "new.json", "--html", "taken.json")
    failed(run("request", "certificate", request, *both, "--json"), 2, "file.exists")
    assert not Path("new.json").exists()
    assert Path("taken.json").read_text(encoding="utf-8") == "mine"


def test_each_refusal_has_its_exit_code(run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = added(run, "cli-3", "Prefers tea")
    unseen = opened(run, "cli-3")
    failed(run("request", "run", unseen, "--execute", "--json"), 5, "request.state")
    failed(run("request", "show", unseen, "--role", "app", "--json"), 3, "policy.denied")
    failed(run("request", "show", "0" * 32, "--json"), 9, "request.unknown")
    failed(run("request", "preview", opened(run, "cli-nobody"), "--json"), 9, "request.nothing")
    request, shown = previewed(run, "cli-3")
    failed(run("request", "approve", request, "--digest", shown["digest"], "--json"), 3, "approval.self")
    monkeypatch.setattr(requests, "_needed", lambda _call, _case: 1)
    failed(run("request", "run", request, "--execute", "--json"), 6, "approval.missing")
    with monkeypatch.context() as patch:
        patch.setattr(verbs, "system_user", lambda: "second-officer")
        agreed = run("request", "approve", request, "--digest", shown["digest"], "--json").document
        assert [one["by"] for one in agreed["approvals"]] == ["second-officer"]
    held = run("hold", "place", "--user-id", "cli-3", "--matter", "case 7", "--json").document["id"]
    failed(run("request", "run", request, "--execute", "--json"), 4, "hold.in_force")
    failed(run("delete", memory, "--json"), 4, "hold.in_force")
    assert run("hold", "release", held).code == 0
    assert run("request", "run", request, "--execute").code == 0


def test_a_leftover_is_exit_code_7(run: Run, folder: Path, desk: Path) -> None:
    added(run, "cli-4", "Reach her at ana@example.org")
    request, _ = previewed(run, "cli-4")
    token = (
        run("list", "--user", "cli-4", "--json").document["memories"][0]["text"].partition("[")[2].rstrip("]")
    )
    assert run("request", "run", request, "--execute").code == 0
    (folder / "leftover").write_text(token, encoding="utf-8")
    answer = run("request", "certificate", request, "--out", "c.json", "--json")
    (folder / "leftover").unlink()
    failed(answer, 7, "certificate.refused")
    assert not Path("c.json").exists()
    assert run("request", "certificate", request, "--out", "c.json").code == 0


def test_an_overdue_roll_is_exit_code_8_and_seen_by_doctor_and_status(
    run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("request", "roll", "--execute", "--force").code == 0
    assert run("request", "list", "--check", "--json").document["overdue"] == 0
    added(run, "cli-5", "Prefers tea")
    request, _ = previewed(run, "cli-5")
    past = datetime.now(UTC) - timedelta(days=3)
    with monkeypatch.context() as patch:
        patch.setattr(requests, "milliseconds", lambda _moment: int(past.timestamp() * 1000))
        assert run("request", "run", request, "--execute").code == 0
    listed = run("request", "list", "--check", "--json")
    assert (listed.code, listed.document["overdue"]) == (8, 1)
    assert "OVERDUE" in run("request", "list", "--check").out
    assert run("request", "list").code == 0
    held = run("hold", "place", "--user-id", "cli-5b", "--matter", "case 7", "--json").document["id"]
    (tenant,) = run("status", "--json").document["tenants"]
    assert (tenant["requests_waiting"], tenant["rolls_overdue"], tenant["holds"]) == (1, 1, 1)
    doctor = run("doctor", "--json").document["checks"]
    assert [check["level"] for check in doctor if check["area"] == "erasure"] == ["warn"]
    assert any("1 legal holds" in check["text"] for check in doctor if check["area"] == "holds")
    assert (
        run("request", "roll", "--execute", "--json").document["rolled"] is True
    )  # due by now, without --force
    assert run("request", "list", "--check").code == 0
    assert run("hold", "release", held).code == 0
    (tenant,) = run("status", "--json").document["tenants"]
    assert (tenant["requests_waiting"], tenant["rolls_overdue"], tenant["holds"]) == (0, 0, 0)


def test_holds_are_placed_listed_and_ended(run: Run) -> None:
    placed = run(
        "hold", "place", "--user-id", "-", "--matter", "case 7", "--reason", "ordered", "--review", "2031-05-04",
        "--json", text="cli-6\n",
    ).document  # fmt: skip
    assert (placed["about"], placed["review"], placed["state"]) == ("user:cli-6", "2031-05-04", "placed")
    assert placed["id"] in run("hold", "list").out
    assert [one["id"] for one in run("hold", "list", "--json").document["holds"]] == [placed["id"]]
    ended = run("hold", "release", placed["id"], "--reason", "case closed", "--json").document
    assert ended["state"] == "released"
    assert run("hold", "list", "--json").document["holds"] == []
    assert "no holds" in run("hold", "list").out
    assert "released" in run("hold", "list", "--released").out
    failed(run("hold", "release", placed["id"], "--json"), 9, "hold.unknown")
    failed(run("hold", "place", "--matter", "case 7", "--json"), 2, "scope.missing")
    both = ("--user-id", "cli-6", "--tenant-hold")
    failed(run("hold", "place", *both, "--matter", "case 7", "--json"), 2, "scope.one")


def test_a_tenants_erasure_is_the_operators_and_says_so(
    run: Run, desk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("tenant", "create", "leaving").code == 0
    assert run("add", "--tenant", "leaving", "--user", "u", "Prefers tea").code == 0
    asked = (
        "request",
        "open",
        "--tenant-erasure",
        "--ground",
        "gdpr.28.3.g",
        "--tenant",
        "leaving",
        "--json",
    )
    request = run(*asked).document["id"]
    denied = run("request", "preview", request, "--tenant", "leaving", "--json")
    assert denied.code == 3
    assert "--role operator --purpose operations" in denied.error["message"]
    operator = ("--tenant", "leaving", "--role", "operator", "--purpose", "operations", "--json")
    digest = run("request", "preview", request, *operator).document["digest"]
    with monkeypatch.context() as patch:
        patch.setattr(verbs, "system_user", lambda: "second-officer")
        approved = run("request", "approve", request, "--digest", digest, "--tenant", "leaving", "--json")
        assert approved.code == 0, approved.err
    assert run("request", "run", request, "--execute", "--roll", *operator).document["state"] == "erased"
    assert (
        run("request", "certificate", request, "--out", "c.json", *operator).document["state"] == "asserted"
    )
    failed(run("add", "--tenant", "leaving", "--user", "u", "Prefers rum", "--json"), 9, "tenant.unknown")
    tenants = {one["name"]: one["erased"] for one in run("tenant", "list", "--json").document["tenants"]}
    assert tenants["leaving"] is True
    assert run("audit", "verify", "--tenant", "leaving").code == 0
