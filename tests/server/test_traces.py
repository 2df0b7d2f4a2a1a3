"""One trace a reply: its stages as spans, by the conventions' names, and nothing that was said."""

from __future__ import annotations

import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from socket import socket
from threading import Thread
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.trace import StatusCode

from server.traces import ATTRIBUTES, MS, SPANS, Traces, Turn, stages, traces
from streaming.events import ResponseDone, ResponseStarted, Status, Timings, Usage

NOW = 1_700_000_000_000_000_000
SPOKEN = Timings(500.0, 540.0, 800.0, 950.0, 2000.0, 40.0)


def turn(
    timings: Timings = SPOKEN, status: Status = "completed", reason: str | None = None, **fields: Any
) -> Turn:
    usage = Usage(audio=20, text=30, cached=32, cached_audio=10, reasoning=7, reply=9)
    done = ResponseDone("resp_1", "item_1", status, "said", "thought", usage, timings, reason)
    began = {"calls": 0, "spoke": NOW - 5000 * MS} | fields
    return Turn("sess_1", ResponseStarted("resp_1", spoken=True), done, at=NOW, **began)


def exported(*turns: Turn) -> tuple[ReadableSpan, ...]:
    memory = InMemorySpanExporter()
    told = Traces("nano", SimpleSpanProcessor(memory))
    for one in turns:
        told.turn(one)
    told.close()
    return memory.get_finished_spans()


def test_the_stages_of_a_spoken_turn() -> None:
    since = NOW - 2000 * MS
    assert {name: ((a - since) // MS, (b - since) // MS) for name, a, b in stages(turn())} == {
        "listen": (-3000, 0),
        "endpoint": (0, 500),
        "append": (460, 500),
        "think": (500, 800),
        "reply": (800, 2000),
        "speak": (950, 2000),
    }


def test_the_stages_of_others() -> None:
    typed = turn(Timings(first_reply=100.0, done=300.0), spoke=None)
    assert [(name, (b - a) // MS) for name, a, b in stages(typed)] == [("think", 100), ("reply", 200)]
    ahead = turn(Timings(500.0, 500.0, 400.0, done=600.0))  # first_reply cannot come before the turn is over
    assert [name for name, a, b in stages(ahead) if b < a] == []
    cut = turn(Timings(500.0, 510.0, done=700.0, stopped=90.0), "cancelled")
    assert [name for name, _, _ in stages(cut)] == ["listen", "endpoint", "think"]
    assert list(stages(turn(Timings(done=0.0), "failed", spoke=None))) == []


def test_one_trace_a_reply() -> None:
    spans = exported(turn(), turn())
    roots = [span for span in spans if span.parent is None]
    assert [root.name for root in roots] == ["chat nano", "chat nano"]
    assert len({span.context.trace_id for span in spans if span.context}) == 2
    assert {span.name for span in spans} - {"chat nano"} == SPANS.keys() - {"chat MODEL"}
    root = roots[0]
    assert root.start_time == NOW - 5000 * MS and root.end_time == NOW
    assert root.attributes is not None
    assert dict(root.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "soundmind",
        "gen_ai.request.model": "nano",
        "gen_ai.conversation.id": "sess_1",
        "gen_ai.response.id": "resp_1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.output.type": "speech",
        "gen_ai.usage.input_tokens": 50,
        "gen_ai.usage.output_tokens": 16,
        "gen_ai.usage.cache_read.input_tokens": 32,
        "gen_ai.usage.reasoning.output_tokens": 7,
        "gen_ai.response.time_to_first_chunk": 0.54,
        "soundmind.audio_tokens": 20,
        "soundmind.outside": False,
        "soundmind.calls": 0,
    }
    assert root.resource.attributes["service.name"] == "soundmind"
    assert "said" not in "".join(span.to_json() for span in spans).replace("said_", "")


@pytest.mark.parametrize(
    ("status", "calls", "finish"),
    [
        ("completed", 0, "stop"),
        ("completed", 2, "tool_calls"),
        ("incomplete", 0, "length"),
        ("cancelled", 0, "cancelled"),
        ("failed", 0, "error"),
    ],
)
def test_how_a_reply_ended(status: Status, calls: int, finish: str) -> None:
    (root,) = (span for span in exported(turn(status=status, calls=calls)) if span.parent is None)
    assert root.attributes is not None
    assert root.attributes["gen_ai.response.finish_reasons"] == (finish,)
    assert (root.status.status_code is StatusCode.ERROR) == (status == "failed")
    assert ("error.type" in root.attributes) == (status == "failed")


def test_the_names_are_those_of_the_conventions() -> None:
    known = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI_")}
    assert {name for name in ATTRIBUTES if name.startswith("gen_ai.")} <= known


def test_they_arrive_at_a_collector() -> None:
    posted: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            posted.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as collector:
        thread = Thread(target=collector.serve_forever)
        thread.start()
        try:
            told = traces("nano", f"http://127.0.0.1:{collector.server_port}/")
            assert told is not None
            told.turn(turn())
            told.close()
        finally:
            collector.shutdown()
            thread.join()
    ((path, body),) = posted
    assert path == "/v1/traces"
    (resource,) = ExportTraceServiceRequest.FromString(body).resource_spans
    names = [span.name for scope in resource.scope_spans for span in scope.spans]
    assert sorted(names) == sorted({"chat nano", *SPANS} - {"chat MODEL"})


def test_a_collector_that_is_not_there_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    with socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        told = traces("nano", f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert told is not None
        told.turn(turn())
        told.close(0.5)
    assert "said" not in caplog.text


def test_off_is_not_even_imported() -> None:
    assert traces("nano", None) is None
    code = "import sys, server.traces as t; t.traces('m', None); print('opentelemetry' in str(sys.modules))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
