"""What the engine tells Prometheus, and the registry in which the facts that processors count are declared as well."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from streams.execution import Batch
from streams.phase import Phase
from streams.shown_gauges import ShownGauges, UnknownFact
from streams.task_name import TaskName

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Buckets for one batch: a transaction takes some 5 to 50 ms, its time-out is 15 s."""

RECORDS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000)
"""Buckets for batch sizes: from one record at rest to what a full batch of small records holds."""

DELAY_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0, 3600.0, 86_400.0)
"""Buckets for end-to-end delay: milliseconds when all is well, up to a day after an outage."""


class Kind(Enum):
    """What a fact is to Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Fact:
    """A metric that processors count by name: its kind, help text and label names."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    """Upper ends, of a histogram."""


class EngineMetrics:
    """Implements `streams.task.Probe`, and adds up what processors count once it is committed."""

    def __init__(self, registry: CollectorRegistry, prefix: str, facts: Iterable[Fact]) -> None:
        self.registry = registry
        self._counters: dict[str, Counter] = {}
        gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for fact in facts:
            if fact.kind is Kind.COUNTER:
                self._counters[fact.name] = Counter(prefix + fact.name, fact.help, fact.labels, registry=registry)
            elif fact.kind is Kind.GAUGE:
                gauges[fact.name] = Gauge(prefix + fact.name, fact.help, fact.labels, registry=registry)
            else:
                self._histograms[fact.name] = Histogram(
                    prefix + fact.name, fact.help, fact.labels, buckets=fact.buckets, registry=registry
                )

        self._shown = ShownGauges(gauges)

        def histogram(name: str, text: str, labels: Sequence[str], buckets: Sequence[float]) -> Histogram:
            return Histogram(prefix + name, text, labels, buckets=buckets, registry=registry)

        self._batch_records = histogram("batch_records", "Source records in one transaction", ["unit"], RECORDS)
        self._stages = histogram(
            "batch_stage_seconds",
            "Seconds that a batch spends waiting to be taken, being processed, being written",
            ["unit", "stage"],
            SECONDS,
        )
        self._delay = histogram(
            "end_to_end_seconds", "From the timestamp of a batch's oldest record to its commit", ["unit"], DELAY_S
        )
        self._transactions = Counter(
            prefix + "transactions", "Batches by outcome: committed, aborted, fenced", ["unit", "outcome"], registry=registry
        )
        self._restore_seconds = histogram("restore_seconds", "From assignment to a running task", ["unit"], DELAY_S)
        self._restored = Counter(prefix + "restored_records", "Changelog records read by restores", ["unit"], registry=registry)
        self._gaps = Counter(
            prefix + "gap_records", "Records that retention deleted before they were consumed", ["unit"], registry=registry
        )

    def declare_unit(self, unit: str) -> None:
        """Make the unit's series exist from the start, at zero."""
        for outcome in ("committed", "aborted", "fenced"):
            self._transactions.labels(unit, outcome)
        self._restored.labels(unit)
        self._gaps.labels(unit)

    def phase(self, task: TaskName, phase: Phase) -> None:
        """Phases are read from the tasks when they are asked for; but what a task shows goes and comes with it."""
        self._shown.phase(task, phase)

    def opened(self, task: TaskName, seconds: float, restored: int, gap: int) -> None:
        """See `streams.task.Probe`."""
        if restored:
            self._shown.forget(task)
        self._restore_seconds.labels(task.unit).observe(seconds)
        self._restored.labels(task.unit).inc(restored)
        self._gaps.labels(task.unit).inc(gap)

    def failed(self, task: TaskName, fenced: bool) -> None:
        """See `streams.task.Probe`."""
        self._transactions.labels(task.unit, "fenced" if fenced else "aborted").inc()

    def committed(self, task: TaskName, batch: Batch, staging_s: float, writing_s: float, waited_s: float, now_ms: int) -> None:
        """See `streams.task.Probe`."""
        unit = task.unit
        self._transactions.labels(unit, "committed").inc()
        self._stages.labels(unit, "transaction").observe(writing_s)
        if batch.records:
            self._batch_records.labels(unit).observe(batch.records)
            self._stages.labels(unit, "fetch").observe(waited_s)
            self._stages.labels(unit, "process").observe(staging_s)
            if batch.oldest_ms is not None:
                self._delay.labels(unit).observe(max(0, now_ms - batch.oldest_ms) / 1000)
        for (name, *labels), amount in batch.outbox.facts.items():
            counter = self._counters.get(name)
            if counter is None:
                raise UnknownFact(f"counter {name} is not declared")
            (counter.labels(*labels) if labels else counter).inc(amount)
        self.showed(task, batch)
        for name, *labels, observed in batch.outbox.observations:
            histogram = self._histograms.get(name)
            if histogram is None:
                raise UnknownFact(f"histogram {name} is not declared")
            (histogram.labels(*labels) if labels else histogram).observe(observed)

    def showed(self, task: TaskName, batch: Batch) -> None:
        """See `streams.task.Probe`."""
        if batch.outbox.gauges:
            self._shown.show(task, batch.outbox.gauges)


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of a gauge that is read when it is asked for."""

    name: str
    help: str
    labels: tuple[str, ...]
    values: dict[tuple[str, ...], float]


class Readings(Collector):
    """Gauges that are read from the running tasks at each scrape: nothing to keep up to date, nothing that goes stale."""

    def __init__(self, registry: CollectorRegistry, prefix: str, read: Callable[[], Iterable[Reading]]) -> None:
        self._prefix = prefix
        self._read = read
        registry.register(self)

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Called by the registry."""
        for reading in self._read():
            family = GaugeMetricFamily(self._prefix + reading.name, reading.help, labels=reading.labels)
            for labels, value in reading.values.items():
                family.add_metric(labels, value)
            yield family
