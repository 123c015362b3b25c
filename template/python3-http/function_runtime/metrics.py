"""Counts the calls of a function, for Prometheus. Counting a call costs some microseconds."""

import threading
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, NamedTuple

# The upper bounds of the histogram of durations, in seconds. Calls of workers take up to a minute.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Series(NamedTuple):
    """What tells calls apart. `route` is a template such as `/imports/<id>`, never a path: paths hold ids."""

    method: str
    route: str
    status: int


class Calls:
    """Counts calls by route and status, with the time they took. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_flight = 0
        self._durations: dict[Series, list[float]] = {}  # a count for each bound, one beyond them, and the sum

    def began(self) -> None:
        with self._lock:
            self._in_flight += 1

    def ended(self, series: Series, seconds: float) -> None:
        with self._lock:
            self._in_flight -= 1
            counts = self._durations.get(series)
            if counts is None:
                counts = self._durations[series] = [0.0] * (len(BOUNDS) + 2)
            counts[bisect_left(BOUNDS, seconds)] += 1
            counts[-1] += seconds

    def collect(self) -> Iterator[Any]:
        """The metrics in the form of the client library."""
        from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily

        with self._lock:
            in_flight = self._in_flight
            durations = {series: list(counts) for series, counts in self._durations.items()}
        yield GaugeMetricFamily("function_calls_in_flight", "Calls being served now.", value=in_flight)
        text = "Time from a call to the last byte of its answer, in seconds."
        family = HistogramMetricFamily("function_call_duration_seconds", text, labels=("method", "route", "status"))
        for series, counts in durations.items():
            total, buckets = 0.0, []
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), counts, strict=False):
                total += count
                buckets.append((bound, total))
            family.add_metric((series.method, series.route, str(series.status)), buckets, counts[-1])
        yield family
