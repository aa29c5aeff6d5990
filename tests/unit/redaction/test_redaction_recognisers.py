"""What the built-in detector finds, class by class, and ordinary text it leaves alone."""

from __future__ import annotations

import pytest

from vault.redaction.detect import BuiltinDetector

DETECTOR = BuiltinDetector(names=None)
KEPT = frozenset({"DATE_TIME", "UUID"})
UNREMARKABLE = KEPT | {"AGE"}  # any age is found, a pack decides which to mask
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----"


def found(text: str, context: str | None = None) -> list[tuple[str, str]]:
    return [(f.entity, text[f.start : f.end]) for f in DETECTOR.detect(text, context=context, keep=KEPT)]


@pytest.mark.parametrize(
    ("entity", "text", "value"),
    [
        # contact
        ("EMAIL_ADDRESS", "write to john.doe+x@example.co.uk.", "john.doe+x@example.co.uk"),
        ("EMAIL_ADDRESS", "write to jane@hospital.local, ok", "jane@hospital.local"),
        ("EMAIL_ADDRESS", "jane@corp knows", "jane@corp"),
        ("EMAIL_ADDRESS", "<mailto:bob@example.com>", "bob@example.com"),
        ("EMAIL_ADDRESS", "email=bob@example.com&x=1", "bob@example.com"),
        ("EMAIL_ADDRESS", 'the "john doe"@example.com account', '"john doe"@example.com'),
        ("EMAIL_ADDRESS", "admin@[192.168.0.1] is", "admin@[192.168.0.1]"),
        ("EMAIL_ADDRESS", "m\u00fcller@b\u00fccher.example", "m\u00fcller@b\u00fccher.example"),
        ("EMAIL_ADDRESS", "a@xn--80ak6aa92e.com", "a@xn--80ak6aa92e.com"),
        ("URL", "see https://example.com/a?b=c#d.", "https://example.com/a?b=c#d"),
        ("URL", "see http://intranet/patients/9, then", "http://intranet/patients/9"),
        ("URL", "www.example.org/path is", "www.example.org/path"),
        ("URL", "on example.de now", "example.de"),
        ("URL", "(https://en.wikipedia.org/wiki/A_(b))", "https://en.wikipedia.org/wiki/A_(b)"),
        ("URL", "ftp://files.example/x", "ftp://files.example/x"),
        ("PHONE_NUMBER", "call 212-736-5000", "212-736-5000"),
        ("PHONE_NUMBER", "call (212) 736-5000 ext 12", "(212) 736-5000 ext 12"),
        ("PHONE_NUMBER", "call +44 20 7946 0958", "+44 20 7946 0958"),
        ("PHONE_NUMBER", "ring 020 7946 0958", "020 7946 0958"),
        ("PHONE_NUMBER", "Tel. 030 901820", "030 901820"),
        ("PHONE_NUMBER", "0033 1 42 68 53 00", "0033 1 42 68 53 00"),
        ("PHONE_NUMBER", "+1.212.736.5000", "+1.212.736.5000"),
        ("PHONE_NUMBER", "her cell is 555-0123", "555-0123"),
        # With an extension of any length, and where no such number exists: a wrong digit makes it nothing else.
        ("PHONE_NUMBER", "phone: 001-748-088-2851x818", "001-748-088-2851x818"),
        ("PHONE_NUMBER", "+1-177-892-0730x52646 fax", "+1-177-892-0730x52646"),
        ("PHONE_NUMBER", "9885 1152-Office\\,(311)905-4466x8827-Fax", "(311)905-4466x8827"),
        ("PHONE_NUMBER", "151.081.7740x2347 mobile", "151.081.7740x2347"),
        ("PHONE_NUMBER", "+1-177-892-0730", "+1-177-892-0730"),
        # money
        ("CREDIT_CARD", "card 4111 1111 1111 1111 please", "4111 1111 1111 1111"),
        ("CREDIT_CARD", "2223.0031.2200.3222", "2223.0031.2200.3222"),
        ("CREDIT_CARD", "12 4111 1111 1111 1111 123", "4111 1111 1111 1111"),
        ("CREDIT_CARD", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
        ("CREDIT_CARD", "378282246310005", "378282246310005"),
        ("IBAN_CODE", "DE89 3704 0044 0532 0130 00 2 days", "DE89 3704 0044 0532 0130 00"),
        ("IBAN_CODE", "to gb82west12345698765432 now", "gb82west12345698765432"),
        ("US_BANK_NUMBER", "my bank account is 12345678901", "12345678901"),
        ("ABA_ROUTING_NUMBER", "routing 021000021", "021000021"),
        ("CRYPTO", "btc 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        ("CARD_CVV", "cvv: 123", "123"),
        ("CARD_CVV", "the security code is 4321", "4321"),
        ("CARD_CVV", "123 is the cvc", "123"),
        ("CARD_PIN", "my PIN is 4821", "4821"),
        ("CARD_PIN", "pin code 4821", "4821"),
        ("CARD_TRACK", "%B4111111111111111^DOE/JOHN^25121010000000000000?", None),
        ("CARD_TRACK", ";4111111111111111=25121010000000000000?", None),
        # identifiers
        ("US_SSN", "SSN 536-90-4399", "536-90-4399"),
        ("US_SSN", "my ssn is 536904399", "536904399"),
        ("US_SSN", "ssn_536904399", "536904399"),
        ("US_ITIN", "itin 912-70-1234", "912-70-1234"),
        ("US_PASSPORT", "passport 912803456", "912803456"),
        ("US_DRIVER_LICENSE", "driver license H12234567", "H12234567"),
        ("UK_NHS", "NHS 943 476 5919", "943 476 5919"),
        ("UK_NINO", "AA 12 34 56 B", "AA 12 34 56 B"),
        ("UK_DRIVING_LICENCE", "MORGA657054SM9IJ", "MORGA657054SM9IJ"),
        ("US_MBI", "medicare 1EG4-TE5-MK73", "1EG4-TE5-MK73"),
        ("US_NPI", "NPI 1234567893", "1234567893"),
        ("MEDICAL_LICENSE", "DEA AB1234563", "AB1234563"),
        ("US_CLAIM_NUMBER", "claim number: 123456789", "123456789"),
        ("US_PRESCRIPTION_NUMBER", "Rx# 1234567", "1234567"),
        ("IN_AADHAAR", "aadhaar 2341 2341 2346", "2341 2341 2346"),
        ("CA_SIN", "SIN 130 692 544", "130 692 544"),
        ("MRN", "MRN 483920", "483920"),
        ("MRN", "medical record number: AB-483920", "AB-483920"),
        ("MRN", "Patient ID 00483920", "00483920"),
        ("VIN", "VIN 1M8GDM9AXKP042788", "1M8GDM9AXKP042788"),
        ("IP_ADDRESS", "from 10.0.0.1", "10.0.0.1"),
        ("IP_ADDRESS", "from 2001:db8::1", "2001:db8::1"),
        ("MAC_ADDRESS", "00:1A:2B:3C:4D:5E", "00:1A:2B:3C:4D:5E"),
        # dates, ages, places
        ("DATE_OF_BIRTH", "DOB 03/12/1985", "03/12/1985"),
        ("DATE_OF_BIRTH", "she was born in Ohio on March 12, 1985", "March 12, 1985"),
        ("DATE_OF_BIRTH", "1985-03-12 is his date of birth", "1985-03-12"),
        ("DATE_OF_BIRTH", "birthday: 12 March", "12 March"),
        ("AGE", "she is 93 years old", "93"),
        ("AGE", "a 104-year-old", "104"),
        ("AGE", "91 y/o male", "91"),
        ("AGE", "aged 97", "97"),
        ("STREET_ADDRESS", "at 123 Main Street Apt 4, ok", "123 Main Street Apt 4"),
        ("STREET_ADDRESS", "lives at 1600 N. Pennsylvania Ave.", "1600 N. Pennsylvania Ave."),
        ("STREET_ADDRESS", "lives at 45 elm street", "45 elm street"),
        ("STREET_ADDRESS", "PO Box 123", "PO Box 123"),
        ("ZIP_CODE", "Springfield, IL 62704", "62704"),
        ("ZIP_CODE", "zip code is 62704-1234", "62704-1234"),
        ("ZIP_CODE", "PIN code 560001 is in Bangalore", "560001"),
        # secrets
        ("PASSWORD", "password: hunter2!", "hunter2!"),
        ("PASSWORD", "my password is Tr0ub4dor", "Tr0ub4dor"),
        ("PASSWORD", "DB_PASSWORD=correcthorse", "correcthorse"),
        ("PASSWORD", "[password:hunter]", "hunter]"),
        ("PASSWORD", "postgres://bob:s3cret@db.host/x", "s3cret"),
        ("API_KEY", "api_key = abcd1234efgh5678", "abcd1234efgh5678"),
        ("API_KEY", "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("API_KEY", "ghp_" + "a1B2" * 9, None),
        ("API_KEY", "xoxb-1234567890-abcdef", None),
        ("API_KEY", JWT, None),
        ("API_KEY", "Authorization: Bearer abcdefghijklmnopqrstuvwxyz", "abcdefghijklmnopqrstuvwxyz"),
        ("PRIVATE_KEY", PEM, None),
    ],
)
def test_finds(entity: str, text: str, value: str | None) -> None:
    assert (entity, text if value is None else value) in found(text)


@pytest.mark.parametrize(
    ("entity", "key", "value"),
    [
        ("US_SSN", "ssn", "536904399"),
        ("US_SSN", "patientSSN", "536904399"),
        ("DATE_OF_BIRTH", "dob", "1985-03-12"),
        ("MRN", "patient.mrn", "A483920"),
        ("PERSON", "fullName", "John Smith"),
        ("PERSON", "patient_name", "Marie Curie"),
        ("AGE", "age", "93"),
        ("AGE", "patientAge", "34"),
        ("US_HEALTH_INSURANCE_MEMBER_ID", "member_id", "W883-2213"),
        ("DEVICE_ID", "serialNumber", "8A7B6C"),
        ("LICENSE_PLATE", "license_plate", "7ABC12"),
        ("OTHER_ID", "employeeId", "E44812"),
        ("CARD_CVV", "cvv", "123"),
        ("PASSWORD", "db_password", "hunter"),
        ("API_KEY", "accessToken", "abcdef"),
        ("PHONE_NUMBER", "phone", "555-0123"),
        ("STREET_ADDRESS", "home_address", "Rosenhof, Haus B"),
        ("ZIP_CODE", "zip", "62704"),
        ("US_PASSPORT", "passport_no", "912803456"),
    ],
)
def test_the_key_says_what_a_value_is(entity: str, key: str, value: str) -> None:
    assert found(value, key) == [(entity, value)]
    assert found(value) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("page", "34"), ("token_count", "512000"), ("status", "active"), ("ssn_hint", "ask"), ("mirna", "x")],
)
def test_other_keys_say_nothing(key: str, value: str) -> None:
    assert found(value, key) == []


@pytest.mark.parametrize(
    "text",
    [
        "I ordered 3 pizzas for 12 people at 7:30 pm and paid $84.50.",
        "My flight AA1234 leaves at 10:45 from gate B12.",
        "Sales grew by +12 345 678 units, and by +1.234.567 in May.",
        "The order number is 20394857 and it ships Monday.",
        "We need 1500 units by Q3, version 2.4.1 of the app.",
        "The patient takes 500 mg twice daily, BP 120/80, HR 72.",
        "Invoice INV-2023-0042 for 1,250.00 EUR.",
        "I have visited 15 countries since 2011.",
        "Python 3.11.7 with numpy on Ubuntu 22.04",
        "Use node.js and socket.io; the file is main.py and README.md",
        "it was great.you should come. Let's go.to the park",
        "20 minutes drive from here, 15 miles down the road",
        "The password is required. Change your password to something strong.",
        "my grandfather is 88 years old and the oven is at 93 degrees",
        "Chapter 12, pages 211-227 (2003)",
        "a public document, B12345 duplicate",  # "lic" in "public" is no context
        "pi is 3.14159265358979",
        "hello @everyone, meet @ 5",
        "meeting on 2023-05-06 at 14:00-15:30, 5/6/2023",
        "10@5 and x@1.2",
        "contact us 123456789 times",
        "the new claim 12 of 34",
    ],
)
def test_leaves_ordinary_text_alone(text: str) -> None:
    assert DETECTOR.detect(text, keep=UNREMARKABLE) == []


def test_context_is_whole_words_within_six() -> None:
    assert found("ssn one two three four five 536904399")
    assert not found("ssn one two three four five six 536904399")
    assert found("536904399 one two three four five ssn")
    assert not found("assn 536904399")


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("CREDIT_CARD", "4\u200b111\u00ad1111\u20601111\ufeff1111"),
        ("CREDIT_CARD", "4111\u00a01111\u00a01111\u00a01111"),
        ("CREDIT_CARD", "\uff14\uff11\uff11\uff11111111111111"),
        ("US_SSN", "536\u201190\u20114399"),
        ("US_SSN", "\U0001d7d3\U0001d7d1\U0001d7d4-90-4399"),
        ("EMAIL_ADDRESS", "john\uff20example\uff0ecom"),
        ("EMAIL_ADDRESS", "jo\u200bhn@exa\u00admple.com"),
        ("PHONE_NUMBER", "\u0662\u0661\u0662-736-5000"),
    ],
)
def test_invisible_and_look_alike_characters_do_not_hide(entity: str, text: str) -> None:
    assert found(text) == [(entity, text)]
