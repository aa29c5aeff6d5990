"""`kill -9` between every two steps of what changes keys and files: nothing is lost, and doing it again ends well.

A step is whatever could make something durable: a commit, a rename, an unlink, a sync, a change of a file's key. Under
`soak` it is every statement. After each death a handle that was open all the time and a fresh one must both find every
memory, verify, and write; then the same action is done again and must end as if nothing had happened.
"""

from __future__ import annotations

import itertools
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.nursery import Nursery
from support.remote import Remote
from support.soak import markdown, record
from support.steps import ACTIONS
from test_kill import report

from vault import Principal, Session, Vault
from vault.errors import NotFoundError
from vault.flows.rotate import LEVELS

pytest_plugins = ("support.crash_fixtures", "support.hsm_fixtures")

EMAIL = "kim@example.org"
WRITES = ("add", "update", "delete")


def session_in(vault: Vault, tenant: str = "clinic", role: str = "app") -> Session:
    return vault.session(Principal(tenant, "app", (role,)), purpose="service")


def operator_of(vault: Vault, tenant: str = "clinic") -> Any:
    return vault.admin(Principal(tenant, "operator", ("operator",)))


@pytest.fixture
def tmp_path(memory_path: Path) -> Path:
    return memory_path


@pytest.fixture(scope="module")
def template(memory_root: Path) -> Path:
    """A closed vault with its keys beside it, named by a relative path, so that a copy stands alone."""
    return filled(memory_root / "template")


@pytest.fixture
def token_template(tmp_path: Path, on_token: dict[str, Any]) -> Path:
    """The same with its root key on a token, which all copies share."""
    return filled(tmp_path / "token-template", **on_token, keystore_backup="../keys/keystore-backups")


def filled(base: Path, **keys: Any) -> Path:
    base.mkdir()
    Vault.init(base / "vault", **(keys or {"key_folder": base / "keys"})).close()
    path = base / "vault" / "memvault.toml"
    path.write_text(path.read_text().replace(str(base / "keys"), "../keys"))
    with Vault.open(base / "vault") as vault:
        session = session_in(vault)
        for number in range(3):
            session.add(f"Note {number} on the garden, ask {EMAIL}", user_id="pat-1", metadata={"n": number})
        first = session.list(user_id="pat-1", order="created_at", limit=1).memories[0]
        session.update(first.id, f"{first.text} about roses", reason="more")
        session.add("Pruning is due, call +1 212-555-0187", user_id="pat-2", agent_id="gardener", run_id="r1")
        session.add("Watering is done", user_id="pat-2", agent_id="gardener")
        session.add("The agent's own rule: never prune in frost", agent_id="gardener")
        gone = session.add(f"To be deleted, from {EMAIL}", user_id="pat-2").memories[0]
        session.delete(gone.id)
        session.add("Said once", user_id="pat-2", idempotency_key="said-once")
        session_in(vault, "bank").add(f"Account opened for {EMAIL}", user_id="c-1")
    return base


SCOPES: tuple[tuple[str, dict[str, str]], ...] = (
    ("clinic", {"user_id": "pat-1"}),
    ("clinic", {"user_id": "pat-2"}),
    ("clinic", {"user_id": "pat-2", "agent_id": "gardener"}),
    ("clinic", {"user_id": "pat-2", "agent_id": "gardener", "run_id": "r1"}),
    ("clinic", {"user_id": "pat-9"}),
    ("clinic", {"agent_id": "gardener"}),
    ("bank", {"user_id": "c-1"}),
)


def snapshot(vault: Vault) -> dict[str, Any]:
    """Everything a caller can see: memories by every scope, histories, and which of them a value or a word finds."""
    seen: dict[str, Any] = {}
    for tenant, scope in SCOPES:
        session = session_in(vault, tenant)
        memories = session.list(order="created_at", **scope).memories
        name = f"{tenant} {scope}"
        seen[name] = [asdict(memory) for memory in memories]
        seen[f"{name} history"] = [
            [(r.version, r.event, r.actor, r.reason, r.text) for r in session.history(memory.id)]
            for memory in memories
        ]
        seen[f"{name} found"] = sorted(hit.memory.id for hit in session.search(f"{EMAIL} pruning", **scope))
    return seen


def intact(vault: Vault) -> None:
    operator = operator_of(vault)
    for tenant in ("clinic", "bank"):
        admin = operator_of(vault, tenant)
        assert admin.index_verify()["stale"] == 0
        assert admin.audit_verify()["records"] == admin.index_verify()["checked"]
    assert operator.keys_verify()["keystore"]["tenants"] >= 3


def usable(vault: Vault) -> None:
    """A value keeps its token, and writes of every kind work."""
    session = session_in(vault)
    token = session.list(user_id="pat-1", order="created_at").memories[1].text.split("ask ")[1]
    (added,) = session.add(f"One more from {EMAIL}", user_id="pat-1").memories
    assert added.text == f"One more from {token}"
    changed = session.update(added.id, f"{added.text} on Monday")
    assert (changed.version, changed.text) == (2, f"One more from {token} on Monday")
    assert session.search(EMAIL, user_id="pat-1", limit=10)
    session.delete(added.id)
    again = session.add("Said once", user_id="pat-2", idempotency_key="said-once").memories
    assert [memory.text for memory in again] == ["Said once"]
    session.get(again[0].id)


def settled(vault: Vault) -> None:
    """Nothing is left of the attempt that was cut off."""
    stages = vault._opened()
    tenant = stages.keystore.tenant("clinic")
    assert tenant is not None
    assert {use: len(tenant.versions[use]) for use in ("records", "tags", "refs", "log")} == {
        "records": 1,
        "tags": 1,
        "refs": 1,
        "log": 1,
    }
    leftovers = [path.name for path in vault.folder.rglob("*.new*")]
    assert leftovers == []


def no_old_root(vault: Vault, *, kept: bool = False) -> None:
    stages = vault._opened()
    epoch = stages.keystore.epoch
    assert stages.provider.live_epochs() <= {epoch, 1} if kept else {epoch}
    names = {path.name.split(".")[0] for path in (vault.folder / "keystore").iterdir()}
    assert names == {f"keystore-{epoch}"}
    backups = [path.name for path in (vault.folder.parent / "keys" / "keystore-backups").iterdir()]
    assert not [name for name in backups if name.startswith("partial")]


def one_generation(vault: Vault) -> None:
    stages = vault._opened()
    tenant = stages.keystore.tenant("clinic")
    assert tenant is not None
    kids = [kid for kid, _ in stages.keystore.live_kids(tenant.tid)]
    assert len(kids) == len(set(kids))


def deaths(
    nursery: Nursery, template: Path, place: Path, action: str, *, every: bool, first: int = 1
) -> Iterator[tuple[Path, Vault | None]]:
    """A fresh copy for each step, in which the action died before that step, and a handle that saw it happen."""
    for number in count(first):
        base = place / f"{action.replace(' ', '-')}-{number}"
        if action == "init":
            base.mkdir()
            witness = None
        else:
            shutil.copytree(template, base)
            witness = Vault.open(base / "vault")
            session_in(witness).list(user_id="pat-1")
        child = nursery.child(work="steps", base=str(base), action=action, die_at=number, every=every)
        steps = child.hear()
        child.close()
        if steps is not None:
            assert steps == number - 1
            if witness is not None:
                witness.close()
            shutil.rmtree(base)
            return
        yield base, witness
        if witness is not None:
            witness.close()
        shutil.rmtree(base)


def cut_off_rotation(
    nursery: Nursery,
    template: Path,
    place: Path,
    level: str,
    *,
    action: str = "",
    every: bool = False,
    first: int = 1,
) -> int:
    with Vault.open(template / "vault") as vault:
        before = snapshot(vault)
    died = 0
    for base, witness in deaths(nursery, template, place, action or level, every=every, first=first):
        died += 1
        assert witness is not None
        assert snapshot(witness) == before
        with Vault.open(base / "vault") as vault:
            assert snapshot(vault) == before
            intact(vault)
            usable(vault)
            usable(witness)
            operator_of(vault).keys_rotate(level)
            settled(vault)
            if level == "root":
                no_old_root(vault, kept=bool(action))
            if level == "subject":
                one_generation(vault)
            assert snapshot(witness) == before
            usable(witness)
        with Vault.open(base / "vault") as vault:
            assert snapshot(vault) == before
            intact(vault)
    return died


def cut_off_init(nursery: Nursery, template: Path, place: Path, *, every: bool = False) -> int:
    died = 0
    for base, _ in deaths(nursery, template, place, "init", every=every):
        died += 1
        if not (base / "vault" / "memvault.toml").exists():
            Vault.init(base / "vault", key_folder=base / "keys").close()
        with Vault.open(base / "vault") as vault:
            (memory,) = session_in(vault).add(f"First words of {EMAIL}", user_id="u").memories
            operator_of(vault).keys_rotate("root")
            assert session_in(vault).get(memory.id) == memory
            no_old_root(vault)
            assert operator_of(vault).audit_verify()["records"] == 1
    return died


def cut_off_tenant(nursery: Nursery, template: Path, place: Path, *, every: bool = False) -> int:
    """A tenant half made is made whole by whoever comes next; the vault's log has it before it is there."""
    with Vault.open(template / "vault") as vault:
        before = snapshot(vault)
    died = 0
    for base, witness in deaths(nursery, template, place, "new tenant", every=every):
        died += 1
        assert witness is not None
        with Vault.open(base / "vault") as vault:
            assert snapshot(vault) == before
            operator = operator_of(vault)
            created = [info.name for info in operator.tenants()].count("newcomer")
            logged = _vault_log(vault).count("tenant.create")
            assert logged >= 2 + created
            session = session_in(witness, "newcomer")
            stored = [memory.text for memory in session.list(user_id="u").memories]
            assert stored in ([], ["The newcomer's first words"])
            session.add("More words", user_id="u")
            assert len(session_in(vault, "newcomer").list(user_id="u").memories) == len(stored) + 1
            admin = operator_of(vault, "newcomer")
            assert admin.audit_verify()["records"] == len(stored) + 1
            entries = [s.action for s in _auditor(vault, "newcomer").audit_show()]
            assert (entries[0], entries.count("tenant.create")) == ("tenant.create", 1)
            intact(vault)
    return died


def _auditor(vault: Vault, tenant: str) -> Any:
    return vault.admin(Principal(tenant, "auditor", ("auditor",)), purpose="audit")


def _vault_log(vault: Vault) -> list[str]:
    from vault.audit.jcs import strict_loads
    from vault.flows.context import SYSTEM_TENANT

    stages = vault._opened()
    system = stages.keystore.tenant(SYSTEM_TENANT)
    assert system is not None
    with stages.stores.use(system) as store:
        return [strict_loads(row.entry)["act"] for row in store.records.log()]


def cut_off_write(nursery: Nursery, template: Path, place: Path, action: str, *, every: bool = False) -> int:
    """A write is there whole, with history and log, or not at all; done again it is there once."""
    with Vault.open(template / "vault") as vault:
        before = _stable(snapshot(vault))
    outcomes = []
    for base, witness in deaths(nursery, template, place, action, every=every):
        assert witness is not None
        with Vault.open(base / "vault") as vault:
            after = _stable(snapshot(vault))
            assert _stable(snapshot(witness)) == after
            happened = after != before
            outcomes.append(happened)
            if happened:
                _expect_done(vault, action, after, before)
            intact(vault)
            usable(vault)
            ACTIONS[action](base, vault)
            intact(vault)
            if action == "add":  # the key says that it is the same write
                assert len(session_in(vault).list(user_id="pat-9").memories) == 3
    assert outcomes == sorted(outcomes)  # from one step on it has happened
    assert not outcomes[0]
    return len(outcomes)


def _stable(seen: dict[str, Any]) -> dict[str, Any]:
    """Without what a new row draws at random or from the clock."""
    kept: dict[str, Any] = {}
    for name, value in seen.items():
        if name.endswith("}"):
            value = [(m["text"].split("[")[0], m["version"], m["metadata"]) for m in value]
        elif not name.endswith("history"):
            value = len(value)
        kept[name] = value
    return kept


def _expect_done(vault: Vault, action: str, after: dict[str, Any], before: dict[str, Any]) -> None:
    first, added = "clinic {'user_id': 'pat-1'}", "clinic {'user_id': 'pat-9'}"
    if action == "add":
        assert [text for text, _, _ in after[added]] == [f"Part {n} of one talk, ask " for n in range(3)]
    elif action == "update":
        assert after[first][0][:2] == ("Another first note, ask ", 3)
        assert [step[1] for step in after[f"{first} history"][0]] == ["ADD", "UPDATE", "UPDATE"]
    else:
        assert after[first] == before[first][1:]
    entries = [seen for seen in _auditor(vault, "clinic").audit_show() if seen.action == f"memory.{action}"]
    wanted = {"add": 3, "update": 1, "delete": 1}[action]
    assert entries[-1].count == wanted
    if action == "delete":
        memory_id = entries[-1].memory_ids[0]
        with pytest.raises(NotFoundError):
            session_in(vault).get(memory_id)
        steps = session_in(vault).history(memory_id)
        assert [step.event for step in steps] == ["ADD", "UPDATE", "DELETE"]
        assert {step.text for step in steps} == {None}


RETAINED = {"retention of memories": 7, "retention of history": 1}  # so many values go in the end


def cut_off_retention(
    nursery: Nursery, template: Path, place: Path, action: str, *, every: bool = False
) -> int:
    """Person by person, whole or not at all; what went is logged and marked for the roll; the next run goes on."""
    whole = _values(template, action)
    outcomes = []
    for base, witness in deaths(nursery, template, place, action, every=every):
        assert witness is not None
        with Vault.open(base / "vault") as vault:
            removed = whole - _of(snapshot(vault), action)
            assert snapshot(witness) == snapshot(vault)
            outcomes.append(len(removed))
            logged = [
                seen for seen in _auditor(vault, "clinic").audit_show() if seen.action == "retention.run"
            ]
            assert sum(seen.count for seen in logged) == len(removed)
            assert {seen.about for seen in logged if seen.count} <= _waiting(vault)
            intact(vault)
            session_in(vault).add("Something new", user_id="pat-9")
            ACTIONS[action](base, vault)
        with Vault.open(base / "vault") as vault:
            assert len(whole - _of(snapshot(vault), action)) == RETAINED[action]
            kept = [m.version for m in session_in(vault).list(user_id="pat-1", order="created_at").memories]
            assert kept == ([] if action == "retention of memories" else [2, 1, 1])
            intact(vault)
    assert outcomes == sorted(outcomes)
    assert outcomes[0] == 0
    return len(outcomes)


def _of(seen: dict[str, Any], action: str) -> set[str]:
    """Every value that can be read in one tenant and that the action is about: of memories, or of their histories."""
    part = slice(-1, None) if action == "retention of memories" else slice(-1)
    histories = (
        value for name, value in seen.items() if name.startswith("clinic") and name.endswith("history")
    )
    return {step[4] for steps in itertools.chain(*histories) for step in steps[part] if step[4] is not None}


def _values(template: Path, action: str) -> set[str]:
    with Vault.open(template / "vault") as vault:
        return _of(snapshot(vault), action)


def _waiting(vault: Vault) -> set[str]:
    from vault.keys import cases

    stages = vault._opened()
    tenant = stages.keystore.tenant("clinic")
    assert tenant is not None
    waiting = cases.stale(stages.keystore, tenant.tid)
    return {":".join(stages.keystore.identity(tenant, sid)) for sid, _ in waiting}


@pytest.mark.parametrize("action", RETAINED)
def test_retention_cut_off_anywhere(nursery: Nursery, template: Path, tmp_path: Path, action: str) -> None:
    assert cut_off_retention(nursery, template, tmp_path, action) >= 3


@pytest.mark.parametrize("action", RETAINED)
def test_retention_cut_off_anywhere_on_a_token(
    nursery: Nursery, token_template: Path, tmp_path: Path, token_environment: dict[str, str], action: str
) -> None:
    assert cut_off_retention(nursery.within(token_environment), token_template, tmp_path, action) >= 3


@pytest.mark.parametrize("level", LEVELS)
def test_a_rotation_cut_off_anywhere(nursery: Nursery, template: Path, tmp_path: Path, level: str) -> None:
    assert cut_off_rotation(nursery, template, tmp_path, level) >= 2


def test_a_rotation_that_keeps_the_old_root(nursery: Nursery, template: Path, tmp_path: Path) -> None:
    """Also while the old keystore's files go, one by one, though its epoch stays alive: the last steps."""
    died = cut_off_rotation(nursery, template, tmp_path, "root", action="root, old one kept", first=32)
    assert died >= 5


def test_init_cut_off_anywhere(nursery: Nursery, template: Path, tmp_path: Path) -> None:
    assert cut_off_init(nursery, template, tmp_path) > 20


def test_a_new_tenant_cut_off_anywhere(nursery: Nursery, template: Path, tmp_path: Path) -> None:
    assert cut_off_tenant(nursery, template, tmp_path) > 8


def changed_under_fire(nursery: Nursery, template: Path, place: Path, *, kills: int, memories: int) -> None:
    """A file's key changes, page by page, and the process dies at a random moment of that, inside the driver too."""
    base = place / "large"
    shutil.copytree(template, base)
    with Vault.open(base / "vault") as vault:
        session_in(vault).add_many(
            [{"content": f"Entry {n} on the garden", "user_id": f"u{n % 7}"} for n in range(memories)],
            batch=500,
        )
        before = snapshot(vault)
    with Remote(nursery, base / "vault") as whole:
        began = time.perf_counter()
        whole.call("keys_rotate", "records")
        takes = time.perf_counter() - began
    chance = random.Random(7)
    finished = 0
    for _ in range(kills):
        remote = Remote(nursery, base / "vault")
        remote.begin("keys_rotate", "records")
        time.sleep(chance.uniform(0.0, 1.2 * takes))
        remote.kill()
        with Vault.open(base / "vault") as vault:
            assert snapshot(vault) == before
            numbers = sorted(vault._opened().keystore.tenant("clinic").versions["records"])  # type: ignore[union-attr]
            finished += len(numbers) == 1
            assert operator_of(vault).audit_verify()["records"] == memories + 7
    assert finished < kills, "no kill came before the end"


def test_a_file_key_changed_under_fire(nursery: Nursery, template: Path, tmp_path: Path) -> None:
    changed_under_fire(nursery, template, tmp_path, kills=8, memories=1_000)


@pytest.mark.soak
def test_a_file_key_changed_under_long_fire(nursery: Nursery, template: Path, tmp_path: Path) -> None:
    changed_under_fire(nursery, template, tmp_path, kills=100, memories=5_000)


@pytest.mark.parametrize("action", WRITES)
def test_a_write_cut_off_anywhere(nursery: Nursery, template: Path, tmp_path: Path, action: str) -> None:
    assert cut_off_write(nursery, template, tmp_path, action) >= 2


@pytest.mark.soak
def test_every_statement_of_retention_on_a_token(
    nursery: Nursery, token_template: Path, tmp_path: Path, token_environment: dict[str, str]
) -> None:
    rows = []
    for action in RETAINED:
        died = cut_off_retention(
            nursery.within(token_environment), token_template, tmp_path, action, every=True
        )
        rows.append((action, died, 0, 0))
    head = ("cut off", "places", "removed in part", "not resumed")
    record("retention-token", "Retention killed between all its statements, SoftHSM2", markdown(head, rows))


@pytest.mark.soak
def test_every_statement(nursery: Nursery, template: Path, tmp_path: Path) -> None:
    died = {
        "init": cut_off_init(nursery, template, tmp_path, every=True),
        "new tenant": cut_off_tenant(nursery, template, tmp_path, every=True),
    }
    for action in WRITES:
        died[action] = cut_off_write(nursery, template, tmp_path, action, every=True)
    for action in RETAINED:
        died[action] = cut_off_retention(nursery, template, tmp_path, action, every=True)
    for level in LEVELS:
        died[f"rotation of {level}"] = cut_off_rotation(nursery, template, tmp_path, level, every=True)
    rows = [f"| {name} | {number} | 0 | 0 |" for name, number in died.items()]
    body = "\n".join(["| cut off | places | memories lost | not resumed |", "|---|---|---|---|", *rows])
    print(body)
    report("steps.md", "Killed between all statements of an action", body, "test_steps.py")
