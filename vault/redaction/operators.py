"""From findings to redacted text: what happens to each class, and how tokens are written.

    token       a stand-in assigned by the caller: `[EMAIL:k7q2m9]`, reversible through the token map
    mask        the same length of asterisks, account and card numbers with their last four digits
    generalise  less exact: a date becomes its year, an age over 89 "90+", a ZIP code its first three digits
    drop        gone, a marker `[CARD_CVV]` in its place
    block       the whole text is refused
    keep        left as it is

A token is `[LABEL:id]` with at least six characters of an alphabet that has no look-alikes. Text that looks
like a token but is not one must never be taken for one: `escape_tokens` writes `[EMAIL:` as `[~EMAIL:` (and
`[~EMAIL:` as `[~~EMAIL:`, so that `unescape_tokens` finds the way back).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Literal, cast, get_args

from vault.errors import ConfigError, RejectedError
from vault.redaction import taxonomy
from vault.redaction.resolve import resolve
from vault.types import Finding

Operator = Literal["token", "mask", "generalise", "drop", "block", "keep"]
OPERATORS: Final[frozenset[str]] = frozenset(get_args(Operator))

TOKEN_ALPHABET: Final = "abcdefghjkmnpqrstvwxyz23456789"  # noqa: S105  no i l o u 0 1
TOKEN_LENGTH: Final = 6  # 30**6: seven hundred million per subject and label
TOKEN: Final = re.compile(
    rf"\[(?P<token>(?P<label>[A-Z][A-Z_]{{0,63}}):[{TOKEN_ALPHABET}]{{{TOKEN_LENGTH},32}})\]"
)

# Any bracket that could begin a token once neighbouring text is replaced, not only whole tokens; digits in
# the label and other ids too, so that no reader with a laxer pattern takes text for a token.
_ESCAPABLE: Final = re.compile(r"\[(~*)(?=[A-Z][A-Z0-9_]*:)")
_ESCAPED: Final = re.compile(r"\[~(~*)(?=[A-Z][A-Z0-9_]*:)")


@dataclass(frozen=True, slots=True, repr=False)
class Redacted:
    """A stretch of text that may not stay, and what takes its place: None where a token is to be assigned."""

    entity: str
    operator: Operator
    original: str
    replacement: str | None

    def __repr__(self) -> str:
        return f"Redacted({self.entity}, {self.operator})"


def label_of(entity: str) -> str:
    """The short word that a class is known by in tokens, markers and search: `EMAIL` for EMAIL_ADDRESS."""
    return taxonomy.label(entity)


def plan(
    text: str,
    findings: Iterable[Finding],
    operators: Mapping[str, str],
    default: str = "token",
    *,
    today: date | None = None,
) -> list[str | Redacted]:
    """The text cut into what stays (str) and what is redacted; joined, with originals, it is the text again.

    `operators` maps classes to operators, `default` is for classes it does not list; a class that is kept
    cannot hide another. `today` decides which birth years give away an age over 89. Raises RejectedError
    ("content.blocked") naming the classes, ConfigError for an unknown operator, DetectorError for a span
    outside the text.
    """
    chosen = [(found, _operator(operators.get(found.entity, default))) for found in findings]
    blocked = sorted({found.entity for found, operator in chosen if operator == "block"})
    if blocked:
        raise RejectedError("content.blocked", f"text holds what may not be stored: {', '.join(blocked)}")
    segments: list[str | Redacted] = []
    position = 0
    for found in resolve(text, [found for found, operator in chosen if operator != "keep"]):
        if found.start > position:
            segments.append(text[position : found.start])
        operator = _operator(operators.get(found.entity, default))
        original = text[found.start : found.end]
        segments.append(
            Redacted(found.entity, operator, original, _replacement(found.entity, operator, original, today))
        )
        position = found.end
    if position < len(text):
        segments.append(text[position:])
    return segments


def find_tokens(text: str) -> list[tuple[int, int, str]]:
    """(start, end, token) of each token in a stored text, the token without brackets: `EMAIL:k7q2m9`."""
    if "[" not in text:
        return []
    return [(match.start(), match.end(), match["token"]) for match in TOKEN.finditer(text)]


def escape_tokens(text: str) -> str:
    """The text with all that begins like a token made inert; `unescape_tokens` is the exact inverse."""
    return _ESCAPABLE.sub(r"[~\1", text) if "[" in text else text


def unescape_tokens(text: str) -> str:
    """The text before `escape_tokens`; tokens are left alone."""
    return _ESCAPED.sub(r"[\1", text) if "[~" in text else text


def marker(entity: str) -> str:
    """What stands where a value was dropped."""
    return f"[{label_of(entity)}]"


def _operator(name: str) -> Operator:
    if name not in OPERATORS:
        raise ConfigError(
            "policy.operator", "an operator is not one of token, mask, generalise, drop, block, keep"
        )
    return cast("Operator", name)


def _replacement(entity: str, operator: Operator, original: str, today: date | None) -> str | None:
    if operator == "token":
        return None
    if operator == "mask":
        return _mask(entity, original)
    if operator == "generalise":
        general = _GENERALISE.get(entity)
        return (general(original, today or datetime.now(UTC).date()) if general else None) or marker(entity)
    return marker(entity)


# PCI DSS 3.4.1 allows a card's last four digits to be shown.
_LAST_FOUR: Final = frozenset(("CREDIT_CARD", "IBAN_CODE", "US_BANK_NUMBER"))
_FEWEST_MASKED: Final = 4


def _mask(entity: str, original: str) -> str:
    """Asterisks for letters and digits; a text of the same number of them, without the separators."""
    chars = [char for char in original if char.isalnum()]
    shown = 4 if entity in _LAST_FOUR and len(chars) >= 4 + _FEWEST_MASKED else 0
    return "*" * max(len(chars) - shown, _FEWEST_MASKED) + ("".join(chars[-shown:]) if shown else "")


# Three-digit areas of at most 20,000 people, which read 000 (45 CFR 164.514(b)(2)(i)(B); census of 2000).
_SMALL_AREAS: Final = "036 059 063 102 203 556 692 790 821 823 830 831 878 879 884 890 893"
_SMALL_ZIP3: Final = frozenset(_SMALL_AREAS.split())
_OLDEST: Final = 89  # 45 CFR 164.514(b)(2)(i)(C): ages over 89 are one category


def _year(original: str, today: date) -> str | None:
    years = re.findall(r"(?<!\d)(?:18|19|20)\d\d", original)
    return years[0] if len(set(years)) == 1 else None


def _birth_year(original: str, today: date) -> str | None:
    year = _year(original, today)
    return "90+" if year is not None and today.year - int(year) > _OLDEST else year


def _age(original: str, today: date) -> str | None:
    number = re.search(r"\d+", original)
    return "90+" if number and int(number.group()) > _OLDEST else None


def _zip3(original: str, today: date) -> str | None:
    area = re.match(r"\d{3}(?=\d{2})", original)
    if area is None:
        return None
    return "000" if area.group() in _SMALL_ZIP3 else area.group() + "**"


_GENERALISE: Final[dict[str, Callable[[str, date], str | None]]] = {
    "AGE": _age,
    "DATE_OF_BIRTH": _birth_year,
    "DATE_TIME": _year,
    "ZIP_CODE": _zip3,
}
