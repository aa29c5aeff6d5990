"""Decisions: forbid wins, no match denies, what cannot be evaluated denies."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import packs
import pytest

from vault.errors import DeniedError, PurposeDeniedError
from vault.policy import decide
from vault.policy.decide import ACTIONS, Policy, Request, Rule
from vault.policy.pack import load


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    return load(packs.write(tmp_path, packs.root()))


def forbid(**fields: Any) -> Rule:
    return Rule(
        **{
            "id": "stop",
            "pack": "test",
            "permit": False,
            "actions": frozenset(ACTIONS),
            "purposes": None,
            "roles": None,
            "classes": frozenset(),
            "controls": (),
            "why": "w",
            **fields,
        }
    )


def test_a_permit_permits(policy: Policy) -> None:
    decision = policy.decide(Request("memory.add", "service", ("app",)))
    assert decision.permit
    assert decision.rule == "app-all"
    assert decision.digest == policy.digest
    assert decision.classes == decision.masked == frozenset()
    assert policy.require(Request("memory.add", "service", ("guest", "app"))) is not None


@pytest.mark.parametrize(
    ("request_", "rule", "error", "code"),
    [
        (Request("memory.add", "care", ("app",)), "default-deny", PurposeDeniedError, "policy.purpose"),
        (Request("memory.add", "service", ("nurse",)), "default-deny", DeniedError, "policy.denied"),
        (Request("memory.add", "service", ()), "default-deny", DeniedError, "policy.denied"),
        (
            Request("memory.add", "marketing", ("app",)),
            "unknown-purpose",
            PurposeDeniedError,
            "policy.purpose",
        ),
        (Request("memory.add", "", ("app",)), "unknown-purpose", PurposeDeniedError, "policy.purpose"),
        (Request("memory.sell", "service", ("app",)), "invalid-request", DeniedError, "policy.denied"),
        (Request("", "service", ("app",)), "invalid-request", DeniedError, "policy.denied"),
        (Request("memory.reveal", "service", ("app",)), "default-deny", DeniedError, "policy.denied"),
        (Request("keys.rotate", "service", ("app",)), "default-deny", PurposeDeniedError, "policy.purpose"),
    ],
)
def test_denials_name_the_rule(
    policy: Policy, request_: Request, rule: str, error: type[DeniedError], code: str
) -> None:
    decision = policy.decide(request_)
    assert not decision.permit
    assert decision.rule == rule
    with pytest.raises(error) as caught:
        policy.require(request_)
    assert type(caught.value) is error
    assert caught.value.code == code
    assert f"rule {rule}" in caught.value.message


def test_a_forbid_wins_and_is_named(policy: Policy) -> None:
    strict = replace(policy, forbids=(*policy.forbids, forbid(roles=frozenset({"guest"}))))
    assert strict.decide(Request("memory.add", "service", ("app",))).permit
    request = Request("memory.add", "service", ("app", "guest"))
    assert strict.decide(request).rule == "stop"
    with pytest.raises(DeniedError, match="rule stop") as caught:
        strict.require(request)
    assert type(caught.value) is DeniedError


def test_a_forbid_on_a_purpose_or_for_all(policy: Policy) -> None:
    by_purpose = replace(policy, forbids=(forbid(purposes=frozenset({"service"})),))
    assert not by_purpose.decide(Request("memory.add", "service", ("app",))).permit
    assert by_purpose.reveal_classes(("nurse",), "care")
    everything = replace(policy, forbids=(forbid(),))
    assert not everything.decide(Request("memory.reveal", "care", ("nurse",))).permit


def test_reveal_shows_permitted_classes_and_masks_the_rest(policy: Policy) -> None:
    contacts = {"EMAIL_ADDRESS", "PHONE_NUMBER"}
    assert policy.reveal_classes(("nurse",), "care") == contacts
    assert policy.reveal_classes(["nurse"], "care") == contacts
    assert policy.reveal_classes(("app",), "service") == frozenset()
    wanted = frozenset({"EMAIL_ADDRESS", "PASSWORD", "US_SSN"})
    decision = policy.decide(Request("memory.reveal", "care", ("nurse",), wanted))
    assert decision.permit
    assert decision.classes == {"EMAIL_ADDRESS"}
    assert decision.masked == {"PASSWORD", "US_SSN"}
    denied = policy.decide(Request("memory.reveal", "care", ("app",), wanted))
    assert not denied.permit
    assert denied.classes == frozenset()


def test_a_reveal_of_which_nothing_is_left_is_denied(policy: Policy) -> None:
    names = frozenset({"EMAIL_ADDRESS", "PHONE_NUMBER", "PASSWORD"})
    strict = replace(policy, forbids=(forbid(actions=frozenset({"memory.reveal"}), classes=names),))
    assert strict.decide(Request("memory.reveal", "care", ("nurse",))).rule == "default-deny"


def test_every_group_of_permits_has_to_permit(policy: Policy) -> None:
    both = replace(policy, permits=(*policy.permits, ()))
    assert both.decide(Request("memory.add", "service", ("app",))).rule == "default-deny"
    none = replace(policy, permits=())
    assert none.decide(Request("memory.add", "service", ("app",))).rule == "default-deny"


@pytest.mark.parametrize(
    "request_",
    [
        Request("memory.add", "service", ["app"]),  # type: ignore[arg-type]
        Request("memory.add", "service", "app"),  # type: ignore[arg-type]
        Request("memory.add", "service", None),  # type: ignore[arg-type]
        Request("memory.add", "service", ({},)),  # type: ignore[arg-type]
        Request("memory.add", "service", frozenset({"app"})),  # type: ignore[arg-type]
        Request("memory.add", ["service"], ("app",)),  # type: ignore[arg-type]
        Request("memory.add", None, ("app",)),  # type: ignore[arg-type]
        Request(None, "service", ("app",)),  # type: ignore[arg-type]
        Request(7, "service", ("app",)),  # type: ignore[arg-type]
        Request("memory.add", "service", ("app",), 7),  # type: ignore[arg-type]
        Request("memory.add", "service", ("app",), [[]]),  # type: ignore[arg-type]
        None,
        "memory.add",
    ],
)
def test_what_cannot_be_evaluated_is_denied(policy: Policy, request_: Any) -> None:
    assert not policy.decide(request_).permit


def test_unknown_values_never_reach_a_message(policy: Policy) -> None:
    canary = "canary@example.org"
    for request in (
        Request(canary, "service", ("app",)),
        Request("memory.add", canary, ("app",)),
        Request("memory.add", "service", (canary,)),
    ):
        with pytest.raises(DeniedError) as caught:
            policy.require(request)
        assert canary not in f"{caught.value} {caught.value.args} {policy.decide(request)}"


def test_decisions_are_remembered_within_bounds(policy: Policy) -> None:
    first = policy.decide(Request("memory.add", "service", ("app",)))
    assert policy.decide(Request("memory.add", "service", ("app",))) is first
    for number in range(3000):
        policy.decide(Request("memory.add", f"purpose-{number}", ("app",)))
    assert len(policy._cache) <= 1024
    assert policy.decide(Request("memory.add", "service", ("app",))) == first
    assert replace(policy, forbids=(forbid(),)).decide(Request("memory.add", "service", ("app",))) != first


def test_deciding_needs_neither_yaml_nor_pydantic() -> None:
    code = (
        "import sys, vault.policy.decide, vault.filters;"
        "sys.exit(any(name in sys.modules for name in ('yaml', 'pydantic', 'rfc8785')))"
    )
    root = Path(decide.__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
