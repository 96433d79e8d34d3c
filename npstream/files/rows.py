"""From a row of cells to the draft of a canonical response, as the plan of its table says."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from npstream.files.columns import SEGMENT_PREFIX, TIME_FIELDS
from npstream.files.csv_table import Cells
from npstream.files.dates import parse
from npstream.files.labels import Labels
from npstream.files.plan import Plan
from npstream.files.responses import Responses
from npstream.files.row import Row
from schemas.times import format_time, normal_time
from schemas.vendors.adapter import respondent

_DAY_CHARS: Final = len("2026-03-01")
_EXACT: Final = 2**53
"""From here on a float is no whole number for sure."""


class Rows:
    """Makes the rows of one table."""

    def __init__(self, plan: Plan, labels: Labels) -> None:
        self._mapped = plan.mapped
        self._order = plan.order
        self._zone = labels.zone
        self._names = [column.name for column in plan.columns]
        used = [(index, column.field) for index, column in enumerate(plan.columns) if column.field is not None]
        self._fields = [(index, field) for index, field in used if not field.startswith(SEGMENT_PREFIX)]
        self._segments = [(i, field.removeprefix(SEGMENT_PREFIX)) for i, field in used if field.startswith(SEGMENT_PREFIX)]
        self._responses = Responses(labels)

    def row(self, given: Cells) -> Row:
        """What comes of one row."""
        where, cells, width = given.where, given.cells, len(self._names)
        if len(cells) > width and any(map(text_of, cells[width:])):
            why = f"it has {len(cells)} cells, the header {width}; is a text with a comma not quoted?"
            rest = {self._names[-1]: ",".join(map(text_of, cells[width - 1 :]))} if width else {}
            return Row(where, refused=why, original=self._original(cells) | rest, of_table=True)
        if len(cells) < width:
            cells = [*cells, *[""] * (width - len(cells))]
        if self._mapped:
            payload = {name: plain(cell) for name, cell in zip(self._names, cells, strict=False)}
            row = self._responses.of_payload(where, payload)
        else:
            try:
                row = self._responses.of_draft(where, self._draft(cells))
            except ValueError as error:
                row = Row(where, refused=str(error))
        return replace(row, original=self._original(cells), of_table=True) if row.refused else row

    def _original(self, cells: Sequence[Any]) -> dict[str, str]:
        return dict(zip(self._names, map(text_of, cells), strict=False))

    def _draft(self, cells: Sequence[Any]) -> dict[str, Any]:
        """Empty cells are left out, segments collected, times read. Raises ValueError for what is no time."""
        draft: dict[str, Any] = {}
        for index, field in self._fields:
            cell = cells[index]
            text = text_of(cell)
            if not text:
                continue
            if field in TIME_FIELDS:
                try:
                    draft[field] = self._time(cell, text)
                except ValueError as error:
                    raise ValueError(f"{field}: {error}") from error
            elif field == "respondent_id":
                draft[field] = respondent(text)
            else:
                draft[field] = cell if field == "score" and isinstance(cell, float) else text
        if self._segments:
            draft["segments"] = {name: text for index, name in self._segments if (text := text_of(cells[index]))}
        return draft

    def _time(self, cell: Any, text: str) -> str:
        if text[-1] == "Z" and type(cell) is str and len(text) > _DAY_CHARS:
            try:
                return normal_time(text)  # the usual form, which is read five times as fast
            except ValueError:
                pass
        return format_time(parse(cell, self._zone, self._order))


def plain(cell: Any) -> Any:
    """A cell as a mapping sees it: text, a number, or a time as text, without a zone; whole numbers as such."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT:
        return int(cell)
    if isinstance(cell, datetime):
        return cell.isoformat(timespec="milliseconds")
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day).isoformat(timespec="milliseconds")
    return cell if isinstance(cell, bool | int | float) else text_of(cell)


def text_of(cell: Any) -> str:
    """A cell as text without white space around it; whole numbers without a decimal point."""
    if type(cell) is str:
        return cell.strip()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT:
        return str(int(cell))
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, date):
        return cell.isoformat()
    return "" if cell is None else str(cell)
