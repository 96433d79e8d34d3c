"""What is left of a respondent in a compacted topic: whether a record names them, and how many do. Pure.

A compacted topic's last record of each key is alive; the ones before it are superseded, and in the log's files until the broker
has compacted them.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec
import orjson

from agents import keys
from agents.contacts import CONTACT
from schemas.erasures import entry_key, respondent_hash
from schemas.topics import ACCOUNTS, CASES, ERASURES, PREFERENCES
from streams.changelog import SEPARATOR, state_prefix
from streams.changelog import STATE as STATE_KIND
from streams.processor import Record
from streams.task_name import changelog_topic

STATE: Final = state_prefix("scoring")
"""What the keys of scoring's state in its changelog begin with."""
CONTACTS: Final = state_prefix("intake") + CONTACT
"""What the keys of contacts in intake's changelog begin with."""
CARE: Final = changelog_topic("", "care")
"""What the name of care's changelog ends with."""
PART_BYTES: Final = 4
"""Of the number that ends the key of an older part of a history."""


@dataclass(frozen=True)
class Respondent:
    """One respondent, of all accounts or of some."""

    respondent_id: str
    accounts: Collection[str] | None = None
    """None: of any."""

    def named_in(self, record: Record) -> str | None:
        """The account as whose respondent a record names them; empty if it names them without saying so; None if not at all."""
        if record.topic == ERASURES:
            return self._of_these(self._commanded(record))
        if (record.key or b"").startswith(STATE):
            key = (record.key or b"")[len(STATE) :]
            if key[:1] in _PERSONAL:
                return self._of_these(self._kept(key, record.value))
        if record.topic in (CASES, PREFERENCES):
            return self._of_these(self._cared_for(record))
        if record.topic.endswith(CARE) and (record.key or b"").startswith(STATE_KIND):
            return self._in_state_of_care((record.key or b"").partition(SEPARATOR)[2], record.value or b"")
        if record.key == CONTACTS + self.respondent_id.encode():
            return ""
        if not self._anywhere(record):
            return None
        return self._of_these((record.key or b"").decode(errors="replace")) if record.topic == ACCOUNTS else ""

    def listed_in(self, record: Record) -> str | None:
        """The account of which a record of the list says that they are erased; None if it is about somebody else."""
        account, _, hashed = (record.key or b"").decode(errors="replace").rpartition("|")
        entry = _members(record.value)
        if entry.get("account_id") != account or entry.get("respondent_hash") != hashed:
            return None
        return self._of_these(account) if hashed == respondent_hash(account, self.respondent_id) else None

    def key_in(self, account: str) -> bytes:
        """The key of their entry in the list."""
        return entry_key(account, respondent_hash(account, self.respondent_id))

    def _of_these(self, account: str | None) -> str | None:
        return account if account is None or self.accounts is None or account in self.accounts else None

    def _commanded(self, record: Record) -> str | None:
        fields = _members(record.value)
        account = fields.get("account_id")
        return account if fields.get("respondent_id") == self.respondent_id and isinstance(account, str) else None

    def _cared_for(self, record: Record) -> str | None:
        """Of a case or a preference. The key of the latter has the id, so a tombstone names them too."""
        key, end = (record.key or b"").decode(errors="replace"), f"|{self.respondent_id}"
        if record.topic == PREFERENCES and key.endswith(end):
            return key.removesuffix(end)
        account = _members(record.value).get("account_id")
        return account if isinstance(account, str) and self._anywhere(record) else None

    def _in_state_of_care(self, key: bytes, value: bytes) -> str | None:
        """Of an entry of the state of any agent of care: each has the account in its key or in its value. Where the account's
        id is a part of another's, it is rather found too often."""
        name = self.respondent_id
        kept = any(encoded in value for encoded in (msgspec.msgpack.encode(name), orjson.dumps(name)))
        if self.accounts is None:
            return "" if kept or _in_key(key, b"", name.encode()) else None
        for account in self.accounts:
            own = account.encode()
            if (kept or _in_key(key, own, name.encode())) and (own in key or own in value):
                return account
        return None

    def _kept(self, key: bytes, value: bytes | None) -> str | None:
        """Of a key of scoring's state: histories have the id in the key, responses in the value."""
        account = keys.account_of(key)
        name = key[len(keys.within(key[:1], account)) :]
        if key[:1] == keys.RESPONSE:
            found = msgspec.msgpack.encode(self.respondent_id) in (value or b"")
        else:
            found = (name if key[:1] == keys.RESPONDENT else name[:-PART_BYTES]) == self.respondent_id.encode()
        return account.decode(errors="replace") if found else None

    def _anywhere(self, record: Record) -> bool:
        """As a text of its own: as the key, as a value in JSON, or in MessagePack."""
        name, value = self.respondent_id, record.value or b""
        return (
            record.key == name.encode()
            or msgspec.msgpack.encode(name) in value
            or (orjson.dumps(name) in value and any(text == name for text in _texts(_parsed(value))))
        )


@dataclass
class Traces:
    """The records of one topic that name a respondent."""

    superseded: int = 0
    _alive: dict[tuple[int, bytes | None], tuple[str, int]] = field(default_factory=dict)

    def add(self, record: Record, account: str | None) -> None:
        """Go on to the next record of a partition; `account` is what `Respondent.named_in` says of it."""
        key = (record.partition, record.key)
        if self._alive.pop(key, None) is not None:
            self.superseded += 1
        if account is not None and record.value is not None:
            self._alive[key] = (account, record.offset)
        elif account is not None:
            self.superseded += 1  # a tombstone whose key names them

    @property
    def alive(self) -> int:
        """How many records are the last ones of their keys."""
        return len(self._alive)

    @property
    def accounts(self) -> set[str]:
        """As whose respondent the ones that are alive name them."""
        return {account for account, _ in self._alive.values() if account}

    def places(self) -> Iterator[tuple[int, int]]:
        """Partition and offset of those that are alive."""
        return ((partition, offset) for (partition, _), (_, offset) in sorted(self._alive.items(), key=str))


_SEPARATORS: Final = re.compile(rb"[\0|]")
_PERSONAL: Final = (keys.RESPONSE, keys.RESPONDENT, keys.RESPONDENT_PART)


def _in_key(key: bytes, account: bytes, name: bytes) -> bool:
    """Whether the key of an entry has a name: after its own length, after the account, or between separators; and then ends, or
    goes on with a number."""
    if len(name).to_bytes(keys.LENGTH_BYTES, "big") + name in key or name in _SEPARATORS.split(key):
        return True
    return bool(account) and re.search(re.escape(account + name) + rb"(?=$|\0)", key) is not None


def _members(value: bytes | None) -> dict[str, object]:
    """Those of a JSON object, none of anything else."""
    fields = _parsed(value or b"")
    return fields if isinstance(fields, dict) else {}


def _parsed(value: bytes) -> object:
    """None for what is no JSON."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


def _texts(value: object) -> Iterator[object]:
    """The values in a JSON value; names of members are not among them."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield one
        yield from _texts(one)
