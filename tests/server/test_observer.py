"""A whole conversation as it is seen from outside: its numbers are there, and not a word of it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

import pytest
from httpx import AsyncClient
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from server import logs
from server.traces import Traces
from streaming.context import Context
from streaming.engine import Sampling
from tests.scripted import REPLY, ScriptedEngine
from tests.server.client import Client, append, idle, pcm, serving, talking
from tests.streaming.talk import text_of
from tests.voices import ScriptedVoice

KEY = "sk-nobody-knows"
WORDS = (  # of what is said, thought, typed, called, transcribed, set, sent wrongly and known
    *("plus", "1+1", "pineapple", "umbrella", "Lisbon", "marmalade", "walrus"),
    KEY,
)


@dataclass
class Seen:
    engine: ScriptedEngine
    url: str = ""
    token: str = ""  # with which the conversation could be gone on with
    log: StringIO = field(default_factory=StringIO)
    spans: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    def lines(self, name: str) -> list[dict[str, Any]]:
        told = map(json.loads, self.log.getvalue().splitlines())
        return [line for line in told if line["event"] == name]

    async def metrics(self) -> str:
        async with AsyncClient(base_url=self.url.replace("ws", "http", 1), trust_env=False) as client:
            return (await client.get("/metrics")).text

    async def value(self, series: str) -> float:
        lines = (line.rsplit(" ", 1) for line in (await self.metrics()).splitlines())
        return next(float(value) for name, value in lines if name == series)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger(logs.OURS)
    handlers, level = root.handlers[:], ours.level
    yield
    root.handlers[:] = handlers
    ours.setLevel(level)


def reply(context: Context, sampling: Sampling) -> tuple[str, ...]:
    if "umbrella" in text_of(context):
        return ("hm\n</think>\n", '<tool_call>function\numbrella\n{"city": "Lisbon"}</tool_call>')
    return REPLY


@asynccontextmanager
async def seen(content: bool, voice: ScriptedVoice | None = None) -> AsyncIterator[Seen]:
    found = Seen(ScriptedEngine(reply, max_tokens=4096))
    logs.configure("json", "debug", content, found.log)
    told = Traces("nano", SimpleSpanProcessor(found.spans))
    async with serving(found.engine, voice, keys=[KEY], traces=told) as url:
        found.url = url
        yield found


@asynccontextmanager
async def entered(found: Seen) -> AsyncIterator[Client]:
    async with talking(found.url, additional_headers={"Authorization": f"Bearer {KEY}"}) as client:
        yield client


async def everything(found: Seen) -> str:
    """A conversation with all that there is; returns its session's id."""
    async with entered(found) as client:
        await client.update(instructions="pineapple", audio={"input": {"transcription": {"model": "any"}}})
        granted = (await client.update(soundmind={"resume": True}))["session"]
        found.token = granted["soundmind"]["resume"]["token"]
        await client.say()
        await client.hush()
        await client.until("response.done")
        if not any(kind.endswith("transcription.completed") for kind in client.kinds()):
            await client.until("conversation.item.input_audio_transcription.completed")
        await client.send({"type": "marmalade", "event_id": "mine"})
        await client.until("error")
        await client.send("{ walrus")
        await client.until("error")
        await client.send({"type": "response.cancel"})
        await client.until("error")
        await client.update(tools=[{"type": "function", "name": "umbrella"}])
        await client.send({"type": "response.create"})
        call = await client.until("response.function_call_arguments.done")
        await client.until("response.done")
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "marmalade"}
        await client.send({"type": "conversation.item.create", "item": output})
        await client.until("conversation.item.done")
        session: str = client.seen[0]["session"]["id"]
    with pytest.raises(InvalidStatus):
        async with connect(f"{found.url}/v1/realtime?walrus", additional_headers={"Authorization": "walrus"}):
            pass
    await idle(found.engine)
    return session


async def test_nothing_that_was_said_is_seen() -> None:
    async with seen(content=False, voice=ScriptedVoice()) as found:
        session = await everything(found)
        told = {
            "log": found.log.getvalue(),
            "metrics": await found.metrics(),
            "spans": "".join(span.to_json() for span in found.spans.get_finished_spans()),
        }
    assert session in told["log"] and session in told["spans"] and "soundmind_turns" in told["metrics"]
    for where, text in told.items():
        assert [word for word in (*WORDS, found.token) if word in text] == [], where


async def test_content_is_logged_where_it_was_asked_for_but_no_key() -> None:
    async with seen(content=True) as found:
        await everything(found)
        told = found.log.getvalue()
    assert found.token and found.token not in told
    assert [word for word in WORDS if word not in told] == ["pineapple", "walrus", KEY]


async def test_every_line_and_trace_of_a_conversation_has_its_ids() -> None:
    async with seen(content=False) as found:
        session = await everything(found)
        begun, ended = found.lines("session.opened"), found.lines("session.closed")
        done = found.lines("response.done")
        spans = found.spans.get_finished_spans()
    assert [line["session"] for line in (*begun, *ended)] == [session, session]
    assert (ended[0]["replies"], ended[0]["errors"]) == (2, 3)
    assert {line["session"] for line in done} == {session}
    roots = {s.attributes["gen_ai.response.id"]: s for s in spans if s.parent is None and s.attributes}
    assert [line["response"] for line in done] == list(roots)
    spoken, called = done
    assert spoken["turn_ended_ms"] <= spoken["first_thinking_ms"] <= spoken["done_ms"]
    assert spoken["append_ms"] >= 0 and "stopped_ms" not in spoken
    assert "turn_ended_ms" not in called
    reasons = [
        root.attributes["gen_ai.response.finish_reasons"] for root in roots.values() if root.attributes
    ]
    assert reasons == [("stop",), ("tool_calls",)]
    codes = [line["code"] for line in found.lines("error")]
    assert codes == ["unknown_event", "invalid_json", "response_cancel_not_active", "invalid_api_key"]


async def test_the_numbers_of_a_conversation() -> None:
    async with seen(content=False, voice=ScriptedVoice()) as found:
        await everything(found)
        for series, value in {
            'soundmind_turns_total{status="completed"}': 2,
            'soundmind_errors_total{code="unknown_event"}': 1,
            'soundmind_errors_total{code="invalid_api_key"}': 1,
            "soundmind_session_seconds_count": 1,
            "soundmind_first_sound_seconds_count": 1,
            "soundmind_first_reply_seconds_count": 2,
            "soundmind_turn_ended_seconds_count": 1,
            'soundmind_tokens_total{channel="reasoning"}': 4,
        }.items():
            assert await found.value(series) == value, series
        assert await found.value('soundmind_audio_seconds_total{direction="in"}') == pytest.approx(1.8)
        assert await found.value('soundmind_audio_seconds_total{direction="out"}') > 0.5
        appends = await found.value("soundmind_appends_total")
        assert appends == await found.value("soundmind_append_seconds_count") > 0
        cached = await found.value('soundmind_prompt_tokens_total{cached="yes",kind="text"}')
        assert cached > 0
    assert {span.name for span in found.spans.get_finished_spans()} >= {
        "listen",
        "endpoint",
        "append",
        "speak",
    }


async def test_a_reply_that_is_cut_off_tells_how_soon_it_stopped() -> None:
    async with seen(content=False) as found:
        found.engine.gate = asyncio.Event()
        async with entered(found) as client:
            await client.send(append(pcm(900) + pcm(900, 0.0)))
            await client.until("response.reasoning_text.delta")
            await client.say()
            timings = await client.until("soundmind.timings")
            done = await client.until("response.done")
        await idle(found.engine)
        assert done["response"]["status_details"]["reason"] == "turn_detected"
        assert timings["stopped_ms"] >= 0
        assert await found.value("soundmind_barge_in_stop_seconds_count") == 1
        (told,) = found.lines("response.done")
        assert (told["status"], told["reason"]) == ("cancelled", "turn_detected")
        assert told["stopped_ms"] == round(timings["stopped_ms"], 1)
