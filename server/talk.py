"""`soundmind talk`: a conversation in a terminal, spoken or typed.

A client like any other: it knows the Realtime API and nothing of the server's inside. The device is behind
`Device`; what is shown is `server.talk_view`'s, the line is `server.link`'s. Over a WebSocket the client is
the one that falls silent when somebody cuts in, and it tells the server how much had been played.
"""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from server.link import Link
from server.modes import thinking
from server.reel import Reel
from server.talk_view import View
from server.tasks import one_error

TICK_SECONDS = 0.03
Wire = dict[str, Any]


class Device(Protocol):
    """A loudspeaker that plays `reel`, and a microphone. Raises nothing once it is open."""

    reel: Reel

    def now(self) -> float:
        """Seconds by the clock that the reel is played by."""

    async def read(self) -> bytes:
        """The microphone's next packet: PCM16, mono, 24 kHz."""


class Lines:
    """Lines of a file as they come. It is read by a thread, which nobody waits for: a terminal never ends."""

    def __init__(self, file: Iterable[str]) -> None:
        self._file = file
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[str | None] = asyncio.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for line in self._file:
                self._loop.call_soon_threadsafe(self._queue.put_nowait, line)
            self._loop.call_soon_threadsafe(self._queue.put_nowait, None)
        except RuntimeError:
            pass  # the loop is closed: the conversation is over

    async def next(self) -> str | None:
        """None: there are no more."""
        return await self._queue.get()


@dataclass(frozen=True)
class Manner:
    """How to talk. `echo`: show what was typed, since no terminal does."""

    typed: bool = False
    spoken: bool = True  # replies
    half_duplex: bool = False
    echo: bool = False
    think: str | None = None  # this and the next: see server.modes
    while_listening: bool = False

    def session(self) -> Wire:
        session: Wire = {"type": "realtime", "audio": {"input": {"transcription": {"model": "default"}}}}
        session |= thinking(self.think, self.while_listening)
        return session if self.spoken else session | {"output_modalities": ["text"]}


class Talk:
    """One conversation."""

    def __init__(self, link: Link, view: View, manner: Manner, device: Device | None) -> None:
        self._link, self._view, self._manner, self._device = link, view, manner, device
        self._answered = True  # what was typed
        self._settled = asyncio.Event()  # and all of it has been heard
        self._making = 0  # replies that are not done
        self.failed = False  # the newest reply, or what was asked for

    async def run(self, lines: Lines | None) -> None:
        """Until the lines end, the server closes, or the caller cancels. Raises AskError."""
        with one_error():
            async with asyncio.TaskGroup() as tasks:
                helpers = [tasks.create_task(self._tick())]
                talking = tasks.create_task(self._type(lines) if lines is not None else self._listen())
                line = tasks.create_task(self._link.run(self._manner.session(), self._take))
                await asyncio.wait({talking, line}, return_when=asyncio.FIRST_COMPLETED)
                for task in [*helpers, talking, line]:
                    task.cancel()

    # --- what the server says ---

    def _take(self, event: Wire) -> None:
        self._view.event(event)
        reel = self._device.reel if self._device else None
        match event["type"]:
            case "input_audio_buffer.speech_started":
                self._hush()
            case "response.output_audio.delta" if reel:
                reel.push(event["item_id"], base64.b64decode(event["delta"]))
            case "response.output_audio.done" if reel:
                reel.done(event["item_id"])
            case "response.created":
                self._making += 1
            case "response.done":
                self._making -= 1
                self.failed = event["response"]["status"] == "failed"
                self._answered = True
            case "error":
                self.failed = True
                self._answered = True

    def _hush(self) -> None:
        """Fall silent, and tell the server how much was played."""
        if self._device is None:
            return
        cuts = self._device.reel.cut()
        self._view.cut({cut.item_id: cut.heard for cut in cuts})
        for cut in cuts:
            where = {"item_id": cut.item_id, "content_index": 0, "audio_end_ms": cut.milliseconds}
            self._link.post({"type": "conversation.item.truncate", **where})

    # --- what the user says ---

    async def _listen(self) -> None:
        device = self._device
        assert device is not None
        while True:
            packet = await device.read()
            muted = self._manner.half_duplex and (self._making > 0 or not device.reel.silent(device.now()))
            packet = bytes(len(packet)) if muted else packet  # the server's clock of audio goes on
            self._view.level(packet, muted)
            self._link.say(packet)

    async def _type(self, lines: Lines) -> None:
        while (line := await lines.next()) is not None:
            if not (text := line.strip()):
                continue
            if self._manner.echo:
                self._view.typed(text)
            self._answered = False
            self._settled.clear()
            content = [{"type": "input_text", "text": text}]
            item = {"type": "message", "role": "user", "content": content}
            self._link.post({"type": "conversation.item.create", "item": item})
            self._link.post({"type": "response.create"})
            await self._settled.wait()

    async def _tick(self) -> None:
        """Words are shown as they are heard."""
        while True:
            quiet, device = True, self._device
            if device is not None:
                self._view.advance(partial(device.reel.heard, now=device.now()))
                quiet = device.reel.silent(device.now())
            if self._answered and quiet and not self._view.waiting:
                self._settled.set()
            await asyncio.sleep(TICK_SECONDS)


async def talk(
    url: str, key: str | None, view: View, manner: Manner, device: Device | None, lines: Lines | None
) -> bool:
    """Talk until it ends; whether all went well. Raises AskError."""
    link = Link(url, key, view.note)
    conversation = Talk(link, view, manner, device)
    try:
        await conversation.run(lines)
    finally:
        view.end()
    return not conversation.failed
