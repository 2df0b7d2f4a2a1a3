"""What nobody hears is kept; what is heard is told once, in order."""

from __future__ import annotations

from typing import cast

from model.reasoning import Reply
from streaming.context import Context
from streaming.events import Refused
from streaming.reply import ActiveReply
from streaming.speaker import Manner, Told
from streaming.thought import End, Thought

SOMEBODY = cast(ActiveReply, object())


def thought() -> Thought:
    return Thought(Context(), Manner(thinking=True, max_tokens=9))


def step(number: int) -> Told:
    return Told((Reply(str(number)),), 1, number, 0, None)


def test_nobody_hears_a_thought_without_a_reply_or_a_reply_that_is_held() -> None:
    t = thought()
    t.take(step(0))
    assert list(t.untold()) == []
    t.reply, t.held = SOMEBODY, True
    t.take(step(1))
    assert list(t.untold()) == []
    assert t.tokens == 2
    t.held = False
    assert list(t.untold()) == [step(0), step(1)]
    assert list(t.untold()) == []


def test_who_is_held_back_in_the_middle_keeps_the_rest() -> None:
    t = thought()
    t.reply = SOMEBODY
    for number in range(3):
        t.take(step(number))
    told = []
    for one in t.untold():
        told.append(one)
        t.held = True
    assert told == [step(0)]
    t.held = False
    assert list(t.untold()) == [step(1), step(2)]


def test_it_ends_well_or_not() -> None:
    t = thought()
    assert t.end is None and not t.failed
    t.finish()
    assert t.end == End("completed") and not t.failed
    t.finish(End.of(Refused("no")))
    assert t.failed and t.end == End("failed", "engine_refused", "no")
