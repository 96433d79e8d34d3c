"""The work of scoring as a plain Faust agent does it, with Faust's tables and topics and nothing of npstream:

1. Decode the response, classify its score.
2. Per respondent, in a table: the last category and score. Another category than before is a change event.
3. Per account, in a table: promoters, passives and detractors by UTC day, for the last 90 days.
4. A detractor event for each detractor.

At least once. There are no windows, no history, no corrections, no duplicates, no segments, no dead letters: a part of what
npstream does with each response. It processes PEER_RESPONSES responses and ends; when the first one comes, and when all is
written, it prints a line of JSON.
"""

# mypy: disable-error-code="misc, call-arg, untyped-decorator"
# (Faust's classes and decorators carry no types.)

import asyncio
import json
import os
import resource
import time
from collections.abc import AsyncIterator

import faust

PARTITIONS = int(os.environ["PEER_PARTITIONS"])
RESPONSES = int(os.environ["PEER_RESPONSES"])
KEPT_DAYS = 90
DAY_S = 86_400
STDOUT = 1
"""Written to directly: Faust makes log records of what is printed."""
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


app = faust.App(
    os.environ["PEER_GROUP"],
    broker="kafka://" + os.environ["PEER_BOOTSTRAP"],
    store="memory://",
    topic_partitions=PARTITIONS,
    topic_replication_factor=1,
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
    stream_buffer_maxsize=4096,
    broker_commit_interval=1.0,
    datadir=os.environ["PEER_FOLDER"],
)
responses = app.topic(os.environ["PEER_INPUT"], key_type=str, value_type=Response, partitions=PARTITIONS)
changes = app.topic(os.environ["PEER_CHANGES"], key_type=str, value_type=Change, partitions=PARTITIONS)
detractors = app.topic(os.environ["PEER_DETRACTORS"], key_type=str, value_type=Detractor, partitions=PARTITIONS)
respondents = app.Table("respondents", default=None, partitions=PARTITIONS)
accounts = app.Table("accounts", default=dict, partitions=PARTITIONS)


class Progress:
    """How many responses were processed."""

    processed = 0


def say(event: str) -> None:
    """Print when it is, and what this process has used so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    said = {
        "peer": "faust",
        "event": event,
        "at": time.time(),
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_rss_kb": used.ru_maxrss,
    }
    os.write(STDOUT, b"\n" + json.dumps(said, separators=(",", ":")).encode() + b"\n")


def category(score: int) -> str:
    """What a score is called."""
    return "detractor" if score <= 6 else "passive" if score <= 8 else "promoter"


@app.agent(responses)
async def score(stream: AsyncIterator[Response]) -> None:
    """One response after another."""
    async for response in stream:
        if not Progress.processed:
            say("began")
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
    while Progress.processed < RESPONSES:  # noqa: ASYNC110 an event would cost the agent a call for each response
        await asyncio.sleep(POLL_S)
    await asyncio.sleep(0)  # lets the agent acknowledge the last response
    await app.producer.flush()
    await app.consumer.commit()  # does no more than wait if a commit is under way,
    await app.consumer.commit()  # so once more
    say("ended")
    os._exit(0)  # an orderly stop takes seconds, and all is written
