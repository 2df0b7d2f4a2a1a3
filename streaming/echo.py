"""Our own voice, heard again: whether the microphone's newest sound is what was just played.

What is played is noted with the sample of the microphone's clock at which it begins to sound. A sound is ours
if some stretch of that, up to 0.8 s later, has its very shape: the correlation of the two waveforms,
from 0 to 1. A voice over it brings that down, and so does a room with much reverberation: a net below the
client's own echo canceller, which takes out far more. Knows no network, no turns; time is the sample clock.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE = 16_000
SPAN = RATE // 4  # of the newest sound that is compared
DELAY = RATE * 8 // 10  # until it is heard again, at most
ALIKE = 0.7  # equally loud, somebody's voice and its echo have this; so only what is mostly ours
SILENT = 1e-4  # root mean square below which nothing sounds

Samples = NDArray[np.float32]


class Echo:
    def __init__(self) -> None:
        self._heard: Samples = np.zeros(SPAN, np.float32)
        self._played: Samples = np.empty(0, np.float32)
        self._begins = 0  # sample clock, of what is kept of it
        self._end = 0  # of what was heard

    def played(self, samples: Samples, at: int) -> None:
        """Float32 at 16 kHz that sounds from sample `at` on, or as soon as what was noted before is over."""
        gap = at - (self._begins + self._played.size)
        if not self._played.size or gap > DELAY + SPAN:
            self._played, self._begins = samples, at
        else:
            self._played = np.concatenate([self._played, np.zeros(max(gap, 0), np.float32), samples])

    def stopped(self, at: int) -> None:
        """Nothing more of it is played from sample `at` on."""
        self._played = self._played[: max(0, at - self._begins)]

    def hear(self, window: Samples, end: int) -> None:
        """The microphone's next window, which ends at sample `end`."""
        self._heard = np.concatenate([self._heard, window])[-SPAN:]
        self._end = end
        gone = end - SPAN - DELAY - self._begins
        if gone > 0:
            self._played, self._begins = self._played[gone:], self._begins + gone

    @property
    def ours(self) -> bool:
        """Whether what sounded in the newest windows was played by us, all but little of it."""
        reference = self._played[: max(0, self._end - self._begins)]
        return reference.size > 0 and alike(self._heard, reference) >= ALIKE


def alike(heard: Samples, played: Samples) -> float:
    """The highest correlation of what was heard with a stretch as long of what was played, 0 to 1."""
    size = heard.size
    played = np.pad(played, (size, 0))
    length = 1 << (played.size + size).bit_length()
    spectrum = np.fft.rfft(played, length) * np.conj(np.fft.rfft(heard, length))
    products = np.fft.irfft(spectrum, length)[: played.size - size + 1]
    energy = np.concatenate([[0.0], np.cumsum(played.astype(np.float64) ** 2)])
    powers = energy[size:] - energy[:-size]
    loud = powers > size * SILENT**2
    own = float(np.sum(heard.astype(np.float64) ** 2))
    if own <= size * SILENT**2 or not loud.any():
        return 0.0
    return float(np.max(np.abs(products[loud]) / np.sqrt(powers[loud] * own)))
