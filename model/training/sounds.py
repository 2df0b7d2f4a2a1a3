"""Sounds without words, and what is done to spoken words: events, levels and noises as an utterance asks.

Beeps, claps, tones, sweeps, music and noise are computed, half of them in training with timbres and colours
that are drawn anew each time; some timbres of beeps and claps and some colours of noise are held out for
evaluation. Pitch, speed, melody and whispering belong to the voice (voices.py). All
chance comes from the given generator. Knows no texts beyond the utterance, and no features.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model.config import SAMPLE_RATE
from model.training.world import Event, Utterance

TIMBRES = {  # strengths of the harmonics
    "sine": (1.0,),
    "soft": (1.0, 0.3),
    "reed": (1.0, 0.0, 0.5, 0.0, 0.3),
    "buzz": (1.0, 0.5, 0.33, 0.25, 0.2, 0.17),
    "organ": (1.0, 0.8, 0.2, 0.5),
    "square": (1.0, 0.0, 0.33, 0.0, 0.2, 0.0, 0.14),
}
HELD_OUT_TIMBRES = ("organ", "square")
ALIKE = 0.97  # cosine from which on a drawn timbre is taken for a held-out one
DRAWN = 0.5  # share of the sounds in training whose timbre or colour is drawn
CLAPS, HELD_OUT_CLAPS = (900, 2400), (600, 900)  # Hz, the middle of the burst
COLOURS = {"white": 0.0, "pink": 0.5, "brown": 1.0, "hum": 0.7, "gusts": 0.6}  # slope of the amplitude
HELD_OUT_COLOURS = ("gusts", "pink")
SLOPES = (-0.15, 0.4), (0.6, 1.2)  # drawn ones are away from pink

NORMAL = -22.0, -18.0  # dB of the words, where nothing is asked
LEVELS = {"loud": (-16.0, -14.0), "quiet": (-42.0, -36.0)}
NOISE_BESIDE = 0.0, 12.0  # dB that the words are above it
EDGE = 0.4  # seconds of noise around, at most


def clip(said: Utterance, words: np.ndarray, r: np.random.Generator, held_out: bool) -> np.ndarray:
    """Everything that sounds in one turn, given its words as spoken (empty where there are none)."""
    level = LEVELS.get(said.delivery.level, NORMAL)
    words = _at_level(words, r.uniform(*level))
    timbre = _timbre(r, held_out)
    before = [x for e in said.before for x in (event(e, timbre, r, held_out), _silence(e.gap))]
    after = [x for e in said.after for x in (event(e, timbre, r, held_out), _silence(e.gap))]
    if after and len(words):
        after.insert(0, _silence(r.uniform(0.2, 0.5)))
    parts = [*before, words, *after]
    if said.before or said.after:
        parts = parts[:-1] if after else parts if len(words) else parts[:-2]
    x = np.concatenate(parts).astype(np.float32)
    if said.delivery.noise:
        x = _beside(x, r, held_out)
    peak = float(np.abs(x).max(initial=0))
    return x / max(1.0, peak / 0.98)


def event(e: Event, timbre: Sequence[float], r: np.random.Generator, held_out: bool) -> np.ndarray:
    """One event, without its gap. `timbre` are the strengths of the harmonics."""
    count = max(1, int(e.seconds * SAMPLE_RATE))
    if e.kind == "silence":
        return np.zeros(count, np.float32)
    if e.kind == "clap":
        x = _clap(count, r, held_out)
    elif e.kind == "music":
        x = _music(count, r, held_out)
    elif e.kind == "noise":
        x = _faded(noise(count, *_colour(r, held_out), r), 0.02)
    else:
        to = e.to if e.kind == "sweep" else e.pitch
        pitch = e.pitch * (to / e.pitch) ** np.linspace(0, 1, count)
        x = _faded(_harmonics(pitch, timbre), 0.008)
    return (x / (np.abs(x).max() + 1e-9) * 10 ** (e.level / 20)).astype(np.float32)


def _timbre(r: np.random.Generator, held_out: bool) -> Sequence[float]:
    """A named one, or in training as often one that is drawn and unlike those held out."""
    named = TIMBRES[_one_of([t for t in TIMBRES if (t in HELD_OUT_TIMBRES) == held_out], r)]
    if held_out or r.random() >= DRAWN:
        return named
    while True:
        strengths = np.array([1.0, *(r.random(6) ** 2 * (r.random(6) < 0.7))])
        if all(_cosine(strengths, TIMBRES[name]) < ALIKE for name in HELD_OUT_TIMBRES):
            return tuple(map(float, strengths))


def _cosine(a: np.ndarray, b: Sequence[float]) -> float:
    c = np.pad(np.array(b), (0, len(a) - len(b)))
    return float(a @ c / np.sqrt((a @ a) * (c @ c)))


def _colour(r: np.random.Generator, held_out: bool) -> tuple[str, float | None]:
    """A named one, in training as often with a slope that is drawn."""
    named = _one_of([c for c in COLOURS if (c in HELD_OUT_COLOURS) == held_out], r)
    if held_out or r.random() >= DRAWN:
        return named, None
    return named, r.uniform(*SLOPES[int(r.integers(2))])


def noise(count: int, colour: str, slope: float | None, r: np.random.Generator) -> np.ndarray:
    """A noise of RMS 1. `slope`: of the amplitude, if not the colour's own."""
    spectrum = np.fft.rfft(r.standard_normal(count))
    fall = COLOURS[colour] if slope is None else slope
    shape = np.maximum(np.arange(len(spectrum)) * SAMPLE_RATE / count, 40) ** -fall
    x = np.fft.irfft(spectrum * shape, count)
    x /= x.std() + 1e-9
    seconds = np.arange(count) / SAMPLE_RATE
    if colour == "hum":
        base = r.choice((50, 60)) * r.integers(1, 4)
        x = 0.6 * x + sum(np.sin(2 * np.pi * base * k * seconds + r.uniform(0, 6)) / k for k in range(1, 5))
    if colour == "gusts":
        x *= 1 + 0.6 * np.sin(2 * np.pi * r.uniform(0.4, 2) * seconds + r.uniform(0, 6))
    return (x / (x.std() + 1e-9)).astype(np.float32)


def active_level(x: np.ndarray) -> float:
    """RMS of what is not pauses: of the 10 ms pieces within 30 dB of the loudest."""
    hop = SAMPLE_RATE // 100
    if len(x) < hop:
        return 0.0
    power = (x[: len(x) // hop * hop].reshape(-1, hop) ** 2).mean(1)
    return float(np.sqrt(power[power >= power.max() / 1000].mean()))


def _at_level(words: np.ndarray, decibels: float) -> np.ndarray:
    level = active_level(words)
    return words * (10 ** (decibels / 20) / level) if level else words


def _beside(x: np.ndarray, r: np.random.Generator, held_out: bool) -> np.ndarray:
    """With a noise that goes on before, during and after."""
    x = np.concatenate([_silence(r.uniform(0, EDGE)), x, _silence(r.uniform(0, EDGE))])
    colour = _colour(r, held_out)
    level = active_level(x) * 10 ** (-r.uniform(*NOISE_BESIDE) / 20)
    return (x + noise(len(x), *colour, r) * level).astype(np.float32)


def _silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def _one_of(names: Sequence[str], r: np.random.Generator) -> str:
    return names[int(r.integers(len(names)))]


def _harmonics(pitch: np.ndarray, strengths: Sequence[float]) -> np.ndarray:
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    x = np.zeros(len(pitch))
    for k, strength in enumerate(strengths, 1):
        x += strength * np.sin(k * phase) * (k * pitch < 0.45 * SAMPLE_RATE)
    return x


def _faded(x: np.ndarray, seconds: float) -> np.ndarray:
    """With soft edges."""
    count = min(int(seconds * SAMPLE_RATE), len(x) // 2)
    ramp = np.linspace(0, 1, count)
    x = x.copy()
    x[:count] *= ramp
    x[len(x) - count :] *= ramp[::-1]
    return x


def _clap(count: int, r: np.random.Generator, held_out: bool) -> np.ndarray:
    """Up to three bursts within 25 ms, then a short decay; band-filtered."""
    middle = r.uniform(*(HELD_OUT_CLAPS if held_out else CLAPS))
    seconds = np.arange(count) / SAMPLE_RATE
    envelope = np.zeros(count)
    for start in np.cumsum(r.uniform(0.006, 0.012, int(r.integers(1, 4)))):
        since = seconds - start + 0.006
        envelope += (since >= 0) * np.exp(-np.maximum(since, 0) / r.uniform(0.006, 0.02))
    spectrum = np.fft.rfft(r.standard_normal(count) * envelope)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 20) / middle)
    return _faded(np.fft.irfft(spectrum * np.exp(-((octaves / 1.1) ** 2)), count), 0.002)


def _music(count: int, r: np.random.Generator, held_out: bool) -> np.ndarray:
    """Chords that change with a melody above, each note decaying."""
    x = np.zeros(count)
    root = 110 * 2 ** r.uniform(0, 1)
    timbre = _timbre(r, held_out)
    beat = int(r.uniform(0.14, 0.3) * SAMPLE_RATE)
    for i, start in enumerate(range(0, count, beat)):
        if i % 2 == 0:
            degree = int(r.choice((0, 5, 7, 9)))
            chord = [degree, degree + (3 if degree == 9 else 4), degree + 7]
        notes = [*chord, int(r.choice(chord)) + 12]
        length = min(beat, count - start)
        decay = np.exp(-3 * np.arange(length) / beat)
        for note in notes:
            pitch = np.full(length, root * 2 ** (note / 12))
            x[start : start + length] += _faded(_harmonics(pitch, timbre) * decay, 0.005)
    return x
