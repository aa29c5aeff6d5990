"""Organisations, streets and other places, composed by pattern so that their shape teaches, not a list."""

from __future__ import annotations

import random
from typing import Final

from training.corpus.lexicon import Pool, cities, countries, draw_name, english_cities, regions

_STATES: Final = tuple(
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|Delaware|Florida|Georgia|Hawaii|Idaho|"
    "Illinois|Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|Michigan|Minnesota|Mississippi|"
    "Missouri|Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|North Carolina|North Dakota|"
    "Ohio|Oklahoma|Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|Tennessee|Texas|Utah|Vermont|"
    "Virginia|Washington|West Virginia|Wisconsin|Wyoming|Ontario|Quebec|British Columbia|Alberta|Manitoba|"
    "Nova Scotia|New South Wales|Queensland|Tasmania|Victoria|Bavaria|Saxony|Tuscany|Sicily|Lombardy|Catalonia|"
    "Andalusia|Galicia|Brittany|Normandy|Provence|Scotland|Wales|Cornwall|Kent|Essex|Yorkshire|Kerala|Punjab|"
    "Gujarat|Bihar|Goa|Maharashtra|Tamil Nadu|Bengal|Flanders|Wallonia|Crimea|Anatolia|Transylvania".split("|")
)
STATE_CODES: Final = tuple(
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR "
    "PA RI SC SD TN TX UT VT VA WA WV WI WY DC".split()
)
_FAMOUS: Final = tuple(
    "London|Paris|New York|Berlin|Madrid|Rome|Tokyo|Chicago|Boston|Austin|Seattle|Los Angeles|San Francisco|LA|NYC|"
    "Dublin|Lisbon|Vienna|Warsaw|Prague|Budapest|Athens|Istanbul|Cairo|Lagos|Nairobi|Mumbai|Delhi|Bangalore|"
    "Shanghai|Beijing|Seoul|Sydney|Melbourne|Toronto|Vancouver|Montreal|Mexico City|Buenos Aires|Rio|São Paulo|"
    "Washington DC|Miami|Denver|Dallas|Houston|Phoenix|Portland|Atlanta|Philadelphia|San Diego|Las Vegas|Manchester|"
    "Glasgow|Edinburgh|Liverpool|Leeds|Bristol|Cardiff|Belfast|Oxford|Cambridge|Brussels|Amsterdam|Rotterdam|"
    "Copenhagen|Oslo|Stockholm|Helsinki|Zurich|Geneva|Milan|Naples|Venice|Florence|Barcelona|Valencia|Seville|"
    "Munich|Hamburg|Cologne|Frankfurt|Lyon|Marseille|Kyiv|Moscow|Dubai|Tel Aviv|Jerusalem|Singapore|Hong Kong|"
    "Bangkok|Jakarta|Manila|Hanoi|Nashville|Brooklyn|Manhattan|Queens|Hollywood|Silicon Valley|Gaza|Syria|UK|US|USA|"
    "the UK|the US|the United States|the Netherlands|Russia|Iran|England|Britain|Korea|South Korea|Taiwan|Vietnam|"
    "Turkey|Europe|Africa|Asia|South America|North America|the Middle East|the Balkans|Scandinavia|Tibet|Kosovo|"
    "the Bay Area|the Midwest|the West Coast|the East Coast|New England|East London|North London|Central America".split("|")
)
_AMBIGUOUS: Final = (
    "Paris Jordan Chelsea Virginia Georgia Florence Victoria Sydney Austin Charlotte Chad Israel Kenya India Asia "
    "Savannah Dakota Carolina Madison Jackson Lincoln Houston Dallas Phoenix Brooklyn Chester Kent Devon Adelaide "
    "Alexandria Bristol Santiago Sofia Vienna Milan Orlando Lourdes Troy Tyrone Washington Cleveland Hamilton Regina "
    "Aurora Helena Eugene Marion Logan Camden Lancaster Preston Lincoln York Nancy Verona Siena Geneva"
).split()
_NATURE: Final = "River|Lake|Mount|Bay of|Cape|Isle of|Gulf of|Port|Fort|Strait of|Valley of".split("|")
_AFTER: Final = (
    "River|Lake|Mountains|Valley|Beach|Island|Islands|Bay|Creek|Falls|Canyon|National Park|Forest|Hills|Peninsula|"
    "Desert|Park|Bridge|Tower|Castle|Cathedral|Square|Airport|Station|Gardens|Harbour|Pier|Market|Lighthouse|Trail"
).split("|")
_SUBURB: Final = (
    "North {}|South {}|East {}|West {}|Old {}|Upper {}|Lower {}|{} Heights|{} Hills|{} Park|{} Village|{} Grove|"
    "{} Green|New {}|{} Springs|{} Junction|{} Quarter|Little {}|{} County|{} District|{} Township|{} Borough"
).split("|")
_STREET: Final = (
    "Street|St|St.|Road|Rd|Rd.|Avenue|Ave|Ave.|Lane|Ln|Drive|Dr|Court|Ct|Boulevard|Blvd|Way|Place|Close|Crescent|"
    "Terrace|Parkway|Square|Highway|Circle|Row|Mews|Gardens|Hill|Walk|Trail"
).split("|")
_STREET_WORDS: Final = (
    "Oak|Maple|Elm|Pine|Cedar|Main|High|Church|Station|Mill|Park|King|Queen|Victoria|Green|River|Lake|Hill|Sunset|"
    "Spring|Meadow|Willow|Birch|Chestnut|Highland|Forest|Garden|Bridge|Market|North|South|West|East|School|Bay|"
    "Orchard|Prairie|Harbor|Union|Liberty|Canal|Grove|Walnut|Ash|Cherry|Juniper|Magnolia|Sycamore|Ridge|Valley|"
    "1st|2nd|3rd|4th|5th|7th|12th|23rd|42nd|St James's|Chapel|Castle|Cathedral|Commercial|Windmill|Quarry|Foundry"
).split("|")
_FOREIGN_STREET: Final = (
    "{}straße {n}|{}str. {n}|{}gasse {n}|Rue {} {n}|{n} rue {}|{n}, avenue {}|Via {} {n}|Via {}, {n}|Calle {} {n}|"
    "Calle de {}, {n}|C/ {} {n}|Avenida {} {n}|Rua {} {n}|Rua {}, {n}|Av. {}, {n}|ul. {} {n}|{}straat {n}|{}laan {n}|"
    "{}gatan {n}|{}vej {n}|{}katu {n}|Piazza {} {n}|Plaza {} {n}|Platz der {} {n}|{} utca {n}|{} Marg {n}"
).split("|")
_UNIT: Final = "Apt {}|Apt. {}|Suite {}|Unit {}|Flat {}|#{}|Floor {}|Apartment {}|Ste {}|Room {}".split("|")

_INDUSTRY: Final = (
    "Health|Energy|Logistics|Systems|Capital|Partners|Foods|Media|Labs|Robotics|Software|Analytics|Pharma|"
    "Insurance|Consulting|Motors|Airlines|Industries|Technologies|Solutions|Holdings|Ventures|Networks|Security|"
    "Biotech|Therapeutics|Diagnostics|Construction|Properties|Interiors|Textiles|Chemicals|Shipping|Aerospace|"
    "Marine|Steel|Mining|Petroleum|Telecom|Wireless|Entertainment|Records|Studios|Publishing|Press|Design|Dental|"
    "Medical Group|Financial|Investments|Electric|Plumbing|Roofing|Catering|Brewing Company|Coffee Roasters|Bakery|"
    "Outfitters|Sports|Fitness|Travel|Tours|Rentals|Auto Repair|Cleaners|Freight|Freight Lines|Asset Management"
).split("|")
_LEGAL_FORM: Final = (
    "Inc.|Inc|, Inc.|LLC|Ltd|Ltd.|Limited|plc|PLC|Corp.|Corp|Corporation|Co.|& Co.|GmbH|AG|KG|GmbH & Co. KG|S.A.|SA|"
    "SARL|SAS|S.r.l.|S.p.A.|B.V.|N.V.|AB|ApS|A/S|AS|Oy|Sp. z o.o.|Kft.|a.s.|d.o.o.|Pty Ltd|Pvt Ltd|LLP|LP|L.L.C.|"
    "S.L.|Lda|Ltda|K.K.|Group|Holdings Ltd|International|Group plc|Holding AG"
).split("|")
_COINED: Final = (
    "Nova|Vertex|Lumen|Quanta|Helio|Strato|Bright|Clear|Blue|Iron|Silver|North|Arc|Astra|Terra|Aqua|Omni|Meta|Neo|"
    "Hyper|Micro|Tele|Inter|Trans|Pan|Uni|Apex|Summit|Pinnacle|Cobalt|Ember|Falcon|Harbor|Juniper|Keystone|Lattice|"
    "Maple|Nimbus|Orbit|Pioneer|Quill|Raven|Sierra|Tango|Umbra|Vista|Willow|Zephyr|Cedar|Delta|Echo|Fern|Granite"
).split("|")
_COINED_END: Final = (
    "ix|ware|soft|tech|gen|link|path|point|stone|field|bridge|works|craft|hub|ly|ify|io|a|on|us|ia|media|data|net|"
    "wave|light|forge|sight|scale|mind|pay|cart|fleet|med|bio|care|core|space|nest|loop|spark|flow|stack|grid"
).split("|")
_CARE: Final = (
    "General Hospital|Hospital|Medical Center|Clinic|Health Centre|Community Hospital|Children's Hospital|"
    "Memorial Hospital|University Hospital|Regional Medical Center|Family Practice|Dental Practice|Urgent Care|"
    "Surgery Center|Hospice|Nursing Home|Rehabilitation Center|Cancer Center|Eye Clinic|Cardiology Associates|"
    "Health System|Medical Group|Pediatrics|Orthopedics|Pharmacy|Infirmary|NHS Trust|Veterans Affairs Medical Center"
).split("|")
_SCHOOL: Final = (
    "University|College|High School|Elementary School|Primary School|Community College|Grammar School|Academy|"
    "Middle School|State University|Institute of Technology|Business School|Law School|Montessori School|Polytechnic"
).split("|")
_CIVIC: Final = (
    "{} City Council|{} Police Department|{} District Court|{} County Court|{} Fire Department|Court of Appeal of {}|"
    "{} Regional Court|{} Chamber of Commerce|{} Public Library|{} Food Bank|{} Housing Authority|City of {}|"
    "{} Borough Council|{} Town Council|{} Sheriff's Office|{} School District|Bank of {}|University of {}|{} FC|"
    "{} United|{} City|{} Tigers|{} Wanderers|{} Eagles|{} Symphony Orchestra|{} Historical Society|{} Times|{} Herald|"
    "{} Gazette|{} Tribune|{} Airways|{} Museum of Art|Radio {}|{} Transit Authority|{} Housing Association|{} Lions|"
    "{} Rugby Club|Diocese of {}|{} Water Board|{} Prison|Port Authority of {}|{} Family Court|{} Tax Office"
).split("|")
_NATIONAL: Final = (
    "Ministry of {}|Department of {}|Federal Office of {}|National Institute of {}|Bureau of {}|{} Agency|"
    "National {} Association|World {} Organization|International {} Federation|{} Commission|{} Workers Union|"
    "Royal Society of {}|American {} Society|European {} Agency|Institute for {}|Center for {} Research|{} Foundation"
).split("|")
_FIELD: Final = (
    "Health|Justice|Education|Defence|Finance|Agriculture|Labour|Transport|the Interior|Energy|Foreign Affairs|"
    "Statistics|Immigration|Housing|Trade|Aviation|Cancer|Nursing|Teachers|Chess|Cycling|Rowing|Poetry|Physics|"
    "Chemistry|Wildlife|Ocean|Space|Railway|Heritage|Tourism|Veterans|Fisheries|Standards|Food Safety|Refugees"
).split("|")
_KNOWN: Final = (
    "Google|Microsoft|Amazon|Apple|Facebook|Meta|Netflix|Tesla|IBM|Intel|Oracle|Uber|Airbnb|Twitter|YouTube|Reddit|"
    "NASA|FBI|CIA|NHS|BBC|CNN|UN|EU|NATO|WHO|UNICEF|IKEA|Nike|Adidas|Sony|Samsung|Toyota|BMW|Ford|Honda|Starbucks|"
    "McDonald's|Walmart|Target|Tesco|Lidl|Costco|HSBC|Barclays|Citibank|Wells Fargo|JPMorgan|Goldman Sachs|Deloitte|"
    "KPMG|Accenture|Siemens|Bosch|Nestlé|Unilever|Pfizer|Novartis|Red Cross|Harvard|Stanford|MIT|Yale|Oxford|UCLA|"
    "the Red Cross|the FBI|the UN|the EU|Congress|the Senate|Parliament|the White House|the Supreme Court|GOP|IRS|FDA|"
    "the Democratic Party|Labour|the Labour Party|Manchester United|Liverpool|Arsenal|Real Madrid|the Lakers|Yankees|"
    "Spotify|LinkedIn|Instagram|WhatsApp|Disney|Marvel|HBO|Fox News|ESPN|New York Times|Reuters|Boeing|Airbus|UPS|"
    "FedEx|DHL|Verizon|T-Mobile|Vodafone|Kaiser Permanente|Mayo Clinic|Blue Cross|Aetna|Cigna|Best Buy|Home Depot|"
    "European Court of Human Rights|Supreme Court|Constitutional Court|Court of Cassation|Public Prosecutor's Office"
).split("|")
_SURNAME_FIRM: Final = (
    "{0} & Sons|{0} and Sons|{0} & Daughters|{0} Brothers|{0} Bros.|{0} & {1}|{0}, {1} & {2}|{0} {1} LLP|{0} & {1} LLP|"
    "{0} Law Group|Law Offices of {0}|{0} Attorneys at Law|{0} Solicitors|{0} & Partners|{0} Bank|{0} Funeral Home|"
    "{0} Realty|{0} Group|{0}'s Bakery|{0}'s Diner|{0}'s Hardware|{0} Foundation|{0} Trust|{0} and {1} Architects"
).split("|")


def _city(rng: random.Random, held: bool) -> str:
    source: Pool = english_cities(held=held) if rng.random() < 0.5 else cities(held=held)
    return source.draw(rng)


def city(rng: random.Random, *, held: bool) -> str:
    """A city or town; now and then one so well known that it needs no context."""
    return rng.choice(_FAMOUS) if not held and rng.random() < 0.22 else _city(rng, held)


def state(rng: random.Random, *, held: bool) -> str:
    return regions(held=held).draw(rng) if rng.random() < 0.2 else rng.choice(_STATES)


def country(rng: random.Random) -> str:
    return countries().draw(rng)


def ambiguous_place(rng: random.Random) -> str:
    """A place whose name is as well a person's."""
    return rng.choice(_AMBIGUOUS)


def neighbourhood(rng: random.Random, *, held: bool) -> str:
    chance = rng.random()
    stem = draw_name(rng, "last", held=held, region="english") if chance < 0.5 else _city(rng, held)
    return rng.choice(_SUBURB).format(stem)


def landmark(rng: random.Random, *, held: bool) -> str:
    """A river, park, bridge or the like, named after a person or a town."""
    stem = draw_name(rng, "last", held=held, region="english") if rng.random() < 0.5 else _city(rng, held)
    return f"{rng.choice(_NATURE)} {stem}" if rng.random() < 0.25 else f"{stem} {rng.choice(_AFTER)}"


def place(rng: random.Random, *, held: bool) -> str:
    """Any location."""
    chance = rng.random()
    if chance < 0.6:
        return city(rng, held=held)
    if chance < 0.72:
        return country(rng)
    if chance < 0.82:
        return state(rng, held=held)
    return neighbourhood(rng, held=held) if chance < 0.9 else landmark(rng, held=held)


def road(rng: random.Random, *, held: bool) -> str:
    """A street without a number."""
    chance = rng.random()
    if chance < 0.5:
        stem = rng.choice(_STREET_WORDS)
    else:
        stem = draw_name(rng, "last", held=held, region="english") if chance < 0.85 else _city(rng, held)
    quarter = rng.choice(("N ", "S. ", "West ", "NE ")) if rng.random() < 0.08 else ""
    return f"{quarter}{stem} {rng.choice(_STREET)}"


def street(rng: random.Random, *, held: bool) -> str:
    """A street line with its house number."""
    number = str(rng.randint(1, 99) if rng.random() < 0.5 else rng.randint(100, 19999))
    if rng.random() < 0.06:
        number += rng.choice("ABCab")
    chance = rng.random()
    if chance < 0.18:
        stem = draw_name(rng, "last", held=held, region="world")
        return rng.choice(_FOREIGN_STREET).format(stem, n=number)
    if chance < 0.23:
        return f"{rng.choice(('P.O. Box', 'PO Box', 'P.O. Box'))} {rng.randint(10, 99999)}"
    line = f"{number} {road(rng, held=held)}"
    if rng.random() < 0.2:
        unit = rng.choice(_UNIT).format(rng.choice((rng.randint(1, 900), f"{rng.randint(1, 30)}{rng.choice('ABCD')}")))
        line += f"{rng.choice((', ', ' '))}{unit}"
    return line


def company(rng: random.Random, *, held: bool) -> str:
    """A firm: coined, named after people, or after a place."""
    chance = rng.random()
    coined = 0.35 <= chance < 0.55
    if chance < 0.35:
        return rng.choice(_SURNAME_FIRM).format(*(draw_name(rng, "last", held=held) for _ in range(3)))
    if chance < 0.55:
        core = rng.choice(_COINED) + rng.choice(_COINED_END)
    elif chance < 0.7:
        core = draw_name(rng, "last", held=held)
    elif chance < 0.8:
        core = _city(rng, held)
    elif chance < 0.88:
        core = "".join(rng.choice("ABCDEFGHIKLMNOPRSTUVWXZ") for _ in range(rng.randint(2, 4)))
    else:
        core = rng.choice(_COINED)
    chance = rng.random()
    if chance < 0.35:
        return f"{core} {rng.choice(_INDUSTRY)}"
    form = rng.choice(_LEGAL_FORM)
    joined = "" if form.startswith(",") else " "
    if chance < 0.65:
        return f"{core} {rng.choice(_INDUSTRY)}{joined}{form}"
    return core if coined and chance > 0.85 else f"{core}{joined}{form}"


def care(rng: random.Random, *, held: bool) -> str:
    """A hospital, clinic, practice or pharmacy."""
    chance = rng.random()
    if chance < 0.3:
        stem = _city(rng, held)
    elif chance < 0.55:
        stem = draw_name(rng, "last", held=held)
    elif chance < 0.8:
        stem = rng.choice(("St. ", "St ", "Saint ", "Our Lady of ", "Mount ")) + draw_name(rng, "first", held=held)
        stem += rng.choice(("'s", "'s", ""))
    else:
        stem = rng.choice(_COINED + _STREET_WORDS[:20])
    return f"{stem} {rng.choice(_CARE)}" if chance < 0.7 or chance > 0.8 or not stem.endswith("'s") else stem


def school(rng: random.Random, *, held: bool) -> str:
    stem = _city(rng, held) if rng.random() < 0.55 else draw_name(rng, "last", held=held, region="english")
    return f"{stem} {rng.choice(_SCHOOL)}"


def agency(rng: random.Random, *, held: bool) -> str:
    """A public body, club, paper or association."""
    if rng.random() < 0.7:
        return rng.choice(_CIVIC).format(_city(rng, held))
    return rng.choice(_NATIONAL).format(rng.choice(_FIELD))


def organisation(rng: random.Random, *, held: bool) -> str:
    """Any organisation."""
    chance = rng.random()
    if chance < 0.4:
        return company(rng, held=held)
    if chance < 0.55:
        return care(rng, held=held)
    if chance < 0.66:
        return school(rng, held=held)
    return rng.choice(_KNOWN) if not held and chance > 0.82 else agency(rng, held=held)
