"""What holds for a minute shall hold for good: with more than a worker can do, with slow readers, with one account that has
everything, and for long.

`python -m tests.endurance COMMAND`: each starts a Kafka of its own, prints its verdict, and exits 1 if something does not hold.
"""
