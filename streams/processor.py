"""The contract between the engine and what it runs: small enough to learn by heart.

A processor is a pure decision. It reads no clock, writes no log and knows no Kafka: records, state and time come in, and what
they bring goes into an `Outbox`. The engine writes the outbox, the changed state and the source positions in one transaction,
or none of them. This is the only module of `streams` that a processor may import.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from streams.partitioner import partition_of as partition_of

Headers = Sequence[tuple[str, bytes]]
"""Record headers in their order; a name may come more than once."""

DAY_MS = 86_400_000
"""Milliseconds of a UTC day."""


FIRST_VERSION: Final = 1
"""Of a processor's state, as long as the layout of its values has never changed."""


class UnfitState(Exception):
    """The state was made under settings that its processor cannot go on with. The task is refused, with this message: one line
    that says what to do. The one thing that a processor may raise."""


class Record(Protocol):
    """One record of a source topic, as it was fetched."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int:
        """Milliseconds since the epoch, UTC: when the record arrived at its first topic."""

    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Headers: ...


class Outgoing(NamedTuple):
    """One record on its way out."""

    topic: str
    key: bytes | None
    value: bytes | None
    timestamp: int
    """Milliseconds, UTC: as a rule the timestamp of the record that caused it."""
    headers: Headers = ()
    route: bytes | int | None = None
    """What picks the partition: bytes are hashed with murmur2, an int is the partition itself, None takes the key."""


class Send(Protocol):
    """Takes one record on its way out; order within a partition is the order of the calls."""

    def __call__(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        timestamp: int,
        headers: Headers = (),
        route: bytes | int | None = None,
    ) -> None:
        """Arguments as the fields of `Outgoing`; a value of None is a tombstone."""


class Outbox:
    """Where a processor leaves what it sends and what it counts. All of it happens with the commit, or not at all."""

    __slots__ = ("facts", "gauges", "more", "observations", "send")

    def __init__(self, send: Send) -> None:
        self.send = send
        """Send one record. It is taken as it is at the call: what is changed later is not sent."""
        self.facts: Counter[tuple[str, ...]] = Counter()
        self.gauges: dict[tuple[str, ...], float | None] = {}
        self.observations: list[tuple[Any, ...]] = []
        self.more = False
        """Set by `tick` when its share left work over: it is called again after the next batch. Only ever set it to True."""

    def count(self, *fact: str, amount: int = 1) -> None:
        """Add to a counter, named by a metric and its labels, once this outbox is committed: exact, since an abandoned batch
        counts nothing."""
        self.facts[fact] += amount

    def observe(self, metric: str, *labels: str, value: float) -> None:
        """Add a value to a histogram once this outbox is committed: exact, as counters are."""
        self.observations.append((metric, *labels, value))

    def gauge(self, metric: str, *labels: str, value: float | None) -> None:
        """Set a gauge once this outbox is committed; None removes it."""
        self.gauges[(metric, *labels)] = value


class StreamTime:
    """The task's clock in ms since the epoch, UTC. It never goes back, and a batch that is abandoned leaves no trace in it.

    `at` gives the time at which a record is processed: the greater of the clock and the record's own timestamp, the latter
    capped (at the wall clock plus a day), so that one record from the far future cannot take the clock with it. Call it
    once per record, in order.
    """

    __slots__ = ("cap", "ms")

    def __init__(self, ms: int, cap: int) -> None:
        self.ms = ms
        self.cap = cap

    def at(self, timestamp: int) -> int:
        """Move to the record's timestamp in ms if that is later, at most to the cap; return the time in ms."""
        if timestamp > self.ms:
            self.ms = max(self.ms, min(timestamp, self.cap))
        return self.ms


class State(Protocol):
    """A processor's share of its task's state: keys and values are bytes, and values are never changed in place.

    Reads see this batch's own writes. Writes are staged, and become state (and one changelog record for each changed key)
    with the commit.
    """

    @property
    def partition(self) -> int:
        """The partition number of the task, the same for all its sources."""

    @property
    def partitions(self) -> int:
        """How many partitions each source has: fixed for life."""

    @property
    def incarnation(self) -> str:
        """The random id made together with this state; a state built anew has another."""

    @property
    def cache(self) -> dict[Any, Any]:
        """Decoded values between batches, at the processor's disposal (it bounds the size itself). The engine empties it
        whenever a batch is abandoned, so objects kept here may be changed in place, as long as every change is also `put`
        before `process` or `tick` returns."""

    def position(self, topic: str) -> int:
        """The first offset of a source that this processor had not processed before this batch; 0 if it never read it."""

    def get(self, key: bytes) -> bytes | None: ...
    def put(self, key: bytes, value: bytes) -> None: ...
    def delete(self, key: bytes) -> None: ...

    def scan(self, prefix: bytes, after: bytes, limit: int) -> list[bytes]:
        """Up to `limit` keys that start with `prefix` and are greater than `after`, in order, this batch's own among them: for
        bounded ticks with a cursor. Keys first written by a later batch than that in which a pass over the prefix began (with
        `after=b""`) may be missing from that pass."""


class Processor(Protocol):
    """One pure decision on co-partitioned sources. One instance serves all partitions: what it knows is in `state`."""

    @property
    def name(self) -> str:
        """Prefixes keys and positions in the changelog: never change it once there is data."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Co-partitioned topics."""

    def process(self, batch: Sequence[Record], state: State, now: StreamTime, outbox: Outbox) -> None:
        """Handle the records in order. The result must not depend on where batches begin and end. Never raise for bad data;
        UnfitState says that the state is the trouble."""

    def tick(self, now: int, state: State, outbox: Outbox) -> None:
        """What passing time brings, at `now` in ms: a bounded share; set `Outbox.more` for another, keep a cursor in state."""


@runtime_checkable
class Upgrading(Processor, Protocol):
    """A processor whose state once had another layout. One that does not say so has FIRST_VERSION, and no more to do.

    Raise `version` by one whenever a value of the state is written in another way than before; `upgrade` then takes the values
    of all versions before. Keys cannot be changed, and an older worker refuses what a newer one has written.
    """

    @property
    def version(self) -> int:
        """2 to 255."""

    def upgrade(self, version: int, key: bytes, value: bytes) -> bytes | None:
        """The value of a key as the present version has it, given as `version`, an older one, wrote it; None if nothing is kept
        of it. Pure, and asked for again at every opening until the value has changed. Only UnfitState may be raised."""


@runtime_checkable
class Led(Processor, Protocol):
    """A processor that must know some of its sources before it reads the others: a list that decides what they may bring."""

    @property
    def leading(self) -> tuple[str, ...]:
        """The sources among `sources` that are read first: whenever a task is opened, to the end that they have then. What
        comes to them later is read as it comes, like any other source."""


@runtime_checkable
class Patient(Protocol):
    """A processor whose `tick` does what nobody has done in time. What somebody has done may lie unread in its sources when a
    task is opened: so no time passes for a task with such a processor until what they held then has been read."""

    @property
    def patient(self) -> bool:
        """True."""


def is_patient(processors: Sequence[Processor]) -> bool:
    """Whether one of these processors is."""
    return any(isinstance(one, Patient) and one.patient for one in processors)


def leading_of(processors: Sequence[Processor]) -> tuple[str, ...]:
    """The leading sources of these processors, in order."""
    return tuple(sorted({topic for one in processors if isinstance(one, Led) for topic in one.leading}))
