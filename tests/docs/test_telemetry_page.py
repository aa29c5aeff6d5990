"""docs/telemetry.md against the code: every event, property, word, field and switch, and no other."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any, get_type_hints
from uuid import UUID

import pytest

from vault.observe import usage
from vault.observe.bodies import Interval, bodies
from vault.observe.events import Event
from vault.observe.switches import DO_NOT_TRACK, VARIABLE, Switches
from vault.observe.usage import Calls, Installation, Keys, Pack, Size, System, Took
from vault.observe.usage import Embedding as EmbeddingWord
from vault.observe.usage import Index as IndexWord
from vault.observe.words import Action, Result

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "telemetry.md").read_text(encoding="utf-8")
SAMPLE = (
    Installation(
        0,
        1,
        0,
        11,
        System.LINUX,
        Keys.FILE,
        EmbeddingWord.STATIC,
        IndexWord.SEALED,
        Pack.OWN,
        True,
        False,
        Size.ONE,
    ),
    Calls(Action("memory.add"), Result.OK, Took.UNDER_1_S, 3),
)


def table(title: str) -> dict[str, str]:
    """The rows of the first table under a heading: name to value."""
    body = re.split(rf"^#+ {title}$", PAGE, flags=re.MULTILINE)[1].split("\n#")[0]
    rows = re.findall(r"^\| `([a-z_]+)` \| (.*?) \|", body, re.MULTILINE)
    assert rows
    return dict(rows)


@pytest.mark.parametrize("event", SAMPLE, ids=lambda event: event.name)
def test_every_property_and_every_word_is_on_the_page(event: Event) -> None:
    found = table(event.name)
    assert list(found) == [one.name for one in fields(event)]  # type: ignore[arg-type]
    for name, kind in get_type_hints(type(event)).items():
        if name not in found:
            continue
        if kind is Action:
            assert "`memory.add`" in found[name]
        elif isinstance(kind, type) and issubclass(kind, Enum):
            assert {word.value for word in kind} == set(re.findall(r"`([^`]+)`", found[name])), name
        else:
            assert found[name].startswith({int: "number", bool: "true or false"}[kind])


def test_every_field_around_an_event_is_on_the_page() -> None:
    interval = Interval.beginning(datetime.now(UTC))
    (body,) = bodies(SAMPLE, key="phc_x", install=UUID(int=1), interval=interval, batch=9)
    document: dict[str, Any] = json.loads(body)
    described = table("Around each event")
    for event in document["batch"]:
        assert list(event) == list(described)
        for name, value in event["properties"].items():
            if name.startswith("$"):
                assert f"`{name}: {json.dumps(value)}`" in described["properties"]
    assert set(document) == {"batch", "api_key"}


def test_every_switch_and_variable_is_on_the_page() -> None:
    assert list(table("Switches")) == [one.name for one in fields(Switches)]
    assert f"`{VARIABLE}`" in PAGE
    assert f"`{DO_NOT_TRACK}`" in PAGE


def test_there_is_no_other_event_of_telemetry() -> None:
    declared = {
        kind
        for kind in vars(usage).values()
        if isinstance(kind, type) and issubclass(kind, Event) and kind is not Event
    }
    assert declared == {type(event) for event in SAMPLE}
