"""A vault through time: backed up at several moments, much erased in between, then put back in every mix.

`t1` before any erasure, `t2` after the first were erased but not rolled, `t3` after all were and an epoch was
destroyed, `now` after more writes and one more erasure that is still waiting for its roll.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from vault import Principal, Session, Vault, compose
from vault.audit.certificate import statement_of
from vault.config import VaultConfig
from vault.errors import NotFoundError, VaultError
from vault.flows import ids
from vault.keys.interface import KeyProvider
from vault.redaction.detect import BuiltinDetector

MOMENTS: Final = ("t1", "t2", "t3", "now")
PARTS: Final = {"data": "tenants", "keystore": "keystore", "archive": "archive"}
TENANTS: Final = ("clinic", "ward", "bank")  # worked in, erased as a whole, left alone
AGENT: Final = "triage-bot"
OPERATOR: Final = Principal("clinic", "op", ("operator",))
MOST_READ: Final = 1_000  # of what survives; that the rest is there is counted
_LETTERS: Final = "bcdfghjklmnpqrstvwxz"
_DETECTOR: Final = BuiltinDetector()


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many there are of everything."""

    subjects: int
    people: int
    memories: int
    runs: int


SMALL: Final = Sizes(200, 6, 6, 2)
FULL: Final = Sizes(10_000, 25, 25, 5)


@dataclass(slots=True)
class Item:
    """One memory: what is stored, and when it came and went."""

    id: str
    tenant: str
    scope: dict[str, str]
    text: str
    word: str
    secret: str
    s: int
    n: int
    sid: bytes
    born: str
    gone: str = ""  # "rolled": unreadable in backups too; "live": not yet


def sentence(word: str) -> str:
    return f"Ordered more {word} for the garden; write to {word}@example.org"


@dataclass
class World:
    """The vault's life: what is where, and what must never come back."""

    base: Path
    sizes: Sizes
    init: Callable[[Path], Vault]
    items: dict[str, Item] = field(default_factory=dict)
    resealed: set[bytes] = field(default_factory=set)
    requests: list[tuple[str, str]] = field(default_factory=list)  # tenant, id
    states: list[str] = field(default_factory=list)
    number: int = 0
    shelf: dict[tuple[str, str], Path] = field(
        default_factory=dict
    )  # the vault's own backups, by kind and moment

    @property
    def folder(self) -> Path:
        return self.base / "vault"

    def moment(self, name: str) -> Path:
        return self.base / name

    def gone(self, *how: str) -> list[Item]:
        return [item for item in self.items.values() if item.gone in (how or ("rolled", "live"))]

    def alive(self) -> list[Item]:
        return [item for item in self.items.values() if not item.gone]

    # --- living ------------------------------------------------------------------------------------------------

    def word(self) -> str:
        """A word that nobody else uses, and that the detector takes for nothing."""
        while True:
            self.number += 1
            digits, number = "", self.number * 7919 + 3_000_000
            while number:
                number, digit = divmod(number, len(_LETTERS))
                digits += _LETTERS[digit]
            word = "qu" + digits + "a"
            end = sentence(word).index(word) + len(word)
            if all(found.start >= end for found in _DETECTOR.detect(sentence(word))):
                return word

    def add(self, vault: Vault, tenant: str, scopes: list[dict[str, str]], born: str) -> None:
        told = [(scope, self.word()) for scope in scopes]
        contents = [
            {
                "content": sentence(word),
                "user_id": scope.get("user_id"),
                "agent_id": scope.get("agent_id"),
                "run_id": scope.get("run_id"),
            }
            for scope, word in told
        ]
        session = app(vault, tenant)
        found = session.add_many(contents, batch=500).ids
        stages = vault._opened()
        keys = stages.keystore.tenant(tenant)
        assert keys is not None
        with stages.stores.use(keys) as store:
            for (scope, word), memory_id in zip(told, found, strict=True):
                row = ids.find(keys, store.records, memory_id)
                assert row is not None
                subject = store.records.subject_by_number(row.s)
                assert subject is not None
                text = session.get(memory_id).text
                secret = f"{word}@example.org"
                assert word in text
                assert secret not in text
                self.items[memory_id] = Item(
                    memory_id, tenant, scope, text, word, secret, row.s, row.n, subject.sid, born
                )

    def populate(self) -> None:
        """Everybody has two or three memories; some of these are of a run or an agent."""
        with self.init(self.base) as vault:
            clinic: list[dict[str, str]] = []
            for number in range(self.sizes.subjects):
                user = {"user_id": f"pat-{number}"}
                clinic += [user, {**user, "run_id": f"run-{number // 4}"}]
                if number % 20 == 0:
                    clinic.append({**user, "agent_id": AGENT})
            clinic += [{"agent_id": AGENT}, {"agent_id": AGENT}]
            self.add(vault, "clinic", clinic, "t1")
            for tenant in ("ward", "bank"):
                self.add(vault, tenant, [{"user_id": f"{tenant}-{n % 4}"} for n in range(8)], "t1")

    def backup(self, name: str) -> None:
        """The vault's own backups; then a copy of the closed vault's parts and of what the key provider holds."""
        place = self.moment(name)
        with Vault.open(self.folder) as vault:
            operator = vault.admin(OPERATOR)
            for kind in ("data", "keystore"):
                made = operator.backup_create(kind, to=self.base / "shelf" / kind)
                self.shelf[kind, name] = Path(made["folder"])
        for part, folder in PARTS.items():
            shutil.copytree(self.folder / folder, place / part)
        for provider in ("keys", "hsm"):
            if (self.base / provider).is_dir():
                shutil.copytree(self.base / provider, place / provider)

    def erase(self, vault: Vault, how: str, tenant: str = "clinic", /, **scope: Any) -> None:
        """One request from its opening to its end, and what it takes with it."""
        if scope.get("tenant"):
            asking = vault.session(Principal(tenant, "op", ("operator",)), purpose="operations")
        else:
            asking = privacy(vault, tenant)
        request = asking.requests.open(ground="gdpr.17.1.b", **scope)
        info = request.preview()
        if info.approvals_needed:
            privacy(vault, tenant, "second").requests.get(request.id).approve(info.digest or "")
        assert request.run(roll=False).state == "erased"
        self.requests.append((tenant, request.id))
        named = {key: value for key, value in scope.items() if key.endswith("_id")}
        for item in self.items.values():
            if item.tenant != tenant or item.gone or item.id in scope.get("memory_ids", ()):
                continue
            if scope.get("tenant") or (named and named.items() <= item.scope.items()):
                item.gone = how
        for memory_id in scope.get("memory_ids", ()):
            self.items[memory_id].gone = how
        if how == "rolled" and not (scope.get("tenant") or set(named) == {"user_id"}):
            self.resealed |= {
                item.sid for item in self.items.values() if item.gone == how and self.shared(item)
            }

    def shared(self, item: Item) -> bool:
        """Whether something of the same subject is left."""
        return any(one.sid == item.sid and not one.gone for one in self.items.values())

    def live(self) -> None:
        """From `t1` to `now`."""
        self.populate()
        self.backup("t1")
        people, memories, runs = self.sizes.people, self.sizes.memories, self.sizes.runs
        with Vault.open(self.folder) as vault:
            for number in range(people // 2):
                self.erase(vault, "rolled", user_id=f"pat-{number}")
            for number in range(people, people + memories // 2):
                self.erase(vault, "rolled", memory_ids=[self.first(f"pat-{number}").id])
        self.backup("t2")
        with Vault.open(self.folder) as vault:
            for number in range(people // 2, people):
                self.erase(vault, "rolled", user_id=f"pat-{number}")
            for number in range(people + memories // 2, people + memories):
                self.erase(vault, "rolled", memory_ids=[self.first(f"pat-{number}").id])
            for number in range(runs):
                self.erase(vault, "rolled", run_id=f"run-{(people + memories) // 4 + 2 + number}")
            self.erase(vault, "rolled", agent_id=AGENT)
            self.erase(vault, "rolled", "ward", tenant=True)
            assert privacy(vault).requests.roll(force=True) is not None
            self.states = [state_of(vault, *request) for request in self.requests]
            self.add(vault, "clinic", [{"user_id": "pat-0"}, {"user_id": "newcomer"}], "t3")
        self.backup("t3")
        with Vault.open(self.folder) as vault:
            last = self.sizes.subjects - 1
            self.add(vault, "clinic", [{"user_id": f"pat-{last}"}, {"user_id": "late"}], "now")
            self.erase(vault, "live", user_id=f"pat-{last - 1}")
            self.erase(vault, "live", memory_ids=[self.first(f"pat-{last - 2}").id])
        self.backup("now")

    def first(self, user: str) -> Item:
        """A user's first memory that is of no run and no agent."""
        return next(item for item in self.items.values() if item.scope == {"user_id": user} and not item.gone)

    # --- what must be there ------------------------------------------------------------------------------------

    def expected(self, data: str) -> list[Item]:
        """What of everything alive an old data backup holds and can still open: what was resealed is younger."""
        at = MOMENTS.index(data)
        reseal = MOMENTS.index("t3")
        return [
            item
            for item in self.alive()
            if MOMENTS.index(item.born) <= at and (at >= reseal or item.sid not in self.resealed)
        ]


def app(vault: Vault, tenant: str = "clinic") -> Session:
    return vault.session(Principal(tenant, "app", ("app",)), purpose="service")


def privacy(vault: Vault, tenant: str = "clinic", name: str = "officer") -> Session:
    return vault.session(Principal(tenant, name, ("privacy",)), purpose="rights-request")


def state_of(vault: Vault, tenant: str, request_id: str) -> str:
    """What the certificate of a request says that it proves."""
    try:
        session = privacy(vault, tenant)
        certificate = session.requests.get(request_id).certificate()
    except VaultError:
        session = vault.session(Principal(tenant, "op", ("operator",)), purpose="operations")
        certificate = session.requests.get(request_id).certificate()
    return str(statement_of(certificate)["predicate"]["state"])


def relative(folder: Path) -> None:
    """Let a vault name its keys by a relative path, so that copies of it stand alone."""
    path = folder / "memvault.toml"
    path.write_text(path.read_text().replace(str(folder.parent / "keys"), "../keys"))


def provider_of(folder: Path) -> KeyProvider:
    return compose.provider(VaultConfig.load(folder).keys, folder)


# --- putting back --------------------------------------------------------------------------------------------------


@contextmanager
def put_back(
    world: World, data: str, keystore: str, archive: str | None, *, provider: str = "now"
) -> Iterator[Path]:
    """A vault folder made of parts of different moments, by copying files; the key provider is as it is now."""
    base = world.base / "mix"
    folder = base / "vault"
    folder.mkdir(parents=True)
    try:
        shutil.copyfile(world.folder / "memvault.toml", folder / "memvault.toml")
        for part, moment in (("data", data), ("keystore", keystore), ("archive", archive)):
            if moment is not None:
                shutil.copytree(world.moment(moment) / part, folder / PARTS[part])
        for name in ("keys", "hsm"):
            if (world.moment(provider) / name).is_dir():
                shutil.copytree(world.moment(provider) / name, base / name)
        yield folder
    finally:
        shutil.rmtree(base)


def put_back_properly(world: World, folder: Path, data: str, keystore: str) -> str:
    """The keystore, then the data, as `memvault backup restore` does it; the code of the first refusal, or nothing."""
    for kind, moment in (("keystore", keystore), ("data", data)):
        try:
            Vault.restore(folder, world.shelf[kind, moment], OPERATOR, kind=kind, execute=True)
        except VaultError as error:
            return f"{kind}: {error.code}"
    return ""


@dataclass
class Outcome:
    """What became of a mix: per tenant up or the code of the refusal, and what was found in it."""

    tenants: dict[str, str] = field(default_factory=dict)
    returned: list[Item] = field(default_factory=list)
    missing: list[Item] = field(default_factory=list)
    changed: list[Item] = field(default_factory=list)
    surplus: int = 0  # how many more memories there are than there should be
    kept: int = 0  # how many of the others were read, and are as they were

    @property
    def up(self) -> list[str]:
        return [tenant for tenant, code in self.tenants.items() if code == "up"]

    def word(self) -> str:
        there = {tenant: code for tenant, code in self.tenants.items() if code != "erased"}
        if len(set(there.values())) == 1:
            return next(iter(there.values()))
        return ", ".join(f"{tenant}: {code}" for tenant, code in there.items())


def look(world: World, folder: Path, data: str) -> Outcome:
    """Open it as the product does and ask for everything: what was erased, and what was not."""
    outcome = Outcome()
    try:
        vault = Vault.open(folder)
    except VaultError as error:
        return Outcome(dict.fromkeys(TENANTS, error.code))
    try:
        for tenant in TENANTS:
            try:
                app(vault, tenant).list(user_id="nobody")
            except VaultError as error:
                erased = tenant == "ward" and error.code == "tenant.unknown"
                outcome.tenants[tenant] = "erased" if erased else error.code
                continue
            outcome.tenants[tenant] = "up"
            _examine(world, vault, tenant, data, outcome)
    finally:
        try:
            vault.close()
        except VaultError as error:
            outcome.tenants["closing"] = error.code
    return outcome


def _examine(world: World, vault: Vault, tenant: str, data: str, outcome: Outcome) -> None:
    session = app(vault, tenant)
    outcome.returned += [item for item in world.gone() if item.tenant == tenant and comes_back(session, item)]
    expected = [item for item in world.expected(data) if item.tenant == tenant]
    stages = vault._opened()
    with stages.stores.use(stages.tenant(tenant)) as store:
        outcome.surplus += store.records.count() - len(expected)
    outcome.surplus -= sum(item.tenant == tenant for item in outcome.returned)
    for item in random.Random(7).sample(expected, min(MOST_READ, len(expected))):
        try:
            same = session.get(item.id).text == item.text
        except NotFoundError:
            outcome.missing.append(item)
        else:
            outcome.kept += same
            outcome.changed += [] if same else [item]


def comes_back(session: Session, item: Item) -> bool:
    """Whether anything of an erased memory is answered: by id, in its history, in lists, by search."""
    scope: dict[str, Any] = {name: value for name, value in item.scope.items() if name != "run_id"}
    try:
        session.get(item.id)
    except NotFoundError:
        pass
    else:
        return True
    try:
        if any(item.word in (past.text or "") for past in session.history(item.id)):
            return True
    except NotFoundError:
        pass
    hits = session.search(item.word, limit=20, **scope)
    listed = session.list(limit=100, **scope).memories
    return any(item.word in memory.text for memory in (*(hit.memory for hit in hits), *listed))


def main() -> None:
    """`python -m support.restoring FOLDER MOMENT`: look at a vault in a process of its own; items on standard input."""
    folder, data = sys.argv[1:]
    world = World(Path(folder).parent, SMALL, lambda _base: Vault.open(folder))
    for item in json.load(sys.stdin):
        world.items[item["id"]] = Item(**{**item, "sid": bytes.fromhex(item["sid"])})
    outcome = look(world, Path(folder), data)
    returned = [item.id for item in outcome.returned]
    print(json.dumps({"tenants": outcome.tenants, "returned": returned, "kept": outcome.kept}))


if __name__ == "__main__":
    main()
