"""Keys of the state of cases. Ids are any text, so an account is told from what follows it by its length.

C<length: 2 bytes><account><case>              a case
P<hash: 32 bytes>                              a respondent's last case, and how many there were
R<hash: 32 bytes>                              the same of an anonymous response
U<hash: 32 bytes>                              a respondent's recovery that waits for its case
X<length><account><hash: 16 bytes>             that a respondent was erased not long ago (`agents.lately_erased`)
F<account>                                     what cases need of its CRM facts
D<time: 8 bytes><length><account><case>        when something is due for a case; u-<hash> in its place: until when one waits,
                                               x-<hash>: until when an erasure is remembered
O<time: 8 bytes><length><account><case>        when an open case was opened
S<account>                                     the last of its open cases to which its facts have come
G                                              how many cases are open, by severity and state
"""

from typing import Final

from schemas.erasures import respondent_hash

CASE: Final = b"C"
RESPONDENT: Final = b"P"
RESPONSE: Final = b"R"
WAITING: Final = b"U"
FACTS: Final = b"F"
DUE: Final = b"D"
OPENED: Final = b"O"
SPREAD: Final = b"S"
COUNTS: Final = b"G"
LENGTH_BYTES: Final = 2
TIME_BYTES: Final = 8
WAITS: Final = "u-"
ERASED: Final = "x-"
"""What stands before a respondent's hash in place of a case, whose ids begin otherwise."""


def case_key(account: bytes, case_id: str) -> bytes:
    """Where a case is."""
    return CASE + _named(account, case_id)


def timed(kind: bytes, ms: int, account: bytes, case_id: str) -> bytes:
    """An entry of a case that sorts by a time in ms."""
    return kind + ms.to_bytes(TIME_BYTES, "big") + _named(account, case_id)


def time_in(key: bytes) -> int:
    """The time of such an entry."""
    return int.from_bytes(key[1 : 1 + TIME_BYTES], "big")


def case_in(key: bytes) -> tuple[bytes, str]:
    """Account and case of such an entry."""
    start = 1 + TIME_BYTES + LENGTH_BYTES
    end = start + int.from_bytes(key[1 + TIME_BYTES : start], "big")
    return key[start:end], key[end:].decode()


def subject(account_id: str, respondent_id: str | None, response_id: str) -> bytes:
    """Whose case it is: a respondent's, by the hash with which `nps.erasures` names one, or an anonymous response's."""
    if respondent_id is None:
        return RESPONSE + bytes.fromhex(respondent_hash(account_id, response_id))
    return respondent(respondent_hash(account_id, respondent_id))


def respondent(hashed: str) -> bytes:
    """The key of a respondent of this hash."""
    return RESPONDENT + bytes.fromhex(hashed)


def waiting(subject: bytes) -> bytes:
    """Where a respondent's recovery waits."""
    return WAITING + subject[len(RESPONDENT) :]


def waiting_name(subject: bytes) -> str:
    """What stands in place of a case."""
    return WAITS + subject[len(RESPONDENT) :].hex()


def waiting_subject(name: str) -> bytes:
    """Whose recovery it is, by this name."""
    return respondent(name.removeprefix(WAITS))


def erased_name(respondent: bytes) -> str:
    """What stands in place of a case for an erased respondent, by a hash as in marks (`agents.lately_erased`)."""
    return ERASED + respondent.hex()


def erased_respondent(name: str) -> bytes:
    """Whose mark it is, by this name."""
    return bytes.fromhex(name.removeprefix(ERASED))


def _named(account: bytes, case_id: str) -> bytes:
    return len(account).to_bytes(LENGTH_BYTES, "big") + account + case_id.encode()
