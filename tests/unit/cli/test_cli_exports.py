"""`memvault export run` and `export verify` as a person uses them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commands import Run, added
from support.exported import Read

EMAIL = "ana.rivera@example.org"


@pytest.fixture
def person(run: Run, request: pytest.FixtureRequest) -> str:
    """A person of this test's own, with two memories."""
    user = f"export-{abs(hash(request.node.name)) % 10_000}-{request.node.name[-12:]}"
    added(run, user, f"Write to {EMAIL}")
    added(run, user, "Likes tea")
    return user


def test_an_archive_is_made_and_checked(run: Run, person: str, tmp_path: Path) -> None:
    place = tmp_path / "copy.zip"
    made = run("export", "run", "--user-id", person, "--to", place, "--reveal", "request 7", "--json")
    assert (made.code, made.err) == (0, "")
    assert made.document["path"] == str(place)
    assert made.document["complete"] is True
    assert made.document["counts"]["memories"] == 2
    assert EMAIL in Read(place).page
    assert Read(place).summary["made_by"]["roles"] == ["privacy"]
    digest = made.document["digest"]
    for options in ((), ("--digest", digest), ("--digest", digest.upper())):
        found = run("export", "verify", place, *options)
        assert found.code == 0
        assert digest in found.out
    found = run("export", "verify", place, "--json", "--digest", "0" * 64)
    assert found.code == 5
    assert len(found.document["problems"]) == 1


def test_what_a_person_reads_on_the_terminal(run: Run, person: str, tmp_path: Path) -> None:
    made = run("--user", person, "export", "run", "--to", tmp_path / "copy", "--folder")
    assert made.code == 0
    assert "memories" in made.out
    assert "digest" in made.out
    assert "not encrypted" in made.out
    assert EMAIL not in made.out + made.err
    assert (tmp_path / "copy" / "index.html").is_file()


def test_a_dry_run_counts_and_writes_nothing(run: Run, person: str, tmp_path: Path) -> None:
    words = ("export", "run", "--user-id", person, "--to", tmp_path / "copy.zip", "--dry-run")
    shown = run(*words, "--reveal", "request 7", "--json")
    assert shown.document == {
        "counts": {"memories": 2, "tokens": 1}, "revealed": {"EMAIL_ADDRESS": 1}, "withheld": {},
    }  # fmt: skip
    assert "Nothing was written" in run(*words).out
    assert list(tmp_path.iterdir()) == []


def test_who_may_not_is_told_who_may(run: Run, person: str, tmp_path: Path) -> None:
    denied = run("export", "run", "--user-id", person, "--to", tmp_path / "copy.zip", "--role", "app")
    assert denied.code == 3
    assert "--role privacy --purpose rights-request" in denied.err
    assert list(tmp_path.iterdir()) == []


def test_what_goes_wrong_has_its_exit_code(run: Run, person: str, tmp_path: Path, folder: Path) -> None:
    run("export", "run", "--user-id", person, "--to", tmp_path / "copy.zip")
    for words, code in (
        (("--user-id", "nobody", "--to", tmp_path / "other.zip"), 9),
        (("--user-id", person, "--to", tmp_path / "copy.zip"), 2),
        (("--user-id", person, "--to", folder / "copy.zip"), 2),
        (("--to", tmp_path / "other.zip"), 2),
        (("--user-id", person), 2),
    ):
        answer = run("export", "run", *words)
        assert answer.code == code, words
        assert answer.out == ""
        assert str(tmp_path) not in answer.err
    assert [path.name for path in tmp_path.iterdir()] == ["copy.zip"]


def test_checking_needs_no_vault(bare: Run, tmp_path: Path) -> None:
    (tmp_path / "no.zip").write_bytes(b"PK and nothing more")
    for path, code in ((tmp_path / "no.zip", 5), (tmp_path / "missing.zip", 9)):
        answer = bare("export", "verify", path)
        assert answer.code == code
    assert "FAIL" in bare("export", "verify", tmp_path / "no.zip").out


def test_what_was_changed_is_named_and_exits_with_5(run: Run, person: str, tmp_path: Path) -> None:
    run("export", "run", "--user-id", person, "--to", tmp_path / "copy", "--folder")
    page = tmp_path / "copy" / "index.html"
    page.write_text(page.read_text(encoding="utf-8").replace("tea", "gin"), encoding="utf-8")
    answer = run("export", "verify", tmp_path / "copy")
    assert answer.code == 5
    assert "index.html was changed" in answer.out
