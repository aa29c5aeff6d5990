"""Validators against numbers published as valid, and those numbers with one digit changed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.redaction.validators import PROVING, VALIDATORS, card, luhn_sum, verhoeff

# Test numbers that networks, standards and agencies publish.
VALID = {
    "luhn": ["79927398713", "4111 1111 1111 1111"],
    "card": [
        "4111111111111111",
        "4222222222222",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "30569309025904",
        "6011111111111117",
        "3530111333300000",
        "6200000000000005",
    ],
    "uk_nhs": ["943 476 5919", "4010232137"],
    "us_npi": ["1234567893", "1245319599"],
    "aba": ["021000021", "011401533", "0910-0001-9"],
    "dea": ["AB1234563", "F91234563"],
    "aadhaar": ["2994 1234 5678"[:0] + "234123412346"],
    "crypto": [
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
    ],
    "iban": [
        "GB82 WEST 1234 5698 7654 32",
        "DE89370400440532013000",
        "FR14 2004 1010 0505 0001 3M02 606",
        "MT84MALT011000012345MTLCAST001S",
        "NO93 8601 1117 947",
        "gb82-west-1234-5698-7654-32",
    ],
    "vin": ["1M8GDM9AXKP042788", "11111111111111111"],
    "track": ["%B4111111111111111^DOE/JOHN^2512101?"],
}
REFUTED = {
    "luhn": ["79927398710", "4"],
    "card": ["4111111111111112", "1234567812345670", "41111111", "9111111111111111"],
    "us_ssn": [
        "000-12-3456",
        "666-12-3456",
        "123-00-4567",
        "123-45-0000",
        "111-11-1111",
        "078-05-1120",
        "12-3.4",
    ],
    "uk_nhs": ["943 476 5910", "12345"],
    "us_npi": ["1234567890", "1111111112", "123"],
    "aba": ["021000022", "1"],
    "dea": ["AB1234560", "AB12"],
    "ca_sin": ["046 454 287", "1"],
    "aadhaar": ["234123412347", "134123412346", "12"],
    "uk_driving": ["99999061109AB9CD", "A9B99061109AB9CD"],
    "mac": ["FF:FF:FF:FF:FF:FF", "00-00-00-00-00-00"],
    "uuid": ["00000000-0000-0000-0000-000000000000", "550e8400-e29b-91d4-a716-446655440000", "550e8400"],
    "ip": ["1.2.3.999", "::1::", "hello"],
    "vin": ["1M8GDM9A1KP042788", "SHORT", "IOQIOQIOQIOQIOQIO"],
    "crypto": [
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
        "bc1",
        "0OIl",
    ],
    "iban": ["GB82 WEST 1234 5698 7654 33", "ZZ82 0000", "DE8937040044053201300", "GB82"],
    "street": ["20 minutes drive", "15 mile road"],
    "block": ["12 people came along", "3 Ab", "40 minutes Away"],
    "random": ["extraordinarily-long-words-here", "aaaaaaaaaaaaaaaaaaaaaaaa1"],
}
PLAUSIBLE = {
    "us_ssn": ["536-90-4399", "536904399"],
    "ca_sin": ["046 454 286"],
    "uk_driving": ["MORGA657054SM9IJ", "FO999061109AB9CD"],
    "mac": ["00:1A:2B:3C:4D:5E"],
    "uuid": ["550e8400-e29b-41d4-a716-446655440000"],
    "ip": ["10.0.0.1", "10.0.0.0/8", "2001:db8::1", "fe80::1%eth0"],
    "street": ["120 elm street"],
    "block": ["12 Elm Corner", "9 rosengang 14"],
    "random": ["wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "9e107d9d372bb6826bd81d3542a419d6"],
    "track": ["%B4111111111111112^DOE/JOHN^2512101?"],
}


@pytest.mark.parametrize(("name", "number"), [(n, x) for n, xs in VALID.items() for x in xs])
def test_proves(name: str, number: str) -> None:
    assert VALIDATORS[name](number) is True
    assert name in PROVING


@pytest.mark.parametrize(("name", "number"), [(n, x) for n, xs in REFUTED.items() for x in xs])
def test_refutes(name: str, number: str) -> None:
    assert VALIDATORS[name](number) is False


@pytest.mark.parametrize(("name", "number"), [(n, x) for n, xs in PLAUSIBLE.items() for x in xs])
def test_says_nothing(name: str, number: str) -> None:
    assert VALIDATORS[name](number) is None


def test_every_validator_is_tried_here() -> None:
    assert set(VALIDATORS) == set(VALID) | set(REFUTED) | set(PLAUSIBLE)
    assert set(VALID) == PROVING


@given(st.text(max_size=60))
@settings(max_examples=50)
def test_no_validator_raises(text: str) -> None:
    for check in VALIDATORS.values():
        assert check(text) in (True, False, None)


@given(st.text("0123456789", min_size=15, max_size=15), st.integers(0, 14), st.integers(1, 9))
@settings(max_examples=50)
def test_luhn_and_verhoeff_catch_every_single_wrong_digit(body: str, place: int, change: int) -> None:
    valid = next(body + d for d in "0123456789" if luhn_sum(body + d) == 0)
    wrong = valid[:place] + str((int(valid[place]) + change) % 10) + valid[place + 1 :]
    assert luhn_sum(wrong) != 0
    checked = next(body + d for d in "0123456789" if verhoeff(body + d))
    wrong = checked[:place] + str((int(checked[place]) + change) % 10) + checked[place + 1 :]
    assert not verhoeff(wrong)


def test_a_card_needs_a_known_issuer_not_only_luhn() -> None:
    assert luhn_sum("1234567812345670") == 0
    assert not card("1234567812345670")
