"""Whatever arrives, in whatever batches and whatever is lost on the way: what holds of cases, of their due times, of the
answers to commands, and of what tables and gauges show."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from hypothesis import given, note
from hypothesis import strategies as st

from agents.case_kept import SEVERITIES
from agents.case_rules import CasesSettings, Due
from agents.case_states import OPEN, Move, State
from agents.cases import Cases
from agents.lately_erased import MARKED_DAYS
from schemas import topics
from schemas.cases import Case, CaseEvent, CaseRejection
from schemas.codec import dumps
from schemas.erasures import respondent_hash
from schemas.times import format_time
from streams.processor import DAY_MS
from streams.test_driver import TestDriver
from tests.strategies import START, batches

SETTINGS = CasesSettings(
    due={severity: Due(60 * step, 120 * step) for step, severity in enumerate(SEVERITIES, 1)},
    default_owner="care",
    escalation=("lead", "head", "board"),
    escalate_every_min=90,
    raise_tiers=frozenset({"gold"}),
    reopen_days=2,
    recovery_days=4,
    expire_days=5,
    keep_days=7,
    share=2,
)
"""Short times, so that everything happens in a fortnight, and a share so small that ticks have to come again."""

ACCOUNTS = ("acme", "a|b=c", "ü☃")
PEOPLE = ("u-anna@x", "u-böb|y")
RESPONSES = ("r-1", "r-2", "r|3")
HOUR = 3_600_000
OPEN_NAMES = {state.value for state in OPEN}
LEADING = (topics.ACCOUNTS, topics.ERASURES)
ANSWERS = (topics.CASE_EVENTS, topics.CASES, topics.CASE_REJECTIONS, topics.DEAD_LETTERS)


@dataclass(frozen=True)
class Arriving:
    """A record; of a command the case is a number, among those that there are by then."""

    topic: str
    account: str
    body: dict[str, Any] | bytes | None
    after_ms: int = 1
    case: int | None = None


@dataclass(frozen=True)
class Passing:
    """Time passes, and ticks come."""

    ms: int


@dataclass(frozen=True)
class Crash:
    """Something is processed and lost, or nothing; then the task is opened again."""

    lost: int


@dataclass
class _Made:
    revisions: Counter[tuple[str, str]] = field(default_factory=Counter)
    commands: int = 0


@st.composite
def _detractor(draw: st.DrawFn, made: _Made, account: str) -> Arriving:
    response = draw(st.sampled_from(RESPONSES))
    who = draw(st.sampled_from((*PEOPLE, PEOPLE[0], PEOPLE[0], None)))
    revision = made.revisions[account, response]
    if draw(st.integers(0, 4)) == 0:
        revision = draw(st.integers(0, revision))  # told before
    else:
        made.revisions[account, response] += 1
    body = {
        "account_id": account,
        "response_id": response,
        "score": draw(st.integers(0, 6)),
        "severity": "high",
        "revision": revision,
        "consecutive": draw(st.integers(1, 3)),
        "days_ago": draw(st.sampled_from((0, 0, 0, 1, 20))),
    }
    body |= {} if who is None else {"respondent_id": who}
    if draw(st.integers(0, 3)) == 0:
        body["withdrawn"] = True
    if draw(st.booleans()):
        body["comment"] = f"says {who}"
    return Arriving(topics.DETRACTORS, account, body, draw(GAPS))


@st.composite
def _recovery(draw: st.DrawFn, account: str) -> Arriving:
    score = draw(st.sampled_from((7, 9)))
    body = {
        "account_id": account,
        "respondent_id": draw(st.sampled_from(PEOPLE)),
        "response_id": "r-up",
        "from": "detractor",
        "to": "promoter" if score == 9 else "passive",
        "score": score,
        "direction": "up",
        "cause": draw(st.sampled_from(("response", "response", "correction"))),
        "days_ago": draw(st.sampled_from((0, 0, 3))),
    }
    return Arriving(topics.CHANGES, account, body, draw(GAPS))


@st.composite
def _command(draw: st.DrawFn, made: _Made, account: str) -> Arriving:
    if draw(st.integers(0, 7)) == 0:
        return Arriving(topics.CASE_COMMANDS, account, draw(st.sampled_from((None, b"", b"{", b"[]", b"{}"))), draw(GAPS))
    if made.commands and draw(st.integers(0, 3)) == 0:
        return Arriving(topics.CASE_COMMANDS, account, {"again": draw(st.integers(0, 3))}, draw(GAPS))
    made.commands += 1
    body = {
        "command_id": f"k-{made.commands}",
        "account_id": account,
        "command": draw(st.sampled_from(COMMANDS)),
        "by": "csm",
    }
    for name, values in (
        ("owner", ("me", "you", None)),
        ("root_cause", ("pricing", "x", "y", None)),
        ("note", (None, "Called.")),
    ):
        value = draw(st.sampled_from(values))
        if value is not None:
            body[name] = value
    body["until_h"] = draw(st.sampled_from((1, 2, 5, 30, 100, 400, -1)))
    return Arriving(topics.CASE_COMMANDS, account, body, draw(GAPS), draw(st.integers(0, 5)))


MOSTLY = 4
"""Of six numbers by which a case is chosen, so many choose one that the command may fit."""
GAPS = st.sampled_from((1, 1, 1, 60_000, HOUR))
FACTS = st.fixed_dictionaries(
    {}, optional={"owner": st.sampled_from(("csm-1", "csm-2")), "tier": st.just("gold"), "time_zone": st.just("Europe/Berlin")}
)
COMMANDS = ("acknowledge", "assign", "contact", "contact", "resolve", "resolve", "reopen", "snooze")
Step = Arriving | Passing | Crash


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    made, found = _Made(), list[Step]()
    accounts = draw(st.sampled_from((ACCOUNTS[:1], ACCOUNTS[:1], ACCOUNTS[1:2], ACCOUNTS)))
    for _ in range(draw(st.integers(1, 40))):
        account, kind = draw(st.sampled_from(accounts)), draw(st.integers(0, 19))
        if kind <= 6:
            found.append(draw(_detractor(made, account)))
        elif kind <= 8:
            found.append(draw(_recovery(account)))
        elif kind <= 13:
            found.append(draw(_command(made, account)))
        elif kind == 14:
            found.append(Arriving(topics.ACCOUNTS, account, draw(st.none() | FACTS | st.just(b"{")), draw(GAPS)))
        elif kind == 15:
            body = {"account_id": account, "respondent_id": draw(st.sampled_from(PEOPLE))}
            found.append(Arriving(topics.ERASURES, account, body, draw(GAPS)))
        elif kind <= 18:
            hours = draw(st.sampled_from((0, 1, 1, 2, 5, 24, 50, 50, 130, 200)))
            found.append(Passing(hours * HOUR + draw(st.integers(0, 3))))
        else:
            found.append(Crash(draw(st.sampled_from((0, 1, 3)))))
    return found


@dataclass(frozen=True)
class Piped:
    """A record as it was piped, at a time in ms."""

    at: int
    topic: str
    key: bytes
    value: bytes | None


class Run:
    """Takes the steps one by one, looks at everything after each, and remembers what it did."""

    def __init__(self) -> None:
        self.driver = TestDriver([Cases(SETTINGS)], now=START)
        self.did: list[Piped | Passing | Crash] = []
        self.seen = 0
        self.last: dict[str, CaseEvent] = {}
        """The last event of each case that is kept."""
        self.rounds: Counter[str] = Counter()
        """How often each case has begun anew."""
        self.fired: set[tuple[Any, ...]] = set()
        self.commands = 0
        self.erased: dict[tuple[str, str], int] = {}
        """Until when, in ms, an erasure is remembered of whom."""

    def take(self, step: Step) -> None:
        if isinstance(step, Arriving):
            self._pipe(step)
        elif isinstance(step, Passing):
            self.did.append(step)
            self.driver.advance(step.ms)
        else:
            self.did.append(step)
            self.driver.restart()
        self._look(step)

    def _pipe(self, step: Arriving) -> None:
        self.driver.now += step.after_ms
        body = step.body
        if isinstance(body, dict):
            body = dict(body)
            if "days_ago" in body:
                said_at = format_time(self.driver.now - body.pop("days_ago") * DAY_MS)
                body["changed_at" if step.topic == topics.CHANGES else "responded_at"] = said_at
            if "until_h" in body:
                body["until"] = format_time(self.driver.now + body.pop("until_h") * HOUR)
            if step.case is not None:
                body["case_id"] = self._case(step.account, step.case, body["command"] == "reopen")
        value = dumps(body) if isinstance(body, dict) else body
        if isinstance(body, dict) and "again" in body:
            before = [one.value for one in self.did if isinstance(one, Piped) and one.topic == step.topic]
            value = before[-1 - body["again"] % len(before)] if before else b"{}"
        self.did.append(Piped(self.driver.now, step.topic, step.account.encode(), value))
        self.driver.pipe(step.topic, step.account.encode(), value)
        self.commands += step.topic == topics.CASE_COMMANDS
        if step.topic == topics.ERASURES:
            assert isinstance(step.body, dict)
            self.erased[step.account, step.body["respondent_id"]] = self.driver.now + MARKED_DAYS * DAY_MS
        self.driver.run(1)

    def _case(self, account: str, number: int, closed: bool) -> str:
        """One of the account's cases, more often an open one, or a closed one."""
        known = sorted(e.case_id for e in self.last.values() if e.account_id == account)
        fit = [one for one in known if (self.last[one].case.state in OPEN_NAMES) is not closed]
        if number < MOSTLY and fit:
            known = fit
        return known[number % len(known)] if known else "c-none"

    def _look(self, step: Step) -> None:
        events = [msgspec.json.decode(e.value or b"", type=CaseEvent) for e in self.driver.sent(topics.CASE_EVENTS)]
        for event in events[self.seen :]:
            self._happened(event)
        self.seen = len(events)
        table = {k: msgspec.json.decode(v, type=Case) for k, v in self.driver.table(topics.CASES).items()}
        self._forget(table, step)
        assert table == {f"{e.account_id}|{e.case_id}".encode(): e.case for e in self.last.values()}
        self._check_answers(events)
        self._check_gauges(list(table.values()))
        self._check_state(list(table.values()), step)

    def _happened(self, event: CaseEvent) -> None:
        case, before = event.case, self.last.get(event.case_id)
        note(f"{event.at} {event.account_id} {event.case_id} {event.event} {case.state}")
        assert (case.account_id, case.case_id, case.updated_at) == (event.account_id, event.case_id, event.at)
        assert self.driver.now >= self.erased.get((case.account_id, str(case.respondent_id)), 0), "erased, and told of again"
        if event.event == "opened":
            assert (before, case.revision, case.state) == (None, 0, "new")
        else:
            assert before is not None
            assert case.revision == before.case.revision + 1
            self._check_move(before.case, event)
        self.rounds[event.case_id] += event.event == "reopened"
        what = (event.case_id, case.opened_at, self.rounds[event.case_id])
        if event.command_id is not msgspec.UNSET:
            self._fire("carried out", event.case_id, case.opened_at, event.command_id)
        if event.event == "breached":
            self._fire("breached", *what, event.due)
            due = case.first_response_due if event.due == "first_response" else case.resolution_due
            assert str(due) <= event.at
        elif event.event == "escalated":
            self._fire("escalated", *what, case.escalated)
            assert case.owner == SETTINGS.escalation[case.escalated - 1]
        elif event.event == "recovered":
            self._fire("recovered", *what, json.dumps(msgspec.to_builtins(case.recovered)))
        self.last[event.case_id] = event
        whose = Counter((e.account_id, e.case.respondent_id) for e in self.last.values() if e.case.state in OPEN_NAMES)
        assert [who for who, number in whose.items() if number > 1 and who[1] is not msgspec.UNSET] == []

    def _fire(self, *what: Any) -> None:
        assert what not in self.fired, "once, and no more"
        self.fired.add(what)

    def _check_move(self, before: Case, event: CaseEvent) -> None:
        case, state = event.case, State(before.state)
        assert case.state == before.state or any(state.allows(m) and state.after(m).value == case.state for m in Move)
        if event.event == "joined":
            assert str(case.first_response_due) <= str(before.first_response_due)
            assert str(case.resolution_due) <= str(before.resolution_due)
            known = {r.response_id for r in before.responses}
            if {r.response_id for r in case.responses} > known:
                assert SEVERITIES.index(case.severity) <= SEVERITIES.index(before.severity)
        if case.state in OPEN_NAMES:
            assert case.closed_at is msgspec.UNSET
        elif before.state in OPEN_NAMES:
            assert case.closed_at == event.at

    def _forget(self, table: dict[bytes, Case], step: Step) -> None:
        """Cases leave the table when they are kept no longer, or when somebody is erased, and for no other reason."""
        for key in [f"{e.account_id}|{e.case_id}" for e in self.last.values()]:
            if key.encode() in table:
                continue
            gone = self.last.pop(key.rpartition("|")[2]).case
            if isinstance(step, Passing):
                assert gone.state not in OPEN_NAMES
                assert str(gone.closed_at) <= format_time(self.driver.now - SETTINGS.keep_days * DAY_MS)
            else:
                assert isinstance(step, Arriving)
                assert step.topic == topics.ERASURES
                assert isinstance(step.body, dict)
                assert (gone.account_id, gone.respondent_id) == (step.body["account_id"], step.body["respondent_id"])

    def _check_answers(self, events: Sequence[CaseEvent]) -> None:
        outcomes = Counter[str]()
        for name, amount in self.driver.facts.items():
            if name[0] == "case_commands":
                outcomes[name[2]] += amount
        assert sum(outcomes.values()) == self.commands
        assert outcomes["applied"] == sum(event.command_id is not msgspec.UNSET for event in events)
        answers = [msgspec.json.decode(e.value or b"", type=CaseRejection) for e in self.driver.sent(topics.CASE_REJECTIONS)]
        assert outcomes["rejected"] == len({answer.offset for answer in answers}) == len(answers)

    def _check_gauges(self, cases: Sequence[Case]) -> None:
        counted = Counter((case.severity, case.state) for case in cases if case.state in OPEN_NAMES)
        shown = {k[2:]: v for k, v in self.driver.gauges.items() if k[0] == "cases_open" and v}
        assert shown == counted
        oldest = self.driver.gauges.get(("cases_oldest_timestamp_seconds", "0"))
        opened = min((case.opened_at for case in cases if case.state in OPEN_NAMES), default=None)
        assert (None if oldest is None else format_time(round(oldest * 1000))) == opened

    def _check_state(self, cases: Sequence[Case], step: Step) -> None:
        state = self.driver.state("cases")
        kinds = Counter(key[:1] for key in state)
        is_open = [case for case in cases if case.state in OPEN_NAMES]
        due = len(cases) + kinds[b"U"] + kinds[b"X"]
        assert (kinds[b"C"], kinds[b"D"], kinds[b"O"]) == (len(cases), due, len(is_open))
        assert traces(state, [who for who, until in self.erased.items() if self.driver.now < until]) == []
        if isinstance(step, Passing):
            now = format_time(self.driver.now)
            assert kinds[b"S"] == 0
            for case in is_open:
                breached = case.breached or ()
                assert "resolution" in breached or str(case.resolution_due) > now
                assert "first_response" in breached or case.first_response_at or str(case.first_response_due) > now


def traces(state: dict[bytes, bytes], erased: Iterable[tuple[str, str]]) -> list[bytes]:
    """Keys that tell of the erased, by their account and name, or by the hash that cases have."""
    found = []
    for account, who in erased:
        hashed = bytes.fromhex(respondent_hash(account, who))
        for key, value in state.items():
            whole = key + value
            if (who.encode() in whole and account.encode() in whole) or hashed in whole or hashed.hex().encode() in whole:
                found.append(key)
    return found


def replayed(did: Sequence[Piped | Passing | Crash], batch: int, crashes: bool) -> TestDriver:
    """The same again, in batches. With crashes, what leads is taken in by itself: a task that opens reads it first."""
    driver, waits = TestDriver([Cases(SETTINGS)], now=START), False
    for one in did:
        if isinstance(one, Passing):
            driver.run(batch)
            driver.advance(one.ms)
        elif isinstance(one, Crash):
            if crashes and one.lost and waits:
                driver.abandon(one.lost)
            elif crashes:
                driver.restart()
            continue
        else:
            if crashes and one.topic in LEADING:
                driver.run(batch)
            driver.now = one.at
            driver.pipe(one.topic, one.key, one.value)
            if crashes and one.topic in LEADING:
                driver.run(batch)
        waits = isinstance(one, Piped) and one.topic not in LEADING
    driver.run(batch)
    return driver


def shown(driver: TestDriver) -> dict[str, Any]:
    sent = {topic: [replace(record, arrived=0) for record in driver.sent(topic)] for topic in ANSWERS}
    counted = {"facts": driver.facts, "gauges": driver.gauges, "observed": driver.observations}
    return sent | counted | {"state": driver.state("cases")}


@given(steps())
def test_what_holds_after_each_step(taken: list[Step]) -> None:
    run = Run()
    for step in taken:
        note(str(step))
        run.take(step)


@given(steps(), batches)
def test_batches_and_crashes_make_no_difference(taken: list[Step], batch: int) -> None:
    run = Run()
    for step in taken:
        run.take(step)
    expected = shown(run.driver)
    for crashes in (False, True):
        again = shown(replayed(run.did, batch, crashes))
        assert [name for name in expected if again[name] != expected[name]] == []


@given(steps())
def test_a_state_that_is_made_anew_does_not_bring_the_erased_back(taken: list[Step]) -> None:
    """It reads erasures first, and then all that was said before them."""
    run = Run()
    for step in taken:
        run.take(step)
    driver, told = run.driver, len(run.driver.sent(topics.CASE_EVENTS))
    driver.start_anew()
    driver.run()
    events = [msgspec.json.decode(e.value or b"", type=CaseEvent) for e in driver.sent(topics.CASE_EVENTS)[told:]]
    assert [e for e in events if (e.account_id, e.case.respondent_id) in run.erased] == []
    assert traces(driver.state("cases"), run.erased) == []


@given(st.lists(st.sampled_from((2, 5, 8, 10)), min_size=1, max_size=8), st.data())
def test_in_which_order_two_topics_are_read_does_not_decide_how_it_ends(scores: list[int], data: st.DataObject) -> None:
    """One respondent answers again and again, an hour apart; it is read as it was said, or one topic before the other."""
    told: list[tuple[str, bytes]] = []
    for number, score in enumerate(scores):
        body: dict[str, Any] = {"account_id": "acme", "respondent_id": "u-1", "response_id": f"r-{number}", "score": score}
        at = format_time(START + number * HOUR)
        if number and scores[number - 1] <= 6 < score:
            change = {"from": "detractor", "to": "passive" if score == 8 else "promoter", "cause": "response", "changed_at": at}
            told.append((topics.CHANGES, dumps(body | change)))
        if score <= 6:
            detractor = {"severity": "high", "revision": 0, "consecutive": 1, "responded_at": at}
            told.append((topics.DETRACTORS, dumps(body | detractor)))
    picks = data.draw(st.lists(st.booleans(), min_size=len(told), max_size=len(told)))
    ends = []
    for mixed in (False, True):
        driver = TestDriver([Cases(SETTINGS)], now=START + len(scores) * HOUR)
        for topic, value in _mixed(told, picks) if mixed else told:
            driver.pipe(topic, b"acme", value)
        driver.run(1)
        cases = [msgspec.json.decode(value, type=Case) for value in driver.table(topics.CASES).values()]
        ends.append([(case.state in OPEN_NAMES, case.recovered) for case in cases])
    assert ends[0] == ends[1]


def _mixed(told: Sequence[tuple[str, bytes]], picks: Sequence[bool]) -> list[tuple[str, bytes]]:
    """In the same order within each topic, but in any between them."""
    first = [one for one in told if one[0] == topics.CHANGES]
    second = [one for one in told if one[0] == topics.DETRACTORS]
    found = []
    for pick in picks:
        found.append((first if (pick and first) or not second else second).pop(0))
    return found


@given(st.lists(st.tuples(st.sampled_from(PEOPLE), st.integers(0, 6)), min_size=1, max_size=8), st.integers(0, 200))
def test_when_ticks_come_does_not_decide_what_is_told(said: list[tuple[str, int]], hours: int) -> None:
    """All that is due by a time is told by then, in the same order for each case, if ticks come hourly or once."""
    settings = replace(SETTINGS, escalation=())
    stories: list[dict[str, list[str]]] = []
    for often in (True, False):
        driver, story = TestDriver([Cases(settings)], now=START), defaultdict(list)
        for number, (who, score) in enumerate(said):
            body = {"account_id": "acme", "respondent_id": who, "response_id": f"r-{number}", "score": score, "revision": 0}
            body |= {"severity": "high", "consecutive": 1, "responded_at": format_time(driver.now)}
            driver.pipe(topics.DETRACTORS, b"acme", dumps(body))
        driver.run()
        for _ in range(hours if often else 1):
            driver.advance(HOUR if often else hours * HOUR)
        for record in driver.sent(topics.CASE_EVENTS):
            event = msgspec.json.decode(record.value or b"", type=CaseEvent)
            story[event.case_id].append(f"{event.event} {event.due}")
        stories.append(dict(story))
    assert stories[0] == stories[1]
