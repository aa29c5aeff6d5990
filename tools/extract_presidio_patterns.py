"""Write vault/redaction/patterns.json from the installed presidio-analyzer (MIT, see NOTICE).

    python tools/extract_presidio_patterns.py            write the file
    python tools/extract_presidio_patterns.py --check    fail if the file is not what this tool would write

Taken over as they are: regexes, scores, context words and flags of the pattern recognisers Presidio runs on
English by default, and of the opt-in ones in OPT_IN. Not taken over: e-mail, URL and phone (the vault has its
own, linear in the text's length and without look-ups). Changed here, each for a reason:

* A variable-length look-behind `(?<=label)value` becomes `label(?P<value>value)` with bounded white space, so
  that the standard `re` can run it in linear time.
* CONTEXT replaces lists whose words are too common to mean anything once they match as whole words ("us",
  "check").
* IBAN's generic regex and its formats per country become one length and one compact pattern per country.

Each pattern also gets `digits`, the fewest digits a match can hold, and `chars`, the characters every match
holds (as often as it holds them); dates get one `gate` regex for all their patterns: cheap reasons to skip
them.
"""

from __future__ import annotations

import importlib.metadata
import json
import re
import sys
from collections import Counter
from pathlib import Path
from re import _constants, _parser  # the parse tree has no public home
from typing import Any

TARGET = Path(__file__).resolve().parent.parent / "vault" / "redaction" / "patterns.json"
FLAGS = re.DOTALL | re.MULTILINE | re.IGNORECASE  # Presidio's global_regex_flags (26)

# class -> validator in vault/redaction/validators.py
DEFAULT = {
    "CreditCardRecognizer": "luhn",
    "UsBankRecognizer": None,
    "UsLicenseRecognizer": None,
    "UsItinRecognizer": None,
    "UsPassportRecognizer": None,
    "UsSsnRecognizer": "us_ssn",
    "NhsRecognizer": "uk_nhs",
    "CryptoRecognizer": "crypto",
    "DateRecognizer": None,
    "IpRecognizer": "ip",
    "MedicalLicenseRecognizer": "dea",
    "MacAddressRecognizer": "mac",
    "UuidRecognizer": "uuid",
}
OPT_IN = {
    "UsMbiRecognizer": None,
    "UsNpiRecognizer": "us_npi",
    "AbaRoutingRecognizer": "aba",
    "UsHealthInsuranceMemberIdRecognizer": None,
    "UsPriorAuthorizationNumberRecognizer": None,
    "UsClaimNumberRecognizer": None,
    "UsPrescriptionNumberRecognizer": None,
    "UsReferralNumberRecognizer": None,
    "UsProviderTaxIdRecognizer": None,
    "UkNinoRecognizer": None,
    "UkDrivingLicenceRecognizer": "uk_driving",
    "UkPassportRecognizer": None,
    "UkPostcodeRecognizer": None,
    "InAadhaarRecognizer": "aadhaar",
    "CaSinRecognizer": "ca_sin",
}
# One in ten numbers of the right length passes these checksums: alone they prove nothing.
CHECKSUM_NEEDS_CONTEXT = {"UsNpiRecognizer", "AbaRoutingRecognizer", "InAadhaarRecognizer"}
CONTEXT = {
    "UsPassportRecognizer": ["passport", "travel document"],
    "UsBankRecognizer": ["account", "acct", "bank", "debit", "checking", "savings"],
    "UsLicenseRecognizer": [
        "driver",
        "license",
        "licence",
        "lic",
        "dl",
        "dln",
        "dls",
        "cdl",
        "cdls",
        "driving",
        "permit",
    ],
    "UsItinRecognizer": ["individual taxpayer", "taxpayer", "itin", "tax", "taxid", "tin"],
    "UsHealthInsuranceMemberIdRecognizer": [
        "subscriber",
        "insurance",
        "health plan",
        "member id",
        "member number",
        "policy number",
        "policy no",
    ],
    "CaSinRecognizer": ["sin", "social insurance", "nas", "numéro d'assurance sociale", "assurance sociale"],
    "UsNpiRecognizer": ["npi", "national provider", "provider", "taxonomy"],
    "UkPostcodeRecognizer": [
        "postcode",
        "post code",
        "postal code",
        "address",
        "delivery",
        "mailing",
        "shipping",
    ],
}
# One cheap regex that every match of a recogniser's patterns begins with or holds.
GATES = {
    "DateRecognizer": r"\b(?:\d{4}[-/]\d|(?:0?[1-9]|[12]\d|3[01])(?:[-/.]\d|-[A-Z]{3}\b)|[A-Z]{3}-\d\d)",
}


def min_digits(tree: Any) -> int:
    """The fewest ASCII digits any match of a parsed pattern holds."""
    total = 0
    for op, arg in tree:
        if op is _constants.LITERAL:
            total += 48 <= arg <= 57
        elif op is _constants.IN:
            total += all(_is_digit_item(item) for item in arg)
        elif op is _constants.SUBPATTERN:
            total += min_digits(arg[3])
        elif op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
            total += arg[0] * min_digits(arg[2])
        elif op is _constants.BRANCH:
            total += min(min_digits(branch) for branch in arg[1])
    return total


def _is_digit_item(item: Any) -> bool:
    kind, value = item
    if kind is _constants.CATEGORY:
        return value is _constants.CATEGORY_DIGIT
    if kind is _constants.RANGE:
        return value[0] >= 48 and value[1] <= 57
    return kind is _constants.LITERAL and 48 <= value <= 57


def required_chars(tree: Any) -> Counter[str]:
    """How often characters that are neither letters nor digits stand in every match of a parsed pattern."""
    found: Counter[str] = Counter()
    for op, arg in tree:
        if op is _constants.LITERAL and not chr(arg).isalnum():
            found[chr(arg)] += 1
        elif op is _constants.SUBPATTERN:
            found += required_chars(arg[3])
        elif op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
            for char, count in required_chars(arg[2]).items():
                found[char] += count * arg[0]
        elif op is _constants.BRANCH:
            branches = [required_chars(branch) for branch in arg[1]]
            found += Counter({char: min(branch[char] for branch in branches) for char in branches[0]})
    return +found


def without_lookbehind(regex: str) -> str:
    """`(?<=label)value` as `label(?P<value>value)`, its white space bounded."""
    if not regex.startswith("(?<=\\b"):
        return regex
    depth, index = 1, 4
    while depth:
        depth += {"(": 1, ")": -1}.get(regex[index], 0)
        index += 1
    label = regex[4 : index - 1].replace(r"\s*", r"\s{0,3}").replace(r"\s+", r"\s{1,3}")
    return f"(?:{label})(?P<value>{regex[index:]})"


def pattern(raw: Any) -> dict[str, Any]:
    regex = without_lookbehind(raw.regex)
    re.compile(regex, FLAGS)
    tree = _parser.parse(regex, FLAGS)
    entry: dict[str, Any] = {"name": raw.name, "regex": regex, "score": raw.score}
    if digits := min_digits(tree):
        entry["digits"] = digits
    if chars := "".join(sorted(required_chars(tree).elements())):
        entry["chars"] = chars
    return entry


def recogniser(name: str, validator: str | None) -> dict[str, Any]:
    import presidio_analyzer.predefined_recognizers as predefined

    made = getattr(predefined, name)()
    entry: dict[str, Any] = {"name": name, "entity": made.supported_entities[0]}
    if validator:
        entry["validator"] = validator
    if name in CHECKSUM_NEEDS_CONTEXT:
        entry["checksum_needs_context"] = True
    words = CONTEXT.get(name, made.context)
    if name in GATES:
        entry["gate"] = GATES[name]
    entry["context"] = sorted({word.lower().strip().rstrip("#") for word in words})
    entry["patterns"] = [pattern(raw) for raw in made.patterns]
    return entry


def iban_formats() -> dict[str, dict[str, Any]]:
    from presidio_analyzer.predefined_recognizers.generic.iban_patterns import regex_per_country

    formats = {}
    for country, regex in sorted(regex_per_country.items()):
        compact = regex.replace("[ ]?", "").replace("a-zA-Z", "A-Z")
        compact = re.sub(r"\((\[[^\]]+\])\)", r"\1", compact).replace(f"({country})", country)
        low, high = _parser.parse(compact).getwidth()
        if low != high:
            raise SystemExit(f"IBAN format of {country} has no fixed length")
        formats[country] = {"length": low, "regex": compact}
    return formats


def top_level_domains() -> list[str]:
    from presidio_analyzer.predefined_recognizers import UrlRecognizer

    return sorted(set(re.findall(r"\(\?:([a-z]{2,})\)", UrlRecognizer.BASE_URL_REGEX)))


def document() -> str:
    version = importlib.metadata.version("presidio-analyzer")
    data = {
        "source": f"presidio-analyzer {version}, MIT licence, see NOTICE",
        "flags": int(FLAGS),
        "recognisers": [recogniser(name, check) for name, check in {**DEFAULT, **OPT_IN}.items()],
        "iban": iban_formats(),
        "top_level_domains": top_level_domains(),
    }
    return json.dumps(data, indent=1, ensure_ascii=True) + "\n"


def main() -> None:
    made = document()
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != made:
            raise SystemExit(
                "vault/redaction/patterns.json is out of date: run tools/extract_presidio_patterns.py"
            )
        print("vault/redaction/patterns.json is up to date")
        return
    TARGET.write_text(made, encoding="utf-8")
    print(f"wrote {TARGET.name}: {len(made)} bytes")


if __name__ == "__main__":
    main()
