"""What respondents want, from `nps.preferences`: who asked for peace is sent no message.

The key of a record is `account_id|respondent_id`, its partition that of the account_id. The last one counts, and a tombstone
takes it back. One that came to another partition, or under another key, is sent to where it belongs, once, and a tombstone
takes its place: otherwise an erasure would miss it. (Facts of accounts that stray are dead letters instead, decision 0014: here
a wish that is lost does more harm than one that comes home late.)

Key of the state: O<hash>, a preference. All are kept, not only those that say no, since each is a record with an id that an
erasure has to find.
"""

from typing import Final

import msgspec

from agents.burying import bury
from agents.outreach_erased import ErasedList
from agents.stored import decoder
from agents.strays import STRAY_HEADER, is_marked, never_home
from schemas import topics
from schemas.codec import loads
from schemas.dead_letters import Reason, Unusable
from schemas.erasures import respondent_hash
from schemas.events import MAX_ID_CHARS
from schemas.outreach import Preference
from streams.processor import Outbox, Record, State, partition_of

PREFERENCE: Final = b"O"
SEPARATOR: Final = "|"
MOST_KEY_BYTES: Final = 2 * 4 * MAX_ID_CHARS + len(SEPARATOR)
"""Of a key: a character has at most four bytes."""


class _Wish(msgspec.Struct, array_like=True):
    account_id: str
    respondent_id: str
    outreach: bool


_decode = decoder(_Wish)
_encode = msgspec.msgpack.Encoder().encode


def preference_key(account_id: str, respondent_id: str) -> bytes:
    """The key of a preference in its topic."""
    return f"{account_id}{SEPARATOR}{respondent_id}".encode()


class Preferences:
    """The preferences at one task's partition."""

    __slots__ = ("_erased", "_outbox", "_state")

    def __init__(self, state: State, erased: ErasedList, outbox: Outbox) -> None:
        self._state = state
        self._erased = erased
        self._outbox = outbox

    def opted_out(self, whose: bytes) -> bool:
        """Whether a respondent, by hash, wants no messages."""
        value = self._state.get(PREFERENCE + whose)
        return value is not None and not _decode(value).outreach

    def take(self, record: Record) -> None:
        """One record of the topic."""
        if record.value is None:
            self._take_back(record.key)
            return
        stage = "decode"
        try:
            fields = loads(record.value)
            stage = "validate"
            self._keep(record, _read(fields))
        except Unusable as error:
            bury(record, stage, error, self._outbox, STRAY_HEADER)

    def forget(self, whose: bytes, timestamp: int) -> None:
        """Let go of an erased respondent's, in the topic too."""
        value = self._state.get(PREFERENCE + whose)
        if value is None:
            return
        wish = _decode(value)
        self._state.delete(PREFERENCE + whose)
        self._send(preference_key(wish.account_id, wish.respondent_id), None, wish.account_id, timestamp)

    def _keep(self, record: Record, wanted: Preference) -> None:
        account, key = wanted.account_id.encode(), preference_key(wanted.account_id, wanted.respondent_id)
        if partition_of(account, self._state.partitions) != self._state.partition or record.key != key:
            self._send_home(record, key, wanted.account_id)
            return
        whose = bytes.fromhex(respondent_hash(wanted.account_id, wanted.respondent_id))
        if self._erased.has(whose):
            self._send(key, None, wanted.account_id, record.timestamp)
            return
        self._state.put(PREFERENCE + whose, _encode(_Wish(wanted.account_id, wanted.respondent_id, wanted.outreach)))

    def _send_home(self, record: Record, key: bytes, account_id: str) -> None:
        if is_marked(record):
            raise never_home(record)
        headers = [*record.headers, (STRAY_HEADER, b"1")]
        self._outbox.send(topics.PREFERENCES, key, record.value, record.timestamp, headers, route=account_id.encode())
        if record.key is not None:
            self._outbox.send(topics.PREFERENCES, record.key, None, record.timestamp, route=record.partition)
        self._outbox.count("strays")

    def _take_back(self, key: bytes | None) -> None:
        """A tombstone has nothing but the key, and both ids may contain the separator: whatever is kept under this key goes."""
        if key is None or len(key) > MOST_KEY_BYTES:
            return
        try:
            parts = key.decode().split(SEPARATOR)
        except UnicodeDecodeError:
            return
        for cut in range(1, len(parts)):
            whose = respondent_hash(SEPARATOR.join(parts[:cut]), SEPARATOR.join(parts[cut:]))
            state_key = PREFERENCE + bytes.fromhex(whose)
            if self._state.get(state_key) is not None:
                self._state.delete(state_key)

    def _send(self, key: bytes, value: bytes | None, account_id: str, timestamp: int) -> None:
        self._outbox.send(topics.PREFERENCES, key, value, timestamp, route=account_id.encode())


def _read(fields: object) -> Preference:
    """Raises `Unusable` with the name of the faulty field, and nothing of what is in it."""
    if type(fields) is not dict:
        raise Unusable(Reason.WRONG_TYPE, "the record is no JSON object")
    for name in ("account_id", "respondent_id", "outreach"):
        if fields.get(name) is None:
            raise Unusable(Reason.MISSING_FIELD, f"{name}: missing")
    try:
        return msgspec.convert(fields, Preference)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at ")
        raise Unusable(Reason.WRONG_TYPE, f"{where.strip('`').removeprefix('$.')}: {what.lower()}") from None
