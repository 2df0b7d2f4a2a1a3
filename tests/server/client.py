"""A server over the scripted engine, and a client that checks every event it is sent."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from server.app import create_app
from server.connection import LiveSession
from server.observer import Observer
from server.serving import bind, listening
from streaming.events import Event, SessionSettings
from streaming.parking import Parking
from streaming.session import Session
from streaming.supervisor import Supervisor
from streaming.vad import SpeechDetector
from tests.scripted import Loudness, ScriptedEngine
from tests.voices import ScriptedVoice
from tests.wire import validate

Wire = dict[str, Any]
PACKET = 960  # bytes: 20 ms


def pcm(ms: int, amplitude: float = 0.5) -> bytes:
    tone = amplitude * np.sin(np.arange(ms * 24) * 0.05)
    return bytes((tone * 32767).astype("<i2").tobytes())


def append(audio: bytes) -> Wire:
    return {"type": "input_audio_buffer.append", "audio": base64.b64encode(audio).decode()}


@asynccontextmanager
async def serving(
    engine: ScriptedEngine | Supervisor,
    voice: ScriptedVoice | None = None,
    parking: Parking | None = None,
    **options: Any,
) -> AsyncIterator[str]:
    """The whole server but for its engine, mostly; gives ws://HOST:PORT. `options`: those of `create_app`."""
    if voice is not None:
        options["voices"] = voice.names

    def session(emit: Callable[[Event], None], settings: SessionSettings, observer: Observer) -> LiveSession:
        return Session(
            engine,
            cast(SpeechDetector, Loudness()),
            emit,
            settings,
            appended=observer.appended,
            speculated=observer.speculated,
            parked=observer.parked,
            parking=parking,
            voice=voice,
        )

    app = create_app(engine, session, **{"model": "nano", **options})
    with bind("127.0.0.1", 0) as sock:
        async with listening(app, sock) as url:
            yield url.replace("http", "ws", 1)


class Client:
    def __init__(self, ws: ClientConnection) -> None:
        self.ws = ws
        self.seen: list[Wire] = []

    async def send(self, event: Wire | str | bytes) -> None:
        await self.ws.send(json.dumps(event) if isinstance(event, dict) else event)

    async def next(self) -> Wire:
        event = validate(json.loads(await self.ws.recv()))
        self.seen.append(event)
        return event

    async def until(self, kind: str) -> Wire:
        """The next event of a kind; those before it are in `seen`."""
        while (event := await self.next())["type"] != kind:
            pass
        return event

    async def say(self, ms: int = 900, amplitude: float = 0.5) -> None:
        audio = pcm(ms, amplitude)
        for at in range(0, len(audio), PACKET):
            await self.send(append(audio[at : at + PACKET]))

    async def hush(self, ms: int = 900) -> None:
        await self.say(ms, 0.0)

    async def update(self, **session: Any) -> Wire:
        await self.send({"type": "session.update", "session": {"type": "realtime", **session}})
        return await self.until("session.updated")

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.seen]


@asynccontextmanager
async def talking(url: str, **options: Any) -> AsyncIterator[Client]:
    async with connect(f"{url}/v1/realtime", max_size=None, **options) as ws:
        client = Client(ws)
        assert (await client.next())["type"] == "session.created"
        yield client


def words_of(response: Wire) -> str:
    """What a response says, spoken or not."""
    part = response["output"][0]["content"][0]
    return str(part["transcript"] if part["type"] == "output_audio" else part["text"])


async def eventually(condition: Callable[[], bool]) -> None:
    """Returns once it holds; the test's own time limit is the limit."""
    while True:
        if condition():
            return
        await asyncio.sleep(0.01)


async def idle(engine: ScriptedEngine) -> None:
    """No request is left in the engine."""
    await eventually(lambda: engine.running() == 0)
