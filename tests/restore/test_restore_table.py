"""Every mix of old and new data, keystore and log archive, put back: what was erased stays erased, or nothing opens.

Files are copied as an administrator in a hurry would copy them. The erased is looked for through the API, with every
key that still exists on every sealed value of every backup, and in the decrypted pages of whatever came up.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import asdict
from itertools import product
from pathlib import Path

import pytest
from support import children
from support.bruteforce import Attack, Keys, Records, Sealed, archived
from support.hsm import Hsm
from support.restoring import (
    FULL,
    MOMENTS,
    SMALL,
    TENANTS,
    Item,
    Outcome,
    Sizes,
    World,
    look,
    provider_of,
    put_back,
    put_back_properly,
    relative,
)
from support.scan import Scanner
from support.soak import markdown, record

from vault import Vault
from vault.crypto.primitives import SecretKey
from vault.flows.ids import place
from vault.records.interface import BLOCK

pytest_plugins = ("support.crash_fixtures", "support.hsm_fixtures")

HEAD = (
    "data", "keystore", "log archive", "outcome", "erased: back", "erased, not rolled yet: back",
    "others: there", "others: sealed anew since",
)  # fmt: skip
MOST_TRIED = 300  # sealed values tried with every key there is
STATES = {"local": "asserted", "SoftHSM2": "backup-proof"}


def on_files(base: Path) -> Vault:
    Vault.init(base / "vault", key_folder=base / "keys").close()
    relative(base / "vault")
    return Vault.open(base / "vault")


def on_token(hsm: Hsm) -> Callable[[Path], Vault]:
    def init(base: Path) -> Vault:
        return Vault.init(
            base / "vault", keystore_backup=base / "backups", pkcs11_module=hsm.module,
            pkcs11_token=hsm.label, pkcs11_pin="env:CLINIC_PIN",
        )  # fmt: skip

    return init


# --- the attack on what was backed up ----------------------------------------------------------------------------


def existing_keys(world: World, scratch: Path) -> Keys:
    """Every key in every keystore of every moment, and in every backup the vault made itself, that still opens."""
    keys = Keys()
    provider = provider_of(world.folder)
    try:
        for moment in MOMENTS:
            keys.take(world.moment(moment) / "keystore", provider, scratch)
        for name in ("keys/keystore-backups", "backups"):
            for place_ in sorted((world.base / name).glob("keystore-*")):
                keys.take(place_, provider, scratch)
    finally:
        provider.close()
    return keys


def is_of(sealed: Sealed, items: Iterable[Item], whole: set[bytes]) -> bool:
    """Whether a sealed value is one of what was erased: of a person, or of a memory of theirs."""
    if sealed.context.sid in whole:
        return True
    identity, table = sealed.context.record_id, sealed.table
    for item in items:
        if item.sid != sealed.context.sid:
            continue
        if table in ("memories", "points", "revisions") and sealed.use != "actor":
            if identity.startswith(place(item.s, item.n)):
                return True
        elif table == "blocks" and identity == b"block" + place(item.s, item.n // BLOCK):
            return True
    return False


def values_of(world: World, moment: str, keys: Keys, scratch: Path) -> list[Sealed]:
    """Every sealed value of a moment's records and log archive."""
    found: list[Sealed] = []
    for path in sorted((world.moment(moment) / "data").glob("*/records.db")):
        records = Records(path, keys, scratch)
        assert records.key is not None
        found += records.sealed()
        found += archived(world.moment(moment) / "archive", records.tid, keys)
    return found


def attack(world: World, scratch: Path) -> tuple[Attack, Keys, set[bytes]]:
    """Everything that was ever backed up against every key there is; returns the salts of what was erased too."""
    keys = existing_keys(world, scratch)
    rolled, done = world.gone("rolled"), Attack()
    whole = {item.sid for item in world.gone()} - {item.sid for item in world.alive()}
    dead = {item.sid for item in rolled} & whole
    by_sid: dict[bytes, list[Item]] = {}
    for item in world.gone():
        by_sid.setdefault(item.sid, []).append(item)
    erased: dict[bytes, Sealed] = {}
    salts: set[bytes] = set()
    for moment in MOMENTS:
        values = values_of(world, moment, keys, scratch)
        of_rolled = {
            v.salt: v
            for v in values
            if is_of(v, [i for i in by_sid.get(v.context.sid, ()) if i.gone == "rolled"], dead)
        }
        salts |= {v.salt for v in values if is_of(v, by_sid.get(v.context.sid, ()), whole)}
        erased |= of_rolled
        opened = done.named(values, keys)
        assert not [v for v in opened if v.salt in of_rolled], f"erased values of {moment} open"
    assert len(erased) > len(rolled) * 2  # of each its text and its vector at least
    assert done.opened > len(world.alive()) * 3  # the attack works on what is not erased
    assert done.all_keys(list(erased.values())[:MOST_TRIED], keys) == []
    scanner = canaries(rolled)
    found = set().union(*(scanner.scan(plain) for plain in done.plaintext))
    assert found == set(), "plaintext of the erased in something that opens"
    nothing_said(world, keys)
    return done, keys, salts


def nothing_said(world: World, keys: Keys) -> None:
    """No keystore that still opens names a person who was erased."""
    alive = {tuple(item.scope.items()) for item in world.alive()}
    gone = [item.scope["user_id"] for item in world.gone("rolled") if "user_id" in item.scope]
    people = {user for user in gone if not any(("user_id", user) in scope for scope in alive)}
    assert people
    for said in keys.said:
        for user in people:
            assert f"user\n{user}".encode() != said
            assert f'"{user}"'.encode() not in said, "a request names who was erased"


def canaries(items: Iterable[Item]) -> Scanner:
    """What would be seen of memories wherever they lie open."""
    return Scanner({f"{kind} of {i.id}": getattr(i, kind) for i in items for kind in ("word", "secret")})


# --- one mix -----------------------------------------------------------------------------------------------------


def clean_pages(
    world: World, folder: Path, outcome: Outcome, keys: Keys, salts: set[bytes], scratch: Path
) -> None:
    """In what came up there is nothing of the erased: no sealed value of theirs, no plaintext, in no page."""
    back = {item.id for item in outcome.returned}
    absent = [item for item in world.gone() if item.id not in back]
    scanner = canaries(absent)
    for path in sorted((folder / "tenants").glob("*/records.db")):
        records = Records(path, keys, scratch)
        pages = records.pages()
        assert pages
        assert scanner.scan(pages) == set()
        if not back and outcome.word() == "up":  # a tenant that does not open has its old file
            assert Scanner({}, {salt.hex(): salt for salt in salts}).scan(pages) == set()
            tried = Attack()
            tried.named(records.sealed(), keys)
            assert set().union(*(scanner.scan(plain) for plain in tried.plaintext)) == set()


def row(world: World, mix: tuple[str, str, str | None], outcome: Outcome) -> tuple[object, ...]:
    data, keystore, archive = mix
    rolled = sum(item.gone == "rolled" for item in outcome.returned)
    up = outcome.up
    at = MOMENTS.index(data)
    older = [i for i in world.alive() if MOMENTS.index(i.born) <= at and i.tenant in up]
    sealed_anew = len(older) - len([i for i in world.expected(data) if i.tenant in up])
    return (
        data, keystore, archive or "lost", outcome.word(), rolled, len(outcome.returned) - rolled,
        outcome.kept, sealed_anew,
    )  # fmt: skip


def all_mixes(world: World, scratch: Path, progress: Callable[[tuple[object, ...]], None]) -> None:
    _, keys, salts = attack(world, scratch)
    try:
        for mix in product(MOMENTS, MOMENTS, (*MOMENTS, None)):
            with put_back(world, *mix) as folder:
                outcome = look(world, folder, mix[0])
                if outcome.up:
                    clean_pages(world, folder, outcome, keys, salts, scratch)
            progress(row(world, mix, outcome))
            assert not [item for item in outcome.returned if item.gone == "rolled"], mix
            assert not outcome.missing, mix
            assert not outcome.changed, mix
            if (
                outcome.returned
            ):  # of what is not rolled yet: only where all that knows of it was put back at once
                assert mix[:2] == ("t3", "t3"), mix
                assert mix[2] != "now", mix
    finally:
        keys.close()


def intact(outcome: Outcome) -> None:
    """Nothing of the others is missing or changed, and there is nothing else."""
    assert not outcome.missing
    assert not outcome.changed
    assert outcome.surplus == 0


def restored(
    world: World,
    scratch: Path,
    datas: Iterable[str] = ("t1", "t3"),
    keystores: Iterable[str] = ("t3", "now"),
) -> str:
    """The vault's own backups and `Vault.restore`, over the vault in use and after all its files were lost."""
    _, keys, salts = attack(world, scratch)
    rows: list[tuple[object, ...]] = []
    for lost, data, keystore, archive in product((False, True), datas, keystores, ("now", "t3", None)):
        with put_back(world, "now", "now", archive) as folder:
            if lost:
                for part in ("tenants", "keystore"):
                    shutil.rmtree(folder / part)
                    (folder / part).mkdir(mode=0o700)
            refused = put_back_properly(world, folder, data, keystore)
            there = "now" if refused else data
            outcome = look(world, folder, there)
            if outcome.up and not refused:
                clean_pages(world, folder, outcome, keys, salts, scratch)
        line = row(world, (there, keystore, archive), outcome)
        said = (
            f"refused, {refused}; {'nothing opens' if lost else 'as before: ' + str(line[3])}"
            if refused
            else line[3]
        )
        rows.append(("lost" if lost else "in use", data, keystore, archive or "lost", said, *line[4:]))
        where = rows[-1]
        assert not [item for item in outcome.returned if item.gone == "rolled"], where
        intact(outcome)
        assert not refused or not (lost and outcome.up), where
        if not refused:
            assert outcome.word() == "up", where
        if outcome.returned:  # not rolled yet, and everything that knows of it was lost or put back
            assert lost, where
            assert "now" not in (keystore, archive), where
    keys.close()
    return markdown(("vault", *HEAD), merged(rows, 3))


def table(world: World, kind: str, scratch: Path, extra: Callable[[str], Outcome]) -> str:
    """Live the vault's life, put every mix back, and say what came of it."""
    world.live()
    assert set(world.states) == {STATES[kind]}
    rows: list[tuple[object, ...]] = []
    all_mixes(world, scratch, rows.append)
    up = [line for line in rows if line[3] == "up"]
    assert ("now", "now", "now") in [line[:3] for line in up]
    for archive in ("t1", "now"):
        outcome = extra(archive)
        line = row(world, ("t1", "t1", archive), outcome)
        rows.append((*line[:3], f"provider state restored too: {line[3]}", *line[4:]))
        assert bool(outcome.returned) == (archive == "t1")
    return markdown(HEAD, merged(rows, 2))


def merged(rows: list[tuple[object, ...]], at: int) -> list[tuple[object, ...]]:
    """Mixes that differ in nothing but the log archive, column `at`, on one line."""
    lines: dict[tuple[object, ...], list[str]] = {}
    for line in rows:
        lines.setdefault((*line[:at], *line[at + 1 :]), []).append(str(line[at]))
    return [(*line[:at], ", ".join(archives), *line[at:]) for line, archives in lines.items()]


def provider_too(world: World) -> Callable[[str], Outcome]:
    def extra(archive: str) -> Outcome:
        with put_back(world, "t1", "t1", archive, provider="t1") as folder:
            return look(world, folder, "t1")

    return extra


def token_too(world: World) -> Callable[[str], Outcome]:
    """In a process of its own, because a PKCS#11 module reads its token's folder once."""

    def extra(archive: str) -> Outcome:
        with put_back(world, "t1", "t1", archive, provider="t1") as folder:
            tokens = folder.parent / "hsm"
            conf = tokens / "softhsm2.conf"
            conf.write_text(conf.read_text().replace(str(world.base / "hsm"), str(tokens)))
            items = json.dumps([asdict(item) for item in world.items.values()], default=bytes.hex)
            child = subprocess.run(
                [sys.executable, "-m", "support.restoring", str(folder), "t1"], input=items, text=True,
                capture_output=True, env={**children.environment(), "SOFTHSM2_CONF": str(conf)}, check=False,
            )  # fmt: skip
            assert child.returncode == 0, child.stderr
            said = json.loads(child.stdout)
            return Outcome(
                said["tenants"], [world.items[name] for name in said["returned"]], kept=said["kept"]
            )

    return extra


@pytest.fixture
def tmp_path(memory_path: Path) -> Path:
    return memory_path


@pytest.fixture
def scratch(memory_path: Path) -> Path:
    place_ = memory_path / "scratch"
    place_.mkdir()
    return place_


def test_every_mix_on_key_files(memory_path: Path, scratch: Path) -> None:
    world = World(memory_path, SMALL, on_files)
    print("\n" + table(world, "local", scratch, provider_too(world)))


def test_every_mix_restored(memory_path: Path, scratch: Path) -> None:
    world = World(memory_path, Sizes(40, 4, 4, 1), on_files)
    world.live()
    print("\n" + restored(world, scratch))


def test_every_mix_on_a_token(hsm: Hsm, monkeypatch: pytest.MonkeyPatch, scratch: Path) -> None:
    monkeypatch.setenv("CLINIC_PIN", hsm.pin)
    world = World(hsm.folder.parent, Sizes(40, 4, 4, 1), on_token(hsm))
    print("\n" + table(world, "SoftHSM2", scratch, token_too(world)))
    print("\n" + restored(world, scratch, ["t1"], ["now"]))


def test_the_attack_finds_what_is_not_erased(memory_path: Path, scratch: Path) -> None:
    """A planted leftover, once in a records file and once as a key, is found: the proof can fail."""
    world = World(memory_path, Sizes(24, 2, 2, 1), on_files)
    world.live()
    _, keys, salts = attack(world, scratch)
    try:
        with put_back(world, "t1", "now", "now") as folder:
            outcome = Outcome(dict.fromkeys(TENANTS, "up"))
            with pytest.raises(AssertionError):
                clean_pages(world, folder, outcome, keys, salts, scratch)
        values = values_of(world, "t1", keys, scratch)
        mine = next(v for v in values if v.table == "memories" and v.salt in salts)
        keys.data[mine.context.tenant, *mine.key] = SecretKey.random()
        assert Attack().named([mine], keys) == []  # a wrong key opens nothing
        other = next(v for v in values if v.table == "memories" and keys.of(v) and v.salt not in salts)
        assert Attack().all_keys([other], keys) == [other]
    finally:
        keys.close()


LEGEND = """t1 is before any erasure; t2 after the first were erased but not rolled; t3 after the roll, which
destroyed the epoch that t1 and t2 need; now after more writes and the erasure of one more person and one more memory,
which still wait for their roll: their certificates say `live-erased`. Back means back in any way: by id, in a history,
in lists, by search. For every mix that came up, every sealed value in its files was also tried with every key that
exists in any keystore of any moment, and every decrypted page was searched. What the last column counts is not readable
in a backup from before the roll, because something of the same person was erased and the rest sealed anew."""


@pytest.mark.soak
def test_every_mix_at_full_size(
    memory_path: Path, hsm: Hsm, monkeypatch: pytest.MonkeyPatch, scratch: Path
) -> None:
    monkeypatch.setenv("CLINIC_PIN", hsm.pin)
    (memory_path / "local").mkdir()
    local = World(memory_path / "local", FULL, on_files)
    token = World(memory_path, FULL, on_token(hsm))
    parts = [LEGEND]
    for name, kind, world, extra in (
        ("key files", "local", local, provider_too(local)),
        ("SoftHSM2", "SoftHSM2", token, token_too(token)),
    ):
        parts += [f"## Copied by hand, {name}", table(world, kind, scratch, extra)]
        parts += [
            f"## Put back by `memvault backup restore`, {name}",
            restored(world, scratch, MOMENTS, MOMENTS),
        ]
    record("restore", "Every mix of backups, put back", *parts)
