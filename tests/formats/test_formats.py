"""Every version of the stored formats is opened by the current code, which answers what was answered then."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vault import Principal, Vault
from vault.errors import NotFoundError
from vault.flows.rotate import LEVELS

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))

from make_format_vault import history, plain, session_of  # noqa: E402 - the generator says how answers are written down

VERSIONS = sorted(path.parent.name for path in HERE.glob("v*/expected.json"))


@pytest.fixture(params=VERSIONS)
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A copy with the modes that a vault needs and a checkout does not keep."""
    place = tmp_path / request.param
    shutil.copytree(HERE / request.param, place)
    for path in (place, *place.rglob("*")):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return place


@pytest.fixture
def expected(copy: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((copy / "expected.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def vault(copy: Path) -> Iterator[Vault]:
    with Vault.open(copy / "vault") as opened:
        yield opened


def operator_of(vault: Vault, tenant: str = "clinic") -> Any:
    return vault.admin(Principal(tenant, "operator", ("operator",)))


def lists(vault: Vault, expected: dict[str, Any]) -> list[Any]:
    session = session_of(vault)
    return [
        [plain(memory) for memory in session.list(order="created_at", **entry["scope"]).memories]
        for entry in expected["scopes"]
    ]


def test_there_is_a_vault_of_the_first_version() -> None:
    assert "v1" in VERSIONS
    for version in VERSIONS:
        size = sum(path.stat().st_size for path in (HERE / version).rglob("*") if path.is_file())
        assert size < 400_000, version


def test_it_gives_the_recorded_answers(vault: Vault, expected: dict[str, Any]) -> None:
    recorded = [entry["memories"] for entry in expected["scopes"]]
    assert lists(vault, expected) == recorded
    session = session_of(vault)
    for memories in recorded:
        for memory in memories:
            assert plain(session.get(memory["id"])) == memory
    for memory_id, steps in expected["histories"].items():
        assert history(session, memory_id) == steps
    for asked in expected["searches"]:
        assert session.search(asked["query"], limit=1, **asked["scope"])[0].memory.id == asked["first"]


def test_it_reveals_the_recorded_values(vault: Vault, expected: dict[str, Any]) -> None:
    privacy = session_of(vault, role="privacy", purpose="rights-request")
    memories = privacy.list(user_id="pat-42", order="created_at", reveal="request of the person").memories
    assert [plain(memory) for memory in memories] == expected["revealed"]
    assert "ana.rivera@example.org" in memories[0].text


def test_what_was_gone_is_gone(vault: Vault, expected: dict[str, Any]) -> None:
    session = session_of(vault)
    for memory_id in (*expected["gone"]["expired"], *expected["gone"]["deleted"]):
        with pytest.raises(NotFoundError):
            session.get(memory_id)
    for memory_id in expected["gone"]["deleted"]:
        assert {step.text for step in session.history(memory_id)} == {None}


def test_its_log_verifies_and_says_what_it_said(vault: Vault, expected: dict[str, Any]) -> None:
    assert [info.name for info in operator_of(vault).tenants()] == expected["tenants"]
    auditor = vault.admin(Principal("clinic", "auditor", ("auditor",)), purpose="audit")
    recorded = expected["log"]
    entries = auditor.audit_show(limit=1_000)[: len(recorded)]
    assert [[e.action, e.actor, e.result, e.count, list(e.memory_ids)] for e in entries] == recorded
    assert operator_of(vault).audit_verify()["records"] == expected["records"]
    assert operator_of(vault).keys_verify()["keystore"]["tenants"] == 3


def test_the_other_tenant_is_open_and_apart(vault: Vault, expected: dict[str, Any]) -> None:
    bank = session_of(vault, "bank")
    for entry in expected["scopes"]:
        assert bank.list(**entry["scope"]).memories == ()
        for memory in entry["memories"]:
            with pytest.raises(NotFoundError):
                bank.get(memory["id"])
    added = bank.add("The first words of the bank", user_id="pat-42").memories[0]
    assert bank.get(added.id) == added


def test_it_can_be_written_and_rotated(copy: Path, vault: Vault, expected: dict[str, Any]) -> None:
    session, operator = session_of(vault), operator_of(vault)
    known = expected["scopes"][0]["memories"][1]["text"]
    token = known[known.index("[") : known.index("]") + 1]
    (added,) = session.add("Again to ana.rivera@example.org", user_id="pat-42").memories
    assert added.text == f"Again to {token}"
    changed = session.update(added.id, f"{added.text}, today")
    assert changed.version == 2
    session.delete(added.id)
    for level in LEVELS:
        operator.keys_rotate(level)
    recorded = [entry["memories"] for entry in expected["scopes"]]
    assert lists(vault, expected) == recorded
    assert operator.sweep() == len(expected["gone"]["expired"])
    assert operator.audit_verify()["records"] == expected["records"] - len(expected["gone"]["expired"])
    assert operator.index_verify()["checked"] == expected["records"] - len(expected["gone"]["expired"])
    vault.close()
    with Vault.open(copy / "vault") as again:
        assert lists(again, expected) == recorded


def test_the_generator_makes_a_vault_that_answers_as_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The current code's own vault, fresh: the same answers but for what is random and for the clock."""
    import make_format_vault

    monkeypatch.setattr(sys, "argv", ["make_format_vault.py", str(tmp_path / "fresh")])
    make_format_vault.main()
    fresh = json.loads((tmp_path / "fresh" / "expected.json").read_text(encoding="utf-8"))
    recorded = json.loads((HERE / VERSIONS[-1] / "expected.json").read_text(encoding="utf-8"))
    assert [entry[0] for entry in fresh["log"]] == [entry[0] for entry in recorded["log"]]
    assert [len(entry["memories"]) for entry in fresh["scopes"]] == [
        len(entry["memories"]) for entry in recorded["scopes"]
    ]
    with pytest.raises(SystemExit):
        make_format_vault.main()
