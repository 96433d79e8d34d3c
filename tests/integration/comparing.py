"""Hold what workers wrote against the recount of what came: intake, events, strays, dead letters and tables."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property

from npstream import recount
from npstream.memory import no_collections
from npstream.recount.reading import DAY_MS
from schemas import topics
from tests.integration.topics_reading import Read, last_values, read
from tests.integration.traffic import Traffic
from tests.integration.workers import PARTITIONS, until
from tests.integration.world import World

EVENTS = (topics.SCORED, topics.CHANGES, topics.DETRACTORS, topics.PROMOTERS)
OUTPUTS = (*EVENTS, topics.DEAD_LETTERS, topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS)
TABLES = (topics.ACCOUNT_ROLLUPS, topics.SEGMENT_ROLLUPS)
LETTER_SOURCE = tuple(f"__connect.errors.{name}" for name in ("topic", "partition", "offset"))
"""Headers that say which record became a dead letter."""
ROLLED_TIMEOUT_S = 60.0
"""At the end of a day, some hundred accounts and segments are rolled over in a second."""
MOST = 5
"""Differences of one kind that are worth printing."""


class Outcome:
    """Everything there is to read of a world once its workers are done."""

    def __init__(self, world: World, partitions: int, outputs: Sequence[str] = OUTPUTS) -> None:
        self.partitions = partitions
        self.at_least_once = False
        self.read_at = int(time.time() * 1000)
        by_topic: dict[str, list[Read]] = defaultdict(list)
        for record in read(world.bootstrap, topics.RAW, topics.RESPONSES, *outputs):
            by_topic[record.topic].append(record)
        self.by_topic: Mapping[str, list[Read]] = by_topic
        self.responses = by_topic[topics.RESPONSES]

    @cached_property
    def events(self) -> recount.Events:
        """What the responses bring. The time of reading is later than that of processing, which is all that is asked of it."""
        return recount.events(self.responses, partitions=self.partitions, wall=lambda record: self.read_at)

    def counts(self) -> dict[str, int]:
        """Records by topic."""
        return {topic: len(records) for topic, records in self.by_topic.items()}

    def differences(self) -> list[str]:
        """Of all outputs of scoring and rollups but the dead letters; empty if they equal the recount."""
        with no_collections():
            return [
                *(f"the recount cannot tell: {question}" for question in self.events.open_questions[:MOST]),
                *self.event_differences(),
                *self.repeats(),
                *self.stray_differences(),
                *self.table_differences(),
            ]

    def event_differences(self) -> list[str]:
        """Of the four event topics, record by record."""
        expected = (self.events.scored, self.events.changes, self.events.detractors, self.events.promoters)
        return [
            f"{topic}: {line}"
            for topic, causes in zip(EVENTS, expected, strict=True)
            for line in recount.stream_differences(causes, self.by_topic[topic])
        ]

    def repeats(self) -> list[str]:
        """Events that came more than once, by the id that a repeat would share with the first."""
        found = []
        for topic in EVENTS:
            times = Counter(record.header("ce_id") for record in self.by_topic[topic])
            found += [f"{topic}: {n} events have the id {name!r}" for name, n in times.most_common(MOST) if n > 1]
        return found

    def stray_differences(self) -> list[str]:
        """Of what was sent home."""
        wanted = Counter((stray.home, stray.timestamp, stray.value) for stray in self.events.strays)
        given = Counter((r.partition, r.timestamp, r.value) for r in self.responses if recount.is_marked(r))
        if self.at_least_once:
            wanted, given = Counter(set(wanted)), Counter(set(given))
        lines = [f"a stray was not sent home: {one}" for one in wanted - given]
        return [*lines, *(f"sent home, and no stray: {one}" for one in given - wanted)][:MOST]

    def table_differences(self) -> list[str]:
        """Of both tables, as of the day that they say."""
        found = []
        today = self.read_at // DAY_MS
        for topic, recounted in zip(TABLES, (recount.account_tables, recount.segment_tables), strict=True):
            days = self.days(topic)
            day = next((day for day in (today, today - 1) if recount.format_day(day) in days), today)
            if days - {recount.format_day(day)}:
                found.append(f"{topic}: rows are as of {sorted(days)}, today is {recount.format_day(today)}")
                continue
            wanted = recounted(self.responses, day, partitions=self.partitions)
            found += [f"{topic}: {line}" for line in recount.table_differences(wanted, last_values(self.by_topic[topic]))]
        return found

    def days(self, topic: str) -> set[str]:
        """The days as of which a table's rows are."""
        return {json.loads(row)["as_of"] for row in last_values(self.by_topic[topic]).values()}

    def drop_repeats(self) -> None:
        """Leave events and dead letters that came again out, as a consumer of at least once would."""
        self.at_least_once = True
        for topic in (*EVENTS, topics.DEAD_LETTERS):
            seen: set[tuple[str, ...]] = set()
            kept = []
            for record in self.by_topic[topic]:
                identity = tuple(map(record.header, ("ce_id", *LETTER_SOURCE)))
                if identity not in seen:
                    seen.add(identity)
                    kept.append(record)
            self.by_topic[topic][:] = kept

    def intake_differences(self, traffic: Traffic, of_responses: bool = True) -> list[str]:
        """Of nps.responses and of raw records' dead letters against the raw records, told apart by their timestamps. The
        responses of one raw partition keep their order. `of_responses`: compare their dead letters as well."""
        raw = {record.timestamp: record for record in self.by_topic[topics.RAW]}
        given: dict[int, list[Read]] = defaultdict(list)
        for response in self.responses:
            if response.timestamp in traffic.expected and not recount.is_marked(response):
                given[response.timestamp].append(response)
        found = []
        for timestamp, wanted in traffic.expected.items():
            home, key = recount.home_of(wanted["account_id"], self.partitions), wanted["account_id"].encode()
            came = [(response.partition, response.key, json.loads(response.value or b"null")) for response in given[timestamp]]
            if (came[:1] if self.at_least_once else came) != [(home, key, wanted)]:
                found.append(f"the raw record of {timestamp} became {came}, not {wanted}")
        if not self.at_least_once:
            offsets: dict[tuple[int, int], list[int]] = defaultdict(list)
            for response in self.responses:
                if response.timestamp in given and not recount.is_marked(response):
                    source = raw[response.timestamp]
                    offsets[source.partition, response.partition].append(source.offset)
            found += [
                f"responses of raw partition {a} are out of order in {b}" for (a, b), o in offsets.items() if o != sorted(o)
            ]
        refused = {(raw[timestamp].partition, raw[timestamp].offset): why for timestamp, why in traffic.refused.items()}
        ours = traffic.expected.keys() | traffic.refused.keys()
        others = {(r.partition, r.offset) for r in self.by_topic[topics.RAW] if r.timestamp not in ours}
        return [*found, *self.dead_letter_differences(refused, others, of_responses)][:MOST]

    def dead_letter_differences(
        self,
        of_raw: Mapping[tuple[int, int], str],
        not_asked: Collection[tuple[int, int]] = (),
        of_responses: bool = True,
    ) -> list[str]:
        """Of all dead letters: those that the recount expects of responses, unless these are left out, and those of raw records
        by where these stand (partition, offset) with the reason of each. Raw records that were not asked for are left out."""
        sources = {(r.topic, r.partition, r.offset): r for r in (*self.by_topic[topics.RAW], *self.responses)}
        reasons: dict[tuple[str, int, int], frozenset[str]] = {}
        if of_responses:
            for letter in self.events.dead_letters:
                reasons[topics.RESPONSES, letter.partition, letter.offset] = letter.reasons
        reasons |= {(topics.RAW, *where): frozenset({reason}) for where, reason in of_raw.items()}
        found = []
        for sent in self.by_topic[topics.DEAD_LETTERS]:
            topic, partition, offset = map(sent.header, LETTER_SOURCE)
            where = (topic, int(partition or -1), int(offset or -1))
            if where[1:] in not_asked if topic == topics.RAW else not of_responses:
                continue
            wanted = reasons.pop(where, None)
            if wanted is None:
                found.append(f"a dead letter that is not expected, or comes twice: {where} {sent}"[:1000])
                continue
            source = sources[where]
            own = sent.headers[: len(source.headers)]
            if (sent.partition, sent.timestamp, sent.key, sent.value or b"", own) != (
                source.partition,
                source.timestamp,
                source.key,
                source.value or b"",
                source.headers,
            ):
                found.append(f"dead letter {where} is not as it came: {sent}, but {source}"[:1000])
            elif sent.header("nps-reason") not in wanted:
                found.append(f"dead letter {where} says {sent.header('nps-reason')}, not one of {sorted(wanted)}")
        return [*found, *(f"no dead letter of {where}, {sorted(why)}" for where, why in reasons.items())][:MOST]


def settled(world: World, partitions: int = PARTITIONS) -> Outcome:
    """The outcome of a world whose workers are done. If a day has just begun, they are not until all tables are rolled over."""
    outcomes = [Outcome(world, partitions)]

    def of_one_day() -> bool:
        if all(len(outcomes[-1].days(topic)) <= 1 for topic in TABLES):
            return True
        outcomes[:] = [Outcome(world, partitions)]
        return False

    until(of_one_day, "each table as of one day", ROLLED_TIMEOUT_S, poll_s=1.0)
    return outcomes[-1]
