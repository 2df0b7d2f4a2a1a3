"""The values that everything said to nano is made of."""

from __future__ import annotations

import json

from model.training.world.core import Answer, Call, Event, State, Utterance, chain, with_words

SUM = Utterance("numbers", "sum", "two plus three", "2,3")
FOUND = Answer("2 plus 3 is 5.", steps=("2+3: 2+3=5, 5",), check=("check 5-3: 5-3=2, 2",))


def test_a_longer_effort_thinks_more_lines() -> None:
    assert chain(SUM, FOUND, "none") == ""
    assert chain(SUM, FOUND, "short") == "2+3: 2+3=5, 5"
    assert chain(SUM, FOUND, "medium") == "heard: two plus three\n2+3: 2+3=5, 5"
    assert chain(SUM, FOUND, "long").splitlines()[2:] == ["check 5-3: 5-3=2, 2"]


def test_without_steps_the_shortest_thought_is_what_was_heard() -> None:
    assert chain(SUM, Answer("5."), "short") == "heard: two plus three"


def test_sounds_are_heard_in_their_order() -> None:
    beep, clap = Event("beep", 0.2), Event("clap", 0.1)
    said = Utterance("perception", "order", "what came first", "k", before=(beep,), after=(clap, clap))
    assert said.noted == "beep 1 what came first clap 1 clap 2"


def test_about_one_key_in_eight_is_held_out_and_always_the_same() -> None:
    keys = [Utterance("numbers", "sum", "", f"{a},{b}").held_out for a in range(60) for b in range(60)]
    assert 0.1 < sum(keys) / len(keys) < 0.15
    assert keys == [
        Utterance("numbers", "sum", "", f"{a},{b}").held_out for a in range(60) for b in range(60)
    ]


def test_a_call_has_the_form_of_step_audio() -> None:
    text = Call("set_timer", {"minutes": 5}).text
    head, name, arguments = text.removesuffix("</tool_call>").split("\n")
    assert (head, name, json.loads(arguments)) == ("<tool_call>function", "set_timer", {"minutes": 5})


def test_eight_turns_are_remembered() -> None:
    state = State()
    for _ in range(10):
        state = with_words(state, SUM)
    assert state.said == ("two plus three",) * 8
