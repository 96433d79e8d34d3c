"""The benchmarks: npstream beside what one would use instead, on one real Kafka, in one run.

`python -m bench` measures, `python -m bench.profile` shows where the time goes, `python -m bench.quick` whether it still does
about what it did. Nothing here is part of the package; docs/performance.md says how to read the figures.
"""
