"""Listing: stable order and pages, and cursors that belong to one question."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import pytest
from support.calls import Clock, operator, session_of

from vault import Memory, Session, Vault
from vault.errors import InvalidInputError

ORDERS = ("created_at", "-created_at", "updated_at", "-updated_at")


@pytest.fixture
def many(clinic: Vault, app: Session) -> Session:
    """Forty memories of two moments, every fifth updated later: most of them share their times."""
    clock = Clock(clinic)
    app.add_many([{"content": f"fact {n}", "user_id": "u", "metadata": {"n": n}} for n in range(25)])
    clock.move(seconds=1)
    app.add_many([{"content": f"fact {n}", "user_id": "u", "metadata": {"n": n}} for n in range(25, 40)])
    clock.move(seconds=1)
    for memory in app.list(user_id="u").memories[::5]:
        app.update(memory.id, metadata={**memory.metadata, "updated": True})
    return app


def pages(session: Session, limit: int, **options: Any) -> Iterator[list[Memory]]:
    cursor = None
    while True:
        page = session.list(user_id="u", limit=limit, cursor=cursor, **options)
        yield list(page.memories)
        cursor = page.next_cursor
        if cursor is None:
            return


def numbers(memories: list[Memory]) -> list[Any]:
    return [memory.metadata["n"] for memory in memories]


@pytest.mark.parametrize("order", ORDERS)
def test_every_page_size_gives_the_same_order(many: Session, order: str) -> None:
    whole = list(many.list(user_id="u", order=order).memories)
    assert sorted(numbers(whole)) == list(range(40))
    times = [getattr(memory, order.removeprefix("-")) for memory in whole]
    assert times == sorted(times, reverse=order.startswith("-"))
    for size in (1, 3, 7, 39, 40, 41):
        split = list(pages(many, size, order=order))
        assert [memory for page in split for memory in page] == whole
        assert all(len(page) == size for page in split[:-1])
        assert split[-1]


def test_newest_first_is_oldest_first_turned_round(many: Session) -> None:
    for field in ("created_at", "updated_at"):
        up = many.list(user_id="u", order=field).memories
        assert many.list(user_id="u", order=f"-{field}").memories == up[::-1]


def test_pages_of_a_filter(many: Session) -> None:
    tree = {"n": {"gte": 30}, "updated": {"exists": False}}
    split = list(pages(many, 3, filters=tree))
    assert [numbers(page) for page in split] == [[31, 32, 33], [34, 36, 37], [38, 39]]


def test_no_memories_is_one_empty_page(many: Session) -> None:
    for options in (
        {"user_id": "stranger"},
        {"user_id": "u", "filters": {"n": -1}},
        {"user_id": "u", "run_id": "r"},
    ):
        page = many.list(**options)  # type: ignore[arg-type]
        assert (page.memories, page.next_cursor) == ((), None)


def test_the_last_page_has_no_cursor_even_when_it_is_full(many: Session) -> None:
    assert many.list(user_id="u", limit=40).next_cursor is None
    assert many.list(user_id="u", limit=39).next_cursor is not None


@pytest.mark.parametrize("order", ["created_at", "-created_at"])
def test_writes_between_pages_neither_repeat_nor_drop_what_stays(many: Session, order: str) -> None:
    first = many.list(user_id="u", limit=10, order=order)
    rest = many.list(user_id="u", limit=40, order=order).memories[10:]
    many.add("came later", user_id="u", metadata={"n": 99})
    many.delete(first.memories[-1].id)  # the very memory the cursor stands on
    many.delete(rest[0].id)
    many.update(rest[1].id, "fact changed")
    second = many.list(user_id="u", limit=40, order=order, cursor=first.next_cursor)
    assert [n for n in numbers(list(second.memories)) if n != 99] == numbers(list(rest[1:]))


def test_a_cursor_belongs_to_its_question(clinic: Vault, many: Session) -> None:
    tree = {"n": {"gte": 0}}
    cursor = many.list(user_id="u", limit=5, filters=tree, order="-updated_at").next_cursor
    assert cursor is not None
    many.add("likes tea", user_id="v", agent_id="a", metadata={"n": 1})
    good: dict[str, Any] = {"user_id": "u", "filters": tree, "order": "-updated_at", "cursor": cursor}
    other: list[dict[str, Any]] = [
        {"user_id": "v"}, {"user_id": "U"}, {"agent_id": "a"}, {"filters": None}, {"filters": {"n": {"gt": 0}}},
        {"filters": {"OR": [tree, {"n": 1}]}}, {"order": "updated_at"}, {"order": "-created_at"},
        {"cursor": cursor[:-4]}, {"cursor": cursor + "AAAA"}, {"cursor": cursor.swapcase()}, {"cursor": cursor[::-1]},
        {"cursor": f" {cursor}"}, {"cursor": f"{cursor}\n"}, {"cursor": "A" * len(cursor)},
    ]  # fmt: skip
    for change in other:
        with pytest.raises(InvalidInputError) as caught:
            many.list(**{**good, **change})
        assert caught.value.code == "cursor.invalid", change
    with pytest.raises(InvalidInputError):
        session_of(clinic, "bank").list(**good)
    assert len(many.list(**good).memories) == 35
    assert len(many.list(**{**good, "limit": 1}).memories) == 1  # the size of the next page is free


def test_no_byte_of_a_cursor_can_be_changed(many: Session) -> None:
    cursor = many.list(user_id="u", limit=5).next_cursor
    assert cursor is not None
    data = base64.urlsafe_b64decode(cursor)
    assert len(data) == 32
    for position in range(32):
        changed = bytearray(data)
        changed[position] ^= 1
        with pytest.raises(InvalidInputError):
            many.list(user_id="u", cursor=base64.urlsafe_b64encode(changed).decode())
    assert many.list(user_id="u", cursor=base64.urlsafe_b64encode(data).decode()).memories


def test_a_cursor_survives_a_restart(clinic: Vault, many: Session) -> None:
    first = many.list(user_id="u", limit=15)
    whole = many.list(user_id="u").memories
    clinic.close()
    with Vault.open(clinic.folder) as again:
        assert session_of(again).list(user_id="u", cursor=first.next_cursor).memories == whole[15:]
        operator(again).keys_rotate("subject")
        assert session_of(again).list(user_id="u", cursor=first.next_cursor).memories == whole[15:]
