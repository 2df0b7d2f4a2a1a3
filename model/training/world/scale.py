"""The scale of letters on which tones are written down: each by its pitch, its level and its length.

A tone is named as a word is spelled, "toneKRD": the adaptor learns to put the letters where the tone sounds,
so that thoughts have only to copy them. Knows no samples.
"""

from __future__ import annotations

import math
from typing import Protocol

LETTERS = "BCDEFGHJKLMNOPQRSTUVWXYZ"  # from less to more; A and I are words to the tokenizer
LOWEST, SEMITONES = 110.0, 2.0  # Hz of the scale's first step, and what a step is
QUIETEST, DECIBELS = -60.0, 2.5
SHORTEST, SECONDS = 0.15, 0.06
PROPERTIES = "pitch", "level", "length"  # of a tone, in the order of its letters


class Sounded(Protocol):
    """A sound: what is needed of an event here."""

    @property
    def kind(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    @property
    def pitch(self) -> float: ...
    @property
    def to(self) -> float: ...
    @property
    def level(self) -> float: ...


def _step(steps: float) -> int:
    return min(max(0, math.floor(steps)), len(LETTERS) - 1)


def pitch_step(hertz: float) -> int:
    return _step(12 * math.log2(hertz / LOWEST) / SEMITONES)


def level_step(decibels: float) -> int:
    return _step((decibels - QUIETEST) / DECIBELS)


def length_step(seconds: float) -> int:
    return _step((seconds - SHORTEST) / SECONDS)


def step(e: Sounded, name: str) -> int:
    """A tone's place on the scale, by the name of the property."""
    if name == "pitch":
        return pitch_step(e.pitch)
    return level_step(e.level) if name == "level" else length_step(e.seconds)


def letters(e: Sounded) -> str:
    """Of a tone its three, of a sweep the pitches where it begins and where it ends; else none."""
    if e.kind == "tone":
        return "".join(LETTERS[step(e, name)] for name in PROPERTIES)
    if e.kind == "sweep":
        return LETTERS[pitch_step(e.pitch)] + LETTERS[pitch_step(e.to)]
    return ""
