"""Records that mean harm: whatever bytes arrive, the worst result is a dead letter.

The tests take some thousand records with fixed seeds; `python -m tests.hostile --records 1000000` takes as many as it is told.
"""
