"""Which words speak for English and which for another language; counted in a text, they gate the model.

The model was trained on English for the most part. In another language every capitalised word and many
small ones look unfamiliar to it, so there it must be surer and wants a capital letter.
"""

from __future__ import annotations

from typing import Final

_ENGLISH: Final = (
    "the of and to is was for that it with as his on be at by this had not are but from or have they which "
    "one you were her all she there would their we him been has when who will more no if out so said what up "
    "its about into than them can only other new some could time these two may then do first any my now such "
    "like our over me even most made after also did many before must through back years where much your way "
    "well down should because each just those how too little good very make still see work long get here "
    "between both under never same another know while last might us great since against i he a in an i'm "
    "it's don't that's i've we're didn't can't please thanks name"
)

# Common words of languages in Latin letters; those that are English words or parts of names do not vote.
_OTHERS: Final = {
    "es": "el una y que por para con su sus es fue como más pero sobre este esta también entre cuando muy sin ya ha "
    "han les nos era años según donde se hay porque",
    "pt": "os um uma das não com mais foi ao pela pelo seu sua são já está isso você para que por mas muito",
    "it": "il gli che una della delle dei nel nella sono alla è più anche come ho questo suo con perché",
    "fr": "les du et est une dans pour qui sur avec pas plus par sont aux ce cette il elle nous vous ne se été mais "
    "ou leur ses qu'il c'est j'ai d'un d'une l'on",
    "ca": "els amb i és són però molt",
    "ro": "și nu care pentru din este sunt mai",
    "de": "der und das zu mit dem nicht ein eine auch auf sich für ist im werden aus wird sind hat einer einen einem "
    "wurde durch bei nach ich sie wir ihr mein über zum zur oder aber noch nur habe haben sehr",
    "nl": "het een en dat zijn op voor niet met aan maar ook als nog bij ik mijn naar heb wij is",
    "scandinavian": "og det som på til av ikke jeg vi har deg att och för inte jag ett med sig af blev havde mycket",
    "pl, cs": "w z na się jest nie jak ale przez po za czy był że jsem byl která już tylko",
    "hu, fi": "az egy és hogy nem volt vagy oli että ovat myös mutta",
    "tr": "bir için bu ile olarak çok daha",
    "id": "yang dan untuk dengan ini itu dari tidak akan pada saya adalah",
}
_IN_NAMES: Final = frozenset({"das", "dan", "im", "is", "sin", "i", "y", "ha"})

ENGLISH: Final = frozenset(_ENGLISH.split())
FOREIGN: Final = frozenset(word for words in _OTHERS.values() for word in words.split()) - ENGLISH - _IN_NAMES


def language_vote(low: str) -> int:
    """1 for a common English word, -1 for a common word of another language, 0 for any other."""
    if low in ENGLISH:
        return 1
    return -1 if low in FOREIGN else 0
