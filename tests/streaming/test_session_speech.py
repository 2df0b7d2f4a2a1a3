"""Replies that are spoken, in a session: in order, stopped, and remembered as far as they were heard."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from model.tools import Tool
from streaming.events import (
    CallMade,
    IdleTimeout,
    ReplyDelta,
    ReplyStarted,
    ResponseDone,
    ResponseRequest,
    ResponseStarted,
    ServerVad,
    SessionSettings,
    SpeechDelta,
    Truncated,
)
from streaming.voice import RATE
from tests.scripted import ScriptedEngine
from tests.streaming.talk import Talk, talk, text_of
from tests.voices import LETTER, ScriptedVoice

ALOUD = SessionSettings(spoken=True, effort="none")
REPLY = "Oh yes, it is so. Then we go on and on and on from here to there."


def saying(*parts: str) -> ScriptedEngine:
    return ScriptedEngine(lambda context, sampling: parts)


def said(talk: Talk) -> str:
    return "".join(event.delta for event in talk.of(SpeechDelta))


async def ask(t: Talk, request: ResponseRequest | None = None) -> None:
    t.session.create_response(request or ResponseRequest())
    await t.settle()
    await t.settle()


async def test_a_reply_is_spoken_as_it_is_decoded() -> None:
    engine, voice = saying("Oh yes, ", "that is $5."), ScriptedVoice()
    engine.gate = asyncio.Event()
    async with talk(engine, ALOUD, voice) as t:
        await ask(t)
        assert [words for words, *_ in voice.said] == ["Oh yes"]
        assert said(t) == "Oh yes,"
        engine.gate.set()
        await t.settle()
        [done] = t.of(ResponseDone)
        assert (done.status, done.text, said(t)) == ("completed",) + ("Oh yes, that is $5.",) * 2
        assert t.of(ResponseStarted)[0].spoken and t.of(ReplyStarted)[0].spoken
        assert not t.of(ReplyDelta)
        assert done.timings.first_sound is not None
        sound = sum(len(event.pcm) for event in t.of(SpeechDelta))
        assert sound == 2 * LETTER * len("Ohyesthatisfivedollars")


async def test_voice_and_speed_are_the_settings_or_the_requests() -> None:
    voice = ScriptedVoice()
    async with talk(saying("Hi."), SessionSettings(spoken=True, speed=1.5, effort="none"), voice) as t:
        await ask(t)
        await ask(t, ResponseRequest(voice="bob", speed=0.5))
        await ask(t, ResponseRequest(spoken=False))
        assert voice.said == [("Hi", "ann", 1.5), ("Hi", "bob", 0.5)]
        assert [event.delta for event in t.of(ReplyDelta)] == ["Hi."]


async def test_without_a_voice_replies_are_text() -> None:
    async with talk(saying("Hi."), ALOUD) as t:
        await ask(t)
        assert [event.delta for event in t.of(ReplyDelta)] == ["Hi."]


async def test_a_barge_in_stops_the_voice_and_keeps_what_was_heard() -> None:
    engine, voice = saying(REPLY), ScriptedVoice()
    at_once = replace(ALOUD, turn_detection=ServerVad(interrupt_after_ms=0))
    async with talk(engine, at_once, voice) as t:
        await ask(t)
        assert not t.of(ResponseDone)  # it is a few seconds ahead, and waits
        t.now += 0.55  # "Oh yes" takes 0.5 s
        await t.speak(300)
        [done] = t.of(ResponseDone)
        assert (done.status, done.reason) == ("cancelled", "turn_detected")
        assert voice.listening == 0
        spoken = len(t.of(SpeechDelta))
        await t.pause()
        await t.settle()
        assert done.text == "Oh yes,"
        assert "Oh yes," in text_of(engine.requests[-1])
        assert "it is so" not in text_of(engine.requests[-1])
        later = t.of(SpeechDelta)[spoken:]
        assert all(event.response_id != done.response_id for event in later)


async def test_a_truncation_keeps_the_words_heard() -> None:
    engine = saying("Oh yes, it is so.")
    async with talk(engine, ALOUD, ScriptedVoice()) as t:
        await ask(t)
        item_id = t.of(ResponseDone)[0].item_id
        assert t.session.truncate(item_id, 750)
        assert t.of(Truncated) == [Truncated(item_id, 750, "Oh yes, it")]
        assert t.session.truncate(item_id, 9_999_999)
        assert t.of(Truncated)[1] == Truncated(item_id, 1100, "Oh yes, it")
        await ask(t)
        assert "Oh yes, it" in text_of(engine.requests[-1])
        assert "it is so" not in text_of(engine.requests[-1])


async def test_a_reply_cut_while_it_is_spoken() -> None:
    async with talk(saying(REPLY), ALOUD, ScriptedVoice()) as t:
        await ask(t)
        t.now += 2.0
        item_id = t.of(ReplyStarted)[0].item_id
        assert t.session.truncate(item_id, 750)
        t.session.cancel_response()
        assert t.of(ResponseDone)[0].text == "Oh yes, it"


async def test_what_was_not_spoken_is_not_cut() -> None:
    async with talk(saying("Hi."), SessionSettings(effort="none"), ScriptedVoice()) as t:
        await ask(t)
        assert not t.session.truncate(t.of(ResponseDone)[0].item_id, 100)
        assert not t.session.truncate("nobody", 100)


@pytest.mark.fault(
    fault="voice process dies",
    provoked="the voice breaks down in the middle of a clause",
    seen="the response fails with `voice_unavailable`",
    kept="what was heard of it; the session goes on, in text or with the next voice",
)
async def test_a_voice_that_breaks_down_ends_the_reply() -> None:
    async with talk(saying("Oh yes, now. ", "More."), ALOUD, ScriptedVoice(breaks_at="now")) as t:
        await ask(t)
        [done] = t.of(ResponseDone)
        assert (done.status, done.reason) == ("failed", "voice_unavailable")
        await ask(t, ResponseRequest(spoken=False))
        assert t.of(ResponseDone)[1].status == "completed"


async def test_a_call_comes_behind_the_words() -> None:
    call = '<tool_call>function\nlook\n{"at": 1}</tool_call>'
    voice = ScriptedVoice()
    settings = SessionSettings(spoken=True, effort="none", tools=(Tool("look", None, None),))
    async with talk(saying("Let me see.", call), settings, voice) as t:
        await ask(t)
        kinds = [type(event) for event in t.events]
        assert kinds.index(CallMade) > max(i for i, kind in enumerate(kinds) if kind is SpeechDelta)
        assert said(t) == "Let me see."


async def test_the_quiet_begins_when_the_reply_has_been_played() -> None:
    patient = replace(ALOUD, turn_detection=ServerVad(idle_timeout_ms=5000))
    async with talk(saying("Oh yes."), patient, ScriptedVoice()) as t:
        await ask(t)
        assert len(t.of(ResponseDone)) == 1
        played = LETTER * len("Ohyes") / RATE
        t.session.tick(t.now + 5 + played / 2)
        assert not t.of(IdleTimeout)
        t.session.tick(t.now + 5.1 + played)
        assert len(t.of(IdleTimeout)) == 1
        await t.settle()


async def test_a_reply_outside_is_spoken_beside_the_conversation() -> None:
    async with talk(saying("Oh yes."), ALOUD, ScriptedVoice()) as t:
        await ask(t, ResponseRequest(outside=True))
        [done] = t.of(ResponseDone)
        assert (done.status, done.text, said(t)) == ("completed", "Oh yes.", "Oh yes.")
        assert len(t.session._memory.conversation) == 0
        assert not t.session.truncate(done.item_id, 0)


async def test_what_was_cut_short_by_a_truncation_may_be_deleted() -> None:
    async with talk(saying("Oh yes."), ALOUD, ScriptedVoice()) as t:
        await ask(t)
        item_id = t.of(ResponseDone)[0].item_id
        t.session.delete_item(item_id)
        assert not t.session.truncate(item_id, 0)


class ScriptedPlayer:
    def __init__(self) -> None:
        self.ms = 0.0
        self.out = asyncio.Event()
        self.held = False

    def played(self, item_id: str) -> float:
        return self.ms

    async def played_out(self, item_id: str) -> None:
        await self.out.wait()

    def hold(self, on: bool) -> None:
        self.held = on


async def test_with_a_player_a_reply_lasts_until_it_was_heard() -> None:
    player = ScriptedPlayer()
    async with talk(saying("Oh yes, it is so."), ALOUD, ScriptedVoice()) as t:
        t.session.play_through(player)
        await ask(t)
        assert said(t) == "Oh yes, it is so." and not t.of(ResponseDone)
        player.out.set()
        await t.settle()
        [done] = t.of(ResponseDone)
        assert (done.status, done.text) == ("completed", "Oh yes, it is so.")
        assert not t.of(Truncated)


async def test_with_a_player_what_it_played_is_kept_and_told() -> None:
    engine, player = saying("Oh yes, it is so."), ScriptedPlayer()
    async with talk(engine, ALOUD, ScriptedVoice()) as t:
        t.session.play_through(player)
        await ask(t)
        player.ms = 750.0  # the clock says 0
        await t.speak(300)
        assert player.held  # it may be a cough
        await t.speak(300)
        assert not player.held
        [done] = t.of(ResponseDone)
        assert (done.status, done.reason, done.text) == ("cancelled", "turn_detected", "Oh yes, it")
        assert t.of(Truncated) == [Truncated(done.item_id, 750, "Oh yes, it")]
        await t.pause()
        await t.settle()
        told = text_of(engine.requests[-1])
        assert "Oh yes, it" in told and "so." not in told
