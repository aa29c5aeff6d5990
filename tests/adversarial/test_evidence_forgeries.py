"""Evidence bundles that are not what they seem, and archives that are not what they should be: refused, by name."""

from __future__ import annotations

import hashlib
import json
import os
import random
import stat
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.erasures import Case, MemoryLog, destroyed, signer
from support.forgeries import reproved

from vault.audit import evidence, merkle, verify
from vault.audit.events import b64u
from vault.audit.jcs import canonical
from vault.audit.note import Checkpoint, sign_note
from vault.audit.verify import VerificationError

Change = Callable[[Path], object]
ENTRIES = 300  # more than one tile


def bundle(place: Path, log: MemoryLog, *certificates: bytes) -> Path:
    with evidence.writing(place) as sink:
        evidence.build(
            log, log, sink, certificates=certificates, software="memvault 0.1.0", at=datetime.now(UTC)
        )
    return place


@pytest.fixture
def case() -> Case:
    return destroyed()


@pytest.fixture
def whole(tmp_path: Path, case: Case) -> Path:
    """A bundle of 300 entries with a certificate; `relist` brings its manifest in line after a change."""
    data = case.build()
    case.log.reads(ENTRIES - len(case.log.entries) - 1)
    case.log.sign(case.leaves_after, 4)
    assert len(case.log.entries) == ENTRIES
    return bundle(tmp_path / "evidence", case.log, data)


def relist(place: Path) -> None:
    """A manifest that matches the files, as a forger would leave it."""
    manifest = json.loads((place / "manifest.json").read_bytes())
    manifest["files"] = [
        {"path": str(path.relative_to(place)), "bytes": path.stat().st_size, "sha256": digest(path)}
        for path in sorted(place.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    ]
    (place / "manifest.json").write_text(json.dumps(manifest))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def zipped(place: Path) -> Path:
    archive = place.with_suffix(".zip")
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as made:
        for path in sorted(place.rglob("*")):
            if path.is_file():
                made.write(path, str(path.relative_to(place)))
    return archive


def refused(place: Path, case: Case, **options: Any) -> str:
    with pytest.raises(VerificationError) as caught:
        verify.verify_evidence(place, case.verifiers(), **options)
    assert str(caught.value)
    return caught.value.check


def test_the_untouched_bundle_verifies(whole: Path, case: Case, tmp_path: Path) -> None:
    for place in (whole, zipped(whole)):
        found = verify.verify_evidence(place, case.verifiers(), since=[case.log.signed[0][1]])
        assert (found.size, found.checkpoints, len(found.certificates), found.packs) == (ENTRIES, 3, 1, 1)
        assert found.certificates[0].state == "backup-proof"
    again = bundle(tmp_path / "again.zip", case.log)
    assert verify.verify_evidence(again, case.verifiers()).certificates == ()
    relist(whole)
    verify.verify_evidence(whole, case.verifiers())


# --- files changed, the manifest brought in line ---------------------------------------------------------------------


def edited(name: str, change: Callable[[bytes], bytes]) -> Change:
    def run(place: Path) -> None:
        path = place / name
        path.write_bytes(change(path.read_bytes()))

    return run


def document(name: str, change: Callable[[Any], object]) -> Change:
    def run(data: bytes) -> bytes:
        parsed = json.loads(data)
        change(parsed)
        return json.dumps(parsed).encode()

    return edited(name, run)


def opening(change: Callable[[list[Any]], object]) -> Change:
    def run(data: bytes) -> bytes:
        parsed = [json.loads(line) for line in data.splitlines()]
        change(parsed)
        return b"".join(json.dumps(item).encode() + b"\n" for item in parsed)

    return edited("openings.jsonl", run)


def flip(data: bytes) -> bytes:
    return data[:40] + bytes([data[40] ^ 1]) + data[41:]


def removed(name: str) -> Change:
    return lambda place: (place / name).unlink()


def only_certificate(place: Path) -> Path:
    return next((place / "certificates").iterdir())


def spoilt_certificate(place: Path) -> None:
    path = only_certificate(place)
    parsed = json.loads(path.read_bytes())
    parsed["envelope"]["payloadType"] = "text/plain"
    path.write_text(json.dumps(parsed))


def false_leaf(place: Path) -> None:
    """An entry and its tile changed alike: only the roots show it."""
    path = place / "tile/entries/000"
    data = path.read_bytes()
    first = int.from_bytes(data[:2], "big")
    entry = data[2 : 2 + first].replace(b'"n":0', b'"n":1')
    path.write_bytes(first.to_bytes(2, "big") + entry + data[2 + first :])
    tile = place / "tile/0/000"
    tile.write_bytes(verify.leaf_hash(entry) + tile.read_bytes()[32:])


def as_asserted(history: Any) -> None:
    history["rows"][2]["state"] = "asserted"


def dropped_entry(data: bytes) -> bytes:
    """A gap in the middle of the log."""
    first = int.from_bytes(data[:2], "big")
    return data[2 + first :]


def swapped_entries(data: bytes) -> bytes:
    first = 2 + int.from_bytes(data[:2], "big")
    second = 2 + int.from_bytes(data[first : first + 2], "big")
    return data[first : first + second] + data[:first] + data[first + second :]


FILES: list[tuple[str, str, Change]] = [
    ("an entry changed", "checkpoint-root", edited("tile/entries/000", lambda d: d.replace(b'"n":0', b'"n":1', 1))),
    ("an entry changed with its tile", "checkpoint-root", false_leaf),
    ("a gap", "log-root", edited("tile/entries/000", dropped_entry)),
    ("entries swapped", "log-root", edited("tile/entries/000", swapped_entries)),
    ("the tail cut off", "log-root", edited("tile/entries/001.p/44", lambda d: d[: d.rindex(b'{"act"') - 2])),
    ("an entry cut off", "log-root", edited("tile/entries/001.p/44", lambda d: d[:-5])),
    ("a bundle missing", "log-root", removed("tile/entries/000")),
    ("a bundle twice", "log-root", edited("tile/entries/000", lambda d: d + d)),
    ("an entry spelled otherwise", "log-root", edited("tile/entries/000", lambda d: d.replace(b'"act":', b'"act" :'))),
    ("a hash tile changed", "tiles", edited("tile/0/000", flip)),
    ("a hash tile missing", "tiles", removed("tile/0/000")),
    ("a partial tile changed", "tiles", edited("tile/0/001.p/44", flip)),
    ("an upper tile changed", "tiles", edited("tile/1/000.p/1", lambda d: bytes(32))),
    ("the head changed", "checkpoint-signature", edited("checkpoint", lambda d: d.replace(b"\n300\n", b"\n299\n"))),
    ("an older head changed", "checkpoint-signature", edited("checkpoints/4", flip)),
    ("a head under another size", "checkpoint-signature", lambda p: (p / "checkpoints/4").rename(p / "checkpoints/5")),
    ("another log's manifest", "origin", document("manifest.json", lambda m: m.update(origin="memvault/t/00"))),
    ("another size in the manifest", "origin", document("manifest.json", lambda m: m.update(size=299))),
    ("a later format", "manifest", document("manifest.json", lambda m: m.update(format=2))),
    ("another kind", "manifest", document("manifest.json", lambda m: m.update(kind="backup"))),
    ("no manifest", "manifest", removed("manifest.json")),
    ("an opening changed", "openings", opening(lambda o: o[0].update(blind=o[1]["blind"]))),
    ("an opening missing", "openings", opening(lambda o: o.pop())),
    ("an opening twice", "openings", opening(lambda o: o.append(o[0]))),
    ("an opening of a person's entry", "openings", opening(lambda o: o[0].update(seq=0))),
    ("an opening of no entry", "openings", opening(lambda o: o.append({**o[0], "seq": 4000}))),
    ("no openings", "openings", removed("openings.jsonl")),
    ("a rotation left out", "lifecycle", document("lifecycle.json", lambda d: d["rows"].pop(1))),
    ("asserted shown as destroyed", "lifecycle", document("lifecycle.json", as_asserted)),
    ("another pack in the history", "packs", document("packs.json", lambda d: d["rows"][0].update(pack="ab" * 8))),
    ("a pack left out", "packs", document("packs.json", lambda d: d["rows"].pop())),
    ("a certificate spoilt", "payload-type", spoilt_certificate),
]  # fmt: skip


@pytest.mark.parametrize(("check", "change"), [row[1:] for row in FILES], ids=[row[0] for row in FILES])
def test_a_changed_bundle(whole: Path, case: Case, check: str, change: Change) -> None:
    change(whole)
    if (whole / "manifest.json").exists():
        relist(whole)
    assert refused(whole, case).rpartition(":")[2] == check


@pytest.mark.parametrize(
    "change",
    [
        edited("README.txt", lambda data: data + b"x"),
        edited("README.txt", flip),
        lambda place: (place / "more.txt").write_text("x"),
        removed("README.txt"),
        document("manifest.json", lambda m: m["files"].append(m["files"][0])),
        document("manifest.json", lambda m: m["files"][0].update(path="../checkpoint")),
        document("manifest.json", lambda m: m["files"][0].update(path="/etc/passwd")),
        document("manifest.json", lambda m: m["files"][0].update(sha256="00" * 32)),
    ],
    ids=["longer", "changed", "one more", "one less", "listed twice", "upwards", "absolute", "other digest"],
)
def test_files_that_are_not_as_listed(whole: Path, case: Case, change: Change) -> None:
    change(whole)
    assert refused(whole, case) == "manifest"


# --- with the real key -----------------------------------------------------------------------------------------------


def resigned_head(whole: Path, log: MemoryLog, size: int, root: bytes) -> None:
    note = sign_note(Checkpoint(log.origin, size, root), [log.key])
    (whole / f"checkpoints/{size}").write_bytes(note)


def test_two_heads_of_one_size(whole: Path, case: Case) -> None:
    resigned_head(whole, case.log, 12, bytes(32))
    relist(whole)
    assert refused(whole, case) == "checkpoint-root"


def test_a_log_that_ends_before_one_of_its_heads(whole: Path, case: Case) -> None:
    resigned_head(whole, case.log, 301, bytes(32))
    relist(whole)
    assert refused(whole, case) == "truncated"


def test_a_forked_log(tmp_path: Path, case: Case) -> None:
    """Written again from some point on, with the real key: it verifies, but not against a kept checkpoint."""
    kept = [note for _, note, _ in case.log.signed]
    fork = Case()
    fork.log.pack = "0" * 16
    fork.log.reads(1)
    fork.log.pack = case.log.pack
    fork.told()
    place = bundle(tmp_path / "fork", fork.log)
    verify.verify_evidence(place, case.verifiers())
    for note in kept:
        assert refused(place, case, since=[note]) == "older-checkpoint"


def test_a_log_that_went_back(tmp_path: Path, case: Case) -> None:
    place = bundle(tmp_path / "old", case.log)
    case.log.reads(5)
    case.log.sign(case.leaves_after, 4)
    assert refused(place, case, since=[case.log.signed[-1][1]]) == "older-checkpoint"


def test_a_certificate_of_another_log_or_branch(whole: Path, case: Case) -> None:
    other = Case(log=MemoryLog(b"u" * 16, case.log.key)).told()
    path = only_certificate(whole)
    path.write_bytes(other.build())
    relist(whole)
    with pytest.raises(VerificationError) as caught:
        verify.verify_evidence(whole, [*case.verifiers(), *other.verifiers()])
    assert caught.value.check == "origin"
    branch = destroyed()
    branch.log.entries[0] = branch.log.entries[0].replace(b'"n":0', b'"n":9')
    path.write_bytes(reproved(branch.log, destroyed().build()))
    relist(whole)
    assert refused(whole, case) == f"certificates/{path.name}:checkpoint-root"


def test_a_log_with_another_key(whole: Path) -> None:
    stranger = Case(log=MemoryLog(key=signer(9)))
    assert refused(whole, stranger) == "checkpoint-signature"


def test_an_entry_of_another_log_inside(tmp_path: Path, case: Case) -> None:
    log = case.log
    fields = json.loads(log.entries[1])
    fields["log"] = b64u(b"u" * 16)
    log.entries[1] = canonical(fields)
    whole = merkle.Tree(map(merkle.leaf_hash, log.entries))
    log.signed = [
        (size, sign_note(Checkpoint(log.origin, size, whole.root(size)), [log.key]), b"")
        for size, _, _ in log.signed
    ]
    assert refused(bundle(tmp_path / "mixed", log), case) == "log-root"


# --- archives --------------------------------------------------------------------------------------------------------


def test_a_folder_with_links_or_devices(whole: Path, case: Case, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    for make in (
        lambda path: path.symlink_to(secret),
        lambda path: path.symlink_to(tmp_path, target_is_directory=True),
        lambda path: os.mkfifo(path),
    ):
        path = whole / "odd"
        make(path)
        assert refused(whole, case) == "archive"
        path.unlink()
    (whole / "a b").write_text("x")
    assert refused(whole, case) == "archive"
    (whole / "a b").unlink()
    deep = whole.joinpath(*["d"] * 12)
    deep.mkdir(parents=True)
    assert refused(whole, case) == "archive"


def member(name: str, **changes: Any) -> zipfile.ZipInfo:
    item = zipfile.ZipInfo(name)
    for key, value in changes.items():
        setattr(item, key, value)
    return item


@pytest.mark.parametrize(
    "item",
    [
        member("../up.txt"),
        member("/absolute.txt"),
        member("a/../../up.txt"),
        member("a//b"),
        member("a\\..\\b"),
        member("C:b"),
        member(".hidden"),
        member("folder/"),
        member("link", external_attr=(stat.S_IFLNK | 0o777) << 16),
        member("pipe", external_attr=(stat.S_IFIFO | 0o600) << 16),
        member("packed", compress_type=zipfile.ZIP_BZIP2),
        member("x" * 300),
        member("n\u00e4me"),
    ],
    ids=lambda item: ascii(item.filename[:20]),
)
def test_a_zip_with_a_member_that_is_no_plain_file(whole: Path, case: Case, item: zipfile.ZipInfo) -> None:
    archive = zipped(whole)
    with zipfile.ZipFile(archive, "a") as made:
        made.writestr(item, b"x")
    assert refused(archive, case) == "archive"


def test_a_zip_with_a_name_twice(whole: Path, case: Case) -> None:
    archive = zipped(whole)
    with zipfile.ZipFile(archive, "a") as made, pytest.warns(UserWarning, match="Duplicate name"):
        made.writestr("checkpoint", b"x")
    assert refused(archive, case) == "archive"


def test_a_zip_that_unpacks_to_too_much(whole: Path, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(whole)
    monkeypatch.setattr(verify, "MAX_FILE", 1000)
    assert refused(archive, case) == "archive"
    monkeypatch.undo()
    monkeypatch.setattr(verify, "MAX_TOTAL", 1000)
    assert refused(archive, case) == "archive"
    monkeypatch.undo()
    monkeypatch.setattr(verify, "MAX_FILES", 3)
    assert refused(archive, case) == "archive"


def test_a_zip_whose_member_is_longer_than_it_says(whole: Path, case: Case) -> None:
    """The size in the directory is a claim: no more than it is ever unpacked."""
    archive = zipped(whole)
    with zipfile.ZipFile(archive) as made:
        size = made.getinfo("manifest.json").file_size
    data = archive.read_bytes()
    archive.write_bytes(data.replace(size.to_bytes(4, "little"), (10).to_bytes(4, "little")))
    assert refused(archive, case) in {"manifest", "archive"}


def test_no_archive_at_all(tmp_path: Path, case: Case) -> None:
    place = tmp_path / "x.zip"
    place.write_bytes(b"PK\x05\x06 not a zip")
    assert refused(place, case) == "archive"
    with pytest.raises(OSError, match="No such file"):
        verify.verify_evidence(tmp_path / "absent.zip", case.verifiers())


def test_damaged_zips_are_refused_and_never_crash(whole: Path, case: Case) -> None:
    archive, verifiers = zipped(whole), case.verifiers()
    data, choose = archive.read_bytes(), random.Random(4)
    for _ in range(200):
        damaged = bytearray(data)
        for _ in range(
            choose.choice((1, 3, 40))
        ):  # mostly in the directory, where names, sizes and places stand
            first = choose.choice((0, len(damaged) - 3000, len(damaged) - 3000))
            damaged[choose.randrange(first, len(damaged))] = choose.randrange(256)
        archive.write_bytes(damaged[: choose.choice((len(data), len(data), choose.randrange(len(data))))])
        try:
            verify.verify_evidence(archive, verifiers)
        except VerificationError as error:
            named = error.check
        else:
            named = "what was damaged is not part of any file"
        assert named


@pytest.mark.parametrize(
    ("field", "value"), [("header_offset", 0x7FFFFFF0), ("filename", "")], ids=["elsewhere", "no name"]
)
def test_directories_that_lead_nowhere(
    whole: Path, case: Case, monkeypatch: pytest.MonkeyPatch, field: str, value: object
) -> None:
    archive, listed = zipped(whole), zipfile.ZipFile.infolist

    def damaged(self: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
        found = listed(self)
        setattr(found[0], field, value)
        return found

    monkeypatch.setattr(zipfile.ZipFile, "infolist", damaged)
    assert refused(archive, case) == "archive"
