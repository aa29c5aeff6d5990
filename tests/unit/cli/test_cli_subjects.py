"""`memvault subject` as a person uses it: nothing is changed without --execute, and no value is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.commands import Run, added

NAME = "Quorzil Vembrath"


@pytest.fixture
def users(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Two people of this test's own."""
    tail = f"{abs(hash(request.node.name)) % 100_000}"
    return f"one-{tail}", f"two-{tail}"


def count(run: Run, user: str) -> int:
    return len(run("list", "--user", user, "--json").document["memories"])


def test_a_merge_is_shown_first_and_done_once(run: Run, users: tuple[str, str]) -> None:
    one, other = users
    first = added(run, one, "Likes tea")
    added(run, other, "Likes rum")
    shown = run("subject", "merge", "--source", one, "--into", other)
    assert shown.code == 0
    assert "Nothing was merged. Repeat with --execute." in shown.out
    assert (count(run, one), count(run, other)) == (1, 1)
    done = run("subject", "merge", "--source", "-", "--into", "-", "--execute", text=f"{one}\n{other}\n")
    assert "make one now" in done.out
    assert (count(run, one), count(run, other)) == (2, 2)
    assert run("get", first, "--json").document["user_id"] == other
    again = run("subject", "merge", "--source", one, "--into", other, "--execute", "--json").document
    assert again == {
        "user_id": other, "aliases": [one], "memories": 0, "versions": 0, "tokens": 0, "done": True,
    }  # fmt: skip
    assert "backups" not in run("subject", "merge", "--source", one, "--into", other, "--execute").out


def test_a_rename_and_aliases(run: Run, users: tuple[str, str]) -> None:
    one, other = users
    added(run, one, "Likes tea")
    shown = run("subject", "rename", "--user-id", one, "--to", other)
    assert "Nothing was renamed." in shown.out
    assert "aliases    " + one in shown.out
    assert run("subject", "rename", "--user", one, "--to", other, "--execute").code == 0
    assert (count(run, one), count(run, other)) == (1, 1)
    listed = run("subject", "alias", "list", "--user-id", one)
    assert listed.out.split() == ["user", "id", other, "aliases", one]
    assert run("subject", "alias", "remove", "--user-id", other, "--alias", one).out.split()[-1] == "none"
    assert count(run, one) == 0
    assert run("subject", "alias", "add", "--user-id", other, "--alias", "-", text=one).code == 0
    assert count(run, one) == 1
    third = f"{one}-b"
    done = run("subject", "rename", "--user-id", one, "--to", third, "--forget-old", "--execute", "--json")
    assert done.document["aliases"] == [one]
    assert count(run, other) == 0
    taken = run("subject", "rename", "--user-id", "pat-none", "--to", third, "--execute")
    assert taken.code == 9


def test_standard_input_is_taken_line_by_line(run: Run, users: tuple[str, str]) -> None:
    one, other = users
    added(run, one, "Likes tea")
    too_many = run("subject", "merge", "--source", "-", "--into", other, "--json", text=f"{one}\n{other}\n")
    assert (too_many.code, too_many.error["code"]) == (2, "scope.lines")
    too_few = run("subject", "merge", "--source", "-", "--into", "-", "--json", text=one)
    assert (too_few.code, too_few.error["code"]) == (2, "scope.empty")
    missing = run("subject", "rename", "--to", other, "--json")
    assert (missing.code, missing.error["code"]) == (2, "scope.missing")


def test_mentions_are_found_and_redacted(run: Run, users: tuple[str, str], tmp_path: Path) -> None:
    value = f"{NAME} {users[0]}"
    ids = [added(run, user, f"zxqv {value} zxqv") for user in users]
    found = run("subject", "mentions", text=value)
    assert found.code == 0
    assert all(one in found.out for one in ids)
    assert "readable" in found.out
    assert NAME not in found.out
    more = run("subject", "mentions", "--limit", "1", text=value)
    assert "more with --cursor" in more.out
    (tmp_path / "value").write_text(value)
    (tmp_path / "ids").write_text("\n".join(ids) + "\n\n")
    options = ("--file", tmp_path / "value", "--reason", "asked", "--entity", "PERSON")
    shown = run("subject", "redact", "--ids", tmp_path / "ids", *options)
    assert "Nothing was redacted. Repeat with --execute." in shown.out
    done = run("subject", "redact", ids[0], "--ids", tmp_path / "ids", *options, "--execute", "--json")
    assert (done.document["memories"], done.document["done"]) == (2, True)
    assert "[PERSON:" in run("get", ids[0]).out
    after = run("subject", "mentions", "--json", text=value).document["found"]
    assert [(one["clear"], one["where"]) for one in after] == [(False, ["text", "history"])] * 2
    none = run("subject", "mentions", "--people", "3", text="Nobody Whatsoever")
    assert "0 of" in none.out


def test_a_denial_says_who_may(run: Run) -> None:
    denied = run("subject", "mentions", "--role", "app", "--purpose", "service", text=NAME)
    assert denied.code == 3
    assert "permitted with --role privacy --purpose rights-request" in denied.err


def test_several_people_are_searched_at_once(run: Run, users: tuple[str, str], tmp_path: Path) -> None:
    one, other = users
    first, second = added(run, one, f"Keeps zebu cattle {one}"), added(run, other, f"Sold a zebu {one}")
    found = run("subject", "search", "zebu", "--user-id", one, "--user-id", other)
    assert found.code == 0
    assert all(part in found.out for part in (first, second, f"user {one}", f"user {other}"))
    (tmp_path / "users").write_text(f"{one}\n{other}\n\nnobody-here\n")
    options = ("--role", "care-team", "--purpose", "treatment", "--explain", "--json")
    hits = run("subject", "search", "--users", tmp_path / "users", *options, text="zebu").document["hits"]
    assert {hit["memory"]["user_id"] for hit in hits} == {one, other}
    assert all("dense" in hit["explain"] for hit in hits)
    alone = run("subject", "search", "zebu", "--user-id", one, "--limit", "1", "--json").document["hits"]
    assert [hit["memory"]["id"] for hit in alone] == [first]
    assert "nothing found" in run("subject", "search", "zebu", "--user-id", "nobody-here").out
    everybody = run("subject", "search", f"zebu {one}", "--everybody", "--limit", "2", "--json").document[
        "hits"
    ]
    assert {hit["memory"]["id"] for hit in everybody} == {first, second}


def test_whom_to_search_is_named_in_one_way(run: Run, users: tuple[str, str]) -> None:
    for words in ((), ("--everybody", "--user-id", users[0])):
        refused = run("subject", "search", "zebu", *words, "--json")
        assert (refused.code, refused.error["code"]) == (2, "scope.one")
    people = [word for n in range(101) for word in ("--user-id", f"u{n}")]
    many = run("subject", "search", "zebu", *people, "--json")
    assert (many.code, many.error["code"]) == (3, "quota.people")
    denied = run("subject", "search", "zebu", "--user-id", users[0], "--role", "app", "--purpose", "service")
    assert denied.code == 3
    assert "--role care-team --purpose treatment" in denied.err
