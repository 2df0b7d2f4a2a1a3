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


def test_digits_said_one_by_one_are_a_speakers_and_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[voices.Line] = []

    def speak(lines: Sequence[voices.Line]) -> list[np.ndarray]:
        asked.extend(lines)
        return [np.full(1600, 0.5, np.float32) for _ in lines]

    monkeypatch.setattr(voices, "speak", speak)
    batch = tuple(one for one in corpus.plan(False) if one[0].startswith("apart"))
    batch = batch[: corpus.KINDS_APART["apart"].in_a_row]
    cast, clips = corpus.spoken(batch, held_out=False)
    assert len(set(cast)) == 1 and len({line.voice for line in asked}) == 1
    assert len(set(asked)) == len(asked)  # a digit is spoken once
    for one, clip in zip(batch, clips, strict=True):
        words = [w for w in corpus.utterance_of(*one).words.split() if w in corpus.DIGITS]
        assert clip.size >= 1600 + (len(words) - 1) * (1600 + 160)


def test_digits_that_are_alone_are_said_by_many_and_as_closely_as_recordings_are_cut() -> None:
    batch = tuple(one for one in corpus.plan(False) if one[0].startswith("alone"))[:12]
    cast, clips = corpus.spoken(batch, held_out=False)
    assert len(set(cast)) > 4
    for one, clip in zip(batch, clips, strict=True):
        words = corpus.utterance_of(*one).words.split()
        assert len(words) > 1 or np.abs(clip[:160]).max() > 0.01 * np.abs(clip).max()
