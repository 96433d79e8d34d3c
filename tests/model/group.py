"""The coordinator of a consumer group: who is in it, which partitions are whose, and who is told so when.

Rebalances are eager, as Faust's are: each member gives back everything before it joins again. A member that stands still is
left out once its session or the rebalance has taken too long, and hears of it with its next heartbeat; until then it believes
what it was told last.
"""

import asyncio
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

SESSION_TIMEOUT_S = 10.0
"""As in production."""
REBALANCE_TIMEOUT_S = 10.0
"""As in production: twice what a task may take to end its batch."""


class Answer(Enum):
    """What the coordinator says to a heartbeat."""

    FINE = "fine"
    REBALANCING = "rebalancing"
    UNKNOWN = "unknown"


class Assigned(NamedTuple):
    """What a member gets."""

    generation: int
    partitions: tuple[int, ...]


@dataclass(slots=True)
class _Member:
    joining: "asyncio.Future[Assigned] | None" = None
    expiry: asyncio.TimerHandle | None = None


class Group:
    """One group. Whatever takes time is a timer of the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, partitions: int) -> None:
        """`partitions` is how many each of the co-partitioned topics has."""
        self.generation = 0
        self.rotation = 0
        """Which member gets partition 0: a rebalance that changes it moves partitions, one that does not gives them back."""
        self.owners: dict[int, str] = {}
        """The members that have the partitions, as the coordinator sees it."""
        self.loop = loop
        self._partitions = partitions
        self._members: dict[str, _Member] = {}
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def stable(self) -> bool:
        """Nobody is waited for."""
        return self._deadline is None

    def rebalance(self) -> None:
        """Everybody is to join again; each hears of it with its next heartbeat."""
        if self._deadline is None and self._members:
            self._deadline = self.loop.call_later(REBALANCE_TIMEOUT_S, self._complete)

    def join(self, name: str) -> "asyncio.Future[Assigned]":
        """Join, or join again; done when all have, or when those that have not were given up."""
        member = self._members.setdefault(name, _Member())
        _cancel(member.expiry)
        joining = member.joining = self.loop.create_future()
        self.rebalance()
        self._complete_if_all_joined()
        return joining

    def heartbeat(self, name: str, generation: int) -> Answer:
        """A sign of life."""
        member = self._members.get(name)
        if member is None or generation != self.generation:
            return Answer.UNKNOWN
        self._expect(name, member)
        return Answer.FINE if self.stable else Answer.REBALANCING

    def leave(self, name: str) -> None:
        """Leave, or be left out."""
        member = self._members.pop(name, None)
        if member is not None:
            _cancel(member.expiry)
            self.rebalance()
            self._complete_if_all_joined()

    def _expect(self, name: str, member: _Member) -> None:
        _cancel(member.expiry)
        member.expiry = self.loop.call_later(SESSION_TIMEOUT_S, self.leave, name)

    def _complete_if_all_joined(self) -> None:
        if all(member.joining is not None for member in self._members.values()):
            self._complete()

    def _complete(self) -> None:
        _cancel(self._deadline)
        self._deadline = None
        self.generation += 1
        for name in [name for name, member in self._members.items() if member.joining is None]:
            _cancel(self._members.pop(name).expiry)
        names = list(self._members)
        self.owners = {p: names[(p + self.rotation) % len(names)] for p in range(self._partitions) if names}
        for name, member in self._members.items():
            joining, member.joining = member.joining, None
            self._expect(name, member)
            if joining is not None and not joining.done():
                partitions = tuple(p for p, owner in self.owners.items() if owner == name)
                joining.set_result(Assigned(self.generation, partitions))


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
