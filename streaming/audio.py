"""Bytes off the wire to samples, and samples from one rate to another.

PCM16 little endian or G.711, mono, in; float32 in -1 to 1 out. Knows no windows, no voices, no wire format.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from streaming import g711
from streaming.errors import BadAudio
from streaming.events import AudioFormat

Samples = NDArray[np.float32]


def decode_pcm16(data: bytes) -> Samples:
    """Signed 16-bit little-endian PCM, mono: bytes [2 N] to float32 [N] in -1 to 1, 1 excluded.

    Raises BadAudio where the bytes end in the middle of a sample.
    """
    if len(data) % 2:
        raise BadAudio(f"expected 16-bit PCM, so an even number of bytes; got {len(data)}")
    return np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)


RATES: dict[AudioFormat, int] = {"pcm": 24_000, "pcmu": g711.RATE, "pcma": g711.RATE}  # Hz
LAWS: dict[AudioFormat, g711.Law] = {"pcmu": "mu", "pcma": "a"}


def decode(data: bytes, audio_format: AudioFormat) -> Samples:
    """To float32 at the format's rate. Raises BadAudio."""
    law = LAWS.get(audio_format)
    if law is None:
        return decode_pcm16(data)
    return g711.decode(data, law).astype(np.float32) / np.float32(32768)


def recording(data: bytes, audio_format: AudioFormat, rate: int) -> NDArray[np.int16]:
    """A whole recording at another rate. Raises BadAudio."""
    resampler = Resampler(RATES[audio_format], rate)
    samples = np.concatenate([resampler.push(decode(data, audio_format)), resampler.finish()])
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)


class Encoder:
    """PCM16 at 24 kHz to one format, as a stream."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._law = LAWS.get(audio_format)
        self._resampler = Resampler(RATES["pcm"], RATES[audio_format])

    def push(self, pcm: bytes) -> bytes:
        return pcm if self._law is None else self._encoded(self._resampler.push(decode_pcm16(pcm)))

    def finish(self) -> bytes:
        """What is left."""
        return b"" if self._law is None else self._encoded(self._resampler.finish())

    def _encoded(self, samples: Samples) -> bytes:
        assert self._law is not None
        return g711.encode(np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16), self._law)


class Resampler:
    """One mono stream from one rate to another; rates in Hz. Equal rates pass through untouched.

    However the stream is cut into packets, the result is that of the whole. The filter is of linear
    phase and its delay is taken out: what was at t seconds is at t seconds. So output comes late
    instead, by `delay`: 24 to 16 kHz, between 6 and 37 ms, because soxr filters in blocks of 30 ms.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        """Raises ValueError for a rate that is not positive."""
        if from_rate <= 0 or to_rate <= 0:
            raise ValueError(f"expected rates above 0 Hz, got {from_rate} and {to_rate}")
        same = from_rate == to_rate
        self._stream = None if same else soxr.ResampleStream(from_rate, to_rate, 1, "float32", "HQ")
        self._finished = False

    @property
    def delay(self) -> float:
        """Output samples still to come for the input so far."""
        return 0.0 if self._stream is None or self._finished else float(self._stream.delay())

    def push(self, samples: Samples) -> Samples:
        """Take the next float32 samples [N], any number; return what is ready, perhaps nothing.

        Raises ValueError after `finish`.
        """
        return self._process(samples, last=False)

    def finish(self) -> Samples:
        """What was held back. The stream ends here. Raises ValueError the second time."""
        return self._process(np.empty(0, np.float32), last=True)

    def _process(self, samples: Samples, last: bool) -> Samples:
        if self._finished:
            raise ValueError("the stream is finished")
        self._finished = last
        if self._stream is None:
            return samples
        ready: Samples = self._stream.resample_chunk(samples, last)
        return ready
