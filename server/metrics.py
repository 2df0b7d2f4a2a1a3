"""What the operator sees on /metrics, in Prometheus' format. One registry a server, so that several may live
in one process. Times are seconds of wall clock, as the session measured them. Knows no sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from streaming.events import Event, ResponseDone

SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
FROM = "after the last voiced sample had arrived"


class Metrics:
    def __init__(self, running: Callable[[], float], kv_usage: Callable[[], float]) -> None:
        """`running` and `kv_usage` are asked whenever somebody scrapes."""
        self._registry = registry = CollectorRegistry()
        self._sessions = Gauge("soundmind_sessions", "Conversations that are open", registry=registry)
        self._appends = Counter(
            "soundmind_appends", "Chunks appended to the engine's sessions", registry=registry
        )
        self._turns = Counter("soundmind_turns", "Replies by how they ended", ["status"], registry=registry)
        self._tokens = Counter("soundmind_tokens", "Tokens generated", ["channel"], registry=registry)
        self._speculations = Counter(
            "soundmind_speculations",
            "Thoughts at a pause by what became of them",
            ["became"],
            registry=registry,
        )
        self._ahead = Counter(
            "soundmind_speculated_tokens",
            "Their tokens until then (those promoted are in soundmind_tokens too)",
            ["became"],
            registry=registry,
        )
        self._times = {
            name: Histogram(f"soundmind_{name}_seconds", f"{what} {FROM}", buckets=SECONDS, registry=registry)
            for name, what in (
                ("turn_ended", "End of the turn declared"),
                ("first_thinking", "First token of reasoning"),
                ("first_reply", "First token of the reply"),
                ("done", "Reply complete"),
            )
        }
        requests = Gauge(
            "soundmind_engine_requests",
            "Requests that the engine has not finished, parked ones included",
            registry=registry,
        )
        requests.set_function(running)
        usage = Gauge("soundmind_kv_usage_ratio", "Share of the KV cache in use", registry=registry)
        usage.set_function(kv_usage)

    def speculated(self, promoted: bool, tokens: int) -> None:
        """A thought at a pause, `tokens` long by then, became the reply or was for nothing."""
        became = "promoted" if promoted else "wasted"
        self._speculations.labels(became).inc()
        self._ahead.labels(became).inc(tokens)

    def appended(self) -> None:
        self._appends.inc()

    @contextmanager
    def session(self) -> Iterator[None]:
        """One conversation is open for as long as the block lasts."""
        with self._sessions.track_inprogress():
            yield

    def observe(self, event: Event) -> None:
        if not isinstance(event, ResponseDone):
            return
        self._turns.labels(event.status).inc()
        self._tokens.labels("reasoning").inc(event.usage.reasoning)
        self._tokens.labels("reply").inc(event.usage.reply)
        for name, histogram in self._times.items():
            milliseconds = getattr(event.timings, name)
            if milliseconds is not None:
                histogram.observe(milliseconds / 1000.0)

    def text(self) -> bytes:
        return generate_latest(self._registry)
