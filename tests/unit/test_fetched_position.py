"""How far a partition was fetched is asked while the group rebalances, too: then the answer is that nobody knows."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from faust.types import TP

from streams.transport import Consumer

HERE = TP("responses", 0)


def consumer(subscription: Any) -> Any:
    """What `fetched` looks at: a consumer that reads HERE, and what aiokafka is subscribed to."""
    client = SimpleNamespace(_subscription=SimpleNamespace(subscription=subscription))
    return SimpleNamespace(_flowing={HERE}, _thread=SimpleNamespace(_ensure_consumer=lambda: client))


def assigned(**positions: int) -> Any:
    """A subscription with these partitions of the topic and their positions."""
    states = {TopicPartition("responses", int(name[1:])): SimpleNamespace(_position=at) for name, at in positions.items()}
    return SimpleNamespace(assignment=SimpleNamespace(state_value=states.get))


def test_it_is_the_position_of_the_consumer() -> None:
    assert Consumer.fetched(consumer(assigned(_0=7)), HERE) == 7


@pytest.mark.parametrize(
    "subscription",
    [assigned(_1=7), SimpleNamespace(assignment=None), None],
    ids=["assigned to somebody else", "between two assignments", "not subscribed"],
)
def test_it_is_unknown_while_the_consumer_does_not_have_the_partition(subscription: Any) -> None:
    assert Consumer.fetched(consumer(subscription), HERE) is None
