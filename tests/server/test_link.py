"""A line that comes back: what it asks for, sends and keeps. Over a dropped line in mid-reply: test_talk."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from server.ask import AskError
from server.link import Link

SESSION = {"type": "realtime"}
Visit = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def served(*visits: Visit) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that plays a part each time somebody comes; gives its URL and the paths asked for."""
    paths: list[str] = []

    async def visit(ws: ServerConnection) -> None:
        assert ws.request is not None
        paths.append(ws.request.path)
        await visits[len(paths) - 1](ws)

    async with serve(visit, "127.0.0.1", 0) as server:
        yield f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}", paths


async def grant(ws: ServerConnection) -> None:
    update = json.loads(await ws.recv())
    assert update["session"] == {**SESSION, "soundmind": {"resume": True}}
    session = {"soundmind": {"resume": {"token": "t/1", "seconds": 5}}}
    await ws.send(json.dumps({"type": "session.updated", "event_id": "e1", "session": session}))


async def test_it_comes_back_behind_the_last_event_and_goes_on_sending() -> None:
    got: list[dict[str, Any]] = []
    told: list[str] = []

    async def first(ws: ServerConnection) -> None:
        await grant(ws)
        got.append(json.loads(await ws.recv()))
        ws.transport.abort()

    async def again(ws: ServerConnection) -> None:
        await ws.send(json.dumps({"type": "soundmind.resumed", "event_id": "e2", "input_audio_ms": 0}))
        got.append(json.loads(await ws.recv()))
        await ws.close(1000)

    def dropped(text: str) -> None:
        told.append(text)
        link.post({"type": "second"})

    taken: list[str] = []
    async with served(first, again) as (url, paths):
        link = Link(url, None, dropped)
        link.post({"type": "first"})
        await link.run(SESSION, lambda event: taken.append(event["type"]))
    assert paths == ["/v1/realtime", "/v1/realtime?resume=t%2F1&after=e1"]
    assert got == [{"type": "first"}, {"type": "second"}] and taken == [
        "session.updated",
        "soundmind.resumed",
    ]
    assert told == ["the line has dropped; trying again …"]


async def test_what_cannot_be_resumed_ends_it() -> None:
    async def first(ws: ServerConnection) -> None:
        await grant(ws)
        await ws.close(1011)

    async def again(ws: ServerConnection) -> None:
        error = {"code": "resume_failed", "message": "there is no conversation"}
        await ws.send(json.dumps({"type": "error", "event_id": "e2", "error": error}))
        await ws.wait_closed()

    async with served(first, again) as (url, _):
        with pytest.raises(AskError, match="there is no conversation"):
            await Link(url, None, lambda text: None).run(SESSION, lambda event: None)


async def test_a_line_that_drops_before_a_token_is_granted_is_over() -> None:
    async def rude(ws: ServerConnection) -> None:
        await ws.close(1013)

    async with served(rude) as (url, paths):
        with pytest.raises(AskError, match="closed the connection"):
            await Link(url, None, lambda text: None).run(SESSION, lambda event: None)
        assert len(paths) == 1


async def test_audio_that_was_lost_with_the_line_is_sent_again_before_what_was_said_meanwhile() -> None:
    got: list[bytes] = []
    heard = asyncio.Event()

    async def audio(ws: ServerConnection, count: int) -> None:
        got.extend([base64.b64decode(json.loads(await ws.recv())["audio"]) for _ in range(count)])

    async def first(ws: ServerConnection) -> None:
        await grant(ws)
        await audio(ws, 3)
        heard.set()
        ws.transport.abort()

    async def again(ws: ServerConnection) -> None:
        del got[2:]  # of the third it has but the first millisecond
        await ws.send(json.dumps({"type": "soundmind.resumed", "event_id": "e2", "input_audio_ms": 41}))
        await audio(ws, 2)
        await ws.close(1000)

    packets = [bytes([n]) * 960 for n in range(4)]  # 20 ms each
    async with served(first, again) as (url, _):
        link = Link(url, None, lambda text: link.say(packets[3]))
        for packet in packets[:3]:
            link.say(packet)
        await link.run(SESSION, lambda event: None)
    assert heard.is_set() and got == [*packets[:2], packets[2][48:], packets[3]]
