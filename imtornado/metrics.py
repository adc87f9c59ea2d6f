"""Counters for Prometheus: what the HTTP side measures, and gauges that are read from the objects at each scrape."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

# Seconds; the fast end matters: most calls are one SELECT.
_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """One registry a process, built by `app.py`. IOLoop only."""

    def __init__(self) -> None:
        # When each series began is of no use to anybody, and doubles the lines of many.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._readings = _Readings()
        self._registry.register(self._readings)
        self._requests = Histogram(
            "imtornado_http_request_seconds",
            "Time until an HTTP request was answered",
            ("route", "status"),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Counts an answer of a route of ours: callers must not make up labels."""
        self._requests.labels(route, str(status)).observe(seconds)

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Shows what `read` returns at each scrape, as imtornado_<name>."""
        self.gauges(name, meaning, "", lambda: {"": read()})

    def gauges(self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """As `gauge`, of several things: {value of the label: number}. The values are ours, and few."""
        self._readings.add(GaugeMetricFamily, name, meaning, label, read)

    def counter(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """As `gauge`, for a number that only grows since the start; shown as imtornado_<name>_total."""
        self.counters(name, meaning, "", lambda: {"": read()})

    def counters(self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, float]]) -> None:
        """As `gauges`, for numbers that only grow."""
        self._readings.add(CounterMetricFamily, name, meaning, label, read)

    def sums(self, name: str, meaning: str, label: str, read: Callable[[], Mapping[str, tuple[int, float]]]) -> None:
        """As `gauges`, of {value: (how often, how much in all)}: imtornado_<name>_count and imtornado_<name>_sum."""
        self._readings.add(SummaryMetricFamily, name, meaning, label, read)

    def histogram(self, name: str, meaning: str, buckets: Sequence[float]) -> Callable[[float], None]:
        """Counts each number that is given to what it returns."""
        return Histogram(f"imtornado_{name}", meaning, buckets=buckets, registry=self._registry).observe

    def exposition(self) -> bytes:
        """All figures in the text format of Prometheus."""
        return generate_latest(self._registry)


class _Readings(Collector):
    """Plain numbers of other objects, read when somebody asks: counting costs them nothing but an integer."""

    def __init__(self) -> None:
        self._families: list[tuple[Callable[..., Any], str, str, str, Callable[[], Mapping[str, Any]]]] = []

    def add(
        self, family: Callable[..., Any], name: str, meaning: str, label: str, read: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._families.append((family, f"imtornado_{name}", meaning, label, read))

    def collect(self) -> Iterable[Metric]:
        for family, name, meaning, label, read in self._families:
            shown = family(name, meaning, labels=[label] if label else [])
            for value, number in read().items():
                # A summary takes two numbers, how often and how much.
                shown.add_metric([value] if label else [], *(number if isinstance(number, tuple) else (number,)))
            yield shown
