"""Check digits of identifiers of the Americas, Asia, Oceania and Africa, and of devices."""

from __future__ import annotations

import re
from typing import Final

from vault.redaction.check_digits import compact, dated, luhn_of, mod_11_2, varied, weighted
from vault.redaction.validators import digits_of, luhn_sum

# --- North America


_NO_EIN: Final = frozenset(
    ("00", "07", "08", "09", "17", "18", "19", "28", "29", "49", "69", "70", "78", "79", "89", "96", "97")
)


def us_ein(text: str) -> bool | None:
    """A prefix that a campus or the internet assigns (IRS, valid EIN prefixes); that refutes, but proves nothing."""
    digits = digits_of(text)
    plausible = len(digits) == 9 and varied(digits) and digits[:2] not in _NO_EIN
    return None if plausible else False


def ca_health(text: str) -> bool:
    """Ontario: ten digits with Luhn, a version of two letters may follow."""
    return luhn_of(10, text)


# --- Latin America


def br_cpf(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or not varied(digits):
        return False
    first = weighted(digits, range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(digits, range(11, 1, -1)) * 10 % 11 % 10
    return (first, second) == (int(digits[9]), int(digits[10]))


def br_cnpj(text: str) -> bool:
    """Two check digits over values that, since 2026, may be letters (ASCII code minus 48)."""
    number = compact(text)
    if not re.fullmatch(r"[0-9A-Z]{12}\d\d", number, re.ASCII) or not varied(number):
        return False
    values = [ord(char) - 48 for char in number]
    for at in (12, 13):
        rest = sum(values[index] * (2 + (at - 1 - index) % 8) for index in range(at)) % 11
        if values[at] != (0 if rest < 2 else 11 - rest):
            return False
    return True


def br_pis(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or not varied(digits):
        return False
    rest = weighted(digits, (3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest < 2 else 11 - rest) == int(digits[10])


def br_sus(text: str) -> bool:
    digits = digits_of(text)
    return len(digits) == 15 and digits[0] in "12789" and weighted(digits, range(15, 0, -1)) % 11 == 0


def mx_curp(text: str) -> bool:
    number = compact(text)
    if not re.fullmatch(r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d", number, re.ASCII):
        return False
    if not dated(int(number[6:8]), int(number[8:10])):
        return False
    alphabet = "0123456789ABCDEFGHIJKLMN*OPQRSTUVWXYZ"  # the letter Ñ keeps a place
    total = sum(alphabet.index(char) * (18 - at) for at, char in enumerate(number[:17]))
    return -total % 10 == int(number[17])


def mx_rfc(text: str) -> bool:
    number = compact(text)
    if not re.fullmatch(r"[A-Z]{3,4}\d{6}[0-9A-Z]{2}[0-9A]", number, re.ASCII):
        return False
    if not dated(int(number[-7:-5]), int(number[-5:-3])):
        return False
    alphabet = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ *"
    body = number[:-1].rjust(12)
    check = -sum(alphabet.index(char) * (13 - at) for at, char in enumerate(body)) % 11
    return number[-1] == ("A" if check == 10 else str(check))


def ar_cuit(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or digits[:2] not in (
        "20",
        "23",
        "24",
        "25",
        "26",
        "27",
        "30",
        "33",
        "34",
        "50",
        "51",
        "55",
    ):
        return False
    check = 11 - weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return {11: 0, 10: 9}.get(check, check) == int(digits[10])


def cl_rut(text: str) -> bool:
    number = compact(text)
    if not re.fullmatch(r"\d{7,8}[0-9K]", number, re.ASCII) or not varied(number[:-1]):
        return False
    total = sum(int(digit) * (2 + at % 6) for at, digit in enumerate(reversed(number[:-1])))
    return "0K987654321"[total % 11] == number[-1]


def co_nit(text: str) -> bool:
    digits = digits_of(text)
    if not 9 <= len(digits) <= 11 or not varied(digits):
        return False
    weights = (3, 7, 13, 17, 19, 23, 29, 37, 41, 43, 47, 53, 59, 67, 71)
    rest = weighted(digits[-2::-1], weights) % 11
    return "01987654321"[rest] == digits[-1]


# --- Asia, Oceania, Africa


def in_pan(text: str) -> bool:
    """Fourth letter names the kind of holder; no check digit is public."""
    return re.fullmatch(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", compact(text), re.ASCII) is not None


def in_gstin(text: str) -> bool:
    """State, PAN, entity, Z and a check character modulo 36."""
    number = compact(text)
    if not re.fullmatch(r"[0-3]\d[A-Z]{5}\d{4}[A-Z][0-9A-Z]Z[0-9A-Z]", number, re.ASCII) or not in_pan(
        number[2:12]
    ):
        return False
    total = 0
    for at, char in enumerate(number[:14]):
        value = int(char, 36) * (1, 2)[at % 2]
        total += value // 36 + value % 36
    return int(number[14], 36) == -total % 36


def cn_resident(text: str) -> bool:
    number = compact(text)
    if not re.fullmatch(r"[1-8]\d{5}(?:19|20)\d{9}[0-9X]", number, re.ASCII):
        return False
    return dated(int(number[10:12]), int(number[12:14])) and mod_11_2(number[:17], number[17])


def hk_identity(text: str) -> bool:
    number = compact(text)
    if not re.fullmatch(r"[A-Z]{1,2}\d{6}[0-9A]", number, re.ASCII):
        return False
    values = [36 if char == " " else int(char, 36) for char in number.rjust(9)]
    return sum(value * (9 - at) for at, value in enumerate(values)) % 11 == 0


def tw_identity(text: str) -> bool:
    number = compact(text)
    if not re.fullmatch(r"[A-Z][1289]\d{8}", number, re.ASCII):
        return False
    head = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(number[0]) + 10
    return (weighted(f"{head}{number[1:]}", (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


def jp_my_number(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 12 or not varied(digits):
        return False
    rest = weighted(digits, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest < 2 else 11 - rest) == int(digits[11])


def kr_rrn(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 13 or not dated(int(digits[2:4]), int(digits[4:6])):
        return False
    return (11 - weighted(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10 == int(digits[12])


def sg_nric(text: str) -> bool:
    number = compact(text)
    if not re.fullmatch(r"[STFGM]\d{7}[A-Z]", number, re.ASCII):
        return False
    total = weighted(number[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(number[0], 0)
    letters = {"S": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}
    table = letters[{"T": "S", "G": "F"}.get(number[0], number[0])]
    return table[total % 11] == number[8]


def my_nric(text: str) -> bool:
    """A date of birth and a place of birth; there is no check digit."""
    digits = digits_of(text)
    if len(digits) != 12 or not dated(int(digits[2:4]), int(digits[4:6])):
        return False
    return digits[6:8] not in (
        "00",
        "17",
        "18",
        "19",
        "20",
        "69",
        "70",
        "73",
        "80",
        "81",
        "94",
        "95",
        "96",
        "97",
    )


def id_nik(text: str) -> bool:
    """Region, date of birth (women's days are 40 higher) and serial; there is no check digit."""
    digits = digits_of(text)
    fits = len(digits) == 16 and "11" <= digits[:2] <= "96" and digits[12:] != "0000"
    return fits and dated(int(digits[8:10]), int(digits[6:8]) % 40)


def th_identity(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 13 or digits[0] in "09" or not varied(digits):
        return False
    return (11 - weighted(digits, range(13, 1, -1)) % 11) % 10 == int(digits[12])


def ae_identity(text: str) -> bool:
    digits = digits_of(text)
    return digits[:3] == "784" and luhn_of(15, text)


def za_identity(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 13 or digits[10] not in "012" or not dated(int(digits[2:4]), int(digits[4:6])):
        return False
    return luhn_sum(digits) == 0


def au_tfn(text: str) -> bool:
    digits = digits_of(text)
    if not 8 <= len(digits) <= 9 or not varied(digits):
        return False
    weights = (1, 4, 3, 7, 5, 8, 6, 9, 10) if len(digits) == 9 else (10, 7, 8, 4, 6, 3, 5, 1)
    return weighted(digits, weights) % 11 == 0


def au_medicare(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) not in (10, 11) or digits[0] not in "23456":
        return False
    return weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(digits[8])


def au_abn(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or digits[0] == "0" or not varied(digits):
        return False
    values = str(int(digits[0]) - 1) + digits[1:]
    return weighted(values, (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0


def nz_ird(text: str) -> bool:
    digits = digits_of(text).zfill(9)
    if len(digits) != 9 or not 10_000_000 < int(digits) < 150_000_000 or not varied(digits):
        return False
    check = -weighted(digits, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
    if check == 10:
        check = -weighted(digits, (7, 4, 3, 2, 5, 2, 7, 6)) % 11
    return check == int(digits[8])


def imei(text: str) -> bool:
    """Fifteen digits with Luhn (3GPP TS 23.003)."""
    return luhn_of(15, text)
