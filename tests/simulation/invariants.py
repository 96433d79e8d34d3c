"""What must hold: at every commit, and in the end.

At every commit, as soon as the coordinator has decided it:
1. It is by the writer that opened the task last: no zombie writes.
2. No position goes back, and none goes past what is stable in its source.
3. The outputs in it are those of the records between the old position and the new one, each once, in order: at any moment,
   visible outputs are exactly those of the records below the visible positions.
4. The changed state is that of counting those records.
5. A tick reports what no tick has reported before, and remembers that.
In the end, when all is quiet: outputs, changelog and memory of the owners are those of a recount (`differences`).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from streams.changelog import META_KEY, POSITION, SEPARATOR, Meta, Position, state_prefix
from streams.execution import Execution
from streams.processor import FIRST_VERSION
from streams.state import Identity
from tests.model.bench import contents
from tests.model.cluster import Cluster
from tests.model.log import Stored
from tests.simulation.process import task_name
from tests.simulation.tallying import NAME, OUT, REPORTED, SHARE, SINKS, Tally, Work, recount, report_key, reports

_STATE: Final = state_prefix(NAME)
_MARK: Final = bytes((FIRST_VERSION,))
"""What precedes each state value in a changelog."""


class Violation(AssertionError):
    """Something does not hold that must; the message says what and where."""


class _Task:
    """What one partition's task has committed so far."""

    def __init__(self) -> None:
        self.work = Work()
        self.reported = 0
        self.reached: dict[str, int] = {}
        """Positions by topic: behind markers and aborted records as well."""


class Auditor:
    """Looks at every commit. What it finds is kept in `found`: a worker that commits knows nothing of it."""

    def __init__(self, cluster: Cluster, sources: Sequence[str]) -> None:
        self.found: list[str] = []
        self.commits = 0
        self._cluster = cluster
        self._sources = sources
        self._tasks: dict[int, _Task] = defaultdict(_Task)
        self._holders: dict[str, object] = {}

    def opened(self, transactional_id: str, writer: object) -> None:
        """Somebody has taken over a transactional id, or believes so."""
        self._holders[transactional_id] = writer

    def committed(self, transactional_id: str, writer: object, records: Sequence[Stored]) -> None:
        """A transaction was committed."""
        self.commits += 1
        # 1.
        if self._holders.get(transactional_id) is not writer:
            self.found.append(f"a zombie's write is visible: {transactional_id} was opened by another writer since")
        changelog = task_name(0).changelog
        partition = int(transactional_id.rpartition("-")[2])
        changes = {record.key or b"": record.value for record in records if record.topic == changelog}
        sent: dict[bytes, list[bytes]] = defaultdict(list)
        for record in records:
            if record.topic != changelog:
                sent[record.key or b""].append(record.value or b"")
        self._tick(partition, changes, sent)
        self._batch(partition, changes, sent)

    def _tick(self, partition: int, changes: dict[bytes, bytes | None], sent: dict[bytes, list[bytes]]) -> None:
        # 5.
        task = self._tasks[partition]
        values = [int(value) for value in sent.pop(report_key(partition), [])]
        kept = changes.pop(_STATE + REPORTED, None)
        if values != ([] if kept is None else [int(kept.removeprefix(_MARK))]):
            self.found.append(f"partition {partition}: ticks sent {values} and kept {kept!r}")
        for value in values:
            if not task.reported < value <= min(task.reported + SHARE, task.work.total):
                self.found.append(f"partition {partition}: {value} reported after {task.reported} of {task.work.total}")
            task.reported = value

    def _batch(self, partition: int, changes: dict[bytes, bytes | None], sent: dict[bytes, list[bytes]]) -> None:
        task = self._tasks[partition]
        before = {key: len(values) for key, values in task.work.sent.items()}
        for topic in self._sources:
            value = changes.get(POSITION + NAME.encode() + SEPARATOR + topic.encode())
            if value is None:
                continue
            # 2.
            old, new = task.reached.get(topic, 0), Position.decode(value).next
            task.reached[topic] = new
            log = self._cluster.log(topic, partition)
            if new < old or new > log.ends.stable:
                self.found.append(f"{topic}-{partition}: the position goes from {old} to {new} of {log.ends.stable}")
            task.work.add(log.committed(old, new))
        # 3.
        wanted = {key: new for key, values in task.work.sent.items() if (new := values[before.get(key, 0) :])}
        if wanted != sent:
            self.found.append(
                f"partition {partition}: outputs are visible that do not go with the position, or the other way round: "
                f"{dict(sent)}, recounted {wanted}"
            )
        # 4.
        for key, value in changes.items():
            if key.startswith(_STATE) and value != _MARK + task.work.state.get(key.removeprefix(_STATE), b""):
                self.found.append(f"partition {partition}: the state {key!r} is {value!r}, recounted {task.work.state}")


def differences(cluster: Cluster, tally: Tally, partition: int, memory: Execution | None) -> Iterator[str]:
    """Where outputs, changelog and memory of one partition are not those of counting each committed record once. Takes
    nothing from the auditor: reads the logs from their beginning."""
    sources = {topic: cluster.log(topic, partition).committed(0, 1 << 60) for topic in tally.sources}
    wanted, prefix = recount(sources), b"%d/" % partition
    sent: dict[bytes, list[bytes]] = defaultdict(list)
    for topic in SINKS:
        for record in cluster.read(topic):
            if (record.key or b"").startswith(prefix):
                sent[record.key or b""].append(record.value or b"")
    ticked = sent.pop(report_key(partition), [])
    if not reports(wanted.total, ticked):
        yield f"ticks of partition {partition} have sent {ticked} to {OUT}, for {wanted.total} records"
    if sent != wanted.sent:
        yield f"partition {partition} has sent {dict(sent)}, recounted {dict(wanted.sent)}"
    kept = [("changelog", _restored(cluster, tally, partition))] + ([] if memory is None else [("memory", memory)])
    for where, execution in kept:
        state = contents(execution.stores[NAME])
        if int(state.pop(REPORTED, b"0")) != wanted.total or state != wanted.state:
            yield f"the {where} of partition {partition} holds {contents(execution.stores[NAME])}, recounted {wanted.state}"
        positions = {key: position.last + 1 for key, position in execution.positions.items()}
        for (_, topic), position in execution.positions.items():
            if skipped := cluster.log(topic, partition).committed(position.last + 1, position.next):
                yield f"the position of {topic}-{partition} in the {where} is behind {skipped}, which nobody has counted"
        if positions != wanted.positions:
            yield f"the positions in the {where} of partition {partition} are {positions}, recounted {wanted.positions}"


def _restored(cluster: Cluster, tally: Tally, partition: int) -> Execution:
    records = cluster.log(task_name(partition).changelog, partition).committed(0, 1 << 60)
    entries = {key: value for key, value in {r.key or b"": r.value for r in records}.items() if value is not None}
    meta = Meta.decode(entries[META_KEY])
    return Execution.restored([tally], Identity(partition, meta.partitions, meta.incarnation), entries)
