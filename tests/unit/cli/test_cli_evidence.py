"""Evidence and kept checkpoints on the command line, as an operator and an auditor use them."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from support.commands import Run, added
from support.erasures import BLIND, REQUEST, Case, asserted, destroyed

from vault.audit import certified
from vault.audit.note import sign_note
from vault.audit.verify import Checkpoint


@pytest.fixture
def keys(run: Run, tmp_path: Path) -> Path:
    """What the auditor was given: the log's verifier keys."""
    path = tmp_path / "keys.txt"
    path.write_text("\n".join(run("audit", "verify", "--json").document["vkeys"]) + "\n")
    return path


def test_evidence_is_built_and_verified(run: Run, keys: Path, tmp_path: Path) -> None:
    added(run, "pat-42", "Allergic to penicillin")
    anchor = tmp_path / "anchor.txt"
    assert run("audit", "checkpoint", "--out", anchor).out == f"{anchor}\n"
    for name in ("evidence", "evidence.zip"):
        place = tmp_path / name
        built = run("evidence", "build", "--json", "--out", place)
        assert built.code == 0, built.err
        checked = run("evidence", "verify", "--json", place, "--vkey", keys, "--since", anchor)
        assert checked.code == 0, checked.err
        assert checked.document["ok"] is True
        assert checked.document["size"] == built.document["entries"]
        assert f"{checked.document['size']} entries" in run("evidence", "verify", place, "--vkey", keys).out
        again = run("evidence", "build", "--json", "--out", place)
        assert (again.code, again.error["code"]) == (2, "out.exists")
    assert not list(tmp_path.glob("*.partial"))
    for path in (tmp_path / "evidence", *(tmp_path / "evidence").rglob("*"), tmp_path / "evidence.zip"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    (tmp_path / "evidence" / "packs.json").write_text("{}")
    broken = run("evidence", "verify", "--json", tmp_path / "evidence", "--vkey", keys)
    assert (broken.code, broken.document["failed"]) == (5, "manifest")
    assert (
        "does not verify: manifest:" in run("evidence", "verify", tmp_path / "evidence", "--vkey", keys).out
    )
    entries = run("audit", "show", "--json", "--role", "auditor", "--purpose", "audit").document["entries"]
    assert [entry["action"] for entry in entries].count("audit.evidence") == 2


def test_evidence_is_for_auditors(run: Run, tmp_path: Path) -> None:
    denied = run(
        "evidence", "build", "--json", "--out", tmp_path / "e", "--role", "app", "--purpose", "service"
    )
    assert (denied.code, denied.error["code"]) == (3, "policy.purpose")
    assert "--role auditor" in denied.error["message"]
    assert not list(tmp_path.iterdir())


def test_checkpoints_are_kept_in_a_folder_and_the_log_is_compared_with_them(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "anchors"
    folder.mkdir()
    names = [run("audit", "checkpoint", "--json", "--out", folder).document["file"] for _ in range(2)]
    assert sorted(map(str, folder.iterdir())) == sorted(names)
    since = [word for name in names for word in ("--since", name)]
    assert run("audit", "verify", "--json", *since).document["kept"] == 2
    first = Path(names[0])
    forked = first.read_text().replace("\n\n", "\n\n", 1)
    other = tmp_path / "other"
    other.write_text(forked.replace(forked.split("\n")[1], "1", 1))
    refused = run("audit", "verify", "--json", "--since", other)
    assert (refused.code, refused.error["code"]) == (7, "audit.checkpoint")
    taken = run("audit", "checkpoint", "--json", "--out", first)
    assert (taken.code, taken.error["code"]) == (2, "out.exists")


@pytest.fixture
def given(tmp_path: Path) -> tuple[Path, Path, Case]:
    """A certificate and the keys that it is checked with."""
    case = destroyed()
    certificate, keys = tmp_path / "certificate.json", tmp_path / "keys.txt"
    certificate.write_bytes(case.build())
    keys.write_text(case.log.vkeys()[0])
    return certificate, keys, case


def test_a_certificate_verifies_without_a_vault(
    bare: Run, given: tuple[Path, Path, Case], tmp_path: Path
) -> None:
    certificate, keys, case = given
    me, seen, kept = tmp_path / "me.json", tmp_path / "seen", tmp_path / "kept"
    me.write_bytes(certified.subject_opening(BLIND, "user", "pat-42"))
    kept.write_bytes(case.log.signed[0][1])
    asked = ("evidence", "verify", certificate, "--vkey", keys)
    good = bare(*asked, "--request", REQUEST, "--subject", me, "--seen", seen, "--since", kept)
    assert (good.code, good.err) == (0, "")
    assert good.out.startswith(f"verified: backup-proof: request {REQUEST}")
    assert json.loads(seen.read_text())["request"] == REQUEST
    for wrong, check in (
        (("--seen", seen), "replay"),
        (("--request", "0" * 32), "replay"),
        (("--subject", keys), "subject-commitment"),
        (("--since", certificate), "older-checkpoint"),
    ):
        answer = bare(*asked, "--json", *wrong)
        assert (answer.code, answer.document["failed"]) == (5, check)
    fork = tmp_path / "fork"
    fork.write_bytes(sign_note(Checkpoint(case.log.origin, 12, bytes(32)), [case.log.key]))
    assert bare(*asked, "--json", "--since", fork).document["failed"] == "older-checkpoint"
    other = tmp_path / "other"
    other.write_text("name+00000000+AQ==")
    assert bare(*asked[:3], "--vkey", other, "--json").document["failed"] == "trust-key"


def test_options_of_certificates_are_not_for_bundles(
    bare: Run, tmp_path: Path, given: tuple[Path, Path, Case]
) -> None:
    answer = bare("evidence", "verify", "--json", tmp_path, "--vkey", given[1], "--request", REQUEST)
    assert (answer.code, answer.error["code"]) == (2, "evidence.options")


def test_a_certificate_as_a_page(bare: Run, tmp_path: Path) -> None:
    certificate, page = tmp_path / "certificate.json", tmp_path / "page.html"
    certificate.write_bytes(asserted().build())
    assert bare("evidence", "page", certificate, "--out", page).code == 0
    assert "unless somebody kept a copy of it" in page.read_text()
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    again = bare("evidence", "page", "--json", certificate, "--out", page)
    assert (again.code, again.error["code"]) == (2, "out.exists")
    certificate.write_text("{}")
    wrong = bare("evidence", "page", "--json", certificate, "--out", tmp_path / "x.html")
    assert (wrong.code, wrong.error["code"]) == (2, "certificate.form")
