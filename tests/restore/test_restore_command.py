"""`backup restore` on an empty machine, with every mix of old and new data, keystore and log archive.

Two lives: in one everything erased was rolled (its epoch is destroyed), in the other nothing was yet. A row that comes
up must be rid of everything erased, verify, and hold everybody else; the only exception is said in its name: all three
parts of before, and no epoch destroyed since, which is what "not backup-proof yet" means.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from support.soak import markdown

from vault import Principal, Session, Vault
from vault.admin import Admin
from vault.errors import NotFoundError, VaultError

pytest_plugins = ("support.crash_fixtures",)

OP = Principal("clinic", "op", ("operator",))
STAY = {"quilted": "stays", "harbour": "stays", "carpet": "other"}  # word: whose
ERASED = {
    "teapot": {"user_id": "leaves"},
    "ladder": {"user_id": "leaves", "agent_id": "desk"},
    "periwinkle": {"user_id": "partly"},
    "lantern": {"user_id": "runner", "run_id": "r-1"},
    "bucket": {"user_id": "deleter"},
    "wheelhouse": {"user_id": "swept", "agent_id": "desk"},
}
SEALED_ANEW = {"lighthouse": "partly", "toadstool": "runner", "bumblebee": "deleter", "candlewick": "swept"}
LATER = {"blanket": "newcomer", "drawer": "stays"}


def app(vault: Vault) -> Session:
    return vault.session(Principal("clinic", "bot", ("app",)), purpose="service")


def privacy(vault: Vault) -> Session:
    return vault.session(Principal("clinic", "officer", ("privacy",)), purpose="rights-request")


def operator(vault: Vault) -> Admin:
    return vault.admin(OP)


def tell(vault: Vault, word: str, **scope: str) -> str:
    return app(vault).add(f"The visit about {word} was written down", **scope).memories[0].id


def erase(vault: Vault, **scope: Any) -> None:
    """One erasure from its opening to its end; the roll comes later, for all of them."""
    request = privacy(vault).requests.open(ground="gdpr.17.1.b", **scope)
    request.preview()
    assert request.run(roll=False).state == "erased"


@dataclass
class Life:
    """A vault's folder, and what was backed up before and after the erasures."""

    base: Path
    rolled: bool
    parts: dict[str, dict[str, Path | None]] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return self.base / "vault"

    def back_up(self, when: str) -> None:
        with Vault.open(self.folder) as vault:
            data = Path(operator(vault).backup_create("data", to=self.base / "data")["folder"])
            keystore = Path(operator(vault).backup_create("keystore")["folder"])
        archive = self.base / f"archive-{when}"
        shutil.copytree(self.folder / "archive", archive)
        self.parts[when] = {"data": data, "keystore": keystore, "archive": archive}

    def live(self) -> None:
        with Vault.init(
            self.folder, key_folder=self.base / "keys", keystore_backup=self.base / "keystores"
        ) as vault:
            for word, user in {**STAY, **SEALED_ANEW}.items():
                tell(vault, word, user_id=user)
            made = {word: tell(vault, word, **scope) for word, scope in ERASED.items()}
            app(vault).search("who was written down?", user_id="leaves")
        self.back_up("old")
        with Vault.open(self.folder) as vault:
            erase(vault, user_id="leaves")
            erase(vault, memory_ids=[made["periwinkle"]])
            erase(vault, user_id="runner", run_id="r-1")
            app(vault).delete(made["bucket"])
            app(vault).delete_all(user_id="swept", agent_id="desk")
            for word, user in LATER.items():
                tell(vault, word, user_id=user)
            if self.rolled:
                assert privacy(vault).requests.roll(force=True) is not None
        self.back_up("new")

    def bare(self, place: Path, archive: str) -> Path:
        """An empty machine: the configuration, the key, and the log archive that was at hand."""
        (place / "vault").mkdir(parents=True)
        shutil.copytree(self.base / "keys", place / "keys")
        toml = (self.folder / "memvault.toml").read_text().replace(str(self.base), str(place))
        (place / "vault" / "memvault.toml").write_text(toml)
        kept = self.parts[archive]["archive"] if archive != "lost" else None
        if kept is not None:
            shutil.copytree(kept, place / "vault" / "archive")
        return place / "vault"


def put_back(life: Life, folder: Path, keystore: str, data: str, *, accept_loss: bool) -> str:
    """Keystore, then data; "up" or the code of the refusal."""
    for kind, when in (("keystore", keystore), ("data", data)):
        backup = life.parts[when][kind]
        assert backup is not None
        try:
            said = Vault.restore(folder, backup, OP, kind=kind, accept_loss=accept_loss)
            assert not said["executed"]
            Vault.restore(folder, backup, OP, kind=kind, execute=True, accept_loss=accept_loss)
        except VaultError as error:
            return error.code
    return "up"


def found(vault: Vault, word: str) -> bool:
    """Whether any user's list, search or history still has this word."""
    everybody = {
        *STAY.values(),
        *SEALED_ANEW.values(),
        *LATER.values(),
        *(s["user_id"] for s in ERASED.values()),
    }
    for user in everybody:
        for memory in app(vault).list(user_id=user).memories:
            if word in memory.text or any(word in (r.text or "") for r in app(vault).history(memory.id)):
                return True
        if any(word in hit.memory.text for hit in app(vault).search(word, user_id=user)):
            return True
    return False


def examine(folder: Path, data: str, *, anew: bool, keys_lost: bool) -> set[str]:
    """Everything that must hold of a vault that came up; answers which erased words are back.

    `anew`: the rest of whom something was removed from is there.
    """
    with Vault.open(folder) as vault:
        back = {word for word in ERASED if found(vault, word)}
        kept = dict(STAY)
        if anew:
            kept |= SEALED_ANEW
        if data == "new":
            kept |= {word: user for word, user in LATER.items() if not (keys_lost and user == "newcomer")}
        assert {word for word in kept if not found(vault, word)} == set()
        report = operator(vault).audit_verify()
        assert report["records"] == operator(vault).index_verify()["checked"]
        assert operator(vault).keys_verify()["keystore"]["tenants"] == 2
        token = tell(vault, "hammer", user_id="leaves")
        assert "hammer" in app(vault).get(token).text
        log = vault.admin(Principal("clinic", "a", ("auditor",)), purpose="audit").audit_show()
        assert [seen.action for seen in log].count("backup.restore") >= 1
    with Vault.open(folder) as vault:
        assert {word for word in ERASED if found(vault, word)} == back
    return back


WHEN = ("old", "new")
EXPECTED: dict[bool, dict[tuple[str, str, str], tuple[str, str]]] = {
    # keystore, data, archive: what is said first, and once the loss is accepted
    True: {
        **{("old", *rest): ("keys.epoch_missing", "keys.epoch_missing") for rest in product(WHEN, (*WHEN, "lost"))},
        ("new", "old", "new"): ("up", ""),
        ("new", "old", "old"): ("archive.behind", "up"),
        ("new", "old", "lost"): ("archive.behind", "up"),
        **{("new", "new", archive): ("up", "") for archive in (*WHEN, "lost")},
    },
    False: {
        ("old", "old", "new"): ("keystore.older", "up"),
        ("old", "old", "old"): ("up: everything of before", ""),
        ("old", "old", "lost"): ("up: everything of before", ""),
        **{("old", "new", archive): ("keystore.older", "up") for archive in (*WHEN, "lost")},
        ("new", "old", "new"): ("up", ""),
        ("new", "old", "old"): ("archive.behind", "up"),
        ("new", "old", "lost"): ("archive.behind", "up"),
        **{("new", "new", archive): ("up", "") for archive in (*WHEN, "lost")},
    },
}  # fmt: skip


@pytest.mark.parametrize("rolled", [True, False], ids=["rolled", "not rolled yet"])
def test_every_mix(memory_path: Path, rolled: bool) -> None:
    life = Life(memory_path, rolled)
    life.live()
    rows = []
    for keystore, data, archive in product(WHEN, WHEN, (*WHEN, "lost")):
        wanted, after = EXPECTED[rolled][keystore, data, archive]
        back: set[str] = set()
        answers = []
        for accept in (False, True) if after else (False,):
            place = memory_path / f"mix-{keystore}-{data}-{archive}-{accept}"
            folder = life.bare(place, archive)
            answer = put_back(life, folder, keystore, data, accept_loss=accept)
            if answer == "up":
                # Sealed anew by the roll, or, where nobody knows any more what was removed from them, all removed.
                anew = data == "new" or (not rolled and not (keystore == "new" and archive != "new"))
                back |= examine(folder, data, anew=anew, keys_lost=keystore == "old")
                if back:
                    answer = "up: everything of before"
            answers.append(answer)
            shutil.rmtree(place)
        assert (answers[0], *answers[1:]) == ((wanted, after) if after else (wanted,)), (
            keystore,
            data,
            archive,
        )
        if "of before" not in answers[0]:
            assert back == set(), (keystore, data, archive)
        rows.append((data, keystore, archive, answers[0], answers[-1] if after else "", len(back)))
    print(
        "\n" + markdown(("data", "keystore", "log archive", "restore", "loss accepted", "erased: back"), rows)
    )


def test_the_key_provider_restored_too_brings_everything_back(memory_path: Path) -> None:
    """The limit: with the destroyed epoch's key file everything of before opens again, unless the log knows better."""
    life = Life(memory_path, rolled=True)
    with Vault.init(
        life.folder, key_folder=life.base / "keys", keystore_backup=life.base / "keystores"
    ) as vault:
        tell(vault, "teapot", user_id="leaves")
        tell(vault, "quilted", user_id="stays")
    life.back_up("old")
    shutil.copytree(life.base / "keys", life.base / "keys-old")
    with Vault.open(life.folder) as vault:
        erase(vault, user_id="leaves")
        assert privacy(vault).requests.roll(force=True) is not None
    life.back_up("new")
    shutil.rmtree(life.base / "keys")
    shutil.copytree(life.base / "keys-old", life.base / "keys")
    for archive, back in (("old", True), ("new", False)):
        place = memory_path / f"all-{archive}"
        folder = life.bare(place, archive)
        assert put_back(life, folder, "old", "old", accept_loss=False) == "up"
        with Vault.open(folder) as vault:
            texts = [memory.text for memory in app(vault).list(user_id="leaves").memories]
            assert any("teapot" in text for text in texts) == back
            assert app(vault).list(user_id="stays").memories


def test_a_memory_that_is_gone_is_absent_and_its_history_has_no_values(memory_path: Path) -> None:
    life = Life(memory_path, rolled=False)
    with Vault.init(life.folder, key_folder=life.base / "keys", keystore_backup="none") as vault:
        memory_id = tell(vault, "bucket", user_id="deleter")
        app(vault).update(memory_id, "The visit about bucket was moved", reason="moved")
        data = Path(operator(vault).backup_create("data", to=life.base / "data")["folder"])
        app(vault).delete(memory_id)
    Vault.restore(life.folder, data, OP, kind="data", execute=True)
    with Vault.open(life.folder) as vault:
        with pytest.raises(NotFoundError):
            app(vault).get(memory_id)
        assert {step.text for step in app(vault).history(memory_id)} <= {None}
