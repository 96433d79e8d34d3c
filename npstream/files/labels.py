"""What the user says about files, beyond what they say themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Literal

from agents.intake import ACCOUNT_HEADER, SOURCE_HEADER
from schemas.vendors.mapping import MappingAdapter
from streams.processor import Headers

DateOrder = Literal["day-first", "month-first"]
"""How 03/04/2026 is read."""


@dataclass(frozen=True, slots=True)
class Labels:
    """How files are to be read."""

    source: str | None = None
    account: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    """Column of a table to canonical field."""
    mapping: MappingAdapter | None = None
    """Makes responses of the rows, in place of columns."""
    encoding: str | None = None
    """Of text that does not say itself which one it is in; None: UTF-8."""
    dates: DateOrder | None = None
    """None: the dates of the file tell."""
    zone: tzinfo = UTC
    """Of times without one in a table or for a mapping."""
    sheet: str | None = None
    """Of a spreadsheet; None: the first."""
    guesses: bool = False
    """Whether what columns look like is enough where nobody could be asked."""

    def headers(self, canonical: bool) -> Headers:
        """The Kafka headers of every record of a file."""
        source = "canonical" if canonical else self.source
        named = ((SOURCE_HEADER, source), (ACCOUNT_HEADER, self.account))
        return tuple((name, value.encode()) for name, value in named if value)
