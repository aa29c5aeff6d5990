"""`detect text | eval | coverage | measure`: no vault, no network, no content unless asked for."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import Run

from vault.redaction.evaluation import measured

SSN = "536-90-4399"
MAIL = "vera.quillon@example.org"
TEXT = f"The SSN is {SSN}, please write to {MAIL}."
WORD = (TEXT.index("please"), TEXT.index("please") + 6)


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two texts: one with both values marked and one more that the detector cannot know, one with nothing."""
    start, end = TEXT.index(SSN), TEXT.index(MAIL)
    spans = [[start, start + len(SSN), "SSN"], [end, end + len(MAIL), "EMAIL"], [*WORD, "SHIBBOLETH"]]
    records = [{"text": TEXT, "spans": spans}, {"text": "We had tea.", "spans": []}]
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    return path


def test_text_names_classes_places_and_reasons_but_no_content(bare: Run) -> None:
    answer = bare("detect", "text", "--json", text=TEXT)
    found = {row["class"]: row for row in answer.document["findings"]}
    assert {"US_SSN", "EMAIL_ADDRESS"} <= set(found)
    row = found["US_SSN"]
    assert TEXT[row["start"] : row["end"]] == SSN
    assert row["recogniser"]
    assert row["why"]
    assert row["operator"] == "token"
    assert SSN not in answer.out
    assert MAIL not in answer.out
    shown = bare("detect", "text", "--json", "--show-content", TEXT).document["findings"]
    assert SSN in [row["value"] for row in shown]


def test_text_shows_the_text_and_why_to_a_person(bare: Run) -> None:
    answer = bare("detect", "text", TEXT)
    assert f"{SSN}[US_SSN]" in answer.out
    assert "nothing found" in bare("detect", "text", "we had tea").out


def test_why_tells_form_from_context(bare: Run) -> None:
    def why(text: str, *options: str) -> dict[str, str]:
        rows = bare("detect", "text", "--json", *options, text=text).document["findings"]
        return {row["class"]: row["why"] for row in rows}

    assert "checksum" in why("5105 1051 0510 5100")["CREDIT_CARD"]
    assert "words around it" in why("my ssn is 536904399")["US_SSN"]
    assert "key" in why("536904399", "--context", "patient.ssn")["US_SSN"]
    assert bare("detect", "text", "536904399", "--json").document["findings"] == []


def test_a_terminal_is_not_steered_by_the_text(bare: Run) -> None:
    assert "\x1b" not in bare("detect", "text", text=f"\x1b[2J mail {MAIL} \u202e").out


def test_eval_measures_and_lists_misses_by_place(bare: Run, data: Path) -> None:
    answer = bare("detect", "eval", "--data", data, "--format", "jsonl", "--misses", "9", "--json")
    document = answer.document
    assert (document["texts"], document["entities"]) == (2, 3)
    assert document["types"]["US_SSN"]["strict"]["recall"] == 1.0
    assert document["types"]["EMAIL_ADDRESS"]["strict"]["f2"] == 1.0
    assert document["ordinary"] == {"texts": 1, "wrongly_masked": 0, "rate": 0.0}
    (miss,) = document["misses"]
    assert (miss["line"], miss["start"], miss["end"], miss["label"]) == (1, *WORD, "SHIBBOLETH")
    for secret in (SSN, MAIL, "please", "tea"):
        assert f'"{secret}' not in answer.out
    shown = bare(
        "detect", "eval", "--data", data, "--format", "jsonl", "--misses", "9", "--show-content", "--json"
    )
    assert shown.document["misses"][0]["value"] == "please"


def test_eval_for_a_person(bare: Run, data: Path) -> None:
    out = bare("detect", "eval", "--data", data, "--format", "jsonl", "--misses", "1").out
    assert "EMAIL_ADDRESS" in out
    assert "not wholly masked: 1" in out
    assert "0 with a finding" in out


def test_a_pack_leaves_out_what_it_keeps(bare: Run, tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    value = "7f9c24e8-3b12-4fef-91e0-5a0b93c1d2e4"
    path.write_text(json.dumps({"text": f"id {value}", "spans": [[3, 39, "UUID"]]}), encoding="utf-8")
    arguments = ("detect", "eval", "--data", path, "--format", "jsonl", "--json")
    assert bare(*arguments).document["findings"] == 1
    with_pack = bare(*arguments, "--pack", "baseline").document
    assert (with_pack["findings"], with_pack["pack"]) == (0, "baseline")


def test_a_vault_may_say_which_detectors(run: Run, folder: Path, data: Path) -> None:
    answer = run("detect", "eval", "--vault", folder, "--data", data, "--format", "jsonl", "--json")
    assert answer.document["pack"] == "baseline"


def test_a_broken_file_is_refused_without_content(bare: Run, tmp_path: Path) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_bytes(b'{"text": "caf\xe9 ' + SSN.encode())
    answer = bare("detect", "eval", "--data", path, "--format", "jsonl", "--json")
    assert (answer.code, answer.error["code"]) == (2, "data.encoding")
    assert SSN not in answer.err


def test_coverage_has_three_tables_and_says_what_is_missing(bare: Run) -> None:
    tables = bare("detect", "coverage", "--json").document["tables"]
    assert {name: len(rows) for name, rows in tables.items()} == {"hipaa": 18, "pci": 7, "gdpr9": 8}
    assert [row["id"] for row in tables["hipaa"] if not row["covered"] and not row["note"]] == []
    assert "not covered" in bare("detect", "coverage").out


def test_measure_takes_a_part_of_the_shipped_samples(bare: Run) -> None:
    document = bare("detect", "measure", "--most", "20", "--json").document
    assert 0 < document["texts"] <= 20


def test_writing_figures_needs_a_vault_and_all_samples(run: Run, folder: Path) -> None:
    for options in ((), ("--vault", folder, "--most", "5")):
        answer = run("detect", "measure", "--write", "--json", *options)
        assert (answer.code, answer.error["code"]) == (2, "write.part")
    assert not (folder / "measured.json").exists()


@pytest.mark.slow
def test_written_figures_are_found_for_that_detector(run: Run, folder: Path) -> None:
    written = run("detect", "measure", "--write", "--json", "--vault", folder)
    assert written.code == 0, written.err
    version = written.document["detector"]
    data = (folder / "measured.json").read_bytes()
    assert oct((folder / "measured.json").stat().st_mode & 0o777) == "0o600"
    (folder / "measured.json").write_bytes(data.replace(version.encode(), b"another-1"))
    found = measured("another-1", folder)
    assert found is not None
    assert found.samples("EMAIL_ADDRESS") > 0
    assert measured("another-2", folder) is None
    (folder / "measured.json").unlink()


def test_help_loads_neither_detector_nor_numpy() -> None:
    code = (
        "import sys; from vault.cli.main import app\n"
        "try: app(['detect', 'eval', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'regex', 'phonenumbers', 'vault.redaction.detect', 'vault.compose'} & set(sys.modules)\n"
        "sys.exit(bool(heavy))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
