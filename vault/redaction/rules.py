"""The vault's own rules together: what Presidio's predefined recognisers do not find, and who asks them.

Every quantifier is bounded or can start at one place only, so that each regex is linear in the text's length.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from vault.redaction.addresses import ADDRESS_RULES
from vault.redaction.ages import AGE_RULES
from vault.redaction.dates import DATE_RULES, SHORT_YEAR_RULES
from vault.redaction.handles import HANDLE_RULES
from vault.redaction.interface import DEFAULT_THRESHOLD, Recogniser
from vault.redaction.labelled import LABELLED_RULES
from vault.redaction.national import NATIONAL_RULES, ShapeRecogniser
from vault.redaction.normalise import View
from vault.redaction.occupations import OccupationRecogniser
from vault.redaction.patterns import PatternRecogniser, Rule, RuleBook, RuleSet
from vault.redaction.postal import POSTAL_RULES, postal_codes
from vault.redaction.sensitive import SensitiveRecogniser
from vault.redaction.years import YearRecogniser
from vault.types import Finding

_VEHICLE: Final = RuleSet(
    name="rules.vehicle",
    entity="VIN",
    rules=(Rule(name="vin", regex=r"\b[A-HJ-NPR-Z0-9]{13}\d{4}\b", score=0.3, check="vin", digits=4),),
    cues=("vin", "vehicle identification", "chassis"),
)

_WALLET: Final = RuleSet(
    name="rules.wallet",
    entity="CRYPTO",
    rules=(Rule(name="Ethereum", regex=r"(?<!\w)0x[0-9a-f]{40}(?!\w)", score=0.9, hints=("0x",), digits=1),),
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

_STREETS: Final = frozenset(("rules.street", "rules.street.block", "rules.unit"))

OWN_RULES: Final[tuple[RuleSet, ...]] = (
    *DATE_RULES,
    SHORT_YEAR_RULES,
    *AGE_RULES,
    *LABELLED_RULES,
    *ADDRESS_RULES,
    *POSTAL_RULES,
    _VEHICLE,
    _WALLET,
    _PHONE,
    *HANDLE_RULES,
    *NATIONAL_RULES,
)


class AddressRecogniser:
    """Streets and what stands with them; where one is found, the figures that end the address are looked for."""

    name = "rules.address"
    digits = 1

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._book = RuleBook(
            self.name, [one for one in ADDRESS_RULES if one.name in _STREETS], threshold=threshold
        )
        self.entities = self._book.entities | {"POSTAL_CODE"}
        self.heads = self._book.heads

    def find(self, view: View) -> Iterable[Finding]:
        streets = list(self._book.find(view))
        return [*streets, *postal_codes(view.text, streets)] if streets else streets


def own_recognisers(threshold: float = DEFAULT_THRESHOLD) -> list[Recogniser]:
    """Recognisers over OWN_RULES: one book of the sets that need a word of theirs, one each of the others."""
    booked, others = [], []
    for rules in OWN_RULES:
        if rules.name in _STREETS:
            continue
        try:
            PatternRecogniser(rules, threshold=threshold).words()
        except ValueError:
            others.append(rules)
        else:
            booked.append(rules)
    return [
        RuleBook("rules.book", booked, threshold=threshold),
        AddressRecogniser(threshold=threshold),
        ShapeRecogniser(threshold=threshold),
        YearRecogniser(threshold=threshold),
        *(PatternRecogniser(rules, threshold=threshold) for rules in others),
        SensitiveRecogniser(threshold=threshold),
        OccupationRecogniser(threshold=threshold),
    ]
