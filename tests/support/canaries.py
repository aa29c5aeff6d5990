"""Values that must not be seen anywhere: made up, distinct, and remembered by what they stand for."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

_STARTS = (
    "br",
    "cl",
    "dr",
    "fl",
    "gl",
    "gr",
    "kr",
    "pl",
    "pr",
    "qu",
    "sk",
    "sl",
    "sn",
    "tr",
    "tv",
    "x",
    "zh",
    "zn",
)
_VOWELS = ("a", "e", "i", "o", "u", "ei", "ou", "ya")
_ENDS = (
    "lk",
    "lm",
    "ln",
    "lt",
    "mb",
    "nd",
    "nk",
    "nth",
    "rb",
    "rd",
    "rg",
    "rk",
    "rm",
    "rn",
    "rth",
    "rv",
    "sk",
    "zz",
)

# One sample per class that the detector that ships can report: a sentence, and the value in it.
# Made up, or published as examples by those who issue such numbers.
SAMPLES: dict[str, tuple[str, str]] = {
    "ABA_ROUTING_NUMBER": ("The ABA routing number is {}.", "021000089"),
    "AGE": ("Her grandmother is {} years old.", "97"),
    "API_KEY": ("The deploy script uses {}.", "AKIAQ7ZXPLMV4TRD2WKB"),
    "CARD_CVV": ("The CVV is {}.", "917"),
    "CARD_PIN": ("My card PIN is {}.", "73921468"),
    "CARD_TRACK": ("Swiped: {}", "%B4012888888881881^QUILLON/VERA^29081010000000000000?"),
    "CA_SIN": ("Her social insurance number (SIN) is {}.", "130 692 544"),
    "CREDIT_CARD": ("Charge it to {}.", "5105 1051 0510 5100"),
    "CRYPTO": ("Send it to the wallet {}.", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"),
    "DATE_OF_BIRTH": ("Born on {}.", "23 November 1957"),
    "DATE_TIME": ("The scan is on {}.", "2031-07-19"),
    "EMAIL_ADDRESS": ("Write to {}.", "velda.quorsik@zennrith.example"),
    "IBAN_CODE": ("Refund to {}.", "GB82 WEST 1234 5698 7654 32"),
    "IN_AADHAAR": ("Her Aadhaar number is {}.", "2345 6789 0124"),
    "IP_ADDRESS": ("He logged in from {}.", "198.51.100.217"),
    "MAC_ADDRESS": ("The pump reports as {}.", "8C:F3:19:6A:D0:7E"),
    "MEDICAL_LICENSE": ("The DEA number of the prescriber is {}.", "BM7392866"),
    "MRN": ("MRN {} was merged.", "90417735"),
    "PASSWORD": ("My password is {}", "Vexil-93!torq"),
    "PHONE_NUMBER": ("Call {} after five.", "(646) 555-0173"),
    "PRIVATE_KEY": ("{}", "-----BEGIN PRIVATE KEY-----\nZmxvcnVtYmFsdGVyaW5x\n-----END PRIVATE KEY-----"),
    "STREET_ADDRESS": ("At {} since May.", "3817 Quillmoor Avenue"),
    "UK_DRIVING_LICENCE": ("UK driving licence {}.", "MORGA657054SM9IJ"),
    "UK_NHS": ("NHS number {}.", "401 023 2137"),
    "UK_NINO": ("National insurance number {}.", "AB 12 34 56 C"),
    "UK_PASSPORT": ("UK passport number {}.", "AB1234567"),
    "UK_POSTCODE": ("His postcode is {}.", "SW1A 2AA"),
    "URL": ("See {} for the letter.", "https://portal.quillmoor.example/chart/88213"),
    "US_BANK_NUMBER": ("Bank account number {}.", "884201937746"),
    "US_CLAIM_NUMBER": ("Claim number {} was paid.", "CLM-77391024"),
    "US_DRIVER_LICENSE": ("Driver's license {}.", "K8294417"),
    "US_HEALTH_INSURANCE_MEMBER_ID": ("Health insurance member id {}.", "QVX901827364"),
    "US_ITIN": ("ITIN {}.", "947-82-6613"),
    "US_MBI": ("Medicare MBI {}.", "1EG4-TE5-MK72"),
    "US_NPI": ("NPI {}.", "1679576722"),
    "US_PASSPORT": ("US passport number {}.", "563829174"),
    "US_PRESCRIPTION_NUMBER": ("Prescription number {}.", "88372616"),
    "US_PRIOR_AUTHORIZATION_NUMBER": ("Prior authorization number {}.", "PA-55102938"),
    "US_PROVIDER_TAX_ID": ("Provider tax ID {}.", "47-2938561"),
    "US_REFERRAL_NUMBER": ("Referral number {}.", "REF-6610294"),
    "US_SSN": ("Her social security number is {}.", "512-74-8836"),
    "UUID": ("The device is {}.", "7f9c24e8-3b12-4fef-91e0-5a0b93c1d2e4"),
    "VIN": ("He drives a car with VIN {}.", "1M8GDM9AXKP042788"),
    "ZIP_CODE": ("She moved to Springfield, IL {}.", "62709-4417"),
}
KEYED: dict[str, tuple[str, str]] = {
    "PERSON": ("patient_name", "Vessarine Quolthup")
}  # found by its key alone


@dataclass
class Canaries:
    """Hands out a fresh value for each use; `values` is everything handed out, by what it was and a number."""

    seed: int = 1
    values: dict[str, str] = field(default_factory=dict)
    facts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._used: set[str] = set()
        self._counts: dict[str, int] = {}

    def _syllables(self, count: int) -> str:
        pick = self._random.choice
        return "".join(pick(_STARTS) + pick(_VOWELS) + pick(_ENDS) for _ in range(count))

    def remember(self, kind: str, value: str) -> str:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        self.values[f"{kind} {self._counts[kind]}"] = value
        return value

    def word(self, kind: str) -> str:
        """One lower-case word of at least twelve letters."""
        while True:
            word = self._syllables(4)
            if len(word) >= 12 and word[:10] not in self._used:
                self._used.add(word[:10])
                return self.remember(kind, word)

    def fact(self, kind: str = "fact word") -> str:
        """A sentence with three such words."""
        first, second, third = (self.word(kind) for _ in range(3))
        self.facts.append(f"The {first} prefers {second} beside the {third} in winter")
        return self.facts[-1]

    def identity(self, kind: str) -> str:
        """An id; every third one has letters beyond ASCII, every fourth a space."""
        word = self.word(kind)
        number = self._counts[kind]
        value = word if number % 3 else f"Ł{word[:6]}ß{word[6:]}é"
        value = value if number % 4 else f"{value[:7]} {value[7:]}"
        self.values[f"{kind} {number}"] = value
        return value

    def stems(self) -> dict[str, str]:
        """The beginnings of the words: what a stemmed or cut word would still show."""
        return {
            f"beginning of {name}": value[:10]
            for name, value in self.values.items()
            if value.isascii() and value.isalpha() and len(value) >= 12
        }


def sample(entity: str) -> str:
    """A sentence that holds a value of this class."""
    text, value = SAMPLES[entity]
    return text.format(value)


def personal(canaries: Canaries) -> dict[str, str]:
    """Every sample's value, remembered; values too short to look for are remembered with their sentence."""
    found = {}
    for entity, (text, value) in SAMPLES.items():
        canaries.remember(f"detected {entity}", value if len(value) >= 6 else text.format(value))
        digits = "".join(char for char in value if char.isdigit())
        if len(digits) >= 8 and digits != value:
            canaries.remember(f"digits of {entity}", digits)
        found[entity] = text.format(value)
    for entity, (_, value) in KEYED.items():
        canaries.remember(f"detected {entity}", value)
    return found
