"""The messages that are planned, and when each is due: in the state, so that they outlast a restart.

    P<hash>                       the message to a respondent, at most one
    B<bucket: 8 bytes>            the bucket of those due in its 10 s: numbers of its first entry and of the next
    D<bucket><number: 4 bytes>    an entry of it: whose
    H                             no bucket before this one has entries; how many entries there are

To find what is due, each bucket up to now is asked for by its name: a look at all keys of the state, every second, would cost
more than all messages. An entry whose message was taken away meanwhile, or put off, is passed over when its time comes.
"""

import sys
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from agents.stored import StateUnreadable, StoredCount, StoredTime, decoder
from schemas.cases import Case
from streams.processor import State

PLAN: Final = b"P"
BUCKET: Final = b"B"
ENTRY: Final = b"D"
HEAD: Final = b"H"
BUCKET_MS: Final = 10_000
"""As exactly as messages are on time: none is early. Finer buckets are more of them to ask for after an outage: of a day there
are 8,640, which takes some ms."""
MOST_BUCKETS: Final = 20_000
"""Looked at in one share."""
_LACKS: Final = "the index of planned messages in the state lacks an entry"
_WALKED: Final = "walked"
"""In the cache: so far buckets were found empty since the head was written. Whoever does not know it walks again."""


_BucketNumber = Annotated[int, Meta(ge=0, lt=1 << 40)]
_EntryNumber = Annotated[int, Meta(ge=0, lt=1 << 32)]


class Plan(msgspec.Struct, array_like=True):
    """A message that is to be decided on when it is due. Times in ms, UTC."""

    outreach_id: str
    case: Case
    """As it stands, without what a message has no use for."""
    at: StoredTime
    """When what it answers happened."""
    first_due: StoredTime
    """When it was due at first; from then on it may be too late."""
    bucket: _BucketNumber = 0
    """In which its present entry is."""
    traceparent: bytes | None = None
    waited: bool = False
    """It was found long overdue, and put off so that what happened meanwhile is read before it is decided on."""

    @property
    def due(self) -> int:
        """When its present entry is due."""
        return self.bucket * BUCKET_MS


class _Head(msgspec.Struct, array_like=True):
    first: _BucketNumber
    entries: StoredCount


class _Bucket(msgspec.Struct, array_like=True):
    first: _EntryNumber = 0
    next: _EntryNumber = 0


_decode_plan = decoder(Plan)
_decode_head = decoder(_Head)
_decode_bucket = decoder(_Bucket)
_encode = msgspec.msgpack.Encoder().encode


class Plans:
    """The planned messages of one task."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def get(self, whose: bytes) -> Plan | None:
        """The message planned for a respondent, by hash."""
        value = self._state.get(PLAN + whose)
        return None if value is None else _decode_plan(value)

    def put(self, whose: bytes, plan: Plan, due: int) -> None:
        """Plan a message, or put it off: to be decided on at `due`, in ms UTC, or up to BUCKET_MS later."""
        plan.bucket = -(-due // BUCKET_MS)
        self._state.put(PLAN + whose, _encode(plan))
        self._enter(whose, plan.bucket)

    def update(self, whose: bytes, plan: Plan) -> None:
        """Keep what has changed about a message that stays due when it is."""
        self._state.put(PLAN + whose, _encode(plan))

    def remove(self, whose: bytes) -> None:
        """Let go of it."""
        if self._state.get(PLAN + whose) is not None:
            self._state.delete(PLAN + whose)

    def due(self, now: int, share: int) -> tuple[dict[bytes, Plan], bool]:
        """Messages that are due at `now` in ms UTC, by respondent, in the order of their time, and whether there may be more.
        At most `share` entries are taken out of the index for it; the messages themselves stay: `put` or `remove` them."""
        found: dict[bytes, Plan] = {}
        head = self._head()
        if head is None:
            return found, False
        last, taken = now // BUCKET_MS, 0
        at = max(head.first, self._state.cache.get(_WALKED, head.first))
        if last - at > MOST_BUCKETS:
            at = self._first_bucket()  # one look at all keys instead of many at none
        stop = at + MOST_BUCKETS
        while at <= last and at < stop and taken < min(share, head.entries):
            bucket = self._bucket(at)
            while bucket.first < bucket.next and taken < share:
                taken += 1
                whose = self._take(at, bucket)
                plan = self.get(whose)
                if plan is not None and plan.bucket == at:
                    found[whose] = plan
            if bucket.first < bucket.next:
                self._state.put(_bucket_key(at), _encode(bucket))
                break
            if bucket.next:
                self._state.delete(_bucket_key(at))
            at += 1
        self._state.cache[_WALKED] = at
        if taken > head.entries:
            raise StateUnreadable(_LACKS)
        if taken == head.entries:
            self._state.delete(HEAD)
            return found, False
        if taken:
            self._state.put(HEAD, _encode(_Head(at, head.entries - taken)))
        return found, at <= last

    def _enter(self, whose: bytes, at: int) -> None:
        bucket = self._bucket(at)
        self._state.put(_entry_key(at, bucket.next), whose)
        bucket.next += 1
        self._state.put(_bucket_key(at), _encode(bucket))
        head = self._head() or _Head(at, 0)
        self._state.put(HEAD, _encode(_Head(min(head.first, at), head.entries + 1)))
        cache = self._state.cache
        if cache.get(_WALKED, at) > at:
            cache[_WALKED] = at

    def _take(self, at: int, bucket: _Bucket) -> bytes:
        key = _entry_key(at, bucket.first)
        whose = self._state.get(key)
        if whose is None:
            raise StateUnreadable(_LACKS)
        self._state.delete(key)
        bucket.first += 1
        return whose

    def _first_bucket(self) -> int:
        for key in self._state.scan(BUCKET, b"", sys.maxsize):
            return int.from_bytes(key[len(BUCKET) :], "big")
        raise StateUnreadable(_LACKS)

    def _head(self) -> _Head | None:
        value = self._state.get(HEAD)
        return None if value is None else _decode_head(value)

    def _bucket(self, at: int) -> _Bucket:
        value = self._state.get(_bucket_key(at))
        return _Bucket() if value is None else _decode_bucket(value)


def _bucket_key(at: int) -> bytes:
    return BUCKET + at.to_bytes(8, "big")


def _entry_key(at: int, number: int) -> bytes:
    return ENTRY + at.to_bytes(8, "big") + number.to_bytes(4, "big")
