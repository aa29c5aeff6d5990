"""An acknowledged write survives `kill -9` at any moment, in any of several writing processes, whole and logged."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from support.children import CLI, environment, start
from support.transcript import Check, Findings, Known, Transcript

from vault import Principal, Vault

WRITERS = 4
STARTUP_S = 30


class Writer:
    """A writing process and the lines it has said so far."""

    def __init__(self, folder: Path, slot: str, seed: int) -> None:
        self.lines: list[str] = []
        self.process = start("crash_worker", str(folder), slot, str(seed))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    def wait(self, lines: int) -> None:
        """Until it has said so much; a worker that ends by itself has failed."""
        deadline = time.monotonic() + STARTUP_S
        while len(self.lines) < lines:
            assert self.process.poll() is None, "a writer ended by itself"
            assert time.monotonic() < deadline, "a writer does not write"
            time.sleep(0.01)

    def kill(self) -> None:
        assert self.process.poll() is None, "a writer ended by itself"
        self.process.kill()
        self.process.wait()
        self._reader.join()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()


class CommandLine:
    """Real `memvault add` commands, one after the other, some killed at a random moment."""

    def __init__(self, folder: Path, slot: str, seed: int, transcript: Transcript) -> None:
        self.killed = 0
        self.failed: list[str] = []
        self._folder = folder
        self._slot = slot
        self._random = random.Random(seed)
        self._transcript = transcript
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            self._add(f"Visit {number} of {self._slot}: the patient asked about the tulips")

    def _add(self, text: str) -> None:
        user = f"{self._slot}-u"
        arguments = ["--vault", str(self._folder), "--tenant", "clinic", "--user", user, "--json"]
        command = [*CLI, *arguments, "add", text]
        process = subprocess.Popen(
            command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        patience = self._random.uniform(0.1, 0.8) if self._random.random() < 0.4 else STARTUP_S
        try:
            output, problem = process.communicate(timeout=patience)
        except subprocess.TimeoutExpired:
            process.kill()
            output, problem = process.communicate()
        if process.returncode == 0:
            (stored,) = json.loads(output)["memories"]
            self._transcript.known[stored["id"]] = Known(user, stored["text"])
            self._transcript.acknowledged += 1
            return
        self._transcript.announced({"doing": "add", "texts": [text], "users": [user], "group": [1]})
        if process.returncode < 0:
            self.killed += 1
        else:
            self.failed.append(problem)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


@dataclass(slots=True)
class Tally:
    """The table's numbers."""

    kills: int = 0
    commands_killed: int = 0
    acknowledged: int = 0
    lost: int = 0
    half_written: int = 0
    unlogged: int = 0
    verified: int = 0
    rounds: int = 0
    memories: int = 0
    entries: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, found: Findings) -> None:
        self.lost += len(found.lost)
        self.half_written += len(found.half)
        self.unlogged += len(found.unlogged)
        self.verified += 1
        self.memories, self.entries = found.memories, found.entries
        self.notes += [*found.lost, *found.half, *found.unlogged]

    def rows(self) -> Iterator[tuple[str, object]]:
        yield "writing processes at once, beside the command line", WRITERS
        yield "processes killed (SIGKILL)", self.kills
        yield "of these, commands", self.commands_killed
        yield "acknowledged writes", self.acknowledged
        yield "acknowledged writes lost", self.lost
        yield "writes half there", self.half_written
        yield "writes without their log entry", self.unlogged
        yield "openings after a kill that verified", f"{self.verified} of {self.rounds}"
        yield "memories at the end", self.memories
        yield "log entries at the end", self.entries


def one_round(folder: Path, number: int, everything: Transcript, tally: Tally) -> None:
    """Four writers and the command line; each writer is killed at a moment of its own, the first while it starts."""
    chance = random.Random(1_000 + number)
    transcript = Transcript()
    command_line = CommandLine(folder, f"c{number}", number, transcript)
    writers = [Writer(folder, f"w{number}-{i}", 10 * number + i) for i in range(WRITERS)]
    time.sleep(chance.uniform(0.0, 1.2))
    writers[0].kill()
    for writer in writers[1:]:
        writer.wait(3)
    for writer in chance.sample(writers[1:], len(writers) - 1):
        time.sleep(chance.uniform(0.0, 0.4))
        writer.kill()
    command_line.stop()
    assert not command_line.failed, command_line.failed
    for writer in writers:
        transcript.take(writer.lines)
    tally.kills += len(writers) + command_line.killed
    tally.commands_killed += command_line.killed
    tally.acknowledged += transcript.acknowledged
    tally.rounds += 1
    assert not transcript.complaints, transcript.complaints
    everything.known.update(transcript.known)
    everything.pending += transcript.pending


def kill_until(folder: Path, keys: Path, kills: int) -> Tally:
    """Rounds until so many processes were killed; the vault is opened and checked after each, all of it at the end."""
    Vault.init(folder, key_folder=keys).close()
    everything, tally = Transcript(), Tally()
    while tally.kills < kills:
        earlier = frozenset(everything.known)
        one_round(folder, tally.rounds, everything, tally)
        with Vault.open(folder) as vault:
            tally.add(Check(vault, everything).run(skip=earlier))
    with Vault.open(folder) as vault:
        final = Check(vault, everything).run()
        assert final.clean, final
    return tally


def table(tally: Tally) -> str:
    lines = ["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in tally.rows())]
    return "\n".join(lines)


def expect_nothing_lost(tally: Tally) -> None:
    print(table(tally))
    assert (tally.lost, tally.half_written, tally.unlogged) == (0, 0, 0), tally.notes
    assert tally.verified == tally.rounds
    assert tally.acknowledged > 10 * tally.rounds


@pytest.mark.slow
def test_twenty_kills(tmp_path: Path) -> None:
    expect_nothing_lost(kill_until(tmp_path / "vault", tmp_path / "keys", 20))


@pytest.mark.soak
def test_two_hundred_kills(tmp_path: Path) -> None:
    tally = kill_until(tmp_path / "vault", tmp_path / "keys", 200)
    expect_nothing_lost(tally)
    report("kill.md", "Killed while writing", table(tally))


def report(name: str, title: str, body: str, source: str = "test_kill.py") -> None:
    """Where `make soak` keeps its tables, with the commit they were measured on."""
    place = os.environ.get("MEMVAULT_SOAK_DIR")
    if place is None:
        return
    asked = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    commit = asked.stdout.strip() or "unknown"
    text = f"# {title}\n\nWritten by `make soak` on commit {commit}; `tests/crash/{source}`.\n\n{body}\n"
    (Path(place) / name).write_text(text, encoding="utf-8")


def test_the_check_can_fail(tmp_path: Path) -> None:
    """A transcript that says more than the vault holds is found out, for each kind of claim."""
    with Vault.init(tmp_path / "vault", key_folder=tmp_path / "keys") as vault:
        session = vault.session(Principal("clinic", "app", ("app",)), purpose="service")
        (kept,) = session.add("Visit 1 of w: the garden", user_id="u").memories
        (other,) = session.add("Visit 2 of w: the roses", user_id="u").memories
        honest = {kept.id: Known("u", kept.text), other.id: Known("u", other.text)}
        assert Check(vault, Transcript(dict(honest))).run().clean
        absent = kept.id.replace(kept.id[:8], "00000000")
        for claim, kind in (
            ({**honest, kept.id: Known("u", "another text")}, "lost"),
            ({**honest, kept.id: Known("u", kept.text, version=2)}, "lost"),
            ({**honest, kept.id: Known("u", kept.text, deleted=True)}, "lost"),
            ({**honest, absent: Known("u", "never stored")}, "lost"),
            ({kept.id: honest[kept.id]}, "half"),
        ):
            found = Check(vault, Transcript(dict(claim))).run()
            assert getattr(found, kind), (claim, kind)
        half = {"doing": "add", "texts": ["Visit 2 of w: the roses", "Visit 3 of w: x"], "group": [2]}
        found = Check(vault, Transcript({kept.id: honest[kept.id]}, [half])).run()
        assert found.half == ["a batch"]
