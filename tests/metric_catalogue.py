"""Every metric that a worker serves, as its registry declares it: what dashboards, alerts and documents are held against."""

from typing import NamedTuple

from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from npstream.facts import PREFIX
from npstream.settings import Settings
from npstream.worker import Worker
from streams.metrics import Readings


class Metric(NamedTuple):
    """One metric: its name as it is scraped, a counter's with `_total`."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str

    @property
    def samples(self) -> set[str]:
        """The names of its time series."""
        return {self.name + end for end in ("_bucket", "_sum", "_count")} if self.kind == "histogram" else {self.name}


def catalogue() -> list[Metric]:
    """All of npstream's own, in the order in which they are declared; those of Python and the process are not ours."""
    worker = Worker(Settings())
    found = [
        _declared(collector) for collector in worker.registry._collector_to_names if isinstance(collector, MetricWrapperBase)
    ]
    read = [Metric(PREFIX + reading.name, "gauge", reading.labels, reading.help) for reading in worker._readings()]
    # The worker serves exactly these readings: a name that is taken twice would be refused here.
    Readings(worker.registry, PREFIX, worker._readings)
    return found + read


def _declared(collector: MetricWrapperBase) -> Metric:
    kind = "counter" if isinstance(collector, Counter) else "histogram" if isinstance(collector, Histogram) else "gauge"
    end = "_total" if kind == "counter" else ""
    return Metric(collector._name + end, kind, tuple(collector._labelnames), collector._documentation)
