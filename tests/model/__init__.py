"""A broker in memory, small enough to read as a specification of what the engine relies on, and a bench to run tasks on it.

log.py         a partition: records, markers that take offsets, last stable offset
cluster.py     topics, transactional ids with epochs, group offsets: what all workers share
producer.py    what `streams.outbox` needs of aiokafka's producer, down to the record batches
group.py       the coordinator of a consumer group: generations, sessions, rebalances
broker.py      the ports of `streams.broker`, as one worker process sees the cluster
faults.py      the points at which a test lets something happen
flow.py        the port of `streams.task` to the transport, unkind where the transport may be
clock.py       an event loop whose time passes at once
counting.py    a processor, and a recount of what it should have done
bench.py       workers that come and go, and the comparison
"""
