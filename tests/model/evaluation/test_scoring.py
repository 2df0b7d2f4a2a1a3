"""What counts as right, and Wilson's interval against known values."""

from __future__ import annotations

import numpy as np
import pytest

from model.evaluation.case import Answered, Case, Clip, Outcome
from model.evaluation.scoring import (
    auc,
    interval,
    last_number,
    occurs,
    right,
    same,
    told_right,
    word_error,
    word_errors,
)
from model.training.world.core import Call

CLIP = Clip("what is seven plus five", "espeak/en-us+Andy", np.zeros(100, np.int16))
CALL = Call("set_timer", {"minutes": 5})


def case(**fields: object) -> Case:
    return Case("one", "numbers", "sum", CLIP, **{"reply": "7 plus 5 is 12.", **fields})  # type: ignore[arg-type]


def test_words_and_numbers() -> None:
    assert same("It is five o'clock.", "it is five o’clock")
    assert not same("7 3 0.", "7 3 0 0.")
    assert (last_number("5 minus 9 is minus 4."), last_number("that is -4"), last_number("none")) == (
        -4,
        -4,
        None,
    )
    assert last_number("between 3-4") == 4


@pytest.mark.parametrize(
    ("answer", "reply", "found"),
    [
        ("730", "7 3 0.", True),
        ("7 3 0", "It is 730", True),
        ("42", "27 + 15 is 42.", True),
        ("42", "It is 142.", False),
        ("4 2", "It is 4 and 2", False),
        ("Wednesday", "WEDNESDAY comes", True),
        ("wed", "Wednesday", False),
        ("30", "7 3 0.", False),
    ],
)
def test_an_answer_in_a_reply(answer: str, reply: str, found: bool) -> None:
    assert occurs(answer, reply) is found


def test_right() -> None:
    assert right(case(), Outcome(reply="7 plus 5 is 12"))
    assert not right(case(), Outcome(reply="It is 12."))
    assert right(case(number=12), Outcome(reply="It is 12."))
    assert not right(case(number=12), Outcome(reply="7 plus 5 is 12.", error="failed"))
    assert not right(case(), Outcome(reply="", call=CALL))
    wanted = case(reply="", call=CALL, told="The timer is set for 5 minutes.")
    assert right(wanted, Outcome(call=Call("set_timer", {"minutes": 5})))
    assert not right(wanted, Outcome(call=Call("set_timer", {"minutes": "5"})))
    assert not right(wanted, Outcome(reply="The timer is set."))
    assert told_right(wanted, Outcome(call=CALL, told="the timer is set for 5 minutes"))
    assert not told_right(wanted, Outcome(call=CALL, told="Done."))
    assert right(case(reply="12", contained=True), Outcome(reply="That makes 12, I think."))


def test_words_wrong() -> None:
    assert word_errors("what is seven plus five", "What is 7 plus nine?") == 1
    assert word_errors("seven", "") == 1
    heard = [Outcome(heard="what is seven plus five"), Outcome(heard="what seven plus five"), Outcome()]
    answered = [Answered(case(transcript=CLIP.words), "whole", one) for one in heard]
    assert word_error([*answered, Answered(case(), "whole", Outcome(heard="nonsense"))]) == (1, 10)


def test_how_sure_a_share_is() -> None:
    low, high = interval(190, 200)
    assert (round(low, 3), round(high, 3)) == (0.910, 0.973)
    assert interval(0, 10)[0] == 0.0 and interval(10, 10)[1] == 1.0


def test_auc() -> None:
    assert auc([0.9, 0.8], [0.1, 0.8]) == pytest.approx(0.875)
