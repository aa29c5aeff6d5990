"""What the tests of exports share: a person with a bit of everything, who may export, and an export read back."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from support.calls import session_of
from vault import Session, Vault
from vault.exporting.bundle import FOLDER

USER = "pat-42"
EMAIL = "ana.rivera@example.org"
SECRET = "hunter2-Blue!"
TYPED = "[EMAIL:aaaaaa]"  # no token, and must not pass for one


def privacy(
    vault: Vault, tenant: str = "clinic", *, user_id: str | None = None, name: str = "kim"
) -> Session:
    """A session that may export."""
    return session_of(vault, tenant, roles=("privacy",), purpose="rights-request", user_id=user_id, name=name)


def live(vault: Vault) -> dict[str, str]:
    """A person with memories that were added, changed and deleted; what became of each, by name."""
    app = session_of(vault)
    text = f"Write to {EMAIL}, my password is {SECRET}"
    first = app.add(
        text, user_id=USER, agent_id="desk", metadata={"room": "blue", "contact": EMAIL}
    ).memories[0]
    app.update(first.id, f"{first.text} and {TYPED}", reason="asked by Maria Gonzalez")
    said = app.add(
        {"role": "user", "content": "Likes tea", "name": "Ana"}, user_id=USER, run_id="r1"
    ).memories[0]
    gone = app.add("Likes rum", user_id=USER).memories[0]
    app.delete(gone.id, reason="wrong person")
    app.add("Something of Bob's, at bob@example.org", user_id="bob")
    app.search("tea?", user_id=USER)
    return {"first": first.id, "said": said.id, "gone": gone.id}


class Read:
    """The files of an export, from its folder or its archive."""

    def __init__(self, path: Path) -> None:
        self.files: dict[str, bytes] = {}
        if path.is_dir():
            self.files = {one.name: one.read_bytes() for one in path.iterdir()}
        else:
            with zipfile.ZipFile(path) as archive:
                self.files = {
                    info.filename.removeprefix(f"{FOLDER}/"): archive.read(info)
                    for info in archive.infolist()
                }

    def lines(self, name: str) -> list[dict[str, Any]]:
        text = self.files[name].decode()
        assert text.endswith("\n") or not text
        return [json.loads(line) for line in text.split("\n")[:-1]]

    @property
    def memories(self) -> list[dict[str, Any]]:
        return self.lines("memories.jsonl")

    @property
    def tokens(self) -> list[dict[str, Any]]:
        return self.lines("tokens.jsonl")

    @property
    def log(self) -> list[dict[str, Any]]:
        return self.lines("access-log.jsonl")

    @property
    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.files["export.json"])
        return found

    @property
    def page(self) -> str:
        return self.files["index.html"].decode()

    def everything(self) -> str:
        return "\n".join(data.decode() for data in self.files.values())
