"""Searching several people at once: `python -m benchmarks.across [--people N] [--each N]`.

First LoCoMo, each conversation the memories of one person, every question put to all of them: recall@10 and MRR@10 as
in benchmarks.locomo, where the person is named, where everybody's own ten best are merged by score, and where the
people are ranked as one. Then the processor time of a search over N people with so many memories each, with its log.

The data (CC BY-NC 4.0) is read from MEMVAULT_SHARED/data/eval and is not part of this repository.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from operator import attrgetter
from pathlib import Path
from statistics import mean, median
from typing import Any, Final

from benchmarks.facts import facts as drawn
from benchmarks.locomo import TOP, Question, conversations, facts, questions, turns
from benchmarks.redaction_cost import Nothing
from vault import Principal, SearchHit, Session, Vault

ASKED: Final = 30
Way = Callable[[Question, str], Sequence[SearchHit]]


def sessions(vault: Vault) -> tuple[Session, Session]:
    """Who writes and reads one person, and who may read several."""
    app = vault.session(Principal("benchmark", "app", ("app",)), purpose="service")
    ward = Principal("benchmark", "ward", ("care-team",))
    return app, vault.session(ward, purpose="treatment")


def quality(data: Sequence[dict[str, Any]], kind: str, *, off: bool) -> dict[str, tuple[float, float]]:
    """Way of asking to (recall@10, MRR@10)."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with Vault.init(place / "vault", key_folder=place / "keys", keystore_backup="none") as vault:
            if off:
                vault._opened().detector = Nothing()
            app, ward = sessions(vault)
            turns_of: dict[str, frozenset[str]] = {}
            users = [f"user-{number}" for number in range(len(data))]
            for user, conversation in zip(users, data, strict=True):
                for row in turns(conversation) if kind == "turns" else facts(conversation):
                    turns_of[app.add(row.text, user_id=user).memories[0].id] = row.turns

            def merged(question: Question, _user: str) -> list[SearchHit]:
                each = [hit for user in users for hit in app.search(question.text, user_id=user, limit=TOP)]
                return sorted(each, key=attrgetter("score"), reverse=True)[:TOP]

            ways: dict[str, Way] = {
                "the person is named": lambda q, user: app.search(q.text, user_id=user, limit=TOP),
                "each ranked alone, merged by score": merged,
                "ranked as one": lambda q, _: ward.subjects.search(q.text, user_ids=users, limit=TOP),
            }
            return {name: _measured(data, users, turns_of, way) for name, way in ways.items()}


def _measured(
    data: Sequence[dict[str, Any]], users: Sequence[str], turns_of: dict[str, frozenset[str]], way: Way
) -> tuple[float, float]:
    recalls, reciprocal = [], []
    for user, conversation in zip(users, data, strict=True):
        for question in questions(conversation):
            found = [
                turns_of[hit.memory.id] if hit.memory.user_id == user else frozenset[str]()
                for hit in way(question, user)
            ]
            recalls.append(len(question.evidence & frozenset().union(*found)) / len(question.evidence))
            first = next((rank for rank, hit in enumerate(found, 1) if hit & question.evidence), None)
            reciprocal.append(1.0 / first if first else 0.0)
    return mean(recalls), mean(reciprocal)


def milliseconds(people: int, each: int) -> tuple[float, float]:
    """Processor time of the first search over so many people, and the median of the warm ones."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with Vault.init(place / "vault", key_folder=place / "keys", keystore_backup="none") as vault:
            app, ward = sessions(vault)
            items = list(drawn(people * each))
            app.add_many(
                [{"content": fact.text, "user_id": f"u{at % people}"} for at, fact in enumerate(items)],
                batch=1_000,
            )
            vault._opened().index.clear()
            users, spent = [f"u{n}" for n in range(people)], []
            for fact in items[: ASKED + 1]:
                started = time.process_time()
                ward.subjects.search(fact.question, user_ids=users)
                spent.append(1e3 * (time.process_time() - started))
    return spent[0], median(spent[1:])


def main() -> int:
    parser = argparse.ArgumentParser(description="Searching several people at once.")
    parser.add_argument(
        "--people", type=int, nargs="*", default=[1, 10, 100], help="people in a timed search"
    )
    parser.add_argument("--each", type=int, default=200, help="memories of each")
    options = parser.parse_args()
    data = conversations(Path(os.environ.get("MEMVAULT_SHARED", "../shared")))
    if data is None:
        return 1
    print("| | rows | recall@10 | MRR@10 |\n|---|---|---|---|")
    for kind in ("turns", "facts"):
        for words, off in (("nothing redacted", True), ("baseline pack", False)):
            for name, (recall, mrr) in quality(data, kind, off=off).items():
                print(f"| {name} | {kind}, {words} | {recall:.3f} | {mrr:.3f} |", flush=True)
    print(
        f"\n| people, {options.each} memories each | first, ms of processor time | warm p50 |\n|---|---|---|"
    )
    for people in options.people:
        first, warm = milliseconds(people, options.each)
        print(f"| {people} | {first:.1f} | {warm:.1f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
