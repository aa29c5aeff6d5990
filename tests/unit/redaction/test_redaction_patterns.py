"""The pattern data: complete, compilable by `re`, up to date, and its shortcuts never skip a match."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vault.redaction.data import pattern_data
from vault.redaction.patterns import CHECKS, Rule, RuleSet, presidio_rules
from vault.redaction.rules import OWN_RULES
from vault.redaction.secret_rules import SECRET_RULES
from vault.redaction.taxonomy import LABELS

ROOT = Path(__file__).parents[3]
EVERY = [(rules, rule) for rules in (*presidio_rules(), *OWN_RULES, *SECRET_RULES) for rule in rules.rules]
DATES = next(rules for rules in presidio_rules() if rules.entity == "DATE_TIME")


def test_the_defaults_for_english_and_the_opt_ins_are_there() -> None:
    entities = {rules.entity for rules in presidio_rules()}
    assert {
        "CREDIT_CARD",
        "US_SSN",
        "US_PASSPORT",
        "UK_NHS",
        "CRYPTO",
        "DATE_TIME",
        "MAC_ADDRESS",
    } <= entities
    assert {"US_MBI", "US_NPI", "ABA_ROUTING_NUMBER", "UK_NINO", "US_HEALTH_INSURANCE_MEMBER_ID"} <= entities


def test_rules_are_well_formed() -> None:
    names = [rules.name for rules in (*presidio_rules(), *OWN_RULES, *SECRET_RULES)]
    assert len(set(names)) == len(names)
    for rules, rule in EVERY:
        re.compile(rule.regex, rule.flags)
        assert rule.check is None or rule.check in CHECKS
        assert 0 <= rule.score <= 1
        assert rules.entity in LABELS
        assert len({other.name for other in rules.rules}) == len(rules.rules)


def test_presidio_patterns_run_with_presidio_flags() -> None:
    assert pattern_data()["flags"] == re.DOTALL | re.MULTILINE | re.IGNORECASE


def test_iban_formats_agree_with_their_lengths() -> None:
    formats = pattern_data()["iban"]
    assert len(formats) > 70
    assert formats["NO"]["length"] == 15
    for country, entry in formats.items():
        assert entry["regex"].startswith(country)


@pytest.mark.parametrize(("rules", "rule"), EVERY, ids=[f"{s.name}-{r.name}" for s, r in EVERY])
@given(data=st.data())
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)
def test_what_lets_a_rule_be_skipped_is_in_every_match(
    rules: RuleSet, rule: Rule, data: st.DataObject
) -> None:
    # Hypothesis cannot generate for look-behind and conditionals; what it makes is searched again below.
    text = data.draw(st.from_regex(re.compile(rule.regex, rule.flags | re.ASCII)))
    match = re.search(rule.regex, text, rule.flags)
    if match is None:
        return
    held = match.group()
    assert sum(char in "0123456789" for char in held) >= rule.digits
    for char, least in Counter(rule.chars).items():
        assert held.count(char) >= least
    if rule.hints:
        assert any(hint in held.lower() for hint in rule.hints)
    if rule.words:
        assert not rule.words.isdisjoint(re.findall(r"[^\W_]+", held.lower()))
    if rules.gate:
        assert re.search(rules.gate, text, re.IGNORECASE)


def test_the_data_is_what_the_tool_writes() -> None:
    source = pattern_data()["source"]
    try:
        installed = importlib.metadata.version("presidio-analyzer")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("the extra memvault[presidio] is not installed")
    if f"presidio-analyzer {installed}," not in source:
        pytest.skip("another release of presidio-analyzer is installed")
    tool = ROOT / "tools" / "extract_presidio_patterns.py"
    done = subprocess.run([sys.executable, tool, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_source_is_attributed() -> None:
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert "presidio" in notice.lower()
    assert "MIT License" in notice
    assert "Copyright (c) 2018 presid-io" in notice
