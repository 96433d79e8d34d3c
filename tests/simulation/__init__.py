"""The commit and hand-over protocol of the engine, searched for mistakes: schedules of what can happen, thousands a minute.

Task, opening, outbox, execution and unit are the real ones. What they stand on is the model of tests/model: a broker with
transactions, epochs, markers and last stable offsets, a group coordinator with sessions and generations, and a clock that
passes at once. Hypothesis' state machine makes the schedules, in chunks with a seed each, so that each can be run again.

machine.py      what can happen: the rules
invariants.py   what must hold: at every commit, and against a recount when all is quiet
bugs.py         what is broken on purpose, to see that it is found
world.py        all that a schedule moves: cluster, group, processes, time
process.py      one worker: the real unit, and what stands in for Faust under it
tallying.py     what the workers do, and its recount
run.py          a search, in chunks; report.py what it has come to

The tests run some hundred schedules, and as many as it takes for each bug; `python -m tests.simulation --schedules 100000
--seed 7` runs as many as it is told. A violation comes with the seed of its chunk, and with the steps that lead to it.
"""
