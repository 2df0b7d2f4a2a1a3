"""However items come, go and change: what a reply sees is the conversation, as it would be told anew."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, NoReturn

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from model.windows import Windows
from streaming.context import Context
from streaming.conversation import ROOT, Entry
from streaming.events import FunctionCall, FunctionOutput, Item, Message, Truncation
from streaming.memory import Memory
from streaming.recall import recall
from tests.scripted import ScriptedEngine

WORDS = st.text("ab ", max_size=5)
PLACE = st.integers(-2, 40)  # at the end, in front, or behind one of the items


def never(work: Coroutine[Any, Any, None]) -> NoReturn:
    raise AssertionError("nothing is read before the memory is started")


class Remembering(RuleBasedStateMachine):
    """Without an engine that reads: the listener's context is what it would be given."""

    def __init__(self) -> None:
        super().__init__()
        self.engine = ScriptedEngine(max_tokens=4000)
        self.opening = Context.of(self.engine.prompt.system("s", ""))
        self.memory = Memory(
            self.engine,
            self.opening,
            windows=Windows(),
            spawn=never,
            appended=lambda seconds: None,
            truncation=Truncation(0.5),
        )
        self.reply: Entry | None = None
        self.count = 0

    def fresh(self, kind: str) -> str:
        self.count += 1
        return f"{kind}_{self.count}"

    def items(self) -> list[Item]:
        return [item for entry in self.memory.conversation for item in entry.items]

    def place(self, place: int) -> str | None:
        items = self.items()
        return None if place == -2 else ROOT if place == -1 or not items else items[place % len(items)].id

    # --- what is typed ---

    @rule(role=st.sampled_from(("user", "assistant", "system")), text=WORDS, place=PLACE)
    def say(self, role: Any, text: str, place: int) -> None:
        self.memory.add(Message(self.fresh("item"), role, text=text), self.place(place))

    @rule(place=PLACE)
    def call(self, place: int) -> None:
        call = FunctionCall(self.fresh("item"), self.fresh("call"), "f", "{}")
        self.memory.add(call, self.place(place))

    @rule(which=st.integers(0, 40), place=PLACE)
    def answer(self, which: int, place: int) -> None:
        calls = [item.call_id for item in self.items() if isinstance(item, FunctionCall)]
        if calls:
            output = FunctionOutput(self.fresh("item"), calls[which % len(calls)], "f", "1")
            self.memory.add(output, self.place(place))

    @rule(which=st.integers(0, 40))
    def delete(self, which: int) -> None:
        own = self.reply.items if self.reply else []
        items = [item for item in self.items() if item not in own]
        if items:
            self.memory.delete(items[which % len(items)].id)

    @rule(which=st.integers(0, 40), text=WORDS)
    def correct(self, which: int, text: str) -> None:
        """A client tells how much it has played of a reply that has ended."""
        own = self.reply.items if self.reply else []
        said = [i for i in self.items() if isinstance(i, Message) and i.role == "assistant" and i not in own]
        if said:
            self.memory.corrected(said[which % len(said)].id, text)

    @rule(text=WORDS)
    def instruct(self, text: str) -> None:
        self.opening = Context.of(self.engine.prompt.system(text, ""))
        self.memory.begin_with(self.opening)

    # --- what is spoken ---

    @precondition(lambda self: not self.memory.hearing)
    @rule()
    def open_turn(self) -> None:
        self.memory.open_turn(self.fresh("item"))

    @precondition(lambda self: self.memory.hearing)
    @rule(hundredths=st.integers(1, 150))
    def hear(self, hundredths: int) -> None:
        assert self.memory.hear(np.zeros(160 * hundredths, np.float32))

    @precondition(lambda self: self.memory.hearing)
    @rule(kept=st.booleans())
    def end_turn(self, kept: bool) -> None:
        if kept:
            self.memory.close_turn()
        else:
            self.memory.drop_turn()

    # --- what is replied ---

    @precondition(lambda self: self.reply is None)
    @rule()
    def begin_reply(self) -> None:
        self.reply = Entry(open=True)

    @precondition(lambda self: self.reply is not None)
    @rule(text=WORDS)
    def reply_more(self, text: str) -> None:
        assert self.reply is not None
        item: Item = FunctionCall(self.fresh("item"), self.fresh("call"), "f", "{}")
        if not self.reply.items:
            item = Message(self.fresh("item"), "assistant", text=text)
        self.memory.conversation.extend(self.reply, item)

    @precondition(lambda self: self.reply is not None)
    @rule()
    def end_reply(self) -> None:
        assert self.reply is not None
        reply, self.reply = self.reply, None
        reply.open = False
        self.memory.replied(reply)

    @precondition(lambda self: self.reply is None and not self.memory.hearing)
    @rule(text=WORDS, hundredths=st.integers(1, 80), kept=st.booleans(), reply_ends_first=st.booleans())
    def speak_over_a_reply(self, text: str, hundredths: int, kept: bool, reply_ends_first: bool) -> None:
        self.begin_reply()
        self.reply_more(text)
        self.open_turn()
        self.hear(hundredths)
        if reply_ends_first:
            self.end_reply()
        self.end_turn(kept)
        if not reply_ends_first:
            self.end_reply()

    @invariant()
    def a_reply_sees_the_conversation(self) -> None:
        """Audio is known by its turn: chunks of it, or all of it in one piece."""
        if self.memory.hearing or self.memory.conversation.replying:
            return
        prompt, n_mels = self.engine.prompt, self.engine.n_mels
        anew = recall(self.memory.conversation, self.opening, prompt, n_mels)
        seen = self.memory.question("incremental")
        assert seen.ids == anew.ids
        assert seen.audio_tokens == anew.audio_tokens

    @invariant()
    def it_fits(self) -> None:
        assert len(self.memory.question("incremental")) < self.engine.max_tokens


TestRemembering = Remembering.TestCase
