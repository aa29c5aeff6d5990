"""The catalogue and the entry builder."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from vault.audit.events import ACTIONS, RESULTS, action, b64u, entry
from vault.audit.jcs import strict_loads
from vault.errors import InvalidInputError

GOOD: dict[str, Any] = {
    "log": b"l" * 16,
    "seq": 4,
    "at": datetime(2026, 11, 21, 9, 30, 1, 987654, UTC),
    "purpose": "service",
    "actor": b"a" * 16,
    "salt": b"s" * 16,
}


def test_the_catalogue_is_complete_and_described() -> None:
    assert set(ACTIONS) == {
        *("memory.add", "memory.search", "memory.get", "memory.list", "memory.update", "memory.delete"),
        *(
            "memory.delete_all",
            "memory.history",
            "memory.reveal",
            "memory.import",
            "memory.expire",
            "memory.rescan",
        ),
        *("tenant.create", "tenant.list", "keys.status", "keys.rotate", "keys.backup", "keys.verify"),
        "subject.export",
        *("subject.erase", "subject.merge", "subject.rename", "subject.find_mentions", "tenant.erase"),
        "subject.search",
        *("subject.alias", "subject.redact_mentions"),
        *("erasure.approve", "hold.place", "hold.release", "hold.list", "retention.plan", "retention.run"),
        *("policy.activate", "audit.show", "audit.verify", "audit.checkpoint", "index.rebuild", "index.move"),
        "index.reembed",
        *("index.verify", "vault.open", "restore.reconciled", "integrity.alarm", "subject.create", "state"),
        *("erasure.requested", "erasure.tombstone", "erasure.probed", "erasure.certified", "epoch.destroyed"),
        "audit.evidence",
        "audit.export",
        *("backup.create", "backup.verify", "backup.restore"),
        *("telemetry.status", "telemetry.enable", "telemetry.disable", "telemetry.rotate"),
    }
    for name, kind in ACTIONS.items():
        assert action(name) is kind
        assert kind.name == name
        assert kind.kind in {"read", "write", "admin", "integrity"}
        assert kind.description
    assert action("memory.search").kind == "read"
    assert action("memory.add").kind == "write"
    with pytest.raises(TypeError):
        ACTIONS["memory.made_up"] = ACTIONS["state"]  # type: ignore[index]


def test_an_entry_holds_the_fourteen_fields_and_nothing_else() -> None:
    data = entry(
        "memory.add", **GOOD, subject=b"p" * 16, obj=b"o" * 16, count=2, commitment=b"c" * 32, pack="ab12"
    )
    assert strict_loads(data) == {
        "v": 1,
        "log": b64u(b"l" * 16),
        "seq": 4,
        "t": "2026-11-21T09:30:01.987Z",
        "act": "memory.add",
        "pur": "service",
        "actor": b64u(b"a" * 16),
        "subj": b64u(b"p" * 16),
        "obj": b64u(b"o" * 16),
        "res": "ok",
        "n": 2,
        "salt": b64u(b"s" * 16),
        "dc": b64u(b"c" * 32),
        "pack": "ab12",
    }
    assert data == json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")).encode()


def test_times_are_utc_whatever_zone_they_came_in() -> None:
    there = GOOD["at"].astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert entry("state", **{**GOOD, "at": there}) == entry("state", **GOOD)
    whole = entry("state", **{**GOOD, "at": datetime(2026, 1, 1, tzinfo=UTC)})
    assert strict_loads(whole)["t"] == "2026-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"at": datetime(2026, 1, 1)}, "audit.time"),  # noqa: DTZ001 - the point
        ({"result": "maybe"}, "audit.result"),
        ({"salt": b"short"}, "audit.salt"),
        ({"purpose": "f\xfcr alles"}, "audit.field"),
        ({"pack": "\xe9"}, "audit.field"),
        ({"seq": -1}, "audit.field"),
        ({"count": -1}, "audit.field"),
        ({"seq": 2**53}, "audit.canonical"),
    ],
)
def test_entries_out_of_the_vocabulary_are_refused(wrong: dict[str, Any], code: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        entry("state", **{**GOOD, **wrong})
    assert caught.value.code == code


def test_unknown_actions_are_refused_without_naming_them() -> None:
    with pytest.raises(InvalidInputError) as caught:
        entry("memory.leak Jane Roe", **GOOD)
    assert caught.value.code == "audit.action"
    assert "Jane" not in str(caught.value)
    assert {"ok", "denied", "not_found", "refused", "error"} == RESULTS
