"""The classes that detectors report, and the short word each is known by in tokens, markers and search.

`[PHONE:k7q2m9]` stands for a PHONE_NUMBER. Several classes may share a label where a reader needs no finer
word. Labels are stored inside memories: add some, never change one.
"""

from __future__ import annotations

import re
from typing import Final

LABELS: Final[dict[str, str]] = {
    # people and how to reach them
    "PERSON": "PERSON",
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "STREET_ADDRESS": "ADDRESS",
    "ZIP_CODE": "ZIP",
    "UK_POSTCODE": "POSTCODE",
    "LOCATION": "PLACE",
    "ORGANIZATION": "ORG",
    "NRP": "GROUP",
    # dates and ages
    "DATE_OF_BIRTH": "BIRTHDATE",
    "DATE_TIME": "DATE",
    "AGE": "AGE",
    # identifiers issued by a state
    "US_SSN": "SSN",
    "US_ITIN": "TAX_ID",
    "US_PROVIDER_TAX_ID": "TAX_ID",
    "US_PASSPORT": "PASSPORT",
    "UK_PASSPORT": "PASSPORT",
    "US_DRIVER_LICENSE": "LICENSE",
    "UK_DRIVING_LICENCE": "LICENSE",
    "UK_NINO": "NINO",
    "CA_SIN": "SIN",
    "IN_AADHAAR": "AADHAAR",
    "VIN": "VIN",
    # health
    "MRN": "MRN",
    "UK_NHS": "NHS",
    "US_MBI": "MEDICARE",
    "US_NPI": "PROVIDER_ID",
    "MEDICAL_LICENSE": "PROVIDER_ID",
    "US_HEALTH_INSURANCE_MEMBER_ID": "INSURANCE_ID",
    "US_PRIOR_AUTHORIZATION_NUMBER": "AUTHORIZATION",
    "US_CLAIM_NUMBER": "CLAIM",
    "US_PRESCRIPTION_NUMBER": "PRESCRIPTION",
    "US_REFERRAL_NUMBER": "REFERRAL",
    # money
    "CREDIT_CARD": "CARD",
    "CARD_CVV": "CARD_CVV",
    "CARD_PIN": "CARD_PIN",
    "CARD_TRACK": "CARD_TRACK",
    "IBAN_CODE": "IBAN",
    "US_BANK_NUMBER": "ACCOUNT",
    "ABA_ROUTING_NUMBER": "ROUTING",
    "CRYPTO": "WALLET",
    # networks and secrets
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "MAC",
    "URL": "URL",
    "UUID": "UUID",
    "PASSWORD": "PASSWORD",
    "API_KEY": "API_KEY",
    "PRIVATE_KEY": "PRIVATE_KEY",
}

_NOT_LABEL: Final = re.compile(r"[^A-Z]+")


def label(entity: str) -> str:
    """The label of a class: from the table, else the class's own name reduced to A-Z and '_'."""
    known = LABELS.get(entity)
    return known if known is not None else _NOT_LABEL.sub("_", entity.upper()).strip("_") or "OTHER"
