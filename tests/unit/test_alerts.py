"""The alerts ask for metrics that workers have, say what to do, and are played."""

import re
from typing import Any, get_args

import pytest

from npstream.settings import AGENTS
from schemas.dead_letters import Reason
from schemas.events import Severity
from streams.phase import Phase
from tests.metric_catalogue import Metric, catalogue
from tests.unit.test_deploy import PROMETHEUS, yaml

OTHERS = {"up": {"job", "instance"}, "process_start_time_seconds": {"job", "instance"}}
"""Metrics that are not npstream's own: from Prometheus and prometheus-client."""
JOB_LABELS = {"job", "instance"}
"""What Prometheus adds to each series it scrapes."""
VALUES: dict[str, set[str]] = {
    "phase": {phase.name.lower() for phase in Phase},
    "reason": {reason.value for reason in Reason},
    "unit": set(AGENTS),
    "outcome": {"committed", "aborted", "fenced", "delivered", "failed", "expired", "superseded", "retrying"},
    "severity": set(get_args(Severity)),
    "job": {config["job_name"] for config in yaml(PROMETHEUS / "prometheus.yml")["scrape_configs"]},
}
"""What the labels that alerts ask for may be."""


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for group in yaml(PROMETHEUS / "rules.yml")["groups"] for rule in group["rules"]}


def labels_of(sample: str, metrics: list[Metric]) -> set[str]:
    """The labels of a time series. Raises StopIteration if there is none of that name."""
    if sample in OTHERS:
        return OTHERS[sample]
    metric = next(metric for metric in metrics if sample in metric.samples)
    return {*metric.labels, *JOB_LABELS} | ({"le"} if sample.endswith("_bucket") else set())


def selectors(expression: str) -> list[tuple[str, str]]:
    """Names of time series and what is asked of their labels."""
    return re.findall(r"\b(npstream_\w+|up|process_\w+)(?:\{([^}]*)\})?", expression)


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_asks_for_metrics_labels_and_values_that_there_are(alert: str) -> None:
    metrics = catalogue()
    expression = alerts()[alert]["expr"]
    known: set[str] = set()
    assert selectors(expression)
    for sample, matchers in selectors(expression):
        labels = labels_of(sample, metrics)
        known |= labels
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
            assert label in labels
            assert set(value.split("|")) <= VALUES[label]
    for kept in re.findall(r"\bby \(([^)]*)\)", expression):
        assert {label.strip() for label in kept.split(",")} <= known
    named = re.findall(r"\$labels\.(\w+)", alerts()[alert]["annotations"]["summary"])
    grouped = {label.strip() for kept in re.findall(r"\bby \(([^)]*)\)", expression) for label in kept.split(",")}
    assert set(named) <= (grouped or known)


def test_all_phases_but_running_and_those_at_rest_are_watched() -> None:
    watched = re.findall(r'phase=~?"([^"]*)"', " ".join(rule["expr"] for rule in alerts().values()))
    assert {phase for group in watched for phase in group.split("|")} == VALUES["phase"] - {"running", "suspended", "closed"}


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_says_how_urgent_it_is_what_happened_and_what_to_do(alert: str) -> None:
    rule = alerts()[alert]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {"summary", "action"}


def test_series_that_set_an_alert_off_and_some_that_do_not_are_played_for_each() -> None:
    played = [case for test in yaml(PROMETHEUS / "rules_test.yml")["tests"] for case in test.get("alert_rule_test", [])]
    assert {case["alertname"] for case in played if case["exp_alerts"]} == set(alerts())
    for case in played:
        for expected in case["exp_alerts"]:
            assert expected["exp_labels"]["severity"] == alerts()[case["alertname"]]["labels"]["severity"]
            assert expected["exp_annotations"]["action"] == alerts()[case["alertname"]]["annotations"]["action"]


def test_what_is_played_are_series_that_workers_have() -> None:
    metrics = catalogue()
    series = {entry["series"] for test in yaml(PROMETHEUS / "rules_test.yml")["tests"] for entry in test["input_series"]}
    for text in series:
        ((sample, labels),) = selectors(text)
        assert set(re.findall(r'(\w+)="', labels)) <= labels_of(sample, metrics)
