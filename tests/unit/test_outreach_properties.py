"""First touch, whatever comes in whatever order: how often anybody is written to, and what is on record of it."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from agents.outreach import FirstTouch
from agents.outreach_hours import MessageHours
from agents.outreach_rules import is_address
from schemas import topics
from schemas.cases import Case, CaseEvent
from schemas.erasures import entry_key, respondent_hash
from schemas.examples import EXAMPLES
from schemas.outreach import Outreach
from schemas.times import format_time, parse_time
from streams.partitioner import partition_of
from streams.processor import DAY_MS
from streams.test_driver import TestDriver
from tests.unit.test_outreach import HOUR, MINUTE, START, settings

PARTITIONS = 2
COOLDOWN_DAYS, ACCOUNT_CAP, DAILY_CAP = 2, 2, 6
"""So small that they are met."""
OPENS, CLOSES = 8, 20
PEOPLE = [
    (account, respondent)
    for account in ("acme", "a|b")
    for respondent in ("u-1@acme.example", "u-2@acme.example", "c|u@acme.example", "u-17")
]
assert len({partition_of(account.encode(), PARTITIONS) for account, _ in PEOPLE}) == 1, "they share a cap"
WAITS = (MINUTE, MINUTE, 3 * MINUTE, 5 * MINUTE, 6 * MINUTE, HOUR, 13 * HOUR, 30 * HOUR)


class Step(NamedTuple):
    """What happens next: to whom, or for how long."""

    what: str
    person: int = 0
    ms: int = 0


HAPPENS = st.builds(
    Step,
    st.sampled_from(["opened", "opened", "joined", "contacted", "resolved", "withdrawn", "reopened", "opt out", "opt in"]),
    st.integers(0, len(PEOPLE) - 1),
)
OPENS_ONE = st.builds(Step, st.just("opened"), st.integers(0, len(PEOPLE) - 1))
PASSES = st.builds(Step, st.just("wait"), st.just(0), st.sampled_from(WAITS))
ERASES = st.builds(Step, st.just("erase"), st.integers(0, len(PEOPLE) - 1))


def stories(*also: st.SearchStrategy[Step]) -> st.SearchStrategy[list[Step]]:
    """Rounds of several things that happen, and then time that passes: so that much happens within minutes."""
    happens = st.lists(st.one_of(OPENS_ONE, HAPPENS, *also), min_size=1, max_size=6)
    rounds = st.lists(st.tuples(happens, PASSES), min_size=1, max_size=10)
    return rounds.map(lambda rounds: [step for happened, passed in rounds for step in (*happened, passed)])


class Play:
    """Plays steps, and keeps what the agent was told and what came of it."""

    def __init__(self, steps: list[Step], *, batch: int = 500, crashes: bool = False) -> None:
        hours = MessageHours(OPENS * 60, CLOSES * 60)
        agent = FirstTouch(
            settings(cooldown_days=COOLDOWN_DAYS, account_cap=ACCOUNT_CAP, daily_cap=DAILY_CAP, hours=hours, latest_h=48)
        )
        self.driver = TestDriver([agent], now=START, partitions=PARTITIONS)
        self.batch, self.crashes = batch, crashes
        self.cases: dict[int, Case] = {}
        """The case of each person that was opened last."""
        self.out: set[int] = set()
        self.erased: set[int] = set()
        self.plans: Counter[str] = Counter()
        self.pending: dict[int, str] = {}
        self.wrong: list[str] = []
        """Messages that were sent against what the agent knew."""
        self.left: list[str] = []
        """What was found of the erased."""
        for step in steps:
            self._play(step)
        for _ in range(8):
            self._wait(13 * HOUR)
            self._wait(3 * MINUTE)

    @property
    def told(self) -> list[tuple[int, Outreach]]:
        return [
            (record.partition, msgspec.json.decode(record.value or b"", type=Outreach))
            for record in self.driver.sent(topics.OUTREACH)
        ]

    def _play(self, step: Step) -> None:
        match step.what:
            case "wait":
                self._wait(step.ms)
            case "opt out" | "opt in":
                self._prefer(step.person, step.what == "opt in")
            case "erase":
                self._erase(step.person)
            case _:
                self._event(step.what, step.person)

    def _event(self, what: str, person: int) -> None:
        account, respondent = PEOPLE[person]
        at = format_time(self.driver.now)
        if what == "opened":
            number = sum(self.plans.values())
            example = EXAMPLES["Case"] | {
                "account_id": account, "case_id": f"c-{person}-{number}", "respondent_id": respondent, "opened_at": at,
            }  # fmt: skip
            case = msgspec.convert(example, Case)
        elif person not in self.cases:
            return
        else:
            case = self.cases[person]
        changes: dict[str, Any] = {"revision": case.revision + 1}
        if what in ("contacted", "resolved", "withdrawn", "reopened"):
            changes["state"] = what
        if what == "contacted":
            changes["first_response_at"] = at
        if what == "reopened":
            changes["first_response_at"] = msgspec.UNSET
        self.cases[person] = case = msgspec.structs.replace(case, **changes)
        if what == "opened" or (what == "reopened" and self.pending.get(person) != case.case_id):
            self.plans[case.case_id] += 1
            self.pending[person] = case.case_id
        event = CaseEvent(account_id=account, case_id=case.case_id, event=what, at=at, case=case)  # type: ignore[arg-type]
        self.driver.pipe(topics.CASE_EVENTS, account.encode(), msgspec.json.encode(event))

    def _prefer(self, person: int, outreach: bool) -> None:
        account, respondent = PEOPLE[person]
        (self.out.discard if outreach else self.out.add)(person)
        value = json.dumps({"account_id": account, "respondent_id": respondent, "outreach": outreach}).encode()
        key, home = f"{account}|{respondent}".encode(), partition_of(account.encode(), PARTITIONS)
        self.driver.pipe(topics.PREFERENCES, key, value, partition=home)

    def _erase(self, person: int) -> None:
        account, respondent = PEOPLE[person]
        self.erased.add(person)
        value = json.dumps({"account_id": account, "respondent_id": respondent}).encode()
        key = entry_key(account, respondent_hash(account, respondent))
        self.driver.pipe(topics.ERASURES, key, value, partition=partition_of(account.encode(), PARTITIONS))

    def _wait(self, ms: int) -> None:
        known = len(self.told)
        if self.crashes:
            self.driver.abandon(self.batch)
        self.driver.run(self.batch)
        self._look_for_erased()
        decided = len(self.told)
        self.driver.advance(ms)
        self.left += [told.case_id for told in self._new(decided) if self._person(told) in self.erased]
        for told in self._new(known):
            person = self._person(told)
            if self.pending.get(person) == told.case_id:
                del self.pending[person]
            case = self.cases[person]
            if told.status == "send" and (
                person in self.out or case.case_id != told.case_id or case.state in ("contacted", "resolved", "withdrawn")
            ):
                self.wrong.append(f"{told.case_id} {case.state} {person in self.out}")
            if told.status == "send" and not OPENS <= int(told.created_at[11:13]) < CLOSES:
                self.wrong.append(f"at {told.created_at}")
        if self.crashes:
            self.driver.restart()

    def _look_for_erased(self) -> None:
        for person in self.erased:
            account, respondent = PEOPLE[person]
            whose = bytes.fromhex(respondent_hash(account, respondent))
            state = self.driver.state("outreach", partition_of(account.encode(), PARTITIONS))
            self.left += [f"{key!r}" for key in (b"P" + whose, b"R" + whose, b"O" + whose) if key in state]

    def _person(self, told: Outreach) -> int:
        return PEOPLE.index((told.account_id, told.respondent_id))

    def _new(self, known: int) -> Iterator[Outreach]:
        newest = sorted(self.driver.sent(topics.OUTREACH), key=lambda record: record.arrived)[known:]
        return (msgspec.json.decode(record.value or b"", type=Outreach) for record in newest)


@given(stories())
def test_nobody_is_written_to_more_often_than_the_rules_say(steps: list[Step]) -> None:
    play = Play(steps)
    sent = [(partition, told, parse_time(told.created_at)) for partition, told in play.told if told.status == "send"]
    last: dict[tuple[str, str], int] = {}
    for _, told, at in sorted(sent, key=lambda one: one[2]):
        whom = told.account_id, told.respondent_id
        assert at - last.get(whom, -(10**15)) >= COOLDOWN_DAYS * DAY_MS
        last[whom] = at
        assert is_address(told.to)
    assert all(n <= ACCOUNT_CAP for n in Counter((told.account_id, at // DAY_MS) for _, told, at in sent).values())
    assert all(n <= DAILY_CAP // PARTITIONS for n in Counter((p, at // DAY_MS) for p, _, at in sent).values())
    assert play.wrong == []


@given(stories())
def test_each_plan_ends_in_one_record(steps: list[Step]) -> None:
    play = Play(steps)
    told = [told for _, told in play.told]
    assert len({one.outreach_id for one in told}) == len(told)
    assert Counter(one.case_id for one in told) == play.plans
    assert play.driver.sent(topics.DEAD_LETTERS) == []


@given(stories(), st.sampled_from([1, 7]), st.booleans())
def test_batches_crashes_and_restarts_change_nothing(steps: list[Step], batch: int, crashes: bool) -> None:
    assert Play(steps).told == Play(steps, batch=batch, crashes=crashes).told


@given(stories(ERASES))
def test_of_the_erased_nothing_is_left_and_nothing_is_sent_later(steps: list[Step]) -> None:
    play = Play(steps)
    assert play.left == []
    kept = [json.loads(value) for value in play.driver.table(topics.PREFERENCES).values()]
    erased = {PEOPLE[person] for person in play.erased}
    assert not {(one["account_id"], one["respondent_id"]) for one in kept} & erased
