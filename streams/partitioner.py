"""Which partition a key belongs to: murmur2 as Kafka's Java clients compute it, so that any producer can agree with us."""

from functools import lru_cache

from aiokafka.partitioner import murmur2

REMEMBERED_KEYS = 200_000
"""Hashing a key costs some 10 µs in Python, looking it up 0.1 µs; this many keys take about 40 MB at most."""


@lru_cache(maxsize=REMEMBERED_KEYS)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition number, 0 to partitions - 1, of a key (Kafka's DefaultPartitioner: murmur2 without its sign bit)."""
    return int((murmur2(key) & 0x7FFFFFFF) % partitions)
