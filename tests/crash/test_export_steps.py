"""`kill -9` between every two steps of an export: repeated, it ends with the same content and leaves nothing else.

What a killed export leaves is one folder beside its destination, for its owner alone. Nothing of it is in the vault, in
its keys, or anywhere else on the disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from support.calls import auditor, session_of
from support.exported import Read, privacy
from support.nursery import Nursery
from support.scan import Scanner

from vault import Vault
from vault.errors import InvalidInputError
from vault.exporting import bundle

pytest_plugins = ("support.crash_fixtures",)

EMAIL, WORD = "velda.quorsik@zennrith.example", "quorvanthine"


@pytest.fixture
def tmp_path(memory_path: Path) -> Path:
    return memory_path


@pytest.fixture(scope="module")
def template(memory_root: Path) -> Path:
    """A closed vault with its keys beside it, named by a relative path, so that a copy stands alone."""
    base = memory_root / "export-template"
    base.mkdir()
    Vault.init(base / "vault", key_folder=base / "keys").close()
    path = base / "vault" / "memvault.toml"
    path.write_text(path.read_text().replace(str(base / "keys"), "../keys"))
    with Vault.open(base / "vault") as vault:
        app = session_of(vault)
        for number in range(120):
            text = f"Note {number} on the {WORD} garden" + (f", ask {EMAIL}" if number % 10 == 0 else "")
            app.add(text, user_id="pat-1", metadata={"n": number})
        first = app.list(user_id="pat-1", limit=2).memories
        app.update(first[0].id, f"{first[0].text} about roses", reason="more")
        app.delete(first[1].id)
    (base / "desk").mkdir()
    return base


def deaths(nursery: Nursery, template: Path, place: Path) -> Iterator[Path]:
    """A fresh copy for each step, in which the export died before that step."""
    for number in count(1):
        base = place / f"export-{number}"
        shutil.copytree(template, base)
        child = nursery.child(work="steps", base=str(base), action="export", die_at=number, every=False)
        steps = child.hear()
        child.close()
        if steps is not None:
            assert steps == number - 1
            shutil.rmtree(base)
            return
        yield base
        shutil.rmtree(base)


def test_an_export_cut_off_anywhere(nursery: Nursery, template: Path, tmp_path: Path) -> None:
    scanner = Scanner({"email": EMAIL, "word": WORD})
    wanted: dict[str, bytes] = {}
    outcomes = []
    for base in deaths(nursery, template, tmp_path):
        desk = base / "desk"
        left = {path.name for path in desk.iterdir()}
        assert left <= {"copy", "copy.partial"}
        readable = [path for path in desk.rglob("*") if path.stat().st_mode & 0o077]
        assert readable == []
        elsewhere = {path for path in base.rglob("*") if path.is_relative_to(desk)}
        assert scanner.scan_files(base, skip=elsewhere) == {}
        with Vault.open(base / "vault") as vault:
            exports = privacy(vault).exports
            done = (desk / "copy").exists()
            noted = (desk / "copy.partial" / "state.json").exists()
            if done and not noted:
                with pytest.raises(InvalidInputError):
                    exports.run(user_id="pat-1", to=desk / "copy", reveal="request 7")
            else:
                made = exports.run(user_id="pat-1", to=desk / "copy", reveal="request 7")
                assert made.complete
                assert made.digest == bundle.verify(desk / "copy").digest
            outcomes.append(done)
            seen = [
                entry
                for entry in auditor(vault).audit_show(user_id="pat-1")
                if entry.purpose == "rights-request"
            ]
            ids = {one for entry in seen if entry.action == "subject.export" for one in entry.memory_ids}
        assert bundle.verify(desk / "copy").problems == ()
        assert [path.name for path in desk.iterdir()] == ["copy"]
        read = Read(desk / "copy")
        found = {name: read.files[name] for name in ("memories.jsonl", "tokens.jsonl", "schema.json")}
        wanted = wanted or found
        assert found == wanted
        assert ids == {line["id"] for line in read.memories}
        assert len(read.memories) == 120
    assert outcomes == sorted(outcomes)  # from one step on it is there
    assert not outcomes[0]
    assert outcomes[-1]
    assert len(outcomes) > 30
