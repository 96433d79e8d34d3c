"""Lengths of time as people say them: 1 h 20 min, in 40 min, late by 2 d."""

import re
from typing import Final

from schemas.times import DAY_MS

SECOND_MS: Final = 1000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
MANY_DAYS: Final = 10
"""From here on nobody asks for the hours."""
UNITS: Final = {"w": 7 * DAY_MS, "d": DAY_MS, "h": HOUR_MS, "m": MINUTE_MS, "min": MINUTE_MS}
"""What a duration may be given in."""

_DURATION: Final = re.compile(r"(?:\d{1,6} ?(?:w|d|h|min|m) ?)+", re.ASCII)
_PART: Final = re.compile(r"(\d+) ?(w|d|h|min|m)", re.ASCII)


def span(ms: float, parts: int = 2) -> str:
    """A length of time, cut off below its unit: 40 s, 20 min, 1 h 20 min, 2 d 3 h, 12 d. With one part 1 h, 2 d."""
    ms = max(int(ms), 0)
    if ms < MINUTE_MS:
        return f"{ms // SECOND_MS} s"
    if ms < HOUR_MS:
        return f"{ms // MINUTE_MS} min"
    if ms < DAY_MS:
        whole, rest, names = ms // HOUR_MS, ms % HOUR_MS // MINUTE_MS, ("h", "min")
    else:
        whole, rest, names = ms // DAY_MS, ms % DAY_MS // HOUR_MS, ("d", "h")
    if parts == 1 or not rest or (names[0] == "d" and whole >= MANY_DAYS):
        return f"{whole} {names[0]}"
    return f"{whole} {names[0]} {rest} {names[1]}"


def away(at: int, now: int, parts: int = 2) -> str:
    """A due time as seen from now, both in ms UTC: in 1 h 20 min, late by 2 d."""
    return f"late by {span(now - at, parts)}" if at < now else f"in {span(at - now, parts)}"


def parse_duration(text: str) -> int:
    """Milliseconds of 2d, 4h, 90min or 1d12h. Raises ValueError for any other form."""
    if not _DURATION.fullmatch(text.strip()):
        raise ValueError(f"{text!r} is no duration: expected such as 4h, 2d or 1w")
    return sum(int(number) * UNITS[unit] for number, unit in _PART.findall(text))
