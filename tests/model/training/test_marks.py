"""Sounds are found where they are, marks say how a voice speaks, and counts go up where something begins."""

from __future__ import annotations

import numpy as np
import pytest

from model.config import SAMPLE_RATE, SAMPLES_PER_TOKEN
from model.training import augment, marks, sounds
from model.training.world import Delivery, Event, Utterance

BEGIN = 4000
RNG = np.random.default_rng


def said(**more: object) -> Utterance:
    return Utterance("perception", "test", "two words", "key", **more)  # type: ignore[arg-type]


def tone(pitch: float = 440.0, level: float = -12.0) -> Event:
    return Event("tone", 0.4, pitch, level=level, gap=0.3)


def words() -> np.ndarray:
    x: np.ndarray = 0.1 * np.sign(np.sin(np.arange(SAMPLE_RATE) * 0.05))
    return x.astype(np.float32)


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("spoken", [True, False])
def test_a_span_is_where_the_event_sounds(place: str, spoken: bool) -> None:
    one = said(**{place: (tone(level=-6.0), tone(level=-26.0))})
    x = sounds.clip(one, words() if spoken else np.zeros(0, np.float32), RNG(1), False)
    room = np.zeros(len(x) + 2 * BEGIN, np.float32)
    room[BEGIN : BEGIN + len(x)] = x
    found = marks.spans(one, BEGIN, BEGIN + len(x))
    for (event, start, stop), other in zip(found, reversed(found), strict=True):
        assert stop - start == int(0.4 * SAMPLE_RATE)
        assert np.abs(room[start + 200 : stop - 200]).max() == pytest.approx(
            10 ** (event.level / 20), rel=0.05
        )
        assert other[0].level != event.level
    loud, quiet = marks.levels(one, BEGIN, BEGIN + len(x), room)
    assert loud - quiet == pytest.approx(20, abs=0.5)
    assert [e.level for e in marks.levelled(one, [loud, quiet]).before + one.after] in (
        [loud, quiet],
        [-6.0, -26.0],
    )


def test_a_take_made_longer_is_lower() -> None:
    one = marks.stretched(said(before=(tone(),)), 1.25)
    (event,) = one.before
    assert (event.pitch, event.seconds, event.gap) == pytest.approx((352, 0.5, 0.375))


@pytest.mark.parametrize("seed", range(12))
def test_an_event_is_found_again_in_a_take(seed: int) -> None:
    """Whatever a take does to a clip: between its tones there is less."""
    one = said(after=(tone(600, -8.0), tone(900, -8.0)))
    clip = sounds.clip(one, words(), RNG(seed), False)
    take = augment.take(clip, one, RNG(seed))
    heard = marks.stretched(one, take.stretch)
    (_, start, stop), (_, again, _) = marks.spans(heard, take.begin, take.speech_end)
    edge = 400
    assert take.begin <= start < stop < again < len(take.samples)
    inside = float((take.samples[start:stop] ** 2).mean())
    between = float((take.samples[stop + edge : again - edge] ** 2).mean())
    assert inside > 2 * between
    spectrum = np.abs(np.fft.rfft(take.samples[start:stop]))
    hertz = np.fft.rfftfreq(stop - start, 1 / SAMPLE_RATE)
    near = np.abs(12 * np.log2(np.maximum(hertz, 1) / heard.after[0].pitch)) < 0.7
    assert spectrum[near].max() > 3 * np.median(spectrum)


def test_a_sound_is_in_its_tokens() -> None:
    one = said(before=(tone(220.0), tone(440.0)))
    first, second = marks.places(one, 0, SAMPLE_RATE * 3, 40)
    assert first == (0, int(0.4 * SAMPLE_RATE) // SAMPLES_PER_TOKEN)
    assert second == (
        round(0.7 * SAMPLE_RATE / SAMPLES_PER_TOKEN),
        round(1.1 * SAMPLE_RATE / SAMPLES_PER_TOKEN),
    )


def test_a_tone_is_spelled_along_its_tokens() -> None:
    one = said(before=(tone(220.0, -20.0), Event("beep", 0.2), Event("sweep", 0.9, 880.0, 220.0)))
    found = marks.spelled(one, ((2, 9), (11, 13), (20, 31)), 40)
    assert [(start, stop) for start, stop, _ in found[:4]] == [(2, 4), (4, 6), (6, 8), (8, 10)]
    assert "".join(name for _, _, name in found) == "toneHSFsweepUH"
    assert found[4][0] == 20 and found[-1][1] == 32
    assert marks.spelled(one, ((2, 4), (5, 6), (7, 9)), 40) == [(7, 8, "sweep"), (8, 9, "U"), (9, 10, "H")]


@pytest.mark.parametrize(
    ("how", "name", "value"),
    [
        (Delivery(pitch="high"), "pitch", 1),
        (Delivery(speed="slow"), "speed", 0),
        (Delivery(level="loud"), "level", 1),
        (Delivery(whisper=False), "whisper", 0),
        (Delivery(noise=True), "noise", 1),
        (Delivery(melody="rising"), "melody", 1),
    ],
)
def test_a_delivery_is_marked(how: Delivery, name: str, value: int) -> None:
    (mark,) = marks.of(said(delivery=how), 0, 2 * SAMPLE_RATE, 30)
    assert (mark.name, mark.value, mark.stop) == (name, value, 25)
    assert mark.start == (19 if name == "melody" else 0)


def test_counts_go_up_where_something_begins() -> None:
    beep, clap = Event("beep", 0.16, 800, gap=0.24), Event("clap", 0.08, gap=0.4)
    one = said(before=(beep, clap, beep))
    found = marks.counted(one, marks.places(one, 0, 3 * SAMPLE_RATE, 30), 30)
    assert found is not None
    beeps, claps = found.T.tolist()
    assert beeps == [-100, -100, *[1] * 9, -100, -100, *[2] * 17]
    assert claps == [*[0] * 5, -100, *[1] * 24]
    assert marks.counted(said(before=(tone(),)), ((0, 5),), 12) is None
