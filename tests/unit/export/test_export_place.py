"""Where an export may be written, who can read it there, and what is left when it is cut off."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.calls import session_of, told
from support.exported import USER, Read, live, privacy

from vault import Vault
from vault.errors import ConflictError, InvalidInputError, NotFoundError, StorageError
from vault.exporting import bundle
from vault.exporting.partial import Partial


def run(vault: Vault, place: Path | str, **options: Any) -> Any:
    return privacy(vault).exports.run(user_id=USER, to=place, **options)


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in (folder, *folder.rglob("*"))}


# --- places -------------------------------------------------------------------------------------------------------


def test_nothing_readable_is_written_into_the_vault_or_beside_its_keys(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    keys = tmp_path / "clinic-keys"
    (tmp_path / "way-in").symlink_to(clinic.folder)
    (keys / "keystore-backups").mkdir(exist_ok=True)
    before = sorted(path for path in tmp_path.rglob("*") if path.suffix == ".partial")
    for place in (
        clinic.folder / "copy.zip",
        clinic.folder / "tenants" / "copy.zip",
        tmp_path / "way-in" / "copy.zip",
        tmp_path / "clinic" / ".." / "clinic" / "copy.zip",
        keys / "copy.zip",
        keys / "keystore-backups" / "copy.zip",
    ):
        with pytest.raises(InvalidInputError) as caught:
            run(clinic, place)
        assert caught.value.code == "to.inside", place
        assert str(tmp_path) not in told(caught.value)
    assert sorted(path for path in tmp_path.rglob("*") if path.suffix == ".partial") == before == []


def test_what_is_there_stays(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")
    for name in ("file", "folder", "link", "dangling", "clinic"):
        for form in ("archive", "folder"):
            with pytest.raises(InvalidInputError) as caught:
                run(clinic, tmp_path / name, format=form)
            assert caught.value.code == "to.exists", name
    assert (tmp_path / "file").read_text() == "mine"
    assert not (tmp_path / "nothing").exists()
    assert not list(tmp_path.glob("*.partial"))


def test_a_place_in_no_folder_is_refused(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    inside = (tmp_path / "no" / "copy", tmp_path / "file" / "copy", tmp_path / "loop" / "copy")
    for place in (*inside, Path("/"), "..", "/.."):
        with pytest.raises(InvalidInputError) as caught:
            run(clinic, place)
        assert caught.value.code == "to.folder", place


def test_a_relative_place_is_relative_to_where_one_is(
    clinic: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live(clinic)
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    assert run(clinic, "copy.zip").path == tmp_path / "desk" / "copy.zip"
    assert run(clinic, "../copy.zip").path == tmp_path / "copy.zip"


def test_a_folder_behind_a_link_is_where_the_link_leads(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert run(clinic, tmp_path / "link" / "copy.zip").path == tmp_path / "real" / "copy.zip"


def test_nobody_else_can_read_it(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    before = os.umask(0)
    try:
        seen: list[dict[str, int]] = []
        watch: Callable[[int, int], None] = lambda _d, _t: seen.append(modes(tmp_path / "copy.partial"))  # noqa: E731
        run(clinic, tmp_path / "copy", format="folder", progress=watch)
        run(clinic, tmp_path / "copy.zip")
    finally:
        os.umask(before)
    for found in (*seen, modes(tmp_path / "copy"), modes(tmp_path / "copy.zip")):
        assert all(mode == (0o600 if ("." in name and "partial" not in name) or name == "lock" else 0o700)
                   for name, mode in found.items()), found  # fmt: skip
    assert any("memories.jsonl" in found for found in seen)


@pytest.mark.parametrize("kind", ["link", "link to a folder", "file", "open to others"])
def test_a_prepared_partial_folder_is_refused(clinic: Vault, tmp_path: Path, kind: str) -> None:
    """Somebody who can write beside the destination must not come to read what is written."""
    live(clinic)
    trap, elsewhere = tmp_path / "copy.zip.partial", tmp_path / "elsewhere"
    elsewhere.mkdir()
    if kind == "link":
        trap.symlink_to(tmp_path / "nothing")
    elif kind == "link to a folder":
        trap.symlink_to(elsewhere)
    elif kind == "file":
        trap.write_text("mine")
    else:
        trap.mkdir()
        trap.chmod(0o755)
    with pytest.raises(InvalidInputError) as caught:
        run(clinic, tmp_path / "copy.zip", resume=False)
    assert caught.value.code == "to.partial"
    assert list(elsewhere.iterdir()) == []
    assert not (tmp_path / "nothing").exists()


def test_files_prepared_inside_are_not_followed(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    files = tmp_path / "copy.zip.partial" / "files"
    files.mkdir(parents=True, mode=0o700)
    files.parent.chmod(0o700)
    files.chmod(0o700)
    (files / "memories.jsonl").symlink_to(tmp_path / "taken")
    with pytest.raises(StorageError):
        run(clinic, tmp_path / "copy.zip")
    assert not (tmp_path / "taken").exists()


def test_a_strangers_file_is_left_alone(clinic: Vault, tmp_path: Path) -> None:
    """What no export wrote is not removed; what it wrote is."""
    live(clinic)

    def drop(_done: int, _total: int) -> None:
        (tmp_path / "copy.zip.partial" / "notes.txt").write_text("mine")
        raise ValueError

    with pytest.raises(ConflictError) as caught:
        run(clinic, tmp_path / "copy.zip", progress=drop)
    assert caught.value.code == "export.partial"
    assert sorted(path.name for path in (tmp_path / "copy.zip.partial").iterdir()) == [
        "lock",
        "notes.txt",
    ] or [path.name for path in (tmp_path / "copy.zip.partial").iterdir()] == ["notes.txt"]


# --- cut off ------------------------------------------------------------------------------------------------------


class StopError(Exception):
    """Something that repeating does not mend."""


def stopping(error: BaseException, at: int = 1) -> Callable[[int, int], None]:
    """A progress that ends the export when it is told for the n-th time."""
    count = 0

    def told_(_done: int, _total: int) -> None:
        nonlocal count
        count += 1
        if count == at:
            raise error

    return told_


def test_any_other_failure_leaves_nothing_behind(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    for error in (StopError(), SystemExit(1)):
        with pytest.raises(type(error)):
            run(clinic, tmp_path / "copy.zip", progress=stopping(error))
        assert not list(tmp_path.glob("copy*"))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StorageError("storage.locked", "locked")])
def test_without_resuming_an_interruption_leaves_nothing_either(
    clinic: Vault, tmp_path: Path, error: BaseException
) -> None:
    live(clinic)
    with pytest.raises(type(error)):
        run(clinic, tmp_path / "copy.zip", progress=stopping(error), resume=False)
    assert not list(tmp_path.glob("copy*"))


def interrupted(vault: Vault, place: Path, at: int = 2, **options: Any) -> dict[str, bytes]:
    """An export that ends while its third file is written; what is complete of it."""
    with pytest.raises(KeyboardInterrupt):
        run(vault, place, progress=stopping(KeyboardInterrupt(), at), **options)
    files = place.with_name(place.name + ".partial") / "files"
    return {path.name: path.read_bytes() for path in files.iterdir()}


def test_it_goes_on_where_it_was(clinic: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    live(clinic)
    done = interrupted(clinic, tmp_path / "copy.zip", reveal="request 7")
    assert {"memories.jsonl", "tokens.jsonl"} <= set(done)
    read: list[str] = []
    monkeypatch.setattr("vault.flows.exports.write.memory_lines", lambda *a: read.append("memories"))
    monkeypatch.setattr("vault.flows.exports.write.token_page", lambda *a: read.append("tokens"))
    made = run(clinic, tmp_path / "copy.zip", reveal="request 7")
    assert read == []
    assert made.complete
    found = Read(tmp_path / "copy.zip").files
    assert {name: found[name] for name in ("memories.jsonl", "tokens.jsonl")} == {
        name: done[name] for name in ("memories.jsonl", "tokens.jsonl")
    }
    assert bundle.verify(tmp_path / "copy.zip").problems == ()
    assert Read(tmp_path / "copy.zip").log[-1]["count"] == 0  # up to its own beginning, as it would have been
    assert made.counts["log_entries"] == len(Read(tmp_path / "copy.zip").log)


def test_a_resumed_export_is_the_one_it_would_have_been(clinic: Vault, tmp_path: Path) -> None:
    """Byte for byte: an export that was cut off in a copy of the vault, and the same one run through."""
    live(clinic)
    interrupted(clinic, tmp_path / "copy.zip")
    shutil.copytree(tmp_path / "copy.zip.partial", tmp_path / "twin.zip.partial")
    first, twin = run(clinic, tmp_path / "copy.zip"), run(clinic, tmp_path / "twin.zip")
    assert first.digest == twin.digest
    assert (tmp_path / "copy.zip").read_bytes() == (tmp_path / "twin.zip").read_bytes()


def test_where_the_data_changed_it_begins_anew(clinic: Vault, tmp_path: Path) -> None:
    """What was deleted since must not be handed out from a file that was complete."""
    names = live(clinic)
    assert b"Likes tea" in interrupted(clinic, tmp_path / "copy.zip")["memories.jsonl"]
    session_of(clinic).delete(names["said"])
    made = run(clinic, tmp_path / "copy.zip")
    assert made.counts["deleted"] == 2
    assert "Likes tea" not in Read(tmp_path / "copy.zip").everything()


def test_a_changed_file_is_written_again(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    interrupted(clinic, tmp_path / "copy.zip")
    part = tmp_path / "copy.zip.partial" / "files" / "memories.jsonl"
    part.write_bytes(part.read_bytes().replace(b"Likes tea", b"Likes gin"))
    run(clinic, tmp_path / "copy.zip")
    assert "Likes tea" in Read(tmp_path / "copy.zip").everything()
    assert "Likes gin" not in Read(tmp_path / "copy.zip").everything()


def test_another_export_is_not_continued(clinic: Vault, tmp_path: Path) -> None:
    """Of another person, with other values, or of a vault that did not write it."""
    live(clinic)
    place = tmp_path / "copy.zip"
    kept = interrupted(clinic, place)
    state = tmp_path / "copy.zip.partial" / "state.json"
    genuine = state.read_bytes()
    with pytest.raises(ConflictError) as caught:
        privacy(clinic).exports.run(user_id="bob", to=place)
    assert caught.value.code == "export.partial"
    with pytest.raises(ConflictError):
        run(clinic, place, reveal="request 7")
    for forged in (
        genuine.replace(b'"log_end": ', b'"log_end": 1'), genuine.replace(b'"mac": "', b'"mac": "00'), b"", b"[]", b"{",
        b'{"state": 1, "mac": "", "format": 1}',
    ):  # fmt: skip
        state.write_bytes(forged)
        with pytest.raises(ConflictError):
            run(clinic, place)
    state.write_bytes(genuine)
    files = tmp_path / "copy.zip.partial" / "files"
    assert {path.name: path.read_bytes() for path in files.iterdir()} == kept
    assert run(clinic, place).complete


def test_beginning_anew_is_asked_for(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    interrupted(clinic, tmp_path / "copy.zip")
    made = privacy(clinic).exports.run(user_id="bob", to=tmp_path / "copy.zip", resume=False)
    assert made.counts["memories"] == 1
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy.zip"]


def test_two_at_once_do_not_meet(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    other = Partial(tmp_path / "copy.zip")
    with pytest.raises(ConflictError) as caught:
        run(clinic, tmp_path / "copy.zip")
    assert caught.value.code == "export.busy"
    other.close()
    assert run(clinic, tmp_path / "copy.zip").complete


def test_something_that_comes_to_the_destination_meanwhile_stays(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    with pytest.raises(InvalidInputError):
        run(clinic, tmp_path / "copy.zip", progress=lambda _d, _t: (tmp_path / "copy.zip").write_text("mine"))
    assert (tmp_path / "copy.zip").read_text() == "mine"
    assert not (tmp_path / "copy.zip.partial").exists()


def test_what_was_left_of_an_erased_person_is_removed_when_it_is_found(clinic: Vault, tmp_path: Path) -> None:
    live(clinic)
    assert b"Likes tea" in interrupted(clinic, tmp_path / "copy.zip")["memories.jsonl"]
    request = privacy(clinic).requests.open(user_id=USER, ground="gdpr.17.1.b")
    request.preview()
    request.run(roll=False)
    with pytest.raises(NotFoundError):
        run(clinic, tmp_path / "copy.zip")
    assert not list(tmp_path.glob("copy*"))


@pytest.mark.parametrize("form", ["archive", "folder"])
def test_only_the_tidying_up_was_cut_off(
    clinic: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: Any
) -> None:
    live(clinic)
    with monkeypatch.context() as patch:
        patch.setattr(Partial, "remove", lambda self: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            run(clinic, tmp_path / "copy", format=form)
    assert (tmp_path / "copy.partial").exists()
    kept = Read(tmp_path / "copy").files
    with pytest.raises(InvalidInputError):
        run(clinic, tmp_path / "copy", format=form, resume=False)
    again = run(clinic, tmp_path / "copy", format=form)
    assert again.digest == bundle.verify(tmp_path / "copy").digest
    assert again.counts["memories"] == 2
    assert Read(tmp_path / "copy").files == kept
    assert not (tmp_path / "copy.partial").exists()
    with pytest.raises(InvalidInputError):
        run(clinic, tmp_path / "copy", format=form)
