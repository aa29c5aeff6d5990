"""What forgetting costs: `python -m benchmarks.erasure [--sizes 10000,100000] [--memories 100000]`.

A vault with so many subjects of one memory each. Live erasure is what a person waits for: from the preview to the
answer that they are unreadable in every process. The roll then makes all of it unreadable in backups; its time is the
time in which nobody else works. Backup and restore are those of the data with so many memories, and of the keystore.
With `--module`, `--token` and `--pin` the root key is on a token.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from benchmarks.facts import facts
from benchmarks.systems import fresh_folder
from benchmarks.timing import Samples, machine
from vault import Principal, Vault

SIZES: Final = "10000,100000"
ERASED: Final = 50
PARTLY: Final = 10  # of these one memory goes, and the roll seals the rest anew
BATCH: Final = 1_000
OPERATOR: Final = Principal("clinic", "op", ("operator",))


def init(folder: Path, token: dict[str, Any]) -> Vault:
    """A new vault on a key file or, where it is named, on a token."""
    if token:
        return Vault.init(folder / "vault", keystore_backup=folder / "copies", **token)
    return Vault.init(folder / "vault", key_folder=folder / "keys", keystore_backup=folder / "copies")


def fill(vault: Vault, subjects: int, memories: int) -> None:
    """Memories spread over the subjects; the first few have two at least."""
    app = vault.session(Principal("clinic", "intake-bot", ("app",)), purpose="service")
    told = facts(memories, personal=0.2)
    app.add_many(
        ({"content": fact.text, "user_id": f"pat-{n % subjects}"} for n, fact in enumerate(told)), batch=BATCH
    )
    app.add_many(
        ({"content": f"Prefers tea {n}", "user_id": f"pat-{n}"} for n in range(ERASED + PARTLY)), batch=BATCH
    )


def seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def erasures(vault: Vault) -> tuple[dict[str, float], float, float]:
    """Live erasure of 50 people, one after the other; a certificate before the roll; the roll."""
    officer = vault.session(Principal("clinic", "officer", ("privacy",)), purpose="rights-request")
    app = vault.session(Principal("clinic", "intake-bot", ("app",)), purpose="service")
    samples = Samples()
    samples.next_round()
    for n in range(ERASED):
        request = officer.requests.open(ground="gdpr.17.1.b", user_id=f"pat-{n}")
        request.preview()
        samples.time(partial(request.run, roll=False))
    for n in range(ERASED, ERASED + PARTLY):
        one = app.list(user_id=f"pat-{n}", limit=1).memories[0]
        request = officer.requests.open(ground="gdpr.17.1.a", memory_ids=[one.id])
        request.preview()
        request.run(roll=False)
    certificate = seconds(request.certificate)
    return samples.figures(), certificate, seconds(lambda: officer.requests.roll(force=True))


def forgetting(subjects: int, token: dict[str, Any]) -> dict[str, Any]:
    """One vault with so many subjects."""
    folder = fresh_folder("erasure", None)
    try:
        with init(folder, token) as vault:
            fill(vault, subjects, subjects)
            live, certificate, roll = erasures(vault)
        return {"subjects": subjects, "live": live, "certificate_s": certificate, "roll_s": roll}
    finally:
        shutil.rmtree(folder)


def backups(memories: int, token: dict[str, Any]) -> dict[str, float]:
    """Backup, verification and restore of the data, and of the keystore."""
    folder = fresh_folder("backup", None)
    took: dict[str, float] = {}
    try:
        with init(folder, token) as vault:
            fill(vault, max(1, memories // 10), memories)
        made: dict[str, Path] = {}
        for kind in ("data", "keystore"):
            with Vault.open(folder / "vault") as vault:
                operator = vault.admin(OPERATOR)
                started = time.perf_counter()
                made[kind] = Path(operator.backup_create(kind, to=folder / f"backup-{kind}")["folder"])
                took[f"back up {kind}"] = time.perf_counter() - started
                started = time.perf_counter()
                operator.backup_verify(made[kind])
                took[f"verify {kind}"] = time.perf_counter() - started
        for kind, place in made.items():
            started = time.perf_counter()
            Vault.restore(folder / "vault", place, OPERATOR, kind=kind, execute=True)
            took[f"restore {kind}"] = time.perf_counter() - started
        size = sum(path.stat().st_size for path in made["data"].rglob("*") if path.is_file())
        return {**took, "megabytes of data": size / 1e6}
    finally:
        shutil.rmtree(folder)


def report(found: Sequence[dict[str, Any]], memories: int, took: dict[str, float]) -> str:
    """Two tables in Markdown."""
    facts_of = machine(["memvault", "sqlcipher3", "cryptography"])
    packages = ", ".join(f"{name} {version}" for name, version in facts_of["packages"].items())
    where = f"{facts_of['processor']}, {facts_of['cores']} cores, load {facts_of['load']}"
    lines = [
        f"{where}, Python {facts_of['python']}; {packages}",
        "",
        "| subjects | live erasure p50 | p95 | certificate | roll |",
        "|---|---|---|---|---|",
    ]
    for one in found:
        live = one["live"]
        lines.append(
            f"| {one['subjects']:,} | {live['p50_ms']:.1f} ms | {live['p95_ms']:.1f} ms"
            f" | {one['certificate_s']:.2f} s | {one['roll_s']:.2f} s |"
        )
    if took:
        lines += ["", f"| with {memories:,} memories | |", "|---|---|"]
        lines += [f"| {name} | {value:.1f}{'' if 'mega' in name else ' s'} |" for name, value in took.items()]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.erasure", description=__doc__)
    parser.add_argument("--sizes", default=SIZES, help="subjects of each vault, by commas")
    parser.add_argument(
        "--memories", type=int, default=100_000, help="of the vault that is backed up; 0: none"
    )
    parser.add_argument("--module", help="PKCS#11 module")
    parser.add_argument("--token", help="label of the token")
    parser.add_argument("--pin", help="env:NAME or file:PATH")
    asked = parser.parse_args(arguments)
    named = {"pkcs11_module": asked.module, "pkcs11_token": asked.token, "pkcs11_pin": asked.pin}
    token = {name: value for name, value in named.items() if value}
    found = [forgetting(int(size), token) for size in asked.sizes.split(",")]
    took = backups(asked.memories, token) if asked.memories else {}
    print(report(found, asked.memories, took))
    return 0


if __name__ == "__main__":
    sys.exit(main())
