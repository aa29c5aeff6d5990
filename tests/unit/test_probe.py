"""The probe: it reads every page and every file, finds what is planted wherever it lies, and says so or fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.calls import session_of, stages_of
from support.pages import PageReader, vault_keys
from support.rights import erased, fill, privacy, tenant_keys

from vault import Vault
from vault.crypto.primitives import SecretKey
from vault.errors import StorageError
from vault.probe import run as probe
from vault.probe.pages import database_pages, wal_frames
from vault.probe.run import DatabasePlan, search
from vault.probe.search import CHUNK_BYTES, PREFIX_BYTES, Needles

NEEDLE = bytes(range(60, 76))


# --- needles ---------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_needle_is_found_as_often_as_it_stands_there(data: st.DataObject) -> None:
    """Against counting byte by byte, with an alphabet so small that prefixes meet and occurrences overlap."""
    letters = st.sampled_from(b"ab").map(lambda one: bytes([one]))
    words = st.lists(letters, min_size=PREFIX_BYTES, max_size=12).map(b"".join)
    needles = data.draw(st.lists(words, min_size=1, max_size=4, unique=True))
    text = b"".join(data.draw(st.lists(letters, max_size=200)))
    counted = sum(text.startswith(needle, at) for at in range(len(text)) for needle in needles)
    assert Needles(needles).hits(text) == counted


@pytest.mark.parametrize("length", [8, 9, 16, 31, 4_096])
@pytest.mark.parametrize("pieces", [1, 2])
def test_a_needle_on_the_border_of_two_pieces_is_found_once(tmp_path: Path, length: int, pieces: int) -> None:
    needle = (NEEDLE * 300)[:length]
    file = tmp_path / "file"
    border = pieces * CHUNK_BYTES
    for start in {border - length, border - length + 1, border - length // 2, border - 1, border, border + 1}:
        data = bytearray(border + 2 * length)
        data[start : start + length] = needle
        file.write_bytes(data)
        assert Needles([needle]).hits_in_file(file) == 1, start


def test_many_needles_in_a_file_of_a_few_bytes_and_in_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(NEEDLE)
    assert Needles([NEEDLE, NEEDLE[::-1]]).hits_in_file(file) == 1
    assert Needles([]).hits_in_file(file) == 0
    file.write_bytes(b"")
    assert Needles([NEEDLE]).hits_in_file(file) == 0
    file.write_bytes(NEEDLE[:-1])
    assert Needles([NEEDLE]).hits_in_file(file) == 0
    assert Needles([NEEDLE, NEEDLE]).count == 1
    with pytest.raises(ValueError, match="8 bytes"):
        Needles([b"short"])


# --- pages -----------------------------------------------------------------------------------------------------------


def _filled(vault: Vault) -> Vault:
    for number in range(4):
        fill(vault, f"pat-{number}")
    items = [{"content": f"Note {n} on the ward round", "user_id": f"pat-{n % 4}"} for n in range(200)]
    session_of(vault).add_many(items)
    return vault


def test_every_page_and_frame_is_read_as_an_independent_reader_reads_it(clinic: Vault) -> None:
    stages = stages_of(_filled(clinic))
    with stages.stores.use(tenant_keys(clinic)) as store:
        (count,) = store.records.database.one("PRAGMA page_count")  # type: ignore[attr-defined]
        store.records.purge_free_space()
        session_of(clinic).add("In the write-ahead log", user_id="pat-1")
        for path, key in vault_keys(clinic).items():
            wal = path.with_name(path.name + "-wal")
            with SecretKey(bytearray(key)) as secret:
                pages, frames = list(database_pages(path, secret)), list(wal_frames(wal, secret))
            reader = PageReader(path, key)
            assert [page[: len(page)] for page in reader.pages()] == pages
            assert list(reader.frames()) == frames
            assert len(pages) == path.stat().st_size // 8192
            if path == stages.stores.path(tenant_keys(clinic)):
                assert len(pages) >= count
                assert frames


def test_an_answer_counts_what_was_looked_at(clinic: Vault, tmp_path: Path) -> None:
    plans = [
        DatabasePlan(p, SecretKey(bytearray(k)), [NEEDLE]) for p, k in vault_keys(_filled(clinic)).items()
    ]
    (tmp_path / "spool").write_bytes(b"x" * 77 + NEEDLE + NEEDLE)
    found = search(plans, [clinic.folder, tmp_path / "nothing"], [NEEDLE])
    assert found.pages == sum(one.path.stat().st_size // 8192 for one in plans)
    assert found.files == len([path for path in clinic.folder.rglob("*") if path.is_file()])
    assert (found.needles, found.hits) == (len(plans) + 1, 0)
    (clinic.folder / "spool").write_bytes(b"x" * 77 + NEEDLE + NEEDLE)
    assert search(plans, [clinic.folder], [NEEDLE]).hits == 2


# --- as a process ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "how", ["killed", "no answer in time", "cannot start", "a file is missing", "cut off"]
)
def test_what_was_not_searched_is_not_clean(clinic: Vault, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    fill(clinic)
    request = erased(privacy(clinic), user_id="pat-1")

    def fake(command: list[str], **options: Any) -> Any:
        if how == "no answer in time":
            raise subprocess.TimeoutExpired(command, 1)
        if how == "cannot start":
            raise OSError("no process")
        if how == "cut off":
            options["input"] = bytes(options["input"])[:-40]
        if how == "a file is missing":
            options["input"] = bytes(options["input"]).replace(b"records.db", b"recorded.d")
        if how == "killed":
            command = [sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"]
        return real(command, **options)

    real = subprocess.run
    with monkeypatch.context() as patch:
        patch.setattr(probe.subprocess, "run", fake)
        with pytest.raises(StorageError) as caught:
            request.certificate()
    assert caught.value.code == "probe.failed"
    assert request.certificate()


def test_keys_and_needles_stand_in_no_argument_and_in_no_variable(
    clinic: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(clinic)
    keys = vault_keys(clinic).values()
    request = erased(privacy(clinic), user_id="pat-1")
    seen: list[tuple[list[str], dict[str, Any]]] = []
    real = subprocess.run

    def spy(command: list[str], **options: Any) -> Any:
        seen.append((command, {**options, "input": bytes(options["input"])}))
        return real(command, **options)

    monkeypatch.setattr(probe.subprocess, "run", spy)
    request.certificate()
    ((command, options),) = seen
    assert command == [sys.executable, "-m", "vault.probe.run"]
    assert "env" not in options
    plan, _, rest = options["input"].partition(b"\n")
    assert len(rest) == 32 * len(json.loads(plan)["databases"])
    assert all(key not in plan and key.hex().encode() not in plan for key in keys)


def test_the_probe_opens_no_connection_and_imports_no_store() -> None:
    """Its own reader: nothing of the stores, of SQLite, of the network."""
    code = (
        "import sys, vault.probe.run; print([m for m in sys.modules if m.split('.')[0] in ('sqlcipher3', 'socket',"
        " 'sqlite3', 'ssl', 'http') or m.startswith(('vault.storage', 'vault.records', 'vault.keys', 'vault.flows'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_plan_without_its_keys_is_refused() -> None:
    plan = json.dumps({"databases": [{"path": "nowhere", "needles": []}], "folders": [], "raw": []}).encode()
    done = subprocess.run(
        [sys.executable, "-m", "vault.probe.run"],
        input=plan + b"\n" + bytes(31),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    done = subprocess.run(
        [sys.executable, "-m", "vault.probe.run"],
        input=plan + b"\n" + bytes(32),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
