"""Who speaks is decided by the seed, held-out voices never train, and a delivery is followed. None is run."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from model.config import SAMPLE_RATE
from model.training import corpus, voices, world
from model.training.world import Delivery, Event, Utterance


def said(words: str = "what is two plus two", **how: object) -> Utterance:
    return Utterance("numbers", "sum", words, "key", delivery=Delivery(**how))  # type: ignore[arg-type]


def engines(held_out: bool) -> set[str]:
    return {voices.cast(said(), i, held_out).engine for i in range(300)}


def test_whole_synthesisers_are_held_out() -> None:
    assert engines(False) == {"espeak", "flite"}
    assert engines(True) - engines(False) == {"piper", "festival"}
    names = [
        {voices.cast(said(), i, held_out).voice.split("+")[-1] for i in range(600)}
        for held_out in (False, True)
    ]
    assert not names[0] & names[1]


def test_the_seed_decides() -> None:
    assert voices.cast(said(), 7, False) == voices.cast(said(), 7, False)
    assert len({voices.cast(said(), i, False) for i in range(20)}) > 10


@pytest.mark.parametrize("held_out", [False, True])
def test_a_delivery_is_followed_by_every_voice(held_out: bool) -> None:
    for i in range(100):
        fast, slow = (voices.cast(said(speed=speed), i, held_out).speed for speed in ("fast", "slow"))
        assert fast > 2 * slow
        high, low = (voices.cast(said(pitch=pitch), i, held_out).hertz for pitch in ("high", "low"))
        assert high > 1.5 * low > 0
        assert voices.cast(said(whisper=True), i, held_out).whisper
        assert voices.cast(said(melody="rising"), i, held_out).melody == "rising"
        assert voices.cast(said(language="de"), i, held_out).voice.startswith("espeak/de+")


def test_digits_said_by_themselves_are_slower_and_all_else_stays_together() -> None:
    line = voices.Line("what is the sum of fifty five two and two?", "flite/slt", speed=1.0)
    pieces = voices.apart(line, corpus.DIGITS, (0.6, 0.9), random.Random(1))
    words = [piece.text.rstrip(".?,") for piece in pieces]
    assert words == ["what is the sum of fifty five", "two", "and", "two"]
    assert len({piece.speed for piece in pieces}) == 1 and pieces[0].speed < 1
    assert {replace(piece, text="", speed=1.0) for piece in pieces} == {replace(line, text="")}


def test_without_words_nobody_speaks() -> None:
    line = voices.cast(said(""), 0, False)
    assert line.voice == ""
    assert [len(x) for x in voices.speak([line])] == [0]


def test_trimmed_is_without_the_silence_around() -> None:
    x = np.zeros(SAMPLE_RATE, np.float32)
    x[4000:8000] = 0.5
    assert len(voices.trim(x)) == pytest.approx(4000 + 0.04 * SAMPLE_RATE, abs=320)


def test_no_words_of_the_tests_are_in_training() -> None:
    corpus.prove()
    assert all(corpus.utterance_of(*one).held_out for one in corpus.plan(True))
    conflicts = [one for one in corpus.plan(True) if one[0].startswith("test conflict")]
    assert len(conflicts) == corpus.TEST_CLIPS["conflict"]
    assert {corpus.utterance_of(*one).family for one in conflicts} == {"perception"}


def test_ctc_reads_events_as_words_and_nothing_of_what_is_beyond_the_world() -> None:
    beeps = Utterance("perception", "count", "how many", "key", after=(Event("beep", 0.1),) * 2)
    assert corpus.ctc_words(beeps) == ["how", "many", "beep", "beep"]
    for i in range(200):
        one = world.utterance(i, "unknown")
        assert corpus.ctc_words(one) in ([], ["noise"], ["music"])
