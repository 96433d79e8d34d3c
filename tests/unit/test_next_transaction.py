"""A transaction that is refused because the marks of the last one are not written yet is asked for again soon."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    ConcurrentTransactions,
    CoordinatorLoadInProgressError,
    InvalidProducerEpoch,
    KafkaError,
    NoError,
    ProducerFenced,
)
from aiokafka.producer.sender import Sender
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.structs import TopicPartition

from streams.next_transaction import MARKS_S, begin_soon
from tests.model.clock import run

PARTITION = TopicPartition("out", 3)
AIOKAFKAS_S = 0.1
"""Its pause after other errors: retry_backoff_ms."""


class Client:
    """Answers each request with the next of some errors."""

    def __init__(self, *answers: type[KafkaError]) -> None:
        self.answers = list(answers)
        self.nodes: list[int] = []

    async def coordinator_lookup(self, kind: object, key: str) -> int:
        return 7

    async def ready(self, node: int, group: object) -> bool:
        return True

    async def send(self, node: int, request: object, group: object) -> Any:
        self.nodes.append(node)
        return SimpleNamespace(errors=[(PARTITION.topic, [(PARTITION.partition, self.answers.pop(0).errno)])])


def asked(*answers: type[KafkaError]) -> tuple[list[tuple[bool, float]], Client, TransactionManager]:
    """Whether each request was granted, and after which pause the next one may follow."""
    return run(_asked(answers))


async def _asked(answers: Sequence[type[KafkaError]]) -> tuple[list[tuple[bool, float]], Client, TransactionManager]:
    client, manager = Client(*answers), TransactionManager("id", 15_000)
    manager.set_pid_and_epoch(1, 0)
    manager.begin_transaction()
    manager.maybe_add_partition_to_txn(PARTITION)
    sender = Sender(
        client,
        acks=-1,
        txn_manager=manager,
        message_accumulator=None,
        retry_backoff_ms=AIOKAFKAS_S * 1000,
        request_timeout_ms=1000,
    )
    begin_soon(SimpleNamespace(_sender=sender))
    found, loop = [], asyncio.get_running_loop()
    for _ in answers:
        began = loop.time()
        granted = await sender._do_add_partitions_to_txn({PARTITION})
        found.append((granted, round(loop.time() - began, 6)))
    return found, client, manager


def test_marks_that_are_not_written_yet_are_waited_for_a_few_ms_at_a_time() -> None:
    found, client, manager = asked(ConcurrentTransactions, ConcurrentTransactions, NoError)
    assert found == [(False, MARKS_S), (False, MARKS_S), (True, 0.0)]
    assert client.nodes == [7, 7, 7], "asked of the coordinator"
    assert manager.txn_partitions == {PARTITION}
    assert not manager.partitions_to_add()


def test_other_errors_are_waited_for_as_long_as_aiokafka_does() -> None:
    found, _, _ = asked(CoordinatorLoadInProgressError, NoError)
    assert found == [(False, AIOKAFKAS_S), (True, 0.0)]


def test_who_is_fenced_is_told() -> None:
    with pytest.raises(ProducerFenced):
        asked(InvalidProducerEpoch)
