"""Rooms, microphones and lines for clean clips, and the silence that live audio has around them.

Nothing here makes untrue what an utterance is known to sound like: a pitch, speed or level that was asked
for stays, and so does quiet. Samples in, samples out, all chance from the given generator. Knows no texts
and no features.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr

from model.config import SAMPLE_RATE
from model.training.world import Utterance

# Lengths are multiples of these: equal lengths are encoded together, and all residues of a token occur.
GRAIN, FINE_GRAIN = 1440, 480
MOST_BEFORE, MOST_AFTER = 0.5, 0.7  # seconds of silence
TIGHT = 0.3
PHONE = 0.2
HESITATING = 0.08


@dataclass(frozen=True)
class Take:
    """Samples as a microphone might give them; what was said is in [begin, speech_end)."""

    samples: np.ndarray
    speech_end: int
    cut: bool = False
    begin: int = 0
    stretch: float = 1.0  # how much longer it was made, and so lower


@dataclass(frozen=True)
class Limits:
    """What may be done to a clip."""

    resample: bool = True
    equalise: bool = True
    gain: bool = True  # any loudness
    least_snr: float = 4.0  # dB
    wet: float = 0.7  # of a reverb, at most
    pause: bool = True
    tight: float = TIGHT  # share of the takes that begin or end at once


def limits(said: Utterance) -> Limits:
    """So that what is true of the utterance stays true."""
    how, events = said.delivery, said.before + said.after
    free = not (how.pitch or how.speed or how.whisper or how.level)
    least = 35.0 if how.noise is False else 14.0 if events or how.whisper else 4.0
    return Limits(
        resample=not (how.pitch or how.speed),
        equalise=not how.level,
        gain=not how.level,
        least_snr=12.0 if how.level == "quiet" else least,
        wet=0.3 if events or not free else 0.7,
        pause=free and bool(said.words) and not events and not how.noise and not how.melody,
        tight=1.0 if how.noise else TIGHT,
    )


def take(
    clip: np.ndarray, said: Utterance, r: np.random.Generator, cut: bool = False, clean: bool = False
) -> Take:
    """One take of a trimmed clip (float32). `cut`: broken off at 15 to 85 %. `clean`: only silence added."""
    may = limits(said)
    if not np.abs(clip).max(initial=0) > 1e-4:
        return _still(len(clip), r)
    stretch = 1.0
    if not clean and may.resample and r.random() < 0.65:
        speed = float(r.uniform(0.82, 1.2))
        clip, stretch = soxr.resample(clip, SAMPLE_RATE * speed, SAMPLE_RATE), 1 / speed
    if may.pause and r.random() < HESITATING:
        clip = _hesitating(clip, r)
    if cut:
        clip = clip[: int(len(clip) * r.uniform(0.15, 0.85))].copy()
        fade = min(160, len(clip))
        clip[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    tight = r.random(2) < may.tight
    before = int((r.uniform(0, 0.02) if tight[0] else r.uniform(0, MOST_BEFORE)) * SAMPLE_RATE)
    end = before + len(clip)
    total = end + int((r.uniform(0, 0.02) if tight[1] else r.uniform(0, MOST_AFTER)) * SAMPLE_RATE)
    total += -total % (FINE_GRAIN if tight.any() else GRAIN)
    room = np.zeros(total, np.float32)
    room[before:end] = clip
    if not clean:
        room = _spoil(room, slice(before, end), may, r)
    return Take(room.clip(-1, 1), end, cut, before, stretch)


def _still(count: int, r: np.random.Generator) -> Take:
    """Silence as a microphone gives it."""
    count = max(GRAIN, count // GRAIN * GRAIN)
    level = 10 ** r.uniform(-5, -3.3) * (r.random() < 0.8)
    return Take((_noise(count, r) * level).astype(np.float32), count)


def _hesitating(x: np.ndarray, r: np.random.Generator) -> np.ndarray:
    """With a pause between two words: where it is most silent around a point by chance."""
    hop = SAMPLE_RATE // 50
    power = (x[: len(x) // hop * hop].reshape(-1, hop) ** 2).mean(1)
    if len(power) < 40:
        return x
    near = int(r.integers(10, len(power) - 10))
    first = max(8, near - 10)
    at = (first + int(power[first : min(len(power) - 8, near + 10)].argmin())) * hop + hop // 2
    ramp = np.linspace(1, 0, hop // 2, dtype=np.float32)
    left, right = x[:at].copy(), x[at:].copy()
    left[-len(ramp) :] *= ramp
    right[: len(ramp)] *= ramp[::-1]
    return np.concatenate([left, np.zeros(int(r.uniform(0.3, 0.9) * SAMPLE_RATE), np.float32), right])


def _spoil(x: np.ndarray, said: slice, may: Limits, r: np.random.Generator) -> np.ndarray:
    before = _rms(x[said])
    if r.random() < 0.4:
        x = _reverb(x, may.wet, r)
    if may.equalise and r.random() < 0.4:
        x = _equalise(x, r)
    if r.random() < PHONE:
        x = _phone(x, r)
    level = _rms(x[said])
    kind = r.random()
    low, high = (4, 12) if kind < 0.25 else (12, 35) if kind < 0.5 else (35, 65)
    if kind < 0.8 and high > may.least_snr:
        snr = r.uniform(max(low, may.least_snr), high)
        x = x + _noise(len(x), r) * level * 10 ** (-snr / 20)
    if not may.gain:
        return (x * before / level * 10 ** (r.uniform(-2, 2) / 20)).astype(np.float32)
    peak = float(np.abs(x).max()) + 1e-6
    if r.random() < 0.05:  # too loud for the microphone
        x = np.tanh(x / peak * r.uniform(1.5, 4))
        peak = float(np.abs(x).max())
    return (x / peak * 10 ** r.uniform(-1.7, 0)).astype(np.float32)


def _rms(x: np.ndarray) -> float:
    return float(np.sqrt((x**2).mean())) + 1e-6


def _phone(x: np.ndarray, r: np.random.Generator) -> np.ndarray:
    """8 kHz and back, mostly with a telephone's band, sometimes with its coding."""
    low, high = (r.uniform(200, 350), r.uniform(3000, 3500)) if r.random() < 0.6 else (0, 3900)
    spectrum = np.fft.rfft(x)
    frequency = np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE)
    octaves = np.minimum(0, np.log2((frequency + 1) / (low + 1)))  # 24 dB an octave below the band
    above = np.maximum(0, np.log2((frequency + 1) / high))
    narrow = np.fft.irfft(spectrum * 10 ** ((24 * octaves - 96 * above) / 20), len(x))
    if r.random() < 0.3:
        peak = np.abs(narrow).max() + 1e-9
        y = np.log1p(255 * np.abs(narrow) / peak) / np.log(256)
        narrow = np.sign(narrow) * peak * (256 ** (np.round(y * 127) / 127) - 1) / 255
    return np.asarray(narrow, np.float32)


def _noise(count: int, r: np.random.Generator) -> np.ndarray:
    """White to brown, of RMS 1, sometimes with a hum, sometimes swelling."""
    spectrum = np.fft.rfft(r.standard_normal(count))
    slope = np.maximum(np.arange(len(spectrum)), 20) ** -r.uniform(0, 1)
    x = np.fft.irfft(spectrum * slope, count)
    seconds = np.arange(count) / SAMPLE_RATE
    if r.random() < 0.15:
        x += x.std() * r.uniform(0.5, 2) * np.sin(2 * np.pi * r.uniform(50, 400) * seconds)
    if r.random() < 0.25:
        x *= 1 + r.uniform(0.3, 0.9) * np.sin(2 * np.pi * r.uniform(0.3, 6) * seconds + r.uniform(0, 6))
    return (x / (x.std() + 1e-9)).astype(np.float32)


def _reverb(x: np.ndarray, wet: float, r: np.random.Generator) -> np.ndarray:
    length = int(r.uniform(0.1, 0.5) * SAMPLE_RATE)
    tail = r.standard_normal(length) * np.exp(-6.9 * np.arange(length) / length)
    tail *= r.uniform(0.1, wet) / np.sqrt((tail**2).sum())
    tail[0] = 1
    size = 1 << (len(x) + length - 1).bit_length()
    return np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(tail, size), size)[: len(x)].astype(np.float32)


def _equalise(x: np.ndarray, r: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(x)
    points = np.linspace(0, 1, 8)
    gains = np.interp(np.linspace(0, 1, len(spectrum)), points, r.uniform(-10, 10, len(points)))
    return np.fft.irfft(spectrum * 10 ** (gains / 20), len(x)).astype(np.float32)
