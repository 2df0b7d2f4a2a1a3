"""Rooms, microphones and lines for clean speech, and the silence that live audio has around it.

Samples in, samples out, all chance from the given generator. Knows no texts and no features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr

from model.config import SAMPLE_RATE

# Lengths are multiples of this: equal lengths can be encoded together, and all residues of a token occur.
GRAIN = 480
MOST_BEFORE, MOST_AFTER = 0.5, 0.7  # seconds of silence


@dataclass(frozen=True)
class Take:
    """Samples as a microphone might give them; the speech ends at sample `speech_end`."""

    samples: np.ndarray
    speech_end: int
    cut: bool = False


def take(speech: np.ndarray, r: np.random.Generator, cut: bool = False, clean: bool = False) -> Take:
    """One take of trimmed speech (float32). `cut`: broken off at 15 to 85 %. `clean`: only silence added."""
    if not clean and r.random() < 0.6:
        speech = soxr.resample(speech, SAMPLE_RATE * float(r.uniform(0.86, 1.18)), SAMPLE_RATE)
    if cut:
        speech = speech[: int(len(speech) * r.uniform(0.15, 0.85))].copy()
        fade = min(160, len(speech))
        speech[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    before = int(r.uniform(0, MOST_BEFORE) * SAMPLE_RATE)
    end = before + len(speech)
    total = end + int(r.uniform(0, MOST_AFTER) * SAMPLE_RATE)
    total += -total % GRAIN
    room = np.zeros(total, np.float32)
    room[before:end] = speech
    if not clean:
        room = _spoil(room, r)
    return Take(room.clip(-1, 1), end, cut)


def nothing(seconds: float, r: np.random.Generator, noise: bool) -> np.ndarray:
    """Silence, or noise without speech."""
    count = int(seconds * SAMPLE_RATE) // GRAIN * GRAIN
    level = 10 ** r.uniform(-2.5, -0.8) if noise else 10 ** r.uniform(-5, -3.3) * (r.random() < 0.8)
    return (_noise(count, r) * level).clip(-1, 1).astype(np.float32)


def _spoil(x: np.ndarray, r: np.random.Generator) -> np.ndarray:
    if r.random() < 0.3:
        x = _reverb(x, r)
    if r.random() < 0.3:
        x = _equalise(x, r)
    if r.random() < 0.1:
        narrow = soxr.resample(soxr.resample(x, SAMPLE_RATE, SAMPLE_RATE // 2), SAMPLE_RATE // 2, SAMPLE_RATE)
        x = np.resize(narrow, x.shape)
    level = float(np.sqrt((x**2).mean())) + 1e-6
    if r.random() < 0.7:
        snr = r.uniform(5, 35) if r.random() < 0.55 else r.uniform(35, 65)
        x = x + _noise(len(x), r) * level * 10 ** (-snr / 20)
    peak = float(np.abs(x).max()) + 1e-6
    return (x / peak * 10 ** r.uniform(-1.6, 0)).astype(np.float32)


def _noise(count: int, r: np.random.Generator) -> np.ndarray:
    """White to brown, of RMS 1, sometimes with a hum."""
    spectrum = np.fft.rfft(r.standard_normal(count))
    slope = np.maximum(np.arange(len(spectrum)), 20) ** -r.uniform(0, 1)
    x = np.fft.irfft(spectrum * slope, count)
    if r.random() < 0.15:
        tone = r.uniform(50, 400) * np.arange(count) / SAMPLE_RATE
        x += x.std() * r.uniform(0.5, 2) * np.sin(2 * np.pi * tone)
    return (x / (x.std() + 1e-9)).astype(np.float32)


def _reverb(x: np.ndarray, r: np.random.Generator) -> np.ndarray:
    length = int(r.uniform(0.1, 0.4) * SAMPLE_RATE)
    tail = r.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= r.uniform(0.1, 0.6) / np.sqrt((tail**2).sum())
    tail[0] = 1
    size = 1 << (len(x) + length - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(tail, size), size)[: len(x)].astype(np.float32)


def _equalise(x: np.ndarray, r: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(x)
    points = np.linspace(0, 1, 8)
    gains = np.interp(np.linspace(0, 1, len(spectrum)), points, r.uniform(-8, 8, len(points)))
    return np.fft.irfft(spectrum * 10 ** (gains / 20), len(x)).astype(np.float32)
