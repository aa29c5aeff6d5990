"""The classes that detectors report, and the short word each is known by in tokens, markers and search.

`[PHONE:k7q2m9]` stands for a PHONE_NUMBER. Several classes may share a label where a reader needs no finer
word. Labels are stored inside memories: add some, never change one.
"""

from __future__ import annotations

import re
from typing import Final

# Identifiers of people and of those in business that states give out, by what a reader needs to know of them.
_NATIONAL_IDS: Final = (
    *(
        "DE_ID_CARD",
        "FR_ID_CARD",
        "BE_NATIONAL_NUMBER",
        "NL_BSN",
        "LU_NATIONAL_ID",
        "ES_NIF",
        "ES_NIE",
        "PT_CITIZEN_CARD",
    ),
    *(
        "IT_IDENTITY_CARD",
        "SE_PERSONNUMMER",
        "DK_CPR",
        "NO_BIRTH_NUMBER",
        "FI_PERSONAL_IDENTITY_CODE",
        "IS_KENNITALA",
    ),
    *(
        "EE_ISIKUKOOD",
        "LT_ASMENS_KODAS",
        "LV_PERSONAS_KODS",
        "PL_PESEL",
        "PL_IDENTITY_CARD",
        "CZ_BIRTH_NUMBER",
        "RO_CNP",
    ),
    *(
        "BG_EGN",
        "HR_OIB",
        "YU_JMBG",
        "TR_IDENTITY",
        "IL_IDENTITY",
        "BR_RG",
        "MX_CURP",
        "AR_DNI",
        "CL_RUT",
        "CO_CEDULA",
    ),
    *(
        "IN_VOTER",
        "CN_RESIDENT_ID",
        "HK_IDENTITY",
        "TW_IDENTITY",
        "JP_MY_NUMBER",
        "KR_RRN",
        "SG_NRIC_FIN",
        "MY_NRIC",
    ),
    *("ID_NIK", "TH_TNIN", "PH_UMID", "PK_CNIC", "AE_EMIRATES_ID", "ZA_IDENTITY", "NG_NIN"),
)
_TAX_IDS: Final = (
    *(
        "US_EIN",
        "UK_UTR",
        "GB_VAT",
        "DE_TAX_ID",
        "DE_TAX_NUMBER",
        "DE_VAT",
        "FR_SIREN",
        "FR_SIRET",
        "FR_TAX_ID",
        "ES_CIF",
    ),
    *(
        "PT_NIF",
        "IT_FISCAL_CODE",
        "IT_VAT",
        "GR_AFM",
        "PL_NIP",
        "HU_TAX_ID",
        "RU_INN",
        "UA_TAX_ID",
        "BR_CPF",
        "BR_CNPJ",
    ),
    *("MX_RFC", "AR_CUIT", "CO_NIT", "IN_PAN", "IN_GSTIN", "AU_TFN", "AU_ABN", "NZ_IRD"),
)
_SOCIAL_IDS: Final = (
    *(
        "CA_HEALTH_CARD",
        "IE_PPS",
        "DE_SOCIAL_SECURITY",
        "DE_HEALTH_INSURANCE",
        "AT_SOCIAL_SECURITY",
        "CH_AHV",
        "FR_NIR",
    ),
    *("ES_SOCIAL_SECURITY", "GR_AMKA", "HU_TAJ", "RU_SNILS", "BR_PIS", "BR_SUS", "AU_MEDICARE"),
)
_PASSPORTS: Final = (
    *(
        "DE_PASSPORT",
        "FR_PASSPORT",
        "NL_PASSPORT",
        "ES_PASSPORT",
        "IT_PASSPORT",
        "RU_PASSPORT",
        "IN_PASSPORT",
    ),
)

LABELS: Final[dict[str, str]] = {
    # people and how to reach them
    "PERSON": "PERSON",
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "STREET_ADDRESS": "ADDRESS",
    "ZIP_CODE": "ZIP",
    "UK_POSTCODE": "POSTCODE",
    "POSTAL_CODE": "POSTCODE",
    "GPS_COORDINATES": "POSITION",
    "SOCIAL_HANDLE": "HANDLE",
    "OCCUPATION": "OCCUPATION",
    "LOCATION": "PLACE",
    "ORGANIZATION": "ORG",
    "NRP": "GROUP",
    # dates and ages
    "DATE_OF_BIRTH": "BIRTHDATE",
    "DATE_TIME": "DATE",
    "AGE": "AGE",
    # identifiers issued by a state
    "US_SSN": "SSN",
    "US_ITIN": "TAX_ID",
    "US_PROVIDER_TAX_ID": "TAX_ID",
    "US_PASSPORT": "PASSPORT",
    "UK_PASSPORT": "PASSPORT",
    "US_DRIVER_LICENSE": "LICENSE",
    "UK_DRIVING_LICENCE": "LICENSE",
    "UK_NINO": "NINO",
    "CA_SIN": "SIN",
    "IN_AADHAAR": "AADHAAR",
    "PASSPORT": "PASSPORT",
    "LICENSE_NUMBER": "LICENSE",
    "OTHER_ID": "ID",
    **dict.fromkeys(_NATIONAL_IDS, "NATIONAL_ID"),
    **dict.fromkeys(_TAX_IDS, "TAX_ID"),
    **dict.fromkeys(_SOCIAL_IDS, "SOCIAL_ID"),
    **dict.fromkeys(_PASSPORTS, "PASSPORT"),
    "IN_DRIVING_LICENCE": "LICENSE",
    # vehicles, devices, bodies
    "VIN": "VIN",
    "LICENSE_PLATE": "PLATE",
    "IMEI": "DEVICE_ID",
    "DEVICE_ID": "DEVICE_ID",
    "BIOMETRIC_ID": "BIOMETRIC",
    # health
    "MRN": "MRN",
    "UK_NHS": "NHS",
    "US_MBI": "MEDICARE",
    "US_NPI": "PROVIDER_ID",
    "MEDICAL_LICENSE": "PROVIDER_ID",
    "US_HEALTH_INSURANCE_MEMBER_ID": "INSURANCE_ID",
    "US_PRIOR_AUTHORIZATION_NUMBER": "AUTHORIZATION",
    "US_CLAIM_NUMBER": "CLAIM",
    "US_PRESCRIPTION_NUMBER": "PRESCRIPTION",
    "US_REFERRAL_NUMBER": "REFERRAL",
    # money
    "CREDIT_CARD": "CARD",
    "CARD_CVV": "CARD_CVV",
    "CARD_PIN": "CARD_PIN",
    "CARD_TRACK": "CARD_TRACK",
    "CARD_EXPIRY": "CARD_EXPIRY",
    "IBAN_CODE": "IBAN",
    "US_BANK_NUMBER": "ACCOUNT",
    "ABA_ROUTING_NUMBER": "ROUTING",
    "CRYPTO": "WALLET",
    # networks and secrets
    "IP_ADDRESS": "IP",
    "MAC_ADDRESS": "MAC",
    "URL": "URL",
    "UUID": "UUID",
    "PASSWORD": "PASSWORD",
    "API_KEY": "API_KEY",
    "PRIVATE_KEY": "PRIVATE_KEY",
    # special categories: tags on a statement about a person (GDPR Art. 9)
    "SENSITIVE_HEALTH": "HEALTH",
    "SENSITIVE_RELIGION": "RELIGION",
    "SENSITIVE_POLITICS": "POLITICS",
    "SENSITIVE_UNION": "UNION",
    "SENSITIVE_ETHNICITY": "ETHNICITY",
    "SENSITIVE_SEXUALITY": "SEXUALITY",
    "SENSITIVE_GENETIC": "GENETIC",
    "SENSITIVE_BIOMETRIC": "BIOMETRIC",
}

_NOT_LABEL: Final = re.compile(r"[^A-Z]+")


def label(entity: str) -> str:
    """The label of a class: from the table, else the class's own name reduced to A-Z and '_'."""
    known = LABELS.get(entity)
    return known if known is not None else _NOT_LABEL.sub("_", entity.upper()).strip("_") or "OTHER"
