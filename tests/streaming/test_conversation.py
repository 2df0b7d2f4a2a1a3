"""Order, transcripts and making room."""

import numpy as np
import pytest

from streaming.conversation import Conversation, Entry
from streaming.events import BadItem, Item


def conversation(*tokens: int) -> Conversation:
    made = Conversation()
    for i, count in enumerate(tokens):
        made.add(Entry(Item(f"item_{i}", "user", spoken=True), np.zeros(4, np.int16), count))
    return made


def test_each_turn_is_told_its_predecessor() -> None:
    made = Conversation()
    assert made.add(Entry(Item("a", "user"))) is None
    assert made.add(Entry(Item("b", "assistant"))) == "a"
    assert made.last_id == "b"


def test_an_id_is_taken_once() -> None:
    with pytest.raises(BadItem, match="item_0"):
        conversation(1).add(Entry(Item("item_0", "user")))


def test_a_transcript_finds_its_turn() -> None:
    made = conversation(1, 1)
    made.heard("item_0", "one plus one")
    assert [e.item.text for e in made] == ["one plus one", None]


def test_the_oldest_turns_go_first_and_with_them_their_samples() -> None:
    made = conversation(10, 10, 10)
    assert made.make_room(20)
    assert [e.item.id for e in made.kept()] == ["item_1", "item_2"]
    assert [e.samples is None for e in made] == [True, False, False]


def test_room_enough_changes_nothing() -> None:
    made = conversation(10, 10)
    assert not made.make_room(20)
    assert len(made.kept()) == 2
