"""Chaos: npstream as its users run it, on a Kafka that is treated badly, and a recount of all that came.

What is promised, and what a run therefore demands:

1. Whatever happens to workers, to the broker and to the network between them, every response is counted once: outputs and
   tables equal a recount of the source (`npstream verify`), and intake has made of each raw record what it says, once, in
   order.
2. Nobody has to do anything: when the faults are over, all partitions are processed, none is stuck, no transaction stays open.
3. A worker that is asked to end exits with 0, whatever is broken then; one that is killed with -9; no other ends at all.
4. A topic that has grown in partitions is refused in one line with exit code 1, and nothing is written.

A seed makes a schedule (`schedule.py`: pure, printed, the same each time); `play.py` carries it out, `judging.py` demands the
above. `python -m tests.chaos --help` runs many; one short run is part of the tests.
"""
