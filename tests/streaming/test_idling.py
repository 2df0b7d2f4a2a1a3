"""A conversation that is idle is parked where the cache runs short, and goes on as if it had not been."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streaming.events import (
    EngineBack,
    EngineLost,
    Given,
    Message,
    ResponseDone,
    ResponseRequest,
    ResponseStarted,
    SessionSettings,
    SpeechDelta,
    TranscriptFailed,
)
from streaming.parking import Marks, Parking
from streaming.places import Places
from tests.scripted import ScriptedEngine
from tests.streaming.talk import Talk, live, text_of
from tests.streaming.test_session_engine import going_on, question
from tests.streaming.test_speculation import happen, told_in_order, turns_ended
from tests.voices import ScriptedVoice

PLAIN = SessionSettings(speculation=False)
SECONDS = 10.0  # until somebody may be parked


class Lot(Talk):
    """A conversation that may be parked, in a cache that is full as often as the test says so."""

    parking: Parking

    async def fill(self) -> bool:
        """The cache is full, and nobody has done anything for long; returns whether it is parked."""
        self.now += SECONDS + 1.0
        return await self.fill_now()

    async def fill_now(self) -> bool:
        self.engine.kv_used = self.engine.kv_tokens
        self.engine.kv_told += 1
        self.parking.look(self.engine.caches(), self.now)
        await self.settle()
        return self.parked[-1:] == [True]


@asynccontextmanager
async def lot(
    engine: ScriptedEngine | None = None,
    settings: SessionSettings = PLAIN,
    voice: ScriptedVoice | None = None,
    seconds: float = SECONDS,
) -> AsyncIterator[Lot]:
    parking = Parking(Marks(idle_seconds=seconds))
    made = Lot(engine or ScriptedEngine(going_on), settings, voice, parking=parking)
    made.parking = parking
    async with live(made):
        yield made


async def test_its_request_ends_and_silence_does_not_open_it() -> None:
    async with lot() as t:
        await question(t)
        assert t.engine.running() == 1 and not t.parked
        assert await t.fill()
        assert t.engine.running() == 0
        await t.pause(3000)
        t.session.tick(t.now)
        await t.settle()
        assert t.engine.running() == 0 and t.parked == [True]


async def told(settings: SessionSettings, parked: bool) -> tuple[list[str], list[tuple[int, ...]]]:
    """What is answered, and what was asked, in a conversation of four turns."""
    async with lot(settings=settings) as t:
        for _ in range(3):
            await question(t)
            if parked:
                assert await t.fill()
        t.session.add_item(Message("", "user", text="and typed"))
        t.session.create_response(ResponseRequest())
        await t.settle()
        assert t.parked == [True, False] * 3 * parked
        return [done.text for done in t.of(ResponseDone)], [asked.ids for asked in t.engine.requests]


@pytest.mark.parametrize("encoding", ["incremental", "refined"])
@pytest.mark.parametrize("speculation", [False, True])
async def test_the_engine_is_asked_the_same_and_answers_the_same(encoding: str, speculation: bool) -> None:
    settings = SessionSettings(speculation=speculation, encoding=encoding)  # type: ignore[arg-type]
    assert await told(settings, True) == await told(settings, False)


async def test_all_of_it_is_told_with_its_audio_as_soon_as_speech_begins() -> None:
    async with lot() as t:
        await question(t)
        assert await t.fill()
        await t.speak(300)
        assert t.engine.running() == 1 and t.parked == [True, False]
        before = t.engine.appends[-1][0]  # it need not wait for the first chunk of what is said
        assert text_of(before).endswith("assistant\n1 plus 1 is 2.")
        assert before.audio and all(audio.data is not None for audio in before.audio)
        await t.speak(600)
        await t.settle()
        assert text_of(t.engine.appends[-1][1]) == "human\n" and t.engine.appends[-1][1].audio


async def test_typing_and_asking_open_it() -> None:
    async with lot() as t:
        await question(t)
        assert await t.fill()
        t.session.add_item(Message("", "user", text="typed"))
        await t.settle()
        assert t.engine.running() == 1 and t.parked == [True, False]
        assert text_of(t.engine.appends[-1][0]).endswith("typed")
        assert await t.fill()
        t.session.create_response(ResponseRequest())
        await t.settle()
        assert t.parked == [True, False] * 2 and len(t.of(ResponseDone)) == 2


async def test_a_reply_to_input_of_its_own_finds_its_place_behind_what_was_said() -> None:
    async with lot() as t:
        await question(t)
        assert await t.fill()
        given = Given(Message("x", "user", text="other"), None)
        t.session.create_response(ResponseRequest(input=(given,)))
        await t.settle()
        assert t.parked == [True, False] and t.of(ResponseDone)[1].status == "completed"
        await question(t)
    assert text_of(t.engine.requests[-1]).count("assistant\n1 plus 1 is 2.") == 2


async def test_what_changes_meanwhile_is_what_is_told() -> None:
    async with lot() as t:
        await question(t)
        item = t.of(ResponseDone)[0].item_id
        assert await t.fill()
        t.session.configure(SessionSettings(speculation=False, instructions="Be brief."))
        t.session.delete_item(item)
        await question(t)
    asked = text_of(t.engine.requests[-1])
    assert "Be brief." in asked and "1 plus 1 is 2." not in asked


async def test_who_is_busy_is_not_parked() -> None:
    engine, voice = ScriptedEngine(going_on), ScriptedVoice()
    engine.gate = asyncio.Event()
    settings = SessionSettings(speculation=False, spoken=True, transcribe=True)
    async with lot(engine, settings, voice) as t:
        await t.speak()
        assert not await t.fill()  # speaking
        await t.pause()
        await t.settle()
        assert not await t.fill()  # a reply is being made
        engine.gate.set()
        while not t.of(ResponseDone):
            t.now += 0.1
            await t.settle()
        if t.session._replies.sounding is not None:
            assert not await t.fill_now()  # its end is still being played
        t.now += 60.0
        t.session.tick(t.now)
        await t.settle()
        assert not await t.fill_now()  # it has just ended
        assert await t.fill()
        assert t.of(SpeechDelta)


async def test_a_reply_outside_the_conversation_is_not_parked_either() -> None:
    engine = ScriptedEngine(going_on)
    async with lot(engine) as t:
        await question(t)
        engine.gate = asyncio.Event()
        t.session.create_response(ResponseRequest(outside=True))
        await t.settle()
        assert not await t.fill()
        engine.gate.set()
        await t.settle()
        t.session.tick(t.now)
        assert await t.fill()


async def test_barge_in_after_it() -> None:
    engine = ScriptedEngine(going_on)
    async with lot(engine) as t:
        await question(t)
        assert await t.fill()
        engine.gate = asyncio.Event()
        await question(t)
        await t.speak()
        engine.gate.set()
        await t.pause()
        await t.settle()
    assert [done.status for done in t.of(ResponseDone)] == ["completed", "cancelled", "completed"]


@pytest.mark.fault(
    fault="engine killed between turns",
    provoked="the engine dies while the conversation is parked",
    seen="nothing, or `soundmind.engine_lost` once somebody speaks; the next turn is answered",
    kept="everything said, heard, typed, called",
)
@pytest.mark.parametrize("back_before", [True, False])
async def test_killed_meanwhile(back_before: bool) -> None:
    engine = ScriptedEngine(going_on)
    async with lot(engine) as t:
        await question(t)
        assert await t.fill()
        engine.kill()
        await t.settle()
        assert not t.of(EngineLost)  # nobody waits for it
        if back_before:
            engine.revive()
        await question(t)
        if not back_before:
            assert len(t.of(EngineLost)) == 1
            engine.revive()
            await t.settle()
        assert len(t.of(EngineLost)) == len(t.of(EngineBack)) == (0 if back_before else 1)
        assert [done.status for done in t.of(ResponseDone)] == ["completed"] * 2
        assert "assistant\n1 plus 1 is 2." in text_of(engine.requests[-1])
        assert engine.running() == 1


async def test_its_line_drops_and_the_client_comes_back() -> None:
    async with lot() as t:
        await question(t)
        t.session.away(True)
        assert await t.fill()
        t.now += 30.0
        t.session.tick(t.now)
        t.session.away(False)
        assert t.engine.running() == 0
        await question(t)
        assert t.parked == [True, False] and len(t.of(ResponseDone)) == 2


async def test_another_server_takes_it_over() -> None:
    async with lot() as t:
        await question(t)
        assert await t.fill()
        snapshot = t.session.snapshot()
    async with lot() as other:
        other.session.restore(snapshot)
        await question(other)
    assert "assistant\n1 plus 1 is 2." in text_of(other.engine.requests[-1])


@asynccontextmanager
async def two(settings: SessionSettings = PLAIN, patience: float = 120.0) -> AsyncIterator[tuple[Lot, Lot]]:
    """Two conversations in the place of one: the first is parked for the second."""
    places, parking = Places(2048, 2048, overcommit=2), Parking(Marks(idle_seconds=SECONDS))

    def made() -> Lot:
        lot = Lot(ScriptedEngine(going_on), settings, patience=patience, parking=parking)
        lot.parking = parking
        return lot

    with places.one():
        first = made()
        async with live(first):
            await question(first)
            first.now += SECONDS + 1.0
            with places.one(lambda rank: parking.lend(rank, 1, first.now)):
                second = made()
                second.now = first.now
                async with live(second):
                    assert first.parked == [True] and first.engine.running() == 0
                    await question(second)
                    yield first, second


async def lent(by: Lot) -> None:
    """One has been idle for long, and somebody waits for its place."""
    by.now += SECONDS + 1.0
    assert by.parking.lend(0, 1, by.now)
    await by.settle()


@pytest.mark.fault(
    fault="more speak than there are places",
    provoked="a conversation that was parked goes on while others have all places (`overcommit`)",
    seen="the reply, as soon as one of the others has been idle for 10 s or hangs up",
    kept="all of it, also what is said while it waits",
)
async def test_who_goes_on_waits_until_somebody_else_is_idle() -> None:
    async with two() as (first, second):
        await question(first)
        assert len(first.of(ResponseStarted)) == 2 and len(first.of(ResponseDone)) == 1
        assert first.engine.running() == 0  # nothing is asked of the engine without a place
        await lent(second)
        assert first.engine.running() == 1 and second.engine.running() == 0
        assert [done.text for done in first.of(ResponseDone)] == ["1 plus 1 is 2."] * 2
        assert text_of(first.engine.requests[-1]).count("human\n") == 2
        await question(second)
        assert len(second.of(ResponseDone)) == 1
        await lent(first)
        assert [done.status for done in second.of(ResponseDone)] == ["completed"] * 2


@pytest.mark.fault(
    fault="more speak than there are places",
    provoked="and nobody gives one up for as long as `engine_patience_s`",
    seen="the response fails with `session_limit`; the session goes on",
    kept="the conversation, the turn included; the next one is answered when there is a place",
)
async def test_a_reply_that_gets_no_place_fails_and_the_conversation_goes_on() -> None:
    settings = SessionSettings(speculation=True, transcribe=True)
    async with two(settings, patience=0.0) as (first, second):
        await question(first)
        done = first.of(ResponseDone)[-1]
        assert (done.status, done.reason) == ("failed", "session_limit")
        assert len(first.of(TranscriptFailed)) == 1
        await lent(second)
        await question(first)
        assert first.of(ResponseDone)[-1].status == "completed"
        assert text_of(first.engine.requests[-1]).count("human\n") == 3


async def test_cut_in_cancelled_and_left_while_it_waits() -> None:
    async with two() as (first, _):
        await question(first)
        await question(first)  # over the reply that waits
        first.session.cancel_response()
        await first.settle()
        assert [done.status for done in first.of(ResponseDone)] == ["completed", "cancelled", "cancelled"]
        assert first.engine.running() == 0


async def test_parked_to_the_end() -> None:
    async with lot() as t:
        await question(t)
        assert await t.fill()
    assert t.parked == [True]  # and `talk` has seen that no request is left


@pytest.mark.parametrize("seed", range(6))
async def test_parked_at_any_moment_of_any_conversation(seed: int) -> None:
    r = random.Random(seed)
    engine = ScriptedEngine(going_on)
    base = SessionSettings(transcribe=r.random() < 0.3, speculation=r.random() < 0.7)
    parkings = 0
    async with lot(engine, base, seconds=0.0) as t:
        for _ in range(25):
            if r.random() < 0.2:
                engine.gate = None if engine.gate else asyncio.Event()
            await happen(t, r, base, dies=0.2, speaks=0.6)
            if engine.alive and r.random() < 0.7 and await t.fill_now():
                parkings += 1
            told_in_order(t)
        if engine.gate:
            engine.gate.set()
        if not engine.alive:
            engine.revive()
        for _ in range(2):
            await t.pause(3000)
            await t.settle()
            parkings += await t.fill_now()
            await question(t)
        told_in_order(t)
        assert engine.running() == 1
    turns_ended(t)
    assert parkings and t.parked.count(True) == t.parked.count(False)
    assert len(t.of(EngineLost)) == len(t.of(EngineBack))
