"""Checks that an identifier can be what it looks like: True proves it, False refutes it, None says nothing.

Every function takes the matched text as it stands (separators included) and never raises on any string.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from vault.redaction.data import pattern_data

_NOT_DIGIT: Final = re.compile(r"[^0-9]")
_SEPARATORS: Final = re.compile(r"[\s:.\-]")

# Luhn's doubled digits: 2 * d with its own digits summed (ISO/IEC 7812-1 annex B).
_DOUBLED: Final = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)

# Dihedral group D5 and the position permutation of Verhoeff's scheme (1969).
_D5: Final = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
_PERMUTED: Final = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 5, 7, 6, 2, 8, 3, 0, 9, 4),
    (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
    (9, 4, 5, 3, 1, 2, 6, 8, 7, 0),
    (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5),
    (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)

# Issuer prefixes with the lengths they are issued in (ISO/IEC 7812 registry, as the networks publish them).
_ISSUERS: Final = (
    (re.compile(r"4"), {13, 16, 19}),  # Visa
    (re.compile(r"5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), {16}),  # Mastercard
    (re.compile(r"3[47]"), {15}),  # American Express
    (re.compile(r"30[0-5]|3[689]"), {14, 15, 16, 17, 18, 19}),  # Diners Club
    (re.compile(r"6011|64[4-9]|65"), {16, 17, 18, 19}),  # Discover
    (re.compile(r"35(?:2[89]|[3-8])"), {16, 17, 18, 19}),  # JCB
    (re.compile(r"2131|1800"), {15}),  # JCB, older
    (re.compile(r"62|81"), {16, 17, 18, 19}),  # UnionPay
    (re.compile(r"50|5[6-9]|6[0-9]"), {12, 13, 14, 15, 16, 17, 18, 19}),  # Maestro
    (re.compile(r"220[0-4]"), {16, 17, 18, 19}),  # Mir
)

_BASE58: Final = {
    char: value for value, char in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")
}
_BECH32: Final = {char: value for value, char in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_BECH32_GENERATOR: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_CONSTANTS: Final = {1, 0x2BC830A3}  # BIP 173 (bech32), BIP 350 (bech32m)

_VIN_VALUES: Final = dict(
    zip("ABCDEFGHJKLMNPRSTUVWXYZ0123456789", map(int, "12345678123457923456789" + "0123456789"), strict=True)
)
_VIN_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def digits_of(text: str) -> str:
    """The ASCII digits of a text, in order."""
    return _NOT_DIGIT.sub("", text)


def luhn_sum(digits: str) -> int:
    """Luhn's sum modulo 10; 0 means the check digit fits."""
    values = [ord(char) - 48 for char in reversed(digits)]
    return (sum(values[::2]) + sum(_DOUBLED[value] for value in values[1::2])) % 10


def luhn(text: str) -> bool:
    digits = digits_of(text)
    return len(digits) > 1 and luhn_sum(digits) == 0


def card(text: str) -> bool:
    """A payment card number: a known issuer prefix, a length that issuer uses, and Luhn."""
    digits = digits_of(text)
    return (
        12 <= len(digits) <= 19
        and any(len(digits) in lengths and prefix.match(digits) for prefix, lengths in _ISSUERS)
        and luhn_sum(digits) == 0
    )


def us_ssn(text: str) -> bool | None:
    """SSA rules: no area 000 or 666, group 00 or serial 0000; not one digit repeated, no printed sample."""
    if len({char for char in text if char in ".- "}) > 1:
        return False
    digits = digits_of(text)
    refuted = (
        len(digits) != 9
        or len(set(digits)) == 1
        or digits[:3] in ("000", "666")
        or digits[3:5] == "00"
        or digits[5:] == "0000"
        or digits in ("123456789", "987654320", "078051120")
    )
    return False if refuted else None


def uk_nhs(text: str) -> bool:
    """Modulus 11 with weights 10..1 (NHS Data Dictionary)."""
    digits = digits_of(text)
    return len(digits) == 10 and sum(int(d) * (10 - i) for i, d in enumerate(digits)) % 11 == 0


def us_npi(text: str) -> bool:
    """Luhn over 80840 and the number (45 CFR 162.406)."""
    digits = digits_of(text)
    return len(digits) == 10 and len(set(digits[:-1])) > 1 and luhn_sum("80840" + digits) == 0


def aba(text: str) -> bool:
    """Weights 3, 7, 1 modulo 10 (ABA routing number)."""
    digits = digits_of(text)
    return len(digits) == 9 and sum(int(d) * (3, 7, 1)[i % 3] for i, d in enumerate(digits)) % 10 == 0


def dea(text: str) -> bool:
    """DEA registration: d1+d3+d5 + 2(d2+d4+d6) ends in d7."""
    digits = digits_of(text[2:])
    if len(digits) != 7:
        return False
    values = [int(d) for d in digits]
    return (sum(values[0:6:2]) + 2 * sum(values[1:6:2])) % 10 == values[6]


def ca_sin(text: str) -> bool | None:
    return None if len(digits_of(text)) == 9 and luhn(text) else False


def verhoeff(digits: str) -> bool:
    check = 0
    for index, char in enumerate(reversed(digits)):
        check = _D5[check][_PERMUTED[index % 8][ord(char) - 48]]
    return check == 0


def aadhaar(text: str) -> bool:
    """12 digits, first 2 to 9, no palindrome, Verhoeff (UIDAI)."""
    digits = digits_of(text)
    return len(digits) == 12 and digits[0] >= "2" and digits != digits[::-1] and verhoeff(digits)


def uk_driving(text: str) -> bool | None:
    """The surname part is letters padded with trailing nines; the check digit's rule is not public."""
    return None if re.match(r"[A-Z]+9*$", text[:5].upper()) else False


def mac(text: str) -> bool | None:
    """Broadcast and the null address name nobody."""
    return False if _SEPARATORS.sub("", text).upper() in ("F" * 12, "0" * 12) else None


def uuid(text: str) -> bool | None:
    """Version 1 to 8 and the RFC 9562 variant; the nil UUID names nobody."""
    groups = text.split("-")
    fits = len(groups) == 5 and groups[2][:1] in "12345678" and groups[3][:1].lower() in "89ab"
    return None if fits else False


def ip(text: str) -> bool | None:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return None


def vin(text: str) -> bool:
    """Check digit in position 9 (49 CFR 565.15)."""
    chars = text.upper()
    if len(chars) != 17 or any(char not in _VIN_VALUES for char in chars):
        return False
    check = sum(_VIN_VALUES[char] * weight for char, weight in zip(chars, _VIN_WEIGHTS, strict=True)) % 11
    return chars[8] == ("X" if check == 10 else str(check))


def track(text: str) -> bool | None:
    """Magnetic track data that starts with a card number is proven; other data of that form stays a guess."""
    number = re.search(r"[0-9]{12,19}", text)
    return True if number and luhn_sum(number.group()) == 0 else None


# Words that make "20 minutes drive" a distance and not an address.
_NO_STREET_WORDS: Final = (
    "minute minutes hour hours mile miles block blocks meter meters metre metres foot feet yard yards "
    "week weeks day days year years month months the and for from with down off our his her its this that "
    "new test hard disk flash long short scenic people patients percent dollars euros pounds times other "
    "more "
)
_NO_STREET: Final = frozenset(_NO_STREET_WORDS.split())


def street(text: str) -> bool | None:
    """An address in lower case names a street between the number and its kind."""
    words = re.findall(r"[a-z]+", text.lower())
    return False if not _NO_STREET.isdisjoint(words[:-1]) else None


_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_HEX: Final = re.compile(r"[0-9a-f]{32,}|[0-9A-F]{32,}")


def block(text: str) -> bool | None:
    """What follows a number in an address: a capital or a second number, and no word of time or amount."""
    words = text.split()[1:]
    if not _NO_STREET.isdisjoint(word.strip(",.").lower() for word in words[:1]):
        return False
    told = any(word[:1].isupper() or word[:1].isdigit() for word in words)
    return None if told and sum(map(len, words)) >= 5 else False


def random(text: str) -> bool | None:
    """What a generator of keys writes: long hex, or digits and letters mixed, few of them repeated."""
    if _UUID.fullmatch(text):
        return False
    if _HEX.search(text):
        return None
    mixed = any(map(str.isdigit, text)) + any(map(str.islower, text)) + any(map(str.isupper, text))
    few_words = max(map(len, re.findall(r"[a-z]+", text)), default=0) < 12
    return None if mixed >= 2 and few_words and len(set(text)) >= len(text) ** 0.5 + 4 else False


def crypto(text: str) -> bool:
    """A Bitcoin address: Base58Check (P2PKH, P2SH) or bech32/bech32m (BIP 173, BIP 350)."""
    return _bech32(text) if text[:3].lower() == "bc1" else _base58check(text)


def _base58check(text: str) -> bool:
    number = 0
    for char in text:
        value = _BASE58.get(char)
        if value is None:
            return False
        number = number * 58 + value
    if number >> 200:  # version byte, 20 bytes of hash, 4 bytes of checksum
        return False
    raw = number.to_bytes(25, "big")
    return sha256(sha256(raw[:-4]).digest()).digest()[:4] == raw[-4:]


def _bech32(text: str) -> bool:
    lower = text.lower()
    if text not in (lower, text.upper()) or len(text) > 90:
        return False
    human, _, data = lower.rpartition("1")
    if not human or len(data) < 6 or any(char not in _BECH32 for char in data):
        return False
    values = [ord(c) >> 5 for c in human] + [0] + [ord(c) & 31 for c in human] + [_BECH32[c] for c in data]
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATOR):
            check ^= generator if (top >> bit) & 1 else 0
    return check in _BECH32_CONSTANTS


def iban(text: str) -> bool:
    """ISO 13616: the country's length and format, and ISO 7064 mod 97-10."""
    compact = re.sub(r"[ \-]", "", text).upper()
    known = pattern_data()["iban"].get(compact[:2])
    if known is None or len(compact) != known["length"] or not re.fullmatch(known["regex"], compact):
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


# Those that can answer True; the others only refute.
PROVING: Final = frozenset(
    ("aadhaar", "aba", "card", "crypto", "dea", "iban", "luhn", "track", "uk_nhs", "us_npi", "vin")
)
VALIDATORS: Final[dict[str, Callable[[str], bool | None]]] = {
    "aadhaar": aadhaar,
    "aba": aba,
    "block": block,
    "ca_sin": ca_sin,
    "card": card,
    "crypto": crypto,
    "dea": dea,
    "iban": iban,
    "ip": ip,
    "luhn": luhn,
    "random": random,
    "mac": mac,
    "street": street,
    "track": track,
    "uk_driving": uk_driving,
    "uk_nhs": uk_nhs,
    "us_npi": us_npi,
    "us_ssn": us_ssn,
    "uuid": uuid,
    "vin": vin,
}
