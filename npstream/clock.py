"""The wall clock, for what people look at."""

import time

from schemas.times import day_of, format_day


def now_ms() -> int:
    """Milliseconds since 1970-01-01, UTC."""
    return int(time.time() * 1000)


def today() -> str:
    """The UTC day, such as 2026-03-01."""
    return format_day(day_of(now_ms()))
