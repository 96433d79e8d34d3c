"""Pytest hooks for continuous integration: there every test runs and passes. A skipped test, or one that is expected to fail,
is a failure, since a broker that is missing would otherwise look like a success."""

import os
from collections.abc import Generator

import pytest


def in_ci() -> bool:
    """Whether this is a run of continuous integration: the variable CI is set, as every CI service does."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def _refuse_a_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and in_ci():
        report.outcome = "failed"
        vars(report).pop("wasxfail", None)  # with it, pytest prints the failure and exits with 0
        report.longrepr = f"skipped, and in CI nothing may be: {report.longrepr}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip of a test into a failure."""
    report = yield
    _refuse_a_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Turn a skip of a whole module into a failure."""
    report = yield
    _refuse_a_skip(report)
    return report
