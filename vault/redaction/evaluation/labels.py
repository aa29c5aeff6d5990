"""What the labels of other people's data mean in classes of ours.

A label stands for a group: the classes that count as having found it. A label that nothing here knows, and that
is no class of ours, counts as found when anything masks it: the data tell that it is personal, not what it is.
"""

from __future__ import annotations

import re
from typing import Final

from vault.redaction.taxonomy import LABELS

ANYTHING: Final[frozenset[str]] = frozenset()  # the group's classes where any class will do
NEUTRAL: Final = "-"  # group of labels that are neither personal nor a mistake to mask: titles, handles


def _labelled(*labels: str) -> frozenset[str]:
    """The classes whose tokens bear one of these labels."""
    return frozenset(entity for entity, label in LABELS.items() if label in labels)


_PLACE: Final = _labelled("PLACE", "ADDRESS", "ZIP", "POSTCODE", "POSITION")

# Group to classes; a class of ours that is not in any group is a group of its own.
_GROUPS: Final[dict[str, frozenset[str]]] = {
    "PERSON": frozenset({"PERSON"}),
    "LOCATION": _PLACE,
    "ORGANIZATION": frozenset({"ORGANIZATION"}),
    "PLACE_OR_ORG": _PLACE | {"ORGANIZATION"},
    "DATE": frozenset({"DATE_TIME", "DATE_OF_BIRTH"}),
    "AGE": frozenset({"AGE"}),
    "BANK_ACCOUNT": _labelled("ACCOUNT", "IBAN"),
    "HEALTH_PLAN": _labelled("INSURANCE_ID", "MEDICARE"),
    "PASSPORT": _labelled("PASSPORT"),
    "DRIVING_LICENCE": _labelled("LICENSE"),
    "NATIONAL_ID": _labelled("NATIONAL_ID", "SOCIAL_ID", "SSN", "NINO", "SIN", "AADHAAR"),
    "TAX_ID": _labelled("TAX_ID", "SSN"),
}

# Labels as they occur in public data, in capitals, and the group each stands for.
_LABELS: Final[dict[str, str]] = {
    # people
    "PER": "PERSON", "PERSON": "PERSON", "NAME": "PERSON", "FIRST_NAME": "PERSON", "LAST_NAME": "PERSON",
    "FULL_NAME": "PERSON", "PATIENT": "PERSON", "DOCTOR": "PERSON", "STAFF": "PERSON",
    "LEGAL_PROFESSIONAL": "PERSON",
    # places and organisations
    "LOC": "LOCATION", "LOCATION": "LOCATION", "GPE": "LOCATION", "GEO": "LOCATION", "ADDRESS": "LOCATION",
    "STREET_ADDRESS": "LOCATION", "CITY": "LOCATION", "STATE": "LOCATION", "COUNTRY": "LOCATION",
    "ZIP": "LOCATION", "ZIP_CODE": "LOCATION", "ZIPCODE": "LOCATION", "POSTCODE": "LOCATION", "FAC": "LOCATION",
    "UK_POSTCODE": "LOCATION",
    "ORG": "ORGANIZATION", "ORGANIZATION": "ORGANIZATION", "ORGANISATION": "ORGANIZATION",
    "CORPORATION": "ORGANIZATION", "GROUP": "ORGANIZATION", "COMPANY": "ORGANIZATION", "HOSPITAL": "PLACE_OR_ORG",
    "NRP": "NRP", "NORP": "NRP", "NATIONALITY": "NRP",
    # dates, ages, contacts
    "DATE": "DATE", "DATETIME": "DATE", "DATE_TIME": "DATE", "TIME": "DATE", "DOB": "DATE", "AGE": "AGE",
    "DATE_OF_BIRTH": "DATE",
    "EMAIL": "EMAIL_ADDRESS", "PHONE": "PHONE_NUMBER", "TELEPHONE": "PHONE_NUMBER", "FAX": "PHONE_NUMBER",
    "FAX_NUMBER": "PHONE_NUMBER", "DOMAIN_NAME": "URL", "WEBSITE": "URL", "URL": "URL",
    "IP": "IP_ADDRESS", "IPV4": "IP_ADDRESS", "IPV6": "IP_ADDRESS", "MAC": "MAC_ADDRESS",
    # identifiers
    "SSN": "US_SSN", "MEDICAL_RECORD": "MRN", "MEDICAL_RECORD_NUMBER": "MRN", "MEDICALRECORD": "MRN",
    "HPBN": "HEALTH_PLAN", "HEALTH_PLAN": "HEALTH_PLAN", "HEALTH_PLAN_BENEFICIARY_NUMBER": "HEALTH_PLAN",
    "CARD": "CREDIT_CARD", "CREDITCARD": "CREDIT_CARD", "IBAN": "IBAN_CODE", "PASSPORT": "PASSPORT",
    "PASSPORT_NUM": "PASSPORT", "DRIVER_LICENSE": "DRIVING_LICENCE", "DRIVERS_LICENSE": "DRIVING_LICENCE",
    "DRIVER_LICENSE_NUM": "DRIVING_LICENCE", "TAX_ID": "TAX_ID", "TAXID": "TAX_ID",
    "BANK_ACCOUNT": "BANK_ACCOUNT", "BANK_ACCOUNT_NUM": "BANK_ACCOUNT", "ACCOUNT": "BANK_ACCOUNT",
    "ACCOUNT_NUM": "BANK_ACCOUNT", "ACCOUNT_NUMBER": "BANK_ACCOUNT", "ROUTING_NUMBER": "ABA_ROUTING_NUMBER",
    "ID_CARD": "NATIONAL_ID", "ID_NUMBER": "NATIONAL_ID", "OCCUPATION": "OCCUPATION", "JOB": "OCCUPATION",
    "COORDINATE": "LOCATION", "USERNAME": "SOCIAL_HANDLE", "USER_NAME": "SOCIAL_HANDLE",
    "AADHAR": "IN_AADHAAR", "AADHAAR": "IN_AADHAAR", "CVV": "CARD_CVV", "CRYPTO_WALLET": "CRYPTO",
    # neither personal nor a mistake
    "TITLE": NEUTRAL, "PREFIX": NEUTRAL, "HANDLE": NEUTRAL,
}  # fmt: skip

# Where a format uses a word in a sense of its own: ASQ-PHI counts hospitals among places.
_OF_FORMAT: Final[dict[str, dict[str, str]]] = {
    "asq": dict.fromkeys(("GEO", "LOCATION", "GEOGRAPHIC_LOCATION", "ADDRESS"), "PLACE_OR_ORG")
}

_TAG: Final = "SENSITIVE_"
_SEPARATORS: Final = re.compile(r"[^A-Z0-9]+")


def group(label: str, form: str) -> str:
    """The group a label stands for in a format; a label that is not known stands for itself."""
    name = _SEPARATORS.sub("_", label.upper()).strip("_") or "UNKNOWN"
    return _OF_FORMAT.get(form, {}).get(name) or _LABELS.get(name) or name


def accepts(name: str) -> frozenset[str]:
    """The classes that count as having found a group; ANYTHING for a group that is no class of ours."""
    if name in _GROUPS:
        return _GROUPS[name]
    # Classes that share a token's label are one and the same to whoever reads the memory.
    return _labelled(LABELS[name]) if name in LABELS else ANYTHING


def is_tag(entity: str) -> bool:
    """Whether a class is a statement about a person rather than a value: found to be flagged, not to be masked."""
    return entity.startswith(_TAG)
