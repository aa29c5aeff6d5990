"""Scores of the names model on the development sets; nothing here trains anything."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from training.ner_data import SHARED, Sample, Span, clean_spans, conll, dialogues, from_tokens, tab
from vault.redaction.ner import NameModel
from vault.types import Finding

Find = Callable[[Sequence[str]], list[list[Span]]]
Row = dict[str, float]

_BATCH: Final = 256
# A gold span that is a title alone is none of ours: titles stand outside.
_TITLE: Final = re.compile(r"(?:mr|mrs|ms|miss|dr|prof)\.?", re.IGNORECASE)


def predict(find: Find, texts: Sequence[str]) -> list[list[Span]]:
    """The spans of all texts, in batches."""
    return [spans for i in range(0, len(texts), _BATCH) for spans in find(texts[i : i + _BATCH])]


def span_scores(samples: Sequence[Sample], found: Sequence[Sequence[Span]]) -> Row:
    """Per class: exact F1, precision, overlap recall; and micro F1."""
    row: Row = {}
    total = [0, 0, 0]
    for label in ("PERSON", "LOCATION", "ORGANIZATION"):
        gold = [{s for s in one.spans if s[2] == label} for one in samples]
        seen = [{s for s in one if s[2] == label} for one in found]
        hit = sum(len(g & f) for g, f in zip(gold, seen, strict=True))
        n_gold, n_seen = sum(map(len, gold)), sum(map(len, seen))
        total = [total[0] + hit, total[1] + n_gold, total[2] + n_seen]
        touched = sum(
            any(f[0] < g[1] and g[0] < f[1] for f in fs)
            for gs, fs in zip(gold, seen, strict=True)
            for g in gs
        )
        short = label[:3]
        row[f"{short} F1"] = _f1(hit, n_gold, n_seen)
        row[f"{short} P"] = hit / n_seen if n_seen else 0.0
        row[f"{short} ovl R"] = touched / n_gold if n_gold else 0.0
    row["micro F1"] = _f1(*total)
    return row


def _f1(hit: int, gold: int, seen: int) -> float:
    return 2 * hit / (gold + seen) if gold + seen else 0.0


def presidio() -> list[Sample]:
    """The generated texts of presidio-research; an address counts as a place."""
    wanted = {
        "PERSON": "PERSON",
        "LOCATION": "LOCATION",
        "ADDRESS": "LOCATION",
        "ORGANIZATION": "ORGANIZATION",
    }
    out = []
    for one in json.loads(
        (SHARED / "dev/presidio-research-generated_large.json").read_text(encoding="utf-8")
    ):
        spans = [
            (s["start_position"], s["end_position"], wanted[s["entity_type"]])
            for s in one["spans"]
            if s["entity_type"] in wanted and not _TITLE.fullmatch(s["entity_value"])
        ]
        out.append(Sample(one["full_text"], clean_spans(one["full_text"], spans), "presidio"))
    return out


def pii_syn() -> list[Sample]:
    """The sentences of PII-synthetic, tags located by string search."""
    wanted = {"PERSON": "PERSON", "ORG": "ORGANIZATION", "LOCATION": "LOCATION", "GPE": "LOCATION"}
    out = []
    for one in json.loads((SHARED / "dev/pii-syn-nano-en.json").read_text(encoding="utf-8")):
        text = one["text"]
        spans = [
            (m.start(), m.end(), wanted[e["label"]])
            for e in one["NER"]
            if e["label"] in wanted
            for m in re.finditer(re.escape(e["entity"]), text)
        ]
        out.append(Sample(text, clean_spans(text, spans), "pii-syn"))
    return out


def locomo() -> tuple[list[str], list[list[tuple[int, int]]]]:
    """The turns of the conversations and where the speakers' first names stand in them."""
    texts, places = [], []
    for one in json.loads((SHARED / "eval/locomo-first5.json").read_text(encoding="utf-8")):
        talk = one["conversation"]
        names = "|".join(re.escape(talk[key]) for key in ("speaker_a", "speaker_b"))
        for key, turns in talk.items():
            if re.fullmatch(r"session_\d+", key):
                for turn in turns:
                    texts.append(turn["text"])
                    places.append([m.span() for m in re.finditer(rf"\b(?:{names})\b", turn["text"])])
    return texts, places


def cased(samples: Iterable[Sample], change: Callable[[str], str]) -> list[Sample]:
    """The samples in another case, where that keeps their length."""
    return [s._replace(text=change(s.text)) for s in samples if len(change(s.text)) == len(s.text)]


def _locomo_row(find: Find, texts: Sequence[str], places: Sequence[Sequence[tuple[int, int]]]) -> Row:
    found = predict(find, texts)
    hit = total = persons = extra = 0
    for spans, gold in zip(found, places, strict=True):
        total += len(gold)
        hit += sum(any(s <= g[0] and g[1] <= e for s, e, _ in spans) for g in gold)
        mine = [s for s in spans if s[2] == "PERSON"]
        persons += len(mine)
        extra += sum(not any(s < g[1] and g[0] < e for g in gold) for s, e, _ in mine)
    words = sum(len(t.split()) for t in texts) / 1000
    return {"names": hit / total, "other PER/1k": extra / words, "all/1k": sum(map(len, found)) / words}


def _flood(find: Find, texts: Sequence[str]) -> Row:
    found = predict(find, texts)
    words = sum(len(t.split()) for t in texts) / 1000
    row = {
        f"{c[:3]}/1k": sum(s[2] == c for f in found for s in f) / words
        for c in ("PERSON", "LOCATION", "ORGANIZATION")
    }
    covered = sum(e - s for f in found for s, e, _ in f)
    return {**row, "chars masked": covered / sum(map(len, texts))}


# Everyday sentences of our own without any name, to see whether another language is flooded.
OTHER_LANGUAGES: Final = {
    "German": "Ich habe gestern einen neuen Kühlschrank gekauft und die alte Waschmaschine in den Keller gestellt. "
    "Am Wochenende wollen wir mit den Kindern in die Berge fahren. Die Rechnung für den Strom ist schon wieder "
    "höher als im letzten Jahr. Kannst du mir bitte das Rezept für den Kuchen schicken?",
    "Spanish": "Ayer compré un frigorífico nuevo y dejé la lavadora vieja en el sótano. El fin de semana queremos ir "
    "a la montaña con los niños. La factura de la luz es otra vez más alta que el año pasado. ¿Puedes mandarme "
    "la receta del pastel? Mi hermana dice que el médico le recetó unas pastillas nuevas.",
    "French": "Hier, j'ai acheté un nouveau réfrigérateur et mis la vieille machine à laver à la cave. Ce week-end "
    "nous voulons aller à la montagne avec les enfants. La facture d'électricité est encore plus élevée que "
    "l'année dernière. Peux-tu m'envoyer la recette du gâteau ?",
    "Italian": "Ieri ho comprato un frigorifero nuovo e ho messo la vecchia lavatrice in cantina. Nel fine settimana "
    "vogliamo andare in montagna con i bambini. La bolletta della luce è di nuovo più alta dell'anno scorso.",
    "Dutch": "Gisteren heb ik een nieuwe koelkast gekocht en de oude wasmachine in de kelder gezet. In het weekend "
    "willen we met de kinderen naar de bergen. De rekening van de stroom is weer hoger dan vorig jaar.",
    "Polish": "Wczoraj kupiłem nową lodówkę i wstawiłem starą pralkę do piwnicy. W weekend chcemy pojechać z dziećmi "
    "w góry. Rachunek za prąd jest znowu wyższy niż w zeszłym roku.",
    "Russian": "Вчера я купил новый холодильник и поставил старую стиральную машину в подвал. На выходных мы хотим "
    "поехать с детьми в горы. Счёт за электричество снова выше, чем в прошлом году.",
    "Japanese": "昨日、新しい冷蔵庫を買って、古い洗濯機を地下室に置きました。週末は子供たちと山へ行きたいです。",
    "Arabic": "اشتريت أمس ثلاجة جديدة ووضعت الغسالة القديمة في القبو. نريد أن نذهب إلى الجبل مع الأطفال.",
    "Hindi": "कल मैंने एक नया फ्रिज खरीदा और पुरानी वॉशिंग मशीन तहखाने में रख दी। हम बच्चों के साथ पहाड़ जाना चाहते हैं।",
}


def _column_sets() -> dict[str, list[Sample]]:
    files = {
        "WNUT dev": ("dev/wnut17-dev.conll", 0, -1),
        "BTC dev": ("dev/btc-dev.conll", 0, -1),
        "EWT dev": ("dev/uner-ewt-dev.iob2", 1, 2),
        "SEC fin3": ("dev/sec-filings-fin3.conll", 0, -1),
    }
    return {
        name: [from_tokens(block, name) for block in conll(path, name, token=token, tag=tag)]
        for name, (path, token, tag) in files.items()
    }


def finder(find: Callable[..., list[list[Finding]]], **options: float) -> Find:
    """The model's `find` as the evaluation calls it; of two classes of one span the surer, as in the detector."""

    def spans(texts: Sequence[str]) -> list[list[Span]]:
        return [list(_surest(found)) for found in find(texts, **options)]

    return spans


def _surest(found: Sequence[Finding]) -> Iterator[Span]:
    end = 0
    for one in sorted(found, key=lambda f: (f.start, -f.score)):
        if one.start >= end:
            yield one.start, one.end, one.entity
            end = one.end


def scores(find: Find) -> dict[str, Row]:
    """Every development set's figures."""
    sets = _column_sets()
    generated = presidio()
    sets |= {
        "presidio large": generated,
        "presidio lower": cased(generated, str.lower),
        "presidio upper": cased(generated, str.upper),
        "pii-syn": pii_syn(),
        "TAB dev": tab("dev/tab-dev-21.jsonl"),
    }
    table = {
        name: span_scores(samples, predict(find, [s.text for s in samples])) for name, samples in sets.items()
    }
    texts, places = locomo()
    table["LoCoMo"] = _locomo_row(find, texts, places)
    low = [t.lower() if len(t.lower()) == len(t) else t for t in texts]
    table["LoCoMo lower"] = _locomo_row(find, low, places)
    table["MTS dialogues"] = _flood(find, dialogues())
    for language, text in OTHER_LANGUAGES.items():
        table[f"flood {language}"] = _flood(find, [text])
    return table


def show(table: dict[str, Row]) -> str:
    """The table as lines of text."""
    return "\n".join(
        f"{name:16} " + "  ".join(f"{key} {value:.3f}" for key, value in row.items())
        for name, row in table.items()
    )


CARD: Final = Path(__file__).resolve().parent.parent / "docs" / "models" / "names.md"
_MARKS: Final = ("<!-- scores: written by `python -m training.ner_eval --card` -->", "<!-- end of scores -->")
_CORPORA: Final = (
    "WNUT dev", "BTC dev", "EWT dev", "SEC fin3", "TAB dev", "pii-syn", "presidio large", "presidio lower",
    "presidio upper",
)  # fmt: skip


def card(table: dict[str, Row], text: str) -> str:
    """The model card's text with the table of scores put between its marks."""
    lines = [
        "| set | PERSON F1 | P | found | LOCATION F1 | found | ORGANIZATION F1 | found | micro F1 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    keys = ("PER F1", "PER P", "PER ovl R", "LOC F1", "LOC ovl R", "ORG F1", "ORG ovl R", "micro F1")
    lines += [
        f"| {name} | "
        + " | ".join(f"{table[name][key]:.3f}" if table[name][key] else "–" for key in keys)
        + " |"
        for name in _CORPORA
    ]
    lines += [
        "",
        "| conversations | speakers' names found | other PERSON per 1,000 words | any class per 1,000 words |",
        "|---|---|---|---|",
    ]
    for name in ("LoCoMo", "LoCoMo lower"):
        row = table[name]
        lines.append(f"| {name} | {row['names']:.4f} | {row['other PER/1k']:.2f} | {row['all/1k']:.2f} |")
    lines += [
        "",
        "| texts without names to find | PERSON per 1,000 words | characters masked |",
        "|---|---|---|",
    ]
    for name, row in table.items():
        if "chars masked" in row:
            lines.append(
                f"| {name.removeprefix('flood ')} | {row['PER/1k']:.2f} | {100 * row['chars masked']:.1f} % |"
            )
    before, rest = text.split(_MARKS[0])
    after = rest.split(_MARKS[1])[1]
    return f"{before}{_MARKS[0]}\n\n" + "\n".join(lines) + f"\n\n{_MARKS[1]}{after}"


def main() -> int:
    """Score the package's model and print the table; `--card` writes it into the model card."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--card", action="store_true")
    parser.add_argument("--recall", type=float, default=0.0)
    arguments = parser.parse_args()
    table = scores(finder(NameModel.load().find, recall=arguments.recall))
    print(show(table))
    if arguments.card:
        CARD.write_text(card(table, CARD.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
