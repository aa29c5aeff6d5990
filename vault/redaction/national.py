"""Identifiers that states give to people and companies: one row each of form, check and cues.

A number that only its digits describe is found beside a cue. A number whose written form or check says enough
(`123.456.789-09`, a codice fiscale) is also found alone, by `ShapeRecogniser`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Final, NamedTuple

from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.redaction.national_checks import NATIONAL_CHECKS
from vault.redaction.normalise import View
from vault.redaction.patterns import PROVEN, Rule, RuleSet
from vault.types import Finding

_UNCHECKED: Final = 0.8  # a cue and a form, but no check digit to ask


class _Id(NamedTuple):
    """`form` must match whole; `digits` is the fewest it holds; `cues` are separated by commas."""

    entity: str
    form: str
    digits: int
    check: str | None
    cues: str


def _spaced(*groups: int) -> str:
    """Digit groups of these lengths, one optional separator between two."""
    return r"[ .\-/]?".join(rf"\d{{{count}}}" for count in groups)


_TAX: Final = "tax id,tax number,tax no,taxpayer,tax identification,tin"
_ID_CARD: Final = "id card,identity card,identity document,national id"

_IDS: Final = (
    # United States, Canada
    _Id("US_EIN", r"\d{2}-?\d{7}", 9, "us_ein", f"ein,fein,employer identification,federal tax id,{_TAX}"),
    _Id(
        "CA_HEALTH_CARD", rf"{_spaced(4, 3, 3)}(?:[ -]?[A-Z]{{2}})?", 10, "ca_health", "ohip,health card,hcn"
    ),
    # Britain, Ireland
    _Id("UK_UTR", _spaced(5, 5), 10, "uk_utr", "utr,unique taxpayer,taxpayer reference,tax reference"),
    _Id("GB_VAT", rf"(?:GB ?)?{_spaced(3, 4, 2)}(?: ?\d{{3}})?", 9, "gb_vat", "vat"),
    _Id("IE_PPS", r"\d{7}[A-W][A-IW]?", 7, "ie_pps", "pps,ppsn,pps number,personal public service"),
    # German-speaking
    _Id(
        "DE_TAX_ID",
        r"\d{2} ?\d{3} ?\d{3} ?\d{3}",
        11,
        "de_tax_id",
        f"steuer id,steuerid,idnr,steueridentifikationsnummer,identifikationsnummer,steuerliche,{_TAX}",
    ),
    _Id(
        "DE_TAX_NUMBER",
        r"\d{2,3}[ /]\d{3,4}[ /]\d{4,5}",
        9,
        None,
        "steuernummer,steuernr,st nr,tax number,finanzamt",
    ),
    _Id(
        "DE_ID_CARD",
        r"[CFGHJKLMNPRTVWXYZ0-9]{9}\d(?:D)?",
        1,
        "de_document",
        f"personalausweis,personalausweisnummer,ausweis,ausweisnummer,ausweisnr,perso,{_ID_CARD}",
    ),
    _Id(
        "DE_ID_CARD",
        r"[LMNPRTVWXY][CFGHJKLMNPRTVWXYZ0-9]{7}\d",
        1,
        None,
        "personalausweis,personalausweisnummer,ausweisnummer,ausweisnr",
    ),
    _Id(
        "DE_PASSPORT",
        r"[CFGHJK][CFGHJKLMNPRTVWXYZ0-9]{7}\d\d?",
        1,
        None,
        "reisepass,reisepassnummer,pass nr,passnummer",
    ),
    _Id(
        "DE_SOCIAL_SECURITY",
        r"\d{2} ?\d{6} ?[A-Z] ?\d{3}",
        11,
        "de_social",
        "sozialversicherungsnummer,sozialversicherung,rentenversicherungsnummer,rentenversicherung,svnr,rvnr,sv nummer,"
        "versicherungsnummer,social security,social insurance,pension insurance",
    ),
    _Id(
        "DE_HEALTH_INSURANCE",
        r"[A-Z] ?\d{9}",
        9,
        "de_health",
        "krankenversichertennummer,krankenversicherung,krankenkasse,versichertennummer,kvnr,kv"
        " nummer,gesundheitskarte,"
        "health insurance",
    ),
    _Id("DE_VAT", r"DE ?\d{3} ?\d{3} ?\d{3}", 9, "de_vat", "ust id,ust idnr,ustid,umsatzsteuer,vat"),
    _Id(
        "AT_SOCIAL_SECURITY",
        r"\d{4}[ /-]?\d{6}",
        10,
        "at_social",
        "svnr,sozialversicherungsnummer,sv nummer,versicherungsnummer",
    ),
    _Id(
        "CH_AHV",
        _spaced(3, 4, 4, 2),
        13,
        "ch_ahv",
        "ahv,ahvn13,avs,navs13,ahv nummer,sozialversicherungsnummer",
    ),
    # France, Benelux
    _Id(
        "FR_NIR",
        r"[1-478][ .-]?\d{2}[ .-]?\d{2}[ .-]?(?:\d{2}|2[AB])[ .-]?\d{3}[ .-]?\d{3}[ .-]?\d{2}",
        14,
        "fr_nir",
        "nir,insee,s\u00e9curit\u00e9 sociale,securite sociale,num\u00e9ro de"
        " s\u00e9cu,s\u00e9cu,social security,carte vitale",
    ),
    _Id("FR_SIREN", _spaced(3, 3, 3), 9, "fr_siren", "siren"),
    _Id("FR_SIRET", _spaced(3, 3, 3, 5), 14, "fr_siret", "siret"),
    _Id(
        "FR_TAX_ID",
        r"[0-3]\d ?\d{2} ?\d{3} ?\d{3} ?\d{3}",
        13,
        "fr_tax",
        f"num\u00e9ro fiscal,spi,fiscal,{_TAX}",
    ),
    _Id(
        "FR_ID_CARD",
        r"\d{12}|[A-Z0-9]{2}\d[A-Z0-9]{6}",
        1,
        None,
        "cni,carte d identit\u00e9,carte nationale,carte d identite",
    ),
    _Id("FR_PASSPORT", r"\d{2} ?[A-Z]{2} ?\d{5}", 7, None, "passeport,passport"),
    _Id(
        "BE_NATIONAL_NUMBER",
        _spaced(2, 2, 2, 3, 2),
        11,
        "be_national",
        "rijksregisternummer,rijksregister,registre national,num\u00e9ro national,insz,niss,national"
        " register,nrn,national number",
    ),
    _Id(
        "NL_BSN",
        r"\d{4}[ .]?\d{2}[ .]?\d{3}|\d{3}[ .]\d{3}[ .]\d{3}",
        9,
        "nl_bsn",
        "bsn,burgerservicenummer,sofinummer,sofi,citizen service,burger service",
    ),
    _Id(
        "NL_PASSPORT",
        r"[A-NP-Z]{2}[A-NP-Z0-9]{6}\d",
        1,
        None,
        "paspoort,paspoortnummer,identiteitskaart,documentnummer",
    ),
    _Id(
        "LU_NATIONAL_ID", _spaced(4, 2, 2, 5), 13, "lu_national", "matricule,cns,social security,national id"
    ),
    # Spain, Portugal, Italy, Greece
    _Id("ES_NIF", r"\d{2}\.?\d{3}\.?\d{3}[ -]?[A-Z]", 8, "es_nif", f"dni,nif,documento nacional,{_ID_CARD}"),
    _Id("ES_NIE", r"[XYZ][ -]?\d{7}[ -]?[A-Z]", 7, "es_nie", "nie,extranjero,foreigner"),
    _Id("ES_CIF", r"[ABCDEFGHJNPQRSUVW][ -]?\d{7}[ -]?[0-9A-J]", 7, "es_cif", f"cif,nif,{_TAX}"),
    _Id(
        "ES_SOCIAL_SECURITY",
        r"\d{2}[ /-]?\d{7,8}[ /-]?\d{2}",
        11,
        "es_social",
        "nss,seguridad social,naf,afiliaci\u00f3n,social security",
    ),
    _Id("ES_PASSPORT", r"[A-Z]{2,3}\d{6}[A-Z]?", 6, None, "pasaporte"),
    _Id("PT_NIF", _spaced(3, 3, 3), 9, "pt_nif", f"nif,contribuinte,n\u00famero fiscal,{_TAX}"),
    _Id(
        "PT_CITIZEN_CARD",
        r"\d{8} ?\d ?[A-Z0-9]{2}\d",
        10,
        "pt_card",
        "cart\u00e3o de cidad\u00e3o,cidad\u00e3o,citizen card,cc",
    ),
    _Id(
        "IT_FISCAL_CODE",
        r"[A-Z]{3} ?[A-Z]{3} ?\w{5} ?\w{5}",
        0,
        "it_fiscal",
        "codice fiscale,cf,fiscal code,cod fisc",
    ),
    _Id("IT_VAT", r"(?:IT)? ?\d{11}", 11, "it_vat", "partita iva,p iva,piva,iva,vat"),
    _Id(
        "IT_IDENTITY_CARD",
        r"C[A-Z]\d{5}[A-Z]{2}|[A-Z]{2} ?\d{7}",
        5,
        None,
        f"carta d identit\u00e0,carta identit\u00e0,carta d identita,documento,cie,{_ID_CARD}",
    ),
    _Id("IT_PASSPORT", r"[A-Z]{2} ?\d{7}", 7, None, "passaporto"),
    _Id("GR_AFM", r"(?:EL ?)?\d{9}", 9, "gr_afm", f"afm,\u03b1\u03c6\u03bc,{_TAX}"),
    _Id("GR_AMKA", _spaced(6, 5), 11, "gr_amka", "amka,\u03b1\u03bc\u03ba\u03b1"),
    # Nordic and Baltic
    _Id(
        "SE_PERSONNUMMER",
        r"(?:\d{2})?\d{6}[-+ ]?\d{4}",
        10,
        "se_personal",
        "personnummer,samordningsnummer,personal number",
    ),
    _Id("DK_CPR", r"\d{6}[- ]?\d{4}", 10, "dk_cpr", "cpr,cpr nr,cpr nummer,personnummer"),
    _Id(
        "NO_BIRTH_NUMBER",
        r"\d{6}[- ]?\d{5}",
        11,
        "no_birth",
        "f\u00f8dselsnummer,fodselsnummer,personnummer,d nummer,fnr",
    ),
    _Id(
        "FI_PERSONAL_IDENTITY_CODE",
        r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]",
        9,
        "fi_personal",
        "hetu,henkil\u00f6tunnus,personbeteckning,personal identity code",
    ),
    _Id("IS_KENNITALA", r"\d{6}-?\d{4}", 10, "is_kennitala", "kennitala,kt"),
    _Id("EE_ISIKUKOOD", r"\d{11}", 11, "ee_lt_personal", "isikukood,isikukoodi,personal code"),
    _Id("LT_ASMENS_KODAS", r"\d{11}", 11, "ee_lt_personal", "asmens kodas,asmens,personal code"),
    _Id("LV_PERSONAS_KODS", r"\d{6}-?\d{5}", 11, "lv_personal", "personas kods,personas,personal code"),
    # middle and eastern Europe
    _Id("PL_PESEL", r"\d{11}", 11, "pl_pesel", "pesel,nr pesel"),
    _Id("PL_NIP", r"\d{3}-?\d{3}-?\d{2}-?\d{2}|\d{3}-\d{2}-\d{2}-\d{3}", 10, "pl_nip", f"nip,{_TAX}"),
    _Id("PL_IDENTITY_CARD", r"[A-Z]{3} ?\d{6}", 6, None, "dow\u00f3d,dowod,dowodu,identity card,id card"),
    _Id(
        "CZ_BIRTH_NUMBER",
        r"\d{6}/?\d{4}",
        10,
        "cz_birth",
        "rodn\u00e9 \u010d\u00edslo,rodne cislo,rodn\u00e9ho,r\u010d,birth number",
    ),
    _Id("HU_TAJ", _spaced(3, 3, 3), 9, "hu_taj", "taj,taj sz\u00e1m,tajsz\u00e1m"),
    _Id(
        "HU_TAX_ID",
        r"8\d{9}",
        10,
        "hu_tax",
        f"ad\u00f3azonos\u00edt\u00f3,ad\u00f3azonos\u00edt\u00f3 jel,{_TAX}",
    ),
    _Id("RO_CNP", r"\d{13}", 13, "ro_cnp", "cnp,cod numeric,codul numeric"),
    _Id("BG_EGN", r"\d{10}", 10, "bg_egn", "egn,\u0435\u0433\u043d,uniform civil"),
    _Id("HR_OIB", r"\d{11}", 11, "hr_oib", "oib,osobni identifikacijski"),
    _Id("YU_JMBG", r"\d{13}", 13, "jmbg", "jmbg,emso,em\u0161o,embg,mati\u010dni broj"),
    _Id("RU_INN", r"\d{12}|\d{10}", 10, "ru_inn", "inn,\u0438\u043d\u043d"),
    _Id(
        "RU_SNILS",
        r"\d{3}[- ]?\d{3}[- ]?\d{3}[- ]?\d{2}",
        11,
        "ru_snils",
        "snils,\u0441\u043d\u0438\u043b\u0441",
    ),
    _Id("RU_PASSPORT", r"\d{2} ?\d{2} ?\d{6}", 10, None, "\u043f\u0430\u0441\u043f\u043e\u0440\u0442"),
    _Id(
        "UA_TAX_ID",
        r"\d{10}",
        10,
        "ua_rntrc",
        "rnokpp,\u0440\u043d\u043e\u043a\u043f\u043f,\u0456\u043f\u043d,\u0438\u043d\u043d",
    ),
    _Id("TR_IDENTITY", r"\d{11}", 11, "tr_identity", "tckn,tc kimlik,kimlik,kimlik no,t c kimlik,turkish id"),
    _Id(
        "IL_IDENTITY",
        r"\d{8}-?\d",
        9,
        "il_identity",
        "teudat zehut,mispar zehut,israeli id,\u05ea\u05e2\u05d5\u05d3\u05ea \u05d6\u05d4\u05d5\u05ea",
    ),
    # Latin America
    _Id("BR_CPF", r"\d{3}\.?\d{3}\.?\d{3}[- ]?\d{2}", 11, "br_cpf", "cpf,cadastro de pessoa,contribuinte"),
    _Id(
        "BR_CNPJ",
        r"[0-9A-Z]{2}\.?[0-9A-Z]{3}\.?[0-9A-Z]{3}/?[0-9A-Z]{4}-?\d{2}",
        2,
        "br_cnpj",
        "cnpj,cadastro nacional",
    ),
    _Id(
        "BR_RG",
        r"\d{1,2}\.?\d{3}\.?\d{3}-?[0-9X]",
        7,
        None,
        "rg,registro geral,carteira de identidade,identidade",
    ),
    _Id("BR_PIS", r"\d{3}\.?\d{5}\.?\d{2}[-.]?\d", 11, "br_pis", "pis,pasep,nis,nit"),
    _Id(
        "BR_SUS",
        _spaced(3, 4, 4, 4),
        15,
        "br_sus",
        "sus,cns,cart\u00e3o nacional de sa\u00fade,cart\u00e3o sus",
    ),
    _Id("MX_CURP", r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d", 7, "mx_curp", "curp"),
    _Id("MX_RFC", r"[A-Z]{3,4}[ -]?\d{6}[ -]?[0-9A-Z]{2}[0-9A]", 6, "mx_rfc", "rfc"),
    _Id("AR_CUIT", r"\d{2}-?\d{8}-?\d", 11, "ar_cuit", "cuit,cuil"),
    _Id("AR_DNI", r"\d{2}\.?\d{3}\.?\d{3}", 8, None, "dni,documento nacional"),
    _Id("CL_RUT", r"\d{1,2}\.?\d{3}\.?\d{3}-?[0-9K]", 7, "cl_rut", "rut,run,rol \u00fanico"),
    _Id("CO_NIT", r"\d{1,3}\.?\d{3}\.?\d{3}-?\d", 8, "co_nit", "nit"),
    _Id(
        "CO_CEDULA",
        r"\d{1,3}\.?\d{3}\.?\d{3,4}",
        7,
        None,
        "c\u00e9dula,cedula,c\u00e9dula de ciudadan\u00eda",
    ),
    # Asia, Oceania, Africa
    _Id("IN_AADHAAR", r"\d{4}[ -]?\d{4}[ -]?\d{4}", 12, "aadhaar", "aadhaar,aadhar,uidai"),
    _Id(
        "IN_AADHAAR",
        r"\d{4}[ -]?\d{4}[ -]?\d{4}",
        12,
        None,
        "aadhaar number,aadhaar no,aadhar number,aadhaar card,aadhaar",
    ),
    _Id("IN_PAN", r"[A-Z]{5}\d{4}[A-Z]", 4, "in_pan", "pan,pan card,pan number,permanent account"),
    _Id("IN_GSTIN", r"\d{2}[A-Z]{5}\d{4}[A-Z][0-9A-Z]Z[0-9A-Z]", 6, "in_gstin", "gstin,gst"),
    _Id("IN_VOTER", r"[A-Z]{3}\d{7}", 7, None, "voter,epic,voter id,election"),
    _Id("IN_PASSPORT", r"[A-Z] ?\d{7}", 7, None, "passport,indian passport"),
    _Id(
        "IN_DRIVING_LICENCE",
        r"[A-Z]{2}[- ]?\d{2}[- ]?(?:19|20)\d{2}[- ]?\d{7}",
        13,
        None,
        "driving,licence,license,dl",
    ),
    _Id(
        "CN_RESIDENT_ID",
        r"\d{17}[0-9X]",
        17,
        "cn_resident",
        "resident id,resident identity,id card,\u8eab\u4efd\u8bc1",
    ),
    _Id("HK_IDENTITY", r"[A-Z]{1,2}\d{6} ?\(?[0-9A]\)?", 6, "hk_identity", f"hkid,hong kong,{_ID_CARD}"),
    _Id("TW_IDENTITY", r"[A-Z][1289]\d{8}", 9, "tw_identity", f"taiwan,\u8eab\u5206\u8b49,{_ID_CARD}"),
    _Id(
        "JP_MY_NUMBER",
        _spaced(4, 4, 4),
        12,
        "jp_my_number",
        "my number,mynumber,\u30de\u30a4\u30ca\u30f3\u30d0\u30fc,individual number",
    ),
    _Id(
        "KR_RRN",
        r"\d{6}-?[1-8]\d{6}",
        13,
        "kr_rrn",
        "rrn,resident registration,jumin,\uc8fc\ubbfc\ub4f1\ub85d\ubc88\ud638",
    ),
    _Id("SG_NRIC_FIN", r"[STFGM]\d{7}[A-Z]", 7, "sg_nric", "nric,fin,singapore,ic"),
    _Id("MY_NRIC", r"\d{6}-?\d{2}-?\d{4}", 12, "my_nric", "mykad,nric,ic,kad pengenalan,malaysian"),
    _Id("ID_NIK", r"\d{16}", 16, "id_nik", "nik,ktp,e ktp,nomor induk"),
    _Id(
        "TH_TNIN",
        r"\d-?\d{4}-?\d{5}-?\d{2}-?\d",
        13,
        "th_identity",
        f"thai,\u0e1a\u0e31\u0e15\u0e23\u0e1b\u0e23\u0e30\u0e0a\u0e32\u0e0a\u0e19,{_ID_CARD}",
    ),
    _Id("PH_UMID", r"\d{4}-?\d{7}-?\d", 12, None, "umid,crn"),
    _Id("PK_CNIC", r"\d{5}-?\d{7}-?\d", 13, None, "cnic,nicop,nadra"),
    _Id("AE_EMIRATES_ID", r"784-?\d{4}-?\d{7}-?\d", 15, "ae_identity", "emirates id,eid,uae"),
    _Id(
        "ZA_IDENTITY",
        r"\d{6} ?\d{4} ?\d{3}",
        13,
        "za_identity",
        f"south african,rsa id,sa id,id number,id no,{_ID_CARD}",
    ),
    _Id("NG_NIN", r"\d{11}", 11, None, "nin,national identification number"),
    _Id("AU_TFN", r"\d{3}[ -]?\d{3}[ -]?\d{2,3}", 8, "au_tfn", "tfn,tax file"),
    _Id("AU_MEDICARE", r"[2-6]\d{3}[ -]?\d{5}[ -]?\d(?:[ /-]?\d)?", 10, "au_medicare", "medicare,irn"),
    _Id("AU_ABN", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", 11, "au_abn", "abn,business number"),
    _Id("NZ_IRD", r"\d{2,3}[ -]?\d{3}[ -]?\d{3}", 8, "nz_ird", "ird,inland revenue"),
)


def _rule_sets() -> tuple[RuleSet, ...]:
    seen: dict[str, int] = {}
    sets = []
    for one in _IDS:
        seen[one.entity] = count = seen.get(one.entity, 0) + 1
        sets.append(
            RuleSet(
                name=f"national.{one.entity.lower()}" + (f".{count}" if count > 1 else ""),
                entity=one.entity,
                cues=tuple(one.cues.split(",")),
                rules=(
                    Rule(
                        name="form",
                        regex=rf"(?<![\w.-])(?:{one.form})(?![\w-])",
                        score=0.0,
                        near=_UNCHECKED,
                        check=one.check,
                        check_needs_cue=one.check is not None,
                        digits=one.digits,
                    ),
                ),
            )
        )
    return tuple(sets)


NATIONAL_RULES: Final = _rule_sets()


def _either(shape: str) -> tuple[str, ...]:
    """The shapes a pattern of A (letter), 9 (digit) and * (either) stands for."""
    return tuple("".join(chars) for chars in product(*("A9" if char == "*" else char for char in shape)))


_SHAPES: Final = (
    # shape, entity, check: forms so particular that no cue is needed
    ("99999999A", "ES_NIF", "es_nif"),
    ("99999999-A", "ES_NIF", "es_nif"),
    ("A9999999A", "ES_NIE", "es_nie"),
    ("A-9999999-A", "ES_NIE", "es_nie"),
    ("A9999999A", "SG_NRIC_FIN", "sg_nric"),
    ("AAAAAA99A99A999A", "IT_FISCAL_CODE", "it_fiscal"),
    ("AAAAA9999A", "IN_PAN", "in_pan"),
    ("99AAAAA9999A*A*", "IN_GSTIN", "in_gstin"),
    ("AAAA999999AAAAAA*9", "MX_CURP", "mx_curp"),
    ("AAAA999999***", "MX_RFC", "mx_rfc"),
    ("999.999.999-99", "BR_CPF", "br_cpf"),
    ("**.***.***/****-99", "BR_CNPJ", "br_cnpj"),
    ("99.999.999-*", "CL_RUT", "cl_rut"),
    ("9.999.999-*", "CL_RUT", "cl_rut"),
    ("99-99999999-9", "AR_CUIT", "ar_cuit"),
    ("999.9999.9999.99", "CH_AHV", "ch_ahv"),
    ("9999999999999", "CH_AHV", "ch_ahv"),
    ("99.99.99-999.99", "BE_NATIONAL_NUMBER", "be_national"),
    ("999999-999*", "FI_PERSONAL_IDENTITY_CODE", "fi_personal"),
    ("999999A999*", "FI_PERSONAL_IDENTITY_CODE", "fi_personal"),
    ("999999-9999", "SE_PERSONNUMMER", "se_personal"),
    ("99999999-9999", "SE_PERSONNUMMER", "se_personal"),
    ("999999-9999", "DK_CPR", "dk_cpr"),
    ("999999-99999", "LV_PERSONAS_KODS", "lv_personal"),
    ("999999/9999", "CZ_BIRTH_NUMBER", "cz_birth"),
    ("999999-9999999", "KR_RRN", "kr_rrn"),
    ("999999999999999", "FR_NIR", "fr_nir"),
    ("99999A999999999", "FR_NIR", "fr_nir"),
    ("999999999999999999", "CN_RESIDENT_ID", "cn_resident"),
    ("99999999999999999A", "CN_RESIDENT_ID", "cn_resident"),
    ("A999999(9)", "HK_IDENTITY", "hk_identity"),
    ("A999999(A)", "HK_IDENTITY", "hk_identity"),
    ("999999-99-9999", "MY_NRIC", "my_nric"),
    ("999-9999-9999999-9", "AE_EMIRATES_ID", "ae_identity"),
    ("9-9999-99999-99-9", "TH_TNIN", "th_identity"),
    ("99999999A999", "DE_SOCIAL_SECURITY", "de_social"),
)


_TOKEN: Final = re.compile(r"(?<![\w.(/-])[A-Za-z]{0,6}[0-9][A-Za-z0-9./()-]{4,20}(?![\w-])")
_LONG_WORD: Final = re.compile(r"\S{8,}")
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MASK: Final = str.maketrans(_LETTERS + "012345678", "A" * 26 + "9" * 9)


def _tokens(text: str) -> Iterator[re.Match[str]]:
    """Tokens that may have one of the shapes; most words are too short to be looked at closely."""
    for word in _LONG_WORD.finditer(text):
        yield from _TOKEN.finditer(text, word.start(), word.end())


class ShapeRecogniser:
    """Identifiers known by their written form alone: a token's shape says which check to ask."""

    name = "national.shape"
    entities = frozenset(entity for _, entity, _ in _SHAPES)
    digits = 4

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold
        self._shapes: dict[str, list[tuple[str, Callable[[str], bool | None]]]] = {}
        for pattern, entity, check in _SHAPES:
            for shape in _either(pattern):
                self._shapes.setdefault(shape, []).append((entity, NATIONAL_CHECKS[check]))

    def find(self, view: View) -> Iterable[Finding]:
        if self._threshold > PROVEN:
            return ()
        found = []
        for match in _tokens(view.text):
            token = match.group().rstrip("./-(")
            if token.count("(") < token.count(")"):
                token = token.rstrip(").")
            for entity, check in self._shapes.get(token.upper().translate(_MASK), ()):
                if check(token):
                    found.append(
                        Finding(entity, match.start(), match.start() + len(token), PROVEN, self.name)
                    )
                    break
        return found
