"""Special categories of GDPR Art. 9 as tags, and nationalities, beliefs and political groups as NRP.

A tag marks the words that say it, only where the same clause speaks of a person: a disease in a textbook sentence
stays untagged. What a pack makes of a tag is its own business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from vault.redaction.interface import DEFAULT_THRESHOLD
from vault.redaction.normalise import View
from vault.types import Finding

TAG: Final = 0.6
GROUP: Final = 0.5
_REACH: Final = 96  # how far from the words a person may be named, in characters
_CLOSE: Final = 20  # how far a verb of being may stand before a word that says little alone

_LEXICON: Final[dict[str, str]] = {
    "SENSITIVE_HEALTH": (
        "hiv positive|type 1 diabetes|type 2 diabetes|hiv"
        "|aids|cancer|tumor|tumour|leukemia|leukaemia|lymphoma|melanoma|diabetes"
        "|diabetic|epilepsy|epileptic"
        "|depression|bipolar disorder|bipolar|schizophrenia|anxiety disorder|panic attacks|ptsd|adhd"
        "|autism|autistic|dementia"
        "|alzheimer's|alzheimers|parkinson's|parkinsons|multiple sclerosis|als|asthma|copd|hepatitis"
        "|hepatitis b|hepatitis c"
        "|tuberculosis|syphilis|gonorrhea|chlamydia|herpes|hypertension|stroke|heart attack|heart"
        " failure|heart disease"
        "|kidney failure|dialysis|cirrhosis|arthritis|lupus|crohn's|celiac|coeliac|endometriosis|pcos"
        "|miscarriage|abortion"
        "|pregnant|infertility|ivf|anorexia|bulimia|eating disorder|alcoholic|alcoholism|addiction"
        "|addicted|overdose|rehab"
        "|suicidal|suicide attempt|self-harm|chemotherapy|chemo|radiotherapy|insulin|antidepressants"
        "|antidepressant|methadone"
        "|antiretrovirals|migraine|migraines|fibromyalgia|psoriasis|disabled|disability|wheelchair"
        "|paraplegic|blind|deaf"
        "|covid|long covid|pneumonia|sclerosis|down syndrome|sickle cell|cystic fibrosis|thyroid"
        " disease|hypothyroidism"
        "|allergic to|panic disorder|ocd|insomnia|sleep apnea|obese|obesity"
        "|transplant|amputee"
    ),
    "SENSITIVE_RELIGION": (
        "muslim|christian|catholic|protestant|jewish|jew|hindu|buddhist|sikh|atheist|agnostic|mormon"
        "|jehovah's witness|baptist"
        "|methodist|lutheran|orthodox christian|evangelical|anglican|shia|sunni|quaker|jain|pagan"
        "|wiccan|scientologist|bahai"
        "|converted to islam|converted to christianity|converted to judaism|goes to church|attends"
        " church|attends mosque|mosque"
        "|synagogue|temple|church|prays|bible study|ramadan|shabbat|kosher|halal|islam|judaism|christianity"
    ),
    "SENSITIVE_POLITICS": (
        "republican|democrat|communist|socialist|marxist|anarchist|libertarian|tory|labour voter|labour"
        " party|green party"
        "|conservative party|conservative voter|voted for|votes for|votes republican|votes democrat"
        "|voted republican"
        "|voted democrat|party member|member of the party|liberal democrat|nationalist|fascist"
        "|far-right|far-left|left-wing"
        "|right-wing|social democrat|political party|donated to the campaign|trump supporter|political"
        " beliefs|political views"
    ),
    "SENSITIVE_UNION": (
        "trade union|trade unionist|union member|union rep|union representative|shop steward|labor"
        " union|labour union"
        "|union membership|member of the union|unionised|unionized|joined the union|union dues|works"
        " council|teamsters"
        "|union organizer|union organiser"
    ),
    "SENSITIVE_ETHNICITY": (
        "african american|african-american|caucasian|hispanic|latino|latina|latinx|asian american"
        "|native american|indigenous"
        "|aboriginal|roma|romani|gypsy|mixed race|mixed-race|biracial|black man|black woman|white man"
        "|white woman|jewish descent"
        "|african descent|asian descent|indian descent|chinese descent|ethnic minority|ethnicity|arab"
        " descent|kurdish|uyghur"
        "|pacific islander|of colour|of color|inuit|maori"
    ),
    "SENSITIVE_SEXUALITY": (
        "gay|lesbian|bisexual|homosexual|heterosexual|queer|transgender|trans man|trans woman"
        "|transsexual|nonbinary|non-binary"
        "|asexual|pansexual|sexual orientation|sex life|sexually active|one-night stand|sex worker"
        "|same-sex"
        "|gender dysphoria|extramarital|having an affair|libido|erectile dysfunction|polyamorous|his"
        " boyfriend and he"
    ),
    "SENSITIVE_GENETIC": (
        "brca1|brca2|brca|genetic test|genetic testing|genetic mutation|gene mutation|genetic disorder"
        "|huntington|huntington's|huntingtons"
        "|lynch syndrome|carrier of|carrier for|dna test|genome|whole genome|hereditary|genetic"
        " predisposition|karyotype"
        "|factor v leiden|apoe4|tay-sachs"
    ),
    "SENSITIVE_BIOMETRIC": (
        "fingerprint|fingerprints|retina scan|retinal scan|iris scan|face scan|facial recognition"
        "|voiceprint|voice print"
        "|palm print|face id|biometric|biometrics|dna sample|gait analysis|faceprint"
    ),
}

# What may be said of anybody's surroundings: only together with being, or with a verb of belonging.
_WEAK: Final = frozenset(
    (
        *(
            "church",
            "temple",
            "mosque",
            "synagogue",
            "blind",
            "hereditary",
            "halal",
            "kosher",
            "stroke",
            "als",
            "chemo",
        ),
        *(
            "insulin",
            "orthodox",
            "conservative",
            "asian",
            "genome",
            "biometrics",
            "biometric",
            "wheelchair",
            "covid",
        ),
        *(
            "ethnicity",
            "islam",
            "judaism",
            "christianity",
            "nationalist",
            "indigenous",
            "temple",
            "transplant",
            "ramadan",
        ),
    )
)

_NRP: Final = (
    "afghan|albanian|algerian|american|angolan|argentine|argentinian|armenian|australian|austrian"
    "|azerbaijani|bangladeshi"
    "|basque|belarusian|belgian|bolivian|bosnian|brazilian|british|bulgarian|burmese|cambodian"
    "|cameroonian|canadian|catalan"
    "|chechen|chilean|chinese|colombian|congolese|croat|croatian|cuban|cypriot|czech|dane|danish"
    "|dominican|dutch|ecuadorian"
    "|egyptian|english|eritrean|estonian|ethiopian|european|filipino|filipina|finn|finnish|french"
    "|georgian|german|ghanaian"
    "|greek|guatemalan|haitian|honduran|hungarian|icelandic|indian|indonesian|iranian|iraqi|irish"
    "|israeli|italian|jamaican"
    "|japanese|jordanian|kazakh|kenyan|korean|kosovar|kurd|kurdish|kuwaiti|latvian|lebanese|liberian"
    "|libyan|lithuanian"
    "|macedonian|malaysian|maltese|mexican|moldovan|mongolian|moroccan|mozambican|namibian|nepalese"
    "|nepali|nicaraguan|nigerian"
    "|norwegian|pakistani|palestinian|panamanian|paraguayan|persian|peruvian|pole|polish|portuguese"
    "|puerto rican|romanian"
    "|russian|rwandan|salvadoran|saudi|scot|scottish|senegalese|serb|serbian|singaporean|slovak"
    "|slovakian|slovene|slovenian"
    "|somali|south african|spaniard|spanish|sri lankan|sudanese|swede|swedish|swiss|syrian|taiwanese"
    "|tanzanian|thai|tunisian"
    "|turk|turkish|turkmen|ugandan|ukrainian|uruguayan|uzbek|venezuelan|vietnamese|welsh|yemeni|zambian"
    "|zimbabwean|roma|romani"
    "|muslim|christian|catholic|protestant|jewish|jew|hindu|buddhist|sikh|mormon|sunni|shiite|republican|democrat"
)
# Kinds of food, language and the like are no group of people.
_NO_GROUP: Final = (
    r"(?!'?s?[ -](?:food|cuisine|restaurant|dish|dishes|toast|fries|class|classes|lesson|lessons"
    r"|dressing|wine|beer|bread|cheese"
    r"|coffee|music|movie|movies|film|language|express|airlines|cup|open|shepherd|bulldog|dollar|pound)s?\b)"
)

_PERSON: Final = re.compile(
    r"\b(?:I|I'm|I've|me|my|mine|he|she|him|her|hers|his|they|them|their|we|our|us|you|your|user|user's"
    r"|patient|patient's|client"
    r"|customer|wife|husband|son|daughter|mother|father|mom|mum|dad|brother|sister|parents?|friend"
    r"|partner|girlfriend|boyfriend"
    r"|uncle|aunt|cousin|grandmother|grandfather|grandma|grandpa|colleague|coworker|employee|boss"
    r"|neighbou?r|man|woman|boy|girl"
    r"|male|female|child|couple|family|relatives|grandparents|grandson|granddaughter|niece|nephew|mr|mrs|ms|dr|applicant|defendant|plaintiff|candidate)\b",
    re.IGNORECASE,
)
_NAMED: Final = re.compile(
    r"\b[A-Z][a-z]{1,20}(?:'s)? (?:is|was|has|had|lives|suffers|identifies|came|voted|joined|became|got)\b"
)
_BEING: Final = re.compile(
    r"\b(?:am|is|was|are|were|be|been|being|'m|'s|'re|has|have|had|'ve|with|diagnosed|suffer(?:s|ed"
    r"|ing)?|identif(?:y|ies|ied)"
    r"|as|takes?|taking|on|got|attends?|goes|go|converted|became|joined|member|belongs?|raised|using"
    r"|uses?|voted|votes?"
    r"|supports?|needs?|tested|my|his|her|their)\b"
)
_STOP: Final = re.compile(r"[.;!?\n]")

_PHRASE_CLASS: Final = {phrase: entity for entity, words in _LEXICON.items() for phrase in words.split("|")}
_GROUPS: Final = frozenset(_NRP.split("|"))


def _phrases(phrases: Iterable[str]) -> str:
    return "|".join(
        re.escape(phrase).replace("\\ ", " ") for phrase in sorted(phrases, key=len, reverse=True)
    )


def _heads(phrases: Iterable[str]) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W_]+", phrase)[0] for phrase in phrases)


def _by_head(phrases: Iterable[str]) -> dict[str, list[str]]:
    """Phrases by their first word: a text that does not hold it holds none of them."""
    heads: dict[str, list[str]] = {}
    for phrase in phrases:
        heads.setdefault(re.findall(r"[^\W_]+", phrase)[0].lower(), []).append(phrase)
    return heads


_TAGS_BY_HEAD: Final = _by_head(_PHRASE_CLASS)
_GROUPS_BY_HEAD: Final = {
    form: phrases
    for head, phrases in _by_head(group.title() for group in _GROUPS).items()
    for form in (head, head + "s")
}
_HEADS: Final = frozenset(_TAGS_BY_HEAD) | frozenset(_GROUPS_BY_HEAD)


@cache
def _tag_pattern(head: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?P<phrase>{_phrases(_TAGS_BY_HEAD[head])})"
        r"(?:'?s? (?:mutation|gene|disease|syndrome|positive|carrier|member|party member))?(?![\w-])",
        re.IGNORECASE,
    )


@cache
def _group_pattern(head: str) -> re.Pattern[str]:
    return re.compile(
        rf"(?:{_phrases(_GROUPS_BY_HEAD[head])})s?(?!\w|-\w){_NO_GROUP}"
        r"(?: (?:national|citizen|nationality|citizenship|origin|descent|heritage|background)s?\b)?"
    )


class SensitiveRecogniser:
    """Special categories where a clause speaks of a person, and groups of people by name."""

    name = "rules.sensitive"
    entities = frozenset((*_LEXICON, "NRP"))
    digits = -1

    def __init__(self, *, threshold: float = DEFAULT_THRESHOLD) -> None:
        self._threshold = threshold

    def find(self, view: View) -> Iterable[Finding]:
        found: list[Finding] = []
        for head in _HEADS & view.words:
            if head in _TAGS_BY_HEAD and self._threshold <= TAG:
                self._tag(view.text, _tag_pattern(head), found)
            if head in _GROUPS_BY_HEAD and self._threshold <= GROUP:
                found.extend(
                    Finding("NRP", match.start(), match.end(), GROUP, self.name)
                    for match in _group_pattern(head).finditer(view.text)
                    if _starts_a_word(view.text, match.start())
                )
        return found

    def _tag(self, text: str, pattern: re.Pattern[str], found: list[Finding]) -> None:
        for match in pattern.finditer(text):
            if not _starts_a_word(text, match.start()):
                continue
            known = match["phrase"].lower()
            before, after = _clause(text, match.start(), match.end())
            if not (_PERSON.search(before) or _PERSON.search(after) or _NAMED.search(before)):
                continue
            if known in _WEAK and not _BEING.search(before[-_CLOSE:]):
                continue
            found.append(Finding(_PHRASE_CLASS[known], match.start(), match.end(), TAG, self.name))


def _starts_a_word(text: str, at: int) -> bool:
    return at == 0 or not (text[at - 1].isalnum() or text[at - 1] in "_-")


def _clause(text: str, start: int, end: int) -> tuple[str, str]:
    """The words of the same clause before and after a span, so far as it reaches."""
    before = _STOP.split(text[max(0, start - _REACH) : start])[-1]
    after = _STOP.split(text[end : end + _REACH], maxsplit=1)[0]
    return before, after
