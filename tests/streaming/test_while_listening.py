"""What was thought at a pause is carried on behind it, as far as it holds, and never further."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from streaming.events import Message, Pacing, ResponseDone, SessionSettings, ThinkingDelta
from tests.scripted import ScriptedEngine
from tests.streaming.talk import Talk, talk, text_of
from tests.streaming.test_paced import CHAIN, SAID, Mind, said, thought

CARRYING = SessionSettings(while_listening=True)
KEPT = "heard: two and"
OPEN = "assistant\n<think>\n"


def keeping(mind: Mind, kept: str = KEPT) -> ScriptedEngine:
    mind.engine.holds = lambda context, draft: len(kept) if draft.startswith(kept) else 0
    return mind.engine


async def halves(t: Talk, between: Callable[[], None] = lambda: None) -> None:
    """Somebody says something with a pause in it."""
    await t.speak(500)
    await t.pause(300)
    await t.settle()
    between()
    await t.speak(500)
    await t.settle()
    await t.pause()
    await t.settle()


@pytest.mark.parametrize("pacing", [None, Pacing(think_segment=3), Pacing(speak_first=True)])
async def test_the_thoughts_that_hold_are_carried_on(pacing: Pacing | None) -> None:
    engine = keeping(Mind())
    async with talk(engine, replace(CARRYING, pacing=pacing)) as t:
        await halves(t)
    assert (thought(t), said(t)) == (CHAIN, SAID)
    assert engine.checked == [CHAIN]
    assert any(text_of(context).endswith(OPEN + KEPT) for context in engine.requests)
    rest = CHAIN.removeprefix(KEPT).count(" ")  # a token a word, while what was kept has one a character
    assert t.of(ResponseDone)[0].usage.reasoning == len(KEPT) + rest + 1  # and the end of the chain
    assert t.promoted == [False, True]


async def test_where_nothing_holds_it_thinks_from_the_beginning() -> None:
    engine = keeping(Mind(), "")
    async with talk(engine, CARRYING) as t:
        await halves(t)
    assert (thought(t), said(t)) == (CHAIN, SAID)
    assert text_of(engine.requests[-1]).endswith(OPEN)


async def test_it_is_carried_over_several_pauses() -> None:
    engine = keeping(Mind())
    async with talk(engine, CARRYING) as t:
        for _ in range(3):
            await t.speak(500)
            await t.pause(300)
            await t.settle()
        await halves(t)
    assert engine.checked == [CHAIN] * 4
    assert thought(t) == CHAIN and "".join(e.delta for e in t.of(ThinkingDelta)) == CHAIN


async def test_the_thoughts_go_on_while_the_user_speaks_and_the_reply_does_not() -> None:
    mind = Mind()
    engine = keeping(mind)
    engine.gate = asyncio.Event()
    async with talk(engine, CARRYING) as t:
        await t.speak(500)
        await t.pause(300)
        await t.settle()
        await t.speak(500)
        assert engine.running() == 2  # the listener, and what thinks on
        engine.gate.set()
        await t.settle()
        assert engine.running() == 1
        await t.pause()
        await t.settle()
    assert engine.checked == [CHAIN] and said(t) == SAID


async def test_a_turn_that_ends_without_a_pause_is_answered_from_them() -> None:
    engine = keeping(Mind())
    async with talk(engine, CARRYING) as t:
        await t.speak(500)
        await t.pause(300)
        await t.speak(500)
        await t.settle()
        t.session.tick(t.now + 10)  # no audio comes any more
        await t.settle()
    assert engine.checked == [CHAIN] and said(t) == SAID


async def test_nothing_is_carried_where_nobody_asked() -> None:
    engine = keeping(Mind())
    async with talk(engine) as t:
        await halves(t)
    assert not engine.checked and said(t) == SAID


async def test_what_changes_the_question_ends_it() -> None:
    engine = keeping(Mind())
    async with talk(engine, CARRYING) as t:
        await halves(t, lambda: t.session.add_item(Message("", "user", text="and in French")))
    assert not engine.checked and said(t) == SAID


async def test_it_is_not_carried_into_another_turn() -> None:
    engine = keeping(Mind())
    async with talk(engine, CARRYING) as t:
        await t.speak(500)
        await t.pause(300)
        await t.speak(500)
        await t.settle()
        t.session.clear()
        await t.pause()
        await t.speak()
        await t.pause()
        await t.settle()
    assert not engine.checked and said(t) == SAID


async def test_an_engine_that_dies_takes_the_draft_along_and_no_more() -> None:
    engine = keeping(Mind())
    async with talk(engine, CARRYING) as t:
        await t.speak(500)
        await t.pause(300)
        await t.speak(500)
        engine.kill()
        await t.pause()
        await t.settle()
        engine.revive()
        await t.settle()
    assert (thought(t), said(t)) == (CHAIN, SAID)
