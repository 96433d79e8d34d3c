"""Hostile records through the agents of care and themes, and the books that must balance afterwards."""

from collections.abc import Sequence

from schemas import topics
from streams.processor import DAY_MS
from streams.test_driver import TestDriver
from tests.care_life import CARE
from tests.hostile.flow import BATCH, PARTITIONS, Broken, Outcome, dead_letters, fitting
from tests.hostile.records import NOW, Hostile

AGENTS = tuple(make() for make in CARE.agents.values())


def care_flow(records: Sequence[Hostile], *, batch: int = BATCH, days: int = 0) -> Outcome:
    """Take records of any of their sources through the agents, let some minutes and days pass, and check what can be counted.

    Raises Broken, or whatever an agent raises."""
    driver = TestDriver(AGENTS, now=NOW, partitions=PARTITIONS)
    for record in records:
        driver.pipe(record.topic, record.key, record.value, record.timestamp, record.headers, record.partition)
    driver.run(batch)
    for ms in (60_000, 600_000, days * DAY_MS):
        driver.advance(ms)
    sources = sorted({topic for agent in AGENTS for topic in agent.sources})
    came = {(one.topic, one.partition, one.offset): one for topic in sources for one in driver.sent(topic)}
    reasons = dead_letters(driver.sent(topics.DEAD_LETTERS), came)
    _answered(driver)
    fitting(driver, [record.topic for record in records])
    return Outcome(len(records), len(records) - reasons.total(), reasons)


def _answered(driver: TestDriver) -> None:
    """Each command is carried out, a repeat, refused with an answer, or sent home."""
    came, refused = len(driver.sent(topics.CASE_COMMANDS)), len(driver.sent(topics.CASE_REJECTIONS))
    outcomes = dict.fromkeys(("applied", "repeated", "rejected"), 0)
    for fact, number in driver.facts.items():
        if fact[0] == "case_commands":
            outcomes[fact[2]] += number
    strays = sum(any(name == "nps-stray" for name, _ in one.headers) for one in driver.sent(topics.CASE_COMMANDS))
    if not sum(outcomes.values()) <= came <= sum(outcomes.values()) + strays:
        raise Broken(f"{came} commands, {strays} of them sent home, became {outcomes}")
    if refused != outcomes["rejected"]:
        raise Broken(f"{outcomes['rejected']} commands were refused, and {refused} answered")
