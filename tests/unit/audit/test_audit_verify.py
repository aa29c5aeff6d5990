"""The stand-alone verifier: run as a stranger would, on logs that are whole and logs that are not."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from vault.audit import merkle, verify
from vault.audit.events import entry
from vault.audit.note import Checkpoint, format_proof, sign_note, vkey
from vault.audit.verify import VerificationError, tile_path
from vault.crypto.primitives import SecretKey, SigningKey

ORIGIN = "memvault/t/00112233445566778899aabbccddeeff"
SIGNER = SigningKey.from_seed(SecretKey(bytearray(range(32))))
VKEY = vkey(ORIGIN, SIGNER.public_bytes())


def entries(count: int) -> list[bytes]:
    start = datetime(2026, 11, 21, tzinfo=UTC)
    return [
        entry(
            "memory.search",
            log=b"l" * 16,
            seq=seq,
            at=start + timedelta(seconds=seq),
            purpose="service",
            actor=b"a" * 16,
            salt=seq.to_bytes(16, "big"),
        )
        for seq in range(count)
    ]


def signed(data: list[bytes], origin: str = ORIGIN) -> bytes:
    root = merkle.root([merkle.leaf_hash(item) for item in data])
    return sign_note(Checkpoint(origin, len(data), root), [SIGNER])


def export(folder: Path, data: list[bytes], note: bytes | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "entries.jsonl").write_bytes(b"".join(item + b"\n" for item in data))
    (folder / "checkpoint").write_bytes(note if note is not None else signed(data))
    return folder


def export_tiles(folder: Path, data: list[bytes]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "checkpoint").write_bytes(signed(data))
    for number in range(0, len(data), 256):
        chunk = data[number : number + 256]
        path = folder / tile_path("entries", number // 256, len(chunk))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"".join(len(item).to_bytes(2, "big") + item for item in chunk))
    return folder


def run(*arguments: object) -> int:
    return verify.main([str(argument) for argument in arguments])


def test_a_whole_log_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = entries(9)
    since = tmp_path / "since"
    since.write_bytes(signed(data[:4]))
    assert run("log", export(tmp_path / "log", data), "--vkey", VKEY) == 0
    assert run("log", tmp_path / "log", "--vkey", VKEY, "--since", since) == 0
    assert capsys.readouterr().out.count(f"verified: {ORIGIN} 9 ") == 2
    since.write_bytes(signed([]))
    assert run("log", tmp_path / "log", "--vkey", VKEY, "--since", since) == 0
    assert run("log", export(tmp_path / "empty", []), "--vkey", VKEY) == 0


def test_tiles_verify_past_the_first_full_one(tmp_path: Path) -> None:
    data = entries(300)
    folder = export_tiles(tmp_path / "log", data)
    assert sorted(path.name for path in (folder / "tile/entries").iterdir()) == ["000", "001.p"]
    assert run("log", folder, "--vkey", VKEY) == 0
    assert tile_path("0", 1234067, 256) == "tile/0/x001/x234/067"
    bundle = folder / "tile/entries/001.p/44"
    bundle.write_bytes(bundle.read_bytes()[:-1])
    assert run("log", folder, "--vkey", VKEY) == 5
    bundle.unlink()
    assert run("log", folder, "--vkey", VKEY) == 2


def swap(data: list[bytes]) -> list[bytes]:
    return [data[0], data[2], data[1], *data[3:]]


@pytest.mark.parametrize(
    "tamper",
    [
        lambda data: data[:-1],
        lambda data: data[1:],
        lambda data: [*data, *entries(6)[5:]],
        swap,
        lambda data: [data[0].replace(b"memory.search", b"memory.reveal"), *data[1:]],
        lambda data: [data[0].replace(b'"n":0', b'"n":0,"n":0'), *data[1:]],
        lambda data: [data[0].replace(b'"v":1', b'"v":2'), *data[1:]],
        lambda data: [data[0].replace(b'"n":0', b'"n": 0'), *data[1:]],
        lambda data: [data[0][:-1], *data[1:]],
        lambda data: [b"[]", *data[1:]],
        lambda data: [],
    ],
    ids=[
        "cut-end",
        "cut-start",
        "added",
        "swapped",
        "changed",
        "repeated-key",
        "version",
        "respaced",
        "broken",
        "no-object",
        "gone",
    ],
)
def test_a_tampered_log_does_not_verify(
    tmp_path: Path, tamper: Callable[[list[bytes]], list[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    data = entries(5)
    folder = export(tmp_path / "log", tamper(data), signed(data))
    assert run("log", folder, "--vkey", VKEY) == 5
    captured = capsys.readouterr()
    assert captured.err.startswith("does not verify: ")
    assert captured.out == ""


def test_entries_of_two_logs_do_not_verify_even_when_signed(tmp_path: Path) -> None:
    data = entries(3)
    mixed = [data[0], data[1].replace(b'"log":"bGxs', b'"log":"bWxs'), data[2]]
    assert mixed != data
    assert run("log", export(tmp_path / "log", mixed), "--vkey", VKEY) == 5
    misplaced = [data[0], data[2]]
    assert run("log", export(tmp_path / "log", misplaced), "--vkey", VKEY) == 5


def test_a_log_that_does_not_extend_the_known_checkpoint(tmp_path: Path) -> None:
    data, since = entries(6), tmp_path / "since"
    folder = export(tmp_path / "log", data)
    forked = [*data[:3], data[3].replace(b"memory.search", b"memory.list")]
    for known in (signed(forked), signed(entries(7)), signed(data[:2], "memvault/t/other")):
        since.write_bytes(known)
        assert run("log", folder, "--vkey", VKEY, "--since", since) == 5
    since.write_bytes(signed(data[:4]))
    assert run("log", folder, "--vkey", VKEY, "--since", since) == 0


def test_a_checkpoint_by_another_key_or_name_is_refused(tmp_path: Path) -> None:
    data = entries(2)
    folder = export(tmp_path / "log", data)
    stranger = vkey(ORIGIN, SigningKey.generate().public_bytes())
    assert run("log", folder, "--vkey", stranger) == 5
    keys = tmp_path / "keys"
    keys.write_text(f"{stranger}\n\n{VKEY}\n")
    assert run("log", folder, "--vkey", keys) == 0
    assert run("log", folder, "--vkey", "nonsense") == 5
    head = Checkpoint("memvault/t/other", 2, merkle.root([merkle.leaf_hash(item) for item in data]))
    text = sign_note(head, [SIGNER]).decode().replace("— memvault/t/other ", f"— {ORIGIN} ")
    (folder / "checkpoint").write_text(text, encoding="utf-8")
    assert run("log", folder, "--vkey", VKEY) == 5


def test_proofs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = entries(11)
    leaves = [merkle.leaf_hash(item) for item in data]
    proof = format_proof(6, merkle.inclusion_proof(leaves, 6), signed(data))
    entry_file, proof_file = tmp_path / "entry", tmp_path / "x.tlog-proof"

    def check(entry_data: bytes, proof_data: bytes) -> int:
        entry_file.write_bytes(entry_data)
        proof_file.write_bytes(proof_data)
        return run("proof", entry_file, proof_file, "--vkey", VKEY)

    assert check(data[6], proof) == 0
    assert check(data[6], proof.replace(b"@v1\n", b"@v1\nextra AAAA\n")) == 0
    assert "11" in capsys.readouterr().out
    for entry_data, proof_data in (
        (data[5], proof),
        (data[6], proof.replace(b"index 6", b"index 5")),
        (data[6], proof.replace(b"index 6", b"index 06")),
        (data[6], proof.replace(b"index 6", b"index x")),
        (data[6], proof.replace(b"index 6\n", b"")),
        (data[6], proof.replace(b"@v1", b"@v2")),
        (data[6], proof.replace(b"=\n", b"\n", 1)),
        (data[6], proof.replace(b"tlog", b"\xfflog")),
        (data[6], proof.split(b"\n\n")[0]),
        (data[6], b""),
    ):
        assert check(entry_data, proof_data) == 5
    assert run("proof", entry_file, tmp_path / "absent", "--vkey", VKEY) == 2


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "name",
        "name+00000000",
        "name+00000000+AQ==",
        VKEY.replace("+", "x", 1),
        VKEY.replace(VKEY.split("+")[1], "00000000"),
        VKEY.replace(VKEY.split("+")[1], VKEY.split("+")[1].upper()) + "=",
        "na me" + VKEY[VKEY.index("+") :],
    ],
)
def test_malformed_verifier_keys(bad: str) -> None:
    with pytest.raises(VerificationError):
        verify.parse_vkey(bad)


@pytest.mark.parametrize(
    "bad",
    [
        b"text\n\n\xe2\x80\x94 name\n",
        b"text\n\n\xe2\x80\x94 name AAAA\n",
        b"text\n\n\xe2\x80\x94 name AAAAAAA=\n\n",
        b"text\n\n\xe2\x80\x94 name A*AAAAAA\n",
        b"text\n\n- name AAAAAAAA\n",
        b"text\n\n\xe2\x80\x94 na+me AAAAAAAA\n",
        b"text\n\n\xe2\x80\x94  AAAAAAAA\n",
        b"text\n\n",
        b"text",
        b"\n\n",
        b"",
    ],
)
def test_malformed_notes(bad: bytes) -> None:
    with pytest.raises(VerificationError):
        verify.open_note(bad, [verify.parse_vkey(VKEY)])


def test_the_file_alone_is_enough(tmp_path: Path) -> None:
    """Copied elsewhere and run in isolated mode, it needs nothing of the vault."""
    source = Path(verify.__file__)
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source.read_text("utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported - {"cryptography", "__future__"} <= sys.stdlib_module_names
    script = shutil.copy(source, tmp_path / "verify.py")
    folder = export(tmp_path / "log", entries(3))
    command = [sys.executable, "-I", script, "log", folder, "--vkey", VKEY]
    good = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith(f"verified: {ORIGIN} 3 ")
    export(folder, entries(2), signed(entries(3)))
    bad = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert bad.returncode == 5
