"""The tables of comments against a recount: whatever arrived, was corrected, taken back or erased, however it was batched, on
any day, over any number of partitions."""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, note
from hypothesis import strategies as st

from agents.analysis import Analysis
from agents.comments import Comments, CommentsSettings
from agents.scoring import Scoring, ScoringSettings
from agents.themes import Themes, ThemesSettings
from npstream.recount.reading import format_time, parse_time
from schemas import topics
from schemas.erasures import respondent_hash
from streams.processor import DAY_MS, Processor
from streams.test_driver import Sent, TestDriver
from tests.strategies import (
    SMALL_GRACE,
    SMALL_HEADLINE,
    SMALL_JUMPS,
    SMALL_WINDOWS,
    START,
    Arriving,
    Round,
    batches,
    rounds,
    small_days,
)
from tests.unit.test_rollup_properties import OneShareATick
from tests.verification import Played, erasures_of

THEMES = ("performance", "pricing", "support")
NAMES = ("promoters", "passives", "detractors", "negative", "neutral", "positive")


def analyser(comment: str, locale: str | None) -> Analysis:
    """Some themes and a sentiment that follow from the text, as an analyser's do."""
    number = sum(map(ord, comment))
    themes = tuple(theme for bit, theme in enumerate(THEMES) if number >> bit & 1)
    return Analysis(themes, (None, -0.5, 0.0, 0.5)[number % 4])


def with_comments(arrivals: list[Round]) -> list[Round]:
    """The same arrivals, but most responses have a comment."""
    return [replace(one, arriving=[_commented(arriving) for arriving in one.arriving]) for one in arrivals]


def _commented(arriving: Arriving) -> Arriving:
    number = crc32(arriving.value or b"")
    if arriving.topic != topics.RESPONSES or b'"score"' not in (arriving.value or b"") or number % 3 == 0:
        return arriving
    try:
        body = json.loads(arriving.value or b"")
    except ValueError:
        return arriving
    return replace(arriving, value=json.dumps({"comment": f"Said {number % 8}"} | body, ensure_ascii=False).encode())


def processors(shares: bool = False) -> list[Processor]:
    """With windows and shares so small that responses leave them while others still arrive."""
    few = 1 if shares else 500
    return [
        Scoring(ScoringSettings(SMALL_WINDOWS, SMALL_HEADLINE, SMALL_GRACE)),
        Comments(analyser, CommentsSettings(SMALL_WINDOWS, roll_accounts=few, sweep_keys=few)),
        Themes(ThemesSettings(SMALL_WINDOWS, roll_segments=few)),
    ]


def category_of(score: int) -> int:
    return 0 if score >= 9 else 1 if score >= 7 else 2


def last_said(records: Iterable[Sent], removed: set[tuple[str, str]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Of each response that has a comment what was said of it last."""
    said: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        body = json.loads(record.value or b"")
        name = (body["account_id"], body["response_id"])
        before = said.get(name)
        if body["change"] in ("new", "late", "correction") and body.get("comment"):
            said[name] = body
        elif body["change"] == "correction" and before is not None and _tells_of_segments(body, before):
            said[name] = before | {"segments": body.get("segments", {})}
        else:
            said.pop(name, None)
        if name in said and is_one_of(said[name], removed):
            del said[name]
    return {name: body for name, body in said.items() if not is_one_of(body, removed)}


def _tells_of_segments(body: dict[str, Any], before: dict[str, Any]) -> bool:
    """What docs/comments.md says of corrections without comment, source and version."""
    same = body["responded_at"][:10] == before["responded_at"][:10] and body["category"] == before["category"]
    bare = "source" not in body and "updated_at" not in body
    return same and bare and body.get("segments", {}) != before.get("segments", {})


def is_one_of(body: dict[str, Any], removed: set[tuple[str, str]]) -> bool:
    respondent_id = body.get("respondent_id")
    return respondent_id is not None and (body["account_id"], respondent_hash(body["account_id"], respondent_id)) in removed


def stats(numbers: list[int]) -> dict[str, Any]:
    total = sum(numbers[:3])
    found: dict[str, Any] = dict(zip(NAMES[:3], numbers, strict=False)) | {"total": total}
    if total:
        nps = Decimal(100 * (numbers[0] - numbers[2])) / Decimal(total)
        found["nps"] = float(nps.quantize(Decimal("0.1"), ROUND_HALF_UP)) + 0.0
    return found | {name: number for name, number in zip(NAMES[3:], numbers[3:], strict=True) if number}


def recount(bodies: Iterable[dict[str, Any]], today: int) -> dict[str, Any] | None:
    """The windows of some responses with comments; None if they are all empty."""
    windows: dict[str, Any] = {}
    for length in SMALL_WINDOWS:
        counts: dict[str, list[int]] = defaultdict(lambda: [0] * 6)
        for body in bodies:
            if not today - length < day_of(body) <= today:
                continue
            analysis = analyser(body["comment"], None)
            for theme in ("", *analysis.themes):
                counts[theme][category_of(body["score"])] += 1
                if analysis.sentiment is not None:
                    counts[theme][4 if not analysis.sentiment else 3 if analysis.sentiment < 0 else 5] += 1
        windows[f"{length}d"] = {
            "comments": stats(counts.pop("", [0] * 6)),
            "themes": {theme: stats(numbers) for theme, numbers in counts.items()},
        }
    return windows if any(window["comments"]["total"] for window in windows.values()) else None


def day_of(body: dict[str, Any]) -> int:
    return parse_time(body["responded_at"]) // DAY_MS


def expected(driver: TestDriver) -> tuple[dict[str, Any], dict[str, Any]]:
    """The windows of all accounts and of all segments, by their keys."""
    erasures = [one for of_account in erasures_of(driver).values() for one in of_account]
    removed = {(one.account_id, one.respondent_hash) for one in erasures if one.counts == "remove"}
    said = last_said(driver.sent(topics.SCORED), removed)
    accounts, segments = defaultdict(list), defaultdict(list)
    for body in said.values():
        accounts[body["account_id"]].append(body)
        for dimension, value in body.get("segments", {}).items():
            segments[f"{dimension}={value}"].append(body)
    today = driver.now // DAY_MS
    return tuple(
        {key: windows for key, bodies in groups.items() if (windows := recount(bodies, today)) is not None}
        for groups in (accounts, segments)
    )  # type: ignore[return-value]


def check(driver: TestDriver) -> None:
    """Once every task's clock is that of the wall."""
    driver.advance(2 * DAY_MS)
    for record in (*driver.sent(topics.SCORED), *driver.sent(topics.ERASURES)):
        note(f"{record.topic} {record.partition}:{record.offset} at {record.timestamp} {record.key!r} {record.value!r}")
    accounts, segments = expected(driver)
    today = format_time(driver.now)[:10]
    for topic, wanted in ((topics.ACCOUNT_THEMES, accounts), (topics.SEGMENT_THEMES, segments)):
        tables = {key.decode(): json.loads(value) for key, value in driver.table(topic).items()}
        assert {key: table["windows"] for key, table in tables.items()} == wanted
        assert {table["as_of"] for table in tables.values()} <= {today}


@given(rounds(days=small_days, jumps=SMALL_JUMPS).map(with_comments))
def test_the_tables_are_those_of_a_recount(arrivals: list[Round]) -> None:
    check(Played(processors(), arrivals).driver)


@given(st.integers(2, 3), rounds(partitions=2, strays=True, days=small_days, jumps=SMALL_JUMPS, facts=True).map(with_comments))
def test_segments_are_added_up_across_partitions(partitions: int, arrivals: list[Round]) -> None:
    check(Played(processors(), arrivals, partitions).driver)


@given(rounds(partitions=2, strays=True, days=small_days, jumps=SMALL_JUMPS, erasures=True).map(with_comments))
def test_so_they_are_when_respondents_are_erased(arrivals: list[Round]) -> None:
    check(Played(processors(), arrivals, partitions=2).driver)


@given(rounds(partitions=2, days=small_days, jumps=SMALL_JUMPS, erasures=True).map(with_comments))
def test_records_may_come_between_the_shares_of_a_roll_over(arrivals: list[Round]) -> None:
    shares = [OneShareATick(one) for one in processors(shares=True)]
    for share in shares:
        if hasattr(share.inner, "leading"):
            share.leading = share.inner.leading  # type: ignore[attr-defined]
    played = Played(shares, arrivals, partitions=2)
    played.driver.advance(2 * DAY_MS)
    for _ in range(1000):
        if not any(one.unfinished for one in shares):
            break
        played.driver.advance(0)
    for share in shares:
        share.tick = share.inner.tick  # type: ignore[method-assign]
    check(played.driver)


@given(rounds(partitions=2, strays=True, days=small_days, jumps=SMALL_JUMPS, erasures=True).map(with_comments), batches)
def test_states_made_anew_come_to_the_same(arrivals: list[Round], batch: int) -> None:
    played = Played(processors(), arrivals, partitions=2)
    check(played.driver)
    played.driver.now += 1  # so that the new incarnation is a later one
    played.driver.start_anew()
    played.driver.run(batch)
    check(played.driver)


@given(rounds(partitions=2, days=small_days, jumps=SMALL_JUMPS).map(with_comments))
def test_batches_and_crashes_leave_no_trace(arrivals: list[Round]) -> None:
    found = []
    for batch in (1, 7, 500):
        driver = Played(processors(), arrivals, partitions=2, batch=batch, crashes=batch != 1).driver
        tables = [driver.table(topic) for topic in (topics.ACCOUNT_THEMES, topics.SEGMENT_THEMES)]
        comments = [(r.key, r.value, r.headers, r.timestamp, r.partition) for r in driver.sent(topics.COMMENTS)]
        found.append((tables, comments, driver.facts))
    assert found[0] == found[1] == found[2]


@given(rounds(days=small_days, jumps=SMALL_JUMPS).map(with_comments))
def test_each_comment_is_sent_once_and_what_takes_it_back_once(arrivals: list[Round]) -> None:
    driver = Played(processors(), arrivals).driver
    wanted = [
        (body["account_id"], body["response_id"], body["comment"])
        for body in (json.loads(record.value or b"") for record in driver.sent(topics.SCORED))
        if body.get("comment") and body["change"] in ("new", "late", "correction")
    ]
    sent = [json.loads(record.value or b"") for record in driver.sent(topics.COMMENTS)]
    assert [(one["account_id"], one["response_id"], one["comment"]) for one in sent if "comment" in one] == wanted
    standing = set()
    for one in sent:
        name = (one["account_id"], one["response_id"])
        if "comment" in one:
            standing.add(name)
        else:
            standing.remove(name)


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_silent_account_leaves_nothing_behind(partitions: int) -> None:
    driver = TestDriver(processors(), now=START, partitions=partitions)
    body = {"account_id": "acme", "response_id": "r-1", "score": 3, "responded_at": format_time(START), "segment": "smb"}
    driver.pipe(topics.RESPONSES, b"acme", json.dumps(body | {"comment": "Why?"}).encode())
    driver.run()
    assert driver.table(topics.ACCOUNT_THEMES).keys() == {b"acme"}
    assert driver.table(topics.SEGMENT_THEMES).keys() == {b"segment=smb"}
    for _ in range(3):
        driver.advance(20 * DAY_MS)
    for topic in (topics.ACCOUNT_THEMES, topics.SEGMENT_THEMES):
        assert driver.table(topic) == {}
    for name in ("comments", "themes"):
        left = [key for partition in range(partitions) for key in driver.state(name, partition)]
        assert {key[:1] for key in left} <= {b"T", b"W", b"I"}
