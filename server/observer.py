"""One conversation seen from outside: what happens in it, told to the metrics, the log and the traces.

An `Observer` lives as long as a session, and gives it its id in all three. It passes on numbers, states and
ids; what was said goes to the log alone, as content, which that leaves out unless asked. Knows no wire.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from server import logs
from server.metrics import Metrics
from server.traces import Traces, Turn
from streaming import events as ev


@dataclass(frozen=True)
class Observers:
    """Of all conversations of a server. `clock`: nanoseconds since 1970."""

    metrics: Metrics
    traces: Traces | None = None
    clock: Callable[[], int] = time.time_ns

    def new(self, session: str) -> Observer:
        return Observer(session, self.metrics, self.traces, self.clock)

    def refused(self, code: str, message: str) -> None:
        """A client was told an error outside a conversation."""
        self.metrics.refused(code)
        logs.tell("error", code=code, message=message)


class Observer:
    """The conversation lasts as long as the block, in the running task and those that it starts there."""

    def __init__(
        self, session: str, metrics: Metrics, traces: Traces | None, clock: Callable[[], int]
    ) -> None:
        self._session = session
        self._metrics = metrics
        self._traces = traces
        self._clock = clock
        self._began = clock()
        self._spoke: int | None = None  # since when the user speaks
        self._spoken: int | None = None  # the same of a turn that has ended, before the reply to it
        self._replies: dict[str, tuple[ev.ResponseStarted, int | None]] = {}
        self._calls: dict[str, int] = {}
        self._counted = self._errors = 0
        self._parked = False

    def __enter__(self) -> Observer:
        logs.SESSION.set(self._session)
        self._tell("session.opened")
        return self

    def __exit__(self, *_: object) -> None:
        if self._parked:
            self.parked(False)
        seconds = round((self._clock() - self._began) / 1e9, 3)
        self._tell("session.closed", seconds=seconds, replies=self._counted, errors=self._errors)

    def _tell(self, name: str, **fields: object) -> None:
        logs.tell(name, self._session, **fields)

    # --- what the session says beside its events ---

    def appended(self, seconds: float) -> None:
        self._metrics.appended(seconds)

    def speculated(self, promoted: bool, tokens: int) -> None:
        self._metrics.speculated(promoted, tokens)

    def parked(self, parked: bool) -> None:
        self._parked = parked
        self._metrics.parked(parked)

    # --- what the client did ---

    def heard(self, seconds: float) -> None:
        """It sent so much audio."""
        self._metrics.heard(seconds)

    def refused(self, code: str, message: str) -> None:
        """It was told an error."""
        self._errors += 1
        self._metrics.refused(code)
        self._tell("error", code=code, message=message)

    # --- what happened ---

    def event(self, event: ev.Event) -> None:
        if isinstance(event, ev.Trouble):
            self.refused(event.code, event.message)
            return
        self._metrics.observe(event)
        match event:
            case ev.SpeechStarted(item):
                self._spoke = self._clock()
                self._tell("turn.started", item=item)
            case ev.SpeechStopped(item):
                self._tell("turn.stopped", item=item)
            case ev.Cleared():
                self._spoke = None
            case ev.Committed(item):
                self._spoken, self._spoke = self._spoke, None
                self._tell("turn.committed", item=item)
            case ev.TranscriptDone(item, text, seconds):
                self._tell("turn.transcribed", item=item, audio_seconds=round(seconds, 3), transcript=text)
            case ev.TranscriptFailed(item, message):
                self._tell("turn.untranscribed", item=item, message=message)
            case ev.ItemAdded(added):
                said = getattr(added, "text", None)
                self._tell("item.added", item=added.id, kind=type(added).__name__, text=said)
            case ev.ResponseStarted(response):
                self._replies[response] = event, None if event.outside else self._spoken
                self._spoken = self._spoken if event.outside else None
                self._tell("response.started", response=response, outside=event.outside, spoken=event.spoken)
            case ev.CallMade(response, call):
                self._calls[response] = self._calls.get(response, 0) + 1
                told = {"tool": call.name, "arguments": call.arguments}
                self._tell("response.called", response=response, item=call.id, **told)
            case ev.ResponseDone():
                self._done(event)

    def _done(self, done: ev.ResponseDone) -> None:
        self._counted += 1
        timings = {
            f"{name}_ms": None if ms is None else round(ms, 1) for name, ms in asdict(done.timings).items()
        }
        self._tell(
            "response.done",
            response=done.response_id,
            status=done.status,
            reason=done.reason,
            audio_tokens=done.usage.audio,
            text_tokens=done.usage.text,
            cached_tokens=done.usage.cached,
            reasoning_tokens=done.usage.reasoning,
            reply_tokens=done.usage.reply,
            thinking=done.thinking,
            text=done.text,
            message=done.message,
            **timings,
        )
        begun = self._replies.pop(done.response_id, None)
        calls = self._calls.pop(done.response_id, 0)
        if self._traces is not None and begun is not None:
            self._traces.turn(Turn(self._session, begun[0], done, calls, begun[1], self._clock()))
