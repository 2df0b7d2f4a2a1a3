from __future__ import annotations

import pytest

from streaming import number_words as say


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (20, "twenty"),
        (42, "forty two"),
        (100, "one hundred"),
        (305, "three hundred five"),
        (7305, "seven thousand three hundred five"),
        (1_000_000, "one million"),
        (1_002_030, "one million two thousand thirty"),
        (10**21, "one " + "zero " * 20 + "zero"),
    ],
)
def test_cardinals(number: int, words: str) -> None:
    assert " ".join(say.cardinal(number)) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zeroth"),
        (1, "first"),
        (12, "twelfth"),
        (20, "twentieth"),
        (33, "thirty third"),
        (104, "one hundred fourth"),
        (1000, "one thousandth"),
    ],
)
def test_ordinals(number: int, words: str) -> None:
    assert " ".join(say.ordinal(number)) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1100, "eleven hundred"),
        (1905, "nineteen oh five"),
        (1969, "nineteen sixty nine"),
        (2000, "two thousand"),
        (2009, "two thousand nine"),
        (2026, "twenty twenty six"),
    ],
)
def test_years(number: int, words: str) -> None:
    assert " ".join(say.year(number)) == words


def test_decimals_and_digits() -> None:
    assert " ".join(say.decimal("1,250.05")) == "one thousand two hundred fifty point zero five"
    assert " ".join(say.decimal(".5")) == "zero point five"
    assert " ".join(say.decimal("7")) == "seven"
    assert " ".join(say.digits("7-305")) == "seven three zero five"


def test_fractions() -> None:
    said = [" ".join(say.fraction(*f)) for f in ((1, 2), (3, 2), (1, 3), (3, 4), (7, 20))]
    assert said == ["one half", "three halves", "one third", "three quarters", "seven twentieths"]
