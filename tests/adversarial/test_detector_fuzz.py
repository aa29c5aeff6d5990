"""Anything at all as text: no crash but a refusal, no hang, no span out of range, nothing new on a second look.

The long run is `make soak`; MEMVAULT_FUZZ_SECONDS says how long (1800).
"""

from __future__ import annotations

import os
import random
import time
import unicodedata
from base64 import b64encode
from collections.abc import Sequence
from functools import partial
from urllib.parse import quote

import pytest
import regex
from support.timing import least

from vault.errors import DetectorError
from vault.redaction.detect import BuiltinDetector
from vault.types import Finding

SHORT_SECONDS = 5.0
LONGEST = 8192
PER_CHARACTER = 0.0005  # seconds; linear work is far below, on the slowest machine too

VALUES = (
    *(
        "4111 1111 1111 1111",
        "536-90-4399",
        "john.doe@example.com",
        "DE89370400440532013000",
        "+1 212-736-5000",
    ),
    *(
        "john dot doe at gmail dot com",
        "five three six nine oh four three nine nine",
        "10.0.0.1",
        "MRN 4839201",
    ),
    *('{"ssn": 536904399}', "password: hunter2x", "Maria Gonzalez", "born May third nineteen eighty-five"),
    *(
        "https://example.com/u/ana?ssn=536904399",
        "sk-proj-aB3dE6gH9jK2mN5pQ8sT1vW4",
        "[EMAIL:k7q2m9]",
        "&#64;",
        "%40",
    ),
)
ALPHABETS = (
    *("0123456789 -./", "abcdefgh ABC.@", "OolI01S5B8 ", "{}[]\":,'=", "<>/*_~`\\", "&#;%xu0123456789abcdef"),
    *(
        "\u200b\u00ad\u202e\u202c\u2067\u0301\u20e3\ufe0f1a ",
        "\u0430\u0435\u043e\u0440\u0441 ac",
        "\uff11\u0661\u0967 @",
    ),
    "\U0001f600\U0001d7ce\u2460\u3000\u00a0\u2011\n\r\t\x00 x1",
)


def text_of(rng: random.Random) -> str:
    """A random text of values, encodings, pieces of them and noise."""
    parts = [part_of(rng) for _ in range(rng.randint(1, 8))]
    text = rng.choice(("", " ", ", ", "\n")).join(parts)
    if rng.random() < 0.1:
        text = text * rng.randint(2, 200)
    return text[:LONGEST]


def part_of(rng: random.Random) -> str:
    kind = rng.randrange(8)
    value = rng.choice(VALUES)
    if kind == 0:
        return "".join(rng.choices(rng.choice(ALPHABETS), k=rng.randint(1, 60)))
    if kind == 1:
        return b64encode(value.encode()).decode()
    if kind == 2:
        return quote(value, safe="")
    if kind == 3:
        return rng.choice(
            (value.encode().hex(), value.encode().hex(" "), value.encode().hex(":"), value[::-1])
        )
    if kind == 4:
        at = rng.randrange(len(value) + 1)
        return value[:at] + rng.choice(rng.choice(ALPHABETS)) + value[at:]
    if kind == 5:
        return rng.choice(("", " ", "*", "-", "\u200b")).join(value)
    if kind == 6:
        return chr(rng.choice((rng.randrange(0xD800), rng.randrange(0xE000, 0x110000))))
    return value


def check(text: str, found: Sequence[Finding]) -> None:
    end = 0
    for one in found:
        assert end <= one.start < one.end <= len(text)
        # A mark belongs to what stands before it, but for a control character, which ends its grapheme (UAX #29, GB4).
        assert (
            one.end == len(text)
            or unicodedata.combining(text[one.end]) == 0
            or regex.match(r"\X", text, pos=one.end - 1).end() == one.end
        )
        end = one.end


def fuzz(seconds: float, seed: int) -> int:
    rng = random.Random(seed)
    detectors = [BuiltinDetector(), BuiltinDetector(names=None), BuiltinDetector(strict=True)]
    for detector in detectors:
        detector.batch(VALUES)  # regexes are compiled on their first use
    count = 0
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        detector = detectors[count % len(detectors)]
        texts = [text_of(rng) for _ in range(rng.choice((1, 1, 3)))]
        examine = partial(detector.detect_group if len(texts) > 1 else detector.batch, texts)
        within = 1.0 + PER_CHARACTER * sum(map(len, texts))
        before = time.process_time()
        try:
            found = examine()
        except DetectorError as error:
            if error.code != "detector.budget":
                raise
            continue
        finally:
            count += 1
        assert time.process_time() - before < within or least(examine, within) < within, texts
        for text, some in zip(texts, found, strict=True):
            check(text, some)
    return count


def test_for_a_few_seconds() -> None:
    assert fuzz(SHORT_SECONDS, seed=20) > 10


@pytest.mark.soak
def test_for_half_an_hour() -> None:
    seconds = float(os.environ.get("MEMVAULT_FUZZ_SECONDS", "1800"))
    seed = time.time_ns() % 2**32
    print(f"\nfuzzing for {seconds:.0f} s from seed {seed}")
    print(f"{fuzz(seconds, seed)} texts or groups of texts")
