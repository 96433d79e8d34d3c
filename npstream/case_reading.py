"""Reads what the topics hold of cases."""

from npstream.admin import connect
from npstream.case_book import CaseBook
from npstream.case_statistics import CaseStatistics
from npstream.case_story import TOPICS, Story
from npstream.reading import Reader
from schemas.cases import Case
from schemas.topics import CASE_EVENTS, CASES
from streams.connection import Connection
from streams.partitioner import partition_of


async def read_cases(connection: Connection) -> CaseBook:
    """All cases, as they stand now. Raises BrokerUnreachable, UserError."""
    book = CaseBook()
    async with Reader(connection, [CASES]) as reader:
        async for records in reader.to_end(CASES):
            book.take(records)
    return book


async def read_story(connection: Connection, case: Case) -> Story:
    """Everything about a case, from the partition of its account; what cannot be read is named in it. Raises
    BrokerUnreachable."""
    story = Story(case)
    async with connect(connection) as admin:
        found = await admin.topics(TOPICS)
    there = [topic for topic in TOPICS if found[topic].exists]
    story.unread = [topic for topic in TOPICS if topic not in there]
    async with Reader(connection, there) as reader:
        for topic in there:
            ends = await reader.ends(topic)
            home = partition_of(case.account_id.encode(), len(ends))
            start = {partition: 0 if partition == home else end for partition, end in ends.items()}
            async for records in reader.to_end(topic, start, ends):
                story.take(records)
    return story


async def read_statistics(connection: Connection, since: int, until: int) -> CaseStatistics:
    """What happened to cases between two times in ms UTC. Raises BrokerUnreachable, UserError."""
    found = CaseStatistics(since, until)
    async with Reader(connection, [CASE_EVENTS]) as reader:
        async for records in reader.to_end(CASE_EVENTS):
            found.take(records)
    return found
