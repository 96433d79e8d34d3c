"""The partition of a key is the one that Kafka's Java clients choose."""

import pytest
from aiokafka.partitioner import murmur2
from hypothesis import given
from hypothesis import strategies as st

from streams.partitioner import partition_of

GOLDEN = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
"""Apache Kafka, clients/src/test/java/org/apache/kafka/common/utils/UtilsTest.java, testMurmur2."""


@pytest.mark.parametrize(("key", "hash_"), GOLDEN.items())
def test_the_hash_is_kafkas(key: bytes, hash_: int) -> None:
    assert murmur2(key) & 0xFFFFFFFF == hash_ & 0xFFFFFFFF


@pytest.mark.parametrize(("key", "hash_"), GOLDEN.items())
@pytest.mark.parametrize("partitions", [1, 2, 7, 12, 1000])
def test_the_partition_is_the_hash_without_its_sign_modulo_the_count(key: bytes, hash_: int, partitions: int) -> None:
    # BuiltInPartitioner.partitionForKey: Utils.toPositive(Utils.murmur2(key)) % numPartitions, toPositive: & 0x7fffffff
    assert partition_of(key, partitions) == (hash_ & 0x7FFFFFFF) % partitions


@given(st.binary(max_size=50), st.integers(1, 200))
def test_every_key_has_a_partition(key: bytes, partitions: int) -> None:
    assert 0 <= partition_of(key, partitions) < partitions
