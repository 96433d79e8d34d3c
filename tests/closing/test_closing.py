"""A short run of what `python -m tests.closing` does at length."""

from tests.closing.__main__ import kills


def test_alerts_come_once_through_the_death_of_notifier_and_worker() -> None:
    report = kills(alerts=400, rate=100.0, grouped=False)
    assert report.holds, [finding for finding in report.findings if not finding.holds]
