"""The states of a case: which may follow which, and that the docs show the same table."""

from pathlib import Path
from typing import get_args

import pytest

from agents.case_states import COMMANDS, OPEN, IllegalMove, Move, State
from schemas.cases import CaseState, Command

DOCS = Path(__file__).parents[2] / "docs" / "cases.md"


def test_they_are_those_of_the_contract() -> None:
    assert {state.value for state in State} == set(get_args(CaseState))
    assert {move.value for move in COMMANDS} == set(get_args(Command))


@pytest.mark.parametrize("state", State)
def test_what_is_not_in_the_table_is_refused(state: State) -> None:
    for move in Move:
        if state.allows(move):
            assert isinstance(state.after(move), State)
        else:
            with pytest.raises(IllegalMove, match=f"{state.value}: {move.value} is none of"):
                state.after(move)


def test_only_reopening_opens_a_closed_case() -> None:
    ways = {move for state in State for move in Move if not state.is_open and state.allows(move) and state.after(move).is_open}
    assert ways == {Move.REOPEN, Move.RETURN}


def test_an_open_case_can_be_assigned_resolved_snoozed_joined_and_can_end() -> None:
    for state in OPEN:
        for move in (Move.ASSIGN, Move.SNOOZE, Move.JOIN):
            assert state.after(move) is state
        ends = [state.after(move).value for move in (Move.RESOLVE, Move.RECOVER, Move.WITHDRAW, Move.EXPIRE)]
        assert ends == ["resolved", "resolved", "withdrawn", "expired"]


def test_nothing_happens_to_a_withdrawn_case() -> None:
    assert not any(State.WITHDRAWN.allows(move) for move in Move)


def test_the_docs_show_the_same_table() -> None:
    rows = [line.removeprefix("|").removesuffix("|").split("|") for line in DOCS.read_text().splitlines() if line[:1] == "|"]
    cells = [[cell.strip(" `") for cell in row] for row in rows]
    shown: dict[tuple[str, str], str] = {}
    moves: list[str] = []
    for first, *others in cells:
        if first == "state":
            moves = others
        elif first in {state.value for state in State} and moves and len(others) == len(moves):
            shown |= {(first, move): after for move, after in zip(moves, others, strict=True) if after}
        elif set(first) != {"-"}:
            moves = []
    assert shown == {(s.value, m.value): s.after(m).value for s in State for m in Move if s.allows(m)}
