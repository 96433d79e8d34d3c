"""Rows that cannot be used: said on the terminal, and kept in a file beside their own, to be mended and sent again."""

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

import click

from npstream.failures import UserError
from npstream.files import Row
from npstream.files.opening import STDIN_NAME

SAID: Final = 10
"""Rows of a file that are said one by one; all of them are in the file of refused rows."""
WHY: Final = "refused"
"""The column, or member, with the reason."""
TABLE_SUFFIX: Final = ".refused.csv"
JSON_SUFFIX: Final = ".refused.jsonl"


class Refusals:
    """The refused rows of one file, and those that were passed over. Use it in a `with`."""

    def __init__(self, name: str, goes_on: bool) -> None:
        """`name` is the file's, or standard input's; `goes_on`: whether an earlier run has dealt with its first rows."""
        self.name = name
        self.refused = 0
        self.passed_over: Counter[str] = Counter()
        self.path = Path(name)
        """The file of refused rows, once there is one."""
        self._goes_on = goes_on
        self._file: IO[str] | None = None
        self._writer: Any = None
        self._first: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def refuse(self, row: Row) -> None:
        """Keep a row. Raises UserError if that cannot be done."""
        self.refused += 1
        try:
            self._keep(row)
        except OSError as error:
            raise UserError(
                f"{self.path}: {error.strerror}, so refused rows cannot be kept; copy the file to where you may write"
            ) from error
        if self.refused <= SAID:
            click.echo(f"{self.name}: {row.where} refused: {row.refused}", err=True)
        elif self.refused == SAID + 1:
            click.echo(f"{self.name}: more rows are refused; all of them are in {self.path}", err=True)

    def pass_over(self, row: Row) -> None:
        """Count a row in which the mapping finds no response."""
        reason = row.passed_over.partition(":")[0]
        self.passed_over[reason] += 1
        self._first.setdefault(reason, f"{row.where}, {row.passed_over.partition(': ')[2]}")

    def lines(self) -> Iterator[str]:
        """What is said at the end."""
        for reason, count in self.passed_over.items():
            yield f"{self.name}: passed over {count:,}: {reason} (the first is {self._first[reason]})"
        if self.refused:
            yield f"{self.name}: {self.refused:,} refused: in {self.path}, with the reasons"

    def _keep(self, row: Row) -> None:
        if self._file is None:
            suffix = TABLE_SUFFIX if row.of_table else JSON_SUFFIX
            self.path = Path(self.name.replace(" ", "-") + suffix if self.name == STDIN_NAME else self.name + suffix)
            there = self._goes_on and self.path.exists()
            self._file = self.path.open("a" if there else "w", encoding="utf-8", newline="")
            if row.of_table:
                self._writer = csv.DictWriter(self._file, [*row.original, WHY], extrasaction="ignore")
                if not there:
                    self._writer.writeheader()
        why = f"{row.where}: {row.refused}"
        if row.of_table:
            self._writer.writerow({**row.original, WHY: why})
        else:
            self._file.write(json.dumps({WHY: why, "payload": row.original}, ensure_ascii=False) + "\n")
        self._file.flush()
