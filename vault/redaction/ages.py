"""Rules for ages in figures and words; what a pack does with ages under 90 is its own business."""

from __future__ import annotations

import re
from typing import Final

from vault.redaction.patterns import Rule, RuleSet

_TENS: Final = "(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
_ONES: Final = "(?:one|two|three|four|five|six|seven|eight|nine)"
_TEENS: Final = "(?:ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen)"
_WORDED: Final = (
    rf"(?:(?:(?:one|a) hundred(?:(?: and)? (?:{_TENS}(?:[- ]{_ONES})?|{_TEENS}|{_ONES}))?)"
    rf"|{_TENS}(?:[- ]{_ONES})?|{_TEENS}|{_ONES})"
)
_FIGURES: Final = r"(?:1[01]\d|12[0-4]|\d{1,2})(?:\.5|\xbd| 1/2)?"
_AGE: Final = rf"(?P<value>(?:{_FIGURES}|{_WORDED})(?:(?: ?- ?| to | or )(?:{_FIGURES}|{_WORDED}))?)"
_YEARS: Final = "(?:years?|yrs?|months?|mos?|weeks?|wks?|days?)"
_NOT_MEASURED: Final = (
    r"(?!\w|\s?(?:%|\xb0|degrees|percent|mg|kg|km|cm|mm|miles?|minutes?|mins?|hours?|hrs?|times|people"
    r"|points|pages|dollars"
    r"|of\b)|[.,:/]\d|-\d)"
)

_TO_BE: Final = (
    r"\b(?:I ?am|I'm|(?:he|she)(?:'s| is| was)|(?:is|was|just) (?:only|now|already|almost|nearly|about|just))"
)
_NO_MORE: Final = (
    r"(?= ?(?:[.,;!?)]|$|\n| and | but | now | this | next | years?\b(?! (?:in|into|later|ago|away"
    r"|behind))| when ))"
    r"(?! ?[.,]\d| years? (?:ahead|late|sober|younger|older|junior|senior))"
)
_NUMBER_WORDS: Final = (
    *(
        "twenty",
        "thirty",
        "forty",
        "fifty",
        "sixty",
        "seventy",
        "eighty",
        "ninety",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
    ),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)

AGE_RULES: Final[tuple[RuleSet, ...]] = (
    RuleSet(
        name="rules.age",
        entity="AGE",
        unstructured=True,
        rules=(
            Rule(
                name="years old",
                regex=rf"\b{_AGE}[ -]?{_YEARS}[ -](?:old|of age|young)\b",
                score=0.85,
                words=frozenset(("old", "age", "young")),
            ),
            Rule(
                name="aged",
                regex=(
                    rf"\b(?:aged?|ages|turn(?:s|ed|ing)?|reached)\b[ :=(\"']{{1,4}}(?:is |was |of |at "
                    rf"|the age of |about |around "
                    rf"|approximately )?{_AGE}(?: ?(?:{_YEARS}|y)\b)?{_NOT_MEASURED}"
                ),
                score=0.8,
                words=frozenset(("age", "aged", "ages", "turn", "turns", "turned", "turning", "reached")),
            ),
            Rule(
                name="I am",
                regex=rf"{_TO_BE} (?P<value>{_FIGURES}){_NO_MORE}",
                score=0.5,
                digits=1,
                words=frozenset(("i", "iam", "he", "she", "is", "was", "just")),
            ),
            Rule(
                name="I am, in words",
                regex=rf"{_TO_BE} (?P<value>{_TENS}(?:[- ]{_ONES})?|{_TEENS}){_NO_MORE}",
                score=0.5,
                words=frozenset(_NUMBER_WORDS),
            ),
            Rule(
                name="decade",
                regex=(
                    r"\b(?:in|into|approaching|past) (?:his|her|their|my|your|our) (?:early |mid[- ]?"
                    r"|late |mid to late )?[- ]?"
                    r"(?P<value>(?:[2-9]0|1[01]0)'?s|(?:teens|twenties|thirties|forties|fifties|sixties"
                    r"|seventies|eighties|nineties"
                    r"|hundreds))\b"
                ),
                score=0.7,
                words=frozenset(("his", "her", "their", "my", "your", "our")),
                hints=("0s", "0's", "teens", "ties", "hundreds"),
            ),
            Rule(
                name="at",
                regex=(
                    rf"\b(?:died|passed away|retired?|married|diagnosed|menarche|menopause|widowed|death|onset)"
                    rf"(?: \w{{1,12}}){{0,2}} at (?:the age of |age |about )?{_AGE}{_NOT_MEASURED}(?! ?[ap]\.?m)"
                ),
                score=0.6,
                words=frozenset(
                    (
                        *(
                            "died",
                            "passed",
                            "retire",
                            "retired",
                            "married",
                            "diagnosed",
                            "menarche",
                            "menopause",
                        ),
                        *("widowed", "death", "onset"),
                    )
                ),
            ),
        ),
    ),
    RuleSet(
        name="rules.age.sex",
        entity="AGE",
        rules=(
            Rule(
                name="after a name",
                regex=(
                    r"(?<=[a-z]), (?P<value>[1-9]\d)(?=,? ?(?:[.;)]|, (?:of|from|who|was|is|has)\b)\s?(?:[A-Z]|$|\w))"
                    r"(?!\.\d)"
                ),
                score=0.3,
                digits=2,
            ),
            Rule(
                name="with a sex",
                regex=(
                    r"(?<![\w.,/$-])(?P<value>\d{2}|1[01]\d)[ -]?(?:y\.?|yrs?|years?)? ?"
                    r"(?:M|F|m/o|male|female|man|woman|gentleman|lady)(?![\w/-]|\.\w)"
                ),
                score=0.6,
                digits=2,
                flags=re.NOFLAG,
            ),
            Rule(
                name="y o",
                regex=(
                    r"(?<![\w.,/$-])(?P<value>1[01]\d|\d{1,2}) ?-?(?:(?:y|yr)\.? ?/? ?o\.?[mf]?|yo[mf]?"
                    r"|(?:yrs?|mos?|y)[ -]?old"
                    r"|(?:y|yr|m)/[MFmf])(?!\w)"
                ),
                score=0.75,
                digits=1,
                hints=("o", "y/", "yr/", "m/"),
            ),
        ),
    ),
)
