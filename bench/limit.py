"""What no Python program on aiokafka can exceed: reading the stream with it, decoding it with orjson, and nothing else.

It is told what to do, and tells what it did, as a peer does (bench/peers/telling.py); in the end also the sum of all scores,
which shows that it has decoded each.
"""

import gc

import orjson
import uvloop
from aiokafka import AIOKafkaConsumer, TopicPartition

from bench.peers.telling import Work, tell

FETCH_BYTES = 4 << 20
POLL_MS = 200
COLLECTOR = (200_000, 50, 1000)
"""Thresholds: as all others in Python have them."""


async def read(work: Work) -> None:
    """From the beginning to the last response."""
    consumer = AIOKafkaConsumer(bootstrap_servers=work.bootstrap, max_partition_fetch_bytes=FETCH_BYTES)
    await consumer.start()
    try:
        partitions = [TopicPartition(work.source, number) for number in range(work.partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        left, scores = work.responses, 0
        while left:
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                if left == work.responses:
                    tell("began")
                for record in records:
                    scores += orjson.loads(record.value)["score"]
                left -= len(records)
        tell("ended", scores=scores)
    finally:
        await consumer.stop()


if __name__ == "__main__":
    gc.set_threshold(*COLLECTOR)
    uvloop.run(read(Work.told()))
