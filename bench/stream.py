"""The responses of every benchmark: deterministic, so that whoever knows how many there are can recount what must come of them.

1,000 accounts with 100 respondents each, 8 segments, 40 % promoters, 20 % passives, 40 % detractors, ten responses a second.
"""

import random
from collections.abc import Iterator
from typing import Any, NamedTuple

from schemas.codec import dumps
from schemas.times import DAY_MS, format_time

SEED = 7
ACCOUNTS = 1000
RESPONDENTS_PER_ACCOUNT = 100
SEGMENTS = 8
DIMENSION = "segment"
SCORES = (0, 3, 5, 6, 7, 8, 9, 10, 10, 9)
COMMENT = "great product but the export is slow"
INTERVAL_MS = 1000
PER_INTERVAL = 10
"""Responses with the same responded_at."""
MOST = 4_000_000
"""More responses would not all lie within the shortest window of a week, and then the recount would have to roll windows."""


class Answer(NamedTuple):
    """One response, in no format yet."""

    response_id: str
    account_id: str
    respondent_id: str
    segment: str
    score: int
    responded_at: int
    """In ms, UTC."""


def first_day(responses: int, now_ms: int) -> int:
    """The UTC day, since 1970-01-01, on which the stream must begin for its last response to be of yesterday at the latest."""
    days = responses * INTERVAL_MS // PER_INTERVAL // DAY_MS
    return now_ms // DAY_MS - 1 - days


def answers(responses: int, day: int) -> Iterator[Answer]:
    """The first `responses` of the stream that begins with the day given. Raises ValueError if they are too many."""
    if responses > MOST:
        raise ValueError(f"{responses} responses: at most {MOST} can be recounted")
    chance = random.Random(SEED)
    start = day * DAY_MS
    for number in range(responses):
        account = f"acct-{chance.randrange(ACCOUNTS)}"
        yield Answer(
            f"r{number}",
            account,
            f"{account}-u{chance.randrange(RESPONDENTS_PER_ACCOUNT)}",
            f"seg{chance.randrange(SEGMENTS)}",
            chance.choice(SCORES),
            start + number // PER_INTERVAL * INTERVAL_MS,
        )


def raw(answer: Answer) -> dict[str, Any]:
    """As a program that knows npstream sends it to nps.responses.raw, with header nps-source: canonical."""
    return {
        "response_id": answer.response_id,
        "account_id": answer.account_id,
        "respondent_id": answer.respondent_id,
        "score": answer.score,
        "comment": COMMENT,
        "responded_at": format_time(answer.responded_at),
        "segments": {DIMENSION: answer.segment},
    }


def canonical(answer: Answer) -> dict[str, Any]:
    """As intake passes it on to nps.responses."""
    return {
        "response_id": answer.response_id,
        "account_id": answer.account_id,
        "score": answer.score,
        "responded_at": format_time(answer.responded_at),
        "respondent_id": answer.respondent_id,
        "comment": COMMENT,
        "segments": {DIMENSION: answer.segment},
        "source": "canonical",
    }


def plain(answer: Answer) -> dict[str, Any]:
    """As the peers read it: one segment, times in whole seconds."""
    return {
        "response_id": answer.response_id,
        "survey_id": "nps",
        "respondent_id": answer.respondent_id,
        "account_id": answer.account_id,
        "segment": answer.segment,
        "score": answer.score,
        "comment": COMMENT,
        "responded_at": answer.responded_at // 1000,
    }


def raw_record(answer: Answer) -> bytes:
    """The value of a record of nps.responses.raw."""
    return dumps(raw(answer))


def canonical_record(answer: Answer) -> bytes:
    """The value of a record of nps.responses."""
    return dumps(canonical(answer))


def plain_record(answer: Answer) -> bytes:
    """The value of a record that a peer reads."""
    return dumps(plain(answer))
