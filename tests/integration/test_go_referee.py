"""A referee that nobody here wrote: Go's golang.org/x/mod accepts our checkpoints and proofs, and refuses altered ones.

It needs the Go compiler and that module's source, as Debian's golang-go and golang-golang-x-mod-dev install them.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.erasures import Case, MemoryLog, destroyed, signer, unpacked

from vault.audit import merkle, verify
from vault.audit.note import Checkpoint, sign_note

SOURCE = Path(__file__).resolve().parents[1] / "support" / "referee" / "main.go"
LIBRARY = Path("/usr/share/gocode")
MODULE = LIBRARY / "src/golang.org/x/mod/sumdb/tlog"
Claim = dict[str, Any]


@pytest.fixture(scope="module")
def referee(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[Claim]], list[str]]:
    compiler = shutil.which("go")
    if compiler is None or not MODULE.is_dir():
        pytest.skip("Go with golang.org/x/mod is not here (Debian: golang-go, golang-golang-x-mod-dev)")
    place = tmp_path_factory.mktemp("go")
    program = place / "referee"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GO")},
        "GO111MODULE": "off",
        "GOPATH": str(LIBRARY),
        "GOCACHE": str(place / "cache"),
        "GOFLAGS": "-p=2",
    }
    built = subprocess.run(
        [compiler, "build", "-o", program, SOURCE],
        env=environment,
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr

    def ask(claims: list[Claim]) -> list[str]:
        told = subprocess.run(
            [program], input=json.dumps(claims), capture_output=True, text=True, check=False
        )
        assert (told.returncode, told.stderr) == (0, "")
        return told.stdout.splitlines()

    return ask


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def claim(size: int, sizes: list[int], indexes: list[int]) -> Claim:
    log = MemoryLog()
    log.reads(size)
    whole = merkle.Tree(map(merkle.leaf_hash, log.entries))

    def signed(count: int) -> str:
        return sign_note(Checkpoint(log.origin, count, whole.root(count)), [log.key]).decode()

    return {
        "vkey": log.vkeys()[0],
        "note": signed(size),
        "inclusion": [
            {"index": at, "entry": text(log.entries[at]), "path": [*map(text, whole.inclusion(at))]}
            for at in indexes
        ],
        "older": [{"note": signed(n), "path": [*map(text, whole.consistency(n))]} for n in sizes],
    }


def in_certificate(case: Case) -> Claim:
    """What a certificate proves, as the referee takes it."""
    bundle, statement = unpacked(case.build())
    proofs, leaves = bundle["proofs"], statement["predicate"]["log"]["leaves"]
    items = [(proofs[role], leaves[role]) for role in ("request", "probe", "state_before", "state_after")]
    items += [
        pair for role in ("tombstones", "epochs") for pair in zip(proofs[role], leaves[role], strict=True)
    ]
    return {
        "vkey": case.log.vkeys()[0],
        "note": proofs["checkpoint"],
        "inclusion": [
            {
                "index": index,
                "entry": leaf["entry"],
                "path": [*map(text, verify.parse_proof(leaf["proof"].encode())[1])],
            }
            for leaf, index in items
        ],
        "older": [{"note": proofs["before"], "path": proofs["consistency"]}],
    }


def test_go_accepts_our_checkpoints_and_proofs(referee: Callable[[list[Claim]], list[str]]) -> None:
    claims = [
        claim(1, [1], [0]),
        claim(637, [1, 2, 255, 256, 512, 636, 637], [0, 1, 255, 256, 511, 512, 636]),
    ]
    claims += [claim(size, list(range(1, size + 1)), list(range(size))) for size in (2, 3, 7, 8, 9, 33)]
    claims.append(in_certificate(destroyed()))
    assert referee(claims) == ["accepted"] * len(claims)


def flipped(value: str) -> str:
    data = bytearray(base64.b64decode(value))
    data[0] ^= 1
    return text(bytes(data))


def test_go_refuses_altered_ones(referee: Callable[[list[Claim]], list[str]]) -> None:
    good = in_certificate(destroyed())
    altered: list[Claim] = []

    def alter(change: Callable[[Claim], object]) -> None:
        one = copy.deepcopy(good)
        change(one)
        altered.append(one)

    alter(lambda c: c["inclusion"][0].update(index=c["inclusion"][0]["index"] + 1))
    alter(lambda c: c["inclusion"][0].update(entry=flipped(c["inclusion"][0]["entry"])))
    alter(lambda c: c["inclusion"][0]["path"].append(flipped(c["inclusion"][0]["path"].pop())))
    alter(lambda c: c["inclusion"][0]["path"].pop())
    alter(lambda c: c["older"][0]["path"].append(flipped(c["older"][0]["path"].pop())))
    alter(lambda c: c["older"][0].update(path=[]))
    alter(lambda c: c.update(note=c["note"].replace("\n12\n", "\n13\n")))
    alter(lambda c: c.update(vkey=MemoryLog(key=signer(9)).vkeys()[0]))
    alter(lambda c: c.update(vkey=MemoryLog(b"u" * 16).vkeys()[0]))
    answers = referee([good, *altered])
    assert answers[0] == "accepted"
    assert all(answer.startswith("refused: ") for answer in answers[1:])
    assert len(answers) == 10
