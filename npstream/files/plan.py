"""How a table will be read, as it is shown to whoever has to confirm it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import tzinfo

from npstream.failures import UserError
from npstream.files.columns import TIME_FIELDS, Column
from npstream.files.labels import DateOrder, Labels

MADE_IDS = "it is made of account, respondent, time, score and comment, so the same file sent again changes nothing"
"""What is said of response_id where a file has none."""
WIDEST = 40
"""Characters of a column's name that are shown."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The columns of a table, and what all of its rows have in common."""

    columns: tuple[Column, ...]
    rows: int
    """Without the header."""
    order: DateOrder | None = None
    order_why: str = ""
    zone: tzinfo | None = None
    mapped: bool = False
    """A mapping makes the responses: columns have names and no fields."""

    @property
    def guessed(self) -> bool:
        """Whether any column that is used is a guess."""
        return any(column.guessed for column in self.columns)

    @property
    def sure(self) -> "Plan":
        """The same without the guesses."""
        columns = tuple(Column(c.name, None, "") if c.guessed else c for c in self.columns)
        return Plan(columns, self.rows, self.order, self.order_why, self.zone, self.mapped)

    @property
    def fields(self) -> set[str]:
        """Those that some column is."""
        return {column.field for column in self.columns if column.field is not None}

    @property
    def makes_ids(self) -> bool:
        """Whether no column is response_id."""
        return not self.mapped and "response_id" not in self.fields

    def missing(self, labels: Labels) -> list[str]:
        """Fields that a response needs and no column is. An account may be known by the respondent, later on."""
        if self.mapped:
            return []
        wanted = ["account_id", "score", "responded_at"]
        if labels.account or "respondent_id" in self.fields:
            wanted.remove("account_id")
        if "kind" in self.fields:
            wanted = [field for field in wanted if field == "account_id"]  # retractions have neither
        return [field for field in wanted if field not in self.fields]

    def complete(self, file: str, labels: Labels) -> None:
        """Raises UserError where a field that is needed is missing."""
        missing = self.missing(labels)
        if missing:
            names = ", ".join(column.name for column in self.columns) or "none"
            raise UserError(
                f"{file}: no column for {', '.join(missing)} among {names}; "
                f"name it with --column COLUMN={missing[0]}" + (" or --account" if "account_id" in missing else "")
            )

    @property
    def ignored(self) -> tuple[str, ...]:
        """Names of the columns that are not used."""
        return () if self.mapped else tuple(column.name or "(no name)" for column in self.columns if column.field is None)

    def lines(self, labels: Labels) -> Iterator[str]:
        """Which column becomes which field and why, a line each, and what else will be done."""
        if self.mapped:
            yield f"the mapping reads the columns {', '.join(_cut(column.name, WIDEST) for column in self.columns)}"
            return
        used = [column for column in self.columns if column.field is not None]
        width = min(max((len(column.name) for column in used), default=0), WIDEST)
        field_width = max((len(column.field or "") for column in used), default=0)
        for column in used:
            yield f"{_cut(column.name, WIDEST):{width}}  is  {column.field:{field_width}}  {column.why}"
        if self.ignored:
            yield f"not used: {', '.join(_cut(name, WIDEST) for name in self.ignored)}"
        if "account_id" not in self.fields and not labels.account:
            yield "account_id: of none; it has to be known by the respondent"
        if TIME_FIELDS & self.fields:
            dates = self.order_why or "day and month cannot be mixed up"
            yield f"times without a zone are those of {self.zone}; dates: {dates}"
        if self.makes_ids:
            yield f"no column is response_id: {MADE_IDS}"


def _cut(text: str, width: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 3] + "..."
