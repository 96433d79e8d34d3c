"""What is known of a response that may come again: which of its records counts, whatever the order in which they arrive.

A record has a stamp: its version, and among equal versions a hash of its content; a retraction beats any response of its
version. The greatest stamp decides the content. The segments are decided by themselves, since a correction that names none
keeps the old ones: they are those of the greatest stamp among the records that name some, where a retraction names none for
good. Both are maxima, so the result is the same in any order.

What the account's CRM facts add is no content: it is remembered as it was when the response was first counted, plays no part
in stamps and duplicates, and goes with a retraction.
"""

import hashlib
from typing import Final
from zlib import crc32

import msgspec

from agents.facts import together
from agents.responses import Pairs, Said
from agents.stored import decoder
from schemas.times import LATEST_MS

DIGEST_BYTES: Final = 16
"""Of a hash over all that identifies a record's content: ids of events are made of it."""
STAMP_BYTES: Final = 8
"""How much of it decides among equal versions."""
RETRACTED: Final = b"\xff" * (STAMP_BYTES + 1)
"""The hash of every retraction: greater than that of any content."""
ERASED: Final = LATEST_MS
"""The version of a response whose respondent was erased: greater than that of any record."""
UNNAMED: Final = (-1, b"")
"""The stamp of segments that nobody has named."""

_encode = msgspec.msgpack.Encoder().encode


class Known(msgspec.Struct, array_like=True, gc=False):
    """What is known of a response. It is remembered for the length of the history after it was last heard of."""

    version: int
    stamp: bytes
    """With the version: where the content comes from."""
    heard: int
    """The UTC day of the last record that counted."""
    live: bool
    """False: it was taken back; then there is no content."""
    score: int = 0
    responded_at: int = 0
    respondent_id: str | None = None
    comment: int = 0
    """A checksum (CRC-32), 0 if there is none: comments are not kept, it only has to show that one has changed."""
    segments: Pairs = ()
    """Those that its records name."""
    named: tuple[int, bytes] | None = None
    """The stamp of the record that named the segments; None: that of the content."""
    events: int = 0
    """How many detractor events told of it."""
    standing: bool = False
    """Whether the last of them still holds."""
    earlier: str | None = None
    """The response of its respondent before it, as long as each came after all others (`agents.latest`)."""
    facts: Pairs = ()
    """The segments of its account, as they were when it was first counted."""

    @property
    def counted(self) -> Pairs:
        """The segments that it counts in."""
        return together(self.segments, self.facts) if self.facts else self.segments

    @property
    def erased(self) -> bool:
        """Whether its respondent was erased: nothing is left of it, and nothing that comes changes that."""
        return self.version == ERASED


decode_known = decoder(Known)
encode_known = _encode


def erased(day: int) -> Known:
    """What takes the place of a response whose respondent is erased on a day."""
    return Known(ERASED, RETRACTED, day, False)


def upgraded(value: bytes) -> bytes:
    """What version 1 wrote of a response, which had no segments of its account, as it is written now."""
    return encode_known(decode_known(value))


def digest_of(said: Said) -> bytes:
    """A hash over ids, version and content of a record: the same for each repeat of it."""
    given = said.given
    content = (given.account_id, given.response_id, said.version, said.live, said.score, said.at, said.respondent_id)
    return hashlib.blake2b(_encode((content, given.comment or "", said.pairs)), digest_size=DIGEST_BYTES).digest()


def merged(known: Known | None, said: Said, digest: bytes, day: int) -> Known | None:
    """What is known once a record has been heard on a day; None if the record is older than what is known in every way."""
    stamp = digest[:STAMP_BYTES] if said.live else RETRACTED
    named = None if said.pairs or not said.live else UNNAMED
    comment = said.given.comment
    heard = Known(
        said.version,
        stamp,
        day,
        said.live,
        said.score,
        said.at,
        said.respondent_id,
        crc32(comment.encode()) if comment else 0,
        said.pairs,
        named,
    )
    return heard if known is None else _later(known, heard)


def _later(known: Known, heard: Known) -> Known | None:
    """What is known already, and what a record says: the later of both, content and segments each by itself."""
    content = (heard.version, heard.stamp)
    newer = content > (known.version, known.stamp)
    named = known.named or (known.version, known.stamp)
    renamed = heard.named is None and content > named
    if not newer and not renamed:
        return None
    after = heard if newer else msgspec.structs.replace(known, heard=heard.heard)
    after.segments, after.named = (heard.segments, content) if renamed else (known.segments, named)
    if after.named == (after.version, after.stamp):
        after.named = None
    after.events, after.standing, after.earlier = known.events, known.standing, known.earlier
    after.facts = known.facts if after.live else ()
    return after


def same_content(one: Known, other: Known) -> bool:
    """Whether two states of a response count and read the same."""
    return one.live == other.live and (
        (one.score, one.responded_at, one.respondent_id, one.comment, one.segments)
        == (other.score, other.responded_at, other.respondent_id, other.comment, other.segments)
    )
