"""What goes wrong because of a user's settings, files or broker: one line on stderr, an exit code, never a traceback."""

import asyncio
import functools
import os
import sys
from collections.abc import Callable
from typing import NoReturn, ParamSpec, TypeVar

import click
from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError

from streams.broker import BrokerAway
from streams.connection import ConnectionRefused

P = ParamSpec("P")
R = TypeVar("R")

FAILED = 1
"""Exit code: the command ran, and what it looked at is not as it must be."""
USAGE = 2
"""Exit code: the command could not run with these flags, settings or this broker."""
INTERRUPTED = 130
"""Exit code after Ctrl-C: 128 and SIGINT's number, as shells count."""


class UserError(Exception):
    """Something a user can mend. The message says what happened, to what, and what to do; each of its lines stands alone."""

    exit_code = USAGE


class CheckFailed(UserError):
    """A check's bad news, exit code 1. Without a message the command has printed the findings already."""

    exit_code = FAILED


class BrokerUnreachable(UserError):
    """No broker answered in time."""

    exit_code = FAILED


class LoginRefused(BrokerUnreachable):
    """A broker answered, and wants another log-in or another certificate: waiting does not help."""


def ends_on_interrupt(function: Callable[P, R]) -> Callable[P, R | None]:
    """For commands that run until somebody stops them: Ctrl-C is their ordinary end, with exit code 0."""

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R | None:
        try:
            return function(*args, **kwargs)
        except (KeyboardInterrupt, asyncio.CancelledError):
            return None

    return run


def run_command(command: Callable[[], object]) -> NoReturn:
    """Run the command line and exit: the only place that turns errors into lines and codes.

    An error that is not a user's is a defect of ours, and keeps its traceback.
    """
    try:
        result = command()
        sys.stdout.flush()
        code = result if isinstance(result, int) else 0
    except BrokenPipeError:
        code = _reader_gone()
    except (KeyboardInterrupt, click.Abort, asyncio.CancelledError):
        code = INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:  # a group without a command: its help, as of npstream alone
        click.echo(error.format_message())
        code = 0
    except click.exceptions.Exit as error:
        code = error.exit_code
    except Exception as error:
        known = explain(error)
        if known is None:
            raise
        message, code = known
        for line in message.splitlines():
            click.echo(f"npstream: {line}", err=True)
    sys.exit(code)


def explain(error: Exception) -> tuple[str, int] | None:
    """One line and an exit code for an error that a user can do something about; None for a defect of ours."""
    match error:
        case UserError():
            return str(error), error.exit_code
        case click.UsageError():
            hint = f"; see {error.ctx.command_path} --help" if error.ctx else ""
            return _one_line(error.format_message()).rstrip(".") + hint, USAGE
        case click.ClickException():
            return _one_line(error.format_message()), USAGE
        case ConnectionRefused():
            return _one_line(str(error)), USAGE
        case KafkaConnectionError() | KafkaTimeoutError() | BrokerAway():
            return f"the broker does not answer ({_named(error)}): check that it runs and the setting bootstrap", FAILED
        case KafkaError():
            return f"the broker refused: {_named(error)}; npstream check tells more", FAILED
        case ModuleNotFoundError() if error.name and not _ours(error.name):
            package = error.name.partition(".")[0]
            return f"the package {package} is not installed: pip install it, or reinstall npstream", USAGE
        case OSError() if error.filename is not None:
            return f"{os.fsdecode(error.filename)}: {error.strerror}; check the path and its permissions", USAGE
        case _:
            return None


def _ours(module: str) -> bool:
    return module.partition(".")[0] in ("npstream", "agents", "schemas", "streams")


def _named(error: Exception) -> str:
    """The error's words, or its name where it says nothing."""
    return _one_line(str(error)) or type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _reader_gone() -> int:
    """Whoever read our output has what it wanted (`npstream tail | head`): end in silence, also when Python flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
