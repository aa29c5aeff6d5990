"""A process that writes without pause until it is killed. `python -m support.crash_worker FOLDER SLOT SEED`.

Before each call it says what it is about to do, after the call returned what became of it, one JSON line each, written
with one system call. What was said to be done must be there whatever happens next; what was only announced may be
there whole, or not at all.
"""

from __future__ import annotations

import json
import os
import random
import sys
from typing import Any

from vault import Principal, Session, Vault

SHARED = "shared"


def say(**line: Any) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


class Worker:
    """One session with its own two users and one user shared by all workers."""

    def __init__(self, session: Session, slot: str, seed: int) -> None:
        self.session = session
        self.slot = slot
        self.random = random.Random(seed)
        self.number = 0
        self.live: list[str] = []
        self.users = (f"{slot}-a", f"{slot}-b", SHARED)

    def text(self) -> str:
        """A sentence nobody else writes; every fourth carries a value that becomes a token."""
        self.number += 1
        text = f"Visit {self.number} of {self.slot}: the patient talked about the garden and the roses"
        return text + (f" and gave {self.slot}.{self.number % 3}@example.org" if self.number % 4 == 0 else "")

    def step(self) -> None:
        choices = ["add", "add", "messages", "many", "keyed"]
        choices += ["update", "update", "delete"] if len(self.live) > 2 else []
        getattr(self, self.random.choice(choices))()
        if self.number % 5 == 0:
            self.look()

    def _added(self, stored: list[tuple[str, str, str]], **more: Any) -> None:
        self.live += [memory_id for memory_id, _, _ in stored]
        say(done="add", memories=stored, **more)

    def add(self) -> None:
        text, user = self.text(), self.random.choice(self.users)
        say(doing="add", texts=[text], users=[user], group=[1])
        result = self.session.add(text, user_id=user, metadata={"n": self.number})
        self._added([(m.id, user, m.text) for m in result.memories])

    def messages(self) -> None:
        texts, user = [self.text() for _ in range(3)], self.random.choice(self.users)
        say(doing="add", texts=texts, users=[user], group=[3])
        result = self.session.add([{"role": "user", "content": t} for t in texts], user_id=user)
        self._added([(m.id, user, m.text) for m in result.memories])

    def many(self) -> None:
        """Two batches: each is whole, the second may be missing."""
        users = [self.random.choice(self.users) for _ in range(8)]
        texts = [self.text() for _ in users]
        say(doing="add", texts=texts, users=users, group=[4, 4])
        items = [{"content": t, "user_id": u} for t, u in zip(texts, users, strict=True)]
        result = self.session.add_many(items, batch=4)
        stored = [self.session.get(memory_id) for memory_id in result.ids]
        self._added([(m.id, str(m.user_id), m.text) for m in stored])

    def keyed(self) -> None:
        """The same request twice under one key: one memory."""
        text, user, key = self.text(), self.random.choice(self.users), f"key-{self.slot}-{self.number}"
        say(doing="add", texts=[text], users=[user], group=[1])
        first = self.session.add(text, user_id=user, idempotency_key=key).memories
        again = self.session.add(text, user_id=user, idempotency_key=key).memories
        if first != again:
            say(wrong="a repeated write answered something else")
        self._added([(m.id, user, m.text) for m in first])

    def update(self) -> None:
        memory_id, text = self.random.choice(self.live), self.text()
        say(doing="update", id=memory_id, text=text)
        changed = self.session.update(memory_id, text, reason="visit")
        say(done="update", id=memory_id, text=changed.text, version=changed.version)

    def delete(self) -> None:
        memory_id = self.live.pop(self.random.randrange(len(self.live)))
        say(doing="delete", id=memory_id)
        self.session.delete(memory_id)
        say(done="delete", id=memory_id)

    def look(self) -> None:
        """Read your own writes."""
        memory_id = self.live[-1]
        memory = self.session.get(memory_id)
        hits = self.session.search(memory.text, user_id=memory.user_id, limit=5)
        if memory_id not in [hit.memory.id for hit in hits]:
            say(wrong="a memory just written is not found")


def main() -> None:
    folder, slot, seed = sys.argv[1:]
    vault = Vault.open(folder)
    session = vault.session(Principal("clinic", f"worker-{slot}", ("app",)), purpose="service")
    worker = Worker(session, slot, int(seed))
    say(ready=slot)
    while True:
        worker.step()


if __name__ == "__main__":
    main()
