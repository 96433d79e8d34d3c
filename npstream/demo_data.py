"""A year of survey responses for the demo, the same for a seed and an end: as survey platforms send them, odd ones included.

Record timestamps are arrival times, so the whole year arrives within the last minute before its end, each record in a
millisecond of its own; when each response was given is in its payload.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from agents.intake import SOURCE_HEADER
from npstream.demo_accounts import Account, make_accounts, make_comment, some_comment
from npstream.raw_record import RawRecord
from schemas.codec import dumps
from schemas.times import DAY_MS, day_of, format_time

SEED: Final = 20260301
"""The demo's seed unless another is given: any number would do."""
YEAR_DAYS: Final = 365
WAVE_DAYS: Final = 91
"""Days between two surveys of an account: a quarter."""
WAVES: Final = 5
"""Surveys that reach into a year, whatever day the first is on."""
ANSWERS: Final = 0.58
"""Share of the asked who answer: high, as in surveys of customers one talks to."""
ANSWER_DAYS: Final = 3.0
"""Mean days until an answer, exponentially distributed."""
HOUR_MS: Final = 3_600_000
OPEN_HOURS: Final = (7, 20)
"""When people answer, UTC."""

# How often the odd things happen, per response; each is rare in life, and frequent enough here to be seen.
ANONYMOUS: Final = 0.02
DUPLICATE: Final = 0.010
LATE: Final = 0.004
CORRECTION: Final = 0.012
RETRACTION: Final = 0.003
BAD: Final = 0.0015


@dataclass(frozen=True, slots=True)
class _Answer:
    """One answer of one person, before it takes a vendor's form. Times in ms, UTC."""

    account: Account
    response_id: str
    respondent: str | None
    score: int
    comment: str | None
    responded_at: int
    updated_at: int


def year_of_responses(seed: int, end: int) -> list[RawRecord]:
    """About 50,000 raw records in the order of their arrival, for nps.responses.raw; `end` in ms UTC is the demo's now."""
    rng = Random(f"year {seed}")
    arrivals: list[tuple[float, RawRecord]] = []
    for account in make_accounts(seed):
        arrivals += _account_year(rng, account, end)
    arrivals.sort(key=lambda arrival: arrival[0])
    first = end - len(arrivals)
    return [record._replace(timestamp=first + number) for number, (_, record) in enumerate(arrivals, 1)]


def trickle(rng: Random, clock: Callable[[], int], seed: int = SEED) -> Iterator[RawRecord]:
    """New responses without end, given at the moment of asking; `clock` in ms UTC. More come from accounts with more people."""
    accounts = make_accounts(seed)
    weights = [len(account.people) for account in accounts]
    run = rng.randrange(16**6)
    number = 0
    while True:
        number += 1
        account = rng.choices(accounts, weights)[0]
        respondent, leaning = rng.choice(account.people)
        score = account.score(rng, leaning, 0.0)
        now = clock()
        answer = _Answer(account, f"live-{run:06x}-{number}", respondent, score, make_comment(rng, score), now, now)
        yield _record(answer)


def _account_year(rng: Random, account: Account, end: int) -> Iterator[tuple[float, RawRecord]]:
    """An account's records, each with the time at which it would have arrived."""
    start = end - YEAR_DAYS * DAY_MS
    phase = rng.random() * WAVE_DAYS
    number = 0
    for wave in range(WAVES):
        asked = start + (phase + (wave - 1) * WAVE_DAYS) * DAY_MS
        for respondent, leaning in account.people:
            given = _office_hours(rng, asked + rng.expovariate(1 / ANSWER_DAYS) * DAY_MS)
            if rng.random() >= ANSWERS or not start < given < end:
                continue
            number += 1
            score = account.score(rng, leaning, (given - end) / (YEAR_DAYS * DAY_MS))
            name = None if rng.random() < ANONYMOUS else respondent
            answer = _Answer(account, f"{account.account_id}-{number}", name, score, make_comment(rng, score), given, given)
            yield from _life(rng, answer, end)


def _life(rng: Random, answer: _Answer, end: int) -> Iterator[tuple[float, RawRecord]]:
    """What arrives of one answer: itself, perhaps late or twice, perhaps corrected or taken back, and at times some rubbish."""
    late = rng.random() < LATE
    arrived = answer.responded_at + (rng.uniform(20, 120) * DAY_MS if late else rng.uniform(0, HOUR_MS))
    if arrived > end:
        return  # still on its way
    yield arrived, _record(answer)
    again = arrived + rng.uniform(0, HOUR_MS)
    if rng.random() < DUPLICATE and again < end:
        yield again, _record(answer)
    later = answer.responded_at + round(rng.uniform(1, 40) * HOUR_MS)
    # Typeform has no versions: what it sends is never corrected. What came late is not corrected either, to keep it simple.
    if later < end and not late and answer.account.vendor != "typeform":
        luck = rng.random()
        if luck < CORRECTION:
            yield later, _record(_corrected(rng, answer, later))
        elif luck < CORRECTION + RETRACTION and answer.account.vendor == "canonical":
            yield later, _retraction(answer, later)
    if rng.random() < BAD:
        yield arrived, _rubbish(rng, answer)


def _corrected(rng: Random, answer: _Answer, at: int) -> _Answer:
    """The same answer, thought over: another score, or more to say."""
    score = answer.score
    if rng.random() < 0.6:
        score = max(0, min(10, score + rng.choice((-4, -3, -2, 2, 3))))
    comment = some_comment(rng, score)
    while comment == answer.comment:
        comment = some_comment(rng, score)
    return _Answer(answer.account, answer.response_id, answer.respondent, score, comment, answer.responded_at, at)


def _record(answer: _Answer) -> RawRecord:
    shape = _SHAPES[answer.account.vendor]
    return _raw(answer.account, dumps(shape(answer)), answer.account.vendor)


def _retraction(answer: _Answer, at: int) -> RawRecord:
    document = {
        "kind": "retraction",
        "response_id": answer.response_id,
        "account_id": answer.account.account_id,
        "updated_at": format_time(at),
    }
    return _raw(answer.account, dumps(document), "canonical")


def _raw(account: Account, value: bytes, source: str) -> RawRecord:
    # Keyed by account, so that one account's responses arrive in the order in which they were sent.
    return RawRecord(account.account_id.encode(), value, ((SOURCE_HEADER, source.encode()),))


def _canonical(answer: _Answer) -> dict[str, Any]:
    document: dict[str, Any] = {
        "response_id": answer.response_id,
        "account_id": answer.account.account_id,
        "score": answer.score,
        "responded_at": format_time(answer.responded_at),
        "updated_at": format_time(answer.updated_at),
        "segments": answer.account.segments,
        "survey_id": "relationship",
        "channel": "email",
    }
    if answer.respondent is not None:
        document["respondent_id"] = answer.respondent
    if answer.comment is not None:
        document["comment"] = answer.comment
    return document


def _delighted(answer: _Answer) -> dict[str, Any]:
    """The webhook that Delighted sends, with times in whole seconds."""
    corrected = answer.updated_at != answer.responded_at
    person = None if answer.respondent is None else {"id": answer.respondent, "email": answer.respondent}
    return {
        "event_type": "survey_response.updated" if corrected else "survey_response.created",
        "event_id": f"{answer.response_id}-{answer.updated_at}",
        "event_data": {
            "id": answer.response_id,
            "person": person,
            "survey_type": "nps",
            "score": answer.score,
            "comment": answer.comment,
            "created_at": answer.responded_at // 1000,
            "updated_at": answer.updated_at // 1000,
            "person_properties": {"Account ID": answer.account.account_id, **answer.account.segments},
            "tags": [],
        },
    }


def _typeform(answer: _Answer) -> dict[str, Any]:
    """The webhook that Typeform sends, with an opinion scale from 0 to 10 and a long text."""
    hidden = {"account_id": answer.account.account_id, **answer.account.segments}
    if answer.respondent is not None:
        hidden["respondent_id"] = answer.respondent
    answers: list[dict[str, Any]] = [
        {"type": "number", "number": answer.score, "field": {"id": "nps01", "type": "opinion_scale", "ref": "recommend"}}
    ]
    if answer.comment is not None:
        answers.append({"type": "text", "text": answer.comment, "field": {"id": "why01", "type": "long_text", "ref": "why"}})
    return {
        "event_id": f"{answer.response_id}-event",
        "event_type": "form_response",
        "form_response": {
            "form_id": "quarterly",
            "token": answer.response_id,
            "submitted_at": format_time(answer.responded_at),
            "hidden": hidden,
            "answers": answers,
        },
    }


_SHAPES: Final[dict[str, Callable[[_Answer], dict[str, Any]]]] = {
    "canonical": _canonical,
    "delighted": _delighted,
    "typeform": _typeform,
}


def _rubbish(rng: Random, answer: _Answer) -> RawRecord:
    """One of the things that arrive at any intake, and can only become a dead letter."""
    good = {**_canonical(answer), "response_id": f"{answer.response_id}-bad"}
    whole = dumps(good)
    faults: tuple[tuple[bytes, str], ...] = (
        (whole[: len(whole) // 2], "canonical"),
        (dumps({**good, "score": 11}), "canonical"),
        (dumps({**good, "score": None}), "canonical"),
        (dumps({k: v for k, v in good.items() if k != "responded_at"}), "canonical"),
        (dumps({**good, "responded_at": "2026-02-30 25:00"}), "canonical"),
        (dumps({**good, "responded_at": format_time(answer.responded_at + 3 * YEAR_DAYS * DAY_MS)}), "canonical"),
        (whole, "surveyplatform-nobody-knows"),
        (dumps({"event_type": "unsubscribe.created", "event_data": {"person_id": answer.respondent}}), "delighted"),
        (dumps({k: v for k, v in good.items() if k != "account_id"}), "canonical"),
    )
    value, source = rng.choice(faults)
    return _raw(answer.account, value, source)


def _office_hours(rng: Random, moment: float) -> int:
    """The same day, at an hour when people work, to the millisecond that the vendors' seconds keep."""
    day = day_of(int(moment))
    hour = rng.uniform(*OPEN_HOURS)
    return day * DAY_MS + int(hour * HOUR_MS) // 1000 * 1000
