"""What was found once is masked everywhere: names in any case, identifiers and addresses in any writing.

A name found in one place of a text (or of the messages that were added with it) is looked up word by word, so
the cost is linear. A part of a name that is also a common word counts only with a capital letter, or beside
another part of a name.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from vault.redaction.normalise import View
from vault.types import Finding

NAME: Final = "propagated"
SCORE: Final = 0.5
_FEWEST_LETTERS: Final = 3
_FEWEST_DIGITS: Final = 6
_FEWEST_LOCAL: Final = 4

_WORD: Final = re.compile(r"[^\W\d_]+")
_RUN: Final = re.compile(r"\d(?:[ .\-/()]{0,3}\d){5,}")
_NOT_DIGIT: Final = re.compile(r"\D+")
_HANDLE: Final = re.compile(r"[\w.+-]+")

# Classes whose digits identify somebody whatever stands between them.
_NUMBERED: Final = frozenset(
    ("DATE_TIME", "DATE_OF_BIRTH", "AGE", "ZIP_CODE", "URL", "IP_ADDRESS", "LOCATION")
)

_TITLES: Final = (
    "mr mrs ms miss mx dr prof professor sir madam dame lord lady rev reverend father sister brother saint judge "
    "justice officer captain nurse doctor herr frau monsieur madame mademoiselle senor senora don dona signor signora"
)
_PARTICLES: Final = "the and von van der den del della dos das los las bin ibn abu jun junior senior phd esq"
_COMMON: Final = (
    "will may mark bill grace hope faith joy rose lily daisy iris violet ivy olive hazel amber ruby pearl jade "
    "crystal summer autumn april june august dawn eve star sky sunny rich frank ernest pat chip art gene jack "
    "guy drew grant chase hunter mason carter cooper parker tanner taylor tyler walker baker cook miller smith "
    "brown white black green gray grey blue gold silver young old long short strong small little large major "
    "king queen prince bishop pope page case bell bush field fields forest hill hills lake rivers wood woods "
    "stone brook banks park parks street church house hall west east north south best better good love sharp "
    "swift wise bright noble moody savage stark rush race chance price cash sales day days night week weeks "
    "snow rain frost winter spring fox wolf bear bird byrd crane drake hawk lamb swan buck cat robin martin jay "
    "bond booth cannon cross dale dean dear dove early easter fall fish ford fort game gates glass golden hand "
    "hands hart head heart heath holiday holly home homes ice iron james job jobs joker judge just keen key keys "
    "knight lance land lane law leaf list lock major marsh may mercy merry miles mill mills mint moon moss new "
    "nice nick norm oak pace paris patience pay pease penny pierce pike pitt poor post potter power powers pride "
    "ray read reed rice ring rock rod roman root rowe rust sage sandy say see self sense shade shell shepherd "
    "singer skip skye sparks spear spears star steel storm story sue tell temple tiger trent trip true wade wall "
    "wallace ward waters way weather web wells wild wills wing winner wolf worth yes you her him his she they "
    "this that have has was were not all any can had how one our out too two use who why did get let put ask "
    "china france england india jordan israel chelsea sydney austin dallas houston boston london florence victoria "
    "charity christian destiny genesis harmony honor journey justice liberty melody serenity trinity angel baby "
    "buddy champ dash dusty happy junior lucky princess rusty sonny tom bob don dan sam max ben ken ron ted tim "
    "harry mike nancy dick peter john dolly jerry jimmy biff barb bob carol cliff clay colt earl flip forrest gale "
    "ginger heather jasmine jewel laurel mallory marina may myrtle opal poppy reed rocky rowan sherry stormy wren"
)
_NOT_NAMES: Final = frozenset(_TITLES.split()) | frozenset(_PARTICLES.split())
# Names that are too seldom anything else to need a capital letter.
_RARELY: Final = "john mike nancy peter harry tom bob dan sam max ben ken ron ted tim jimmy jerry carol"
_WORDS: Final = frozenset(_COMMON.split()) - frozenset(_RARELY.split())
# Words that hold sentences together: a model that takes one for a name errs, and must not err everywhere.
_GLUE: Final = (
    "the and for are but not you all any can had her was one our out day get has him his how man new now old see two "
    "way who boy did its let put say she too use this that with have from they know want been good much some time "
    "very when come here just like long make many more only over such take than them well were what your about after "
    "again also back because before being below between both could does doing down during each even ever every few "
    "first found gave give going gone great group hello help high home house into keep kind knew last late later left "
    "less life little look made maybe mean might minute miss month morning most move must name near need never next "
    "night nothing often okay once other ours own part people person place please point quite rather really right "
    "said same second seem seen several should show side since small someone something soon start still stop such sure "
    "tell thank thanks their then there these thing things think those though thought three through today together "
    "told tomorrow tonight took toward tried true try under until upon used user usually wait want wants watch week "
    "weeks well went where which while whole whom whose why wife husband mother father sister brother son daughter "
    "friend friends doctor nurse patient work working world would wrong year years yes yesterday yet office school "
    "family evening afternoon monday tuesday wednesday thursday friday saturday sunday january february march april "
    "june july august september october november december party doing always around another asked away big called "
    "child children city class client company country customer days door end enough eyes face fact feel felt four five "
    "full girl guy half hand happy hard head hear heard hey hour hours idea job kids late law line list live lot love "
    "mom dad baby money names number off open order page phone play post question read ready room run set sister six "
    "state story student talk team thing top town turn water woman women word words"
)
_NEVER: Final = _NOT_NAMES | (frozenset(_GLUE.split()) - _WORDS)
_CREDIBLE: Final = 0.6  # a name in lower case must be found with so much certainty to be looked for elsewhere


@dataclass(slots=True)
class Known:
    """What has been found: names by their parts, identifiers by their digits, handles as they are."""

    names: dict[str, str] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    handles: dict[str, str] = field(default_factory=dict)

    def learn(self, text: str, findings: Iterable[Finding]) -> None:
        """Add what these findings of a text show."""
        for found in findings:
            value = text[found.start : found.end]
            if found.entity == "PERSON":
                for part in _WORD.findall(View(value).text):
                    if (
                        len(part) >= _FEWEST_LETTERS
                        and part.lower() not in _NEVER
                        and (part[0].isupper() or found.score >= _CREDIBLE)
                    ):
                        self.names.setdefault(part.lower(), found.entity)
            elif found.entity == "EMAIL_ADDRESS":
                self._learn_address(View(value).text.lower())
            elif found.entity not in _NUMBERED:
                digits = _NOT_DIGIT.sub("", View(value).text)
                if len(digits) >= _FEWEST_DIGITS:
                    self.numbers.setdefault(digits, found.entity)

    def _learn_address(self, address: str) -> None:
        self.handles[address] = "EMAIL_ADDRESS"
        local = address.partition("@")[0]
        if len(local) >= _FEWEST_LOCAL and (len(_HANDLE.findall(local)) == 1) and not local.isalpha():
            self.handles[local] = "EMAIL_ADDRESS"

    def __bool__(self) -> bool:
        return bool(self.names or self.numbers or self.handles)

    def mentions(self, text: str, view: View | None = None) -> list[Finding]:
        """Where what is known stands in a text; spans of the original text."""
        view = view or View(text)
        found: list[Finding] = []
        if self.names:
            found += self._named(view)
        if self.numbers:
            for run in _RUN.finditer(view.text):
                entity = self.numbers.get(_NOT_DIGIT.sub("", run.group()))
                if entity:
                    found.append(Finding(entity, *run.span(), SCORE, NAME))
        if self.handles:
            for handle in _HANDLE.finditer(view.text):
                word = handle.group().rstrip(".").lower()
                entity = self.handles.get(word)
                if entity:
                    found.append(Finding(entity, handle.start(), handle.start() + len(word), SCORE, NAME))
        return [
            Finding(one.entity, *view.original(one.start, one.end), one.score, one.recogniser)
            for one in found
        ]

    def _named(self, view: View) -> list[Finding]:
        found: list[Finding] = []
        held: tuple[int, int] | None = None  # a common word that counts if a name follows
        last = -2
        mentioned = [match for match in _WORD.finditer(view.text) if match.group().lower() in self.names]
        # What stands in lower case more often than not is a word that also is a name.
        small = Counter(match.group().lower() for match in mentioned if match.group()[0].islower())
        large = Counter(match.group().lower() for match in mentioned if not match.group()[0].islower())
        common = _WORDS | {word for word, count in small.items() if large[word] and count > 2 * large[word]}
        for match in mentioned:
            word = match.group()
            start, end = match.span()
            if held is not None and held[1] != start - 1:
                held = None
            beside = last == start - 1
            if word.lower() in common and not word[0].isupper() and not beside:
                held = start, end
                continue
            if held is not None:
                start = held[0]
            held = None
            if beside and found:
                start = found.pop().start
            found.append(Finding("PERSON", start, end, SCORE, NAME))
            last = end
        return found


def propagated(texts: Sequence[str], found: Sequence[Sequence[Finding]]) -> list[list[Finding]]:
    """For each text the further mentions of what was found in any of them."""
    known = Known()
    for text, findings in zip(texts, found, strict=True):
        known.learn(text, findings)
    return [known.mentions(text) if known else [] for text in texts]
