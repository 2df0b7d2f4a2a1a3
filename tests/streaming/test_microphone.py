"""Packets of any size mean the same; the newest audio is remembered; arrivals are known."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from server.audio_file import read_pcm
from streaming.endpointing import WINDOW, Event, Started, Stopped
from streaming.errors import BadAudio
from streaming.events import ServerVad
from streaming.microphone import MEMORY_SECONDS, RATE, Microphone
from streaming.vad import SpeechDetector
from tests.processes import RECORDINGS
from tests.scripted import Loudness

DETECTION = ServerVad()


def microphone(detection: ServerVad | None = DETECTION) -> Microphone:
    return Microphone(Loudness(), detection)  # type: ignore[arg-type]


def two_words() -> bytes:
    """A second of tone, a second of nothing, twice."""
    tone = 0.5 * np.sin(np.arange(24_000) * 0.05)
    whole = np.concatenate([tone, np.zeros(24_000)] * 2)
    return bytes((whole * 32767).astype("<i2"))


def meanings(packet: int) -> tuple[list[Event], NDArray[np.float32]]:
    m, pcm = microphone(), two_words()
    events, blocks = [], []
    for at in range(0, len(pcm), packet):
        for block, event in m.push(pcm[at : at + packet], 0.0):
            blocks.append(block)
            events += [event] if event else []
    return events, np.concatenate(blocks)


def test_a_file_at_once_means_the_same_as_a_stream() -> None:
    streamed, at_once = meanings(960), meanings(10**6)
    assert streamed[0] == at_once[0]
    assert np.allclose(streamed[1], at_once[1], atol=1e-6)
    kinds = [type(e) for e in at_once[0] if isinstance(e, Started | Stopped)]
    assert kinds == [Started, Stopped] * 2
    assert all(a.at <= b.at for a, b in pairwise(at_once[0]))


async def test_what_is_judged_ahead_means_the_same() -> None:
    detector, pcm = SpeechDetector(), read_pcm(RECORDINGS / "two-questions.wav") + bytes(48_000)
    found = []
    for others in (0, 8):
        crowd = [detector.stream() for _ in range(others)]
        m, events = Microphone(detector, DETECTION), []
        for at in range(0, len(pcm), 960):
            if not others:
                events += [event for _, event in m.push(pcm[at : at + 960], 0.0) if event]
                continue
            noise = np.random.default_rng(at).normal(0, 0.1, (1, WINDOW)).astype(np.float32)
            await asyncio.gather(m.ahead(pcm[at : at + 960], 0.0), *(stream.ahead(noise) for stream in crowd))
            for stream in crowd:
                stream.push(noise[0])
            events += [event for _, event in m.push(b"", 0.0) if event]
        found.append(events)
    assert found[0] == found[1]
    assert len([event for event in found[0] if isinstance(event, Stopped)]) == 2


async def test_detection_that_is_switched_off_forgets_what_was_judged() -> None:
    detector = SpeechDetector()
    m, other = Microphone(detector, DETECTION), Microphone(detector, DETECTION)
    pcm = two_words()
    await m.ahead(pcm[:9600], 0.0)
    m.configure(None)
    assert sum(block.size for block, _ in m.push(b"", 0.0)) == m.clock
    m.configure(DETECTION)
    await m.ahead(pcm[9600:], 0.0)
    assert [event for _, event in m.push(b"", 0.0) if event] == [
        event for _, event in other.push(bytes(len(pcm)), 0.0) if event
    ]  # a tone is no voice to Silero


def test_our_own_voice_is_no_turn() -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 48_000)
    ours = bytes((noise * 32767).astype("<i2"))
    echo = bytes((np.pad(noise, (4800, 0))[:48_000] * 16_000).astype("<i2"))
    m = microphone()
    m.playing(ours)
    assert [event for _, event in m.push(echo, 0.0) if event] == []
    m.silenced()
    assert [type(event) for _, event in m.push(ours, 0.0) if event] == [Started]


def test_a_turn_begins_before_it_is_noticed() -> None:
    m, pcm = microphone(), two_words()
    silence = bytes(48_000)
    for _, event in m.push(silence + pcm[:24_000], 0.0):
        if isinstance(event, Started):
            audio = m.since(event.at)
            assert audio.size == m.clock - event.at
            assert np.abs(audio[: RATE // 5]).max() < 0.01  # most of the padding is silence
            return
    raise AssertionError("no turn began")


def test_without_detection_everything_is_handed_on() -> None:
    m = microphone(None)
    blocks = [
        block for at in range(0, 48_000, 960) for block, event in m.push(two_words()[at : at + 960], 0.0)
    ]
    assert sum(b.size for b in blocks) == m.clock > 15_000
    assert not m.detecting


def test_memory_is_bounded() -> None:
    m = microphone()
    for _ in range(3):
        list(m.push(two_words(), 0.0))
    assert m.since(0).size == MEMORY_SECONDS * RATE


def test_arrivals() -> None:
    m = microphone()
    assert m.last_arrival is None
    for now in range(5):
        list(m.push(bytes(4800), float(now)))  # 100 ms
    assert m.last_arrival == 4.0
    assert m.arrived(1700, 9.0) in (1.0, 2.0)  # the resampler holds a little back
    assert m.arrived(10**6, 9.0) == 9.0


def test_bad_audio_changes_nothing() -> None:
    m = microphone()
    with pytest.raises(BadAudio):
        m.push(b"odd", 0.0)
    assert m.last_arrival is None
    assert m.clock == 0
