"""The life of a task: which phase may follow which."""

import pytest

from streams.phase import IllegalTransition, Phase

OPENING = ("FENCING", "SETTLING", "RESTORING", "CHECKING", "CLAIMING")

FOLLOWING = """
ASSIGNED    FENCING BROKEN SUSPENDED CLOSED
FENCING     SETTLING BROKEN SUSPENDED REFUSED CLOSED
SETTLING    RESTORING BROKEN SUSPENDED REFUSED CLOSED
RESTORING   CHECKING BROKEN SUSPENDED REFUSED CLOSED
CHECKING    CLAIMING BROKEN SUSPENDED REFUSED CLOSED
CLAIMING    RUNNING BROKEN SUSPENDED REFUSED CLOSED
RUNNING     BROKEN SUSPENDED REFUSED CLOSED
BROKEN      FENCING SUSPENDED REFUSED CLOSED
SUSPENDED   ASSIGNED CLOSED
REFUSED     SUSPENDED CLOSED
CLOSED
"""
TABLE = {line.split()[0]: set(line.split()[1:]) for line in FOLLOWING.strip().splitlines()}


def test_every_phase_stands_in_the_table() -> None:
    assert {phase.name for phase in Phase} == set(TABLE)


@pytest.mark.parametrize("phase", Phase)
@pytest.mark.parametrize("target", Phase)
def test_a_phase_is_followed_by_what_the_table_says_and_by_nothing_else(phase: Phase, target: Phase) -> None:
    if target.name in TABLE[phase.name]:
        assert phase.to(target) is target
    else:
        with pytest.raises(IllegalTransition, match=f"{phase.name} cannot become {target.name}"):
            phase.to(target)


def test_a_transition_that_is_not_legal_names_those_that_are() -> None:
    with pytest.raises(IllegalTransition, match=r"only ASSIGNED, CLOSED may follow"):
        Phase.SUSPENDED.to(Phase.RUNNING)
    with pytest.raises(IllegalTransition, match="nothing may follow"):
        Phase.CLOSED.to(Phase.ASSIGNED)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.CLOSED])
def test_every_phase_can_end(phase: Phase) -> None:
    reachable, found = set(), {phase}
    while found:
        one = found.pop()
        reachable.add(one)
        found |= {Phase[name] for name in one.following} - reachable
    assert Phase.CLOSED in reachable


@pytest.mark.parametrize("name", OPENING)
def test_each_step_of_an_opening_may_fail_be_revoked_or_refuse(name: str) -> None:
    assert {"BROKEN", "SUSPENDED", "REFUSED"} <= set(Phase[name].following)
