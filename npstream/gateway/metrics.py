"""What the gateway tells Prometheus. No account and no secret is ever a label; a vendor's name is one that is known here."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from npstream.facts import PREFIX
from npstream.gateway.limits import InFlight
from streams.metrics import Reading, Readings

GATEWAY_PREFIX: Final = PREFIX + "gateway_"
API: Final = "api"
"""The vendor's name in metrics and logs of POST /v1/responses."""
UNKNOWN: Final = "unknown"
"""That of a vendor who is none: what strangers call in paths must not make time series."""
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Buckets for acknowledgements: milliseconds when all is well, up to the time-out."""


class GatewayMetrics:
    """Counts answers, bytes and acknowledgements."""

    def __init__(self, registry: CollectorRegistry, in_flight: InFlight) -> None:
        self.registry = registry
        self._in_flight = in_flight
        self._requests = Counter(
            GATEWAY_PREFIX + "requests", "Answers, by vendor and status", ["vendor", "status"], registry=registry
        )
        self._bytes = Counter(
            GATEWAY_PREFIX + "accepted_bytes", "Bytes of bodies that were accepted, by vendor", ["vendor"], registry=registry
        )
        self._produce = Histogram(
            GATEWAY_PREFIX + "produce_seconds",
            "From a record's handing over to its acknowledgement by Kafka",
            buckets=SECONDS,
            registry=registry,
        )
        Readings(registry, GATEWAY_PREFIX, self.readings)

    def answered(self, vendor: str, status: int) -> None:
        """One request was answered."""
        self._requests.labels(vendor, str(status)).inc()

    def acknowledged(self, vendor: str, size: int, seconds: float) -> None:
        """One record was acknowledged."""
        self._bytes.labels(vendor).inc(size)
        self._produce.observe(seconds)

    def readings(self) -> Iterable[Reading]:
        """What is read at each scrape."""
        yield Reading(
            "in_flight_bytes", "Bytes held for requests that are not answered yet", (), {(): float(self._in_flight.bytes)}
        )
        yield Reading("in_flight_requests", "Requests that are not answered yet", (), {(): float(self._in_flight.requests)})
