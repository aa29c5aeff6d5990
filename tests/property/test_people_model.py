"""People against a dictionary: whoever is renamed, merged and given further ids, every memory is there exactly once."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from support.calls import operator, session_of
from support.rights import privacy

from vault import Vault
from vault.errors import ConflictError, InvalidInputError, NotFoundError

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
TEXTS = st.sampled_from(["likes tea", "write to ana@example.org", "call +44 20 7946 0958", "[EMAIL:abcdef]"])
VALUES = {"ana@example.org": "write to", "+44 20 7946 0958": "call"}


@dataclass(eq=False)
class Person:
    """Whom some names mean: the first of them, the others, and the memories by number."""

    first: str
    aliases: set[str] = field(default_factory=set)
    memories: list[int] = field(default_factory=list)


@dataclass
class Known:
    """What the model knows of one memory: every id it ever had, its life so far, and whether it is gone."""

    ids: set[str]
    text: str
    version: int = 1
    gone: bool = False


class PeopleMachine(RuleBasedStateMachine):
    """Five names for as many people, who become fewer."""

    numbers = Bundle("numbers")

    @initialize()
    def start(self) -> None:
        self.place = Path(tempfile.mkdtemp())
        self.vault = Vault.init(self.place / "vault", key_folder=self.place / "keys", keystore_backup="none")
        self.known: list[Known] = []
        self.people: list[Person] = []
        self.connect()

    def connect(self) -> None:
        self.app, self.subjects = session_of(self.vault), privacy(self.vault).subjects

    def teardown(self) -> None:
        if hasattr(self, "vault"):
            self.everything()
            admin = operator(self.vault)
            assert admin.audit_verify()["records"] == admin.index_verify()["checked"]
            assert admin.index_verify()["stale"] == 0
            admin.keys_verify()
            self.vault.close()
            shutil.rmtree(self.place)

    def person(self, name: str) -> Person | None:
        return next((one for one in self.people if name in (one.first, *one.aliases)), None)

    @rule(target=numbers, name=NAMES, text=TEXTS, key=st.booleans())
    def add(self, name: str, text: str, key: bool) -> int:
        number = len(self.known)
        options = {"idempotency_key": f"key-{number:05}"} if key else {}
        memory = self.app.add(f"{number} {text}", user_id=name, metadata={"n": number}, **options).memories[0]
        owner = self.person(name)
        if owner is None:
            owner = Person(name)
            self.people.append(owner)
        assert memory.user_id == owner.first
        owner.memories.append(number)
        self.known.append(Known({memory.id}, f"{number} {text}"))
        if key:
            again = self.app.add(f"{number} {text}", user_id=name, metadata={"n": number}, **options).memories
            assert [m.id for m in again] == [memory.id]
        return number

    @rule(number=numbers, text=TEXTS, at=st.integers(0, 9))
    def update(self, number: int, text: str, at: int) -> None:
        known = self.known[number]
        memory_id = sorted(known.ids)[at % len(known.ids)]
        if known.gone:
            with pytest.raises(NotFoundError):
                self.app.update(memory_id, text)
            return
        memory = self.app.update(memory_id, f"{number} {text}")
        known.version, known.text = known.version + 1, f"{number} {text}"
        assert memory.version == known.version
        known.ids.add(memory.id)

    @rule(number=numbers, at=st.integers(0, 9))
    def delete(self, number: int, at: int) -> None:
        known = self.known[number]
        memory_id = sorted(known.ids)[at % len(known.ids)]
        if known.gone:
            with pytest.raises(NotFoundError):
                self.app.delete(memory_id)
            return
        assert self.app.delete(memory_id).deleted == 1
        known.gone = True

    @rule(source=NAMES, into=NAMES)
    def merge(self, source: str, into: str) -> None:
        one, other = self.person(source), self.person(into)
        if source == into:
            with pytest.raises(InvalidInputError):
                self.subjects.merge(source, into)
            return
        if one is None or other is None:
            with pytest.raises(NotFoundError):
                self.subjects.merge(source, into)
            return
        done = self.subjects.merge(source, into)
        if one is not other:
            assert done.memories == sum(not self.known[number].gone for number in one.memories)
            other.aliases |= {one.first, *one.aliases}
            other.memories += one.memories
            self.people.remove(one)
        assert (done.user_id, set(done.aliases)) == (other.first, other.aliases)

    @rule(name=NAMES, new=NAMES, keep=st.booleans())
    def rename(self, name: str, new: str, keep: bool) -> None:
        owner, taken = self.person(name), self.person(new)
        expected: type[Exception] | None = None
        if owner is None:
            expected = NotFoundError
        elif owner.first == new:
            expected = InvalidInputError
        elif taken not in (None, owner):
            expected = ConflictError
        if expected is not None:
            with pytest.raises(expected):
                self.subjects.rename(name, new, keep_old_as_alias=keep)
            return
        assert owner is not None
        self.subjects.rename(name, new, keep_old_as_alias=keep)
        owner.aliases = (owner.aliases | ({owner.first} if keep else set())) - {new}
        owner.first = new

    @rule(name=NAMES, alias=NAMES, add=st.booleans())
    def alias(self, name: str, alias: str, add: bool) -> None:
        owner, taken = self.person(name), self.person(alias)
        act = self.subjects.add_alias if add else self.subjects.remove_alias
        if owner is None or (not add and alias not in owner.aliases):
            with pytest.raises(NotFoundError):
                act(name, alias)
        elif add and taken not in (None, owner):
            with pytest.raises(ConflictError):
                act(name, alias)
        else:
            act(name, alias)
            if not add:
                owner.aliases.discard(alias)
            elif alias != owner.first:
                owner.aliases.add(alias)

    @rule(level=st.sampled_from(["subject", "index", "ids", "root"]))
    def rotate(self, level: str) -> None:
        operator(self.vault).keys_rotate(level)

    @rule()
    def reopen(self) -> None:
        self.vault.close()
        self.vault = Vault.open(self.place / "vault")
        self.connect()

    @invariant()
    def every_memory_is_there_once(self) -> None:
        if not hasattr(self, "vault"):
            return
        for owner in self.people:
            live = [number for number in owner.memories if not self.known[number].gone]
            for name in sorted({owner.first, *owner.aliases})[:2]:
                found = self.app.list(user_id=name, limit=1000).memories
                assert sorted(m.metadata["n"] for m in found) == sorted(live)  # type: ignore[type-var]
                assert {m.user_id for m in found} <= {owner.first}
                for memory in found:
                    self.known[memory.metadata["n"]].ids.add(memory.id)  # type: ignore[index]

    def everything(self) -> None:
        """Every id that a memory ever had, its history, search by a value, and names that mean nobody."""
        for number, known in enumerate(self.known):
            for memory_id in known.ids:
                history = self.app.history(memory_id)
                assert [step.version for step in history] == list(range(1, known.version + 1 + known.gone))
                if known.gone:
                    with pytest.raises(NotFoundError):
                        self.app.get(memory_id)
                else:
                    memory = self.app.get(memory_id)
                    assert memory.version == known.version
                    assert memory.text.split(" ")[0] == str(number)
        for owner in self.people:
            for value, start in VALUES.items():
                live = [n for n in owner.memories if not self.known[n].gone]
                wanted = {n for n in live if self.known[n].text.endswith(value)}
                hits = self.app.search(value, user_id=owner.first, limit=1000, explain=True)
                best: list[Any] = [h.memory for h in hits if (h.explain or {})["lexical"] > 0]
                assert wanted <= {m.metadata["n"] for m in best}, start
                tokens = {m.text.split("[")[1].split("]")[0] for m in best if m.metadata["n"] in wanted}
                assert len(tokens) <= 1  # one value, one token
        for name in "abcde":
            if self.person(name) is None:
                assert self.app.list(user_id=name).memories == ()


PeopleMachine.TestCase.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
TestPeople = PeopleMachine.TestCase


@pytest.mark.soak
class TestPeopleLong(PeopleMachine.TestCase):
    settings = settings(
        max_examples=300, stateful_step_count=60, deadline=None, suppress_health_check=list(HealthCheck)
    )
