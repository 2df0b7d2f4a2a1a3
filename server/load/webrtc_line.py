"""The same line over WebRTC (aiortc as the client): audio as Opus on a track, events on a data channel.

What comes back as audio is not decoded, since many callers share two cores with what they measure: the first
sound of a reply is when the server says that it begins to sound (`output_audio_buffer.started`). Knows no
other way to a server than its own address: no STUN, no TURN.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError
from av.packet import Packet as Encoded
from httpx import AsyncClient, HTTPError

from server.ask import PACKET, realtime_url
from server.auth import is_loopback
from server.load.lines import Microphone, Take, Unreachable, Wire, packets
from server.opus import FRAME, Encoder
from server.tasks import one_error
from server.webrtc import CHANNEL, CLOCK, Tap

CONNECT_SECONDS = 15.0


class Voice(MediaStreamTrack):
    """What a microphone has, as Opus.

    `due`: waits for the next 20 ms, PCM16. `loss`: percent of packets to expect lost (see `server.opus`).
    """

    kind = "audio"

    def __init__(self, due: Callable[[], Awaitable[str | bytes]], loss: int = 0) -> None:
        super().__init__()
        self._due = due
        self._encoder = Encoder(loss)
        self._sent = 0

    async def recv(self) -> Encoded[Any]:
        if self.readyState != "live":
            raise MediaStreamError
        frame = await self._due()
        assert isinstance(frame, bytes)
        packet = Encoded(self._encoder.encode(frame))
        packet.pts, packet.time_base = self._sent * CLOCK // 50, Fraction(1, CLOCK)
        self._sent += 1
        return packet


class WebRTCLine:
    def __init__(self, microphone: Microphone, channel: RTCDataChannel) -> None:
        self.microphone, self._channel = microphone, channel

    async def say(self, pcm: bytes) -> float:
        return await self.microphone.say(list(packets(pcm)))

    def post(self, event: Wire) -> None:
        if self._channel.readyState != "open":
            raise Unreachable("the server closed the data channel")
        self._channel.send(json.dumps(event))


@asynccontextmanager
async def webrtc(url: str, key: str | None, take: Take) -> AsyncGenerator[WebRTCLine, None]:
    """A call that is up as long as the block lasts. Raises Unreachable, also when it is hung up."""
    assert PACKET == 2 * FRAME
    microphone = Microphone(bytes(PACKET))
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    opened, over = asyncio.Event(), asyncio.Event()
    try:
        transceiver = pc.addTransceiver(Voice(microphone.next))
        Tap.into(transceiver.receiver, lambda packet: None)
        channel = pc.createDataChannel(CHANNEL)
        channel.on("message", lambda text: take(json.loads(text)))
        channel.on("open", opened.set)
        channel.on("close", over.set)
        await pc.setLocalDescription(await pc.createOffer())
        answer = await _answer(url, key, pc.localDescription.sdp)
        await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        try:
            await asyncio.wait_for(opened.wait(), CONNECT_SECONDS)
        except TimeoutError as error:
            raise Unreachable(f"no call within {CONNECT_SECONDS:g} s") from error
        with one_error():
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(_hung_up(over))
                yield WebRTCLine(microphone, channel)
                watching.cancel()
    finally:
        await pc.close()


async def _hung_up(over: asyncio.Event) -> None:
    await over.wait()
    raise Unreachable("the server hung up")


async def _answer(url: str, key: str | None, offer: str) -> str:
    """Raises Unreachable."""
    there = urlsplit(realtime_url(url))
    where = there._replace(
        scheme={"ws": "http", "wss": "https"}[there.scheme], path=there.path + "/calls"
    ).geturl()
    headers = {"content-type": "application/sdp"} | ({"authorization": f"Bearer {key}"} if key else {})
    async with AsyncClient(trust_env=not is_loopback(there.hostname or ""), timeout=30) as http:
        try:
            answer = await http.post(where, content=offer, headers=headers)
        except HTTPError as error:
            raise Unreachable(f"cannot connect ({error or type(error).__name__})") from error
    if answer.is_error:
        raise Unreachable(_why(answer.text) or f"the server answered {answer.status_code}")
    return answer.text


def _why(body: str) -> str:
    try:
        return str(json.loads(body)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return ""
