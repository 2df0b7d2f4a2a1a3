"""A clip as it is heard: the room around it, the noise's level, the telephone's band."""

from __future__ import annotations

import numpy as np
import pytest

from model.evaluation.conditions import LEAD, TAIL, take

RATE = 16_000
SECONDS = 2.0
AT = np.arange(int(SECONDS * RATE)) / RATE
CLIP = (8000 * np.sin(2 * np.pi * 1000 * AT) + 4000 * np.sin(2 * np.pi * 6000 * AT)).astype(np.int16)
SPEECH = CLIP.astype(np.float32) / 32768
AROUND = int(LEAD * RATE)


def test_silence_around() -> None:
    found = take(CLIP, "clean", "a")
    assert len(found) == int((LEAD + SECONDS + TAIL) * RATE)
    np.testing.assert_array_equal(found[AROUND : AROUND + len(CLIP)], SPEECH)
    assert not found[:AROUND].any()


def test_noise() -> None:
    found = take(CLIP, "noise", "a")
    np.testing.assert_array_equal(found, take(CLIP, "noise", "a"))
    assert (found != take(CLIP, "noise", "b")).any()
    noise = found.copy()
    noise[AROUND : AROUND + len(CLIP)] -= SPEECH
    assert 10 * np.log10((SPEECH**2).mean() / (noise**2).mean()) == pytest.approx(10, abs=0.5)


def test_telephone() -> None:
    found = take(CLIP, "telephone", "a")[AROUND : AROUND + len(CLIP)]
    spectrum = np.abs(np.fft.rfft(found)) / np.abs(np.fft.rfft(SPEECH))
    assert spectrum[int(1000 * SECONDS)] == pytest.approx(1, abs=0.05)
    assert spectrum[int(6000 * SECONDS)] < 0.01
