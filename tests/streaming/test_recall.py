"""A conversation told again: the turns in order, spoken ones whole, nothing that was let go."""

import numpy as np
import pytest

from model.tools import Tool, call, schemas
from streaming.context import Context
from streaming.conversation import Conversation, Entry
from streaming.errors import AudioGone, UnknownCall, UnknownItem
from streaming.events import FunctionCall, FunctionOutput, Given, Message, Reference, SessionSettings
from streaming.recall import gathered, opening, recall
from tests.scripted import prompt

PROMPT = prompt()


def text_of(ids: tuple[int, ...]) -> str:
    return bytes(i for i in ids if i < 256).decode()


def conversation() -> Conversation:
    made = Conversation()
    made.add(Entry([Message("a", "user", spoken=True)], np.zeros(16_000, np.int16)))
    made.add(Entry([Message("b", "assistant", text="two")]))
    made.add(Entry([Message("c", "user", text="and three")]))
    return made


def test_it_is_the_template_of_the_whole_conversation() -> None:
    context = recall(conversation(), opening(SessionSettings("Be brief."), PROMPT), PROMPT, 80)
    expected = PROMPT.system("Be brief.") + PROMPT.human_open() + PROMPT.audio(13) + PROMPT.human_close()
    expected += PROMPT.reply("two") + PROMPT.human_text("and three")
    assert list(context.ids) == expected
    assert [a.tokens for a in context.audio] == [13]
    assert all(a.data for a in context.audio)


def test_each_turn_knows_what_it_takes_up() -> None:
    made = conversation()
    context = recall(made, Context(), PROMPT, 80)
    assert sum(e.tokens for e in made) == len(context)


def test_what_was_let_go_is_gone() -> None:
    made = conversation()
    recall(made, Context(), PROMPT, 80)
    assert made.make_room(20)
    context = recall(made, Context(), PROMPT, 80)
    assert not context.audio
    assert "and three" in text_of(context.ids)


def test_the_opening_says_what_the_session_is() -> None:
    tool = Tool("f")
    settings = SessionSettings("Be brief.", effort="low", tools=(tool,))
    head = PROMPT.system("Be brief.", "Think briefly.")
    assert list(opening(settings, PROMPT).ids) == head + PROMPT.tools(schemas([tool]))
    untold = SessionSettings("Be brief.", effort="low", tools=(tool,), tool_choice="none")
    assert list(opening(untold, PROMPT).ids) == head
    assert not opening(SessionSettings(effort="minimal"), PROMPT)


def test_a_reply_with_its_calls_is_one_turn_and_their_outputs_follow() -> None:
    made = Conversation()
    calls = [FunctionCall("b", "1", "f", "{}"), FunctionCall("c", "2", "g", '{"a": 1}')]
    made.add(Entry([Message("a", "assistant", text="Wait. "), *calls]))
    made.add(Entry([FunctionOutput("d", "2", "g", "two")]))
    made.add(Entry([FunctionOutput("e", "1", "f", "one")]))
    assert list(recall(made, Context(), PROMPT, 80).ids) == [
        *PROMPT.reply("Wait. " + call("f", "{}") + call("g", '{"a": 1}')),
        *PROMPT.function_output("g", "two"),
        *PROMPT.function_output("f", "one"),
    ]


def test_a_reply_in_the_making_and_what_follows_it_are_left_out() -> None:
    made = conversation()
    made.extend(Entry(open=True), Message("d", "assistant", text="half"))
    made.add(Entry([Message("e", "user", text="later")]))
    text = text_of(recall(made, Context(), PROMPT, 80).ids)
    assert "and three" in text and "half" not in text and "later" not in text


def test_a_reply_of_its_own_input_sees_what_it_was_given() -> None:
    made = Conversation()
    said = np.ones(1600, np.int16)
    made.add(Entry([Message("a", "user", spoken=True)], said))
    made.add(Entry([Message("b", "assistant", text="two"), FunctionCall("c", "1", "f", "{}")]))
    made.add(Entry([Message("lost", "user", spoken=True)]))
    wanted = (
        Reference("a"),
        Reference("b"),
        Reference("c"),
        Given(FunctionOutput("", "1", "", "one")),
        Given(FunctionCall("", "2", "g", "{}")),
        Given(FunctionOutput("", "2", "", "other")),
        Given(Message("", "user", spoken=True), b"\x01"),
    )
    turns = gathered(wanted, made, lambda audio: np.full(4, audio[0], np.int16))
    assert [len(turn.items) for turn in turns] == [1, 2, 1, 1, 1, 1]
    assert turns[0].samples is said
    assert [turn.items[0].name for turn in turns if isinstance(turn.items[0], FunctionOutput)] == ["f", "g"]
    assert turns[-1].samples is not None and turns[-1].key.startswith("sha256_")
    with pytest.raises(AudioGone):
        gathered([Reference("lost")], made, lambda audio: said)
    with pytest.raises(UnknownItem):
        gathered([Reference("x")], made, lambda audio: said)
    with pytest.raises(UnknownCall):
        gathered([Given(FunctionOutput("", "3", "", "one"))], made, lambda audio: said)
