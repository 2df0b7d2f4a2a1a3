"""What of the clips needs no synthesiser: where an utterance may be broken, and which voices are one."""

from __future__ import annotations

import random

from model.evaluation.clips import broken, group, single
from model.training.world.core import Utterance


def said(words: str, intent: str = "sum") -> Utterance:
    return Utterance("numbers", intent, words, words)


def test_hesitations() -> None:
    for seed in range(20):
        parts = broken(said("what is five plus three"), random.Random(seed))
        assert parts in (("what is", "five plus three"), ("what is five plus", "three"))
    assert broken(said("five three", "digits"), random.Random(0)) == ("five and", "three")
    assert broken(said("five", "digits"), random.Random(0)) is None
    assert broken(said("hello there"), random.Random(0)) is None


def test_single_digits() -> None:
    digit, number = (Utterance("sequences", "digits", words, words, ("7",)) for words in ("seven", "seventy"))
    assert single(digit) and not single(number) and not single(said("what is five plus three"))


def test_groups_of_voices() -> None:
    assert group("espeak/en-us+Andy") == "espeak-ng"
    assert group("piper/joe") == "piper/joe"
