"""Keys of the scoring state. Ids are any text, so they are told apart by their length and not by a separator.

A<account>                              the head of an account's tables
a<account><chunk: 2 bytes>              their counts by day
S<segment>  s<segment><chunk>           the same of a segment, as dimension=value
R<length: 2 bytes><account><response>   what is known of a response
P<length><account><respondent>          a respondent's history
p<length><account><respondent><number: 4 bytes>   an older part of it
e<length><account><hash: 32 bytes>      an erased respondent, as in nps.erasures
E<account>                              that the account has any
F<account>                              its CRM facts, as far as they are used
X                                       until when, and when last, the list of the erased was written to for its compaction
W                                       the lengths of the windows that the state was made with
T                                       how far ticks have come
"""

from typing import Final

ACCOUNT: Final = b"A"
ACCOUNT_DAYS: Final = b"a"
SEGMENT: Final = b"S"
SEGMENT_DAYS: Final = b"s"
RESPONSE: Final = b"R"
RESPONDENT: Final = b"P"
RESPONDENT_PART: Final = b"p"
ERASED: Final = b"e"
ANY_ERASED: Final = b"E"
FACTS: Final = b"F"
TOUCHES: Final = b"X"
TICKS: Final = b"T"
LENGTH_BYTES: Final = 2


def within(kind: bytes, account: bytes) -> bytes:
    """What the keys of an account's responses or respondents begin with. An account_id has at most 64 KB."""
    return kind + len(account).to_bytes(LENGTH_BYTES, "big") + account


def account_of(key: bytes) -> bytes:
    """The account in a key that begins so."""
    start = 1 + LENGTH_BYTES
    return key[start : start + int.from_bytes(key[1:start], "big")]
