"""The public names, pinned: what is exported, frozen, documented, and which errors exist and are raised."""

from __future__ import annotations

import ast
import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints

import pytest

import vault
from vault import (
    AddResult,
    DeleteResult,
    Finding,
    Memory,
    Page,
    Principal,
    Revision,
    SearchHit,
    VaultError,
    errors,
)
from vault.admin import Admin
from vault.aio import AsyncExports, AsyncHolds, AsyncRequest, AsyncRequests
from vault.exports import Exports
from vault.rights import Holds, Request, Requests
from vault.types import Destruction, Scope

PACKAGE = Path(vault.__file__).parent
NAMES = {
    "AddResult", "AsyncSession", "AsyncVault", "DeleteResult", "Finding", "Memory", "Message", "Page", "Principal",
    "Revision", "SearchHit", "Session", "Vault", "VaultError", "errors",
}  # fmt: skip
SESSION = {"add", "add_many", "search", "get", "list", "update", "delete", "delete_all", "history", "reveal"}
PARTS = {
    "exports",
    "holds",
    "requests",
    "subjects",
}  # sub-objects of a session, outside the core's public names
PART_CLASSES = (Exports, AsyncExports, Requests, AsyncRequests, Request, AsyncRequest, Holds, AsyncHolds)
RECORDS = (AddResult, DeleteResult, Finding, Memory, Page, Principal, Revision, SearchHit, Scope, Destruction)

# Name, parent, HTTP status, exit code: the contract of docs/errors.md; a change here is a change for every caller.
ERRORS = [
    ("VaultError", "Exception", 500, 1),
    ("ConfigError", "VaultError", 500, 11),
    ("PolicyInvalidError", "ConfigError", 500, 11),
    ("AuthenticationError", "VaultError", 401, 3),
    ("DeniedError", "VaultError", 403, 3),
    ("PurposeDeniedError", "DeniedError", 403, 3),
    ("QuotaDeniedError", "DeniedError", 429, 3),
    ("RejectedError", "VaultError", 422, 3),
    ("InvalidInputError", "VaultError", 400, 2),
    ("ConflictError", "VaultError", 409, 5),
    ("NotFoundError", "VaultError", 404, 9),
    ("HeldError", "VaultError", 409, 4),
    ("IntegrityViolationError", "VaultError", 500, 7),
    ("DecryptionError", "IntegrityViolationError", 500, 7),
    ("AuditChainError", "IntegrityViolationError", 500, 7),
    ("RollbackError", "IntegrityViolationError", 500, 7),
    ("UnavailableError", "VaultError", 503, 10),
    ("KeyProviderError", "UnavailableError", 503, 10),
    ("DetectorError", "UnavailableError", 503, 10),
    ("EmbedderError", "UnavailableError", 503, 10),
    ("EgressError", "UnavailableError", 503, 10),
    ("VectorIndexError", "UnavailableError", 503, 10),
    ("AuditWriteError", "UnavailableError", 503, 10),
    ("StorageError", "UnavailableError", 503, 10),
]
# In the tree from the first release, so that callers can write their handlers once; raised by what comes later.
RESERVED = {
    "AuthenticationError": "the server authenticates; the library is given its principal",
}


def classes() -> dict[str, type[VaultError]]:
    return {n: c for n, c in vars(errors).items() if inspect.isclass(c) and issubclass(c, VaultError)}


# --- names --------------------------------------------------------------------------------------------------


def test_the_exported_names_are_pinned() -> None:
    assert set(vault.__all__) == NAMES
    assert list(vault.__all__) == sorted(vault.__all__)
    assert len(vault.__all__) <= 20
    for name in vault.__all__:
        assert getattr(vault, name) is not None


def test_nothing_else_is_public() -> None:
    """Submodules become attributes once somebody imports them; anything else must be in `__all__`."""
    extra = {
        name
        for name, value in vars(vault).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert extra <= NAMES
    stray: dict[str, Any] = {}
    exec("from vault import *", stray)  # noqa: S102 - the statement under test
    assert set(stray) - {"__builtins__"} == NAMES


def test_the_methods_are_pinned() -> None:
    for kind in (vault.Session, vault.AsyncSession):
        assert {name for name in vars(kind) if not name.startswith("_")} == SESSION | PARTS
    methods = {name for name in vars(vault.Vault) if not name.startswith("_")}
    assert methods == {"init", "open", "restore", "session", "admin", "only_tenant", "close"}


def test_options_are_keyword_only() -> None:
    """Only what a call is about may stand without its name."""
    free = {
        "add": ["content"], "add_many": ["items"], "search": ["query"], "get": ["memory_id"], "list": [],
        "update": ["memory_id", "text"], "delete": ["memory_id"], "delete_all": [], "history": ["memory_id"],
        "reveal": ["memory_id"],
    }  # fmt: skip
    for name, wanted in free.items():
        parameters = inspect.signature(getattr(vault.Session, name)).parameters.values()
        assert [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY] == ["self", *wanted], name
        assert not [p.name for p in parameters if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)], name


def test_importing_the_names_loads_nothing_heavy() -> None:
    heavy = (
        "numpy",
        "cryptography",
        "sqlcipher3",
        "pydantic",
        "yaml",
        "typer",
        "rich",
        "model2vec",
        "phonenumbers",
        "regex",
    )
    code = f"import sys, vault; from vault import *; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    assert done.stdout.strip() == "[]"


# --- words --------------------------------------------------------------------------------------------------


def _documented() -> Iterator[tuple[str, Any]]:
    for name in sorted(NAMES - {"errors"}):
        yield name, getattr(vault, name)
    for kind in (vault.Vault, vault.Session, vault.AsyncVault, vault.AsyncSession, Admin, *PART_CLASSES):
        yield kind.__name__, kind
        for name, member in vars(kind).items():
            if not name.startswith("_") and (callable(member) or isinstance(member, classmethod)):
                yield f"{kind.__name__}.{name}", getattr(kind, name)
    yield from classes().items()
    for kind in RECORDS:
        yield kind.__name__, kind


@pytest.mark.parametrize(("name", "thing"), list(dict(_documented()).items()))
def test_everything_public_says_what_it_does(name: str, thing: Any) -> None:
    words = thing.__doc__ or ""
    assert len(words.split()) >= 3, name
    assert not words.startswith(f"{name.rpartition('.')[2]}("), (
        name
    )  # what dataclasses write where nothing was said
    first = words.strip().splitlines()[0]
    assert first[0].isupper() or first[0] == "`", name


@pytest.mark.parametrize("module", sorted(str(p.relative_to(PACKAGE)) for p in PACKAGE.rglob("*.py")))
def test_every_module_and_public_class_has_a_docstring(module: str) -> None:
    tree = ast.parse((PACKAGE / module).read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), module
    bare = [
        n.name
        for n in tree.body
        if isinstance(n, ast.ClassDef) and not n.name.startswith("_") and not ast.get_docstring(n)
    ]
    assert bare == [], module


# --- records ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RECORDS)
def test_records_are_frozen_and_slotted(kind: Any) -> None:
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)
    fields = dataclasses.fields(kind)
    record = kind(**{field.name: None for field in fields})
    for field in fields:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(record, field.name, 1)
    with pytest.raises((AttributeError, TypeError)):
        record.surprise = 1
    assert not hasattr(record, "__dict__")
    assert get_type_hints(kind)


def test_records_compare_copy_and_pickle_by_value() -> None:
    now = datetime.now(UTC)
    memory = Memory("id", "text", "u", None, None, None, {"n": [1]}, now, now, None, 1)
    for record in (
        memory,
        SearchHit(memory, 0.5),
        Page((memory,), None),
        AddResult((memory,)),
        Principal("t", "p", ("r",)),
    ):
        assert pickle.loads(pickle.dumps(record)) == record == copy.deepcopy(record)


def test_defaults_of_records() -> None:
    assert Principal("t", "p").roles == ()
    assert AddResult(()) == AddResult((), {}, 0)
    assert SearchHit(None, 0.0).explain is None  # type: ignore[arg-type]


# --- errors -------------------------------------------------------------------------------------------------


def test_the_errors_are_pinned() -> None:
    assert set(classes()) == {name for name, *_ in ERRORS}


@pytest.mark.parametrize(("name", "parent", "status", "exit_code"), ERRORS)
def test_an_error_has_its_parent_status_and_exit_code(
    name: str, parent: str, status: int, exit_code: int
) -> None:
    kind = classes()[name]
    assert kind.__bases__[0].__name__ == parent
    assert (kind.status, kind.exit_code) == (status, exit_code)
    error = kind("some.code", "what is wrong")
    assert (error.code, error.message, str(error)) == (
        "some.code",
        "what is wrong",
        "what is wrong [some.code]",
    )
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, again.message) == (kind, "some.code", "what is wrong")
    assert name in (errors.__doc__ or "")


def raised() -> dict[str, set[str]]:
    """Class to codes, wherever the package builds an error; codes made at run time are left out."""
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in classes():
                codes = found.setdefault(node.func.id, set())
                if node.args and isinstance(node.args[0], ast.Constant):
                    codes.add(str(node.args[0].value))
    return found


def test_every_error_is_raised_or_reserved_with_a_reason() -> None:
    unused = {name for name, *_ in ERRORS} - set(raised()) - {"VaultError"}
    assert unused == set(RESERVED)
    assert all(RESERVED.values())


def test_codes_are_dotted_lower_case_words() -> None:
    for name, codes in raised().items():
        for code in codes:
            parts = code.split(".")
            assert len(parts) == 2, (name, code)
            assert all(part.replace("_", "").isalnum() and part == part.lower() for part in parts), (
                name,
                code,
            )


def test_the_base_class_is_never_raised_itself() -> None:
    assert "VaultError" not in raised()


def test_no_broad_except_swallows_an_error() -> None:
    """Outside the command line's last resort, and handlers that raise again."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or (
                    isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")
                )
                again = any(isinstance(step, ast.Raise) for step in ast.walk(node))
                assert not broad or again or path.name == "failures.py", f"{path.name}:{node.lineno}"
