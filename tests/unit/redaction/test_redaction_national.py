"""National identifiers: published valid ones, made ones beside a cue, and the same with one digit changed."""

from __future__ import annotations

import random
import string
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vault.redaction.detect import BuiltinDetector
from vault.redaction.national import NATIONAL_RULES
from vault.redaction.national_checks import NATIONAL_CHECKS

DETECTOR = BuiltinDetector(names=None)
EACH = 6

# Numbers that agencies or standards print as examples, or that are printed in manuals for tests.
PUBLISHED = {
    "uk_utr": ["1955839661"],
    "gb_vat": ["980 7806 84"],
    "ie_pps": ["1234567T"],
    "de_tax_id": ["86095742719", "47036892816"],
    "de_document": ["T220001293", "C01X00T478"],
    "de_social": ["15070649C103"],
    "de_health": ["A123456780"],
    "de_vat": ["136695976"],
    "at_social": ["1237010180"],
    "ch_ahv": ["756.9217.0769.85"],
    "fr_nir": ["2 95 10 99 126 111 93"],
    "fr_siren": ["552 008 443"],
    "fr_siret": ["73282932000074"],
    "be_national": ["85.07.30-033.28"],
    "nl_bsn": ["111222333"],
    "lu_national": ["1893120105732"],
    "es_nif": ["12345678Z", "54362315K"],
    "es_nie": ["X2482300W"],
    "es_cif": ["A13585625"],
    "es_social": ["281234567840"],
    "pt_nif": ["501964843"],
    "pt_card": ["00000000 0 ZZ4"],
    "it_fiscal": ["RCCMNL83S18D969H"],
    "it_vat": ["00743110157"],
    "gr_afm": ["094259216"],
    "gr_amka": ["01013099997"],
    "se_personal": ["880320-0016"],
    "dk_cpr": ["211062-5629"],
    "no_birth": ["15108695088"],
    "fi_personal": ["131052-308T"],
    "ee_lt_personal": ["36805280109", "33309240064"],
    "lv_personal": ["161175-19997"],
    "is_kennitala": ["450401-3150"],
    "pl_pesel": ["44051401359"],
    "pl_nip": ["8567346215"],
    "cz_birth": ["7103192745"],
    "ro_cnp": ["1630615123457"],
    "bg_egn": ["7523169263"],
    "hr_oib": ["33392005961"],
    "jmbg": ["0101006500006"],
    "ru_inn": ["7736050003"],
    "ru_snils": ["112-233-445 95"],
    "ua_rntrc": ["1759013776"],
    "tr_identity": ["17291716060"],
    "il_identity": ["3933742-3"],
    "br_cpf": ["390.533.447-05", "111.444.777-35"],
    "br_cnpj": ["16.727.230/0001-97", "12.ABC.345/01DE-35"],
    "br_sus": ["898001160660761"],
    "mx_curp": ["BOXW310820HNERXN09"],
    "mx_rfc": ["GODE561231GR8"],
    "ar_cuit": ["20-05536168-2"],
    "cl_rut": ["12.531.909-2"],
    "co_nit": ["213.123.432-1"],
    "in_pan": ["ACUPA7085R"],
    "in_gstin": ["27AAPFU0939F1ZV"],
    "cn_resident": ["11010519491231002X"],
    "hk_identity": ["A123456(3)"],
    "tw_identity": ["A123456789"],
    "jp_my_number": ["123456789018"],
    "kr_rrn": ["971013-9019902"],
    "sg_nric": ["S1234567D", "F1234567N", "G1234567X"],
    "th_identity": ["1-2345-45678-78-1"],
    "za_identity": ["7503305044089"],
    "au_tfn": ["123 456 782"],
    "au_medicare": ["2123456701"],
    "au_abn": ["83 914 571 673"],
    "nz_ird": ["49-091-850"],
    "imei": ["490154203237518"],
}

# A form per check from which numbers are made: # digit, @ capital letter, anything else itself.
SHAPES = {
    "us_ein": "12-#######",
    "ca_health": "####-###-###",
    "uk_utr": "##########",
    "gb_vat": "### #### ##",
    "ie_pps": "#######@",
    "de_tax_id": "###########",
    "de_document": "L########0",
    "de_social": "15070649C###",
    "de_health": "K#########",
    "de_vat": "DE#########",
    "at_social": "####150670",
    "ch_ahv": "756.####.####.##",
    "fr_nir": "1850578########",
    "fr_siren": "### ### ###",
    "fr_siret": "##############",
    "fr_tax": "1############",
    "be_national": "85.07.30-###.##",
    "nl_bsn": "#########",
    "lu_national": "19850730#####",
    "es_nif": "########@",
    "es_nie": "X#######@",
    "es_cif": "B########",
    "es_social": "28##########",
    "pt_nif": "2########",
    "pt_card": "#########ZZ#",
    "it_fiscal": "RSSMRA80A01H5##@",
    "it_vat": "#######015#",
    "gr_afm": "#########",
    "gr_amka": "150670#####",
    "se_personal": "850730-####",
    "dk_cpr": "150670-####",
    "no_birth": "150670#####",
    "fi_personal": "150670-###@",
    "ee_lt_personal": "38507300###",
    "lv_personal": "150670-1####",
    "is_kennitala": "150670-###9",
    "pl_pesel": "850730#####",
    "pl_nip": "###-###-##-##",
    "cz_birth": "850730/####",
    "hu_taj": "### ### ###",
    "hu_tax": "8#########",
    "ro_cnp": "1850730######",
    "bg_egn": "850730####",
    "hr_oib": "###########",
    "jmbg": "1506985######",
    "ru_inn": "############",
    "ru_snils": "###-###-### ##",
    "ua_rntrc": "##########",
    "tr_identity": "1##########",
    "il_identity": "#########",
    "br_cpf": "###.###.###-##",
    "br_cnpj": "##.###.###/0001-##",
    "br_pis": "###.#####.##-#",
    "br_sus": "898############",
    "mx_curp": "BOXW310820HNERXN##",
    "mx_rfc": "GODE561231GR#",
    "ar_cuit": "20-########-#",
    "cl_rut": "##.###.###-#",
    "co_nit": "###.###.###-#",
    "in_pan": "@@@P@####@",
    "in_gstin": "27AAPFU####F1Z#",
    "cn_resident": "11010519850730####",
    "hk_identity": "A######(#)",
    "tw_identity": "A1########",
    "jp_my_number": "############",
    "kr_rrn": "850730-1######",
    "sg_nric": "S#######@",
    "my_nric": "850730-14-####",
    "id_nik": "317106300785####",
    "th_identity": "1############",
    "ae_identity": "784-1985-#######-#",
    "za_identity": "8507305###08#",
    "au_tfn": "### ### ###",
    "au_medicare": "2#########",
    "au_abn": "## ### ### ###",
    "nz_ird": "##-###-###",
    "imei": "###############",
}
# Checks too weak, or too free of form, for a single changed digit to be refused each time.
UNCHECKED = {"us_ein", "in_pan", "my_nric", "id_nik", "mx_curp"}
# Which of several classes is named matters to nobody: what counts is that all of it is masked.
ALONE = {
    *(
        "ch_ahv",
        "es_nif",
        "es_nie",
        "it_fiscal",
        "in_pan",
        "in_gstin",
        "br_cpf",
        "br_cnpj",
        "cl_rut",
        "ar_cuit",
    ),
    *(
        "be_national",
        "fi_personal",
        "se_personal",
        "cz_birth",
        "kr_rrn",
        "cn_resident",
        "hk_identity",
        "my_nric",
    ),
    *("ae_identity", "mx_curp", "mx_rfc"),
}


def cue_of(check: str) -> str:
    """The first cue of the rule that uses the check."""
    return next(
        (rules.cues[0] for rules in NATIONAL_RULES for rule in rules.rules if rule.check == check), "imei"
    )


def made(check: str) -> list[str]:
    """Valid numbers of a form, the same ones every time."""
    rng = random.Random(zlib.crc32(check.encode()))
    numbers: list[str] = []
    for _ in range(200_000):
        if len(numbers) == EACH:
            return numbers
        number = "".join(
            rng.choice(string.digits) if c == "#" else rng.choice(string.ascii_uppercase) if c == "@" else c
            for c in SHAPES[check]
        )
        if NATIONAL_CHECKS[check](number) is not False:
            numbers.append(number)
    raise AssertionError("no valid number has this form")


def masked(text: str, value: str) -> bool:
    at = text.index(value)
    covered = {i for one in DETECTOR.detect(text) for i in range(one.start, one.end)}
    return all(i in covered for i in range(at, at + len(value)) if text[i].isalnum())


def neighbours(number: str) -> list[str]:
    """The number with one of its digits changed, every digit in turn."""
    return [
        number[:at] + str((int(char) + 1) % 10) + number[at + 1 :]
        for at, char in enumerate(number)
        if char.isascii() and char.isdigit()
    ]


@pytest.mark.parametrize(("check", "number"), [(c, n) for c, ns in PUBLISHED.items() for n in ns])
def test_published_numbers_pass(check: str, number: str) -> None:
    assert NATIONAL_CHECKS[check](number)


def test_every_check_has_a_form() -> None:
    assert set(SHAPES) == set(NATIONAL_CHECKS)
    assert {rule.check for rules in NATIONAL_RULES for rule in rules.rules} - {None, "aadhaar"} <= set(SHAPES)


@pytest.mark.parametrize("check", SHAPES)
def test_valid_numbers_are_found_beside_their_cue(check: str) -> None:
    for number in made(check):
        assert masked(f"{cue_of(check)}: {number}", number)
        assert masked(f"my {cue_of(check)} is {number}.", number)


@pytest.mark.parametrize("check", sorted(set(SHAPES) - UNCHECKED))
def test_one_digit_changed_is_mostly_refused(check: str) -> None:
    for number in made(check):
        refused = [not NATIONAL_CHECKS[check](other) for other in neighbours(number)]
        assert sum(refused) >= 0.75 * len(refused), number


@pytest.mark.parametrize("check", sorted(ALONE))
def test_forms_of_their_own_need_no_cue(check: str) -> None:
    for number in made(check):
        assert masked(f"the form says {number} there", number)


@pytest.mark.parametrize("check", sorted(ALONE - UNCHECKED))
def test_forms_of_their_own_are_checked(check: str) -> None:
    kept = frozenset({"PHONE_NUMBER", "DATE_TIME", "US_BANK_NUMBER"})
    number = made(check)[0]
    entities = [
        {f.entity for f in DETECTOR.detect(f"item {other} there", keep=kept)} for other in neighbours(number)
    ]
    assert sum(bool(found) for found in entities) <= 0.4 * len(entities)


@given(st.text(max_size=40))
@settings(max_examples=60)
def test_no_check_raises(text: str) -> None:
    for check in NATIONAL_CHECKS.values():
        assert check(text) in (True, False, None)


@given(st.text("0123456789-./ ABXZ", max_size=24))
@settings(max_examples=60)
def test_no_check_raises_on_what_is_nearly_a_number(text: str) -> None:
    for check in NATIONAL_CHECKS.values():
        assert check(text) in (True, False, None)
