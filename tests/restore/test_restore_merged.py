"""Backups from before people were renamed and merged, put back in every mix with what was there after it.

With the keystore of before, everything is there and merged again, and every id given out before and after the merge
means the same. With the keystore of after, the keys of the one are destroyed: what the older data holds of that person
is purged and counted, and nothing else is.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from vault import Principal, Session, Vault
from vault.errors import NotFoundError

OP = Principal("clinic", "op", ("operator",))


def app(vault: Vault) -> Session:
    return vault.session(Principal("clinic", "bot", ("app",)), purpose="service")


def privacy(vault: Vault) -> Session:
    return vault.session(Principal("clinic", "officer", ("privacy",)), purpose="rights-request")


class Life:
    """Two people merged, one renamed, memories deleted before and after, and backups of before and after."""

    def __init__(self, base: Path) -> None:
        self.base, self.folder = base, base / "vault"
        self.parts: dict[str, dict[str, Path]] = {}
        with Vault.init(self.folder, key_folder=base / "keys", keystore_backup=base / "copies") as vault:
            session = app(vault)
            self.ids = {
                name: session.add(f"The {name} at ana@example.org", user_id=user, agent_id="desk")
                .memories[0]
                .id
                for name, user in (
                    ("tea", "old"),
                    ("milk", "old"),
                    ("rum", "old"),
                    ("gin", "new"),
                    ("ale", "third"),
                )
            }
            session.update(self.ids["tea"], "The tea, changed, at ana@example.org")
        self.back_up("before")
        with Vault.open(self.folder) as vault:
            session = app(vault)
            session.delete(self.ids["rum"])
            session.add("A word after the backup", user_id="new")
            merged = privacy(vault).subjects.merge("old", "new")
            assert merged.memories == 2
            self.after = {name: session.get(self.ids[name]).id for name in ("tea", "milk", "gin")}
            session.delete(self.after["milk"])
            subjects = privacy(vault).subjects
            subjects.rename("new", "newest")
            subjects.rename("third", "3rd", keep_old_as_alias=False)
            subjects.add_alias("newest", "third")
        self.back_up("after")

    def back_up(self, when: str) -> None:
        with Vault.open(self.folder) as vault:
            admin = vault.admin(OP)
            data = Path(admin.backup_create("data", to=self.base / "data")["folder"])
            self.parts[when] = {"data": data, "keystore": Path(admin.backup_create("keystore")["folder"])}

    def empty(self) -> None:
        """The machine is lost: there are the configuration, the key and the archive of the log."""
        for part in ("keystore", "tenants"):
            shutil.rmtree(self.folder / part)

    def restore(self, kind: str, when: str) -> Any:
        return Vault.restore(self.folder, self.parts[when][kind], OP, kind=kind, execute=True)


@pytest.fixture(scope="module")
def life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    return Life(tmp_path_factory.mktemp("life"))


@pytest.fixture
def copy(life: Life, tmp_path: Path) -> Life:
    """The same vault to put things back into; its key stays where it is."""
    made = Life.__new__(Life)
    made.base, made.folder, made.parts = tmp_path, tmp_path / "vault", life.parts
    made.ids, made.after = life.ids, life.after
    shutil.copytree(life.folder, made.folder)
    return made


def texts(vault: Vault, user: str) -> list[str]:
    found = app(vault).list(user_id=user, order="created_at", limit=100).memories
    assert {m.user_id for m in found} <= {"newest", "3rd"}
    return [m.text.split("[")[0] for m in found]


def names(vault: Vault) -> None:
    subjects = privacy(vault).subjects
    for one in ("old", "new", "third", "newest"):
        assert (subjects.aliases(one).user_id, subjects.aliases(one).aliases) == (
            "newest",
            ("new", "old", "third"),
        )
    assert subjects.aliases("3rd").aliases == ()


def verified(vault: Vault) -> None:
    admin = vault.admin(OP)
    assert admin.index_verify()["stale"] == 0
    assert admin.audit_verify()["records"] == admin.index_verify()["checked"]
    admin.keys_verify()


@pytest.mark.parametrize("data", ["before", "after"])
@pytest.mark.parametrize("keystore", ["before", "after"])
def test_every_mix(copy: Life, data: str, keystore: str) -> None:
    copy.empty()
    copy.restore("keystore", keystore)
    said = copy.restore("data", data)
    plan = next(one for one in said["tenants"] if one["tenant"] == "clinic")
    tea, gin = "The tea, changed, at ", "The gin at "
    lost = data == "before" and keystore == "after"
    later = ["A word after the backup"] if data == "after" else []
    for _ in range(2):
        with Vault.open(copy.folder) as vault:
            names(vault)
            assert texts(vault, "old") == texts(vault, "third") == [*([] if lost else [tea]), gin, *later]
            assert texts(vault, "3rd") == ["The ale at "]
            session = app(vault)
            for ids in (copy.ids, copy.after):
                assert session.get(ids["gin"]).id == copy.after["gin"]
                for name in ("milk", "rum", *(["tea"] if lost else [])):
                    if name in ids:
                        with pytest.raises(NotFoundError):
                            session.get(ids[name])
                if not lost:
                    assert session.get(ids["tea"]).id == copy.after["tea"]
                    assert [r.version for r in session.history(ids["tea"])] == [1, 2]
            found = [
                hit.memory.text.split("[")[0] for hit in session.search("ana@example.org", user_id="new")
            ]
            assert set(found) >= ({gin} if lost else {tea, gin})
            verified(vault)
    assert plan["purged"] == (3 if lost else 0)


def test_data_of_before_with_the_keystore_of_before_and_a_later_erasure(copy: Life) -> None:
    """Who was merged and then erased does not come back, by no id."""
    with Vault.open(copy.folder) as vault:
        request = privacy(vault).requests.open(ground="gdpr.17.1.b", user_id="old")
        request.preview()
        request.run(roll=False)
    copy.empty()
    copy.restore("keystore", "before")
    copy.restore("data", "before")
    with Vault.open(copy.folder) as vault:
        for one in ("old", "new", "newest", "third"):
            assert app(vault).list(user_id=one).memories == ()
        for memory_id in (*copy.ids.values(), *copy.after.values()):
            if memory_id != copy.ids["ale"]:
                with pytest.raises(NotFoundError):
                    app(vault).get(memory_id)
        assert texts(vault, "3rd") == ["The ale at "]
        verified(vault)
