"""Counters for Prometheus: what the HTTP side measures, and gauges that are read from the objects at each scrape."""

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

# Seconds; the fast end matters: most calls are one SELECT.
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """One registry a process, built by `app.py`. IOLoop only."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._readings = _Readings()
        self._registry.register(self._readings)
        self._requests = Histogram(
            "imtornado_http_request_seconds",
            "Time to answer an HTTP request",
            ("route", "status"),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Counts an answer of a route of ours: callers must not make up labels."""
        self._requests.labels(route, str(status)).observe(seconds)

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Shows what `read` returns at each scrape, as imtornado_<name>."""
        self._readings.gauges.append((f"imtornado_{name}", meaning, read))

    def counter(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """As `gauge`, for a number that only grows since the start; shown as imtornado_<name>_total."""
        self._readings.counters.append((f"imtornado_{name}", meaning, read))

    def exposition(self) -> bytes:
        """All figures in the text format of Prometheus."""
        return generate_latest(self._registry)


class _Readings(Collector):
    """Plain numbers of other objects, read when somebody asks: counting costs them nothing but an integer."""

    def __init__(self) -> None:
        self.gauges: list[tuple[str, str, Callable[[], float]]] = []
        self.counters: list[tuple[str, str, Callable[[], float]]] = []

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        for name, meaning, read in self.gauges:
            yield GaugeMetricFamily(name, meaning, value=read())
        for name, meaning, read in self.counters:
            yield CounterMetricFamily(name, meaning, value=read())
