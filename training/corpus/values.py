"""Dates, contact data, identifiers and secrets with valid check digits, each by the class it belongs to."""

from __future__ import annotations

import base64
import hashlib
import random
import string
from collections.abc import Callable
from typing import Final

from training.corpus import checksums
from training.corpus.checksums import digits
from training.corpus.lexicon import draw_name
from training.corpus.places import STATE_CODES

Maker = Callable[[random.Random], str]

_MONTHS: Final = (
    "January February March April May June July August September October November December".split()
)
_DOMAINS: Final = "gmail.com yahoo.com outlook.com hotmail.co.uk icloud.com proton.me gmx.de aol.com live.fr".split()
_HOSTS: Final = "mail portal intranet shop careers support news data cloud health bank office team".split()
_TLDS: Final = "com org net co.uk de fr io eu es it nl ca edu gov com.br in".split()
_ALNUM: Final = string.ascii_letters + string.digits
_UPPER: Final = string.ascii_uppercase + string.digits


def _ordinal(day: int) -> str:
    return f"{day}{'th' if 10 < day < 14 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"


def _letters(rng: random.Random, alphabet: str, count: int) -> str:
    return "".join(rng.choice(alphabet) for _ in range(count))


def _date(rng: random.Random, first: int, last: int) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(first, last)
    name = _MONTHS[month - 1]
    forms = (
        f"{day} {name} {year}",
        f"{name} {day}, {year}",
        f"{name} {_ordinal(day)}, {year}",
        f"{_ordinal(day)} of {name} {year}",
        f"{name[:3]} {day}, {year}",
        f"{day} {name[:3]} {year}",
        f"{month}/{day}/{year}",
        f"{month:02d}/{day:02d}/{year}",
        f"{month}/{day}/{year % 100:02d}",
        f"{year}-{month:02d}-{day:02d}",
        f"{day:02d}.{month:02d}.{year}",
        f"{day:02d}/{month:02d}/{year}",
        f"{day:02d}-{name[:3]}-{year}",
    )
    return rng.choice(forms)


def date(rng: random.Random) -> str:
    return _date(rng, 1985, 2026)


def birth_date(rng: random.Random) -> str:
    return _date(rng, 1931, 2015)


def day_month(rng: random.Random) -> str:
    """A date without its year."""
    day, name = rng.randint(1, 28), rng.choice(_MONTHS)
    return rng.choice((f"{name} {day}", f"{day} {name}", f"{name} {_ordinal(day)}", f"the {_ordinal(day)} of {name}"))


def month_year(rng: random.Random) -> str:
    return f"{rng.choice(_MONTHS)} {rng.randint(1960, 2026)}"


def year(rng: random.Random) -> str:
    return str(rng.randint(1950, 2026))


def age(rng: random.Random) -> str:
    return str(rng.randint(1, 99))


def old_age(rng: random.Random) -> str:
    return str(rng.randint(90, 106))


def _ascii(name: str) -> str:
    return "".join(char for char in name.lower() if char in string.ascii_lowercase) or "user"


def email_of(rng: random.Random, first: str, last: str) -> str:
    one, two = _ascii(first), _ascii(last)
    local = rng.choice(
        (f"{one}.{two}", f"{one[0]}{two}", f"{one}{rng.randint(1, 99)}", f"{one}_{two}", f"{two}.{one}", one)
    )
    domain = rng.choice(_DOMAINS) if rng.random() < 0.6 else f"{rng.choice(_HOSTS)}.{two}.{rng.choice(_TLDS)}"
    return f"{local}@{domain}"


def email(rng: random.Random) -> str:
    """The address of nobody in particular; the split of names does not matter inside an address."""
    return email_of(rng, draw_name(rng, "first", held=False), draw_name(rng, "last", held=False))


def _exchange(rng: random.Random) -> str:
    """Three digits of a North American exchange: 2-9, and no N11 service code."""
    return f"{rng.randint(2, 9)}{rng.randint(2, 9)}{rng.randint(0, 9)}"


_US_AREAS: Final = "212 213 312 415 617 202 305 404 503 602 702 713 718 214 206 303 512 615 704 801 919 216".split()
_GB_MOBILE: Final = "7700 7400 7911 7521 7850 7977".split()


def us_phone(rng: random.Random) -> str:
    area, exchange, line = rng.choice(_US_AREAS), _exchange(rng), digits(rng, 4)
    return rng.choice(
        (
            f"({area}) {exchange}-{line}",
            f"{area}-{exchange}-{line}",
            f"+1 {area} {exchange} {line}",
            f"{area}.{exchange}.{line}",
            f"+1-{area}-{exchange}-{line}",
            f"1-{area}-{exchange}-{line}",
            f"({area}) {exchange}-{line} ext. {rng.randint(10, 999)}",
        )
    )


def phone(rng: random.Random) -> str:
    if rng.random() < 0.55:
        return us_phone(rng)
    return rng.choice(
        (
            f"+44 {rng.choice(_GB_MOBILE)} {digits(rng, 6)}",
            f"0{rng.choice(_GB_MOBILE)} {digits(rng, 6)}",
            f"+44 20 7{digits(rng, 3)} {digits(rng, 4)}",
            f"020 7{digits(rng, 3)} {digits(rng, 4)}",
            f"+49 30 {rng.randint(2, 9)}{digits(rng, 6)}",
            f"+49 151 {rng.randint(1, 9)}{digits(rng, 7)}",
            f"+33 6 {digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)}",
            f"+34 6{digits(rng, 2)} {digits(rng, 3)} {digits(rng, 3)}",
            f"+39 333 {rng.randint(1, 9)}{digits(rng, 6)}",
            f"+31 6 {rng.randint(1, 5)}{digits(rng, 7)}",
            f"+91 98{digits(rng, 3)} {digits(rng, 5)}",
            f"+55 11 9{rng.randint(6, 9)}{digits(rng, 3)}-{digits(rng, 4)}",
        )
    )


def zip_code(rng: random.Random) -> str:
    body = f"{rng.randint(1, 9)}{digits(rng, 4)}"
    return f"{body}-{rng.randint(1000, 9999)}" if rng.random() < 0.2 else body


def postcode(rng: random.Random) -> str:
    areas = "SW1A NW3 E14 M1 LS2 B15 EH1 G12 CF10 BS8 OX1 CB2 L8 SE1 W11 N7 BN1 YO1 NE2 EX4".split()
    return f"{rng.choice(areas)} {rng.randint(1, 9)}{_letters(rng, 'ABDEFGHJLNPQRSTUWXYZ', 2)}"


_CARD_STARTS: Final = (("4", 16), ("51", 16), ("55", 16), ("2221", 16), ("37", 15), ("6011", 16), ("3528", 16), ("36", 14))


def card(rng: random.Random) -> str:
    start, length = rng.choice(_CARD_STARTS[:4] + _CARD_STARTS)
    number = checksums.with_luhn(start + digits(rng, length - len(start) - 1))
    if length != 16:
        return number
    separator = rng.choice(("", " ", "-", " "))
    return separator.join(number[index : index + 4] for index in range(0, 16, 4))


_IBAN_PARTS: Final = {
    "DE": "d18", "GB": "a4d14", "FR": "d23", "ES": "d20", "NL": "a4d10", "AT": "d16", "BE": "d12", "PT": "d21",
    "CH": "d17", "PL": "d24", "IE": "a4d14", "SE": "d20", "DK": "d14", "NO": "d11", "FI": "d14", "IT": "a1d22",
}  # fmt: skip


def iban(rng: random.Random) -> str:
    country = rng.choice(tuple(_IBAN_PARTS))
    shape, bban = _IBAN_PARTS[country], ""
    if shape[0] == "a":
        bban = _letters(rng, string.ascii_uppercase, int(shape[1]))
        shape = shape[2:]
    number = checksums.mod97(country, bban + digits(rng, int(shape[1:])))
    if rng.random() < 0.5:
        return number
    return " ".join(number[index : index + 4] for index in range(0, len(number), 4))


def ssn(rng: random.Random) -> str:
    area = rng.choice((rng.randint(1, 665), rng.randint(667, 899)))
    return f"{area:03d}-{rng.randint(1, 99):02d}-{rng.randint(1, 9999):04d}"


def itin(rng: random.Random) -> str:
    return f"9{digits(rng, 2)}-{rng.randint(70, 88)}-{digits(rng, 4)}"


def nino(rng: random.Random) -> str:
    start = rng.choice(("AB", "CE", "HK", "JM", "LR", "PW", "SX", "WK", "YZ"))
    parts = (start, digits(rng, 2), digits(rng, 2), digits(rng, 2), rng.choice("ABCD"))
    return rng.choice(("", " ")).join(parts)


def nhs(rng: random.Random) -> str:
    while True:
        body = digits(rng, 9)
        check = 11 - checksums.weighted(body, tuple(range(10, 1, -1))) % 11
        if check != 10:
            number = f"{body}{check % 11}"
            return rng.choice((f"{number[:3]} {number[3:6]} {number[6:]}", number))


def aadhaar(rng: random.Random) -> str:
    body = f"{rng.randint(2, 9)}{digits(rng, 10)}"
    number = body + checksums.verhoeff_digit(body)
    return f"{number[:4]} {number[4:8]} {number[8:]}"


def sin(rng: random.Random) -> str:
    number = checksums.with_luhn(f"{rng.randint(1, 7)}{digits(rng, 7)}")
    return rng.choice((f"{number[:3]} {number[3:6]} {number[6:]}", f"{number[:3]}-{number[3:6]}-{number[6:]}"))


def npi(rng: random.Random) -> str:
    body = f"1{digits(rng, 8)}"
    return body + checksums.luhn_digit(f"80840{body}")


def dea(rng: random.Random) -> str:
    body = digits(rng, 6)
    check = sum(map(int, body[::2])) + 2 * sum(map(int, body[1::2]))
    return f"{rng.choice('ABFGM')}{rng.choice(string.ascii_uppercase)}{body}{check % 10}"


def mbi(rng: random.Random) -> str:
    letters = "ACDEFGHJKMNPQRTUVWXY"
    text = str(rng.randint(1, 9))
    for sign in "A*9A*9AA99":
        alphabet = {"A": letters, "*": letters + string.digits, "9": string.digits}[sign]
        text += rng.choice(alphabet)
    return text if rng.random() < 0.5 else f"{text[:4]}-{text[4:7]}-{text[7:]}"


def aba(rng: random.Random) -> str:
    body = f"{rng.choice(('02', '03', '06', '07', '11', '12', '26', '32'))}{digits(rng, 6)}"
    total = checksums.weighted(body, (3, 7, 1, 3, 7, 1, 3, 7))
    return f"{body}{-total % 10}"


def vin(rng: random.Random) -> str:
    alphabet = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
    start = rng.choice(("1HG", "JTD", "WVW", "5YJ", "2T1", "3FA", "KMH")) + _letters(rng, alphabet, 5)
    return checksums.vin(start, _letters(rng, alphabet, 2) + digits(rng, 6))


def imei(rng: random.Random) -> str:
    return checksums.with_luhn(f"35{digits(rng, 12)}")


def bitcoin(rng: random.Random) -> str:
    return checksums.base58check(b"\0" + rng.randbytes(20))


def ethereum(rng: random.Random) -> str:
    return f"0x{rng.randbytes(20).hex()}"


def mrn(rng: random.Random) -> str:
    return rng.choice(
        (digits(rng, 7), digits(rng, 8), f"{digits(rng, 4)}-{digits(rng, 3)}", f"{rng.choice('MHP')}{digits(rng, 6)}",
         f"{digits(rng, 3)}-{digits(rng, 2)}-{digits(rng, 3)}", f"MR{digits(rng, 6)}")
    )  # fmt: skip


def account(rng: random.Random) -> str:
    return f"{rng.randint(1, 9)}{digits(rng, rng.choice((7, 9, 11)))}"


def us_passport(rng: random.Random) -> str:
    return rng.choice((f"{rng.choice(string.ascii_uppercase)}{digits(rng, 8)}", f"{rng.randint(1, 9)}{digits(rng, 8)}"))


def licence(rng: random.Random) -> str:
    return rng.choice((f"{rng.choice(string.ascii_uppercase)}{digits(rng, 7)}", f"{rng.choice(string.ascii_uppercase)}{digits(rng, 12)}"))


def member_id(rng: random.Random) -> str:
    return f"{_letters(rng, string.ascii_uppercase, 3)}{digits(rng, 9)}"


def code(rng: random.Random) -> str:
    return f"{rng.choice(('PA', 'AUTH', 'REF', 'RX', 'CLM', 'C'))}-{digits(rng, rng.choice((6, 8)))}"


def ipv4(rng: random.Random) -> str:
    return ".".join(str(rng.randint(1, 254)) for _ in range(4))


def ipv6(rng: random.Random) -> str:
    return f"2001:db8:{':'.join(f'{rng.randint(0x1000, 0xFFFF):x}' for _ in range(6))}"


def ip(rng: random.Random) -> str:
    return ipv6(rng) if rng.random() < 0.3 else ipv4(rng)


def mac(rng: random.Random) -> str:
    return rng.choice((":", "-")).join(f"{byte:02X}" for byte in rng.randbytes(6))


def uuid(rng: random.Random) -> str:
    text = rng.randbytes(16).hex()
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"


def url(rng: random.Random) -> str:
    host = f"{rng.choice(_HOSTS)}.{_ascii(draw_name(rng, 'last', held=False))}.{rng.choice(_TLDS)}"
    return f"https://{host}/{rng.choice(('account', 'u', 'profile', 'orders', 'share'))}/{_letters(rng, _ALNUM, 8)}"


def password(rng: random.Random) -> str:
    word = rng.choice(("Sunflower", "tiger", "Winter", "dragon", "Qwerty", "maple", "Rocket", "hunter"))
    return f"{word}{rng.choice('!#$%&*_')}{digits(rng, 4)}{_letters(rng, _ALNUM, 3)}"


def api_key(rng: random.Random) -> str:
    return rng.choice(
        (
            f"AKIA{_letters(rng, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 16)}",
            f"ghp_{_letters(rng, _ALNUM, 36)}",
            f"sk_live_{_letters(rng, _ALNUM, 24)}",
            f"AIza{_letters(rng, _ALNUM + '-_', 35)}",
            f"xoxb-{digits(rng, 12)}-{digits(rng, 12)}-{_letters(rng, _ALNUM, 24)}",
            f"glpat-{_letters(rng, _ALNUM, 20)}",
        )
    )


def jwt(rng: random.Random) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head, body = b'{"alg":"HS256","typ":"JWT"}', f'{{"sub":"{digits(rng, 10)}","iat":17{digits(rng, 8)}}}'.encode()
    return f"{part(head)}.{part(body)}.{part(rng.randbytes(32))}"


def private_key(rng: random.Random) -> str:
    body = base64.b64encode(rng.randbytes(96)).decode()
    lines = "\n".join(body[index : index + 64] for index in range(0, len(body), 64))
    kind = rng.choice(("RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY"))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----"


def cvv(rng: random.Random) -> str:
    return digits(rng, 3)


def pin(rng: random.Random) -> str:
    return digits(rng, 4)


def expiry(rng: random.Random) -> str:
    return f"{rng.randint(1, 12):02d}/{rng.randint(26, 33)}"


def track(rng: random.Random) -> str:
    number = checksums.with_luhn(f"4{digits(rng, 14)}")
    return f";{number}={rng.randint(26, 31)}{rng.randint(1, 12):02d}101{digits(rng, 10)}?"


def german_tax(rng: random.Random) -> str:
    """A German tax number: ten digits of which exactly one comes twice, and the check digit."""
    places = rng.sample(checksums.DIGITS, 9)
    places.insert(rng.randint(1, 9), rng.choice(places[1:]))
    if places[0] == "0":
        places[0], places[-1] = places[-1], places[0]
    body = "".join(places)
    if body[0] == "0":
        return german_tax(rng)
    return body + checksums.mod11_ten(body)


def french_nir(rng: random.Random) -> str:
    body = f"{rng.choice('12')}{rng.randint(30, 99)}{rng.randint(1, 12):02d}{rng.randint(1, 95):02d}{digits(rng, 3)}{digits(rng, 3)}"
    return f"{body}{97 - int(body) % 97:02d}"


def spanish_nif(rng: random.Random) -> str:
    body = digits(rng, 8)
    return f"{body}{'TRWAGMYFPDXBNJZSQVHLCKE'[int(body) % 23]}"


def spanish_nie(rng: random.Random) -> str:
    start, body = rng.randint(0, 2), digits(rng, 7)
    return f"{'XYZ'[start]}{body}{'TRWAGMYFPDXBNJZSQVHLCKE'[int(f'{start}{body}') % 23]}"


def fiscal_code(rng: random.Random) -> str:
    body = _letters(rng, "BCDFGLMNPRSTVZ", 6)
    body += f"{rng.randint(30, 99)}{rng.choice('ABCDEHLMPRST')}{rng.randint(1, 28) + rng.choice((0, 40)):02d}"
    body += f"{rng.choice('ABCDEFGHL')}{digits(rng, 3)}"
    return body + checksums.fiscal_code_letter(body)


def bsn(rng: random.Random) -> str:
    while True:
        body = f"{rng.randint(1, 9)}{digits(rng, 7)}"
        check = checksums.weighted(body, tuple(range(9, 1, -1))) % 11
        if check < 10:
            return f"{body}{check}"


def cpf(rng: random.Random) -> str:
    number = checksums.cpf(digits(rng, 9))
    return f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}"


def cnpj(rng: random.Random) -> str:
    number = checksums.cnpj(f"{digits(rng, 8)}0001")
    return f"{number[:2]}.{number[2:5]}.{number[5:8]}/{number[8:12]}-{number[12:]}"


def pan(rng: random.Random) -> str:
    return f"{_letters(rng, string.ascii_uppercase, 3)}P{rng.choice(string.ascii_uppercase)}{digits(rng, 4)}{rng.choice(string.ascii_uppercase)}"


def us_plate(rng: random.Random) -> str:
    return f"{rng.randint(1, 9)}{_letters(rng, string.ascii_uppercase, 3)}{digits(rng, 3)}"


def uk_plate(rng: random.Random) -> str:
    return f"{_letters(rng, 'ABCDEGHKLMNOPRSVWY', 2)}{rng.choice((12, 15, 18, 21, 23, 68, 71, 73))} {_letters(rng, 'ABCDEFGHJKLMNOPRSTUVWXYZ', 3)}"


def ein(rng: random.Random) -> str:
    return f"{rng.choice((20, 26, 27, 45, 46, 81, 82, 84))}-{digits(rng, 7)}"


def uk_passport(rng: random.Random) -> str:
    return f"{rng.randint(1, 9)}{digits(rng, 8)}"


def uk_licence(rng: random.Random) -> str:
    """DVLA: surname, birth decade, month (50 more for women), day, birth year, initials, two check places."""
    surname = _letters(rng, "ABCDEFGHILMNOPRSTW", 5)
    month = rng.randint(1, 12) + rng.choice((0, 50))
    born = f"{rng.randint(4, 9)}{month:02d}{rng.randint(1, 28):02d}{rng.randint(0, 9)}"
    return f"{surname}{born}{_letters(rng, 'ABCDEJKLMPRST', 2)}9{_letters(rng, 'ABCDEFGHJKL', 2)}"


def claim(rng: random.Random) -> str:
    return rng.choice((f"CLM-{digits(rng, 8)}", f"C{digits(rng, 9)}", f"CLM{digits(rng, 10)}"))


def authorisation(rng: random.Random) -> str:
    return rng.choice((f"PA-{digits(rng, 7)}", f"PA{digits(rng, 8)}", f"AUTH{digits(rng, 7)}"))


def prescription(rng: random.Random) -> str:
    return rng.choice((digits(rng, 7), f"RX{digits(rng, 7)}", f"RX-{digits(rng, 7)}"))


def referral(rng: random.Random) -> str:
    return rng.choice((f"REF-{digits(rng, 6)}", f"REF{digits(rng, 8)}", f"R{digits(rng, 7)}"))


def imei_spaced(rng: random.Random) -> str:
    number = imei(rng)
    return rng.choice((number, f"{number[:2]}-{number[2:8]}-{number[8:14]}-{number[14]}"))


def serial(rng: random.Random) -> str:
    """A device's serial number: letters and digits as makers print them."""
    return rng.choice((f"{_letters(rng, 'CDFGHJKLMNPQRTVWX', 3)}{_letters(rng, _UPPER, 9)}", f"SN{digits(rng, 9)}"))


def plate(rng: random.Random) -> str:
    return rng.choice((us_plate, uk_plate))(rng)


def connection(rng: random.Random) -> str:
    """A password inside a connection string; the string around it is the template's."""
    return _letters(rng, _ALNUM, 14)


def date_words(rng: random.Random) -> str:
    """A date spelled out."""
    days = "first second third fourth fifth sixth ninth tenth twelfth fourteenth twentieth thirtieth".split()
    day, name = rng.choice(days), rng.choice(_MONTHS)
    years = ("nineteen eighty-four", "two thousand and nine", "twenty twenty-three", "nineteen ninety-nine")
    forms = (f"the {day} of {name}", f"{name} the {day}", f"the {day} of {name}, {rng.choice(years)}")
    return rng.choice(forms)


def age_words(rng: random.Random) -> str:
    tens = rng.choice("twenty thirty forty fifty sixty seventy eighty ninety".split())
    return f"{tens}-{rng.choice('one two three four five six seven eight nine'.split())}"


def gps(rng: random.Random) -> str:
    """Coordinates as phones and photos write them."""
    north, east = rng.uniform(-60, 70), rng.uniform(-170, 175)
    if rng.random() < 0.7:
        return f"{north:.5f}, {east:.5f}"
    parts = ((north, "NS"), (east, "EW"))
    return " ".join(
        f"{abs(int(value))}°{rng.randint(1, 59)}'{rng.randint(1, 59)}\"{signs[value < 0]}" for value, signs in parts
    )


def file_number(rng: random.Random) -> str:
    """A number of a file or a person in some organisation."""
    letters = _letters(rng, "ABCDEFGHKLMNPRSTW", 2)
    return rng.choice((digits(rng, 7), f"{letters}-{digits(rng, 6)}", f"{rng.randint(2015, 2025)}-{digits(rng, 5)}"))


def postal_code(rng: random.Random) -> str:
    """A postal code of a country other than the United States and Britain, with its country's letters."""
    form = rng.choice(("NL", "CA", "D", "F", "PL"))
    if form == "NL":
        return f"{rng.randint(1000, 9999)} {_letters(rng, 'ABCDEGHJKLNPRSTVWXZ', 2)}"
    if form == "CA":
        letters = "ABCEGHJKLMNPRSTVXY"
        start, end = f"{rng.choice(letters)}{rng.randint(1, 9)}{rng.choice(letters)}", rng.choice(letters)
        return f"{start} {rng.randint(1, 9)}{end}{rng.randint(1, 9)}"
    return f"{digits(rng, 2)}-{digits(rng, 3)}" if form == "PL" else f"{form}-{rng.randint(10000, 98999)}"


def state_code(rng: random.Random) -> str:
    return rng.choice(STATE_CODES)


def order_number(rng: random.Random) -> str:
    """A number that identifies no person: it belongs to a thing."""
    return rng.choice(
        (f"#{digits(rng, 6)}", f"SKU-{digits(rng, 5)}", f"v{rng.randint(1, 9)}.{rng.randint(0, 30)}.{rng.randint(0, 9)}",
         f"ISBN 978-{digits(rng, 1)}-{digits(rng, 5)}", f"PR #{rng.randint(10, 9999)}", f"RFC {rng.randint(100, 9999)}")
    )  # fmt: skip


def sha(rng: random.Random) -> str:
    return hashlib.sha1(rng.randbytes(8), usedforsecurity=False).hexdigest()
