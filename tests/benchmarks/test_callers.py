"""One question over either transport to a server with a scripted engine; and when a reply counts as heard."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soxr
from httpx import AsyncClient

from benchmarks.callers import Ears, Question, Speech, Transport, ask, webrtc, websocket
from model.evaluation.case import Case, Clip
from server.audio_file import read_pcm
from server.opus import FRAME, RATE
from tests.scripted import ScriptedEngine
from tests.server.client import serving
from tests.server.peer import Tone, loopback

RECORDINGS = Path(__file__).parents[1] / "recordings"
SILENT = bytes(2 * FRAME)
LOUD = (8000 * np.sin(np.arange(FRAME))).astype("<i2").tobytes()


def case(answer: str = "42") -> Case:
    [told] = [
        one for one in json.loads((RECORDINGS / "manifest.json").read_text()) if one["file"] == "sum.wav"
    ]
    pcm = np.frombuffer(read_pcm(RECORDINGS / "sum.wav"), "<i2").astype(np.float32)
    clip = Clip(told["texts"][0], told["voice"], soxr.resample(pcm, RATE, 16_000).astype(np.int16))
    return Case("sum", "own", "own", clip, answer, contained=True, transcript=clip.words)


@pytest.mark.parametrize("kind", ["webrtc", "websocket"])
async def test_a_question_is_asked_and_its_answer_heard(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    loopback(monkeypatch)
    engine = ScriptedEngine(lambda context, sampling: ("It is 42.",))
    async with serving(engine, Tone()) as url:
        async with AsyncClient(base_url=url.replace("ws", "http", 1), trust_env=False) as http:
            over: Transport = partial(webrtc, http, 10) if kind == "webrtc" else partial(websocket, url)
            asked = await ask(case(), over)
            wrong = await ask(case("43"), over)
    assert asked.error is None and asked.right and asked.reply == "It is 42."
    assert (
        asked.heard == "It is 42." and asked.wrong_words > 0 and asked.words == len(case().transcript.split())
    )
    assert asked.connected is not None and asked.wait is not None and asked.wait > 0.4
    assert asked.turn_ended is not None and asked.turn_ended < asked.wait + 0.1
    assert not wrong.right and wrong.error is None


async def test_who_is_not_there_is_an_error() -> None:
    asked = await ask(case(), partial(websocket, "http://127.0.0.1:9"))
    assert not asked.right and asked.error is not None and asked.wait is asked.connected is None


async def test_speech_falls_silent_when_its_last_frame_is_due() -> None:
    speech = Speech()
    assert await speech.next() == SILENT and speech.fell_silent is None
    speech.say(LOUD + LOUD[:100])
    assert await speech.next() == LOUD and speech.fell_silent is None
    assert await speech.next() == LOUD[:100].ljust(2 * FRAME, b"\0")
    ended = speech.fell_silent
    assert ended is not None and speech.frames == 3
    assert await speech.next() == SILENT and speech.fell_silent == ended


async def test_a_reply_is_heard_from_where_it_is_loud() -> None:
    ears = Ears(Speech())
    ears.hear(LOUD)
    assert ears.sounded is None  # nothing has been said yet
    ears.speech.say(LOUD)
    await ears.speech.next()
    ears.hear(SILENT)
    assert ears.sounded is None
    ears.hear(SILENT * 50 + LOUD)
    first = ears.sounded
    assert first is not None and ears.speech.fell_silent is not None
    assert first - ears.speech.fell_silent >= 50 * FRAME / RATE
    ears.hear(LOUD)
    assert ears.sounded == first


def test_an_answer_is_waited_for_until_nothing_is_pending() -> None:
    question = Question(case())
    assert not question.answered
    question.speech.fell_silent = 0.0  # long ago
    question.take({"type": "input_audio_buffer.speech_started"})
    question.take({"type": "input_audio_buffer.committed", "item_id": "item"})
    assert not question.answered
    question.take({"type": "response.created", "response": {"id": "one"}})
    question.take({"type": "response.done", "response": {"id": "one", "status": "completed", "output": []}})
    assert not question.answered
    done = "conversation.item.input_audio_transcription.completed"
    question.take({"type": done, "item_id": "item", "transcript": "what is it"})
    assert question.answered
