"""How flows use detection: messages read together, dates moved, fields that cannot be examined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vault import Principal, Session, Vault
from vault.errors import DetectorError
from vault.flows import redact
from vault.policy.pack import load
from vault.redaction.interface import OneByOne
from vault.types import Finding


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with Vault.init(tmp_path / "clinic", key_folder=tmp_path / "clinic-keys", keystore_backup="none") as made:
        yield made


def app(vault: Vault) -> Session:
    return vault.session(Principal("clinic", "bot", ("app",)), purpose="service")


def with_policy(vault: Vault, **changes: Any) -> None:
    """The vault's own policy with some parts replaced."""
    stages = vault._opened()
    stages.policy = replace(stages.policy, **changes)


def shifting(vault: Vault) -> None:
    with_policy(vault, operators={**vault._opened().policy.operators, "DATE_TIME": "shift"})


# --- messages of one add -------------------------------------------------------------------------------------------


def test_a_number_split_over_two_messages_is_redacted_in_both(vault: Vault) -> None:
    said = [
        {"role": "user", "content": "my card number is 4111 1111"},
        {"role": "user", "content": "1111 1111, please use it"},
    ]
    first, second = app(vault).add(said, user_id="pat-1").memories
    assert "4111" not in first.text
    assert "1111" not in second.text


def test_a_name_in_one_message_is_redacted_in_the_others(vault: Vault) -> None:
    said = [
        {"role": "user", "content": "My doctor is Dr. Annelise Quandramir."},
        {"role": "user", "content": "i told quandramir about it"},
    ]
    texts = [memory.text for memory in app(vault).add(said, user_id="pat-1").memories]
    assert "uandramir" not in "".join(texts)


def test_items_of_a_batch_are_not_read_together(vault: Vault) -> None:
    items = [
        {"content": "my card number is 4111 1111", "user_id": "pat-1"},
        {"content": "1111 1111, please use it", "user_id": "pat-2"},
    ]
    app(vault).add_many(items)
    (memory,) = app(vault).list(user_id="pat-2").memories
    assert memory.text == "1111 1111, please use it"


def test_messages_of_one_item_of_a_batch_are_read_together(vault: Vault) -> None:
    said = [
        {"role": "user", "content": "my card number is 4111 1111"},
        {"role": "user", "content": "1111 1111, please use it"},
    ]
    app(vault).add_many([{"content": said, "user_id": "pat-1"}, {"content": "A cat", "user_id": "pat-1"}])
    texts = [memory.text for memory in app(vault).list(user_id="pat-1", order="created_at").memories]
    assert "1111" not in "".join(texts)
    assert "A cat" in texts


# --- dates that are moved ------------------------------------------------------------------------------------------


def test_a_date_is_moved_the_same_way_for_one_person_and_otherwise_for_another(vault: Vault) -> None:
    shifting(vault)
    session = app(vault)
    text = "Seen on 2024-03-04 and on 2024-03-14"
    one = session.add(text, user_id="pat-1").memories[0].text
    again = session.add(text, user_id="pat-1").memories[0].text
    others = {session.add(text, user_id=f"pat-{n}").memories[0].text for n in range(2, 8)}
    assert one == again != text
    assert len(others) > 1
    first, second = (part for part in one.split() if part.startswith("20"))
    assert (_day(second) - _day(first)) == 10


def _day(text: str) -> int:
    from datetime import date

    return date.fromisoformat(text).toordinal()


def test_a_moved_date_is_not_moved_again_by_an_update_or_a_rescan(vault: Vault) -> None:
    shifting(vault)
    session = app(vault)
    stored = session.add("Seen on 2024-03-04", user_id="pat-1").memories[0]
    updated = session.update(stored.id, f"{stored.text}, and again on 2024-06-01")
    assert updated.text.startswith(stored.text)
    assert "2024-06-01" not in updated.text
    operator = vault.admin(Principal("clinic", "op", ("operator",)))
    assert operator.rescan().outdated == 0
    assert session.get(stored.id).text == updated.text


def test_a_rescan_moves_dates_that_were_kept(vault: Vault) -> None:
    session = app(vault)
    stored = session.add("Seen on 2024-03-04", user_id="pat-1").memories[0]
    assert stored.text == "Seen on 2024-03-04"
    shifting(vault)
    operator = vault.admin(Principal("clinic", "op", ("operator",)))
    assert operator.rescan().found == {"DATE_TIME": 1}
    moved = session.get(stored.id).text
    assert moved != stored.text
    assert operator.rescan().outdated == 0
    assert session.get(stored.id).text == moved


# --- what cannot be examined ---------------------------------------------------------------------------------------


class Failing(OneByOne):
    """Fails on one word."""

    entities: frozenset[str] = frozenset()
    version = "failing-1"

    def detect(
        self, text: str, *, context: str | None = None, keep: frozenset[str] = frozenset()
    ) -> list[Finding]:
        if "poison" in text:
            raise DetectorError("detector.failed", "a part failed; the text was not examined")
        return []


def test_what_cannot_be_examined_is_refused(vault: Vault) -> None:
    assert load("baseline").on_failure == "refuse"
    vault._opened().detector = Failing()
    with pytest.raises(DetectorError):
        app(vault).add("some poison", user_id="pat-1")
    with pytest.raises(DetectorError):
        app(vault).add("fine", user_id="pat-1", metadata={"note": "some poison"})
    assert app(vault).list(user_id="pat-1").memories == ()


def test_or_the_whole_field_becomes_a_marker(vault: Vault) -> None:
    vault._opened().detector = Failing()
    with_policy(vault, on_failure="redact-field")
    session = app(vault)
    added = session.add(
        [{"role": "user", "content": "some poison"}, {"role": "user", "content": "a cat"}],
        user_id="pat-1",
        metadata={"note": "more poison", "poison key": 1, "kind": "note"},
    )
    first, second = added.memories
    assert first.text == f"[{redact.UNEXAMINED}]"
    assert second.text == "a cat"
    assert second.metadata == {"note": "[UNEXAMINED]", "[UNEXAMINED]": 1, "kind": "note"}
    assert added.redacted[redact.UNEXAMINED] == 5
