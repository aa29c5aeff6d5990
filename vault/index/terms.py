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

from vault.index.english import BASE_FORMS, STOP_WORDS

MAX_NGRAMS: Final = 200

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

    Words and numbers are folded (NFKC, case), stop words dropped, irregular forms replaced by their word, the rest
    stemmed (Snowball English). A redaction token is one term, and its label's words are terms.
    """
    counts: dict[int, int] = {}
    if "[" in text:
        for found in _TOKEN.finditer(text):
            term = _term_id(found[0])
            counts[term] = counts.get(term, 0) + 1
        text = _TOKEN.sub(lambda found: f" {found[1].replace('_', ' ')} ", text)
    folded = _folded(text).replace("\u2019", "'")
    words = [word.removesuffix("'s") for word in _WORD.findall(folded) if word not in STOP_WORDS]
    kept = [BASE_FORMS.get(word, word) for word in words]
    for stem in _stemmer().stemWords(kept):
        term = _term_id(stem)
        counts[term] = counts.get(term, 0) + 1
    return counts


def canonical(value: str) -> str:
    """The form under which equal values meet: NFKC, case folded, letters and digits only."""
    folded = _folded(value)
    return folded if folded.isalnum() else "".join(filter(str.isalnum, folded))


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
    readings = [
        ([form for form, _ in parts], [stop for _, stop in parts])
        for parts in ((runs, chunks) if runs != chunks else (runs,))
    ]
    for size in range(1, max_words + 1):
        for forms, stops in readings:
            for start in range(len(forms) - size + 1):
                if not (stops[start] or stops[start + size - 1]):
                    yield "".join(forms[start : start + size])


def _parts(words: list[str]) -> list[tuple[str, bool]]:
    """Each word's canonical form, and whether it is a stop word in lower case (a name may look like one)."""
    return [(canonical(word), word.strip(".,;:!?\"'()") in STOP_WORDS) for word in words]
