"""Identifiers of people, vehicles and devices, with check digits that hold."""

from __future__ import annotations

import random
import string

from training.corpus import checksums
from training.corpus.checksums import UPPER, digits, letters


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
    return rng.choice(
        (f"{number[:3]} {number[3:6]} {number[6:]}", f"{number[:3]}-{number[3:6]}-{number[6:]}")
    )


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


def vin(rng: random.Random) -> str:
    alphabet = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
    start = rng.choice(("1HG", "JTD", "WVW", "5YJ", "2T1", "3FA", "KMH")) + letters(rng, alphabet, 5)
    return checksums.vin(start, letters(rng, alphabet, 2) + digits(rng, 6))


def imei(rng: random.Random) -> str:
    return checksums.with_luhn(f"35{digits(rng, 12)}")


def mrn(rng: random.Random) -> str:
    return rng.choice(
        (digits(rng, 7), digits(rng, 8), f"{digits(rng, 4)}-{digits(rng, 3)}", f"{rng.choice('MHP')}{digits(rng, 6)}",
         f"{digits(rng, 3)}-{digits(rng, 2)}-{digits(rng, 3)}", f"MR{digits(rng, 6)}")
    )  # fmt: skip


def us_passport(rng: random.Random) -> str:
    return rng.choice(
        (f"{rng.choice(string.ascii_uppercase)}{digits(rng, 8)}", f"{rng.randint(1, 9)}{digits(rng, 8)}")
    )


def licence(rng: random.Random) -> str:
    return rng.choice(
        (
            f"{rng.choice(string.ascii_uppercase)}{digits(rng, 7)}",
            f"{rng.choice(string.ascii_uppercase)}{digits(rng, 12)}",
        )
    )


def member_id(rng: random.Random) -> str:
    return f"{letters(rng, string.ascii_uppercase, 3)}{digits(rng, 9)}"


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
    born = f"{rng.choice('12')}{rng.randint(30, 99)}{rng.randint(1, 12):02d}"
    body = f"{born}{rng.randint(1, 95):02d}{digits(rng, 6)}"
    return f"{body}{97 - int(body) % 97:02d}"


def spanish_nif(rng: random.Random) -> str:
    body = digits(rng, 8)
    return f"{body}{'TRWAGMYFPDXBNJZSQVHLCKE'[int(body) % 23]}"


def spanish_nie(rng: random.Random) -> str:
    start, body = rng.randint(0, 2), digits(rng, 7)
    return f"{'XYZ'[start]}{body}{'TRWAGMYFPDXBNJZSQVHLCKE'[int(f'{start}{body}') % 23]}"


def fiscal_code(rng: random.Random) -> str:
    body = letters(rng, "BCDFGLMNPRSTVZ", 6)
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
    start, end = letters(rng, string.ascii_uppercase, 3), letters(rng, string.ascii_uppercase, 2)
    return f"{start}P{end[0]}{digits(rng, 4)}{end[1]}"


def us_plate(rng: random.Random) -> str:
    return f"{rng.randint(1, 9)}{letters(rng, string.ascii_uppercase, 3)}{digits(rng, 3)}"


def uk_plate(rng: random.Random) -> str:
    area, age = letters(rng, "ABCDEGHKLMNOPRSVWY", 2), rng.choice((12, 15, 18, 21, 23, 68, 71, 73))
    return f"{area}{age} {letters(rng, 'ABCDEFGHJKLMNOPRSTUVWXYZ', 3)}"


def ein(rng: random.Random) -> str:
    return f"{rng.choice((20, 26, 27, 45, 46, 81, 82, 84))}-{digits(rng, 7)}"


def uk_passport(rng: random.Random) -> str:
    return f"{rng.randint(1, 9)}{digits(rng, 8)}"


def uk_licence(rng: random.Random) -> str:
    """DVLA: surname, birth decade, month (50 more for women), day, birth year, initials, two check places."""
    surname = letters(rng, "ABCDEFGHILMNOPRSTW", 5)
    month = rng.randint(1, 12) + rng.choice((0, 50))
    born = f"{rng.randint(4, 9)}{month:02d}{rng.randint(1, 28):02d}{rng.randint(0, 9)}"
    return f"{surname}{born}{letters(rng, 'ABCDEJKLMPRST', 2)}9{letters(rng, 'ABCDEFGHJKL', 2)}"


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
    return rng.choice(
        (f"{letters(rng, 'CDFGHJKLMNPQRTVWX', 3)}{letters(rng, UPPER, 9)}", f"SN{digits(rng, 9)}")
    )


def plate(rng: random.Random) -> str:
    return rng.choice((us_plate, uk_plate))(rng)


def file_number(rng: random.Random) -> str:
    """A number of a file or a person in some organisation."""
    office = letters(rng, "ABCDEFGHKLMNPRSTW", 2)
    return rng.choice(
        (digits(rng, 7), f"{office}-{digits(rng, 6)}", f"{rng.randint(2015, 2025)}-{digits(rng, 5)}")
    )
