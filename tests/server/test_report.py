"""What people and programs read."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from server.report import JsonReport, TextReport, failure
from server.turns import Turn

EVENTS: list[dict[str, Any]] = [
    {"type": "session.created"},
    {"type": "input_audio_buffer.speech_started", "audio_start_ms": 320},
    {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 2810},
    {"type": "response.reasoning_text.delta", "delta": "\nheard: one plus one\n"},
    {"type": "response.reasoning_text.delta", "delta": "1+1=2"},
    {"type": "conversation.item.input_audio_transcription.completed", "transcript": "one plus one"},
    {"type": "response.reasoning_text.delta", "delta": " yes"},
    {"type": "response.output_text.delta", "delta": "two"},
    {
        "type": "soundmind.timings",
        "turn_ended_ms": 512.4,
        "first_thinking_ms": None,
        "first_reply_ms": 700.0,
        "done_ms": 900.6,
    },
    {"type": "response.done", "response": {"status": "incomplete"}},
]

TEXT = """\
   speech  started at 0.32 s
   speech  stopped at 2.81 s
 thinking  heard: one plus one
           1+1=2 yes
    heard  one plus one
    reply  two
  latency  after you fell silent: turn ended 512 ms, first word 700 ms, done 901 ms
    reply  (incomplete)
"""


def test_text() -> None:
    out = io.StringIO()
    report = TextReport(out)
    for event in EVENTS:
        report.event(event)
    report.summary({})
    assert out.getvalue() == TEXT


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_sees_thinking_dim_and_the_reply_bright() -> None:
    out = Terminal()
    report = TextReport(out)
    for event in EVENTS:
        report.event(event)
    assert "\033[2m yes\033[0m" in out.getvalue()
    assert "\033[1mtwo\033[0m" in out.getvalue()


def test_json_is_one_value_a_line() -> None:
    out = io.StringIO()
    report = JsonReport(out)
    for event in EVENTS:
        report.event(event)
    report.summary({"type": "summary"})
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [*EVENTS, {"type": "summary"}]


@pytest.mark.parametrize(
    ("turns", "told"),
    [
        ([], "no speech was found in the audio"),
        ([Turn("a", status="completed")], None),
        ([Turn("a", status="cancelled"), Turn("b", status="completed")], None),
        ([Turn("a", status="failed", error="gone")], "the reply failed: gone"),
        ([Turn("a", status="failed")], "the reply failed: the server does not say why"),
    ],
)
def test_failures(turns: list[Turn], told: str | None) -> None:
    assert failure(turns) == told
