"""`memvault demo` shows what it claims: its facts are checked, and what a person sees fits a terminal."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from support.commands import run_command

from vault.cli.demo import REASON, UPDATED, sample_bytes
from vault.cli.readable import Haystack, needles


@pytest.fixture(scope="module")
def sample() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(sample_bytes())
    return found


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    answer = run_command("demo", "--json", "--keep", tmp_path_factory.mktemp("demo") / "kept")
    assert answer.code == 0, answer.err
    found: dict[str, Any] = answer.document
    return found


def test_every_message_is_stored_and_no_detected_value_with_it(
    facts: dict[str, Any], sample: dict[str, Any]
) -> None:
    people = [person for tenant in sample["tenants"] for person in tenant["people"]]
    assert len({tenant["name"] for tenant in sample["tenants"]}) == 2
    assert [person["user"] for person in facts["written"]] == [person["user"] for person in people]
    for written, person in zip(facts["written"], people, strict=True):
        assert [turn["said"] for turn in written["turns"]] == [m["text"] for m in person["messages"]]
        for turn, message in zip(written["turns"], person["messages"], strict=True):
            assert (turn["stored"] == turn["said"]) == (
                not message.get("values") and "93" not in turn["said"]
            )
            for value in message.get("values", ()):
                assert value not in turn["stored"]
    classes = {entity for person in facts["written"] for entity in person["redacted"]}
    assert classes >= {
        "EMAIL_ADDRESS",
        "PHONE_NUMBER",
        "CREDIT_CARD",
        "US_SSN",
        "MRN",
        "IBAN_CODE",
        "CARD_CVV",
        "PASSWORD",
    }


def test_the_sample_tries_to_evade_detection(sample: dict[str, Any]) -> None:
    text = json.dumps(sample, ensure_ascii=False)
    assert "\u200b" in text
    assert any("\uff00" <= character <= "\uff5e" for character in text)


def test_memories_are_found_by_meaning_by_keyword_and_by_value(facts: dict[str, Any]) -> None:
    found = {(hit["how"], hit["question"]): hit["found"] for hit in facts["found"]}
    assert {how for how, _ in found} == {"by meaning", "by keyword", "by value"}
    expected = ["Penicillin gives", "left knee", "umbrellas", "Write to [EMAIL:", "VIN"]
    assert all(part in text for part, text in zip(expected, found.values(), strict=True))
    for (how, question), text in found.items():
        shared = set(question.lower().rstrip("?").split()) & set(text.lower().split())
        assert (how == "by keyword") or shared <= {"is", "the", "she", "to"}


def test_attempts_across_the_tenants_are_answered_like_absent_ids(facts: dict[str, Any]) -> None:
    foreign, absent, deleted, wildcard, tenant = facts["attacks"]["attempts"]
    answers = [{**attempt, "attempt": ""} for attempt in (foreign, absent, deleted)]
    assert answers[0] == answers[1] == answers[2]
    assert (foreign["code"], foreign["exit_code"]) == ("memory.unknown", 9)
    assert (wildcard["code"], wildcard["exit_code"]) == ("scope.wildcard", 2)
    assert tenant["exit_code"] == 2
    assert facts["attacks"]["foreign_hits"] == 0


def test_an_update_keeps_its_history(facts: dict[str, Any]) -> None:
    assert [(step["version"], step["event"], step["reason"]) for step in facts["history"]] == [
        (1, "ADD", None),
        (2, "UPDATE", REASON),
    ]
    assert facts["history"][1]["text"] == UPDATED


def test_a_value_is_revealed_to_staff_and_denied_to_the_app(facts: dict[str, Any]) -> None:
    assert (facts["reveal"]["app"]["code"], facts["reveal"]["app"]["exit_code"]) == ("policy.denied", 3)
    assert "+44 20 7946 0958" in facts["reveal"]["staff"]
    assert "+44 20 7946 0958" not in facts["reveal"]["stored"]


def test_log_and_records_verify_and_the_log_names_who_saw_what(facts: dict[str, Any]) -> None:
    assert all(v["checkpoints"] >= 1 and v["records"] > 0 for v in facts["log"]["verified"].values())
    seen = [(entry["action"], entry["actor"]) for entry in facts["log"]["entries"]]
    assert ("memory.reveal", "dr-osei") in seen
    assert ("memory.search", "intake-bot") in seen
    assert facts["log"]["checkpoint"].startswith("memvault/")


def test_a_flipped_byte_is_caught_and_the_original_still_verifies(facts: dict[str, Any]) -> None:
    assert facts["tampered"]["caught"]["exit_code"] == 7
    assert facts["tampered"]["original"]["records"] == len(
        facts["written"][0]["turns"] + facts["written"][1]["turns"]
    )


def test_nothing_that_went_in_is_readable_in_any_file(facts: dict[str, Any], sample: dict[str, Any]) -> None:
    strings = needles(sample)
    assert facts["files"]["readable"] == 0
    assert facts["files"]["control"] == facts["files"]["strings"] == len(strings)
    names = {Path(file["path"]).suffix for file in facts["files"]["files"]}
    assert names >= {".db", ".db-wal", ".key", ".toml"}
    kept = Haystack(path for path in Path(facts["kept"]).rglob("*") if path.is_file())
    assert kept.count(strings) == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "hex", "base64", "upper"])
def test_the_search_through_files_can_fail(tmp_path: Path, encoding: str) -> None:
    import base64

    secret = "my knee hurts"
    forms = {
        "hex": secret.encode().hex().encode(),
        "base64": base64.b64encode(b"x" + secret.encode() + b"yz"),
        "upper": secret.upper().encode(),
    }
    planted = forms.get(encoding) or secret.encode(encoding)
    (tmp_path / "clean").write_bytes(bytes(range(256)) * 8)
    (tmp_path / "leak").write_bytes(b"\xf3" * 37 + planted + b"\xf3" * 5)
    assert Haystack([tmp_path / "clean"]).count([secret]) == 0
    assert Haystack([tmp_path / "clean", tmp_path / "leak"]).count([secret, "another secret"]) == 1


def test_the_kept_vault_is_one_that_commands_open(facts: dict[str, Any]) -> None:
    place = Path(facts["kept"]) / "vault"
    listed = run_command(
        "--vault", place, "--tenant", "lindenhof-clinic", "list", "--user", "patient-0042", "--json"
    )
    assert len(listed.document["memories"]) == 6
    assert run_command("--vault", place, "doctor", "--tenant", "lindenhof-clinic").code == 0


def test_it_is_quick(facts: dict[str, Any]) -> None:
    assert facts["seconds"] < 5


def test_what_a_person_sees_fits_a_hundred_columns_without_colour(tmp_path: Path) -> None:
    answer = run_command("demo", "--keep", tmp_path / "kept")
    assert answer.code == 0, answer.err
    assert answer.err == ""
    assert "\x1b" not in answer.out
    lines = answer.out.replace(str(tmp_path), "").splitlines()  # a long path may stand on a line of its own
    assert max(map(cell_len, lines)) <= 100
    for said in (
        "What goes in",
        "by meaning",
        "exit 9",
        "exit 7",
        "Who may see a value",
        "strings are readable",
    ):
        assert said in answer.out


def test_a_temporary_demo_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert run_command("demo", "--json").document["kept"] is None
    assert list(tmp_path.iterdir()) == []


def test_keep_refuses_a_folder_that_holds_something(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("precious", encoding="utf-8")
    answer = run_command("demo", "--json", "--keep", tmp_path)
    assert (answer.code, answer.error["code"]) == (11, "demo.folder")
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    shutil.rmtree(tmp_path)
