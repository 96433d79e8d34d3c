"""What a sink says: taken, not now, or never. And after how long it is asked again."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

ASK_AGAIN: Final = (408, 425, 429)
"""Statuses below 500 that pass: a time-out, too early, too many requests (RFC 9110, 8470, 6585)."""
BUSY: Final = (429, 503)
"""Statuses that are about the sink, and not about what was sent to it."""
FIRST_PAUSE_S: Final = 1.0
"""Bound of the first pause: most failures are over by then."""
LONGEST_PAUSE_S: Final = 30.0
"""Bound of every pause: so soon after it is back, at most, a sink is asked again."""
LONGEST_RETRY_AFTER_S: Final = 900.0
"""What is honoured of a Retry-After: more is a mistake as a rule, and would silence a sink for a day."""
ERROR_CHARS: Final = 300
"""Of what a sink answers, as much is recorded: it names a field, or a rule."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The sink has it."""

    status: int
    note: str = ""
    """What is worth knowing all the same."""


class NotTaken(Exception):
    """The sink has not taken it. The message is recorded; `brief` is logged: it is without the sink's own words, which
    may name a person."""

    def __init__(self, message: str, status: int | None = None, brief: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.brief = brief or message


class Away(NotTaken):
    """The sink does not take it now; asking again may help."""

    def __init__(
        self,
        message: str,
        status: int | None = None,
        pause_s: float | None = None,
        of_sink: bool = False,
        brief: str = "",
    ) -> None:
        """`pause_s`: how long the sink wants to be left alone. `of_sink`: it would have said so to anything."""
        super().__init__(message, status, brief)
        self.pause_s = pause_s
        self.of_sink = of_sink


class Refused(NotTaken):
    """The sink will never take it."""


def judge(status: int, text: str = "", retry_after: str | None = None, now_ms: int = 0) -> Taken:
    """What an HTTP status means; `text` is the beginning of the answer. Raises Away, Refused."""
    if 200 <= status < 300:
        return Taken(status)
    brief = f"answers {status}"
    said = brief + (f": {shortened(text)}" if text.strip() else "")
    if status in ASK_AGAIN or status >= 500:
        raise Away(said, status, seconds_of(retry_after, now_ms), status in BUSY, brief)
    raise Refused(said, status, brief)


def seconds_of(retry_after: str | None, now_ms: int) -> float | None:
    """The seconds of a Retry-After, which are a number or a date (RFC 9110, 10.2.3); None for neither."""
    text = (retry_after or "").strip()
    if text.isdecimal() and text.isascii():
        return min(float(text[:9]), LONGEST_RETRY_AFTER_S)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment.timestamp() - now_ms / 1000, 0.0), LONGEST_RETRY_AFTER_S)


def pause(failures: int, retry_after_s: float | None = None, draw: Callable[[], float] = random.random) -> float:
    """Seconds before it is asked again after so many failures in a row: exponential with full jitter, and not before the sink
    wants it.

    Source: M. Brooker, "Exponential Backoff and Jitter", AWS Architecture Blog, 2015: full jitter.
    """
    bound = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(max(failures, 1) - 1, 16))
    drawn = bound * draw()
    return drawn if retry_after_s is None else retry_after_s + min(drawn, FIRST_PAUSE_S)


def shortened(text: str) -> str:
    """One line, no longer than what is recorded."""
    line = " ".join("".join(one if one.isprintable() else " " for one in text[: 4 * ERROR_CHARS]).split())
    return line if len(line) <= ERROR_CHARS else line[: ERROR_CHARS - 3] + "..."
