"""What a server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32)


class Metrics:
    """The counts of one server.

    waiting: gives the number of waiting images of each model.

    Attributes:
        answers: the number of answers, of all kinds.
    """

    def __init__(self, waiting: Callable[[], Iterable[tuple[str, int]]]) -> None:
        self.answers = 0
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._requests = Counter("ppdet_requests", "Answers", ["path", "status"], registry=self._registry)
        self._time = Histogram(
            "ppdet_request_seconds", "Time of an answer", ["path"], buckets=_SECONDS, registry=self._registry
        )
        self._batches = Histogram(
            "ppdet_batch_images", "Images computed together", ["model"], buckets=_SIZES, registry=self._registry
        )
        self._registry.register(_Waiting(waiting))

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Counts an answer. `path`: one of the server's own, not what clients make up."""
        self.answers += 1
        self._requests.labels(path, str(status)).inc()
        self._time.labels(path).observe(seconds)

    def observe_batches(self, model: str) -> Callable[[int], None]:
        """A function that counts the images of each batch of a model."""
        observe: Callable[[int], None] = self._batches.labels(model).observe
        return observe

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return bytes(generate_latest(self._registry))


class _Waiting(Collector):
    def __init__(self, waiting: Callable[[], Iterable[tuple[str, int]]]) -> None:
        self._waiting = waiting

    def collect(self) -> Iterable[GaugeMetricFamily]:
        family = GaugeMetricFamily("ppdet_waiting_images", "Images that wait for a model", labels=["model"])
        for model, count in self._waiting():
            family.add_metric([model], count)
        return [family]
