"""Makers of check digits, independent of the detector's validators so that each proves the other."""

from __future__ import annotations

import hashlib
import random
import string
from typing import Final

DIGITS: Final = "0123456789"
BASE58: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


ALNUM: Final = string.ascii_letters + string.digits
UPPER: Final = string.ascii_uppercase + string.digits


def letters(rng: random.Random, alphabet: str, count: int) -> str:
    """So many characters of an alphabet."""
    return "".join(rng.choice(alphabet) for _ in range(count))


def digits(rng: random.Random, count: int) -> str:
    return "".join(rng.choice(DIGITS) for _ in range(count))


def luhn_digit(body: str) -> str:
    """The digit that completes a number by ISO/IEC 7812-1 annex B."""
    total = 0
    for index, char in enumerate(reversed(body)):
        value = int(char) * (2 if index % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def with_luhn(body: str) -> str:
    return body + luhn_digit(body)


def weighted(body: str, weights: tuple[int, ...]) -> int:
    return sum(int(char) * weight for char, weight in zip(body, weights, strict=True))


def verhoeff_digit(body: str) -> str:
    """Verhoeff's check digit, computed in the dihedral group of the pentagon (no tables)."""

    def times(left: int, right: int) -> int:
        turned, mirrored = left % 5, left >= 5
        if right < 5:
            return (turned - right) % 5 + 5 if mirrored else (turned + right) % 5
        return (turned - right) % 5 if mirrored else (turned + right) % 5 + 5

    step = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)
    inverse = (0, 4, 3, 2, 1, 5, 6, 7, 8, 9)
    check = 0
    for index, char in enumerate(reversed(body), start=1):
        value = int(char)
        for _ in range(index % 8):
            value = step[value]
        check = times(check, value)
    return str(inverse[check])


def mod97(country: str, bban: str) -> str:
    """An IBAN from its country and account part (ISO 13616)."""
    number = "".join(str(int(char, 36)) for char in f"{bban}{country}00")
    return f"{country}{98 - int(number) % 97:02d}{bban}"


def base58check(payload: bytes) -> str:
    """A Bitcoin address of version byte and hash."""
    data = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, text = int.from_bytes(data), ""
    while number:
        number, rest = divmod(number, 58)
        text = BASE58[rest] + text
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + text


def mod11_ten(body: str) -> str:
    """ISO 7064 MOD 11,10, as the German tax number uses it."""
    product = 10
    for char in body:
        product = ((int(char) + product) % 10 or 10) * 2 % 11
    return str((11 - product) % 10)


def cpf(body: str) -> str:
    """The two check digits of a Brazilian CPF."""
    first = weighted(body, tuple(range(10, 1, -1))) * 10 % 11 % 10
    second = weighted(f"{body}{first}", tuple(range(11, 1, -1))) * 10 % 11 % 10
    return f"{body}{first}{second}"


def cnpj(body: str) -> str:
    """The two check digits of a Brazilian CNPJ."""
    for weights in ((5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2), (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)):
        rest = weighted(body, weights) % 11
        body += "0" if rest < 2 else str(11 - rest)
    return body


# Codice fiscale: the value of a character in an odd place (D.M. 23.12.1976).
_ODD_DIGITS: Final = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_ODD: Final = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (*_ODD_DIGITS, *_ODD_DIGITS, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)


def fiscal_code_letter(body: str) -> str:
    total = 0
    for index, char in enumerate(body):
        value = int(char) if char.isdigit() else ord(char) - ord("A")
        total += _ODD[char] if index % 2 == 0 else value
    return chr(ord("A") + total % 26)


_VIN_VALUES: Final = (
    {char: index % 10 for index, char in enumerate(DIGITS)}
    | {
        char: value
        for letters, values in (("ABCDEFGH", range(1, 9)), ("JKLMN", range(1, 6)), ("STUVWXYZ", range(2, 10)))
        for char, value in zip(letters, values, strict=True)
    }
    | {"P": 7, "R": 9}
)
_VIN_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def vin(start: str, end: str) -> str:
    """A vehicle number of eight characters, the check digit, and eight more (49 CFR 565.15)."""
    total = sum(
        _VIN_VALUES[char] * weight for char, weight in zip(f"{start}0{end}", _VIN_WEIGHTS, strict=True)
    )
    return f"{start}{'0123456789X'[total % 11]}{end}"
