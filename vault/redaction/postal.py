"""Rules for postal codes and co-ordinates: a state, a town, a country's letter or a label stands beside the code."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from vault.redaction.patterns import Rule, RuleSet
from vault.types import Finding

_STATES: Final = (
    "(?:A[AEPLKZR]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[ARW]|RI|S[CD]|T[NX]|UT"
    "|V[AIT]|W[AIVY]|GU|AS|MP|FM|MH)"
)
_STATE_NAMES: Final = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii"
    "|Idaho|Illinois|Indiana"
    "|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi"
    "|Missouri|Montana|Nebraska"
    "|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma"
    "|Oregon|Pennsylvania"
    "|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West"
    " Virginia|Wisconsin|Wyoming"
)

_LABEL_WORDS: Final = frozenset(
    (
        *(
            "zip",
            "zipcode",
            "zips",
            "zipcodes",
            "zip4",
            "postal",
            "post",
            "postcode",
            "postcodes",
            "postalcode",
            "postalcodes",
        ),
        *(
            "plz",
            "cap",
            "c",
            "cp",
            "cep",
            "c\xf3digo",
            "code",
            "postleitzahl",
            "codice",
            "pin",
            "pincode",
            "pincodes",
        ),
    )
)


def _labelled(form: str, name: str = "labelled") -> Rule:
    """A code of this form after one of the words for it."""
    return Rule(
        name=name,
        regex=(
            r"\b(?:zip(?:[ -]?code)?s?|post(?:al)?[ -]?codes?|postcode|plz|cap|c\.p\.|cp|cep|c\xf3digo postal"
            r"|code postal"
            r"|postleitzahl|codice postale|pin[ -]?code|pincode|zip4?)[\s:=#.,]{1,3}(?:(?:is|are|of|was)[\s:]{1,2})?"
            rf"(?P<value>{form})(?![\w-])"
        ),
        score=0.8,
        digits=2,
        words=_LABEL_WORDS,
    )


POSTAL_RULES: Final[tuple[RuleSet, ...]] = (
    RuleSet(
        name="rules.zip",
        entity="ZIP_CODE",
        rules=(
            Rule(
                name="after a state",
                regex=rf"\b(?:{_STATES}|{_STATE_NAMES})[ ,\n]{{1,3}}(?P<value>\d{{5}}(?:-\d{{4}})?)(?![\w-])",
                score=0.6,
                digits=5,
                flags=re.NOFLAG,
            ),
        ),
    ),
    RuleSet(
        name="rules.zip.labelled",
        entity="ZIP_CODE",
        rules=(_labelled(r"\d{5}(?:-\d{4})?"), _labelled(r"\d{3} ?\d{3}|\d{5}-\d{3}", name="six or eight")),
    ),
    RuleSet(
        name="rules.postal.labelled",
        entity="POSTAL_CODE",
        rules=(
            _labelled(
                r"\d{4} ?[A-Z]{2}\b|\d{3} \d{2}|\d{4}|\d{2}-\d{3}|[A-Z]{1,2}-\d{4,5}|[A-Z]\d[A-Z] ?\d[A-Z]\d"
            ),
        ),
    ),
    RuleSet(
        name="rules.postcode.labelled",
        entity="UK_POSTCODE",
        rules=(_labelled(r"[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2}"),),
    ),
    RuleSet(
        name="rules.postal",
        entity="POSTAL_CODE",
        rules=(
            Rule(
                name="with a country letter",
                regex=(
                    r"(?<![\w-])(?:D|A|CH|F|B|L|DK|I|E|NL|SE|FI|N)-\d{4,5}(?: [A-Z]{2}\b)?(?="
                    r" [A-Z\u00c0-\u00de][a-z\u00df-\u00ff])"
                ),
                score=0.6,
                digits=4,
                chars="-",
                flags=re.NOFLAG,
            ),
            Rule(
                name="before a town",
                regex=(
                    r"(?:(?<=, )|(?<=\n)|(?<= in )|(?<=\d )|^)\d{5}(?="
                    r" [A-Z\u00c0-\u00de][a-z\u00df-\u00ff'-]{2,20}(?:[ -]"
                    r"(?:am|an|der|sur|sous|en|de|la|le|les|[A-Z\u00c0-\u00de][a-z\u00df-\u00ff]+))?(?:[.,;\n)]|$))"
                ),
                score=0.5,
                digits=5,
                flags=re.MULTILINE,
            ),
            Rule(
                name="Canadian",
                regex=r"(?<!\w)[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] ?\d[ABCEGHJ-NPRSTV-Z]\d(?!\w)",
                score=0.6,
                digits=3,
                flags=re.NOFLAG,
            ),
            Rule(
                name="Dutch",
                regex=(
                    r"(?<![\w-])[1-9]\d{3} (?!SA|SD|SS|AD|AM|PM|BC|CE|KM|MB|GB|KB|TB|EU|UK|US|MG|ML"
                    r"|CC)[A-Z]{2}(?= ?[A-Z][a-z]{2})"
                ),
                score=0.5,
                digits=4,
                flags=re.NOFLAG,
            ),
            Rule(
                name="Brazilian",
                regex=r"(?<![\w.-])\d{2}\.?\d{3}-\d{3}(?![\w-])",
                score=0.45,
                digits=8,
                chars="-",
            ),
        ),
    ),
    RuleSet(
        name="rules.postcode",
        entity="UK_POSTCODE",
        rules=(
            Rule(
                name="spaced",
                regex=(
                    r"(?<![\w-])(?:[A-PR-UWYZ](?:\d[\dA-HJKPSTUW]?|[A-HK-Y]\d[\dABEHMNPRVWXY]?))"
                    r" \d[ABD-HJLNP-UW-Z]{2}(?![\w-])"
                ),
                score=0.6,
                digits=2,
                flags=re.NOFLAG,
            ),
        ),
    ),
    RuleSet(
        name="rules.coordinates",
        entity="GPS_COORDINATES",
        rules=(
            Rule(
                name="decimal pair",
                regex=(
                    r"(?<![\w.-])[-+]?(?:[1-8]?\d|90)\.\d{3,10}\xb0? ?[NS]?[,;/ ]{1,2}[-+]?(?:1[0-7]\d"
                    r"|[1-9]?\d|180)\.\d{3,10}"
                    r"\xb0? ?[EWO]?(?!\w|\.\d)"
                ),
                score=0.8,
                digits=8,
                chars="..",
            ),
            Rule(
                name="degrees",
                regex=(
                    r"(?<![\w.])\d{1,3}(?:\.\d{1,6})?[\xb0\xba] ?(?:\d{1,2}(?:\.\d{1,4})?['\u2032]"
                    r" ?)?(?:\d{1,2}(?:\.\d{1,4})?[\"\u2033] ?)?"
                    r"[NS][, ]{0,2}\d{1,3}(?:\.\d{1,6})?[\xb0\xba] ?(?:\d{1,2}(?:\.\d{1,4})?['\u2032] ?)?"
                    r"(?:\d{1,2}(?:\.\d{1,4})?[\"\u2033] ?)?[EWO]\b"
                ),
                score=0.85,
                digits=2,
            ),
            Rule(
                name="labelled",
                regex=(
                    r"\b(?:lat(?:itude)?|lon(?:g(?:itude)?)?|lng)\b[\"']?[ :=]{1,3}(?:is"
                    r" )?(?P<value>[-+]?\d{1,3}\.\d{2,12})(?![\w.])"
                ),
                score=0.8,
                digits=3,
                hints=("lat", "lon", "lng"),
            ),
            Rule(
                name="geo URI",
                regex=r"\bgeo:-?\d{1,2}\.\d{1,10},-?\d{1,3}\.\d{1,10}",
                score=0.85,
                digits=4,
                hints=("geo:",),
            ),
        ),
    ),
)

_AFTER_STREET: Final = re.compile(
    r"(?:[,\s>?]{1,6}[^\W\d_][\w.'\u2019-]{0,24}){0,8}[,\s>?]{1,6}(?P<code>\d{4,6}(?:-\d{3,4})?)(?=\s{0,3}(?:$|[.,;\n)!?]))"
)


def postal_codes(text: str, streets: Iterable[Finding]) -> Iterator[Finding]:
    """Figures that end the address a street or unit begins, whatever town stands between."""
    for street in streets:
        match = _AFTER_STREET.match(text, street.end)
        if match:
            yield Finding("POSTAL_CODE", *match.span("code"), 0.5, "rules.postal.after")
