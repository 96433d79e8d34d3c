"""The benchmarks: npstream beside what one would write by hand with plain Faust, on one real Kafka, in one run.

`python -m bench` measures, `python -m bench.profile` shows where the time goes without Kafka, `bench.state` what a large state
costs, `bench.latency` how long a response takes, `bench.rollover` what midnight does. Nothing here is part of the package;
docs/performance.md says how to read the figures.
"""
