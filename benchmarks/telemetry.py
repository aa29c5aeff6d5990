"""What telemetry costs a call: `python -m benchmarks.telemetry [--seconds 60]`.

Vaults with telemetry off, and on towards a receiver that takes, hangs, resets, answers 500 or is not there, each in a
process of its own, take turns block by block. Each tries to send every second, which is 3,600 times as often as by
default. A second vault with telemetry off shows what is noise.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.facts import facts
from benchmarks.systems import Memvault, fresh_folder
from benchmarks.timing import Samples, machine
from vault import Principal, Vault

MODES: Final = ("takes", "hangs", "resets", "fails")
SYSTEMS: Final = ("off", "off again", *MODES, "nobody")
BLOCK: Final = 5
WARM: Final = 20
_SECTION: Final = """[telemetry]
enabled = true
endpoint = "{url}"
key = "phc_benchmark"
interval_s = 1
timeout_s = 5.0

"""


class _Warnings(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def serve(mode: str) -> None:
    """A receiver on a port that it prints; runs until it is ended."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            if mode == "hangs":
                threading.Event().wait()
            if mode == "resets":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                self.close_connection = True
                return
            self.send_response(200 if mode == "takes" else 500)
            self.send_header("content-length", "15")
            self.end_headers()
            self.wfile.write(b'{"status":"Ok"}')

        def log_message(self, *_: object) -> None:
            """Nothing on the screen."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    print(server.server_address[1], flush=True)
    server.serve_forever()


def _receiver(mode: str, stack: ExitStack) -> str:
    command = [sys.executable, "-m", "benchmarks.telemetry", "--serve", mode]
    process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(process.kill)
    assert process.stdout is not None
    return f"http://127.0.0.1:{int(process.stdout.readline())}"


def _vault(name: str, folder: Path, stack: ExitStack) -> Path:
    """A vault whose operator agreed; the configuration of those that are off says off."""
    place = folder / name.replace(" ", "-")
    with Vault.init(place, key_folder=folder / f"{place.name}-keys", keystore_backup="none") as vault:
        vault.admin(Principal("benchmark", "operator", ("operator",))).telemetry_enable()
    if not name.startswith("off"):
        url = _receiver(name, stack) if name in MODES else "http://127.0.0.1:9"
        path = place / "memvault.toml"
        head, _, tail = path.read_text().partition("[telemetry]")
        path.write_text(head + _SECTION.format(url=url) + tail[tail.index("[cli]") :])
    return place


def work(folder: Path) -> None:
    """One process with one vault: for each line of input a block of adds and searches, and how long each took."""
    warnings = _Warnings()
    logging.getLogger("memvault.telemetry").addHandler(warnings)
    logging.getLogger("memvault.telemetry").propagate = False
    system, known = Memvault(folder), facts(1_000_000)
    for line in sys.stdin:
        adds, searches = Samples([[]]), Samples([[]])
        for fact in (next(known) for _ in range(int(line))):
            adds.time(lambda fact=fact: system.add(fact))  # type: ignore[misc]
            searches.time(lambda fact=fact: system.search(fact))  # type: ignore[misc]
        said = {"adds": adds.all(), "searches": searches.all(), "warnings": warnings.count}
        print(json.dumps({**said, "threads": threading.active_count(), "mb": _resident_mb()}), flush=True)
    system.close()


def _resident_mb() -> float | None:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
    except OSError:
        return None


class Worker:
    """The other side of `work`."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        command = [sys.executable, "-m", "benchmarks.telemetry", "--work", str(folder)]
        self._process = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        self.adds, self.searches = Samples(), Samples()
        self.last: dict[str, Any] = {}
        self.first_mb: float | None = None

    def block(self, size: int, *, keep: bool = True) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{size}\n")
        self._process.stdin.flush()
        self.last = json.loads(self._process.stdout.readline())
        if keep:
            self.adds.rounds.append(self.last["adds"])
            self.searches.rounds.append(self.last["searches"])
        else:
            self.first_mb = self.last["mb"]


def measure(seconds: float) -> dict[str, Any]:
    """Medians of adds and searches of each vault, and their ratios to the one with telemetry off."""
    folder = fresh_folder("telemetry", None)
    try:
        with ExitStack() as stack:
            workers = {name: Worker(_vault(name, folder, stack), stack) for name in SYSTEMS}
            for worker in workers.values():
                worker.block(WARM, keep=False)
            until = time.monotonic() + seconds
            for turn in count():
                if time.monotonic() > until:
                    break
                start = turn % len(SYSTEMS)
                for name in (*SYSTEMS[start:], *SYSTEMS[:start]):
                    workers[name].block(BLOCK)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    off = workers["off"]
    return {
        "systems": {
            name: {
                "calls": len(worker.adds.all()),
                "add_p50_ms": worker.adds.figures()["p50_ms"],
                "add_ratio": _ratio(worker.adds, off.adds),
                "search_p50_ms": worker.searches.figures()["p50_ms"],
                "search_ratio": _ratio(worker.searches, off.searches),
                "warnings": worker.last["warnings"],
                "threads": worker.last["threads"],
                "mb_first": worker.first_mb,
                "mb_last": worker.last["mb"],
            }
            for name, worker in workers.items()
        },
        "seconds": seconds,
        "machine": machine(("posthog", "httpcore2")),
    }


def _ratio(on: Samples, off: Samples) -> float:
    """The ratio of the medians over the whole run."""
    return round(median(on.all()) / median(off.all()), 3)


def table(found: dict[str, Any]) -> str:
    names = (
        "add_p50_ms",
        "add_ratio",
        "search_p50_ms",
        "search_ratio",
        "warnings",
        "threads",
        "mb_first",
        "mb_last",
    )
    lines = [f"| telemetry | {' | '.join(names)} |".replace("_", " "), "|---" * (len(names) + 1) + "|"]
    for name, row in found["systems"].items():
        cells = (round(row[one], 3) if row[one] is not None else "" for one in names)
        lines.append(f"| {name} | " + " | ".join(str(cell) for cell in cells) + " |")
    calls = found["systems"]["off"]["calls"]
    lines += [
        "",
        f"{found['seconds']:.0f} s, {calls} adds and searches each, load {found['machine']['load']}",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=60, help="how long the vaults take turns")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--serve", choices=MODES, help=argparse.SUPPRESS)
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.serve is not None:
        serve(asked.serve)
    if asked.work is not None:
        work(asked.work)
    if asked.serve is not None or asked.work is not None:
        return 0
    found = measure(asked.seconds)
    print(json.dumps(found, indent=2) if asked.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
