"""Lives of agents whose changelogs are kept as golden files: what they are fed before theirs are written down, and what comes
after."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from schemas import topics
from streams.changelog import POSITION, SEPARATOR, Position
from streams.processor import Processor
from streams.test_driver import TestDriver

START = 1_772_357_400_000
"""2026-03-01T09:30:00.000Z."""
PARTITIONS = 2


@dataclass(frozen=True)
class Life:
    """Some agents on one driver."""

    agents: dict[str, Callable[[], Processor]]
    kinds: dict[str, set[bytes]]
    """What each agent keeps, by the first byte of its keys."""
    begin: Callable[[TestDriver, bool], None]
    """Until the changelogs are written down; with the facts that agents of today know, or without them."""
    go_on: Callable[[TestDriver], None]
    """What comes then."""
    sends: tuple[str, ...]
    """Topics in which something must be by the end."""

    def driver(self) -> TestDriver:
        """All agents, none of which has seen anything."""
        return TestDriver([make() for make in self.agents.values()], now=START, partitions=PARTITIONS)

    def before(self, facts: bool = True) -> TestDriver:
        """All agents, when they have just written down what the golden files hold."""
        driver = self.driver()
        self.begin(driver, facts)
        return driver

    def reopened(self, agent: str, golden: list[dict[str, str]], facts: bool) -> TestDriver:
        """All agents, none of which has seen anything: one has the golden changelogs, the others what they would have
        written."""
        original, driver = self.before(facts), self.driver()
        driver.now = original.now
        for name in self.agents:
            for partition in range(PARTITIONS):
                changelog = original.changelog(name, partition)
                if name == agent:
                    changelog = {key.encode("latin-1"): bytes.fromhex(value) for key, value in golden[partition].items()}
                for key, value in changelog.items():
                    if key.startswith(POSITION):
                        _fill(driver, key.partition(SEPARATOR)[2].decode(), partition, Position.decode(value).next)
                driver.restore(name, changelog, partition)
        return driver

    def comparable(self, driver: TestDriver, since: dict[str, list[int]]) -> dict[str, Any]:
        """What was sent since the lengths given, by topic; and the state of all agents at the end."""
        found: dict[str, Any] = {}
        for topic in topics.BY_NAME:
            records = driver.sent(topic)
            found[topic] = [
                (r.partition, r.timestamp, r.key, r.value, r.headers) for r in records if r.offset >= since[topic][r.partition]
            ]
        for name in self.agents:
            found[f"state of {name}"] = [driver.state(name, partition) for partition in range(PARTITIONS)]
            found[f"changelog of {name}"] = shown(driver, name)
        return found


def shown(driver: TestDriver, agent: str) -> list[dict[str, str]]:
    """An agent's changelogs as JSON, by partition: keys as text, values in hexadecimal digits."""
    changelogs = (driver.changelog(agent, partition) for partition in range(PARTITIONS))
    return [{key.decode("latin-1"): log[key].hex() for key in sorted(log)} for log in changelogs]


def lengths(driver: TestDriver) -> dict[str, list[int]]:
    """Records in each topic, by partition."""
    return {
        topic: [sum(record.partition == partition for record in driver.sent(topic)) for partition in range(PARTITIONS)]
        for topic in topics.BY_NAME
    }


def _fill(driver: TestDriver, topic: str, partition: int, length: int) -> None:
    """Whatever stood in a topic up to a position: it is not read again."""
    for _ in range(length - lengths(driver)[topic][partition]):
        driver.pipe(topic, None, None, partition=partition)
