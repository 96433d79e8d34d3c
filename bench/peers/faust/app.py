"""The peers' work as a plain Faust agent does it, with Faust's tables and topics and nothing else."""

# mypy: disable-error-code="misc, call-arg, untyped-decorator"
# (Faust's classes and decorators carry no types.)

import asyncio
import os
from collections.abc import AsyncIterator

import faust

from bench.peers.telling import Work, tell

KEPT_DAYS = 90
DAY_S = 86_400
POLL_S = 0.05
"""Pause between two looks at whether all responses are processed."""


class Response(faust.Record, serializer="json"):
    """What comes in."""

    response_id: str
    survey_id: str
    respondent_id: str
    account_id: str
    segment: str
    score: int
    comment: str
    responded_at: int


class Change(faust.Record, serializer="json", include_metadata=False):
    """A respondent's category changed."""

    response_id: str
    respondent_id: str
    account_id: str
    segment: str
    from_: str = faust.models.fields.StringField(field="from")
    to: str
    score: int
    responded_at: int


class Detractor(faust.Record, serializer="json", include_metadata=False):
    """A detractor answered."""

    response_id: str
    respondent_id: str
    account_id: str
    segment: str
    score: int
    comment: str
    responded_at: int


work = Work.told()
app = faust.App(
    work.group,
    broker="kafka://" + work.bootstrap,
    store="memory://",
    topic_partitions=work.partitions,
    topic_replication_factor=1,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
    stream_buffer_maxsize=4096,
    broker_commit_interval=1.0,
    datadir=work.folder,
)
responses = app.topic(work.source, key_type=str, value_type=Response, partitions=work.partitions)
changes = app.topic(work.changes, key_type=str, value_type=Change, partitions=work.partitions)
detractors = app.topic(work.detractors, key_type=str, value_type=Detractor, partitions=work.partitions)
respondents = app.Table("respondents", default=None, partitions=work.partitions)
accounts = app.Table("accounts", default=dict, partitions=work.partitions)


class Progress:
    """How many responses were processed."""

    processed = 0


def category(score: int) -> str:
    """What a score is called."""
    return "detractor" if score <= 6 else "passive" if score <= 8 else "promoter"


@app.agent(responses)
async def score(stream: AsyncIterator[Response]) -> None:
    """One response after another."""
    async for response in stream:
        if not Progress.processed:
            tell("began")
        now = category(response.score)
        before = respondents.get(response.respondent_id)
        respondents[response.respondent_id] = [now, response.score]
        if before is not None and before[0] != now:
            await changes.send(
                key=response.account_id,
                value=Change(
                    response_id=response.response_id,
                    respondent_id=response.respondent_id,
                    account_id=response.account_id,
                    segment=response.segment,
                    from_=before[0],
                    to=now,
                    score=response.score,
                    responded_at=response.responded_at,
                ),
            )
        days = accounts[response.account_id]
        counts = days.setdefault(str(response.responded_at // DAY_S), [0, 0, 0])
        counts[("promoter", "passive", "detractor").index(now)] += 1
        if len(days) > KEPT_DAYS:
            oldest = max(map(int, days)) - KEPT_DAYS + 1
            days = {day: counts for day, counts in days.items() if int(day) >= oldest}
        accounts[response.account_id] = days
        if now == "detractor":
            await detractors.send(
                key=response.account_id,
                value=Detractor(
                    response_id=response.response_id,
                    respondent_id=response.respondent_id,
                    account_id=response.account_id,
                    segment=response.segment,
                    score=response.score,
                    comment=response.comment,
                    responded_at=response.responded_at,
                ),
            )
        Progress.processed += 1


@app.task
async def report() -> None:
    """When all is processed: flush, commit, say what it took."""
    while Progress.processed < work.responses:  # noqa: ASYNC110 an event would cost the agent a call for each response
        await asyncio.sleep(POLL_S)
    await asyncio.sleep(0)  # lets the agent acknowledge the last response
    await app.producer.flush()
    await app.consumer.commit()  # does no more than wait if a commit is under way,
    await app.consumer.commit()  # so once more
    tell("ended")
    os._exit(0)  # an orderly stop takes seconds, and all is written
