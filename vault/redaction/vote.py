"""A second opinion on names, without a model or a list of names: capitalised words where only a name can stand.

After "Mr", "attn" and their like it is asked always; in strict mode after more titles, kinship and introductions
too, where it errs on the side of finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.redaction.normalise import View
from vault.types import Finding

SCORE: Final = 0.42  # beside the model's own scores it decides nothing, alone it is enough
SURE: Final = 0.91  # just above the model's: what stands after "Mr" is no place

_TITLE: Final = (
    r"(?:Mr|Mrs|Ms|Mx|Miss|Dr|Prof|Professor|Sir|Madam|Dame|Lord|Lady|Rev|Reverend|Judge|Officer|Captain|Sgt"
    r"|Nurse|Doctor|Herr|Frau|Monsieur|Madame|Se\xf1ora?|Sr|Sra|Signora?|Don|Do\xf1a|Coach|Aunt|Auntie|Uncle|Grandma"
    r"|Grandpa|Cousin)\.?"
)
# Always followed by a name, unlike "Judge" or "Coach".
_COURTESY: Final = ("mr", "mrs", "ms", "mx", "miss", "dr", "prof", "messrs", "mme", "herr", "frau")
_KIN: Final = (
    r"(?:wife|husband|spouse|partner|son|daughter|brother|sister|mother|father|mom|mum|dad|uncle|aunt|cousin|niece"
    r"|nephew|friend|boss|colleague|neighbou?r|manager|doctor|therapist|dentist|roommate|flatmate|girlfriend"
    r"|boyfriend|fianc\xe9e?|grandson|granddaughter|baby|kid|child|client|patient|teacher|student|coworker|caregiver)"
)
_SAID: Final = (
    r"(?:name(?:'s| is| was|:)|called|named|known as|goes by|call me|I am|I'm|this is|signed,?|regards,|dear|hi|hello"
    r"|hey|contact|patient:|client:|from:|to:|attn:?|c/o|met with|spoke (?:to|with)|talked (?:to|with)|married)"
)
_CAPITALISED: Final = r"[A-Z][\w'\u2019-]{1,30}"
_NAME: Final = rf"(?P<value>{_CAPITALISED}(?: (?:(?:van|von|de|del|da|al|bin) )?{_CAPITALISED}){{0,3}})"
_LETTER: Final = r"[A-Z\xc0-\xd6\xd8-\xde\u0100-\u017d]"
_PART: Final = rf"(?:(?:{_LETTER}\.){{1,3}}|{_LETTER}[\w-]{{1,30}}(?:['\u2019][^\W\d_]{{2,30}})?)"
_TITLED: Final = re.compile(
    rf"\b(?:{'|'.join(title.title() for title in _COURTESY)})\b\.?[ ]{{1,2}}"
    rf"(?P<value>{_PART}(?:[ ]{{1,2}}(?:(?:van|von|de|der|del|da|al|bin) )?{_PART}){{0,3}})"
)
# Two names in a row after these are a person, whatever a model takes them for; after a role only with a colon between.
_ROLE: Final = (
    "manager", "assistant", "surgeon", "anesthesia", "anaesthesia", "physician", "employee", "customer", "client",
    "patient", "tenant", "guest", "witness", "driver", "nurse", "caller", "applicant",
)  # fmt: skip
_TO: Final = r"attn\.?:?|deliver to|ship to|labs of|will of|driver|says|questioned|thanked"
_TWO: Final = rf"(?P<value>{_PART}(?:[ ]{{1,2}}{_PART}){{1,3}})"
_ADDRESSED: Final = re.compile(
    rf"\b(?:(?i:{'|'.join(_ROLE)})[\"']?[ ]?:[ ]{{0,2}}[\"']?|(?i:{_TO})[ ]{{1,2}}(?=\S[a-z]|\S\.)){_TWO}"
)
# "account 9929555707 of", "ITIN 969-81-8115 for": a long number belongs to somebody.
_OWNER: Final = re.compile(rf"\d[\d-]{{4,20}}\d (?:of|for|belongs to)[ ]{{1,2}}(?=\S[a-z]|\S\.){_TWO}")
_OWNED_DIGITS: Final = 6
_CUES: Final = frozenset(
    (*_COURTESY, *_ROLE, "attn", "deliver", "ship", "labs", "will", "says", "questioned", "thanked")
)
_PLAIN: Final = (_TITLED, _ADDRESSED)
_PATTERNS: Final = (
    re.compile(rf"\b{_TITLE}[ ]{{1,2}}{_NAME}"),
    re.compile(rf"\b(?i:{_KIN})(?:,|'s name is| is| was|)?[ ]{{1,2}}{_NAME}"),
    re.compile(rf"\b(?i:{_SAID})[ ]{{1,2}}{_NAME}"),
)


class NameVote:
    """Capitalised words after courtesy titles, addresses and roles; if `strict`, after kinship and offices as well."""

    name = "vote"
    entities = frozenset(("PERSON",))
    digits = -1

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD, strict: bool = False) -> None:
        self._threshold = threshold
        self._strict = strict

    def find(self, view: View) -> Iterable[Finding]:
        asked = [(pattern, SCORE) for pattern in _PATTERNS] if self._strict else []
        if not _CUES.isdisjoint(view.words):
            asked += [(pattern, SURE) for pattern in _PLAIN]
        if view.digits >= _OWNED_DIGITS:
            asked.append((_OWNER, SURE))
        return [
            Finding("PERSON", *match.span("value"), score, self.name)
            for pattern, score in asked
            if score >= self._threshold
            for match in pattern.finditer(view.text)
        ]
