"""Calls over WebRTC, with aiortc as the client: events, sound, interruptions, and what counts as heard."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from aiortc import RTCSessionDescription

from server import webrtc
from server.audio_file import read_pcm
from tests.processes import RECORDINGS
from tests.scripted import ScriptedEngine
from tests.server.client import eventually, idle, pcm, serving, words_of
from tests.server.peer import PITCH, QUICK, RATE, Tone, ask, calling, loopback, peer
from tests.streaming.talk import text_of

SAID = "Oh yes, it is so. Then we go on and on and on from here to there."


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback(monkeypatch)


@pytest.fixture
def engine() -> ScriptedEngine:
    return ScriptedEngine(lambda context, sampling: (SAID,))


@pytest.fixture
async def url(engine: ScriptedEngine) -> AsyncIterator[str]:
    async with serving(engine, Tone()) as url:
        yield url
    await idle(engine)


async def test_a_spoken_question_is_answered_with_sound(url: str, engine: ScriptedEngine) -> None:
    async with calling(url, QUICK) as client:
        client.microphone.say(pcm(900))
        await client.until("output_audio_buffer.started")
        await eventually(lambda: sum(client.loud()) > 50)
        sound = np.concatenate(
            [frame for frame, loud in zip(client.heard, client.loud(), strict=False) if loud]
        )
        spectrum = np.abs(np.fft.rfft(sound[5 * 960 :].astype(np.float64)))
        pitch = np.argmax(spectrum) * RATE / (sound.size - 5 * 960)
        assert abs(pitch - PITCH) < 5
        stopped = await client.until("output_audio_buffer.stopped")
        kinds = client.kinds()
        assert kinds[:5] == [
            "session.created",
            "input_audio_buffer.speech_started",
            "input_audio_buffer.speech_stopped",
            "input_audio_buffer.committed",
            "conversation.item.added",
        ]
        assert kinds[-2:] == ["response.done", "output_audio_buffer.stopped"]
        assert "response.output_audio.delta" not in kinds
        done = client.seen[-2]["response"]
        assert done["id"] == stopped["response_id"] and done["status"] == "completed"
        assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": SAID}]
        assert len([e for e in client.seen if e["type"] == "output_audio_buffer.started"]) == 1


async def test_a_barge_in_silences_it_and_keeps_what_was_sent(url: str, engine: ScriptedEngine) -> None:
    async with calling(url, QUICK) as client:
        response_id = await ask(client)
        await eventually(lambda: sum(client.loud()) >= 75)  # 1.5 s
        client.microphone.say(pcm(1500))
        cleared = await client.until("output_audio_buffer.cleared")
        assert cleared["response_id"] == response_id
        truncated = await client.until("conversation.item.truncated")
        heard_ms = truncated["audio_end_ms"]
        mark = len(client.heard)
        await eventually(lambda: len(client.heard) >= mark + 15)  # what was on its way
        assert not any(client.loud()[mark + 15 :])
        done = next(e["response"] for e in client.seen if e["type"] == "response.done")
        assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
        # What the conversation keeps is what came, but for the client's own buffer.
        came_ms = 20 * sum(client.loud())
        assert came_ms - 400 <= heard_ms <= came_ms + 60
        await client.until("response.created")
        item_id = truncated["item_id"]
        client.send({"type": "conversation.item.retrieve", "item_id": item_id})
        item = (await client.until("conversation.item.retrieved"))["item"]
        kept = item["content"][0]["transcript"]
        letters = sum(map(str.isalpha, kept))
        assert SAID.startswith(kept) and kept != SAID
        assert letters * 100 <= heard_ms < (letters + 6) * 100  # the voice takes 0.1 s a letter
        told = text_of(engine.requests[-1])
        assert kept.strip() in told and "from here" not in told


async def test_a_cancelled_reply_falls_silent(url: str) -> None:
    async with calling(url, QUICK) as client:
        response_id = await ask(client)
        client.send({"type": "response.cancel"})
        assert (await client.until("output_audio_buffer.cleared"))["response_id"] == response_id
        done = next(e["response"] for e in client.seen if e["type"] == "response.done")
        assert done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
        client.send({"type": "output_audio_buffer.clear"})  # as stock clients do behind it
        await client.update()
        assert client.kinds().count("output_audio_buffer.cleared") == 1
        assert "error" not in client.kinds()


async def test_clearing_the_output_ends_the_reply(url: str) -> None:
    async with calling(url, QUICK) as client:
        response_id = await ask(client)
        client.send({"type": "output_audio_buffer.clear", "event_id": "mine"})
        assert (await client.until("output_audio_buffer.cleared"))["response_id"] == response_id
        await ask(client)


async def test_a_cough_holds_the_reply_and_it_goes_on(url: str) -> None:
    async with calling(url, QUICK) as client:
        await ask(client)
        await eventually(lambda: sum(client.loud()) >= 25)
        client.microphone.say(pcm(200))
        await client.until("output_audio_buffer.stopped")
        done = next(e["response"] for e in client.seen if e["type"] == "response.done")
        assert done["status"] == "completed"
        loud = client.loud()
        first, last = loud.index(True), len(loud) - loud[::-1].index(True)
        assert 5 <= loud[first:last].count(False) < 100  # it waited
        letters = sum(map(str.isalpha, SAID))
        assert abs(loud.count(True) - letters * 5) <= 10  # and nothing of it was lost


async def test_events_are_those_of_the_websocket(url: str) -> None:
    async with calling(url) as client:
        updated = await client.update(
            output_modalities=["text"], audio={"input": {"format": {"type": "audio/pcmu"}}}
        )
        assert updated["session"]["output_modalities"] == ["text"]
        assert updated["session"]["audio"]["input"]["format"] == {"type": "audio/pcm", "rate": 24000}
        client.send("no json")
        assert (await client.until("error"))["error"]["code"] == "invalid_json"
        client.send({"type": "input_audio_buffer.append", "audio": "", "event_id": "mine"})
        error = (await client.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("unsupported", "mine")
        client.send({"type": "response.create"})
        done = (await client.until("response.done"))["response"]
        assert done["output"][0]["content"] == [{"type": "output_text", "text": SAID}]
        assert not any(kind.startswith("output_audio_buffer") for kind in client.kinds())


async def test_push_to_talk(url: str) -> None:
    async with calling(url, QUICK | {"audio": {"input": {"turn_detection": None}}}) as client:
        assert client.seen[0]["session"]["audio"]["input"]["turn_detection"] is None
        client.send({"type": "input_audio_buffer.clear"})
        await client.until("input_audio_buffer.cleared")
        client.microphone.say(pcm(500))
        await eventually(lambda: not client.microphone.left)
        client.send({"type": "input_audio_buffer.commit"})
        await client.until("input_audio_buffer.committed")
        await ask(client)


async def test_an_offer_without_candidates_connects(url: str) -> None:
    """As a browser's that does not wait for its own: it finds us."""
    async with peer(url) as client:
        whole = await client.offer()
        bare = "".join(
            line
            for line in whole.splitlines(keepends=True)
            if not line.startswith(("a=candidate", "a=end-of-candidates"))
        )
        answer = await client.post(bare)
        assert "127.0.0.1" in answer.text and "useinbandfec=1" in answer.text
        await client.pc.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
        assert (await client.next())["type"] == "session.created"


async def test_a_lost_packet_is_made_up_for(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0
    add = webrtc.Tap.add

    def lossy(tap: webrtc.Tap, packet: Any) -> tuple[bool, None]:
        nonlocal count
        count += 1
        return (False, None) if count % 10 == 5 else add(tap, packet)

    monkeypatch.setattr(webrtc.Tap, "add", lossy)
    async with calling(url, QUICK) as client:
        client.microphone.say(pcm(1000))
        stopped = await client.until("input_audio_buffer.speech_stopped")
        started = next(e for e in client.seen if e["type"] == "input_audio_buffer.speech_started")
        spoken = stopped["audio_end_ms"] - started["audio_start_ms"]
        assert 1300 <= spoken <= 2100  # the second, its padding and the silence that ended it


@pytest.mark.parametrize(("size", "most"), [(1, webrtc.UNREAD_EVENTS), (2**18, webrtc.UNREAD_BYTES // 2**18)])
async def test_a_client_that_floods_is_over(size: int, most: int) -> None:
    channel = webrtc.Channel()
    for _ in range(most):
        channel._received("x" * size)
    assert not channel.why
    for _ in range(most):
        assert (await channel.receive())["text"]
        channel._received("x" * size)
    assert not channel.why
    channel._received("x" * size)
    assert "faster than they can be read" in channel.why
    assert (await channel.receive())["type"] == "websocket.disconnect"


async def test_nano_hears_a_recording_and_answers_aloud(live: str) -> None:
    async with calling(live.replace("http", "ws", 1)) as client:
        await client.update(audio={"input": {"transcription": {"model": "nano"}}})
        client.microphone.say(read_pcm(RECORDINGS / "sum.wav"))
        await client.until("output_audio_buffer.stopped")
        done = next(e["response"] for e in client.seen if e["type"] == "response.done")
        assert done["status"] == "completed" and "42" in words_of(done)
        assert 20 * sum(client.loud()) > 500  # ms of speech
        assert any(event["type"] == "response.reasoning_text.done" for event in client.seen)
