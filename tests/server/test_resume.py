"""A dropped line, over real sockets: the conversation is kept, and who comes back misses nothing."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from httpx import AsyncClient
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from server.limits import Limits
from server.resume import Log, ResumeFailed
from streaming.parking import Marks, Parking
from tests.scripted import REPLY, ScriptedEngine
from tests.server.client import Client, eventually, idle, serving, talking
from tests.streaming.talk import text_of

SAID = "".join(REPLY[3:])


async def granted(client: Client) -> str:
    """A token, with which to come back."""
    told = (await client.update(soundmind={"resume": True}, output_modalities=["text"]))["session"]
    assert told["soundmind"]["resume"]["seconds"] > 0
    return str(told["soundmind"]["resume"]["token"])


def drop(client: Client) -> str:
    """The line is gone without a word; returns the last event that came."""
    client.ws.transport.abort()
    return str(client.seen[-1]["event_id"])


@asynccontextmanager
async def back(url: str, token: str, after: str | None, **options: Any) -> AsyncIterator[Client]:
    behind = "" if after is None else f"&after={after}"
    address = f"{url}/v1/realtime?resume={token}{behind}"
    async with connect(address, max_size=None, **options) as ws:
        yield Client(ws)


async def refused(url: str, token: str, after: str | None = None, **options: Any) -> None:
    async with back(url, token, after, **options) as client:
        assert (await client.next())["error"]["code"] == "resume_failed"
        with pytest.raises(ConnectionClosed) as closed:
            await client.next()
    assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008


def ids(*clients: Client) -> list[str]:
    return [event["event_id"] for client in clients for event in client.seen]


@pytest.mark.fault(
    fault="connection dropped in mid-reply",
    provoked="the connection is reset while the model thinks; the client comes back with its token",
    seen="the events it missed, once and in order, then the rest",
    kept="the session: the reply is completed meanwhile",
)
async def test_dropped_in_mid_reply_what_was_missed_comes_once_and_in_order() -> None:
    engine = ScriptedEngine()
    engine.gate = asyncio.Event()
    async with serving(engine) as url, talking(url) as client:
        token = await granted(client)
        await client.say()
        await client.hush()
        await client.until("response.reasoning_text.delta")
        last = drop(client)
        engine.gate.set()
        await eventually(lambda: engine.running() == 1)  # the reply is completed meanwhile
        async with back(url, token, last) as again:
            done = await again.until("response.done")
            await again.until("soundmind.resumed")
            told = "".join(e["delta"] for e in again.seen if e["type"] == "response.output_text.delta")
            assert told == SAID and done["response"]["status"] == "completed"
            seen = ids(client, again)
            assert len(set(seen)) == len(seen)
            assert [int(i.removeprefix("event_")) for i in seen] == sorted(
                int(i.removeprefix("event_")) for i in seen
            )
            engine.gate = None
            await again.say()  # and then it goes on
            await again.hush()
            await again.until("response.done")
            assert SAID in text_of(engine.requests[-1])
        await idle(engine)


@pytest.mark.fault(
    fault="connection dropped in mid-turn",
    provoked="the connection is reset while the user speaks; the client comes back",
    seen="the turn goes on, and is answered as one",
    kept="the audio heard so far",
)
async def test_dropped_in_mid_turn_the_audio_is_kept_and_the_turn_goes_on() -> None:
    engine = ScriptedEngine()
    async with serving(engine) as url, talking(url) as client:
        token = await granted(client)
        await client.say(1500)
        await client.until("input_audio_buffer.speech_started")
        last = drop(client)
        async with back(url, token, last) as again:
            await again.say(500)
            await again.hush()
            await again.until("response.done")
            assert "input_audio_buffer.speech_started" not in again.kinds()
        assert engine.requests[-1].audio_tokens > 1500 // 80  # both halves, as one turn
        assert sum(i == engine.prompt.audio_start for i in engine.requests[-1].ids) == 1


async def test_a_parked_conversation_is_gone_on_with_over_another_line() -> None:
    engine, parking = ScriptedEngine(), Parking(Marks(idle_seconds=0.0))
    engine.kv_used = engine.kv_tokens

    async def told(name: str) -> float:
        async with AsyncClient(base_url=url.replace("ws", "http", 1), trust_env=False) as client:
            lines = (await client.get("/metrics")).text.splitlines()
        return float(dict(line.rsplit(" ", 1) for line in lines if line[0] != "#")[f"soundmind_{name}"])

    async def parked() -> None:
        engine.kv_told += 1
        parking.look(engine.caches(), time.monotonic())
        await idle(engine)
        assert await told("parked_listeners") == 1

    async with serving(engine, parking=parking) as url:
        tasks = len(asyncio.all_tasks())
        async with talking(url) as client:
            token = await granted(client)
            await client.say()
            await client.hush()
            await client.until("response.done")
            await parked()
            last = drop(client)
            async with back(url, token, last) as again:
                await again.until("soundmind.resumed")
                assert engine.running() == 0
                await again.say()
                await again.hush()
                await again.until("response.done")
                assert SAID in text_of(engine.requests[-1])
                assert await told("parked_listeners") == 0
                await parked()
        await eventually(lambda: len(asyncio.all_tasks()) <= tasks)
        assert (await told("parked_listeners"), await told("parkings_total")) == (0, 2)


async def test_a_client_that_closes_has_left() -> None:
    engine = ScriptedEngine()
    async with serving(engine) as url:
        async with talking(url) as client:
            token = await granted(client)
        await idle(engine)
        await refused(url, token, str(client.seen[-1]["event_id"]))


@pytest.mark.fault(
    fault="dropped, and nobody comes back",
    provoked="the connection is reset, and its time passes",
    seen="`resume_failed`, closed (1008)",
    kept="nothing; the place and the account's session are free",
)
async def test_nobody_comes_back_and_the_place_is_free() -> None:
    engine = ScriptedEngine(max_tokens=8192)  # one place
    async with serving(engine, resume_seconds=0.3, limits=Limits(sessions=1)) as url:
        async with talking(url) as client:
            token = await granted(client)
            last = drop(client)
            async with connect(f"{url}/v1/realtime") as ws:  # the place is kept
                assert (await Client(ws).next())["error"]["code"] == "rate_limit_exceeded"
            await idle(engine)
            await refused(url, token, last)
        async with talking(url) as other:
            await other.say()


async def test_wrong_tokens_keys_and_accounts() -> None:
    async with serving(ScriptedEngine(), keys=["one", "two"]) as url:
        one, two = ({"Authorization": f"Bearer {key}"} for key in ("one", "two"))
        async with talking(url, additional_headers=one) as client:
            token = await granted(client)
            last = drop(client)
            for wrong in ("", token[:-1], token + "x", "Grüße"):
                await refused(url, wrong, last, additional_headers=one)
            await refused(url, token, last, additional_headers=two)
            await refused(url, token, "event_999", additional_headers=one)
            with pytest.raises(InvalidStatus) as status:
                async with back(url, token, last):
                    pass
            assert status.value.response.status_code == 401
            async with back(url, token, last, additional_headers=one) as again:
                await again.until("soundmind.resumed")


async def test_a_second_client_takes_over() -> None:
    engine = ScriptedEngine()
    async with serving(engine) as url, talking(url) as first:
        token = await granted(first)
        last = str(first.seen[-1]["event_id"])
        async with back(url, token, last) as second:
            await second.until("soundmind.resumed")
            with pytest.raises(ConnectionClosed) as closed:
                await first.next()
            assert closed.value.rcvd is not None and closed.value.rcvd.code == 1008
            async with back(url, token, str(second.seen[-1]["event_id"])) as third:
                await third.until("soundmind.resumed")
                await third.say()
                await third.hush()
                await third.until("response.done")
        await idle(engine)


async def test_dropped_again_and_again() -> None:
    engine = ScriptedEngine()
    async with serving(engine) as url, talking(url) as client:
        token = await granted(client)
        clients = [client]
        async with AsyncExitStack() as lines:
            for _ in range(5):
                again = await lines.enter_async_context(back(url, token, drop(clients[-1])))
                clients.append(again)
                await again.until("soundmind.resumed")
                await again.send({"type": "response.create"})
                await again.until("response.created")
        seen = ids(*clients)
        assert len(set(seen)) == len(seen)
        assert sum(kind == "response.done" for c in clients for kind in c.kinds()) >= 4


async def test_not_asked_for_a_dropped_line_ends_the_conversation() -> None:
    engine = ScriptedEngine()
    async with serving(engine) as url, talking(url) as client:
        token = await granted(client)
        assert (await client.update(soundmind={"resume": False}))["session"]["soundmind"]["resume"] is False
        last = drop(client)
        await idle(engine)
        await refused(url, token, last)


@pytest.mark.fault(
    fault="client vanishes in mid-turn",
    provoked="the connection is reset while the user speaks; resuming was not asked for",
    seen="nobody is there",
    kept="nothing; no reply is made, and the place is free",
)
async def test_a_client_that_vanishes_in_mid_turn_leaves_nothing() -> None:
    engine = ScriptedEngine(max_tokens=8192)  # one place
    async with serving(engine) as url:
        async with talking(url) as client:
            await client.say()
            await client.until("input_audio_buffer.speech_started")
            drop(client)
            await idle(engine)
        async with talking(url):
            assert not engine.requests


def test_the_log_is_bounded_and_says_what_it_has_lost() -> None:
    log = Log(events=3)
    assert log.behind(None) == 0
    for n in range(5):
        log.add(f"event_{n}", f"data {n}")
    assert log.behind("event_1") == 2  # the one before the oldest
    assert [log.at(place) for place in range(log.behind("event_2"), log.ended)] == ["data 3", "data 4"]
    assert log.at(1) is None
    for lost in (None, "event_0", "event_9"):
        with pytest.raises(ResumeFailed):
            log.behind(lost)


def test_the_log_is_bounded_in_bytes() -> None:
    log = Log(size=100)
    for n in range(10):
        log.add(f"event_{n}", "x" * 40)
    assert log.behind("event_7") == 8
    with pytest.raises(ResumeFailed):
        log.behind("event_6")
    log.add("event_10", "x" * 1000)  # the newest is always there
    assert log.behind("event_9") == 10
