"""The vault's own rules together: what Presidio's predefined recognisers do not find, and who asks them.

Every quantifier is bounded or can start at one place only, so that each regex is linear in the text's length.
"""

from __future__ import annotations

from typing import Final

from vault.redaction.addresses import ADDRESS_RULES
from vault.redaction.ages import AGE_RULES
from vault.redaction.dates import DATE_RULES, YEAR_RULES
from vault.redaction.interface import DEFAULT_THRESHOLD, Recogniser
from vault.redaction.labelled import LABELLED_RULES
from vault.redaction.national import NATIONAL_RULES, ShapeRecogniser
from vault.redaction.patterns import PatternRecogniser, Rule, RuleBook, RuleSet

_VEHICLE: Final = RuleSet(
    name="rules.vehicle",
    entity="VIN",
    rules=(Rule(name="vin", regex=r"\b[A-HJ-NPR-Z0-9]{13}\d{4}\b", score=0.3, check="vin", digits=4),),
    cues=("vin", "vehicle identification", "chassis"),
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

OWN_RULES: Final[tuple[RuleSet, ...]] = (
    *DATE_RULES,
    YEAR_RULES,
    *AGE_RULES,
    *LABELLED_RULES,
    *ADDRESS_RULES,
    _VEHICLE,
    _PHONE,
    *NATIONAL_RULES,
)


def own_recognisers(threshold: float = DEFAULT_THRESHOLD) -> list[Recogniser]:
    """Recognisers over OWN_RULES: one book of the sets that need a word of theirs, one each of the others."""
    booked, others = [], []
    for rules in OWN_RULES:
        try:
            PatternRecogniser(rules, threshold=threshold).words()
        except ValueError:
            others.append(rules)
        else:
            booked.append(rules)
    return [
        RuleBook("rules.book", booked, threshold=threshold),
        ShapeRecogniser(threshold=threshold),
        *(PatternRecogniser(rules, threshold=threshold) for rules in others),
    ]
