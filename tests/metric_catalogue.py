"""Every metric that a worker, a gateway or npstream notify serves, as its registry declares it: what dashboards, alerts and
documents are held against."""

from collections.abc import Iterable
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from npstream.facts import PREFIX
from npstream.gateway.limits import InFlight
from npstream.gateway.metrics import GATEWAY_PREFIX, GatewayMetrics
from npstream.notifying.metrics import NotifyMetrics
from npstream.settings import Settings
from npstream.worker import Worker
from streams.metrics import Reading, Readings


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
    found = _of(worker.registry, PREFIX, worker._readings())
    # The worker serves exactly these readings: a name that is taken twice would be refused here.
    Readings(worker.registry, PREFIX, worker._readings)
    gateway = GatewayMetrics(CollectorRegistry(), InFlight(1))
    notify = CollectorRegistry()
    NotifyMetrics(notify)
    return found + _of(gateway.registry, GATEWAY_PREFIX, gateway.readings()) + _of(notify, "", ())


def _of(registry: CollectorRegistry, prefix: str, readings: Iterable[Reading]) -> list[Metric]:
    found = [_declared(collector) for collector in registry._collector_to_names if isinstance(collector, MetricWrapperBase)]
    return found + [Metric(prefix + reading.name, "gauge", reading.labels, reading.help) for reading in readings]


def _declared(collector: MetricWrapperBase) -> Metric:
    kind = "counter" if isinstance(collector, Counter) else "histogram" if isinstance(collector, Histogram) else "gauge"
    end = "_total" if kind == "counter" else ""
    return Metric(collector._name + end, kind, tuple(collector._labelnames), collector._documentation)
