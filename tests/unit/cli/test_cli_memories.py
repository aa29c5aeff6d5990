"""The verbs on memories, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.commands import Run, added

from vault.types import Memory

FACT = "Allergic to penicillin; write to nurse@example.org"


def test_add_reads_standard_input_and_says_what_was_redacted(run: Run) -> None:
    answer = run("add", "--user", "pat-1", text=FACT + "\n")
    assert answer.code == 0
    assert "Allergic to penicillin" in answer.out
    assert "nurse@example.org" not in answer.out
    assert "1 EMAIL_ADDRESS" in answer.out


def test_add_reads_a_file_or_an_argument_but_not_both(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "fact.txt"
    file.write_text("\ufeffPrefers tea\r\n", encoding="utf-8")
    from_file = run("add", "--json", "--user", "pat-2", "--file", file)
    from_argument = run("add", "--json", "--user", "pat-2", "Prefers coffee")
    assert [a.document["memories"][0]["text"] for a in (from_file, from_argument)] == [
        "Prefers tea",
        "Prefers coffee",
    ]
    both = run("add", "--user", "pat-2", "Prefers water", "--file", file)
    assert both.code == 2
    assert "[text.twice]" in both.err


@pytest.mark.parametrize(
    ("text", "code"),
    [(b"\xff\xfe", "text.encoding"), (b"", "text.empty"), (b"\n", "text.empty"), (b"a" * 1_048_577, "text.length"),
     (b"bell\x07", "text.control")],
)  # fmt: skip
def test_input_that_is_no_text_is_refused(run: Run, text: bytes, code: str) -> None:
    answer = run("add", "--json", "--user", "pat-3", text=text)
    assert (answer.code, answer.error["code"], answer.out) == (2, code, "")
    assert run("list", "--json", "--user", "pat-3").document["memories"] == []


def test_a_missing_file_is_not_found_and_its_path_is_not_repeated(run: Run, tmp_path: Path) -> None:
    answer = run("add", "--user", "pat-3", "--file", tmp_path / "Ana-Rivera.txt")
    assert answer.code == 9
    assert "Ana-Rivera" not in answer.err


def test_every_field_of_a_memory_is_in_the_document(run: Run) -> None:
    memory_id = added(
        run, "pat-4", "Prefers tea", "--run", "r1", "--metadata", '{"n": 1}', "--expires", "30d"
    )
    document = run("get", "--json", memory_id).document
    assert set(document) == set(Memory.__dataclass_fields__)
    assert (document["user_id"], document["run_id"], document["metadata"]) == ("pat-4", "r1", {"n": 1})
    assert document["created_at"].endswith("Z")
    assert document["expires_at"] > document["created_at"]


def test_metadata_comes_from_a_file_too_and_must_be_an_object(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "metadata.json"
    file.write_text('{"ward": "7b"}', encoding="utf-8")
    memory_id = added(run, "pat-5", "Prefers tea", "--metadata", f"@{file}")
    assert run("get", "--json", memory_id).document["metadata"] == {"ward": "7b"}
    for wrong in ("[1]", "{", '{"a": 1, "a": 2}', '{"a": NaN}', "[" * 100_000):
        answer = run("add", "--json", "--user", "pat-5", "--metadata", wrong, "text")
        assert answer.code == 2
        assert answer.error["code"] in {"json.syntax", "json.type"}


@pytest.mark.parametrize("value", ["yesterday", "30x", "2020-01-01", ""])
def test_an_expiry_that_is_no_time_or_past_is_refused(run: Run, value: str) -> None:
    assert run("add", "--user", "pat-5", "--expires", value, "text").code == 2


def test_search_finds_by_words_and_by_a_redacted_value(run: Run) -> None:
    added(run, "pat-6", FACT)
    added(run, "pat-6", "Prefers tea in the morning")
    for question in ("penicillin", "nurse@example.org"):
        hits = run("search", "--json", "--user", "pat-6", "--limit", "1", question).document["hits"]
        assert hits[0]["memory"]["text"].startswith("Allergic")
    piped = run("search", "--user", "pat-6", "--explain", text="which drugs to avoid? penicillin\n")
    assert "penicillin" in piped.out
    assert "dense" in piped.out
    assert "nothing found" in run("search", "--user", "nobody-6", "tea").out


def test_search_takes_filters_and_a_threshold(run: Run) -> None:
    added(run, "pat-7", "Prefers tea", "--metadata", '{"ward": "a"}')
    added(run, "pat-7", "Prefers tea", "--metadata", '{"ward": "b"}')
    found = run("search", "--json", "--user", "pat-7", "--filter", '{"ward": "b"}', "tea").document["hits"]
    assert [hit["memory"]["metadata"] for hit in found] == [{"ward": "b"}]
    assert run("search", "--json", "--user", "pat-7", "--threshold", "0.999", "zebra").document["hits"] == []


def test_list_pages_through_everything_once(run: Run) -> None:
    ids = [added(run, "pat-8", f"fact number {n}") for n in range(5)]
    seen: list[str] = []
    cursor: list[str] = []
    while True:
        page = run("list", "--json", "--user", "pat-8", "--limit", "2", *cursor).document
        seen += [memory["id"] for memory in page["memories"]]
        if page["next_cursor"] is None:
            break
        cursor = ["--cursor", page["next_cursor"]]
    assert seen == ids
    assert "--cursor" in run("list", "--user", "pat-8", "--limit", "2").out


def test_update_keeps_the_text_when_only_metadata_is_given(run: Run) -> None:
    memory_id = added(run, "pat-9", "Prefers tea")
    kept = run("update", "--json", memory_id, "--metadata", '{"n": 2}', text="this must not be read")
    assert (kept.document["text"], kept.document["metadata"], kept.document["version"]) == (
        "Prefers tea",
        {"n": 2},
        2,
    )
    changed = run(
        "update", "--json", memory_id, "-", "--metadata", '{"n": 3}', "--reason", "asked", text="Prefers milk"
    )
    assert (changed.document["text"], changed.document["metadata"]) == ("Prefers milk", {"n": 3})
    steps = run("history", "--json", memory_id).document["revisions"]
    assert [(s["event"], s["text"], s["reason"]) for s in steps] == [
        ("ADD", "Prefers tea", None),
        ("UPDATE", "Prefers tea", None),
        ("UPDATE", "Prefers milk", "asked"),
    ]
    assert "Prefers milk" in run("history", memory_id).out


def test_delete_acts_on_one_id_and_dry_run_on_none(run: Run) -> None:
    memory_id = added(run, "pat-10", "Prefers tea")
    dry = run("delete", "--json", "--dry-run", memory_id)
    assert (dry.document["deleted"], dry.document["would_delete"]) == (0, 1)
    assert run("get", memory_id).code == 0
    assert run("delete", "--json", memory_id, "--reason", "twice").document == {"deleted": 1}
    assert run("get", memory_id).code == 9
    assert run("delete", memory_id).code == 9
    last = run("history", "--json", memory_id).document["revisions"][-1]
    assert (last["event"], last["text"], last["reason"]) == ("DELETE", None, "twice")


def test_delete_all_counts_first_and_needs_its_scope_spelled_out(run: Run, folder: Path) -> None:
    for number in range(3):
        added(run, "pat-11", f"fact {number}", "--run", "keep" if number == 0 else "go")
    configuration = folder / "memvault.toml"
    before = configuration.read_text(encoding="utf-8")
    configuration.write_text(before + '\nuser = "pat-11"\n', encoding="utf-8")  # [cli] is the last section
    try:
        assert run("list", "--json").document["memories"]
        refused = run("delete-all", "--json", "--execute")
        assert (refused.code, refused.error["code"]) == (2, "scope.missing")
    finally:
        configuration.write_text(before, encoding="utf-8")
    assert run("delete-all", "--json", "--user", "pat-11").document == {"deleted": 0, "would_delete": 3}
    assert "--execute" in run("delete-all", "--user", "pat-11").out
    narrowed = run("delete-all", "--json", "--user", "pat-11", "--run", "go", "--execute")
    assert narrowed.document == {"deleted": 2}
    assert len(run("list", "--json", "--user", "pat-11").document["memories"]) == 1


def test_reveal_is_denied_to_the_app_and_the_answer_says_who_may(run: Run) -> None:
    memory_id = added(run, "pat-12", FACT)
    denied = run("reveal", memory_id, "--reason", "call back")
    assert denied.code == 3
    assert "--role staff --purpose treatment" in denied.err
    shown = run("reveal", memory_id, "--reason", "call back", "--role", "staff", "--json")
    assert shown.document["text"] == FACT
    assert run("reveal", memory_id, "--role", "staff").code == 2  # no reason, no reveal
    for verb in (
        ("get", memory_id),
        ("list", "--user", "pat-12"),
        ("search", "--user", "pat-12", "penicillin"),
    ):
        assert "nurse@example.org" in run(*verb, "--reveal", "call back", "--role", "staff").out
        refused = run(*verb, "--reveal", "call back")
        assert refused.code == 3
        assert "--role staff" in refused.err


def test_a_user_binds_commands_on_one_memory(run: Run) -> None:
    memory_id = added(run, "pat-13", "Prefers tea")
    assert run("get", "--user", "pat-13", memory_id).code == 0
    for verb in (("get",), ("history",), ("delete",), ("update", "--metadata", "{}")):
        assert run(*verb, "--user", "pat-14", memory_id).code == 9
    assert run("get", memory_id).code == 0


@pytest.mark.parametrize("user", ["", "*", " ", "a\x00b", "\u202eb"])
def test_a_user_that_is_no_plain_id_is_refused_everywhere(run: Run, user: str) -> None:
    verbs = [("add", "text"), ("search", "text"), ("list",), ("delete-all",), ("delete-all", "--execute")]
    for verb in verbs:
        answer = run(*verb, "--user", user)
        assert answer.code == 2, verb


def test_what_steers_a_terminal_is_shown_harmless(run: Run) -> None:
    memory_id = added(run, "pat-15", "invoice \u202egnp.exe and \x0dhidden")
    for shown in (run("get", memory_id).out, run("get", "--json", memory_id).out):
        assert "\u202e" not in shown
        assert "\r" not in shown
    assert json.loads(run("get", "--json", memory_id).out)["text"].count("\u202e") <= 1


def test_a_repeated_key_stores_nothing_twice_and_must_mean_the_same(run: Run) -> None:
    first = added(run, "pat-16", "Prefers tea", "--idempotency-key", "key-12345")
    assert added(run, "pat-16", "Prefers tea", "--idempotency-key", "key-12345") == first
    other = run("add", "--json", "--user", "pat-16", "--idempotency-key", "key-12345", "Prefers milk")
    assert (other.code, other.error["code"]) == (5, "idempotency.mismatch")


def test_repeats_take_one_place_and_age_counts_where_asked(run: Run) -> None:
    added(run, "pat-repeats", "Drinks oolong")
    newest = added(run, "pat-repeats", "drinks  oolong.")
    once = run("search", "--user", "pat-repeats", "--json", "oolong").document["hits"]
    assert [hit["memory"]["id"] for hit in once] == [newest]
    assert len(run("search", "--user", "pat-repeats", "--repeats", "--json", "oolong").document["hits"]) == 2
    shown = run("search", "--user", "pat-repeats", "--recency", "30", "--explain", "oolong")
    assert "recency 1.000" in shown.out
