"""The changelog's format: which keys and values a task writes, and what they mean on restore. No I/O in here.

One changelog partition holds everything of one task. The first byte of a key says what the record is:

    m                          meta: format, partition count, incarnation, owner
    c                          the task's clock: ms since the epoch as decimal digits
    p<processor> 0x00 <topic>  the position of a processor in a source
    s<processor> 0x00 <key>    one entry of a processor's state; its value is preceded by one byte, the version of the processor
                               that wrote it (streams/state_version.py)
"""

import secrets
import zlib
from dataclasses import asdict, dataclass

import orjson

from streams.processor import Record

FORMAT = 1
"""Raised when a record of this module changes its meaning: an older worker then refuses the changelog."""

META_KEY = b"m"
CLOCK_KEY = b"c"
POSITION = b"p"
STATE = b"s"
SEPARATOR = b"\0"


class ChangelogUnreadable(Exception):
    """A changelog record that this version does not understand; the message says which and what to do. It holds nothing of a
    record that may be anybody's, since it is logged."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who has the task: consumer group, host and process, and the group's generation."""

    group: str
    host: str
    generation: int


@dataclass(frozen=True, slots=True)
class Meta:
    """What the state is: written when it is made and at each change of hands."""

    partitions: int
    incarnation: str
    owner: Owner | None = None
    transactional: bool = True
    """Whether the state was written in transactions: then it is never continued without."""
    format: int = FORMAT

    def encode(self) -> bytes:
        """As a changelog value."""
        return orjson.dumps(asdict(self))

    @classmethod
    def decode(cls, value: bytes) -> "Meta":
        """From a changelog value. Raises ChangelogUnreadable for another format, and for what is no meta record."""
        try:
            fields = orjson.loads(value)
            if (found := int(fields["format"])) != FORMAT:
                raise ChangelogUnreadable(f"the changelog has format {found}, this version reads {FORMAT}")
            owner = fields["owner"]
            return cls(fields["partitions"], fields["incarnation"], Owner(**owner) if owner else None, fields["transactional"])
        except (ValueError, TypeError, KeyError) as error:
            raise ChangelogUnreadable(
                f"the meta record, {len(value)} bytes, is none: the changelog is not one of ours"
            ) from error


@dataclass(frozen=True, slots=True)
class Position:
    """How far a processor has come in a source: the next offset, and a fingerprint of the last record consumed, by which a
    recreated topic is told from the old one."""

    next: int
    last: int
    fingerprint: int

    @classmethod
    def after(cls, record: Record) -> "Position":
        """The position right after a record."""
        return cls(record.offset + 1, record.offset, fingerprint(record))

    def encode(self) -> bytes:
        """As a changelog value."""
        return b"%d %d %d" % (self.next, self.last, self.fingerprint)

    @classmethod
    def decode(cls, value: bytes) -> "Position":
        """From a changelog value. Raises ChangelogUnreadable."""
        try:
            following, last, print_ = map(int, value.split())
        except ValueError as error:
            raise ChangelogUnreadable(
                f"a position record, {len(value)} bytes, is none: the changelog is not one of ours"
            ) from error
        return cls(following, last, print_)


def fingerprint(record: Record) -> int:
    """A checksum of a record's key and value: CRC-32, enough to notice that an offset now holds another record."""
    return zlib.crc32(record.value or b"", zlib.crc32(record.key or b""))


def new_incarnation(now_ms: int) -> str:
    """A random id that sorts by the time in ms at which it was made."""
    return f"{now_ms:013d}-{secrets.token_hex(4)}"


def position_key(processor: str, topic: str) -> bytes:
    """The changelog key of a processor's position in a source."""
    return POSITION + processor.encode() + SEPARATOR + topic.encode()


def state_prefix(processor: str) -> bytes:
    """What the changelog keys of a processor's state begin with."""
    return STATE + processor.encode() + SEPARATOR
