"""From a template line to a text with spans: choices, slots, then noise, all drawn from one generator.

A template is a line of text. `<a|b|c>` is one of its parts by chance, `\\n` a line break, `{slot}` a value.
`{slot@x}` names a person (or place, or organisation) who keeps their identity through the text, so that
`{first@x}` and `{last@x}` belong together. `{slot!upper}` and `{slot!lower}` change case. A choice may hold
slots, not other choices.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from training.corpus import accounts, identifiers, places, values
from training.corpus.listing import read
from training.corpus.people import Person, person

_HERE: Final = Path(__file__).resolve().parent
_CHOICE: Final = re.compile(r"<([^<>]*\|[^<>]*)>")
_PROBE: Final = re.compile(r"(?:\[\[([\w-]+)\]\] )?(.*)")
_SLOT: Final = re.compile(r"\{([a-z_0-9]+)(?:@([a-z0-9]+))?(?:!([a-z]+))?\}")


# How often a medicine is one that no list holds.
_NEW_DRUG_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Template:
    """One line of a template file; `kind` is the file's name, `held_out` its folder, `[[x]]` before it its probe."""

    text: str
    kind: str
    held_out: bool
    probe: str | None = None


@dataclass(slots=True)
class Piece:
    """A run of text of one class, or of none."""

    text: str
    entity: str | None


PERSON_FORMS: Final[dict[str, Callable[[Person], str]]] = {
    "first": lambda one: one.first,
    "last": lambda one: one.last,
    "full": lambda one: one.full,
    "formal": lambda one: one.formal,
    "initials": lambda one: one.initials,
    "monogram": lambda one: one.monogram,
    "reversed": lambda one: one.reversed,
    "short": lambda one: one.short,
}
PERSON_WORDS: Final[dict[str, Callable[[Person], str]]] = {
    "title": lambda one: one.title,
    "he": lambda one: one.pronouns[0],
    "his": lambda one: one.pronouns[1],
    "him": lambda one: one.pronouns[2],
    "sex": lambda one: "F" if one.female else "M",
    "gender": lambda one: "female" if one.female else "male",
    "man": lambda one: "woman" if one.female else "man",
}
PLACE_FORMS: Final[dict[str, tuple[str, Callable[..., str]]]] = {
    "city": ("LOCATION", places.city),
    "state": ("LOCATION", places.state),
    "place": ("LOCATION", places.place),
    "hood": ("LOCATION", places.neighbourhood),
    "landmark": ("LOCATION", places.landmark),
    "road": ("LOCATION", places.road),
    "street": ("STREET_ADDRESS", places.street),
    "org": ("ORGANIZATION", places.organisation),
    "company": ("ORGANIZATION", places.company),
    "care": ("ORGANIZATION", places.care),
    "school": ("ORGANIZATION", places.school),
    "agency": ("ORGANIZATION", places.agency),
}
VALUE_FORMS: Final[dict[str, tuple[str | None, values.Maker]]] = {
    "country": ("LOCATION", places.country),
    "ambiguous_place": ("LOCATION", places.ambiguous_place),
    "state_code": ("LOCATION", values.state_code),
    "date": ("DATE_TIME", values.date),
    "dob": ("DATE_OF_BIRTH", values.birth_date),
    "day_month": ("DATE_TIME", values.day_month),
    "month_year": ("DATE_TIME", values.month_year),
    "year": ("DATE_TIME", values.year),
    "age": ("AGE", values.age),
    "old_age": ("AGE", values.old_age),
    "email": ("EMAIL_ADDRESS", values.email),
    "phone": ("PHONE_NUMBER", values.phone),
    "us_phone": ("PHONE_NUMBER", values.us_phone),
    "military": ("STREET_ADDRESS", values.military),
    "apo": ("LOCATION", values.military_state),
    "unit_line": ("STREET_ADDRESS", values.unit_line),
    "zip": ("ZIP_CODE", values.zip_code),
    "postcode": ("UK_POSTCODE", values.postcode),
    "card": ("CREDIT_CARD", accounts.card),
    "cvv": ("CARD_CVV", accounts.cvv),
    "pin": ("CARD_PIN", accounts.pin),
    "expiry": ("CARD_EXPIRY", accounts.expiry),
    "track": ("CARD_TRACK", accounts.track),
    "iban": ("IBAN_CODE", accounts.iban),
    "account": ("US_BANK_NUMBER", accounts.account),
    "aba": ("ABA_ROUTING_NUMBER", accounts.aba),
    "wallet": ("CRYPTO", accounts.bitcoin),
    "ssn": ("US_SSN", identifiers.ssn),
    "itin": ("US_ITIN", identifiers.itin),
    "passport": ("US_PASSPORT", identifiers.us_passport),
    "licence": ("US_DRIVER_LICENSE", identifiers.licence),
    "nino": ("UK_NINO", identifiers.nino),
    "nhs": ("UK_NHS", identifiers.nhs),
    "sin": ("CA_SIN", identifiers.sin),
    "aadhaar": ("IN_AADHAAR", identifiers.aadhaar),
    "vin": ("VIN", identifiers.vin),
    "mrn": ("MRN", identifiers.mrn),
    "mbi": ("US_MBI", identifiers.mbi),
    "npi": ("US_NPI", identifiers.npi),
    "dea": ("MEDICAL_LICENSE", identifiers.dea),
    "member": ("US_HEALTH_INSURANCE_MEMBER_ID", identifiers.member_id),
    "ip": ("IP_ADDRESS", accounts.ip),
    "mac": ("MAC_ADDRESS", accounts.mac),
    "url": ("URL", accounts.url),
    "uuid": ("UUID", accounts.uuid),
    "password": ("PASSWORD", accounts.password),
    "api_key": ("API_KEY", accounts.api_key),
    "private_key": ("PRIVATE_KEY", accounts.private_key),
    "jwt": ("API_KEY", accounts.jwt),
    "ethereum": ("CRYPTO", accounts.ethereum),
    "ein": ("US_PROVIDER_TAX_ID", identifiers.ein),
    "uk_passport": ("UK_PASSPORT", identifiers.uk_passport),
    "uk_licence": ("UK_DRIVING_LICENCE", identifiers.uk_licence),
    "claim": ("US_CLAIM_NUMBER", identifiers.claim),
    "authorisation": ("US_PRIOR_AUTHORIZATION_NUMBER", identifiers.authorisation),
    "prescription": ("US_PRESCRIPTION_NUMBER", identifiers.prescription),
    "referral": ("US_REFERRAL_NUMBER", identifiers.referral),
    "imei": ("IMEI", identifiers.imei_spaced),
    "serial": ("DEVICE_ID", identifiers.serial),
    "plate": ("LICENSE_PLATE", identifiers.plate),
    "db_password": ("PASSWORD", accounts.connection),
    "date_words": ("DATE_TIME", values.date_words),
    "age_words": ("AGE", values.age_words),
    "nif": ("ES_NIF", identifiers.spanish_nif),
    "nie": ("ES_NIE", identifiers.spanish_nie),
    "steuer_id": ("DE_TAX_ID", identifiers.german_tax),
    "nir": ("FR_NIR", identifiers.french_nir),
    "fiscal_code": ("IT_FISCAL_CODE", identifiers.fiscal_code),
    "bsn": ("NL_BSN", identifiers.bsn),
    "cpf": ("BR_CPF", identifiers.cpf),
    "cnpj": ("BR_CNPJ", identifiers.cnpj),
    "pan": ("IN_PAN", identifiers.pan),
    "gps": ("GPS_COORDINATES", values.gps),
    "file_number": ("OTHER_ID", identifiers.file_number),
    "licence_number": ("LICENSE_NUMBER", identifiers.file_number),
    "biometric_id": ("BIOMETRIC_ID", identifiers.file_number),
    "postal_code": ("POSTAL_CODE", values.postal_code),
    "passport_any": ("PASSPORT", identifiers.us_passport),
    "acro": (None, values.acronym),
    "anyid": (None, values.number),
    "order": (None, values.order_number),
    "num": (None, lambda rng: str(rng.randint(2, 99))),
    "big": (None, lambda rng: f"{rng.randint(1, 999)},{rng.randint(100, 999)}"),
    "money": (
        None,
        lambda rng: f"{rng.choice('$£€')}{rng.randint(2, 9999)}{rng.choice(('', '.50', '.99', ',000'))}",
    ),
    "handle": (None, lambda rng: f"@{values.email(rng).split('@')[0]}"),
}


# Slots of words.txt whose values say something about a person (GDPR Art. 9), and nationality.
WORD_CLASSES: Final = {
    "nrp": "NRP",
    "condition": "SENSITIVE_HEALTH",
    "belief": "SENSITIVE_RELIGION",
    "party": "SENSITIVE_POLITICS",
    "union": "SENSITIVE_UNION",
    "orientation": "SENSITIVE_SEXUALITY",
    "ethnicity": "SENSITIVE_ETHNICITY",
    "genetic": "SENSITIVE_GENETIC",
    "biometric": "SENSITIVE_BIOMETRIC",
    "cap_name": "PERSON",
}


@cache
def words() -> dict[str, tuple[str, ...]]:
    """The lists of words.txt by slot, and two of them again under the slot that gives them no or another class."""
    lists = read("words.txt")
    return lists | {"nrp_text": lists["nrp"], "cap_name": lists["cap_word"]}


@cache
def templates(*, held_out: bool) -> tuple[Template, ...]:
    """Every template of one side, in the order of file names and lines."""
    folder = _HERE / "templates" / ("held_out" if held_out else "training")
    found = []
    for path in sorted(folder.glob("*.txt")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.strip() and not line.startswith("##"):
                probe, text = _PROBE.fullmatch(line).groups()  # type: ignore[union-attr] # matches any line
                found.append(Template(text.replace("\\n", "\n"), path.stem, held_out, probe))
    return tuple(found)


class Filler:
    """Fills one text: remembers who and what `@x` stands for."""

    def __init__(self, rng: random.Random, *, held_out: bool) -> None:
        self._rng = rng
        self._held = held_out
        self._known: dict[tuple[str, str], str] = {}
        self._people: dict[str, Person] = {}

    def fill(self, text: str) -> list[Piece]:
        """The pieces of a template, its choices made and its slots filled."""
        text = _CHOICE.sub(lambda found: self._rng.choice(found[1].split("|")), text)
        pieces: list[Piece] = []
        at = 0
        for found in _SLOT.finditer(text):
            pieces.append(Piece(text[at : found.start()], None))
            value, entity = self._value(found[1], found[2])
            if found[3]:
                value = value.upper() if found[3] == "upper" else value.lower()
            pieces.append(Piece(value, entity))
            at = found.end()
        pieces.append(Piece(text[at:], None))
        return [piece for piece in pieces if piece.text]

    def _person(self, key: str | None) -> Person:
        if key is None:
            return person(self._rng, held=self._held)
        if key not in self._people:
            self._people[key] = person(self._rng, held=self._held)
        return self._people[key]

    def _value(self, slot: str, key: str | None) -> tuple[str, str | None]:
        if slot == "name":
            slot = self._rng.choice(
                ("first", "first", "full", "full", "full", "last", "initials", "short", "formal")
            )
        if slot in PERSON_FORMS:
            return PERSON_FORMS[slot](self._person(key)), "PERSON"
        if slot in PERSON_WORDS:
            return PERSON_WORDS[slot](self._person(key)), None
        if slot == "mail":
            one = self._person(key)
            return values.email_of(self._rng, one.first, one.last), "EMAIL_ADDRESS"
        if key is not None and (slot, key) in self._known:
            return self._known[slot, key], self._entity(slot)
        value = self._make(slot)
        if key is not None:
            self._known[slot, key] = value
        return value, self._entity(slot)

    def _make(self, slot: str) -> str:
        if slot in PLACE_FORMS:
            return PLACE_FORMS[slot][1](self._rng, held=self._held)
        if slot in VALUE_FORMS:
            return VALUE_FORMS[slot][1](self._rng)
        if slot == "drug" and self._rng.random() < _NEW_DRUG_SHARE:
            return values.drug(self._rng)
        return self._rng.choice(words()[slot])

    @staticmethod
    def _entity(slot: str) -> str | None:
        if slot in PLACE_FORMS:
            return PLACE_FORMS[slot][0]
        return VALUE_FORMS[slot][0] if slot in VALUE_FORMS else WORD_CLASSES.get(slot)
