"""Check digits of identifiers of western and southern Europe, each from its agency's published rule."""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

from vault.redaction.check_digits import compact, dated, luhn_of, mod_11_10, varied, weighted
from vault.redaction.validators import digits_of, luhn_sum, verhoeff

# --- Britain and Ireland


def uk_utr(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 10 or not varied(digits):
        return False
    return "21987654321"[weighted(digits[1:], (6, 7, 8, 9, 10, 5, 4, 3, 2)) % 11] == digits[0]


def gb_vat(text: str) -> bool:
    digits = digits_of(text)[:9]
    if len(digits) != 9 or not varied(digits):
        return False
    return weighted(digits, (8, 7, 6, 5, 4, 3, 2, 10, 1)) % 97 in (
        (0, 42, 55) if digits[:3] >= "100" else (0,)
    )


def ie_pps(text: str) -> bool:
    number = compact(text)
    if not re.fullmatch(r"\d{7}[A-W][A-IW]?", number, re.ASCII):
        return False
    second = number[8:9]
    extra = 0 if second in ("", "W") else ord(second) - 64
    total = weighted(number, (8, 7, 6, 5, 4, 3, 2)) + 9 * extra
    return "WABCDEFGHIJKLMNOPQRSTUV"[total % 23] == number[7]


# --- Germany, Austria, Switzerland


def de_tax_id(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 11 or digits[0] == "0":
        return False
    repeated = [count for count in Counter(digits[:10]).values() if count > 1]
    return len(repeated) == 1 and repeated[0] <= 3 and mod_11_10(digits)


def de_document(text: str) -> bool:
    """ICAO 9303 weights 7, 3, 1 over nine characters: identity cards and passports with their check digit."""
    number = compact(text)
    if len(number) < 10 or not number[9].isdigit() or not any(map(str.isdigit, number[:9])):
        return False
    total = sum(int(char, 36) * (7, 3, 1)[at % 3] for at, char in enumerate(number[:9]))
    return total % 10 == int(number[9])


def de_social(text: str) -> bool:
    """Deutsche Rentenversicherung: area, date of birth, initial, serial, check digit."""
    number = compact(text)
    if not re.fullmatch(r"\d{8}[A-Z]\d{3}", number, re.ASCII):
        return False
    if not dated(int(number[4:6]), int(number[2:4]) or 1):
        return False
    digits = number[:8] + f"{ord(number[8]) - 64:02d}" + number[9:11]
    products = (int(d) * w for d, w in zip(digits, (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True))
    return sum(value // 10 + value % 10 for value in products) % 10 == int(number[11])


def de_health(text: str) -> bool:
    """The lifelong part of a Krankenversichertennummer: a letter as two digits, then weights 1 and 2."""
    number = compact(text)
    if not re.fullmatch(r"[A-Z]\d{9}", number, re.ASCII):
        return False
    digits = f"{ord(number[0]) - 64:02d}{number[1:9]}"
    products = (int(d) * (1, 2)[at % 2] for at, d in enumerate(digits))
    return sum(value // 10 + value % 10 for value in products) % 10 == int(number[9])


def de_vat(text: str) -> bool:
    digits = digits_of(text)
    return len(digits) == 9 and digits[0] != "0" and mod_11_10(digits)


def at_social(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 10 or digits[0] == "0" or not 1 <= int(digits[4:6]) <= 31:
        return False
    return weighted(digits[:3] + digits[4:], (3, 7, 9, 5, 8, 4, 2, 1, 6)) % 11 == int(digits[3])


def ch_ahv(text: str) -> bool:
    """EAN-13 under the prefix 756."""
    digits = digits_of(text)
    return len(digits) == 13 and digits[:3] == "756" and weighted(digits, (1, 3) * 7) % 10 == 0


# --- France, Belgium, Netherlands, Luxembourg


def fr_nir(text: str) -> bool:
    """Thirteen characters and a key; Corsica's 2A and 2B count as 19 and 18."""
    number = compact(text)
    if not re.fullmatch(r"[1-478]\d{4}(?:\d\d|2[AB])\d{8}", number, re.ASCII):
        return False
    body = number[:13].replace("2A", "19").replace("2B", "18")
    return 97 - int(body) % 97 == int(number[13:])


def fr_siren(text: str) -> bool:
    return luhn_of(9, text)


def fr_siret(text: str) -> bool:
    return luhn_of(14, text) and luhn_sum(digits_of(text)[:9]) == 0


def fr_tax(text: str) -> bool:
    digits = digits_of(text)
    return (
        len(digits) == 13
        and digits[0] in "0123"
        and varied(digits)
        and int(digits[:10]) % 511 == int(digits[10:])
    )


def be_national(text: str) -> bool:
    """97 minus the rest of nine digits; those born since 2000 count with a 2 before them."""
    digits = digits_of(text)
    if len(digits) != 11 or not varied(digits) or int(digits[2:4]) > 12 or int(digits[4:6]) > 31:
        return False
    check = int(digits[9:])
    return check in (97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97)


def nl_bsn(text: str) -> bool:
    digits = digits_of(text).zfill(9)
    if len(digits) != 9 or not varied(digits):
        return False
    return (weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2)) - int(digits[8])) % 11 == 0


def lu_national(text: str) -> bool:
    """Luhn and Verhoeff over eleven digits that start with a date of birth."""
    digits = digits_of(text)
    if (
        len(digits) != 13
        or digits[:2] not in ("18", "19", "20")
        or not dated(int(digits[4:6]), int(digits[6:8]))
    ):
        return False
    return luhn_sum(digits[:12]) == 0 and verhoeff(digits[:11] + digits[12])


# --- Spain, Portugal, Italy, Greece


_NIF_LETTERS: Final = "TRWAGMYFPDXBNJZSQVHLCKE"


def es_nif(text: str) -> bool:
    number = compact(text)
    fits = re.fullmatch(r"\d{8}[A-Z]", number, re.ASCII) is not None and varied(number[:8])
    return fits and _NIF_LETTERS[int(number[:8]) % 23] == number[8]


def es_nie(text: str) -> bool:
    number = compact(text)
    if not re.fullmatch(r"[XYZ]\d{7}[A-Z]", number, re.ASCII):
        return False
    return _NIF_LETTERS[int(f"{'XYZ'.index(number[0])}{number[1:8]}") % 23] == number[8]


def es_cif(text: str) -> bool:
    number = compact(text)
    if not re.fullmatch(r"[ABCDEFGHJNPQRSUVW]\d{7}[0-9A-J]", number, re.ASCII) or not varied(number[1:8]):
        return False
    check = (10 - luhn_sum(number[1:8] + "0")) % 10
    return number[8] in (str(check), "JABCDEFGHI"[check])


def es_social(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 12 or not varied(digits):
        return False
    body = digits[:2] + digits[3:10] if digits[2] == "0" else digits[:10]
    return int(body) % 97 == int(digits[10:])


def pt_nif(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 9 or digits[0] == "0" or not varied(digits):
        return False
    rest = weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2)) % 11
    return int(digits[8]) == (0 if rest < 2 else 11 - rest)


def pt_card(text: str) -> bool:
    """Cartão de Cidadão: Luhn over twelve characters, letters counting from 10."""
    number = compact(text)
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
    number = compact(text)
    if not _FISCAL.fullmatch(number):
        return False
    total = sum(
        _ODD[char] if at % 2 == 0 else (int(char) if char.isdigit() else ord(char) - 65)
        for at, char in enumerate(number[:15])
    )
    return total % 26 == ord(number[15]) - 65


def it_vat(text: str) -> bool:
    province = digits_of(text)[7:10]
    return luhn_of(11, text) and ("001" <= province <= "100" or province in ("120", "121", "888", "999"))


def gr_afm(text: str) -> bool:
    digits = digits_of(text)
    if len(digits) != 9 or not varied(digits):
        return False
    return weighted(digits, (256, 128, 64, 32, 16, 8, 4, 2)) % 11 % 10 == int(digits[8])


def gr_amka(text: str) -> bool:
    digits = digits_of(text)
    return luhn_of(11, text) and dated(int(digits[2:4]), int(digits[:2]))
