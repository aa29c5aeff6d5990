"""What being observed costs: `python -m benchmarks.observe [--memories 2000] [--rounds 8]`.

Vaults that differ in their configuration alone, in one process, each operation on all of them before the next, the
first one changing: so load from elsewhere meets all alike. `off` has nobody listening; `off again` says how much of a
ratio is noise. Lines go to a file as JSON, spans and metrics to a receiver in a process of its own. `median` compares
the middle call by the clock, `total` all the time that calls took, `cpu` the processor time of the calling thread, to
which other load on the machine matters least. `sending_us` is the processor time of the threads that send, per call.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean, median
from typing import Any, Final, NamedTuple

from benchmarks.facts import Fact, facts
from benchmarks.systems import fresh_folder
from benchmarks.timing import machine
from vault import Principal, Session, Vault, compose
from vault.config import LogsConfig, OtelConfig
from vault.observe import handler

RECEIVER: Final = """
import http.server, time
class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        if self.path.startswith("/hangs"):
            time.sleep(3600)
        self.send_response(500 if self.path.startswith("/fails") else 200)
        self.send_header("content-length", "0")
        self.end_headers()
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
"""
USER: Final = "pat-1"


def configurations(port: int) -> dict[str, tuple[LogsConfig, OtelConfig]]:
    endpoint = f"http://127.0.0.1:{port}"
    off = LogsConfig(level="off")
    return {
        "off": (off, OtelConfig()),
        "off again": (off, OtelConfig()),
        "logs": (LogsConfig(level="info"), OtelConfig()),
        "logs, traces": (LogsConfig(level="info"), OtelConfig(endpoint=endpoint, metrics=False)),
        "logs, traces, metrics": (LogsConfig(level="info"), OtelConfig(endpoint=endpoint)),
        "a receiver that hangs": (LogsConfig(level="info"), OtelConfig(endpoint=f"{endpoint}/hangs")),
        "a receiver that answers 500": (LogsConfig(level="info"), OtelConfig(endpoint=f"{endpoint}/fails")),
    }


def opened(folder: Path, logs: LogsConfig, otel: OtelConfig, known: list[Fact]) -> tuple[Vault, Session]:
    config = compose.default_config(folder / "vault", key_folder=str(folder / "keys"), backup="none")
    compose.create(folder / "vault", config.model_copy(update={"logs": logs, "otel": otel}))
    vault = Vault.open(folder / "vault")
    session = vault.session(Principal("clinic", "bench", ("app",)), purpose="service")
    session.add_many([{"content": fact.text, "user_id": USER} for fact in known])
    return vault, session


class Took(NamedTuple):
    """How long one call took."""

    clock: float
    cpu: float


Act = Callable[[Session, Fact], object]
ACTS: Final[dict[str, Act]] = {
    "search": lambda session, fact: session.search(fact.question, user_id=USER),
    "add": lambda session, fact: session.add(fact.text, user_id=USER),
}


def measure(
    sessions: dict[str, Session], act: Act, given: list[Fact], rounds: int
) -> dict[str, list[list[Took]]]:
    """Seconds of each call, by the clock and by the processor, by configuration and round."""
    found: dict[str, list[list[Took]]] = {name: [] for name in sessions}
    order = list(sessions)
    for _ in range(rounds):
        for name in order:
            found[name].append([])
        gc.collect()
        for fact in given:
            order = [*order[1:], order[0]] if random.random() < 0.5 else random.sample(order, len(order))
            for name in order:
                began, worked = time.perf_counter(), time.thread_time()
                act(sessions[name], fact)
                found[name][-1].append(Took(time.perf_counter() - began, time.thread_time() - worked))
    return found


def ratios(found: dict[str, list[list[Took]]]) -> dict[str, dict[str, float]]:
    """Each configuration against `off`: the middle of the rounds' ratios."""

    def against(of: list[list[Took]], figure: Callable[[list[Took]], float]) -> float:
        return round(median(figure(a) / figure(b) for a, b in zip(of, found["off"], strict=True)), 3)

    return {
        name: {
            "median": against(of, lambda part: median(one.clock for one in part)),
            "total": against(of, lambda part: mean(one.clock for one in part)),
            "cpu": against(of, lambda part: median(one.cpu for one in part)),
            "p50_ms": round(1e3 * median(one.clock for part in of for one in part), 3),
            "cpu_p50_ms": round(1e3 * median(one.cpu for part in of for one in part), 3),
        }
        for name, of in found.items()
    }


def run(memories: int, calls: int, rounds: int, log: Path | None) -> dict[str, Any]:
    folder = fresh_folder("observe", None)
    known = list(facts(memories + 2 * calls))
    lines = (log or folder / "lines.jsonl").open("w", encoding="utf-8")
    logging.getLogger("memvault").addHandler(handler("json", lines))
    pairs: dict[str, tuple[Vault, Session]] = {}
    receiver = subprocess.Popen([sys.executable, "-c", RECEIVER], stdout=subprocess.PIPE, text=True)
    try:
        assert receiver.stdout is not None
        port = int(receiver.stdout.readline())
        for number, (name, (logs, otel)) in enumerate(configurations(port).items()):
            pairs[name] = opened(folder / str(number), logs, otel, known[:memories])
        sessions = {name: session for name, (_, session) in pairs.items()}
        answers: dict[str, Any] = {}
        for what, act in ACTS.items():
            given = known[memories : memories + calls]
            measure(sessions, act, given[:20], 1)  # warm
            before = time.process_time() - time.thread_time()
            answers[what] = ratios(measure(sessions, act, given, rounds))
            others = time.process_time() - time.thread_time() - before
            told = 4 * calls * rounds  # four of the configurations send
            answers[what]["sending_us"] = round(1e6 * others / told, 1)
        return {"memories": memories, "calls": calls, "rounds": rounds, **machine(), **answers}
    finally:
        for vault, _ in pairs.values():
            vault.close()
        receiver.terminate()
        receiver.wait()
        lines.close()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--memories", type=int, default=2_000)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--log", type=Path, default=None, help="where lines go; default: beside the vaults")
    asked = parser.parse_args()
    print(json.dumps(run(asked.memories, asked.calls, asked.rounds, asked.log), indent=2))


if __name__ == "__main__":
    main()
