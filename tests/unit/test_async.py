"""`AsyncVault` and `AsyncSession`: the same methods, in threads; a cancelled await leaves a whole write or none."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from support.calls import Clock, operator, rows, session_of, staff, stages_of

from vault import AsyncSession, AsyncVault, Principal, Session, Vault
from vault.admin import Admin
from vault.aio import AsyncExports, AsyncHolds, AsyncRequest, AsyncRequests, AsyncSubjects
from vault.errors import (
    ConflictError,
    HeldError,
    InvalidInputError,
    NotFoundError,
    PurposeDeniedError,
    UnavailableError,
)
from vault.exports import Exports
from vault.rights import Holds, Request, Requests
from vault.subjects import Subjects

BOT = Principal("clinic", "intake-bot", ("app",))


def public(kind: type) -> dict[str, Any]:
    return {
        name: member for name, member in vars(kind).items() if not name.startswith("_") and callable(member)
    }


def parts(kind: type) -> set[str]:
    """The sub-objects of a session."""
    return {name for name, member in vars(kind).items() if isinstance(member, property)}


def test_every_sub_object_is_there() -> None:
    assert parts(AsyncSession) == parts(Session)


LIFTED = [
    (Session, AsyncSession),
    (Exports, AsyncExports),
    (Requests, AsyncRequests),
    (Request, AsyncRequest),
    (Holds, AsyncHolds),
    (Subjects, AsyncSubjects),
]
ANSWERS = {"get", "open"}  # of requests: they answer a request that is awaited in its turn


@pytest.mark.parametrize(("plain", "awaited"), LIFTED, ids=lambda kind: str(kind.__name__))
def test_every_method_is_there_with_the_same_signature_and_words(plain: type, awaited: type) -> None:
    sync, lifted = public(plain), public(awaited)
    assert set(lifted) == set(sync)
    for name, method in sync.items():
        other = plain is Requests and name in ANSWERS
        assert inspect.iscoroutinefunction(lifted[name]) or (other and name == "get"), name
        signatures = [inspect.signature(one) for one in (lifted[name], method)]
        given = [list(one.parameters.values()) for one in signatures]
        assert given[0] == given[1], name
        assert other or signatures[0] == signatures[1], name
        assert lifted[name].__doc__ == method.__doc__, name


def test_the_vaults_methods_take_the_same_arguments() -> None:
    for name in ("open", "session", "admin", "close"):
        sync, lifted = inspect.signature(getattr(Vault, name)), inspect.signature(getattr(AsyncVault, name))
        assert list(sync.parameters.values()) == list(lifted.parameters.values()), name


def test_an_erasure_and_a_hold_are_awaited(clinic: Vault) -> None:
    async def live(vault: AsyncVault) -> None:
        officer = Principal("clinic", "officer", ("privacy",))
        session = await vault.session(officer, purpose="rights-request")
        hold = await session.holds.place(user_id="u", matter="case 7")
        request = await session.requests.open(user_id="u", ground="gdpr.17.1.b")
        with pytest.raises(HeldError):
            await request.preview()
        await session.holds.release(hold.id)
        assert await session.holds.list() == []
        again = session.requests.get(request.id)
        assert (await again.preview()).counts == (await again.info()).counts
        assert (await again.run()).state == "erased"
        assert await session.requests.roll(force=True) is not None
        assert (await again.certificate()).startswith(b"{")
        assert [one.state for one in await session.requests.list()] == ["certified"]

    session_of(clinic).add("likes tea", user_id="u")
    run(clinic, live)


def run(vault: Vault, work: Callable[[AsyncVault], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(work(AsyncVault(vault)))


def test_a_memorys_whole_life(clinic: Vault) -> None:
    async def live(vault: AsyncVault) -> None:
        session = await vault.session(BOT, purpose="service")
        memory = (await session.add("write to ana@example.org", user_id="u", metadata={"n": 1})).memories[0]
        assert await session.get(memory.id) == memory
        assert [hit.memory for hit in await session.search("ana@example.org", user_id="u")] == [memory]
        assert (await session.list(user_id="u")).memories == (memory,)
        assert (await session.update(memory.id, "likes tea", reason="said so")).version == 2
        assert len(await session.history(memory.id)) == 2
        assert len((await session.add_many([{"content": "likes rum", "user_id": "u"}])).ids) == 1
        assert (await AsyncSession(staff(clinic)).reveal(memory.id, reason="x")).text == "likes tea"
        assert (await session.delete(memory.id)).deleted == 1
        assert (await session.delete_all(user_id="u")).deleted == 1

    run(clinic, live)


def test_errors_are_the_same(clinic: Vault) -> None:
    async def fail(vault: AsyncVault) -> None:
        with pytest.raises(PurposeDeniedError):
            await vault.session(BOT, purpose="curiosity")
        session = await vault.session(BOT, purpose="service")
        with pytest.raises(InvalidInputError):
            await session.add("", user_id="u")
        with pytest.raises(NotFoundError):
            await session.get("nowhere")
        await vault.close()
        await vault.close()
        with pytest.raises(UnavailableError):
            await session.list(user_id="u")

    run(clinic, fail)


def test_open_and_close(clinic: Vault) -> None:
    session_of(clinic).add("likes tea", user_id="u")
    clinic.close()

    async def use() -> None:
        async with await AsyncVault.open(clinic.folder) as vault:
            session = await vault.session(BOT, purpose="service", user_id="u")
            assert len((await session.list()).memories) == 1
            assert isinstance(vault.admin(Principal("clinic", "op", ("operator",))), Admin)
        assert repr(vault.sync) == "<Vault closed>"

    asyncio.run(use())


def test_many_at_once(clinic: Vault) -> None:
    async def swarm(vault: AsyncVault) -> None:
        sessions = [
            await vault.session(Principal(t, "bot", ("app",)), purpose="service") for t in ("clinic", "bank")
        ]

        async def one(n: int) -> None:
            session = sessions[n % 2]
            memory = (await session.add(f"fact {n}", user_id=f"u{n % 4}")).memories[0]
            assert (await session.get(memory.id)).text == f"fact {n}"
            assert await session.search(f"fact {n}", user_id=f"u{n % 4}", limit=50)
            if n % 3 == 0:
                await session.update(memory.id, f"fact {n} changed")
            if n % 5 == 0:
                await session.delete(memory.id)

        await asyncio.gather(*(one(n) for n in range(60)))

    run(clinic, swarm)
    assert rows(clinic, "memories") + rows(clinic, "memories", "bank") == 48
    for tenant in ("clinic", "bank"):
        assert operator(clinic, tenant).audit_verify()["records"] == 24


def test_one_memory_updated_from_many_sides_loses_no_version(clinic: Vault) -> None:
    memory = session_of(clinic).add("count 0", user_id="u").memories[0]

    async def race(vault: AsyncVault) -> list[Any]:
        session = await vault.session(BOT, purpose="service")
        return await asyncio.gather(
            *(session.update(memory.id, f"count {n}") for n in range(12)), return_exceptions=True
        )

    results = run(clinic, race)
    done = [r for r in results if not isinstance(r, BaseException)]
    assert all(isinstance(r, ConflictError) for r in results if isinstance(r, BaseException))
    assert sorted(m.version for m in done) == list(range(2, len(done) + 2))
    assert len(session_of(clinic).history(memory.id)) == len(done) + 1


def test_the_loop_is_free_while_a_call_works(clinic: Vault) -> None:
    async def watch(vault: AsyncVault) -> int:
        session = await vault.session(BOT, purpose="service")
        call = asyncio.create_task(
            session.add_many(
                [{"content": f"visit number {n} to the garden", "user_id": "u"} for n in range(1_500)]
            )
        )
        ticks = 0
        while not call.done():
            await asyncio.sleep(0.001)
            ticks += 1
        assert len((await call).ids) == 1_500
        return ticks

    assert run(clinic, watch) > 5


class Slow:
    """The vault's own embedder, after a pause: long enough to be cancelled."""

    def __init__(self, inner: Any, pause_s: float) -> None:
        self._inner, self._pause_s = inner, pause_s

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def embed(self, texts: list[str]) -> Any:
        time.sleep(self._pause_s)
        return self._inner.embed(texts)


def test_a_cancelled_write_is_stored_whole_and_found_by_its_key(clinic: Vault) -> None:
    """Timeout means unknown: the thread goes on, and the same call with the same key tells what became of it."""
    Clock(clinic)
    inner = stages_of(clinic).embedder()
    request: dict[str, Any] = {
        "content": [{"content": "write to ana@example.org"}, {"content": "or do not"}],
        "user_id": "u",
        "idempotency_key": "request-4711",
    }

    async def cancel(vault: AsyncVault) -> Any:
        session = await vault.session(BOT, purpose="service")
        slow = Slow(inner, 0.3)
        stages_of(clinic).embedder = lambda: slow
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.add(**request), 0.05)
        stages_of(clinic).embedder = lambda: inner
        return await session.add(**request)

    result = run(clinic, cancel)
    assert [m.role for m in result.memories] == [None, None]
    assert rows(clinic, "memories") == 2
    assert session_of(clinic).add(**request) == result
    operator(clinic).audit_verify()


def test_closing_waits_for_no_one_but_spoils_nothing(clinic: Vault) -> None:
    """A call under way when its vault is closed is stored whole or fails with an error of the vault."""
    from vault import VaultError

    async def close_early(vault: AsyncVault) -> list[Any]:
        session = await vault.session(BOT, purpose="service")
        calls = [asyncio.create_task(session.add(f"fact {n}", user_id="u")) for n in range(12)]
        await asyncio.sleep(0.005)
        await vault.close()
        return await asyncio.gather(*calls, return_exceptions=True)

    results = run(clinic, close_early)
    assert all(isinstance(r, VaultError) for r in results if isinstance(r, BaseException)), results
    stored = {r.memories[0].id for r in results if not isinstance(r, BaseException)}
    with Vault.open(clinic.folder) as again:
        assert stored <= {m.id for m in session_of(again).list(user_id="u").memories}
        operator(again).audit_verify()
