"""From findings to redacted text: what happens to each class, and how tokens are written.

    token       a stand-in assigned by the caller: `[EMAIL:k7q2m9]`, reversible through the token map
    mask        the same length of asterisks, account and card numbers with their last four digits
    generalise  less exact: a date becomes its year, an age over 89 "90+", a ZIP code its first three digits; what is
                exact no more stays, what is not understood becomes a marker
    shift       a date moved by the subject's secret number of days, in the same form, assigned by the caller
                (`shifted`); what is not read as a date with a day and a month is generalised instead
    drop        gone, a marker `[CARD_CVV]` in its place
    block       the whole text is refused
    keep        left as it is

A token is `[LABEL:id]` with at least six characters of an alphabet that has no look-alikes. Text that looks
like a token but is not one must never be taken for one: `escape_tokens` writes `[EMAIL:` as `[~EMAIL:` (and
`[~EMAIL:` as `[~~EMAIL:`, so that `unescape_tokens` finds the way back).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Literal, cast, get_args

from vault.errors import ConfigError, RejectedError
from vault.redaction import taxonomy
from vault.redaction.generalise import general
from vault.redaction.resolve import resolve
from vault.redaction.shift import shift_date
from vault.types import Finding

Operator = Literal["token", "mask", "generalise", "shift", "drop", "block", "keep"]
OPERATORS: Final[frozenset[str]] = frozenset(get_args(Operator))

TOKEN_ALPHABET: Final = "abcdefghjkmnpqrstvwxyz23456789"  # noqa: S105  no i l o u 0 1
TOKEN_LENGTH: Final = 6  # 30**6: seven hundred million per subject and label
TOKEN: Final = re.compile(
    rf"\[(?P<token>(?P<label>[A-Z][A-Z_]{{0,63}}):[{TOKEN_ALPHABET}]{{{TOKEN_LENGTH},32}})\]"
)

_SHOWING: Final = frozenset(("shift", "generalise", "mask"))
_DATES: Final = frozenset(("DATE_TIME", "DATE_OF_BIRTH"))

# Any bracket that could begin a token once neighbouring text is replaced, not only whole tokens; digits in
# the label and other ids too, so that no reader with a laxer pattern takes text for a token.
_ESCAPABLE: Final = re.compile(r"\[(~*)(?=[A-Z][A-Z0-9_]*:)")
_ESCAPED: Final = re.compile(r"\[~(~*)(?=[A-Z][A-Z0-9_]*:)")


@dataclass(frozen=True, slots=True, repr=False)
class Redacted:
    """A stretch of text that may not stay, and what takes its place.

    `replacement` is None where the caller assigns it: a token, or for the operator `shift` what `shifted` answers.
    """

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

    `operators` maps classes to operators, `default` is for classes it does not list. A class that is kept cannot
    hide another; nor can one that lets a part of its value through (shift, generalise, mask) hide one that does
    not. `today` decides which birth years give away an age over 89. Raises RejectedError ("content.blocked") naming the
    classes, ConfigError for an unknown operator, DetectorError for a span outside the text.
    """
    chosen = [(found, _operator(operators.get(found.entity, default))) for found in findings]
    blocked = sorted({found.entity for found, operator in chosen if operator == "block"})
    if blocked:
        raise RejectedError("content.blocked", f"text holds what may not be stored: {', '.join(blocked)}")
    today = today or datetime.now(UTC).date()
    segments: list[str | Redacted] = []
    position, staying = 0, ""
    for found in _ordered(text, chosen):
        operator = _operator(operators.get(found.entity, default))
        original = text[found.start : found.end]
        replacement = _replacement(found.entity, operator, original, today)
        staying += text[position : found.start]
        position = found.end
        if operator == "generalise" and replacement == original:
            staying += (
                original  # one piece with what surrounds it: what begins like a token is escaped as a whole
            )
            continue
        if staying:
            segments.append(staying)
            staying = ""
        segments.append(Redacted(found.entity, operator, original, replacement))
    if position < len(text) or staying:
        segments.append(staying + text[position:])
    return segments


def shifted(part: Redacted, days: int, *, today: date | None = None) -> str:
    """What takes the place of a part whose operator is `shift`: its date moved by `days`, else its general form."""
    if part.entity in _DATES:
        moved = shift_date(part.original, days)
        if moved is not None:
            return moved
    return coarse(part, today=today)


def coarse(part: Redacted, *, today: date | None = None) -> str:
    """The general form of a part's value, or a marker: what may be shown before a subject's keys are at hand."""
    return general(part.entity, part.original, today or datetime.now(UTC).date()) or marker(part.entity)


def _ordered(text: str, chosen: Iterable[tuple[Finding, Operator]]) -> list[Finding]:
    """What to redact, without overlaps: classes that hide a value whole first, those that show a part where room is."""
    hiding = resolve(text, [found for found, operator in chosen if operator in ("token", "drop")])
    showing = [found for found, operator in chosen if operator in _SHOWING]
    if not showing:
        return hiding
    spans = [(found.start, found.end) for found in hiding]
    return sorted([*hiding, *resolve(text, showing, reserved=spans)], key=lambda found: found.start)


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
            "policy.operator", "an operator is not one of token, mask, generalise, shift, drop, block, keep"
        )
    return cast("Operator", name)


def _replacement(entity: str, operator: Operator, original: str, today: date) -> str | None:
    if operator in ("token", "shift"):
        return None
    if operator == "mask":
        return _mask(entity, original)
    if operator == "generalise":
        return general(entity, original, today) or marker(entity)
    return marker(entity)


# PCI DSS 3.4.1 allows a card's last four digits to be shown.
_LAST_FOUR: Final = frozenset(("CREDIT_CARD", "IBAN_CODE", "US_BANK_NUMBER"))
_FEWEST_MASKED: Final = 4


def _mask(entity: str, original: str) -> str:
    """Asterisks for letters and digits; a text of the same number of them, without the separators."""
    chars = [char for char in original if char.isalnum() or char == "*"]
    shown = 4 if entity in _LAST_FOUR and len(chars) >= 4 + _FEWEST_MASKED else 0
    return "*" * max(len(chars) - shown, _FEWEST_MASKED) + ("".join(chars[-shown:]) if shown else "")
