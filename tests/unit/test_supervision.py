"""What becomes of a process that ends: started again, or the end of all of them."""

import itertools

import pytest

from npstream.supervision import (
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    MOST_DEATHS,
    PROVEN_S,
    Death,
    ImpossibleLife,
    Life,
    Supervised,
)

KILLED = Death(-9)
TRANSITIONS = """
    RESTING RUNNING
    RESTING ENDED
    RUNNING RESTING
    RUNNING ENDING
    RUNNING ENDED
    ENDING  ENDED
"""


def test_a_life_goes_only_where_the_table_says() -> None:
    allowed = {tuple(line.split()) for line in TRANSITIONS.split("\n") if line.strip()}
    for one, other in itertools.product(Life, Life):
        if (one.name, other.name) in allowed:
            assert one.to(other) is other
        else:
            with pytest.raises(ImpossibleLife, match=f"{one.name} cannot be {other.name}"):
                one.to(other)


def after_deaths(*lived_s: float) -> Supervised:
    """A process that was killed again and again after having lived for so long."""
    process, now = Supervised(2), 100.0
    for seconds in lived_s:
        process.start(now)
        now += seconds
        process.died(KILLED, now)
        now += process.pause_s
    return process


@pytest.mark.parametrize(
    ("lived_s", "pause_s"),
    [
        ((1.0,), FIRST_PAUSE_S),
        ((1.0, 1.0), 2 * FIRST_PAUSE_S),
        ((1.0, 1.0, 1.0, 1.0), 8 * FIRST_PAUSE_S),
        ((1.0, 1.0, PROVEN_S), FIRST_PAUSE_S),
        ((PROVEN_S,) * 9, FIRST_PAUSE_S),
    ],
)
def test_one_that_dies_is_started_again_after_a_pause_that_doubles_until_it_has_proved_itself(
    lived_s: tuple[float, ...], pause_s: float
) -> None:
    process = after_deaths(*lived_s)
    assert (process.life, process.pause_s, process.verdict) == (Life.RESTING, pause_s, None)
    assert process.pause_s <= LONGEST_PAUSE_S


def test_one_that_dies_again_and_again_ends_all_and_says_by_what() -> None:
    process = after_deaths(*[1.0] * MOST_DEATHS)
    assert process.life is Life.ENDED
    assert process.verdict is not None
    assert process.verdict.code == 1
    assert process.verdict.reason.startswith("process 2 has died 5 times within a minute of its start, last by SIGKILL: ")


def test_one_that_says_why_it_cannot_go_on_ends_all_with_its_reason_and_its_code() -> None:
    process = Supervised(1)
    process.start(0.0)
    process.died(Death(2, "topic nps.responses: missing; npstream topics create"), PROVEN_S)
    assert process.life is Life.ENDED
    assert process.verdict == ("topic nps.responses: missing; npstream topics create", 2)


@pytest.mark.parametrize("death", [Death(0), KILLED, Death(1, "it was just about to say this")])
def test_one_that_was_told_to_end_ends_however_it_does(death: Death) -> None:
    process = Supervised(1)
    process.start(0.0)
    assert process.stop()
    assert not process.stop()
    process.died(death, 1.0)
    assert (process.life, process.verdict) == (Life.ENDED, None)


def test_one_that_rests_is_not_started_again_once_all_shall_end() -> None:
    process = after_deaths(1.0)
    assert not process.stop()
    assert process.life is Life.ENDED


@pytest.mark.parametrize(("code", "text"), [(0, "exit code 0"), (1, "exit code 1"), (-9, "SIGKILL"), (-40, "signal 40")])
def test_a_death_is_told_as_people_know_it(code: int, text: str) -> None:
    assert str(Death(code)) == text
