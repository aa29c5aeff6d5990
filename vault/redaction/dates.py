"""Rules for dates and times in every written form: figures, words, ranges, bare years, words of the calendar.

A date near a word of birth is a DATE_OF_BIRTH, any other a DATE_TIME. Month names are those of English, Spanish,
German, French, Italian, Portuguese, Dutch, Danish and Swedish.
"""

from __future__ import annotations

import re
from typing import Final

from vault.redaction.patterns import Rule, RuleSet
from vault.redaction.tries import either

# Names that are seldom anything but a month, in any case.
_SURE_MONTHS: Final = [
    "january",
    "february",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "setiembre",
    "octubre",
    "noviembre",
    "diciembre",
    "januar",
    "jänner",
    "februar",
    "feber",
    "märz",
    "maerz",
    "juni",
    "juli",
    "oktober",
    "dezember",
    "janvier",
    "février",
    "fevrier",
    "avril",
    "juin",
    "juillet",
    "août",
    "aout",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
    "decembre",
    "gennaio",
    "febbraio",
    "aprile",
    "maggio",
    "giugno",
    "luglio",
    "settembre",
    "ottobre",
    "dicembre",
    "janeiro",
    "fevereiro",
    "março",
    "maio",
    "junho",
    "julho",
    "setembro",
    "outubro",
    "novembro",
    "dezembro",
    "januari",
    "februari",
    "maart",
    "augustus",
    "marts",
    "maj",
    "augusti",
    "jan",
    "feb",
    "apr",
    "jun",
    "jul",
    "aug",
    "sept",
    "oct",
    "nov",
]
# Names that are also other words: in lower case a year must follow.
_UNSURE_MONTHS: Final = [
    "march",
    "may",
    "mai",
    "mei",
    "mars",
    "mar",
    "sep",
    "dec",
    "ene",
    "abr",
    "ago",
    "dic",
    "okt",
    "dez",
    "mrz",
    "janv",
    "févr",
    "juil",
]

_MONTH_WORDS: Final = frozenset((*_SURE_MONTHS, *_UNSURE_MONTHS))


_ANY_MONTH: Final = rf"(?:{either([*_SURE_MONTHS, *_UNSURE_MONTHS])})\b\.?"
# For rules that tell case: capitalised, in capitals, or sure in lower case.
_CASED_MONTH: Final = (
    "(?:"
    + either(
        [form for word in (*_SURE_MONTHS, *_UNSURE_MONTHS) for form in (word.capitalize(), word.upper())]
        + [word for word in _SURE_MONTHS if len(word) > 3]
    )
    + r")\b\.?"
)

_DAY: Final = r"(?:0?[1-9]|[12]\d|3[01])(?:st|nd|rd|th|er|o|\.|:e)?"
_DAYS: Final = rf"{_DAY}(?:(?: ?[-/&] ?| to | and | until | bis | al? )(?:the )?{_DAY})?"
_YEAR: Final = r"(?:(?:1[6-9]|20)\d\d|'\d\d)"
_SHORT_YEAR: Final = r"(?:(?:1[6-9]|20)\d\d|'?\d\d)"
_JOIN: Final = r"(?:[ -]|(?<=\.))(?:(?:of|de|del|da|du|do|van) )?(?:d')?"
_CLOCK: Final = (
    r"(?:[01]?\d|2[0-4])(?::[0-5]\d){1,2}(?:\.\d{1,6})?(?: ?[ap]\.?m\b\.?)?|(?:1[0-2]|[1-9]) ?[ap]\.?m\b\.?"
)
_TIME: Final = rf"(?:,? (?:at |um |\xe0 |a las |@ ?)?(?:{_CLOCK})(?: ?(?:UTC|GMT|[ECMP][SD]T|CET|CEST)\b)?)?"
_WEEKDAYS: Final = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_END: Final = r"(?![\w])"

_DAY_MONTH_YEAR: Final = (
    rf"\b{_DAYS}{_JOIN}{_ANY_MONTH}(?:,? ?(?:de[l]? |of )?|[-/ ]){_SHORT_YEAR}{_END}{_TIME}"
)
_MONTH_DAY_YEAR: Final = rf"\b{_ANY_MONTH}[ -]?(?:the )?{_DAYS}(?: ?, ?| of | |-){_YEAR}{_END}{_TIME}"
_MONTH_YEAR: Final = rf"\b{_ANY_MONTH}(?:,? (?:of |de[l]? )?|[-/]){_YEAR}{_END}"
_MONTH_DAY: Final = rf"\b{_CASED_MONTH} (?:the )?{_DAYS}(?![\w%]|[.,:/]\d|-\d{{3}}){_TIME}"
_DAY_MONTH: Final = rf"\b{_DAYS}{_JOIN}{_CASED_MONTH}(?!\w){_TIME}"

_ORDINALS: Final = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
    "fifteenth",
    "sixteenth",
    "seventeenth",
    "eighteenth",
    "nineteenth",
    "twentieth",
    "thirtieth",
]
_ORDINAL: Final = rf"(?:(?:twenty|thirty)[- ])?(?:{either(_ORDINALS)})"
_TENS: Final = (
    "(?:ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen"
    "|(?:twen|thir|for|fif|six|seven|eigh|nine)ty)"
)
_ONES: Final = "(?:one|two|three|four|five|six|seven|eight|nine)"
_YEAR_WORDS: Final = (
    rf"(?:(?:nineteen|twenty|eighteen)[- ](?:hundred(?: and)? )?(?:oh[- ]{_ONES}|{_TENS}(?:[- ]{_ONES})?)"
    rf"|two thousand(?:(?: and)? (?:{_TENS}(?:[- ]{_ONES})?|{_ONES}))?)\b"
)
_ORDINAL_DATE: Final = (
    rf"\b(?:(?:the )?{_ORDINAL} (?:day )?of {_ANY_MONTH}|{_ANY_MONTH} (?:the )?{_ORDINAL})"
    rf"(?:,? (?:of |in )?(?:{_YEAR}|{_YEAR_WORDS}))?{_END}"
)
_FIGURE_YEAR_WORDS: Final = (
    rf"\b(?:{_ANY_MONTH} {_DAY}|{_DAY} (?:of )?{_ANY_MONTH}|{_ANY_MONTH}),? {_YEAR_WORDS}"
)

_D: Final = r"(?:0?[1-9]|[12]\d|3[01])"
_M: Final = r"(?:0?[1-9]|1[0-2])"
_NUMERIC: Final = (
    r"(?<![\w/.-])(?<!ersion )(?<!elease )(?:"
    rf"(?:1[6-9]|20)\d\d(?P<a>[-/.]){_M}(?P=a){_D}(?:[T ](?:[01]\d|2[0-4]):?[0-5]\d(?::?[0-5]\d(?:\.\d{{1,9}})?)?"
    r"(?:Z|[+-][01]\d:?\d\d)?)?"
    rf"|(?:{_D}(?P<b>[-/.]){_M}|{_M}(?P<c>[-/.]){_D})(?:(?P=b)|(?P=c))(?:(?:1[6-9]|20)\d\d|'?\d\d)"
    rf"(?!\d|[-/.]\d){_TIME}"
    r")(?![\w/-])"
)
_SPACED: Final = rf"(?<![\w/.-])(?:{_D} ?[-/. ] ?{_D} ?[-/. ] ?(?:(?:18|19|20)\d\d|\d\d))(?![\w/-]|\.\d)"
_COMPACT: Final = (
    r"(?<![\w/.-])(?:(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])(?:19|20)\d\d)(?![\w/-])"
)

_BIRTH: Final = 0.97  # more than any context can make of a mere date

_BIRTH_CUES: Final = (
    *("dob", "d o b", "born", "birth", "birthday", "birthdate", "bday", "b day", "birthdays", "bdate", "yob"),
    *(
        "geboren",
        "geb",
        "geburtsdatum",
        "geburtstag",
        "geboortedatum",
        "nacimiento",
        "nacido",
        "nacida",
        "nascimento",
    ),
    *(
        "nascido",
        "nascida",
        "naissance",
        "n\u00e9",
        "n\u00e9e",
        "nato",
        "nata",
        "nascita",
        "f\u00f8dt",
        "f\u00f8dselsdato",
        "f\u00f6dd",
    ),
)

_WORDED_RULES: Final = (
    Rule(name="day month year", regex=_DAY_MONTH_YEAR, score=0.7, digits=3, words=_MONTH_WORDS),
    Rule(name="month day year", regex=_MONTH_DAY_YEAR, score=0.7, digits=3, words=_MONTH_WORDS),
    Rule(name="month year", regex=_MONTH_YEAR, score=0.65, digits=2, words=_MONTH_WORDS),
    Rule(
        name="ordinal",
        regex=_ORDINAL_DATE,
        score=0.7,
        words=_MONTH_WORDS,
        hints=(
            "first",
            "second",
            "third",
            "fourth",
            "fifth",
            "sixth",
            "seventh",
            "eighth",
            "ninth",
            "tenth",
            "eleventh",
            "twelfth",
            "eenth",
            "tieth",
        ),
    ),
    Rule(
        name="year in words",
        regex=_FIGURE_YEAR_WORDS,
        score=0.7,
        words=_MONTH_WORDS,
        hints=("nineteen", "twenty", "two thousand", "eighteen"),
    ),
    Rule(name="month day", regex=_MONTH_DAY, score=0.55, digits=1, words=_MONTH_WORDS, flags=re.NOFLAG),
    Rule(name="day month", regex=_DAY_MONTH, score=0.55, digits=1, words=_MONTH_WORDS, flags=re.NOFLAG),
    Rule(
        name="on a day",
        regex=(
            r"\b(?:on|by|since|until|from) (?:the )?"
            rf"(?P<value>{_DAY}{_JOIN}{_ANY_MONTH}|{_ANY_MONTH} {_DAY}(?!\d))(?!\w)"
        ),
        score=0.5,
        digits=1,
        words=_MONTH_WORDS,
    ),
)


def _as_birth(rule: Rule) -> Rule:
    return Rule(
        name=rule.name,
        regex=rule.regex,
        score=0.0,
        near=_BIRTH,
        digits=rule.digits,
        words=rule.words,
        hints=rule.hints,
        flags=rule.flags,
    )


_RELATIVE_UNITS: Final = (
    *("last", "this", "next", "past", "previous", "following", "coming"),
    *("early", "late", "mid", "since", "in", "until", "till", "by", "during", "on", "every"),
)
_SEASON: Final = (
    "(?:spring|summer|autumn|fall|winter|christmas|easter|thanksgiving|new year's(?: day| eve)?|ramadan)"
)
_CAPITAL_MONTH: Final = (
    "(?:" + either([word.capitalize() for word in (*_SURE_MONTHS, "march", "may")]) + r")\b"
)

DATE_RULES: Final[tuple[RuleSet, ...]] = (
    RuleSet(
        name="rules.birth",
        entity="DATE_OF_BIRTH",
        cues=_BIRTH_CUES,
        unstructured=True,
        rules=(
            Rule(name="numeric", regex=_NUMERIC, score=0.0, near=_BIRTH, digits=4),
            Rule(name="spaced", regex=_SPACED, score=0.0, near=_BIRTH, digits=4),
            Rule(name="compact", regex=_COMPACT, score=0.0, near=_BIRTH, digits=8),
            *map(_as_birth, _WORDED_RULES),
        ),
    ),
    RuleSet(name="rules.date", entity="DATE_TIME", rules=_WORDED_RULES, unstructured=True),
    RuleSet(
        name="rules.date.words",
        entity="DATE_TIME",
        unstructured=True,
        rules=(
            Rule(
                name="month",
                regex=(
                    r"\b(?:[Ii]n|[Ss]ince|[Ll]ast|[Tt]his|[Nn]ext|[Ee]arly|[Ll]ate|[Mm]id|[Uu]ntil|[Bb]y"
                    r"|[Ff]rom|[Oo]f"
                    rf"|[Dd]uring)[ -](?:(?:early|late|mid)[ -])?(?P<value>{_CAPITAL_MONTH})(?! [A-Z\d])"
                ),
                score=0.45,
                words=_MONTH_WORDS,
                flags=re.NOFLAG,
            ),
            Rule(
                name="weekday",
                regex=rf"\b(?:{either(_WEEKDAYS)})(?: (?:morning|afternoon|evening|night))?\b",
                score=0.4,
                words=frozenset(_WEEKDAYS),
            ),
            Rule(
                name="relative",
                regex=(
                    r"\b(?:(?:last|next|previous|this past) (?:week|weekend|month|year|spring|summer"
                    r"|autumn|fall|winter)"
                    r"|(?:the )?(?:day|week|month|year) before last|the day before yesterday)\b"
                ),
                score=0.4,
                words=frozenset(("last", "next", "previous", "past", "yesterday")),
            ),
            Rule(
                name="day of speech",
                regex=r"\b(?:yesterday|tomorrow|today|tonight|\w{1,8} (?:days?|weeks?|months?|years?) ago)\b",
                score=0.2,
                words=frozenset(("yesterday", "tomorrow", "today", "tonight", "ago")),
            ),
            Rule(
                name="season",
                regex=rf"\b{_SEASON}(?: day| eve)?,? (?:of )?{_YEAR}{_END}",
                score=0.6,
                digits=2,
                words=frozenset(
                    (
                        "spring",
                        "summer",
                        "autumn",
                        "fall",
                        "winter",
                        "christmas",
                        "easter",
                        "thanksgiving",
                        "new",
                        "ramadan",
                    )
                ),
            ),
            Rule(
                name="holiday",
                regex=r"\b(?:Christmas|New Year's|Thanksgiving|Valentine's|Independence|Boxing)(?: Day| Eve)\b",
                score=0.45,
                words=frozenset(("christmas", "year", "thanksgiving", "valentine", "independence", "boxing")),
                flags=re.NOFLAG,
            ),
        ),
    ),
    RuleSet(
        name="rules.date.numeric",
        entity="DATE_TIME",
        gate=r"\d[-/.]\d",
        rules=(
            Rule(name="full", regex=_NUMERIC, score=0.62, digits=4),
            Rule(
                name="month and year",
                regex=rf"(?<![\w/.-])(?:{_M}[/.-](?:19|20)\d\d|(?:19|20)\d\d[/-](?:0[1-9]|1[0-2]))(?![\w/-]|\.\d)",
                score=0.55,
                digits=5,
            ),
            Rule(
                name="day and month",
                regex=(
                    r"\b(?:on|since|dated?|until|till|by|from|seen|admitted|discharged|visit|due|before"
                    r"|after|am|den|el|le"
                    rf"|il|op)[ :]{{1,2}}(?P<value>(?:{_M}[/-]{_D}|{_D}[/-]{_M}|{_D}\.{_M}\.)"
                    rf"(?: ?(?:-|to|through|until) ?{_M}/{_D})?)(?![\w/%-]|[.]\d| ?(?:of|mg|ml|strength|pain))"
                ),
                score=0.45,
                digits=2,
            ),
        ),
    ),
    RuleSet(
        name="rules.date.glued",
        entity="DATE_TIME",
        gate=r"\d[A-Za-z]{3}'?\d\d",
        rules=(
            Rule(
                name="glued",
                regex=(
                    r"(?<![\w-])(?:0?[1-9]|[12]\d|3[01])"
                    rf"(?:{either([word for word in _MONTH_WORDS if len(word) == 3])}){_SHORT_YEAR}{_END}"
                ),
                score=0.6,
                digits=3,
            ),
        ),
    ),
    RuleSet(
        name="rules.date.quarter",
        entity="DATE_TIME",
        rules=(
            Rule(
                name="quarter",
                regex=rf"\b(?:Q[1-4]|H[12]|FY|CW ?\d\d|KW ?\d\d)(?: of)?[ /-]?{_YEAR}{_END}",
                score=0.5,
                digits=2,
                hints=("q1", "q2", "q3", "q4", "h1", "h2", "fy", "cw", "kw"),
            ),
        ),
    ),
    RuleSet(
        name="rules.date.stamp",
        entity="DATE_TIME",
        cues=(
            "date",
            "dated",
            "datum",
            "fecha",
            "data",
            "timestamp",
            "admission",
            "discharge",
            "visit",
            "service",
        ),
        rules=(
            Rule(name="compact", regex=_COMPACT, score=0.0, near=0.5, digits=8),
            Rule(name="spaced", regex=_SPACED, score=0.0, near=0.5, digits=4),
        ),
    ),
)

SHORT_YEAR_RULES: Final = RuleSet(
    name="rules.date.short",
    entity="DATE_TIME",
    rules=(
        Rule(
            name="short",
            regex=(
                r"(?<!\w)(?:(?:in|of|since|until|from|by|summer|winter|fall|spring|class of|back in) )"
                r"(?:the )?(?:early |late |mid[- ])?(?P<value>'\d\d(?:'?s)?)(?![\w'])"
            ),
            score=0.45,
            digits=2,
            chars="'",
        ),
        Rule(
            name="decade",
            regex=r"(?<!\w)(?P<value>'?[1-9]0'?s)(?= |[.,;!?)]|$)(?! degrees| percent)",
            score=0.2,
            digits=2,
        ),
    ),
)
