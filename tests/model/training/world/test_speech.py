"""Numbers in words, and polite words around a question."""

from __future__ import annotations

import random

import pytest

from model.training.world.speech import asked, spoken


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety nine"),
        (100, "one hundred"),
        (615, "six hundred fifteen"),
        (-7, "minus seven"),
    ],
)
def test_numbers(number: int, words: str) -> None:
    assert spoken(number) == words


def test_no_two_numbers_sound_alike() -> None:
    assert len({spoken(n) for n in range(-999, 1000)}) == 1999


def test_a_question_keeps_its_words() -> None:
    r = random.Random(0)
    found = {asked(r, "what is two plus two") for _ in range(300)}
    assert len(found) > 8
    assert all("what is two plus two" in words for words in found)
    assert not any(
        words.startswith("tell me add") for words in (asked(r, "add two and two") for _ in range(300))
    )
