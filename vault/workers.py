"""Detection and embedding in processes of their own, so that a bulk write uses every core; one process commits.

A worker is given a vault's configuration and texts, and no key: it opens no store. It answers with the planned
redactions and the vectors. Both sides speak over the worker's own pipes: a frame is its length (4 bytes, big-endian)
and JSON; after an answer's JSON come its vectors, float32. A worker ends when its input does. Nothing that it writes
elsewhere is kept: a traceback could hold a text.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final

import numpy as np

from vault import errors
from vault.compose import policy
from vault.config import VaultConfig
from vault.embedders import Embedders
from vault.embedding.interface import identity, model_id
from vault.errors import ConfigError, DetectorError, VaultError
from vault.flows.additions import Embedded
from vault.flows.context import Stages
from vault.flows.redact import Draft, Material, Redactor, Segments, preview
from vault.flows.vectors import embed_by
from vault.redaction.operators import Redacted

_LENGTH: Final = struct.Struct(">I")
_PACKAGE_PARENT: Final = Path(__file__).resolve().parents[1]

Groups = Sequence[Sequence[Material]]
Ready = list[tuple[Draft, Embedded]]


def of(folder: Path, stages: Stages) -> Workers | None:
    """As many as configured, or as there are cores; None where one process does it: alone, or told to ask a service."""
    count = stages.config.limits.workers or os.cpu_count() or 1
    if count == 1 or stages.embedder().address is not None:
        return None
    return Workers(folder, stages, count)


class Workers:
    """A pool for one bulk write; raises ConfigError where a worker would not detect and embed as this process does."""

    def __init__(self, folder: Path, stages: Stages, count: int) -> None:
        embedder = stages.embedder()
        named = identity(embedder)
        self._expected = _hello(stages.policy.digest, stages.detector.version, named, embedder.dimension)
        self._model = model_id(named)
        self._all: list[_Worker] = []
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="memvault-bulk")
        self.count = count
        path = os.pathsep.join(filter(None, (str(_PACKAGE_PARENT), os.environ.get("PYTHONPATH"))))
        try:
            for _ in range(count):
                worker = _Worker(folder, path)
                self._all.append(worker)
                self._idle.put(worker)
        except OSError:
            self.close()
            raise ConfigError(
                "bulk.workers", "no process can be started for a bulk write; set limits.workers to 1"
            ) from None

    def submit(self, groups: Groups) -> Future[Ready]:
        """Prepare the groups in the order of submission; a failure refuses all of them with one VaultError."""
        return self._threads.submit(self._run, groups)

    def close(self) -> None:
        """End every worker; what was submitted and not begun is dropped."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._all:
            worker.process.kill()
        self._threads.shutdown(wait=True)
        for worker in self._all:
            worker.close()

    def _run(self, groups: Groups) -> Ready:
        worker = self._idle.get()
        try:
            return self._exchange(worker, groups)
        except (OSError, EOFError, ValueError):
            worker.process.kill()
            raise DetectorError(
                "detector.worker", "a process that detects ended before it answered; its batch was not stored"
            ) from None
        finally:
            self._idle.put(worker)

    def _exchange(self, worker: _Worker, groups: Groups) -> Ready:
        if not worker.greeted:
            if _read(worker.answers) != self._expected:
                raise ConfigError(
                    "bulk.configuration",
                    "the configuration was changed since this vault was opened; open it again",
                )
            worker.greeted = True
        _write(worker.requests, [[[one.text, one.name, one.metadata] for one in group] for group in groups])
        answer = _read(worker.answers)
        if isinstance(answer, dict):
            raise _error(answer)
        members = [one for group in groups for one in group]
        drafts = [_draft(one, said) for one, said in zip(members, answer, strict=True)]
        shape = len(members), self._expected["dimension"]
        data = _exactly(worker.answers, 4 * shape[0] * shape[1])
        vectors = np.frombuffer(data, dtype="<f4").reshape(shape)
        return [
            (draft, Embedded(preview(draft), self._model, vector))
            for draft, vector in zip(drafts, vectors, strict=True)
        ]


class _Worker:
    """One process, and the pipes to it."""

    def __init__(self, folder: Path, path: str) -> None:
        (out, requests), (answers, back) = os.pipe(), os.pipe()
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vault.workers", str(folder.absolute())],
                stdin=out,
                stdout=back,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
            )
        finally:
            os.close(out)
            os.close(back)
        self.requests, self.answers = os.fdopen(requests, "wb"), os.fdopen(answers, "rb")
        self.greeted = False

    def close(self) -> None:
        """Once it was killed: forget it."""
        self.process.wait()
        for stream in (self.requests, self.answers):
            with suppress(OSError):  # what was not flushed has nobody to read it
                stream.close()


def main(folder: Path) -> None:
    """A worker: answers until its input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the process that commits
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a library prints is no frame
    config = VaultConfig.load(folder)
    pack, detector = policy(config, folder)
    embedders = Embedders(folder, config.embedder)
    embedder = embedders.configured
    redactor = Redactor(detector, pack)
    _write(answers, _hello(pack.digest, detector.version, identity(embedder), embedder.dimension))
    while True:
        try:
            groups = [[Material(*one) for one in group] for group in _read(requests)]
        except EOFError:
            return
        try:
            drafts = redactor.drafts(groups)
            made = embed_by(embedder, [preview(draft) for draft in drafts])
        except VaultError as error:
            _write(answers, {"error": type(error).__name__, "code": error.code, "message": error.message})
            continue
        vectors = np.asarray([one.vector for one in made], dtype="<f4")
        _write(answers, [_said(draft) for draft in drafts], vectors.tobytes())


def _hello(pack: str, detector: str, embedder: str, dimension: int) -> dict[str, Any]:
    """What must be the same on both sides."""
    return {"pack": pack, "detector": detector, "embedder": embedder, "dimension": dimension}


def _error(said: dict[str, Any]) -> VaultError:
    kinds = {kind.__name__: kind for kind in vars(errors).values() if isinstance(kind, type)}
    kind: type[VaultError] = kinds[said["error"]]
    return kind(said["code"], said["message"])


# --- frames ----------------------------------------------------------------------------------------------------------


def _write(stream: IO[bytes], value: object, more: bytes = b"") -> None:
    data = json.dumps(value).encode()
    stream.write(_LENGTH.pack(len(data)) + data + more)
    stream.flush()


def _read(stream: IO[bytes]) -> Any:
    return json.loads(_exactly(stream, _LENGTH.unpack(_exactly(stream, 4))[0]))


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _said(draft: Draft) -> list[Any]:
    name = None if draft.name is None else _plain(draft.name)
    planned = [(value, context, _plain(segments)) for (value, context), segments in draft.planned.items()]
    return [_plain(draft.text), name, planned]


def _draft(material: Material, said: list[Any]) -> Draft:
    text, name, planned = said
    return Draft(
        _segments(text),
        None if name is None else _segments(name),
        material.metadata or {},
        {(value, context): _segments(segments) for value, context, segments in planned},
    )


def _plain(segments: Segments) -> list[Any]:
    return [
        part if isinstance(part, str) else (part.entity, part.operator, part.original, part.replacement)
        for part in segments
    ]


def _segments(said: list[Any]) -> Segments:
    return [part if isinstance(part, str) else Redacted(*part) for part in said]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
