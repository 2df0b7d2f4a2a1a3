"""Numbers as Spoken-MQA's script finds them in replies, and closed answers by our own rule."""

from __future__ import annotations

import pytest

from model.evaluation.suites.mathematics import closed, same_number


@pytest.mark.parametrize(
    ("answer", "reply", "right"),
    [
        ("42", "27 plus 15 is 42.", True),  # the last number
        ("42", "42 it is, not 43.", False),
        ("42", "The answer is 42 because 27 + 15 = 43.", True),  # the first one behind the words
        ("1002", "So: 1,002", True),
        ("1002", "1002.0", True),
        ("-3", "It is -3 degrees.", True),
        ("0.75", "3/4", True),
        ("0.5", "It is .5", False),  # as in theirs: a number begins with a digit
        ("he has 5\n#### 42", "#### 42", True),
        ("42", "the answer is 7\n\nthe answer is 42", False),  # said twice: it ends at the first blank line
        ("42", "forty two", False),  # digits alone
        ("42", "", False),
        ("42", "1/0", False),
    ],
)
def test_numbers(answer: str, reply: str, right: bool) -> None:
    assert same_number(answer, reply) is right


@pytest.mark.parametrize(
    ("category", "answer", "reply", "right"),
    [
        ("formal_fallacies", "valid", "It looks invalid, but it is valid.", True),
        ("formal_fallacies", "invalid", "It is valid.", False),
        ("navigate", "Yes", "Yes, you come back.", True),
        ("navigate", "Yes", "yes... no.", False),
        ("web_of_lies", "No", "No.", True),
        ("web_of_lies", "No", "Nobody knows.", False),
        ("object_counting", "12", "Three and nine: twelve.", True),
        ("object_counting", "21", "There are twenty one.", True),
        ("object_counting", "12", "I counted 12 of them.", True),
        ("object_counting", "2", "I counted 12 of them.", False),
        ("object_counting", "9", "many", False),
    ],
)
def test_closed_answers(category: str, answer: str, reply: str, right: bool) -> None:
    assert closed(category, answer, reply) is right
