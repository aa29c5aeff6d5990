"""telemetry.yaml: a pack can keep telemetry off, or ask for more people; nothing in it switches it on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import packs
import pytest

from vault.errors import PolicyInvalidError
from vault.policy.decide import Policy, Request, Telemetry
from vault.policy.pack import load
from vault.policy.tools import diff, explain, lint


def made(tmp_path: Path, parent: dict[str, Any] | None, child: dict[str, Any] | None) -> Policy:
    packs.write(tmp_path, packs.root() if parent is None else packs.root(telemetry=parent))
    return load(packs.write(tmp_path, packs.child() if child is None else packs.child(telemetry=child)))


@pytest.mark.parametrize(
    ("parent", "child", "wanted"),
    [
        (None, None, Telemetry(allowed=True, approvals=0)),
        (None, {"allowed": True}, Telemetry(allowed=True, approvals=0)),
        (None, {"allowed": False}, Telemetry(allowed=False, approvals=0)),
        ({"allowed": False}, None, Telemetry(allowed=False, approvals=0)),
        ({"allowed": False}, {"approvals": 2}, Telemetry(allowed=False, approvals=2)),
        ({"approvals": 1}, None, Telemetry(allowed=True, approvals=1)),
        ({"approvals": 1}, {"approvals": 1, "allowed": False}, Telemetry(allowed=False, approvals=1)),
    ],
)
def test_what_is_inherited_is_only_tightened(
    tmp_path: Path, parent: dict[str, Any] | None, child: dict[str, Any] | None, wanted: Telemetry
) -> None:
    assert made(tmp_path, parent, child).telemetry == wanted


@pytest.mark.parametrize(
    ("parent", "child", "words"),
    [
        (
            {"allowed": False},
            {"allowed": True},
            "telemetry.yaml: allowed: pack child allows what small forbids",
        ),
        (
            {"approvals": 2},
            {"approvals": 1},
            "telemetry.yaml: approvals: pack child asks for fewer than small",
        ),
    ],
)
def test_a_pack_that_relaxes_is_refused(
    tmp_path: Path, parent: dict[str, Any], child: dict[str, Any], words: str
) -> None:
    with pytest.raises(PolicyInvalidError) as caught:
        made(tmp_path, parent, child)
    assert (caught.value.code, caught.value.message) == ("policy.relaxed", words)


@pytest.mark.parametrize(
    "content", [{"enabled": True}, {"allowed": "no"}, {"allowed": 0}, {"approvals": 4}, {"endpoint": "x"}]
)
def test_the_part_is_closed(tmp_path: Path, content: dict[str, Any]) -> None:
    with pytest.raises(PolicyInvalidError) as caught:
        made(tmp_path, None, content)
    assert caught.value.code == "policy.schema"


def test_the_tools_say_what_it_does(tmp_path: Path) -> None:
    content = {"allowed": False, "approvals": 1, "controls": ["gdpr.5.1.b"]}
    packs.write(tmp_path / "old", packs.root())
    path = packs.write(tmp_path / "new", packs.root(telemetry=content))
    assert diff(load(tmp_path / "old" / "small"), load(path)) == [
        "telemetry is no longer allowed",
        "switching telemetry on needs 1 approvals instead of 0",
    ]
    assert "warning: telemetry.yaml: does not say why" in lint(path)
    content["controls"] = ["gdpr.99"]
    with pytest.raises(PolicyInvalidError) as caught:
        load(packs.write(tmp_path / "odd", packs.root(telemetry=content)))
    assert caught.value.message.startswith("telemetry.yaml: controls")


def test_four_eyes_in_the_pack_for_health_information() -> None:
    policy = load("hipaa-safe-harbor")
    assert policy.telemetry == Telemetry(allowed=True, approvals=1)
    said = explain(policy, Request("telemetry.enable", "operations", ("operator",)))
    assert "runs once approved by another principal within" in said
