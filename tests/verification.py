"""Play rounds of arrivals through a test driver, and hold what it sent against the recount."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from npstream import recount
from npstream.recount.reading import DAY_MS, parse_time
from schemas import topics
from streams.processor import Processor
from streams.test_driver import Sent, TestDriver
from tests.strategies import START, Arriving, Round

EVENT_TOPICS = (topics.SCORED, topics.CHANGES, topics.DETRACTORS, topics.PROMOTERS)


def erasures_of(driver: TestDriver) -> recount.Erasures:
    """The list of the erased, as the topic has it: a stray has the key of an entry, and its tombstone, elsewhere."""
    last = {(record.partition, record.key): record.value for record in driver.sent(topics.ERASURES)}
    entries = [json.loads(value) for value in last.values() if value is not None]
    return recount.erasures_by_account(
        recount.Erasure(
            entry["account_id"], entry["respondent_hash"], entry["counts"], entry["position"], parse_time(entry["erased_at"])
        )
        for entry in entries
    )


def facts_of(driver: TestDriver) -> recount.Facts:
    """All of nps.accounts, of which nothing is compacted here."""
    return recount.Facts(driver.sent(topics.ACCOUNTS), driver.partitions, {})


class Played:
    """A driver that has processed some rounds, and the wall clock at which it processed each record."""

    def __init__(
        self,
        processors: Sequence[Processor],
        rounds: Iterable[Round],
        partitions: int = 1,
        batch: int | None = None,
        crashes: bool = True,
    ) -> None:
        self.driver = TestDriver(processors, now=START, partitions=partitions)
        self.walls: dict[tuple[int, int], int] = {}
        self.batch = batch
        """Takes the place of each round's own batch size."""
        self.crashes = crashes
        self.driver.advance(0)
        for one in rounds:
            self.play(one)

    def play(self, one: Round) -> None:
        """Arrivals, lost batches, a re-start, the rest; then time passes."""
        self.pipe(one.arriving)
        if self.crashes:
            for size in one.lost_batches:
                self.driver.abandon(size)
            if one.restart:
                self.driver.restart()
        self.run(self.batch or one.batch)
        self.driver.advance(one.pass_ms)

    def arrive(self, arriving: Iterable[Arriving], batch: int) -> None:
        """Arrivals that are processed, and time passes only as they came."""
        arriving = list(arriving)
        self.pipe(arriving)
        self.run(batch)
        self.driver.now += sum(one.after_ms for one in arriving)

    def pipe(self, arriving: Iterable[Arriving]) -> None:
        now = self.driver.now
        for one in arriving:
            now += one.after_ms
            # Of commands it is the wall clock: nothing tells the recount how far others have moved the clock of a task.
            when = now if one.topic == topics.RESPONSES else self.driver.now
            self.driver.pipe(one.topic, one.key, one.value, when, one.headers, partition=one.partition)

    def run(self, batch: int) -> None:
        self.driver.run(batch)
        for record in self.records:
            self.walls.setdefault((record.partition, record.offset), self.driver.now)

    @property
    def records(self) -> list[Sent]:
        """All of nps.responses, with the strays that came home."""
        return self.driver.sent(topics.RESPONSES)

    @property
    def erasures(self) -> recount.Erasures:
        return erasures_of(self.driver)

    @property
    def told(self) -> recount.Told:
        """The segments that responses were counted in, as scored events say."""
        return recount.told_by(self.driver.sent(topics.SCORED))

    def settle(self) -> None:
        """Let two days pass, so that no partition's clock is still ahead of the wall clock."""
        self.driver.advance(2 * DAY_MS)

    def recounted(
        self,
        windows: Sequence[int] = recount.WINDOWS,
        headline: int = 90,
        grace: int = 7,
        alert_max_age: int | None = recount.ALERT_MAX_AGE,
    ) -> recount.Events:
        return recount.events(
            self.records,
            windows,
            headline,
            grace,
            partitions=self.driver.partitions,
            wall=lambda record: self.walls[record.partition, record.offset],
            erasures=self.erasures,
            told=self.told,
            facts=facts_of(self.driver),
            alert_max_age=alert_max_age,
        )

    def event_differences(self, expected: recount.Events) -> list[str]:
        """Of the four event topics, the dead letters and the strays."""
        found = []
        streams = zip(EVENT_TOPICS, (expected.scored, expected.changes, expected.detractors, expected.promoters), strict=True)
        for topic, causes in streams:
            found += [f"{topic}: {line}" for line in recount.stream_differences(causes, self.driver.sent(topic))]
        return found + self._dead_letter_differences(expected) + self._stray_differences(expected)

    def table_differences(self, windows: Sequence[int] = recount.WINDOWS) -> list[str]:
        """Of both tables as of the driver's day; settle first."""
        day = self.driver.now // DAY_MS
        accounts = recount.account_tables(self.records, day, windows, self.driver.partitions, self.erasures)
        segments = recount.segment_tables(self.records, day, windows, self.driver.partitions, self.erasures, self.told)
        return [
            *recount.table_differences(accounts, self.driver.table(topics.ACCOUNT_ROLLUPS)),
            *recount.table_differences(segments, self.driver.table(topics.SEGMENT_ROLLUPS)),
        ]

    def _dead_letter_differences(self, expected: recount.Events) -> list[str]:
        letters = self.driver.sent(topics.DEAD_LETTERS)
        wanted = {(letter.partition, letter.offset): letter for letter in expected.dead_letters}
        found = []
        for sent in letters:
            headers = {name: value.decode() for name, value in sent.headers}
            if headers["__connect.errors.topic"] != topics.RESPONSES:
                continue
            partition, offset = (int(headers[f"__connect.errors.{name}"]) for name in ("partition", "offset"))
            letter = wanted.pop((partition, offset), None)
            if letter is None:
                found.append(f"dead letter not expected, or twice: {sent}")
            elif (sent.partition, sent.timestamp, sent.key, sent.value) != (
                letter.partition,
                letter.timestamp,
                letter.key,
                letter.value,
            ):
                found.append(f"dead letter {sent} is not as it came: {letter}")
            elif headers["nps-reason"] not in letter.reasons:
                found.append(f"dead letter {sent.value!r}: reason {headers['nps-reason']}, not one of {letter.reasons}")
        return found + [f"dead letter missing: {letter}" for letter in wanted.values()]

    def _stray_differences(self, expected: recount.Events) -> list[str]:
        wanted = Counter((stray.home, stray.timestamp, stray.value) for stray in expected.strays)
        given = Counter(
            (record.partition, record.timestamp, record.value) for record in self.records if recount.is_marked(record)
        )
        return [f"stray not sent home: {one}" for one in wanted - given] + [
            f"sent home and no stray: {one}" for one in given - wanted
        ]

    def event_stream(self) -> list[Sent]:
        """The event topics and dead letters, topic by topic, partition by partition, in order, to the last byte."""
        return [record for topic in (*EVENT_TOPICS, topics.DEAD_LETTERS) for record in self.driver.sent(topic)]
