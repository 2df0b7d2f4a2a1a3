"""RTP packets of one Opus stream, as they come, to a gapless stream of samples.

The sample clock is the sender's: a sample is where its time stamp says (RFC 7587: 48 kHz). What is in order
goes on at once; there is no buffer to wait in, since nobody plays it. A packet that is missing is waited for
until what came behind it is `WAIT_MS` newer, then it counts as lost: it is made up for by the copy that the
next packet may carry, by concealment, and beyond `CONCEALED_MS` by silence. So is a pause of the sender
(a muted track, DTX). Driven by packets alone: knows no clock, no sockets and no session.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from server.opus import RATE, STEP, Decoder, OpusError, samples_of

UNITS = 48_000 // RATE  # of time stamps, a sample
WAIT_MS = 100  # for a packet that was overtaken
CONCEALED_MS = 100  # libopus has faded out by then
LONGEST_MS = 2000  # of silence put in at once: a turn has been ended by then
HELD = 50  # packets that wait behind a missing one


@dataclass(frozen=True)
class Packet:
    sequence: int  # 16 bits, wraps
    timestamp: int  # 32 bits, wraps
    payload: bytes


class Order:
    """Packets in the order they were sent, and those that are given up left out."""

    def __init__(self) -> None:
        self._next: int | None = None  # sequence number
        self._held: dict[int, Packet] = {}

    def push(self, packet: Packet) -> Iterator[Packet]:
        if self._next is None:
            self._next = packet.sequence
        ahead = _signed(packet.sequence - self._next, 16)
        if ahead < -HELD or ahead > 10 * HELD:  # a new stream, or so much lost that nothing connects
            yield from self._drained()
            self._next, ahead = packet.sequence, 0
        if ahead < 0:
            return  # too late, or twice
        self._held[packet.sequence] = packet
        yield from self._ready()
        while self._held and (len(self._held) > HELD or self._waited(packet)):
            yield from self._skipped()

    def _ready(self) -> Iterator[Packet]:
        while self._next is not None and (packet := self._held.pop(self._next, None)):
            self._next = (self._next + 1) & 0xFFFF
            yield packet

    def _waited(self, newest: Packet) -> bool:
        oldest = min(_signed(held.timestamp - newest.timestamp, 32) for held in self._held.values())
        return -oldest >= WAIT_MS * 48

    def _skipped(self) -> Iterator[Packet]:
        """Give up what is missing in front of the first that is there."""
        due = self._next or 0
        self._next = min(self._held, key=lambda sequence: _signed(sequence - due, 16))
        yield from self._ready()

    def _drained(self) -> Iterator[Packet]:
        while self._held:
            yield from self._skipped()


class Hearing:
    def __init__(self) -> None:
        self._order = Order()
        self._decoder = Decoder()
        self._due: int | None = None  # the time stamp behind what was heard
        self.missed = 0  # samples that did not come
        self.bad = 0  # packets that were no Opus

    def push(self, packet: Packet) -> bytes:
        """What can be heard with it, perhaps nothing: PCM16, mono, 24 kHz."""
        return b"".join(pcm for ready in self._order.push(packet) for pcm in self._decoded(ready))

    def _decoded(self, packet: Packet) -> Iterator[bytes]:
        try:
            samples = samples_of(packet.payload)
            yield from self._gap(packet)
            yield self._decoder.decode(packet.payload)
        except OpusError:
            self.bad += 1
            return  # its time is a gap before the next one
        self._due = (packet.timestamp + samples * UNITS) & 0xFFFFFFFF

    def _gap(self, packet: Packet) -> Iterator[bytes]:
        """What is missing in front of it."""
        missing = 0 if self._due is None else _signed(packet.timestamp - self._due, 32) // UNITS
        if missing <= 0:  # none, or the sender's clock was set back
            return
        self.missed += missing
        missing = min(missing, LONGEST_MS * RATE // 1000)
        copied = min(missing // STEP * STEP, samples_of(packet.payload))
        concealed = min(missing - copied, CONCEALED_MS * RATE // 1000)
        yield self._decoder.lost(concealed)
        yield bytes(2 * (missing - copied - concealed))
        if copied:
            yield self._decoder.copied(packet.payload, copied)


def _signed(difference: int, bits: int) -> int:
    """The difference of two numbers that wrap."""
    half = 1 << (bits - 1)
    return (difference + half) % (1 << bits) - half
