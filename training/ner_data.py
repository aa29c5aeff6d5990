"""Corpora of the names model as texts with character spans: readers, label rules, augmentation.

Labels are made equal across sources: titles ("Mr", "Dr") and a possessive 's stand outside a span, handles
and web addresses are nothing, classes other than person, place and organisation are nothing.
"""

from __future__ import annotations

import csv
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

from faker.providers.person.en_US import Provider

from vault.redaction.ner.tokens import TOKEN

Span = tuple[int, int, str]

SHARED: Final = Path(os.environ.get("MEMVAULT_SHARED", "../shared")) / "data"

CLASSES: Final = {
    "person": "PERSON", "per": "PERSON", "legal_professional": "PERSON",
    "location": "LOCATION", "loc": "LOCATION",
    "corporation": "ORGANIZATION", "group": "ORGANIZATION", "org": "ORGANIZATION", "organization": "ORGANIZATION",
}  # fmt: skip

TITLES: Final = re.compile(
    r"(?:(?:mr|mrs|ms|miss|mx|messrs|dr|prof|professor|doctor|sir|dame|lord|lady|judge|justice|rev|reverend|"
    r"capt|captain|sgt|sergeant|lt|lieutenant|col|colonel|gen|general|president|minister|nurse|"
    r"sr|sra|srta|señor|señora|don|doña|d|dña|herr|frau|mme|mlle|m)\b\.?\s+)+(?=\S)",
    re.IGNORECASE,
)
_NO_SPACE_BEFORE: Final = frozenset(".,!?;:)]}%'’”…") | {
    "'s",
    "’s",
    "n't",
    "'m",
    "'re",
    "'ve",
    "'ll",
    "'d",
    "’m",
}
_NO_SPACE_AFTER: Final = frozenset("([{$#£€“")


UNKNOWN: Final = "?"  # a span that teaches nothing
_COMMON: Final = 3
_SENTENCE_ENDS: Final = frozenset('.!?:\n"“')
# Words that may have a capital and are no names, whatever the dialogues' authors did.
_SURE: Final = frozenset(
    word
    for words in (
        "I I'm I've I'll I'd It'll How're OK Okay Ok Hello Hi Hey Nope Yep Nah Hm Ah Aw Eh Bye Congratulations",
        "Guest Doctor Patient Miss Mister God American Caucasian",
        "January February March April June July August September October November December",
        "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
        "Coumadin Tylenol Benadryl Lexapro Wellbutrin Aspirin Advil Penicillin Xanax Advair Vicodin Lamisil Cialis",
        "Tramadol Plavix Lipitor Zoloft Prozac",
    )
    for word in words.split()
)
_INTERJECTIONS: Final = tuple(
    word
    for words in (
        "wow cool woah whoa gotcha haha hah aww oh ooh yikes yay hooray bummer ouch oops hmm mmm ugh phew sweet nice",
        "great awesome amazing absolutely definitely totally exactly agreed sure yeah yep yup nope thanks cheers",
        "congrats welcome anytime honestly plus also anyway besides true same likewise indeed perfect",
    )
    for word in words.split()
)


class Sample(NamedTuple):
    """A text and its spans, in order and apart from each other."""

    text: str
    spans: tuple[Span, ...]
    source: str


def clean_spans(text: str, spans: Iterable[tuple[int, int, str]]) -> tuple[Span, ...]:
    """Spans of the three classes without titles, possessives and outer punctuation; the first of two wins."""
    out: list[Span] = []
    last = 0
    for span in sorted(spans, key=lambda s: (s[0], -s[1])):
        start, end = _trimmed(text, *span)
        if not last <= start < end or text[start] == "@" or (start and text[start - 1] == "@"):
            continue
        if out and span[2] == out[-1][2] == "PERSON" and text[last:start] == " ":
            start = out.pop()[0]  # forename and surname, found apart
        out.append((start, end, span[2]))
        last = end
    return tuple(out)


def _trimmed(text: str, start: int, end: int, label: str) -> tuple[int, int]:
    title = TITLES.match(text, start, end) if label == "PERSON" else None
    if title is not None and title.end() < end:
        start = title.end()
    if text[start:end].endswith(("'s", "’s")):
        end -= 2
    while start < end and not text[start].isalnum():
        start += 1
    while end > start and not text[end - 1].isalnum():
        end -= 1
    return start, end


def _blocks(path: Path, *, token: int, tag: int) -> Iterator[list[tuple[str, str]]]:
    block: list[tuple[str, str]] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(("-DOCSTART-", "# ")) and ("\t" not in line or line.startswith("-DOC")):
            continue
        parts = line.rstrip().split("\t") if "\t" in line else line.split()
        if len(parts) < 2:
            if block:
                yield block
            block = []
            continue
        block.append((parts[token].strip(), parts[tag].strip()))
    if block:
        yield block


def _merged(block: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The Broad Twitter Corpus writes "@ name": one handle again, and nothing."""
    out: list[tuple[str, str]] = []
    for word, tag in block:
        if out and out[-1][0] == "@":
            out[-1] = (f"@{word}", "O")
        else:
            out.append((word, "O" if word.startswith("@") and len(word) > 1 else tag))
    return out


def from_tokens(block: list[tuple[str, str]], source: str, *, spaced: bool = False) -> Sample:
    """A sentence from tagged tokens (IOB, IOB2 or IO), put together as people write, or with spaces."""
    text = ""
    spans: list[Span] = []
    opened: tuple[int, int, str] | None = None
    double = False
    for word, tag in block:
        glue = not text or (
            not spaced
            and (word in _NO_SPACE_BEFORE or text[-1] in _NO_SPACE_AFTER or (double and text[-1] == '"'))
        )
        if word == '"' and not spaced:
            glue = glue or double
            double = not double
        start = len(text) + (0 if glue else 1)
        text += ("" if glue else " ") + word
        label = CLASSES.get(tag[2:].lower()) if len(tag) > 2 else None
        if label is not None and tag.startswith("I") and opened is not None and opened[2] == label:
            opened = (opened[0], len(text), label)
            continue
        if opened is not None:
            spans.append(opened)
        opened = (start, len(text), label) if label is not None else None
    if opened is not None:
        spans.append(opened)
    return Sample(text, clean_spans(text, spans), source)


def conll(name: str, source: str, *, token: int = 0, tag: int = -1) -> list[list[tuple[str, str]]]:
    """The tagged sentences of a file in columns."""
    del source
    return [_merged(block) for block in _blocks(SHARED / name, token=token, tag=tag)]


_TAB: Final = {"PERSON": "PERSON", "LOC": "LOCATION", "ORG": "ORGANIZATION"}


def tab(name: str) -> list[Sample]:
    """The paragraphs of the court cases in a TAB file."""
    out = []
    for line in (SHARED / name).read_text(encoding="utf-8").splitlines():
        doc = json.loads(line)
        text = doc["text"]
        spans = [
            (e["start_offset"], e["end_offset"], _TAB[e["entity_type"]])
            for e in doc["entities"]
            if e["entity_type"] in _TAB
        ]
        at = 0
        for paragraph in text.split("\n\n"):
            end = at + len(paragraph)
            inner = [(s - at, e - at, c) for s, e, c in spans if s >= at and e <= end]
            if paragraph.strip():
                out.append(Sample(paragraph, clean_spans(paragraph, inner), "tab"))
            at = end + 2
    return out


def dialogues(name: str = "train/mts-dialog-training-unlabelled.csv") -> list[str]:
    """The turns of the unlabelled doctor-patient dialogues."""
    with (SHARED / name).open(encoding="utf-8", newline="") as handle:
        return [
            turn.strip()
            for row in csv.DictReader(handle)
            for turn in row["dialogue"].splitlines()
            if turn.strip()
        ]


def weak_negatives(turns: Sequence[str]) -> list[Sample]:
    """Turns nobody labelled, as far as spelling decides: what is written small is no name.

    A capitalised word counts as nothing where a sentence begins and the word is common in small letters; all
    other words with a capital are UNKNOWN and teach nothing.
    """
    small = Counter(word for turn in turns for word in TOKEN.findall(turn) if word[0].islower())
    out = []
    for turn in turns:
        spans: list[Span] = []
        begins = True
        for match in TOKEN.finditer(turn):
            word = match.group()
            if word[0].isupper() and not (begins and small[word.lower()] >= _COMMON) and word not in _SURE:
                spans.append((*match.span(), UNKNOWN))
            begins = word in _SENTENCE_ENDS
        out.append(Sample(turn, tuple(spans), "mts"))
    return out


def addressed(sample: Sample, names: Names, rng: random.Random) -> Sample:
    """The first sentence of a turn said to somebody: "Okay, Rosa.", "Tom, could you ...", "Wow! ..."."""
    text = sample.text.split(": ", 1)[-1]
    shift = len(sample.text) - len(text)
    end = next((i + 1 for i, c in enumerate(text) if c in ".!?" and i > 2), len(text))
    text = text[:end]
    spans = [(a - shift, b - shift, c) for a, b, c in sample.spans if a >= shift and b - shift <= end]
    name = names.spoken(rng)
    draw = rng.random()
    if draw < 0.45 and text[-1] in ".!?" and not text[-2:-1].isspace():
        mark = rng.choice((text[-1], text[-1], "!", ".", ""))
        before = f"{text[:-1]}, "
        spans = [s for s in spans if s[1] < len(before)]
        return Sample(before + name + mark, (*spans, (len(before), len(before) + len(name), "PERSON")), "mts")
    if rng.random() < 0.5 and not text.startswith(("I ", "I'")):
        text = text[0].lower() + text[1:]
    word = rng.choice(_INTERJECTIONS)
    word = word.capitalize() if rng.random() < 0.85 else word
    if draw < 0.6:
        before = f"{word}, {name}{rng.choice(('! ', '. ', ', ', ' - '))}"
        at = len(word) + 2
    elif draw < 0.75:
        before, at = f"{name}, ", 0
    elif draw < 0.85:
        before, at = f"{word} {name}, ", len(word) + 1
    else:
        before, at, name = f"{word}{rng.choice(('! ', ', ', '. ', ' '))}", 0, ""
    moved = [(a + len(before), b + len(before), c) for a, b, c in spans]
    return Sample(before + text, (*([(at, at + len(name), "PERSON")] if name else []), *moved), "mts")


class Names:
    """Random names to put in place of those of the corpora: forenames and surnames under CC0."""

    def __init__(self) -> None:
        folder = SHARED / "gazetteers"
        self._first = _column(folder / "common-forenames-by-country.csv")
        self._last = _column(folder / "common-surnames-by-country.csv")
        with (folder / "world-cities.csv").open(encoding="utf-8", newline="") as handle:
            rows = list(csv.DictReader(handle))
        self._cities = [row["name"] for row in rows if len(row["name"]) < 30]
        self._countries = sorted({row["country"] for row in rows})
        lists = (Provider.first_names_female, Provider.first_names_male)
        # The square root lets the less common be seen too.
        common = {name: weight**0.5 for one in lists for name, weight in one.items()}
        self._common = sorted(common)
        self._common_last = sorted(Provider.last_names)
        self._weights = list(accumulate(common[name] for name in self._common))

    def spoken(self, rng: random.Random) -> str:
        """A forename as one is spoken to: common in the United States, or of elsewhere; now and then short."""
        name = (
            rng.choices(self._common, cum_weights=self._weights)[0]
            if rng.random() < 0.6
            else rng.choice(self._first)
        )
        return name[: rng.choice((2, 3, 3, 4))] if rng.random() < 0.06 and len(name) > 4 else name

    def surname(self, rng: random.Random) -> str:
        """A surname, common in the United States or of elsewhere."""
        return rng.choice(self._common_last) if rng.random() < 0.4 else rng.choice(self._last)

    def person(self, like: str, rng: random.Random) -> str:
        """A name with as many words as `like`."""
        count = len(like.split())
        if count == 1:
            return self.spoken(rng) if rng.random() < 0.6 else self.surname(rng)
        if count == 2:
            first = rng.choice(self._first) if rng.random() < 0.9 else f"{rng.choice(self._first)[0]}."
            return f"{first} {self.surname(rng)}"
        if count == 3:
            middle = f"{rng.choice(self._first)[0]}." if rng.random() < 0.4 else rng.choice(self._first)
            return f"{rng.choice(self._first)} {middle} {self.surname(rng)}"
        return like

    def place(self, like: str, rng: random.Random) -> str:
        """A city or a country in place of a place of one or two words."""
        if len(like.split()) > 2:
            return like
        return rng.choice(self._countries) if rng.random() < 0.3 else rng.choice(self._cities)


def _column(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    key = next(k for k in rows[0] if "romanized" in k.lower())
    names = sorted({row[key].strip() for row in rows})
    return [name for name in names if 1 < len(name) < 20 and name[0].isupper()]


def replaced(sample: Sample, names: Names, rng: random.Random) -> Sample:
    """The sample with other persons and places; a case of its own is kept."""
    text, spans, at = "", [], 0
    for start, end, label in sample.spans:
        old = sample.text[start:end]
        new = old
        if label == "PERSON" and rng.random() < 0.8:
            new = names.person(old, rng)
        elif label == "LOCATION" and rng.random() < 0.5:
            new = names.place(old, rng)
        if new != old and old.islower():
            new = new.lower()
        elif new != old and len(old) > 3 and old.isupper():
            new = new.upper()
        text += sample.text[at:start]
        spans.append((len(text), len(text) + len(new), label))
        text += new
        at = end
    return Sample(text + sample.text[at:], tuple(spans), sample.source)


def cased(sample: Sample, rng: random.Random, lower: float, upper: float) -> Sample:
    """Now and then the sample in small letters or in capitals, where that keeps its length."""
    draw = rng.random()
    if draw < lower:
        text = sample.text.lower()
    elif draw < lower + upper:
        text = sample.text.upper()
    else:
        return sample
    return sample._replace(text=text) if len(text) == len(sample.text) else sample
