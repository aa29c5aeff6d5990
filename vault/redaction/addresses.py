"""Rules for postal addresses: streets of a dozen countries, units, boxes and postal codes, co-ordinates.

An address in digits and capitals is found by its form; one in lower case needs the kind of street as a word, a
postal code the state, town or label before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from vault.redaction.patterns import Rule, RuleSet
from vault.types import Finding

_STREET_KINDS: Final = (
    "Street|St|Avenue|Ave|Av|Boulevard|Blvd|Road|Rd|Lane|Ln|Drive|Dr|Court|Ct|Place|Pl|Terrace|Ter|Way"
    "|Circle|Cir|Square|Sq"
    "|Parkway|Pkwy|Highway|Hwy|Trail|Trl|Alley|Crescent|Close|Row|Walk|Mews|Plaza|Loop|Run|Ridge|Hill"
    "|Grove|Gardens|Park"
    "|Expressway|Expy|Turnpike|Tpke|Pike|Path|Point|Pass|Bend|Cove|Creek|Crossing|Heights|Junction"
    "|Landing|Manor|Mill|Mills"
    "|Meadow|Meadows|Orchard|Overlook|Shore|Shores|Springs|Station|Summit|Valley|View|Views|Village"
    "|Ville|Vista|Wells|Causeway"
    "|Centre|Center|Cape|Bluff|Branch|Bridge|Brook|Camp|Canyon|Cliff|Corner|Corners|Course|Dale|Estate"
    "|Estates|Extension|Falls"
    "|Ferry|Field|Fields|Flats|Ford|Forest|Forge|Fork|Forks|Fort|Freeway|Gateway|Glen|Green|Harbor"
    "|Haven|Hollow|Inlet|Island"
    "|Isle|Key|Knoll|Knolls|Lake|Lakes|Light|Lodge|Oval|Parade|Esplanade|Plain|Plains|Port|Prairie"
    "|Ranch|Rapids|Rest|River"
    "|Route|Spur|Stream|Throughway|Trace|Track|Trafficway|Tunnel|Underpass|Union|Viaduct|Wall"
)
_STREET: Final = f"(?:{_STREET_KINDS})"
_STREET_WORDS: Final = frozenset(_STREET_KINDS.lower().split("|"))
_PLAIN_KINDS: Final = (
    "street|st|avenue|ave|av|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|place|pl|terrace|way"
    "|circle|cir|square|sq|parkway"
    "|pkwy|highway|hwy|crescent|close|grove|gardens"
)
_PLAIN_WORDS: Final = frozenset(_PLAIN_KINDS.split("|"))
_UNIT_KINDS: Final = (
    "Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm|Flat|Bldg|Building|Lot|Piso|Apto|Bloco|Appt"
)
_UNIT: Final = (
    rf"(?:,?[ \n]{{1,3}}(?:{_UNIT_KINDS})\b\.? ?#?(?:\d[\w-]{{0,5}}|[A-Z]\d{{0,4}}\b)|,? # ?[\w-]{{1,6}})?"
)
_STATES: Final = (
    "(?:A[AEPLKZR]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[ARW]|RI|S[CD]|T[NX]|UT"
    "|V[AIT]|W[AIVY]|GU|AS|MP|FM|MH)"
)
_STATE_NAMES: Final = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii"
    "|Idaho|Illinois|Indiana"
    "|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi"
    "|Missouri|Montana|Nebraska"
    "|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|Ohio|Oklahoma"
    "|Oregon|Pennsylvania"
    "|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|Virginia|Washington|West"
    " Virginia|Wisconsin|Wyoming"
)
_NAME: Final = r"[^\W\d_][\w'\u2019.-]{0,24}"
_CAPITAL: Final = r"[A-Z\u00c0-\u00de0-9][\w'\u2019.-]{0,24}"

# Streets named kind first (Romance languages): what may stand between kind and number.
_KIND_FIRST: Final = (
    "calle|c/|avenida|avda|av|paseo|plaza|plaça|pza|camino|carrer|carretera|ronda|rue|avenue|boulevard"
    "|bd|place|chemin"
    "|impasse|allée|allee|quai|cours|route|via|viale|piazza|corso|vicolo|largo|rua|avenida|travessa|praça|alameda"
    "|estrada|rodovia|lungomare|strada|ulica|ul|cami\u00f1o|camiño|calzada|jalan|jl|jirón|carrera"
)
_KIND_FIRST_WORDS: Final = frozenset(word.strip("/") for word in _KIND_FIRST.split("|")) | {"c"}
# Streets whose kind ends the word (Germanic languages).
_ENDINGS: Final = (
    "stra\xdfe|strasse|str\\.|gasse|weg|allee|platz|ring|damm|ufer|straat|laan|plein|gracht|kade|dreef"
    "|singel|steeg|hof"
    "|gatan|v\xe4gen|vej|gade|veien|gata|all\xe9"
)
_HOUSE: Final = r"(?:\d{1,5}(?:[ -]?[a-zA-Z]\b)?(?:[-/]\d{1,4}[a-zA-Z]?)?)"

# What introduces an address, and words that no address goes on with.
_ADDRESS_CUE: Final = (
    r"\b(?:address(?: (?:is|to|with|as|at|now|was|changed|has|from|of|new)){0,3}|(?:lives?|living"
    r"|resid(?:es?|ing)|residence(?: is)?|located"
    r"|arrived|delivered|shipped|mailed|sent|relocated|moved|ship|deliver|mail|send)(?: (?:it|this|them"
    r"|everything|the \w{3,10}|my \w{3,10}))?"
    r" (?:at|to|in|is))[:\s]{1,4}"
)
_NO_ADDRESS_WORD: Final = (
    r"(?!(?:and|but|please|last|thanks|thank|if|which|because|by|today|tomorrow|yesterday|next|this|that"
    r"|with|for|is|was|are|were|since"
    r"|until|from|who|where|when|my|her|his|their|our|your|i|you|he|she|it|we|they|not|as|or|so|then"
    r"|there|here|can|will|would"
    r"|before|after|people|times|minutes|hours|days|weeks|months|years|percent)\b)"
)

ADDRESS_RULES: Final[tuple[RuleSet, ...]] = (
    RuleSet(
        name="rules.street",
        entity="STREET_ADDRESS",
        rules=(
            Rule(
                name="capitalised",
                regex=(
                    r"\b\d{1,6}[A-Za-z]?(?:[-/]\d{1,5})?,? (?:(?:[NSEW]{1,2}|North|South|East|West)\b\.? )?"
                    rf"(?:{_CAPITAL} ){{1,4}}{_STREET}\b\.?(?: (?:[NSEW]{{1,2}}|North|South|East|West)\b)?{_UNIT}"
                ),
                score=0.75,
                check="street",
                digits=1,
                words=_STREET_WORDS,
                flags=re.NOFLAG,
            ),
            Rule(
                name="any case",
                regex=(
                    r"\b\d{1,6} (?:[nsew]\.? |north |south |east |west )?(?:[a-z'.]{3,20} |\d{1,3}(?:st"
                    r"|nd|rd|th) ){1,3}"
                    rf"(?:{_PLAIN_KINDS})\b\.?{_UNIT}"
                ),
                score=0.6,
                check="street",
                digits=1,
                words=_PLAIN_WORDS,
            ),
            Rule(
                name="post office box",
                regex=(
                    r"\b(?:P\.? ?O\.? ?Box|Post Office Box|Postfach|Postbus|Apartado(?: de Correos)?"
                    r"|Caixa Postal|Casella Postale"
                    r"|Bo\xeete Postale|B\.P\.|PMB|PSC|CMR|Private Bag)(?:,? No\.?|,? #|,? )"
                    r" ?\d[\d -]{0,8}\d(?:,? Box \d{1,6})?\b"
                    r"|\b(?:P\.? ?O\.? ?Box|Postfach|Postbus|PSC|CMR) \d\b"
                ),
                score=0.75,
                digits=1,
                words=frozenset(
                    (
                        *(
                            "box",
                            "po",
                            "p",
                            "o",
                            "pobox",
                            "postfach",
                            "postbus",
                            "apartado",
                            "caixa",
                            "casella",
                        ),
                        *("bo\xeete", "b", "pmb", "psc", "cmr", "private", "post"),
                    )
                ),
            ),
            Rule(
                name="military",
                regex=(
                    rf"\b(?:(?:PSC|CMR|Unit) \d{{1,5}},? ?Box \d{{1,6}},? ?|USN[SV] {_CAPITAL} ?,?"
                    rf" ?)?\b(?:APO|FPO|DPO),? A[AEP],? \d{{5}}(?:-\d{{4}})?\b"
                ),
                score=0.85,
                digits=5,
                words=frozenset(("apo", "fpo", "dpo")),
            ),
            Rule(
                name="kind first",
                regex=(
                    rf"(?<!\w)(?:{_KIND_FIRST})\b\.? ?(?:(?:de|del|della|delle|dei|di|da|do|dos|das|la"
                    rf"|las|los|el|le|les|du|des|d'|l'|degli|e)\b ?)"
                    rf"{{0,3}}(?:{_NAME}[ ,]{{1,2}}){{1,5}}(?:n[\xba\xb0o]?\.? ?|n\xfamero |num\.? |km\.?"
                    rf" ?)?{_HOUSE}(?![\w%]|[.:]\d)"
                    r"(?:,? (?:\d{1,2}[\xba\xaa\xb0] ?[A-Za-z]?\b|apto\.? ?\d{1,5}|piso \d{1,2}|bloco \w{1,3}))?"
                ),
                score=0.7,
                check="street",
                digits=1,
                words=_KIND_FIRST_WORDS,
            ),
            Rule(
                name="number, kind first",
                regex=(
                    rf"\b\d{{1,5}}(?: ?(?:bis|ter|quater))?,? (?:rue|avenue|av\.|boulevard|bd|place"
                    rf"|chemin|impasse|all\xe9e|quai|cours|route|via|viale|rua|calle"
                    rf"|avenida|piazza|corso)\b ?(?:(?:de|du|des|la|le|les|l'|d'|del|da|do|di|della)\b"
                    rf" ?){{0,3}}(?:{_NAME}[ -]?){{1,4}}"
                ),
                score=0.65,
                check="street",
                digits=1,
                words=_KIND_FIRST_WORDS,
            ),
        ),
    ),
    RuleSet(
        name="rules.street.block",
        entity="STREET_ADDRESS",
        rules=(
            Rule(
                name="before a unit",
                regex=(
                    r"\b\d{1,6}[A-Za-z]?,? (?:[\w'\u2019.-]{1,24}[ ,]{1,2}){1,5}[ ,\n]{0,3}(?:Apt"
                    r"|Apartment|Suite|Ste|Unit|Flat|Appt|Apto)"
                    r"\b\.? ?#?\d[\w-]{0,5}\b"
                ),
                score=0.7,
                check="street",
                digits=2,
                words=frozenset(("apt", "apartment", "suite", "ste", "unit", "flat", "appt", "apto")),
            ),
            Rule(
                name="after a cue",
                regex=(
                    rf"{_ADDRESS_CUE}(?P<value>\d{{1,6}}[A-Za-z]?(?![\w%$]"
                    rf"|[.:]\d)(?:[ ,\n]{{1,3}}{_NO_ADDRESS_WORD}"
                    r"(?:[\w'\u2019#/-]{2,24}|[A-Za-z]{1,4}\.)){1,14})(?=[.,;!?)\s]|$)"
                ),
                score=0.6,
                check="block",
                digits=1,
                words=frozenset(
                    (
                        *(
                            "address",
                            "lives",
                            "live",
                            "living",
                            "resides",
                            "residing",
                            "residence",
                            "moved",
                            "ship",
                            "shipped",
                        ),
                        *(
                            "deliver",
                            "delivered",
                            "mail",
                            "mailed",
                            "sent",
                            "send",
                            "arrived",
                            "located",
                            "reside",
                            "relocated",
                        ),
                    )
                ),
            ),
        ),
    ),
    RuleSet(
        name="rules.street.ending",
        entity="STREET_ADDRESS",
        rules=(
            Rule(
                name="kind last",
                regex=(
                    rf"(?<!\w)(?:{_CAPITAL}[ -]){{0,2}}{_NAME[:-6]}{{1,24}}(?:{_ENDINGS}) {_HOUSE}(?![\w%]"
                    rf"|[.:,]\d)"
                ),
                score=0.7,
                digits=1,
                hints=(
                    *(
                        "stra\xdfe ",
                        "strasse ",
                        "str. ",
                        "gasse ",
                        "weg ",
                        "allee ",
                        "platz ",
                        "ring ",
                        "damm ",
                        "ufer ",
                    ),
                    *(
                        "straat ",
                        "laan ",
                        "plein ",
                        "gracht ",
                        "kade ",
                        "dreef ",
                        "singel ",
                        "steeg ",
                        "hof ",
                        "gatan ",
                    ),
                    *("v\xe4gen ", "vej ", "gade ", "veien ", "gata ", "all\xe9 "),
                ),
                flags=re.NOFLAG,
            ),
        ),
    ),
    RuleSet(
        name="rules.unit",
        entity="STREET_ADDRESS",
        rules=(
            Rule(
                name="unit",
                regex=(
                    r"\b(?:Apt|Apartment|Suite|Ste|Flat)\b\.? ?#?\d[\w-]{0,5}\b|\b(?:apt|suite|apartment)\.?"
                    r" #?\d{1,5}[a-z]?\b"
                ),
                score=0.5,
                digits=1,
                words=frozenset(("apt", "apartment", "suite", "ste", "flat")),
                flags=re.NOFLAG,
            ),
        ),
    ),
    RuleSet(
        name="rules.zip",
        entity="ZIP_CODE",
        rules=(
            Rule(
                name="after a state",
                regex=rf"\b(?:{_STATES}|{_STATE_NAMES})[ ,\n]{{1,3}}(?P<value>\d{{5}}(?:-\d{{4}})?)(?![\w-])",
                score=0.6,
                digits=5,
                flags=re.NOFLAG,
            ),
        ),
    ),
    RuleSet(
        name="rules.zip.labelled",
        entity="ZIP_CODE",
        rules=(
            Rule(
                name="labelled",
                regex=(
                    r"\b(?:zip(?:[ -]?code)?s?|post(?:al)?[ -]?codes?|postcode|plz|cap|c\.p\.|cp|cep"
                    r"|c\xf3digo postal|code postal"
                    r"|postleitzahl|codice postale|pin[ -]?code|pincode|zip4?)[\s:=#.,]{1,3}(?:(?:is|are"
                    r"|of|was)[\s:]{1,2})?"
                    r"(?P<value>\d{5}-\d{3,4}|\d{3} ?\d{3}|\d{4} ?[A-Z]{2}\b|\d{3} ?\d{2}\b|\d{4,5}"
                    r"|[A-Z]\d[A-Z] ?\d[A-Z]\d"
                    r"|[A-Z]{1,2}\d[A-Z\d]? ?\d[A-Z]{2})(?![\w-])"
                ),
                score=0.8,
                digits=2,
                words=frozenset(
                    (
                        *(
                            "zip",
                            "zipcode",
                            "zips",
                            "zipcodes",
                            "postal",
                            "post",
                            "postcode",
                            "postcodes",
                            "plz",
                            "cap",
                            "c",
                        ),
                        *(
                            "cp",
                            "cep",
                            "c\xf3digo",
                            "code",
                            "postleitzahl",
                            "codice",
                            "pin",
                            "pincode",
                            "zip4",
                            "postalcode",
                        ),
                        *("pincodes", "postalcodes"),
                    )
                ),
            ),
        ),
    ),
    RuleSet(
        name="rules.postal",
        entity="POSTAL_CODE",
        rules=(
            Rule(
                name="with a country letter",
                regex=(
                    r"(?<![\w-])(?:D|A|CH|F|B|L|DK|I|E|NL|SE|FI|N)-\d{4,5}(?: [A-Z]{2}\b)?(?="
                    r" [A-Z\u00c0-\u00de][a-z\u00df-\u00ff])"
                ),
                score=0.6,
                digits=4,
                chars="-",
                flags=re.NOFLAG,
            ),
            Rule(
                name="before a town",
                regex=(
                    r"(?:(?<=, )|(?<=\n)|(?<= in )|(?<=\d )|^)\d{5}(?="
                    r" [A-Z\u00c0-\u00de][a-z\u00df-\u00ff'-]{2,20}(?:[ -]"
                    r"(?:am|an|der|sur|sous|en|de|la|le|les|[A-Z\u00c0-\u00de][a-z\u00df-\u00ff]+))?(?:[.,;\n)]|$))"
                ),
                score=0.5,
                digits=5,
                flags=re.MULTILINE,
            ),
            Rule(
                name="Canadian",
                regex=r"(?<!\w)[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] ?\d[ABCEGHJ-NPRSTV-Z]\d(?!\w)",
                score=0.6,
                digits=3,
                flags=re.NOFLAG,
            ),
            Rule(
                name="Dutch",
                regex=(
                    r"(?<![\w-])[1-9]\d{3} (?!SA|SD|SS|AD|AM|PM|BC|CE|KM|MB|GB|KB|TB|EU|UK|US|MG|ML"
                    r"|CC)[A-Z]{2}(?= ?[A-Z][a-z]{2})"
                ),
                score=0.5,
                digits=4,
                flags=re.NOFLAG,
            ),
            Rule(
                name="Brazilian",
                regex=r"(?<![\w.-])\d{2}\.?\d{3}-\d{3}(?![\w-])",
                score=0.45,
                digits=8,
                chars="-",
            ),
        ),
    ),
    RuleSet(
        name="rules.postcode",
        entity="UK_POSTCODE",
        rules=(
            Rule(
                name="spaced",
                regex=(
                    r"(?<![\w-])(?:[A-PR-UWYZ](?:\d[\dA-HJKPSTUW]?|[A-HK-Y]\d[\dABEHMNPRVWXY]?))"
                    r" \d[ABD-HJLNP-UW-Z]{2}(?![\w-])"
                ),
                score=0.6,
                digits=2,
                flags=re.NOFLAG,
            ),
        ),
    ),
    RuleSet(
        name="rules.coordinates",
        entity="GPS_COORDINATES",
        rules=(
            Rule(
                name="decimal pair",
                regex=(
                    r"(?<![\w.-])[-+]?(?:[1-8]?\d|90)\.\d{3,10}\xb0? ?[NS]?[,;/ ]{1,2}[-+]?(?:1[0-7]\d"
                    r"|[1-9]?\d|180)\.\d{3,10}"
                    r"\xb0? ?[EWO]?(?![\w.])"
                ),
                score=0.8,
                digits=8,
                chars="..",
            ),
            Rule(
                name="degrees",
                regex=(
                    r"(?<![\w.])\d{1,3}(?:\.\d{1,6})?[\xb0\xba] ?(?:\d{1,2}(?:\.\d{1,4})?['\u2032]"
                    r" ?)?(?:\d{1,2}(?:\.\d{1,4})?[\"\u2033] ?)?"
                    r"[NS][, ]{0,2}\d{1,3}(?:\.\d{1,6})?[\xb0\xba] ?(?:\d{1,2}(?:\.\d{1,4})?['\u2032] ?)?"
                    r"(?:\d{1,2}(?:\.\d{1,4})?[\"\u2033] ?)?[EWO]\b"
                ),
                score=0.85,
                digits=2,
            ),
            Rule(
                name="labelled",
                regex=(
                    r"\b(?:lat(?:itude)?|lon(?:g(?:itude)?)?|lng)\b[\"']?[ :=]{1,3}(?:is"
                    r" )?(?P<value>[-+]?\d{1,3}\.\d{2,12})(?![\w.])"
                ),
                score=0.8,
                digits=3,
                hints=("lat", "lon", "lng"),
            ),
            Rule(
                name="geo URI",
                regex=r"\bgeo:-?\d{1,2}\.\d{1,10},-?\d{1,3}\.\d{1,10}",
                score=0.85,
                digits=4,
                hints=("geo:",),
            ),
        ),
    ),
)

_AFTER_STREET: Final = re.compile(
    r"(?:[,\s>?]{1,6}[^\W\d_][\w.'\u2019-]{0,24}){0,8}[,\s>?]{1,6}(?P<code>\d{4,6}(?:-\d{3,4})?)(?=\s{0,3}(?:$|[.,;\n)!?]))"
)


def postal_codes(text: str, streets: Iterable[Finding]) -> Iterator[Finding]:
    """Figures that end the address a street or unit begins, whatever town stands between."""
    for street in streets:
        match = _AFTER_STREET.match(text, street.end)
        if match:
            yield Finding("POSTAL_CODE", *match.span("code"), 0.5, "rules.postal.after")
