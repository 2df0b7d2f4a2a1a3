"""The turn before the first one, with the scripted engine and voice; that it saves time is for benchmarks."""

from __future__ import annotations

import pytest

from streaming.errors import EngineUnavailable
from streaming.warm_up import try_voice, warm_up
from tests.scripted import ScriptedEngine
from tests.voices import ScriptedVoice


async def test_the_engine_does_all_that_a_turn_asks_of_it_and_nothing_is_left() -> None:
    engine = ScriptedEngine()
    await warm_up(engine)
    (appended,) = engine.appends
    heard = sum(part.audio_tokens for part in appended)
    assert heard > 0
    assert len(engine.asked) == 1
    (asked,) = engine.requests
    assert asked.audio_tokens > heard  # the tail too, which is encoded in another shape
    assert engine.running() == 0


async def test_an_engine_that_does_not_answer_is_told() -> None:
    engine = ScriptedEngine()
    engine.alive = False
    with pytest.raises(EngineUnavailable):
        await warm_up(engine)
    assert engine.running() == 0


async def test_the_voice_says_a_word() -> None:
    voice = ScriptedVoice()
    await try_voice(voice)
    assert [said for said, *_ in voice.said] == ["Hello"]
