"""What users of other voice backends complain about, by number, and that it cannot happen here.

One or more tests for each. They go through a whole session or a whole server over a scripted engine; that the
same holds with the real one is for tests/server/test_live.py, test_endurance.py and tests/clients.
"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from model.prompt import TRANSCRIBE
from model.tools import Tool
from server import serving as server_serving
from server.limits import Limits
from streaming.context import Context
from streaming.engine import Delta, Sampling
from streaming.events import (
    CallMade,
    Cleared,
    Committed,
    Message,
    ReplyDelta,
    ResponseDone,
    ResponseStarted,
    ServerVad,
    SessionSettings,
    SpeechDelta,
    SpeechStarted,
    SpeechStopped,
    ThinkingDelta,
)
from tests.scripted import ScriptedEngine
from tests.server.client import Client, eventually, idle, serving, talking, words_of
from tests.streaming.talk import Talk, talk, text_of
from tests.voices import ScriptedVoice

ALOUD = SessionSettings(spoken=True, effort="none")
SAID = "Oh yes, it is so. Then we go on and on and on."


def saying(*parts: str) -> ScriptedEngine:
    return ScriptedEngine(lambda context, sampling: parts)


async def ask(t: Talk) -> None:
    """A question, which is answered: wholly, or until somebody cuts in."""
    before = len(t.of(ResponseStarted))
    await t.speak()
    await t.pause()
    await t.settle()
    assert len(t.of(ResponseStarted)) == before + 1


# --- 1. the bot goes silent: a phantom start, or a transcript that never came, and nothing ends the turn ---


async def test_1_a_phantom_start_ends_and_the_next_question_is_answered() -> None:
    async with talk() as t:
        for _ in range(3):
            await t.speak(70)
            await t.pause(700)
        assert len(t.of(SpeechStarted)) == len(t.of(SpeechStopped)) == len(t.of(Cleared)) > 0
        assert not t.of(Committed)
        await ask(t)
        assert t.of(ResponseDone)[0].status == "completed"


class NeverWritten(ScriptedEngine):
    """Its transcripts never come."""

    async def generate(self, context: Context, sampling: Sampling) -> AsyncGenerator[Delta, None]:
        if TRANSCRIBE in text_of(context):
            await asyncio.Event().wait()
        async for delta in super().generate(context, sampling):
            yield delta


async def test_1_a_transcript_that_never_comes_holds_nothing_up() -> None:
    async with talk(NeverWritten(), SessionSettings(transcribe=True)) as t:
        for n in range(3):
            await ask(t)
            assert t.of(ResponseDone)[n].status == "completed"


# --- 2. a microphone that is muted in mid-sentence leaves the turn open ---


async def test_2_a_muted_microphone_ends_the_turn_and_it_is_answered() -> None:
    async with talk() as t:
        await t.speak()
        t.now += 2.1  # not one packet more
        t.session.tick(t.now)
        await t.settle()
        assert len(t.of(SpeechStopped)) == len(t.of(Committed)) == 1
        assert t.of(ResponseDone)[0].status == "completed"


# --- 3. a reply that was cancelled by a cough never comes back ---


@pytest.mark.parametrize("ms", [80, 250])
async def test_3_a_cough_costs_no_reply(ms: int) -> None:
    """It is held back while that is in doubt, and goes on."""
    engine = ScriptedEngine()
    async with talk(engine) as t:
        engine.gate = asyncio.Event()
        await ask(t)
        await t.speak(ms)
        await t.pause(300)
        engine.gate.set()
        await t.settle()
        [done] = t.of(ResponseDone)
        assert (done.status, done.text) == ("completed", "1 plus 1 is 2.")


async def test_3_a_reply_that_was_cut_off_for_nothing_comes_back() -> None:
    """Where the client wants to be heard at once, a cough does cut the reply off; then it is made again."""
    engine = ScriptedEngine()
    async with talk(engine, SessionSettings(turn_detection=ServerVad(interrupt_after_ms=0))) as t:
        engine.gate = asyncio.Event()
        await ask(t)
        await t.speak(70)
        await t.pause(100)
        assert t.of(ResponseDone)[0].status == "cancelled"
        engine.gate.set()
        await t.pause(600)
        await t.settle()
        assert [done.status for done in t.of(ResponseDone)] == ["cancelled", "completed"]
        assert t.of(ResponseDone)[1].text == "1 plus 1 is 2."


# --- 4. wrong history after an interruption ---


async def test_4_the_next_reply_sees_what_was_heard_in_order_and_no_more() -> None:
    async with talk(saying(SAID), ALOUD, ScriptedVoice()) as t:
        await ask(t)
        item_id = t.of(SpeechDelta)[0].item_id
        t.now += 0.7
        await t.speak()  # over it
        assert t.session.truncate(item_id, 800)
        await t.pause()
        await t.settle()
        seen = text_of(t.engine.requests[-1])
        history = [
            (item.role, item.text)
            for entry in t.session._memory.conversation
            for item in entry.items
            if isinstance(item, Message)
        ]
        assert [role for role, _ in history][:3] == ["user", "assistant", "user"]
        assert history[1][1] == "Oh yes, it"
    assert "Oh yes, it" in seen and "is so" not in seen and seen.count("Oh yes") == 1


async def test_4_a_client_that_asks_is_told_the_same() -> None:
    async with serving(saying(SAID), ScriptedVoice()) as url, talking(url) as client:
        await client.update(reasoning={"effort": "minimal"})
        await client.send({"type": "response.create"})
        item_id = (await client.until("response.output_audio.delta"))["item_id"]
        await client.say()
        cut = (await client.until("response.done"))["response"]
        await client.send({"type": "conversation.item.retrieve", "item_id": item_id})
        item = (await client.until("conversation.item.retrieved"))["item"]
    assert cut["status"] == "cancelled"
    assert SAID.startswith(heard := item["content"][0]["transcript"]) and heard != SAID


# --- 5. speculation that calls twice, or leaks ---


async def test_5_what_is_thought_ahead_calls_nothing_until_the_turn_is_over() -> None:
    call = '<tool_call>function\nlook\n{"at": 1}</tool_call>'
    settings = SessionSettings(effort="none", tools=(Tool("look", None, None),))
    async with talk(saying(call), settings) as t:
        for _ in range(5):
            await t.speak(500)
            await t.pause(300)  # long enough to think, too short to end the turn
            await t.settle()
            assert [type(event) for event in t.events] == [SpeechStarted]
        await t.pause()
        await t.settle()
        assert len(t.of(CallMade)) == len(t.of(ResponseDone)) == 1
        assert t.promoted == [False] * 4 + [True]
        assert t.engine.running() == 1  # the listener


# --- 6. thoughts that are read out aloud ---


@pytest.mark.parametrize(
    "parts",
    [
        ("the secret", " plan\n</think>\n", SAID),
        ("the secret plan\n</th", "ink>\n" + SAID),
        ("the secret plan", "\n</think>\n", "Oh yes, it is so. ", "Then we go on and on and on."),
    ],
)
async def test_6_thoughts_are_told_apart_and_neither_spoken_nor_remembered(parts: tuple[str, ...]) -> None:
    voice = ScriptedVoice()
    async with talk(saying(*parts), replace(ALOUD, effort="medium"), voice) as t:
        await ask(t)
        while not t.of(ResponseDone):
            t.now += 1
            await asyncio.sleep(0.01)  # the voice waits for the loudspeaker
        thought = "".join(event.delta for event in t.of(ThinkingDelta))
        spoken = "".join(event.delta for event in t.of(SpeechDelta))
        assert thought.strip() == "the secret plan" and spoken.strip() == SAID
        assert not t.of(ReplyDelta)
        assert not any("secret" in words for words, *_ in voice.said)
        t.now += 60
        t.session.tick(t.now)
        await ask(t)
        assert "secret" not in text_of(t.engine.requests[-1])


# --- 7. admission races, and errors that mislead ---


async def refused(ws: ClientConnection) -> tuple[str, int]:
    """The error that a connection was refused with, and the code it was closed with."""
    error = (await Client(ws).next())["error"]["code"]
    with pytest.raises(ConnectionClosed) as closed:
        await ws.recv()
    assert closed.value.rcvd is not None
    return error, closed.value.rcvd.code


async def test_7_as_many_get_in_as_there_are_places_however_many_come_at_once() -> None:
    engine = ScriptedEngine(max_tokens=2048)
    places = engine.kv_tokens // engine.max_tokens
    async with serving(engine) as url:
        for _ in range(3):  # and all places are there again afterwards
            async with asyncio.TaskGroup() as tasks:
                coming = [tasks.create_task(connect(f"{url}/v1/realtime").__aenter__()) for _ in range(20)]
            firsts = [await Client(task.result()).next() for task in coming]
            assert [event["type"] for event in firsts].count("session.created") == places
            codes = {event["error"]["code"] for event in firsts if event["type"] == "error"}
            assert codes == {"session_limit"}
            for task in coming:
                await task.result().close()
            await idle(engine)


async def test_7_full_unhealthy_unauthorised_too_many_and_bad_input_are_told_apart() -> None:
    full, dead = ScriptedEngine(max_tokens=10_000), ScriptedEngine()
    dead.alive = False
    for engine, expected in ((full, ("session_limit", 1013)), (dead, ("engine_unavailable", 1011))):
        async with serving(engine) as url, connect(f"{url}/v1/realtime") as ws:
            assert await refused(ws) == expected
    async with serving(ScriptedEngine(), keys=("key",), limits=Limits(sessions=1)) as url:
        with pytest.raises(InvalidStatus) as denied:
            await connect(f"{url}/v1/realtime", additional_headers={"Authorization": "Bearer other"})
        assert denied.value.response.status_code == 401
        own = {"Authorization": "Bearer key"}
        async with talking(url, additional_headers=own) as client:
            async with connect(f"{url}/v1/realtime", additional_headers=own) as ws:
                assert await refused(ws) == ("rate_limit_exceeded", 1013)
            await client.send({"type": "nonsense"})
            assert (await client.next())["error"]["code"] == "unknown_event"
            await client.update()  # and goes on


# --- 8. a call that never connects, or goes away unseen, keeps its place ---


async def test_8_who_never_finishes_the_handshake_takes_no_place() -> None:
    engine = ScriptedEngine(max_tokens=8192)  # one place
    async with serving(engine) as url:
        host, port = url.removeprefix("ws://").split(":")
        writers = []
        for sent in (b"", b"GET /v1/realtime HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\n"):
            _, writer = await asyncio.open_connection(host, int(port))
            writer.write(sent)
            await writer.drain()
            writers.append(writer)
        async with talking(url) as client:
            await client.update()
        for writer in writers:
            writer.close()
            await writer.wait_closed()


async def test_8_who_vanishes_without_a_word_loses_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that is gone sends no goodbye: whoever answers no ping is gone."""
    monkeypatch.setattr(server_serving, "PING_SECONDS", 0.2)
    engine = ScriptedEngine(max_tokens=8192)
    async with serving(engine) as url:
        host, port = url.removeprefix("ws://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            b"GET /v1/realtime HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        await reader.readuntil(b"session.created")
        await idle(engine)  # the listener's request has ended
        async with talking(url) as client:
            await client.update()
        writer.close()


async def test_8_who_stays_and_says_nothing_has_its_time_and_no_more() -> None:
    engine = ScriptedEngine(max_tokens=8192)
    async with serving(engine, limits=Limits(session_seconds=0.3)) as url:
        async with talking(url) as silent:
            assert (await silent.until("error"))["error"]["code"] == "session_expired"
        async with talking(url) as client:
            await client.update()


# --- 9. memory that grows ---


async def test_9_turns_leave_no_memory_behind() -> None:
    """What a turn leaves is its text. How many of the newest still have their sound varies, by one or two."""
    sound = 2 * 16 * 1100  # bytes of a turn's
    engine = ScriptedEngine(max_tokens=512)
    async with talk(engine, ALOUD, ScriptedVoice()) as t:

        async def turns(count: int) -> int:
            for _ in range(count):
                await t.speak(500)
                await t.pause(600)
                await t.settle()
                t.now += 60
                t.session.tick(t.now)
                for told in (t.events, engine.requests, engine.appends, engine.asked):
                    told.clear()  # kept by the test alone
                t.promoted.clear()
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        await turns(22)  # as many replies as it remembers the sound of, and a full context
        tracemalloc.start()
        try:
            before = await turns(2)
            grown = await turns(16) - before
        finally:
            tracemalloc.stop()
        assert engine.running() == 1
    assert grown < 4 * sound


async def test_9_conversations_leave_nothing_behind() -> None:
    engine = ScriptedEngine()
    async with serving(engine, ScriptedVoice()) as url:

        async def conversation() -> None:
            async with talking(url) as client:
                await client.send(
                    {"type": "response.create", "response": {"reasoning": {"effort": "minimal"}}}
                )
                assert words_of((await client.until("response.done"))["response"])
            await idle(engine)
            engine.requests.clear()
            engine.appends.clear()

        def sessions() -> int:
            gc.collect()
            return sum(
                type(thing).__name__ in ("Session", "Connection", "Memory") for thing in gc.get_objects()
            )

        await conversation()
        before, tasks = sessions(), len(asyncio.all_tasks())
        for _ in range(10):
            await conversation()
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
        assert sessions() <= before
