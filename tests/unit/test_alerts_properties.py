"""Alerts, over streams of case lives and account alerts under any routes, clocks, ticks, crashes and batches, held against what
the records sent say themselves. The recount knows times, severities and routes, and nothing of groups or lanes."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agents.alert_desk import MARKED_DAYS
from agents.quiet_hours import QuietHours
from agents.routes import Route
from schemas import topics
from schemas.alerts import Alert, AlertItem
from schemas.codec import dumps
from schemas.erasures import entry_key, respondent_hash
from schemas.times import parse_time
from tests.alerting import CLOSING, DAY_MS, HOUR_MS, MINUTE_MS, SINKS, Desk, account_alert, case_event

SEVERITIES = ("critical", "high", "elevated")
KEEPING = ("alertmanager", "pagerduty")
USUAL = {"opened", "worsened", "reopened", "breached", "escalated"}
ACCOUNTS = ("acme", "globex")
NIGHT = QuietHours(20 * 60, 7 * 60)
NOON = QuietHours(10 * 60, 10 * 60 + 20, excepted=frozenset())
QUIET_MINUTES = {NIGHT: lambda minute: minute >= 1200 or minute < 420, NOON: lambda minute: 600 <= minute < 620}
"""Whether a minute of the day is quiet, said in another way."""
BEGINS = (parse_time("2026-03-02T09:58:00.000Z"), parse_time("2026-03-02T19:55:00.000Z"))
_REVISION = re.compile(r"news-(\d+)\.")

ROUTES = st.lists(
    st.builds(
        Route,
        name=st.just(""),
        sinks=st.lists(st.sampled_from(sorted(SINKS)), min_size=1, max_size=3, unique=True).map(tuple),
        goes_on=st.booleans(),
        kinds=st.sampled_from([None, None, frozenset({"case"})]),
        what=st.sampled_from([frozenset(USUAL), frozenset(USUAL), frozenset({"opened", "joined", "resolved", "recovered"})]),
        severities=st.sampled_from([None, None, frozenset({"critical"}), frozenset({"high", "elevated"})]),
        group_wait_s=st.sampled_from([None, 0, 30, 3_600]),
        group_interval_s=st.sampled_from([0, 60, 300]),
        max_items=st.sampled_from([1, 3, 50, 50]),
        quiet=st.sampled_from([(), (), (NIGHT,), (NOON,), (NIGHT, NOON)]),
        expires_h=st.sampled_from([1, 24]),
    ),
    min_size=1,
    max_size=3,
).map(lambda routes: tuple(_named(route, f"r{number}") for number, route in enumerate(routes)))


def _named(route: Route, name: str) -> Route:
    return Route(name, **{key: value for key, value in vars(route).items() if key != "name"})


CASE = st.tuples(
    st.just("case"),
    st.integers(0, 3),
    st.sampled_from(["joined", "escalated", "breached", "acknowledged", "changed", *CLOSING, "resolved", "withdrawn"]),
    st.sampled_from(SEVERITIES),
    st.sampled_from([0, 0, 0, 2 * HOUR_MS]),
)
RISK = st.tuples(st.just("risk"), st.integers(0, 1), st.sampled_from(["nps_below", "silence"]), st.sampled_from(SEVERITIES))
STEPS = st.lists(
    st.one_of(
        CASE,
        CASE,
        CASE,
        RISK,
        st.tuples(st.just("tick"), st.sampled_from([1_000, 30_000, 5 * MINUTE_MS, 20 * MINUTE_MS, 5 * HOUR_MS])),
        st.tuples(st.just("time"), st.sampled_from([1, 10_000, MINUTE_MS, HOUR_MS])),
        st.tuples(st.just("run")),
        st.tuples(st.just("erase"), st.integers(0, 3)),
        st.tuples(st.just("crash"), st.booleans()),
    ),
    min_size=20,  # of short stories there are few that lead anywhere, and left to itself hypothesis makes short ones
    max_size=60,
)


@dataclass
class News:
    """What was piped: something about a key, or that a respondent is to be forgotten."""

    number: int
    account: str
    key: str
    kind: str
    severity: str
    whats: set[str]
    closes: bool
    at: int
    until: int | None = None
    seen: int = 0
    """When it was processed."""


@dataclass
class Story:
    """A scenario that was played: what happened, and what was sent."""

    routes: tuple[Route, ...]
    desk: Desk
    news: list[News] = field(default_factory=list)
    erased: list[tuple[int, str]] = field(default_factory=list)
    """When, and which key."""
    waiting: list[Any] = field(default_factory=list)
    cases: dict[int, tuple[str, int]] = field(default_factory=dict)
    """State and severity."""
    told: dict[int, int] = field(default_factory=dict)
    """How many alerts there were when a case's respondent was erased."""
    untended: int = 0
    """For how long there has been no tick, in ms."""
    outage: int = 0
    """For how long there was none at most."""

    def passes(self, ms: int, ticks: bool) -> None:
        self.untended += ms
        self.outage = max(self.outage, self.untended)
        self.untended = 0 if ticks else self.untended

    def run(self) -> None:
        for news in self.waiting:
            if isinstance(news, News):
                news.seen = self.desk.now
            else:
                self.erased.append((self.desk.now, news))
        self.waiting.clear()
        self.desk.driver.run(self.desk.batch)

    def case(self, case: int, event: str, severity: str, age: int) -> None:
        state, before = self.cases.get(case, ("none", 3))
        if state == "erased":
            self._late(case, event, severity)
            return
        if state == "none":
            event = "opened"
        elif state != "open":
            event = "reopened" if event in ("joined", "escalated", "resolved") else "recovered"
        if event == "recovered" and state not in ("open", "resolved"):
            return
        if event not in ("opened", "joined", "changed"):
            severity = SEVERITIES[before]
        worsened = event == "joined" and SEVERITIES.index(severity) < before
        self.cases[case] = (CLOSING.get(event, "open"), SEVERITIES.index(severity))
        account, key, number = ACCOUNTS[case % 2], f"c-{case}", len(self.news)
        at = self.desk.now - age
        whats = {event, "worsened"} if worsened else {event}
        self._pipe(News(number, account, key, "case", severity, whats, event in CLOSING, at))
        said = {"severity": severity, "comment": f"news-{number}.", "revision": number, "respondent_id": f"u-{case}"}
        self.desk.pipe(topics.CASE_EVENTS, case_event(event, at, account_id=account, case_id=key, **said))

    def risk(self, account: int, kind: str, severity: str) -> None:
        number, now = len(self.news), self.desk.now
        alert = account_alert(kind, now, account_id=ACCOUNTS[account], severity=severity)
        alert |= {
            "until": alert["until"] if kind == "silence" else _text(now + HOUR_MS),
            "account": {"name": f"news-{number}."},
            "alert_id": f"a-{number}",
        }
        self._pipe(News(number, ACCOUNTS[account], "", kind, severity, {"raised"}, False, now, parse_time(alert["until"])))
        self.desk.pipe(topics.ACCOUNT_ALERTS, alert)

    def erase(self, case: int) -> None:
        self.cases[case] = ("erased", 3)
        account, respondent = ACCOUNTS[case % 2], f"u-{case}"
        self.waiting.append(f"c-{case}")
        key = entry_key(account, respondent_hash(account, respondent))
        erasure = dumps({"account_id": account, "respondent_id": respondent})
        self.desk.driver.pipe(topics.ERASURES, key, erasure, partition=0)
        # Of what leads and of the rest there is no order in a crash: what comes before it is done first.
        self.run()
        self.told[case] = len(self.desk.driver.sent(topics.ALERTS))

    def _late(self, case: int, event: str, severity: str) -> None:
        """What was sent before somebody was erased is read after it."""
        now, account = self.desk.now, ACCOUNTS[case % 2]
        whose = {"account_id": account, "respondent_id": f"u-{case}", "severity": severity}
        self.desk.pipe(topics.CASE_EVENTS, case_event(event, now, case_id=f"c-{case}", comment="Late.", **whose))
        self.desk.pipe(topics.ACCOUNT_ALERTS, account_alert("silence", now, **whose))

    def _pipe(self, news: News) -> None:
        self.news.append(news)
        self.waiting.append(news)


def _text(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def play(routes: tuple[Route, ...], steps: list[Any], batch: int = 500, crashes: bool = True) -> Story:
    """Play the steps, then let all that waits be told. It begins shortly before some quiet hours, which their number says."""
    desk = Desk(*routes, share=3, now=BEGINS[len(steps) % len(BEGINS)])
    desk.batch = batch
    story = Story(routes, desk)
    for step in steps:
        match step:
            case ("case", case, event, severity, age):
                story.case(case, event, severity, age)
            case ("risk", account, kind, severity):
                story.run()
                story.risk(account, kind, severity)
            case ("erase", case):
                story.run()
                story.erase(case)
            case ("tick", ms):
                story.run()
                story.passes(ms, ticks=True)
                desk.passes(ms)
            case ("time", ms):
                story.run()
                story.passes(ms, ticks=False)
                desk.driver.now += ms
            case ("run",):
                story.run()
            case ("crash", loses) if crashes:
                desk.driver.abandon(batch) if loses else desk.driver.restart()
    story.run()
    story.passes(HOUR_MS, ticks=True)
    desk.passes(2 * DAY_MS, tick=HOUR_MS)
    return story


def sinks_of(routes: tuple[Route, ...], news: News) -> dict[str, Route]:
    """Whom a piece of news is for."""
    found: dict[str, Route] = {}
    for route in routes:
        if route.kinds and news.kind not in route.kinds:
            continue
        if news.kind == "case" and not route.what & news.whats:
            continue
        if route.severities and news.severity not in route.severities:
            continue
        found = dict.fromkeys(route.sinks, route) | found
        if not route.goes_on:
            break
    return found


def number_of(alert: Alert, item: AlertItem) -> int | None:
    """Which news an item tells; None for one that was made of no record."""
    text = item.comment if isinstance(item.comment, str) else item.headline
    found = _REVISION.search(text)
    return int(found[1]) if found else None


def items(story: Story, refreshes: bool) -> Iterator[tuple[int, Alert, AlertItem]]:
    for alert in story.desk.alerts(refreshes=True):
        if (alert.refresh is True) == refreshes:
            for item in alert.items:
                yield parse_time(alert.created_at), alert, item


def is_over(alert: Alert, item: AlertItem) -> bool:
    ended = isinstance(item.ends_at, str) and item.ends_at <= alert.created_at
    return ended or alert.status == "resolved" or item.state in ("resolved", "expired", "withdrawn")


@given(ROUTES, STEPS)
def test_each_thing_is_told_once_to_each_sink_unless_it_was_overtaken_or_over(
    routes: tuple[Route, ...], steps: list[Any]
) -> None:
    story = play(routes, steps)
    told: dict[tuple[str, str, str], list[tuple[int, int]]] = defaultdict(list)
    for at, alert, item in items(story, refreshes=False):
        number = number_of(alert, item)
        if number is not None and not (item.kind != "case" and is_over(alert, item)):
            news = story.news[number]
            news.key = item.key  # of an account at risk, it is known from here
            told[alert.sink, news.account, item.kind if item.kind != "case" else item.key].append((number, at))
    for thing, numbers in told.items():
        assert [n for n, _ in numbers] == sorted({n for n, _ in numbers}), f"{thing}: told twice, or a state that was overtaken"
    for news in story.news:
        for sink, route in sinks_of(routes, news).items():
            thing = (sink, news.account, news.kind if news.kind != "case" else news.key)
            at = next((when for number, when in told[thing] if number == news.number), None)
            too_old = news.seen - news.at > route.expires_h * HOUR_MS
            if at is not None:
                assert not too_old or (news.closes and sink in KEEPING)
                later = [one for one in after(story, news) if one.closes and one.seen < at]
                assert news.closes or not later, "told after it was over"
                assert news.until is None or at < news.until
            elif story.outage > min(one.expires_h for one in routes) * HOUR_MS:
                continue  # it may have waited until nobody wanted it any more
            elif not too_old and all(one.max_items == 50 or sink in KEEPING for one in routes):
                follows = [one for one in after(story, news) if one.closes or sink in sinks_of(routes, one)]
                erased = any(key == news.key and when >= news.seen for when, key in story.erased)
                ended = news.until is not None and news.until < story.desk.now
                unknown = news.closes and sink in KEEPING
                assert follows or erased or ended or unknown, f"{news} was never told to {sink}"


def after(story: Story, news: News) -> list[News]:
    """What came later of the same thing."""
    same = (news.account, news.kind, news.key if news.kind == "case" else "")
    return [
        one for one in story.news[news.number + 1 :] if (one.account, one.kind, one.key if one.kind == "case" else "") == same
    ]


@given(ROUTES, STEPS)
def test_sinks_that_hold_what_is_open_know_when_it_is_over(routes: tuple[Route, ...], steps: list[Any]) -> None:
    story = play(routes, steps)
    last: dict[tuple[str, str], bool] = {}
    for _at, alert, item in items(story, refreshes=False):
        over = is_over(alert, item)
        if alert.sink in KEEPING:
            assert not over or not last.get((alert.sink, item.key), True), "told to be over, but it was not open"
            last[alert.sink, item.key] = over
        elif over:
            # By the route that wanted it, or by that in whose group it waited.
            assert any(item.what in route.what for route in routes if alert.sink in route.sinks)
    for case, (state, _) in story.cases.items():
        if state != "open":
            assert all(last.get((sink, f"c-{case}"), True) for sink in KEEPING), f"c-{case} is {state}, and no sink knows"


@given(ROUTES, STEPS)
def test_throttles_quiet_hours_and_sizes_are_kept(routes: tuple[Route, ...], steps: list[Any]) -> None:
    story = play(routes, steps)
    by_name = {route.name: route for route in routes}
    last: dict[str, tuple[int, str]] = {}
    counted = 0
    for alert in story.desk.alerts():
        route, at = by_name[alert.route], parse_time(alert.created_at)
        counted += len(alert.items) + alert.more
        assert len(alert.items) <= (50 if alert.sink in KEEPING else route.max_items)
        assert alert.sink in route.sinks
        before = last.get(alert.dedup_key)
        if before is not None and not (alert.sink in KEEPING and before == (at, route.name)):
            assert at - before[0] >= route.group_interval_s * 1000
        last[alert.dedup_key] = (at, route.name)
        minute = at // MINUTE_MS % 1440
        for item in alert.items:
            for hours in route.quiet:
                assert item.severity in hours.excepted or not QUIET_MINUTES[hours](minute)
    assert counted == story.desk.counted("told")


@given(ROUTES, STEPS)
def test_only_what_is_open_is_told_again(routes: tuple[Route, ...], steps: list[Any]) -> None:
    story = play(routes, steps)
    first_told: dict[str, int] = {}
    for at, alert, item in items(story, refreshes=False):
        if alert.sink == "alertmanager":
            first_told.setdefault(item.key, at)
    for at, alert, item in items(story, refreshes=True):
        assert alert.sink == "alertmanager"
        assert first_told[item.key] <= at
        assert parse_time(str(item.ends_at)) <= at + 900_000
        number = number_of(alert, item)
        assert number is not None
        news = story.news[number]
        assert not any(one.closes and one.seen < at for one in after(story, news))
        assert not any(key == item.key and when < at for when, key in story.erased)
        assert news.until is None or at < news.until


@given(ROUTES, STEPS, st.booleans())
def test_the_erased_leave_no_trace_whenever_it_happens(routes: tuple[Route, ...], steps: list[Any], anew: bool) -> None:
    """Also in a state that is made anew, which reads erasures first."""
    story = play(routes, steps)
    driver = story.desk.driver
    if anew:
        driver.start_anew()
        driver.run()
    sent = [record.value or b"" for record in driver.sent(topics.ALERTS)]
    for case, told in story.told.items():
        name = b"u-%d" % case
        assert [value for value in sent[told:] if name in value] == []
        assert [key for key, value in story.desk.state().items() if name in key + value] == []


@given(ROUTES, STEPS, st.sampled_from([1, 2, 7]))
def test_neither_batches_nor_crashes_change_what_is_sent(routes: tuple[Route, ...], steps: list[Any], batch: int) -> None:
    def sent(batch: int, crashes: bool) -> list[tuple[Any, ...]]:
        records = play(routes, steps, batch, crashes).desk.driver.sent(topics.ALERTS)
        return [(record.key, record.value, record.timestamp, record.headers) for record in records]

    assert sent(batch, True) == sent(500, False)


@given(ROUTES, STEPS)
def test_when_all_is_over_nothing_is_kept_and_no_id_came_twice(routes: tuple[Route, ...], steps: list[Any]) -> None:
    story = play(routes, steps)
    for case, (state, _) in list(story.cases.items()):
        if state == "open":
            story.case(case, "resolved", "high", 0)
    story.run()
    story.desk.passes(2 * DAY_MS, tick=HOUR_MS)
    story.desk.passes(90 * DAY_MS, tick=10 * DAY_MS)
    story.desk.passes(MARKED_DAYS * DAY_MS, tick=100 * DAY_MS)
    story.desk.passes(2 * DAY_MS, tick=HOUR_MS)
    assert not story.desk.state()
    ids = [alert.delivery_id for alert in story.desk.alerts(refreshes=True)]
    assert len(ids) == len(set(ids)), [a for a in story.desk.alerts(refreshes=True) if ids.count(a.delivery_id) > 1]
