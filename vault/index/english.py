"""English as the lexical terms read it: the words that say nothing, and the forms that no stemmer reaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

# English function words (articles, pronouns, auxiliaries, prepositions, question words, split contractions).
_STOP_WORDS = """
    a about above after again against all am an and any are aren't as at be because been before
    being below between both but by can can't cannot could couldn't d did didn't do does doesn't
    doing don't down during each few for from further had hadn't has hasn't have haven't having he
    he'd he'll he's her here here's hers herself him himself his how how's i i'd i'll i'm i've if in
    into is isn't it it's its itself let's ll m me more most mustn't my myself no nor not of off on
    once only or other ought our ours ourselves out over own re s same shan't she she'd she'll she's
    should shouldn't so some such t than that that's the their theirs them themselves then there
    there's these they they'd they'll they're they've this those through to too under until up ve
    very was wasn't we we'd we'll we're we've were weren't what what's when when's where where's
    which while who who's whom whose why why's with won't would wouldn't you you'd you'll you're
    you've your yours yourself yourselves
"""
STOP_WORDS: Final = frozenset(_STOP_WORDS.split())

# Irregular verbs and plurals: the word, then its forms. A question says "did she buy", a memory says "bought". Left
# out are forms that are as common as words of their own (saw, rose, lay, wound, ground).
_IRREGULAR = """
    bear borne; beat beaten; become became; begin began begun; bend bent; bite bit bitten; bleed
    bled; blow blew blown; break broke broken; breed bred; bring brought; build built; burn burnt; buy
    bought; catch caught; choose chose chosen; cling clung; come came; creep crept; deal dealt; dig dug;
    draw drew drawn; dream dreamt; drink drank drunk; drive drove driven; dwell dwelt; eat
    ate eaten; fall fell fallen; feed fed; feel felt; fight fought; find found; flee fled; fling flung;
    fly flew flown; forbid forbade forbidden; forget forgot forgotten; forgive forgave forgiven; freeze
    froze frozen; get got gotten; give gave given; go went gone goes; grow grew grown; hang hung; hear
    heard; hide hid hidden; hold held; keep kept; kneel knelt; know knew known; lead led; leap leapt;
    learn learnt; leave left; lend lent; light lit; lose lost; make made; meet met; pay paid; prove
    proven; ride rode ridden; ring rang rung; rise risen; run ran; say said; see seen; seek sought; sell
    sold; send sent; shake shook shaken; shine shone; shoot shot; show shown; shrink shrank shrunk; sing
    sang sung; sink sank sunk; sit sat; sleep slept; slide slid; smell smelt; speak spoke spoken; speed
    sped; spend spent; spill spilt; spin spun; spoil spoilt; spring sprang sprung; stand stood; steal
    stole stolen; stick stuck; sting stung; strike struck stricken; strive strove; swear swore sworn;
    sweep swept; swell swollen; swim swam swum; swing swung; take took taken; teach taught; tear tore
    torn; tell told; think thought; throw threw thrown; understand understood; undergo underwent
    undergone; wake woke woken; wear wore worn; weave wove woven; weep wept; win won; withdraw withdrew
    withdrawn; write wrote written; child children; man men; woman women; person people; foot feet;
    tooth teeth; goose geese; mouse mice; life lives; wife wives; knife knives; leaf leaves; shelf
    shelves; wolf wolves; half halves; loaf loaves
"""
BASE_FORMS: Final[Mapping[str, str]] = {
    form: word for word, *forms in (entry.split() for entry in _IRREGULAR.split(";")) for form in forms
}
