"""Erases respondents: what `nps.erasures` asks for is taken out of the state, and the hashed list takes its place.

A command:
1. The respondent's history goes, and every response in it becomes a mark that no later record outdoes. With `remove` they are
   taken out of the tables first, as retractions are; with `keep` the tables stay.
2. An entry of the list says so, with the position in nps.responses at which it happened: what comes of the respondent from
   there on is dropped, also when a replay brings it.
3. The command itself, which has the id, is replaced in its topic: by the entry, if it has the entry's key, else by a tombstone.
4. Responses beyond the history are in no history: they are looked for among all of the account, once for commands that follow
   each other.
No event tells of it, since it would have to name the person once more: consumers read the list.

An entry of the list that the state does not have comes from before: the state was made anew, or an older one was restored. It
is taken over as of the present position, and whoever it means is erased if the state knows them.

Whatever else has the key of an entry is replaced by the entry again, so the list loses nobody.

The broker compacts what it has closed, and closes a segment when something is written after its time: so that a command does
not stay in the files of a quiet partition for ever, a tombstone of nothing follows it every day for some weeks.
"""

import re
import sys
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from agents import keys
from agents.accounts import Account
from agents.burying import bury
from agents.erased import Erased
from agents.ledger import Ledger
from agents.responses import identity, text_of
from agents.strays import STRAY_HEADER, is_marked, never_home
from agents.versions import decode_known
from schemas import topics
from schemas.codec import dumps, loads
from schemas.dead_letters import Reason, Unusable
from schemas.erasures import entry_key, respondent_hash
from schemas.topics import COMPACTION_LAG_DAYS
from streams.processor import DAY_MS, Outbox, Record, State, partition_of

FEW_ACCOUNTS: Final = 5
"""The keys of so many accounts are each looked for by themselves. For more, all responses are looked through once: a million
take a second or two, and to find one account's keys among them takes a tenth of that."""
TOUCHED_DAYS: Final = 4 * COMPACTION_LAG_DAYS
"""How long a tombstone is written every day: until what stood before it was compacted, and with time to spare."""
TOUCH_KEY: Final = b""
"""Of these tombstones: no entry and no account has it."""
KEEP, REMOVE = "keep", "remove"

_encode = msgspec.msgpack.Encoder().encode
_decode_touches = msgspec.msgpack.Decoder(tuple[int, int]).decode
_HASH: Final = re.compile(r"[0-9a-f]{64}")


class _Asked(NamedTuple):
    """A command, or an entry of the list, which has no respondent_id."""

    account_id: str
    respondent_id: str | None
    hashed: str
    counts: str
    erased_at: str = ""


class Erasing:
    """Carries out what a batch asks to be erased."""

    __slots__ = ("_erased", "_ledger", "_outbox", "_position", "_state", "pending")

    def __init__(self, ledger: Ledger, state: State, outbox: Outbox) -> None:
        self._erased = Erased(state)
        self._ledger = ledger
        self._state = state
        self._outbox = outbox
        self._position = state.position(topics.RESPONSES)
        self.pending: dict[bytes, set[str]] = {}
        """Hashes whose responses beyond the history are still to be looked for, by account."""

    def drops(self, account: Account, response_id: str, respondent_id: str) -> bool:
        """Whether a response is dropped, since its respondent is erased. If nothing is known of it yet, it is marked like those
        that were erased: what comes of it without the respondent's id is the respondent's all the same."""
        if self._erased.entry(account, respondent_hash(account.account_id, respondent_id)) is None:
            return False
        self._ledger.mark_unknown(account.response_key(response_id))
        self._outbox.count("erased")
        return True

    def take(self, batch: Sequence[Record], number: int, now: int) -> None:
        """One record of nps.erasures, at `now` in ms."""
        record = batch[number]
        self._move(batch, number)
        stage = "decode"
        try:
            if record.value is not None:
                fields = loads(record.value)
                stage = "validate"
                asked = _read(fields)
                account = self._ledger.accounts.get(asked.account_id)
                if partition_of(account.name, self._state.partitions) != self._state.partition:
                    stage = "score"
                    self._send_home(record, asked, account)
                elif asked.respondent_id is None:
                    self._take_over(record, asked, account)
                else:
                    self._erase(record, asked, asked.respondent_id, account, now)
        except Unusable as error:
            bury(record, stage, error, self._outbox)
        self._tidy(record)

    def _move(self, batch: Sequence[Record], number: int) -> None:
        """Go on to behind the last response before a record, if there is one since the command before it."""
        before = number - 1
        while before >= 0 and batch[before].topic == topics.ACCOUNTS:
            before -= 1
        if before >= 0 and batch[before].topic == topics.RESPONSES:
            self._position = batch[before].offset + 1

    def sweep(self) -> None:
        """Find the responses that are in no history any more (step 4). Call it before anything else happens: before a response,
        before another day, and at the end of the batch."""
        if not self.pending:
            return
        few = len(self.pending) <= FEW_ACCOUNTS
        prefixes = [keys.within(keys.RESPONSE, account) for account in self.pending] if few else [keys.RESPONSE]
        for prefix in prefixes:
            for key in self._state.scan(prefix, b"", sys.maxsize):
                account = keys.account_of(key)
                hashes = self.pending.get(account)
                value = self._state.get(key) if hashes else None
                if not hashes or value is None:
                    continue
                respondent_id = decode_known(value).respondent_id
                if respondent_id is not None and respondent_hash(account.decode(), respondent_id) in hashes:
                    self._ledger.mark_erased(key)
        self.pending.clear()

    def _erase(self, record: Record, asked: _Asked, respondent_id: str, account: Account, now: int) -> None:
        if self._erased.entry(account, asked.hashed) is not None:
            return  # whatever it asked for its counts: without a name nobody can tell them from others any more
        # 1. The state.
        self._ledger.erase(account, respondent_id, asked.counts == REMOVE)
        self.pending.setdefault(account.name, set()).add(asked.hashed)
        # 2. The list.
        entry = self._add(record, asked._replace(erased_at=text_of(now)), account)
        key = entry_key(account.account_id, asked.hashed)
        if record.key != key:
            self._outbox.send(topics.ERASURES, key, entry, record.timestamp, route=account.name)
        self._outbox.count("erasures", asked.counts)

    def _take_over(self, record: Record, entry: _Asked, account: Account) -> None:
        if record.key != entry_key(account.account_id, entry.hashed):
            raise Unusable(Reason.BAD_ID, "key: not that of the entry")
        if self._erased.entry(account, entry.hashed) is not None:
            return
        if self._position:
            for key in self._state.scan(account.respondents, b"", sys.maxsize):
                respondent_id = key[len(account.respondents) :].decode()
                if respondent_hash(account.account_id, respondent_id) == entry.hashed:
                    self._ledger.erase(account, respondent_id, entry.counts == REMOVE)
            self.pending.setdefault(account.name, set()).add(entry.hashed)
        self._add(record, entry, account)

    def _add(self, record: Record, asked: _Asked, account: Account) -> bytes:
        """Put it on the list, as of the present position; the entry."""
        entry = dumps(
            {
                "account_id": asked.account_id,
                "respondent_hash": asked.hashed,
                "counts": asked.counts,
                "erased_at": asked.erased_at,
                "position": self._position,
            }
        )
        self._erased.add(account, asked.hashed, entry)
        if not self._ledger.accounts.has_table(account):
            # There may be a row of an earlier state, and nobody else in the account who would bring another.
            self._outbox.send(topics.ACCOUNT_ROLLUPS, account.name, None, record.timestamp)
        return entry

    def _send_home(self, record: Record, asked: _Asked, account: Account) -> None:
        if is_marked(record):
            raise never_home(record)
        headers = [*record.headers, (STRAY_HEADER, b"1")]
        key = entry_key(asked.account_id, asked.hashed)
        self._outbox.send(topics.ERASURES, key, record.value, record.timestamp, headers, route=account.name)
        self._outbox.count("strays")

    def _tidy(self, record: Record) -> None:
        """Leave nothing under the record's key but the entry that has it, if one has (step 3)."""
        entry = self._erased.entry_under(record.key)
        if record.key is not None and entry != record.value:
            self._state.put(keys.TOUCHES, _encode((self._ledger.day + TOUCHED_DAYS, self._ledger.day)))
            self._outbox.send(topics.ERASURES, record.key, entry, record.timestamp, route=record.partition)


def touch(state: State, now: int, outbox: Outbox) -> None:
    """What passing time brings to the list, at `now` in ms: a tombstone a day, for as long as there may be a command in it."""
    value = state.get(keys.TOUCHES)
    if value is None:
        return
    (until, last), day = _decode_touches(value), now // DAY_MS
    if day > until:
        state.delete(keys.TOUCHES)
    elif day > last:
        state.put(keys.TOUCHES, _encode((until, day)))
        outbox.send(topics.ERASURES, TOUCH_KEY, None, now, route=state.partition)


def _read(fields: Any) -> _Asked:
    """Raises `Unusable` with the name of the faulty field."""
    if type(fields) is not dict:
        raise Unusable(Reason.WRONG_TYPE, "the record is no JSON object")
    account_id = identity("account_id", fields.get("account_id"))
    counts = fields.get("counts", KEEP)
    if counts not in (KEEP, REMOVE):
        raise Unusable(Reason.WRONG_TYPE, f"counts: neither '{KEEP}' nor '{REMOVE}'")
    if "respondent_hash" not in fields:
        respondent_id = identity("respondent_id", fields.get("respondent_id"))
        return _Asked(account_id, respondent_id, respondent_hash(account_id, respondent_id), counts)
    hashed, erased_at = fields["respondent_hash"], identity("erased_at", fields.get("erased_at"))
    if type(hashed) is not str or _HASH.fullmatch(hashed) is None:
        raise Unusable(Reason.BAD_ID, "respondent_hash: not 64 hexadecimal digits")
    return _Asked(account_id, None, hashed, counts, erased_at)
