"""What sinks say, and after how long they are asked again."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npstream.notifying.answers import (
    ERROR_CHARS,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    LONGEST_RETRY_AFTER_S,
    Away,
    Refused,
    Taken,
    judge,
    pause,
    seconds_of,
    shortened,
)
from tests.notifying import NOW

STATUSES = """
200 taken        204 taken        202 taken
301 refused      302 refused      304 refused
400 refused      401 refused      403 refused      404 refused     409 refused     410 refused     413 refused     422 refused
408 again        425 again        429 busy
500 again        502 again        503 busy         504 again       599 again
"""


@pytest.mark.parametrize(
    ("status", "meant"), [(int(status), meant) for status, meant in zip(*[iter(STATUSES.split())] * 2, strict=True)]
)
def test_what_a_status_means(status: int, meant: str) -> None:
    if meant == "taken":
        assert judge(status, "sorry") == Taken(status)
        return
    with pytest.raises(Refused if meant == "refused" else Away, match=f"answers {status}: sorry") as raised:
        judge(status, "sorry")
    assert raised.value.status == status
    assert getattr(raised.value, "of_sink", None) == {"refused": None, "again": False, "busy": True}[meant]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        (" 0 ", 0.0),
        ("86400", LONGEST_RETRY_AFTER_S),
        ("9" * 400, LONGEST_RETRY_AFTER_S),
        ("Mon, 02 Mar 2026 09:30:30 GMT", 29.5),
        ("Mon, 02 Mar 2026 09:30:30 -0000", 29.5),
        ("Mon, 02 Mar 2026 09:00:00 GMT", 0.0),
        ("Tue, 02 Mar 2027 09:00:00 GMT", LONGEST_RETRY_AFTER_S),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_a_number_of_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert seconds_of(header, NOW) == seconds


def test_the_pause_that_a_sink_asks_for_comes_with_its_refusal() -> None:
    with pytest.raises(Away) as raised:
        judge(429, "", "7", NOW)
    assert raised.value.pause_s == 7.0


@given(
    failures=st.integers(min_value=1, max_value=10_000),
    asked=st.none() | st.floats(min_value=0, max_value=LONGEST_RETRY_AFTER_S),
    drawn=st.floats(min_value=0, max_value=1, exclude_max=True),
)
def test_pauses_are_within_their_bounds(failures: int, asked: float | None, drawn: float) -> None:
    found = pause(failures, asked, lambda: drawn)
    if asked is None:
        assert 0 <= found <= min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(failures - 1, 20))
    else:
        assert asked <= found <= asked + FIRST_PAUSE_S


def test_pauses_grow_to_the_longest() -> None:
    longest = [pause(failures, None, lambda: 1.0) for failures in range(1, 9)]
    assert longest == [1, 2, 4, 8, 16, 30, 30, 30]


@given(st.text())
def test_what_is_recorded_is_one_printable_line(text: str) -> None:
    line = shortened(text)
    assert len(line) <= ERROR_CHARS
    assert all(one.isprintable() for one in line)


def test_dates_of_retry_after_are_those_of_http() -> None:
    moment = datetime.fromtimestamp(NOW / 1000 + 10, UTC).replace(microsecond=0)
    assert seconds_of(format_datetime(moment, usegmt=True), NOW) == pytest.approx(9.5)
