"""Files before they are sent: what their columns are taken for, and their first rows as canonical JSON."""

import shlex
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import click
import orjson

from agents.intake import SOURCE_HEADER
from npstream.failures import CheckFailed, UserError
from npstream.files import Input, Labels, Plan
from npstream.files.responses import validated
from npstream.raw_record import RawRecord
from schemas.codec import loads
from schemas.dead_letters import Reason, Unusable
from schemas.vendors import ADAPTERS, recognise
from schemas.vendors.adapter import SourceSettings

SHOWN: Final = 10
"""Rows that a dry run shows: enough to see what becomes of columns, on one screen."""


def confirmed(name: str, plan: Plan, labels: Labels, yes: bool) -> Plan:
    """The plan by which a table is sent. What was guessed is shown, and used if somebody at the terminal, or `yes`, confirms
    it; otherwise what is left must be enough. Raises UserError, and CheckFailed for who says no."""
    if plan.guessed and plan.missing(labels):
        show(name, plan, labels)
    plan.complete(name, labels)
    if not plan.guessed:
        return plan
    sure = plan.sure
    if not yes and not on_terminal():
        if sure.missing(labels):
            show(name, plan, labels)
            pairs = " ".join(shlex.join(["--column", f"{c.name}={c.field}"]) for c in plan.columns if c.guessed)
            raise UserError(f"{name}: these columns are guesses: go on with --yes, or say it: {pairs}")
        return sure
    show(name, plan, labels)
    if not yes and not click.confirm("Send it like this?", err=True):
        raise CheckFailed(f"{name}: nothing was sent; say what a column is with --column COLUMN=FIELD")
    return plan


def on_terminal() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def show(name: str, plan: Plan, labels: Labels) -> None:
    """Say on stderr how a table will be read."""
    click.echo(f"{name}: {plan.rows:,} rows", err=True)
    for line in plan.lines(labels):
        click.echo(f"  {line}", err=True)


def dry_run(source: Input, labels: Labels) -> None:
    """Write the first rows as canonical JSON, one a line, and say of the others why they are none."""
    for row in islice(source, SHOWN):
        if row.refused or row.passed_over:
            what = f"refused: {row.refused}" if row.refused else f"passed over: {row.passed_over}"
            click.echo(f"{source.name}: {row.where} {what}", err=True)
        for record in row.records:
            try:
                for response in _responses(record, labels):
                    click.echo(orjson.dumps(response).decode())
            except Unusable as error:
                click.echo(f"{source.name}: {row.where} would be a dead letter: {error.reason.value}, {error}", err=True)


def _responses(record: RawRecord, labels: Labels) -> Iterator[dict[str, Any]]:
    """What the intake makes of a record. Raises Unusable."""
    payload = loads(record.value or b"")
    named = dict(record.headers).get(SOURCE_HEADER)
    adapter = ADAPTERS[named.decode()] if named else recognise(payload)
    if adapter is None:
        raise Unusable(Reason.UNKNOWN_SHAPE, "no adapter knows its shape; name whose it is with --source")
    zone = labels.zone if adapter.VENDOR_TIMES else None
    for draft in adapter.adapt(payload, SourceSettings()):
        yield validated(draft, adapter.NAME, zone, labels.account)
