"""Which of our classes stand for what three rule books list; what no class stands for is said to be missing.

HIPAA: 45 CFR 164.514(b)(2)(i) (A) to (R). PCI DSS v4, requirement 3: account data. GDPR: Art. 9(1).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any, Final

from vault.redaction.evaluation.figures import Measured


@dataclass(frozen=True, slots=True)
class Row:
    """One item of a rule book: the classes that stand for it, and what to know about them."""

    id: str
    what: str
    classes: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One law or standard: what it asks to be found, and how well each is."""

    title: str
    rows: tuple[Row, ...]


_ANY_ID: Final = "only those that one of these classes describes"
_TAG: Final = "a tag on a statement about a person, by word list; the pack decides what follows"

TABLES: Final[Mapping[str, Table]] = {
    "hipaa": Table("HIPAA Safe Harbor, 45 CFR 164.514(b)(2)(i)", (
        Row("A", "names", ("PERSON",)),
        Row("B", "places smaller than a state", ("STREET_ADDRESS", "ZIP_CODE", "LOCATION", "GPS_COORDINATES"),
            "LOCATION does not tell a town from a state; states are masked too"),
        Row("C", "dates but the year, ages over 89", ("DATE_TIME", "DATE_OF_BIRTH", "AGE")),
        Row("D", "telephone numbers", ("PHONE_NUMBER",)),
        Row("E", "fax numbers", ("PHONE_NUMBER",)),
        Row("F", "e-mail addresses", ("EMAIL_ADDRESS",)),
        Row("G", "social security numbers", ("US_SSN",)),
        Row("H", "medical record numbers", ("MRN",), "their form differs by clinic: a pack can name patterns"),
        Row("I", "health plan numbers", ("US_HEALTH_INSURANCE_MEMBER_ID", "US_MBI")),
        Row("J", "account numbers", ("US_BANK_NUMBER", "IBAN_CODE", "CREDIT_CARD", "ABA_ROUTING_NUMBER")),
        Row("K", "certificate and licence numbers",
            ("US_DRIVER_LICENSE", "MEDICAL_LICENSE", "US_NPI", "US_PASSPORT", "LICENSE_NUMBER")),
        Row("L", "vehicles and their plates", ("VIN", "LICENSE_PLATE")),
        Row("M", "device identifiers and serial numbers", ("IMEI", "MAC_ADDRESS", "DEVICE_ID", "UUID")),
        Row("N", "web addresses", ("URL",)),
        Row("O", "IP addresses", ("IP_ADDRESS",)),
        Row("P", "biometric identifiers", ("BIOMETRIC_ID", "SENSITIVE_BIOMETRIC"),
            "finger and voice prints are no text; what is said of them may be"),
        Row("Q", "full-face photographs", (), "the vault holds text only"),
        Row("R", "any other unique number or code",
            ("UUID", "US_PRESCRIPTION_NUMBER", "US_CLAIM_NUMBER", "US_REFERRAL_NUMBER",
             "US_PRIOR_AUTHORIZATION_NUMBER", "SOCIAL_HANDLE", "OTHER_ID"), _ANY_ID),
    )),
    "pci": Table("PCI DSS v4, requirement 3: account data", (
        Row("PAN", "primary account number", ("CREDIT_CARD",)),
        Row("name", "cardholder name", ("PERSON",)),
        Row("expiry", "expiration date", ("CARD_EXPIRY",)),
        Row("service", "service code", ("CARD_TRACK",), "only inside track data"),
        Row("track", "full track data", ("CARD_TRACK",)),
        Row("CVV", "card verification code", ("CARD_CVV",)),
        Row("PIN", "PIN and PIN block", ("CARD_PIN",)),
    )),
    "gdpr9": Table("GDPR Art. 9(1): special categories", (
        Row("origin", "racial or ethnic origin", ("SENSITIVE_ETHNICITY", "NRP"), _TAG),
        Row("politics", "political opinions", ("SENSITIVE_POLITICS",), _TAG),
        Row("belief", "religious or philosophical beliefs", ("SENSITIVE_RELIGION",), _TAG),
        Row("union", "trade union membership", ("SENSITIVE_UNION",), _TAG),
        Row("genetic", "genetic data", ("SENSITIVE_GENETIC",), _TAG),
        Row("biometric", "biometric data for identification", ("SENSITIVE_BIOMETRIC",), _TAG),
        Row("health", "health", ("SENSITIVE_HEALTH",), _TAG),
        Row("sex", "sex life or sexual orientation", ("SENSITIVE_SEXUALITY",), _TAG),
    )),
}  # fmt: skip


def rows(name: str, entities: Set[str], figures: Measured | None) -> list[dict[str, Any]]:
    """The items of a table: the classes a detector looks for in any text, with their measured figures."""
    said = []
    for row in TABLES[name].rows:
        classes = [
            {
                "class": entity,
                "samples": figures.samples(entity) if figures else 0,
                "recall": figures.recall(entity) if figures else None,
                "precision": figures.precision(entity) if figures else None,
            }
            for entity in row.classes
            if entity in entities
        ]
        note = row.note if classes or not row.classes else "the detector has no class for it"
        said.append(
            {"id": row.id, "what": row.what, "covered": bool(classes), "classes": classes, "note": note}
        )
    return said
