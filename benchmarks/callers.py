"""One spoken question to a server over WebRTC or over WebSocket, and when its answer is heard.

Both say the same frames at the same pace (`Speech`), and both listen in the same way (`Ears`): a sound counts
from when its packet is there, as for a client that does not wait any longer than it must. Clients like any
other, which know the Realtime API and nothing of the server's inside, nor of the line between.
"""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soxr
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InvalidStateError
from httpx import AsyncClient, HTTPError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosedError, WebSocketException

from model.evaluation.case import Case, Clip, Outcome
from model.evaluation.scoring import right, word_errors
from server.ask import realtime_url
from server.hearing import Hearing
from server.interview import Account, session
from server.load.webrtc_line import Voice
from server.opus import FRAME, RATE
from server.webrtc import CHANNEL, Tap

FRAME_SECONDS = FRAME / RATE
LOUD = 200.0  # root mean square of 16-bit samples, from which on a frame is speech
SETTLED = 1.0  # seconds behind the question, by which its turn has ended or goes on
CONNECTING, PATIENCE = 30.0, 45.0  # seconds, until there is a session, and for an answer
UNHEARD = 3.0  # seconds for the first sound, once all else has come
EVERY = 0.02  # seconds between two looks
Wire = dict[str, Any]
Send = Callable[[Wire], Awaitable[None]]


@dataclass
class Asked:
    """What came of one question. Seconds: until it could be spoken, and from its last sample on."""

    name: str
    right: bool = False
    heard: str | None = None
    reply: str = ""
    error: str | None = None
    connected: float | None = None
    wait: float | None = None  # to the first sound of the reply
    turn_ended: float | None = None  # by the server's own clock, from the last voiced sample it heard
    wrong_words: int = 0
    words: int = 0


class Speech:
    """A microphone: a frame every 20 ms by the clock, of the question or silence."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self._began: float | None = None
        self.frames = 0  # that were due
        self.fell_silent: float | None = None  # when the last frame of the question was due

    def say(self, pcm: bytes) -> None:
        size = 2 * FRAME
        self._frames = [pcm[at : at + size].ljust(size, b"\0") for at in range(0, len(pcm), size)]

    async def next(self) -> bytes:
        """Once it is due. Whoever comes late gets what has waited at once."""
        now = time.monotonic()
        self._began = self._began or now
        due = self._began + self.frames * FRAME_SECONDS
        await asyncio.sleep(max(0.0, due - now))
        self.frames += 1
        if not self._frames:
            return bytes(2 * FRAME)
        frame = self._frames.pop(0)
        if not self._frames:
            self.fell_silent = due
        return frame


@dataclass
class Ears:
    """When the reply to what was said is first heard."""

    speech: Speech
    sounded: float | None = None

    def hear(self, pcm: bytes) -> None:
        """Sound that has just come, PCM16; of a piece that begins in silence the loud part counts."""
        if self.sounded is not None or self.speech.fell_silent is None:
            return
        samples = np.frombuffer(pcm, "<i2").astype(np.float64)
        for at in range(0, len(samples), FRAME):
            if np.sqrt(np.mean(samples[at : at + FRAME] ** 2)) > LOUD:
                self.sounded = time.monotonic() + at / RATE
                return


@dataclass
class Question:
    """One on its way."""

    case: Case
    speech: Speech = field(default_factory=Speech)
    account: Account = field(default_factory=lambda: Account(detecting=True))

    def __post_init__(self) -> None:
        self.ears = Ears(self.speech)

    def take(self, event: Wire) -> None:
        if event["type"] == "response.output_audio.delta":
            self.ears.hear(base64.b64decode(event["delta"]))
        self.account.take(event)

    @property
    def answered(self) -> bool:
        silent, account = self.speech.fell_silent, self.account
        settled = silent is not None and time.monotonic() > silent + SETTLED
        return account.error is not None or (settled and account.turns > 0 and not account.pending)

    async def put(self, send: Send) -> float:
        """From the session on; how long it took to be one."""
        began = time.monotonic()
        wanted = {**session(self.case, "served", detecting=True), "output_modalities": ["audio"]}
        await send({"type": "session.update", "session": wanted})
        async with asyncio.timeout(CONNECTING):
            await _until(lambda: self.account.configured)
        connected = time.monotonic() - began
        self.speech.say(_pcm(self.case.clip))
        async with asyncio.timeout(PATIENCE):
            await _until(lambda: self.answered)
        with suppress(TimeoutError):
            async with asyncio.timeout(UNHEARD):
                await _until(lambda: self.ears.sounded is not None)
        return connected

    def scored(self) -> Asked:
        account = self.account
        heard = " ".join(account.transcripts) if account.transcripts else None
        found = Outcome(reply=account.reply.text, heard=heard, error=account.error or account.reply.error)
        silent, sounded = self.speech.fell_silent, self.ears.sounded
        ended = account.reply.timings.get("turn_ended_ms")
        said = self.case.transcript
        return Asked(
            self.case.name,
            right(self.case, found),
            heard,
            found.reply,
            found.error,
            wait=None if silent is None or sounded is None else round(sounded - silent, 3),
            turn_ended=None if ended is None else ended / 1000,
            wrong_words=word_errors(said, heard) if said and heard is not None else 0,
            words=len(said.split()) if heard is not None else 0,
        )


# How a question reaches the server: what is open inside sends events, and sound goes both ways.
Transport = Callable[[Question], AbstractAsyncContextManager[Send]]


async def ask(case: Case, transport: Transport) -> Asked:
    """A conversation for one question. What goes wrong is its answer."""
    question = Question(case)
    began, connected, trouble = time.monotonic(), None, None
    try:
        async with transport(question) as send:
            opened = time.monotonic() - began
            connected = opened + await question.put(send)
    except TimeoutError:
        trouble = "no session in time" if not question.account.configured else "no answer in time"
    except (OSError, HTTPError, InvalidStateError, WebSocketException) as error:
        trouble = f"{type(error).__name__}: {error}"
    asked = question.scored()
    asked.connected = None if connected is None else round(connected, 3)
    if trouble is not None:
        asked.right, asked.error = False, trouble
    return asked


@asynccontextmanager
async def webrtc(http: AsyncClient, loss: int, question: Question) -> AsyncIterator[Send]:
    """`loss`: percent that the question's Opus makes ready for with copies (FEC), 0: none."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    hearing = Hearing()
    call = None
    try:
        transceiver = pc.addTransceiver(Voice(question.speech.next, loss))
        Tap.into(transceiver.receiver, lambda packet: question.ears.hear(hearing.push(packet)))
        channel = pc.createDataChannel(CHANNEL)
        opened = asyncio.Event()
        channel.on("open", opened.set)
        channel.on("message", lambda text: question.take(json.loads(text)))
        await pc.setLocalDescription(await pc.createOffer())
        kind = {"content-type": "application/sdp"}
        answer = await http.post("/v1/realtime/calls", content=pc.localDescription.sdp, headers=kind)
        answer.raise_for_status()
        call = answer.headers["location"]
        await pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        async with asyncio.timeout(CONNECTING):
            await opened.wait()

        async def send(event: Wire) -> None:
            channel.send(json.dumps(event))

        yield send
    finally:
        if call is not None:
            with suppress(HTTPError):  # the call's place is free by then
                await http.post(f"{call}/hangup")
        await pc.close()


@asynccontextmanager
async def websocket(url: str, question: Question) -> AsyncIterator[Send]:
    """As 24 kHz PCM16, which is what a browser's page sends, too."""
    async with connect(realtime_url(url), proxy=None, max_size=None, close_timeout=2) as ws:

        async def send(event: Wire) -> None:
            await ws.send(json.dumps(event))

        async def speak() -> None:
            while True:
                audio = base64.b64encode(await question.speech.next()).decode()
                await send({"type": "input_audio_buffer.append", "audio": audio})

        async def hear() -> None:
            with suppress(ConnectionClosedError):
                async for text in ws:
                    question.take(json.loads(text))
            question.account.error = question.account.error or "the server closed the connection"

        tasks = [asyncio.create_task(speak()), asyncio.create_task(hear())]
        try:
            yield send
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  # it may depend on the time alone
        await asyncio.sleep(EVERY)


def _pcm(clip: Clip) -> bytes:
    samples = soxr.resample(clip.samples.astype(np.float32), 16_000, RATE)
    return bytes(np.clip(np.rint(samples), -32768, 32767).astype("<i2").tobytes())
