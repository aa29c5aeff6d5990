"""What is in an export: everything held about the person and nothing of anybody else's, as the schema says."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.calls import Clock, session_of, stages_of
from support.exported import EMAIL, SECRET, TYPED, USER, Read, live, privacy
from support.json_schema import problems

from vault import Vault
from vault.exporting import files
from vault.redaction.detect import BuiltinDetector
from vault.types import Memory

ROOT = Path(__file__).resolve().parents[3]
SCHEMA: dict[str, Any] = json.loads(files.schema())


def exported(vault: Vault, place: Path, **options: Any) -> Read:
    made = privacy(vault).exports.run(user_id=USER, to=place, format="folder", **options)
    assert made.path == place
    assert made.complete
    return Read(place)


def as_memory(line: dict[str, Any]) -> dict[str, Any]:
    """A line without what a `Memory` does not have."""
    return {key: value for key, value in line.items() if key not in ("kind", "deleted", "expired", "history")}


def plain(memory: Memory) -> dict[str, Any]:
    from vault.cli.output import plain as as_json

    found = as_json(memory)
    assert isinstance(found, dict)
    return found


def test_memories_are_those_that_are_listed_with_the_history_that_is_shown(
    clinic: Vault, tmp_path: Path
) -> None:
    names = live(clinic)
    read = exported(clinic, tmp_path / "copy")
    app = session_of(clinic)
    held = {line["id"]: line for line in read.memories if not line["deleted"]}
    assert {key: as_memory(line) for key, line in held.items()} == {
        memory.id: plain(memory) for memory in app.list(user_id=USER).memories
    }
    for line in read.memories:
        shown = app.history(line["id"])
        assert [(s["version"], s["event"], s["actor"]) for s in line["history"]] == [
            (r.version, r.event, r.actor) for r in shown
        ]
        older = [(s.get("text"), s.get("metadata")) for s in line["history"]][:-1]
        assert older == [(r.text, r.metadata) for r in shown[:-1]]
    gone = next(line for line in read.memories if line["deleted"])
    assert gone["id"] == names["gone"]
    assert gone["text"] is gone["metadata"] is None
    assert [step["event"] for step in gone["history"]] == ["ADD", "DELETE"]
    assert "Likes rum" not in read.everything()
    assert read.summary["counts"] == {
        "memories": 2,
        "deleted": 1,
        "versions": 5,
        "tokens": 3,
        "log_entries": 8,
    }


def test_without_a_reason_no_value_is_in_it(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    read = exported(clinic, tmp_path / "copy")
    for value in (EMAIL, SECRET, "bob"):
        assert value not in read.everything()
    assert read.summary["revealed"] is None
    assert {token["class"] for token in read.tokens} == {"EMAIL_ADDRESS", "PASSWORD", "PERSON"}
    assert not any("value" in token for token in read.tokens)


def test_with_a_reason_only_the_persons_own_values_and_only_the_roles_classes(
    clinic: Vault, tmp_path: Path
) -> None:
    names = live(clinic)
    read = exported(clinic, tmp_path / "copy", reveal="request 7")
    first = next(line for line in read.memories if line["id"] == names["first"])
    assert first["text"].startswith(f"Write to {EMAIL}, my password is [PASSWORD:")
    assert first["metadata"] == {"room": "blue", "contact": EMAIL}
    assert first["history"][0]["text"].startswith(f"Write to {EMAIL}")
    assert SECRET not in read.everything()
    assert "bob" not in read.everything()
    said = next(line for line in read.memories if line["id"] == names["said"])
    assert (said["role"], said["name"]) == ("user", "Ana")
    assert read.summary["revealed"] == {"EMAIL_ADDRESS": 4, "PERSON": 1}
    assert read.summary["withheld"] == {"PASSWORD": 2}
    assert [(t["class"], t.get("value"), t["uses"]) for t in read.tokens] == [
        ("EMAIL_ADDRESS", EMAIL, 2),
        ("PASSWORD", None, 2),
        ("PERSON", "Ana", 1),
    ]
    assert any("PASSWORD" in sentence for sentence in read.summary["not_included"])


@pytest.mark.parametrize("reveal", [False, "request 7"])
def test_what_only_looks_like_a_token_stays_escaped(clinic: Vault, tmp_path: Path, reveal: Any) -> None:
    names = live(clinic)
    bob = session_of(clinic).list(user_id="bob").memories[0]
    foreign = bob.text[bob.text.index("[EMAIL:") :]
    clinic._opened().detector = BuiltinDetector(names=None)  # six letters of a token may read as a name
    session_of(clinic).add(f"the other one is {foreign}", user_id=USER)
    read = exported(clinic, tmp_path / "copy", reveal=reveal)
    texts = {line["id"]: line["text"] for line in read.memories}
    assert texts[names["first"]].endswith(TYPED.replace("[", "[~"))
    assert f"the other one is {foreign.replace('[', '[~')}" in texts.values()
    assert "bob@" not in read.everything()


def test_a_value_that_looks_like_a_token_is_escaped_where_it_is_put_back(
    clinic: Vault, tmp_path: Path
) -> None:
    from vault.flows.tokens import TokenMap

    live(clinic)
    original = TokenMap.value
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TokenMap, "value", lambda self, token: (original(self, token)[0], TYPED))  # type: ignore[index]
        read = exported(clinic, tmp_path / "copy", reveal="request 7")
    assert "Write to [~EMAIL:aaaaaa]" in read.memories[0]["text"]


def test_reasons_are_examined_when_they_are_handed_out(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    read = exported(clinic, tmp_path / "copy")
    assert "Gonzalez" not in read.everything()
    assert read.memories[0]["history"][1]["reason"] == "asked by [PERSON]"
    assert {entry["reason"] for entry in read.log} == {None, "asked by [PERSON]", "wrong person"}


def test_a_reason_that_the_pack_blocks_is_withheld_and_the_others_are_not(
    clinic: Vault, tmp_path: Path
) -> None:
    from dataclasses import replace

    live(clinic)
    stages = stages_of(clinic)
    stages.policy = replace(stages.policy, operators={**stages.policy.operators, "PERSON": "block"})
    read = exported(clinic, tmp_path / "copy")
    assert {entry["reason"] for entry in read.log} == {None, "[WITHHELD]", "wrong person"}


def test_the_log_has_every_entry_about_the_person_up_to_the_export_itself(
    clinic: Vault, tmp_path: Path
) -> None:
    live(clinic)
    read = exported(clinic, tmp_path / "copy", reveal="request 7")
    shown = [(e["action"], e["actor"], e["roles"], e["purpose"], e["result"], e["count"]) for e in read.log]
    app = ("intake-bot", ["app"], "service", "ok")
    assert shown == [
        ("subject.create", *app, 0),
        ("memory.add", *app, 1),
        ("memory.update", *app, 1),
        ("memory.add", *app, 1),
        ("memory.add", *app, 1),
        ("memory.delete", *app, 1),
        ("memory.search", *app, 2),
        ("subject.export", "kim", ["privacy"], "rights-request", "ok", 0),
    ]
    assert read.log[-1]["reason"] == "request 7"
    assert set(read.summary["actions"]) == {entry["action"] for entry in read.log}
    assert read.summary["actions"]["memory.search"] == "memories were searched"
    assert "service" in read.summary["purposes"]


def test_who_saw_values_is_in_the_log_with_the_kinds_of_values(clinic: Vault, tmp_path: Path) -> None:
    names = live(clinic)
    session_of(clinic, roles=("staff",), name="lee").reveal(names["first"], reason="call her back")
    entry = exported(clinic, tmp_path / "copy").log[-2]
    assert (entry["action"], entry["actor"], entry["count"]) == ("memory.reveal", "lee", 2)
    assert entry["classes"] == {"EMAIL_ADDRESS": 2}
    assert entry["memory_ids"] == [names["first"]]


def test_what_has_expired_and_is_still_held_is_in_it_and_says_so(clinic: Vault, tmp_path: Path) -> None:
    clock = Clock(clinic)
    app = session_of(clinic)
    app.add("Likes tea", user_id=USER, expires_at=clock.now + timedelta(days=1))
    clock.move(days=2)
    assert app.list(user_id=USER).memories == ()
    (line,) = exported(clinic, tmp_path / "copy").memories
    assert (line["text"], line["expired"], line["deleted"]) == ("Likes tea", True, False)


def test_more_than_a_window_is_all_there_in_order(clinic: Vault, tmp_path: Path) -> None:
    app = session_of(clinic)
    app.add_many([{"content": f"Entry {n}", "user_id": USER} for n in range(250)])
    for memory in app.list(user_id=USER, limit=1000).memories[50:170:2]:
        app.delete(memory.id)
    read = exported(clinic, tmp_path / "copy")
    texts = [line["text"] for line in read.memories]
    assert len(texts) == 250
    assert texts.count(None) == 60
    assert [t for t in texts if t] == [f"Entry {n}" for n in range(250) if not 50 <= n < 170 or n % 2]
    assert all(sum(1 for line in read.lines(name)) == lines["lines"] for lines in read.summary["files"]
               for name in [lines["name"]])  # fmt: skip


def test_many_tokens_come_page_by_page(
    clinic: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.flows.exports.write._TOKENS", 7)
    app = session_of(clinic)
    app.add_many([{"content": f"Write to a{n}@example.org", "user_id": USER} for n in range(28)])
    read = exported(clinic, tmp_path / "copy", reveal="request 7")
    assert {token["value"] for token in read.tokens} == {f"a{n}@example.org" for n in range(28)}
    assert len({token["token"] for token in read.tokens}) == len(read.tokens) == 28


def test_a_person_of_whom_only_the_log_is_left_has_an_export(clinic: Vault, tmp_path: Path) -> None:
    app = session_of(clinic)
    app.delete(app.add("Likes tea", user_id=USER).memories[0].id)
    read = exported(clinic, tmp_path / "copy")
    assert [line["deleted"] for line in read.memories] == [True]
    assert read.tokens == []
    assert "<p>None.</p>" in read.page


# --- form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reveal", [False, "request 7"])
def test_every_document_and_line_is_as_the_schema_says(clinic: Vault, tmp_path: Path, reveal: Any) -> None:
    live(clinic)
    read = exported(clinic, tmp_path / "copy", reveal=reveal)
    documents = [read.summary, json.loads(read.files["manifest.json"])]
    lines = [*read.memories, *read.tokens, *read.log]
    assert {one["kind"] for one in (*documents, *lines)} == {
        "export",
        "memory",
        "token",
        "access",
        "manifest",
    }
    for one in (*documents, *lines):
        assert list(problems(SCHEMA, one)) == []
        assert list(problems(SCHEMA["$defs"][one["kind"]], one, SCHEMA)) == []
    assert read.files["schema.json"].decode() == files.schema()


def test_the_schema_is_closed_published_and_notices_what_is_wrong(clinic: Vault, tmp_path: Path) -> None:
    assert (ROOT / "docs" / "schemas" / "export-1.schema.json").read_text(encoding="utf-8") == files.schema()
    for part in SCHEMA["$defs"].values():
        if "properties" in part:
            assert part["additionalProperties"] is False
    live(clinic)
    memory = exported(clinic, tmp_path / "copy").memories[0]
    for wrong in (
        {**memory, "surprise": 1}, {**memory, "version": "1"}, {**memory, "version": 0}, {**memory, "kind": "memories"},
        {**memory, "created_at": "2026-11-21"}, {k: v for k, v in memory.items() if k != "text"},
        {**memory, "history": [{}]}, {**memory, "deleted": None},
    ):  # fmt: skip
        assert list(problems(SCHEMA, wrong))


def test_lines_end_where_lines_end(clinic: Vault, tmp_path: Path) -> None:
    """Separators of Unicode are text, and must not cut a line for readers that take them for line ends."""
    text = "one\u2028two\u2029three\nfour \u202egnp.exe"
    session_of(clinic).add(text, user_id=USER)
    read = exported(clinic, tmp_path / "copy")
    (line,) = read.files["memories.jsonl"].decode().splitlines()
    assert json.loads(line)["text"] == text


def test_the_same_through_asyncio(clinic: Vault, tmp_path: Path) -> None:
    import asyncio

    from vault import AsyncSession

    live(clinic)
    session = AsyncSession(privacy(clinic))

    async def both() -> tuple[Any, Any]:
        return (
            await session.exports.preview(user_id=USER),
            await session.exports.run(user_id=USER, to=tmp_path / "copy.zip"),
        )

    counted, made = asyncio.run(both())
    assert counted.counts == {"memories": 2, "tokens": 3}
    assert made.counts["memories"] == 2


def test_a_preview_counts_what_would_be_shown_and_writes_nothing(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    before = sorted(tmp_path.rglob("*"))
    exports = privacy(clinic).exports
    shown, hidden = exports.preview(user_id=USER, reveal="request 7"), exports.preview(user_id=USER)
    assert (shown.revealed, shown.withheld) == ({"EMAIL_ADDRESS": 1, "PERSON": 1}, {"PASSWORD": 1})
    assert (hidden.revealed, hidden.withheld) == ({}, {"EMAIL_ADDRESS": 1, "PASSWORD": 1, "PERSON": 1})
    assert shown.counts == hidden.counts == {"memories": 2, "tokens": 3}
    assert [path for path in sorted(tmp_path.rglob("*")) if "-wal" not in path.name] == [
        path for path in before if "-wal" not in path.name
    ]


def test_a_large_export_is_in_memory_one_window_at_a_time(
    clinic: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told by the lines that are alive at once: never more than a window's."""
    import gc

    from vault.flows.exports import write as export_write

    def alive() -> int:
        return sum(type(one) is dict and one.get("kind") == "memory" for one in gc.get_objects())

    session_of(clinic).add_many([{"content": f"Entry {n}", "user_id": USER} for n in range(450)])
    gc.collect()
    before, seen = alive(), []
    original: Callable[..., Any] = export_write.memory_lines

    def counted(*arguments: Any) -> Any:
        lines = original(*arguments)
        seen.append(alive() - before)
        return lines

    monkeypatch.setattr(export_write, "memory_lines", counted)
    exported(clinic, tmp_path / "copy")
    assert 100 <= max(seen) <= 200
    assert len(seen) == 5


def test_every_id_of_the_person_leads_to_the_same_copy_and_is_in_it(clinic: Vault, tmp_path: Path) -> None:
    from vault.keys import identity

    live(clinic)
    stages = stages_of(clinic)
    tenant = stages.keystore.tenant("clinic")
    assert tenant is not None
    subject = stages.keystore.subject(tenant, "user", USER)
    assert subject is not None
    identity.add_alias(stages.keystore, tenant, subject.sid, ("user", "pat-old"))
    made = privacy(clinic).exports.run(user_id="pat-old", to=tmp_path / "copy", format="folder")
    read = Read(made.path)
    assert made.counts["memories"] == 2
    assert read.summary["subject"] == {
        "user_id": "pat-old",
        "ids": [{"kind": "user", "id": USER}, {"kind": "user", "id": "pat-old"}],
    }
    assert {line["user_id"] for line in read.memories} == {USER}
    assert f"<dt>Also stored under</dt><dd><bdi>{USER}</bdi></dd>" in read.page
