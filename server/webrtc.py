"""One call over WebRTC: the same conversation as over WebSocket, with its audio on tracks (aiortc).

The client offers audio and the data channel `oai-events`; the events are those of the WebSocket but for the
audio. What it says comes as RTP and goes to the session as samples (`server.hearing`); what the replies say
waits here and leaves frame by frame (`server.playback`), so that an interruption silences it at once and
leaves in the conversation what had been sent. `Peer` is one peer connection; a call can outlive it and go on
over another, where the client comes back. Both have one owner (`server.calls`). Knows no HTTP and no keys.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from aioice import Candidate
from aioice.ice import get_host_addresses
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCDataChannel,
    RTCIceGatherer,
    RTCIceServer,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
    rtcsctptransport,
)
from aiortc.mediastreams import MediaStreamError
from aiortc.sdp import SessionDescription
from av.packet import Packet as Encoded

from server import client_events as ce
from server import protocol as p
from server.connection import Connection, Host, Taking
from server.hearing import Hearing, Packet
from server.ice import Ice
from server.limits import Account
from server.opus import FRAME, RATE, Encoder
from server.outbox import Outbox, SlowClient
from server.playback import FRAME_BYTES, Playback, Told
from server.resume import Line as ResumableLine
from server.server_events import Narrator
from server.session_object import SessionState
from server.takeover import restored
from server.telling import Wire
from streaming.errors import EngineUnavailable, SessionError
from streaming.events import Event, ResponseDone, SpeechDelta
from streaming.ids import new_id

CHANNEL = "oai-events"
MAX_OFFER = 2**16  # characters
GATHER_SECONDS = 3  # for the servers that help to answer
UNSENT = 2**18  # bytes on the data channel, from which on the writer waits
UNREAD_EVENTS, UNREAD_BYTES = 1000, 2**24  # of the client, from which on it counts as flooding
UNREAD_PACKETS = 500  # 10 s: of a loop that busy no audio is worth keeping
FAREWELL_SECONDS = 2.0  # for the last events of a call that the server ends
NORMAL, DROPPED = 1000, 1006  # RFC 6455 7.4.1: a data channel has no codes of its own
LATE_SECONDS = 0.1  # frames that are later than this are skipped, not sent in a burst
FRAME_SECONDS = FRAME / RATE
CLOCK = 48_000  # Hz, of Opus time stamps whatever the sampling rate (RFC 7587 4.1)
FMTP = "minptime=10;useinbandfec=1"  # send us the copies, too

# How long the data channel waits for a lost event, in seconds. aiortc has the values of RFC 9260 (16), for
# bulk: 3, 1 and 60, so that where every twentieth packet is lost events come seconds late. These are of the
# kind that Chromium's end has (dcSCTP). What is given up after a number of tries needs more of them, then.
SCTP_TIMERS = {"SCTP_RTO_INITIAL": 0.5, "SCTP_RTO_MIN": 0.4, "SCTP_RTO_MAX": 3.0, "SCTP_MAX_INIT_RETRANS": 30}
for _name, _value in SCTP_TIMERS.items():
    assert hasattr(rtcsctptransport, _name), "another aiortc than the one this was written for"
    setattr(rtcsctptransport, _name, _value)

logger = logging.getLogger("soundmind")


class BadOffer(ValueError):
    """What the client sent is no offer that can be answered; one line that says what was expected."""


class Ended(Exception):
    """The call is over; why, in one line."""


class Channel:
    """The client's data channel, which behaves like a WebSocket: to be read until it says that it is over."""

    def __init__(self) -> None:
        self._channel: RTCDataChannel | None = None
        self._unread: asyncio.Queue[str | bytes | None] = asyncio.Queue()
        self._unread_bytes = 0
        self._sent = asyncio.Event()
        self.ready = asyncio.Event()  # it is open, or will not be
        self.finished = asyncio.Event()
        self.why = ""  # it is over
        self._code = DROPPED

    def opened(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL or self._channel is not None:
            return
        self._channel = channel
        channel.bufferedAmountLowThreshold = UNSENT // 2
        channel.on("message", self._received)
        channel.on("bufferedamountlow", self._sent.set)
        channel.on("close", lambda: self.over("the client closed the data channel", NORMAL))
        self.ready.set()

    def over(self, why: str, code: int) -> None:
        """Whoever reads is told; the first reason counts. `code`: NORMAL, the client does not come back."""
        if not self.why:
            self.why, self._code = why, code
        self._unread.put_nowait(None)
        self.ready.set()
        self.finished.set()

    def _received(self, message: str | bytes) -> None:
        self._unread_bytes += len(message)
        if self._unread.qsize() >= UNREAD_EVENTS or self._unread_bytes > UNREAD_BYTES:
            self.over("the client sends events faster than they can be read", NORMAL)
        else:
            self._unread.put_nowait(message)

    async def receive(self) -> MutableMapping[str, Any]:
        """As an ASGI WebSocket has it."""
        message = None if self.why else await self._unread.get()
        if message is None:
            return {"type": "websocket.disconnect", "code": self._code}
        self._unread_bytes -= len(message)
        return {"type": "websocket.receive", "text" if isinstance(message, str) else "bytes": message}

    async def send_text(self, data: str) -> None:
        """Returns once there is room for more."""
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return  # it is over, which whoever reads is told
        self._sent.clear()
        try:
            channel.send(data)
        except ValueError as error:
            raise SlowClient(str(error)) from error  # larger than it takes
        if channel.bufferedAmount > UNSENT:
            await self._sent.wait()

    async def close(self, code: int = NORMAL) -> None:
        """What is left goes out first, but for a client that has come back over another."""
        channel = self._channel
        if code == NORMAL and channel is not None and channel.readyState == "open":
            channel.bufferedAmountLowThreshold = 0
            self._sent.clear()
            if channel.bufferedAmount:
                with suppress(TimeoutError):
                    async with asyncio.timeout(FAREWELL_SECONDS):
                        await self._sent.wait()
        self.over("closed by the server", code)


@dataclass(frozen=True)
class Sound:
    """A call's, whichever peer connection carries it. None among the packets: what follows is of another."""

    playback: Playback
    packets: asyncio.Queue[Packet | None] = field(default_factory=asyncio.Queue)


class Spoken(MediaStreamTrack):
    """What the client hears: a frame every 20 ms by the clock, sound or silence."""

    kind = "audio"

    def __init__(self, frame: Callable[[], bytes | None]) -> None:
        super().__init__()
        self._frame = frame
        self._encoder = Encoder()
        self._began: float | None = None
        self._frames = 0  # by the clock

    async def recv(self) -> Encoded[Any]:
        """The next packet, when it is due. Raises MediaStreamError once stopped."""
        if self.readyState != "live":
            raise MediaStreamError
        now = time.monotonic()
        if self._began is None:
            self._began = now
        early = self._began + self._frames * FRAME_SECONDS - now
        if early > 0:
            await asyncio.sleep(early)
        elif early < -LATE_SECONDS:
            self._frames += int(-early / FRAME_SECONDS)
        packet = Encoded(self._encoder.encode(self._frame() or bytes(FRAME_BYTES)))
        packet.pts = self._frames * FRAME * CLOCK // RATE
        packet.time_base = Fraction(1, CLOCK)
        self._frames += 1
        return packet


class Tap:
    """In the place of aiortc's jitter buffer, which waits for more packets than need be, and knows no FEC."""

    def __init__(self, take: Callable[[Packet], None]) -> None:
        self._take = take

    def add(self, packet: Any) -> tuple[bool, None]:
        """A packet comes in; nothing of it is left for aiortc to decode."""
        if packet.payload:
            self._take(Packet(packet.sequence_number, packet.timestamp, bytes(packet.payload)))
        return False, None

    @classmethod
    def into(cls, receiver: RTCRtpReceiver, take: Callable[[Packet], None]) -> None:
        name = "_RTCRtpReceiver__jitter_buffer"
        assert hasattr(receiver, name), "another aiortc than the one this was written for"
        setattr(receiver, name, cls(take))


class Peer:
    """One peer connection, from the offer on: its tracks and its channel."""

    def __init__(self, ice: Ice) -> None:
        self.channel = Channel()
        self._ice = ice
        servers = [
            RTCIceServer(server.url, server.username, server.credential) for server in ice.given(time.time())
        ]
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._pc.on("datachannel", self.channel.opened)
        self._pc.on("connectionstatechange", self._changed)

    @property
    def _live(self) -> bool:
        return self.channel.ready.is_set() and not self.channel.why

    async def answer(self, offer: str, sound: Sound) -> str:
        """The SDP of our side, with all its candidates. Raises BadOffer."""
        _check(offer)

        def frame() -> bytes | None:
            return sound.playback.frame() if self._live else None

        def take(packet: Packet) -> None:
            if self._live and sound.packets.qsize() < UNREAD_PACKETS:
                sound.packets.put_nowait(packet)

        transceiver = self._pc.addTransceiver(Spoken(frame), "sendrecv")
        capabilities = RTCRtpReceiver.getCapabilities("audio")
        assert capabilities is not None
        opus = [codec for codec in capabilities.codecs if codec.mimeType.lower() == "audio/opus"]
        transceiver.setCodecPreferences(opus)
        Tap.into(transceiver.receiver, take)
        try:
            await self._pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        except Exception as error:  # aiortc has no error of its own for it
            raise BadOffer(f"the SDP cannot be answered: {error or type(error).__name__}") from error
        for other in self._pc.getTransceivers():
            if other is not transceiver:
                other.direction = "inactive"
            self._gather_from(other.receiver.transport.transport.iceGatherer)
        if self._pc.sctp is not None:
            self._gather_from(self._pc.sctp.transport.transport.iceGatherer)
        await self._pc.setLocalDescription()
        return _with_fec(self._pc.localDescription.sdp)

    def _gather_from(self, gatherer: RTCIceGatherer) -> None:
        """The addresses that the server listens at, not whichever there are."""
        connection = gatherer._connection
        gather = type(connection).get_component_candidates

        async def ours(component: int, addresses: list[str]) -> list[Candidate]:
            addresses = self._ice.addresses(get_host_addresses(use_ipv4=True, use_ipv6=True))
            return await gather(connection, component, addresses, GATHER_SECONDS)

        connection.get_component_candidates = ours  # type: ignore[method-assign, assignment]

    def _changed(self) -> None:
        if self._pc.connectionState in ("failed", "closed"):
            self.channel.over(f"the peer connection {self._pc.connectionState}", DROPPED)

    async def connected(self, seconds: float) -> None:
        """Returns once the client can be talked to. Raises Ended if it cannot be in time."""
        try:
            async with asyncio.timeout(seconds):
                await self.channel.ready.wait()
        except TimeoutError:
            raise Ended(f"no connection within {seconds:g} s: {self._missing()}") from None
        if self.channel.why:
            raise Ended(f"{self.channel.why} before it was in use")

    def _missing(self) -> str:
        if self._pc.iceConnectionState != "completed":
            return f"ICE found no way to the client (state: {self._pc.iceConnectionState})"
        if self._pc.connectionState != "connected":
            return "the DTLS handshake did not end"
        return f"the client opened no data channel {CHANNEL}"

    async def close(self) -> None:
        self.channel.over("closed by the server", DROPPED)
        await self._pc.close()


class Call(Connection):
    """A conversation whose client is heard and spoken to on tracks."""

    def __init__(
        self,
        host: Host,
        account: Account,
        state: SessionState,
        line: ResumableLine,
        taken: Taking | None = None,
    ) -> None:
        """`line`: its first data channel, and those of a client that comes back. `taken`: of another server.

        Raises SessionError for a state that cannot be.
        """
        self.id = new_id(f"rtc_{host.name}" if host.name else "rtc")
        self.sound = Sound(Playback(self._played, self._heard))
        narrator = Narrator(new_id("conv")) if taken is None else restored(taken.kept)
        super().__init__(line, host, narrator, Outbox(), account, _over_tracks(state), line, taken)
        self._session.play_through(self.sound.playback)

    async def farewell(self, code: str, message: str) -> None:
        """Send what is left, and an error behind it."""
        self._observer.refused(code, message)
        self._outbox.put(self._narrator.error(code, message))
        with suppress(TimeoutError, SlowClient):
            async with asyncio.timeout(FAREWELL_SECONDS):
                while self._outbox:
                    await self._write_one()

    def _work(self) -> list[Coroutine[Any, Any, None]]:
        return [*super()._work(), self._hear()]

    async def _hear(self) -> None:
        hearing, told = Hearing(), ""
        while True:
            packet = await self.sound.packets.get()
            if packet is None:
                hearing = Hearing()
                continue
            pcm = hearing.push(packet)
            if not pcm:
                continue
            self._observer.heard(len(pcm) / 2 / RATE)
            try:
                await self._session.listen(pcm)
                told = ""
            except SessionError as error:  # every 20 ms; the client is told once
                if told != error.code:
                    told = error.code
                    self._refuse(p.ProtocolError(error.code, str(error)))
            except EngineUnavailable:
                return  # the session's own task says so

    def _emit(self, event: Event) -> None:
        super()._emit(event)
        if isinstance(event, ResponseDone):
            self.sound.playback.done(event.response_id, cut=event.status in ("cancelled", "failed"))

    def _narrate(self, event: Event) -> list[Wire]:
        if isinstance(event, SpeechDelta):
            self.sound.playback.push(event.response_id, event.item_id, event.pcm, event.delta)
            event = replace(event, pcm=b"")
        return super()._narrate(event)

    def _played(self, what: Told, response_id: str) -> None:
        self._outbox.put(self._narrator.output_buffer(what, response_id))

    def _heard(self, response_id: str, item_id: str, words: str) -> None:
        self._outbox.put(self._narrator.caption(response_id, item_id, words))

    async def _append(self, pcm: bytes) -> None:
        raise p.ProtocolError("unsupported", "audio comes by the track of this call", "type")

    def _do(self, command: p.Command) -> None:
        if not isinstance(command, p.ClearOutput):
            super()._do(command)
        elif (playing := self.sound.playback.playing) is not None:
            self._cancel(playing)

    def _updated(self, wanted: ce.Session) -> SessionState:
        return _over_tracks(super()._updated(wanted))


def _over_tracks(state: SessionState) -> SessionState:
    """Whatever format the client names for audio on the wire, there is none there."""
    return replace(state, hears="pcm", speaks="pcm")


def _check(offer: str) -> None:
    """Raises BadOffer."""
    if len(offer) > MAX_OFFER:
        raise BadOffer(f"expected an SDP offer of at most {MAX_OFFER} characters, got {len(offer)}")
    try:
        described = SessionDescription.parse(offer)
    except Exception as error:  # its parser raises whatever a line happens to break
        raise BadOffer("expected an SDP offer: it cannot be read") from error
    audio = [media for media in described.media if media.kind == "audio"]
    if not audio:
        raise BadOffer("expected an SDP offer with audio, got none")
    if not any(codec.mimeType.lower() == "audio/opus" for codec in audio[0].rtp.codecs):
        raise BadOffer("expected an SDP offer with Opus")
    if audio[0].direction in ("sendonly", "inactive"):
        raise BadOffer(f"expected audio that can be heard (sendrecv), got {audio[0].direction}")
    if not any(media.kind == "application" for media in described.media):
        raise BadOffer(f"expected a data channel in the SDP offer: create {CHANNEL} before it")


def _with_fec(answer: str) -> str:
    """aiortc does not say that we understand the copies of lost packets that Opus can carry."""
    lines = []
    for line in answer.splitlines():
        lines.append(line)
        if line.startswith("a=rtpmap:") and line.lower().endswith(" opus/48000/2"):
            lines.append(f"a=fmtp:{line.removeprefix('a=rtpmap:').split()[0]} {FMTP}")
    return "\r\n".join(lines) + "\r\n"
