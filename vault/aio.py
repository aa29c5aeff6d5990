"""`AsyncVault` and `AsyncSession`: the same methods, run in worker threads.

A cancelled await does not stop the thread: "timeout means unknown". Writes are all or nothing, so repeat one with its
`idempotency_key` to learn what became of it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar

from vault.exports import Exports
from vault.rights import Holds, Request, Requests
from vault.session import PathLike, Session, Vault
from vault.subjects import Subjects
from vault.types import Principal

if TYPE_CHECKING:
    from vault.admin import Admin
    from vault.index.rerank import Reranker

_P = ParamSpec("_P")
_R = TypeVar("_R")


async def _in_thread(call: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
    import asyncio  # half of what `import vault` would take; who awaits has it loaded

    return await asyncio.to_thread(call, *args, **kwargs)


def _lift(method: Callable[Concatenate[Any, _P], _R]) -> Callable[Concatenate[Any, _P], Awaitable[_R]]:
    """The same call in a worker thread; signature and docstring are the sync method's."""

    @wraps(method)
    async def lifted(self: Any, *args: _P.args, **kwargs: _P.kwargs) -> _R:
        return await _in_thread(method, self.sync, *args, **kwargs)

    return lifted  # type: ignore[return-value]


class AsyncSession:
    """`Session` for asyncio; `sync` is the session underneath."""

    def __init__(self, session: Session) -> None:
        self.sync = session

    add = _lift(Session.add)
    add_many = _lift(Session.add_many)
    search = _lift(Session.search)
    get = _lift(Session.get)
    list = _lift(Session.list)
    update = _lift(Session.update)
    delete = _lift(Session.delete)
    delete_all = _lift(Session.delete_all)
    history = _lift(Session.history)
    reveal = _lift(Session.reveal)

    @property
    def requests(self) -> AsyncRequests:
        """`Session.requests`, its calls in worker threads."""
        return AsyncRequests(self.sync.requests)

    @property
    def holds(self) -> AsyncHolds:
        """`Session.holds`, its calls in worker threads."""
        return AsyncHolds(self.sync.holds)

    @property
    def subjects(self) -> AsyncSubjects:
        """`Session.subjects`, its calls in worker threads."""
        return AsyncSubjects(self.sync.subjects)

    @property
    def exports(self) -> AsyncExports:
        """`Session.exports`, its calls in worker threads."""
        return AsyncExports(self.sync.exports)


class AsyncSubjects:
    """`Subjects` for asyncio; `sync` is the object underneath."""

    def __init__(self, subjects: Subjects) -> None:
        self.sync = subjects

    rename = _lift(Subjects.rename)
    merge = _lift(Subjects.merge)
    aliases = _lift(Subjects.aliases)
    add_alias = _lift(Subjects.add_alias)
    remove_alias = _lift(Subjects.remove_alias)
    search = _lift(Subjects.search)
    find_mentions = _lift(Subjects.find_mentions)
    redact_mentions = _lift(Subjects.redact_mentions)


class AsyncExports:
    """`Exports` for asyncio; `sync` is the object underneath."""

    def __init__(self, exports: Exports) -> None:
        self.sync = exports

    preview = _lift(Exports.preview)
    run = _lift(Exports.run)


class AsyncRequest:
    """`Request` for asyncio; `sync` is the request underneath."""

    def __init__(self, request: Request) -> None:
        self.sync = request
        self.id = request.id

    info = _lift(Request.info)
    preview = _lift(Request.preview)
    approve = _lift(Request.approve)
    run = _lift(Request.run)
    certificate = _lift(Request.certificate)
    cancel = _lift(Request.cancel)


class AsyncRequests:
    """`Requests` for asyncio; `sync` is the object underneath."""

    def __init__(self, requests: Requests) -> None:
        self.sync = requests

    def get(self, request_id: str) -> AsyncRequest:
        """A request by its id; it is looked for when it is used. InvalidInputError for what cannot be an id."""
        return AsyncRequest(self.sync.get(request_id))

    async def open(
        self,
        *,
        type: str = "erasure",  # noqa: A002 - as `Requests.open` has it
        ground: str,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        memory_ids: Sequence[str] | None = None,
        tenant: bool = False,
        expired: bool = False,
    ) -> AsyncRequest:
        made = await _in_thread(
            self.sync.open,
            type=type,
            ground=ground,
            user_id=user_id,
            agent_id=agent_id,
            app_id=app_id,
            run_id=run_id,
            memory_ids=memory_ids,
            tenant=tenant,
            expired=expired,
        )
        return AsyncRequest(made)

    open.__doc__ = Requests.open.__doc__  # noqa: A003 - the method above
    list = _lift(Requests.list)
    roll = _lift(Requests.roll)


class AsyncHolds:
    """`Holds` for asyncio; `sync` is the object underneath."""

    def __init__(self, holds: Holds) -> None:
        self.sync = holds

    place = _lift(Holds.place)
    release = _lift(Holds.release)
    list = _lift(Holds.list)


class AsyncVault:
    """`Vault` for asyncio; `sync` is the vault underneath."""

    def __init__(self, vault: Vault) -> None:
        self.sync = vault

    @classmethod
    async def open(cls, path: PathLike, *, reranker: Reranker | None = None) -> AsyncVault:
        """`Vault.open` in a worker thread."""
        return cls(await _in_thread(Vault.open, path, reranker=reranker))

    async def session(
        self, principal: Principal, *, purpose: str, user_id: str | None = None
    ) -> AsyncSession:
        """`Vault.session` in a worker thread: the first session of a tenant writes."""
        return AsyncSession(await _in_thread(self.sync.session, principal, purpose=purpose, user_id=user_id))

    def admin(self, principal: Principal, *, purpose: str = "operations") -> Admin:
        """Upkeep stays synchronous; run it in a thread of its own."""
        return self.sync.admin(principal, purpose=purpose)

    async def close(self) -> None:
        """`Vault.close` in a worker thread; idempotent."""
        await _in_thread(self.sync.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
