"""Two servers and one store: whoever comes back to the other one misses nothing, and hears nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.drain import Drain
from server.store import MemoryStore
from tests.scripted import ScriptedEngine
from tests.server.client import Client, eventually, idle, serving, talking
from tests.server.test_resume import back, drop, granted, ids, refused
from tests.streaming.talk import text_of
from tests.streaming.test_session_engine import CHAIN, SAID, Steps, going_on
from tests.voices import ScriptedVoice


@asynccontextmanager
async def fleet(*engines: ScriptedEngine, **options: Any) -> AsyncIterator[list[str]]:
    """Servers with one store: their addresses."""
    store = MemoryStore()
    async with AsyncExitStack() as servers:
        yield [
            await servers.enter_async_context(serving(engine, store=store, name=f"s{n}", **options))
            for n, engine in enumerate(engines)
        ]


def told(kind: str, *clients: Client) -> str:
    return "".join(e["delta"] for client in clients for e in client.seen if e["type"] == kind)


def in_order(*clients: Client) -> bool:
    numbers = [int(i.removeprefix("event_")) for i in ids(*clients)]
    return numbers == sorted(set(numbers))  # some are merged into the one before


@pytest.mark.fault(
    fault="server gone in mid-reply",
    provoked="a client comes to another server of the same store while the first one thinks or replies",
    seen="the events it missed, then the rest of the same response",
    kept="the conversation, the thoughts and words told, none of them twice",
)
@pytest.mark.parametrize("pieces", [0, 4, 14, 20])
async def test_the_reply_goes_on_at_the_other_server(pieces: int) -> None:
    steps, second = Steps(), ScriptedEngine(going_on)
    async with fleet(steps.engine, second) as (one, two), talking(one) as client:
        token = await granted(client)
        assert token.startswith("s0.")
        await client.say()
        await client.hush()
        await client.until("response.created")
        for _ in range(pieces):
            steps.gate.let_one()
            await asyncio.sleep(0.01)
        async with back(two, token, str(client.seen[-1]["event_id"])) as again:
            done = await again.until("response.done")
            assert told("response.reasoning_text.delta", client, again) == CHAIN
            assert told("response.output_text.delta", client, again) == SAID
            created = [e for c in (client, again) for e in c.seen if e["type"] == "response.created"]
            assert [e["response"]["id"] for e in created] == [done["response"]["id"]]
            assert done["response"]["status"] == "completed"
            assert in_order(client, again)
            with pytest.raises(ConnectionClosed):  # the first server learns that it has it no more
                while True:
                    await client.next()
            await idle(steps.engine)
            await again.say()  # and then it goes on
            await again.hush()
            await again.until("response.done")
            assert SAID in text_of(second.requests[-1])
    await idle(second)


async def test_spoken_replies_go_on_too() -> None:
    text = "Oh yes, it is so. Then we go on."

    def speaks() -> ScriptedEngine:
        return ScriptedEngine(lambda c, _: [text[len(text_of(c).rpartition("</think>\n")[2]) :]])

    async with fleet(speaks(), speaks(), voice=ScriptedVoice()) as (one, two), talking(one) as client:
        await client.update(reasoning={"effort": "minimal"})
        granting = await client.update(soundmind={"resume": True})
        token = str(granting["session"]["soundmind"]["resume"]["token"])
        await client.send({"type": "response.create"})
        for _ in range(7):
            await client.until("response.output_audio.delta")
        async with back(two, token, drop(client)) as again:
            await again.until("response.done")
            assert told("response.output_audio_transcript.delta", client, again) == text
            done = [e for e in again.seen if e["type"] == "response.output_audio_transcript.done"]
            assert done[0]["transcript"] == text
            sound = told("response.output_audio.delta", client, again)
            assert len(sound) > 0 and in_order(client, again)


async def test_a_turn_goes_on_at_the_other_server() -> None:
    first, second = ScriptedEngine(going_on), ScriptedEngine(going_on)
    async with fleet(first, second) as (one, two), talking(one) as client:
        token = await granted(client)
        await client.say(1500)
        started = await client.until("input_audio_buffer.speech_started")
        await asyncio.sleep(1.2)  # the audio is written every half second
        async with back(two, token, drop(client)) as again:
            resumed = await again.until("soundmind.resumed")
            assert 1400 <= resumed["input_audio_ms"] <= 1500
            await again.say(500)
            await again.hush()
            stopped = await again.until("input_audio_buffer.speech_stopped")
            assert stopped["item_id"] == started["item_id"]
            await again.until("response.done")
        assert second.requests[-1].audio_tokens >= (1400 + 500) // 80


async def test_what_cannot_be_resumed_there_stays_where_it_is() -> None:
    first, full = ScriptedEngine(), ScriptedEngine(max_tokens=16_384)  # no place
    async with fleet(first, full, keys=["one", "two"]) as (one, two):
        key, other = ({"Authorization": f"Bearer {key}"} for key in ("one", "two"))
        async with talking(one, additional_headers=key) as client:
            token = await granted(client)
            last = drop(client)
            await refused(two, token, last, additional_headers=other)
            await refused(two, token, "event_999", additional_headers=key)
            await refused(two, "s0.other", last, additional_headers=key)
            async with back(two, token, last, additional_headers=key) as turned_away:
                assert (await turned_away.next())["error"]["code"] == "session_limit"
            async with back(one, token, last, additional_headers=key) as again:
                await again.until("soundmind.resumed")


async def test_whoever_closes_has_left_everywhere() -> None:
    async with fleet(ScriptedEngine(), ScriptedEngine()) as (one, two):
        async with talking(one) as client:
            token = await granted(client)
            last = str(client.seen[-1]["event_id"])
        await asyncio.sleep(0.2)
        await refused(two, token, last)


async def test_a_server_that_ends_sends_its_callers_elsewhere() -> None:
    steps, second, drain = Steps(), ScriptedEngine(going_on), Drain()
    store = MemoryStore()
    async with (
        serving(steps.engine, store=store, drain=drain) as one,
        serving(second, store=store) as two,
        talking(one) as client,
    ):
        token = await granted(client)
        await client.say()
        await client.hush()
        await client.until("response.created")
        ending = asyncio.create_task(drain.finish(60))
        await asyncio.sleep(0)
        with pytest.raises(InvalidStatus) as status:
            async with talking(one):
                pass
        assert status.value.response.status_code == 503
        for _ in range(40):  # its reply ends here
            steps.gate.let_one()
        done = await client.until("response.done")
        assert done["response"]["status"] == "completed"
        await client.until("soundmind.server_leaving")
        with pytest.raises(ConnectionClosed) as closed:
            await client.next()
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1012
        await ending
        await idle(steps.engine)
        async with back(two, token, str(client.seen[-1]["event_id"])) as again:
            await again.until("soundmind.resumed")
            await again.say()
            await again.hush()
            await again.until("response.done")
            assert SAID in text_of(second.requests[-1])


async def test_who_cannot_go_elsewhere_may_finish() -> None:
    drain = Drain()
    async with serving(ScriptedEngine(), drain=drain) as url, talking(url) as client:
        ending = asyncio.create_task(drain.finish(60))
        await client.say()
        await client.hush()
        await client.until("response.done")
        assert not ending.done()
        await client.ws.close()
        await ending


async def test_a_store_that_fails_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(MemoryStore):
        async def save(self, *args: Any) -> None:
            from server.store import StoreError

            raise StoreError("no")

    engine = ScriptedEngine()
    async with serving(engine, store=Broken()) as url, talking(url) as client:
        await granted(client)
        await client.say()
        await client.hush()
        await client.until("response.done")
    assert "is not kept" in caplog.text
    await eventually(lambda: engine.running() == 0)


async def test_the_other_server_is_found_by_its_name() -> None:
    async with (
        serving(ScriptedEngine(), store=MemoryStore(), name="a") as url,
        connect(f"{url}/v1/realtime") as ws,
    ):
        client = Client(ws)
        await client.next()
        assert (await granted(client)).startswith("a.")


async def test_a_conversation_keeps_its_model_and_goes_where_that_is() -> None:
    store = MemoryStore()
    options: dict[str, Any] = {"store": store, "adapters": ("curt",)}
    async with (
        serving(ScriptedEngine(), name="s0", **options) as one,
        serving(ScriptedEngine(), name="s1", store=store, adapters=("formal",)) as without,
        serving(ScriptedEngine(), name="s2", **options) as two,
        connect(f"{one}/v1/realtime?model=curt") as ws,
    ):
        client = Client(ws)
        token = await granted(client)
        last = drop(client)
        await refused(without, token, last)
        async with back(two, token, last) as again:
            await again.until("soundmind.resumed")
            assert (await again.update(instructions="be brief"))["session"]["model"] == "curt"
