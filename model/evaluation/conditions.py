"""Clips as a microphone or a line gives them: with a room's silence around, in noise, over the telephone.

The same each time for one seed. Knows no texts and no network.
"""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from model.config import SAMPLE_RATE
from model.evaluation.case import Condition

Samples = NDArray[np.float32]

LEAD, TAIL = (
    0.3,
    0.5,
)  # seconds around that a live session hears: its padding, and what it waits for
SNR = 10.0  # dB, of the whole clip's power against the noise's
LINE = 8000  # Hz
BAND = 300.0, 3400.0  # Hz
MU = 255.0


def take(clip: NDArray[np.int16], condition: Condition, seed: str, tail: float = TAIL) -> Samples:
    """16 kHz, -1 to 1, with `LEAD` and `tail` seconds around; bare, with nothing around."""
    speech = clip.astype(np.float32) / 32768
    if condition == "bare":
        return speech.astype(np.float32)
    around = int(LEAD * SAMPLE_RATE), int(tail * SAMPLE_RATE)
    room: Samples = np.pad(speech, around)
    if condition == "noise":
        level = float(np.sqrt((speech**2).mean())) * 10 ** (-SNR / 20)
        noise = _pink(len(room), np.random.default_rng(list(seed.encode())))
        room = (room + level * noise).astype(np.float32)
    elif condition == "telephone":
        room = _telephone(room)
    return room.clip(-1, 1).astype(np.float32)


def _pink(count: int, r: np.random.Generator) -> Samples:
    """Of RMS 1, falling by 3 dB an octave."""
    spectrum = np.fft.rfft(r.standard_normal(count))
    x = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 20)), count)
    return (x / x.std()).astype(np.float32)


def _telephone(x: Samples) -> Samples:
    """Narrow, at 8 kHz, in eight bits of mu-law."""
    line = soxr.resample(x, SAMPLE_RATE, LINE)
    spectrum = np.fft.rfft(line)
    pitch = np.fft.rfftfreq(len(line), 1 / LINE)
    spectrum[(pitch < BAND[0]) | (pitch > BAND[1])] = 0
    line = np.fft.irfft(spectrum, len(line)).clip(-1, 1)
    pressed = np.sign(line) * np.log1p(MU * np.abs(line)) / np.log1p(MU)
    pressed = np.rint(pressed * 127) / 127
    line = np.sign(pressed) * np.expm1(np.abs(pressed) * np.log1p(MU)) / MU
    back: Samples = soxr.resample(line.astype(np.float32), LINE, SAMPLE_RATE)[: len(x)]
    return np.pad(back, (0, len(x) - len(back)))
