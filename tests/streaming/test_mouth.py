from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streaming.loudspeaker import Loudspeaker
from streaming.mouth import AHEAD, Mouth
from streaming.voice import RATE, VoiceUnavailable
from tests.voices import LETTER, ScriptedVoice


class Speech:
    def __init__(self, voice: ScriptedVoice) -> None:
        self.now = 0.0
        self.pcm, self.text = b"", ""
        self.mouth = Mouth(voice, "ann", 1.0, self._told, lambda: self.now)

    def _told(self, pcm: bytes, text: str) -> None:
        self.pcm += pcm
        self.text += text


@asynccontextmanager
async def speech(voice: ScriptedVoice) -> AsyncIterator[Speech]:
    made = Speech(voice)
    task = asyncio.create_task(made.mouth.run())
    try:
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert voice.listening == 0


async def settle() -> None:
    for _ in range(100):
        await asyncio.sleep(0)


async def test_the_first_clause_is_spoken_while_the_reply_is_written() -> None:
    voice = ScriptedVoice()
    async with speech(voice) as s:
        s.mouth.push("Oh yes, that")
        await settle()
        assert voice.said == [("Oh yes", "ann", 1.0)]
        assert s.text == "Oh yes,"
        s.mouth.push(" is $5.")
        await s.mouth.quiet()
    assert voice.said[1:] == [("that is five dollars", "ann", 1.0)]
    assert s.text == "Oh yes, that is $5."
    assert len(s.pcm) == 2 * LETTER * len("OhyesthatisFivedollars")


async def test_text_comes_with_the_sound_of_it() -> None:
    voice = ScriptedVoice()
    async with speech(voice) as s:
        told: list[tuple[int, str]] = []
        s.mouth = Mouth(voice, "ann", 1.0, lambda pcm, text: told.append((len(pcm), text)), lambda: s.now)
        task = asyncio.create_task(s.mouth.run())
        s.mouth.push("ab c, ")
        await s.mouth.quiet()
        task.cancel()
    assert told == [(2 * LETTER, "ab"), (2 * LETTER, ""), (2 * LETTER, " c,"), (0, " ")]


async def test_it_is_never_far_ahead_of_what_can_be_heard() -> None:
    async with speech(ScriptedVoice()) as s:
        s.mouth.push("aaaaaaaaaa " * 10)
        finishing = asyncio.create_task(s.mouth.quiet())
        await settle()
        assert AHEAD <= len(s.pcm) / 2 / RATE < AHEAD + 0.5
        finishing.cancel()


async def test_what_was_heard_follows_the_clock() -> None:
    async with speech(ScriptedVoice()) as s:
        s.now = 10.0
        s.mouth.push("ab cde f. ")
        await s.mouth.quiet()
        heard = [s.text[: s.mouth.heard(10.0 + t)] for t in (0.0, 0.19, 0.21, 0.45, 0.55, 0.65)]
    assert heard == ["", "", "ab", "ab", "ab cde", "ab cde f. "]


async def test_a_pause_in_the_sound_is_not_taken_for_speech() -> None:
    async with speech(ScriptedVoice()) as s:
        s.mouth.push("ab cd. ")
        await settle()
        s.now = 60.0  # the model thought on
        s.mouth.push("ef gh.")
        await s.mouth.quiet()
        assert s.text[: s.mouth.heard(60.25)] == "ab cd. ef"


async def test_what_another_has_still_to_say_is_heard_before() -> None:
    """Two mouths, one loudspeaker: sound queues there, and neither runs ahead of what can be heard."""
    said: list[str] = []
    loudspeaker, voice, now = Loudspeaker(), ScriptedVoice(), 10.0
    first, second = (
        Mouth(voice, "ann", 1.0, lambda pcm, text: said.append(text), lambda: now, loudspeaker=loudspeaker)
        for _ in range(2)
    )
    for mouth, text in ((first, "aaaaaaaaaa bbbbbbbbbb."), (second, "cc dd.")):
        task = asyncio.create_task(mouth.run())
        mouth.push(text)
        await mouth.quiet()
        task.cancel()
    assert [first.ends(now), second.ends(now)] == pytest.approx([12.0, 12.4])
    assert [first.heard(t) for t in (10.9, 11.1, 12.1)] == [0, 10, 22]
    assert [second.heard(t) for t in (11.9, 12.1, 12.25, 12.45)] == [0, 0, 2, 6]
    assert loudspeaker.ahead(now) == pytest.approx(2.4)


async def test_held_while_it_waits_it_says_nothing_more() -> None:
    async with speech(ScriptedVoice()) as s:
        s.mouth.push("aaaaaaaaaa " * 4)
        finishing = asyncio.create_task(s.mouth.quiet())
        await settle()
        told = len(s.pcm)
        s.mouth.hold(True)
        await asyncio.sleep(0.3)  # longer than it waits to be in time
        assert len(s.pcm) == told
        s.mouth.hold(False)
        await settle()
        assert len(s.pcm) > told
        finishing.cancel()


async def test_what_has_no_words_is_told_without_sound() -> None:
    async with speech(ScriptedVoice()) as s:
        s.mouth.push("😀\n---\nHi.")
        await s.mouth.quiet()
    assert s.text == "😀\n---\nHi."
    assert len(s.pcm) == 4 * LETTER


async def test_stopping_it_stops_the_voice() -> None:
    voice = ScriptedVoice()
    voice.gate = asyncio.Event()
    async with speech(voice) as s:
        s.mouth.push("Wait for it. ")
        await settle()
        assert voice.listening == 1


async def test_a_voice_that_breaks_down_is_told() -> None:
    made = Speech(ScriptedVoice(breaks_at="now"))
    made.mouth.push("Break now. ")
    with pytest.raises(VoiceUnavailable):
        await made.mouth.run()


class ScriptedPlayer:
    """It has played what a test says."""

    def __init__(self) -> None:
        self.ms = 0.0
        self.out = asyncio.Event()
        self.held: list[bool] = []

    def played(self, item_id: str) -> float:
        assert item_id == "item_1"
        return self.ms

    async def played_out(self, item_id: str) -> None:
        await self.out.wait()

    def hold(self, on: bool) -> None:
        self.held.append(on)


async def test_what_a_player_has_played_is_what_was_heard() -> None:
    player, text = ScriptedPlayer(), ""

    def told(pcm: bytes, part: str) -> None:
        nonlocal text
        text += part

    mouth = Mouth(ScriptedVoice(), "ann", 1.0, told, lambda: 1000.0, None, "item_1", player)
    speaking = asyncio.create_task(mouth.run())
    mouth.push("ab cde f. ")
    await mouth.quiet()
    finishing = asyncio.create_task(mouth.finished())
    for ms, heard in ((0, ""), (199, ""), (201, "ab"), (550, "ab cde"), (650, text)):
        player.ms = ms
        assert text[: mouth.heard(1e9)] == heard
    assert mouth.ends(1000.0) == pytest.approx(1000.0 - 0.05)
    await settle()
    assert not finishing.done()
    player.out.set()
    await finishing
    mouth.hold(True)
    mouth.hold(False)
    assert player.held == [True, False]
    speaking.cancel()


async def test_it_is_never_far_ahead_of_a_player() -> None:
    player, made = ScriptedPlayer(), 0

    def told(pcm: bytes, part: str) -> None:
        nonlocal made
        made += len(pcm)

    mouth = Mouth(ScriptedVoice(), "ann", 1.0, told, lambda: 1000.0, None, "item_1", player)
    speaking = asyncio.create_task(mouth.run())
    mouth.push("aaaaaaaaaa " * 10)
    finishing = asyncio.create_task(mouth.quiet())
    for played in (0.0, 2.0):
        player.ms = played * 1000
        await asyncio.sleep(0.2)
        assert AHEAD <= made / 2 / RATE - played < AHEAD + 0.5
    finishing.cancel()
    speaking.cancel()
