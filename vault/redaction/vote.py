"""A second opinion on names, without a model or a list of names: capitalised words where only a name can stand.

Used in strict mode beside the model. Titles, kinship and introductions are followed by a name; a colon after
a role is too. It errs on the side of finding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.redaction.normalise import View
from vault.types import Finding

SCORE: Final = 0.42  # beside the model's own scores it decides nothing, alone it is enough

_TITLE: Final = (
    r"(?:Mr|Mrs|Ms|Mx|Miss|Dr|Prof|Professor|Sir|Madam|Dame|Lord|Lady|Rev|Reverend|Judge|Officer|Captain|Sgt"
    r"|Nurse|Doctor|Herr|Frau|Monsieur|Madame|Se\xf1ora?|Sr|Sra|Signora?|Don|Do\xf1a|Coach|Aunt|Auntie|Uncle|Grandma"
    r"|Grandpa|Cousin)\.?"
)
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
_PATTERNS: Final = (
    re.compile(rf"\b{_TITLE}[ ]{{1,2}}{_NAME}"),
    re.compile(rf"\b(?i:{_KIN})(?:,|'s name is| is| was|)?[ ]{{1,2}}{_NAME}"),
    re.compile(rf"\b(?i:{_SAID})[ ]{{1,2}}{_NAME}"),
)


class NameVote:
    """Capitalised words after titles, kinship words and introductions."""

    name = "vote"
    entities = frozenset(("PERSON",))
    digits = -1

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold

    def find(self, view: View) -> Iterable[Finding]:
        if self._threshold > SCORE:
            return []
        return [
            Finding("PERSON", *match.span("value"), SCORE, self.name)
            for pattern in _PATTERNS
            for match in pattern.finditer(view.text)
        ]
