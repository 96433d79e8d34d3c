"""The pause between two transactions of one producer.

A commit is answered before its marks are written, and until they are the broker refuses the next transaction's first request
(CONCURRENT_TRANSACTIONS). Marks take a few ms. aiokafka asks again after 20, which is most of what a task waits for when its
records come one batch after the other: of 100 transactions without a pause 60 to 80 were refused once.
"""

from collections.abc import Iterable
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.client import CoordinationType
from aiokafka.producer.sender import BACKOFF_OVERRIDE, AddPartitionsToTxnHandler, Sender
from aiokafka.structs import TopicPartition

MARKS_S: Final = 0.003
"""After so long it is asked again: after 2 to 4 ms few are refused twice."""


class _AddPartitions(AddPartitionsToTxnHandler):
    """The first request of a transaction."""

    def handle_response(self, response: Any) -> float | None:
        """The pause in s before it is sent again; None if it was granted."""
        pause: float | None = super().handle_response(response)
        return MARKS_S if pause == BACKOFF_OVERRIDE else pause


def begin_soon(producer: AIOKafkaProducer) -> None:
    """Let this producer ask again soon."""
    sender: Sender = producer._sender

    async def add(partitions: Iterable[TopicPartition]) -> bool:
        node = await sender._find_coordinator(CoordinationType.TRANSACTION, sender._txn_manager.transactional_id)
        return bool(await _AddPartitions(sender, partitions).do(node))

    sender._do_add_partitions_to_txn = add
