from __future__ import annotations

import pytest

from model.config import PIECE_SAMPLES, SAMPLE_RATE, SAMPLES_PER_TOKEN, audio_tokens, frames
from model.features import LogMelStream
from model.windows import Window, Windows, whole
from tests.model.listening import voice

CHUNK = 6_400


def all_windows(sizes: Windows, samples: int, packet: int = 1_600) -> list[Window]:
    """The windows of a piece of so many samples, as they become due, and its tail."""
    found, start = [], 0
    for heard in [*range(packet, samples, packet), samples]:
        while (window := sizes.settled(start, heard)) is not None:
            found.append(window)
            start = window.stop
    if (tail := sizes.tail(start, samples)) is not None:
        found.append(tail)
    return found


@pytest.mark.parametrize("seconds", [0.021, 0.1, 0.4, 1.0, 3.3, 7.77, 24.9, 25.0])
@pytest.mark.parametrize("sizes", [Windows(), Windows(step=5, look_ahead=0), Windows(left=10)])
def test_windows_cover_every_token_of_a_piece_once(seconds: float, sizes: Windows) -> None:
    samples = round(seconds * 16_000)
    at = 0
    for window in all_windows(sizes, samples):
        assert window.start == at < window.stop
        at = window.stop
    assert at == audio_tokens(samples)


@pytest.mark.parametrize("seconds", [1.0, 7.77, 25.0])
def test_a_window_knows_its_context(seconds: float) -> None:
    sizes = Windows()
    samples = round(seconds * 16_000)
    for window in all_windows(sizes, samples):
        assert window.first % 8 == 0
        padded = window.end > window.first + window.real  # the end of what was heard
        left = sizes.tail_left if padded else sizes.left
        assert window.start - window.first // 8 == min(window.start, left)
        assert window.keep.start + window.first // 8 == window.start
        assert 0 < window.real <= window.end - window.first
        assert window.end <= frames(samples) + 2


def test_a_chunk_is_settled_once_320_ms_behind_it_were_heard() -> None:
    sizes = Windows()
    needed = sizes.samples_needed(0)
    assert sizes.settled(0, needed - 1) is None
    window = sizes.settled(0, needed)
    assert window == Window(0, 72, 72, 0, 5)
    assert CHUNK + 4 * SAMPLES_PER_TOKEN <= needed + 160  # the last frame's centre lies in the look-ahead


def test_the_frames_of_a_settled_chunk_are_there() -> None:
    sizes = Windows()
    audio = voice(3.0)
    stream, start = LogMelStream(80), 0
    for heard in range(160, audio.numel() + 1, 160):
        stream.append(audio[heard - 160 : heard])
        while (window := sizes.settled(start, heard)) is not None:
            assert len(stream) >= window.end
            start = window.stop
    assert start > 25


def test_only_the_last_window_of_a_piece_is_complete() -> None:
    *settled, last = Windows().every(3 * SAMPLE_RATE)
    assert last.complete and not any(window.complete for window in settled)
    assert whole(SAMPLE_RATE).complete and Windows().every(PIECE_SAMPLES)[-1].complete


def test_left_context_is_capped() -> None:
    sizes = Windows(left=50)
    window = sizes.settled(100, PIECE_SAMPLES - 1)
    assert window is not None
    assert (window.first, window.end, window.keep) == (400, (105 + 4) * 8, slice(50, 55))


def test_a_full_piece_settles_whole() -> None:
    last = all_windows(Windows(), PIECE_SAMPLES)[-1]
    assert last.stop == audio_tokens(PIECE_SAMPLES) == 313
    assert Windows().tail(313, PIECE_SAMPLES) is None


def test_too_little_audio_is_no_tail() -> None:
    assert Windows().tail(0, 320) is None
    assert Windows().tail(0, 321) == Window(0, 5, 3, 0, 1)


def test_sizes_in_milliseconds() -> None:
    assert Windows.of(320, 4000) == Windows()
    assert Windows.of(0, 80) == Windows(look_ahead=0, left=1, tail_left=1)
    assert Windows.of(480, 24_960) == Windows(look_ahead=6, left=312)


@pytest.mark.parametrize(("look_ahead", "left"), [(100, 4000), (-80, 4000), (320, 4010), (320, 25_040)])
def test_sizes_that_make_no_sense(look_ahead: float, left: float) -> None:
    with pytest.raises(ValueError, match="a multiple of 80 ms from 0 to 24960, got"):
        Windows.of(look_ahead, left)
