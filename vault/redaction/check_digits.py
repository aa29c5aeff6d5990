"""What the check digits of national identifiers are made of: weighted sums and the schemes of ISO/IEC 7064."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from vault.redaction.validators import digits_of, luhn_sum

_NOT_ALNUM: Final = re.compile(r"[^0-9A-Z]")


def compact(text: str) -> str:
    """Capital letters and digits only, in order."""
    return _NOT_ALNUM.sub("", text.upper())


def weighted(digits: str, weights: Iterable[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def varied(digits: str) -> bool:
    """Not one digit repeated: such numbers pass many checks and are nobody's."""
    return len(set(digits)) > 1


def dated(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def mod_11_10(digits: str) -> bool:
    """ISO/IEC 7064 mod 11,10, the last digit checks."""
    product = 10
    for char in digits[:-1]:
        product = (int(char) + product) % 10 or 10
        product = product * 2 % 11
    return (11 - product) % 10 == int(digits[-1])


def mod_11_2(body: str, check: str) -> bool:
    """ISO/IEC 7064 mod 11-2, whose check character may be X."""
    value = 0
    for char in body:
        value = (value + int(char)) * 2 % 11
    value = (12 - value) % 11
    return check == ("X" if value == 10 else str(value))


def luhn_of(length: int, text: str) -> bool:
    digits = digits_of(text)
    return len(digits) == length and varied(digits) and luhn_sum(digits) == 0
