"""Bad input, method by method and parameter by parameter: a clear error without content, and nothing stored.

The methods and parameters are found by introspection: a new one fails here until it has a row in the table.
"""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import bad_values as bad
from support.bad_values import CANARY, NUMBER, Bad
from support.calls import Clock, auditor, held, operator, session_of, staff, told

from vault import AsyncSession, AsyncVault, Principal, Session, Vault, VaultError
from vault.admin import Admin
from vault.aio import AsyncExports, AsyncHolds, AsyncRequest, AsyncRequests, AsyncSubjects
from vault.crypto.primitives import SecretKey
from vault.errors import ConfigError, ConflictError, InvalidInputError, NotFoundError
from vault.exports import Exports
from vault.flows.rotate import LEVELS
from vault.rights import Holds, Request, Requests
from vault.subjects import Subjects

CLASSES = (
    Session, AsyncSession, Exports, AsyncExports, Requests, AsyncRequests, Request, AsyncRequest, Holds, AsyncHolds,
    Subjects, AsyncSubjects, Admin, Vault, AsyncVault,
)  # fmt: skip
SCOPE = {name: bad.scopes() for name in ("user_id", "agent_id", "app_id", "run_id")}
REVEAL = bad.texts(1_024)
LIFTED = ("Session.", "Exports.", "Requests.", "Request.", "Holds.", "Subjects.")
PERSON = [*bad.scopes(), *bad.table("scope.missing", {"None": None})]
VALUE = [
    *bad.table("text.type", {"None": None}),
    *bad.texts(512),
    *bad.table("value.short", {"one letter": "q", "signs": "?!", "one in signs": "(q)"}),
]
CURSOR = bad.table("cursor.invalid", {**bad.wrong_types(), "empty": "", "a word": CANARY, "base64": "AAAA"})
ORDERS = ("CREATED_AT", "created_at ", "text", "--created_at")
PRINCIPAL = {"principal": bad.principals(), "purpose": bad.purposes()}

TABLE: dict[str, dict[str, list[Bad]]] = {
    "Session.add": {
        "content": bad.messages(),
        **SCOPE,
        "metadata": bad.metadata(),
        "expires_at": bad.times("expires_at"),
        "idempotency_key": bad.keys(),
        "infer": bad.table("infer.unsupported", {"True": True, "None": None, "zero": 0, "a word": CANARY}),
    },
    "Session.add_many": {
        "items": bad.items(),
        "batch": bad.numbers("batch", 10_000),
        "on_error": bad.one_of("on_error.value", "Raise", "ignore"),
        "progress": bad.callbacks(),
    },
    "Session.search": {
        "query": [*bad.table("text.type", {"None": None}), *bad.texts(bad.TEXT_LIMIT)],
        **SCOPE,
        "filters": bad.filters(),
        "limit": bad.numbers("limit", bad.RESULTS_LIMIT),
        "threshold": bad.thresholds(),
        "recency": bad.days("recency", 36_500),
        "distinct": bad.flags("distinct"),
        "explain": bad.flags("explain"),
        "reveal": REVEAL,
    },
    "Session.get": {"memory_id": bad.memory_ids(), "reveal": REVEAL},
    "Session.list": {
        **SCOPE,
        "filters": bad.filters(),
        "limit": bad.numbers("limit", bad.RESULTS_LIMIT),
        "order": bad.one_of("order.value", *ORDERS),
        "cursor": CURSOR,
        "reveal": REVEAL,
    },
    "Session.update": {
        "memory_id": bad.memory_ids(),
        "text": [*bad.table("update.empty", {"None": None}), *bad.texts(bad.TEXT_LIMIT)],
        "metadata": bad.metadata(),
        "reason": bad.texts(1_024),
    },
    "Session.delete": {"memory_id": bad.memory_ids(), "reason": bad.texts(1_024)},
    "Session.delete_all": SCOPE,
    "Session.history": {"memory_id": bad.memory_ids()},
    "Session.reveal": {
        "memory_id": bad.memory_ids(),
        "reason": [*bad.table("reason.missing", {"None": None}), *bad.texts(1_024)],
    },
    "Exports.preview": {"user_id": bad.scopes(), "reveal": REVEAL},
    "Exports.run": {
        "user_id": bad.scopes(),
        "to": [*bad.paths(), *bad.table("path.form", {"None": None})],
        "reveal": REVEAL,
        "format": bad.one_of("format.value", "Archive", "archive ", "zip"),
        "progress": bad.callbacks(),
        "resume": bad.flags("resume"),
    },
    "Requests.open": {
        "type": bad.one_of("type.unknown", "Erasure", "export"),
        "ground": bad.one_of("ground.unknown", "gdpr.17", "GDPR.17.1.B"),
        **SCOPE,
        "memory_ids": bad.table("scope.one", {"beside a person": [CANARY], "empty": [], "a text": CANARY}),
        "tenant": bad.flags("tenant"),
        "expired": bad.flags("expired"),
    },
    "Requests.get": {"request_id": bad.case_ids("request_id")},
    "Requests.list": {},
    "Requests.roll": {"force": bad.flags("force")},
    "Request.info": {},
    "Request.preview": {},
    "Request.approve": {
        "digest": bad.table(
            "request.changed", {**bad.wrong_types(), "None": None, "a word": CANARY}, ConflictError
        )
    },
    "Request.run": {"roll": [case for case in bad.flags("roll") if case.value is not None]},
    "Request.certificate": {},
    "Request.cancel": {},
    "Holds.place": {
        "matter": [*bad.table("text.type", {"None": None}), *bad.texts(200)],
        **SCOPE,
        "tenant": [*bad.flags("tenant"), *bad.table("scope.one", {"beside a person": True})],
        "reason": bad.texts(1_024),
        "review": bad.table(
            "review.type", {**bad.wrong_types(), "a text": CANARY, "a date in words": "2031-01-01"}
        ),
    },
    "Holds.release": {
        "hold_id": [
            *bad.case_ids("hold_id"),
            *bad.table("hold.unknown", {"of nothing": "0" * 32}, NotFoundError),
        ],
        "reason": bad.texts(1_024),
    },
    "Holds.list": {"released": bad.flags("released")},
    "Subjects.rename": {
        "user_id": PERSON,
        "new_id": PERSON,
        "keep_old_as_alias": bad.flags("keep_old_as_alias"),
        "reason": bad.texts(1_024),
        "dry_run": bad.flags("dry_run"),
    },
    "Subjects.merge": {
        "source": PERSON,
        "into": [*PERSON, *bad.table("subject.same", {"the same": "pat-42"})],
        "reason": bad.texts(1_024),
        "dry_run": bad.flags("dry_run"),
    },
    "Subjects.aliases": {"user_id": PERSON},
    "Subjects.add_alias": {"user_id": PERSON, "alias": PERSON, "reason": bad.texts(1_024)},
    "Subjects.remove_alias": {"user_id": PERSON, "alias": PERSON, "reason": bad.texts(1_024)},
    "Subjects.search": {
        "query": [*bad.table("text.type", {"None": None}), *bad.texts(bad.TEXT_LIMIT)],
        "user_ids": [
            *bad.table(
                "user_ids.type", {**bad.wrong_types(list, tuple), "a text": CANARY, "a set": {CANARY}}
            ),
            *bad.table("user_ids.empty", {"empty": []}),
            *bad.table("scope.missing", {"of None": [None]}),
            *bad.table("scope.type", {"of numbers": [NUMBER], "of lists": [[CANARY]]}),
            *bad.table("scope.wildcard", {"of a wildcard": ["*"]}),
            *bad.table("scope.control", {"of control characters": [f"{CANARY}\x00"]}),
        ],
        "agent_id": bad.scopes(),
        "app_id": bad.scopes(),
        "run_id": bad.scopes(),
        "filters": bad.filters(),
        "limit": bad.numbers("limit", bad.RESULTS_LIMIT),
        "threshold": bad.thresholds(),
        "recency": bad.days("recency", 36_500),
        "distinct": bad.flags("distinct"),
        "explain": bad.flags("explain"),
    },
    "Subjects.find_mentions": {
        "value": VALUE,
        "user_id": bad.scopes(),
        "limit": bad.numbers("limit", bad.RESULTS_LIMIT),
        "people": bad.numbers("people", 100_000),
        "cursor": CURSOR,
        "progress": bad.callbacks(),
    },
    "Subjects.redact_mentions": {
        "value": VALUE,
        "memory_ids": [
            *bad.table(
                "memory_ids.type",
                {**bad.wrong_types(list, tuple), "None": None, "a text": CANARY, "empty": []},
            ),
            *bad.table("memory_ids.type", {"too many": [CANARY] * 10_001}),
            *bad.table("text.type", {"of numbers": [NUMBER], "of None": [None]}),
            *bad.table("memory.unknown", {"of no id": [CANARY]}, NotFoundError),
        ],
        "reason": [*bad.table("reason.missing", {"None": None}), *bad.texts(1_024)],
        "entity": [b for b in bad.one_of("entity.unknown", "person", "PERSON ") if b.value is not None],
        "dry_run": bad.flags("dry_run"),
    },
    "Admin.overview": {"most": bad.numbers("most", 10_000)},
    "Admin.doctor": {},
    "Admin.tenants": {},
    "Admin.create_tenant": {"name": [*bad.tenant_names(), *bad.table("tenant.exists", {"taken": "clinic"})]},
    "Admin.keys_status": {},
    "Admin.keys_rotate": {
        "level": bad.one_of("keys.level", *(level.upper() for level in LEVELS), "root "),
        "keep_old": bad.flags("keep_old"),
        "progress": bad.callbacks(),
    },
    "Admin.keys_backup": {},
    "Admin.keys_verify": {},
    "Admin.backup_create": {
        "kind": bad.one_of("backup.kind", "Data", "keystore ", "both"),
        "to": bad.paths(),
        "keep": [one for one in bad.numbers("keep", 100_000) if one.value is not None],
        "keep_days": [one for one in bad.numbers("keep_days", 100_000) if one.value is not None],
        "dry_run": bad.flags("dry_run"),
        "progress": bad.callbacks(),
    },
    "Admin.backup_archive": {
        "to": [*bad.paths(), *bad.table("backup.to", {"None": None})],
        "progress": bad.callbacks(),
    },
    "Admin.backup_list": {"to": bad.paths()},
    "Admin.backup_verify": {
        "path": [*bad.paths(), *bad.table("path.form", {"None": None})],
        "progress": bad.callbacks(),
    },
    "Admin.audit_verify": {
        "since": [
            *bad.table(
                "since.type", {"a text": CANARY, "bytes": CANARY.encode(), "texts": [CANARY], "None": None}
            ),
            *bad.table("since.length", {"empty": [b""], "too long": [b"x" * 65_537]}),
        ]
    },
    "Admin.audit_evidence": {"out": [*bad.paths(), *bad.table("path.form", {"None": None})]},
    "Admin.audit_export": {
        "to": [
            *bad.paths(),
            *bad.table("path.form", {"None": None}),
            *bad.table("to.folder", {"no folder": f"/nowhere/{CANARY}/log.jsonl", "a folder itself": "/"}),
        ],
        "format": bad.table("format.value", {**bad.wrong_types(), "another": CANARY, "None": None}),
        "since": bad.times("since"),
        "resume": bad.flags("resume"),
        "cursor": bad.paths(),
        "progress": bad.callbacks(),
    },
    "Admin.audit_show": {
        "user_id": bad.scopes(),
        "since": bad.times("since"),
        "limit": bad.numbers("limit", 1_000_000),
    },
    "Admin.audit_checkpoint": {},
    "Admin.retention_plan": {},
    "Admin.retention_run": {"dry_run": bad.flags("dry_run"), "progress": bad.callbacks()},
    "Admin.sweep": {"dry_run": bad.flags("dry_run"), "progress": bad.callbacks()},
    "Admin.rescan": {"dry_run": bad.flags("dry_run"), "progress": bad.callbacks()},
    "Admin.index_status": {},
    "Admin.telemetry_status": {},
    "Admin.telemetry_preview": {},
    "Admin.telemetry_enable": {},
    "Admin.telemetry_disable": {},
    "Admin.telemetry_rotate": {},
    "Admin.index_verify": {},
    "Admin.index_rebuild": {"progress": bad.callbacks()},
    "Admin.reembed": {"dry_run": bad.flags("dry_run"), "progress": bad.callbacks()},
    "Admin.index_move": {"progress": bad.callbacks()},
    "Admin.import_many": {
        "items": [b for b in bad.items() if b.code == "items.type"],  # lines are reported, see below
        "batch": bad.numbers("batch", 10_000),
        "progress": bad.callbacks(),
    },
    "Vault.init": {
        "path": [*bad.paths(), *bad.table("path.form", {"None": None})],
        "key_folder": bad.paths(),
        "passphrase": bad.passphrases(),
        "keystore_backup": bad.paths(),
        "explicit_tenants": bad.flags("explicit_tenants"),
        "pkcs11_module": bad.paths(),
        "pkcs11_token": bad.token_names(),
        "pkcs11_pin": bad.passphrases(),
    },
    "Vault.open": {
        "path": [*bad.paths(), *bad.table("path.form", {"None": None})],
        "reranker": bad.table("reranker.type", {"a word": "best", "a class": object}),
    },
    "Vault.restore": {
        "path": [*bad.paths(), *bad.table("path.form", {"None": None})],
        "backup": [*bad.paths(), *bad.table("path.form", {"None": None})],
        **PRINCIPAL,
        "kind": bad.one_of("backup.kind", "Data", "keystore ", "both"),
        "tenant": [one for one in bad.tenant_names() if one.code != "tenant.missing"],
        "execute": bad.flags("execute"),
        "accept_loss": bad.flags("accept_loss"),
        "progress": bad.callbacks(),
    },
    "Vault.session": {**PRINCIPAL, "user_id": bad.scopes()},
    "Vault.admin": PRINCIPAL,
    "Vault.only_tenant": {},
    "Vault.close": {},
    "AsyncVault.close": {},
}
for _name in [name for name in TABLE if name.startswith(LIFTED)]:
    TABLE[f"Async{_name}"] = TABLE[_name]
for _name in ("open", "session", "admin"):
    TABLE[f"AsyncVault.{_name}"] = TABLE[f"Vault.{_name}"]

GOOD: dict[str, dict[str, Any]] = {
    "add": {"content": "prefers the window seat", "user_id": "pat-42"},
    "add_many": {"items": [{"content": "prefers the aisle seat", "user_id": "pat-42"}]},
    "search": {"query": "which seat?", "user_id": "pat-42"},
    "list": {"user_id": "pat-42"},
    "update": {"text": "prefers the back row"},
    "delete_all": {"user_id": "pat-42"},
    "reveal": {"reason": "call her back"},
    "preview": {"user_id": "pat-42"},
    "Requests.open": {"ground": "gdpr.17.1.b", "user_id": "pat-42"},
    "Requests.list": {},
    "Request.approve": {"digest": "0" * 64},
    "Request.preview": {},
    "Request.run": {},
    "Holds.place": {"matter": "case 7", "user_id": "pat-42"},
    "Holds.release": {"hold_id": "0" * 32},
    "Holds.list": {},
    "Subjects.rename": {"user_id": "pat-42", "new_id": "pat-43"},
    "Subjects.merge": {"source": "pat-42", "into": "pat-43"},
    "Subjects.aliases": {"user_id": "pat-42"},
    "Subjects.add_alias": {"user_id": "pat-42", "alias": "pat-43"},
    "Subjects.remove_alias": {"user_id": "pat-42", "alias": "pat-43"},
    "Subjects.search": {"query": "the front row", "user_ids": ["pat-42"]},
    "Subjects.find_mentions": {"value": "Ana Rivera"},
    "Subjects.redact_mentions": {"value": "Ana Rivera", "memory_ids": [CANARY], "reason": "she asked"},
    "create_tenant": {"name": "bank"},
    "audit_evidence": {"out": "/nowhere/evidence"},
    "audit_export": {"to": "/nowhere/log.jsonl"},
    "keys_rotate": {"level": "detail"},
    "import_many": {"items": [{"content": "prefers the front row", "user_id": "pat-42"}]},
    "session": {"principal": Principal("newcomer", "bot"), "purpose": "service"},
    "admin": {"principal": Principal("clinic", "op", ("operator",)), "purpose": "operations"},
}


def methods() -> dict[str, Callable[..., Any]]:
    """Every public method of every public class, by `Class.method`."""
    return {
        f"{cls.__name__}.{name}": getattr(cls, name)
        for cls in CLASSES
        for name, member in vars(cls).items()
        if not name.startswith("_") and (callable(member) or isinstance(member, classmethod))
    }


def parameters(name: str) -> set[str]:
    return set(inspect.signature(methods()[name]).parameters) - {"self"}


CASES = [(name, parameter) for name, table in TABLE.items() for parameter in table]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bad")


@pytest.fixture(scope="module")
def vault(home: Path) -> Iterator[Vault]:
    with Vault.init(home / "clinic", key_folder=home / "keys", keystore_backup="none") as opened:
        Clock(opened)
        yield opened


@pytest.fixture(scope="module")
def memory_id(vault: Vault) -> str:
    added = session_of(vault).add("reach her at ana.rivera@example.org", user_id="pat-42", metadata={"a": 1})
    return added.memories[0].id


def target(vault: Vault, name: str) -> object:
    """Something to call the method on, in a role that may do it."""
    owner, _, method = name.partition(".")
    if owner == "Session":
        return staff(vault)
    if owner == "AsyncSession":
        return AsyncSession(staff(vault))
    if owner.endswith("Exports"):
        privacy = session_of(vault, roles=("privacy",), purpose="rights-request")
        return privacy.exports if owner == "Exports" else AsyncSession(privacy).exports
    if owner.endswith("Subjects"):
        privacy = session_of(vault, roles=("privacy",), purpose="rights-request")
        return privacy.subjects if owner == "Subjects" else AsyncSession(privacy).subjects
    if owner.endswith(("Requests", "Request", "Holds")):
        return _rights(vault, owner)
    if owner == "Admin":
        if method == "import_many":
            return vault.admin(Principal("clinic", "importer", ("app",)), purpose="service")
        return auditor(vault) if method.startswith("audit") else operator(vault)
    return AsyncVault(vault) if owner == "AsyncVault" else vault


def _rights(vault: Vault, owner: str) -> object:
    """Requests, holds, or a request about pat-42 that was previewed; the awaited ones where those are asked for."""
    privacy = session_of(vault, roles=("privacy",), purpose="rights-request")
    session = AsyncSession(privacy) if owner.startswith("Async") else privacy
    if not owner.endswith("Request"):
        return session.holds if owner.endswith("Holds") else session.requests
    request = next((one.id for one in privacy.requests.list()), None)
    if request is None:
        request = privacy.requests.open(ground="gdpr.17.1.b", user_id="pat-42").id
        privacy.requests.get(request).preview()
    return session.requests.get(request)


def arguments(name: str, memory_id: str, home: Path) -> dict[str, Any]:
    """Good arguments, of which a test spoils one."""
    method = name.partition(".")[2]
    if method == "init":
        return {"path": home / "new", "key_folder": home / "new-keys"}
    part = name.removeprefix("Async")
    if part in GOOD:
        return dict(GOOD[part])
    if method == "run":
        return {"user_id": "pat-42", "to": home / "copy.zip"}
    if method == "open":
        return {"path": home / "clinic"}
    if method == "restore":
        operating = {"principal": Principal("clinic", "op", ("operator",)), "kind": "data"}
        return {"path": home / "clinic", "backup": home / "backups", **operating}
    if method.startswith("backup"):
        given = {
            "create": {"kind": "data", "to": home / "backups"},
            "archive": {"to": home / "archive-copy"},
            "list": {},
            "verify": {"path": home / "backups"},
        }
        return given[method.removeprefix("backup_")]
    given = dict(GOOD.get(method, {}))
    return {"memory_id": memory_id, **given} if "memory_id" in parameters(name) else given


def call(vault: Vault, name: str, given: dict[str, Any]) -> object:
    result = getattr(target(vault, name), name.partition(".")[2])(**given)
    return asyncio.run(_wait(result)) if inspect.isawaitable(result) else result


def refusal(vault: Vault, name: str, given: dict[str, Any], label: str) -> VaultError:
    try:
        call(vault, name, given)
    except VaultError as error:
        return error
    pytest.fail(f"{label}: taken")


async def _wait(result: Any) -> object:
    return await result


def test_the_table_covers_every_method_and_parameter() -> None:
    assert set(TABLE) == set(methods())
    for name, table in TABLE.items():
        assert set(table) == parameters(name), name
        assert all(cases for cases in table.values()), name


@pytest.mark.parametrize(("name", "parameter"), CASES, ids=[".".join(case) for case in CASES])
def test_a_bad_value_gives_its_error_and_stores_nothing(
    vault: Vault, memory_id: str, home: Path, name: str, parameter: str
) -> None:
    before = held(vault)
    for case in TABLE[name][parameter]:
        given = {**arguments(name, memory_id, home), parameter: case.value}
        error = refusal(vault, name, given, case.label)
        assert (type(error), error.code) == (case.error, case.code), case.label
        spoken = told(error)
        assert CANARY not in spoken, case.label
        assert str(NUMBER) not in spoken, case.label
        assert error.message, case.label
    assert held(vault) == before
    assert not list(home.glob("copy.zip*"))
    assert not (home / "new").exists() or not (home / "new" / "memvault.toml").exists()
    assert not list((home / "new-keys").glob("*")) if (home / "new-keys").exists() else True


@pytest.mark.parametrize("name", sorted(TABLE))
def test_an_unknown_argument_is_refused(vault: Vault, memory_id: str, home: Path, name: str) -> None:
    """By the language: TypeError, which names the argument and no value; the call does not begin."""
    before = held(vault)
    with pytest.raises(TypeError, match="unexpected keyword argument 'surprise'") as caught:
        call(vault, name, {**arguments(name, memory_id, home), "surprise": CANARY})
    assert CANARY not in told(caught.value)
    assert held(vault) == before


@pytest.mark.parametrize("name", ["add", "search", "list", "delete_all"])
def test_a_scope_is_required(vault: Vault, name: str) -> None:
    given = {k: v for k, v in GOOD[name].items() if k != "user_id"}
    with pytest.raises(InvalidInputError) as caught:
        call(vault, f"Session.{name}", given)
    assert caught.value.code == "scope.missing"


@pytest.mark.parametrize("where", ["content", "item", "query", "update"])
def test_the_longest_text_is_taken(clinic: Vault, where: str) -> None:
    """65,536 bytes of UTF-8 (`limits.text_bytes`), and not one more: see the table."""
    app = session_of(clinic)
    text = ("tea " * bad.TEXT_LIMIT)[: bad.TEXT_LIMIT - 2] + "é"
    assert len(text.encode()) == bad.TEXT_LIMIT
    if where == "content":
        assert app.add(text, user_id="u").memories[0].text == text
    elif where == "item":
        assert len(app.add_many([{"content": text, "user_id": "u"}]).ids) == 1
    elif where == "query":
        assert app.search(text, user_id="u") == []
    else:
        memory = app.add("short", user_id="u").memories[0]
        assert app.update(memory.id, text).text == text


def test_the_largest_metadata_is_taken(clinic: Vault) -> None:
    room = bad.METADATA_LIMIT - len('{"a": "", "b": [[[[[[[1]]]]]]]}')
    metadata = {"a": "tea " * (room // 4), "b": [[[[[[[1]]]]]]]}
    assert session_of(clinic).add("short", user_id="u", metadata=metadata).memories[0].metadata == metadata


def test_a_refused_import_reports_every_line_and_stores_none(vault: Vault) -> None:
    before = held(vault)
    importer = vault.admin(Principal("clinic", "importer", ("app",)), purpose="service")
    cases = [b for b in TABLE["Session.add_many"]["items"] if b.code != "items.type"]
    lines = [case.value[1] for case in cases]
    result = importer.import_many(lines, batch=50)
    assert result.ids == []
    assert [(r.position, r.code) for r in result.refused] == [(n, case.code) for n, case in enumerate(cases)]
    assert CANARY not in repr(result)
    assert str(NUMBER) not in repr(result)
    assert held(vault) == before


def test_a_refused_call_of_a_newcomer_makes_no_keys(clinic: Vault) -> None:
    """Neither a tenant nor a data subject comes to be by a call that was refused."""
    app = session_of(clinic)
    app.add("prefers tea", user_id="known", idempotency_key="k" * 8)
    before = held(clinic)
    refused = [
        lambda: app.add("", user_id="new"),
        lambda: app.add("prefers tea", user_id="new", metadata={"user_id": 1}),
        lambda: app.add("prefers tea", user_id="new", idempotency_key="k" * 8),
        lambda: app.add_many(
            [{"content": "a cat", "user_id": "n1"}, {"content": "", "user_id": "n2"}], on_error="raise"
        ),
        lambda: app.add_many(
            [{"content": "tea", "user_id": "n1", "idempotency_key": "k" * 9}, {"content": "tea", "user_id": "n2",
             "idempotency_key": "k" * 9}]
        ),
        lambda: session_of(clinic, "newcomer", user_id="*"),
        lambda: session_of(clinic, "newcomer", purpose="curiosity"),
        lambda: session_of(clinic, roles=()).add("prefers tea", user_id="new"),
        lambda: app.search("tea", user_id="new", limit=0),
    ]  # fmt: skip
    for refuse in refused:
        with pytest.raises(VaultError):
            refuse()
        assert held(clinic) == before
    app.search("tea", user_id="new")
    app.list(user_id="new")
    assert held(clinic) == before  # asking about a stranger makes nothing either
    assert app.delete_all(user_id="new").deleted == 0
    assert held(clinic) == before


def test_nothing_that_holds_keys_can_be_pickled_or_copied(clinic: Vault) -> None:
    with SecretKey.random() as key:
        for thing in (
            key,
            clinic,
            session_of(clinic),
            AsyncVault(clinic),
            AsyncSession(session_of(clinic)),
            operator(clinic),
        ):
            for attempt in (pickle.dumps, copy.deepcopy):
                with pytest.raises(TypeError):
                    attempt(thing)
        for attempt in (str, "{}".format):
            with pytest.raises(TypeError):
                attempt(key)
        assert repr([key]) == "[SecretKey(<hidden>)]"


def test_errors_survive_pickling() -> None:
    error = InvalidInputError("text.empty", "content is empty")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.code, str(again)) == (
        InvalidInputError,
        "text.empty",
        "content is empty [text.empty]",
    )


def test_init_refuses_what_is_there(tmp_path: Path) -> None:
    Vault.init(tmp_path / "one", key_folder=tmp_path / "k1", keystore_backup="none").close()
    for given, code in (
        ({"path": tmp_path / "one", "key_folder": tmp_path / "k2"}, "vault.exists"),
        ({"path": tmp_path / "two", "key_folder": tmp_path / "k1"}, "keys.exists"),
        ({"path": tmp_path / "three", "key_folder": tmp_path / "three" / "keys"}, "keys.inside"),
        (
            {
                "path": tmp_path / "four",
                "key_folder": tmp_path / "k4",
                "keystore_backup": tmp_path / "four" / "b",
            },
            "keys.backup_inside",
        ),
    ):
        with pytest.raises(ConfigError) as caught:
            Vault.init(**given)
        assert caught.value.code == code
    Vault.open(tmp_path / "one").close()
