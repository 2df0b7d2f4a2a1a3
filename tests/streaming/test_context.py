"""Contexts add up, are cut at seams only, and lose data where told."""

import pytest

from streaming.context import Audio, Context

SPOKEN = Context((1, 7, 7, 2), (Audio("a", 1, 2, "data"),))


def test_addition_moves_the_audio() -> None:
    whole = SPOKEN + SPOKEN
    assert whole.ids == (1, 7, 7, 2, 1, 7, 7, 2)
    assert [(a.offset, a.end) for a in whole.audio] == [(1, 3), (5, 7)]
    assert whole.audio_tokens == 4
    assert [whole.audio_within(n) for n in (0, 2, 3, 5, 6, 99)] == [0, 1, 2, 2, 3, 4]


def test_slices_count_from_their_own_start() -> None:
    whole = SPOKEN + SPOKEN
    assert whole[4:] == SPOKEN
    assert whole[:4] == SPOKEN
    assert whole[3:5] == Context((2, 1))


def test_a_slice_through_audio_is_refused() -> None:
    with pytest.raises(ValueError, match="cuts an audio part"):
        SPOKEN[:2]


def test_data_is_left_out_up_to_a_token() -> None:
    whole = (SPOKEN + SPOKEN).without_data(6)
    assert [a.data for a in whole.audio] == [None, "data"]
