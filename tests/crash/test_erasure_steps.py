"""`kill -9` between every two steps of an erasure, its roll and its certificate, on key files and on a token.

After each death a process that was open all the time and a fresh one find every survivor; what is reported as erased is
unreadable, in both; a certificate that can be had says no more than what is true. Done again, it ends as if nothing had
happened: the same state of the certificate, nothing of the erased opens with any key, nothing waits for another roll.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.erasing import ACTIONS, ERASED, app, ask, fill, gone_of, privacy, survivors
from support.nursery import Child, Nursery
from support.soak import markdown, record

from vault import Vault

pytest_plugins = ("support.crash_fixtures", "support.hsm_fixtures")

EVERYTHING = sorted(word for words in ERASED.values() for word in words)
STAGES = {  # which template an action begins with
    "erasure of a person": "previewed",
    "erasure of memories": "previewed",
    "erasure and roll in one": "previewed",
    "certificate before the roll": "erased",
    "roll": "erased",
    "certificate after the roll": "rolled",
    "roll after a delete": "deleted",
}
FINAL = {"local": "asserted", "SoftHSM2": "backup-proof"}
SAMPLE = {"local": 17, "SoftHSM2": 31}  # every so many steps under `make test`


@pytest.fixture
def tmp_path(memory_path: Path) -> Path:
    return memory_path


@dataclass
class Place:
    """Templates of a vault at several stages of two erasures, each a folder that stands alone with its keys."""

    base: Path
    kind: str
    environment: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    survivors: list[str] = field(default_factory=list)

    def build(self, init: Callable[[Path], Vault]) -> None:
        init(self.base).close()
        toml = self.base / "vault" / "memvault.toml"
        toml.write_text(toml.read_text().replace(str(self.base), ".."))
        with Vault.open(self.base / "vault") as vault:
            fill(vault)
        for part in ("tenants", "keystore"):
            shutil.copytree(self.base / "vault" / part, self.base / "before" / part)
        self.keep("filled")
        with Vault.open(self.base / "vault") as vault:
            for memory in app(vault).list(user_id="pat-2", limit=50).memories:
                if any(word in memory.text for word in gone_of("pat-2")):
                    app(vault).delete(memory.id)
            self.survivors = survivors(vault)
        self.keep("deleted")

    def later(self) -> None:
        """The stages of the requests, from what is in place."""
        with Vault.open(self.base / "vault") as vault:
            self.ids = ask(vault)
        self.keep("previewed")
        with Vault.open(self.base / "vault") as vault:
            for request_id in self.ids.values():
                privacy(vault).requests.get(request_id).run(roll=False)
            assert survivors(vault) == self.survivors
        self.keep("erased")
        with Vault.open(self.base / "vault") as vault:
            privacy(vault).requests.roll(force=True)
        self.keep("rolled")

    def keep(self, stage: str) -> None:
        self.copy(self.base, self.base / "stages" / stage)

    def copy(self, source: Path, target: Path) -> None:
        target.mkdir(parents=True)
        for name in ("vault", "keys", "backups", "hsm", "before"):
            if (source / name).is_dir():
                shutil.copytree(source / name, target / name)
        conf = target / "hsm" / "softhsm2.conf"
        if conf.exists():
            lines = [line for line in conf.read_text().splitlines() if "tokendir" not in line]
            conf.write_text("\n".join([*lines, f"directories.tokendir = {conf.parent / 'tokens'}", ""]))

    def fresh(self, action: str, number: int) -> Path:
        target = self.base / "runs" / f"{action.replace(' ', '-')}-{number}"
        self.copy(self.base / "stages" / STAGES[action], target)
        return target

    def wanted(self, action: str) -> dict[str, str]:
        return {} if STAGES[action] == "deleted" else self.ids

    def child(self, nursery: Nursery, part: str, target: Path, action: str, **more: Any) -> Child:
        environment = dict(self.environment)
        if self.kind == "SoftHSM2":
            environment["SOFTHSM2_CONF"] = str(target / "hsm" / "softhsm2.conf")
        order = {"base": str(target), "ids": self.wanted(action), **more}
        if part != "watch":
            order["action"] = action
        return nursery.child(work="erasing", part=part, environment=environment, **order)


def answer(child: Child) -> Any:
    said = child.hear()
    assert said is not None, "the other process ended"
    assert "trace" not in said, said["trace"]
    return said


def deaths(nursery: Nursery, place: Place, action: str, *, stride: int) -> Iterator[tuple[Path, Child]]:
    """A copy for each step, in which the action died before it, and a process that was open all the time."""
    for number in count(1, stride):
        target = place.fresh(action, number)
        witness = place.child(nursery, "watch", target, action)
        witness.say("look")
        answer(witness)
        child = place.child(nursery, "act", target, action, die_at=number)
        said = child.hear()
        child.close()
        if said is not None:
            assert "trace" not in said, said["trace"]
            assert said["steps"] < number
        else:
            yield target, witness
        witness.end()
        witness.close()
        shutil.rmtree(target)
        if said is not None:
            assert number > 1
            return


def cut_off(nursery: Nursery, place: Place, action: str, *, stride: int = 1) -> int:
    """Every death of one action; returns how many there were."""
    died = 0
    (place.base / "scratch").mkdir(exist_ok=True)
    for target, witness in deaths(nursery, place, action, stride=stride):
        died += 1
        resumed = place.child(nursery, "resume", target, action, scratch=str(place.base / "scratch"))
        said = answer(resumed)
        resumed.end()
        resumed.close()
        where = f"{action}, death {died}"
        for seen in ("before", "after", "reopened"):
            assert said[seen] == place.survivors, f"{where}: survivors {seen}"
        for name, left in said["left"].items():
            if left["state"] in ("erased", "certified"):
                assert left["readable"] == [], f"{where}: reported erased, and readable"
            proven = left.get("certificate")
            if STAGES[action] != "rolled" and action not in ("roll", "erasure and roll in one"):
                assert proven in (None, "live-erased"), f"{where}: {name} is {proven} before a roll"
        assert set(said["certificates"].values()) <= {FINAL[place.kind]}, where
        assert said["readable"] == [], where
        assert not said["due"], f"{where}: something still waits for a roll"
        gone = EVERYTHING if place.wanted(action) else gone_of("pat-2")
        assert not set(said["opened"]) & set(gone), f"{where}: opens with a key that is left"
        witness.say("look")
        seen = answer(witness)
        assert not set(seen["readable"]) & set(gone), f"{where}: an open process still reads what was erased"
        assert seen["survivors"] == place.survivors, where
    return died


def on_files(base: Path) -> Place:
    place = Place(base, "local")
    place.build(lambda folder: Vault.init(folder / "vault", key_folder=folder / "keys"))
    _restart(place)
    return place


def in_hsm(base: Path, keys: dict[str, Any], environment: dict[str, str]) -> Place:
    place = Place(base, "SoftHSM2", environment)
    place.build(lambda folder: Vault.init(folder / "vault", keystore_backup=folder / "backups", **keys))
    _restart(place)
    return place


def _restart(place: Place) -> None:
    """From the filled vault again, this time with requests in the place of deletes."""
    for part in ("tenants", "keystore", "archive"):
        shutil.rmtree(place.base / "vault" / part)
        shutil.copytree(place.base / "stages" / "filled" / "vault" / part, place.base / "vault" / part)
    place.later()


def test_cut_off_anywhere_on_key_files(nursery: Nursery, memory_path: Path) -> None:
    place = on_files(memory_path)
    for action in ACTIONS:
        assert cut_off(nursery, place, action, stride=SAMPLE["local"]) >= 2, action


def test_cut_off_anywhere_on_a_token(
    nursery: Nursery, memory_path: Path, on_token: dict[str, Any], token_environment: dict[str, str]
) -> None:
    place = in_hsm(memory_path, on_token, token_environment)
    for action in ACTIONS:
        assert cut_off(nursery, place, action, stride=SAMPLE["SoftHSM2"]) >= 1, action


@pytest.mark.soak
def test_cut_off_at_every_step(
    nursery: Nursery, memory_path: Path, on_token: dict[str, Any], token_environment: dict[str, str]
) -> None:
    (memory_path / "files").mkdir()
    places = [on_files(memory_path / "files"), in_hsm(memory_path, on_token, token_environment)]
    rows = []
    for action in ACTIONS:
        rows.append((action, *(cut_off(nursery, place, action) for place in places), 0, 0, 0))
        print(*rows[-1])
    head = (
        "cut off",
        "places, key files",
        "places, SoftHSM2",
        "survivors lost",
        "success reported early",
        "not resumed",
    )
    record("erasure-steps", "Erasures killed at every step", markdown(head, rows))
