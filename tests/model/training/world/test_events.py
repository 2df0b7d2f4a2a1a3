"""Sounds by chance are of the kind that was asked for, and tones that are compared differ on the scale."""

from __future__ import annotations

import random

import pytest

from model.training.world import events, scale


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
        first, second = (scale.step(e, name) for e in events.tones(r, name, first_more))
        assert first != second
        assert (first > second) == first_more


def test_several_sounds_are_of_every_kind_and_few() -> None:
    found = [events.several(random.Random(seed)) for seed in range(200)]
    assert {e.kind for one in found for e in one} == set(events.KINDS)
    assert {len(one) for one in found} <= {1, 2, 3, 4, 5}
