"""The conversation and the listener stay in step, whatever comes in between."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import numpy as np
import pytest

from model.windows import Windows
from streaming.context import Context
from streaming.conversation import Entry
from streaming.errors import TooLong, UnknownCall
from streaming.events import FunctionCall, FunctionOutput, Message, Truncation
from streaming.memory import Memory
from tests.scripted import ScriptedEngine
from tests.streaming.talk import text_of

SECOND = np.full(16_000, 0.1, np.float32)


class Remembered:
    def __init__(self, engine: ScriptedEngine, opening: str) -> None:
        self.engine = engine
        self.tasks: list[asyncio.Task[None]] = []
        self.memory = Memory(
            engine,
            Context.of(engine.prompt.system(opening)),
            windows=Windows(),
            spawn=self.spawn,
            appended=lambda seconds: None,
        )

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        self.tasks.append(asyncio.create_task(work))
        return self.tasks[-1]

    def say(self, turn_id: str, seconds: int = 1) -> None:
        self.memory.open_turn(turn_id)
        for _ in range(seconds):
            self.memory.hear(SECOND)
        self.memory.close_turn()

    def reply(self, item_id: str, text: str) -> None:
        entry = Entry([], open=True)
        self.memory.conversation.extend(entry, Message(item_id, "assistant", text=text))
        entry.open = False
        self.memory.replied(entry)

    @property
    def question(self) -> Context:
        return self.memory.question("incremental")


@asynccontextmanager
async def remembering(max_tokens: int = 2048, opening: str = "S") -> AsyncIterator[Remembered]:
    made = Remembered(ScriptedEngine(max_tokens=max_tokens), opening)
    made.memory.start()
    try:
        yield made
    finally:
        for task in made.tasks:
            task.cancel()
        await asyncio.gather(*made.tasks, return_exceptions=True)
    assert made.engine.running() == 0


async def test_a_reply_sees_all_but_what_is_being_said() -> None:
    async with remembering() as r:
        r.say("a")
        r.reply("b", "two")
        r.memory.open_turn("c")
        r.memory.hear(SECOND)
        assert r.memory.hearing
        assert text_of(r.question) == "system\nShuman\nassistant\ntwo"
        r.memory.close_turn()
        assert text_of(r.question) == "system\nShuman\nassistant\ntwohuman\n"
        assert r.question.audio_tokens == 26


async def test_a_turn_so_far_is_what_it_would_be_if_it_ended_now() -> None:
    async with remembering() as r:
        assert r.memory.so_far("incremental") is None and r.memory.unfinished() is None
        r.say("a")
        r.memory.open_turn("b")
        r.memory.hear(SECOND)
        before = r.question
        ahead, whole, open_ = (
            r.memory.so_far("incremental"),
            r.memory.so_far("refined"),
            r.memory.unfinished(),
        )
        assert ahead and whole and open_
        assert open_.ids[-1] == r.engine.prompt.audio_patch
        assert ahead.ids[: len(open_)] == open_.ids and whole.ids == ahead.ids
        assert [a.key for a in whole.audio][-1] == "b:16000:whole:0:0/16000"
        assert r.question == before
        r.memory.close_turn()
        assert r.question.ids == ahead.ids
        assert [a.key for a in r.question.audio] == [a.key for a in ahead.audio]


@pytest.mark.parametrize("hearing", [False, True])
async def test_the_refined_turn_takes_the_place_of_its_chunks(hearing: bool) -> None:
    async with remembering() as r:
        r.say("a", 2)
        r.say("b", 2)
        r.memory.add(Message("c", "user", text="typed"))
        if hearing:
            r.memory.open_turn("d")
        chunks, refined = r.question, r.memory.question("refined")
        assert refined.ids == chunks.ids
        assert [a.key for a in refined.audio][-1] == "b:whole:0:0/32000"
        assert len(refined.audio) == len(chunks.audio) // 2 + 1


async def test_a_reply_that_ends_while_the_user_speaks_gets_its_place_afterwards() -> None:
    async with remembering() as r:
        r.say("a")
        r.memory.open_turn("c")
        r.memory.hear(SECOND)
        r.reply("b", "two")
        assert text_of(r.question).endswith("assistant\ntwo")  # and a reply asked for now sees it
        r.memory.hear(SECOND)
        r.memory.close_turn()
        assert text_of(r.question).endswith("human\nassistant\ntwohuman\n")
        assert [a.tokens for a in r.question.audio] == [13, 25]  # both whole, in a new listener
        assert r.memory.question("refined") == r.question


async def test_items_wait_for_a_reply_that_is_being_told() -> None:
    async with remembering() as r:
        entry = Entry(open=True)
        r.memory.add(Message("a", "user", text="before"))
        r.memory.conversation.extend(entry, FunctionCall("b", "1", "f", "{}"))
        assert r.memory.add(FunctionOutput("c", "1", "f", "one")) == "b"
        r.memory.begin_with(Context.of(r.engine.prompt.system("T")))  # reopened in the middle
        assert text_of(r.question) == "system\nThuman\nbefore"
        entry.open = False
        r.memory.replied(entry)
        assert text_of(r.question) == (
            "system\nThuman\nbeforeassistant\n<tool_call>function\nf\n{}</tool_call>function_output\nf\none"
        )


async def test_what_is_typed_while_the_user_speaks_stands_before_that_turn() -> None:
    async with remembering() as r:
        r.memory.open_turn("a")
        r.memory.hear(SECOND)
        assert r.memory.add(Message("b", "user", text="typed")) is None
        assert text_of(r.question) == "system\nShuman\ntyped"
        r.memory.close_turn()
        assert text_of(r.question) == "system\nShuman\ntypedhuman\n"
        assert r.question.audio_tokens == 13
        with pytest.raises(UnknownCall):
            r.memory.add(FunctionOutput("c", "1", "f", "one"))


async def test_items_are_put_in_between_and_taken_out() -> None:
    async with remembering() as r:
        r.say("a")
        r.reply("b", "two")
        r.memory.add(Message("c", "system", text="first"), "root")
        r.memory.add(Message("d", "user", text="typed"), "a")
        assert text_of(r.question) == "system\nSsystem\nfirsthuman\nhuman\ntypedassistant\ntwo"
        r.memory.delete("a")
        r.memory.delete("d")
        assert text_of(r.question) == "system\nSsystem\nfirstassistant\ntwo"
        assert not r.question.audio_tokens
        r.memory.open_turn("e")
        r.memory.hear(SECOND)
        r.memory.delete("c")
        assert text_of(r.question) == "system\nSassistant\ntwo"
        r.memory.close_turn()
        assert text_of(r.question) == "system\nSassistant\ntwohuman\n"


async def test_what_is_put_in_while_a_reply_is_told_keeps_its_place() -> None:
    async with remembering() as r:
        entry = Entry(open=True)
        r.memory.add(Message("a", "user", text="one"))
        r.memory.conversation.extend(entry, Message("b", "assistant", text="two"))
        r.say("c")
        r.memory.add(Message("d", "user", text="four"))
        r.memory.add(Message("e", "user", text="gone"))
        r.memory.delete("e")
        r.memory.add(Message("f", "user", text="zero"), "root")
        entry.open = False
        r.memory.replied(entry)
        asked = text_of(r.question)
        assert asked == "system\nShuman\nzerohuman\noneassistant\ntwohuman\nhuman\nfour"


async def test_a_turn_spoken_over_a_reply_stands_behind_it() -> None:
    async with remembering() as r:
        entry = Entry(open=True)
        r.memory.conversation.extend(entry, Message("a", "assistant", text="two"))
        r.say("b")
        assert text_of(r.memory.dictation("incremental")) == "system\nShuman\n"
        assert r.memory.dictation("incremental").audio_tokens == 13
        entry.open = False
        r.memory.replied(entry)
        assert text_of(r.question) == "system\nSassistant\ntwohuman\n"


async def test_a_recorded_item_is_heard_and_named_by_what_it_is() -> None:
    async with remembering() as r:
        samples = np.full(16_000, 100, np.int16)
        r.memory.add(Message("a", "user", spoken=True), samples=samples)
        r.memory.add(Message("b", "user", spoken=True), samples=samples + 1)
        r.memory.delete("a")
        r.memory.add(Message("a", "user", spoken=True), samples=samples)
        one, other = (part.key for part in r.question.audio)
        assert one != other and "sha256_" in one
        assert r.question.audio_tokens == 26


async def test_a_forgetful_engine_is_told_all_of_it_once_more() -> None:
    async with remembering() as r:
        r.say("a", 8)
        r.memory.catch_up()
        for _ in range(50):
            await asyncio.sleep(0)
        assert not all(a.data for a in r.question.audio)
        r.memory.forgotten()
        again = r.memory.anew()()
        assert all(a.data for a in again.audio)
        assert r.question.ids == again.ids
        r.memory.open_turn("b")
        r.memory.hear(SECOND)
        r.memory.forgotten()
        assert r.memory.anew()().ids == again.ids
        r.memory.close_turn()  # the turn that was being spoken is not lost
        assert [a.key.partition(":")[0] for a in r.question.audio] == ["a", "b"]


async def test_old_turns_make_room() -> None:
    async with remembering(max_tokens=512) as r:
        for n in range(20):
            r.say(f"turn_{n}", 2)
            assert len(r.question) <= 512 - r.memory.reply_tokens
        assert len(r.memory.conversation.kept()) < 10
        with pytest.raises(TooLong):
            r.memory.begin_with(Context.of([0] * 300))
        r.memory.begin_with(Context.of([0] * 200))
        assert r.question.ids[:200] == (0,) * 200


async def test_a_turn_that_fills_the_context_says_so() -> None:
    async with remembering(max_tokens=512) as r:
        r.memory.open_turn("a")
        seconds = 0
        while r.memory.hear(SECOND):
            seconds += 1
        assert 10 < seconds < 40
        r.memory.close_turn()
        assert len(r.question) < 512 - r.memory.reply_tokens


async def test_the_share_that_is_kept() -> None:
    async with remembering(max_tokens=2048) as r:
        r.memory.truncation = Truncation(0.8, 200)
        for n in range(20):
            r.memory.add(Message(f"item_{n}", "user", text="x" * 10))
            assert len(r.question) <= 200 + len("system\nS") + 2
        kept = sum(entry.tokens for entry in r.memory.conversation.kept())
        assert 100 < kept <= 200


async def test_nothing_is_let_go_where_that_is_not_wanted() -> None:
    async with remembering(max_tokens=512) as r:
        r.memory.truncation = Truncation(keep=None)
        for n in range(3):
            r.memory.add(Message(f"item_{n}", "user", text="x" * 80))
        with pytest.raises(TooLong, match="truncation is disabled"):
            r.memory.add(Message("more", "user", text="x" * 140))
        assert not r.memory.full
        r.reply("reply", "x" * 100)
        assert r.memory.full
        with pytest.raises(TooLong):
            r.memory.make_ready()
        assert len(r.memory.conversation.kept()) == 4
        r.memory.truncation = Truncation()
        r.memory.make_ready()
        assert len(r.memory.conversation.kept()) < 4


@pytest.mark.parametrize("seed", range(20))
async def test_the_listener_reads_the_conversation_whatever_is_put_where(seed: int) -> None:
    """A random order of all that can happen; in the end it has read the conversation as it stands."""
    dice, names, reply = random.Random(seed), count(), Entry(open=True)
    async with remembering(max_tokens=4096) as r:
        conversation = r.memory.conversation

        def ids() -> list[str]:
            return [item.id for entry in conversation for item in entry.items]

        for _ in range(60):
            name = f"item_{next(names)}"
            match dice.choice(["open", "hear", "close", "drop", "add", "delete", "tell", "end", "begin"]):
                case "open" if not r.memory.hearing:
                    r.memory.open_turn(name)
                case "hear":
                    r.memory.hear(SECOND[:8000])
                case "close" if r.memory.hearing:
                    r.memory.close_turn()
                case "drop" if r.memory.hearing:
                    r.memory.drop_turn()
                case "add":
                    after = dice.choice([None, "root", *ids()])
                    r.memory.add(Message(name, "user", text=name), after)
                case "delete" if gone := [i for i in ids() if i not in [m.id for m in reply.items]]:
                    r.memory.delete(dice.choice(gone))
                case "tell" if not reply.items:
                    conversation.extend(reply, Message(name, "assistant", text=name))
                case "tell":
                    conversation.extend(reply, FunctionCall(name, name, "f", "{}"))
                case "end":
                    reply.open = False
                    r.memory.replied(reply)
                    reply = Entry(open=True)
                case "begin":
                    r.memory.begin_with(Context.of(r.engine.prompt.system(dice.choice("STU"))))
            await asyncio.sleep(0)
            if not r.memory.hearing and not conversation.replying:
                assert r.question.ids == r.memory._recalled(r.memory._opening).ids
        if r.memory.hearing:
            r.memory.close_turn()
        reply.open = False
        r.memory.replied(reply)
        read = r.memory._listener.context
        assert r.question == read
        assert read.ids == r.memory.anew()().ids
        typed = [item.text for entry in conversation for item in entry.items if isinstance(item, Message)]
        assert re.findall(r"(?:human|assistant)\n(item_\d+)", text_of(read)) == [t for t in typed if t]
