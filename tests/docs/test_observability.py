"""The page on logs, traces and metrics, its dashboard and its alerts, against the catalogue."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from test_documented import page, rows, sections

from vault.observe.catalogue import EVENTS
from vault.observe.events import names_of
from vault.observe.meter import METRICS, Kind, Metric
from vault.observe.otlp import attributes
from vault.observe.words import Result, Stage

FOLDER = Path(__file__).parents[2] / "docs" / "observability"
PAGE = "docs/observability.md"


def in_prometheus(metric: Metric) -> set[str]:
    """What a metric is called there (OpenTelemetry's specification of compatibility with Prometheus)."""
    name = metric.name.replace(".", "_") + ("_seconds" if metric.unit == "s" else "")
    if metric.kind is Kind.HISTOGRAM:
        return {f"{name}_{part}" for part in ("bucket", "sum", "count")}
    return {f"{name}_total" if metric.kind is Kind.COUNTER else name}


def alerts() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    return list(group["rules"])


def expressions() -> Iterator[str]:
    for panel in json.loads((FOLDER / "grafana.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for rule in alerts():
        yield rule["expr"]


def test_every_event_is_on_the_page_with_its_fields() -> None:
    table = {row[0].strip("`"): re.findall(r"`(\w+)`", row[2]) for row in rows(page(PAGE)) if len(row) == 3}
    assert {event.name: list(names_of(event)) for event in EVENTS}.items() <= table.items()
    text = sections(page(PAGE), 2)["Events"]
    assert all(f"`{result.value}`" in text for result in Result)
    assert all(stage.value in text for stage in Stage)


def test_every_metric_is_on_the_page() -> None:
    table = rows(sections(page(PAGE), 2)["Metrics"])[1:]
    assert table == [
        [
            f"`{metric.name}`",
            metric.kind.value,
            metric.unit,
            ", ".join(f"`{name}`" for name in attributes(metric)) or "nothing",
            metric.description,
        ]
        for metric in METRICS
    ]


def test_dashboard_and_alerts_name_the_metrics_there_are_and_all_of_them() -> None:
    known = {name: metric for metric in METRICS for name in in_prometheus(metric)}
    used: set[str] = set()
    for expression in expressions():
        names = set(re.findall(r"\bmemvault_\w+", expression))
        labels = set(re.findall(r"\b(memvault_\w+)(?=\s*(?:!?=|\)\s*\()|,)", expression)) - set(known)
        labels |= (
            set(re.findall(r"by \(([^)]*)\)", expression)[0].replace(" ", "").split(","))
            if "by (" in expression
            else set()
        )
        metrics = names - labels
        assert metrics <= set(known), expression
        allowed = {label.replace(".", "_") for name in metrics for label in attributes(known[name])} | {"le"}
        assert labels <= allowed, expression
        used |= metrics
    assert {known[name] for name in used} == set(METRICS)


def test_every_alert_says_what_to_do() -> None:
    steps = {row[0].strip("`") for row in rows(sections(page(PAGE), 2)["What to do when an alert fires"])[1:]}
    assert steps == {rule["alert"] for rule in alerts()}
    assert all(rule["annotations"]["summary"] and rule["labels"]["severity"] for rule in alerts())
