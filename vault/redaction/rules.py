"""The vault's own pattern rules: birth and worded dates, ages over 89, record numbers, addresses, vehicles.

They find what Presidio's predefined recognisers do not. Every quantifier is bounded or can start at one place
only, so that each regex is linear in the text's length.
"""

from __future__ import annotations

import re
from typing import Final

from vault.redaction.patterns import Rule, RuleSet

_MONTHS: Final = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    "|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_CAPITAL_MONTHS: Final = (
    "(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?"
    "|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
)
_MONTH_HINTS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th)?"
_WORDED: Final = (
    rf"\b(?:{_DAY}(?:\s{{1,2}}of)?[\s-]{{1,2}}{_MONTHS}\.?,?[\s-]{{1,2}}(?:19|20)?\d\d"
    rf"|{_MONTHS}\.?\s{{1,2}}{_DAY}\s?,?\s{{1,2}}(?:19|20)\d\d)\b"
)
_MONTH_AND_DAY: Final = rf"\b(?:{_CAPITAL_MONTHS} {_DAY}|{_DAY} (?:of )?{_CAPITAL_MONTHS})\b"
_NUMERIC: Final = (
    r"(?<![\w/.-])(?:"
    r"(?:18|19|20)\d\d[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[-/. ](?:0?[1-9]|[12]\d|3[01])[-/. ](?:(?:18|19|20)\d\d|\d\d)"
    r"|(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r")(?![\w/-])"
)

_BIRTH: Final = 0.97  # more than any context can make of a mere date

_DATES: Final = (
    RuleSet(
        name="rules.birth",
        entity="DATE_OF_BIRTH",
        cues=(
            *("dob", "d o b", "born", "birth", "birthday", "birthdate", "bday", "b day"),
            *("geboren", "geburtsdatum", "fecha de nacimiento", "date de naissance"),
        ),
        rules=(
            Rule(name="numeric", regex=_NUMERIC, score=0.0, near=_BIRTH, digits=4),
            Rule(name="worded", regex=_WORDED, score=0.0, near=_BIRTH, digits=3, hints=_MONTH_HINTS),
            Rule(
                name="day",
                regex=_MONTH_AND_DAY,
                score=0.0,
                near=_BIRTH,
                digits=1,
                hints=_MONTH_HINTS,
                flags=re.NOFLAG,
            ),
        ),
    ),
    RuleSet(
        name="rules.date",
        entity="DATE_TIME",
        rules=(
            Rule(name="worded", regex=_WORDED, score=0.7, digits=3, hints=_MONTH_HINTS),
            Rule(name="day", regex=_MONTH_AND_DAY, score=0.5, digits=1, hints=_MONTH_HINTS, flags=re.NOFLAG),
        ),
    ),
)

_OVER_89: Final = r"(?P<value>9\d|1[01]\d|12[0-4])"
_AGE: Final = RuleSet(
    name="rules.age",
    entity="AGE",
    rules=(
        Rule(
            name="years old",
            regex=rf"\b{_OVER_89}(?:[ -]?(?:years?|yrs?)[ -](?:old|of age)|[ -]?(?:y/o|y\.?o))\b",
            score=0.85,
            digits=2,
            hints=("old", "of age", "yo", "y/o", "y.o"),
        ),
        Rule(
            name="aged",
            regex=(
                rf"\b(?:aged?|turn(?:s|ed|ing)?)\b[ :=]{{1,3}}(?:is |of )?{_OVER_89}\b"
                r"(?!\s?(?:%|\xb0|degrees|[.,]?\d))"
            ),
            score=0.8,
            digits=2,
            hints=("age", "turn"),
        ),
    ),
)

_NUMBER: Final = r"(?:[A-Z]{1,4}[-/]?)?\d(?:[-/]?\d)"
_RECORD: Final = (
    r"(?:med(?:ical)?\.?\s{1,2}rec(?:ord)?s?\.?(?:\s{1,2}(?:number|num|nr|no|id)\b\.?)?"
    r"|(?:patient|chart|hospital)\s{1,2}(?:id|number|no|identifier)\b\.?)"
)
_LINK: Final = r"[\s:=#.\-]{0,4}(?:(?:is|was)\s{1,2})?#?"
_MRN: Final = RuleSet(
    name="rules.mrn",
    entity="MRN",
    rules=(
        Rule(
            name="mrn",
            regex=rf"\bmrn\b{_LINK}(?P<value>{_NUMBER}{{3,13}}[A-Z]?)\b",
            score=0.9,
            digits=4,
            hints=("mrn",),
        ),
        Rule(
            name="medical record number",
            regex=rf"\b{_RECORD}{_LINK}(?P<value>{_NUMBER}{{4,13}}[A-Z]?)\b",
            score=0.85,
            digits=5,
            hints=("rec", "patient", "chart", "hospital"),
        ),
    ),
)

_STREET: Final = (
    "(?:Street|St|Avenue|Ave|Av|Boulevard|Blvd|Road|Rd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Terrace|Ter|Way|Circle|Cir"
    "|Square|Sq|Parkway|Pkwy|Highway|Hwy|Trail|Trl|Alley|Crescent|Close|Row|Walk|Mews|Plaza)"
)
_STREET_WORDS: Final = frozenset(_STREET[3:-1].lower().split("|"))
_UNIT: Final = r"(?:,? (?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm)\.? ?#?[\w-]{1,6}|,? # ?[\w-]{1,6})?"
_STATES: Final = (
    "(?:A[LKZR]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT"
    "|V[AIT]|W[AIVY])"
)
_PLACES: Final = (
    RuleSet(
        name="rules.street",
        entity="STREET_ADDRESS",
        rules=(
            Rule(
                name="capitalised",
                regex=(
                    r"\b\d{1,6}[A-Za-z]?(?:-\d{1,5})?,? (?:(?:[NSEW]{1,2}|North|South|East|West)\.? )?"
                    rf"(?:[A-Z0-9][\w'.-]{{0,24}} ){{1,4}}{_STREET}\b\.?{_UNIT}"
                ),
                score=0.75,
                digits=1,
                words=_STREET_WORDS,
                flags=re.NOFLAG,
            ),
            Rule(
                name="any case",
                regex=(
                    r"\b\d{2,6} (?:[nsew]\.? )?(?:[a-z]{3,20} ){1,2}"
                    rf"(?:street|st|avenue|ave|road|rd|boulevard|blvd|lane|ln|drive|dr)\b\.?{_UNIT}"
                ),
                score=0.6,
                check="street",
                digits=2,
                words=_STREET_WORDS,
            ),
            Rule(
                name="post office box",
                regex=r"\bP\.? ?O\.? ?Box \d{1,6}\b",
                score=0.75,
                digits=1,
                hints=("box",),
            ),
        ),
    ),
    RuleSet(
        name="rules.zip",
        entity="ZIP_CODE",
        rules=(
            Rule(
                name="after a state",
                regex=rf"\b{_STATES}[ ,]{{1,2}}(?P<value>\d{{5}}(?:-\d{{4}})?)\b",
                score=0.5,
                digits=5,
                flags=re.NOFLAG,
            ),
            Rule(
                name="labelled",
                regex=r"\bzip(?:[ -]?code)?[ :=#]{1,3}(?:is )?(?P<value>\d{5}(?:-\d{4})?)\b",
                score=0.8,
                digits=5,
                hints=("zip",),
            ),
        ),
    ),
    RuleSet(
        name="rules.vehicle",
        entity="VIN",
        rules=(Rule(name="vin", regex=r"\b[A-HJ-NPR-Z0-9]{13}\d{4}\b", score=0.3, check="vin", digits=4),),
    ),
)

_PHONE: Final = RuleSet(
    name="rules.phone",
    entity="PHONE_NUMBER",
    cues=("phone", "telephone", "cell", "cellphone", "mobile", "call", "fax", "tel", "whatsapp", "sms"),
    rules=(
        # Without its area code no library calls it valid.
        Rule(name="local", regex=r"(?<![\w.-])\d{3}[-. ]\d{4}(?![\w-])", score=0.0, near=0.6, digits=7),
    ),
)

OWN_RULES: Final[tuple[RuleSet, ...]] = (*_DATES, _AGE, _MRN, *_PLACES, _PHONE)
