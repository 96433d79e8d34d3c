"""What is asked before a message is sent, in which order; addresses; and the hours of the day."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import outreach_rules
from agents.outreach_hours import MessageHours
from agents.outreach_rules import Circumstances, is_address, suppression
from npstream.zones import zone_named
from schemas.outreach import Suppression
from schemas.times import format_time, parse_time
from streams.processor import DAY_MS
from tests.unit.test_outreach import START, settings

DOCS = Path(__file__).parents[2] / "docs" / "first-touch.md"
FINE = Circumstances(
    answered=False,
    case_state="new",
    opted_out=False,
    address="lee@acme.example",
    last_sent_at=None,
    expires_at=START + 1,
    sent_to_account=0,
    sent_by_partition=0,
    partitions=1,
)
AGAINST: dict[Suppression, dict[str, Any]] = {
    "answered": {"answered": True},
    "closed": {"case_state": "resolved"},
    "opted out": {"opted_out": True},
    "no address": {"address": "u-17"},
    "cool-down": {"last_sent_at": START - DAY_MS},
    "too late": {"expires_at": START},
    "account cap": {"sent_to_account": 20},
    "daily cap": {"sent_by_partition": 2_000},
}
"""In the order in which they are asked."""


def test_without_a_reason_against_it_a_message_is_sent() -> None:
    assert suppression(FINE, settings(), START) is None


@pytest.mark.parametrize("reason", AGAINST)
def test_each_reason_keeps_a_message_back(reason: Suppression) -> None:
    assert suppression(FINE._replace(**AGAINST[reason]), settings(), START) == reason


@given(st.sets(st.sampled_from(list(AGAINST)), min_size=1))
def test_of_several_reasons_the_first_is_told(reasons: set[Suppression]) -> None:
    facts = FINE
    for reason in reasons:
        facts = facts._replace(**AGAINST[reason])
    assert suppression(facts, settings(), START) == next(reason for reason in AGAINST if reason in reasons)


def test_the_order_is_documented() -> None:
    def reasons(text: str) -> list[str]:
        cells = [line.strip("|").split("|")[-1].strip() for line in text.splitlines() if line.startswith("| ")]
        return [cell for cell in cells if cell in AGAINST]

    assert reasons(str(outreach_rules.__doc__)) == list(AGAINST)
    page = DOCS.read_text(encoding="utf-8").partition("## When there is no message")[2].partition("\n## ")[0]
    assert [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")] == list(AGAINST)


@pytest.mark.parametrize(
    "address",
    [
        "lee@acme.example",
        "l.e+e@a-b.acme.example",
        "o'neill@acme.example",
        "x@xn--mnchen-3ya.example",
        "a" * 64 + "@acme.example",
    ],
)
def test_what_is_an_address(address: str) -> None:
    assert is_address(address)


@pytest.mark.parametrize(
    "text",
    [
        "", "u-17", "lee", "lee@", "@acme.example", "lee@acme", "lee@acme.example\n", "lee@acme.example\r\nBcc: x@x.example",
        "lee@acme.example, kim@acme.example", "Lee <lee@acme.example>", "lee @acme.example", "lee@acme..example",
        "lee@-a.example", "lee@acme.example.", "lee@127.0.0.1", "lée@acme.example", "a" * 65 + "@acme.example",
        "lee@" + "a." * 125 + "example", None, 7,
    ],
)  # fmt: skip
def test_what_is_none(text: object) -> None:
    assert not is_address(text)


@pytest.mark.parametrize(
    ("field", "value"),
    [("delay_minutes", -1), ("cooldown_days", -1), ("account_cap", 0), ("daily_cap", 0), ("latest_h", 0), ("reply_to", "lee")],
)
def test_settings_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        settings(**{field: value})


@pytest.mark.parametrize(("first", "end"), [(600, 600), (1200, 480), (-1, 60), (0, 1441)])
def test_hours_of_no_length_are_refused(first: int, end: int) -> None:
    with pytest.raises(ValueError, match="begin before they end"):
        MessageHours(first, end)


# Hours are 08:00 to 20:00 unless they are said to be others. Times: local in the first column, as UTC in the others.
CLOCK = """
UTC                2026-03-02T08:00:00  2026-03-02T08:00:00
UTC                2026-03-02T19:59:59  2026-03-02T19:59:59
UTC                2026-03-02T20:00:00  2026-03-03T08:00:00
UTC                2026-03-02T00:00:00  2026-03-02T08:00:00
Europe/Berlin      2026-03-02T06:59:59  2026-03-02T07:00:00
Europe/Berlin      2026-03-28T20:00:00  2026-03-29T06:00:00
Europe/Berlin      2026-10-24T20:00:00  2026-10-25T07:00:00
Asia/Kolkata       2026-03-02T02:29:00  2026-03-02T02:30:00
Pacific/Auckland   2026-03-02T10:00:00  2026-03-02T19:00:00
"""


@pytest.mark.parametrize("line", CLOCK.strip().splitlines())
def test_hours_are_those_of_the_clock_on_the_wall(line: str) -> None:
    zone, at, expected = line.split()
    found = MessageHours(zones=lambda name: zone_named(name or "UTC")).next(parse_time(at + "Z"), zone)
    assert format_time(found) == expected + ".000Z"


@given(
    st.integers(0, 400 * 1440).map(lambda minutes: START + minutes * 60_000),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    st.integers(0, 1439),
    st.integers(1, 600),
)
def test_the_next_time_is_within_the_hours_and_the_first_that_is(ms: int, zone: str, first: int, length: int) -> None:
    end = min(first + length, 1440)
    hours = MessageHours(first, end, lambda name: zone_named(name or "UTC"))

    def within(at: int) -> bool:
        local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=at)).astimezone(zone_named(zone))
        return first <= local.hour * 60 + local.minute < end

    found = hours.next(ms, zone)
    assert ms <= found <= ms + 2 * DAY_MS
    assert (found == ms) == within(ms)
    assert hours.next(found, zone) == found or length <= 120, "an hour that a clock leaves out may be all there was"
