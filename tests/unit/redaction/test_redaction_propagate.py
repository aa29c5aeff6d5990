"""What was found once is masked at all its mentions, and values split over messages are put together."""

from __future__ import annotations

import pytest

from vault.redaction.detect import BuiltinDetector
from vault.redaction.joins import joins
from vault.redaction.propagate import Known, propagated
from vault.types import Finding


def mentions(known: str, entity: str, text: str) -> list[str]:
    """What is found in a text once `known` was found elsewhere."""
    book = Known()
    book.learn(known, [Finding(entity, 0, len(known), 0.9, "t")])
    return [text[one.start : one.end] for one in book.mentions(text)]


@pytest.mark.parametrize(
    ("known", "text", "found"),
    [
        ("Maria Gonzalez", "GONZALEZ's file, for maria", ["GONZALEZ", "maria"]),
        ("Maria Gonzalez", "with Maria Gonzalez", ["Maria Gonzalez"]),
        ("Maria Gonzalez", "mariachi music", []),
        ("Will Okoye", "it will rain, Will", ["Will"]),
        ("Will Okoye", "will okoye came", ["will okoye"]),
        ("Dr. Al Wu", "dr al wu", []),
        ("Jos\u00e9", "jos\u00e9 said", ["jos\u00e9"]),
    ],
)
def test_names(known: str, text: str, found: list[str]) -> None:
    assert mentions(known, "PERSON", text) == found


@pytest.mark.parametrize(
    ("known", "entity", "text", "found"),
    [
        ("536-90-4399", "US_SSN", "again 536904399 and 536 90 4399", ["536904399", "536 90 4399"]),
        ("536-90-4399", "US_SSN", "1536904399", []),
        ("2023-05-06", "DATE_TIME", "20230506", []),
        ("ana.lopez77@x.org", "EMAIL_ADDRESS", "handle Ana.Lopez77.", ["Ana.Lopez77"]),
        ("info@x.org", "EMAIL_ADDRESS", "for info write", []),
    ],
)
def test_identifiers(known: str, entity: str, text: str, found: list[str]) -> None:
    assert mentions(known, entity, text) == found


def test_mentions_map_back_to_the_original() -> None:
    text = "so \uff2d\uff41\uff52\uff49\uff41 and Ma\u200bria"
    assert mentions("Maria", "PERSON", text) == ["\uff2d\uff41\uff52\uff49\uff41", "Ma\u200bria"]


def test_over_a_group() -> None:
    found = propagated(["Maria", "and maria"], [[Finding("PERSON", 0, 5, 0.9, "t")], []])
    assert [(one.start, one.end) for one in found[1]] == [(4, 9)]


@pytest.mark.parametrize(
    ("texts", "masked"),
    [
        (("my card is 4111 1111", "1111 1111 ok"), ["4111 1111", "1111 1111"]),
        (("it is 4111 1111", "go on", "then 1111 1111"), ["4111 1111", "1111 1111"]),
        (("4111", "1111", "1111", "1111"), ["4111", "1111", "1111", "1111"]),
        (("write to ana@", "example.org"), ["ana@", "example.org"]),
        (("we have 4 cats", "and 2 dogs"), []),
        (("order 4111 2222", "for 1111 1111"), []),
    ],
)
def test_split_over_messages(texts: tuple[str, ...], masked: list[str]) -> None:
    found = BuiltinDetector(names=None).detect_group(texts)
    assert [
        text[one.start : one.end] for text, some in zip(texts, found, strict=True) for one in some
    ] == masked


def test_messages_alone_are_found_as_ever() -> None:
    detector = BuiltinDetector(names=None)
    texts = ["a@b.org and 536-90-4399", "nothing", "call 212-736-5000"]
    assert detector.detect_group(texts) == [detector.detect(text) for text in texts]
    assert detector.detect_group([]) == []


def test_a_long_message_gives_its_borders_only() -> None:
    texts = ["x " * 5000 + "4111 1111", "1111 1111" + " y" * 5000]
    assert all(len(join.text) < 2000 for join in joins(texts))
    found = BuiltinDetector(names=None).detect_group(texts)
    assert [len(some) for some in found] == [1, 1]


def test_the_parts_of_a_split_value_are_whole_graphemes() -> None:
    texts = ("card 4111 1111 1111\u0301", "1111\u0301")
    found = BuiltinDetector(names=None).detect_group(texts)
    assert [(one.start, one.end) for some in found for one in some] == [(5, 20), (0, 5)]
