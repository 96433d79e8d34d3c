"""How Faust's assignor, as a unit sets it up, shares partitions between workers."""

import itertools
import math
from types import SimpleNamespace
from typing import Any

import pytest

from npstream.hosting import processors, task_rules
from npstream.settings import AGENTS, Settings
from streams.kafka_broker import KafkaBroker
from streams.unit import Unit


def unit(agent: str) -> Unit:
    settings = Settings()
    broker = KafkaBroker(settings.connection(), transaction_timeout_ms=settings.transaction_timeout_ms)
    rules, probe = task_rules(settings), SimpleNamespace()
    return Unit("test", agent, processors(agent, settings), settings.connection(), broker, rules, probe, print)  # type: ignore[arg-type]


class Group:
    """The members of a unit's group, each with what it was assigned last."""

    def __init__(self, agent: str, partitions: int) -> None:
        self._agent = agent
        self._cluster: Any = SimpleNamespace(partitions_for_topic=lambda topic: set(range(partitions)))
        self._members: dict[str, Any] = {}

    def rebalance(self, *members: str) -> dict[str, list[int]]:
        """With these members: the partitions of each."""
        self._members = {name: self._members.get(name) or unit(self._agent) for name in members}
        sources = set(next(iter(self._members.values())).sources)
        metadata = {name: one.app.assignor.metadata(sources) for name, one in self._members.items()}
        leader = next(iter(self._members.values())).app.assignor
        found = {}
        for name, assignment in leader.assign(self._cluster, metadata).items():
            self._members[name].app.assignor.on_assignment(assignment)
            by_topic = dict(assignment.assignment)
            assert set(by_topic) <= sources
            assert len({tuple(sorted(partitions)) for partitions in by_topic.values()}) <= 1, "sources are co-partitioned"
            found[name] = sorted(next(iter(by_topic.values()), []))
        return found


@pytest.mark.parametrize("agent", AGENTS)
@pytest.mark.parametrize("partitions", [2, 4, 12, 64])
def test_everybody_has_some_and_nobody_more_than_the_ceiling_whoever_comes_and_goes(agent: str, partitions: int) -> None:
    group = Group(agent, partitions)
    for members in ("a", "ab", "abc", "abcd", "bcd", "bc", "bcde", "e"):
        assigned = group.rebalance(*members)
        assert sorted(itertools.chain(*assigned.values())) == list(range(partitions))
        sizes = [len(found) for found in assigned.values()]
        assert max(sizes) <= math.ceil(partitions / len(members)), f"{members}: {assigned}"
        assert min(sizes) >= min(1, partitions // len(members)), f"{members}: {assigned}"


def test_whoever_stays_keeps_what_is_not_needed_for_the_balance() -> None:
    group = Group("scoring", 12)
    before = group.rebalance("a", "b")
    after = group.rebalance("a", "b", "c")
    assert all(set(after[name]) < set(before[name]) for name in "ab")
    again = group.rebalance("a", "b")
    assert all(set(after[name]) < set(again[name]) for name in "ab")
