"""Hostile records through the agents, and the books that must balance afterwards: nothing lost, twice or raised."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from agents.intake import Intake
from agents.placing import PLACED_HEADER
from agents.rollups import Rollups
from agents.scoring import Scoring
from agents.strays import STRAY_HEADER
from schemas import topics
from schemas.dead_letters import ERROR_PREFIX, REASON_HEADER, STAGES, Reason
from schemas.topics import MAX_MESSAGE_BYTES
from streams.draft import Kept
from streams.partitioner import partition_of
from streams.processor import DAY_MS, Outbox, Outgoing, StreamTime
from streams.state import Identity, MemoryStore, StagedState
from streams.test_driver import Sent, TestDriver
from tests.care_life import CARE
from tests.hostile.published import misfit
from tests.hostile.records import NOW, Hostile

AGENTS: Final = (Intake(), Scoring(), Rollups(), *(make() for make in CARE.agents.values()))
"""Made once: what they know is in the state, and making their tables takes as long as thirty records."""
PARTITIONS: Final = 2
"""So that records arrive at homes that are not theirs."""
BATCH: Final = 64
"""Records of one batch: several in each chunk, so that one batch finds the state of another."""
ADDED_BYTES: Final = 2_000
"""Most bytes that a dead letter is longer than its record: six short headers, and a message that is cut at 1,000."""
SAMPLED: Final = 3
"""Records of each topic and chunk that are held against the published schema, which takes as long as a hundred others."""
OF_OTHERS: Final = ((topics.CELLS, topics.SEGMENT_ROLLUPS), (topics.THEMES_CELLS, topics.SEGMENT_THEMES))
"""Cells, and the tables that are made of them."""
REASONS: Final = frozenset(reason.value for reason in Reason) - {Reason.FAULT.value}
"""A fault is an error of ours, whatever the record."""


class Broken(AssertionError):
    """The books do not balance: a record was lost, counted twice, changed, or made something that does not fit."""


class TooLong(Broken):
    """What is sent is longer than its topic takes."""


class Misfit(Broken):
    """What is sent does not fit the published contract."""


class NoDay(Misfit):
    """A scored response says of no day how it stands."""


@dataclass
class Outcome:
    """What became of records."""

    records: int = 0
    accepted: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Dead letters by reason."""

    def add(self, other: "Outcome") -> None:
        """Add up."""
        self.records += other.records
        self.accepted += other.accepted
        self.reasons.update(other.reasons)


@dataclass(frozen=True)
class _Came:
    """A record as an agent sees it."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Any


def flow(records: Sequence[Hostile], *, batch: int = BATCH, days: int = 0) -> Outcome:
    """Take records of one source topic through the agents, let days pass, and check everything that can be counted.

    Raises Broken, or whatever an agent raises."""
    driver = TestDriver(AGENTS, now=NOW, partitions=PARTITIONS)
    for record in records:
        driver.pipe(record.topic, record.key, record.value, record.timestamp, record.headers, record.partition)
    driver.run(batch)
    if days:
        driver.advance(days * DAY_MS)
    topic = records[0].topic
    letters = driver.sent(topics.DEAD_LETTERS)
    came = {(one.topic, one.partition, one.offset): one for source in (topic, topics.RESPONSES) for one in driver.sent(source)}
    reasons = dead_letters(letters, came)
    if topic == topics.RAW:
        _each_alone(driver, records)
    _conserved(driver, topic, len(records), letters)
    fitting(driver, [topic])
    return Outcome(len(records), len(records) - sum(_text(one, "topic") == topic for one in letters), reasons)


def dead_letters(letters: Sequence[Sent], came: dict[tuple[str, int, int], Sent]) -> Counter[str]:
    """Each letter is its record as it came, for a known reason, and no record has two."""
    reasons: Counter[str] = Counter()
    seen = set()
    for letter in letters:
        place = (_text(letter, "topic"), int(_text(letter, "partition")), int(_text(letter, "offset")))
        record, reason, stage = came.get(place), _last(letter, REASON_HEADER), _text(letter, "stage")
        if record is None or place in seen:
            raise Broken(f"a dead letter of {place}, which never came or has one already")
        seen.add(place)
        if (letter.key, letter.value, letter.timestamp) != (record.key, record.value, record.timestamp):
            raise Broken(f"{place} is not in its dead letter as it came")
        ours = (PLACED_HEADER, STRAY_HEADER) if record.topic == topics.PREFERENCES else (PLACED_HEADER,)
        own = [header for header in record.headers if header[0] not in ours]
        if list(letter.headers[: len(own)]) != own:
            raise Broken(f"{place} has lost headers")
        if reason not in REASONS or stage not in STAGES:
            raise Broken(
                f"{place} is a dead letter of reason {reason!r} at stage {stage!r}: {_text(letter, 'exception.message')}"
            )
        if sum(len(name) + len(value) for name, value in letter.headers[len(own) :]) > ADDED_BYTES:
            raise Broken(f"{place} has a dead letter that is much longer than itself")
        reasons[reason] += 1
    return reasons


def _each_alone(driver: TestDriver, records: Sequence[Hostile]) -> None:
    """Each raw record is a dead letter, or responses and what is sent on for the account, never both; or it goes to be fetched.
    What becomes of it is the same alone as in a batch."""
    made = Counter[str]()
    for number, record in enumerate(records):
        came = _Came(record.topic, record.partition, number, record.timestamp, record.key, record.value, tuple(record.headers))
        waiting = [came]
        while waiting:
            events = _taken(waiting.pop())
            became = Counter(event.topic for event in events)
            if not became or (len(events) > 1 and not set(became) <= {topics.RESPONSES, topics.RAW}):
                raise Broken(f"raw record {number} became {dict(became)}")
            made.update(became)
            waiting += [_sent_on(came, event) for event in events if event.topic == topics.RAW]
    in_driver = {topic: len(driver.sent(topic)) for topic in (topics.RESPONSES, topics.DEAD_LETTERS)}
    of_raw = sum(_text(letter, "topic") == topics.RAW for letter in driver.sent(topics.DEAD_LETTERS))
    if (in_driver[topics.RESPONSES], of_raw) != (made[topics.RESPONSES], made[topics.DEAD_LETTERS]):
        raise Broken(f"one by one they became {dict(made)}, in batches {in_driver}")


def _taken(came: _Came) -> Sequence[Outgoing]:
    """What intake makes of one record, at its partition, by nobody's contacts."""
    kept = Kept()
    state = StagedState(MemoryStore(), Identity(came.partition, PARTITIONS, "0"))
    AGENTS[0].process((came,), state, StreamTime(0, NOW), Outbox(kept.send))
    return kept.events


def _sent_on(came: _Came, event: Outgoing) -> _Came:
    """A record as it arrives where it was sent."""
    partition = partition_of(event.key or b"", PARTITIONS)
    return _Came(came.topic, partition, came.offset, came.timestamp, event.key, event.value, tuple(event.headers))


def _conserved(driver: TestDriver, topic: str, records: int, letters: Sequence[Sent]) -> None:
    """What went in is what came out, in facts as in records."""
    facts = driver.facts
    counted = sum(number for fact, number in facts.items() if fact[0] == "dead_letters")
    if counted != len(letters):
        raise Broken(f"{len(letters)} dead letters, counted {counted}")
    if topic == topics.ERASURES:
        _listed(driver)
        return
    responses, scored = len(driver.sent(topics.RESPONSES)), len(driver.sent(topics.SCORED))
    buried = sum(_text(letter, "topic") == topics.RESPONSES for letter in letters)
    repeated, strays = facts["duplicates",], facts["strays",]
    if responses != scored + buried + repeated + strays:
        raise Broken(f"{responses} responses: {scored} scored, {buried} dead, {repeated} duplicates, {strays} strays")
    adapted = sum(number for fact, number in facts.items() if fact[0] == "adapted")
    if topic == topics.RAW and adapted != responses:
        raise Broken(f"{adapted} adapted, {responses} responses")
    if topic == topics.RESPONSES and responses != records + strays:
        raise Broken(f"{responses} responses of {records}, {strays} sent home")
    known = sum(key[:1] == b"R" for partition in range(PARTITIONS) for key in driver.state("scoring", partition))
    if known > scored:
        raise Broken(f"{known} responses are in the state, but {scored} were accepted")


def _listed(driver: TestDriver) -> None:
    """What compaction leaves of the list is the list, and nothing else; but for records without a key, which Kafka refuses."""
    last = {(one.partition, one.key): one.value for one in driver.sent(topics.ERASURES) if one.key is not None}
    for partition in range(PARTITIONS):
        left = sorted(value for (number, _), value in last.items() if number == partition and value is not None)
        listed = sorted(value for key, value in driver.state("scoring", partition).items() if key[:1] == b"e")
        if left != listed:
            raise Broken(f"partition {partition} has {len(listed)} entries in the state, {len(left)} values are left")


def fitting(driver: TestDriver, sources: Sequence[str]) -> None:
    """No record is longer than its topic takes, and samples fit the contract. A cell of somebody else's makes a rollup of
    somebody else's: its dimension is as it came."""
    for topic in topics.BY_NAME:
        sent = driver.sent(topic)
        for record in sent if topic not in (*sources, topics.RAW) else ():
            if len(record.key or b"") + len(record.value or b"") > MAX_MESSAGE_BYTES:
                raise TooLong(f"a record of {topic} has more than {MAX_MESSAGE_BYTES} bytes")
        if topic in sources or any(topic == to and cells in sources for cells, to in OF_OTHERS):
            continue
        for record in sent[:: max(len(sent) // SAMPLED, 1)]:
            wrong = misfit(record)
            if wrong:
                raise NoDay(wrong) if "as_of: '' is not" in wrong else Misfit(wrong)


def _last(letter: Sent, name: str) -> str:
    return next((value.decode() for header, value in reversed(letter.headers) if header == name), "")


def _text(letter: Sent, name: str) -> str:
    return _last(letter, ERROR_PREFIX + name)
