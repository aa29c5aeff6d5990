"""Check digits of identifiers of northern, middle and eastern Europe, Turkey and Israel."""

from __future__ import annotations

import re

from vault.redaction.check_digits import dated, mod_11_10, varied, weighted
from vault.redaction.validators import digits_of, luhn_sum

# --- the Nordic and Baltic states


def se_personal(text: str) -> bool:
    """Luhn over the last ten digits; a co-ordination number adds 60 to the day."""
    digits = digits_of(text)
    if len(digits) not in (10, 12):
        return False
    digits = digits[-10:]
    day = int(digits[4:6])
    return dated(int(digits[2:4]), day - 60 if day > 60 else day) and luhn_sum(digits) == 0


def dk_cpr(text: str) -> bool:
    """A date and mod 11, which all numbers given out before 2007 keep."""
    digits = digits_of(text)
    if len(digits) != 10 or not dated(int(digits[2:4]), int(digits[:2])):
        return False
    return weighted(digits, (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def no_birth(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or not varied(digits):
        return False
    day, month = int(digits[:2]) % 40, int(digits[2:4]) % 40
    return (
        dated(month, day)
        and weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11 == 0
        and weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    )


def fi_personal(text: str) -> bool:
    match = re.fullmatch(r"(\d{6})[-+A-FU-Y](\d{3})([0-9A-Y])", text.strip().upper(), re.ASCII)
    if match is None or not dated(int(match[1][2:4]), int(match[1][:2])):
        return False
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(match[1] + match[2]) % 31] == match[3]


def ee_lt_personal(text: str) -> bool:
    """Estonia and Lithuania share form and check."""
    digits = digits_of(text)
    if len(digits) != 11 or digits[0] not in "123456" or not dated(int(digits[3:5]), int(digits[5:7])):
        return False
    check = weighted(digits, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = weighted(digits, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return check == int(digits[10])


def lv_personal(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11:
        return False
    if digits[:2] == "32":  # given out since 2017, without a date
        return True
    check = (1101 - weighted(digits, (1, 6, 3, 7, 9, 10, 5, 8, 4, 2))) % 11 % 10
    return dated(int(digits[2:4]), int(digits[:2])) and check == int(digits[10])


def is_kennitala(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 10 or digits[9] not in "890" or not dated(int(digits[2:4]), int(digits[:2]) % 40):
        return False
    return weighted(digits, (3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


# --- middle and eastern Europe


def pl_pesel(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or not dated(int(digits[2:4]) % 20, int(digits[4:6])):
        return False
    return weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def pl_nip(text: str) -> bool:
    digits = digits_of(text)
    fits = len(digits) == 10 and varied(digits)
    return fits and weighted(digits, (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(digits[9])


def cz_birth(text: str) -> bool:
    """Rodné číslo since 1954: ten digits divisible by 11; women's months are 50 higher."""
    digits = digits_of(text)
    if len(digits) != 10 or not dated(int(digits[2:4]) % 50 % 20, int(digits[4:6])):
        return False
    return int(digits) % 11 == 0 or (int(digits[:9]) % 11 == 10 and digits[9] == "0")


def hu_taj(text: str) -> bool:
    digits = digits_of(text)
    return len(digits) == 9 and varied(digits) and weighted(digits, (3, 7) * 4) % 10 == int(digits[8])


def hu_tax(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 10 or digits[0] != "8":
        return False
    return weighted(digits, range(1, 10)) % 11 == int(digits[9])


def ro_cnp(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 13 or digits[0] == "0" or not dated(int(digits[3:5]), int(digits[5:7])):
        return False
    rest = weighted(digits, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return (1 if rest == 10 else rest) == int(digits[12])


def bg_egn(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 10 or not dated(int(digits[2:4]) % 20, int(digits[4:6])):
        return False
    return weighted(digits, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == int(digits[9])


def hr_oib(text: str) -> bool:
    digits = digits_of(text)
    return len(digits) == 11 and varied(digits) and mod_11_10(digits)


def jmbg(text: str) -> bool:
    """The thirteen digits that the states of former Yugoslavia share."""
    digits = digits_of(text)
    if len(digits) != 13 or not dated(int(digits[2:4]), int(digits[:2])):
        return False
    check = 11 - weighted(digits, (7, 6, 5, 4, 3, 2) * 2) % 11
    return (0 if check > 9 else check) == int(digits[12])


def ru_inn(text: str) -> bool:
    digits = digits_of(text)
    if not varied(digits):
        return False
    weights = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
    if len(digits) == 10:
        return weighted(digits, weights[2:]) % 11 % 10 == int(digits[9])
    return (
        len(digits) == 12
        and weighted(digits, weights[1:]) % 11 % 10 == int(digits[10])
        and weighted(digits, weights) % 11 % 10 == int(digits[11])
    )


def ru_snils(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or not varied(digits):
        return False
    return weighted(digits, range(9, 0, -1)) % 101 % 100 == int(digits[9:])


def ua_rntrc(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 10 or not varied(digits):
        return False
    return weighted(digits, (-1, 5, 7, 9, 4, 6, 10, 5, 7)) % 11 % 10 == int(digits[9])


def tr_identity(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or digits[0] == "0":
        return False
    values = [int(digit) for digit in digits]
    tenth = (7 * sum(values[0:9:2]) - sum(values[1:8:2])) % 10
    return tenth == values[9] and sum(values[:10]) % 10 == values[10]


def il_identity(text: str) -> bool:
    digits = digits_of(text)
    return 8 <= len(digits) <= 9 and varied(digits) and luhn_sum(digits) == 0
