"""What is kept of each response with a comment, so that it can be taken out of the tables again: not the comment, and of its
respondent no more than a hash, which goes when the respondent is erased."""

import sys
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from agents import keys
from agents.comment_counts import ALL, StoredDay
from agents.comment_keys import RESPONSE
from agents.comment_tables import CommentTables
from agents.stored import decoder
from streams.processor import State

HASH_BYTES: Final = 16
"""Of the respondent's hash: enough to tell those of an account apart."""
NOBODY: Final = b""
"""In place of a hash: anonymous, or erased."""
TONE_PLACE: Final = 3
"""Where the tones begin among the six numbers of a theme."""

_encode = msgspec.msgpack.Encoder().encode


class Kept(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One comment as it is counted."""

    day: StoredDay
    """The UTC day of responded_at."""
    category: Annotated[int, msgspec.Meta(ge=0, le=2)]
    """As in `agents.categories`."""
    tone: Annotated[int, msgspec.Meta(ge=0, le=2)] | None
    """As in `agents.tones`."""
    themes: tuple[str, ...]
    segments: tuple[str, ...]
    """As dimension=value, sorted."""
    respondent: bytes = NOBODY

    @property
    def places(self) -> Sequence[int]:
        """Where it counts among the six numbers of a theme."""
        return (self.category,) if self.tone is None else (self.category, TONE_PLACE + self.tone)


decode_kept = decoder(Kept)


def short_hash(hashed: str) -> bytes:
    """Of a respondent, from the hexadecimal digits of `schemas.erasures.respondent_hash`."""
    return bytes.fromhex(hashed)[:HASH_BYTES]


class KeptComments:
    """The comments that are kept in one task, and what they count in."""

    def __init__(self, state: State, tables: CommentTables, longest: int) -> None:
        self._state = state
        self._tables = tables
        self._longest = longest

    def get(self, account_id: str, response_id: str) -> Kept | None:
        """What is kept of a response."""
        value = self._state.get(_key(account_id, response_id))
        return None if value is None else decode_kept(value)

    def replace(self, account_id: str, response_id: str, before: Kept | None, after: Kept | None) -> None:
        """Count what is said now in place of what was said before. One beyond the longest window is neither counted nor
        kept."""
        key = _key(account_id, response_id)
        if after is not None and self._tables.day - after.day >= self._longest:
            after = None
        for kept, amount in ((before, -1), (after, 1)):
            if kept is not None:
                self._tables.count(account_id, kept.segments, kept.day, (ALL, *kept.themes), kept.places, amount)
        if after is not None:
            self._state.put(key, _encode(after))
        elif before is not None:
            self._state.delete(key)

    def erase(self, account_id: str, hashed: str, remove: bool) -> None:
        """Forget whose comments a respondent's are; with `remove` they no longer count."""
        respondent, prefix = short_hash(hashed), keys.within(RESPONSE, account_id.encode())
        for key in self._state.scan(prefix, b"", sys.maxsize):
            value = self._state.get(key)
            kept = None if value is None else decode_kept(value)
            if kept is None or kept.respondent != respondent:
                continue
            response_id = key[len(prefix) :].decode()
            if remove:
                self.replace(account_id, response_id, kept, None)
            else:
                self._state.put(key, _encode(msgspec.structs.replace(kept, respondent=NOBODY)))


def _key(account_id: str, response_id: str) -> bytes:
    return keys.within(RESPONSE, account_id.encode()) + response_id.encode()
