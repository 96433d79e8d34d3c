"""The option --column: what a column of a file is, where its name does not say so."""

from collections.abc import Mapping, Sequence

import click


def _columns(context: click.Context, parameter: click.Parameter, pairs: Sequence[str]) -> Mapping[str, str]:
    columns = {}
    for pair in pairs:
        column, equals, name = pair.rpartition("=")
        if not (column.strip() and equals and name.strip()):
            raise click.BadParameter(f"{pair!r} is not COLUMN=FIELD, such as 'Customer=account_id'")
        columns[column.strip()] = name.strip()
    return columns


columns_option = click.option(
    "--column",
    "--map",
    "columns",
    multiple=True,
    callback=_columns,
    metavar="COLUMN=FIELD",
    help="What a column of a table is; may be repeated.",
)
"""Gives a command the field of each column that was named."""
