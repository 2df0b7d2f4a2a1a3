"""A reply has been made, and its end is still being played: sounds are judged as while it was being made."""

from __future__ import annotations

from dataclasses import replace

import pytest

from model.tools import Tool
from streaming.events import (
    CallMade,
    Committed,
    CutOff,
    FunctionOutput,
    Message,
    ReplyStarted,
    ResponseDone,
    ResponseRequest,
    ServerVad,
    SessionSettings,
    SpeechStarted,
    Truncated,
)
from streaming.turn import State
from tests.scripted import ScriptedEngine
from tests.streaming.talk import Talk, talk, text_of
from tests.voices import ScriptedVoice

SAID = "Oh yes, it is so."  # 1.1 s
ALOUD = SessionSettings(spoken=True, effort="none")
MUTE = replace(ALOUD, turn_detection=None)


def engine() -> ScriptedEngine:
    return ScriptedEngine(lambda context, sampling: (SAID,))


async def reply(t: Talk, request: ResponseRequest | None = None) -> str:
    """Made, and sounding from now on; the id of its item."""
    made = len(t.of(ResponseDone))
    t.session.create_response(request or ResponseRequest())
    await t.settle()
    assert t.of(ResponseDone)[made].status == "completed"
    return t.of(ResponseDone)[made].item_id


def state(t: Talk) -> State:
    return t.session._state


def texts(t: Talk) -> list[str | None]:
    entries = t.session._memory.conversation
    return [item.text for entry in entries for item in entry.items if isinstance(item, Message)]


async def test_a_cough_is_no_turn_and_takes_nothing_away() -> None:
    async with talk(engine(), ALOUD, ScriptedVoice()) as t:
        await reply(t)
        await t.pause(300)
        await t.speak(250)
        await t.pause(300)
        assert state(t) is State.SOUNDING
        await t.pause(400)
        assert state(t) is State.IDLE
        assert not t.of(SpeechStarted) and not t.of(CutOff)
        assert SAID in text_of(t.engine.appends[0][-1])


async def test_one_that_lasts_over_the_end_is_none_either() -> None:
    async with talk(engine(), ALOUD, ScriptedVoice()) as t:
        await reply(t)
        await t.pause(980)
        await t.speak(250)
        await t.pause(500)
        assert not t.of(SpeechStarted)
        assert state(t) is State.IDLE
        await t.speak(250)  # and one in the silence is a turn, as ever
        assert len(t.of(SpeechStarted)) == 1


async def test_a_barge_in_leaves_what_was_played_and_costs_no_reading_anew() -> None:
    async with talk(engine(), ALOUD, ScriptedVoice()) as t:
        item_id = await reply(t)
        await t.pause(200)
        await t.speak(900)  # 400 ms of it are needed: "Oh yes," has been said, and "it is" begun
        assert t.of(CutOff) == [CutOff(item_id, "Oh yes,")]
        assert len(t.of(SpeechStarted)) == 1
        await t.pause()
        await t.settle()
        assert len(t.of(Committed)) == 1
        assert "Oh yes," in text_of(t.engine.requests[-1]) and "it is so" not in text_of(
            t.engine.requests[-1]
        )
        assert len(t.engine.appends) == 1
        assert texts(t)[0] == "Oh yes,"


async def test_the_client_may_have_played_less() -> None:
    async with talk(engine(), ALOUD, ScriptedVoice()) as t:
        item_id = await reply(t)
        await t.pause(200)
        await t.speak(500)
        assert t.session.truncate(item_id, 250)
        await t.speak(400)
        await t.pause()
        await t.settle()
        assert t.of(Truncated) == [Truncated(item_id, 250, "Oh")]
        assert texts(t)[0] == "Oh" and "yes" not in text_of(t.engine.requests[-1])


async def test_one_that_the_client_has_stopped_sounds_no_more() -> None:
    async with talk(engine(), ALOUD, ScriptedVoice()) as t:
        item_id = await reply(t)
        await t.pause(100)
        assert t.session.truncate(item_id, 550)  # it says more than the clock does, and knows better
        assert state(t) is State.IDLE
        assert texts(t) == ["Oh yes,"] and not t.of(CutOff)
        await t.settle()
        assert "Oh yes," in text_of(t.engine.appends[0][-1])


async def test_one_cut_off_for_nothing_is_made_again() -> None:
    at_once = replace(ALOUD, turn_detection=ServerVad(interrupt_after_ms=0))
    async with talk(engine(), at_once, ScriptedVoice()) as t:
        await reply(t)
        await t.pause(200)
        await t.speak(70)
        await t.pause(100)
        assert len(t.of(CutOff)) == 1
        await t.pause(600)
        await t.settle()
        first, again = t.of(ResponseDone)
        assert (again.status, again.text) == ("completed", SAID)
        assert texts(t) == ["Oh", SAID]


async def test_speech_that_may_not_interrupt_leaves_it_whole() -> None:
    polite = replace(ALOUD, turn_detection=ServerVad(interrupt_response=False))
    async with talk(engine(), polite, ScriptedVoice()) as t:
        await reply(t)
        await t.pause(200)
        await t.speak(900)
        await t.pause()
        await t.settle()
        assert not t.of(CutOff) and SAID in text_of(t.engine.requests[-1])
        assert len(t.engine.appends) == 1


async def test_by_hand_too() -> None:
    async with talk(engine(), MUTE, ScriptedVoice()) as t:
        await reply(t)
        await t.speak(300)
        t.session.commit()
        await reply(t)
        assert SAID in text_of(t.engine.requests[-1])


async def test_a_commit_into_a_doubtful_sound_makes_it_a_turn() -> None:
    async with talk(engine(), ALOUD, ScriptedVoice()) as t:
        await reply(t)
        await t.pause(200)
        await t.speak(200)
        t.session.commit()
        assert len(t.of(Committed)) == 1 and texts(t)[0] != SAID


@pytest.mark.parametrize("clear", [True, False])
async def test_a_doubtful_sound_that_goes_on_nowhere(clear: bool) -> None:
    """Thrown away by the client, or the microphone is muted in the middle of it."""
    async with talk(engine(), ALOUD, ScriptedVoice()) as t:
        await reply(t)
        await t.pause(200)
        await t.speak(200)
        if clear:
            t.session.clear()
        t.now += 60
        t.session.tick(t.now)
        t.session.tick(t.now)
        assert state(t) is State.IDLE and texts(t) == [SAID]
        assert not t.of(SpeechStarted)


async def test_what_is_added_and_asked_meanwhile_comes_behind_it() -> None:
    async with talk(engine(), ALOUD, ScriptedVoice()) as t:
        await reply(t)
        t.session.add_item(Message("typed", "user", text="so what"))
        await reply(t)
        asked = text_of(t.engine.requests[-1])
        assert asked.index(SAID) < asked.index("so what")
        assert len(t.engine.appends) == 1
        t.session.delete_item("typed")
        assert texts(t) == [SAID, SAID]


async def test_two_that_queue_are_both_cut() -> None:
    """The second begins to sound when the first is over: that is when its words can have been heard."""
    async with talk(engine(), ALOUD, ScriptedVoice()) as t:
        await reply(t)
        await reply(t)
        assert texts(t) == [SAID, SAID]
        await t.pause(200)
        await t.speak(900)
        assert texts(t) == ["Oh yes,", ""]
        await t.pause()
        await t.settle()
        assert "it is so" not in text_of(t.engine.requests[-1])


async def test_one_outside_delays_the_next() -> None:
    async with talk(engine(), ALOUD, ScriptedVoice()) as t:
        t.session.create_response(ResponseRequest(outside=True))
        await t.settle()
        await reply(t)
        await t.pause(700)
        await t.speak(500)  # until 1.2 s, of which the first 1.1 s were the other's
        assert texts(t) == [""]


async def test_an_interruption_while_the_next_is_made_cuts_what_sounds_of_the_last() -> None:
    scripted = engine()
    async with talk(scripted, ALOUD, ScriptedVoice()) as t:
        await reply(t)
        scripted._reply = lambda context, sampling: ("Well. ", "So it goes on and on and on and on and on.")
        t.session.create_response(ResponseRequest())
        await t.settle()
        assert len(t.of(ReplyStarted)) == 2 and len(t.of(ResponseDone)) == 1
        await t.speak(700)
        assert t.of(ResponseDone)[1].status == "cancelled"
        assert texts(t) == ["Oh", ""]


async def test_what_a_tool_gives_back_waits_for_nobody() -> None:
    call = "<tool_call>function\nlook\n{}</tool_call>"
    scripted = ScriptedEngine(lambda context, sampling: (SAID, call))
    async with talk(scripted, replace(ALOUD, tools=(Tool("look", None, None),)), ScriptedVoice()) as t:
        await reply(t)
        [made] = t.of(CallMade)
        t.session.add_item(FunctionOutput("", made.call.call_id, "", "a cat"))
        await reply(t)
        asked = text_of(scripted.requests[-1])
        assert asked.index(SAID) < asked.index("a cat")
