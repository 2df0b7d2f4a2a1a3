"""Turns as OpenTelemetry traces: one trace a reply, with a span for each stage it went through.

Made once the reply has ended, from its timings, so that a turn costs nothing while it lasts. The root is
named and described by OpenTelemetry's conventions for generative AI; what those do not have begins with
`soundmind.`. Traces carry numbers, states and ids, never what was said. Off unless an OTLP endpoint is set:
then the SDK is imported, and sends from a thread of its own. Other settings of it come from the standard
OTEL_* variables. Knows no sockets and no conversation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Thread
from typing import TYPE_CHECKING, Any

from streaming.events import ResponseDone, ResponseStarted

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor

MS = 1_000_000  # nanoseconds
PROVIDER = "soundmind"
CLOSE_SECONDS = 3.0  # the SDK itself would try for ten where no collector is there


@dataclass(frozen=True)
class Turn:
    """A reply that has ended. `spoke`: when speech before it was noticed, `at`: now; ns since 1970."""

    session: str
    started: ResponseStarted
    done: ResponseDone
    calls: int
    spoke: int | None
    at: int

    @property
    def since(self) -> int:
        """What the timings count from: the arrival of the last voiced sample, or being asked for."""
        return self.at - round((self.done.timings.done or 0.0) * MS)


SPANS: dict[str, str] = {
    "chat MODEL": "the root, from the beginning of the user's speech (or from being asked for) to the end of "
    "the reply",
    "listen": "the user's speech, up to the arrival of its last voiced sample",
    "endpoint": "from there until the turn is declared over",
    "append": "the newest append before the reply, from handing it over to having it in the cache; it ends "
    "at the latest when the turn does",
    "think": "from the end of the turn (or from being asked for) to the first token of the reply",
    "reply": "from its first token to its end",
    "speak": "from its first sound to its end",
}

ATTRIBUTES: dict[str, tuple[str, Callable[[Turn], Any]]] = {  # of the root; None: left out
    "gen_ai.operation.name": ("always `chat`", lambda t: "chat"),
    "gen_ai.provider.name": ("always `soundmind`", lambda t: PROVIDER),
    "gen_ai.conversation.id": ("the session's id", lambda t: t.session),
    "gen_ai.response.id": ("the reply's id", lambda t: t.done.response_id),
    "gen_ai.response.finish_reasons": (
        "`stop`, `length`, `tool_calls`, `cancelled` or `error`, one",
        lambda t: [_finish(t)],
    ),
    "gen_ai.output.type": ("`speech` or `text`", lambda t: "speech" if t.started.spoken else "text"),
    "gen_ai.request.max_tokens": ("where there is a limit", lambda t: t.started.max_output_tokens),
    "gen_ai.usage.input_tokens": ("audio and text", lambda t: t.done.usage.audio + t.done.usage.text),
    "gen_ai.usage.output_tokens": (
        "reasoning and reply",
        lambda t: t.done.usage.reasoning + t.done.usage.reply,
    ),
    "gen_ai.usage.cache_read.input_tokens": ("found in the prefix cache", lambda t: t.done.usage.cached),
    "gen_ai.usage.reasoning.output_tokens": ("of the output", lambda t: t.done.usage.reasoning),
    "gen_ai.response.time_to_first_chunk": (
        "seconds to the first token of reasoning or reply",
        lambda t: _first(t),
    ),
    "error.type": ("the error's code, of a reply that failed", lambda t: _error(t)),
    "soundmind.audio_tokens": ("of the input", lambda t: t.done.usage.audio),
    "soundmind.reason": ("why it was cancelled or is incomplete", lambda t: t.done.reason),
    "soundmind.outside": ("whether it leaves no trace in the conversation", lambda t: t.started.outside),
    "soundmind.calls": ("tools called", lambda t: t.calls),
    "soundmind.stopped_ms": (
        "of a reply that speech cut off, as in `soundmind.timings`",
        lambda t: t.done.timings.stopped,
    ),
}


def _finish(turn: Turn) -> str:
    named = {"incomplete": "length", "cancelled": "cancelled", "failed": "error"}
    return named.get(turn.done.status) or ("tool_calls" if turn.calls else "stop")


def _first(turn: Turn) -> float | None:
    times = turn.done.timings
    ms = times.first_reply if times.first_thinking is None else times.first_thinking
    return None if ms is None else ms / 1000.0


def _error(turn: Turn) -> str | None:
    return (turn.done.reason or "engine_failed") if turn.done.status == "failed" else None


def stages(turn: Turn) -> Iterator[tuple[str, int, int]]:
    """The spans below the root: name, begin, end."""
    times, since, end = turn.done.timings, turn.since, turn.at

    def at(ms: float) -> int:
        return min(end, since + round(ms * MS))

    over = since if times.turn_ended is None else at(times.turn_ended)
    if times.turn_ended is not None:
        if turn.spoke is not None and turn.spoke < since:
            yield "listen", turn.spoke, since
        yield "endpoint", since, over
    if times.append is not None:
        yield "append", over - round(times.append * MS), over
    if times.first_reply is not None:
        first = max(over, at(times.first_reply))
        yield "think", over, first
        yield "reply", first, end
    elif times.first_thinking is not None:
        yield "think", over, end
    if times.first_sound is not None:
        yield "speak", at(times.first_sound), end


class Traces:
    def __init__(self, model: str, processor: SpanProcessor) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider

        resource = Resource.create()  # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
        if str(resource.attributes["service.name"]).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": PROVIDER}))
        self._model = model
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer(PROVIDER)

    def turn(self, turn: Turn) -> None:
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        made = {name: value(turn) for name, (_, value) in ATTRIBUTES.items()}
        attributes = {name: value for name, value in made.items() if value is not None}
        parts = list(stages(turn))
        begin = min([turn.since, *(start for _, start, _ in parts)])
        root = self._tracer.start_span(
            f"chat {self._model}",
            Context(),
            SpanKind.SERVER,
            {**attributes, "gen_ai.request.model": self._model},
            start_time=begin,
        )
        if turn.done.status == "failed":
            root.set_status(Status(StatusCode.ERROR))
        inside = set_span_in_context(root, Context())
        for name, start, stop in parts:
            self._tracer.start_span(name, inside, start_time=start).end(stop)
        root.end(turn.at)

    def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Send what is left; blocks, but no longer than that, whatever becomes of it."""
        sending = Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(seconds)


def traces(model: str, endpoint: str | None) -> Traces | None:
    """Sent to an OTLP endpoint (http://HOST:4318), None: nowhere."""
    if endpoint is None:
        return None
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    return Traces(model, BatchSpanProcessor(exporter))
