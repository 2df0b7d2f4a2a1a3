"""The other end of a call: aiortc as the client, with a microphone, ears and events that are checked."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from fractions import Fraction
from typing import Any

import aioice.ice
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame
from httpx import AsyncClient, Response
from numpy.typing import NDArray

from streaming.spoken_text import Word
from streaming.voice import Sound
from tests.voices import ScriptedVoice
from tests.wire import validate

Wire = dict[str, Any]
RATE = 48_000
SAMPLES = RATE // 50
QUICK = {"type": "realtime", "reasoning": {"effort": "minimal"}}
PITCH = 400.0  # Hz
LOUD = 1000.0  # root mean square of 16-bit samples, from which on a frame is sound


class Tone(ScriptedVoice):
    """Its words sound: a tone that survives Opus."""

    async def say(self, words: Sequence[Word], name: str, speed: float) -> AsyncGenerator[Sound, None]:
        at = 0
        async with aclosing(super().say(words, name, speed)) as sounds:
            async for sound in sounds:
                samples = len(sound.pcm) // 2
                tone = 8000 * np.sin(2 * np.pi * PITCH * np.arange(at, at + samples) / 24_000)
                at += samples
                yield Sound(tone.astype("<i2").tobytes(), sound.ends)


class Microphone(MediaStreamTrack):
    """Plays what it is given, in real time, and silence between."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._said: NDArray[np.int16] = np.empty(0, np.int16)
        self._frames = 0
        self._began: float | None = None

    def say(self, pcm: bytes, rate: int = 24_000) -> None:
        samples = np.frombuffer(pcm, "<i2")
        self._said = np.concatenate([self._said, np.repeat(samples, RATE // rate)])

    @property
    def left(self) -> int:
        """Milliseconds that have not been said."""
        return self._said.size * 1000 // RATE

    async def recv(self) -> AudioFrame:
        if self.readyState != "live":
            raise MediaStreamError
        now = time.monotonic()
        self._began = self._began or now
        await asyncio.sleep(max(0.0, self._began + self._frames * 0.02 - now))
        samples, self._said = np.split(self._said, [min(SAMPLES, self._said.size)])
        frame = AudioFrame(format="s16", layout="mono", samples=SAMPLES)
        frame.planes[0].update(np.pad(samples, (0, SAMPLES - samples.size)).astype("<i2").tobytes())
        frame.pts, frame.sample_rate, frame.time_base = self._frames * SAMPLES, RATE, Fraction(1, RATE)
        self._frames += 1
        return frame


class Peer:
    def __init__(self, http: AsyncClient, headers: dict[str, str] | None = None) -> None:
        self.http = http
        self._headers = headers or {}
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.microphone = Microphone()
        self.pc.addTrack(self.microphone)
        self.channel = self.pc.createDataChannel("oai-events")
        self.unread: asyncio.Queue[Wire] = asyncio.Queue()
        self.seen: list[Wire] = []
        self.heard: list[NDArray[np.int16]] = []  # frames of 20 ms, mono at 48 kHz
        self.call_id = ""
        self.location = ""
        self.closed = asyncio.Event()
        self._ears: asyncio.Task[None] | None = None
        self.channel.on("message", lambda text: self.unread.put_nowait(json.loads(text)))
        self.channel.on("close", self.closed.set)
        self.pc.on("track", self._track)

    def _track(self, track: MediaStreamTrack) -> None:
        self._ears = asyncio.create_task(self._listen(track))

    async def _listen(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                frame = await track.recv()
                assert isinstance(frame, AudioFrame)
                stereo = frame.to_ndarray().reshape(-1, 2)
                self.heard.append(stereo[:, 0].astype(np.int16))
        except MediaStreamError:
            pass

    async def offer(self) -> str:
        await self.pc.setLocalDescription(await self.pc.createOffer())
        return str(self.pc.localDescription.sdp)

    async def post(
        self,
        sdp: str,
        session: Wire | None = None,
        headers: dict[str, str] | None = None,
        query: str = "",
    ) -> Response:
        """As raw SDP; with a session, as a form."""
        url, ours = f"/v1/realtime/calls{query}", self._headers | (headers or {})
        if session is None:
            raw = {"content-type": "application/sdp"} | ours
            return await self.http.post(url, content=sdp, headers=raw)
        form = {"sdp": (None, sdp), "session": (None, json.dumps(session))}
        return await self.http.post(url, files=form, headers=ours)

    async def place(self, sdp: str) -> None:
        """Returns once there is a place for the call."""
        while True:
            if (await self.post(sdp)).status_code == 201:
                return
            await asyncio.sleep(0.05)

    async def call(self, session: Wire | None = None) -> None:
        """From the offer to session.created."""
        answer = await self.post(await self.offer(), session)
        assert answer.status_code == 201, answer.text
        assert answer.headers["content-type"].startswith("application/sdp")
        self.location = answer.headers["location"]
        await self.pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        assert (await self.next())["type"] == "session.created"

    async def close(self) -> None:
        await self.pc.close()
        if self._ears:
            self._ears.cancel()  # a track that never began does not end
            await asyncio.gather(self._ears, return_exceptions=True)

    async def hang_up(self) -> Response:
        return await self.http.post(f"{self.location}/hangup", headers=self._headers)

    def send(self, event: Wire | str | bytes) -> None:
        self.channel.send(json.dumps(event) if isinstance(event, dict) else event)

    async def next(self) -> Wire:
        event = validate(await self.unread.get())
        self.seen.append(event)
        return event

    async def until(self, kind: str) -> Wire:
        while (event := await self.next())["type"] != kind:
            pass
        return event

    async def update(self, **session: Any) -> Wire:
        self.send({"type": "session.update", "session": {"type": "realtime", **session}})
        return await self.until("session.updated")

    def kinds(self) -> list[str]:
        return [event["type"] for event in self.seen]

    def loudness(self, frames: int = 5) -> float:
        """Of the newest frames: root mean square."""
        newest = np.concatenate([np.zeros(1, np.int16), *self.heard[-frames:]]).astype(np.float64)
        return float(np.sqrt(np.mean(newest**2)))

    def loud(self) -> list[bool]:
        return [bool(np.sqrt(np.mean(frame.astype(np.float64) ** 2)) > LOUD) for frame in self.heard]


async def ask(client: Peer) -> str:
    """A reply that is being heard; its id."""
    client.send({"type": "response.create"})
    started = await client.until("output_audio_buffer.started")
    return str(started["response_id"])


@asynccontextmanager
async def calling(
    url: str, session: Wire | None = None, headers: dict[str, str] | None = None
) -> AsyncIterator[Peer]:
    """A call in progress; `url` as the tests' `serving` gives it."""
    async with peer(url, headers) as made:
        await made.call(session)
        yield made


@asynccontextmanager
async def peer(url: str, headers: dict[str, str] | None = None) -> AsyncIterator[Peer]:
    """One that has not called yet."""
    async with AsyncClient(base_url=url.replace("ws", "http", 1), trust_env=False) as http:
        made = Peer(http, headers)
        try:
            yield made
        finally:
            await made.close()


def loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client has no other address, so that tests need no network."""
    alone: Callable[..., list[str]] = lambda **kinds: ["127.0.0.1"]  # noqa: E731
    monkeypatch.setattr(aioice.ice, "get_host_addresses", alone)
