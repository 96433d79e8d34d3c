"""The benchmarks: npstream beside what one would use instead, on one real Kafka, in one run.

`python -m bench` measures, `bench.profile` shows where the time goes, `bench.quick` whether it still does about what it
did, `bench.state` what a large state costs, `bench.latency` how long a response takes, `bench.rollover` what midnight does.
Nothing here is part of the package; docs/performance.md says how to read the figures.
"""
