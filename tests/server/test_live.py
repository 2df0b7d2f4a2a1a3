"""The whole house: the real engine with nano behind the real command, recordings, and clients of others."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from openai import AsyncOpenAI

from server.ask import Wishes, ask
from server.audio_file import read_pcm
from tests.processes import RECORDINGS, soundmind
from tests.server.client import PACKET, Client, append, talking, words_of
from tests.server.test_websocket import BAD
from tests.wire import validate

SPOKEN: list[dict[str, Any]] = json.loads((RECORDINGS / "manifest.json").read_text())
SILENCE = bytes(48_000)  # a second


def recording(name: str) -> bytes:
    return read_pcm(RECORDINGS / f"{name}.wav")


@pytest.fixture
def ws(live: str) -> str:
    return live.replace("http", "ws", 1)


class Checked:
    """A report that holds every event to the API's types."""

    def __init__(self) -> None:
        self.final: dict[str, Any] = {}

    def event(self, event: dict[str, Any]) -> None:
        validate(event)

    def summary(self, summary: dict[str, Any]) -> None:
        self.final = summary


async def metric(live: str, name: str) -> float:
    async with AsyncClient(base_url=live, trust_env=False) as client:
        text = (await client.get("/metrics")).text
    return float(dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")[name])


async def idle(live: str) -> None:
    """Returns once the engine's own count of requests is 0; the test's time limit is the limit."""
    while True:
        if not await metric(live, "soundmind_engine_requests"):
            return
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("entry", SPOKEN, ids=[entry["file"] for entry in SPOKEN])
async def test_a_recording_at_speaking_pace_is_answered(entry: dict[str, Any], ws: str, live: str) -> None:
    report = Checked()
    await ask(ws, read_pcm(RECORDINGS / entry["file"]), report, Wishes())
    turns = report.final["turns"]
    assert turns[-1]["status"] == "completed"
    for turn, expected in zip(turns, entry["expect"], strict=True):
        assert turn["heard"]
        if turn["status"] == "cancelled":  # the next question came before the reply, on a busy machine
            continue
        assert turn["thinking"]
        assert expected in turn["reply"]
        times = [
            turn["timings"][f"{stage}_ms"]
            for stage in ("turn_ended", "first_thinking", "first_reply", "done")
        ]
        assert times == sorted(times)
    await idle(live)


async def test_without_thinking(ws: str) -> None:
    report = Checked()
    await ask(ws, recording("sum"), report, Wishes(think="off", transcript=False))
    assert report.final["thinking"] == "" and report.final["reply"] and report.final["heard"] is None


@pytest.mark.parametrize(
    "entry", [e for e in SPOKEN if len(e["expect"]) == 1], ids=lambda entry: str(entry["file"])
)
async def test_a_recording_encoded_anew_is_answered(entry: dict[str, Any], ws: str) -> None:
    async with talking(ws) as client:
        await client.update(soundmind={"encoding": "refined"})
        await client.send(append(read_pcm(RECORDINGS / entry["file"]) + SILENCE))
        done = await client.until("response.done")
    assert entry["expect"][0] in words_of(done["response"])


async def test_a_budget_ends_the_thoughts_and_not_the_reply(ws: str) -> None:
    async with talking(ws) as client:
        await client.update(reasoning={"max_tokens": 6})
        await client.send(append(recording("sum") + SILENCE))
        response = (await client.until("response.done"))["response"]
        thought = next(e["text"] for e in client.seen if e["type"] == "response.reasoning_text.done")
        assert response["status"] == "completed"
        assert words_of(response)
        await client.update(reasoning={"max_tokens": "inf"})
        await answered(client)
        whole = [e["text"] for e in client.seen if e["type"] == "response.reasoning_text.done"][1]
        assert 0 < len(thought) < len(whole)


async def test_tools_are_told_to_the_model_and_their_results_too(ws: str) -> None:
    """The plumbing: whether the model calls them, and well, is for its own tests."""
    timer = {"name": "set_timer", "parameters": {"type": "object", "properties": {"minutes": {}}}}
    async with talking(ws) as client:
        await answered(client)
        plain = client.seen[-1]["response"]["usage"]["input_token_details"]["text_tokens"]
        await client.update(tools=[timer])
        call = {"type": "function_call", "name": "set_timer", "arguments": "{}", "call_id": "mine"}
        output = {"type": "function_call_output", "call_id": "mine", "output": "no <|EOT|> in here"}
        for item in (call, output):
            await client.send({"type": "conversation.item.create", "item": item})
            await client.until("conversation.item.done")
        await client.send({"type": "response.create"})
        response = (await client.until("response.done"))["response"]
        told = response["usage"]["input_token_details"]["text_tokens"] - plain
        assert told > len("tool_json_schemas set_timer tool_call function_output no in here") // 2
        choice = {"type": "function", "name": "set_timer"}
        await client.send({"type": "response.create", "response": {"tool_choice": choice}})
        response = (await client.until("response.done"))["response"]
        if response["status"] == "failed":
            assert response["status_details"]["error"]["code"] == "invalid_function_call"
        assert all(item["name"] == "set_timer" for item in response["output"])


async def test_the_openai_package_talks_to_it(live: str) -> None:
    client = AsyncOpenAI(base_url=f"{live}/v1", api_key="none")
    assert [model.id async for model in client.models.list()] == ["nano"]
    thinking = reply = ""
    sound = 0
    async with client, client.realtime.connect(model="nano") as connection:
        await connection.session.update(session={"type": "realtime", "output_modalities": ["audio"]})
        audio = recording("sum") + SILENCE

        async def speak() -> None:
            for at in range(0, len(audio), PACKET):
                await connection.input_audio_buffer.append(
                    audio=base64.b64encode(audio[at : at + PACKET]).decode()
                )
                await asyncio.sleep(0.02)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(speak())
            async for event in connection:
                assert event.type != "error"
                if event.type == "response.output_audio_transcript.delta":
                    reply += event.delta
                elif event.type == "response.output_audio.delta":
                    sound += len(base64.b64decode(event.delta))
                elif event.type == "response.reasoning_text.delta":  # type: ignore[comparison-overlap]
                    thinking += event.delta
                elif event.type == "response.done":
                    assert event.response.status == "completed"
                    break
    assert "42" in reply
    assert thinking
    assert 48_000 < sound < 10 * 48_000


async def test_speaking_again_cancels_the_reply_and_is_answered(ws: str, live: str) -> None:
    async with talking(ws) as client:
        # In one event, so that the second question begins before the reply can have ended.
        await client.send(append(recording("sum") + SILENCE + recording("product") + SILENCE))
        first = (await client.until("response.done"))["response"]
        second = (await client.until("response.done"))["response"]
    assert first["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert "54" in words_of(second)
    await idle(live)


async def test_a_client_killed_in_mid_reply_leaves_no_request(ws: str, live: str) -> None:
    async with talking(ws) as client:
        await client.send(append(recording("sum") + SILENCE))
        await client.until("response.created")
        client.ws.transport.abort()
        await idle(live)
    while await metric(live, "soundmind_sessions"):  # the test's time limit is the limit
        pass


async def test_bad_input_costs_one_error_each_and_nobody_else(ws: str) -> None:
    async with talking(ws) as other, talking(ws) as client:
        for event, code in BAD.values():
            await client.send(event)
            assert (await client.next())["error"]["code"] == code
        for talker in (client, other):
            await answered(talker)


async def answered(client: Client) -> None:
    await client.send(append(recording("sum") + SILENCE))
    done = await client.until("response.done")
    assert "42" in words_of(done["response"])


async def test_many_turns_in_one_conversation(ws: str, live: str) -> None:
    """More than fit into the engine's context: the oldest are let go, and nothing piles up."""
    async with talking(ws) as client:
        for _ in range(30):
            await answered(client)
            assert await metric(live, "soundmind_engine_requests") == 1  # the listener
    await idle(live)


@pytest.fixture
def stereo(tmp_path: Path) -> Iterator[Path]:
    import numpy as np
    import soundfile

    samples, rate = soundfile.read(RECORDINGS / "sum.wav", dtype="float32")
    soundfile.write(tmp_path / "stereo.flac", np.stack([samples, samples], axis=1), rate)
    yield tmp_path / "stereo.flac"


def test_ask_prints_json_lines_and_a_summary(live: str, stereo: Path) -> None:
    with soundmind("ask", str(stereo), "--url", live, "--json") as process:
        assert process.end() == 0
    lines = [json.loads(line) for line in process.output]
    assert {"input_audio_buffer.speech_started", "response.reasoning_text.delta"} <= {
        line["type"] for line in lines
    }
    summary = lines[-1]
    assert summary["type"] == "summary" and "42" in summary["reply"]


def test_ask_prints_what_people_read(live: str) -> None:
    with soundmind("ask", str(RECORDINGS / "sum.wav"), "--url", live) as process:
        assert process.end() == 0
    assert {"speech", "heard", "thinking", "reply", "latency"} <= {
        line[:9].strip() for line in process.output
    }


def test_the_demo_plays_itself_and_then_listens() -> None:
    with soundmind("serve", "--demo", "--port", "0") as server:
        server.until("playing demo.wav")
        assert "Sam has 13 books." in server.until("reply  .*")[0]
        server.until("listening on http://127.0.0.1:")
