"""Recorded and generated sounds through the real voice detector, over a scripted engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from numpy.typing import NDArray

from streaming.events import (
    Committed,
    ResponseDone,
    ResponseStarted,
    SemanticVad,
    SessionSettings,
    SpeechStarted,
    SpeechStopped,
)
from streaming.session import STALL_SECONDS
from streaming.turn import State
from streaming.vad import SpeechDetector
from tests.scripted import ScriptedEngine
from tests.streaming.talk import Talk, talk
from tests.voices import ScriptedVoice

Sound = NDArray[np.floating]
RATE = 24_000
RECORDINGS = Path(__file__).parent.parent / "recordings"


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    return SpeechDetector()


def recorded(name: str) -> Sound:
    samples, rate = soundfile.read(RECORDINGS / name, dtype="float32")
    loud = np.flatnonzero(np.abs(samples) > 0.02)
    return np.asarray(soxr.resample(samples[loud[0] : loud[-1]], rate, RATE), np.float32)


def silence(ms: int, noise: float = 0.0005) -> Sound:
    made: Sound = np.random.default_rng(1).normal(0, noise, ms * RATE // 1000)
    return made


def faded(sound: Sound) -> Sound:
    ramp = np.minimum(np.arange(sound.size) / 480, 1)
    made: Sound = sound * ramp * ramp[::-1]
    return made


def mhm() -> Sound:
    """300 ms of a hum on two tones."""
    seconds = np.arange(int(0.3 * RATE)) / RATE
    pitch = np.where(seconds < 0.15, 110, 140)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    hum = sum(np.sin(k * phase) / k**2 for k in range(1, 12))
    return faded(0.3 * np.asarray(hum))


def cough() -> Sound:
    """Two bursts of noise, dying away."""
    r = np.random.default_rng(2)
    burst = r.normal(0, 0.35, RATE // 6) * np.exp(-np.arange(RATE // 6) / (RATE / 25))
    made: Sound = np.clip(np.concatenate([burst, silence(60), 0.7 * burst]), -1, 1)
    return made


def word() -> Sound:
    """300 ms cut out of speech: voiced beyond doubt."""
    speech = recorded("sum.wav")
    return faded(speech[RATE // 2 : RATE // 2 + int(0.3 * RATE)])


async def question(t: Talk) -> None:
    await t.sound(silence(300))
    await t.sound(recorded("sum.wav"))
    await t.sound(silence(800))
    await t.settle()
    assert len(t.of(Committed)) == 1


@pytest.mark.parametrize("make", [mhm, cough, word])
async def test_a_short_sound_over_a_reply_cuts_nothing_off(
    detector: SpeechDetector, make: Callable[[], Sound]
) -> None:
    engine = ScriptedEngine()
    async with talk(engine, detector=detector) as t:
        engine.gate = asyncio.Event()
        await question(t)
        assert t.of(ResponseStarted)
        await t.sound(make())
        await t.sound(silence(600))
        engine.gate.set()
        await t.settle()
    assert [d.status for d in t.of(ResponseDone)] == ["completed"]
    assert len(t.of(SpeechStarted)) == 1


async def test_speech_over_a_reply_does(detector: SpeechDetector) -> None:
    engine = ScriptedEngine()
    async with talk(engine, detector=detector) as t:
        engine.gate = asyncio.Event()
        await question(t)
        await t.sound(recorded("day.wav"))
        assert t.of(ResponseDone)[0].status == "cancelled"
        engine.gate.set()
        await t.sound(silence(800))
        await t.settle()
    assert [d.status for d in t.of(ResponseDone)] == ["cancelled", "completed"]


async def test_a_cough_into_the_silence_leaves_nothing_open(detector: SpeechDetector) -> None:
    async with talk(detector=detector) as t:
        await t.sound(silence(300))
        await t.sound(cough())
        await t.sound(silence(1000))
        await t.settle()
    assert len(t.of(SpeechStarted)) == len(t.of(SpeechStopped))
    assert len(t.of(ResponseStarted)) == len(t.of(ResponseDone))


async def test_our_own_voice_from_the_loudspeaker_is_no_turn(detector: SpeechDetector) -> None:
    engine = ScriptedEngine()
    ours = recorded("difference.wav")
    async with talk(engine, detector=detector) as t:
        engine.gate = asyncio.Event()
        await question(t)
        t.session._microphone.playing((ours * 32767).astype("<i2").tobytes())
        await t.sound(silence(150))
        await t.sound(0.5 * ours + silence(1000 * ours.size // RATE + 1)[: ours.size])
        await t.sound(silence(400))
        engine.gate.set()
        await t.settle()
    assert [d.status for d in t.of(ResponseDone)] == ["completed"]
    assert len(t.of(SpeechStarted)) == 1


@pytest.mark.fault(
    fault="muted microphone",
    provoked="a recording that turns into digital silence",
    seen="the turn ends, and is answered",
    kept="what was said until then",
)
async def test_a_muted_microphone_ends_the_turn(detector: SpeechDetector) -> None:
    async with talk(detector=detector) as t:
        await t.sound(recorded("sum.wav")[:RATE])
        await t.sound(np.zeros(RATE))
        await t.settle()
    assert t.of(ResponseDone)[0].status == "completed"


async def test_a_pause_between_words_is_no_end(detector: SpeechDetector) -> None:
    async with talk(detector=detector) as t:
        for part in np.array_split(recorded("sum.wav"), 2):
            await t.sound(part)
            await t.sound(silence(100))
        await t.sound(silence(800))
        await t.settle()
    assert len(t.of(Committed)) == len(t.of(ResponseDone)) == 1


async def test_a_click_is_no_start(detector: SpeechDetector) -> None:
    """What a phantom start is made of: a switch, a key, a hit against the microphone."""
    click = 0.9 * np.exp(-np.arange(RATE // 25) / (RATE / 200)) * np.sin(np.arange(RATE // 25) * 0.8)
    async with talk(detector=detector) as t:
        for _ in range(3):
            await t.sound(np.concatenate([silence(300), click, silence(500)]))
        assert len(t.of(SpeechStarted)) == len(t.of(SpeechStopped))
        assert not t.of(Committed) and not t.of(ResponseStarted)
        await question(t)
        assert t.of(ResponseDone)[0].status == "completed"


async def test_a_hesitation_is_no_end(detector: SpeechDetector) -> None:
    """A sentence, an "um", and a second and more of silence around it, which the model hears is not over."""
    engine = ScriptedEngine()
    first, second = np.array_split(recorded("sum.wav"), 2)
    whole = int(recorded("sum.wav").size / RATE * 12.5)
    engine.over = lambda context: 0.02 if context.audio_tokens < whole + 20 else 0.98
    async with talk(engine, SessionSettings(turn_detection=SemanticVad()), detector=detector) as t:
        await t.sound(np.concatenate([silence(300), first, silence(800), mhm(), silence(700), second]))
        await t.sound(silence(900))
        await t.settle()
    assert len(t.of(Committed)) == len(t.of(ResponseDone)) == 1


async def test_a_microphone_that_is_switched_off_ends_the_turn(detector: SpeechDetector) -> None:
    async with talk(detector=detector) as t:
        await t.sound(recorded("sum.wav")[:RATE])
        t.now += STALL_SECONDS + 0.1
        t.session.tick(t.now)
        await t.settle()
    assert t.of(ResponseDone)[0].status == "completed"


@pytest.mark.parametrize("make", [mhm, cough, word])
async def test_a_short_sound_into_the_end_of_a_reply_is_no_turn(
    detector: SpeechDetector, make: Callable[[], Sound]
) -> None:
    """The reply is made and told; two seconds of it are still to be played."""
    engine = ScriptedEngine(lambda context, sampling: ("That is twenty, as it were.",))
    settings = SessionSettings(spoken=True, effort="none")
    async with talk(engine, settings, ScriptedVoice(), detector) as t:
        await question(t)
        assert t.of(ResponseDone)[0].status == "completed"
        await t.sound(np.concatenate([silence(200), make(), silence(400)]))
        assert len(t.of(SpeechStarted)) == 1
        await t.sound(silence(2000))
        assert t.session._state is State.IDLE
        await t.sound(recorded("day.wav"))
        assert len(t.of(SpeechStarted)) == 2
