"""Rules for postal addresses: streets of a dozen countries, units, boxes and postal codes, co-ordinates.

An address in digits and capitals is found by its form; one in lower case needs the kind of street as a word, a
postal code the state, town or label before it.
"""

from __future__ import annotations

import re
from typing import Final

from vault.redaction.patterns import Rule, RuleSet
from vault.redaction.tries import either

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
_STREET: Final = either([*_STREET_KINDS.split("|"), *_STREET_KINDS.upper().split("|")])
_STREET_WORDS: Final = frozenset(_STREET_KINDS.lower().split("|"))
_PLAIN_KINDS: Final = (
    "street|st|avenue|ave|av|road|rd|boulevard|blvd|lane|ln|drive|dr|court|ct|place|pl|terrace|way"
    "|circle|cir|square|sq|parkway"
    "|pkwy|highway|hwy|crescent|close|grove|gardens|trail|trl|terrace|alley|mews|plaza|loop|row"
)
_PLAIN_WORDS: Final = frozenset(_PLAIN_KINDS.split("|"))
_UNIT_KINDS: Final = (
    "Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm|Flat|Bldg|Building|Lot|Piso|Apto|Bloco|Appt"
)
_UNIT: Final = (
    rf"(?:,?[ \n]{{1,3}}(?:{_UNIT_KINDS})\b\.? ?#?(?:\d[\w-]{{0,5}}|[A-Z]\d{{0,4}}\b)|,? # ?[\w-]{{1,6}})?"
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
)
