"""A turn's context: the right tokens for any length and any packet size, settled parts once and for good."""

import numpy as np
import pytest

from model.config import PIECE_SAMPLES, audio_tokens, pieces
from model.windows import Windows
from streaming.context import Context
from streaming.ear import Ear, Samples, whole
from tests.scripted import prompt

PROMPT = prompt()


def noise(samples: int) -> Samples:
    return np.random.default_rng(samples).normal(0, 0.1, samples).astype(np.float32)


def heard(samples: Samples, packet: int) -> tuple[Context, Ear]:
    ear = Ear("turn", PROMPT, 80, Windows())
    settled = Context()
    for at in range(0, samples.size, packet):
        settled += ear.hear(samples[at : at + packet])
    return settled, ear


def test_it_knows_how_much_has_left() -> None:
    ear = Ear("turn", PROMPT, 80, Windows())
    tokens = 0
    for block in np.split(noise(480_000), 1000):
        tokens += ear.hear(block).audio_tokens
        if ear.settled < PIECE_SAMPLES:
            assert ear.settled == tokens * 1280
    assert PIECE_SAMPLES < ear.settled <= 480_000 - 5120


@pytest.mark.parametrize(
    "samples", [1, 300, 1600, 6400, 11_560, 32_000, PIECE_SAMPLES, PIECE_SAMPLES + 1, 500_000]
)
def test_the_tokens_are_those_of_the_whole_clip(samples: int) -> None:
    audio = noise(samples)
    settled, ear = heard(audio, 480)
    expected: list[int] = []
    for start, end in pieces(samples):
        expected += PROMPT.audio(audio_tokens(end - start))
    whole_turn = settled + ear.end()
    assert list(whole_turn.ids) == expected
    for part in whole_turn.audio:
        assert part.data
        frames, window = part.data
        assert frames.shape == (80, window.end - window.first)
        assert part.tokens == window.stop - window.start
    assert list(whole("past", ear.samples, PROMPT, 80).ids) == expected


def test_packet_sizes_do_not_matter() -> None:
    audio = noise(50_000)
    contexts = [settled + ear.end() for settled, ear in (heard(audio, 320), heard(audio, 50_000))]
    assert contexts[0].ids == contexts[1].ids
    assert [(a.key, a.offset) for a in contexts[0].audio] == [(a.key, a.offset) for a in contexts[1].audio]


def test_looking_at_the_end_changes_nothing() -> None:
    audio = noise(40_000)
    ear = Ear("turn", PROMPT, 80, Windows())
    looked = Ear("turn", PROMPT, 80, Windows())
    first, second = Context(), Context()
    for at in range(0, audio.size, 800):
        first += ear.hear(audio[at : at + 800])
        second += looked.hear(audio[at : at + 800])
        looked.end()
    assert first.ids == second.ids
    assert [a.data[0].tolist() for a in first.audio if a.data] == [
        a.data[0].tolist() for a in second.audio if a.data
    ]


def test_only_settled_audio_leaves() -> None:
    """400 ms leave once 320 ms behind them, and the reach of the last frame, have been heard."""
    ear = Ear("turn", PROMPT, 80, Windows())
    assert not ear.hear(noise(6400 + 5120))
    assert ear.hear(noise(200)).audio_tokens == 5


def test_tails_of_different_ends_have_different_keys() -> None:
    ear = Ear("turn", PROMPT, 80, Windows())
    ear.hear(noise(3000))
    early = ear.end().audio[0].key
    ear.hear(noise(3000))
    assert early != ear.end().audio[0].key


def test_samples_survive_for_the_conversation() -> None:
    audio = noise(5000)
    _, ear = heard(audio, 1000)
    assert np.abs(ear.samples / 32768.0 - audio).max() <= 1 / 32768
    assert ear.seconds == pytest.approx(5000 / 16_000)
