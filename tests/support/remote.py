"""A vault in another process, driven from a test: `Remote(nursery, folder).call("add", "a text", user_id="u")`."""

from __future__ import annotations

import json
import os
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from support.nursery import Nursery
from vault import Principal, Vault
from vault.errors import VaultError


class RemoteError(Exception):
    """The other process answered with an error; `code` is the vault's."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Remote:
    """One other process with an open vault, a session of tenant `clinic`, and an operator."""

    def __init__(self, nursery: Nursery, folder: Path, *, user: int | None = None) -> None:
        """With `user`, as that user of the system. Raises RemoteError where the vault does not open."""
        self._child = nursery.child(work="remote", folder=str(folder), user=user)
        try:
            assert self.finish() == "ready"
        except BaseException:
            self._child.end()
            self._child.close()
            raise

    def begin(self, method: str, *arguments: Any, **options: Any) -> None:
        """Start a call; `finish` waits for it."""
        self._child.say([method, arguments, options])

    def finish(self) -> Any:
        answer = self._child.hear()
        assert answer is not None, "the other process ended"
        if "code" in answer:
            raise RemoteError(answer["code"])
        assert "trace" not in answer, answer["trace"]
        return answer["result"]

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        self.begin(method, *arguments, **options)
        return self.finish()

    def close(self) -> None:
        """Let it close its vault and end. An error of that is raised here."""
        said = self._child.end()
        self._child.close()
        assert said == [{"result": "closed"}], said

    def kill(self) -> None:
        """SIGKILL, now."""
        os.kill(self._child.pid, signal.SIGKILL)
        self._child.gone()
        self._child.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Served:
    """The other side: what can be called beside the session's own methods."""

    def __init__(self, folder: str, answer: Callable[[dict[str, Any]], None]) -> None:
        self.vault = Vault.open(folder)
        self.answer = answer
        self.tenant("clinic")

    def tenant(self, name: str) -> None:
        """Enter a tenant, creating it where it is new."""
        self.session = self.vault.session(Principal(name, f"app-{os.getpid()}", ("app",)), purpose="service")
        self.operator = self.vault.admin(Principal(name, "operator", ("operator",)))

    def at(self, moment: float, method: str, *arguments: Any, **options: Any) -> Any:
        """Call at a moment of the system clock, to meet other processes."""
        time.sleep(max(0.0, moment - time.time()))
        return self.find(method)(*arguments, **options)

    def hold(self, until: str) -> str:
        """Keep the tenant's write lock, inside an empty transaction, until a file is there."""
        from vault.flows.context import Caller, calling

        caller = Caller(Principal("clinic", "holder", ("app",)), "service")
        with calling(self.vault._opened(), caller, "memory.add") as call, call.records.transaction():
            self.answer({"result": "holding"})
            while not Path(until).exists():
                time.sleep(0.01)
        return "held"

    def work(self, seconds: float, user: str) -> dict[str, Any]:
        """Add, update, search, list, get and delete for a while, at least ten times; keeps what must be there."""
        errors: Counter[str] = Counter()
        kept: dict[str, str] = {}
        done, number = 0, 0
        ends = time.monotonic() + seconds
        while time.monotonic() < ends or number < 10:
            number += 1
            text = f"Entry {number} of {user}: the garden and the roses, write to {user}.{number % 3}@example.org"
            try:
                (memory,) = self.session.add(text, user_id=user, agent_id="gardener").memories
                kept[memory.id] = memory.text
                if number % 3 == 0:
                    kept[memory.id] = self.session.update(memory.id, text + ", again").text
                if number % 5 == 0:
                    self.session.delete(memory.id)
                    del kept[memory.id]
                else:
                    hits = self.session.search(kept[memory.id], user_id=user, agent_id="gardener", limit=50)
                    listed = self.session.list(
                        user_id=user, agent_id="gardener", order="-created_at", limit=5
                    )
                    wrong = memory.id not in [hit.memory.id for hit in hits]
                    wrong |= memory.id not in [m.id for m in listed.memories]
                    wrong |= self.session.get(memory.id).text != kept[memory.id]
                    errors["unseen"] += wrong
                done += 1
            except VaultError as error:
                errors[error.code] += 1
        return {"done": done, "errors": {code: n for code, n in errors.items() if n}, "kept": kept}

    def limit_files(self, size: int) -> None:
        """Let no file of this process grow past `size` bytes; -1: any size."""
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size < 0 else size, hard))

    def add_until_refused(self, text: str, user: str) -> dict[str, Any]:
        """Write until the vault refuses: how many were stored, and the refusal's code."""
        for number in range(2_000):
            try:
                self.session.add(f"Entry {number}. {text}", user_id=user)
            except VaultError as error:
                return {"added": number, "code": error.code}
        return {"added": 2_000, "code": ""}

    def rotate(self, levels: list[str], times: int) -> int:
        for _ in range(times):
            for level in levels:
                self.operator.keys_rotate(level)
        return times * len(levels)

    def find(self, method: str) -> Callable[..., Any]:
        for place in (self, self.session, self.operator):
            found = getattr(place, method, None)
            if found is not None:
                return found  # type: ignore[no-any-return]
        raise AttributeError(method)


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return value


def serve(stream: IO[str], folder: str, user: int | None = None) -> None:
    """In the other process: answer calls until the connection ends, then close the vault."""

    def answer(value: dict[str, Any]) -> None:
        stream.write(json.dumps(value, default=lambda part: str(_plain(part))) + "\n")
        stream.flush()

    try:
        if user is not None:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
        served = Served(folder, answer)
    except VaultError as error:
        answer({"code": error.code})
        return
    except BaseException:  # noqa: BLE001 - whatever it is, the test must see it
        answer({"trace": traceback.format_exc()})
        return
    answer({"result": "ready"})
    for line in stream:
        method, arguments, options = json.loads(line)
        try:
            result = served.find(method)(*arguments, **options)
            parts = [_plain(part) for part in result] if isinstance(result, list) else _plain(result)
            answer({"result": parts})
        except VaultError as error:
            answer({"code": error.code})
        except BaseException:  # noqa: BLE001 - whatever it is, the test must see it
            answer({"trace": traceback.format_exc()})
    try:
        served.vault.close()
    except BaseException:  # noqa: BLE001 - whatever it is, the test must see it
        answer({"trace": traceback.format_exc()})
    else:
        answer({"result": "closed"})
