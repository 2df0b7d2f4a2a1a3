"""Order, transcripts and making room."""

import numpy as np
import pytest

from streaming.conversation import Conversation, Entry
from streaming.errors import DuplicateItem, ItemActive, UnknownCall, UnknownItem
from streaming.events import FunctionCall, FunctionOutput, Message


def conversation(*tokens: int) -> Conversation:
    made = Conversation()
    for i, count in enumerate(tokens):
        made.add(Entry([Message(f"item_{i}", "user", spoken=True)], np.zeros(4, np.int16), count))
    return made


def test_each_turn_is_told_its_predecessor() -> None:
    made = Conversation()
    assert made.add(Entry([Message("a", "user")])) is None
    assert made.add(Entry([Message("b", "assistant")])) == "a"
    assert made.last_id == "b"


def test_an_id_is_taken_once() -> None:
    with pytest.raises(DuplicateItem, match="item_0"):
        conversation(1).add(Entry([Message("item_0", "user")]))


def test_a_transcript_finds_its_turn() -> None:
    made = conversation(1, 1)
    made.heard("item_0", "one plus one")
    assert [i.text for e in made for i in e.items if isinstance(i, Message)] == ["one plus one", None]


def test_the_oldest_turns_go_first_and_with_them_their_samples() -> None:
    made = conversation(10, 10, 10)
    assert made.make_room(20)
    assert [e.items[0].id for e in made.kept()] == ["item_1", "item_2"]
    assert [e.samples is None for e in made] == [True, False, False]


def test_room_enough_changes_nothing() -> None:
    made = conversation(10, 10)
    assert not made.make_room(20)
    assert len(made.kept()) == 2


CALL, OUTPUT = FunctionCall("call", "c", "f", "{}"), FunctionOutput("output", "c", "f", "1")


def test_an_output_needs_its_call() -> None:
    made = Conversation()
    with pytest.raises(UnknownCall, match="got 'c'"):
        made.add(Entry([OUTPUT]))
    made.add(Entry([CALL]))
    with pytest.raises(DuplicateItem, match="call with the id 'c'"):
        made.add(Entry([FunctionCall("again", "c", "f", "{}")]))
    assert made.name_of("c") == "f"
    assert made.add(Entry([OUTPUT])) == "call"


def test_a_reply_in_the_making_stands_where_it_began() -> None:
    made, reply = conversation(1), Entry(open=True)
    assert made.extend(reply, Message("reply", "assistant")) == "item_0"
    assert made.extend(reply, CALL) == "reply"
    assert made.add(Entry([OUTPUT])) == "call"
    assert made.extend(reply, FunctionCall("other", "d", "g", "{}")) == "call"
    assert made.last_id == "output"
    made.heard("reply", "wait")
    assert [[item.id for item in entry.items] for entry in made] == [
        ["item_0"],
        ["reply", "call", "other"],
        ["output"],
    ]
    assert len(made.settled()) == 1
    reply.open = False
    assert len(made.settled()) == 3
    assert reply.items[0] == Message("reply", "assistant", text="wait")


def test_an_output_goes_with_its_call() -> None:
    made = conversation(10)
    made.add(Entry([CALL], tokens=10))
    made.add(Entry([OUTPUT], tokens=1))
    made.add(Entry([Message("b", "user")], tokens=10))
    assert made.make_room(15)
    assert [e.items[0].id for e in made.kept()] == ["b"]


def test_a_reply_in_the_making_is_not_let_go() -> None:
    made = conversation(10)
    made.extend(Entry(open=True, tokens=100), CALL)
    made.make_room(5)
    assert [e.items[0].id for e in made.kept()] == ["call"]


def ids(made: Conversation) -> list[list[str]]:
    return [[item.id for item in entry.items] for entry in made]


def test_items_go_where_they_are_put() -> None:
    made = conversation(1, 1)
    assert made.add(Entry([Message("front", "system")]), "root") is None
    assert made.add(Entry([Message("between", "user")]), "item_0") == "item_0"
    assert made.add(Entry([Message("end", "user")]), "item_1") == "item_1"
    assert ids(made) == [["front"], ["item_0"], ["between"], ["item_1"], ["end"]]
    with pytest.raises(UnknownItem, match="nobody"):
        made.add(Entry([Message("lost", "user")]), "nobody")
    with pytest.raises(DuplicateItem):
        made.add(Entry([Message("root", "user")]))
    assert len(made) == 5


def test_a_reply_is_parted_for_what_is_put_into_it_once_it_has_ended() -> None:
    made, reply = conversation(1), Entry(open=True)
    made.extend(reply, Message("reply", "assistant"))
    made.extend(reply, CALL)
    assert made.add(Entry([Message("a", "user")]), "reply") == "call"
    reply.open = False
    assert made.add(Entry([Message("b", "user")]), "reply") == "reply"
    assert ids(made) == [["item_0"], ["reply"], ["b"], ["call"], ["a"]]


def test_what_is_taken_out_is_gone() -> None:
    made, reply = conversation(1), Entry(open=True)
    made.extend(reply, Message("reply", "assistant"))
    made.extend(reply, CALL)
    with pytest.raises(ItemActive):
        made.remove("call")
    reply.open = False
    made.remove("call")
    made.remove("item_0")
    assert ids(made) == [["reply"]] and made.last_id == "reply"
    with pytest.raises(UnknownItem):
        made.remove("item_0")
    with pytest.raises(UnknownCall):
        made.name_of("c")
    made.add(Entry([Message("item_0", "user")]))
