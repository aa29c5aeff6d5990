"""Rules for what stands beside a card number: sensitive authentication data (PCI DSS 3.3.1: never stored),
the expiry date, and the last four digits where a card is spoken of."""

from __future__ import annotations

from typing import Final

from vault.redaction.patterns import Rule, RuleSet

_FILLER: Final = r"\W{0,3}(?:(?:code|number|num|no|is|was|of|for|the|my|card|on|back|value)\b\W{1,3}){0,5}"
_CVV: Final = (
    r"(?:cvv2?|cvc2?|cv2|cvn2?|csc|cid|card verification(?: value| code| number)?"
    r"|(?:card )?security (?:code|number)|card code)"
)
_CARD_CUES: Final = (
    *(
        "card",
        "visa",
        "mastercard",
        "amex",
        "american express",
        "discover",
        "maestro",
        "credit",
        "debit",
        "cvv",
        "cvc",
        "cvc2",
    ),
    *("cvv2", "csc", "cardholder", "pan", "valid thru", "payment"),
)
_EXPIRES: Final = (
    r"(?:exp(?:\.|iry|iration|ires|iring|\b)(?: ?(?:date|dt|on|in|is|month))?(?: is)?|valid (?:thru"
    r"|through|until|to|till)|good thru"
    r"|expiry date|caduca|vencimiento|g\xfcltig bis|expire|scadenza|validade)"
)
_MONTH_YEAR: Final = r"(?:0?[1-9]|1[0-2]) ?[/-] ?(?:20[2-4]\d|[2-4]\d)"

CARD_RULES: Final[tuple[RuleSet, ...]] = (
    RuleSet(
        name="cards.cvv",
        entity="CARD_CVV",
        rules=(
            Rule(
                name="labelled",
                regex=rf"\b{_CVV}\b{_FILLER}(?P<value>\d{{3,4}})(?![\w-]|[.,/]\d)",
                score=0.95,
                digits=3,
                hints=("cv", "verification", "security", "csc", "cid", "card code"),
            ),
            Rule(
                name="label after",
                regex=rf"(?<![\w.,/-])(?P<value>\d{{3,4}})\W{{1,3}}(?:(?:is|as|the|my|for)\s){{0,3}}{_CVV}\b",
                score=0.9,
                digits=3,
                hints=("cv", "verification", "security", "csc", "cid", "card code"),
            ),
            Rule(
                name="after the expiry",  # "4111 1111 1111 1111 12/27 123"
                regex=(
                    rf"\d{{4}}\W{{1,3}}(?:{_EXPIRES}\W{{0,2}})?{_MONTH_YEAR}"
                    r"[ ,;|]{1,3}(?P<value>\d{3,4})(?![\w/-]|[.,]\d)"
                ),
                score=0.8,
                digits=10,
            ),
        ),
    ),
    RuleSet(
        name="cards.pin",
        entity="CARD_PIN",
        rules=(
            Rule(
                name="four digits",
                regex=rf"\bpin\b{_FILLER}(?P<value>\d{{4}})(?![\w-])",
                score=0.95,
                digits=4,
                hints=("pin",),
            ),
            Rule(
                name="five or six digits",  # but an Indian "PIN code 560001" is a place
                regex=rf"\bpin\b(?![ -]?code){_FILLER}(?P<value>\d{{5,8}})\b",
                score=0.95,
                digits=5,
                hints=("pin",),
            ),
            Rule(
                name="label after",
                regex=(
                    r"(?<![\w.,/-])(?P<value>\d{4})\W{1,3}(?:is|as) (?:the|my|her|his|their|your)"
                    r" (?:\w{1,10} )?pin\b"
                ),
                score=0.85,
                digits=4,
                hints=("pin",),
            ),
        ),
    ),
    RuleSet(
        name="cards.expiry",
        entity="CARD_EXPIRY",
        cues=_CARD_CUES,
        rules=(
            Rule(
                name="labelled",
                regex=rf"\b{_EXPIRES}[\s:.,=-]{{1,3}}(?P<value>{_MONTH_YEAR})(?![\w/-]|[.,]\d)",
                score=0.5,
                near=0.9,
                digits=3,
                hints=("exp", "valid", "good thru", "caduca", "vencimiento", "ltig bis", "scadenza"),
            ),
            Rule(
                name="beside the number",
                regex=rf"(?<=\d{{4}})[ ,;|]{{1,3}}(?P<value>{_MONTH_YEAR})(?![\w/-]|[.,]\d)",
                score=0.65,
                near=0.8,
                digits=3,
            ),
        ),
    ),
    RuleSet(
        name="cards.track",
        entity="CARD_TRACK",
        rules=(
            Rule(
                name="track 1",  # ISO/IEC 7813
                regex=r"%?B\d{12,19}\^[^^\n]{2,26}\^\d{4}[^?\s]{0,60}\??",
                score=0.95,
                check="track",
                digits=16,
                chars="^",
            ),
            Rule(
                name="track 2",
                regex=r"(?<![\w=]);?\d{12,19}[=D]\d{7,20}\??",
                score=0.8,
                check="track",
                digits=19,
            ),
        ),
    ),
    RuleSet(
        name="cards.last_four",
        entity="CREDIT_CARD",
        rules=(
            Rule(
                name="last four",
                regex=(
                    r"\b(?:card|visa|mastercard|amex|american express|discover|debit|credit)\b(?:"
                    r" (?:card|number|no\.?|that|is|was|which))"
                    r"{0,3} ?\(?(?:ending|ends|ended|end|last (?:four|4)(?: digits)?|x{2,4}|\*{2,4})(?:"
                    r" (?:in|with|are|is|of))?"
                    r"[\s:*#x.-]{0,6}(?P<value>\d{4})(?![\w-])"
                ),
                score=0.6,
                digits=4,
                hints=("card", "visa", "amex", "american express", "discover", "debit", "credit"),
            ),
            Rule(
                name="last four of",
                regex=(
                    r"\blast (?:four|4)(?: digits| numbers)?(?: of| on)?(?: (?:my|the|her|his|your"
                    r"|their))?(?: (?:credit|debit|bank))?"
                    r" card(?: number)?(?: are| is|:)? (?P<value>\d{4})(?![\w-])"
                ),
                score=0.6,
                digits=4,
                hints=("last f", "last 4"),
            ),
            Rule(
                name="masked",
                regex=r"(?<![\w*])(?:[*xX\u2022]{4}[ -]?){3}\d{4}(?![\w-])",
                score=0.6,
                digits=4,
            ),
        ),
    ),
    RuleSet(
        name="cards.ssn_last_four",
        entity="US_SSN",
        rules=(
            Rule(
                name="last four",
                regex=(
                    r"\b(?:last (?:four|4)(?: digits| numbers)?(?: of| on)?(?: (?:my|the|her|his|your"
                    r"|their))? (?:ssn|social(?: security)?)"
                    r"(?: number)?|(?:ssn|social(?: security)?)(?: number)? ?(?:is )?(?:ending|ends)(?: in| with)?)"
                    r"(?: are| is|:)? ?(?P<value>\d{4})(?![\w-])"
                ),
                score=0.6,
                digits=4,
                hints=("ssn", "social"),
            ),
            Rule(
                name="masked",
                regex=r"(?<![\w*])(?:[*xX\u2022]{3}-[*xX\u2022]{2}-)\d{4}(?![\w-])",
                score=0.7,
                digits=4,
                chars="--",
            ),
        ),
    ),
)
