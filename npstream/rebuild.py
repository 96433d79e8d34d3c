"""Start an agent anew: take its state away, so that it counts again from what its source still holds.

The steps, and what a crash right after each of them means:

1. Look: is the source there, and nobody in the agent's group?   After: nothing has changed.
2. Delete the changelog.                                          After: a worker says at its start that it is missing.
3. Void the cells of a lost state of scoring or care: a source partition that holds nothing any more would never say so itself,
   and its old cells would count for ever.                        After: as after 2.
4. Create the changelog anew.
   After: tasks refuse, since the group has offsets and the changelog is empty; the same command, run again, ends it.
5. Forget the group's offsets.                                    After: done.
"""

import time
from dataclasses import dataclass, replace

from aiokafka import AIOKafkaProducer

from agents.cells import Respondents, write_key, write_respondents
from agents.windows import Spans
from npstream.access import ACCESS
from npstream.admin import Admin, Code, said
from npstream.failures import CheckFailed
from npstream.settings import Settings
from npstream.topic_plan import PlannedTopic, changelog_topics
from schemas import topics
from schemas.codec import dumps
from schemas.times import day_of
from streams.changelog import new_incarnation
from streams.task_name import TaskName

VOID_SEGMENT = "npstream=rebuilt"
"""What the cells are of that only say that there is a later state: nobody answered there, so it has no table."""
CELLS = frozenset({topics.CELLS, topics.THEMES_CELLS})
COMES_AGAIN = {
    "intake": f"{topics.RESPONSES} gets every response again, which scoring knows, and {topics.DEAD_LETTERS} every dead letter",
    "scoring": f"events and dead letters, each event with the ce_id that it had; all rows of {topics.ACCOUNT_ROLLUPS}",
    "rollups": f"all rows of {topics.SEGMENT_ROLLUPS} and {topics.SEGMENT_THEMES}",
    "care": f"cases of the detractors that {topics.DETRACTORS} still holds, new ones in place of those that there were",
}
"""What consumers see of it."""


@dataclass(frozen=True, slots=True)
class Rebuild:
    """What is to be done for one agent."""

    agent: str
    group: str
    changelog: PlannedTopic
    there: bool
    """Whether there is a changelog to be deleted."""

    def lines(self) -> list[str]:
        """What happens, a line each."""
        sources = ", ".join(sorted(ACCESS[self.agent].reads))
        return [
            *([f"delete topic {self.changelog.name}, the state of {self.agent}"] if self.there else []),
            f"create topic {self.changelog.name} with {self.changelog.partitions} partitions",
            f"delete group {self.group} with its offsets",
            f"the next worker then counts again all that {sources} still holds; what comes again: {COMES_AGAIN[self.agent]}",
        ]


async def plan(admin: Admin, settings: Settings, agent: str) -> Rebuild:
    """Step 1. Raises CheckFailed if it cannot be done now, and says what to do first."""
    (changelog,) = changelog_topics(replace(settings, agents=(agent,)))
    group = TaskName(settings.app_id, agent, 0).group
    sources = sorted(ACCESS[agent].reads)
    found = await admin.topics([*sources, changelog.name])
    for source in sources:
        if not found[source].exists:
            raise CheckFailed(f"{source} is missing: run npstream topics create first; nothing was changed")
        if found[source].partitions != changelog.partitions:
            raise CheckFailed(
                f"{source} has {found[source].partitions} partitions, the setting partitions says {changelog.partitions}: "
                "correct the setting; nothing was changed"
            )
    hosts = await admin.group_hosts(group)
    if hosts:
        raise _in_use(group, hosts)
    return Rebuild(agent, group, changelog, found[changelog.name].code != Code.UNKNOWN_TOPIC)


async def carry_out(admin: Admin, settings: Settings, rebuild: Rebuild) -> None:
    """Steps 2 to 5. Raises CheckFailed with what the cluster refused."""
    # 2. Delete.
    if rebuild.there:
        await admin.delete_topic(rebuild.changelog.name)
    # 3. Void.
    for topic in CELLS & ACCESS[rebuild.agent].writes:
        await _void_cells(settings, topic)
    # 4. Create.
    await admin.create([rebuild.changelog])
    # 5. Forget.
    code = await admin.delete_group(rebuild.group)
    if code == Code.NON_EMPTY_GROUP:
        raise CheckFailed(f"somebody has joined group {rebuild.group} meanwhile: end its workers, and do it again")
    if code not in (Code.NONE, Code.GROUP_ID_NOT_FOUND):
        raise CheckFailed(f"cannot delete group {rebuild.group}: {said(code)}; delete it, or do it again as who may")


async def _void_cells(settings: Settings, topic: str) -> None:
    """Every partition of who adds them up hears of each source partition that its cells so far are of an older state."""
    now_ms = int(time.time() * 1000)
    day, value = _void(settings, topic, now_ms)
    incarnation = new_incarnation(now_ms)
    async with AIOKafkaProducer(**settings.connection().aiokafka, acks="all") as producer:
        for partition in range(settings.partitions):
            for source in range(settings.partitions):
                key = write_key(source, incarnation, VOID_SEGMENT, day)
                await producer.send(topic, value, key, partition, timestamp_ms=now_ms)
        await producer.flush()


def _void(settings: Settings, topic: str, now_ms: int) -> tuple[int | None, bytes]:
    """The day and the value of a cell of nobody."""
    if topic == topics.THEMES_CELLS:
        return day_of(now_ms), dumps({"themes": {}})
    spans = Spans(settings.windows_days, settings.grace_days)
    nobody = [0] * spans.kind
    return None, write_respondents(spans, Respondents(day_of(now_ms), nobody, nobody))


def _in_use(group: str, hosts: list[str]) -> CheckFailed:
    places = sorted({host for host in hosts if host})  # the embedded broker does not tell
    members = f"{len(hosts)} member{'s' * (len(hosts) != 1)}" + (f" on {', '.join(places)}" if places else "")
    return CheckFailed(f"group {group} has {members}: end its workers first; nothing was changed")
