"""A session is handed over to another server at any moment: nothing is lost, and nothing told twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from model.tools import Tool
from streaming.events import (
    CallMade,
    Event,
    FunctionCall,
    FunctionOutput,
    Given,
    ItemAdded,
    Message,
    ReplyStarted,
    ResponseDone,
    ResponseRequest,
    ResponseStarted,
    SessionSettings,
    SpeechDelta,
    SpeechStarted,
    SpeechStopped,
    TranscriptDelta,
    TranscriptDone,
    Truncated,
)
from streaming.snapshot import Snapshot
from tests.scripted import ScriptedEngine
from tests.streaming.talk import Talk, talk, text_of
from tests.streaming.test_session_engine import (
    CHAIN,
    PLAIN,
    SAID,
    TEXT,
    Steps,
    going_on,
    pieces,
    question,
    said,
    thought,
)
from tests.voices import ScriptedVoice

ALOUD = replace(PLAIN, spoken=True, effort="none")
LONG = "Oh yes, it is so. Then we go on and on and on from here to there."


def one(events: Sequence[Event], kind: type[Event]) -> Event:
    [found] = [event for event in events if type(event) is kind]
    return found


@pytest.mark.parametrize("told", range(0, len(pieces(TEXT)) + 1, 2))
async def test_in_mid_thought_or_mid_reply_it_goes_on_behind_what_was_told(told: int) -> None:
    steps = Steps()
    async with talk(steps.engine, PLAIN) as first:
        await question(first)
        await steps.let(first, told)
        snapshot = first.session.snapshot()
        begun = list(first.events)
    async with talk(ScriptedEngine(going_on), PLAIN) as second:
        second.session.restore(snapshot)
        await second.settle()
        assert (thought(first) + thought(second), said(first) + said(second)) == (CHAIN, SAID)
        events = begun + second.events
        started, done = one(events, ResponseStarted), one(events, ResponseDone)
        assert isinstance(started, ResponseStarted) and isinstance(done, ResponseDone)
        assert (done.response_id, done.status, done.text) == (started.response_id, "completed", SAID)
        assert done.usage.reasoning + done.usage.reply >= len(pieces(TEXT)) - 1  # all of both
        assert len([e for e in events if isinstance(e, ReplyStarted)]) == 1
        assert second.session.snapshot().turns[-1].items[0].id == done.item_id
        await question(second)  # and then it goes on, knowing all of it
        assert SAID in text_of(second.engine.requests[-1])
        assert sum(i == second.engine.prompt.audio_start for i in second.engine.requests[-1].ids) == 2


@pytest.mark.parametrize("seconds", [0.0, 0.15, 0.8, 1.2])
async def test_in_mid_word_every_word_is_spoken_once_and_whole(seconds: float) -> None:
    def speaks() -> ScriptedEngine:
        def rest(*of: object) -> list[str]:
            return [LONG[len(text_of(of[0]).rpartition("</think>\n")[2]) :] or ""]  # type: ignore[arg-type]

        return ScriptedEngine(rest)

    async def to_its_end(t: Talk) -> None:
        while not t.of(ResponseDone):
            t.now += 3.0
            await asyncio.sleep(0.12)

    async with talk(speaks(), ALOUD, ScriptedVoice()) as whole:
        whole.session.create_response(ResponseRequest())
        await to_its_end(whole)
    async with talk(speaks(), ALOUD, ScriptedVoice()) as first:
        first.session.create_response(ResponseRequest())
        await first.settle()
        while first.now < seconds:
            first.now += 0.1
            await asyncio.sleep(0.12)
        snapshot = first.session.snapshot()
        begun = first.of(SpeechDelta)
    async with talk(speaks(), ALOUD, ScriptedVoice()) as second:
        second.session.restore(snapshot)
        await to_its_end(second)
        sounds, all_of_it = begun + second.of(SpeechDelta), whole.of(SpeechDelta)
        assert begun and "".join(e.delta for e in sounds) == LONG
        assert sum(len(e.pcm) for e in sounds) == sum(len(e.pcm) for e in all_of_it)
        [done] = second.of(ResponseDone)
        second.session.truncate(done.item_id, 400)  # what was heard is known across both
        whole.session.truncate(whole.of(ResponseDone)[0].item_id, 400)
        assert second.of(Truncated)[0].text == whole.of(Truncated)[0].text == "Oh"


async def test_in_mid_turn_what_was_heard_is_kept_and_the_rest_is_sent_again() -> None:
    async with talk(ScriptedEngine(going_on), PLAIN) as first:
        await first.pause(400)
        await first.speak(800)
        await first.settle()
        snapshot = first.session.snapshot()
        assert abs(snapshot.clock / 16 - 1200) < 40
        [began] = first.of(SpeechStarted)
    async with talk(ScriptedEngine(going_on), PLAIN) as second:
        second.session.restore(snapshot)
        await second.speak(400)
        await second.pause()
        await second.settle()
        assert not second.of(SpeechStarted)
        assert second.of(SpeechStopped)[0].item_id == second.of(ItemAdded)[0].item.id == began.item_id
        assert second.of(SpeechStopped)[0].at_ms > 1600
        assert said(second) == SAID
        [context] = second.engine.requests
        assert context.audio_tokens >= (800 + 400) // 80


async def test_a_sound_that_nobody_had_noticed_yet_is_sent_again() -> None:
    async with talk(ScriptedEngine(going_on), PLAIN) as first:
        await question(first)
        ended = first.of(SpeechStopped)[0].at_ms
        await first.pause(100)
        snapshot = first.session.snapshot()
        assert abs(snapshot.clock // 16 - ended) < 40  # no earlier than the end of the last turn
        await first.pause(3000)
        received = first.session.received_ms
        assert received - 1100 < first.session.snapshot().clock // 16 < received - 900


async def test_a_transcript_goes_on_behind_what_was_told() -> None:
    settings, steps = replace(PLAIN, transcribe=True), Steps()
    steps.engine._reply = lambda context, sampling: ["one ", "plus ", "one"][text_of(context).count("one") :]
    async with talk(steps.engine, settings) as first:
        await first.speak()
        first.session.commit()
        await first.settle()
        assert [e.delta for e in first.of(TranscriptDelta)] == ["one "]
        assert first.session.busy
        snapshot = first.session.snapshot()
    other = ScriptedEngine(lambda context, sampling: ["plus ", "one"])
    async with talk(other, settings) as second:
        second.session.restore(snapshot)
        await second.settle()
        assert text_of(other.requests[-1]).endswith("one ")
        assert [e.delta for e in second.of(TranscriptDelta)] == ["plus ", "one"]
        assert second.of(TranscriptDone)[0].text == "one plus one"
        assert not second.session.busy


async def test_a_call_is_not_made_twice_and_its_result_is_known() -> None:
    settings = replace(PLAIN, tools=(Tool("f"),))
    calling = ScriptedEngine(
        lambda *_: ["hm\n</think>\n", "I look. ", '<tool_call>function\nf\n{"a": 1}', "</tool_call>"]
    )
    async with talk(calling, settings) as first:
        await question(first)
        [made] = first.of(CallMade)
        snapshot = first.session.snapshot()
    other = ScriptedEngine(going_on)
    async with talk(other, settings) as second:
        second.session.restore(snapshot)
        second.session.add_item(FunctionOutput("", made.call.call_id, "", "42"))
        second.session.create_response(ResponseRequest())
        await second.settle()
        assert not second.of(CallMade)
        assert '{"a": 1}</tool_call>' in text_of(other.requests[-1]) and "f\n42" in text_of(
            other.requests[-1]
        )


async def test_one_outside_the_conversation_goes_on_too() -> None:
    steps = Steps()
    asked = ResponseRequest(outside=True, input=(Given(Message("", "user", text="what else?")),))
    async with talk(steps.engine, PLAIN) as first:
        first.session.create_response(asked)
        await steps.let(first, 20)
        assert said(first)
        snapshot = first.session.snapshot()
    async with talk(ScriptedEngine(going_on), PLAIN) as second:
        second.session.restore(snapshot)
        await second.settle()
        assert said(first) + said(second) == SAID
        assert "what else?" in text_of(second.engine.requests[-1])
        assert not second.session.snapshot().turns


async def test_what_came_behind_a_reply_in_the_making_stays_behind_it() -> None:
    steps = Steps()
    async with talk(steps.engine, PLAIN) as first:
        await question(first)
        await steps.let(first, 20)
        assert said(first)
        first.session.add_item(Message("late", "user", text="by the way"))
        snapshot = first.session.snapshot()
    async with talk(ScriptedEngine(going_on), PLAIN) as second:
        second.session.restore(snapshot)
        await second.settle()
        assert said(first) + said(second) == SAID
        await question(second)
        told = text_of(second.engine.requests[-1])
        assert told.index(SAID) < told.index("by the way")


def test_turns_are_compared_by_what_they_say() -> None:
    call = FunctionCall("a", "b", "f", "{}")
    assert Snapshot() == Snapshot() and replace(Snapshot(), clock=1) != Snapshot()
    assert call == replace(call) and SessionSettings() == SessionSettings()
