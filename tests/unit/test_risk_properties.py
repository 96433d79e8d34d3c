"""Risk under anything that scoring may send: whatever the batches and crashes the same alerts, none twice, none of the erased,
and silences as a naive reckoning has them."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.lately_erased import MARK, MARKED_DAYS
from agents.risk import Risk
from agents.risk_rules import RiskSettings
from agents.scoring import Scoring, ScoringSettings
from schemas import topics
from schemas.codec import dumps
from schemas.times import DAY_MS, format_time, parse_time
from streams.test_driver import Sent, TestDriver
from tests.risk import NOON, alerts_of

WINDOWS, HEADLINE, RECENT = (2, 5), 5, 2
SOURCES = (topics.SCORED, topics.CHANGES, topics.ACCOUNT_ROLLUPS)
SMALL = RiskSettings(
    headline_days=HEADLINE,
    recent_days=RECENT,
    min_responses=2,
    silence_min_days=1,
    alert_max_age_days=3,
    cooldown_days={"downgrade": 1, "nps_fell": 2, "nps_below": 2, "no_promoters": 3, "silence": 2},
    share=2,
)
EVERY_SILENCE = RiskSettings(
    kinds=frozenset({"silence"}), silence_min_days=1, alert_max_age_days=None, cooldown_days={"silence": 0}, share=3
)
WHO = ("u-1", "u-1", "u-2", None)
ACCOUNTS = ("acme", "acme", "globex")


@dataclass(frozen=True)
class Step:
    """Records come to nps.responses, as many bodies as there are; then days pass."""

    bodies: Sequence[dict[str, Any]]
    days: int


@dataclass
class Stream:
    """What risk reads: records, and days that pass between them."""

    items: list[list[Sent] | int] = field(default_factory=list)

    @property
    def records(self) -> list[Sent]:
        return [record for item in self.items if not isinstance(item, int) for record in item]


responses = st.fixed_dictionaries(
    {
        "response_id": st.sampled_from([f"r-{number}" for number in range(9)]),
        "account_id": st.sampled_from(ACCOUNTS),
        "score": st.sampled_from((0, 3, 7, 8, 9, 10)),
        "respondent_id": st.sampled_from(WHO),
        "ago": st.sampled_from((0, 0, 0, 0, 1, 2, 4, 8)),
    }
)
retractions = st.fixed_dictionaries(
    {
        "kind": st.just("retraction"),
        "response_id": st.sampled_from(("r-0", "r-1", "r-2")),
        "account_id": st.sampled_from(ACCOUNTS),
    }
)
steps = st.lists(
    st.builds(
        Step,
        st.lists(st.one_of(responses, responses, responses, retractions), max_size=6),
        st.sampled_from((0, 1, 1, 1, 2, 3, 6, 20)),
    ),
    min_size=1,
    max_size=12,
)


def streamed(steps: Sequence[Step]) -> Stream:
    """What scoring makes of the steps, a record at a time: tables are those of a batch, so their batches are fixed here."""
    driver = TestDriver([Scoring(ScoringSettings(WINDOWS, HEADLINE, 40, alert_max_age_days=3))], now=NOON)
    stream, seen = Stream(), 0

    def sent() -> list[Sent]:
        return sorted((one for topic in SOURCES for one in driver.sent(topic)), key=lambda one: one.arrived)

    for step in steps:
        for body in step.bodies:
            driver.now += 60_000
            fields = {name: value for name, value in body.items() if value is not None and name != "ago"}
            if "score" in body:
                fields["responded_at"] = format_time(driver.now - body["ago"] * DAY_MS)
            driver.pipe(topics.RESPONSES, fields["account_id"].encode(), dumps(fields))
            driver.run(1)
        new = sent()[seen:]
        seen += len(new)
        stream.items += [new, step.days]
        for _ in range(step.days):
            driver.advance(DAY_MS)
        new = sent()[seen:]
        seen += len(new)
        stream.items.append(new)
    return stream


def played(
    stream: Stream, rules: RiskSettings, batches: Sequence[int] = (500,), lost: Sequence[int] = (), restarts: Sequence[int] = ()
) -> TestDriver:
    """Risk on a stream, in batches of these sizes in turn. Before the items with the numbers in `lost` are processed, a batch
    of them is processed and lost; after those in `restarts` it is opened again."""
    driver = TestDriver([Risk(rules)], now=NOON)
    for number, item in enumerate(stream.items):
        if isinstance(item, int):
            for _ in range(item):
                driver.advance(DAY_MS)
            continue
        for record in item:
            driver.pipe(record.topic, record.key, record.value, record.timestamp, record.headers)
        if number in lost:
            driver.abandon(batches[number % len(batches)])
        driver.run(batches[number % len(batches)])
        if number in restarts:
            driver.restart()
    return driver


def kept(driver: TestDriver) -> dict[bytes, bytes]:
    return driver.state("risk")


@given(steps, st.lists(st.integers(1, 9), min_size=1, max_size=4), st.lists(st.integers(0, 30)), st.lists(st.integers(0, 30)))
def test_batches_crashes_and_restarts_change_nothing(
    steps: list[Step], batches: list[int], lost: list[int], restarts: list[int]
) -> None:
    stream = streamed(steps)
    once = played(stream, SMALL)
    for other in (played(stream, SMALL, (1,)), played(stream, SMALL, batches, lost, restarts)):
        assert other.sent(topics.ACCOUNT_ALERTS) == once.sent(topics.ACCOUNT_ALERTS)
        assert kept(other) == kept(once)
        assert other.facts == once.facts


@given(steps)
def test_the_same_is_not_raised_twice_in_a_cool_down_and_every_alert_has_an_id_of_its_own(steps: list[Step]) -> None:
    driver = played(streamed(steps), SMALL)
    until: dict[tuple[str, str, str | None], str] = {}
    alerts = alerts_of(driver.sent(topics.ACCOUNT_ALERTS))
    for alert in alerts:
        what = (alert["account_id"], alert["kind"], alert.get("respondent_id"))
        assert until.get(what, "") <= alert["raised_at"]
        until[what] = alert["until"]
        assert (parse_time(alert["until"]) - parse_time(alert["raised_at"])) // DAY_MS == SMALL.cooldown_days[alert["kind"]]
    assert len({alert["alert_id"] for alert in alerts}) == len(alerts)
    assert driver.facts.total() == len(alerts)


@dataclass
class Reckoned:
    """What a naive reckoning knows of a respondent."""

    answers: dict[str, int] = field(default_factory=dict)
    noticed: int = -1


def reckoned(stream: Stream, rules: RiskSettings) -> list[tuple[str, str, int]]:
    """Account, respondent and last response of all silences, told day by day from all that was said."""
    known: dict[tuple[str, str], Reckoned] = {}
    now, found = NOON, []

    def is_silent(one: Reckoned) -> bool:
        return max(one.answers.values(), default=0) <= one.noticed

    for item in stream.items:
        for record in [] if isinstance(item, int) else item:
            now = max(now, record.timestamp)
            body = json.loads(record.value or b"") if record.topic == topics.SCORED else {}
            if "respondent_id" not in body:
                continue
            one = known.setdefault((body["account_id"], body["respondent_id"]), Reckoned())
            was_silent = is_silent(one)
            one.answers.pop(body["response_id"], None)
            if body["change"] in ("new", "late", "correction"):
                one.answers[body["response_id"]] = parse_time(body["responded_at"])
            if not one.answers:
                one.noticed = -1
            elif was_silent and body["change"] == "correction":
                one.noticed = max(one.noticed, *one.answers.values())
        for _ in range(item if isinstance(item, int) else 0):
            now += DAY_MS
            for who, one in known.items():
                times = sorted(one.answers.values())
                if len(times) < rules.silence_responses or is_silent(one):
                    continue
                usual = statistics.median(later - earlier for earlier, later in pairwise(times))
                began = times[-1] + max(rules.silence_factor * usual, rules.silence_min_days * DAY_MS)
                if began < now // DAY_MS * DAY_MS:
                    one.noticed = times[-1]
                    found.append((*who, times[-1]))
    return found


@settings(max_examples=200)
@given(steps)
def test_silences_are_those_of_a_naive_reckoning(steps: list[Step]) -> None:
    stream = streamed(steps)
    alerts = alerts_of(played(stream, EVERY_SILENCE).sent(topics.ACCOUNT_ALERTS))
    told = [(one["account_id"], one["respondent_id"], parse_time(one["last_response_at"])) for one in alerts]
    assert sorted(told) == sorted(reckoned(stream, EVERY_SILENCE))


@given(steps)
def test_between_two_silences_of_a_respondent_there_was_a_response(steps: list[Step]) -> None:
    driver = played(streamed(steps), EVERY_SILENCE)
    for who in {(one["account_id"], one["respondent_id"]) for one in alerts_of(driver.sent(topics.ACCOUNT_ALERTS))}:
        arrived = sorted(
            (record.arrived, record.topic)
            for topic in (topics.SCORED, topics.ACCOUNT_ALERTS)
            for record in driver.sent(topic)
            if (body := json.loads(record.value or b""))["account_id"] == who[0] and body.get("respondent_id") == who[1]
            if body.get("change") in (None, "new", "late")
        )
        assert not any(one[1] == two[1] == topics.ACCOUNT_ALERTS for one, two in pairwise(arrived)), (
            "two silences, and nothing between them"
        )


@given(steps, st.integers(0, 30))
def test_the_erased_leave_no_trace_whenever_it_happens(steps: list[Step], when: int) -> None:
    stream = streamed(steps)
    driver = TestDriver([Risk(SMALL)], now=NOON)
    told, since = 0, -1
    for number, item in enumerate([*stream.items, []]):
        if number == min(when, len(stream.items)):
            for account in set(ACCOUNTS):
                driver.pipe(topics.ERASURES, account.encode(), dumps({"account_id": account, "respondent_id": "u-1"}))
            driver.run()
            told, since = len(driver.sent(topics.ACCOUNT_ALERTS)), driver.now
        if 0 <= since <= driver.now - MARKED_DAYS * DAY_MS:
            break  # by then nothing of them is on its way any more
        if isinstance(item, int):
            driver.advance(item * DAY_MS)
            continue
        for record in item:
            driver.pipe(record.topic, record.key, record.value, record.timestamp, record.headers)
        driver.run()
    after = alerts_of(driver.sent(topics.ACCOUNT_ALERTS)[told:])
    assert all(alert.get("respondent_id") != "u-1" for alert in after)
    marks = {key[1:] for key in kept(driver) if key.startswith(MARK)}
    for key, value in kept(driver).items():
        assert b"u-1" not in value
        assert key.startswith(MARK) or not any(key.endswith(mark[-16:]) for mark in marks)
