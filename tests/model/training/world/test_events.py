"""Sounds by chance are of the kind that was asked for, and the scale tells well-separated tones apart."""

from __future__ import annotations

import random

import pytest

from model.training.world import events
from model.training.world.core import Event


@pytest.mark.parametrize("kind", ["beep", "clap", "music", "noise"])
def test_a_sound_is_of_its_kind(kind: str) -> None:
    r = random.Random(kind)
    assert all(events.sound(r, kind).kind == kind for _ in range(20))


@pytest.mark.parametrize("name", ["pitch", "level", "length"])
def test_the_scale_tells_two_tones_apart(name: str) -> None:
    """The letters of two tones that are compared are never the same, and in the order of what they are."""
    r = random.Random(name)
    for _ in range(500):
        first_more = r.random() < 0.5
        first, second = (events.SCALE.index(events.noted(e, name)) for e in events.tones(r, name, first_more))
        assert first != second
        assert (first > second) == first_more


def test_the_scale_ends_where_it_ends() -> None:
    assert events.noted(Event("tone", 0.01, 50.0, level=-90), "pitch") == events.SCALE[0]
    assert events.noted(Event("tone", 9.0, 9000.0, level=0), "length") == events.SCALE[-1]
    assert events.pitch_noted(110.0) == events.SCALE[0] != events.pitch_noted(124.0)
