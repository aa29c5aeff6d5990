"""The words that events may hold are those of the code, and nothing else gets through as it is."""

from __future__ import annotations

import pytest

import vault.errors
from vault.audit.events import ACTIONS
from vault.errors import DecryptionError, InvalidInputError, StorageError, VaultError
from vault.observe.codes import CODES
from vault.observe.words import Action, Code, Entity, Result, action_of, code_of, entity_of, result_of
from vault.redaction.detect import BuiltinDetector
from vault.redaction.taxonomy import LABELS


def test_codes_are_those_of_the_source() -> None:
    """docs/error-codes.md and the module are made together; tests/docs holds both to the source."""
    assert list(CODES) == sorted(set(CODES))
    assert all(one.value in (*CODES, "argument", "internal", "other") for one in Code)


def test_actions_are_those_of_the_log() -> None:
    assert {one.value for one in Action} == {*ACTIONS, "other"}


def test_classes_are_those_of_the_taxonomy() -> None:
    assert {one.value for one in Entity} == {*LABELS, "custom", "UNEXAMINED"}
    assert {one.value for one in Entity} >= BuiltinDetector().entities


@pytest.mark.parametrize("kind", [Action, Entity, Code, Result])
def test_a_word_is_its_own_value(kind: type[Action]) -> None:
    assert all(type(one.value) is str and one.value for one in kind)
    assert "word" not in kind.__members__


def test_what_is_not_ours_becomes_one_word() -> None:
    assert entity_of("CLINIC_ANA_RIVERA") is Entity.CUSTOM
    assert action_of("memory.steal") is Action.OTHER
    assert code_of(StorageError("pat-42", "x")) is Code.OTHER
    assert code_of(InvalidInputError("ana.type", "x")) is Code.ARGUMENT
    assert code_of(ValueError("pat-42")) is Code.INTERNAL
    code = type(
        "Word", (str,), {"__hash__": lambda self: hash("storage.io"), "__eq__": lambda self, other: True}
    )
    assert code_of(StorageError(code("pat-42"), "x")) is Code.OTHER
    assert code_of(StorageError("storage.io", "x")).value == "storage.io"


def test_results_follow_from_the_kind_of_error() -> None:
    assert result_of(DecryptionError("record.unreadable", "x")) is Result.INTEGRITY
    assert result_of(StorageError("storage.io", "x")) is Result.UNAVAILABLE
    assert result_of(ValueError()) is Result.FAILED
    assert result_of(KeyboardInterrupt()) is Result.CUT_OFF
    results = {result_of(kind("a.b", "x")) for kind in vars(vault.errors).values()
               if isinstance(kind, type) and issubclass(kind, VaultError)}  # fmt: skip
    assert results == set(Result) - {Result.OK, Result.CUT_OFF}
