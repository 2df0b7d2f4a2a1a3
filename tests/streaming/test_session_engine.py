"""The engine dies under a conversation, at any moment: nothing said is lost, and the reply comes, once."""

from __future__ import annotations

import asyncio
import random

import pytest

from model.tools import Tool
from streaming.context import Context
from streaming.engine import Sampling
from streaming.events import (
    CallMade,
    EngineBack,
    EngineLost,
    FunctionOutput,
    Message,
    ReplyDelta,
    ReplyStarted,
    ResponseDone,
    ResponseRequest,
    ResponseStarted,
    SessionSettings,
    SpeechDelta,
    SpeechStopped,
    ThinkingDelta,
    ThinkingDone,
    TranscriptDelta,
    TranscriptDone,
)
from tests.scripted import REPLY, ScriptedEngine
from tests.streaming.talk import Talk, talk, text_of
from tests.streaming.test_speculation import happen, told_in_order, turns_ended
from tests.voices import ScriptedVoice

PLAIN = SessionSettings(speculation=False)
TEXT = "".join(REPLY)
CHAIN = "heard: one plus one\n1+1=2"
SAID = "1 plus 1 is 2."


def going_on(context: Context, sampling: Sampling) -> list[str]:
    """A model that writes the same from wherever it is let: behind what it is given of it, the rest."""
    if "Write down" in text_of(context):
        return ["one plus one"]
    head = text_of(context).rpartition("assistant\n<think>\n")[2]
    assert TEXT.startswith(head), head
    return [part for part in pieces(TEXT[len(head) :]) if part] or [""]


def pieces(text: str) -> list[str]:
    return [text[at : at + 2] for at in range(0, len(text), 2)]


def said(t: Talk) -> str:
    return "".join(e.delta for e in t.of(ReplyDelta))


def thought(t: Talk) -> str:
    return "".join(e.delta for e in t.of(ThinkingDelta))


async def question(t: Talk) -> None:
    await t.speak()
    await t.pause()
    await t.settle()


class Steps:
    """An engine whose replies come a piece at a time, as the test lets them."""

    def __init__(self) -> None:
        self.engine = ScriptedEngine(going_on)
        self.engine.gate = self.gate = Turnstile()

    async def let(self, t: Talk, pieces: int) -> None:
        for _ in range(pieces):
            self.gate.let_one()
            for _ in range(20):
                await asyncio.sleep(0)


class Turnstile(asyncio.Event):
    """Lets one through at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._passes = asyncio.Semaphore(0)

    def let_one(self) -> None:
        self._passes.release()

    def is_set(self) -> bool:
        return False

    async def wait(self) -> bool:  # type: ignore[override]
        return await self._passes.acquire()


@pytest.mark.fault(
    fault="engine killed between turns",
    provoked="the engine dies while nobody speaks",
    seen="`soundmind.engine_lost`, then `soundmind.engine_back`; the next turn is answered",
    kept="everything said, heard, typed, called",
)
async def test_killed_between_turns_the_next_one_is_answered_and_all_of_it_is_known() -> None:
    engine = ScriptedEngine(going_on)
    async with talk(engine, PLAIN) as t:
        await question(t)
        t.session.add_item(Message("", "user", text="my name is Anna"))
        await t.settle()
        engine.kill()
        await t.settle()
        assert t.of(EngineLost) and not t.of(EngineBack)
        engine.revive()
        await t.settle()
        assert len(t.of(EngineBack)) == 1
        await question(t)
        assert [e.status for e in t.of(ResponseDone)] == ["completed"] * 2
    told = text_of(engine.requests[1])
    assert "my name is Anna" in told and f"assistant\n{SAID}" in told
    read = engine.appends[-1]
    assert read[0].audio_tokens and all(a.data is not None for a in read[0].audio)


@pytest.mark.fault(
    fault="engine killed while the user speaks",
    provoked="the engine dies 1.5 s into a turn of 3.5 s, and is back before its end",
    seen="the reply, as if nothing had been",
    kept="all of the turn's audio, also what came without an engine",
)
async def test_killed_while_the_user_speaks_all_of_the_turn_is_heard() -> None:
    whole, killed = ScriptedEngine(going_on), ScriptedEngine(going_on)
    for engine in (whole, killed):
        async with talk(engine, PLAIN) as t:
            await t.speak(1500)
            if engine is killed:
                engine.kill()
                await t.settle()
            await t.speak(1500)  # it is taken in meanwhile
            if engine is killed:
                engine.revive()
                await t.settle()
            await t.speak(500)
            await t.pause()
            await t.settle()
            assert t.of(ResponseDone)[0].text == SAID
    # Token for token and key for key what the engine would have read without it.
    expected, got = whole.requests[0], killed.requests[0]
    assert got.ids == expected.ids
    assert [a.key.partition(":")[2] for a in got.audio] == [a.key.partition(":")[2] for a in expected.audio]


async def test_a_turn_that_ends_without_an_engine_is_answered_late() -> None:
    engine = ScriptedEngine(going_on)
    async with talk(engine, PLAIN) as t:
        engine.kill()
        await question(t)
        assert t.of(ResponseStarted) and not t.of(ThinkingDelta)
        engine.revive()
        await t.settle()
    assert t.of(ResponseDone)[0].text == SAID


@pytest.mark.fault(
    fault="engine killed in mid-thought",
    provoked="the engine dies after a few tokens of reasoning",
    seen="the same response goes on, late",
    kept="the thoughts so far, which are not told twice",
)
async def test_killed_in_mid_thought_the_chain_goes_on() -> None:
    steps = Steps()
    async with talk(steps.engine, PLAIN) as t:
        await question(t)
        await steps.let(t, 2)
        begun = thought(t)
        assert begun and CHAIN.startswith(begun) and begun != CHAIN
        steps.engine.kill()
        await t.settle()
        steps.engine.revive()
        await steps.let(t, 60)
        await t.settle()
    assert thought(t) == CHAIN and said(t) == SAID  # nothing twice
    assert len(t.of(ThinkingDone)) == len(t.of(ResponseStarted)) == len(t.of(ResponseDone)) == 1
    assert t.of(ResponseDone)[0].response_id == t.of(ResponseStarted)[0].response_id
    assert t.of(ResponseDone)[0].thinking == CHAIN


@pytest.mark.fault(
    fault="engine killed in mid-reply",
    provoked="the engine dies after a few words of the reply",
    seen="the same response and item go on, late",
    kept="the words told, none of them twice",
)
@pytest.mark.fault(
    fault="engine killed twice in a row",
    provoked="the engine dies in mid-reply, and the next one too, after one more piece",
    seen="the same response and item go on, later still",
    kept="the words told, none of them twice",
)
@pytest.mark.parametrize("deaths", [1, 2])
async def test_killed_in_mid_reply_it_goes_on_behind_what_was_told(deaths: int) -> None:
    steps = Steps()
    async with talk(steps.engine, PLAIN) as t:
        await question(t)
        while not said(t):
            await steps.let(t, 1)
        for _ in range(deaths):
            steps.engine.kill()
            await t.settle()
            steps.engine.revive()
            await steps.let(t, 1)
        assert said(t) != SAID
        await steps.let(t, 60)
        await t.settle()
    done = t.of(ResponseDone)[0]
    assert said(t) == done.text == SAID and thought(t) == done.thinking == CHAIN
    assert len(t.of(ReplyStarted)) == 1 and done.status == "completed"
    assert done.usage.reply > 0


@pytest.mark.fault(
    fault="engine killed while the reply is spoken",
    provoked="the engine dies while a spoken reply is being decoded",
    seen="sound until what was written is spoken, then a pause, then the rest",
    kept="every word, once",
)
async def test_killed_while_it_is_spoken_every_word_is_heard_once() -> None:
    steps, voice = Steps(), ScriptedVoice()
    async with talk(steps.engine, SessionSettings(speculation=False, spoken=True), voice) as t:
        await question(t)
        while steps.gate and "1 plus" not in t.session._replies.active.text:  # type: ignore[union-attr]
            await steps.let(t, 1)
        steps.engine.kill()
        await t.settle()
        steps.engine.revive()
        await steps.let(t, 60)
        while not t.of(ResponseDone):
            t.now += 1.0
            await t.settle()
    assert "".join(e.delta for e in t.of(SpeechDelta)) == SAID
    assert t.of(ResponseDone)[0].text == SAID


@pytest.mark.fault(
    fault="engine killed while it thinks ahead",
    provoked="the engine dies during the speculation at a pause",
    seen="one reply, late",
    kept="the turn; nothing of the speculation",
)
async def test_killed_during_a_speculation_the_turn_is_answered_anew() -> None:
    engine = ScriptedEngine(going_on)
    async with talk(engine) as t:
        engine.gate = asyncio.Event()
        await t.speak()
        await t.pause(300)
        await t.settle()
        assert len(engine.requests) == 1
        engine.kill()
        await t.settle()
        engine.gate = None
        await t.pause()
        engine.revive()
        await t.settle()
    assert said(t) == SAID and len(t.of(ResponseDone)) == 1
    assert len(t.of(SpeechStopped)) == 1


async def test_killed_after_a_speculation_was_promoted_it_goes_on() -> None:
    steps = Steps()
    async with talk(steps.engine) as t:
        await t.speak()
        await t.pause(300)
        await t.settle()
        await steps.let(t, 2)
        await t.pause()
        await t.settle()
        assert t.promoted == [True]
        steps.engine.kill()
        await t.settle()
        steps.engine.revive()
        await steps.let(t, 60)
    assert thought(t) == CHAIN and said(t) == SAID


@pytest.mark.fault(
    fault="engine killed while it transcribes",
    provoked="the engine dies in the middle of a transcript",
    seen="the transcript goes on, late",
    kept="the words written, none of them twice",
)
async def test_killed_while_it_writes_down_what_was_said() -> None:
    def reply(context: Context, sampling: Sampling) -> list[str]:
        if "Write down" not in text_of(context):
            return list(REPLY)
        head = text_of(context).rpartition("</think>\n")[2]
        return pieces("one plus one"[len(head) :])

    engine = ScriptedEngine(reply)
    engine.gate = asyncio.Event()
    async with talk(engine, SessionSettings(speculation=False, transcribe=True)) as t:
        await question(t)
        assert t.of(TranscriptDelta)
        engine.kill()
        await t.settle()
        engine.gate.set()
        engine.revive()
        await t.settle()
    assert "".join(e.delta for e in t.of(TranscriptDelta)) == t.of(TranscriptDone)[0].text == "one plus one"
    assert t.of(ResponseDone)[0].status == "completed"


@pytest.mark.fault(
    fault="engine killed with a tool's call out",
    provoked="the engine dies between a call and its result",
    seen="the reply to the result, late",
    kept="the call and its result; it is not called twice",
)
async def test_killed_with_a_call_out_its_result_is_answered() -> None:
    def reply(context: Context, sampling: Sampling) -> list[str]:
        told = "It is noon." if "function_output" in text_of(context) else CALL
        return ["now\n", "</think>\n", *pieces(told)]

    engine = ScriptedEngine(reply)
    async with talk(engine, SessionSettings(speculation=False, tools=(Tool("clock", None, None),))) as t:
        await question(t)
        call = t.of(CallMade)[0].call
        engine.kill()
        await t.settle()
        t.session.add_item(FunctionOutput("", call.call_id, "", "12:00"))
        t.session.create_response(ResponseRequest())
        await t.settle()
        engine.revive()
        await t.settle()
    assert t.of(ResponseDone)[1].text == "It is noon."
    told = text_of(engine.requests[-1])
    assert "clock" in told and "12:00" in told and len(t.of(CallMade)) == 1


CALL = "<tool_call>function\nclock\n{}</tool_call>"


async def test_killed_behind_a_call_it_is_not_made_twice() -> None:
    text = f"so\n\n</think>\n{CALL}{CALL.replace('{}', '{ }')}"

    def reply(context: Context, sampling: Sampling) -> list[str]:
        head = (
            text_of(context).rpartition("assistant\n<think>\n")[2].replace("so\n</think>", "so\n\n</think>")
        )
        assert text.startswith(head)
        return [part for part in text[len(head) :].replace("<tool", "|<tool").split("|") if part] or [""]

    engine = ScriptedEngine(reply)
    engine.gate = Turnstile()
    async with talk(engine, SessionSettings(speculation=False, tools=(Tool("clock", None, None),))) as t:
        await question(t)
        engine.gate.let_one()
        await t.settle()
        assert len(t.of(CallMade)) == 1
        engine.kill()
        await t.settle()
        engine.gate = None
        engine.revive()
        await t.settle()
    assert [e.call.arguments for e in t.of(CallMade)] == ["{}", "{ }"]
    assert t.of(ResponseDone)[0].status == "completed"


@pytest.mark.fault(
    fault="engine that stays away",
    provoked="no engine for as long as `engine_patience_s`",
    seen="the response fails with `engine_unavailable`; the session goes on",
    kept="the conversation; the next turn is answered when there is an engine",
)
async def test_an_engine_that_stays_away_fails_the_reply_and_not_the_session() -> None:
    engine = ScriptedEngine(going_on)
    async with talk(engine, PLAIN, patience=0.0) as t:
        engine.kill()
        await question(t)
        done = t.of(ResponseDone)[0]
        assert (done.status, done.reason) == ("failed", "engine_unavailable")
        engine.revive()
        await t.settle()
        await question(t)
        assert t.of(ResponseDone)[1].text == SAID


async def test_one_reply_that_kills_every_engine_is_given_up() -> None:
    engine = ScriptedEngine(going_on)
    engine.gate = asyncio.Event()
    async with talk(engine, PLAIN) as t:
        await question(t)
        for _ in range(6):
            engine.kill()
            await t.settle()
            engine.revive()
            await t.settle()
        assert t.of(ResponseDone)[0].reason == "engine_unavailable"
        assert engine.running() == 1  # the listener lives


async def test_barge_in_and_cancel_without_an_engine() -> None:
    engine = ScriptedEngine(going_on)
    async with talk(engine, PLAIN) as t:
        engine.kill()
        await question(t)
        await t.speak()
        await t.pause()
        await t.settle()
        assert t.of(ResponseDone)[0].reason == "turn_detected"
        t.session.cancel_response()
        engine.revive()
        await t.settle()
        await question(t)
    assert [e.status for e in t.of(ResponseDone)] == ["cancelled", "cancelled", "completed"]


@pytest.mark.parametrize("seed", range(6))
async def test_killed_at_any_moment_of_any_conversation(seed: int) -> None:
    """Any speech, commands and deaths: whatever began ends, in order, and whole replies are told once."""
    r = random.Random(seed)
    engine = ScriptedEngine(going_on)
    base = SessionSettings(transcribe=r.random() < 0.3, speculation=r.random() < 0.7)
    async with talk(engine, base) as t:
        for _ in range(25):
            if r.random() < 0.3:
                if engine.gate:
                    engine.gate.set()
                engine.gate = None if engine.gate else asyncio.Event()
            await happen(t, r, base, dies=0.4, speaks=0.8)
            told_in_order(t)
        if engine.gate:
            engine.gate.set()
        if not engine.alive:
            engine.revive()
        await t.pause(3000)
        await t.settle()
        await t.settle()
        told_in_order(t)
        assert engine.running() == 1
    turns_ended(t)
    assert len(t.of(ResponseStarted)) == len(t.of(ResponseDone))
    assert len(t.of(EngineLost)) == len(t.of(EngineBack))
    for done in t.of(ResponseDone):
        told = "".join(e.delta for e in t.of(ReplyDelta) if e.response_id == done.response_id)
        assert told == done.text
        assert done.status == "cancelled" or told == SAID, (done.status, done.reason)
