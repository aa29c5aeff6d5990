"""G1 and G9 of exports: what they write is where the caller asked for it and nowhere else, whatever happens."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from support.canaries import Canaries
from support.drive import Drive, everything_said, exported_person
from support.pages import decrypted
from support.scan import Scanner

from vault import VaultError


def scan(scanner: Scanner, folder: Path, handed_out: Path) -> dict[str, set[str]]:
    """Hits anywhere but in what was handed out, and in the names of files too."""
    skip = {path for path in folder.rglob("*") if path.is_relative_to(handed_out)}
    return {
        name: hits
        for name, hits in scanner.scan_files(folder, skip=skip).items()
        if folder / name not in skip
    }


@pytest.mark.parametrize("cut_off", [False, True])
def test_nothing_of_an_export_is_anywhere_but_at_its_destination(
    tmp_path: Path, log: io.StringIO, capfd: pytest.CaptureFixture[str], cut_off: bool
) -> None:
    work, handed_out = tmp_path / "work", tmp_path / "desk"
    work.mkdir()
    handed_out.mkdir()
    d = Drive(work, seed=11)
    user = exported_person(d)
    exports = d.session("privacy", "rights-request").exports
    scanner = Scanner(d.canaries.values)

    def stop(_done: int, _total: int) -> None:
        if cut_off:
            raise KeyboardInterrupt

    for form in ("folder", "archive"):
        try:
            exports.run(
                user_id=user, to=handed_out / form, format=form, progress=stop,  # type: ignore[arg-type]
                reveal=d.canaries.word("reason"),
            )  # fmt: skip
        except KeyboardInterrupt:
            assert cut_off
    assert {path.name for path in handed_out.iterdir()} == (
        {"folder.partial", "archive.partial"} if cut_off else {"folder", "archive"}
    )
    assert scanner.scan(b"".join(path.read_bytes() for path in handed_out.rglob("*") if path.is_file()))
    assert scan(scanner, tmp_path, handed_out) == {}
    assert scanner.scan(decrypted(d.vault)) == set()
    d.close()
    assert scan(scanner, tmp_path, handed_out) == {}
    for text in (log.getvalue(), *capfd.readouterr()):
        assert scanner.scan(text.encode("utf-8", "backslashreplace")) == set()


def test_no_failure_says_what_or_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths may hold names: neither the error nor anything that hangs on it quotes the destination."""
    work, names = tmp_path / "work", Canaries(12)
    work.mkdir()
    d = Drive(work, seed=12)
    user = exported_person(d)
    exports = d.session("privacy", "rights-request").exports
    desk = tmp_path / names.word("folder name")
    (desk / "there").mkdir(parents=True)
    places = [
        desk / "there", desk / names.word("missing folder") / "copy", d.vault.folder / names.word("inside"),
        desk / ("x" * 250),
    ]  # fmt: skip
    (desk / "open.partial").mkdir(mode=0o755)
    places.append(desk / "open")
    found = []
    for place in places:
        with pytest.raises(VaultError) as caught:
            exports.run(user_id=user, to=place)
        found.append(caught.value)
    with monkeypatch.context() as patch:
        patch.setattr("vault.exporting.files.os.write", _full)
        with pytest.raises(VaultError) as caught:
            exports.run(user_id=user, to=desk / "copy", resume=False)
    found.append(caught.value)
    scanner = Scanner({**d.canaries.values, **names.values})
    for error in found:
        said = "\n".join(part for part in everything_said(error) if "Error: [Errno" not in part)
        assert scanner.scan(f"{error} {error.args} {error.message}".encode()) == set()
        assert "xxxxxxxx" not in str(error)
        assert scanner.scan(_frames_aside(said).encode("utf-8", "backslashreplace")) == set(), error.code
    d.close()


def _frames_aside(text: str) -> str:
    """Without the operating system's own errors, which a suppressed cause still carries and no message shows."""
    return "\n".join(line for line in text.splitlines() if "[Errno" not in line)


def _full(_descriptor: int, _data: object) -> int:
    raise OSError(28, os.strerror(28))
