"""Opus (RFC 6716) by libopus, mono at 24 kHz: the rate of the voice, and of what a session hears.

libopus converts to and from that rate by itself, so nothing else resamples on the way. It is the library that
PyAV brings along; PyAV's own codec gives no access to the two things that a lossy line needs: the copy of a
lost packet that the next one carries (in-band FEC), and the concealment of one that is gone. Knows no RTP.
"""

from __future__ import annotations

import ctypes
from ctypes.util import find_library
from functools import cache
from pathlib import Path

RATE = 24_000  # Hz
FRAME = RATE // 50  # samples of a packet that we send: 20 ms
MOST = RATE * 120 // 1000  # samples of any packet (RFC 6716 3.2.5)
STEP = RATE // 400  # samples: libopus conceals in multiples of 2.5 ms
BITRATE = 32_000  # bits a second: full-band speech in mono
PACKET_BYTES = 1275  # at most, of one frame (RFC 6716 3.2.1)

# opus_defines.h
VOIP = 2048
SET_BITRATE, SET_COMPLEXITY, SET_INBAND_FEC, SET_PACKET_LOSS = 4002, 4010, 4012, 4014
COMPLEXITY = 5  # of 10: half the time, and no difference to be heard in speech at this rate


class OpusError(Exception):
    """A packet is no Opus, or libopus cannot be used."""


@cache
def _library() -> ctypes.CDLL:
    """Raises OpusError."""
    import av

    bundled = Path(av.__file__).parent.parent / "av.libs"
    found = next((str(file) for file in bundled.glob("libopus-*")), None) or find_library("opus")
    if found is None:
        raise OpusError(
            "libopus is neither in PyAV nor on this machine (on Debian: apt-get install libopus0)"
        )
    lib = ctypes.CDLL(found)
    state, data, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32
    pcm = ctypes.POINTER(ctypes.c_int16)
    lib.opus_strerror.restype = ctypes.c_char_p
    lib.opus_encoder_create.restype = lib.opus_decoder_create.restype = state
    lib.opus_encoder_destroy.argtypes = lib.opus_decoder_destroy.argtypes = [state]
    lib.opus_encode.argtypes = [state, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p, size]
    lib.opus_decode.argtypes = [state, data, size, pcm, ctypes.c_int, ctypes.c_int]
    lib.opus_packet_get_nb_samples.argtypes = [data, size, size]
    return lib


def _checked(result: int) -> int:
    if result < 0:
        raise OpusError(_library().opus_strerror(result).decode())
    return result


def samples_of(packet: bytes) -> int:
    """How long a packet is, in samples at RATE. Raises OpusError."""
    return _checked(_library().opus_packet_get_nb_samples(packet, len(packet), RATE))


class Encoder:
    """PCM16 frames of 20 ms to packets. `loss`: percent of packets to expect lost, 0: no FEC."""

    def __init__(self, loss: int = 10) -> None:
        self._lib, wrong = _library(), ctypes.c_int()
        self._state = ctypes.c_void_p(self._lib.opus_encoder_create(RATE, 1, VOIP, ctypes.byref(wrong)))
        _checked(wrong.value)
        wishes = {
            SET_BITRATE: BITRATE,
            SET_COMPLEXITY: COMPLEXITY,
            SET_INBAND_FEC: int(loss > 0),
            SET_PACKET_LOSS: loss,
        }
        for wish, value in wishes.items():
            _checked(self._lib.opus_encoder_ctl(self._state, wish, ctypes.c_int32(value)))
        self._out = ctypes.create_string_buffer(PACKET_BYTES)

    def encode(self, pcm: bytes) -> bytes:
        """Exactly one frame, 2 FRAME bytes. Raises OpusError."""
        size = self._lib.opus_encode(self._state, pcm, len(pcm) // 2, self._out, PACKET_BYTES)
        return self._out.raw[: _checked(size)]

    def __del__(self) -> None:
        if hasattr(self, "_state"):
            self._lib.opus_encoder_destroy(self._state)


class Decoder:
    """Packets of one stream, in order, to PCM16."""

    def __init__(self) -> None:
        self._lib, wrong = _library(), ctypes.c_int()
        self._state = ctypes.c_void_p(self._lib.opus_decoder_create(RATE, 1, ctypes.byref(wrong)))
        _checked(wrong.value)
        self._out = (ctypes.c_int16 * MOST)()

    def decode(self, packet: bytes) -> bytes:
        """Raises OpusError."""
        return self._decoded(packet, MOST, fec=False)

    def lost(self, samples: int) -> bytes:
        """What may have been in packets that are gone; fades to silence after a few."""
        whole = samples // STEP * STEP
        parts = [self._decoded(None, min(MOST, whole - at), fec=False) for at in range(0, whole, MOST)]
        return b"".join(parts) + bytes(2 * (samples - whole))

    def copied(self, packet: bytes, samples: int) -> bytes:
        """What was before this packet, by the copy in it; as good as `lost` where it has none.

        `samples` is a multiple of STEP. To be asked before the packet itself is decoded. Raises OpusError.
        """
        return self._decoded(packet, samples, fec=True)

    def _decoded(self, packet: bytes | None, samples: int, fec: bool) -> bytes:
        size = 0 if packet is None else len(packet)
        got = _checked(self._lib.opus_decode(self._state, packet, size, self._out, samples, int(fec)))
        return bytes(memoryview(self._out).cast("B")[: 2 * got])

    def __del__(self) -> None:
        if hasattr(self, "_state"):
            self._lib.opus_decoder_destroy(self._state)
