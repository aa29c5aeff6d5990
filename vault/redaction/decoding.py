"""Decoders: percent, HTML and JSON escapes character by character; base64, base32, hex, codes as whole tokens.

A token counts as encoded text only if it decodes to printable text, so identifiers and words stay what they
are. Escapes of escapes (`%2540`, `&amp;#64;`, `\\\\u0040`) are undone in one step; only tokens nest.
"""

from __future__ import annotations

import re
from base64 import b32decode
from binascii import Error, a2b_base64
from collections.abc import Iterator
from html import unescape
from typing import Final

from vault.redaction.edits import Edit, apart

# One glance that every text gets: no encoding without one of these characters or a long token.
CUE: Final = re.compile(
    r"[%&\\]|=[0-9A-F]{2}|U\+[0-9A-Fa-f]{4}|[A-Za-z0-9+/_-]{12}"
    r"|(?:[0-9A-Fa-f]{2,3}[ ,:;-]{1,2}){5}|0x[0-9A-Fa-f]{2}|[01]{8}"
)

_FEWEST_BYTES: Final = 6  # nothing shorter is worth hiding
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{8,}(?:(?<=[A-Za-z0-9+/]{40})\r?\n[A-Za-z0-9+/]{4,})*={0,2}")
_PIECE: Final = re.compile(r"[A-Za-z0-9+]{12,}")
_BASE32: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z2-7]{16,}={0,6}(?![A-Za-z0-9])")
_HEX: Final = re.compile(r"(?<![0-9A-Za-z])(?:0x)?(?:[0-9A-Fa-f]{2}){6,}(?![0-9A-Za-z])")
_HEX_PAIRS: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:0x|\\x)?[0-9A-Fa-f]{2}(?:[ ,:-]{1,2}(?:0x|\\x)?[0-9A-Fa-f]{2}){5,}(?![0-9A-Za-z])"
)
_HEX_PAIR: Final = re.compile(r"[0-9A-Fa-f]{2}(?![xX])")
_CODES: Final = re.compile(r"(?<!\d)\d{2,3}(?:[ ,;]{1,2}\d{2,3}){5,}(?!\d)")
_BITS: Final = re.compile(r"(?<!\d)[01]{8}(?: ?[01]{8}){3,}(?!\d)")

# Runs of escaped bytes, however often the percent sign itself was escaped (`%25`).
_PERCENT: Final = re.compile(r"%(?:25)*([0-9A-Fa-f]{2})")
_PERCENT_RUN: Final = re.compile(r"(?:%(?:25)*[0-9A-Fa-f]{2})+")
_PRINTED: Final = re.compile(
    r"(?<=[\w.+-])(?<!=[0-9A-F]{2})(?:=[0-9A-F]{2})+(?=[\w.+-])"
)  # RFC 2045 6.7, quoted-printable
_ENTITY: Final = re.compile(
    r"&(?:amp;){0,8}(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31}(?=;));?"
)
# However often the backslash itself was escaped; a run of them is entered at its start only.
_SLASH: Final = r"(?<!\\)\\+"
_CODE_POINT: Final = re.compile(
    rf"{_SLASH}u(?:([0-9A-Fa-f]{{4}})|\{{([0-9A-Fa-f]{{1,6}})\}})|{_SLASH}U([0-9A-Fa-f]{{8}})"
    r"|U\+(1[0-9A-Fa-f]{4}(?![0-9A-Fa-f])|[0-9A-Fa-f]{4})"
)
_BYTE_RUN: Final = re.compile(rf"{_SLASH}x[0-9A-Fa-f]{{2}}(?:\\+x[0-9A-Fa-f]{{2}})*")
_BYTE: Final = re.compile(rf"{_SLASH}x([0-9A-Fa-f]{{2}})")
_OCTAL_RUN: Final = re.compile(r"(?:\\[0-3][0-7]{2})+")
_OCTAL: Final = re.compile(r"\\([0-3][0-7]{2})")
_SHORT: Final = re.compile(rf'{_SLASH}(["/nrt])')
_SHORT_CHARS: Final = {"n": "\n", "r": "\n", "t": "\t"}


def escapes(text: str) -> list[Edit]:
    """Edits that undo percent, HTML and backslash escapes."""
    edits: list[Edit] = []
    if "%" in text:
        edits += _byte_escapes(text, _PERCENT_RUN, _PERCENT, 16)
    if "=" in text:
        edits += _byte_escapes(text, _PRINTED, re.compile("=([0-9A-F]{2})"), 16)
    if "&" in text:
        edits += (
            Edit(*match.span(), plain)
            for match in _ENTITY.finditer(text)
            if (plain := _entity(match.group())) != match.group()
        )
    if "\\" in text or "U+" in text:
        edits += _code_points(text)
        edits += _byte_escapes(text, _BYTE_RUN, _BYTE, 16)
        edits += _byte_escapes(text, _OCTAL_RUN, _OCTAL, 8)
        edits += (
            Edit(*match.span(), _SHORT_CHARS.get(match[1], match[1])) for match in _SHORT.finditer(text)
        )
    return apart(edits)


def tokens(text: str) -> list[Edit]:
    """Edits that decode whole tokens: base64, base32, hex, character codes, bits."""
    found: list[Edit] = []
    for match in _BASE64.finditer(text):
        found += _base64(text, *match.span())
    for match in _BASE32.finditer(text):
        token = match.group().rstrip("=")
        found += _printable(match.start(), match.end(), _unpacked32(token + "=" * (-len(token) % 8)))
    for match in _HEX.finditer(text):
        found += _printable(*match.span(), bytes.fromhex(match.group().removeprefix("0x")))
    for match in _HEX_PAIRS.finditer(text):
        pairs = _HEX_PAIR.findall(match.group())
        found += _printable(*match.span(), bytes.fromhex("".join(pairs)))
    for match in _CODES.finditer(text):
        codes = [int(code) for code in re.findall(r"\d+", match.group())]
        if all(32 <= code < 127 for code in codes):
            found += _printable(*match.span(), bytes(codes))
    for match in _BITS.finditer(text):
        bits = match.group().replace(" ", "")
        found += _printable(*match.span(), int(bits[:65536], 2).to_bytes(len(bits[:65536]) // 8, "big"))
    return apart(found)


def _byte_escapes(text: str, runs: re.Pattern[str], one: re.Pattern[str], base: int) -> Iterator[Edit]:
    """One edit for each character of each run of escaped bytes (UTF-8, else Latin-1)."""
    for run in runs.finditer(text):
        units = list(one.finditer(text, run.start(), run.end()))
        raw = bytes(int(unit[1], base) for unit in units)
        try:
            chars = raw.decode()
        except UnicodeDecodeError:
            chars = raw.decode("latin-1")
        at = 0
        for char in chars:
            size = len(char.encode()) if len(chars) != len(raw) else 1
            yield Edit(units[at].start(), units[at + size - 1].end(), char)
            at += size


def _entity(text: str) -> str:
    plain = unescape("&" + re.sub(r"^&(?:amp;)*", "", text))
    return text if not plain or "\ud800" <= plain[0] <= "\udfff" else plain


def _code_points(text: str) -> Iterator[Edit]:
    high: re.Match[str] | None = None
    for match in _CODE_POINT.finditer(text):
        value = int(match[1] or match[2] or match[3] or match[4], 16)
        if 0xD800 <= value < 0xDC00:
            high = match
        elif 0xDC00 <= value < 0xE000:
            if high is not None and high.end() == match.start():
                first = int(high[1] or high[2] or high[3] or high[4], 16)
                both = 0x10000 + ((first - 0xD800) << 10) + (value - 0xDC00)
                yield Edit(high.start(), match.end(), chr(both))
        elif value <= 0x10FFFF:
            yield Edit(*match.span(), chr(value))


def _base64(text: str, start: int, end: int) -> Iterator[Edit]:
    """The token decoded; where that is nothing, its pieces between dashes, slashes and underscores."""
    whole = list(_printable(start, end, _unpacked64(text[start:end])))
    if whole:
        yield from whole
    elif not text[start:end].isalnum():
        for piece in _PIECE.finditer(text, start, end):
            after = text[piece.end() : piece.end() + 2]
            padded = piece.end() + len(after) - len(after.lstrip("="))
            if (piece.start(), padded) != (start, end):
                yield from _printable(piece.start(), padded, _unpacked64(text[piece.start() : padded]))


def _unpacked64(token: str) -> bytes:
    token = "".join(token.split()).rstrip("=")
    if len(token) < 8 or len(token) % 4 == 1 or token.islower() or token.isdigit():
        return b""
    standard = token.replace("-", "+").replace("_", "/")
    try:
        return a2b_base64(standard + "=" * (-len(standard) % 4))
    except Error:
        return b""


def _unpacked32(token: str) -> bytes:
    try:
        return b32decode(token)
    except Error:
        return b""


def _printable(start: int, end: int, raw: bytes) -> Iterator[Edit]:
    """The edit, if the bytes are printable text (UTF-8, or UTF-16 where every second byte is zero)."""
    if len(raw) >= 2 * _FEWEST_BYTES and len(raw) % 2 == 0 and not any(raw[1::2]):
        raw = raw[::2]
    if len(raw) < _FEWEST_BYTES:
        return
    try:
        chars = raw.decode()
    except UnicodeDecodeError:
        return
    if all(char.isprintable() or char in "\t\n\r" for char in chars):
        yield Edit(start, end, chars)
