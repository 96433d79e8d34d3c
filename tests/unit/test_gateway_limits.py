"""Limits shed load before it costs memory, and give back what they took."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from npstream.gateway.limits import REQUEST_BYTES, InFlight, Rate
from npstream.gateway.refusals import Refused


class Clock:
    """Seconds that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def allowed(rate: Rate, tries: int) -> int:
    """How many of so many tries are let through."""
    passed = 0
    for _ in range(tries):
        with suppress(Refused):
            rate.take()
            passed += 1
    return passed


def test_a_burst_passes_and_then_what_the_rate_allows() -> None:
    clock = Clock()
    rate = Rate(per_s=10.0, burst=5, clock=clock)
    assert allowed(rate, 100) == 5
    clock.now += 0.35
    assert allowed(rate, 100) == 3
    clock.now += 3600
    assert allowed(rate, 100) == 5


def test_who_is_refused_hears_when_there_will_be_room() -> None:
    clock = Clock()
    rate = Rate(per_s=0.25, burst=1, clock=clock)
    rate.take()
    with pytest.raises(Refused) as caught:
        rate.take()
    assert (caught.value.status, caught.value.response().headers["retry-after"]) == (429, "4")
    clock.now += 4
    rate.take()


@given(per_s=st.floats(0.1, 1000), burst=st.integers(1, 100), steps=st.lists(st.tuples(st.floats(0, 10), st.integers(0, 50))))
def test_no_pattern_gets_more_through_than_burst_and_rate(per_s: float, burst: int, steps: list[tuple[float, int]]) -> None:
    clock = Clock()
    rate = Rate(per_s, burst, clock)
    passed = 0
    for wait, tries in steps:
        clock.now += wait
        passed += allowed(rate, tries)
    assert passed <= burst + per_s * (clock.now - 100) + 1e-6


def test_a_request_holds_its_room_until_its_end() -> None:
    in_flight = InFlight(100_000)
    with in_flight.room() as room:
        room.grow(50_000)
        assert (in_flight.bytes, in_flight.requests) == (50_000 + REQUEST_BYTES, 1)
        with pytest.raises(Refused) as caught, in_flight.room() as other:
            other.grow(50_000)
        assert (caught.value.status, caught.value.response().headers["retry-after"]) == (503, "1")
        assert (in_flight.bytes, in_flight.requests) == (50_000 + REQUEST_BYTES, 1)
    assert (in_flight.bytes, in_flight.requests) == (0, 0)


def test_empty_requests_take_room_as_well() -> None:
    in_flight = InFlight(REQUEST_BYTES)
    with in_flight.room(), pytest.raises(Refused, match="too much is in flight"), in_flight.room():
        pass
    assert in_flight.requests == 0
