"""Chains and replies read line by line."""

from __future__ import annotations

from model.training.mgrd.notes import Fact, Note, claimed, facts, notes


def test_lines_without_a_label_are_passed_over() -> None:
    found = notes("heard: hello\n27+15: 42\npitch: D G, first low, second high\nnone\n  order:  beep , clap")
    assert found == (
        Note("heard", ("hello",)),
        Note("pitch", ("D G", "first low", "second high")),
        Note("order", ("beep", "clap")),
    )
    assert [note.acoustic for note in found] == [False, True, True]


def test_a_reply_may_tell_two_things() -> None:
    assert facts("Your voice is high and you speak fast.") == (
        Fact("voice", "pitch", "high"),
        Fact("voice", "speed", "fast"),
    )
    assert facts("There were no beeps.") == (Fact("count", "beep", "0"),)
    assert facts("27 plus 15 is 42.") == ()


def test_what_was_contradicted() -> None:
    assert claimed("You say the first, but the second tone was higher.") == "first"
    assert claimed("You say slowly, but you speak fast.") == "slowly"
    assert claimed("Yes, you speak fast.") is None
