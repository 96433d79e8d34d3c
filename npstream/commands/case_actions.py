"""`npstream cases acknowledge`, `assign`, `contact`, `resolve`, `reopen` and `snooze`: what somebody does about a case."""

import asyncio
import getpass
import uuid
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import click
import msgspec
from rich.text import Text

from npstream.case_commanding import Answer, Commanding, checked
from npstream.case_page import outcome
from npstream.case_reading import read_cases
from npstream.clock import now_ms
from npstream.durations import parse_duration
from npstream.failures import CheckFailed
from npstream.invocation import pass_settings, run_async
from npstream.lines import printable
from npstream.settings import Settings
from npstream.settings_sources import BY_VARIABLE
from npstream.terminal import console, print_json
from schemas.cases import CaseCommand, CaseEvent, CaseRejection
from schemas.times import format_time, parse_time

TIMEOUT_S: Final = 15.0
"""How long an answer may take: a worker that keeps up needs a fraction of a second, one that restarts some seconds."""


class Moment(click.ParamType):
    """A time, or how long from now."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """RFC 3339 in UTC of either."""
        try:
            return format_time(now_ms() + parse_duration(value))
        except ValueError:
            pass
        except OverflowError:
            self.fail(f"{value!r} is beyond all calendars", param, ctx)
        try:
            at = parse_time(value)
        except ValueError as error:
            self.fail(f"{error}, or a duration such as 4h or 2d", param, ctx)
        if at <= now_ms():
            self.fail(f"{value!r} is past", param, ctx)
        return format_time(at)


class Sent(NamedTuple):
    """A command and what came of it."""

    command: CaseCommand
    answer: Answer | None
    before: bool
    """Whether the answer was there already, so that nothing was sent."""
    waited_s: float | None
    """None: nobody waited."""


Action = Callable[..., None]


def action(function: Action) -> click.Command:
    """Make a command of a function that takes the settings and the fields of a CaseCommand."""
    parameters = (
        click.argument("prefix", metavar="CASE"),
        click.option(
            "--by", metavar="WHO", envvar=BY_VARIABLE, help=f"Who does it. [default: {BY_VARIABLE}, else the name of the user]"
        ),
        click.option("--note", metavar="TEXT", help="What is to be remembered of it."),
        click.option("--command-id", metavar="ID", help="An id of your own: what has one is not done twice."),
        click.option("--wait/--no-wait", default=True, help="Wait for the answer, or only send. [default: wait]"),
        click.option(
            "--timeout",
            "timeout_s",
            type=click.FloatRange(0),
            default=TIMEOUT_S,
            show_default=True,
            help="Seconds to wait for the answer.",
        ),
        click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text."),
    )
    wrapped: Any = pass_settings(function)
    for parameter in reversed(parameters):
        wrapped = parameter(wrapped)
    summary = (function.__doc__ or "").split(":")[0].rstrip(".") + "."
    return click.command(function.__name__, short_help=summary)(wrapped)


@action
def acknowledge(settings: Settings, **given: Any) -> None:
    """Say that somebody looks after it."""
    _act(settings, "acknowledge", **given)


@action
@click.option("--owner", metavar="OWNER", required=True, help="To whom, e.g. an e-mail address.")
def assign(settings: Settings, **given: Any) -> None:
    """Give it to somebody else."""
    _act(settings, "assign", **given)


@action
def contact(settings: Settings, **given: Any) -> None:
    """Say that the customer was spoken to: that is the first response."""
    _act(settings, "contact", **given)


@action
@click.option(
    "--root-cause", metavar="CAUSE", required=True, help="Why it came to this, in a word of your own list, e.g. pricing."
)
def resolve(settings: Settings, **given: Any) -> None:
    """Say that it is done."""
    _act(settings, "resolve", **given)


@action
def reopen(settings: Settings, **given: Any) -> None:
    """Open a closed case again."""
    _act(settings, "reopen", **given)


@action
@click.option(
    "--until", type=Moment(), required=True, help="How long nothing is due: 4h, 2d, 1w, or a time such as 2026-03-02T09:00:00Z."
)
def snooze(settings: Settings, **given: Any) -> None:
    """Let nothing be due for some time."""
    _act(settings, "snooze", **given)


ACTIONS: Final = (acknowledge, assign, contact, resolve, reopen, snooze)
"""In the order in which they happen to a case."""


def _act(
    settings: Settings,
    verb: str,
    prefix: str,
    by: str | None,
    command_id: str | None,
    wait: bool,
    timeout_s: float,
    as_json: bool,
    **fields: Any,
) -> None:
    sent = run_async(settings, _send(settings, verb, prefix, by or _user(), command_id, timeout_s if wait else None, fields))
    answer = sent.answer
    if as_json:
        print_json(_document(sent))
    elif isinstance(answer, CaseEvent):
        if sent.before:
            console(stderr=True).print(Text(f"it was done before, at {answer.at}: nothing was sent", "yellow"), soft_wrap=True)
        console().print(outcome(answer.case, now_ms()), soft_wrap=True)
    elif sent.waited_s is None:
        console().print(Text(f"sent, as {printable(sent.command.command_id)}: {_look(sent.command)}"), soft_wrap=True)
    if isinstance(answer, CaseRejection):
        raise CheckFailed(f"rejected: {printable(answer.message)}")
    if answer is None and sent.waited_s is not None:
        raise CheckFailed(
            f"sent, but nobody answered within {sent.waited_s:g} s: is a worker with the agent care running? "
            f"The next one carries it out: {_look(sent.command)}"
        )


async def _send(
    settings: Settings, verb: str, prefix: str, by: str, command_id: str | None, timeout_s: float | None, fields: dict[str, Any]
) -> Sent:
    connection = settings.connection()
    case = (await read_cases(connection)).find(prefix)
    own = command_id or str(uuid.uuid4())
    command = checked(command_id=own, account_id=case.account_id, case_id=case.case_id, command=verb, by=by, **fields)
    async with Commanding(connection, command) as commanding:
        answer = await commanding.answered_before(sent_before=command_id is not None)
        if answer is not None:
            return Sent(command, answer, True, timeout_s)
        await commanding.send()
        if timeout_s is not None:
            try:
                answer = await commanding.answer(timeout_s)
            except asyncio.CancelledError:  # Ctrl-C ends the waiting, and not the command
                click.echo(f"npstream: it was sent, and is carried out all the same: {_look(command)}", err=True)
                raise
    return Sent(command, answer, False, timeout_s)


def _document(sent: Sent) -> dict[str, Any]:
    answer = sent.answer
    outcomes = {CaseEvent: "done", CaseRejection: "rejected"}
    nothing = "sent" if sent.waited_s is None else "unanswered"
    return {
        "command": msgspec.to_builtins(sent.command),
        "outcome": nothing if answer is None else outcomes[type(answer)],
        "answered_before": sent.before,
        "answer": msgspec.to_builtins(answer),
    }


def _look(command: CaseCommand) -> str:
    again = f"the same with --command-id {command.command_id}"
    return printable(f"npstream cases show {command.case_id} tells, and so does {again}")


def _user() -> str:
    """The name of the user who runs this. Raises UsageError if the system knows none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError) as error:
        raise click.UsageError(f"the system does not know who you are: say --by, or set {BY_VARIABLE}") from error
