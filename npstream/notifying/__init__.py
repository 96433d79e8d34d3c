"""`npstream notify`: delivers what nps.alerts and nps.outreach tell it to deliver, and records what became of it.

lane.py         one sink's way through a topic: its consumer group, its partitions
partition.py    one partition of a lane: deliveries under way, and what of them can be recorded
book.py         outcomes and offsets into Kafka, in one transaction
delivering.py   attempts of one delivery, until it is taken, refused, given up or too late
gate.py         whether a sink is up, and who asks while it is not
orders.py       what a record says is to be delivered
record.py       what is written of it: nps.deliveries and dead letters
sinks/          how each kind of sink is spoken to
metrics.py      what an operator sees
running.py      all of it as a process
"""
