"""The prompts letter by letter where they are published, and the rules by which replies are read."""

from __future__ import annotations

import pytest

from model.evaluation.suites.choices import letter, lettered, response, stepfun, words_match

MOODS = ("Soft and melodic", "Aggressive and talking", "High-pitched and singing", "Whispering")


def test_asked_as_stepfun_asks() -> None:
    asked = stepfun("Which fits?", MOODS)
    assert asked.startswith(
        "Which fits? Please choose the answer from the following options: [Soft and melodic, "
    )
    assert asked.endswith("Whispering] Output the final answer in <RESPONSE> </RESPONSE>.")


def test_asked_as_mmsu_asks() -> None:
    asked = lettered("Which?", ["one", "two", "None", "None"])
    assert asked.startswith("Choose the most suitable answer from options A, B, C, and D")
    assert asked.endswith("Question: Which?\n\nA. one\nB. two\nC. None\nD. None")


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("<RESPONSE>Whispering</RESPONSE>", "Whispering"),
        ("First <response> a </response> then <RESPONSE>\nb\n</RESPONSE> done", "b"),
        ("<RESPONSE> never closed", "never closed"),
        (" Whispering ", "Whispering"),
    ],
)
def test_response(reply: str, found: str) -> None:
    assert response(reply) == found


@pytest.mark.parametrize(
    ("prediction", "right"),
    [
        ("Soft and melodic", True),
        ("It is melodic, and soft.", True),
        ("soft", False),  # a word of the answer is missing
        ("soft and melodic, not whispering", False),  # a word that only a wrong choice has
        ("talking softly and melodic", False),
        ("", False),
        ("...", False),
    ],
)
def test_mmau_s_rule(prediction: str, right: bool) -> None:
    assert words_match(MOODS[0], prediction, MOODS) is right


def test_words_that_choices_share_are_no_trap() -> None:
    assert words_match("two men", "two men", ["two men", "two women"])
    assert not words_match("two men", "two men and women", ["two men", "two women"])


@pytest.mark.parametrize(
    ("reply", "found"),
    [
        ("A", "A"),
        ("B. two", "B"),
        ("The answer is C.", "C"),
        (" \nD\n", "D"),
        ("two", ""),
        ("", ""),
        ("x", ""),
    ],
)
def test_mmsu_s_rule(reply: str, found: str) -> None:
    assert letter(reply) == found
