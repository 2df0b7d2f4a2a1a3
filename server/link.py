"""A client's line to a server, which comes back by itself after it has dropped.

Events and audio are sent in order once the line is there, and audio that a dropped line took with it once
more; what the server sends is handed on, once and in order. Asks for `soundmind.resume` and uses the token it
is given (docs/realtime-events.md, Coming back). Knows no events but those.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from server.ask import AskError, realtime_url
from server.auth import is_loopback
from server.backlog import Backlog
from server.tasks import one_error

Wire = dict[str, Any]
SHORTEST, LONGEST = 0.2, 3.0  # seconds between two tries
CLOSE_SECONDS = 2.0


class Link:
    """`told` is given a line whenever the line drops."""

    def __init__(self, url: str, key: str | None, told: Callable[[str], None]) -> None:
        """Raises AskError."""
        self._url, self._there = url, realtime_url(url)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._told = told
        self._backlog = Backlog()
        self._news = asyncio.Event()  # in there
        self._ws: ClientConnection | None = None
        self._ready = asyncio.Event()
        self._token: str | None = None
        self._seconds = 0.0  # that the server keeps the conversation
        self._last: str | None = None  # event that came

    def post(self, event: Wire) -> None:
        """Send it as soon as may be."""
        self._backlog.post(event)
        self._news.set()

    def say(self, pcm: bytes) -> None:
        """The same of audio (PCM16, mono, 24 kHz), of which the newest seconds are kept."""
        self._backlog.say(pcm)
        self._news.set()

    async def run(self, session: Wire, take: Callable[[Wire], None]) -> None:
        """Until the server closes the conversation, or the caller cancels. Raises AskError."""
        session = {**session, "soundmind": {"resume": True}}
        with one_error():
            async with asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(self._send())
                await self._hold({"type": "session.update", "session": session}, take)
                sending.cancel()

    async def _hold(self, update: Wire, take: Callable[[Wire], None]) -> None:
        loop = asyncio.get_running_loop()
        pause, until = SHORTEST, 0.0
        while True:
            try:
                async with self._connect() as ws:
                    try:
                        if self._token is None:
                            await ws.send(json.dumps(update))
                        while True:
                            self._take(ws, json.loads(await ws.recv()), take)
                            pause, until = SHORTEST, 0.0
                    finally:
                        await ws.close()  # with 1000: who is cancelled has left, and does not come back
            except ConnectionClosed as error:
                if error.rcvd is not None and error.rcvd.code == 1000:
                    return
                why = f"the server closed the connection ({error})"
            except (OSError, InvalidHandshake, InvalidURI, TimeoutError) as error:
                why = f"cannot connect ({error})"
            finally:
                self._ready.clear()
            if self._token is None:
                raise AskError(f"{self._url}: {why}")
            if not until:
                self._told("the line has dropped; trying again …")
                until = loop.time() + self._seconds
            if loop.time() + pause > until:
                raise AskError(f"{self._url}: {why}, for {self._seconds:g} s")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST)

    def _connect(self) -> connect:
        address = self._there
        if self._token is not None:
            back = {"resume": self._token} | ({"after": self._last} if self._last else {})
            address += ("&" if urlsplit(address).query else "?") + urlencode(back)
        proxy: Literal[True] | None = None if is_loopback(urlsplit(address).hostname or "") else True
        return connect(
            address, additional_headers=self._headers, proxy=proxy, max_size=None, close_timeout=CLOSE_SECONDS
        )

    def _take(self, ws: ClientConnection, event: Wire, take: Callable[[Wire], None]) -> None:
        if event["type"] == "error":
            code, message = event["error"].get("code"), event["error"]["message"]
            if code == "resume_failed" or not self._token:
                raise AskError(f"the server refused: {message}")
        self._last = event["event_id"]
        if event["type"] == "session.updated" and self._token is None:
            granted = event["session"]["soundmind"]["resume"]
            self._token, self._seconds = granted["token"], granted["seconds"]
            self._open(ws)
        elif event["type"] == "soundmind.resumed":
            self._backlog.resumed(event["input_audio_ms"])
            self._open(ws)
        take(event)

    def _open(self, ws: ClientConnection) -> None:
        self._ws = ws
        self._ready.set()

    async def _send(self) -> None:
        while True:
            await self._ready.wait()
            event, ws = self._backlog.next(), self._ws
            if event is None:
                self._news.clear()
                await self._news.wait()
                continue
            assert ws is not None
            try:
                await ws.send(json.dumps(event))
            except ConnectionClosed:
                self._backlog.unsent(event)
                if self._ws is ws:
                    self._ready.clear()
