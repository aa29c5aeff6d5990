"""Lexical terms of a text, and the canonical forms under which known values are looked up.

A term id is 32 bits of a public hash, so it is content: it stays inside the sealed row and the process.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

import Stemmer

MAX_NGRAMS: Final = 200

# English function words (articles, pronouns, auxiliaries, prepositions, question words, split contractions).
_STOP_WORDS = """
    a about above after again against all am an and any are aren't as at be because been before
    being below between both but by can can't cannot could couldn't d did didn't do does doesn't
    doing don't down during each few for from further had hadn't has hasn't have haven't having he
    he'd he'll he's her here here's hers herself him himself his how how's i i'd i'll i'm i've if in
    into is isn't it it's its itself let's ll m me more most mustn't my myself no nor not of off on
    once only or other ought our ours ourselves out over own re s same shan't she she'd she'll she's
    should shouldn't so some such t than that that's the their theirs them themselves then there
    there's these they they'd they'll they're they've this those through to too under until up ve
    very was wasn't we we'd we'll we're we've were weren't what what's when when's where where's
    which while who who's whom whose why why's with won't would wouldn't you you'd you'll you're
    you've your yours yourself yourselves
"""
STOP_WORDS: Final = frozenset(_STOP_WORDS.split())

# A stored stand-in for a detected value, such as [EMAIL:k7q2m9].
_TOKEN: Final = re.compile(r"\[([A-Z][A-Z0-9_]{0,63}):[0-9a-z]{1,64}\]")
_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_RUN: Final = re.compile(r"[^\W_]+")
_AROUND_ADDRESS: Final = re.compile(r"[\s<>()\[\],;:\"]+")
_PHONE: Final = re.compile(r"\d(?:[\s().\-/]{0,3}\d){5,19}")
_TERM_BYTES: Final = 4
_local = threading.local()


def _stemmer() -> Stemmer.Stemmer:
    """This thread's stemmer (they are not thread-safe), without its cache of recent words."""
    stemmer: Stemmer.Stemmer | None = getattr(_local, "stemmer", None)
    if stemmer is None:
        stemmer = _local.stemmer = Stemmer.Stemmer("english", maxCacheSize=0)
    return stemmer


def _term_id(stem: str) -> int:
    return int.from_bytes(blake2b(stem.encode()).digest()[:_TERM_BYTES], "big")


def _folded(text: str) -> str:
    """NFKC and case folding, to the fixed point that Unicode's toNFKC_Casefold describes."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def token_term(token: str) -> int:
    """The term id of one redaction token, such as `[EMAIL:k7q2m9]`: what a search for a known value adds."""
    return _term_id(token)


def terms(text: str) -> dict[int, int]:
    """The 32-bit term ids of `text` and how often each occurs.

    Words and numbers are folded (NFKC, case), stop words dropped, the rest stemmed (Snowball English). A
    redaction token is one term, and its label's words are terms.
    """
    counts: dict[int, int] = {}
    if "[" in text:
        for found in _TOKEN.finditer(text):
            term = _term_id(found[0])
            counts[term] = counts.get(term, 0) + 1
        text = _TOKEN.sub(lambda found: f" {found[1].replace('_', ' ')} ", text)
    folded = _folded(text).replace("\u2019", "'")
    kept = [word for word in _WORD.findall(folded) if word not in STOP_WORDS]
    for stem in _stemmer().stemWords(kept):
        term = _term_id(stem)
        counts[term] = counts.get(term, 0) + 1
    return counts


def canonical(value: str) -> str:
    """The form under which equal values meet: NFKC, case folded, letters and digits only."""
    return "".join(char for char in _folded(value) if char.isalnum())


def value_ngrams(query: str, max_words: int = 6) -> list[str]:
    """Canonical forms of the phrases in `query` that may be stored values, likeliest first (MAX_NGRAMS).

    Words with digits, e-mail addresses and phone-like spans come first; then phrases of one word, of two, up
    to `max_words`. No phrase begins or ends with a lower-case stop word or has fewer than two characters.
    """
    found: dict[str, None] = {}
    for form in _forms(query, max_words):
        if len(form) > 1:
            found[form] = None
            if len(found) == MAX_NGRAMS:
                break
    return list(found)


def _forms(query: str, max_words: int) -> Iterator[str]:
    chunks = _parts(query.split())
    for chunk, _ in chunks:
        if any(char.isdigit() for char in chunk):
            yield chunk
    normal = unicodedata.normalize("NFKC", query)
    for piece in _AROUND_ADDRESS.split(normal):
        if "@" in piece:
            yield canonical(piece)
    for span in _PHONE.finditer(normal):
        yield canonical(span[0])
    # Runs of letters and digits find "Ann" in "Ann's"; chunks find an address of more than `max_words` runs.
    runs = _parts(_RUN.findall(query))
    for size in range(1, max_words + 1):
        for parts in (runs, chunks):
            for start in range(len(parts) - size + 1):
                if not (parts[start][1] or parts[start + size - 1][1]):
                    yield "".join(form for form, _ in parts[start : start + size])


def _parts(words: list[str]) -> list[tuple[str, bool]]:
    """Each word's canonical form, and whether it is a stop word in lower case (a name may look like one)."""
    return [(canonical(word), word.strip(".,;:!?\"'()") in STOP_WORDS) for word in words]
