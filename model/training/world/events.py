"""Sounds by chance as perception asks about them.

Knows no words and no samples.
"""

from __future__ import annotations

import random

from model.training.world.core import Event

KINDS = "beep", "clap", "tone", "sweep", "music", "noise"


def beep(r: random.Random, pitch: float | None = None) -> Event:
    pitch = pitch or 400 * 2 ** r.uniform(0, 2)
    return Event("beep", r.uniform(0.08, 0.22), pitch, level=r.uniform(-20, -8), gap=r.uniform(0.14, 0.4))


def clap(r: random.Random) -> Event:
    return Event("clap", r.uniform(0.05, 0.15), level=r.uniform(-16, -6), gap=r.uniform(0.18, 0.4))


def tones(r: random.Random, by: str, first_more: bool) -> tuple[Event, Event]:
    """Two tones; the first is higher, louder or longer, or the second is. Well apart."""
    low = 180 * 2 ** r.uniform(0, 2)
    semitones, decibels, ratio = 0.0, r.uniform(-2, 2), r.uniform(0.85, 1.15)
    if by == "pitch":
        semitones = r.uniform(3, 12) * (1 if first_more else -1)
        decibels = r.uniform(-4, 4)
    elif by == "level":
        decibels = r.uniform(6, 18) * (1 if first_more else -1)
        semitones = r.choice((0, 0, r.uniform(-2, 2)))
    else:
        ratio = r.uniform(1.6, 3) if first_more else 1 / r.uniform(1.6, 3)
        semitones = r.choice((0, 0, r.uniform(-2, 2)))
    short = r.uniform(0.25, 0.4) if by == "length" else r.uniform(0.3, 0.6)
    seconds = short * max(ratio, 1), short * max(1 / ratio, 1)
    loud = r.uniform(-10, -7)
    levels = loud + min(0, decibels), loud - max(0, decibels)
    pitches = low * 2 ** (max(0, semitones) / 12), low * 2 ** (max(0, -semitones) / 12)
    gap = r.uniform(0.2, 0.5)
    first = Event("tone", seconds[0], pitches[0], level=levels[0], gap=gap)
    return first, Event("tone", seconds[1], pitches[1], level=levels[1], gap=r.uniform(0.2, 0.4))


def sweep(r: random.Random, up: bool) -> Event:
    low = 200 * 2 ** r.uniform(0, 1.6)
    high = low * 2 ** r.uniform(0.5, 1.5)
    pitch, to = (low, high) if up else (high, low)
    return Event("sweep", r.uniform(0.5, 1.2), pitch, to, r.uniform(-16, -8), gap=r.uniform(0.2, 0.4))


def sound(r: random.Random, kind: str) -> Event:
    """One sound of a kind that can be told by its name."""
    if kind == "beep":
        return beep(r)
    if kind == "clap":
        return clap(r)
    seconds, level, gap = r.uniform(0.6, 1.2), r.uniform(-18, -10), r.uniform(0.2, 0.4)
    if kind == "music":
        return Event("music", seconds, level=level, gap=gap)
    return Event("noise", seconds, level=level, gap=gap)


def several(r: random.Random) -> list[Event]:
    """One to four sounds of any kind, as nobody asks about them: they are only to be named."""
    found: list[Event] = []
    while len(found) < r.choice((1, 2, 2, 3, 4)):
        kind = r.choices(KINDS, weights=(2, 2, 8, 2, 1, 1))[0]
        if kind == "tone":
            found += tones(r, r.choice(("pitch", "level", "length")), r.random() < 0.5)
        else:
            found.append(sweep(r, r.random() < 0.5) if kind == "sweep" else sound(r, kind))
    return found
