"""Events of OCSF: what the schema requires of their classes, every action, and nothing that an entry does not say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vault.audit import ocsf
from vault.audit.events import ACTIONS, RESULTS, entry

SCHEMA = json.loads((Path(__file__).parents[2] / "vectors" / "ocsf-1.4.0.json").read_text(encoding="utf-8"))
AT = datetime(2026, 5, 4, 12, 30, 0, 250_000, UTC)


def made(name: str, result: str = "ok", **more: Any) -> bytes:
    return entry(
        name, log=b"l" * 16, seq=7, at=AT, purpose="audit", actor=b"a" * 16, result=result, count=3,
        salt=bytes(16), pack="fa2e40d38ce6fc6f", **more,
    )  # fmt: skip


def event(data: bytes, **more: Any) -> dict[str, Any]:
    line = ocsf.event(data, software="1.0", **more)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    found: dict[str, Any] = json.loads(line)
    return found


def holds(value: dict[str, Any], required: dict[str, str]) -> None:
    for name, kind in required.items():
        assert name in value, name
        if kind == "integer":
            assert type(value[name]) is int, name
        elif kind == "string":
            assert type(value[name]) is str, name
            assert value[name], name
        else:
            spec = SCHEMA["objects"][kind]
            holds(value[name], spec["required"])
            assert not spec.get("at_least_one") or set(spec["at_least_one"]) & set(value[name]), name


def valid(found: dict[str, Any]) -> None:
    holds(found, SCHEMA["base"])
    spec = SCHEMA["classes"][str(found["class_uid"])]
    holds(found, spec["required"])
    for name, kind in spec.get("lists", {}).items():
        for one in found[name]:
            holds({kind: one}, {kind: kind})
    assert found["category_uid"] == spec["category_uid"]
    assert found["activity_id"] in spec["activities"]
    assert found["activity_id"] != 99 or found["activity_name"]
    assert found["type_uid"] == found["class_uid"] * 100 + found["activity_id"]
    assert found["severity_id"] in SCHEMA["severities"]
    assert found["status_id"] in spec["statuses"]
    assert found["metadata"]["version"] == "1.4.0"
    if "actor" in found:
        holds(found["actor"], {"user": "user"})


@pytest.mark.parametrize("name", sorted(ACTIONS))
@pytest.mark.parametrize("result", sorted(RESULTS))
def test_every_entry_becomes_an_event_with_what_its_class_requires(name: str, result: str) -> None:
    data = made(name, result, subject=b"s" * 16, obj=b"o" * 16)
    found = event(data)
    valid(found)
    assert found["time"] == int(AT.timestamp() * 1000)
    assert found["raw_data"].encode() == data
    assert found["unmapped"]["records"] == 3
    assert (found["class_uid"] == 2004) == (name == "integrity.alarm")


def test_what_is_done_and_how_it_ended_are_said_in_the_words_of_the_schema() -> None:
    does = {name: ocsf.activity(name) for name in ACTIONS}
    assert does["memory.add"] == 1
    assert does["memory.search"] == does["audit.export"] == 2
    assert does["memory.update"] == 3
    assert does["memory.delete"] == does["subject.erase"] == 4
    assert does["state"] == 99
    reads = [name for name, action in ACTIONS.items() if action.kind == "read"]
    assert {does[name] for name in reads} == {2}
    writes = [name for name, action in ACTIONS.items() if action.kind == "write"]
    assert {does[name] for name in writes} == {1, 3, 4}
    assert event(made("memory.reveal"))["status"] == "Success"
    denied = event(made("memory.reveal", "denied"))
    assert (denied["status"], denied["status_code"], denied["severity"]) == ("Failure", "denied", "Low")


def test_an_alarm_is_a_finding_of_high_severity() -> None:
    found = event(made("integrity.alarm", "error"))
    assert (found["class_uid"], found["severity"], found["is_alert"]) == (2004, "High", True)
    assert found["finding_info"]["types"] == ["integrity.alarm"]
    assert found["evidences"][0]["actor"]["user"]["uid"]


def test_people_and_memories_are_named_by_pseudonym_or_not_at_all() -> None:
    assert "resources" not in event(made("vault.open"))
    both = event(made("memory.get", subject=b"s" * 16, obj=b"o" * 16))["resources"]
    assert [one["type"] for one in both] == ["data subject", "memory"]
    assert "checkpoint" not in event(made("state"))["unmapped"]
    assert event(made("state"), checkpoint=b"note\n")["unmapped"]["checkpoint"] == "note\n"
