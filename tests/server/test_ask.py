"""`ask` as a client: at speaking pace, until everything in the recording has its reply."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from server.ask import AskError, Wishes, ask, realtime_url
from tests.scripted import REPLY, ScriptedEngine
from tests.server.client import pcm, serving


class Collected:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.final: dict[str, Any] = {}

    def event(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    def summary(self, summary: dict[str, Any]) -> None:
        self.final = summary


async def test_two_turns_in_one_recording() -> None:
    report = Collected()
    async with serving(ScriptedEngine()) as url:
        audio = pcm(600) + pcm(900, 0.0) + pcm(600)
        turns = await ask(url, audio, report, Wishes())
    assert [turn.status for turn in turns.turns] == ["completed", "completed"]
    assert report.final["reply"] == "".join(REPLY[3:])
    assert report.final["thinking"] and report.final["heard"]
    assert report.events[0]["type"] == "session.created"


async def test_wishes() -> None:
    report = Collected()
    async with serving(ScriptedEngine(), keys=["k"]) as url:
        await ask(url, pcm(600), report, Wishes(think="off", transcript=False), key="k")
        with pytest.raises(AskError, match="401"):
            await ask(url, pcm(600), report, Wishes(), key="wrong")
    assert report.final["thinking"] == "" and report.final["heard"] is None


async def test_silence() -> None:
    async with serving(ScriptedEngine()) as url:
        assert not (await ask(url, pcm(300, 0.0), Collected(), Wishes())).turns


async def test_a_server_that_is_full_down_or_not_there() -> None:
    engine = ScriptedEngine(max_tokens=10_000)
    async with serving(engine) as url:
        with pytest.raises(AskError, match="places are taken"):
            await ask(url, pcm(300), Collected(), Wishes())
        engine.alive = False
        with pytest.raises(AskError, match="not running"):
            await ask(url, pcm(300), Collected(), Wishes())
    with pytest.raises(AskError, match="cannot connect"):
        await ask(url, pcm(300), Collected(), Wishes())


async def test_a_server_that_speaks_something_else() -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail\r\n")
        writer.close()

    server = await asyncio.start_server(other, "127.0.0.1", 0, family=socket.AF_INET)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(AskError, match="cannot connect"):
            await ask(f"ws://127.0.0.1:{port}", pcm(300), Collected(), Wishes())


def test_urls() -> None:
    assert realtime_url("http://h:1") == "ws://h:1/v1/realtime"
    assert realtime_url("wss://h/v1/realtime?model=x") == "wss://h/v1/realtime?model=x"
    for wrong in ("h:1", "ftp://h", "", "ws://", "ws://[h"):
        with pytest.raises(AskError):
            realtime_url(wrong)
