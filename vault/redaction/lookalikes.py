"""Characters that look like others: letters of other scripts, letters among digits, digits among letters."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from vault.redaction.edits import Edit

# The part of Unicode's confusables (UTS #39) that imitates Latin letters and digits, by script.
_CYRILLIC: Final = (
    "а a б 6 в b г r е e ѐ e ё e з 3 и u і i ї i ј j к k м m н h о o п n р p с c т t у y ў y ф f х x ч 4 ь b ѕ s "
    "һ h ԁ d ԛ q ԝ w ѵ v ѡ w ғ f ү y ӏ l ԍ g ҽ e ӕ ae л n д d А A В B Е E Ѐ E Ё E З 3 І I Ї I Ј J К K М M Н H О O "
    "Р P С C Т T У Y Х X Ѕ S Ғ F Ү Y Ӏ I Ԛ Q Ԝ W Ѵ V Ԍ G Ь b Һ h г r Б 6 Ч 4 И N Я R"
)
_GREEK: Final = (
    "α a β b γ y δ d ε e ζ z η n ι i κ k λ l μ u ν v ο o π n ρ p σ o ς c τ t υ u χ x ω w ϲ c ϳ j ϑ v "
    "Α A Β B Ε E Ζ Z Η H Ι I Κ K Μ M Ν N Ο O Ρ P Τ T Υ Y Χ X Ϲ C Ϳ J Σ E Δ A Λ A "
    "ά a έ e ή n ί i ό o ύ u ώ w Ά A Έ E Ή H Ί I Ό O Ύ Y"
)
_OTHER: Final = (
    "ա w գ q զ q հ h ո n ս u օ o ց g ք p յ j լ l Տ S Ս U Օ O Լ L Ց 8 Ա U Յ 3 ֆ f ր n "  # Armenian
    "Ꭰ D Ꭱ R Ꭲ T Ꭵ i Ꭺ A Ꭻ J Ꭼ E Ꮃ W Ꮇ M Ꮋ H Ꮍ Y Ꮐ G Ꮓ Z Ꮖ I Ꮞ 4 Ꮢ R Ꮤ W Ꮥ S Ꮩ V Ꮪ S Ꮮ L Ꮯ C Ꮲ P "
    "Ꮶ K Ꮷ d Ᏼ B Ꮟ b "  # Cherokee
    "ꓐ B ꓑ P ꓓ D ꓔ T ꓖ G ꓗ K ꓙ J ꓚ C ꓜ Z ꓝ F ꓟ M ꓠ N ꓡ L ꓢ S ꓣ R ꓦ V ꓧ H ꓪ W ꓫ X ꓬ Y ꓮ A ꓰ E ꓲ I ꓳ O ꓴ U "  # Lisu
    "ᴀ a ʙ b ᴄ c ᴅ d ᴇ e ꜰ f ɢ g ʜ h ɪ i ᴊ j ᴋ k ʟ l ᴍ m ɴ n ᴏ o ᴘ p ʀ r ꜱ s ᴛ t ᴜ u ᴠ v ᴡ w ʏ y ᴢ z "  # small capitals
    "ı i ȷ j ɑ a ɡ g ɩ i ʋ u ƅ b ɔ c ɛ e ø o đ d ħ h ł l ŧ t ƒ f ɗ d ɓ b ƙ k ɲ n ɾ r ʂ s ƴ y ƶ z Ø O Đ D Ł L Ħ H "
    "ɐ a ǝ e ɟ j ɥ h ɯ m ɹ r ʇ t ʌ v ʍ w ʎ y ǃ ! ⅼ l ⅽ c ⅾ d ⅿ m ℮ e ⲟ o ⲣ p ⲥ c ⲁ a ⲓ i "
    "০ 0 ୦ 0 ཝ o σ o"
)
_EMOJI: Final = {chr(0x1F170): "A", chr(0x1F171): "B", chr(0x1F17E): "O", chr(0x1F17F): "P"}
# Enclosed and regional letters that NFKC leaves alone.
_RANGES: Final = ((0x1F130, "A"), (0x1F150, "A"), (0x1F170, "A"), (0x1F1E6, "A"))


def _table() -> dict[str, str]:
    table: dict[str, str] = {}
    for block in (_OTHER, _GREEK, _CYRILLIC):
        items = block.split()
        table.update(zip(items[::2], items[1::2], strict=True))
    for first, letter in _RANGES:
        table.update({chr(first + at): chr(ord(letter) + at) for at in range(26)})
    table.update({chr(0x278A + at): str((at + 1) % 10) for at in range(10)})  # sans-serif dingbat digits
    table.update({chr(0x2776 + at): str((at + 1) % 10) for at in range(10)})
    table.update({chr(0x24EB + at): str(11 + at) for at in range(10)})
    return table | _EMOJI | {"\u24ff": "0", "\U0001f10b": "0", "\U0001f10c": "0", "\u24ea": "0"}


_SKELETON: Final = _table()
_TOKEN: Final = re.compile(r"\S+")
_MARKS: Final = re.compile(r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff]")


def skeleton(text: str, source: str) -> list[Edit]:
    """Edits that give letters of other scripts, where they imitate Latin ones, their Latin form.

    A word is rewritten if it mixes scripts, or stands in a text that is mostly Latin; a text in another script
    stays what it is. Marks are taken off letters where `source` holds loose ones.
    """
    marked = _MARKS.search(source) is not None
    latin = sum(map(str.isascii, text)) * 2 > len(text)
    edits: list[Edit] = []
    for match in _TOKEN.finditer(text):
        word = match.group()
        if word.isascii():
            continue
        mixed = latin or any(char.isascii() and char.isalnum() for char in word)
        for at, char in enumerate(word, match.start()):
            if char.isascii():
                continue
            plain = _SKELETON.get(char) if mixed else None
            if plain is None and (marked or mixed):
                plain = _unmarked(char) if marked else None
            if plain is not None and plain != char:
                edits.append(Edit(at, at + 1, plain))
    return edits


def _unmarked(char: str) -> str | None:
    """The letter without its marks; None if nothing readable is left, '' for a mark."""
    plain = "".join(part for part in unicodedata.normalize("NFD", char) if not unicodedata.combining(part))
    return _SKELETON.get(plain, plain)


_DIGIT_LIKE: Final = str.maketrans("OoQDlIi|!SsBZzGgb", "00001111155822696")
_MIXED: Final = re.compile(
    r"(?<![\w.@])[\dOoQDlIi|!SsBZzGgb]+(?:[-. /]{1,2}[\dOoQDlIi|!SsBZzGgb]+){0,5}(?![\w@])"
)
_MIXED_PART: Final = re.compile(r"[\dOoQDlIi|!SsBZzGgb]+")
_FEWEST_LENGTH: Final = 7
_RINGS: Final = frozenset("0123456789OolI|")
_FEWEST_RINGED: Final = 0.15  # share of digits in a token
_FEWEST_MIXED: Final = 0.5


def digits(text: str) -> list[Edit]:
    """Edits that read O as 0, l and I as 1, S as 5, B as 8 in tokens that are mostly digits."""
    edits: list[Edit] = []
    for match in _MIXED.finditer(text):
        parts = list(_MIXED_PART.finditer(text, *match.span()))
        # Words at the border ("is 536 9O 4399") are words, not digits.
        while parts and not any(map(str.isdigit, parts[0].group())) and not _digit_word(parts[0].group()):
            parts.pop(0)
        while parts and not any(map(str.isdigit, parts[-1].group())) and not _digit_word(parts[-1].group()):
            parts.pop()
        joined = "".join(part.group() for part in parts)
        numeric = sum(map(str.isdigit, joined))
        if len(joined) < _FEWEST_LENGTH or numeric == len(joined):
            continue
        # Rings and strokes alone are seldom a word; other letters need more digits around them.
        share = _FEWEST_RINGED if _RINGS.issuperset(joined) else _FEWEST_MIXED
        if numeric < share * len(joined):
            continue
        for part in parts:
            for at, char in enumerate(part.group(), part.start()):
                if not char.isdigit():
                    edits.append(Edit(at, at + 1, char.translate(_DIGIT_LIKE)))
    return edits


def _digit_word(part: str) -> bool:
    return part.isupper() and len(part) <= 4 and not part.isdigit() and set(part) <= set("OIQDSBZG")


_LEET: Final = str.maketrans("013457869@$!|+", "oieastbgg" + "asilt")
_LEET_WORD: Final = re.compile(
    r"(?<![\w@.$/%-])(?=[\w@$!|+]{0,30}[A-Za-z])(?=[\w@$!|+]{0,30}[013457@$!|])[\w@$!|+]{2,30}(?![\w@/-])"
)


_BETWEEN_LETTERS: Final = re.compile(r"[A-Za-z]+(?:[013457@$!|][A-Za-z]+)+")


def leet(text: str) -> list[Edit]:
    """Edits that read digits and signs inside words as the letters they imitate: `p@ssw0rd`, `55n`."""
    edits: list[Edit] = []
    for match in _LEET_WORD.finditer(text):
        word = match.group().rstrip("!|+")
        letters = sum(map(str.isalpha, word))
        if word[0] == "@" or letters == len(word) or (letters * 2 < len(word) and len(word) > 3):
            continue
        edits.append(Edit(match.start(), match.start() + len(word), word.translate(_LEET)))
    return edits


def leet_names(edits: list[Edit], text: str) -> list[Edit]:
    """Those of the edits that may be names, with the digit between letters: `J0hn`, not `10am`."""
    return [edit for edit in edits if _BETWEEN_LETTERS.fullmatch(text, edit.start, edit.end)]
