"""The terminal that commands write to."""

import os
import sys

import orjson
from rich.console import Console

PIPE_COLUMNS = 120
"""Width of tables in a pipe or a file, which has none of its own: wide enough that names are not folded."""


def console(stderr: bool = False) -> Console:
    """For tables and lines: plain text in a pipe, colours on a terminal unless NO_COLOR is set."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else PIPE_COLUMNS
    return Console(stderr=stderr, highlight=False, width=width)


def print_json(value: object) -> None:
    """One JSON document, indented, in UTF-8."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
