"""A caller's line to the server: what it says in one direction, events in the other. Here over WebSocket.

A line is an open microphone: a packet every 20 ms, of what is being said or of silence, on its own clock. A
packet that is late is not skipped; how many are is counted (`tardy`). Knows no turns and no right answers.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from server.ask import PACKET, PACKET_SECONDS, realtime_url
from server.auth import is_loopback
from server.tasks import one_error

Wire = dict[str, Any]
Take = Callable[[Wire], None]
Transport = Literal["websocket", "webrtc"]

LATE_SECONDS = 0.1  # from here on a packet is late


class Unreachable(Exception):
    """There is no line, or it has broken; one line that says why."""


class Line(Protocol):
    @property
    def microphone(self) -> Microphone: ...

    async def say(self, pcm: bytes) -> float:
        """At speaking pace: returns once it is said, with the loop's time at which it began."""

    def post(self, event: Wire) -> None:
        """An event that is no audio, to be sent as soon as may be. Raises Unreachable."""


def packets(pcm: bytes) -> Iterator[bytes]:
    for at in range(0, len(pcm), PACKET):
        yield pcm[at : at + PACKET].ljust(PACKET, b"\0")


class Microphone:
    """What is due to be sent next, and when. `next` has to be called for each packet."""

    def __init__(self, silence: str | bytes) -> None:
        self._silence = silence
        self._said: deque[tuple[str | bytes, asyncio.Future[None] | None]] = deque()
        self._began = 0.0
        self.sent = self.tardy = 0  # packets, and how many of them too late

    async def say(self, parts: list[str] | list[bytes]) -> float:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._said.extend((part, None) for part in parts[:-1])
        self._said.append((parts[-1], done))
        began = max(loop.time(), self._began + self.sent * PACKET_SECONDS)
        await done
        return began

    async def next(self) -> str | bytes:
        """Wait until it is due."""
        loop = asyncio.get_running_loop()
        self._began = self._began or loop.time()
        wait = self._began + self.sent * PACKET_SECONDS - loop.time()
        self.sent += 1
        self.tardy += wait < -LATE_SECONDS
        await asyncio.sleep(max(0.0, wait))
        if not self._said:
            return self._silence
        part, done = self._said.popleft()
        if done is not None and not done.done():
            done.set_result(None)
        return part


def append(packet: bytes) -> str:
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(packet).decode()})


SILENCE = append(bytes(PACKET))


class WebSocketLine:
    def __init__(self, ws: ClientConnection) -> None:
        self._ws = ws
        self._posted: deque[str] = deque()
        self.microphone = Microphone(SILENCE)

    async def say(self, pcm: bytes) -> float:
        return await self.microphone.say([append(packet) for packet in packets(pcm)])

    def post(self, event: Wire) -> None:
        self._posted.append(json.dumps(event))

    async def send(self) -> None:
        while True:
            part = await self.microphone.next()
            while self._posted:
                await self._ws.send(self._posted.popleft())
            await self._ws.send(part)

    async def hear(self, take: Take) -> None:
        async for text in self._ws:
            take(json.loads(text))
        raise Unreachable("the server closed the connection")


@asynccontextmanager
async def websocket(url: str, key: str | None, take: Take) -> AsyncGenerator[WebSocketLine, None]:
    """A line that is open as long as the block lasts. Raises Unreachable, also when it breaks."""
    there = realtime_url(url)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    proxy: Literal[True] | None = None if is_loopback(urlsplit(there).hostname or "") else True
    try:
        async with connect(
            there, additional_headers=headers, proxy=proxy, max_size=None, compression=None
        ) as ws:
            line = WebSocketLine(ws)
            with one_error():
                async with asyncio.TaskGroup() as tasks:
                    jobs = [tasks.create_task(line.send()), tasks.create_task(line.hear(take))]
                    yield line
                    for job in jobs:
                        job.cancel()
    except ConnectionClosed as error:
        raise Unreachable(f"the server closed the connection ({error})") from error
    except (OSError, InvalidHandshake, InvalidURI) as error:
        raise Unreachable(f"cannot connect ({error})") from error
