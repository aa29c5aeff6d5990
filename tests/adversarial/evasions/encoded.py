"""Values behind an encoding, once or twice."""

from __future__ import annotations

import base64
from urllib.parse import quote

from evasions import Probe

SSN = "ssn 536-90-4399"
MAIL = "ana.lopez@example.org"
CARD = "4111 1111 1111 1111"
NAME = "My name is Maria Gonzalez"


def b64(text: str) -> str:
    """Base64 of UTF-8."""
    return base64.b64encode(text.encode()).decode()


def every(text: str) -> str:
    """Every byte percent-encoded."""
    return "".join(f"%{byte:02X}" for byte in text.encode())


def entities(text: str) -> str:
    """Every character as an HTML entity."""
    return "".join(f"&#{ord(char)};" for char in text)


PROBES: dict[str, list[Probe]] = {
    "percent": [
        "see ⟦ana.lopez%40example.org⟧",
        f"q=⟦{quote(MAIL, safe='')}⟧",
        f"token ⟦{every(MAIL)}⟧",
        f"card ⟦{quote(CARD)}⟧",
        "ssn%3D⟦536%2D90%2D4399⟧",
        "mail ⟦ana.lopez%2540example.org⟧",
        f"name=⟦{quote('Maria Gonzalez')}⟧&last_name=⟦Gonzalez⟧",
        "ssn ⟦%35%33%36%2D%39%30%2D%34%33%39%39⟧",
        "card ⟦4111+1111+1111+1111⟧",
    ],
    "entities": [
        "mail ⟦ana.lopez&#64;example.org⟧",
        "mail ⟦ana.lopez&commat;example&period;org⟧",
        "mail ⟦ana.lopez&#x40;example&#x2e;org⟧",
        f"mail ⟦{entities(MAIL)}⟧",
        "ssn ⟦536&ndash;90&ndash;4399⟧",
        "card ⟦4111&nbsp;1111&nbsp;1111&nbsp;1111⟧",
        "mail ⟦ana.lopez&amp;#64;example.org⟧",
        "ssn ⟦536&#8209;90&#8209;4399⟧",
    ],
    "escapes": [
        "mail ⟦ana.lopez\\u0040example.org⟧",
        "mail ⟦ana.lopez\\x40example.org⟧",
        'json "⟦\\u0061\\u006e\\u0061@example.org⟧"',
        "ssn ⟦\\u0035\\u0033\\u0036-90-4399⟧",
        "mail ⟦ana.lopez\\u{40}example.org⟧",
        "mail ⟦ana.lopez=40example.org⟧",
        "mail ⟦ana.lopez\\100example.org⟧",
        "mail ⟦ana.lopezU+0040example.org⟧",
        "card ⟦4111\\n1111\\n1111\\n1111⟧",
        "ssn ⟦\\x35\\x33\\x36\\x2d\\x39\\x30\\x2d\\x34\\x33\\x39\\x39⟧",
    ],
    "base64": [
        f"data ⟦{b64(SSN)}⟧",
        f"data ⟦{b64(MAIL)}⟧ end",
        f"⟦{b64(CARD)}⟧",
        "ssn: ⟦NTM2OTA0Mzk5⟧",
        f"payload=⟦{b64(b64(SSN))}⟧",
        f"payload ⟦{b64(NAME).rstrip('=')}⟧",
        f"data:text/plain;base64,⟦{b64(MAIL)}⟧",
        f"⟦{base64.urlsafe_b64encode(('ÿþ ' + SSN + ' ÿ?').encode()).decode()}⟧",
        f"Authorization: Basic ⟦{b64('ana.lopez:hunter2hunter2 ' + MAIL)}⟧",
        f"⟦{quote(b64(MAIL), safe='')}⟧",
        f"utf16 ⟦{base64.b64encode(SSN.encode('utf-16-le')).decode()}⟧",
        f"⟦{b64(entities(MAIL))}⟧",
        f"⟦{base64.b32encode(SSN.encode()).decode()}⟧ in base32",
        f"lines ⟦{base64.encodebytes((NAME + ', ' + SSN + ', ' + MAIL + ' and some more').encode()).decode().strip()}⟧",
    ],
    "hex": [
        f"hex ⟦{SSN.encode().hex()}⟧",
        f"0x⟦{MAIL.encode().hex()}⟧",
        f"hex ⟦{MAIL.encode().hex(' ')}⟧",
        f"hex ⟦{MAIL.encode().hex(':')}⟧",
        f"hex ⟦{' '.join('0x' + f'{byte:02x}' for byte in MAIL.encode())}⟧",
        f"ssn ⟦{b'536904399'.hex()}⟧",
        f"⟦{b64(MAIL).encode().hex()}⟧",
        f"codes ⟦{' '.join(str(byte) for byte in MAIL.encode())}⟧",
        f"bits ⟦{' '.join(f'{byte:08b}' for byte in SSN.encode())}⟧",
    ],
}
