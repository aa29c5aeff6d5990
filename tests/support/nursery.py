"""Child processes in milliseconds: one process imports everything once and forks a child for each connection.

`python -m support.nursery SOCKET` listens; the first line of a connection names the work, the rest is between the child
and the test. Nothing of a vault is open in the process that forks.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any


class Child:
    """A forked process and the line-wise connection to it."""

    def __init__(self, place: Path, order: dict[str, Any]) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(place))
        self._stream: IO[str] = self._socket.makefile("rw", encoding="utf-8")
        self.say(order)
        self.pid: int = self.hear()

    def say(self, value: Any) -> None:
        self._stream.write(json.dumps(value) + "\n")
        self._stream.flush()

    def hear(self) -> Any:
        """The next line; None once the child is gone."""
        line = self._stream.readline()
        return json.loads(line) if line.endswith("\n") else None

    def end(self) -> list[Any]:
        """Nothing more is asked: waits for the child to end, and returns what it still said."""
        self._socket.shutdown(socket.SHUT_WR)
        said = []
        while (line := self.hear()) is not None:
            said.append(line)
        return said

    def gone(self) -> None:
        """Wait until a killed child is no more."""
        try:
            while self.hear() is not None:
                pass
        except ConnectionResetError:
            pass

    def close(self) -> None:
        self._stream.close()
        self._socket.close()


class Nursery:
    """The process that forks."""

    def __init__(self, place: Path) -> None:
        from support.children import environment

        self.place = place
        self._environment: dict[str, str] = {}
        command = [sys.executable, "-m", "support.nursery", str(place)]
        self._process = subprocess.Popen(command, env=environment())
        deadline = time.monotonic() + 30
        while not place.exists():
            assert self._process.poll() is None, "the nursery did not start"
            assert time.monotonic() < deadline, "the nursery did not start"
            time.sleep(0.01)

    def within(self, environment: dict[str, str]) -> Nursery:
        """The same process, whose children are given these variables as well."""
        other = copy.copy(self)
        other._environment = environment
        return other

    def child(self, **order: Any) -> Child:
        return Child(self.place, {"environment": self._environment, **order})

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


def main() -> None:
    import vault.compose
    import vault.flows.backups.backup
    import vault.flows.bulk
    import vault.flows.erasing.requests
    import vault.flows.listing
    import vault.flows.rotate
    import vault.flows.upkeep
    import vault.recovery  # noqa: F401 - imported before the first fork
    from support import backing, erasing, remote, steps
    from vault.embedding.static import StaticEmbedder
    from vault.policy.pack import load
    from vault.redaction.detect import BuiltinDetector

    # What is imported on first use is imported here, once; another user's child could not read it later.
    load("baseline")
    BuiltinDetector().detect("write to ana@example.org, +1 212-555-0187")
    StaticEmbedder().embed(["a text"])
    works = {
        "remote": remote.serve,
        "steps": steps.run,
        "erasing": erasing.serve,
        "backing": backing.serve,
    }
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended children need nobody
    place = Path(sys.argv[1])
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(place) + ".new")
    listener.listen(32)
    Path(str(place) + ".new").replace(place)
    while True:
        connection, _ = listener.accept()
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            listener.close()
            stream = connection.makefile("rw", encoding="utf-8")
            order = json.loads(stream.readline())
            os.environ.update(order.pop("environment"))
            stream.write(f"{os.getpid()}\n")
            stream.flush()
            try:
                works[order.pop("work")](stream, **order)
            finally:
                stream.flush()
                os._exit(0)
        connection.close()


if __name__ == "__main__":
    main()
