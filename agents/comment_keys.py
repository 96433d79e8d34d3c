"""Keys of the state of the agent comments. Ids are any text, so they are told apart by their length, as in `agents.keys`.

A<account>                              the head of an account's table
a<account><chunk: 2 bytes>              its counts by day
S<segment><day: 3 bytes>                what was counted of a segment on a day; a segment is dimension=value
R<length: 2 bytes><account><response>   what is kept of a response's comment
E<account>|<hash>                       an erased respondent, as in nps.erasures: what becomes of the counts
T                                       how far ticks have come
W                                       the lengths of the windows
"""

from typing import Final

ACCOUNT: Final = b"A"
ACCOUNT_DAYS: Final = b"a"
SEGMENT: Final = b"S"
RESPONSE: Final = b"R"
ERASED: Final = b"E"
TICKS: Final = b"T"
DAY_BYTES: Final = 3
"""Times end with the year 2199, which is 84,000 days away from 1970."""


def segment_key(segment: str, day: int) -> bytes:
    """Of what was counted of a segment on a day."""
    return SEGMENT + segment.encode() + day.to_bytes(DAY_BYTES, "big")


def day_of_segment_key(key: bytes) -> int:
    """The day in such a key."""
    return int.from_bytes(key[-DAY_BYTES:], "big")
