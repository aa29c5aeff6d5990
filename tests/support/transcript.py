"""What the workers said, and the check that the vault agrees with it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any

from vault import Memory, Principal, Session, Vault
from vault.errors import NotFoundError


@dataclass(slots=True)
class Known:
    """One acknowledged memory: who it belongs to, its text and version, and whether it was deleted."""

    user: str
    text: str
    version: int = 1
    deleted: bool = False
    unsure: bool = False  # its last change was announced, not acknowledged


@dataclass(slots=True)
class Transcript:
    """Everything that was acknowledged, and what was only announced when its writer died."""

    known: dict[str, Known] = field(default_factory=dict)
    pending: list[dict[str, Any]] = field(default_factory=list)
    acknowledged: int = 0
    complaints: list[str] = field(default_factory=list)

    def take(self, lines: Iterable[str]) -> None:
        """One worker's lines, in order; a line without its end was never said."""
        pending: dict[str, Any] | None = None
        for line in lines:
            if not line.endswith("\n"):
                break
            said = json.loads(line)
            if "wrong" in said:
                self.complaints.append(said["wrong"])
            elif "doing" in said:
                pending = said
            elif "done" in said:
                pending = None
                self._acknowledge(said)
        if pending is not None:
            self.announced(pending)

    def announced(self, said: dict[str, Any]) -> None:
        self.pending.append(said)
        if said["doing"] != "add" and said["id"] in self.known:
            self.known[said["id"]].unsure = True

    def _acknowledge(self, said: dict[str, Any]) -> None:
        self.acknowledged += 1
        if said["done"] == "add":
            for memory_id, user, text in said["memories"]:
                self.known[memory_id] = Known(user, text)
            return
        known = self.known[said["id"]]
        if said["done"] == "update":
            known.text, known.version = said["text"], said["version"]
        else:
            known.deleted = True


@dataclass(slots=True)
class Findings:
    """What a check found; all zero and empty when the vault kept its word."""

    lost: list[str] = field(default_factory=list)
    half: list[str] = field(default_factory=list)
    unlogged: list[str] = field(default_factory=list)
    memories: int = 0
    entries: int = 0

    @property
    def clean(self) -> bool:
        return not (self.lost or self.half or self.unlogged)


class Check:
    """Compares a vault with a transcript."""

    def __init__(self, vault: Vault, transcript: Transcript) -> None:
        self.session: Session = vault.session(Principal("clinic", "checker", ("app",)), purpose="service")
        self.operator = vault.admin(Principal("clinic", "operator", ("operator",)))
        self.auditor = vault.admin(Principal("clinic", "auditor", ("auditor",)), purpose="audit")
        self.transcript = transcript
        self.found = Findings()
        self._stored: dict[str, Memory] = {}

    def run(self, skip: Container[str] = ()) -> Findings:
        """Everything but the memories in `skip`, which an earlier check went through one by one."""
        verified = (
            self.operator.audit_verify()
        )  # chain, signatures, multiset recount, every sealed value opens
        index = self.operator.index_verify()  # every point is what its record gives
        if index["stale"] or index["checked"] != verified["records"]:
            self.found.half.append("points")
        self.found.entries = verified["entries"]
        self.found.memories = verified["records"]
        users = {known.user for known in self.transcript.known.values()}
        users.update(user for said in self.transcript.pending for user in said.get("users", ()))
        for user in users:
            self._list(user)
        for memory_id, known in self.transcript.known.items():
            if memory_id not in skip:
                self._memory(memory_id, known)
        self._announced()
        self._log(verified["records"])
        return self.found

    def _list(self, user: str) -> None:
        cursor: str | None = None
        while True:
            page = self.session.list(user_id=user, limit=500, cursor=cursor)
            self._stored.update((memory.id, memory) for memory in page.memories)
            cursor = page.next_cursor
            if cursor is None:
                return

    def _memory(self, memory_id: str, known: Known) -> None:
        memory = self._stored.get(memory_id)
        if known.unsure:
            self._unsure(memory_id, memory, known)
        elif known.deleted:
            if memory is not None or not self._gone(memory_id):
                self.found.lost.append("a delete")
        elif memory is None or (memory.text, memory.version) != (known.text, known.version):
            self.found.lost.append("a memory" if memory is None else "an update")
            return
        else:
            hits = self.session.search(known.text, user_id=known.user, limit=10)
            if memory_id not in [hit.memory.id for hit in hits]:
                self.found.lost.append("found by search")
        self._history(memory_id, memory)

    def _unsure(self, memory_id: str, memory: Memory | None, known: Known) -> None:
        """The last change was announced only: either version is right, nothing between them."""
        last = next(p for p in reversed(self.transcript.pending) if p.get("id") == memory_id)
        if memory is None:
            if last["doing"] != "delete" or not self._gone(memory_id):
                self.found.lost.append("a memory")
        elif memory.version == known.version:
            if memory.text != known.text:
                self.found.half.append("an update")
        elif (
            last["doing"] != "update"
            or memory.version != known.version + 1
            or not memory.text.startswith(last["text"].split(" and gave ")[0])
        ):
            self.found.half.append("an update")

    def _gone(self, memory_id: str) -> bool:
        try:
            self.session.get(memory_id)
        except NotFoundError:
            return True
        return False

    def _history(self, memory_id: str, memory: Memory | None) -> None:
        steps = self.session.history(memory_id)
        numbers = [step.version for step in steps]
        whole = numbers == list(range(1, len(steps) + 1)) and steps[0].event == "ADD"
        if memory is None:
            whole &= steps[-1].event == "DELETE" and all(step.text is None for step in steps)
        else:
            whole &= steps[-1].text == memory.text and len(steps) == memory.version
            whole &= all(step.text is not None for step in steps)
            whole &= all(step.event == "UPDATE" for step in steps[1:])
        if not whole:
            self.found.half.append("a history")

    def _announced(self) -> None:
        """Each announced batch is there whole or not at all; nothing is there that nobody announced."""
        extra = [m for memory_id, m in self._stored.items() if memory_id not in self.transcript.known]
        heads = Counter(memory.text.split(":")[0] for memory in extra)
        for said in self.transcript.pending:
            if said["doing"] != "add":
                continue
            position = 0
            for size in said["group"]:
                batch = [text.split(":")[0] for text in said["texts"][position : position + size]]
                position += size
                present = [heads.pop(head, 0) for head in batch]
                if present not in ([0] * size, [1] * size):
                    self.found.half.append("a batch")
        if heads:
            self.found.half.append("something nobody wrote")

    def _log(self, records: int) -> None:
        """Every acknowledged write has its entry, and the entries add up to what is stored."""
        named: dict[str, Counter[str]] = {
            "memory.add": Counter(),
            "memory.update": Counter(),
            "memory.delete": Counter(),
        }
        added = deleted = 0
        for entry in self.auditor.audit_show(limit=1_000_000):
            if entry.result != "ok" or entry.action not in named or entry.count == 0:
                continue
            named[entry.action].update(entry.memory_ids)
            added += entry.count if entry.action == "memory.add" else 0
            deleted += entry.count if entry.action == "memory.delete" else 0
        for memory_id, known in self.transcript.known.items():
            unsure = 1 if known.unsure else 0
            if named["memory.add"][memory_id] != 1:
                self.found.unlogged.append("an add")
            if not known.version - 1 <= named["memory.update"][memory_id] <= known.version - 1 + unsure:
                self.found.unlogged.append("an update")
            if not int(known.deleted) <= named["memory.delete"][memory_id] <= int(known.deleted) + unsure:
                self.found.unlogged.append("a delete")
        if added - deleted != records:
            self.found.unlogged.append("counts")
