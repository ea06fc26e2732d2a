"""The registry of this process's metrics: names are `jetl2_<package>_<thing>_<unit>`."""

from collections.abc import Sequence

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

# Latencies from 1 ms to 30 s
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)


def counter(name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
    """Return a new counter; Prometheus adds `_total` to its name."""
    return Counter(name, meaning, labels, registry=REGISTRY)


def gauge(name: str, meaning: str, labels: Sequence[str] = ()) -> Gauge:
    """Return a new gauge."""
    return Gauge(name, meaning, labels, registry=REGISTRY)


def histogram(
    name: str, meaning: str, labels: Sequence[str] = (), buckets: Sequence[float] = SECONDS
) -> Histogram:
    """Return a new histogram, by default of seconds."""
    return Histogram(name, meaning, labels, registry=REGISTRY, buckets=buckets)


def page() -> tuple[str, bytes]:
    """Return content type and text of the metrics as Prometheus reads them."""
    return CONTENT_TYPE_LATEST, generate_latest(REGISTRY)
