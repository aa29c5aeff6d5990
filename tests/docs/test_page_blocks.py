"""Every block of commands or code on any page is run: here, by the page's own test, or it says why not.

The pages are read for blocks, so a new one cannot be forgotten. What is run here is run in a folder with a vault in it.
"""

from __future__ import annotations

import ast
import base64
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vault import Principal, Vault
from vault.audit import merkle
from vault.audit.note import format_proof
from vault.config import VaultConfig
from vault.observe import scrub
from vault.policy import model, safe_yaml

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"))
    if path.relative_to(ROOT).parts[:2] != ("docs", "soak")
)
RUN = ("sh", "bash", "python")
DATA = ("toml", "yaml", "json")
PROSE = ("", "text", "py")  # layouts, what is printed, and signatures in api.md
# Pages with a test of their own, which runs every block of them in order.
ELSEWHERE = {
    "README.md": "tests/docs/test_readme.py",
    "docs/embedders.md": "tests/docs/test_embedders_page.py",
    "docs/how-to/answer-an-access-request.md": "tests/docs/test_access_request.py",
    "docs/how-to/answer-an-erasure-request.md": "tests/docs/test_erasure_pages.py",
    "docs/how-to/back-up-and-restore.md": "tests/docs/test_backup_pages.py",
    "docs/how-to/merge-patients.md": "tests/docs/test_people_page.py",
    "docs/how-to/move-a-vault.md": "tests/docs/test_backup_pages.py",
    "docs/how-to/place-a-hold.md": "tests/docs/test_erasure_pages.py",
    "docs/how-to/prove-an-erasure.md": "tests/docs/test_erasure_pages.py",
    "docs/how-to/retention.md": "tests/docs/test_retention_page.py",
    "docs/install-offline.md": "tests/docs/test_offline_install.py",
    "docs/presidio.md": "tests/unit/redaction/test_presidio_frame.py",
    "docs/tutorial.md": "tests/docs/test_tutorial.py",
}
# Blocks that no test runs: page, how the block begins, why.
NOT_RUN = {
    ("CONTRIBUTING.md", "make test"): "it would run this suite inside itself",
    (
        "docs/operations.md",
        "pip install 'memvault[hsm]'",
    ): "needs a token; tests/unit/keys runs it on SoftHSM2",
    (
        "docs/index.md",
        "pip install .",
    ): "tests/docs/test_offline_install.py installs, test_readme.py runs `init`",
}
# Text that shows a command which needs somebody else's input: it is run with that by the page's own test.
SHOWN = {
    ("docs/how-to/answer-an-erasure-request.md", "memvault request approve"),
    ("docs/how-to/prove-an-erasure.md", "python verify.py"),
}
KEYS = {"keys": {"provider": "file:/nowhere", "backup": "none"}}


@dataclass(frozen=True)
class Block:
    page: str
    number: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}-{self.number}"


def blocks_of(page: str) -> list[Block]:
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"^( *)```([^\n`]*)\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    return [
        Block(page, number, language.strip(), re.sub(rf"^{indent}", "", body, flags=re.MULTILINE))
        for number, (indent, language, body) in enumerate(found)
    ]


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def excused(block: Block) -> bool:
    return any(block.page == page and block.text.startswith(start) for page, start in NOT_RUN)


HERE = [b for b in BLOCKS if b.language in RUN and b.page not in ELSEWHERE and not excused(b)]


# --- none is forgotten ---------------------------------------------------------------------------------------------


def test_every_block_has_a_language_of_the_list() -> None:
    assert sorted(f"{b}: {b.language}" for b in BLOCKS if b.language not in (*RUN, *DATA, *PROSE)) == []
    assert {b.page for b in BLOCKS if b.language == "py"} == {"docs/api.md"}


def test_commands_are_in_blocks_that_are_run() -> None:
    hidden = [
        f"{b}: {line}"
        for b in BLOCKS
        if b.language in PROSE
        for line in b.text.splitlines()
        if re.match(r"(\$ |memvault [a-z]|python (-m )?\w+(\.py)? )", line)
        and not any(b.page == page and line.startswith(start) for page, start in SHOWN)
    ]
    assert hidden == []


@pytest.mark.parametrize("page", sorted(ELSEWHERE))
def test_a_page_with_a_test_of_its_own_has_one(page: str) -> None:
    source = (ROOT / ELSEWHERE[page]).read_text(encoding="utf-8")
    assert Path(page).stem in source
    assert [b for b in BLOCKS if b.page == page and b.language in RUN]


def test_what_is_not_run_is_there_and_says_why() -> None:
    for (page, start), why in NOT_RUN.items():
        assert len([b for b in BLOCKS if b.page == page and b.text.startswith(start)]) == 1, (page, start)
        assert len(why.split()) > 3


# --- data ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language in DATA], ids=str)
def test_data_is_what_it_says(block: Block) -> None:
    if block.language == "toml":
        found = tomllib.loads(block.text)
        assert set(found) <= set(VaultConfig.model_fields)
        VaultConfig.parse({**KEYS, **found})
    elif block.language == "yaml":
        loaded = safe_yaml.load(block.text.encode(), block.page)
        if block.page == "docs/policy.md":
            assert set(loaded) <= set(model.PackFile.model_fields)
    else:
        assert [json.loads(line) for line in block.text.splitlines()]


# --- commands and code ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a vault, an erasure, its certificate, evidence, an exported log, and what verifies them."""
    base = tmp_path_factory.mktemp("pages")
    (base / "anchors").mkdir()
    with Vault.init(base / "clinic", key_folder=base / "keys", keystore_backup=base / "backups") as vault:
        session = vault.session(Principal("clinic", "bot", ("app",)), purpose="service")
        for user in ("pat-42", "pat-7"):
            session.add(f"Ms Rivera wrote from {user}@example.org", user_id=user)
        auditor = vault.admin(Principal("clinic", "aud", ("auditor",)), purpose="audit")
        request = vault.session(
            Principal("clinic", "office", ("privacy",)), purpose="rights-request"
        ).requests.open(ground="gdpr.17.1.b", user_id="pat-7")
        request.preview()
        request.run(roll=True)
        (base / "certificate.json").write_bytes(request.certificate())
        (base / "request").write_text(request.id)
        for name in (
            "checkpoint.txt",
            "kept.checkpoint",
        ):  # the one that was the newest when the request came
            (base / name).write_text(json.loads(request.certificate())["proofs"]["before"])
        auditor.audit_evidence(base / "evidence.zip")
        facts = auditor.audit_export(base / "exported.jsonl")
        (base / "keys.txt").write_text("\n".join(facts["vkeys"]))
    lines = [json.loads(line) for line in (base / "exported.jsonl").read_bytes().splitlines()]
    entries = [line for line in (base / "exported.jsonl").read_bytes().splitlines() if b'"seq":' in line]
    note = lines[-1]["checkpoint"].encode()
    proof = merkle.inclusion_proof([merkle.leaf_hash(entry) for entry in entries], 2)
    (base / "entry").write_bytes(entries[2])
    (base / "proof").write_bytes(format_proof(2, proof, note))
    tid = base64.urlsafe_b64decode(json.loads(entries[0])["log"] + "==").hex()
    (base / "log").symlink_to(base / "clinic" / "archive" / tid)
    (base / "verify.py").write_bytes((ROOT / "vault" / "audit" / "verify.py").read_bytes())
    (base / "texts.jsonl").write_text(
        json.dumps({"text": "Call Ann on 212-555-0187.", "spans": [[5, 8, "PERSON"]]})
    )
    return base


def told(block: Block, place: Path) -> str:
    """The block with what stands for something of the reader's put in."""
    words = {
        "KEYFILE": "keys.txt", "EVIDENCE": "evidence.zip", "CERTIFICATE": "certificate.json", "EXPORT": "log",
        "ENTRY": "entry", "PROOF": "proof", "FOLDER": "clinic", "FILE": "texts.jsonl", "FORMAT": "jsonl",
        "REQUEST": (place / "request").read_text(), "/mnt/anchors": "anchors",
        "[--since checkpoint.txt]": "--since checkpoint.txt",
    }  # fmt: skip
    text = block.text
    for word, value in words.items():
        text = re.sub(rf"(?<![\w-]){re.escape(word)}(?![\w-])", value, text)
    return re.sub(r"anchors/[0-9a-f]{32}-\d+\.checkpoint", "anchors/*.checkpoint", text)


@pytest.mark.slow
@pytest.mark.parametrize("block", [b for b in HERE if b.language != "python"], ids=str)
def test_commands_run_as_they_stand(block: Block, place: Path) -> None:
    environment = {
        **{name: os.environ[name] for name in ("PYTHONPATH", "LANG", "LC_ALL") if name in os.environ},
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath))),
        "MEMVAULT_VAULT": str(place / "clinic"),
        "HOME": str(place),
    }
    script = told(block, place)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=place, env=environment, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (script, done.stdout, done.stderr)


@pytest.fixture
def unscrubbed() -> Iterator[None]:
    """What a block installed in this process is taken out again."""
    yield
    for one in list(scrub._active):
        one.remove()


@pytest.mark.usefixtures("unscrubbed")
@pytest.mark.parametrize("block", [b for b in HERE if b.language == "python"], ids=str)
def test_code_runs_and_gives_what_its_comments_say(
    block: Block, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    names: dict[str, Any] = {}
    tree = ast.parse(block.text)
    for statement in tree.body:
        code = compile(ast.Module([statement], []), block.page, "exec")
        line = block.text.splitlines()[(statement.end_lineno or 1) - 1]
        comment = line.partition("  # ")[2]
        if isinstance(statement, ast.Expr) and comment in ("True", "False"):
            value = eval(ast.unparse(statement.value), names)  # noqa: S307 - the page's own line
            assert str(value) == comment
        else:
            exec(code, names)  # noqa: S102 - the page's own lines
