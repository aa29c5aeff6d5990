"""Packs made for tests: small, and written as JSON, which is YAML."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

Files = dict[str, dict[str, Any]]

ROOT: Files = {
    "pack.yaml": {
        "id": "small",
        "version": "1.0.0",
        "title": "A small pack",
        "min_engine": "0.1.0",
        "disclaimer": "An aid, not a certification.",
        "not_covered": ["Everything else."],
        "controls": {"gdpr.5.1.b": "purpose limitation"},
        "changes": [{"version": "1.0.0", "text": "first"}],
    },
    "taxonomy.yaml": {
        "classes": {
            "contact": {"title": "Contacts", "sensitivity": 2, "entities": ["EMAIL_ADDRESS", "PHONE_NUMBER"]},
            "secret": {"title": "Secrets", "sensitivity": 4, "entities": ["PASSWORD"]},
            "date": {"title": "Dates", "sensitivity": 1, "entities": ["DATE_TIME"]},
        }
    },
    "detection.yaml": {
        "threshold": 0.5,
        "default_operator": "mask",
        "required": ["EMAIL_ADDRESS"],
        "operators": {"EMAIL_ADDRESS": "token", "DATE_TIME": "keep", "PASSWORD": "drop"},
    },
    "purposes.yaml": {"purposes": {"service": {"title": "Service"}, "care": {"title": "Care"}}},
    "access.yaml": {
        "roles": {"app": {"title": "App"}, "nurse": {"title": "Nurse"}},
        "rules": [
            {
                "id": "app-all",
                "effect": "permit",
                "actions": ["memory.*"],
                "purposes": ["service"],
                "roles": ["app"],
                "controls": ["gdpr.5.1.b"],
                "why": "It runs.",
            },
            {
                "id": "nurse-reveal",
                "effect": "permit",
                "actions": ["memory.reveal"],
                "purposes": ["service", "care"],
                "roles": ["nurse"],
                "classes": ["contact", "PASSWORD"],
                "controls": ["gdpr.5.1.b"],
                "why": "It calls.",
            },
            {
                "id": "no-secrets",
                "effect": "forbid",
                "actions": ["memory.reveal"],
                "classes": ["secret"],
                "controls": ["gdpr.5.1.b"],
                "why": "Never.",
            },
        ],
    },
    "retention.yaml": {
        "rules": [
            {"id": "log", "record": "audit", "min_days": 365, "why": "Evidence."},
            {"id": "facts", "record": "memory", "max_days": 1000, "why": "Enough."},
        ]
    },
    "rights.yaml": {
        "erasure": {"approvals": 1, "approval_hours": 72, "roll_within_hours": 12, "why": "Two look."},
        "tenant_erasure": {"approvals": 1, "why": "Two look."},
        "hold_release": {"approvals": 0, "controls": ["gdpr.5.1.b"], "why": "One is enough."},
        "grounds": {"gdpr.17.1.a": {"title": "No longer needed"}, "gdpr.17.1.b": {"title": "Withdrawn"}},
    },
    "tests/access.yaml": {
        "requests": [
            {
                "id": "adds",
                "action": "memory.add",
                "purpose": "service",
                "roles": ["app"],
                "expect": "permit",
            },
            {
                "id": "calls",
                "action": "memory.reveal",
                "purpose": "care",
                "roles": ["nurse"],
                "expect": "permit",
                "rule": "nurse-reveal",
                "reveals": ["contact"],
                "masks": ["secret"],
            },
            {"id": "stranger", "action": "memory.add", "purpose": "care", "roles": ["app"], "expect": "deny"},
        ],
        "operators": [{"id": "mail", "entity": "EMAIL_ADDRESS", "operator": "token"}],
        "texts": [
            {"id": "mail", "text": "Write to a@b.org.", "expect": ["EMAIL_ADDRESS"], "absent": ["PASSWORD"]}
        ],
        "rights": [{"id": "two-look", "key": "erasure.approvals", "expect": 1}],
        "grounds": [{"id": "withdrawn", "ground": "gdpr.17.1.b", "expect": "known"}],
    },
}


def root(**changes: dict[str, Any] | None) -> Files:
    """The small pack; a keyword replaces the file of that name, None removes it."""
    files = copy.deepcopy(ROOT)
    for stem, content in changes.items():
        name = "tests/access.yaml" if stem == "tests" else f"{stem}.yaml"
        if content is None:
            files.pop(name)
        else:
            files[name] = content
    return files


def child(name: str = "child", *, extends: tuple[str, ...] = ("small",), **files: Any) -> Files:
    """A pack that extends others, with the files given."""
    manifest = {
        "id": name,
        "version": "1.0.0",
        "title": "A stricter pack",
        "min_engine": "0.1.0",
        "extends": list(extends),
        "disclaimer": "An aid, not a certification.",
    }
    return {"pack.yaml": manifest, **{f"{stem}.yaml": content for stem, content in files.items()}}


def forbid(name: str, **fields: Any) -> dict[str, Any]:
    return {"id": name, "effect": "forbid", "actions": ["memory.delete"], "why": "No.", **fields}


def permit(**fields: Any) -> dict[str, Any]:
    """A permit rule named `new`; None removes a field."""
    fine = {
        "id": "new",
        "effect": "permit",
        "actions": ["memory.add"],
        "purposes": ["care"],
        "roles": ["app"],
        "why": "w",
    }
    return {key: value for key, value in {**fine, **fields}.items() if value is not None}


def write(folder: Path, files: Files) -> Path:
    """Put a pack into a folder named after its id; answers that folder."""
    target = folder / str(files["pack.yaml"]["id"])
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    return target
