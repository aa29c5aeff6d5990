"""Texts of our own with what is to be found in them: HIPAA's 18 identifiers, card data, secrets.

`Case(text, values)`: every value is to be masked wholly, and nothing beside the values.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from typing import NamedTuple


class Case(NamedTuple):
    """A text, and the parts of it that identify or give access."""

    text: str
    values: tuple[str, ...]


def case(frame: str, *values: str) -> Case:
    """A case whose frame holds one {} for each value."""
    return Case(frame.format(*values), values)


HIPAA: dict[str, list[Case]] = {
    "geography": [
        case("She lives at {}.", "1420 Larkspur Lane"),
        case("The home is {}, as noted.", "88 West Elm Street Apt 5B"),
        case("mail goes to {}", "P.O. Box 4471"),
        case("zip code {}", "62704"),
        case("Her zip is {} now.", "97205-1123"),
        case("visits from {} only", "SW1A 1AA"),
        case("lives at {}", "45 elm street"),
        case("postcode: {}", "M1 1AE"),
        case("from {} in Ohio", "2207 N. Harbor Drive, Suite 300"),
        case("Wohnhaft {}", "Lindenstra\u00dfe 14"),
        case("vive en la {}", "Calle Serrano 45"),
        case("habite au {}", "12 rue des Lilas"),
        case("last seen near {}", "41.40338, 2.17403"),
    ],
    "dates": [
        case("admitted on {}", "03/14/2022"),
        case("seen {} for follow-up", "March 5th, 2021"),
        case("discharged {}", "12 April 2020"),
        case("DOB: {}", "7/4/1961"),
        case("born on the {}", "third of May 1990"),
        case("surgery on {}", "2019-08-23"),
        case("last visit {}", "2023-01-09T14:30:00Z"),
        case("she died {}", "Aug 2, 2018"),
        case("readmitted {}", "14-Feb-2019"),
        case("seen on {} again", "6/18"),
        case("date of birth {}", "19610704"),
        case("onset in {}", "June 2017"),
        case("nacida el {}", "3 de marzo de 1988"),
        case("geboren am {}", "5. Januar 1957"),
        case("n\u00e9e le {}", "14 juillet 1962"),
        case("she is {} years old", "93"),
        case("a {}-year-old woman", "101"),
        case("aged {}", "97"),
        case("{}F with a fall", "94"),
        case("he is {} years old", "ninety-two"),
    ],
    "phone": [
        case("call {}", "(503) 555-0142"),
        case("cell {} after noon", "212-736-5000"),
        case("reach me at {}", "+1 415 555 2671"),
        case("phone: {}", "020 7946 0958"),
        case("mobile {}", "+49 151 23456789"),
        case("t\u00e9l\u00e9phone {}", "01 42 68 53 00"),
        case("tel {}", "+34 612 34 56 78"),
        case("phone {}", "+91 98765 43210"),
    ],
    "fax": [
        case("fax {}", "312-555-0199"),
        case("Fax: {}", "+1 (617) 555-0110"),
        case("fax number {}", "555-0177"),
    ],
    "email": [
        case("write to {}", "anna.b@example.org"),
        case("mail {} today", "jane@hospital.local"),
        case("e-mail: {}", "o'neil+x@mail.example.co.uk"),
    ],
    "ssn": [
        case("SSN {}", "536-90-4399"),
        case("social security number is {}", "536904399"),
        case("ssn: {}", "219 09 8761"),
        case("her SSN, {}, is on file", "401-22-7788"),
    ],
    "mrn": [
        case("MRN {}", "483920"),
        case("MRN# is {}", "00-48-39"),
        case("Med Rec # {}", "A483920"),
        case("medical record number: {}", "AB-483920"),
        case("chart no. {}", "778120"),
        case("MR#: {}", "5512347"),
        case("Patient ID {}", "P0048392"),
        case("({} is the MRN)", "99120034"),
        case("hospital number {}", "H-220145"),
        case("accession number {}", "S21-44821"),
    ],
    "plan": [
        case("member ID {}", "XYZ123456789"),
        case("policy number {}", "55-120-9934"),
        case("health plan beneficiary number {}", "HPB8837261"),
        case("group number {}", "0044812"),
        case("Medicare {}", "1EG4-TE5-MK73"),
        case("subscriber id: {}", "W88213345"),
        case("insurance id {}", "ABC-99281-7"),
        case("Medicaid ID {}", "AB12345C"),
    ],
    "account": [
        case("account number {}", "000123456789"),
        case("acct # {}", "88-1200-34"),
        case("patient account {}", "4471209"),
        case("IBAN {}", "DE89 3704 0044 0532 0130 00"),
        case("checking account {}", "9900112233"),
    ],
    "licence": [
        case("driver license {}", "H12234567"),
        case("license number {}", "RN-448120"),
        case("DEA {}", "AB1234563"),
        case("certificate no. {}", "C-2019-4471"),
        case("medical license # {}", "MD44812"),
        case("driving licence {}", "MORGA657054SM9IJ"),
    ],
    "vehicle": [
        case("VIN {}", "1M8GDM9AXKP042788"),
        case("license plate {}", "7ABC123"),
        case("plate number {}", "KX19 ZTD"),
        case("Kennzeichen {}", "B-MW 1234"),
        case("registration number {}", "LK66 XRV"),
    ],
    "device": [
        case("device serial number {}", "SN-44812-A"),
        case("pacemaker serial no. {}", "PJX448120"),
        case("IMEI {}", "490154203237518"),
        case("UDI {}", "(01)00844588003288(17)141120(10)7654321D"),
        case("MAC {}", "00:1A:2B:3C:4D:5E"),
        case("serial: {}", "8A7B6C5D"),
    ],
    "url": [
        case("see {}", "https://example.com/patients/anna-b"),
        case("page {} holds it", "www.example.org/anna"),
        case("on {}", "http://intranet/patients/9"),
    ],
    "ip": [
        case("from {}", "203.0.113.42"),
        case("client {}", "2001:db8::8a2e:370:7334"),
        case("IP {} logged in", "10.20.30.40"),
        case("host {}", "fe80::1ff:fe23:4567:890a"),
    ],
    "biometric": [
        case("fingerprint id {}", "FP-448120"),
        case("voiceprint ID: {}", "VP00448120"),
        case("retina scan number {}", "RS-99120"),
        case("biometric template {}", "BT-2200-4471"),
    ],
    "other": [
        case("employee ID {}", "E448120"),
        case("student id: {}", "S20214471"),
        case("case no. {}", "28045/02"),
        case("NHS {}", "943 476 5919"),
        case("passport {}", "912803456"),
        case("NI number {}", "AA 12 34 56 B"),
        case("badge number {}", "44812"),
        case("claim number: {}", "123456789"),
        case("inmate number {}", "A4481BC"),
    ],
}

PCI: dict[str, list[Case]] = {
    "pan": [
        case("card {}", "4111 1111 1111 1111"),
        case("{}", "4111111111111111"),
        case("pay with {}", "5555-5555-5555-4444"),
        case("amex {}", "3782 822463 10005"),
        case("{} is a Mastercard", "2223.0031.2200.3222"),
        case("Diners {}", "30569309025904"),
        case("Discover {}", "6011111111111117"),
        case("JCB {}", "3530111333300000"),
        case("UnionPay {}", "6200000000000005"),
        case("old Visa {}", "4222222222222"),
        case("Maestro {}", "6759649826438453"),
        case("spaced {}", "4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1"),
    ],
    "cvv": [
        case("cvv {}", "123"),
        case("CVC: {}", "987"),
        case("the security code is {}", "4321"),
        case("CID {}", "7782"),
        case("{} is the cvc", "123"),
        case("CVV2 code {}", "044"),
    ],
    "pin": [
        case("my PIN is {}", "4821"),
        case("pin code {}", "9931"),
        case("ATM pin: {}", "7741"),
        case("PIN number {}", "123789"),
        case("{} is my pin", "5519"),
    ],
    "expiry": [
        case("card expires {}", "12/27"),
        case("Visa, exp {}", "09/2028"),
        case("valid thru {} on the card", "01/29"),
        case("expiration date: {}", "11/26"),
        case("card {} {} {}", "4111 1111 1111 1111", "12/27", "123"),
    ],
    "track": [
        case("{}", "%B4111111111111111^DOE/JOHN^25121010000000000000?"),
        case("{}", ";4111111111111111=25121010000000000000?"),
    ],
    "last four": [
        case("Visa ending in {}", "4242"),
        case("last four digits of my card are {}", "1881"),
        case("card ending {}", "0005"),
    ],
}


def _from(alphabet: str, count: int) -> Callable[[random.Random], str]:
    return lambda rng: "".join(rng.choice(alphabet) for _ in range(count))


_ALNUM = string.ascii_letters + string.digits
_HEX = "0123456789abcdef"
_CAPS = string.ascii_uppercase + string.digits

# Provider: what a key of theirs is made of.
KEYS: dict[str, tuple[str, Callable[[random.Random], str]]] = {
    "AWS": ("AKIA{}", _from(_CAPS, 16)),
    "AWS session": ("ASIA{}", _from(_CAPS, 16)),
    "GitHub": ("ghp_{}", _from(_ALNUM, 36)),
    "GitHub app": ("ghs_{}", _from(_ALNUM, 36)),
    "GitHub fine": ("github_pat_{}", _from(_ALNUM, 60)),
    "GitLab": ("glpat-{}", _from(_ALNUM, 20)),
    "Slack": ("xoxb-{}", _from(string.digits, 24)),
    "Slack app": ("xapp-1-{}", _from(_ALNUM, 40)),
    "Stripe": ("sk_live_{}", _from(_ALNUM, 24)),
    "Stripe webhook": ("whsec_{}", _from(_ALNUM, 32)),
    "OpenAI": ("sk-proj-{}", _from(_ALNUM, 48)),
    "Anthropic": ("sk-ant-api03-{}", _from(_ALNUM, 80)),
    "Google": ("AIza{}", _from(_ALNUM, 35)),
    "Google OAuth": ("GOCSPX-{}", _from(_ALNUM, 28)),
    "Hugging Face": ("hf_{}", _from(string.ascii_letters, 34)),
    "npm": ("npm_{}", _from(_ALNUM, 36)),
    "PyPI": ("pypi-AgEIcHlwaS5vcmc{}", _from(_ALNUM, 80)),
    "Twilio": ("SK{}", _from(_HEX, 32)),
    "SendGrid": ("SG.{}.abcdefghij0123456789ABCDEFGHIJ0123456789abc", _from(_ALNUM, 22)),
    "Telegram": ("123456789:AA{}", _from(_ALNUM, 33)),
    "Discord": ("MTA{}.Gabc12.abcdefghijklmnopqrstuvwxyz0123456789AB", _from(_ALNUM, 23)),
    "DigitalOcean": ("dop_v1_{}", _from(_HEX, 64)),
    "Databricks": ("dapi{}", _from(_HEX, 32)),
    "Shopify": ("shpat_{}", _from(_HEX, 32)),
    "Mailgun": ("key-{}", _from(_HEX, 32)),
    "Azure": ("abc8Q~{}", _from(_ALNUM, 34)),
    "Vault": ("hvs.{}", _from(_ALNUM, 90)),
    "Groq": ("gsk_{}", _from(_ALNUM, 52)),
    "Linear": ("lin_api_{}", _from(_ALNUM, 40)),
    "Docker": ("dckr_pat_{}", _from(_ALNUM, 27)),
}
_KEY_FRAMES = ("{}", "use {} for the job", "the value is '{}'", "KEY={}", '{{"k": "{}"}}')

SECRETS: dict[str, list[Case]] = {
    "password": [
        case("my password is {}", "hunter2"),
        case("password: {}", "correct-horse"),
        case("the wifi password is {}.", "bluewhale"),
        case("pw: {}", "abc123!"),
        case("DB_PASSWORD={}", "s3cretpw"),
        case("her passcode is {}", "7731a"),
        case("Contrase\u00f1a: {}", "gato123"),
        case("Passwort: {}", "Hund99x"),
        case("mot de passe : {}", "chat2020"),
        case("login: bob / {}", "hunter2!"),
        case("password for the router is {}", "Adm1n-99"),
        case('the password is "{}"', "open sesame 4".replace(" ", "-")),
        case('{{"password": "{}"}}', "pa55word"),
        case("pass={}", "letmein99"),
    ],
    "connection": [
        case("postgres://bob:{}@db/x", "s3cret"),
        case("redis://:{}@cache", "p4ssw0rd"),
        case("Server=db;User Id=sa;Password={};", "abc123"),
        case("AccountKey={};", "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq"),
    ],
    "token": [
        case("Authorization: Bearer {}", "abcdefghijklmnopqrstuvwxyz0123"),
        case("token {}", "9e107d9d372bb6826bd81d3542a419d6"),
        case("AWS secret {}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
        case("client_secret = {}", "Zx81-aa72-Kq0p"),
        case(
            "{}",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        ),
    ],
    "private key": [
        case("{}", "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nIBAAKC\n-----END RSA PRIVATE KEY-----"),
        case("{}", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n-----END OPENSSH PRIVATE KEY-----"),
        case("{}", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOYBF\n-----END PGP PRIVATE KEY BLOCK-----"),
        case(
            "seed phrase: {}",
            "abandon ability able about above absent absorb abstract absurd abuse access accident",
        ),
    ],
}


def provider_cases(each: int = 4, seed: int = 11) -> list[Case]:
    """Keys of every provider, freshly made, in sentences and settings."""
    rng = random.Random(seed)
    return [
        case(rng.choice(_KEY_FRAMES), shape.format(make(rng)))
        for shape, make in KEYS.values()
        for _ in range(each)
    ]
