"""Sounds that are no turn, hesitations, and lines that die, over a scripted engine: each row of the table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from streaming.context import Context
from streaming.engine import Sampling
from streaming.events import (
    Cleared,
    Committed,
    ResponseDone,
    ResponseRequest,
    ResponseStarted,
    SemanticVad,
    ServerVad,
    SessionSettings,
    SpeechStarted,
    SpeechStopped,
)
from streaming.session import STALL_SECONDS
from tests.scripted import ScriptedEngine
from tests.streaming.talk import Talk, talk

SEMANTIC = SessionSettings(turn_detection=SemanticVad())
AT_ONCE = SessionSettings(turn_detection=SemanticVad(interrupt_after_ms=0))


def counting(context: Context, sampling: Sampling) -> list[str]:
    return ["\n</think>\n", *(f"{n} " for n in range(20))]


async def replying(t: Talk) -> None:
    """A question, and a reply that has begun and waits for its gate."""
    t.engine.gate = asyncio.Event()
    await t.speak()
    await t.pause()
    await t.settle()
    assert t.of(ResponseStarted) and not t.of(ResponseDone)


def let(t: Talk) -> None:
    assert t.engine.gate
    t.engine.gate.set()


async def test_a_backchannel_or_a_cough_holds_the_reply_and_cuts_nothing_off() -> None:
    async with talk(ScriptedEngine(counting)) as t:
        await replying(t)
        before = len(t.events)
        await t.speak(300)
        let(t)
        await t.settle()
        assert len(t.events) == before  # held back, and nobody was told that somebody speaks
        await t.pause(300)
        await t.settle()
    assert t.of(ResponseDone)[0].status == "completed"
    assert t.of(ResponseDone)[0].text == "".join(f"{n} " for n in range(20))
    assert len(t.of(SpeechStarted)) == len(t.of(SpeechStopped)) == len(t.of(Committed)) == 1


async def test_a_barge_in_keeps_its_first_word() -> None:
    async with talk() as t:
        await replying(t)
        started = t.now
        await t.speak(900)
        let(t)
        await t.pause()
        await t.settle()
    second = t.of(SpeechStarted)[1]
    assert second.at_ms <= 1000 * started
    assert [d.status for d in t.of(ResponseDone)] == ["cancelled", "completed"]
    assert t.engine.requests[-1].audio_tokens > 2 * 900 // 80


async def test_a_reply_cut_off_by_what_was_no_turn_comes_back() -> None:
    engine = ScriptedEngine()
    async with talk(engine, AT_ONCE) as t:
        await replying(t)
        engine.over = lambda context: 0.02
        await t.speak(250)
        await t.settle()
        assert t.of(ResponseDone)[0].status == "cancelled"
        let(t)
        await t.pause()
        await t.settle()
    assert [d.status for d in t.of(ResponseDone)] == ["cancelled", "completed"]
    assert len(t.of(Cleared)) == 1 and len(t.of(Committed)) == 1
    assert len(t.of(SpeechStarted)) == len(t.of(SpeechStopped)) == 2


async def test_a_phantom_start_ends_and_asks_nothing() -> None:
    async with talk() as t:
        await t.pause(320)
        await t.speak(60)
        await t.pause()
        await t.settle()
        assert [type(e) for e in t.events] == [SpeechStarted, SpeechStopped, Cleared]
        await t.speak()
        await t.pause()
        await t.settle()
    assert t.of(ResponseDone)[0].status == "completed"
    assert sum(i == t.engine.prompt.audio_start for i in t.engine.requests[-1].ids) == 1


async def test_a_line_that_dies_in_a_sound_releases_the_reply() -> None:
    async with talk() as t:
        await replying(t)
        await t.speak(200)
        let(t)
        await t.settle()
        assert not t.of(ResponseDone)
        t.session.tick(t.now + STALL_SECONDS + 0.1)
        await t.settle()
        assert t.of(ResponseDone)[0].status == "completed"
        await t.speak()
        await t.pause()
        await t.settle()
    assert len(t.of(ResponseDone)) == 2


async def test_a_microphone_muted_in_mid_sentence_ends_the_turn() -> None:
    engine = ScriptedEngine()
    engine.over = lambda context: 0.0
    async with talk(engine, SEMANTIC) as t:
        await t.speak()
        await t.pause(4500)  # digital silence
        await t.settle()
    assert t.of(ResponseDone)[0].status == "completed"


async def test_a_client_may_do_anything_while_a_sound_is_in_doubt() -> None:
    deaf = SessionSettings(turn_detection=None)
    patient = SessionSettings(turn_detection=ServerVad(interrupt_response=False))
    acts: tuple[tuple[Callable[[Talk], None], str], ...] = (
        (lambda t: t.session.cancel_response(), "cancelled"),
        (lambda t: t.session.clear(), "completed"),
        (lambda t: t.session.commit(), "cancelled"),
        (lambda t: t.session.configure(deaf), "completed"),
        (lambda t: t.session.configure(patient), "completed"),
    )
    for act, status in acts:
        async with talk() as t:
            await replying(t)
            await t.speak(200)
            act(t)
            let(t)
            await t.pause(300)
            await t.settle()
            assert [d.status for d in t.of(ResponseDone)] == [status]
            t.session.configure(SessionSettings())
            await t.speak()
            await t.pause()
            await t.settle()
            assert t.of(ResponseDone)[-1].status == "completed"
            assert len(t.of(ResponseDone)) == len(t.of(ResponseStarted)) == 2


async def test_what_sounds_complete_is_answered_soon_and_what_does_not_late() -> None:
    waits = {}
    for over in (0.95, 0.3, 0.02):
        engine = ScriptedEngine()
        engine.over = lambda context, over=over: over
        async with talk(engine, SEMANTIC) as t:
            await t.speak()
            await t.pause(5000)
            await t.settle()
            waits[over] = t.of(ResponseDone)[0].timings.turn_ended
        assert engine.asked and engine.asked[0].ids[-1] == engine.prompt.audio_patch
    a, b, c = waits.values()
    assert a is not None and b is not None and c is not None
    assert a < 300 < b < 1500 < c


async def test_a_hesitation_is_one_turn() -> None:
    engine = ScriptedEngine()
    engine.over = lambda context: 0.02 if context.audio_tokens < 25 else 0.98
    async with talk(engine, SEMANTIC) as t:
        await t.speak(800)
        await t.pause(900)
        await t.speak(800)
        await t.pause(600)
        await t.settle()
    assert len(t.of(Committed)) == len(t.of(ResponseDone)) == 1


async def test_the_listener_tells_as_it_goes() -> None:
    """What each append says counts too: the pause's own question may have come to nothing."""
    engine = ScriptedEngine()
    asked: list[Context] = []

    def over(context: Context) -> float:
        asked.append(context)
        return 0.9 if context.audio_tokens >= 13 else 0.01

    engine.over = over
    async with talk(engine, SEMANTIC) as t:
        await t.speak(800)
        await t.pause(1000)
        await t.settle()
    assert t.of(ResponseDone)
    assert any(len(c) and c.ids[-1] == engine.prompt.audio_patch for c in asked if c not in engine.asked)


async def test_nobody_who_judges_is_no_reason_to_wait() -> None:
    async with talk(settings=SEMANTIC) as t:
        await t.speak()
        await t.pause(600)
        await t.settle()
    assert t.of(ResponseDone)[0].status == "completed"


async def test_speech_that_may_not_interrupt_is_in_doubt_as_well() -> None:
    settings = SessionSettings(turn_detection=ServerVad(interrupt_response=False))
    async with talk(ScriptedEngine(counting), settings) as t:
        await replying(t)
        await t.speak(250)
        await t.pause()
        let(t)
        await t.settle()
    assert t.of(ResponseDone)[0].status == "completed"
    assert len(t.of(Committed)) == 1


async def test_a_reply_to_be_repeated_is_the_one_that_was_asked_for() -> None:
    engine = ScriptedEngine()
    settings = replace(AT_ONCE, speculation=False)
    async with talk(engine, settings) as t:
        engine.gate = asyncio.Event()
        await t.speak()
        await t.pause()
        await t.settle()
        let(t)
        await t.settle()
        engine.gate.clear()
        t.session.create_response(ResponseRequest(metadata={"mark": "7"}))
        await t.settle()
        engine.over = lambda context: 0.02
        await t.speak(250)
        let(t)
        await t.pause()
        await t.settle()
    assert [d.metadata for d in t.of(ResponseDone)] == [None, {"mark": "7"}, {"mark": "7"}]
