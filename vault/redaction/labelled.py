"""Rules for numbers that a label makes personal: records, plans, accounts, licences, devices, biometrics, files.

A label is followed by its value ("MRN# is AB-483920", "chart no. 00483920"), or comes just after it in brackets.
What the value looks like matters little, as long as it holds enough digits; orders, invoices and tickets have no
label here.
"""

from __future__ import annotations

import re
from typing import Final

from vault.redaction.patterns import Rule, RuleSet

_NUMBER_WORD: Final = r"(?:\s{1,2}(?:numbers?|num|nr|no|nbr|id|identifier|code)\b\.?|\s?[#\u2116])?"
_LINK: Final = (
    r"[\"']?[\s:=#.,(\-\u2116]{0,4}(?:(?:is|was|are|reads?|ending(?: in| with)?|being|of)\b[\s:=#]{1,3})?"
    r"[\"'#(]{0,2}"
)
# One token of letters and digits joined by - / . or _, at least `digits` of it digits.
_JOINED: Final = r"[A-Z0-9](?:[A-Z0-9]|[-/._](?=[A-Z0-9])){1,30}"
_TAIL: Final = r"(?!\w|[-/._]\w)"


_STEP: Final = r"(?:[A-Z]|[-/._](?=[A-Z0-9]))"


def _token(digits: int) -> str:
    first, others = rf"{_STEP}{{0,8}}\d", rf"(?:{_STEP}{{0,4}}\d){{{digits - 1}}}"
    return rf"(?={first}{others}){_JOINED}"


# What stands after a label that wants no number of its own: a year, a month, a date.
_NO_DATE: Final = (
    r"(?!(?:19|20)\d\d(?![\w/-]|\.\w)|(?:19|20)\d\d[-/]\d{1,2}(?!\d)"
    r"|\d{1,2}(?P<sep>[/.-])\d{1,2}(?P=sep)\d{2,4}(?!\w))"
)
# A label ends with a word or a sign, never inside a word.
_ENDS: Final = r"(?:\b|(?<=\W))"
_SUFFIXES: Final = ("", "number", "num", "no", "nr", "nbr", "id", "identifier", "numbers", "s")


def _words(words: str) -> frozenset[str]:
    return frozenset(word + suffix for word in words.split() for suffix in _SUFFIXES)


def _value(digits: int) -> str:
    """A token, or figures in groups of three or more, or a short prefix and figures apart."""
    prefix = r"(?:(?!(?:id|no|nr|num|is|was|of)\b)[A-Z]{1,4} )?"
    groups = prefix + r"\d{2,6}(?:[ -]\d{3,6}){1,5}(?![\w/.-]\w| ?(?:mg|ml|kg|years?|days?|am|pm)\b)"
    return rf"(?P<value>{groups}|{prefix}{_token(digits)}){_TAIL}"


def _labelled(
    label: str, digits: int, words: str, *, score: float = 0.85, name: str = "labelled", dates: bool = False
) -> Rule:
    return Rule(
        name=name,
        regex=rf"\b(?:{label}){_NUMBER_WORD}{_ENDS}{_LINK}{'' if dates else _NO_DATE}{_value(digits)}",
        score=score,
        digits=digits,
        words=_words(words),
    )


def _after(label: str, digits: int, words: str) -> Rule:
    """The value first, its label in brackets or after a verb."""
    return Rule(
        name="label after",
        regex=(
            rf"(?<![\w.-])(?P<value>{_token(digits)})(?:\s?[(\[]|,? (?:is|was|as|for) "
            rf"(?:(?:the|my|his|her|your|their|our|patient) ){{0,2}})(?:{label})\b"
        ),
        score=0.8,
        digits=digits,
        words=_words(words),
    )


# Less than a national form beside a cue scores: where one fits, it names the class.
_OUTRANKED: Final = 0.44

_NUM: Final = r"(?:numbers?\b|num\b|no\b|nr\b|nbr\b|id\b|identifier\b|#)\.?"

_MRN_LABEL: Final = (
    r"(?:e?mrn|m\.r\.n\.|mr ?(?:no|num|number|#)|med(?:ical)?\.? ?rec(?:ord)?s?\.?|mr ?id|mrno"
    r"|hospital (?:number|no|id)|hosp\.? ?(?:no|num|number|id|#)|unit record|uhid|nhc|historia"
    r" cl\xednica|patientennummer|ipp)"
)
_MRN_WORDS: Final = (
    "mrn emrn m mr med medical mrno mrid rec record medrec medicalrec medicalrecord medrecord "
    "records hospital hosp unit uhid nhc historia patientennummer ipp"
)
_CHART_LABEL: Final = (
    rf"(?:patient|chart|pt|clinic|inpatient|outpatient|encounter|visit|admission|episode|specimen"
    rf"|accession|lab|sample|donor"
    rf"|radiology|pathology|study|health record|health|dossier|fallnummer|csn|fin) ?(?:{_NUM})|accession"
    rf"|fallnummer|uhid|csn"
)
_CHART_WORDS: Final = (
    "patient chart pt clinic inpatient outpatient encounter visit admission episode specimen accession"
    " lab sample donor "
    "radiology pathology study health dossier fallnummer uhid csn fin"
)
_PLAN_LABEL: Final = (
    rf"(?:health ?plan|healthplan|plan|beneficiary|bene|member|membership|subscriber|policy|group"
    rf"|insurance|insured|medicaid"
    rf"|medicare|hmo|ppo|payer|coverage|enrollee|hic|carrier|benefits?|certificate of coverage)(?:"
    rf" (?:card|policy|member"
    rf"|beneficiary|subscriber|plan|group))? ?(?:{_NUM}(?: (?:number|no|#))?)"
    r"|hpbn|hicn|hicns|mbi|member id|memberid|medicaid|medicare|policy|health plan beneficiary"
)
_PLAN_WORDS: Final = (
    "health healthplan plan beneficiary bene member memberid membership subscriber policy group"
    " insurance insured medicaid "
    "medicare hmo ppo payer coverage enrollee hic carrier benefit benefits hpbn hicn hicns mbi certificate"
)
_ACCOUNT_LABEL: Final = (
    rf"(?:(?:bank|checking|savings?|chequing|current|deposit|patient|billing|customer|client|guarantor"
    rf"|loan|mortgage|brokerage|utility"
    rf"|hospital|financial|insurance|user|member) )?(?:account|acct|a/c|acc)\.? ?(?:{_NUM})?"
    rf"|(?:konto(?:nummer|nr)?|cuenta|compte|conta|conto"
    rf"|rekening(?:nummer)?)(?: (?:{_NUM}|n\xfamero|num\xe9ro|bancaria|corrente|bancaire))?|customer"
    rf" ?(?:{_NUM})|client ?(?:{_NUM})"
    r"|kundennummer|clabe|sort code|routing number|bsb"
)
_ACCOUNT_WORDS: Final = (
    "account acct a c acc konto kontonummer kontonr cuenta compte conta conto rekening rekeningnummer"
    " customer client kundennummer "
    "clabe sort routing bsb"
)
_LICENCE_LABEL: Final = (
    rf"(?:(?:medical|nursing|nurse|rn|pharmacy|pharmacist|dental|physician|professional|pilot|pilot's"
    rf"|teaching|law|bar|state|business|board|real"
    rf" estate|marriage|birth|death|fishing|hunting|firearm|gun|concealed carry|driver'?s?|driving|dr"
    rf"|operator'?s?|cdl|contractor"
    rf"|practitioner|gmc|nmc|hcpc) )?(?:licen[cs]e|lic|certificate|certification|cert|registration|permit"
    rf"|credential)\.? ?(?:{_NUM})?"
    rf"|dea ?(?:{_NUM})|gmc ?(?:{_NUM})?|nmc pin|dl(?:n|:| ?(?:{_NUM}))|f\xfchrerschein(?:nummer)?|permis de conduire"
    r"|permiso de conducir|patente di guida|rijbewijs(?:nummer)?|cnh|lanr|bsnr"
)
_LICENCE_WORDS: Final = (
    "license licence lic certificate certification cert registration permit credential dea gmc nmc dl dln"
    " f\xfchrerschein "
    "f\xfchrerscheinnummer permis permiso patente rijbewijs rijbewijsnummer cnh lanr bsnr"
)
_PASSPORT_LABEL: Final = (
    rf"(?:passport|pasaporte|passeport|passaporto|passaporte|reisepass(?:nummer)?|paspoort(?:nummer)?"
    rf"|visa|green card|alien registration"
    rf"|a-number|uscis)(?: (?:book|card|n\xfamero|num\xe9ro|numero))? ?(?:{_NUM})?"
)
_PASSPORT_WORDS: Final = (
    "passport pasaporte passeport passaporto passaporte reisepass reisepassnummer paspoort "
    "paspoortnummer visa green alien a uscis"
)
_DEVICE_LABEL: Final = (
    rf"(?:(?:device|pacemaker|implant|pump|defibrillator|icd|stent|cgm|sensor|meter|monitor|prosthesis"
    rf"|hearing aid|machine|equipment|unit"
    rf"|laptop|phone|iphone|ipad|tablet|product|transmitter|valve|lead|generator|ventilator|cpap|glucometer) )?"
    rf"(?:serial|s/n|ser\.? ?no|sn|seriennummer|android id|advertising id|idfa|gaid|udid)\.? ?(?:{_NUM})?"
    rf"|(?:device|pacemaker|implant|udi|implantable|equipment|hardware|asset|meid|esn|imsi|iccid|sim"
    rf"|imei)(?: card)? ?(?:{_NUM})"
    r"|udi(?:-di)?|meid|esn|imsi|iccid"
)
_DEVICE_WORDS: Final = (
    "serial s sn ser seriennummer android advertising idfa gaid udid device pacemaker implant udi"
    " implantable equipment hardware asset meid esn "
    "imsi iccid sim imei"
)
_BIOMETRIC_LABEL: Final = (
    rf"(?:biometric|fingerprint|finger print|voiceprint|voice print|retina(?:l)?|iris|face ?id|facial"
    rf"|palm|dna|genetic|handprint)"
    rf"(?: (?:scan|template|sample|record|profile|hash|recognition|signature|image|file|identifier|data|print))?"
    rf"(?: ?(?:{_NUM}))?"
)
_BIOMETRIC_WORDS: Final = (
    "biometric fingerprint finger voiceprint voice retina retinal iris face faceid facial palm "
    "dna genetic handprint"
)
_FILE_LABEL: Final = (
    rf"(?:employee|staff|personnel|payroll|worker|badge|student|pupil|matriculation|enrol?lment|applicant"
    rf"|application|candidate|case"
    rf"|docket|claimant|inmate|prisoner|booking|offender|user|participant|subject|enrollee|trial"
    rf"|protocol|research"
    rf"|voter|ration card|library card|loyalty|rewards?|frequent flyer|membership|military"
    rf"|service|veteran|va|unique|person"
    rf"|personal|national|identity|identification|individual|resident|citizen|tax|file|driver"
    rf"|caller|contact|record)(?: card)? ?(?:{_NUM})"
    r"|matrikelnummer|personalnummer|aktenzeichen|expediente|num\xe9ro d'\xe9tudiant|application no|case"
    r" no|unique identifier"
    rf"|identification number|id (?:number|num|no|#)|policy ?holder ?(?:{_NUM})|cust(?:omer)? ref"
)
_FILE_WORDS: Final = (
    "employee staff personnel payroll worker badge student pupil matriculation enrollment enrolment"
    " applicant application candidate case "
    "docket claimant inmate prisoner booking offender user participant subject enrollee trial"
    " protocol research "
    "voter ration library loyalty reward rewards frequent membership military service veteran va unique"
    " person personal national identity "
    "identification individual resident citizen tax file driver caller contact record matrikelnummer "
    "personalnummer aktenzeichen expediente num\xe9ro id policy policyholder cust customer"
)
# A plate: letters and figures in two or three short groups, both of them present.
_PLATE_FORM: Final = (
    r"(?=[A-Z]{0,4}(?:[ -]?[A-Z]{1,4})?[ -]?\d)(?=\d{0,4}(?:[ -]?\d{1,4})?[ -]?[A-Z])"
    r"[A-Z0-9]{1,4}(?:[ -]?[A-Z0-9]{1,4}){1,3}"
)
_PLATE_LABEL: Final = (
    r"(?:[Ll]icen[cs]e|[Nn]umber|[Rr]egistration|[Cc]ar|[Vv]ehicle|[Aa]uto)\.? (?:[Pp]lates?|tags?)"
    r"|[Rr]eg(?:istration)?\.? (?:no|number|mark)"
    r"|(?:[Vv]ehicle|[Cc]ar|[Vv]an|[Tt]ruck)(?:'s)? (?:[Rr]eg(?:istration)?|no|number)"
    r"|[Pp]lates?|[Kk]ennzeichen|[Mm]atr\xedcula|[Ii]mmatriculation|[Pp]laque|[Tt]arga|[Kk]enteken"
    r"|[Pp]laca|VRN|[Tt]ag"
)
_PLATE_WORDS: Final = (
    "plate plates license licence number registration car vehicle reg kennzeichen matr\xedcula "
    "immatriculation plaque targa kenteken placa vrn auto tag tags van truck"
)

LABELLED_RULES: Final[tuple[RuleSet, ...]] = (
    RuleSet(
        name="rules.mrn",
        entity="MRN",
        rules=(
            _labelled(_MRN_LABEL, 3, _MRN_WORDS, score=0.9, dates=True),
            _labelled(_CHART_LABEL, 4, _CHART_WORDS, name="chart"),
            _after(
                r"e?mrn|medical record|chart (?:no|number)|patient id", 4, "mrn emrn medical chart patient"
            ),
        ),
    ),
    RuleSet(
        name="rules.plan",
        entity="US_HEALTH_INSURANCE_MEMBER_ID",
        rules=(
            _labelled(_PLAN_LABEL, 4, _PLAN_WORDS, score=0.74),
            _after(
                r"member id|policy number|health plan|hpbn|subscriber",
                4,
                "member policy health hpbn subscriber",
            ),
        ),
    ),
    RuleSet(
        name="rules.account",
        entity="US_BANK_NUMBER",
        rules=(_labelled(_ACCOUNT_LABEL, 4, _ACCOUNT_WORDS, score=0.8),),
    ),
    RuleSet(
        name="rules.licence",
        entity="LICENSE_NUMBER",
        rules=(_labelled(_LICENCE_LABEL, 4, _LICENCE_WORDS, score=_OUTRANKED),),
    ),
    RuleSet(
        name="rules.passport",
        entity="PASSPORT",
        rules=(_labelled(_PASSPORT_LABEL, 5, _PASSPORT_WORDS, score=_OUTRANKED),),
    ),
    RuleSet(
        name="rules.device",
        entity="DEVICE_ID",
        rules=(
            _labelled(_DEVICE_LABEL, 2, _DEVICE_WORDS, score=0.82),
            Rule(  # GS1: application identifiers 01 (device), then 11, 17, 10, 21
                name="UDI",
                regex=r"\(01\)\d{14}(?:\((?:1[017]|21)\)[A-Z0-9-]{1,20}){0,4}",
                score=0.9,
                digits=16,
                words=frozenset(("01",)),
            ),
        ),
    ),
    RuleSet(
        name="rules.biometric",
        entity="BIOMETRIC_ID",
        rules=(_labelled(_BIOMETRIC_LABEL, 4, _BIOMETRIC_WORDS, score=0.82),),
    ),
    RuleSet(
        name="rules.labelled.ssn",
        entity="US_SSN",
        rules=(
            Rule(  # whatever the agency would never issue: who writes "SSN" before it means one
                name="labelled",
                regex=(
                    rf"\b(?:ssn?|ss#|social(?: security)?(?: card)?)(?: ?(?:{_NUM}))?{_ENDS}{_LINK}"
                    r"(?P<value>(?:\d[ .-]?){8}\d|[\dxX*]{3}[ .-][\dxX*]{2}[ .-][\dxX*]{3,4})(?![\w-])"
                ),
                score=0.8,
                words=_words("ssn ss social"),
            ),
        ),
    ),
    RuleSet(
        name="rules.labelled.card",
        entity="CREDIT_CARD",
        rules=(
            Rule(  # with a digit mistyped or some of them masked
                name="labelled",
                regex=(
                    rf"\b(?:(?:credit|debit|payment|bank|visa|mastercard|amex) card|card|visa|mastercard|amex)"
                    rf"(?: ?(?:{_NUM}))?{_ENDS}{_LINK}(?P<value>(?:[\dxX*][ .-]?){{12,18}}\d)(?![\w-])"
                ),
                score=0.7,
                digits=1,
                words=_words("card visa mastercard amex"),
            ),
        ),
    ),
    RuleSet(
        name="rules.labelled.iban",
        entity="IBAN_CODE",
        rules=(
            Rule(
                name="labelled",
                regex=rf"\biban(?: ?(?:{_NUM}))?{_ENDS}{_LINK}(?P<value>[A-Z]{{2}}\d{{2}}(?: ?[A-Z0-9]){{8,30}})(?!\w)",
                score=0.7,
                digits=2,
                words=_words("iban"),
            ),
        ),
    ),
    RuleSet(
        name="rules.labelled.national",
        entity="OTHER_ID",
        rules=(
            _labelled(
                r"(?:aadha?ar|pan|voter(?: id)?|epic|gstin|ifsc|micr|uan|nino|ni|nhs|sin|tfn|bsn|cpf|rut|nric"
                r"|cnic|nin|nif|dni"
                r"|nie|steuer-?id|personalausweis|curp|rfc|tax id|tin|itin|ein|vat|siret|siren|abn|swift|bic)"
                rf"(?: card)? ?(?:{_NUM})",
                4,
                "aadhaar aadhar pan voter voterid epic gstin ifsc micr uan nino ni nhs sin tfn bsn cpf rut nric"
                " cnic nin nif "
                "dni nie steuer steuerid personalausweis curp rfc tax taxid tin itin ein vat siret siren abn swift bic",
                score=0.45,
            ),
        ),
    ),
    RuleSet(
        name="rules.claim",
        entity="US_CLAIM_NUMBER",
        rules=(_labelled(rf"(?:insurance )?claim(?: ?(?:{_NUM}))?", 5, "claim claims insurance", score=0.8),),
    ),
    RuleSet(
        name="rules.referral",
        entity="US_REFERRAL_NUMBER",
        rules=(_labelled(rf"referral ?(?:{_NUM})", 4, "referral", score=0.6),),
    ),
    RuleSet(
        name="rules.authorization",
        entity="US_PRIOR_AUTHORIZATION_NUMBER",
        rules=(
            _labelled(
                rf"(?:prior |pre-?)?auth(?:ori[sz]ation)?(?: ?(?:{_NUM}))?",
                4,
                "auth authorization authorisation prior pre preauth preauthorization preauthorisation",
                score=0.6,
            ),
        ),
    ),
    RuleSet(
        name="rules.passport.uk",
        entity="UK_PASSPORT",
        cues=("british", "uk", "hmpo", "great britain", "united kingdom"),
        rules=(
            Rule(
                name="british",
                regex=r"\bpassport\b[^.\n\d]{0,40}(?P<value>\d{9})(?!\w)",
                score=0.0,
                near=0.6,
                digits=9,
                words=frozenset(("passport",)),
            ),
        ),
    ),
    RuleSet(
        name="rules.provider.tax",
        entity="US_PROVIDER_TAX_ID",
        cues=("provider", "billing", "clinic", "practice", "npi", "rendering", "physician", "hospital"),
        rules=(
            Rule(
                name="labelled",
                regex=rf"\b(?:tax id|tin|ein|fein)(?: ?(?:{_NUM}))?{_ENDS}{_LINK}(?P<value>\d{{2}}-?\d{{7}})(?![\w-])",
                score=0.0,
                near=0.9,
                digits=9,
                words=_words("tax tin ein fein"),
            ),
        ),
    ),
    RuleSet(
        name="rules.mbi",
        entity="US_MBI",
        cues=("medicare", "mbi", "beneficiary"),
        rules=(
            Rule(  # CMS: positions 2, 5, 8 and 9 are letters without S L O I B Z
                name="form",
                regex=(
                    r"(?<![\w-])[1-9][AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y\d]\d-?[AC-HJKMNP-RT-Y][AC-HJKMNP-RT-Y\d]\d-?"
                    r"[AC-HJKMNP-RT-Y]{2}\d{2}(?![\w-])"
                ),
                score=0.0,
                near=0.9,
                digits=5,
            ),
        ),
    ),
    RuleSet(
        name="rules.file",
        entity="OTHER_ID",
        rules=(_labelled(_FILE_LABEL, 4, _FILE_WORDS, score=0.5),),
    ),
    RuleSet(
        name="rules.file.list",
        entity="OTHER_ID",
        cues=(
            *(
                "application",
                "no",
                "nos",
                "case",
                "file",
                "complaint",
                "docket",
                "reference",
                "proceedings",
                "judgment",
                "decision",
            ),
            *("dossier", "aktenzeichen", "az", "asunto", "affaire"),
        ),
        rules=(
            Rule(  # file numbers of courts and offices, one or a list: "nos. 28045/02 and 8374/03"
                name="number and year",
                regex=(
                    r"(?<![\w/.-])\d{3,6}/(?:(?:19|20)\d{2}|\d{2})(?![\w/])"
                    r"(?:(?:,|;|,? and|,? or) \d{3,6}/(?:(?:19|20)\d{2}|\d{2})(?![\w/])){0,30}"
                ),
                score=0.0,
                near=0.5,
                digits=5,
                chars="/",
            ),
        ),
    ),
    RuleSet(
        name="rules.imei",
        entity="IMEI",
        cues=("imei", "phone", "handset", "device", "iphone", "android", "mobile"),
        rules=(
            Rule(
                name="form",
                regex=r"(?<![\w.-])\d{2}[ -]?\d{6}[ -]?\d{6}[ -]?\d(?![\w-])",
                score=0.0,
                check="imei",
                check_needs_cue=True,
                digits=15,
            ),
        ),
    ),
    RuleSet(
        name="rules.plate",
        entity="LICENSE_PLATE",
        rules=(
            Rule(
                name="labelled",
                regex=rf"\b(?:{_PLATE_LABEL}){_NUMBER_WORD}{_ENDS}{_LINK}(?P<value>{_PLATE_FORM}){_TAIL}",
                score=0.8,
                words=_words(_PLATE_WORDS),
                flags=re.NOFLAG,
            ),
        ),
    ),
)
