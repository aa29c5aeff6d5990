"""Check digits of identifiers that states give out, each from its agency's or ISO's published rule.

Every function takes the matched text as it stands (separators included), never raises, and answers whether
the number can have been issued.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from vault.redaction.validators import digits_of, luhn_sum, verhoeff

_NOT_ALNUM: Final = re.compile(r"[^0-9A-Z]")


def _compact(text: str) -> str:
    """Capital letters and digits only, in order."""
    return _NOT_ALNUM.sub("", text.upper())


def _weighted(digits: str, weights: Iterable[int]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def _varied(digits: str) -> bool:
    """Not one digit repeated: such numbers pass many checks and are nobody's."""
    return len(set(digits)) > 1


def _dated(month: int, day: int) -> bool:
    return 1 <= month <= 12 and 1 <= day <= 31


def _mod_11_10(digits: str) -> bool:
    """ISO/IEC 7064 mod 11,10, the last digit checks."""
    product = 10
    for char in digits[:-1]:
        product = (int(char) + product) % 10 or 10
        product = product * 2 % 11
    return (11 - product) % 10 == int(digits[-1])


def _mod_11_2(body: str, check: str) -> bool:
    """ISO/IEC 7064 mod 11-2, whose check character may be X."""
    value = 0
    for char in body:
        value = (value + int(char)) * 2 % 11
    value = (12 - value) % 11
    return check == ("X" if value == 10 else str(value))


def _luhn_of(length: int, text: str) -> bool:
    digits = digits_of(text)
    return len(digits) == length and _varied(digits) and luhn_sum(digits) == 0


# --- North America


def us_ein(text: str) -> bool:
    """A prefix that a campus or the internet assigns (IRS, valid EIN prefixes)."""
    digits = digits_of(text)
    return (
        len(digits) == 9
        and _varied(digits)
        and digits[:2]
        not in {
            *["07", "08", "09", "17", "18", "19", "28", "29", "49", "69", "70", "78", "79", "89", "96", "97"],
            "00",
        }
    )


def ca_health(text: str) -> bool:
    """Ontario: ten digits with Luhn, a version of two letters may follow."""
    return _luhn_of(10, text)


# --- Britain and Ireland


def uk_utr(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 10 or not _varied(digits):
        return False
    return "21987654321"[_weighted(digits[1:], (6, 7, 8, 9, 10, 5, 4, 3, 2)) % 11] == digits[0]


def gb_vat(text: str) -> bool:
    digits = digits_of(text)[:9]
    if len(digits) != 9 or not _varied(digits):
        return False
    return _weighted(digits, (8, 7, 6, 5, 4, 3, 2, 10, 1)) % 97 in (
        (0, 42, 55) if digits[:3] >= "100" else (0,)
    )


def ie_pps(text: str) -> bool:
    number = _compact(text)
    if not re.fullmatch(r"\d{7}[A-W][A-IW]?", number, re.ASCII):
        return False
    second = number[8:9]
    extra = 0 if second in ("", "W") else ord(second) - 64
    total = _weighted(number, (8, 7, 6, 5, 4, 3, 2)) + 9 * extra
    return "WABCDEFGHIJKLMNOPQRSTUV"[total % 23] == number[7]


# --- Germany, Austria, Switzerland


def de_tax_id(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or digits[0] == "0":
        return False
    repeated = [count for count in Counter(digits[:10]).values() if count > 1]
    return len(repeated) == 1 and repeated[0] <= 3 and _mod_11_10(digits)


def de_document(text: str) -> bool:
    """ICAO 9303 weights 7, 3, 1 over nine characters: identity cards and passports with their check digit."""
    number = _compact(text)
    if len(number) < 10 or not number[9].isdigit() or not any(map(str.isdigit, number[:9])):
        return False
    total = sum(int(char, 36) * (7, 3, 1)[at % 3] for at, char in enumerate(number[:9]))
    return total % 10 == int(number[9])


def de_social(text: str) -> bool:
    """Deutsche Rentenversicherung: area, date of birth, initial, serial, check digit."""
    number = _compact(text)
    if not re.fullmatch(r"\d{8}[A-Z]\d{3}", number, re.ASCII):
        return False
    if not _dated(int(number[4:6]), int(number[2:4]) or 1):
        return False
    digits = number[:8] + f"{ord(number[8]) - 64:02d}" + number[9:11]
    products = (int(d) * w for d, w in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True))
    return sum(value // 10 + value % 10 for value in products) % 10 == int(number[11])


def de_health(text: str) -> bool:
    """The lifelong part of a Krankenversichertennummer: a letter as two digits, then weights 1 and 2."""
    number = _compact(text)
    if not re.fullmatch(r"[A-Z]\d{9}", number, re.ASCII):
        return False
    digits = f"{ord(number[0]) - 64:02d}{number[1:9]}"
    products = (int(d) * (1, 2)[at % 2] for at, d in enumerate(digits))
    return sum(value // 10 + value % 10 for value in products) % 10 == int(number[9])


def de_vat(text: str) -> bool:
    digits = digits_of(text)
    return len(digits) == 9 and digits[0] != "0" and _mod_11_10(digits)


def at_social(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 10 or digits[0] == "0" or not 1 <= int(digits[4:6]) <= 31:
        return False
    return _weighted(digits[:3] + digits[4:], (3, 7, 9, 5, 8, 4, 2, 1, 6)) % 11 == int(digits[3])


def ch_ahv(text: str) -> bool:
    """EAN-13 under the prefix 756."""
    digits = digits_of(text)
    return len(digits) == 13 and digits[:3] == "756" and _weighted(digits, (1, 3) * 7) % 10 == 0


# --- France, Belgium, Netherlands, Luxembourg


def fr_nir(text: str) -> bool:
    """Thirteen characters and a key; Corsica's 2A and 2B count as 19 and 18."""
    number = _compact(text)
    if not re.fullmatch(r"[1-478]\d{4}(?:\d\d|2[AB])\d{8}", number, re.ASCII):
        return False
    body = number[:13].replace("2A", "19").replace("2B", "18")
    return 97 - int(body) % 97 == int(number[13:])


def fr_siren(text: str) -> bool:
    return _luhn_of(9, text)


def fr_siret(text: str) -> bool:
    return _luhn_of(14, text) and luhn_sum(digits_of(text)[:9]) == 0


def fr_tax(text: str) -> bool:
    digits = digits_of(text)
    return (
        len(digits) == 13
        and digits[0] in "0123"
        and _varied(digits)
        and int(digits[:10]) % 511 == int(digits[10:])
    )


def be_national(text: str) -> bool:
    """97 minus the rest of nine digits; those born since 2000 count with a 2 before them."""
    digits = digits_of(text)
    if len(digits) != 11 or not _varied(digits) or int(digits[2:4]) > 12 or int(digits[4:6]) > 31:
        return False
    check = int(digits[9:])
    return check in (97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97)


def nl_bsn(text: str) -> bool:
    digits = digits_of(text).zfill(9)
    if len(digits) != 9 or not _varied(digits):
        return False
    return (_weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2)) - int(digits[8])) % 11 == 0


def lu_national(text: str) -> bool:
    """Luhn and Verhoeff over eleven digits that start with a date of birth."""
    digits = digits_of(text)
    if (
        len(digits) != 13
        or digits[:2] not in ("18", "19", "20")
        or not _dated(int(digits[4:6]), int(digits[6:8]))
    ):
        return False
    return luhn_sum(digits[:12]) == 0 and verhoeff(digits[:11] + digits[12])


# --- Spain, Portugal, Italy, Greece


_NIF_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"


def es_nif(text: str) -> bool:
    number = _compact(text)
    fits = re.fullmatch(r"\d{8}[A-Z]", number, re.ASCII) is not None and _varied(number[:8])
    return fits and _NIF_LETTERS[int(number[:8]) % 23] == number[8]


def es_nie(text: str) -> bool:
    number = _compact(text)
    if not re.fullmatch(r"[XYZ]\d{7}[A-Z]", number, re.ASCII):
        return False
    return _NIF_LETTERS[int(f"{'XYZ'.index(number[0])}{number[1:8]}") % 23] == number[8]


def es_cif(text: str) -> bool:
    number = _compact(text)
    if not re.fullmatch(r"[ABCDEFGHJNPQRSUVW]\d{7}[0-9A-J]", number, re.ASCII) or not _varied(number[1:8]):
        return False
    check = (10 - luhn_sum(number[1:8] + "0")) % 10
    return number[8] in (str(check), "JABCDEFGHI"[check])


def es_social(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 12 or not _varied(digits):
        return False
    body = digits[:2] + digits[3:10] if digits[2] == "0" else digits[:10]
    return int(body) % 97 == int(digits[10:])


def pt_nif(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 9 or digits[0] == "0" or not _varied(digits):
        return False
    rest = _weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return int(digits[8]) == (0 if rest < 2 else 11 - rest)


def pt_card(text: str) -> bool:
    """Cartão de Cidadão: Luhn over twelve characters, letters counting from 10."""
    number = _compact(text)
    if not re.fullmatch(r"\d{9}[0-9A-Z]{2}\d", number, re.ASCII):
        return False
    total = 0
    for at, char in enumerate(number):
        value = int(char, 36)
        if at % 2 == 0:
            value = value * 2 - 9 if value * 2 > 9 else value * 2
        total += value
    return total % 10 == 0


_ODD: Final = dict(
    zip("0123456789", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21), strict=True),
) | dict(
    zip(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)
_FISCAL: Final = re.compile(
    r"[A-Z]{6}[0-9LMNPQRSTUV]{2}[ABCDEHLMPRST][0-9LMNPQRSTUV]{2}[A-Z][0-9LMNPQRSTUV]{3}[A-Z]"
)


def it_fiscal(text: str) -> bool:
    """Codice fiscale, also of those whose digits became letters (omocodia)."""
    number = _compact(text)
    if not _FISCAL.fullmatch(number):
        return False
    total = sum(
        _ODD[char] if at % 2 == 0 else (int(char) if char.isdigit() else ord(char) - 65)
        for at, char in enumerate(number[:15])
    )
    return total % 26 == ord(number[15]) - 65


def it_vat(text: str) -> bool:
    province = digits_of(text)[7:10]
    return _luhn_of(11, text) and ("001" <= province <= "100" or province in ("120", "121", "888", "999"))


def gr_afm(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 9 or not _varied(digits):
        return False
    return _weighted(digits, (256, 128, 64, 32, 16, 8, 4, 2)) % 11 % 10 == int(digits[8])


def gr_amka(text: str) -> bool:
    digits = digits_of(text)
    return _luhn_of(11, text) and _dated(int(digits[2:4]), int(digits[:2]))


# --- the Nordic and Baltic states


def se_personal(text: str) -> bool:
    """Luhn over the last ten digits; a co-ordination number adds 60 to the day."""
    digits = digits_of(text)
    if len(digits) not in (10, 12):
        return False
    digits = digits[-10:]
    day = int(digits[4:6])
    return _dated(int(digits[2:4]), day - 60 if day > 60 else day) and luhn_sum(digits) == 0


def dk_cpr(text: str) -> bool:
    """A date and mod 11, which all numbers given out before 2007 keep."""
    digits = digits_of(text)
    if len(digits) != 10 or not _dated(int(digits[2:4]), int(digits[:2])):
        return False
    return _weighted(digits, (4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


def no_birth(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or not _varied(digits):
        return False
    day, month = int(digits[:2]) % 40, int(digits[2:4]) % 40
    return (
        _dated(month, day)
        and _weighted(digits, (3, 7, 6, 1, 8, 9, 4, 5, 2, 1)) % 11 == 0
        and _weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0
    )


def fi_personal(text: str) -> bool:
    match = re.fullmatch(r"(\d{6})[-+A-FU-Y](\d{3})([0-9A-Y])", text.strip().upper(), re.ASCII)
    if match is None or not _dated(int(match[1][2:4]), int(match[1][:2])):
        return False
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(match[1] + match[2]) % 31] == match[3]


def ee_lt_personal(text: str) -> bool:
    """Estonia and Lithuania share form and check."""
    digits = digits_of(text)
    if len(digits) != 11 or digits[0] not in "123456" or not _dated(int(digits[3:5]), int(digits[5:7])):
        return False
    check = _weighted(digits, (1, 2, 3, 4, 5, 6, 7, 8, 9, 1)) % 11
    if check == 10:
        check = _weighted(digits, (3, 4, 5, 6, 7, 8, 9, 1, 2, 3)) % 11 % 10
    return check == int(digits[10])


def lv_personal(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11:
        return False
    if digits[:2] == "32":  # given out since 2017, without a date
        return True
    check = (1101 - _weighted(digits, (1, 6, 3, 7, 9, 10, 5, 8, 4, 2))) % 11 % 10
    return _dated(int(digits[2:4]), int(digits[:2])) and check == int(digits[10])


def is_kennitala(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 10 or digits[9] not in "890" or not _dated(int(digits[2:4]), int(digits[:2]) % 40):
        return False
    return _weighted(digits, (3, 2, 7, 6, 5, 4, 3, 2, 1)) % 11 == 0


# --- middle and eastern Europe


def pl_pesel(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or not _dated(int(digits[2:4]) % 20, int(digits[4:6])):
        return False
    return _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def pl_nip(text: str) -> bool:
    digits = digits_of(text)
    fits = len(digits) == 10 and _varied(digits)
    return fits and _weighted(digits, (6, 5, 7, 2, 3, 4, 5, 6, 7)) % 11 == int(digits[9])


def cz_birth(text: str) -> bool:
    """Rodné číslo since 1954: ten digits divisible by 11; women's months are 50 higher."""
    digits = digits_of(text)
    if len(digits) != 10 or not _dated(int(digits[2:4]) % 50 % 20, int(digits[4:6])):
        return False
    return int(digits) % 11 == 0 or (int(digits[:9]) % 11 == 10 and digits[9] == "0")


def hu_taj(text: str) -> bool:
    digits = digits_of(text)
    return len(digits) == 9 and _varied(digits) and _weighted(digits, (3, 7) * 4) % 10 == int(digits[8])


def hu_tax(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 10 or digits[0] != "8":
        return False
    return _weighted(digits, range(1, 10)) % 11 == int(digits[9])


def ro_cnp(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 13 or digits[0] == "0" or not _dated(int(digits[3:5]), int(digits[5:7])):
        return False
    rest = _weighted(digits, (2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9)) % 11
    return (1 if rest == 10 else rest) == int(digits[12])


def bg_egn(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 10 or not _dated(int(digits[2:4]) % 20, int(digits[4:6])):
        return False
    return _weighted(digits, (2, 4, 8, 5, 10, 9, 7, 3, 6)) % 11 % 10 == int(digits[9])


def hr_oib(text: str) -> bool:
    digits = digits_of(text)
    return len(digits) == 11 and _varied(digits) and _mod_11_10(digits)


def jmbg(text: str) -> bool:
    """The thirteen digits that the states of former Yugoslavia share."""
    digits = digits_of(text)
    if len(digits) != 13 or not _dated(int(digits[2:4]), int(digits[:2])):
        return False
    check = 11 - _weighted(digits, (7, 6, 5, 4, 3, 2) * 2) % 11
    return (0 if check > 9 else check) == int(digits[12])


def ru_inn(text: str) -> bool:
    digits = digits_of(text)
    if not _varied(digits):
        return False
    weights = (3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)
    if len(digits) == 10:
        return _weighted(digits, weights[2:]) % 11 % 10 == int(digits[9])
    return (
        len(digits) == 12
        and _weighted(digits, weights[1:]) % 11 % 10 == int(digits[10])
        and _weighted(digits, weights) % 11 % 10 == int(digits[11])
    )


def ru_snils(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or not _varied(digits):
        return False
    return _weighted(digits, range(9, 0, -1)) % 101 % 100 == int(digits[9:])


def ua_rntrc(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 10 or not _varied(digits):
        return False
    return _weighted(digits, (-1, 5, 7, 9, 4, 6, 10, 5, 7)) % 11 % 10 == int(digits[9])


def tr_identity(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or digits[0] == "0":
        return False
    values = [int(digit) for digit in digits]
    tenth = (7 * sum(values[0:9:2]) - sum(values[1:8:2])) % 10
    return tenth == values[9] and sum(values[:10]) % 10 == values[10]


def il_identity(text: str) -> bool:
    digits = digits_of(text)
    return 8 <= len(digits) <= 9 and _varied(digits) and luhn_sum(digits) == 0


# --- Latin America


def br_cpf(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or not _varied(digits):
        return False
    first = _weighted(digits, range(10, 1, -1)) * 10 % 11 % 10
    second = _weighted(digits, range(11, 1, -1)) * 10 % 11 % 10
    return (first, second) == (int(digits[9]), int(digits[10]))


def br_cnpj(text: str) -> bool:
    """Two check digits over values that, since 2026, may be letters (ASCII code minus 48)."""
    number = _compact(text)
    if not re.fullmatch(r"[0-9A-Z]{12}\d\d", number, re.ASCII) or not _varied(number):
        return False
    values = [ord(char) - 48 for char in number]
    for at in (12, 13):
        rest = sum(values[index] * (2 + (at - 1 - index) % 8) for index in range(at)) % 11
        if values[at] != (0 if rest < 2 else 11 - rest):
            return False
    return True


def br_pis(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or not _varied(digits):
        return False
    rest = _weighted(digits, (3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest < 2 else 11 - rest) == int(digits[10])


def br_sus(text: str) -> bool:
    digits = digits_of(text)
    return len(digits) == 15 and digits[0] in "12789" and _weighted(digits, range(15, 0, -1)) % 11 == 0


def mx_curp(text: str) -> bool:
    number = _compact(text)
    if not re.fullmatch(r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d", number, re.ASCII):
        return False
    if not _dated(int(number[6:8]), int(number[8:10])):
        return False
    alphabet = "0123456789ABCDEFGHIJKLMN*OPQRSTUVWXYZ"  # the letter Ñ keeps a place
    total = sum(alphabet.index(char) * (18 - at) for at, char in enumerate(number[:17]))
    return -total % 10 == int(number[17])


def mx_rfc(text: str) -> bool:
    number = _compact(text)
    if not re.fullmatch(r"[A-Z]{3,4}\d{6}[0-9A-Z]{2}[0-9A]", number, re.ASCII):
        return False
    if not _dated(int(number[-7:-5]), int(number[-5:-3])):
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
    check = 11 - _weighted(digits, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return {11: 0, 10: 9}.get(check, check) == int(digits[10])


def cl_rut(text: str) -> bool:
    number = _compact(text)
    if not re.fullmatch(r"\d{7,8}[0-9K]", number, re.ASCII) or not _varied(number[:-1]):
        return False
    total = sum(int(digit) * (2 + at % 6) for at, digit in enumerate(reversed(number[:-1])))
    return "0K987654321"[total % 11] == number[-1]


def co_nit(text: str) -> bool:
    digits = digits_of(text)
    if not 9 <= len(digits) <= 11 or not _varied(digits):
        return False
    weights = (3, 7, 13, 17, 19, 23, 29, 37, 41, 43, 47, 53, 59, 67, 71)
    rest = _weighted(digits[-2::-1], weights) % 11
    return "01987654321"[rest] == digits[-1]


# --- Asia, Oceania, Africa


def in_pan(text: str) -> bool:
    """Fourth letter names the kind of holder; no check digit is public."""
    return re.fullmatch(r"[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]", _compact(text), re.ASCII) is not None


def in_gstin(text: str) -> bool:
    """State, PAN, entity, Z and a check character modulo 36."""
    number = _compact(text)
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
    number = _compact(text)
    if not re.fullmatch(r"[1-8]\d{5}(?:19|20)\d{9}[0-9X]", number, re.ASCII):
        return False
    return _dated(int(number[10:12]), int(number[12:14])) and _mod_11_2(number[:17], number[17])


def hk_identity(text: str) -> bool:
    number = _compact(text)
    if not re.fullmatch(r"[A-Z]{1,2}\d{6}[0-9A]", number, re.ASCII):
        return False
    values = [36 if char == " " else int(char, 36) for char in number.rjust(9)]
    return sum(value * (9 - at) for at, value in enumerate(values)) % 11 == 0


def tw_identity(text: str) -> bool:
    number = _compact(text)
    if not re.fullmatch(r"[A-Z][1289]\d{8}", number, re.ASCII):
        return False
    head = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(number[0]) + 10
    return (_weighted(f"{head}{number[1:]}", (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


def jp_my_number(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 12 or not _varied(digits):
        return False
    rest = _weighted(digits, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return (0 if rest < 2 else 11 - rest) == int(digits[11])


def kr_rrn(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 13 or not _dated(int(digits[2:4]), int(digits[4:6])):
        return False
    return (11 - _weighted(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10 == int(digits[12])


def sg_nric(text: str) -> bool:
    number = _compact(text)
    if not re.fullmatch(r"[STFGM]\d{7}[A-Z]", number, re.ASCII):
        return False
    total = _weighted(number[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(number[0], 0)
    letters = {"S": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "M": "XWUTRQPNJLK"}
    table = letters[{"T": "S", "G": "F"}.get(number[0], number[0])]
    return table[total % 11] == number[8]


def my_nric(text: str) -> bool:
    """A date of birth and a place of birth; there is no check digit."""
    digits = digits_of(text)
    if len(digits) != 12 or not _dated(int(digits[2:4]), int(digits[4:6])):
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
    return fits and _dated(int(digits[8:10]), int(digits[6:8]) % 40)


def th_identity(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 13 or digits[0] in "09" or not _varied(digits):
        return False
    return (11 - _weighted(digits, range(13, 1, -1)) % 11) % 10 == int(digits[12])


def ae_identity(text: str) -> bool:
    digits = digits_of(text)
    return digits[:3] == "784" and _luhn_of(15, text)


def za_identity(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 13 or digits[10] not in "012" or not _dated(int(digits[2:4]), int(digits[4:6])):
        return False
    return luhn_sum(digits) == 0


def au_tfn(text: str) -> bool:
    digits = digits_of(text)
    if not 8 <= len(digits) <= 9 or not _varied(digits):
        return False
    weights = (1, 4, 3, 7, 5, 8, 6, 9, 10) if len(digits) == 9 else (10, 7, 8, 4, 6, 3, 5, 1)
    return _weighted(digits, weights) % 11 == 0


def au_medicare(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) not in (10, 11) or digits[0] not in "23456":
        return False
    return _weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9)) % 10 == int(digits[8])


def au_abn(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or digits[0] == "0" or not _varied(digits):
        return False
    values = str(int(digits[0]) - 1) + digits[1:]
    return _weighted(values, (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)) % 89 == 0


def nz_ird(text: str) -> bool:
    digits = digits_of(text).zfill(9)
    if len(digits) != 9 or not 10_000_000 < int(digits) < 150_000_000 or not _varied(digits):
        return False
    check = -_weighted(digits, (3, 2, 7, 6, 5, 4, 3, 2)) % 11
    if check == 10:
        check = -_weighted(digits, (7, 4, 3, 2, 5, 2, 7, 6)) % 11
    return check == int(digits[8])


def imei(text: str) -> bool:
    """Fifteen digits with Luhn (3GPP TS 23.003)."""
    return _luhn_of(15, text)


NATIONAL_CHECKS: Final[dict[str, Callable[[str], bool]]] = {
    check.__name__: check
    for check in (
        *(us_ein, ca_health, uk_utr, gb_vat, ie_pps),
        *(de_tax_id, de_document, de_social, de_health, de_vat, at_social, ch_ahv),
        *(fr_nir, fr_siren, fr_siret, fr_tax, be_national, nl_bsn, lu_national),
        *(es_nif, es_nie, es_cif, es_social, pt_nif, pt_card, it_fiscal, it_vat, gr_afm, gr_amka),
        *(se_personal, dk_cpr, no_birth, fi_personal, ee_lt_personal, lv_personal, is_kennitala),
        *(pl_pesel, pl_nip, cz_birth, hu_taj, hu_tax, ro_cnp, bg_egn, hr_oib, jmbg),
        *(ru_inn, ru_snils, ua_rntrc, tr_identity, il_identity),
        *(br_cpf, br_cnpj, br_pis, br_sus, mx_curp, mx_rfc, ar_cuit, cl_rut, co_nit),
        *(in_pan, in_gstin, cn_resident, hk_identity, tw_identity, jp_my_number, kr_rrn, sg_nric),
        *(my_nric, id_nik, th_identity, ae_identity, za_identity, au_tfn, au_medicare, au_abn, nz_ird),
        imei,
    )
}
