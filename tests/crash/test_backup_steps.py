"""`kill -9` between every two steps of a backup and of a restore: resumed to the same end, nobody served in between.

After a death in a backup the vault is as it was, and no half backup looks like a whole one. After a death in a restore
the vault either is as it was, or serves nobody and says that the restore must be run again; never a mix, and never
anything erased. A process that had the vault open all the time sees the same.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from support.backing import ACTIONS, GONE, LATER, STAYS, app, fill
from support.hsm import Hsm
from support.nursery import Nursery
from support.soak import markdown, record

from vault import Vault, VaultError

pytest_plugins = ("support.crash_fixtures", "support.hsm_fixtures")

NOW = {"words": [*STAYS, *LATER], "bank": 1, "records": [5, 1], "tenants": 3}
RESTORED = {"words": [*STAYS], "bank": 1, "records": [3, 1], "tenants": 3}
AT_ONCE = {"backup of the data": NOW, "backup of the keystore": NOW, "restore of the data": RESTORED,
           "restore of the keystore": NOW}  # fmt: skip
REFUSED = {  # what a vault may say that somebody is putting back
    "backup of the data": set(),
    "backup of the keystore": set(),
    "restore of the data": {"restore.unfinished"},
    "restore of the keystore": {
        "restore.unfinished",
        "keystore.missing",
        "keystore.key_missing",
    },  # that it is lost, or half of it, is why it is restored
}
SAMPLE = {"key files": 5, "SoftHSM2": 29}  # every so many steps under `make test`


@pytest.fixture(scope="module")
def template(memory_root: Path) -> Path:
    base = memory_root / "template"
    base.mkdir()
    fill(base)
    return base


@pytest.fixture
def token_template(tmp_path: Path, on_token: dict[str, Any]) -> Path:
    """The same on a token, which all copies share: neither a backup nor a restore makes or destroys a root key."""
    base = tmp_path / "token-template"
    base.mkdir()
    fill(base, **on_token)
    return base


def ask(nursery: Nursery, part: str, base: Path, **order: Any) -> Any:
    child = nursery.child(work="backing", part=part, base=str(base), **order)
    said = child.hear()
    child.close()
    assert said is None or not isinstance(said, dict) or "trace" not in said, said["trace"]
    return said


def words(vault: Vault) -> list[str]:
    """What an open handle still sees; nothing where it is refused."""
    try:
        return [
            word
            for word, user in {**STAYS, **GONE, **LATER}.items()
            if any(word in memory.text for memory in app(vault).list(user_id=user).memories)
        ]
    except VaultError:
        return []


def deaths(
    nursery: Nursery, template: Path, place: Path, action: str, *, stride: int
) -> Iterator[tuple[Path, Vault]]:
    """A fresh copy for each step, in which the action died before that step, and a handle that saw it happen."""
    for number in count(1, stride):
        base = place / f"{action.replace(' ', '-')}-{number}"
        shutil.copytree(template, base)
        witness = Vault.open(base / "vault")
        words(witness)
        steps = ask(nursery, "act", base, action=action, die_at=number)
        if steps is not None:
            witness.close()
            shutil.rmtree(base)
            assert number > 1
            return
        yield base, witness
        witness.close()
        shutil.rmtree(base)


def cut_off(
    nursery: Nursery, template: Path, place: Path, action: str, *, stride: int = 1
) -> tuple[int, int]:
    """Every death of one action: how many, and in how many of them nobody was served until it was done again."""
    died = barred = 0
    whole, end = NOW, AT_ONCE[action]
    for base, witness in deaths(nursery, template, place, action, stride=stride):
        died += 1
        where = f"{action}, death {died}"
        said = ask(nursery, "look", base)
        if "code" in said:
            barred += 1
            assert said["code"] in REFUSED[action], where
            assert words(witness) in ([], whole["words"] if action == "restore of the keystore" else []), (
                where
            )
        else:
            assert said in (whole, end), where
            assert set(words(witness)) <= set(said["words"]), where
        done = ask(nursery, "again", base, action=action)
        assert {name: done[name] for name in end} == end, where
        assert done["left"] == [], where
        assert sorted(set(done["backups"])) == ["data", "keystore"], where
        assert set(words(witness)) == set(end["words"]), where
    return died, barred


@pytest.fixture
def tmp_path(memory_path: Path) -> Path:
    return memory_path


@pytest.mark.parametrize("action", ACTIONS)
def test_cut_off_anywhere(nursery: Nursery, template: Path, tmp_path: Path, action: str) -> None:
    died, barred = cut_off(nursery, template, tmp_path, action, stride=SAMPLE["key files"])
    assert died >= 3
    assert bool(barred) == action.startswith("restore")


def test_cut_off_anywhere_on_a_token(
    nursery: Nursery, token_template: Path, tmp_path: Path, hsm: Hsm, token_environment: dict[str, str]
) -> None:
    held = hsm.objects()
    for action in ACTIONS:
        died, _ = cut_off(
            nursery.within(token_environment), token_template, tmp_path, action, stride=SAMPLE["SoftHSM2"]
        )
        assert died >= 1
    assert hsm.objects() == held


@pytest.mark.soak
def test_cut_off_at_every_step(
    nursery: Nursery,
    template: Path,
    token_template: Path,
    tmp_path: Path,
    hsm: Hsm,
    token_environment: dict[str, str],
) -> None:
    held = hsm.objects()
    places = [
        (nursery, template, tmp_path / "files"),
        (nursery.within(token_environment), token_template, tmp_path),
    ]
    places[0][2].mkdir()
    rows = []
    for action in ACTIONS:
        files, token = (cut_off(forks, base, place, action) for forks, base, place in places)
        rows.append((action, *files, *token, 0, 0))
        print(*rows[-1], flush=True)
    assert hsm.objects() == held
    head = (
        "cut off",
        "places, key files",
        "served nobody until done again",
        "places, SoftHSM2",
        "served nobody until done again",
        "not resumed",
        "erased: back",
    )
    record("backup-steps", "Backups and restores killed at every step", markdown(head, rows))
