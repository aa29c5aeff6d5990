"""Cards, accounts, addresses of machines, and secrets."""

from __future__ import annotations

import base64
import random
import string
from typing import Final

from training.corpus import checksums
from training.corpus.checksums import ALNUM, digits, letters
from training.corpus.lexicon import draw_name
from training.corpus.values import HOSTS, TLDS, ascii_only

_CARD_STARTS: Final = (
    ("4", 16),
    ("51", 16),
    ("55", 16),
    ("2221", 16),
    ("37", 15),
    ("6011", 16),
    ("3528", 16),
    ("36", 14),
)


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
        bban = letters(rng, string.ascii_uppercase, int(shape[1]))
        shape = shape[2:]
    number = checksums.mod97(country, bban + digits(rng, int(shape[1:])))
    if rng.random() < 0.5:
        return number
    return " ".join(number[index : index + 4] for index in range(0, len(number), 4))


def aba(rng: random.Random) -> str:
    body = f"{rng.choice(('02', '03', '06', '07', '11', '12', '26', '32'))}{digits(rng, 6)}"
    total = checksums.weighted(body, (3, 7, 1, 3, 7, 1, 3, 7))
    return f"{body}{-total % 10}"


def bitcoin(rng: random.Random) -> str:
    return checksums.base58check(b"\0" + rng.randbytes(20))


def ethereum(rng: random.Random) -> str:
    return f"0x{rng.randbytes(20).hex()}"


def account(rng: random.Random) -> str:
    return f"{rng.randint(1, 9)}{digits(rng, rng.choice((7, 9, 11)))}"


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
    host = f"{rng.choice(HOSTS)}.{ascii_only(draw_name(rng, 'last', held=False))}.{rng.choice(TLDS)}"
    return f"https://{host}/{rng.choice(('account', 'u', 'profile', 'orders', 'share'))}/{letters(rng, ALNUM, 8)}"


def password(rng: random.Random) -> str:
    word = rng.choice(("Sunflower", "tiger", "Winter", "dragon", "Qwerty", "maple", "Rocket", "hunter"))
    return f"{word}{rng.choice('!#$%&*_')}{digits(rng, 4)}{letters(rng, ALNUM, 3)}"


def api_key(rng: random.Random) -> str:
    return rng.choice(
        (
            f"AKIA{letters(rng, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567', 16)}",
            f"ghp_{letters(rng, ALNUM, 36)}",
            f"sk_live_{letters(rng, ALNUM, 24)}",
            f"AIza{letters(rng, ALNUM + '-_', 35)}",
            f"xoxb-{digits(rng, 12)}-{digits(rng, 12)}-{letters(rng, ALNUM, 24)}",
            f"glpat-{letters(rng, ALNUM, 20)}",
        )
    )


def jwt(rng: random.Random) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    head, body = (
        b'{"alg":"HS256","typ":"JWT"}',
        f'{{"sub":"{digits(rng, 10)}","iat":17{digits(rng, 8)}}}'.encode(),
    )
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


def connection(rng: random.Random) -> str:
    """A password inside a connection string; the string around it is the template's."""
    return letters(rng, ALNUM, 14)
