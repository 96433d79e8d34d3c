"""From a row of cells to the draft of a canonical response, as the plan of its table says."""

from collections.abc import Sequence
from datetime import date, datetime
from itertools import zip_longest
from typing import Any, Final

from npstream.files.columns import SEGMENT_PREFIX, TIME_FIELDS
from npstream.files.csv_table import Cells
from npstream.files.dates import parse
from npstream.files.labels import Labels
from npstream.files.plan import Plan
from npstream.files.responses import Responses
from npstream.files.row import Row
from schemas.times import format_time
from schemas.vendors.adapter import respondent

_EXACT: Final = 2**53
"""From here on a float is no whole number for sure."""


class Rows:
    """Makes the rows of one table."""

    def __init__(self, plan: Plan, labels: Labels) -> None:
        self._plan = plan
        self._labels = labels
        self._names = [column.name for column in plan.columns]
        self._responses = Responses(labels)

    def row(self, given: Cells) -> Row:
        """What comes of one row."""
        cells, width = given.cells, len(self._names)
        original = dict(zip_longest(self._names, map(text_of, cells[:width]), fillvalue=""))
        if any(text_of(cell) for cell in cells[width:]):
            why = f"it has {len(cells)} cells, the header {width}; is a text with a comma not quoted?"
            original[self._names[-1]] = ",".join(map(text_of, cells[width - 1 :]))
            return Row(given.where, refused=why, original=original, of_table=True)
        if self._plan.mapped:
            payload = {name: plain(cell) for name, cell in zip_longest(self._names, cells[:width], fillvalue="")}
            return self._responses.of_payload(given.where, payload, of_table=True)
        try:
            draft = self._draft(cells)
        except ValueError as error:
            return Row(given.where, refused=str(error), original=original, of_table=True)
        return self._responses.of_draft(given.where, draft, original)

    def _draft(self, cells: Sequence[Any]) -> dict[str, Any]:
        """Empty cells are left out, segments collected, times read."""
        draft: dict[str, Any] = {}
        segments: dict[str, str] = {}
        for column, cell in zip(self._plan.columns, cells, strict=False):
            field, text = column.field, text_of(cell)
            if field is None or not text:
                continue
            if field.startswith(SEGMENT_PREFIX):
                segments[field.removeprefix(SEGMENT_PREFIX)] = text
            elif field in TIME_FIELDS:
                try:
                    draft[field] = format_time(parse(cell, self._labels.zone, self._plan.order))
                except ValueError as error:
                    raise ValueError(f"{field}: {error}") from error
            elif field == "respondent_id":
                draft[field] = respondent(text)
            else:
                draft[field] = cell if field == "score" and isinstance(cell, float) else text
        if segments:
            draft["segments"] = segments
        return draft


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
    if isinstance(cell, str):
        return cell.strip()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _EXACT:
        return str(int(cell))
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, date):
        return cell.isoformat()
    return "" if cell is None else str(cell)
