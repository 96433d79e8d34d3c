"""The part of a rollup that accounts and segments have in common: their windows as JSON."""

from agents.statistics import window_json
from agents.windows import Spans


def windows_json(spans: Spans, sums: list[int]) -> bytes:
    """`{"7d": {"responses": {...}, "respondents": {...}}, ...}` from all sums of a table."""
    return spans.windows_json % tuple([window_json(*sums[base : base + 6]) for base in spans.bases])
