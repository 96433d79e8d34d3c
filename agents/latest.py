"""A respondent's last response, with what has to be known of those before it: all that is kept of a history as long as each
response comes after all others, as nearly all do. Each names the one before it (`agents.versions.Known.earlier`), so the others
are found when one is late, corrected or taken back.
"""

from typing import Final

import msgspec

from agents.categories import CATEGORY_OF, PROMOTER
from agents.responses import Pairs
from agents.stored import decoder
from agents.versions import Known, decode_known
from streams.processor import State

MARK: Final = b"\x97"
"""The first byte of such a value: a MessagePack array of seven, where a history in a list is one of three."""
NEVER: Final = -1
"""Before any time."""


class Entry(msgspec.Struct, array_like=True, frozen=True, order=True, gc=False):
    """One response of the history."""

    at: int
    """responded_at in ms."""
    response_id: str
    score: int


class Latest(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The last response. Times are responded_at in ms."""

    at: int
    response_id: str
    score: int
    row: int
    """How many responses in a row have its category, this one included."""
    row_at: int
    """The time of the first of them: from when it is beyond the history on, the row is not known."""
    promoter_at: int
    """The time of the last promoter's response before this one."""
    segments: Pairs
    """Those that it is counted in."""

    @classmethod
    def first(cls, entry: Entry, segments: Pairs) -> "Latest":
        """The only response there is."""
        return cls(entry.at, entry.response_id, entry.score, 1, entry.at, NEVER, segments)

    def followed_by(self, entry: Entry, segments: Pairs) -> "Latest":
        """One that comes after it."""
        category = CATEGORY_OF[self.score]
        same = CATEGORY_OF[entry.score] == category
        return Latest(
            entry.at,
            entry.response_id,
            entry.score,
            self.row + 1 if same else 1,
            self.row_at if same else entry.at,
            self.at if category == PROMOTER else self.promoter_at,
            segments,
        )

    @property
    def entry(self) -> Entry:
        """As an entry of the history."""
        return Entry(self.at, self.response_id, self.score)


decode_latest = decoder(Latest)


def walked(state: State, responses: bytes, latest: Latest, since: int) -> list[Entry]:
    """The whole history within `since` (ms), oldest first, by the names of earlier responses. `responses` is what the keys of
    the account's responses begin with."""
    entries = [latest.entry]
    known = _known(state, responses, latest.response_id)
    while known is not None and known.earlier is not None:
        name = known.earlier
        known = _known(state, responses, name)
        if known is None:
            break  # forgotten: it and all before it are beyond the history
        entry = Entry(known.responded_at, name, known.score)
        # What was beyond the history may have come anew under its old name, and does not stand here any more.
        if entry.at < since or entry >= entries[-1]:
            break
        entries.append(entry)
    entries.reverse()
    return entries


def _known(state: State, responses: bytes, name: str) -> Known | None:
    value = state.get(responses + name.encode())
    return None if value is None else decode_known(value)
