"""Backups and restores cut off by SIGKILL, in processes of their own: one dies, whoever comes next looks and resumes.

The nursery forks them: `act` does the action and dies before step `die_at`, `look` opens and says what is seen or which
error forbids it, `again` does the action to its end.
"""

from __future__ import annotations

import json
import os
import shutil
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Final

from support.steps import Steps, install
from vault import Principal, Session, Vault, VaultError

OP: Final = Principal("clinic", "op", ("operator",))
STAYS: Final = {"quilted": "ana", "harbour": "ana", "carpet": "ben"}
GONE: Final = {"teapot": "leaves", "lantern": "ben"}  # a person, and one memory of somebody else
LATER: Final = {"blanket": "ana", "drawer": "newcomer"}


def app(vault: Vault, tenant: str = "clinic") -> Session:
    return vault.session(Principal(tenant, "bot", ("app",)), purpose="service")


def operator(vault: Vault, tenant: str = "clinic") -> Any:
    return vault.admin(Principal(tenant, "op", ("operator",)))


def fill(base: Path, **keys: Any) -> None:
    """A vault, backed up; then a person and a memory erased, more written, and the keystore backed up again.

    Its root key lies in a folder, or where `keys` say.
    """
    if keys:
        keys["keystore_backup"] = base / "keys" / "keystore-backups"
    with Vault.init(base / "vault", **(keys or {"key_folder": base / "keys"})):
        toml = base / "vault" / "memvault.toml"
        toml.write_text(toml.read_text().replace(str(base), ".."))
    with Vault.open(base / "vault") as vault:
        made = {word: tell(vault, word, user) for word, user in {**STAYS, **GONE}.items()}
        app(vault, "bank").add("Account opened about harbour", user_id="c-1")
    with Vault.open(base / "vault") as vault:
        operator(vault).backup_create("data", to=base / "data")
    with Vault.open(base / "vault") as vault:
        request = vault.session(
            Principal("clinic", "officer", ("privacy",)), purpose="rights-request"
        ).requests.open(ground="gdpr.17.1.b", user_id="leaves")
        request.preview()
        request.run(roll=False)
        app(vault).delete(made["lantern"])
        for word, user in LATER.items():
            tell(vault, word, user)
    with Vault.open(base / "vault") as vault:
        operator(vault).backup_create("keystore")


def tell(vault: Vault, word: str, user: str) -> str:
    return app(vault).add(f"The visit about {word} was written down", user_id=user).memories[0].id


def newest(folder: Path, kind: str) -> Path:
    return max(folder.glob(f"{kind}-*"), key=lambda path: path.name.split("-", 1)[1])


# --- what is cut off -----------------------------------------------------------------------------------------------


def _create(kind: str) -> Callable[[Path], None]:
    def create(base: Path) -> None:
        vault = Vault.open(base / "vault")
        operator(vault).backup_create(kind, to=base / "data" if kind == "data" else None, keep=1)

    return create


def _restore_data(base: Path) -> None:
    Vault.restore(base / "vault", newest(base / "data", "data"), OP, kind="data", execute=True)


def _restore_keystore(base: Path) -> None:
    """The keystore is lost first, unless an attempt before this one did that."""
    place = base / "vault" / "keystore"
    if not (base / "vault" / "memvault.restoring").exists() and not (base / "lost").exists():
        (base / "lost").touch()
        shutil.rmtree(place)
    copy = newest(base / "keys" / "keystore-backups", "keystore")
    Vault.restore(base / "vault", copy, OP, kind="keystore", execute=True)


ACTIONS: Final[dict[str, Callable[[Path], None]]] = {
    "backup of the data": _create("data"),
    "backup of the keystore": _create("keystore"),
    "restore of the data": _restore_data,
    "restore of the keystore": _restore_keystore,
}


# --- in the other processes ----------------------------------------------------------------------------------------


def act(stream: IO[str], base: str, action: str, die_at: int) -> None:
    steps = Steps(die_at, every=False)
    install(steps)
    ACTIONS[action](Path(base))
    stream.write(json.dumps(steps.count) + "\n")
    stream.flush()
    os._exit(0)  # closing would count on


def seen(base: Path) -> dict[str, Any]:
    """What somebody meets who opens the vault: every word that is found, or the code of the refusal."""
    try:
        with Vault.open(base / "vault") as vault:
            found = [
                word
                for word, user in {**STAYS, **GONE, **LATER}.items()
                if any(word in memory.text for memory in app(vault).list(user_id=user).memories)
            ]
            bank = [memory.text for memory in app(vault, "bank").list(user_id="c-1").memories]
            reports = [operator(vault, tenant).audit_verify()["records"] for tenant in ("clinic", "bank")]
            keys = operator(vault).keys_verify()["keystore"]
            return {"words": found, "bank": len(bank), "records": reports, "tenants": keys["tenants"]}
    except VaultError as error:
        return {"code": error.code}


def look(stream: IO[str], base: str) -> None:
    stream.write(json.dumps(seen(Path(base))) + "\n")
    stream.flush()


def again(stream: IO[str], base: str, action: str) -> None:
    """Do it to its end, then say what is seen and which backups there are."""
    place = Path(base)
    ACTIONS[action](place)
    answer = seen(place)
    with Vault.open(place / "vault") as vault:
        backups = operator(vault).backup_list(to=place / "data") + operator(vault).backup_list(
            to=place / "keys" / "keystore-backups"
        )
        answer["backups"] = [one.kind for one in backups]
        for one in backups:
            operator(vault).backup_verify(one.folder)
        tell(vault, "hammer", "ana")
    answer["left"] = sorted(
        path.name
        for path in place.rglob("*")
        if path.name.startswith(
            (".partial", "memvault.restoring", "keystore.restored", "records.db.restored")
        )
        or path.name.endswith(".new")
    )
    stream.write(json.dumps(answer) + "\n")
    stream.flush()


WORKS: Final = {"act": act, "look": look, "again": again}


def serve(stream: IO[str], part: str, **order: Any) -> None:
    """In a forked child: one of the three; a failure is sent as its traceback."""
    try:
        WORKS[part](stream, **order)
    except BaseException:  # noqa: BLE001 - whatever it is, the test must see it
        stream.write(json.dumps({"trace": traceback.format_exc()}) + "\n")
        stream.flush()
