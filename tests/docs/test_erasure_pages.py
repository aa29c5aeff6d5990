"""The how-to pages of erasure, hold and proof: every command runs, in order, on a vault with that person in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vault import Principal, Vault

PAGES = Path(__file__).resolve().parents[2] / "docs" / "how-to"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
ID = re.compile(r"\b[0-9a-f]{32}\b")


class Shell:
    """A folder with a vault in which pat-42 has memories, and a shell that stands in it."""

    def __init__(self, base: Path) -> None:
        self.base = base
        with Vault.init(base / "clinic", key_folder=base / "keys", keystore_backup=base / "backups") as vault:
            session = vault.session(Principal("clinic", "bot", ("app",)), purpose="service")
            for text in ("Ms Rivera moved her follow-up", "write to ana.rivera@example.org"):
                self.memory = session.add(text, user_id="pat-42").memories[0].id
            session.add("The pool opens on Mondays", user_id="pat-7")
        self.found: dict[str, str] = {"MEMORY": self.memory}
        self.output = ""

    def run(self, command: str) -> str:
        for name, value in self.found.items():
            command = re.sub(rf"\b{name}\b", value, command)
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "MEMVAULT_VAULT": str(self.base / "clinic"),
        }
        done = subprocess.run(
            ["bash", "-ec", command],
            cwd=self.base,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        self.output += done.stdout
        return done.stdout


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def commands(page: str) -> list[str]:
    text = (PAGES / page).read_text(encoding="utf-8")
    return [line for block in BLOCK.findall(text) for line in block.splitlines() if line.strip()]


def follow(shell: Shell, page: str) -> None:
    """Every command of a page; the first id it prints is the REQUEST or HOLD of the rest."""
    for command in commands(page):
        printed = shell.run(command)
        for name in ("REQUEST", "HOLD"):
            noun = name.lower()
            if name not in shell.found and re.search(rf"{noun} (open|place)", command):
                match = ID.search(printed)
                assert match is not None, printed
                shell.found[name] = match.group()


def test_the_erasure_page(shell: Shell) -> None:
    follow(shell, "answer-an-erasure-request.md")
    opening = json.loads((shell.base / "pat-42-opening.json").read_text())
    assert opening["subject"] == "user:pat-42"
    certificate = (shell.base / "pat-42-certificate.json").read_bytes()
    assert b"pat-42" not in certificate
    assert (shell.base / "pat-42-certificate.html").read_text().lower().startswith("<!doctype html>")
    assert "asserted" in shell.output
    with Vault.open(shell.base / "clinic") as vault:
        session = vault.session(Principal("clinic", "bot", ("app",)), purpose="service")
        assert session.list(user_id="pat-42").memories == ()
        assert len(session.list(user_id="pat-7").memories) == 1


def test_the_hold_page(shell: Shell) -> None:
    follow(shell, "place-a-hold.md")
    assert "refused, exit 4" in shell.output
    with Vault.open(shell.base / "clinic") as vault:
        session = vault.session(Principal("clinic", "bot", ("app",)), purpose="service")
        assert session.delete(shell.memory).deleted == 1


def test_the_proof_page_on_a_machine_without_memvault(shell: Shell, tmp_path: Path) -> None:
    shell.run("memvault request open --user-id pat-42 --ground gdpr.17.1.b --json > opened.json")
    shell.found["REQUEST"] = json.loads((shell.base / "opened.json").read_text())["id"]
    shell.run("memvault request preview REQUEST && memvault request run REQUEST --execute --roll")
    for command in commands("prove-an-erasure.md"):
        shell.run(command)
    with Vault.open(shell.base / "clinic") as vault:
        auditor = vault.admin(Principal("clinic", "aud", ("auditor",)), purpose="audit")
        vkey = auditor.audit_verify()["vkeys"][0]
    away = tmp_path / "away"
    away.mkdir()
    verifier = Path(__file__).resolve().parents[2] / "vault" / "audit" / "verify.py"
    (away / "verify.py").write_bytes(verifier.read_bytes())
    for what, name in (("certificate", "certificate.json"), ("evidence", "evidence.zip")):
        done = subprocess.run(
            [sys.executable, "-I", str(away / "verify.py"), what, str(shell.base / name), "--vkey", vkey],
            capture_output=True, text=True, check=False, cwd=away,
        )  # fmt: skip
        assert done.returncode == 0, (what, done.stdout, done.stderr)
