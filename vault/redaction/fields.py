"""What a value is because of the key it stands under: `{"mrn": "483920"}` needs no further proof.

Phrases match the end of the key's words: `patient_ssn` and `patientSSN` end in "ssn", `ssn_hint` does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.redaction.normalise import View
from vault.types import Finding

SCORE: Final = 0.8

_ANY: Final = r".*\w.*"
_NUMBER: Final = r"[A-Za-z]{0,6}[-/ ]?\d[\w/-]{2,30}"

_PERSON: Final = (
    *("first name", "last name", "full name", "given name", "family name", "middle name", "maiden name"),
    *("surname", "patient name", "customer name", "client name", "contact name", "employee name"),
    *("person name", "next of kin"),
)
_PHONE: Final = (
    *("phone", "phone number", "telephone", "tel", "mobile", "cell", "cellphone", "fax", "fax number"),
)
_MRN: Final = (
    "mrn",
    "medical record number",
    "medical record",
    "patient id",
    "patient number",
    "chart number",
)
_SECRET: Final = (
    *("api key", "apikey", "secret", "secret key", "access key", "client secret"),
    *("access token", "auth token", "refresh token", "bearer token"),
)
_ADDRESS: Final = (
    *("street", "street address", "home address", "mailing address", "billing address", "shipping address"),
    *("postal address", "address line", "address line 1", "address line 2"),
)
_ACCOUNT: Final = ("account number", "bank account", "account no", "acct")

_PLAN: Final = (
    *(
        "member id",
        "member number",
        "policy number",
        "subscriber id",
        "insurance id",
        "insurance number",
        "group number",
    ),
    *("health plan id", "beneficiary id", "medicaid id"),
)
_OTHER: Final = (
    *(
        "employee id",
        "employee number",
        "student id",
        "student number",
        "badge number",
        "case number",
        "national id",
    ),
    *("id number", "inmate number", "file number", "docket number", "personnel number"),
)

_FIELDS: Final = (
    ("PERSON", _PERSON, _ANY),
    ("PHONE_NUMBER", _PHONE, r"[+(]?\d[\d\s().\-/]{5,25}(?:(?:x|ext\.?)\s?\d{1,6})?"),
    ("US_SSN", ("ssn", "social security", "social security number"), r"\d{3}[- .]?\d{2}[- .]?\d{4}"),
    ("MRN", _MRN, _NUMBER),
    ("AGE", ("age", "age years", "age in years", "patient age"), r"\d{1,2}|1[0-2]\d"),
    ("CARD_CVV", ("cvv", "cvv2", "cvc", "cvc2", "card verification", "security code"), r"\d{3,4}"),
    ("CARD_PIN", ("pin", "card pin", "pin number"), r"\d{4,8}"),
    ("PASSWORD", ("password", "passwd", "passphrase", "passcode", "pwd"), r".+"),
    ("API_KEY", _SECRET, r"\S{6,}"),
    ("PRIVATE_KEY", ("private key",), r".{16,}"),
    ("STREET_ADDRESS", _ADDRESS, _ANY),
    ("ZIP_CODE", ("zip", "zip code", "zipcode", "postal code"), r"\d{5}(?:-?\d{4})?"),
    ("US_HEALTH_INSURANCE_MEMBER_ID", _PLAN, _NUMBER),
    (
        "LICENSE_NUMBER",
        ("license number", "licence number", "license no", "certificate number", "dl number"),
        _NUMBER,
    ),
    ("DEVICE_ID", ("serial number", "device serial", "serial no", "udi", "imsi", "iccid", "udid"), _NUMBER),
    (
        "LICENSE_PLATE",
        ("license plate", "plate number", "plate", "number plate", "vrn"),
        r"(?=.*\d)[\w -]{4,12}",
    ),
    ("OTHER_ID", _OTHER, _NUMBER),
    (
        "SOCIAL_HANDLE",
        ("username", "user name", "screen name", "twitter", "instagram", "telegram", "skype"),
        r"\S{2,40}",
    ),
    (
        "CARD_EXPIRY",
        ("card expiry", "expiry", "exp date", "expiry date", "expiration date"),
        r"\d{1,2}\s?[/-]\s?\d{2,4}",
    ),
    ("LOCATION", ("city", "town", "birthplace", "place of birth", "hometown"), _ANY),
    ("US_BANK_NUMBER", _ACCOUNT, r"\d[\d -]{4,24}\d"),
)


class FieldRecogniser:
    """Values whose key names their class."""

    name = "fields.key"
    entities = frozenset(entity for entity, _, _ in _FIELDS)
    digits = -1

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold
        self._table = [
            (entity, tuple(f" {phrase}" for phrase in phrases), re.compile(regex, re.DOTALL))
            for entity, phrases, regex in _FIELDS
        ]
        # The words that a key of interest may end with.
        self.last_words = frozenset(phrase.split()[-1] for _, phrases, _ in _FIELDS for phrase in phrases)

    def find(self, view: View) -> Iterable[Finding]:
        if not view.key_words or self._threshold > SCORE:
            return ()
        key = f" {' '.join(view.key_words)}"
        found = []
        for entity, phrases, pattern in self._table:
            if key.endswith(phrases):
                value = view.text.strip()
                if pattern.fullmatch(value):
                    start = view.text.index(value)
                    found.append(Finding(entity, start, start + len(value), SCORE, self.name))
        return found
