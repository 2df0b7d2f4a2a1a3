"""The API over real sockets and the real `websockets` client: the real session, a scripted engine."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from server import connection
from server.protocol import MAX_EVENT
from streaming.context import Context
from streaming.engine import Sampling
from streaming.g711 import Law, encode
from tests.scripted import REPLY, ScriptedEngine
from tests.server.client import Client, append, eventually, idle, pcm, serving, talking
from tests.streaming.talk import text_of


@pytest.fixture
async def engine() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
async def url(engine: ScriptedEngine) -> AsyncIterator[str]:
    async with serving(engine) as url:
        yield url


async def test_a_spoken_turn_is_told_in_the_order_that_clients_need(url: str, engine: ScriptedEngine) -> None:
    async with talking(url) as client:
        await client.hush(300)
        await client.say()
        await client.hush()
        done = await client.until("response.done")
    kinds = [kind for i, kind in enumerate(client.kinds()) if i == 0 or kind != client.kinds()[i - 1]]
    assert kinds == [
        "session.created",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "soundmind.timings",
        "response.done",
    ]
    assert done["response"]["status"] == "completed"
    assert done["response"]["output"][0]["content"] == [{"type": "output_text", "text": "".join(REPLY[3:])}]
    ids = [event["event_id"] for event in client.seen]
    assert len(set(ids)) == len(ids)
    await idle(engine)


async def test_transcripts_come_when_asked_for_and_stay_with_the_item(url: str) -> None:
    async with talking(url) as client:
        updated = await client.update(audio={"input": {"transcription": {"model": "x", "language": "en"}}})
        assert updated["session"]["audio"]["input"]["transcription"] == {"model": "x", "language": "en"}
        await client.say()
        await client.hush()
        heard = await client.until("conversation.item.input_audio_transcription.completed")
        await client.send({"type": "conversation.item.retrieve", "item_id": heard["item_id"]})
        item = (await client.until("conversation.item.retrieved"))["item"]
    assert item["content"] == [{"type": "input_audio", "transcript": heard["transcript"]}]


async def test_speaking_cancels_the_reply(url: str, engine: ScriptedEngine) -> None:
    engine.gate = asyncio.Event()
    async with talking(url) as client:
        await client.say()
        await client.hush()
        await client.until("response.reasoning_text.delta")
        await client.say()
        done = await client.until("response.done")
    assert done["response"]["status"] == "cancelled"
    assert done["response"]["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert "response.reasoning_text.done" in client.kinds()
    await idle(engine)


async def test_a_client_cancels_and_an_idle_cancel_says_so(url: str, engine: ScriptedEngine) -> None:
    engine.gate = asyncio.Event()
    async with talking(url) as client:
        await client.send({"type": "response.create"})
        await client.until("response.reasoning_text.delta")
        await client.send({"type": "response.create", "event_id": "again"})
        error = (await client.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("conversation_already_has_active_response", "again")
        await client.send({"type": "response.cancel"})
        done = await client.until("response.done")
        assert done["response"]["status_details"]["reason"] == "client_cancelled"
        await client.send({"type": "response.cancel"})
        error = (await client.until("error"))["error"]
    assert error["code"] == "response_cancel_not_active"
    assert error["message"].startswith("Cancellation failed")


async def test_typed_turns_and_metadata(url: str, engine: ScriptedEngine) -> None:
    async with talking(url) as client:
        item = {
            "id": "mine",
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "hi"}],
        }
        await client.send({"type": "conversation.item.create", "item": item, "previous_item_id": "root"})
        added = await client.until("conversation.item.added")
        assert (added["item"]["id"], added["previous_item_id"]) == ("mine", None)
        await client.send({"type": "conversation.item.create", "item": item})
        assert (await client.until("error"))["error"]["code"] == "item_create_duplicate_item_id"
        response = {
            "metadata": {"client_event_id": "7"},
            "reasoning": {"effort": "minimal"},
            "instructions": None,
        }
        await client.send({"type": "response.create", "response": response})
        created = await client.until("response.created")
        assert created["response"]["metadata"] == {"client_event_id": "7"}
        added = await client.until("conversation.item.added")
        assert added["previous_item_id"] == "mine"
        await client.until("response.done")
    assert "response.reasoning_text.delta" not in client.kinds()


def typed(text: str, **fields: Any) -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content, **fields}


async def test_items_are_put_in_between_recorded_and_deleted(url: str, engine: ScriptedEngine) -> None:
    async with talking(url) as client:
        for name, after in (("c", None), ("a", "root"), ("b", "a")):
            create = {"type": "conversation.item.create", "item": typed(name, id=name)}
            await client.send({**create, "previous_item_id": after})
            await client.until("conversation.item.done")
        added = [event for event in client.seen if event["type"] == "conversation.item.added"]
        assert [event["previous_item_id"] for event in added] == [None, None, "a"]
        await client.send({**create, "item": typed("d"), "previous_item_id": "x", "event_id": "mine"})
        error = (await client.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("item_create_invalid_previous_item_id", "mine")
        await client.send({"type": "conversation.item.delete", "item_id": "b"})
        assert (await client.until("conversation.item.deleted"))["item_id"] == "b"
        await client.send({"type": "conversation.item.retrieve", "item_id": "b"})
        assert (await client.until("error"))["error"]["code"] == "item_retrieve_invalid_item_id"
        said = {"type": "input_audio", "audio": base64.b64encode(pcm(1000)).decode(), "transcript": "hm"}
        item = {"type": "message", "role": "user", "content": [said], "id": "d"}
        await client.send({"type": "conversation.item.create", "item": item})
        recorded = await client.until("conversation.item.added")
        assert recorded["item"]["content"] == [{"type": "input_audio", "transcript": "hm"}]
        await client.send({"type": "response.create"})
        await client.until("response.done")
    assert "human\nahuman\nchuman\n" in text_of(engine.requests[0])
    assert engine.requests[0].audio_tokens == 13


async def test_replies_outside_the_conversation(url: str, engine: ScriptedEngine) -> None:
    engine.gate = asyncio.Event()
    async with talking(url) as client:
        await client.say()
        await client.hush()
        await client.until("response.reasoning_text.delta")
        spoken = next(e["item_id"] for e in client.seen if e["type"] == "input_audio_buffer.committed")
        given = [{"type": "item_reference", "id": spoken}, typed("and that?")]
        wanted = {"conversation": "none", "input": given, "metadata": {"topic": "aside"}}
        aside = {"type": "response.create", "response": wanted}
        await client.send(aside)
        created = (await client.until("response.created"))["response"]
        assert created["conversation_id"] is None and created["metadata"] == {"topic": "aside"}
        await client.send({**aside, "response": {"conversation": "none", "input": []}})
        second = (await client.until("response.created"))["response"]
        await client.send({"type": "response.cancel", "response_id": second["id"]})
        done = (await client.until("response.done"))["response"]
        assert (done["id"], done["status"]) == (second["id"], "cancelled")
        missing = {"input": [{"type": "item_reference", "id": "x"}], "conversation": "none"}
        await client.send({**aside, "response": missing, "event_id": "mine"})
        error = (await client.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("item_not_found", "mine")
        engine.gate.set()
        ends = [(await client.until("response.done"))["response"] for _ in range(2)]
    assert {end["status"] for end in ends} == {"completed"}
    assert [end["conversation_id"] is None for end in ends].count(True) == 1
    added = [e["item"]["role"] for e in client.seen if e["type"] == "conversation.item.added"]
    assert added == ["user", "assistant"]
    assert "human\nand that?" in text_of(engine.requests[1]) and engine.requests[1].audio_tokens
    assert "human" not in text_of(engine.requests[2])
    await idle(engine)


async def test_input_of_its_own_is_answered_in_the_conversation(url: str, engine: ScriptedEngine) -> None:
    async with talking(url) as client:
        await client.send({"type": "conversation.item.create", "item": typed("not seen")})
        await client.send({"type": "response.create", "response": {"input": [typed("seen")]}})
        done = (await client.until("response.done"))["response"]
        assert done["conversation_id"]
        await client.send({"type": "response.create"})
        await client.until("response.done")
    assert "not seen" not in text_of(engine.requests[0])
    asked = text_of(engine.requests[1])
    assert "not seen" in asked and "is 2." in asked and "human\nseen" not in asked


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
async def test_a_telephones_audio(url: str, engine: ScriptedEngine, kind: str) -> None:
    tone = (16_000 * np.sin(np.arange(8000) * 0.15)).astype(np.int16)
    law: Law = "mu" if kind == "audio/pcmu" else "a"
    async with talking(url) as client:
        updated = await client.update(audio={"input": {"format": {"type": kind}}})
        assert updated["session"]["audio"]["input"]["format"] == {"type": kind}
        await client.send(append(encode(tone, law) + encode(np.zeros(8000, np.int16), law)))
        stopped = await client.until("input_audio_buffer.speech_stopped")
        assert 1400 < stopped["audio_end_ms"] < 1700
        await client.until("response.done")
    assert engine.requests[0].audio_tokens


WEATHER = {"type": "function", "name": "weather", "parameters": {"type": "object"}}


def weather(context: Context, sampling: Sampling) -> tuple[str, ...]:
    """Calls the tool that it is offered, until it has been answered."""
    asked = text_of(context)
    if "function_output" in asked or "tool_json_schemas" not in asked:
        return ("hm\n</think>\n", "It rains.")
    return ("look\n</think>\n", "<tool_call>function\nweather\n", '{"city": "Oslo"}</tool_call>')


@pytest.fixture
async def calling() -> AsyncIterator[str]:
    async with serving(ScriptedEngine(weather, max_tokens=4096)) as url:
        yield url


async def test_a_tool_is_called_and_its_result_answered(calling: str) -> None:
    async with talking(calling) as client:
        updated = await client.update(tools=[WEATHER], tool_choice="auto", reasoning={"effort": "low"})
        assert updated["session"]["tools"] == [WEATHER]
        await client.say()
        await client.hush()
        call = await client.until("response.function_call_arguments.done")
        assert (call["name"], call["arguments"]) == ("weather", '{"city": "Oslo"}')
        done = await client.until("response.done")
        assert [item["type"] for item in done["response"]["output"]] == ["function_call"]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": "rain"}
        await client.send({"type": "conversation.item.create", "item": output})
        added = await client.until("conversation.item.added")
        assert added["previous_item_id"] == call["item_id"]
        await client.send({"type": "response.create"})
        done = await client.until("response.done")
        assert done["response"]["output"][0]["content"][0]["text"] == "It rains."
        await client.send({"type": "conversation.item.retrieve", "item_id": call["item_id"]})
        assert (await client.until("conversation.item.retrieved"))["item"]["name"] == "weather"


async def test_tools_that_cannot_be_are_refused(calling: str) -> None:
    async with talking(calling) as client:
        output = {"type": "function_call_output", "call_id": "nobodys", "output": "rain"}
        await client.send({"type": "conversation.item.create", "item": output, "event_id": "mine"})
        error = (await client.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("invalid_tool_call_id", "mine")
        session = {"type": "realtime", "instructions": "new", "tool_choice": "required"}
        await client.send({"type": "session.update", "session": session})
        assert (await client.until("error"))["error"]["code"] == "invalid_tool_choice"
        await client.send(
            {"type": "session.update", "session": {"type": "realtime", "tools": [WEATHER] * 99}}
        )
        assert (await client.until("error"))["error"]["code"] == "invalid_value"
        many = [{"name": f"tool_{n}"} for n in range(99)]
        await client.send({"type": "session.update", "session": {"type": "realtime", "tools": many}})
        assert (await client.until("error"))["error"]["code"] == "context_length_exceeded"
        session = (await client.update())["session"]
        assert (session["tools"], session["tool_choice"], session["instructions"]) == ([], "auto", "")


async def test_the_openai_package_calls_a_tool(calling: str) -> None:
    client = AsyncOpenAI(base_url=calling.replace("ws", "http", 1) + "/v1", api_key="none")
    async with client, client.realtime.connect(model="nano") as connection:
        await connection.session.update(
            session={"type": "realtime", "tools": [{"type": "function", "name": "weather"}]}
        )
        await connection.conversation.item.create(
            item={
                "type": "message",
                "role": "user",
                "content": [{"type": "input_text", "text": "how is the weather in oslo"}],
            }
        )
        await connection.response.create()
        said = ""
        async for event in connection:
            assert event.type != "error"
            if event.type == "response.output_text.delta":
                said += event.delta
            elif event.type == "response.done":
                calls = [item for item in event.response.output or [] if item.type == "function_call"]
                if not calls:
                    break
                assert calls[0].arguments == '{"city": "Oslo"}' and calls[0].call_id
                await connection.conversation.item.create(
                    item={"type": "function_call_output", "call_id": calls[0].call_id, "output": "rain"}
                )
                await connection.response.create()
    assert said == "It rains."


async def test_the_servers_encoding_and_a_sessions_own() -> None:
    engine = ScriptedEngine()
    async with serving(engine, encoding="refined") as url, talking(url) as client:
        for encoding in (None, "incremental"):
            if encoding:
                updated = await client.update(soundmind={"encoding": encoding})
                assert updated["session"]["soundmind"] == {"encoding": "incremental"}
            await client.say(1500)
            await client.hush()
            await client.until("response.done")
    whole = [[":whole:" in part.key for part in request.audio] for request in engine.requests]
    assert whole[0] == [True]
    assert not any(whole[1])


async def test_a_truncation_is_clamped_never_refused(url: str) -> None:
    async with talking(url) as client:
        await client.say()
        await client.hush()
        done = await client.until("response.done")
        item_id = done["response"]["output"][0]["id"]
        cut = {
            "type": "conversation.item.truncate",
            "item_id": item_id,
            "content_index": 0,
            "audio_end_ms": 99999,
        }
        await client.send(cut)
        assert (await client.until("conversation.item.truncated"))["audio_end_ms"] == 0


async def test_manual_turns(url: str) -> None:
    async with talking(url) as client:
        updated = await client.update(audio={"input": {"turn_detection": None}})
        assert updated["session"]["audio"]["input"]["turn_detection"] is None
        await client.send({"type": "input_audio_buffer.commit"})
        assert (await client.until("error"))["error"]["code"] == "input_audio_buffer_commit_empty"
        await client.say()
        await client.send({"type": "input_audio_buffer.clear"})
        await client.until("input_audio_buffer.cleared")
        await client.say()
        await client.send({"type": "input_audio_buffer.commit"})
        await client.until("input_audio_buffer.committed")
        await client.send({"type": "response.create"})
        await client.until("response.done")
    assert "input_audio_buffer.speech_started" not in client.kinds()


BAD: dict[str, tuple[Any, str]] = {
    "binary": (b"\x00\x01", "invalid_message"),
    "no JSON": ("hello", "invalid_json"),
    "no object": ("[1, 2]", "invalid_json"),
    "NaN": ('{"type": "response.create", "response": {"max_output_tokens": NaN}}', "invalid_json"),
    "half a surrogate": (
        r'{"type": "response.create", "response": {"instructions": "\ud800"}}',
        "invalid_json",
    ),
    "too deep": ("[" * 100_000, "invalid_json"),
    "no type": ({}, "missing_required_parameter"),
    "type of another type": ({"type": 7}, "invalid_type"),
    "unknown event": ({"type": "response.explode"}, "unknown_event"),
    "no audio": ({"type": "input_audio_buffer.append"}, "missing_required_parameter"),
    "audio of another type": ({"type": "input_audio_buffer.append", "audio": 7}, "invalid_type"),
    "truncated base64": ({"type": "input_audio_buffer.append", "audio": "AAAAA"}, "invalid_value"),
    "no base64": ({"type": "input_audio_buffer.append", "audio": "!!!!"}, "invalid_value"),
    "odd bytes": (append(b"abc"), "invalid_value"),
    "unknown field": ({"type": "response.cancel", "now": True}, "unknown_parameter"),
    "too large": ({"type": "input_audio_buffer.append", "audio": "A" * MAX_EVENT}, "event_too_large"),
    "unknown item": ({"type": "conversation.item.retrieve", "item_id": "x"}, "item_retrieve_invalid_item_id"),
    "deleting nothing": ({"type": "conversation.item.delete", "item_id": "x"}, "item_delete_invalid_item_id"),
    "of WebRTC": ({"type": "output_audio_buffer.clear"}, "unsupported"),
}


@pytest.mark.fault(
    fault="bad input",
    provoked="events that are malformed, unknown, too large or impossible",
    seen="one `error` each",
    kept="the session",
)
@pytest.mark.parametrize("name", BAD)
async def test_bad_input_is_one_error_and_the_session_goes_on(name: str, url: str) -> None:
    event, code = BAD[name]
    async with talking(url) as other, talking(url) as client:
        await client.send(event)
        error = await client.next()
        assert error["type"] == "error"
        assert error["error"]["code"] == code
        assert error["error"]["message"]
        await client.update()
        assert client.kinds() == ["session.created", "error", "session.updated"]
        await other.update()


async def test_a_message_beyond_every_limit_closes_the_connection_and_no_other(url: str) -> None:
    async with talking(url) as other, talking(url) as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.send("x" * 25 * 2**20)
            await client.next()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1009
        await other.update()


async def test_minutes_of_audio_in_one_event(url: str) -> None:
    async with talking(url) as client:
        await client.send(append(pcm(1000) + pcm(120_000, 0.0)))
        done = await client.until("response.done")
    assert done["response"]["status"] == "completed"


@pytest.mark.fault(
    fault="client vanishes in mid-reply",
    provoked="the connection is reset while a reply is made",
    seen="nobody is there",
    kept="nothing; its requests are aborted and its place is free",
)
async def test_a_killed_client_leaves_no_request(url: str, engine: ScriptedEngine) -> None:
    engine.gate = asyncio.Event()
    async with talking(url) as client:
        await client.say()
        await client.hush()
        await client.until("response.reasoning_text.delta")
        assert engine.running() == 2
        client.ws.transport.abort()
        await idle(engine)


@pytest.mark.fault(
    fault="slow client",
    provoked="a client that reads nothing while 100 MB are told",
    seen="it is closed (1008)",
    kept="nothing; no other session notices",
)
async def test_a_client_that_does_not_read_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.2)
    engine = ScriptedEngine(lambda context, sampling: ["x" * 2**20] * 100)
    async with serving(engine) as url:
        async with talking(url) as client:
            await client.send({"type": "response.create"})
            await eventually(lambda: len(engine.requests) > 0)
            await idle(engine)
            client.ws.transport.abort()


@pytest.mark.fault(
    fault="server full",
    provoked="a client more than the KV cache has places for",
    seen="`session_limit`, closed (1013)",
    kept="everybody else's place",
)
@pytest.mark.fault(
    fault="no engine when a client comes",
    provoked="a new connection while there is no engine",
    seen="`engine_unavailable`, closed (1011)",
    kept="nothing",
)
@pytest.mark.parametrize(
    ("alive", "code", "close"), [(True, "session_limit", 1013), (False, "engine_unavailable", 1011)]
)
async def test_full_and_down_are_told_apart(alive: bool, code: str, close: int) -> None:
    engine = ScriptedEngine(max_tokens=10_000)  # room for nobody
    engine.alive = alive
    async with serving(engine) as url, connect(f"{url}/v1/realtime") as ws:
        client = Client(ws)
        assert (await client.next())["error"]["code"] == code
        with pytest.raises(ConnectionClosed) as closed:
            await client.next()
    assert closed.value.rcvd is not None and closed.value.rcvd.code == close


async def test_an_engine_that_dies_is_told_and_its_successor_answers(
    url: str, engine: ScriptedEngine
) -> None:
    async with talking(url) as client:
        await client.say()
        await client.hush()
        await client.until("response.done")
        engine.kill()
        await client.until("soundmind.engine_lost")
        await client.send({"type": "response.create"})
        await client.until("response.created")
        async with connect(f"{url}/v1/realtime") as ws:
            assert (await Client(ws).next())["error"]["code"] == "engine_unavailable"
        engine.revive()
        assert (await client.until("response.done"))["response"]["status"] == "completed"
        assert "soundmind.engine_back" in client.kinds()
    await idle(engine)


async def test_an_engine_without_a_successor_ends_the_session(url: str, engine: ScriptedEngine) -> None:
    engine.gate = asyncio.Event()
    async with talking(url) as client:
        await client.send({"type": "response.create"})
        await client.until("response.created")
        engine.kill()
        engine.succeeded = False
        done = await client.until("response.done")
        assert done["response"]["status"] == "failed"
        assert done["response"]["status_details"]["error"]["message"]
        assert (await client.until("error"))["error"]["code"] == "engine_unavailable"
        with pytest.raises(ConnectionClosed) as closed:
            await client.next()
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1011


async def test_the_subprotocol_is_answered_when_offered(url: str) -> None:
    async with talking(url, subprotocols=["realtime", "openai-insecure-api-key.x"]) as client:
        assert client.ws.subprotocol == "realtime"
    async with talking(url) as client:
        assert client.ws.subprotocol is None


async def test_a_place_is_given_back(url: str, engine: ScriptedEngine) -> None:
    for _ in range(10):  # more than there are
        async with talking(url) as client:
            await client.update()
        await idle(engine)
