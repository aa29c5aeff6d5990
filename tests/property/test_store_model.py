"""The vault against a dictionary: whatever a caller does, in whatever order, both hold the same memories."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule
from support.calls import Clock, operator, session_of

from vault import Memory, Vault
from vault.errors import ConflictError, NotFoundError

TENANTS = st.sampled_from(["clinic", "bank"])
USERS = st.sampled_from(["u1", "u2"])
RUNS = st.sampled_from([None, "r1", "r2"])
TEXTS = st.sampled_from(
    [
        "likes tea",
        "write to ana@example.org",
        "SSN 536-90-4399",
        "[EMAIL:abcdef]",
        "e\u0301 🙂",
        "likes tea, too",
    ]
)
METADATA = st.sampled_from([{}, {"n": 1}, {"mail": "bob@example.org", "n": [1, {"k": None}]}])
KEYS = st.sampled_from([None, None, "key-00001", "key-00002"])


@dataclass
class Known:
    """What the model knows of one memory: its owner, the answer to expect, and its life so far."""

    tenant: str
    memory: Memory
    original: str
    events: list[tuple[int, str, str | None]] = field(default_factory=list)
    gone: bool = False

    def hidden(self, now: datetime) -> bool:
        until = self.memory.expires_at
        return self.gone or (until is not None and until <= now)


class StoreMachine(RuleBasedStateMachine):
    """Two tenants, two users in each, and everything that can happen to their memories."""

    ids = Bundle("ids")

    @initialize()
    def start(self) -> None:
        self.place = Path(tempfile.mkdtemp())
        self.vault = Vault.init(self.place / "vault", key_folder=self.place / "keys", keystore_backup="none")
        self.clock = Clock(self.vault)
        self.known: dict[str, Known] = {}
        self.keys: dict[tuple[str, str], tuple[datetime, Any, list[str]]] = {}

    def teardown(self) -> None:
        if hasattr(self, "vault"):
            for tenant in ("clinic", "bank"):
                session_of(self.vault, tenant)
                operator(self.vault, tenant).audit_verify()
            self.vault.close()
            shutil.rmtree(self.place)

    def shown(self, tenant: str, user: str, run: str | None = None) -> list[Memory]:
        """What a listing must answer, oldest first."""
        return [
            known.memory
            for known in self.known.values()
            if known.tenant == tenant and known.memory.user_id == user and not known.hidden(self.clock.now)
            and run in (None, known.memory.run_id)
        ]  # fmt: skip

    @rule(
        target=ids,
        tenant=TENANTS,
        user=USERS,
        run=RUNS,
        texts=st.lists(TEXTS, min_size=1, max_size=2),
        metadata=METADATA,
        hours=st.sampled_from([None, None, 1, 30]),
        key=KEYS,
    )
    def add(
        self,
        tenant: str,
        user: str,
        run: str | None,
        texts: list[str],
        metadata: Any,
        hours: int | None,
        key: str | None,
    ) -> Any:
        until = self.clock.now + timedelta(hours=hours) if hours else None
        request = (user, run, tuple(texts), repr(metadata), until)
        content = [{"content": text} for text in texts]
        session = session_of(self.vault, tenant)

        def call() -> tuple[Memory, ...]:
            return session.add(
                content, user_id=user, run_id=run, metadata=metadata, expires_at=until, idempotency_key=key
            ).memories

        before = self.keys.get((tenant, key)) if key else None
        if before is not None and before[0] < self.clock.now - timedelta(hours=24):
            before = None
        if before is not None and before[1] != request:
            with pytest.raises(ConflictError):
                call()
            return multiple()
        memories = call()
        if before is not None:
            assert [m.id for m in memories] == [i for i in before[2] if not self.known[i].gone]
            return multiple()
        for text, memory in zip(texts, memories, strict=True):
            assert memory.id not in self.known
            assert (memory.user_id, memory.run_id, memory.version, memory.expires_at) == (user, run, 1, until)
            self.known[memory.id] = Known(tenant, memory, text, [(1, "ADD", memory.text)])
        if key:
            self.keys[tenant, key] = (self.clock.now, request, [m.id for m in memories])
        return multiple(*(m.id for m in memories))

    @rule(memory_id=ids, text=TEXTS, metadata=st.none() | METADATA)
    def update(self, memory_id: str, text: str, metadata: Any) -> None:
        known = self.known[memory_id]
        session = session_of(self.vault, known.tenant)
        if known.hidden(self.clock.now):
            with pytest.raises(NotFoundError):
                session.update(memory_id, text)
            return
        updated = session.update(memory_id, text, metadata=metadata)
        expected = dataclasses.replace(
            known.memory,
            text=updated.text,
            metadata=updated.metadata if metadata is not None else known.memory.metadata,
            version=known.memory.version + 1,
            updated_at=self.clock.now,
        )
        assert updated == expected
        known.memory, known.original = updated, text
        known.events.append((updated.version, "UPDATE", updated.text))

    @rule(memory_id=ids)
    def delete(self, memory_id: str) -> None:
        known = self.known[memory_id]
        session = session_of(self.vault, known.tenant)
        if known.hidden(self.clock.now):
            with pytest.raises(NotFoundError):
                session.delete(memory_id)
            return
        assert session.delete(memory_id).deleted == 1
        self.remove(known, "DELETE")

    def remove(self, known: Known, event: str) -> None:
        known.gone = True
        known.events = [(version, name, None) for version, name, _ in known.events]
        known.events.append((known.memory.version + 1, event, None))

    @rule(tenant=TENANTS, user=USERS, run=RUNS)
    def delete_all(self, tenant: str, user: str, run: str | None) -> None:
        of_scope = [
            known
            for known in self.known.values()
            if known.tenant == tenant and known.memory.user_id == user and not known.gone
            and run in (None, known.memory.run_id)
        ]  # fmt: skip
        assert session_of(self.vault, tenant).delete_all(user_id=user, run_id=run).deleted == len(of_scope)
        for known in of_scope:
            self.remove(known, "DELETE")

    @rule(memory_id=ids)
    def read(self, memory_id: str) -> None:
        known = self.known[memory_id]
        other = "bank" if known.tenant == "clinic" else "clinic"
        with pytest.raises(NotFoundError):
            session_of(self.vault, other).get(memory_id)
        session = session_of(self.vault, known.tenant)
        steps = [(s.version, s.event, s.text) for s in session.history(memory_id)]
        if known.hidden(self.clock.now):
            with pytest.raises(NotFoundError):
                session.get(memory_id)
            assert steps == [(version, event, None) for version, event, _ in known.events]
        else:
            assert session.get(memory_id) == known.memory
            assert steps == known.events

    @rule(memory_id=ids)
    def reveal(self, memory_id: str) -> None:
        known = self.known[memory_id]
        session = session_of(self.vault, known.tenant, roles=("privacy",), purpose="rights-request")
        if not known.hidden(self.clock.now):
            assert session.reveal(memory_id, reason="check").text == known.original

    @rule(tenant=TENANTS, user=USERS, run=RUNS, query=TEXTS)
    def search(self, tenant: str, user: str, run: str | None, query: str) -> None:
        hits = session_of(self.vault, tenant).search(query, user_id=user, run_id=run, limit=1_000)
        expected = {memory.id: memory for memory in self.shown(tenant, user, run)}
        assert {hit.memory.id: hit.memory for hit in hits} == expected
        assert len(hits) == len(expected)

    @rule(tenant=TENANTS, user=USERS, run=RUNS, size=st.integers(1, 3))
    def pages(self, tenant: str, user: str, run: str | None, size: int) -> None:
        session, cursor, found = session_of(self.vault, tenant), None, []
        while True:
            page = session.list(user_id=user, run_id=run, limit=size, cursor=cursor)
            found += page.memories
            cursor = page.next_cursor
            if cursor is None:
                break
        assert found == self.shown(tenant, user, run)

    @rule(hours=st.sampled_from([1, 12]))
    def wait(self, hours: int) -> None:
        self.clock.move(hours=hours)

    @rule(tenant=TENANTS)
    def sweep(self, tenant: str) -> None:
        session_of(self.vault, tenant)
        due = [
            k for k in self.known.values() if k.tenant == tenant and not k.gone and k.hidden(self.clock.now)
        ]
        assert operator(self.vault, tenant).sweep() == len(due)
        for known in due:
            self.remove(known, "EXPIRE")

    @rule(
        tenant=TENANTS,
        level=st.sampled_from(["subject", "tenant", "ids", "index", "root", "records", "detail", "log"]),
    )
    def rotate(self, tenant: str, level: str) -> None:
        session_of(self.vault, tenant)
        operator(self.vault, tenant).keys_rotate(level)

    @rule()
    def reopen(self) -> None:
        self.vault.close()
        self.vault = Vault.open(self.place / "vault")
        self.clock = Clock(self.vault, self.clock.now)

    @invariant()
    def listings_agree(self) -> None:
        for tenant in ("clinic", "bank"):
            session = session_of(self.vault, tenant)
            for user in ("u1", "u2"):
                assert list(session.list(user_id=user).memories) == self.shown(tenant, user)


StoreMachine.TestCase.settings = settings(
    max_examples=20, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestTheStoreAgainstADictionary = StoreMachine.TestCase
