"""Rules for what somebody does for a living: a word for an occupation where a sentence gives it to a person."""

from __future__ import annotations

from typing import Final

from vault.redaction.patterns import Rule, RuleSet

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
    "|treasurer|truck driver|tutor|typist|undertaker|vet|veterinarian|waiter|waitress|watchmaker|weaver"
    "|welder|writer|zookeeper"
)
_WORDS: Final = frozenset(
    form for head in _HEADS.split("|") for word in (head.split()[-1],) for form in (word, word + "s")
)

OCCUPATION_RULES: Final[tuple[RuleSet, ...]] = (
    RuleSet(
        name="rules.occupation",
        entity="OCCUPATION",
        unstructured=True,
        rules=(
            Rule(
                name="given to a person",
                regex=(
                    r"\b(?:(?:work(?:s|ed|ing)?|employed|trained|serv(?:es|ed|ing)|job|career|position"
                    r"|profession|occupation)"
                    r" (?:is |was )?(?:currently )?(?:as )?(?:an? |the )?|(?:I am|I'm|he's|she's|(?:he"
                    r"|she|who|wife|husband|mother|father"
                    r"|mom|dad|son|daughter|brother|sister|applicant|patient|user|partner|friend) (?:is|was))"
                    r" (?:now |still |currently |also )?(?:an? |the )(?:former |retired )?|(?:became"
                    r"|becoming|become) (?:an? )"
                    r"|[a-z], (?:an? )|retired )"
                    rf"(?P<value>(?:(?!(?:very|really|good|great|bad|big|huge"
                    rf"|little)\b)[a-z][a-z-]{{2,15}} ){{0,2}}(?:{_HEADS}))\b"
                ),
                score=0.5,
                words=_WORDS,
            ),
        ),
    ),
)
