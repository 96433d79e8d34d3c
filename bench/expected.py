"""The bodies of the records that npstream must write: each field of each event and row, from the recount."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from bench.stream import COMMENT, DIMENSION
from bench.stream import canonical as _canonical
from bench.truth import CATEGORIES, Outcome, Tally
from npstream.recount.statistics import window_stats
from schemas.times import format_time


def canonical(outcome: Outcome) -> dict[str, Any]:
    """Of nps.responses."""
    return _canonical(outcome.answer)


def scored(outcome: Outcome, as_of: str) -> dict[str, Any]:
    """Of nps.responses.scored."""
    body = canonical(outcome) | {"category": outcome.category, "as_of": as_of, "change": "new"}
    if outcome.before is not None:
        body["previous_category"], body["previous_score"] = outcome.before
    return body


def change(outcome: Outcome) -> dict[str, Any]:
    """Of nps.category.changes."""
    answer = outcome.answer
    before, score_before = outcome.before or ("", -1)
    up = CATEGORIES.index(outcome.category) > (CATEGORIES.index(before) if before else -1)
    return {
        "account_id": answer.account_id,
        "respondent_id": answer.respondent_id,
        "response_id": answer.response_id,
        "from": before,
        "to": outcome.category,
        "score": answer.score,
        "previous_score": score_before,
        "direction": "up" if up else "down",
        "cause": "response",
        "changed_at": format_time(answer.responded_at),
        "segments": {DIMENSION: answer.segment},
    }


def detractor(outcome: Outcome) -> dict[str, Any]:
    """Of nps.detractors."""
    score = outcome.answer.score
    return _announcement(outcome) | {"severity": "critical" if score <= 2 else "high" if score <= 4 else "elevated"}


def promoter(outcome: Outcome) -> dict[str, Any]:
    """Of nps.promoters."""
    return _announcement(outcome) | ({"first": True} if outcome.first_promoter else {})


def _announcement(outcome: Outcome) -> dict[str, Any]:
    answer = outcome.answer
    return {
        "account_id": answer.account_id,
        "respondent_id": answer.respondent_id,
        "response_id": answer.response_id,
        "score": answer.score,
        "comment": COMMENT,
        "revision": 0,
        "consecutive": outcome.row,
        "responded_at": format_time(answer.responded_at),
        "segments": {DIMENSION: answer.segment},
        "account_nps": outcome.account_nps,
    }


def account_row(account: str, tally: Tally, as_of: str, windows_days: Sequence[int]) -> dict[str, Any]:
    """Of nps.rollups.accounts."""
    return {"account_id": account, "as_of": as_of, "windows": _windows(tally, windows_days)}


def segment_row(segment: str, tally: Tally, as_of: str, windows_days: Sequence[int]) -> dict[str, Any]:
    """Of nps.rollups.segments."""
    return {"dimension": DIMENSION, "value": segment, "as_of": as_of, "windows": _windows(tally, windows_days)}


def _windows(tally: Tally, windows_days: Sequence[int]) -> dict[str, Any]:
    """All that was counted is in every window, and nothing in the windows before."""
    window = {"responses": _statistics(*tally.responses), "respondents": _statistics(*tally.respondents)}
    return {f"{days}d": window for days in windows_days}


@lru_cache(maxsize=4096)  # the same for each round
def _statistics(detractors: int, passives: int, promoters: int) -> dict[str, Any]:
    return window_stats((detractors, passives, promoters), (0, 0, 0))
