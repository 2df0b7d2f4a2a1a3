"""Tones are spelled by what they are, from less to more, and the scale ends where it ends."""

from __future__ import annotations

from model.training.world import scale
from model.training.world.core import Event, Utterance


def test_a_tone_has_three_letters_and_a_sweep_two() -> None:
    tone = Event("tone", 0.4, 220.0, level=-20.0)
    assert scale.letters(tone) == "HSF"
    assert scale.letters(Event("sweep", 0.9, 880.0, 220.0)) == "UH"
    assert scale.letters(Event("beep", 0.1, 880.0)) == ""
    heard = Utterance("perception", "tones_pitch", "which is higher", "k", before=(tone, Event("clap", 0.1)))
    assert heard.noted == "toneHSF clap 1 which is higher"
    assert heard.sounded == "toneHSF clap which is higher"


def test_more_is_later_in_the_scale() -> None:
    low, high = Event("tone", 0.3, 200.0, level=-30.0), Event("tone", 0.6, 400.0, level=-10.0)
    for name in scale.PROPERTIES:
        assert scale.step(low, name) < scale.step(high, name)


def test_the_scale_ends_where_it_ends() -> None:
    assert scale.step(Event("tone", 0.01, 50.0, level=-90), "pitch") == 0
    assert scale.letters(Event("tone", 9.0, 9e4, level=90)) == scale.LETTERS[-1] * 3
    assert scale.pitch_step(110.0) == 0 != scale.pitch_step(124.0)
