"""Faults that hostile records have found and that are not mended yet, by what they raise and where.

A run counts them and goes on, so that it finds others. Whoever mends one takes its line away: a test holds that each line's
examples still fail as it says, and that all other examples do no harm.
"""

from typing import Final, NamedTuple


class Fault(NamedTuple):
    """One known fault."""

    raises: tuple[str, ...]
    """Names of exception classes."""
    where: str
    """File and function, as file:function, of any frame of the traceback; a file alone is any function in it."""
    examples: tuple[str, ...]
    """Names in `tests.hostile.examples.EXAMPLES`."""


FAULTS: Final = (
    Fault(
        ("AttributeError", "KeyError", "TypeError", "ValueError", "OverflowError", "RecursionError", "ZeroDivisionError"),
        "tests/hostile/decoders.py:show_board",
        (
            "top with windows that are a list",
            "top with a total that is text",
            "top without an NPS",
            "top with a row that is text",
        ),
    ),
)


def known(error: Exception) -> Fault | None:
    """The fault that an exception shows; None for a new one."""
    places = set()
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        file = "/".join(code.co_filename.split("/")[-3:])
        places |= {(part, code.co_name) for part in (file, file.partition("/")[2])}
        trace = trace.tb_next
    for fault in FAULTS:
        file, _, function = fault.where.partition(":")
        if type(error).__name__ in fault.raises and any(place[0] == file and function in ("", place[1]) for place in places):
            return fault
    return None
