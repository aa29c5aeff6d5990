"""Dies by SIGKILL before the n-th step of an action: every step that could make something durable, or every statement.

Steps are counted at the borders to the system (files and folders) and to the database driver, so that a rewritten
rotation is cut off between all of its own steps too.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

import sqlcipher3

import vault.storage
from support.models import NarrowEmbedder, configure
from vault import Principal, Vault
from vault.flows.rotate import LEVELS
from vault.policy.decide import Retention

_FILE_STEPS = ("mkdir", "replace", "rename", "unlink", "rmdir", "fsync", "truncate")
_DURABLE = ("COMMIT", "PRAGMA JOURNAL_MODE = WAL", "PRAGMA WAL_CHECKPOINT")


class Steps:
    """Counts, and dies before step `die_at`; 0 only counts."""

    def __init__(self, die_at: int, *, every: bool) -> None:
        self.die_at = die_at
        self.every = every
        self.count = 0

    def __call__(self) -> None:
        self.count += 1
        if self.count == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def statement(self, sql: str) -> None:
        if self.every or sql.upper().startswith(_DURABLE):
            self()

    def wrap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            self()
            return function(*arguments, **options)

        return wrapped


class _Connection:
    """A driver connection that counts what it is asked to do."""

    def __init__(self, connection: Any, steps: Steps) -> None:
        self._connection = connection
        self._steps = steps

    def execute(self, sql: str, *parameters: Any) -> Any:
        self._steps.statement(sql)
        return self._connection.execute(sql, *parameters)

    def executemany(self, sql: str, *parameters: Any) -> Any:
        self._steps.statement(sql)
        return self._connection.executemany(sql, *parameters)

    def backup(self, target: _Connection) -> None:
        self._steps()
        self._connection.backup(target._connection)

    def reset_key(self, spec: bytearray) -> Any:
        self._steps()
        return self._connection.reset_key(spec)

    def close(self) -> None:
        self._steps()  # the last close of a file moves its WAL
        self._connection.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


class _Driver:
    """The driver's module, handing out counting connections."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def connect(self, *arguments: Any, **options: Any) -> _Connection:
        self._steps()
        return _Connection(sqlcipher3.connect(*arguments, **options), self._steps)

    def __getattr__(self, name: str) -> Any:
        return getattr(sqlcipher3, name)


def install(steps: Steps) -> None:
    """For the rest of this process."""
    for name in _FILE_STEPS:
        setattr(os, name, steps.wrap(getattr(os, name)))
    vault.storage.sqlcipher3 = _Driver(steps)  # type: ignore[attr-defined]


# --- what is cut off -----------------------------------------------------------------------------------------------


def _session(vault: Vault, tenant: str = "clinic") -> Any:
    return vault.session(Principal(tenant, "app", ("app",)), purpose="service")


def _init(base: Path, _vault: Vault | None) -> None:
    Vault.init(base / "vault", key_folder=base / "keys").close()


def _new_tenant(_base: Path, vault: Vault | None) -> None:
    assert vault is not None
    _session(vault, "newcomer").add("The newcomer's first words", user_id="u")


def _rotate(level: str) -> Callable[[Path, Vault | None], None]:
    def rotate(_base: Path, vault: Vault | None) -> None:
        assert vault is not None
        vault.admin(Principal("clinic", "operator", ("operator",))).keys_rotate(level)

    return rotate


def _root_kept(_base: Path, vault: Vault | None) -> None:
    assert vault is not None
    vault.admin(Principal("clinic", "operator", ("operator",))).keys_rotate("root", keep_old=True)


def _add(_base: Path, vault: Vault | None) -> None:
    assert vault is not None
    messages = [{"role": "user", "content": f"Part {n} of one talk, ask kim@example.org"} for n in range(3)]
    _session(vault).add(messages, user_id="pat-9", idempotency_key="one-talk")


def _change(_base: Path, vault: Vault | None) -> None:
    assert vault is not None
    session = _session(vault)
    memory = session.list(user_id="pat-1", order="created_at", limit=1).memories[0]
    session.update(memory.id, "Another first note, ask kim@example.org", reason="correction")


def _remove(_base: Path, vault: Vault | None) -> None:
    assert vault is not None
    session = _session(vault)
    session.delete(session.list(user_id="pat-1", order="created_at", limit=1).memories[0].id)


def _retention(record: str) -> Callable[[Path, Vault | None], None]:
    """A run a year later, under a pack that keeps one kind of record for a month."""

    def run(_base: Path, vault: Vault | None) -> None:
        assert vault is not None
        stages, now = vault._opened(), vault._opened().now
        kept = {**stages.policy.retention, record: Retention(max_days=30, max_rule="t/month")}
        stages.policy = replace(stages.policy, retention=MappingProxyType(kept))
        stages.now = lambda: now() + timedelta(days=365)
        vault.admin(Principal("clinic", "operator", ("operator",))).retention_run()

    return run


def _export(base: Path, vault: Vault | None) -> None:
    assert vault is not None
    kim = Principal("clinic", "kim", ("privacy",))
    exports = vault.session(kim, purpose="rights-request").exports
    exports.run(user_id="pat-1", to=base / "desk" / "copy", reveal="request 7")


def _people(vault: Vault | None) -> Any:
    assert vault is not None
    officer = Principal("clinic", "officer", ("privacy",))
    return vault.session(officer, purpose="rights-request").subjects


def _merge(_base: Path, vault: Vault | None) -> None:
    _people(vault).merge("pat-1", "pat-2", reason="one patient")


def _rename(_base: Path, vault: Vault | None) -> None:
    _people(vault).rename("pat-1", "MRN-1", keep_old_as_alias=False)


def _alias(_base: Path, vault: Vault | None) -> None:
    _people(vault).add_alias("pat-1", "MRN-1")


def _redact_mentions(_base: Path, vault: Vault | None) -> None:
    people = _people(vault)
    found = people.find_mentions("roses").found
    people.redact_mentions("roses", [one.memory_id for one in found], reason="asked", entity="OTHER_ID")


def _reembed(_base: Path, vault: Vault | None) -> None:
    assert vault is not None
    configure(vault, NarrowEmbedder(), vault._opened().embedder())
    vault.admin(Principal("clinic", "operator", ("operator",))).reembed()


ACTIONS: dict[str, Callable[[Path, Vault | None], None]] = {
    "export": _export,
    "init": _init,
    "new tenant": _new_tenant,
    "add": _add,
    "update": _change,
    "delete": _remove,
    "retention of memories": _retention("memory"),
    "retention of history": _retention("history"),
    **{level: _rotate(level) for level in LEVELS},
    "root, old one kept": _root_kept,
    "merge": _merge,
    "rename": _rename,
    "alias": _alias,
    "redact mentions": _redact_mentions,
    "reembed": _reembed,
}


def run(stream: IO[str], base: str, action: str, die_at: int, every: bool = False) -> None:
    """In a forked child: the action, dying on the way; says how many steps it has when it lives."""
    place = Path(base)
    vault = None if action == "init" else Vault.open(place / "vault")
    steps = Steps(die_at, every=every)
    install(steps)
    ACTIONS[action](place, vault)
    stream.write(json.dumps(steps.count) + "\n")
    stream.flush()
    os._exit(0)  # closing would count on
