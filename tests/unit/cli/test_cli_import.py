"""`memvault import`: forms, refusals by line, resumption, and what it never keeps in memory or in the report."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from support.commands import Run

from vault.cli.importing import read_lines, to_item
from vault.errors import InvalidInputError


def write_lines(path: Path, *lines: object) -> Path:
    path.write_text(
        "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n",
        encoding="utf-8",
    )
    return path


def texts(run: Run, user: str) -> list[str]:
    return [memory["text"] for memory in run("list", "--json", "--user", user).document["memories"]]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '{"text": "one"}\n{"memory": "two"}\n'),
        ("b.json", '[{"text": "one"}, {"content": "two"}]'),
        ("c.json", '{"memories": [{"text": "one"}, {"text": "two"}]}'),
        ("d.json", '{\n "memories": [\n  {"text": "one"},\n  {"text": "two"}\n ]\n}\n'),
        ("e.txt", '\n\n{"text": "one"}\n{"text": "two"}'),
        ("f.json", '\ufeff[\n {"text": "one"},\n {"text": "two"}\n]'),
    ],
)
def test_every_form_is_read(run: Run, tmp_path: Path, name: str, content: str) -> None:
    file = tmp_path / name
    file.write_text(content, encoding="utf-8")
    answer = run("import", "--json", file, "--user", f"form-{name}")
    assert answer.code == 0, answer.out
    assert answer.document == {"lines": 2, "memories": 2, "refused": [], "dry_run": False}
    assert texts(run, f"form-{name}") == ["one", "two"]


def test_a_line_may_carry_everything_that_add_takes(run: Run, tmp_path: Path) -> None:
    line = {
        "id": "m-1", "memory": "Prefers tea; nurse@example.org", "user_id": "imp-1", "run_id": "r1", "role": "user",
        "name": "Ana", "metadata": {"ward": "7b"}, "created_at": "2024-05-01T10:00:00Z", "updated_at": None,
        "expires_at": "2099-01-01", "hash": "0cc175b9c0f1b6a831c399e269772661", "score": 0.5,
    }  # fmt: skip
    file = write_lines(tmp_path / "full.jsonl", line)
    assert run("import", file).code == 0
    (memory,) = run("list", "--json", "--user", "imp-1").document["memories"]
    assert memory["text"].startswith("Prefers tea; [EMAIL")
    assert (memory["run_id"], memory["role"]) == ("r1", "user")
    assert memory["expires_at"].startswith("2099-01-01")
    assert memory["metadata"]["ward"] == "7b"
    assert memory["metadata"]["original_id"] == "m-1"
    assert memory["metadata"]["original_created_at"].startswith("2024-05-01")
    assert not memory["created_at"].startswith("2024")
    assert "0cc175b9" not in json.dumps(memory)


REFUSED: list[tuple[object, str]] = [
    ("not json", "json.syntax"),
    ('{"text": "a", "text": "b"}', "json.syntax"),
    (["a list"], "line.type"),
    ({"text": "a", "content": "b"}, "line.text"),
    ({"metadata": {}}, "line.text"),
    ({"text": "a", "ssn_of_patient": "x"}, "line.field"),
    ({"text": "a", "user_id": "*"}, "scope.wildcard"),
    ({"text": "a", "user_id": ["u"]}, "scope.type"),
    ({"text": ""}, "text.empty"),
    ({"text": 5}, "content.type"),
    ({"text": "a", "metadata": []}, "metadata.type"),
    ({"text": "a", "metadata": {"user_id": "x"}}, "metadata.system"),
    ({"text": "a", "expires_at": "soon"}, "time.form"),
    ({"text": "a", "expires_at": "2001-01-01"}, "expires_at.past"),
    ({"messages": [{"role": "king", "content": "a"}]}, "content.role"),
    ({"messages": [{"role": "user", "content": "a"}], "role": "user"}, "line.text"),
    ({"text": "a" * 70_000}, "text.length"),
]


def test_refused_lines_are_named_by_number_and_reason_and_the_others_are_stored(
    run: Run, tmp_path: Path
) -> None:
    lines = [part for wrong, _ in REFUSED for part in (wrong, {"text": "kept"})]
    file = write_lines(tmp_path / "mixed.jsonl", *lines)
    expected = [(2 * position + 1, code) for position, (_, code) in enumerate(REFUSED)]
    dry = run("import", "--json", "--dry-run", file, "--user", "imp-2")
    assert dry.code == 5
    assert texts(run, "imp-2") == []
    report = tmp_path / "report.json"
    done = run("import", "--json", file, "--user", "imp-2", "--report", report)
    assert done.code == 5
    for document in (dry.document, done.document, json.loads(report.read_text(encoding="utf-8"))):
        assert [(refusal["line"], refusal["code"]) for refusal in document["refused"]] == expected
        assert document["memories"] == len(REFUSED)
        assert "ssn_of_patient" not in json.dumps(document)
    assert report.stat().st_mode & 0o777 == 0o600
    assert texts(run, "imp-2") == ["kept"] * len(REFUSED)
    shown = run("import", file, "--user", "imp-2")
    assert "line 1:" in shown.out
    assert f"{len(REFUSED)} refused" in shown.out


def test_the_same_import_again_stores_nothing_twice(run: Run, tmp_path: Path) -> None:
    file = write_lines(
        tmp_path / "again.jsonl", {"text": "one"}, {"text": "one"}, {"text": "mine", "user_id": "imp-4"}
    )
    for _ in range(2):
        assert run("import", file, "--user", "imp-3").code == 0
    assert (texts(run, "imp-3"), texts(run, "imp-4")) == (["one", "one"], ["mine"])
    assert run("import", file, "--user", "imp-5").code == 0  # other lines' scope: only those are new
    assert (texts(run, "imp-4"), texts(run, "imp-5")) == (["mine"], ["one", "one"])


def test_an_import_that_was_cut_off_goes_on(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vault.cli.importing.CHUNK", 4)
    from vault.admin import Admin

    whole, chunks = Admin.import_many, iter([True, True, False])

    def cut_off(self: Admin, items: Any, **options: Any) -> Any:
        if not next(chunks):
            raise KeyboardInterrupt
        return whole(self, items, **options)

    file = write_lines(tmp_path / "cut.jsonl", *({"text": f"fact {n}"} for n in range(20)))
    monkeypatch.setattr(Admin, "import_many", cut_off)
    report = tmp_path / "report.json"
    assert run("import", file, "--user", "imp-6", "--report", report).code == 130
    assert json.loads(report.read_text(encoding="utf-8"))["memories"] == 8
    assert len(texts(run, "imp-6")) == 8
    monkeypatch.setattr(Admin, "import_many", whole)
    assert run("import", file, "--user", "imp-6").code == 0
    assert texts(run, "imp-6") == [f"fact {n}" for n in range(20)]


def test_the_first_import_makes_the_tenant(run: Run, tmp_path: Path) -> None:
    file = write_lines(tmp_path / "new.jsonl", {"text": "one", "user_id": "u"})
    assert run("import", file, "--tenant", "newcomer").code == 0
    assert run("list", "--tenant", "newcomer", "--user", "u", "--json").document["memories"]


@pytest.mark.parametrize(
    ("content", "code"),
    [('{"memories": 5, \n}', "json.syntax"), ('{"a":\n 1}', "import.form"), ("[1", "json.syntax")],
)
def test_a_document_that_is_none_is_refused_as_a_whole(
    run: Run, tmp_path: Path, content: str, code: str
) -> None:
    file = tmp_path / "broken.json"
    file.write_text(content, encoding="utf-8")
    answer = run("import", "--json", file, "--user", "u")
    assert (answer.code, answer.error["code"]) == (2, code)


def test_a_missing_or_unreadable_file_is_not_found(run: Run, tmp_path: Path) -> None:
    assert run("import", tmp_path / "nowhere.jsonl").code == 9
    assert run("import", tmp_path).code == 2  # a folder


def test_json_lines_are_never_held_as_a_whole(tmp_path: Path) -> None:
    file = tmp_path / "large.jsonl"
    line = json.dumps({"text": "x" * 10_000}) + "\n"
    with file.open("w", encoding="utf-8") as out:
        for _ in range(3_000):
            out.write(line)
    tracemalloc.start()
    count = sum(1 for _ in read_lines(file))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 3_000
    assert peak < 2_000_000 < file.stat().st_size / 10


def test_one_endless_line_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "endless.jsonl"
    file.write_bytes(b'{"text": "' + b"x" * (20 << 20) + b'"}\n{"text": "kept"}\n')
    (first, error, _), (second, kept, size) = read_lines(file)
    assert (first, second, kept, size) == (1, 2, {"text": "kept"}, file.stat().st_size)
    assert isinstance(error, InvalidInputError)


def test_a_line_without_scope_gets_the_one_asked_for_and_one_with_any_keeps_its_own() -> None:
    assert to_item({"text": "a"}, {"user_id": "u"})["user_id"] == "u"
    assert to_item({"text": "a", "agent_id": "g"}, {"user_id": "u"}).get("user_id") is None
