"""The shipped evaluation set: whole, varied, its identifiers true, and none of it seen in training."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections import Counter
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from training.corpus.engine import templates
from vault.redaction import national_checks, validators
from vault.redaction.taxonomy import LABELS

REPOSITORY = Path(__file__).resolve().parents[3]
FEWEST = 20
# Classes that no rule of ours reports: they belong to other detectors, or to the packs.
NOT_SAMPLED = frozenset({"OCCUPATION", "SOCIAL_HANDLE"})
CHECKS = {
    "CREDIT_CARD": validators.card,
    "UK_NHS": validators.uk_nhs,
    "BR_CPF": national_checks.br_cpf,
    "BR_CNPJ": national_checks.br_cnpj,
    "NL_BSN": national_checks.nl_bsn,
    "ES_NIF": national_checks.es_nif,
    "ES_NIE": national_checks.es_nie,
    "DE_TAX_ID": national_checks.de_tax_id,
    "FR_NIR": national_checks.fr_nir,
    "IT_FISCAL_CODE": national_checks.it_fiscal,
}


@cache
def packed() -> bytes:
    return resources.files("vault.redaction.evaluation").joinpath("samples.jsonl.gz").read_bytes()


@cache
def records() -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(packed()).decode().splitlines()]


def marked() -> list[tuple[str, str]]:
    return [(entity, one["text"][start:end]) for one in records() for start, end, entity in one["spans"]]


def test_the_set_is_small_and_holds_two_thousand_different_texts() -> None:
    assert len(packed()) <= 250_000
    assert len({one["text"] for one in records()}) == len(records()) >= 1_900


def test_the_bytes_carry_no_time_stamp() -> None:
    assert packed()[4:8] == b"\0\0\0\0"


def test_every_span_lies_in_its_text_apart_from_the_others() -> None:
    for one in records():
        at = 0
        for start, end, _ in one["spans"]:
            assert at <= start < end <= len(one["text"])
            at = end


def test_every_class_comes_often_enough() -> None:
    count = Counter(entity for entity, _ in marked())
    assert not {entity: number for entity, number in count.items() if number < FEWEST}


def test_a_good_part_of_the_texts_holds_nothing_personal() -> None:
    assert sum(not one["spans"] for one in records()) > 300


@pytest.mark.parametrize("entity", sorted(CHECKS))
def test_identifiers_pass_their_check(entity: str) -> None:
    values = [text for found, text in marked() if found == entity]
    assert len(values) >= FEWEST
    assert all(CHECKS[entity](text) is not False for text in values)


def test_probes_hold_the_class_they_probe() -> None:
    for one in records():
        if one.get("probe", "").isupper():
            assert one["probe"] in {entity for _, _, entity in one["spans"]}


def test_no_text_follows_a_training_template() -> None:
    """The fixed words of a held-out template are nobody's in training."""
    slots = re.compile(r"\{[^{}]*\}|<[^<>]*>")
    fixed = {
        held: {
            tuple(re.findall(r"\w+", slots.sub(" ", one.text).lower())) for one in templates(held_out=held)
        }
        for held in (False, True)
    }
    assert not {words for words in fixed[False] & fixed[True] if len(words) > 1}


def test_every_class_of_the_taxonomy_is_sampled_or_excused() -> None:
    sampled = {entity for entity, _ in marked()}
    assert not set(LABELS) - sampled - NOT_SAMPLED


@pytest.mark.slow
def test_the_tool_writes_these_texts_again() -> None:
    """All but the sentences made from the detector's own table, which follow that table."""
    pytest.importorskip("faker", reason="the generator needs Faker (a training-only dependency)")
    shared = Path(os.environ.get("MEMVAULT_SHARED", REPOSITORY.parent / "shared"))
    if not (shared / "data" / "gazetteers").is_dir():
        pytest.skip("the gazetteers are not here (MEMVAULT_SHARED)")
    from tools.make_detection_samples import lines  # it needs what was just asked for

    again = {json.dumps(one, sort_keys=True) for one in lines()}
    shipped = {json.dumps(one, sort_keys=True) for one in records() if one["kind"] != "national"}
    assert again == shipped
