"""The manifest and the archive: what was changed, left out, added or made up is noticed, and nothing is unpacked."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.exported import USER, Read, live, privacy

from vault import Vault
from vault.errors import NotFoundError
from vault.exporting import bundle
from vault.exporting.bundle import FOLDER, pack, verify
from vault.exporting.files import MANIFEST, NAMES

NO_EXPORT = "it is neither the archive nor the folder of an export"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One export as a folder; tests work on copies."""
    home = tmp_path_factory.mktemp("export")
    with Vault.init(home / "clinic", key_folder=home / "keys", keystore_backup="none") as vault:
        live(vault)
        privacy(vault).exports.run(user_id=USER, to=home / "copy", format="folder", reveal="request 7")
    return home / "copy"


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture
def archive(copy: Path, tmp_path: Path) -> Path:
    pack(copy, tmp_path / "copy.zip", datetime(2026, 11, 21, tzinfo=UTC))
    return tmp_path / "copy.zip"


def test_the_manifest_names_every_file_with_its_digest(copy: Path) -> None:
    listed = {one["name"]: one for one in json.loads((copy / MANIFEST).read_text())["files"]}
    assert set(listed) == set(NAMES) - {MANIFEST} == {path.name for path in copy.iterdir()} - {MANIFEST}
    for name, one in listed.items():
        data = (copy / name).read_bytes()
        assert (one["bytes"], one["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_folder_and_archive_are_whole_and_have_one_digest(copy: Path, archive: Path) -> None:
    found = [verify(path) for path in (copy, archive)]
    assert found[0] == found[1]
    assert found[0].problems == ()
    assert found[0].files == len(NAMES)
    assert found[0].digest == hashlib.sha256((copy / MANIFEST).read_bytes()).hexdigest()
    assert Read(copy).files == Read(archive).files


def test_an_archive_is_the_same_bytes_each_time_and_spills_nothing(
    copy: Path, archive: Path, tmp_path: Path
) -> None:
    pack(copy, tmp_path / "again.zip", datetime(2026, 11, 21, tzinfo=UTC))
    assert (tmp_path / "again.zip").read_bytes() == archive.read_bytes()
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        assert {info.filename for info in opened.infolist()} == {f"{FOLDER}/{name}" for name in NAMES}
        assert {info.external_attr >> 16 for info in opened.infolist()} == {stat.S_IFREG | 0o600}


Spoil = Callable[[Path], object]


def _edit(name: str, old: bytes, new: bytes) -> Spoil:
    def spoil(copy: Path) -> None:
        data = (copy / name).read_bytes()
        assert old in data
        (copy / name).write_bytes(data.replace(old, new, 1))

    return spoil


def _manifest(change: Callable[[dict[str, Any]], object]) -> Spoil:
    def spoil(copy: Path) -> None:
        parsed = json.loads((copy / MANIFEST).read_text())
        change(parsed)
        (copy / MANIFEST).write_text(json.dumps(parsed))

    return spoil


def _link(copy: Path) -> None:
    (copy / "memories.jsonl").rename(copy.parent / "elsewhere")
    (copy / "memories.jsonl").symlink_to(copy.parent / "elsewhere")


def _shorter(copy: Path) -> None:
    path = copy / "access-log.jsonl"
    path.write_bytes(path.read_bytes().partition(b"\n")[2])


def _pipe(copy: Path) -> None:
    (copy / "memories.jsonl").unlink()
    os.mkfifo(copy / "memories.jsonl")


SPOILED: dict[str, tuple[Spoil, str]] = {
    "a word changed": (_edit("memories.jsonl", b"Likes tea", b"Likes gin"), "memories.jsonl was changed"),
    "a word added": (_edit("index.html", b"Likes tea", b"Likes tea not"), "index.html was changed"),
    "a line removed": (_shorter, "access-log.jsonl was changed"),
    "emptied": (lambda copy: (copy / "tokens.jsonl").write_bytes(b""), "tokens.jsonl was changed"),
    "a file removed": (lambda copy: (copy / "tokens.jsonl").unlink(), "tokens.jsonl is missing"),
    "a file added": (lambda copy: (copy / "extra.txt").write_text("x"), "extra.txt is not in the manifest"),
    "a folder added": (lambda copy: (copy / "extra").mkdir(), "extra is not in the manifest"),
    "a link": (_link, "memories.jsonl was changed"),
    "a pipe": (_pipe, "memories.jsonl was changed"),
    "no manifest": (lambda copy: (copy / MANIFEST).unlink(), NO_EXPORT),
    "manifest no JSON": (lambda copy: (copy / MANIFEST).write_text("{"), "its manifest is not one"),
    "manifest a list": (lambda copy: (copy / MANIFEST).write_text("[]"), "its manifest is not one"),
    "manifest deep": (lambda copy: (copy / MANIFEST).write_text("[" * 100_000), "its manifest is not one"),
    "manifest too long": (lambda copy: (copy / MANIFEST).write_text(" " * (2 << 20) + "{}"), "its manifest is not one"),
    "a file not listed": (_manifest(lambda m: m["files"].pop()), "its manifest is not one"),
    "a file listed twice": (_manifest(lambda m: m["files"].append(m["files"][0])), "its manifest is not one"),
    "a path listed": (_manifest(lambda m: m["files"][0].update(name="../vault")), "its manifest is not one"),
    "a size wrong": (_manifest(lambda m: m["files"][0].update(bytes=1)), "access-log.jsonl was changed"),
    "a size no number": (_manifest(lambda m: m["files"][0].update(bytes="1")), "its manifest is not one"),
    "a size negative": (_manifest(lambda m: m["files"][0].update(bytes=-1)), "its manifest is not one"),
    "a digest no digest": (_manifest(lambda m: m["files"][0].update(sha256="x")), "its manifest is not one"),
    "a digest no text": (_manifest(lambda m: m["files"][0].update(sha256=7)), "its manifest is not one"),
    "another format": (_manifest(lambda m: m.update(format=2)), "its manifest is not one"),
    "another kind": (_manifest(lambda m: m.update(kind="export")), "its manifest is not one"),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILED)
def test_what_was_changed_is_named(copy: Path, what: str) -> None:
    spoil, problem = SPOILED[what]
    spoil(copy)
    assert verify(copy).problems == (problem,)


@pytest.mark.parametrize(
    "what", [name for name in SPOILED if name not in ("a link", "a pipe", "a folder added")]
)
def test_what_was_changed_is_named_in_an_archive_too(copy: Path, tmp_path: Path, what: str) -> None:
    spoil, problem = SPOILED[what]
    spoil(copy)
    path = tmp_path / "spoiled.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for one in sorted(copy.iterdir()):
            made.write(one, f"{FOLDER}/{one.name}")
    assert verify(path).problems == (problem,)


def made_up(archive: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], object]) -> Path:
    with zipfile.ZipFile(archive) as opened:
        members = {info.filename: opened.read(info) for info in opened.infolist()}
    change(members)
    path = tmp_path / "made-up.zip"
    with zipfile.ZipFile(path, "w") as made:
        for name, data in members.items():
            made.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "name", ["../outside.txt", "/etc/passwd", "memvault-export/sub/x", "index.html", "evil\x1b[2J"]
)
def test_members_elsewhere_are_foreign(archive: Path, tmp_path: Path, name: str) -> None:
    found = verify(made_up(archive, tmp_path, lambda members: members.update({name: b"x"})))
    assert len(found.problems) == 1
    assert found.problems[0].endswith("is not in the manifest")
    assert "\x1b" not in found.problems[0]
    assert not (tmp_path.parent / "outside.txt").exists()


def test_a_member_twice_is_noticed(archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "twice.zip"
    shutil.copy(archive, path)
    with zipfile.ZipFile(path, "a") as opened, pytest.warns(UserWarning, match="Duplicate"):
        opened.writestr(f"{FOLDER}/index.html", b"<p>Another page.</p>")
    assert "index.html is not in the manifest" in verify(path).problems


def test_no_more_is_read_than_the_manifest_says(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A member that unpacks to a hundred times its size stops at the size it should have."""
    (copy / "tokens.jsonl").write_bytes(b"\x00" * (64 << 20))
    pack(copy, tmp_path / "bomb.zip", datetime(2026, 11, 21, tzinfo=UTC))
    assert (tmp_path / "bomb.zip").stat().st_size < 1 << 20
    found = verify(tmp_path / "bomb.zip")
    assert found.problems == ("tokens.jsonl was changed",)
    assert found.bytes < 1 << 20


def test_bytes_that_are_no_archive_are_said_to_be_none(archive: Path, tmp_path: Path) -> None:
    data = archive.read_bytes()
    for number, spoiled in enumerate(
        (b"", b"PK", data[:100], data[: len(data) // 2], data[:-1], b"x" * 1000)
    ):
        path = tmp_path / f"spoiled-{number}.zip"
        path.write_bytes(spoiled)
        assert verify(path).problems, number
    with pytest.raises(NotFoundError):
        verify(tmp_path / "nothing.zip")


def test_every_flipped_byte_of_an_archive_is_noticed_or_means_nothing(archive: Path, tmp_path: Path) -> None:
    """Flip bytes all over: the check never fails with another error, and never passes with other content."""
    data, whole = archive.read_bytes(), Read(archive).files
    for position in range(0, len(data), max(1, len(data) // 400)):
        changed = bytearray(data)
        changed[position] ^= 0x41
        path = tmp_path / "flipped.zip"
        path.write_bytes(changed)
        found = verify(path)
        if not found.problems:
            with zipfile.ZipFile(io.BytesIO(bytes(changed))) as opened:
                shown = {
                    info.filename.removeprefix(f"{FOLDER}/"): opened.read(info) for info in opened.infolist()
                }
            assert shown == whole, position


def test_a_forged_manifest_passes_only_where_nobody_kept_the_digest(copy: Path) -> None:
    """Stated in the module: without the digest a check shows damage, not forgery."""
    before = verify(copy).digest
    data = (copy / "memories.jsonl").read_bytes().replace(b"Likes tea", b"Likes gin")
    (copy / "memories.jsonl").write_bytes(data)

    def forge(parsed: dict[str, Any]) -> None:
        one = next(one for one in parsed["files"] if one["name"] == "memories.jsonl")
        one.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())

    _manifest(forge)(copy)
    found = verify(copy)
    assert found.problems == ()
    assert found.digest != before


def test_the_module_says_what_it_reads() -> None:
    assert bundle.__doc__
    assert "damage, not forgery" in bundle.__doc__
