"""What checking evidence costs: `python -m benchmarks.verifier [--entries 1000000]`.

A log of so many entries, signed every thousand, with one erasure near its end, is written as a bundle and certified.
The stand-alone verifier then runs on both in processes of its own, as an auditor would run it.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import shutil
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

from benchmarks.systems import fresh_folder
from benchmarks.timing import machine
from vault.audit import certificate, certified, evidence, merkle, nonmembership, proofs, verify
from vault.audit.events import entry
from vault.audit.log import Event
from vault.audit.note import Checkpoint, sign_note, vkey
from vault.crypto.primitives import SecretKey, SigningKey
from vault.types import Destruction

ENTRIES: Final = 1_000_000
SIGNED: Final = 1_000  # entries between two checkpoints
KEYS: Final = 10_000  # data keys in the keystore
TID: Final = b"\x07" * 16
PACK: Final = hashlib.sha256(b"a pack").hexdigest()
PEAK: Final = """
import pathlib, resource, runpy, sys
sys.argv = sys.argv[1:]
code = 0
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as left:
    code = left.code
status = pathlib.Path("/proc/self/status")  # ru_maxrss remembers what the parent held
if status.exists():
    peak = int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
sys.stderr.write(str(peak))
sys.exit(code)
"""


@dataclass(frozen=True, slots=True)
class Row:
    seq: int
    entry: bytes
    s: int | None = None
    mac: bytes = b""
    detail: bytes | None = None


class Log:
    """Entries in a file, their tree and the openings of the vault's own: what a store and a tenant's log give."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._ends = array("Q")
        self._openings: dict[int, tuple[bytes, bytes]] = {}
        self._heads: list[tuple[int, bytes, bytes]] = []
        self._key = SigningKey.from_seed(SecretKey(bytearray(range(32))))
        self._at = datetime.now(UTC) - timedelta(days=400)
        self.tree = merkle.Tree()
        self.origin = f"memvault/t/{TID.hex()}"

    def append(self, event: Event) -> int:
        seq, self._at = len(self._ends), self._at + timedelta(seconds=1)
        commitment = b""
        if event.detail is not None:
            detail = json.dumps({"actor": event.actor, **event.detail}, separators=(",", ":")).encode()
            blind = hashlib.sha256(seq.to_bytes(8, "big")).digest()
            commitment = hmac.digest(blind, detail, "sha256")
            self._openings[seq] = blind, detail
        data = entry(
            event.action,
            log=TID,
            seq=seq,
            at=self._at,
            purpose=event.purpose,
            actor=b"a" * 16,
            subject=b"s" * 16,
            obj=b"o" * 16,
            count=event.count,
            salt=seq.to_bytes(16, "big"),
            commitment=commitment or b"c" * 32,
            pack=PACK[:16],
        )
        self._file.write(data)
        self._ends.append(len(data) + (self._ends[-1] if self._ends else 0))
        self.tree.append(merkle.leaf_hash(data))
        return seq

    def sign(self, leaves: Sequence[bytes], epoch: int) -> None:
        root = merkle.root([merkle.leaf_hash(leaf) for leaf in leaves]).hex()
        detail = {"keystore": root, "epoch": epoch, "memories": 1, "records": "00" * 32}
        self.append(Event("state", "system", "memvault", detail=detail))
        head = Checkpoint(self.origin, self.tree.size, self.tree.root())
        self._heads.append((head.size, sign_note(head, [self._key]), b""))

    def grow(self, size: int, leaves: Sequence[bytes]) -> None:
        """Reads until there are `size` entries, signed every thousand."""
        read = Event("memory.search", "service", "intake-bot")
        while self.tree.size < size - 1:
            if self.tree.size % SIGNED == SIGNED - 1:
                self.sign(leaves, 1)
            else:
                self.append(read)
        self.sign(leaves, 1)

    def signers(self) -> list[SigningKey]:
        return [self._key]

    # what `gather` and `evidence.build` ask for

    def vkeys(self) -> list[str]:
        return [vkey(self.origin, self._key.public_bytes())]

    def opening(self, row: Any) -> tuple[bytes, bytes]:
        return self._openings[row.seq]

    @contextmanager
    def reading(self) -> Iterator[None]:
        yield

    def log(self, start: int = 0, end: int | None = None) -> Iterator[Row]:
        last = len(self._ends) if end is None else end
        at = self._ends[start - 1] if start else 0
        self._file.seek(at)
        for seq in range(start, last):
            yield Row(seq, self._file.read(self._ends[seq] - at))
            at = self._ends[seq]

    def checkpoints(self) -> list[tuple[int, bytes, bytes]]:
        return self._heads

    def last_checkpoint(self) -> tuple[int, bytes, bytes] | None:
        return self._heads[-1]


def erase(log: Log, kids: Sequence[bytes]) -> tuple[certificate.ErasureFacts, dict[str, Any]]:
    """One person's erasure as the last that happens; the facts, and what the proofs are gathered from."""
    gone, left = [(kids[0], 1)], [(kid, 1) for kid in kids[1:]]
    before, after = (
        [nonmembership.LOWEST, *sorted(map(nonmembership.key_leaf, keys)), nonmembership.HIGHEST]
        for keys in ([*gone, *left], left)
    )
    request, erasure = "1" * 32, "2" * 32
    people = [certified.commit(bytes(32), "user", "pat-42")]
    found: dict[str, Any] = {
        "request": log.append(
            certified.requested(request, "subject", "gdpr.17.1.b", purpose="rights-request")
        ),
        "tombstones": [
            log.append(certified.tombstone(request, erasure, gone, people, purpose="rights-request"))
        ],
    }
    erased = datetime.fromisoformat(log_time(log))
    end = Destruction(1, "destroyed", erased, "the device refuses the key's handle")
    found["epochs"] = [log.append(certified.epoch_destroyed(end, "pkcs11", [2], purpose="operations"))]
    probe = certified.Probe("1", pages=10_000, frames=0, files=12, needles=40, hits=0)
    counts = [certified.Count("memories", 12, 0)]
    found["probe"] = log.append(certified.probed(request, probe, counts, purpose="rights-request"))
    log.sign(after, 2)
    found["keys_before"] = nonmembership.prove_present(before, gone)
    found["keys_after"] = nonmembership.prove_absent(after, gone)
    facts = certificate.ErasureFacts(
        live_erased=erased,
        issued=datetime.now(UTC),
        policy=certificate.PolicyRef("baseline", "1", PACK),
        software="benchmark",
    )
    return facts, found


def log_time(log: Log) -> str:
    """The time of the newest entry."""
    (row,) = log.log(log.tree.size - 1)
    return str(json.loads(row.entry)["t"])


def timed(name: str, call: Callable[[], Any], table: dict[str, float]) -> Any:
    started = time.perf_counter()
    result = call()
    table[name] = time.perf_counter() - started
    return result


def bundle(log: Log, sink: evidence.Sink, data: bytes) -> evidence.Summary:
    return evidence.build(log, log, sink, certificates=[data], software="benchmark", at=datetime.now(UTC))


def alone(table: dict[str, float], name: str, *words: object) -> None:
    """The verifier in a process of its own: seconds, and peak of resident memory."""
    command = [sys.executable, "-I", "-c", PEAK, verify.__file__, *map(str, words)]
    done = timed(name, lambda: subprocess.run(command, capture_output=True, text=True, check=False), table)
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr}")
    table[f"{name}, peak MB"] = int(done.stderr) / 1e6


def measure(folder: Path, entries: int) -> dict[str, float]:
    """Seconds of each step, sizes and peaks in MB."""
    table: dict[str, float] = {}
    kids = [hashlib.sha256(b"kid %d" % n).digest()[:16] for n in range(KEYS)]
    leaves = [
        nonmembership.LOWEST,
        *sorted(nonmembership.key_leaf((kid, 1)) for kid in kids),
        nonmembership.HIGHEST,
    ]
    with (folder / "entries").open("w+b") as file:
        log = Log(file)
        log.grow(entries - 6, [nonmembership.LOWEST, nonmembership.HIGHEST])
        log.sign(leaves, 1)
        facts, found = erase(log, kids)
        gathered = timed("gather proofs", lambda: proofs.gather(log, log, **found), table)
        data = timed("build certificate", lambda: certificate.build(facts, gathered, log.signers()), table)
        for name in ("evidence", "evidence.zip"):
            with evidence.writing(folder / name) as sink:
                made = timed(f"build {name}", partial(bundle, log, sink, data), table)
        table["entries"], table["evidence MB"] = made.entries, made.bytes / 1e6
        table["evidence.zip MB"] = (folder / "evidence.zip").stat().st_size / 1e6
        table["certificate MB"] = len(data) / 1e6
        keys, kept = folder / "keys.txt", folder / "kept"
        keys.write_text(log.vkeys()[0])
        kept.write_bytes(log.checkpoints()[0][1])
    certificate_file = folder / "certificate.json"
    certificate_file.write_bytes(data)
    alone(table, "verify certificate", "certificate", certificate_file, "--vkey", keys)
    for name in ("evidence", "evidence.zip"):
        alone(table, f"verify {name}", "evidence", folder / name, "--vkey", keys, "--since", kept)
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--folder", type=Path, help="where the temporary folder goes")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    folder = fresh_folder("verifier", options.folder)
    try:
        table = measure(folder, options.entries)
    finally:
        shutil.rmtree(folder)
    if options.json:
        print(json.dumps({"machine": machine(), **table}, indent=2))
        return 0
    print(machine())
    for name, value in table.items():
        print(f"{name:32} {value:12,.2f}" if isinstance(value, float) else f"{name:32} {value:12,}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
