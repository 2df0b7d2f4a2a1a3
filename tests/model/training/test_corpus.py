"""What is trained on and what is tested on have nothing in common: no words and no voice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from model.training import corpus, voices, world


def test_no_words_of_the_tests_are_in_training() -> None:
    corpus.prove()


def test_what_is_tested_is_held_out_and_what_is_trained_is_not() -> None:
    assert all(corpus.utterance_of(*one).held_out for one in corpus.plan(True))
    assert not any(corpus.utterance_of(*one).held_out for one in corpus.plan(False)[::50])


def test_no_voice_of_the_tests_is_in_training() -> None:
    def cast(held_out: bool, step: int) -> set[str]:
        lines = (
            voices.cast(corpus.utterance_of(*one), f"{one[0]} {one[1]}", held_out).voice
            for one in corpus.plan(held_out)[::step]
        )
        return {line.split("+")[-1] if line.startswith("espeak") else line for line in lines if line}

    trained, tested = cast(False, 7), cast(True, 1)
    assert len(tested) > 5 and len(trained) > 50
    assert not trained & tested
    engines = {voice.split("/")[0] for voice in tested if "/" in voice}
    assert not engines & {voice.split("/")[0] for voice in trained if "/" in voice}


def test_what_sounds_is_told_in_order() -> None:
    counts = [u for one in corpus.plan(False)[:2000] if (u := corpus.utterance_of(*one)).intent == "count"]
    for said in counts:
        words = corpus.ctc_words(said)
        assert len(words) == len(said.before) + len(said.words.split()) + len(said.after)
    tones = world.of_intent(1, "tones_pitch")
    assert "".join(corpus.ctc_words(tones)) == tones.noted.replace(" ", "")


def test_sounds_alone_are_named_and_nothing_is_said() -> None:
    (one, *_) = (one for one in corpus.plan(False) if one[1] == corpus.SOUNDS)
    said = corpus.utterance_of(*one)
    assert said == corpus.utterance_of(*one) and not said.words and not said.held_out
    assert corpus.ctc_words(said)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[voices.Line]:
    """What is to be spoken; it is a tone that fades in and out, between silences."""
    lines: list[voices.Line] = []
    fading = 0.5 * np.hanning(3200) * np.sin(np.arange(3200))
    word = np.concatenate([np.zeros(320), fading, np.zeros(320)]).astype(np.float32)

    def speak(wanted: Sequence[voices.Line]) -> list[np.ndarray]:
        lines.extend(wanted)
        return [word for _ in wanted]

    monkeypatch.setattr(voices, "speak", speak)
    return lines


def clips_of(kind: str, count: int) -> tuple[tuple[str, str], ...]:
    return tuple(one for one in corpus.plan(False) if one[0].startswith(kind))[:count]


def test_digits_said_one_by_one_are_a_speakers_and_joined(asked: list[voices.Line]) -> None:
    batch = clips_of("apart", corpus.KINDS_APART["apart"].in_a_row)
    cast, clips = corpus.spoken(batch, held_out=False)
    assert len(set(cast)) == 1 and len({line.voice for line in asked}) == 1
    assert len(set(asked)) == len(asked)  # a digit is spoken once
    for one, clip in zip(batch, clips, strict=True):
        words = [w for w in corpus.utterance_of(*one).words.split() if w in corpus.DIGITS]
        assert clip.size >= len(words) * 3840 + (len(words) - 1) * 160


def test_digits_that_are_alone_are_said_by_many_and_as_closely_as_recordings_are_cut(
    asked: list[voices.Line],
) -> None:
    batch = clips_of("alone", 40)
    cast, clips = corpus.spoken(batch, held_out=False)
    assert len(set(cast)) > 10 and len({line.speed for line in asked}) > 10
    single = [
        c for c, one in zip(clips, batch, strict=True) if corpus.utterance_of(*one).words in corpus.DIGITS
    ]
    assert single and all(2000 < clip.size <= 3200 for clip in single)
