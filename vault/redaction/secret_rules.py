"""Rules for secrets and for sensitive authentication data of payment cards (PCI DSS 3.3.1: never stored).

Only what is certain by form or by its label: private key blocks, keys with a vendor's prefix, JSON web
tokens, assignments to something called a password or key, CVV, PIN and magnetic track data.
"""

from __future__ import annotations

import re
from typing import Final

from vault.redaction.patterns import Rule, RuleSet

_ASSIGN: Final = r"[\"']?\s{0,3}(?::|=>?)\s{0,3}[\"']?"
_IS: Final = r"\s{1,3}(?:is|was|to)\s{1,3}[\"']?"
_PASSWORD: Final = "(?:password|passwd|passphrase|passcode|pwd)"  # noqa: S105  a regex
_PASSWORD_HINTS: Final = ("passw", "passp", "passc", "pwd")
_KEY: Final = (
    r"(?:(?:api|access|secret|private|auth|client|encryption|signing|service|refresh|session)[ _-]?"
    r"(?:key|token|secret)(?:[ _-]?(?:id|key))?|secret)"
)
_KEY_HINTS: Final = ("key", "token", "secret")

_SECRETS: Final = (
    RuleSet(
        name="secrets.private_key",
        entity="PRIVATE_KEY",
        unstructured=True,
        rules=(
            Rule(
                name="PEM",
                regex=(
                    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----[\s\S]*?"
                    r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z)"
                ),
                score=1.0,
                hints=("private key",),
                chars="-",
                whole=True,
            ),
        ),
    ),
    RuleSet(
        name="secrets.key",
        entity="API_KEY",
        unstructured=True,
        rules=(
            Rule(
                name="AWS",
                regex=r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
                score=0.97,
                hints=("akia", "asia"),
                flags=re.NOFLAG,
            ),
            Rule(
                name="prefixed",
                regex=(
                    r"(?<![\w-])(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255}|glpat-[\w-]{20,64}"
                    r"|xox[abeoprs]-[A-Za-z0-9-]{10,250}|sk-(?:proj-|ant-)?[\w-]{20,250}"
                    r"|[rs]k_live_\w{16,250}|AIza[\w-]{35})(?![\w-])"
                ),
                score=0.97,
                hints=("gh", "github_pat_", "glpat", "xox", "sk-", "k_live", "aiza"),
                flags=re.NOFLAG,
                whole=True,
            ),
            Rule(
                name="JWT",
                regex=r"(?<![\w.-])eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*",
                score=0.97,
                hints=("eyj",),
                flags=re.NOFLAG,
                whole=True,
            ),
            Rule(
                name="bearer",
                regex=r"\bbearer\s{1,3}(?P<value>[A-Za-z0-9._~+/=-]{20,2000})",
                score=0.85,
                hints=("bearer",),
                whole=True,
            ),
            Rule(
                name="assigned",
                regex=rf"{_KEY}{_ASSIGN}(?P<value>[\w+/=.~-]{{8,250}})",
                score=0.85,
                hints=_KEY_HINTS,
            ),
            Rule(
                name="said",
                regex=rf"{_KEY}{_IS}(?P<value>(?=[\w+/=.~-]{{0,60}}\d)[\w+/=.~-]{{8,250}})",
                score=0.8,
                hints=_KEY_HINTS,
            ),
        ),
    ),
    RuleSet(
        name="secrets.password",
        entity="PASSWORD",
        unstructured=True,
        rules=(
            Rule(
                name="assigned",
                regex=rf"{_PASSWORD}{_ASSIGN}(?P<value>[^\s\"',;]{{2,127}}[^\s\"',;.)])",
                score=0.9,
                hints=_PASSWORD_HINTS,
            ),
            Rule(
                name="said",  # in "the password is required" is none: one holds a digit or a symbol
                regex=(
                    rf"{_PASSWORD}{_IS}"
                    r"(?P<value>(?=[^\s\"',;]{0,60}[\d@#$%^&*_+=])[^\s\"',;]{2,127}[^\s\"',;.)])"
                ),
                score=0.85,
                hints=_PASSWORD_HINTS,
            ),
            Rule(
                name="in a URL",
                regex=r"://[^\s/:@]{0,64}:(?P<value>[^\s/@]{1,128})@",
                score=0.97,
                chars="@:/",
            ),
        ),
    ),
)

_FILLER: Final = r"\W{0,3}(?:(?:code|number|no|is|was|of|for|the|card)\b\W{1,3}){0,3}"
_CVV: Final = r"(?:cvv2?|cvc2?|cv2|card verification(?: value| code| number)?|security code)"
_CARDS: Final = (
    RuleSet(
        name="cards.cvv",
        entity="CARD_CVV",
        rules=(
            Rule(
                name="labelled",
                regex=rf"\b{_CVV}\b{_FILLER}(?P<value>\d{{3,4}})\b",
                score=0.95,
                digits=3,
                hints=("cv", "verification", "security"),
            ),
            Rule(
                name="label after",
                regex=rf"\b(?P<value>\d{{3,4}})\W{{1,3}}(?:(?:is|as|the|my)\s){{0,3}}{_CVV}\b",
                score=0.9,
                digits=3,
                hints=("cv", "verification", "security"),
            ),
        ),
    ),
    RuleSet(
        name="cards.pin",
        entity="CARD_PIN",
        rules=(
            Rule(
                name="four digits",
                regex=rf"\bpin\b{_FILLER}(?P<value>\d{{4}})\b",
                score=0.95,
                digits=4,
                hints=("pin",),
            ),
            Rule(
                name="five or six digits",  # but an Indian "PIN code 560001" is a place
                regex=rf"\bpin\b(?![ -]?code){_FILLER}(?P<value>\d{{5,6}})\b",
                score=0.95,
                digits=5,
                hints=("pin",),
            ),
        ),
    ),
    RuleSet(
        name="cards.track",
        entity="CARD_TRACK",
        rules=(
            Rule(
                name="track 1",  # ISO/IEC 7813
                regex=r"%?B\d{12,19}\^[^^\n]{2,26}\^\d{4}[^?\s]{0,40}\??",
                score=0.95,
                check="track",
                digits=16,
                chars="^",
            ),
            Rule(
                name="track 2",
                regex=r"(?<![\w=]);?\d{12,19}[=D]\d{7,20}\??",
                score=0.8,
                check="track",
                digits=19,
            ),
        ),
    ),
)

SECRET_RULES: Final[tuple[RuleSet, ...]] = (*_SECRETS, *_CARDS)
