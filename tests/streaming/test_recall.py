"""A conversation told again: the turns in order, spoken ones whole, nothing that was let go."""

import numpy as np

from streaming.conversation import Conversation, Entry
from streaming.events import Item
from streaming.recall import recall
from tests.scripted import prompt

PROMPT = prompt()


def text_of(ids: tuple[int, ...]) -> str:
    return bytes(i for i in ids if i < 256).decode()


def conversation() -> Conversation:
    made = Conversation()
    made.add(Entry(Item("a", "user", spoken=True), np.zeros(16_000, np.int16)))
    made.add(Entry(Item("b", "assistant", text="two")))
    made.add(Entry(Item("c", "user", text="and three")))
    return made


def test_it_is_the_template_of_the_whole_conversation() -> None:
    context = recall(conversation(), "Be brief.", PROMPT, 80)
    expected = PROMPT.system("Be brief.") + PROMPT.human_open() + PROMPT.audio(13) + PROMPT.human_close()
    expected += PROMPT.reply("two") + PROMPT.human_text("and three")
    assert list(context.ids) == expected
    assert [a.tokens for a in context.audio] == [13]
    assert all(a.data for a in context.audio)


def test_each_turn_knows_what_it_takes_up() -> None:
    made = conversation()
    context = recall(made, "", PROMPT, 80)
    assert sum(e.tokens for e in made) == len(context)


def test_what_was_let_go_is_gone() -> None:
    made = conversation()
    recall(made, "", PROMPT, 80)
    assert made.make_room(20)
    context = recall(made, "", PROMPT, 80)
    assert not context.audio
    assert "and three" in text_of(context.ids)
