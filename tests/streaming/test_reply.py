"""What becomes of a reply as it is told: events, items of the conversation, and its end."""

from __future__ import annotations

from itertools import count

import pytest

from model.reasoning import Call, Part, Reply, Thinking
from streaming.conversation import Conversation, Entry
from streaming.errors import BadFunctionCall
from streaming.events import (
    CallMade,
    Event,
    FunctionCall,
    Message,
    ReplyDelta,
    ReplyStarted,
    ResponseDone,
    ResponseRequest,
    ThinkingDelta,
    ThinkingDone,
    Timings,
    Usage,
)
from streaming.reply import ActiveReply
from streaming.speaker import Told

F = Call('function\nf\n{"a": 1}')


def reply() -> ActiveReply:
    conversation, ids = Conversation(), count(1)
    conversation.add(Entry([Message("question", "user")]))
    return ActiveReply(
        "resp",
        "item",
        10.0,
        conversation,
        lambda kind: f"{kind}_{next(ids)}",
        offered={"f", "g"},
        request=ResponseRequest(metadata={"a": "b"}),
        usage=Usage(audio=3),
    )


def told(made: ActiveReply, *parts: Part, now: float = 10.5) -> list[Event]:
    return list(made.take(Told(parts, 2, 1, 32, None), now))


def test_thoughts_then_words() -> None:
    made = reply()
    assert told(made, Thinking("a"), Thinking("b"), now=10.1) == [
        ThinkingDelta("resp", "item", "a"),
        ThinkingDelta("resp", "item", "b"),
    ]
    assert told(made, Reply("c"), now=10.2) == [
        ThinkingDone("resp", "item", "ab"),
        ReplyStarted("resp", "item", "question"),
        ReplyDelta("resp", "item", "c"),
    ]
    assert told(made, Reply("d")) == [ReplyDelta("resp", "item", "d")]
    (done,) = made.end("completed", None, None, now=11.0)
    assert isinstance(done, ResponseDone)
    assert (done.text, done.thinking, done.metadata) == ("cd", "ab", {"a": "b"})
    assert done.usage == Usage(audio=3, cached=32, reasoning=2, reply=1)
    assert [round(t or 0) for t in (done.timings.first_thinking, done.timings.first_reply)] == [100, 200]
    assert done.timings.done == 1000.0
    assert [entry.items for entry in made.conversation][1:] == [[Message("item", "assistant", text="cd")]]


def test_calls_stand_behind_the_words_in_one_turn() -> None:
    made = reply()
    events = told(made, Reply("wait"), F, Call("function\ng\n{}"))
    calls = [FunctionCall("item_1", "call_2", "f", '{"a": 1}'), FunctionCall("item_3", "call_4", "g", "{}")]
    assert events[2:] == [CallMade("resp", calls[0], "item"), CallMade("resp", calls[1], "item_1")]
    list(made.end("completed", None, None, now=11.0))
    entry = list(made.conversation)[1]
    assert entry.items == [Message("item", "assistant", text="wait"), *calls]
    assert entry.open  # until it is known how much of it was heard


def test_a_call_alone_is_the_replys_first_item() -> None:
    made = reply()
    events = told(made, Thinking("hm"), F)
    assert events[1:] == [
        ThinkingDone("resp", "item", "hm"),
        CallMade("resp", FunctionCall("item", "call_1", "f", '{"a": 1}'), "question"),
    ]
    assert made.timings.first_reply == 500.0
    assert made.entry.open


@pytest.mark.parametrize(
    ("call", "why"),
    [
        (Call("function\nh\n{}"), "'h', which was not offered"),
        (Call("function\nf\n{"), "'f' with arguments that are no JSON"),
    ],
)
def test_a_bad_call_leaves_nothing(call: Call, why: str) -> None:
    made = reply()
    told(made, F)
    with pytest.raises(BadFunctionCall, match=why):
        told(made, call)
    assert len(made.entry.items) == 1


def test_a_reply_cut_short_closes_its_thoughts_and_is_no_turn() -> None:
    made = reply()
    told(made, Thinking("a"))
    closed, done = made.end("cancelled", "turn_detected", None, now=10.5)
    assert closed == ThinkingDone("resp", "item", "a")
    assert isinstance(done, ResponseDone) and (done.status, done.reason) == ("cancelled", "turn_detected")
    assert done.timings == Timings(first_thinking=500.0, done=500.0)
    assert len(made.conversation) == 1
