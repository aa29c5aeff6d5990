"""Addresses written out for people: "john dot doe at gmail dot com", "john [at] example [dot] com"."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from vault.redaction.data import pattern_data
from vault.redaction.edits import Edit, apart

_AT: Final = r"(?:at|arroba|chiocciola|arobase|arobas|klammeraffe|apenstaartje|aet|\xe4t|@)"
_DOT: Final = r"(?:dot|d0t|punto|punkt|point|ponto|period|puntto|\.)"
_UNDER: Final = r"(?:underscore|under\s?score|unterstrich|guion bajo|sottolineatura)"
_DASH: Final = r"(?:dash|hyphen|minus|bindestrich|guion|gui\xf3n|tiret|trattino)"
_PLUS: Final = r"(?:plus|m\xe1s|piu)"

# Words of which a text must hold one before anything here is tried.
WORDS: Final = frozenset(
    (
        "dot",
        "d0t",
        "punto",
        "punkt",
        "point",
        "ponto",
        "period",
        "arroba",
        "chiocciola",
        "arobase",
        "klammeraffe",
    )
) | frozenset(
    (
        "underscore",
        "dash",
        "hyphen",
        "minus",
        "at",
        "plus",
        "\xe4t",
        "aet",
        "apenstaartje",
        "arobas",
        "hxxp",
        "hxxps",
    )
)

_OPEN: Final = r"(?:\s{0,2}[\[({<|*_-]{1,2}\s{0,2})"
_CLOSE: Final = r"(?:\s{0,2}[\])}>|*_-]{1,2}\s{0,2})"
_SPACE: Final = r"[ \t]{1,3}"


def _sign(words: str) -> str:
    return rf"(?:{_OPEN}{words}{_CLOSE}|{_SPACE}{words}{_SPACE})"


_BRACKETED_DOT: Final = re.compile(rf"(?<=\w){_OPEN}{_DOT}{_CLOSE}(?=\w)", re.IGNORECASE)
_AT_SIGN: Final = re.compile(
    rf"(?<=\w)(?:(?P<sure>{_OPEN}{_AT}{_CLOSE}|\s{{1,2}}@\s{{0,2}}|@\s{{1,2}}|{_SPACE}(?!at\b){_AT}{_SPACE})|(?P<word>{_SPACE}at{_SPACE}))(?=\w)",
    re.IGNORECASE,
)
_POINT: Final = r"(?:\s\.\s?|\.\s(?=(?:com|org|net|edu|de|uk)\b)|\.)"
_JOIN: Final = rf"(?:{_sign(_DOT)}|{_POINT}|{_sign(_UNDER)}|{_sign(_DASH)}|{_sign(_PLUS)})"
_LABEL: Final = r"[\w'+-]{1,64}"
_LEFT: Final = re.compile(rf"(?<![\w.]){_LABEL}(?:{_JOIN}{_LABEL}){{0,5}}$", re.IGNORECASE)
_RIGHT: Final = re.compile(
    rf"[\w-]{{1,63}}(?:(?:{_sign(_DOT)}|{_POINT}|{_sign(_DASH)})[\w-]{{1,63}}){{0,4}}", re.IGNORECASE
)
_JOINTS: Final = (
    (re.compile(_sign(_DOT), re.IGNORECASE), "."),
    (re.compile(r"(?<=\w)(?:\s\.\s?|\.\s(?=(?:com|org|net|edu|de|uk)\b))(?=\w)"), "."),
    (re.compile(_sign(_UNDER), re.IGNORECASE), "_"),
    (re.compile(_sign(_DASH), re.IGNORECASE), "-"),
    (re.compile(_sign(_PLUS), re.IGNORECASE), "+"),
)
_HOST_LABEL: Final = re.compile(
    r"\b(?!(?:dot|d0t|punto|punkt|point|ponto|period)\b)\w[\w-]{0,62}", re.IGNORECASE
)
_REACH: Final = 160
_PROVIDERS: Final = frozenset(
    (
        *(
            "gmail",
            "googlemail",
            "yahoo",
            "ymail",
            "hotmail",
            "outlook",
            "live",
            "msn",
            "icloud",
            "me",
            "mac",
        ),
        *(
            "aol",
            "gmx",
            "web",
            "mail",
            "protonmail",
            "proton",
            "pm",
            "zoho",
            "fastmail",
            "yandex",
            "qq",
            "163",
        ),
        *("tutanota", "orange", "free", "libero", "t-online", "comcast", "verizon", "att", "sbcglobal"),
    )
)
# Where the dot stands between spaces it may end a sentence: these are no words.
_PLAIN_TOPS: Final = frozenset(
    (
        "com",
        "org",
        "net",
        "edu",
        "gov",
        "mil",
        "io",
        "uk",
        "de",
        "fr",
        "es",
        "nl",
        "ch",
        "ca",
        "au",
        "eu",
        "br",
        "ru",
    )
)
_ALSO_WORDS: Final = "on in at is it to so no my me be us an as by do go he if or up we of am one now"
_WORDS_TOO: Final = frozenset(_ALSO_WORDS.split())
_MAIL_WORDS: Final = frozenset(
    ("email", "mail", "e", "reach", "write", "contact", "address", "mailbox", "inbox")
)
_HOST: Final = re.compile(
    rf"\b[\w-]{{1,63}}(?:{_SPACE}dot{_SPACE}[\w-]{{1,63}}){{0,3}}{_SPACE}dot{_SPACE}(?:com|org|net|edu|gov|io|co|de|uk|fr|local)\b",
    re.IGNORECASE,
)
_BETWEEN_DIGITS: Final = re.compile(
    rf"(?<=\d)\s{{0,2}}(?:(?P<dot>{_DOT})|(?P<dash>{_DASH}|-))\s{{0,2}}(?=\d)", re.IGNORECASE
)


def addresses(text: str, words: frozenset[str]) -> list[Edit]:
    """Edits that write the signs of spelled-out addresses, hosts and numbers."""
    edits = [Edit(*match.span(), ".") for match in _BRACKETED_DOT.finditer(text)]
    done = 0
    for match in _AT_SIGN.finditer(text):
        if match.start() >= done:
            found = _address(text, match, words)
            edits += found
            done = found[-1].end if found else done
    if "dot" in words:
        for match in _HOST.finditer(text):
            edits += (Edit(*dot.span(), ".") for dot in _JOINTS[0][0].finditer(text, *match.span()))
    if not words.isdisjoint(WORDS):
        edits += (
            Edit(*match.span(), "." if match["dot"] else "-")
            for match in _BETWEEN_DIGITS.finditer(text)
            if match.group().strip().isalpha()
        )
    return apart(edits)


def _address(text: str, at: re.Match[str], words: frozenset[str]) -> list[Edit]:
    """The edits of one address around something that reads as @, or none."""
    right = _RIGHT.match(text, at.end())
    floor = max(0, at.start() - _REACH)
    left = _LEFT.search(text[floor : at.start()])
    if right is None or left is None:
        return []
    first = floor + left.start()
    right_end = _domain_end(text, at, right)
    if right_end == 0:
        return []
    domain = _joints(text, right.start(), right_end)
    local = _joints(text, first, at.start())
    labels = re.split(r"[^\w-]+", text[right.start() : right_end])
    spelled = any(edit.text == "." for edit in domain)
    if not _likely(
        at,
        dotted=len(labels) > 1,
        spelled=spelled or bool(local),
        first=labels[0].lower(),
        words=words,
    ):
        return []
    return apart((*local, Edit(*at.span(), "@"), *domain))


def _domain_end(text: str, at: re.Match[str], right: re.Match[str]) -> int:
    """Where the domain ends: after its last label that is a top-level domain; 0 if it has none."""
    labels = list(_HOST_LABEL.finditer(text, *right.span()))
    for number in range(len(labels) - 1, 0, -1):
        label = labels[number]
        gap = text[labels[number - 1].end() : label.start()]
        loose = "." in gap and gap.strip() != gap  # it may end a sentence
        top = label.group().lower()
        if _is_top(top, loose=loose) and (top not in _WORDS_TOO or labels[0].group().lower() in _PROVIDERS):
            return label.end()
    bracketed = at["sure"] is not None and at["sure"].strip()[:1] in ("[", "(", "{", "<")
    return labels[0].end() if labels and bracketed else 0


@cache
def _tops() -> frozenset[str]:
    return frozenset(pattern_data()["top_level_domains"]) | {"local", "internal", "lan", "corp", "home"}


def _is_top(label: str, *, loose: bool) -> bool:
    if loose:
        return label in _PLAIN_TOPS
    return (len(label) == 2 and label.isalpha()) or label in _PLAIN_TOPS or label in _tops()


def _likely(at: re.Match[str], *, dotted: bool, spelled: bool, first: str, words: frozenset[str]) -> bool:
    if at["sure"]:
        return dotted or not at["sure"].strip().isalpha()
    return dotted and (
        spelled or "AT" in at.group() or first in _PROVIDERS or not words.isdisjoint(_MAIL_WORDS)
    )


def _joints(text: str, start: int, end: int) -> list[Edit]:
    return apart(
        Edit(*match.span(), sign) for pattern, sign in _JOINTS for match in pattern.finditer(text, start, end)
    )
