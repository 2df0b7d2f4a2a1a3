"""Rendered sounds are what their events say, and neither delivery nor augmentation makes them untrue."""

from __future__ import annotations

import numpy as np
import pytest

from model.config import SAMPLE_RATE
from model.training import augment, sounds
from model.training.world import Delivery, Event, Utterance


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def words(seconds: float = 1.0) -> np.ndarray:
    """Something like two words: a buzz with a pause in it."""
    t = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    buzz: np.ndarray = np.sign(np.sin(2 * np.pi * 120 * t)) * (np.abs(t - seconds / 2) > 0.1) * 0.1
    return buzz.astype(np.float32)


def said(**more: object) -> Utterance:
    return Utterance("perception", "test", "two words", "key", **more)  # type: ignore[arg-type]


def loudest_frequency(x: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(x)).argmax() * SAMPLE_RATE / len(x))


def bursts(x: np.ndarray) -> int:
    """How often it gets loud after at least 60 ms of silence."""
    power = (x[: len(x) // 960 * 960].reshape(-1, 960) ** 2).mean(1)
    loud = power > 1e-5
    return int((loud[1:] & ~loud[:-1]).sum() + loud[0])


@pytest.mark.parametrize("timbre", list(sounds.TIMBRES))
def test_a_tone_has_its_pitch_its_length_and_its_level(timbre: str) -> None:
    x = sounds.event(Event("tone", 0.5, 400.0, level=-20), sounds.TIMBRES[timbre], rng(), False)
    assert len(x) == SAMPLE_RATE // 2
    assert loudest_frequency(x) == pytest.approx(400, abs=3)
    assert np.abs(x).max() == pytest.approx(0.1, rel=0.01)


def test_a_sweep_goes_where_it_should() -> None:
    x = sounds.event(Event("sweep", 1.0, 300.0, 1200.0), sounds.TIMBRES["sine"], rng(), False)
    ends = x[:1600], x[-1600:]
    assert loudest_frequency(ends[0]) < 400 < 1000 < loudest_frequency(ends[1])


@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("kind", ["beep", "clap"])
def test_sounds_can_be_counted_in_the_clip(kind: str, held_out: bool) -> None:
    events = tuple(Event(kind, 0.1, 800.0, gap=0.3) for _ in range(4))  # type: ignore[arg-type]
    x = sounds.clip(said(after=events), np.zeros(0, np.float32), rng(), held_out)
    assert bursts(x) == 4
    assert bursts(sounds.clip(said(before=events), words(), rng(), held_out)) == 6


def test_levels_and_noise_are_as_asked() -> None:
    def level(how: Delivery) -> float:
        return 20 * float(
            np.log10(sounds.active_level(sounds.clip(said(delivery=how), words(), rng(), False)))
        )

    assert level(Delivery(level="quiet")) < -35 < -17 < level(Delivery(level="loud"))
    noisy = sounds.clip(said(delivery=Delivery(noise=True)), words(), rng(), False)
    assert np.abs(noisy[:160]).max() > 0.002
    assert len(sounds.clip(said(before=(Event("silence", 1.0),)), np.zeros(0, np.float32), rng(), False))


def test_held_out_sounds_are_others() -> None:
    assert set(sounds.HELD_OUT_TIMBRES) < set(sounds.TIMBRES)
    assert set(sounds.HELD_OUT_COLOURS) < set(sounds.COLOURS)


@pytest.mark.parametrize("seed", range(20))
def test_augmentation_leaves_a_demand_alone(seed: int) -> None:
    r = np.random.default_rng(seed)
    quiet, loud = (said(delivery=Delivery(level=level)) for level in ("quiet", "loud"))
    for one, low, high in ((quiet, -46, -30), (loud, -20, -8)):
        x = sounds.clip(one, words(), r, False)
        heard = augment.take(x, one, r)
        assert low < 20 * np.log10(sounds.active_level(heard.samples)) < high
    fast = said(delivery=Delivery(speed="fast"))
    assert len(augment.take(words(), fast, r, clean=True).samples) >= len(words())
    assert augment.limits(said(delivery=Delivery(noise=False))).least_snr >= 35


@pytest.mark.parametrize("seed", range(20))
def test_a_take_is_finite_and_of_whole_grains(seed: int) -> None:
    r = np.random.default_rng(seed)
    for cut in (False, True):
        found = augment.take(words(), said(), r, cut)
        assert len(found.samples) % augment.FINE_GRAIN == 0
        assert found.samples.dtype == np.float32
        assert np.isfinite(found.samples).all() and np.abs(found.samples).max() <= 1
        assert 0 < found.speech_end <= len(found.samples)
    still = augment.take(np.zeros(SAMPLE_RATE, np.float32), said(), r)
    assert np.abs(still.samples).max() < 0.01
