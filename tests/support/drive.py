"""Drives every public method of the library with canaries, on its successful and its failing paths.

`TABLE` has one function per method; a test compares it with what introspection finds, so a new method fails until it
is here. Each function tells the `Drive` what it expects: `done` for answers, `refused` for errors.
Run as a module it does all of it in one process and then dies without closing anything.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from support.canaries import KEYED, SAMPLES, Canaries, personal
from support.drive_people import PEOPLE
from support.thief import flipped, records_thief
from vault import Principal, Session, Vault
from vault.admin import Admin
from vault.aio import (
    AsyncExports,
    AsyncHolds,
    AsyncRequest,
    AsyncRequests,
    AsyncSession,
    AsyncSubjects,
    AsyncVault,
)
from vault.errors import DeniedError, HeldError, IntegrityViolationError, InvalidInputError, VaultError
from vault.exports import Exports
from vault.rights import Holds, Request, Requests
from vault.subjects import Subjects

CLASSES = (
    Vault, Session, Admin, Exports, Requests, Request, Holds, AsyncVault, AsyncSession, AsyncExports, AsyncRequests,
    AsyncRequest, AsyncHolds, Subjects, AsyncSubjects,
)  # fmt: skip
GROUND = "gdpr.17.1.b"
AFTER = timedelta(days=30)
EXPORTED = {
    "EMAIL_ADDRESS": True,
    "US_SSN": True,
    "PASSWORD": False,
}  # whether the privacy role sees the values


def public_methods() -> set[str]:
    """Every public method of every public class that does something, as `Class.method`."""
    return {
        f"{cls.__name__}.{name}"
        for cls in CLASSES
        for name, member in inspect.getmembers(cls)
        if not name.startswith("_") and callable(member)
    }


class Drive:
    """One vault with two tenants, the canaries that go in, and every error that comes out."""

    def __init__(self, folder: Path, *, seed: int = 1) -> None:
        self.folder = folder
        self.canaries = Canaries(seed)
        self.personal = personal(self.canaries)
        self.errors: list[BaseException] = []
        self.texts: list[str] = []  # what was given to the embedder, raw and as stored
        self.covered: set[str] = set()
        self.vault = Vault.init(
            folder / "vault", key_folder=folder / "keys", keystore_backup=folder / "backups"
        )
        self.tenants = [self.canaries.identity("tenant name") for _ in range(2)]
        self.people = [self.canaries.identity("user id") for _ in range(6)]
        self.role = self.canaries.word("role")
        self.at = 0  # in which tenant sessions are opened

    def principal(self, *roles: str) -> Principal:
        return Principal(self.tenants[self.at], self.canaries.identity("principal id"), (*roles, self.role))

    def session(self, role: str = "app", purpose: str = "service", **options: Any) -> Session:
        return self.vault.session(self.principal(role), purpose=purpose, **options)

    def admin(self, role: str = "operator", purpose: str = "operations") -> Admin:
        return self.vault.admin(self.principal(role), purpose=purpose)

    def refused(self, kind: type[BaseException], call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """The call must raise `kind`; the error is kept for the scan."""
        try:
            call(*args, **kwargs)
        except kind as error:
            self.errors.append(error)
        else:
            raise AssertionError(f"{call!r} was not refused")

    def close(self) -> None:
        self.vault.close()


# --- one function per method ------------------------------------------------------------------------------------------


def add(d: Drive, s: Any) -> None:
    c = d.canaries
    user, other = d.people[:2]
    scope = {
        "user_id": user, "agent_id": c.identity("agent id"), "app_id": c.identity("app id"),
        "run_id": c.identity("run id"),
    }  # fmt: skip
    for text in d.personal.values():
        d.texts.append(text)
        d.texts += [memory.text for memory in s.add(text, user_id=user).memories]
    text = c.fact()
    metadata: dict[str, Any] = {
        c.word("metadata key"): c.word("metadata value"),
        c.word("metadata key"): {
            c.word("metadata key"): [c.word("metadata value"), 7, None, c.word("metadata value")]
        },
        **dict(KEYED.values()),
    }
    key = c.word("idempotency key")
    until = datetime.now(UTC) + AFTER
    added = s.add(text, **scope, metadata=metadata, idempotency_key=key, expires_at=until)
    again = s.add(text, **scope, metadata=metadata, idempotency_key=key, expires_at=until)
    assert [m.id for m in again.memories] == [m.id for m in added.memories]
    s.add({"role": "user", "content": c.fact(), "name": c.word("message name")}, user_id=other)
    s.add([{"role": "system", "content": c.fact("system message")}, {"role": "assistant", "content": c.fact()}],
          agent_id=c.identity("agent id"))  # fmt: skip
    d.refused(VaultError, s.add, c.fact(), user_id=user, idempotency_key=key)
    d.refused(VaultError, s.add, c.fact("refused text") + "\x00", user_id=user)
    d.refused(VaultError, s.add, c.fact("refused text") + "\ud800", user_id=user)
    d.refused(VaultError, s.add, [{"content": c.fact("refused text"), c.word("field"): 1}], user_id=user)
    d.refused(
        VaultError, s.add, [{"content": c.fact("refused text"), "role": c.word("role name")}], user_id=user
    )
    d.refused(VaultError, s.add, {c.word("refused content")}, user_id=user)
    d.refused(VaultError, s.add, c.fact("refused text") * 3_000, user_id=user)
    d.refused(VaultError, s.add, c.fact("refused text"))
    for bad in ("\u200b", "\n", "\ud800", "x" * 300):
        d.refused(VaultError, s.add, c.fact("refused text"), user_id=c.word("refused id") + bad)
    d.refused(VaultError, s.add, c.fact("refused text"), user_id=[c.word("refused id")])
    d.refused(VaultError, s.add, c.fact("refused text"), user_id={c.word("refused id"): c.word("refused id")})
    for bad_metadata in (
        {"user_id": c.word("refused value")},
        {c.word("refused key") + "\x01": 1},
        {c.word("refused key"): c.word("refused value") + "\ud800"},
        {c.word("refused key"): float("nan")},
        {c.word("refused key"): {c.word("refused value")}},
        {c.word("refused key"): c.word("refused value") * 5_000},
        c.word("refused value"),
    ):
        d.refused(VaultError, s.add, c.fact("refused text"), user_id=user, metadata=bad_metadata)
    d.refused(
        VaultError, s.add, c.fact("refused text"), user_id=user, idempotency_key=c.word("refused key") + "\n"
    )
    d.refused(VaultError, s.add, c.fact("refused text"), user_id=user, expires_at=c.word("refused value"))
    d.refused(VaultError, s.add, c.fact("refused text"), user_id=user, infer=c.word("refused value"))
    d.refused(TypeError, s.add, c.fact("refused text"), user_id=user, unknown=c.word("refused value"))


def add_many(d: Drive, s: Any) -> None:
    c = d.canaries
    items = [
        {"content": c.fact(), "user_id": d.people[n % 3], "idempotency_key": c.word("idempotency key"),
         "metadata": {c.word("metadata key"): c.word("metadata value")}}
        for n in range(6)
    ]  # fmt: skip
    assert len(s.add_many(items, batch=4).ids) == 6
    assert len(s.add_many(items, batch=4).ids) == 6
    bad = [
        {"content": c.fact("refused text")},
        {"content": c.fact("refused text"), "user_id": "*"},
        {c.word("refused field"): 1},
        {"content": c.fact("refused text") + "\x00", "user_id": d.people[0]},
    ]
    result = s.add_many(bad, on_error="collect")
    assert len(result.refused) == 4
    d.errors += [InvalidInputError(refusal.code, refusal.message) for refusal in result.refused]
    d.refused(VaultError, s.add_many, bad)
    d.refused(VaultError, s.add_many, items, on_error=c.word("refused value"))


def search(d: Drive, s: Any) -> None:
    c = d.canaries
    user = d.people[0]
    query = f"{c.word('query')} and {c.word('query')}?"
    d.texts.append(query)
    s.search(query, user_id=user, explain=True, limit=5)
    s.search(d.personal["EMAIL_ADDRESS"], user_id=user)
    s.search(c.word("query"), user_id=user, agent_id=c.identity("agent id"))
    s.search(c.word("query"), user_id=c.identity("user id"))
    tree = {
        "AND": [
            {c.word("filter key"): c.word("filter value")},
            {"OR": [{c.word("filter key"): {"icontains": c.word("filter value")}},
                    {"NOT": [{c.word("filter key"): {"in": [c.word("filter value"), d.personal["US_SSN"]]}}]}]},
        ]
    }  # fmt: skip
    s.search(c.word("query"), user_id=user, filters=tree)
    d.refused(DeniedError, s.search, c.word("query"), user_id=user, reveal=c.word("reason"))
    d.refused(VaultError, s.search, c.word("refused query") + "\x00", user_id=user)
    d.refused(VaultError, s.search, c.word("refused query"), user_id=c.word("refused id") + "\u200d")
    d.refused(VaultError, s.search, {c.word("refused query"): 1}, user_id=user)
    for bad in (
        {"user_id": c.word("refused value")},
        {c.word("refused key"): {c.word("refused operator"): 1}},
        {c.word("refused key"): {"gt": True}},
        {"AND": c.word("refused value")},
        {"created_at": c.word("refused value")},
        {c.word("refused key"): c.word("refused value") * 500},
        {c.word("refused key"): object()},
        c.word("refused value"),
    ):
        d.refused(VaultError, s.search, c.word("query"), user_id=user, filters=bad)
    d.refused(VaultError, s.search, c.word("query"), user_id=user, limit=c.word("refused value"))
    d.refused(VaultError, s.search, c.word("query"), user_id=user, threshold=c.word("refused value"))
    d.refused(VaultError, s.search, c.word("query"), user_id=user, explain=c.word("refused value"))


def _some(d: Drive, s: Any) -> Any:
    return s.add(f"{d.canaries.fact()}; {d.personal['EMAIL_ADDRESS']}", user_id=d.people[0]).memories[0]


def get(d: Drive, s: Any) -> None:
    memory = _some(d, s)
    assert s.get(memory.id).text == memory.text
    d.refused(VaultError, s.get, d.canaries.word("refused id"))
    d.refused(VaultError, s.get, [d.canaries.word("refused id")])
    d.refused(DeniedError, s.get, memory.id, reveal=d.canaries.word("reason"))
    staff = d.session("staff")
    assert d.personal["EMAIL_ADDRESS"] in staff.get(memory.id, reveal=d.canaries.word("reason")).text
    d.refused(VaultError, staff.get, memory.id, reveal=d.canaries.word("refused reason") + "\x00")


def list_(d: Drive, s: Any) -> None:
    c = d.canaries
    page = s.list(
        user_id=d.people[0], limit=2, order="-updated_at", filters={c.word("filter key"): {"exists": False}}
    )
    assert page.next_cursor is not None
    s.list(user_id=d.people[0], limit=2, order="created_at")
    d.refused(VaultError, s.list, user_id=d.people[1], cursor=page.next_cursor)
    d.refused(VaultError, s.list, user_id=d.people[0], cursor=c.word("refused cursor"))
    d.refused(VaultError, s.list, user_id=d.people[0], order=c.word("refused order"))
    d.refused(VaultError, s.list, user_id=d.people[0], filters={"tenant": c.word("refused value")})
    d.refused(VaultError, s.list)
    d.session("staff").list(user_id=d.people[0], reveal=c.word("reason"))


def update(d: Drive, s: Any) -> None:
    c = d.canaries
    memory = _some(d, s)
    changed = s.update(
        memory.id, f"{c.fact()}, {d.personal['PHONE_NUMBER']}", reason=c.word("reason"),
        metadata={c.word("metadata key"): c.word("metadata value")},
    )  # fmt: skip
    d.texts.append(changed.text)
    d.refused(VaultError, s.update, memory.id, c.fact("refused text") + "\x00")
    d.refused(VaultError, s.update, c.word("refused id"), c.fact("refused text"))
    d.refused(VaultError, s.update, memory.id, c.fact("refused text"), reason=[c.word("refused reason")])
    d.refused(VaultError, s.update, memory.id, metadata={"tenant": c.word("refused value")})


def delete(d: Drive, s: Any) -> None:
    memory = _some(d, s)
    s.delete(memory.id, reason=d.canaries.word("reason"))
    d.refused(VaultError, s.delete, memory.id, reason=d.canaries.word("reason"))
    d.refused(VaultError, s.delete, d.canaries.word("refused id"))
    d.refused(VaultError, s.delete, memory.id, reason={d.canaries.word("refused reason")})


def delete_all(d: Drive, s: Any) -> None:
    user = d.canaries.identity("user id")
    s.add(d.canaries.fact(), user_id=user)
    assert s.delete_all(user_id=user).deleted == 1
    assert s.delete_all(user_id=d.canaries.identity("user id")).deleted == 0
    d.refused(VaultError, s.delete_all)
    d.refused(VaultError, s.delete_all, user_id=d.canaries.word("refused id") + "\x00")
    d.refused(TypeError, s.delete_all, user=d.canaries.word("refused id"))


def history(d: Drive, s: Any) -> None:
    memory = _some(d, s)
    s.update(memory.id, d.canaries.fact(), reason=d.canaries.word("reason"))
    assert len(s.history(memory.id)) == 2
    d.refused(VaultError, s.history, d.canaries.word("refused id"))


def reveal(d: Drive, s: Any) -> None:
    memory = _some(d, s)
    d.refused(DeniedError, s.reveal, memory.id, reason=d.canaries.word("reason"))
    staff = d.session("staff", "treatment")
    assert d.personal["EMAIL_ADDRESS"] in staff.reveal(memory.id, reason=d.canaries.word("reason")).text
    d.refused(VaultError, staff.reveal, d.canaries.word("refused id"), reason=d.canaries.word("reason"))
    d.refused(VaultError, staff.reveal, memory.id, reason=d.canaries.word("refused reason") + "\x00")


def vault_init(d: Drive, _: Any) -> None:
    folder = d.folder / "second"
    Vault.init(folder, key_folder=d.folder / "second-keys", keystore_backup="none").close()
    d.refused(VaultError, Vault.init, folder, key_folder=d.folder / "third-keys")
    d.refused(VaultError, Vault.init, d.folder / "third", passphrase=d.canaries.word("refused passphrase"))
    passphrase = d.canaries.word("passphrase")
    os.environ["MEMVAULT_TEST_PASSPHRASE"] = passphrase
    reference = "env:MEMVAULT_TEST_PASSPHRASE"
    Vault.init(d.folder / "fourth", key_folder=d.folder / "fourth-keys", passphrase=reference).close()
    os.environ["MEMVAULT_TEST_PASSPHRASE"] = d.canaries.word("wrong passphrase")
    d.refused(VaultError, Vault.open, d.folder / "fourth")
    del os.environ["MEMVAULT_TEST_PASSPHRASE"]
    d.refused(VaultError, Vault.open, d.folder / "fourth")


def vault_open(d: Drive, _: Any) -> None:
    d.refused(VaultError, Vault.open, d.folder / "nothing-here")
    broken = d.folder / "broken"
    broken.mkdir()
    # In the test the configuration is the caller's own file; what it says must not come back in an error.
    spoiled = f"{d.canaries.word('configuration key')} = "
    (broken / "memvault.toml").write_text(spoiled + "\n[keys]\n")
    d.refused(VaultError, Vault.open, broken)
    provider = d.canaries.word("configuration value")
    (broken / "memvault.toml").write_text(f'[keys]\nprovider = "{provider}"\nbackup = "none"\n')
    d.refused(VaultError, Vault.open, broken)
    (broken / "memvault.toml").unlink()


def vault_session(d: Drive, _: Any) -> None:
    c = d.canaries
    with_user = d.session(user_id=d.people[0])
    d.refused(VaultError, with_user.list, user_id=c.identity("user id"))
    for principal, purpose in (
        (Principal(c.word("refused tenant") + "\x00", "a"), "service"),
        (Principal("memvault:" + c.word("refused tenant"), "a"), "service"),
        (Principal(c.word("tenant of nobody"), c.word("refused principal") + "\x00"), "service"),
        (Principal(c.word("tenant of nobody"), "a", (c.word("refused role") + "é",)), "service"),
        (Principal(c.word("tenant of nobody"), "a"), c.word("refused purpose")),
        (c.word("refused principal"), "service"),
    ):
        d.refused(VaultError, d.vault.session, principal, purpose=purpose)
    nobody = d.session(c.word("unknown role"))
    d.refused(DeniedError, nobody.add, c.fact("refused text"), user_id=d.people[0])
    d.refused(DeniedError, nobody.search, c.word("query"), user_id=d.people[0])


def vault_admin(d: Drive, _: Any) -> None:
    d.refused(VaultError, d.vault.admin, d.principal("operator"), purpose=d.canaries.word("refused purpose"))
    d.refused(VaultError, d.vault.admin, d.canaries.word("refused principal"))


def vault_close(d: Drive, _: Any) -> None:
    other = Vault.open(d.folder / "second")
    other.close()
    other.close()
    d.refused(VaultError, other.session, d.principal("app"), purpose="service")
    d.refused(TypeError, other.__reduce__)


def only_tenant(d: Drive, _: Any) -> None:
    name = d.canaries.identity("tenant name")
    with Vault.open(d.folder / "second") as vault:
        vault.only_tenant()
        vault.session(Principal(name, d.canaries.identity("principal id"), ("app",)), purpose="service")
        vault.only_tenant()
    d.refused(VaultError, vault.only_tenant)


def tenants(d: Drive, a: Any) -> None:
    assert set(d.tenants) <= {info.name for info in a.tenants()}
    d.refused(DeniedError, d.admin("app", "service").tenants)


def create_tenant(d: Drive, a: Any) -> None:
    name = d.canaries.identity("tenant name")
    a.create_tenant(name)
    d.refused(VaultError, a.create_tenant, name)
    d.refused(VaultError, a.create_tenant, d.canaries.word("refused tenant") + "\x00")
    d.refused(VaultError, a.create_tenant, "memvault:" + d.canaries.word("refused tenant"))


def _simple(name: str) -> Callable[[Drive, Any], None]:
    def call(d: Drive, a: Any) -> None:
        getattr(a, name)()
        d.refused(DeniedError, getattr(d.admin("app", "service"), name))

    return call


def keys_rotate(d: Drive, a: Any) -> None:
    from vault.flows.rotate import LEVELS

    for level in LEVELS:
        a.keys_rotate(level)
    d.refused(VaultError, a.keys_rotate, d.canaries.word("refused level"))
    d.refused(DeniedError, d.admin("app", "service").keys_rotate, "tenant")


def audit_show(d: Drive, a: Any) -> None:
    auditor = d.admin("auditor", "audit")
    assert auditor.audit_show(user_id=d.people[0])
    auditor.audit_show(since=datetime.now(UTC) - AFTER)
    auditor.audit_show(user_id=d.canaries.identity("user id"))
    d.refused(VaultError, auditor.audit_show, user_id=d.canaries.word("refused id") + "\x00")
    d.refused(VaultError, auditor.audit_show, since=d.canaries.word("refused value"))
    d.refused(DeniedError, a.audit_show)


def audit_evidence(d: Drive, a: Any) -> None:
    """What is handed out stays where it is: the scan finds nothing in it."""
    auditor, place = d.admin("auditor", "audit"), d.folder / "evidence"
    assert auditor.audit_evidence(place)["entries"]
    d.refused(VaultError, auditor.audit_evidence, place)
    d.refused(VaultError, auditor.audit_evidence, d.vault.folder / "evidence")
    d.refused(DeniedError, a.audit_evidence, d.folder / d.canaries.word("refused value"))


def backups(d: Drive, a: Any) -> None:
    """Copies of everything, which lie open to the scan as the vault's own files do."""
    place, c = d.folder / "copies", d.canaries
    made = a.backup_create("data", to=place, keep=1)
    a.backup_create("keystore", keep_days=1)
    assert a.backup_list(to=place)
    a.backup_list()
    a.backup_archive(d.folder / "archive-copy")
    a.backup_archive(d.folder / "archive-copy")
    d.refused(VaultError, a.backup_archive, d.vault.folder / c.word("refused value"))
    a.backup_verify(made["folder"])
    d.refused(VaultError, a.backup_create, c.word("refused value"))
    d.refused(VaultError, a.backup_create, "data", to=d.vault.folder / c.word("refused value"))
    d.refused(VaultError, a.backup_verify, d.folder / c.word("missing file"))
    denied = d.admin("app", "service")
    d.refused(DeniedError, denied.backup_create, "data", to=place)
    d.refused(DeniedError, denied.backup_list)
    d.refused(DeniedError, denied.backup_archive, place)
    d.refused(DeniedError, denied.backup_verify, place)


def vault_restore(d: Drive, _: Any) -> None:
    """The second vault is put back, and a backup of it is refused where it does not belong."""
    c, place, folder = d.canaries, d.folder / "second-copies", d.folder / "second"
    who = Principal(c.identity("tenant name"), c.identity("principal id"), ("operator",))
    with Vault.open(folder) as vault:
        app = vault.session(Principal(who.tenant, who.id, ("app",)), purpose="service")
        app.add(c.fact(), user_id=c.identity("user id"))
        made = vault.admin(who).backup_create("data", to=place)["folder"]
        app.add(c.fact(), user_id=c.identity("user id"))
    for execute in (False, True):
        Vault.restore(folder, made, who, kind="data", execute=execute)
    d.refused(VaultError, lambda: Vault.restore(folder, made, who, kind=c.word("refused value")))
    d.refused(
        VaultError, lambda: Vault.restore(folder, made, who, kind="data", tenant=c.word("refused tenant"))
    )
    d.refused(VaultError, lambda: Vault.restore(folder, place / c.word("missing file"), who, kind="data"))
    d.refused(VaultError, lambda: Vault.restore(d.vault.folder, made, who, kind="data"))
    nobody = Principal(who.tenant, who.id, (c.word("unknown role"),))
    d.refused(DeniedError, lambda: Vault.restore(folder, made, nobody, kind="data"))
    d.refused(
        VaultError, lambda: Vault.restore(folder, made, who, kind="data", purpose=c.word("refused purpose"))
    )


def import_many(d: Drive, _: Any) -> None:
    c = d.canaries
    importer = d.admin("app", "service")
    items = [{"content": c.fact(), "user_id": d.people[2]}, {"content": c.fact("refused text"), "user_id": "*"},
             {c.word("refused field"): c.word("refused value")}, c.word("refused item")]  # fmt: skip
    result = importer.import_many(items)
    assert (len(result.ids), len(result.refused)) == (1, 3)
    d.errors += [InvalidInputError(refusal.code, refusal.message) for refusal in result.refused]
    d.refused(DeniedError, d.admin().import_many, items)


def exported_person(d: Drive) -> str:
    """Somebody with memories of every kind of value."""
    user, session = d.canaries.identity("user id"), d.session()
    for entity in EXPORTED:
        session.add(
            d.personal[entity], user_id=user, metadata={d.canaries.word("metadata key"): d.canaries.fact()}
        )
    memory = session.add(d.canaries.fact(), user_id=user).memories[0]
    session.update(memory.id, d.canaries.fact(), reason=d.canaries.word("reason"))
    return user


def export_preview(d: Drive, e: Any) -> None:
    c = d.canaries
    assert (
        e.preview(user_id=exported_person(d), reveal=c.word("reason")).counts["memories"] == len(EXPORTED) + 1
    )
    d.refused(VaultError, e.preview, user_id=c.identity("user id"))
    d.refused(VaultError, e.preview, user_id=c.word("refused id") + "\x00")
    d.refused(VaultError, e.preview, user_id=d.people[0], reveal=c.word("refused reason") + "\x00")
    d.refused(DeniedError, d.session().exports.preview, user_id=d.people[0])


def export_run(d: Drive, e: Any) -> None:
    """What it writes is meant to be read, where the caller asked for it: looked at, and taken away before the scan."""
    c = d.canaries
    user, place = exported_person(d), d.folder / "handed-out"
    place.mkdir()
    for to, options in (
        (place / "folder", {"format": "folder", "reveal": c.word("reason")}),
        (place / "archive.zip", {"progress": lambda done, total: None}),
    ):
        assert e.run(user_id=user, to=to, **options).complete
        d.refused(VaultError, e.run, user_id=user, to=to, **options)
    page = (place / "folder" / "index.html").read_text(encoding="utf-8")
    assert user in page
    assert {entity: SAMPLES[entity][1] in page for entity in EXPORTED} == EXPORTED
    d.refused(VaultError, e.run, user_id=user, to=d.vault.folder / "copy")
    d.refused(VaultError, e.run, user_id=user, to=place / "nowhere" / "copy")
    d.refused(VaultError, e.run, user_id=user, to=place / "other", format=c.word("refused format"))
    d.refused(VaultError, e.run, user_id=c.identity("user id"), to=place / "other")
    d.refused(VaultError, e.run, user_id=c.word("refused id") + "\x00", to=place / "other")
    d.refused(VaultError, e.run, user_id=user, to=place / "other", reveal=c.word("refused reason") + "\x00")
    d.refused(DeniedError, d.session().exports.run, user_id=user, to=place / "other")
    shutil.rmtree(place)


def _forgotten(d: Drive) -> str:
    """Somebody who will be erased: values in every store, a history, a remembered write."""
    user = exported_person(d)
    d.session().add(d.canaries.fact(), user_id=user, idempotency_key=d.canaries.word("idempotency key"))
    return user


def requests_open(d: Drive, r: Any) -> None:
    c, user = d.canaries, _forgotten(d)
    memory = _some(d, d.session())
    for scope in (
        {"user_id": user},
        {"memory_ids": [memory.id]},
        {"run_id": c.identity("run id")},
        {"expired": True},
    ):
        repr(r.open(ground=GROUND, **scope))
    d.refused(VaultError, r.open, ground=c.word("refused ground"), user_id=user)
    d.refused(VaultError, r.open, ground=GROUND, type=c.word("refused type"), user_id=user)
    d.refused(VaultError, r.open, ground=GROUND, user_id=c.word("refused id") + "\x00")
    d.refused(VaultError, r.open, ground=GROUND, user_id=user, memory_ids=[c.word("refused id")])
    d.refused(VaultError, r.open, ground=GROUND, memory_ids={c.word("refused id")})
    d.refused(VaultError, r.open, ground=GROUND)
    d.refused(DeniedError, d.session().requests.open, ground=GROUND, user_id=user)
    bound = d.session("privacy", "rights-request", user_id=user)
    d.refused(VaultError, bound.requests.open, ground=GROUND, user_id=d.people[0])


def requests_get(d: Drive, r: Any) -> None:
    d.refused(VaultError, r.get, d.canaries.word("refused id"))
    d.refused(VaultError, r.get, [d.canaries.word("refused id")])


def requests_list(d: Drive, r: Any) -> None:
    assert all(d.people[0] not in repr(one) for one in r.list())
    d.refused(DeniedError, d.session().requests.list)


def requests_roll(d: Drive, r: Any) -> None:
    d.session().delete(_some(d, d.session()).id)
    assert r.roll(force=True) is not None
    assert r.roll() is None
    d.refused(VaultError, r.roll, force=d.canaries.word("refused value"))
    d.refused(DeniedError, d.session().requests.roll)


def request_life(d: Drive, r: Any) -> None:
    """Every method of a request: about a person, step by step, with what each refuses on its way."""
    c, user = d.canaries, _forgotten(d)
    privacy = d.session("privacy", "rights-request")
    requests = privacy.requests
    one = requests.open(ground=GROUND, user_id=user)
    request = r(one.id)
    d.refused(VaultError, request.run)
    d.refused(VaultError, request.certificate)
    shown = request.preview()
    assert (shown.counts or {})["memories"] > 0
    d.refused(VaultError, request.approve, c.word("refused digest"))
    d.refused(DeniedError, one.approve, shown.digest)  # who asked
    request.approve(shown.digest)
    d.refused(DeniedError, d.session().requests.get(one.id).run)
    d.refused(VaultError, request.run, roll=c.word("refused value"))
    done = request.run()
    assert done.opening is not None
    assert request.run().opening is None
    assert request.info().state == "erased"
    assert user.encode() not in request.certificate()
    d.refused(VaultError, request.cancel)
    gone = requests.open(ground=GROUND, user_id=d.people[1])
    r(gone.id).cancel()
    d.refused(VaultError, r(gone.id).run)
    d.refused(VaultError, r("0" * 32).info)


def holds_place(d: Drive, h: Any) -> None:
    c, user = d.canaries, d.canaries.identity("user id")
    memory = d.session().add(c.fact(), user_id=user).memories[0]
    held = h.place(user_id=user, matter=c.word("matter"), reason=c.word("reason"))
    d.refused(HeldError, d.session().delete, memory.id, reason=c.word("reason"))
    privacy = d.session("privacy", "rights-request")
    d.refused(HeldError, privacy.requests.open(ground=GROUND, user_id=user).preview)
    h.release(held.id, reason=c.word("reason"))
    d.refused(VaultError, h.place, user_id=user, matter=c.word("refused matter") + "\x00")
    d.refused(VaultError, h.place, user_id=c.word("refused id") + "\x00", matter=c.word("matter"))
    d.refused(VaultError, h.place, user_id=user, matter=c.word("matter"), review=c.word("refused date"))
    d.refused(DeniedError, d.session().holds.place, user_id=user, matter=c.word("matter"))


def holds_release(d: Drive, h: Any) -> None:
    d.refused(VaultError, h.release, d.canaries.word("refused id"))
    d.refused(VaultError, h.release, "0" * 32, reason=d.canaries.word("reason"))
    d.refused(DeniedError, d.session().holds.release, "0" * 32)


def holds_list(d: Drive, h: Any) -> None:
    h.list(released=True)
    d.refused(VaultError, h.list, released=d.canaries.word("refused value"))
    d.refused(DeniedError, d.session().holds.list)


class Sync:
    """An AsyncSession or a part of it, seen as a session: each call is run to its end."""

    def __init__(
        self,
        session: AsyncSession | AsyncExports | AsyncRequests | AsyncRequest | AsyncHolds | AsyncSubjects,
    ) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._session, name)
        if not inspect.iscoroutinefunction(method):
            return method
        return lambda *args, **kwargs: asyncio.run(method(*args, **kwargs))


def audit_export(d: Drive, a: Any) -> None:
    """What goes to a collector of logs stays where it is: the scan finds nothing in it."""
    auditor = d.admin("auditor", "audit")
    for form in ("jsonl", "ocsf"):
        place, cursor = d.folder / f"log.{form}", d.folder / f"cursor.{form}"
        assert auditor.audit_export(place, format=form, cursor=cursor)["entries"]
        assert auditor.audit_export(place, format=form, resume=True)["entries"]
        d.refused(VaultError, auditor.audit_export, place)
    d.refused(VaultError, auditor.audit_export, d.folder / "log.csv", format=d.canaries.word("refused value"))
    d.refused(DeniedError, a.audit_export, d.folder / d.canaries.word("refused value"))


def async_vault(d: Drive, _: Any) -> None:
    async def run() -> None:
        async with await AsyncVault.open(d.folder / "second") as vault:
            session = await vault.session(d.principal("app"), purpose="service")
            await session.add(d.canaries.fact(), user_id=d.people[0])
            vault.admin(d.principal("operator"))
            try:
                await vault.session(d.principal("app"), purpose=d.canaries.word("refused purpose"))
            except VaultError as error:
                d.errors.append(error)
        await vault.close()

    asyncio.run(run())
    d.refused(VaultError, lambda: asyncio.run(AsyncVault.open(d.folder / "nothing-here")))


_TELEMETRY = ("status", "preview", "enable", "disable", "rotate")


def telemetry_life(d: Drive, a: Any) -> None:
    a.telemetry_disable()
    d.refused(VaultError, a.telemetry_rotate)
    for name in ("preview", "enable", "rotate", "status", "preview"):
        getattr(a, f"telemetry_{name}")()
    for name in _TELEMETRY:
        d.refused(DeniedError, getattr(d.admin("app", "service"), f"telemetry_{name}"))


_SESSION: dict[str, Callable[[Drive, Any], None]] = {
    "add": add, "add_many": add_many, "search": search, "get": get, "list": list_, "update": update, "delete": delete,
    "delete_all": delete_all, "history": history, "reveal": reveal,
}  # fmt: skip
_ADMIN: dict[str, Callable[[Drive, Any], None]] = {
    "tenants": tenants, "create_tenant": create_tenant, "keys_rotate": keys_rotate, "audit_show": audit_show,
    "audit_evidence": audit_evidence, "audit_export": audit_export,
    **dict.fromkeys([f"telemetry_{name}" for name in _TELEMETRY], telemetry_life),
    **dict.fromkeys(("backup_create", "backup_archive", "backup_list", "backup_verify"), backups),
    "import_many": import_many,
    **{name: _simple(name) for name in (
        "keys_status", "keys_backup", "keys_verify", "audit_verify", "audit_checkpoint", "sweep", "rescan",
        "reembed",
        "retention_plan", "retention_run",
        "index_verify", "index_rebuild", "index_move", "index_status", "overview", "doctor",
    )},
}  # fmt: skip
_EXPORTS: dict[str, Callable[[Drive, Any], None]] = {"preview": export_preview, "run": export_run}
_REQUESTS: dict[str, Callable[[Drive, Any], None]] = {
    "open": requests_open, "get": requests_get, "list": requests_list, "roll": requests_roll,
}  # fmt: skip
_HOLDS: dict[str, Callable[[Drive, Any], None]] = {
    "place": holds_place, "release": holds_release, "list": holds_list,
}  # fmt: skip
_REQUEST = ("info", "preview", "approve", "run", "certificate", "cancel")
TABLE: dict[str, Callable[[Drive, Any], None]] = {
    "Vault.init": vault_init, "Vault.open": vault_open, "Vault.session": vault_session, "Vault.admin": vault_admin,
    "Vault.close": vault_close,
    "Vault.only_tenant": only_tenant,
    "Vault.restore": vault_restore,
    **{f"Session.{name}": function for name, function in _SESSION.items()},
    **{f"AsyncSession.{name}": function for name, function in _SESSION.items()},
    **{f"Exports.{name}": function for name, function in _EXPORTS.items()},
    **{f"AsyncExports.{name}": function for name, function in _EXPORTS.items()},
    **{f"{kind}Requests.{name}": function for kind in ("", "Async") for name, function in _REQUESTS.items()},
    **{f"{kind}Request.{name}": request_life for kind in ("", "Async") for name in _REQUEST},
    **{f"{kind}Holds.{name}": function for kind in ("", "Async") for name, function in _HOLDS.items()},
    **{f"{kind}Subjects.{name}": function for kind in ("", "Async") for name, function in PEOPLE.items()},
    **{f"Admin.{name}": function for name, function in _ADMIN.items()},
    **{f"AsyncVault.{name}": async_vault for name in ("open", "session", "admin", "close")},
}  # fmt: skip


def drive(d: Drive) -> None:
    """Every function of the table, each with what its class needs; the integrity failures last."""
    done: set[Any] = set()
    for name, function in TABLE.items():
        cls = name.partition(".")[0]
        d.covered.add(name)
        if (cls.startswith("Async"), function) in done:
            continue
        done.add((cls.startswith("Async"), function))
        d.at = int(cls.startswith("Async") and cls != "AsyncVault")
        if cls.endswith(("Requests", "Request", "Holds")):
            function(d, _rights(d, cls))
        elif cls.endswith("Subjects"):
            privacy = d.session("privacy", "rights-request")
            function(d, privacy.subjects if cls == "Subjects" else Sync(AsyncSession(privacy).subjects))
        elif cls.endswith("Exports"):
            privacy = d.session("privacy", "rights-request")
            function(d, privacy.exports if cls == "Exports" else Sync(AsyncSession(privacy).exports))
        elif cls == "Session":
            function(d, d.session())
        elif cls == "AsyncSession":
            function(d, Sync(AsyncSession(d.session())))
        else:
            function(d, d.admin() if cls == "Admin" else None)
    broken(d)


def _rights(d: Drive, cls: str) -> Any:
    """Requests or holds, awaited or not; for single requests, what makes one of an id."""
    privacy = d.session("privacy", "rights-request")
    if not cls.startswith("Async"):
        return {"Requests": privacy.requests, "Request": privacy.requests.get, "Holds": privacy.holds}[cls]
    lifted = AsyncSession(privacy)
    if cls == "AsyncRequest":
        return lambda request_id: Sync(lifted.requests.get(request_id))
    return Sync(lifted.holds if cls == "AsyncHolds" else lifted.requests)


def broken(d: Drive) -> None:
    """Every read of a record whose bytes were changed; done in the second tenant."""
    d.at = 1
    session, staff = d.session(), d.session("staff")
    user = d.canaries.identity("user id")
    memory = session.add(d.canaries.fact(), user_id=user).memories[0]
    session.update(memory.id, d.canaries.fact())
    thief = records_thief(d.vault, d.tenants[1])
    row = max(thief.rows("memories"), key=lambda row: (row["s"], row["n"]))
    thief.change("memories", row, body=flipped(row["body"], 100))
    point = next(p for p in thief.rows("points") if (p["s"], p["n"]) == (row["s"], row["n"]))
    thief.change("points", point, point=flipped(point["point"], 100))
    for call in (
        lambda: session.get(memory.id), lambda: session.history(memory.id), lambda: session.list(user_id=user),
        lambda: session.search(d.canaries.word("query"), user_id=user),
        lambda: session.update(memory.id, d.canaries.fact("refused text")), lambda: session.delete(memory.id),
        lambda: session.delete_all(user_id=user), lambda: staff.reveal(memory.id, reason=d.canaries.word("reason")),
    ):  # fmt: skip
        d.refused(IntegrityViolationError, call)


def everything_said(error: BaseException) -> Iterator[str]:
    """All text of an error and of everything hanging on it, suppressed causes too."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield from (str(one), repr(one), repr(one.args), *getattr(one, "__notes__", ()))
        if isinstance(one, VaultError):
            yield from (one.code, one.message)
        yield "".join(traceback.format_exception(one))
        waiting += [one.__cause__, one.__context__, *getattr(one, "exceptions", ())]


def main(folder: str) -> None:
    """As a process of its own: everything is logged and shown on standard error, nothing is closed at the end."""
    logging.basicConfig(level=logging.DEBUG, stream=sys.stderr)
    d = Drive(Path(folder), seed=2)
    drive(d)
    for error in d.errors:
        sys.stderr.write("\n".join(everything_said(error)))
    for thing in (d.vault, d.session(), d.vault._opened(), d.vault._opened().keystore):
        print(repr(thing))
    (Path(folder).parent / "canaries.json").write_text(json.dumps(d.canaries.values))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
