"""What is said of an error that nobody foresaw: its kind and where it was raised. Its message may hold what a respondent has
said, unless it is one of the engine's own, which knows nothing of what is in a record."""

from traceback import walk_tb
from typing import Final

SHOWN: Final = 6
"""Frames, the innermost first: from the line that raised to the processor's entry."""


def told(error: BaseException, frames: int = SHOWN) -> str:
    """In one line, without the message: KeyError at history.py:88 remove, ledger.py:190 take, ..."""
    found = [(frame.f_code, line) for frame, line in walk_tb(error.__traceback__)]
    places = [f"{code.co_filename.rpartition('/')[2]}:{line} {code.co_name}" for code, line in reversed(found[-frames:])]
    kind = type(error)
    message = f": {error}" if kind.__module__.startswith(f"{__package__}.") else ""
    return f"{kind.__name__}{message} at {', '.join(places) or 'an unknown place'}"
