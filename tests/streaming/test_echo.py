"""Our own voice, delayed, filtered and in noise, is ours; somebody else's is not, nor one over it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from streaming.echo import RATE, Echo, Samples
from streaming.endpointing import WINDOW

RECORDINGS = Path(__file__).parent.parent / "recordings"


def recorded(name: str) -> Samples:
    samples, rate = soundfile.read(RECORDINGS / name, dtype="float32")
    return np.asarray(soxr.resample(samples, rate, RATE), np.float32)


OURS, THEIRS = recorded("sum.wav"), recorded("day.wav")


def found(microphone: Samples, echo: Echo, start: int = 0) -> list[bool]:
    windows = microphone[: microphone.size // WINDOW * WINDOW].reshape(-1, WINDOW)
    loud = [bool(np.sqrt(np.mean(w**2)) > 0.01) for w in windows]
    ours = []
    for n, window in enumerate(windows):
        echo.hear(window, start + (n + 1) * WINDOW)
        ours.append(echo.ours)
    return [o for o, there in zip(ours, loud, strict=True) if there]


def heard_again(delay_ms: int, gain: float) -> Samples:
    """Through a small loudspeaker and a room, with noise."""
    room = np.zeros(800, np.float32)
    room[[0, 37, 160, 420]] = gain, 0.3 * gain, -0.15 * gain, 0.1 * gain
    late = np.pad(OURS, (delay_ms * RATE // 1000, 0))
    noise = np.random.default_rng(0).normal(0, 0.001, late.size)
    return (np.convolve(late, room)[: late.size] + noise).astype(np.float32)


def playing() -> Echo:
    echo = Echo()
    for at in range(0, OURS.size, 1600):
        echo.played(OURS[at : at + 1600], at)
    return echo


@pytest.mark.parametrize(("delay_ms", "gain"), [(0, 1.0), (40, 0.5), (230, 0.5), (450, 0.7)])
def test_our_own_voice_is_ours(delay_ms: int, gain: float) -> None:
    ours = found(heard_again(delay_ms, gain), playing())
    assert len(ours) > 20 and np.mean(ours) > 0.95


def test_somebody_elses_is_not() -> None:
    ours = found(THEIRS, playing())
    assert len(ours) > 20 and not any(ours[1:])  # 32 ms alone may happen to be alike
    assert not any(found(THEIRS, Echo()))


def test_a_voice_over_ours_is_heard() -> None:
    size = min(OURS.size, THEIRS.size)
    both = found(heard_again(100, 0.3)[:size] + THEIRS[:size], playing())
    assert np.mean(both) < 0.3


def test_what_was_not_played_any_more_is_no_excuse() -> None:
    echo = playing()
    echo.stopped(0)
    assert not any(found(heard_again(100, 0.5), echo))


def test_what_was_played_long_ago_is_forgotten() -> None:
    echo = playing()
    quiet = np.zeros(4 * OURS.size, np.float32)
    found(quiet, echo)
    assert not any(found(OURS, echo, quiet.size // WINDOW * WINDOW))
