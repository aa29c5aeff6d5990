"""Whatever Presidio's own default recognisers report at 0.4 or more, the built-in detector covers.

Presidio runs here as it ships (its URL and e-mail recognisers too), without a language model. Texts are generated
with a fixed seed from templates and values whose checksums hold.
"""

from __future__ import annotations

import random
import string
from typing import Any

import pytest

from vault.redaction.detect import BuiltinDetector
from vault.redaction.validators import aba, dea, luhn_sum, uk_nhs

pytest.importorskip("presidio_analyzer", reason="the extra memvault[presidio] is not installed")

LEAST = 0.4
TEXTS = 600

# What Presidio reports and we deliberately do not cover; `excused` recognises it.
EXCEPTIONS = {
    "EMAIL_ADDRESS": "`key=` before an address is not part of it, or equal addresses would get two tokens",
    "URL": "the scheme left over in front of an address or number found inside a URL",
}

TEMPLATES = (
    "My {kind} is {value}.",
    "{value}",
    "Please note {value}, thanks",
    "for the record: {value} ({kind})",
    "{kind}={value}; next",
    "She said\n{value}\nand left, twice in 2019.",
)


def luhn_complete(body: str) -> str:
    return next(body + digit for digit in string.digits if luhn_sum(body + digit) == 0)


def searched(rng: random.Random, shape: str, check: Any) -> str:
    """A value of the shape (# digit, @ capital letter) that passes the check."""
    while True:
        value = "".join(
            rng.choice(string.digits) if c == "#" else rng.choice("ABFGM") if c == "@" else c for c in shape
        )
        if check(value):
            return value


def iban(rng: random.Random) -> str:
    country, bban = rng.choice(
        (("DE", "#" * 18), ("GB", "@@@@" + "#" * 14), ("FR", "#" * 23), ("NL", "@@@@" + "#" * 10))
    )
    body = searched(rng, bban, lambda _: True)
    number = "".join(str(int(c, 36)) for c in body + country + "00")
    whole = f"{country}{98 - int(number) % 97:02d}{body}"
    return whole if rng.random() < 0.5 else " ".join(whole[i : i + 4] for i in range(0, len(whole), 4))


def phone(rng: random.Random) -> str:
    import phonenumbers

    region = rng.choice(("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR"))
    kind = rng.choice((phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE))
    number = phonenumbers.example_number_for_type(region, kind)
    for _ in range(200):
        national = str(number.national_number)
        digits = national[:-4] + "".join(rng.choice(string.digits) for _ in range(4))
        made = phonenumbers.PhoneNumber(country_code=number.country_code, national_number=int(digits))
        if phonenumbers.is_valid_number(made):
            break
    style = rng.choice(
        (
            phonenumbers.PhoneNumberFormat.NATIONAL,
            phonenumbers.PhoneNumberFormat.INTERNATIONAL,
            phonenumbers.PhoneNumberFormat.E164,
        )
    )
    return str(phonenumbers.format_number(made, style))


def card(rng: random.Random) -> str:
    prefix, length = rng.choice(
        (("4", 16), ("51", 16), ("37", 15), ("6011", 16), ("3530", 16), ("4", 13), ("36", 14))
    )
    body = prefix + "".join(rng.choice(string.digits) for _ in range(length - 1 - len(prefix)))
    whole = luhn_complete(body)
    separator = rng.choice(("", " ", "-"))
    return separator.join(whole[i : i + 4] for i in range(0, length, 4)) if length == 16 else whole


def date_(rng: random.Random) -> str:
    year, month, day = rng.randint(1930, 2030), rng.randint(1, 12), rng.randint(1, 28)
    names = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
    forms = (
        f"{month:02d}/{day:02d}/{year}",
        f"{day}/{month}/{year % 100:02d}",
        f"{year}/{month}/{day}",
        f"{year}-{month:02d}-{day:02d}",
        f"{day:02d}-{month:02d}-{year}",
        f"{day}.{month}.{year}",
        f"{day}-{names[month - 1]}-{year}",
        f"{names[month - 1].title()}-{year}",
        f"{day:02d}-{names[month - 1].lower()}",
        f"{year}-{month:02d}-{day:02d}T10:30:00Z",
        f"{year}-{month:02d}-{day:02d}T10:30:00.123+02:00",
    )
    return rng.choice(forms)


def hexes(rng: random.Random, count: int) -> str:
    return "".join(rng.choice("0123456789abcdefABCDEF") for _ in range(count))


def uuid(rng: random.Random) -> str:
    return "-".join((hexes(rng, 8), hexes(rng, 4), "4" + hexes(rng, 3), "a" + hexes(rng, 3), hexes(rng, 12)))


def mac(rng: random.Random) -> str:
    separator = rng.choice(":-")
    return rng.choice(
        (separator.join(hexes(rng, 2) for _ in range(6)), ".".join(hexes(rng, 4) for _ in range(3)))
    )


def ip(rng: random.Random) -> str:
    v4 = ".".join(str(rng.randint(0, 255)) for _ in range(4))
    return rng.choice(
        (
            v4,
            f"{v4}/24",
            f"2001:db8::{hexes(rng, 3)}",
            ":".join(hexes(rng, 4) for _ in range(8)),
            f"::ffff:{v4}",
        )
    )


def email(rng: random.Random) -> str:
    user = rng.choice(("john.doe", "a", "x+tag", "m_m", "o'neil", "first-last99"))
    return f"{user}@{rng.choice(('example.com', 'mail.example.co.uk', 'sub.domain.org', 'xn--bcher-kva.de'))}"


def url(rng: random.Random) -> str:
    host = rng.choice(("example.com", "www.example.org", "docs.example.net", "a-b.de", "sub.example.co.uk"))
    return rng.choice(("", "https://", "http://")) + host + rng.choice(("", "/", "/a/b?c=d", "/x_(y)"))


KINDS = {
    "card": card,
    "SSN": lambda rng: f"{rng.randint(100, 665)}-{rng.randint(10, 99)}-{rng.randint(1000, 9999)}",
    "IBAN": iban,
    "email": email,
    "IP": ip,
    "MAC": mac,
    "UUID": uuid,
    "phone": phone,
    "NHS": lambda rng: searched(rng, rng.choice(("### ### ####", "##########", "###-###-####")), uk_nhs),
    "date": date_,
    "URL": url,
    "ITIN": lambda rng: f"9{rng.randint(10, 99)}-7{rng.randint(0, 9)}-{rng.randint(1000, 9999)}",
    "DEA": lambda rng: searched(rng, "@@#######", dea),
    "routing": lambda rng: searched(rng, "#########", aba),
    "account": lambda rng: "".join(rng.choice(string.digits) for _ in range(rng.randint(8, 16))),
    "wallet": lambda rng: rng.choice(
        ("1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
    ),
}


def texts() -> list[str]:
    rng = random.Random(20240601)
    made = []
    for index in range(TEXTS):
        kind = list(KINDS)[index % len(KINDS)]
        made.append(rng.choice(TEMPLATES).format(kind=kind, value=KINDS[kind](rng)))
    for _ in range(100):
        parts = rng.sample(sorted(KINDS), 4)
        made.append("; ".join(f"{kind} {KINDS[kind](rng)}" for kind in parts))
    return made


@pytest.fixture(scope="module")
def engine() -> Any:
    import os

    os.environ["TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS"] = ""
    import presidio_analyzer
    import tldextract
    from presidio_analyzer.nlp_engine import NoOpNlpEngine
    from presidio_analyzer.predefined_recognizers.generic import email_recognizer

    nlp = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}])
    registry = presidio_analyzer.RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=nlp)
    with pytest.MonkeyPatch.context() as patch:
        offline = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
        patch.setattr(email_recognizer.tldextract, "extract", offline)
        yield presidio_analyzer.AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])


def excused(entity: str, text: str, start: int, missed: list[int]) -> bool:
    """Whether what is missed is the head that EXCEPTIONS speaks of."""
    first, last = missed[0], missed[-1] + 1
    if entity not in EXCEPTIONS or first != start or last - first != len(missed):
        return False
    if entity == "EMAIL_ADDRESS":
        return text[last : last + 1] == "="
    return entity == "URL" and text[last : last + 3] == "://"


def test_everything_presidio_reports_is_covered(engine: Any) -> None:
    detector = BuiltinDetector()
    reported = 0
    uncovered = []
    for text in texts():
        covered = {at for f in detector.detect(text) for at in range(f.start, f.end)}
        for result in engine.analyze(text=text, language="en", score_threshold=LEAST):
            reported += 1
            span = range(result.start, result.end)
            missed = [at for at in span if at not in covered and text[at].isalnum()]
            if missed and not excused(result.entity_type, text, result.start, missed):
                uncovered.append((result.entity_type, text, text[result.start : result.end]))
    assert uncovered == []
    assert reported > TEXTS
