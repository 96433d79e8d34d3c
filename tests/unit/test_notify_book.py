"""The book: what a write does when nobody knows what became of the last one, and when somebody else has the partition."""

from collections import deque
from collections.abc import Sequence

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, ProducerFenced, TopicAuthorizationFailedError, UnknownError

from npstream.failures import UserError
from npstream.notifying import book as book_module
from npstream.notifying.book import TRIES, Entry, _KafkaBook
from npstream.notifying.record import Written
from npstream.raw_record import RawRecord
from schemas import topics
from streams.connection import Connection

HERE = TopicPartition(topics.ALERTS, 0)


class Log:
    """What Kafka has: records and an offset, written together."""

    def __init__(self) -> None:
        self.committed = 0
        self.records: list[str] = []
        self.troubles: deque[tuple[Exception, bool]] = deque()
        """What the next writes raise, and whether they were carried out all the same."""
        self.another: tuple[list[str], int] | None = None
        """What somebody else writes as soon as we fail."""


class BookOfLog(_KafkaBook):
    """On a Log in place of Kafka."""

    def __init__(self, log: Log) -> None:
        async def committed(where: TopicPartition) -> int | None:
            return log.committed or None

        super().__init__(Connection(), "group", HERE, committed)
        self.log = log
        self.opened = 0

    async def _open(self) -> None:
        self.opened += 1
        self._producer = object()
        self.floor = max(self.floor, await self._committed(self._partition) or 0)

    async def close(self) -> None:
        self._producer = None

    async def _write(self, records: Sequence[Written], upto: int) -> None:
        trouble, carried_out = self.log.troubles.popleft() if self.log.troubles else (None, True)
        if carried_out:
            self.log.records += [(record.value or b"").decode() for _, record in records]
            self.log.committed = upto
        if trouble is not None:
            if self.log.another is not None:
                names, offset = self.log.another
                self.log.records += names
                self.log.committed = offset
            raise trouble


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book_module, "PAUSE_S", 0.0)
    monkeypatch.setattr(book_module, "FENCED_PAUSE_S", 0.0)


def entries(*offsets: int) -> list[Entry]:
    return [Entry(offset, (topics.DELIVERIES, RawRecord(b"a", f"d-{offset}".encode()))) for offset in offsets]


def note(offset: int) -> Entry:
    return Entry(offset, (topics.DELIVERIES, RawRecord(b"a", f"retrying-{offset}".encode())))


async def test_a_write_is_outcomes_and_the_offset() -> None:
    log = Log()
    book = BookOfLog(log)
    assert await book.open() == 0
    await book.write(entries(0, 1), 2)
    await book.write(entries(2), 3)
    assert (log.records, log.committed, book.floor, book.opened) == (["d-0", "d-1", "d-2"], 3, 3, 1)


@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize(
    "error", [KafkaConnectionError(), TimeoutError(), ProducerFenced(), AssertionError("state"), UnknownError()]
)
async def test_what_has_an_unknown_outcome_is_written_once(error: Exception, carried_out: bool) -> None:
    log = Log()
    book = BookOfLog(log)
    log.troubles.append((error, carried_out))
    await book.write([*entries(0, 1), note(2)], 2)
    assert sorted(log.records) == ["d-0", "d-1", "retrying-2"]
    assert log.committed == book.floor == 2
    assert book.opened == 2


async def test_what_another_has_written_meanwhile_is_not_written_again() -> None:
    log = Log()
    book = BookOfLog(log)
    log.troubles.append((ProducerFenced(), False))
    log.another = (["d-0 of another"], 1)
    await book.write(entries(0, 1, 2), 3)
    assert log.records == ["d-0 of another", "d-1", "d-2"]
    assert log.committed == 3


async def test_the_offset_never_goes_back() -> None:
    log = Log()
    log.committed = 10
    book = BookOfLog(log)
    await book.write(entries(3, 4), 5)
    assert (log.records, log.committed, book.floor) == ([], 10, 10)
    await book.write(entries(9, 10), 11)
    assert (log.records, log.committed) == (["d-10"], 11)


async def test_a_failed_attempt_alone_is_written_without_moving_the_offset() -> None:
    log = Log()
    book = BookOfLog(log)
    await book.write(entries(0), 1)
    await book.write([note(1)], 1)
    assert (log.records, log.committed) == (["d-0", "retrying-1"], 1)


async def test_a_permission_that_is_missing_is_said_in_one_line() -> None:
    log = Log()
    log.troubles.append((TopicAuthorizationFailedError(topics.DELIVERIES), False))
    with pytest.raises(UserError, match=r"nps\.deliveries") as raised:
        await BookOfLog(log).write(entries(0), 1)
    assert len(str(raised.value).splitlines()) == 1


async def test_a_broker_that_refuses_again_and_again_ends_it() -> None:
    log = Log()
    log.troubles.extend([(UnknownError(), False)] * TRIES)
    with pytest.raises(UserError, match="npstream check"):
        await BookOfLog(log).write(entries(0), 1)


async def test_a_broker_that_is_away_is_waited_for() -> None:
    log = Log()
    log.troubles.extend([(KafkaConnectionError(), False)] * (5 * TRIES))
    await BookOfLog(log).write(entries(0), 1)
    assert log.records == ["d-0"]
