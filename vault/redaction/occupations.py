"""What somebody does for a living: a word for an occupation where a sentence gives it to a person."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.redaction.normalise import View
from vault.types import Finding

_HEADS: Final = (
    "accountant|actor|actress|adviser|advisor|analyst|architect|artist|assistant|attendant|attorney"
    "|auditor|author|baker|banker"
    "|barber|barista|barrister|bartender|biologist|bookkeeper|bricklayer|broker|builder|butcher|captain"
    "|caregiver|caretaker"
    "|carpenter|cashier|chauffeur|chef|chemist|cleaner|clerk|coach|commander|constable|consultant"
    "|contractor|cook|corporal"
    "|counsellor|counselor|courier|curator|dancer|dealer|dentist|designer|detective|developer|dietitian"
    "|director|diplomat"
    "|dispatcher|doctor|driver|economist|editor|electrician|engineer|executive|farmer|firefighter"
    "|fisherman|florist|foreman"
    "|gardener|geologist|guard|hairdresser|handyman|historian|housekeeper|inspector|instructor"
    "|interpreter|inventor|janitor"
    "|jeweller|jeweler|journalist|judge|labourer|laborer|lawyer|lecturer|librarian|lieutenant|locksmith"
    "|machinist|magistrate"
    "|manager|mathematician|mechanic|midwife|miner|model|musician|nanny|notary|novelist|nurse|officer"
    "|operator|optician"
    "|optometrist|painter|paralegal|paramedic|pastor|pharmacist|philosopher|photographer|physician"
    "|physicist|physiotherapist"
    "|pilot|plumber|poet|policeman|policewoman|politician|porter|postman|priest|principal|producer"
    "|professor|programmer"
    "|prosecutor|psychiatrist|psychologist|publisher|rabbi|radiographer|realtor|receptionist|reporter"
    "|researcher|sailor"
    "|salesman|saleswoman|salesperson|scientist|secretary|sergeant|singer|soldier|solicitor|specialist"
    "|stockbroker|student"
    "|superintendent|supervisor|surgeon|surveyor|tailor|teacher|technician|teller|therapist|trader"
    "|trainer|translator"
    "|treasurer|tutor|typist|undertaker|vet|veterinarian|waiter|waitress|watchmaker|weaver"
    "|welder|writer|zookeeper"
)
_HEAD_WORDS: Final = frozenset(_HEADS.split("|"))
# What gives the occupation that follows to somebody, and the words that may stand between.
_GIVEN: Final = re.compile(
    r"(?:\b(?:(?:work(?:s|ed|ing)?|employed|trained|serv(?:es|ed|ing)|job|career|position|profession|occupation)"
    r" (?:is |was )?(?:currently )?(?:as )?(?:an? |the )?|(?:I am|I'm|he's|she's|(?:he|she|who|wife|husband"
    r"|mother|father|mom|dad|son|daughter|brother|sister|applicant|patient|user|partner|friend) (?:is|was))"
    r" (?:now |still |currently |also )?(?:an? |the )(?:former |retired )?|(?:became|becoming|become) an? |retired )"
    r"|[a-z], an? )"
    r"(?P<title>(?:(?!(?:very|really|good|great|bad|big|huge|little)\b)[a-z][a-z-]{2,15} ){0,2})$"
)
_LOOK_BACK: Final = 80
SCORE: Final = 0.5


@cache
def _pattern(head: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){head}(?!\w)")


class OccupationRecogniser:
    """Words for occupations where the words before give them to a person."""

    name = "rules.occupation"
    entities = frozenset(("OCCUPATION",))
    digits = -1

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold

    def find(self, view: View) -> Iterable[Finding]:
        if self._threshold > SCORE:
            return ()
        found = []
        for head in _HEAD_WORDS & view.words:
            for match in _pattern(head).finditer(view.text):
                start = match.start()
                given = _GIVEN.search(view.text[max(0, start - _LOOK_BACK) : start])
                if given:
                    begin = start - len(given["title"])
                    found.append(Finding("OCCUPATION", begin, match.end(), SCORE, self.name))
        return found
