"""Change how a voice speaks: pitch, speed, melody at the end, speaker, or all voice to a whisper. A script.

Run by the recipe's own Python (see voices.speech_python), which has pyworld (MIT): F0, spectral envelope and
aperiodicity are taken apart, changed and put together again. Each line of standard input is a JSON object
with `path` (float32 samples at 16 kHz in an .npy file, written over), and of `pitch` (Hz), `speed` (a
factor), `tract` (the vocal tract's length, a factor: all formants are divided by it), `melody` ("rising" or
"falling") and `whisper` (true) what is wanted. Knows no texts and nothing of this project.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pyworld  # type: ignore[import-not-found, unused-ignore]

RATE = 16_000
PERIOD = 5.0  # ms
END = 90  # frames that a melody moves: 450 ms


def changed(samples: np.ndarray, wanted: dict[str, Any]) -> np.ndarray:
    x = samples.astype(np.float64)
    f0, times = pyworld.dio(x, RATE, f0_floor=60.0, f0_ceil=420.0, frame_period=PERIOD, allowed_range=0.2)
    f0 = pyworld.stonemask(x, f0, times, RATE)
    envelope = pyworld.cheaptrick(x, f0, times, RATE)
    noise = pyworld.d4c(x, f0, times, RATE)
    voiced = np.flatnonzero(f0 > 0)
    if wanted.get("whisper"):
        frequency = np.linspace(0, RATE / 2, envelope.shape[1])
        tilt = np.maximum(frequency / (frequency + 600), 0.03) ** 2  # a whisper has no low voice
        f0, envelope = np.zeros_like(f0), envelope * tilt
    elif len(voiced):
        middle = float(np.median(f0[voiced]))
        if wanted.get("pitch"):
            f0 *= wanted["pitch"] / middle
        if wanted.get("melody"):
            f0[voiced] = middle * (f0[voiced] / middle) ** 0.6
            last = voiced[-1] + 1
            first = max(int(voiced[0]), last - END)
            ramp = np.linspace(0, 1, last - first) ** 1.5
            top = 1.75 if wanted["melody"] == "rising" else 0.58
            f0[first:last] = np.where(f0[first:last] > 0, middle * top**ramp, 0)
    if wanted.get("tract", 1.0) != 1:
        envelope = longer(envelope, wanted["tract"])
    period = PERIOD / wanted.get("speed", 1.0)
    return np.asarray(pyworld.synthesize(f0, envelope, noise, RATE, period), np.float32)


def longer(envelope: np.ndarray, tract: float) -> np.ndarray:
    """The spectral envelope [frames, bins] of a speaker whose vocal tract is longer by a factor."""
    at = np.minimum(np.arange(envelope.shape[1]) * tract, envelope.shape[1] - 1.001)
    low = at.astype(int)
    logs = np.log(envelope + 1e-16)
    return np.ascontiguousarray(np.exp(logs[:, low] + (logs[:, low + 1] - logs[:, low]) * (at - low)))


if __name__ == "__main__":
    for job in map(json.loads, sys.stdin):
        np.save(job["path"], changed(np.load(job["path"]), job))
