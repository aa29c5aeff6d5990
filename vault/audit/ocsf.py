"""Entries as events of the Open Cybersecurity Schema Framework, version 1.4.0: enumerated words, counts, pseudonyms.

What somebody did is API Activity (class 6003); an alarm is a Detection Finding (class 2004). `raw_data` is the entry as
it is stored and hashed, so that nothing is lost and every event can be checked against a checkpoint.

Source: the schema's `events/` and `objects/` (github.com/ocsf/ocsf-schema); tests/vectors/ocsf-1.4.0.json holds what it
requires of these two classes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from vault.audit.events import action
from vault.audit.jcs import strict_loads

VERSION: Final = "1.4.0"
_PRODUCT: Final = "memvault"
_API, _FINDING = 6003, 2004
_ACTIVITY: Final = MappingProxyType({1: "Create", 2: "Read", 3: "Update", 4: "Delete", 99: "Other"})
_SEVERITY: Final = MappingProxyType({1: "Informational", 2: "Low", 3: "Medium", 4: "High"})
ALARM: Final = "integrity.alarm"

# What an action does in the words of API Activity; `read` kinds read, and what is in none of these is Other.
_DOES: Final[Mapping[int, frozenset[str]]] = MappingProxyType(
    {
        1: frozenset(
            {
                "memory.add", "memory.import", "subject.create", "tenant.create", "hold.place", "keys.backup",
                "backup.create", "audit.checkpoint",
            }
        ),
        2: frozenset(
            {
                "tenant.list", "keys.status", "keys.verify", "backup.verify", "audit.verify", "index.verify",
                "erasure.probed",
            }
        ),
        3: frozenset(
            {
                "memory.update", "memory.rescan", "subject.merge", "subject.rename", "subject.redact_mentions",
                "subject.alias", "erasure.approve", "hold.release", "keys.rotate", "backup.restore",
                "policy.activate", "index.move", "index.rebuild", "index.reembed", "restore.reconciled",
            }
        ),
        4: frozenset(
            {
                "memory.delete", "memory.delete_all", "memory.expire", "retention.run", "subject.erase",
                "tenant.erase", "erasure.tombstone", "epoch.destroyed",
            }
        ),
    }
)  # fmt: skip


def activity(name: str) -> int:
    """The `activity_id` of an action in class 6003."""
    if action(name).kind == "read":
        return 2
    return next((number for number, names in _DOES.items() if name in names), 99)


def severity(name: str, result: str) -> int:
    """The `severity_id`: what was denied or refused is low, what failed medium, an alarm high."""
    if name == ALARM:
        return 4
    return {"denied": 2, "refused": 2, "error": 3}.get(result, 1)


def event(entry: bytes, *, software: str, checkpoint: bytes | None = None) -> bytes:
    """One line: the event of a stored entry; with the signed checkpoint where this is the last entry it covers.

    Raises AuditChainError for an entry that is not strict JSON, InvalidInputError for an action out of the catalogue.
    """
    fields = strict_loads(entry)
    common = _common(fields, entry, software, checkpoint)
    made = _finding(fields, common) if fields["act"] == ALARM else _call(fields, common)
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _common(
    fields: Mapping[str, Any], entry: bytes, software: str, checkpoint: bytes | None
) -> dict[str, Any]:
    name, level = fields["act"], severity(fields["act"], fields["res"])
    extra: dict[str, Any] = {
        "kind": action(name).kind,
        "purpose": fields["pur"],
        "records": fields["n"],
        "policy": fields["pack"],
    }
    if checkpoint is not None:
        extra["checkpoint"] = checkpoint.decode()
    return {
        "metadata": {
            "version": VERSION,
            "product": {"name": _PRODUCT, "vendor_name": _PRODUCT, "version": software},
            "log_name": fields["log"],
            "log_provider": _PRODUCT,
            "uid": f"{fields['log']}:{fields['seq']}",
            "sequence": fields["seq"],
            "original_time": fields["t"],
        },
        "time": int(datetime.fromisoformat(fields["t"]).timestamp() * 1000 + 0.5),
        "severity_id": level,
        "severity": _SEVERITY[level],
        "message": action(name).description,
        "raw_data": entry.decode(),
        "unmapped": extra,
    }


def _classified(category: int, class_uid: int, class_name: str, number: int, label: str) -> dict[str, Any]:
    return {
        "category_uid": category,
        "class_uid": class_uid,
        "class_name": class_name,
        "activity_id": number,
        "activity_name": label,
        "type_uid": class_uid * 100 + number,
        "type_name": f"{class_name}: {_ACTIVITY[number]}",
    }


def _call(fields: Mapping[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    number = activity(fields["act"])
    label = fields["act"] if number == 99 else _ACTIVITY[number]
    good = fields["res"] == "ok"
    made = {
        **common,
        **_classified(6, _API, "API Activity", number, label),
        "status_id": 1 if good else 2,
        "status": "Success" if good else "Failure",
        "status_code": fields["res"],
        **_who(fields),
        "src_endpoint": {
            "svc_name": _PRODUCT
        },  # the caller is in the vault's own process: there is no address
    }
    named = (("data subject", fields["subj"]), ("memory", fields["obj"]))
    resources = [{"type": kind, "uid": uid} for kind, uid in named if uid]
    return {**made, "resources": resources} if resources else made


def _finding(fields: Mapping[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    return {
        **common,
        **_classified(2, _FINDING, "Detection Finding", 1, "Create"),
        "status_id": 1,
        "status": "New",
        "status_code": fields["res"],
        "is_alert": True,
        "finding_info": {
            "uid": common["metadata"]["uid"],
            "title": common["message"],
            "types": [fields["act"]],
            "created_time": common["time"],
        },
        "evidences": [_who(fields)],
    }


def _who(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "actor": {"user": {"uid": fields["actor"]}},
        "api": {"operation": fields["act"], "service": {"name": _PRODUCT}},
    }
