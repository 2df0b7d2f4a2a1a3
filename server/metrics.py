"""What the operator sees on /metrics, in Prometheus' format. One registry a server, so that several may live
in one process. Times are seconds of wall clock, as the session measured them. No label and no value comes
from what was said or sent: codes, states and channels are words of ours. Knows no sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from streaming.events import Event, ResponseDone, SpeechDelta, Trouble, Usage
from streaming.voice import RATE

SECONDS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
SHORT = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0)
LONG = (1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
FROM = "after the last voiced sample had arrived"
STAGES = {  # of `streaming.events.Timings`
    "turn_ended": "End of the turn declared",
    "first_thinking": "First token of reasoning",
    "first_reply": "First token of the reply",
    "first_sound": "First sound of the reply",
    "done": "Reply complete",
}
BYTES_A_SECOND = 2 * RATE  # of a reply's sound


class Metrics:
    def __init__(
        self,
        running: Callable[[], float],
        kv_usage: Callable[[], float],
        generation: Callable[[], float] = lambda: 1,
        free_tokens: Callable[[], float] = lambda: 0,
        waiting: Callable[[], float] = lambda: 0,
    ) -> None:
        """All of these are asked whenever somebody scrapes."""
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"soundmind_{name}", what, labels, registry=registry)

        def histogram(name: str, what: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"soundmind_{name}_seconds", what, buckets=buckets, registry=registry)

        self._sessions = Gauge("soundmind_sessions", "Conversations that are open", registry=registry)
        self._lasted = histogram("session", "How long conversations lasted that have ended", LONG)
        self._appends = counter("appends", "Chunks appended to the engine's sessions")
        self._append = histogram("append", "From handing over such a chunk to having it in the cache", SHORT)
        self._turns = counter("turns", "Replies by how they ended", "status")
        self._tokens = counter("tokens", "Tokens generated", "channel")
        self._prompt = counter(
            "prompt_tokens", "Tokens that replies began from, by what they stand for and where found", *KINDS
        )
        self._speculations = counter("speculations", "Thoughts at a pause by what became of them", "became")
        self._ahead = counter(
            "speculated_tokens",
            "Their tokens until then (those promoted are in soundmind_tokens too)",
            "became",
        )
        self._parked = Gauge(
            "soundmind_parked_listeners",
            "Idle conversations that hold no blocks of the KV cache until they go on",
            registry=registry,
        )
        self._parkings = counter("parkings", "Idle listeners parked because others needed the room")
        self._audio = counter(
            "audio_seconds", "Audio that clients sent (in) and were sent (out)", "direction"
        )
        self._heard = self._audio.labels("in")
        self._errors = counter("errors", "Errors told to clients, by their code", "code")
        self._times = {name: histogram(name, f"{what} {FROM}", SECONDS) for name, what in STAGES.items()}
        self._stopped = histogram(
            "barge_in_stop",
            "From the arrival of the first voiced sample to the last that is told of a reply",
            SHORT,
        )
        requests = Gauge(
            "soundmind_engine_requests",
            "Requests that the engine has not finished, parked ones included",
            registry=registry,
        )
        requests.set_function(running)
        usage = Gauge("soundmind_kv_usage_ratio", "Share of the KV cache in use", registry=registry)
        usage.set_function(kv_usage)
        tasks = Gauge("soundmind_tasks", "Tasks on the event loop", registry=registry)
        tasks.set_function(running_tasks)
        engines = Gauge(
            "soundmind_engine_generation",
            "Engines that were started so far: one more after each that died",
            registry=registry,
        )
        engines.set_function(generation)
        free = Gauge(
            "soundmind_kv_free_tokens",
            "Tokens of the KV cache that more conversations may have: what to scale by",
            registry=registry,
        )
        free.set_function(free_tokens)
        wait = Gauge(
            "soundmind_waiting_listeners",
            "Conversations that were parked, go on, and wait for a place in the KV cache",
            registry=registry,
        )
        wait.set_function(waiting)

    def speculated(self, promoted: bool, tokens: int) -> None:
        """A thought at a pause, `tokens` long by then, became the reply or was for nothing."""
        became = "promoted" if promoted else "wasted"
        self._speculations.labels(became).inc()
        self._ahead.labels(became).inc(tokens)

    def parked(self, parked: bool) -> None:
        """A conversation's listener was parked, or is no longer."""
        if parked:
            self._parked.inc()
            self._parkings.inc()
        else:
            self._parked.dec()

    def appended(self, seconds: float) -> None:
        self._appends.inc()
        self._append.observe(seconds)

    def heard(self, seconds: float) -> None:
        """Of audio that a client sent."""
        self._heard.inc(seconds)

    def refused(self, code: str) -> None:
        """An error of that code was told to a client."""
        self._errors.labels(code).inc()

    @contextmanager
    def session(self) -> Iterator[None]:
        """One conversation is open for as long as the block lasts."""
        with self._sessions.track_inprogress(), self._lasted.time():
            yield

    def observe(self, event: Event) -> None:
        match event:
            case SpeechDelta():
                self._audio.labels("out").inc(len(event.pcm) / BYTES_A_SECOND)
            case Trouble():
                self.refused(event.code)
            case ResponseDone():
                self._done(event)

    def _done(self, event: ResponseDone) -> None:
        self._turns.labels(event.status).inc()
        if event.status == "failed":
            self.refused(event.reason or "engine_failed")
        self._tokens.labels("reasoning").inc(event.usage.reasoning)
        self._tokens.labels("reply").inc(event.usage.reply)
        for (kind, cached), tokens in prompt_tokens(event.usage).items():
            self._prompt.labels(kind, cached).inc(tokens)
        for name, histogram in self._times.items():
            milliseconds = getattr(event.timings, name)
            if milliseconds is not None:
                histogram.observe(milliseconds / 1000.0)
        if event.timings.stopped is not None:
            self._stopped.observe(event.timings.stopped / 1000.0)

    def text(self) -> bytes:
        return generate_latest(self.registry)


def running_tasks() -> float:
    """0 where no event loop runs."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0.0


KINDS = ("kind", "cached")


def prompt_tokens(usage: Usage) -> dict[tuple[str, str], int]:
    """What a reply began from, by `KINDS`."""
    cached_text = usage.cached - usage.cached_audio
    return {
        ("audio", "yes"): usage.cached_audio,
        ("audio", "no"): usage.audio - usage.cached_audio,
        ("text", "yes"): cached_text,
        ("text", "no"): max(0, usage.text - cached_text),
    }
