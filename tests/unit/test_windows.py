"""Rolling tables against a count by definition: any intervals put in and taken out, on any day, across any saves and loads."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.windows import FOREVER, Spans, Table, WindowsChanged, check_windows
from streams.state import Identity, MemoryStore, StagedState

DAY = 20_000
"""A day in 2024; 16 divides it, so that a chunk of days begins with it."""
SPANS = Spans((2, 5, 9), 3)


def new_state() -> StagedState:
    return StagedState(MemoryStore(), Identity(0, 1, "0000000000001-a"))


def new_table(day: int = DAY, keeps_eve: bool = False) -> Table:
    return Table(SPANS, b"H", b"h", day, keeps_eve)


def reloaded(table: Table, state: StagedState) -> Table:
    """The table as it is after it was saved, committed and decoded again."""
    table.save(state)
    state.commit()
    return Table.load(SPANS, state, b"H", b"h") or new_table(table.as_of, bool(table.eve))


@dataclass
class Definition:
    """The same counts, each time from all responses: (day, until, category)."""

    responses: list[tuple[int, int | None, int]] = field(default_factory=list)
    """`until` is None for an anonymous response, which is counted as a response only."""

    def sums(self, as_of: int) -> list[int]:
        sums = [0] * (2 * SPANS.kind)
        for window, length in enumerate(SPANS.days):
            for before in (0, 1):
                end = as_of - before * length
                for day, until, category in self.responses:
                    if end - length < day <= end:
                        sums[SPANS.base(0, before, window) + category] += 1
                        sums[SPANS.base(1, before, window) + category] += until is not None and day < until and end < until
        return sums


@dataclass(frozen=True)
class Step:
    """Something that happens to a table: days pass, or a response comes (or one that came goes)."""

    pass_days: int = 0
    reload: bool = False
    put: tuple[int, int | None, int] | None = None
    """Days before today (negative: to come), days until the next response, category."""
    take: int | None = None


steps = st.lists(
    st.builds(Step, pass_days=st.integers(0, 3) | st.integers(0, 40), reload=st.booleans())
    | st.builds(
        Step,
        put=st.tuples(st.integers(-1, 17), st.none() | st.integers(0, 12) | st.just(FOREVER), st.integers(0, 2)),
    )
    | st.builds(Step, take=st.integers(0, 20)),
    max_size=30,
)


@given(steps)
def test_rolling_sums_are_those_of_the_definition_on_every_day(steps: list[Step]) -> None:
    state, table, definition = new_state(), new_table(), Definition()
    for step in steps:
        if step.put is not None:
            ago, until, category = step.put
            day = table.as_of - ago
            definition.responses.append((day, None if until is None else day + until, category))
            apply(table, state, definition.responses[-1], 1)
        elif step.take is not None and definition.responses:
            taken = definition.responses.pop(step.take % len(definition.responses))
            if table.as_of - taken[0] < 2 * SPANS.longest:
                apply(table, state, taken, -1)
        for _ in range(step.pass_days):
            table.roll(state, table.as_of + 1)
            assert table.sums == definition.sums(table.as_of)
        if step.reload:
            table = reloaded(table, state)
        assert table.sums == definition.sums(table.as_of)
    table.roll(state, table.as_of + 3 * SPANS.history_days)
    assert table.empty
    table.save(state)
    state.commit()
    assert list(state.scan(b"", b"", 100)) == []


def apply(table: Table, state: StagedState, response: tuple[int, int | None, int], amount: int) -> None:
    day, until, category = response
    table.count(state, day, category, amount)
    if until is not None:
        table.hold(state, day, min(until, FOREVER), category, amount)


@given(st.integers(-1, 17), st.integers(0, 2))
def test_to_enter_is_to_be_counted_and_held(ago: int, category: int) -> None:
    state, one, other = new_state(), new_table(), new_table()
    one.enter(state, DAY - ago, category)
    apply(other, state, (DAY - ago, FOREVER, category), 1)
    one.roll(state, DAY + 4)
    other.roll(state, DAY + 4)
    assert (one.sums, one.pending) == (other.sums, other.pending)


@pytest.mark.parametrize("days", [1, 8, 9, 10, 17, 18, 19, 21, 22, 100])
def test_a_jump_is_as_good_as_single_days(days: int) -> None:
    state, jumping, walking = new_state(), new_table(), new_table()
    for table in (jumping, walking):
        apply(table, state, (DAY, DAY + 3, 0), 1)
        apply(table, state, (DAY - 2, FOREVER, 2), 1)
    jumping.roll(state, DAY + days)
    for day in range(DAY + 1, DAY + days + 1):
        walking.roll(state, day)
    assert jumping.sums == walking.sums


def test_a_response_to_come_counts_when_its_day_comes() -> None:
    state, table = new_state(), new_table()
    table.enter(state, DAY + 1, 0)
    assert table.counts(0, 0, 0) == [0, 0, 0]
    assert not table.empty
    table = reloaded(table, state)
    table.roll(state, DAY + 1)
    assert table.counts(0, 0, 0) == table.counts(1, 0, 0) == [1, 0, 0]


def test_a_response_followed_on_its_own_day_never_counts_as_the_latest() -> None:
    state, table = new_state(), new_table()
    table.hold(state, DAY, DAY, 0, 1)
    assert not any(table.sums)


def test_the_eve_is_how_respondents_stood_when_the_day_before_ended() -> None:
    state, table = new_state(), new_table(keeps_eve=True)
    table.enter(state, DAY, 2)
    assert not any(table.eve)
    ended = table.sums[SPANS.kind :]
    table = reloaded(table, state)
    table.roll(state, DAY + 1)
    table.enter(state, DAY + 1, 0)
    assert table.eve == ended
    table.roll(state, DAY + 3)
    assert table.eve == Definition([(DAY, FOREVER, 2), (DAY + 1, FOREVER, 0)]).sums(DAY + 2)[SPANS.kind :]


def test_a_table_with_nothing_left_leaves_the_state() -> None:
    state, table = new_state(), new_table()
    table.enter(state, DAY - 17, 1)
    table = reloaded(table, state)
    assert len(state.scan(b"", b"", 10)) == 2
    table.count(state, DAY - 17, 1, -1)
    table.hold(state, DAY - 17, FOREVER, 1, -1)
    reloaded(table, state)
    assert state.scan(b"", b"", 10) == []


def test_a_year_of_days_is_written_in_small_pieces() -> None:
    spans = Spans((7, 30, 90, 365), 7)
    state, table = new_state(), Table(spans, b"H", b"h", DAY)
    for day in range(DAY, DAY + 365):
        table.roll(state, day)
        table.enter(state, day, day % 3)
        if day > DAY:
            table.hold(state, day - 1, FOREVER, (day - 1) % 3, -1)
            table.hold(state, day - 1, day, (day - 1) % 3, 1)
        table.save(state)
        assert sum(len(value or b"") for _, value in state.changes()) < 500
        state.commit()


@pytest.mark.parametrize(
    ("days", "grace", "message"),
    [
        ((), 7, "windows_days"),
        ((0, 7), 7, "windows_days"),
        ((7, 7), 7, "windows_days"),
        ((30, 7), 7, "windows_days"),
        ((7,), -1, "grace_days"),
    ],
)
def test_contradicting_lengths_are_refused_by_name(days: tuple[int, ...], grace: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Spans(days, grace)


def test_a_state_of_other_windows_is_refused() -> None:
    state = new_state()
    check_windows(state, SPANS, "scoring")
    check_windows(state, SPANS, "scoring")
    state.commit()
    state.cache.clear()
    with pytest.raises(WindowsChanged, match=r"was counted with windows of \[2, 5, 9\] days .* the settings say \[7\]"):
        check_windows(state, Spans((7,), 3), "scoring")
