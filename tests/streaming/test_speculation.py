"""What is thought at a pause: told at once where the turn ends there, and else without any trace."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from model.tools import Tool
from streaming.errors import Forgotten, Refused, SessionError
from streaming.events import (
    CallMade,
    Cleared,
    Committed,
    Message,
    Pacing,
    ReplyDelta,
    ResponseDone,
    ResponseRequest,
    ResponseStarted,
    SemanticVad,
    ServerVad,
    SessionSettings,
    SpeechStarted,
    SpeechStopped,
    ThinkingDelta,
)
from tests.scripted import REPLY, ScriptedEngine
from tests.streaming.talk import Talk, talk, text_of

SPECULATING = SessionSettings()
CALLING = SessionSettings(tools=(Tool("look", None, None),))
CALL = "\n</think>\n<tool_call>function\nlook\n{}</tool_call>"


async def test_the_turn_ends_at_the_pause_and_its_thoughts_are_told_at_once() -> None:
    async with talk() as t:
        await t.speak()
        await t.pause(300)
        await t.settle()
        assert len(t.engine.requests) == 1  # it has thought, and replied, to itself
        assert [type(e) for e in t.events] == [SpeechStarted]
        assert len(t.session._memory.conversation) == 0
        while not t.of(SpeechStopped):
            await t.pause(20)
        await t.settle()
        assert t.of(ResponseDone)[0].text == "1 plus 1 is 2."
    order = [type(e) for e in t.events]
    assert order.index(Committed) < order.index(ResponseStarted) < order.index(ThinkingDelta)
    assert t.promoted == [True] and t.wasted == 0
    assert len(t.engine.requests) == 1
    done = t.of(ResponseDone)[0]
    assert done.usage.audio == t.engine.requests[0].audio_tokens
    timings = done.timings
    assert timings.turn_ended and timings.done and timings.done - timings.turn_ended <= 20.1  # a packet later


async def test_a_thought_half_done_goes_on_as_the_reply() -> None:
    engine = ScriptedEngine()
    async with talk(engine) as t:
        engine.gate = asyncio.Event()
        await t.speak()
        await t.pause()
        await t.settle()
        assert t.of(ThinkingDelta) and not t.of(ReplyDelta)
        engine.gate.set()
        await t.settle()
    assert "".join(e.delta for e in t.of(ReplyDelta)) == "1 plus 1 is 2."
    assert len(engine.requests) == 1


async def test_a_reply_that_was_thought_ahead_is_aborted_like_any_other() -> None:
    engine = ScriptedEngine()
    async with talk(engine) as t:
        engine.gate = asyncio.Event()
        await t.speak()
        await t.pause()
        await t.settle()
        t.session.cancel_response()
        await t.settle()
        assert engine.running() == 1
    assert t.of(ResponseDone)[0].status == "cancelled"


async def test_speech_that_goes_on_leaves_no_trace_of_it() -> None:
    engine = ScriptedEngine(lambda context, sampling: (CALL,))
    async with talk(engine, CALLING) as t:
        for _ in range(5):
            await t.speak(500)
            await t.pause(300)
            await t.settle()
            assert [type(e) for e in t.events] == [SpeechStarted]
        await t.speak(500)
        await t.settle()
        assert engine.running() == 1
        assert len(t.session._memory.conversation) == 0
        await t.pause()
        await t.settle()
    assert len(t.of(CallMade)) == len(t.of(ResponseDone)) == 1
    assert t.promoted == [False] * 5 + [True]
    assert t.wasted == 5
    assert all("assistant" not in text_of(c)[:-20] for c in engine.requests)


@pytest.mark.parametrize("error", [Refused("no"), Forgotten("lost")])
async def test_one_that_failed_is_not_promoted(error: SessionError) -> None:
    engine = ScriptedEngine()
    async with talk(engine) as t:
        engine.refusal = error
        await t.speak()
        await t.pause()
        await t.settle()
    assert t.of(ResponseDone)[0].status == "completed"
    assert len(engine.requests) == 2 and len(engine.appends) == 1


async def test_what_changes_the_question_ends_it() -> None:
    settings = replace(SPECULATING, instructions="You are Ada.")
    changes: tuple[Callable[[Talk], None], ...] = (
        lambda t: t.session.configure(replace(settings, instructions="You are Bob.")),
        lambda t: t.session.create_response(ResponseRequest()),
    )
    for change in changes:
        async with talk(settings=settings) as t:
            await t.speak()
            await t.pause(300)
            await t.settle()
            change(t)
            await t.settle()
            await t.pause()
            await t.settle()
        assert t.promoted == [False]
        assert t.of(ResponseDone)[-1].status == "completed"
        assert len(t.of(ResponseDone)) == len(t.of(ResponseStarted))


async def test_none_where_nobody_answers_or_wants_it() -> None:
    for settings in (
        SessionSettings(speculation=False),
        SessionSettings(turn_detection=None),
        SessionSettings(turn_detection=ServerVad(create_response=False)),
    ):
        async with talk(settings=settings) as t:
            await t.speak()
            await t.pause(300)
            await t.settle()
            assert not t.engine.requests


async def test_refined_thoughts_hear_the_turn_whole() -> None:
    async with talk(settings=replace(SPECULATING, encoding="refined")) as t:
        await t.speak(2000)
        await t.pause()
        await t.settle()
    assert [a.key.split(":")[-3] for a in t.engine.requests[0].audio] == ["whole"]
    assert t.promoted == [True]


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_nothing_leaks_and_everything_ends(seed: int) -> None:
    """Any speech, pauses, commands and odds: what is told of a turn and of a reply is told once, in order."""
    r = random.Random(seed)
    engine = ScriptedEngine(lambda context, sampling: r.choice([REPLY, (CALL,), ("on ", "and ", "on")]))
    detections: list[ServerVad | SemanticVad] = [
        ServerVad(),
        SemanticVad(),
        SemanticVad(interrupt_after_ms=0),
    ]
    base = replace(CALLING, turn_detection=r.choice(detections), max_reasoning_tokens=r.choice([None, 2]))
    pacings = [None, Pacing(think_segment=1), Pacing(speak_first=True, think_segment=1)]
    base = replace(base, pacing=r.choice(pacings), while_listening=r.random() < 0.5)
    async with talk(engine, base) as t:
        engine.over = lambda context: r.random() ** 2
        engine.holds = lambda context, draft: r.randrange(len(draft) + 1)
        for _ in range(30):
            if r.random() < 0.3:
                if engine.gate:
                    engine.gate.set()
                engine.gate = None if engine.gate else asyncio.Event()
            if r.random() < 0.1:
                engine.refusal = r.choice([Refused("no"), Forgotten("lost")])
            if r.random() < 0.8:
                await utter(t, r)
            else:
                command(t, r, replace(base, turn_detection=r.choice(detections)))
            if r.random() < 0.5:
                await t.settle()
            told_in_order(t)
        if engine.gate:
            engine.gate.set()
        engine.refusal = None
        await t.pause(5000)
        await t.settle()
        told_in_order(t)
        assert engine.running() == 1
    turns_ended(t)
    assert len(t.of(ResponseStarted)) == len(t.of(ResponseDone))


def command(t: Talk, r: random.Random, settings: SessionSettings) -> None:
    commands: list[Callable[[], None]] = [
        t.session.clear,
        t.session.commit,
        t.session.cancel_response,
        lambda: t.session.create_response(ResponseRequest()),
        lambda: t.session.configure(settings),
        lambda: t.session.tick(t.now + 10),
    ]
    try:
        r.choice(commands)()
    except SessionError:
        pass


async def utter(t: Talk, r: random.Random) -> None:
    """Some sound, and some silence."""
    await t.send(r.choice([40, 100, 250, 600]), 0.5)
    await t.send(r.choice([100, 200, 400, 700]), 0.0)


async def happen(t: Talk, r: random.Random, settings: SessionSettings, dies: float, speaks: float) -> None:
    """With these chances the engine dies or comes back, and somebody speaks, or else a command is given."""
    if r.random() < dies:
        if t.engine.alive:
            t.engine.kill()
        else:
            t.engine.revive()
    if r.random() < speaks:
        await utter(t, r)
    else:
        command(t, r, settings)
    for _ in range(r.choice([0, 1, 2, 5, 100])):
        await asyncio.sleep(0)


def turns_ended(t: Talk) -> None:
    """What was said to have started was committed or thrown away before the next."""
    speaking = None
    for event in t.events:
        match event:
            case SpeechStarted():
                assert speaking is None
                speaking = event.item_id
            case Committed():
                assert speaking in (None, event.item_id)
                speaking = None
            case Cleared():
                speaking = None
    assert speaking is None


def told_in_order(t: Talk) -> None:
    """No word, thought or call outside the one reply that has started and not ended."""
    active = None
    for event in t.events:
        match event:
            case ResponseStarted():
                assert active is None
                active = event.response_id
            case ResponseDone():
                assert event.response_id == active
                active = None
            case ThinkingDelta() | ReplyDelta() | CallMade():
                assert event.response_id == active


async def test_an_item_that_comes_at_the_pause_is_seen_by_the_reply() -> None:
    async with talk() as t:
        await t.speak()
        await t.pause(300)
        await t.settle()
        assert len(t.engine.requests) == 1
        t.session.add_item(Message("", "user", text="and in French"))
        while not t.of(SpeechStopped):
            await t.pause(20)
        await t.settle()
        assert t.promoted == [False]
        assert "and in French" in text_of(t.engine.requests[-1])
        assert t.of(ResponseDone)[0].status == "completed"


async def test_an_item_deleted_at_the_pause_is_gone_for_the_reply() -> None:
    async with talk() as t:
        t.session.add_item(Message("item_1", "user", text="in French"))
        await t.speak()
        await t.pause(300)
        await t.settle()
        assert "in French" in text_of(t.engine.requests[-1])
        t.session.delete_item("item_1")
        while not t.of(SpeechStopped):
            await t.pause(20)
        await t.settle()
        assert t.promoted == [False]
        assert "in French" not in text_of(t.engine.requests[-1])
