"""The part of a rollup that accounts and segments have in common: their windows as JSON."""

from agents.statistics import window_json
from agents.windows import Spans


def windows_json(spans: Spans, sums: list[int]) -> bytes:
    """`{"7d": {"responses": {...}, "respondents": {...}}, ...}` from all sums of a table."""
    windows = []
    half, kind = spans.half, spans.kind
    for window, name in enumerate(spans.names):
        now = 3 * window
        before = now + half
        windows.append(
            b'"%b":{"responses":%b,"respondents":%b}'
            % (
                name.encode(),
                window_json(*sums[now : now + 3], *sums[before : before + 3]),
                window_json(*sums[kind + now : kind + now + 3], *sums[kind + before : kind + before + 3]),
            )
        )
    return b"{" + b",".join(windows) + b"}"
