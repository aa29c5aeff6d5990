"""The same answers from Qdrant as from the sealed index, on text: what is lost at recall@10, with redaction on.

Each question is put to both indexes over the same records. Qdrant is the client's in-memory mode, which is exact: what
is measured is what turn, noise, candidates and the estimates of the whole scope cost, and not what HNSW costs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.elsewhere import Kept, elsewhere, filters_once
from support.soak import markdown, record

from benchmarks.facts import facts
from vault import Principal, Session, Vault
from vault.index.interface import Hit, OutsideReader, Query
from vault.index.qdrant import QdrantIndex
from vault.index.sealed import SealedIndex

ROWS, ASKED, FEW, TOP, LOSS = 2_000, 150, 20, 10, 0.01


def made_up(rows: int = ROWS) -> tuple[list[dict[str, Any]], list[str]]:
    drawn = list(facts(rows))
    items = [
        {"content": fact.text, "user_id": "u", "run_id": f"r{at // 40}"} for at, fact in enumerate(drawn)
    ]
    return items, [fact.question for fact in drawn[:: rows // ASKED]]


def talked(shared: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The turns of four conversations, one person's, and every fifth of their questions."""
    talks = json.loads((shared / "data/eval/locomo-first5.json").read_text())[1:]
    items = [
        {"content": f"{turn['speaker']}: {turn['text']}", "user_id": "u", "run_id": f"r{number}"}
        for number, talk in enumerate(talks)
        for key, turns in talk["conversation"].items()
        if key.startswith("session_") and isinstance(turns, list)
        for turn in turns
    ]
    return items[:ROWS], [entry["question"] for talk in talks[:3] for entry in talk["qa"]][::4]


Pairs = list[tuple[list[Hit], list[Hit]]]


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pairs]:
    """What both indexes answered to each question."""
    seen: Pairs = []
    true, sealed = QdrantIndex.search, SealedIndex(cache_bytes=64 << 20)

    def both(self: QdrantIndex, reader: OutsideReader, query: Query, limit: int) -> list[Hit]:
        seen.append((true(self, reader, query, limit), sealed.search(reader, query, limit)))
        return seen[-1][0]

    monkeypatch.setattr(QdrantIndex, "search", both)
    yield seen
    sealed.clear()


def lost(pairs: Pairs) -> tuple[int, float, float]:
    """Questions asked, loss at recall@10, and how far off the score of a common hit was at most."""
    kept = [len({hit.n for hit in got} & {hit.n for hit in best}) / len(best) for got, best in pairs]
    scores = [({hit.n: hit.score for hit in got}, {hit.n: hit.score for hit in best}) for got, best in pairs]
    off = max(abs(got[n] - best[n]) for got, best in scores for n in got.keys() & best)
    return len(pairs), 1 - sum(kept) / len(kept), off


def measured(
    tmp_path: Path,
    pairs: Pairs,
    texts: tuple[list[dict[str, Any]], list[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[int, float, float]:
    """What is lost in the client's in-memory mode."""
    items, questions = texts
    monkeypatch.setattr("vault.index.qdrant.connect", lambda *_args, **_options: Kept())
    with elsewhere(tmp_path) as vault:
        app = filled(vault, items)
        filters_once(monkeypatch)
        for question in questions:
            app.search(question, user_id="u", limit=TOP)
    return lost(pairs)


def filled(vault: Vault, items: list[dict[str, Any]]) -> Session:
    """One person's memories, a few of them deleted again, all of them there."""
    app = vault.session(Principal("clinic", "bot", ("app",)), purpose="service")
    app.add_many(items)
    for place, memory in enumerate(app.list(user_id="u", limit=200).memories):
        if place % 7 == 0:  # numbers that are missing are in no one's context
            app.delete(memory.id)
    index = vault.admin(Principal("clinic", "op", ("operator",))).index_verify()
    assert (index["there"], index["waiting"]) == (index["checked"], 0)
    return app


def texts_of(source: str, request: pytest.FixtureRequest) -> tuple[list[dict[str, Any]], list[str]]:
    return made_up() if source == "made up" else talked(request.getfixturevalue("shared"))


@pytest.mark.slow
@pytest.mark.parametrize("source", ["made up", "talked"])
def test_loses_no_more_than_a_hundredth_of_the_ten_best(
    tmp_path: Path,
    pairs: Pairs,
    source: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    items, questions = texts_of(source, request)
    few = questions[:: len(questions) // FEW][:FEW]
    asked, loss, off = measured(tmp_path, pairs, (items, few), monkeypatch)
    print(f"{source}: {asked} questions, recall@{TOP} loss {loss:.4f}, scores off by {off:.4f} at most")
    assert (asked, len(items)) == (FEW, ROWS)
    assert loss <= LOSS


@pytest.mark.soak
def test_table(
    tmp_path: Path,
    pairs: Pairs,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = []
    for source in ("made up", "talked"):
        pairs.clear()
        with monkeypatch.context() as patched:
            asked, loss, off = measured(
                tmp_path / source.replace(" ", ""), pairs, texts_of(source, request), patched
            )
        rows.append((source, ROWS, asked, f"{loss:.4f}", f"{off:.4f}"))
        assert loss <= LOSS
    head = ("texts", "memories in scope", "questions", f"recall@{TOP} lost", "score off by at most")
    record("qdrant-recall", "What Qdrant's answers lack of the sealed index's", markdown(head, rows))
