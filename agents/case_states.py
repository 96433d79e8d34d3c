"""The states of a case, and what may move it from one to another: commands, and what happens by itself.

This table is all there is to it; docs/cases.md shows the same one.
"""

from enum import Enum
from typing import Final

from schemas.cases import CaseState


class Move(Enum):
    """What may happen to a case."""

    # commands
    ACKNOWLEDGE = "acknowledge"
    ASSIGN = "assign"
    CONTACT = "contact"
    RESOLVE = "resolve"
    REOPEN = "reopen"
    SNOOZE = "snooze"
    # by itself
    JOIN = "join"
    """The respondent answered again, said more or other, or took back a part of it."""
    RETURN = "return"
    """The respondent answered again, and not long ago the case was resolved."""
    RECOVER = "recover"
    """The respondent is no detractor any more, by a new response."""
    WITHDRAW = "withdraw"
    """Nothing is left of what it was about."""
    EXPIRE = "expire"
    """Nobody has touched it for long."""


COMMANDS: Final = (Move.ACKNOWLEDGE, Move.ASSIGN, Move.CONTACT, Move.RESOLVE, Move.REOPEN, Move.SNOOZE)

_AFTER: Final = """
              acknowledge   assign        contact    resolve   reopen    snooze
new           acknowledged  new           contacted  resolved  -         new
acknowledged  -             acknowledged  contacted  resolved  -         acknowledged
contacted     -             contacted     contacted  resolved  -         contacted
reopened      acknowledged  reopened      contacted  resolved  -         reopened
resolved      -             -             -          -         reopened  -
expired       -             -             -          -         reopened  -
withdrawn     -             -             -          -         -         -

              join          return        recover    withdraw   expire
new           new           -             resolved   withdrawn  expired
acknowledged  acknowledged  -             resolved   withdrawn  expired
contacted     contacted     -             resolved   withdrawn  expired
reopened      reopened      -             resolved   withdrawn  expired
resolved      -             reopened      resolved   -          -
expired       -             -             expired    -          -
withdrawn     -             -             -          -          -
"""
"""The state after each move; - where it is not legal."""


class IllegalMove(Exception):
    """The case is in a state in which this cannot happen."""


class State(Enum):
    """The states, by their names in `schemas.cases`."""

    NEW = "new"
    ACKNOWLEDGED = "acknowledged"
    CONTACTED = "contacted"
    REOPENED = "reopened"
    RESOLVED = "resolved"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"

    @property
    def text(self) -> CaseState:
        """The name."""
        return self.value

    @property
    def is_open(self) -> bool:
        """Whether somebody still has to do something."""
        return self in OPEN

    def allows(self, move: Move) -> bool:
        """Whether this may happen now."""
        return (self, move) in _TABLE

    def after(self, move: Move) -> "State":
        """The state after it has happened. Raises IllegalMove."""
        try:
            return _TABLE[self, move]
        except KeyError:
            allowed = [name.value for name in Move if self.allows(name)]
            raise IllegalMove(f"{self.value}: {move.value} is none of {allowed}") from None


OPEN: Final = (State.NEW, State.ACKNOWLEDGED, State.CONTACTED, State.REOPENED)


def _read(text: str) -> dict[tuple[State, Move], State]:
    moves: list[Move] = []
    found: dict[tuple[State, Move], State] = {}
    for line in text.splitlines():
        words = line.split()
        if line.startswith(" "):
            moves = [Move(word) for word in words]
        elif words:
            afters = zip(moves, words[1:], strict=True)
            found |= {(State(words[0]), move): State(after) for move, after in afters if after != "-"}
    return found


_TABLE: Final = _read(_AFTER)
