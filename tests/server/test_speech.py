"""Spoken replies over the wire, as a stock client meets them; every event passes the openai types."""

from __future__ import annotations

import base64
from typing import Any

from openai import AsyncOpenAI

from streaming.audio import RATES
from tests.scripted import ScriptedEngine
from tests.server.client import Client, serving, talking
from tests.voices import LETTER, ScriptedVoice

SAID = "Oh yes, it is $5."
LETTERS = len("Ohyesitisfivedollars")


def engine() -> ScriptedEngine:
    return ScriptedEngine(lambda context, sampling: ("Oh yes, ", "it is $5."))


async def reply(client: Client, **response: Any) -> dict[str, Any]:
    await client.send(
        {"type": "response.create", "response": {"reasoning": {"effort": "minimal"}, **response}}
    )
    return await client.until("response.done")


def sound(client: Client) -> bytes:
    deltas = [e["delta"] for e in client.seen if e["type"] == "response.output_audio.delta"]
    return b"".join(base64.b64decode(delta, validate=True) for delta in deltas)


async def test_audio_is_the_default_and_comes_with_its_transcript() -> None:
    async with serving(engine(), ScriptedVoice()) as url, talking(url) as client:
        session = client.seen[0]["session"]
        assert session["output_modalities"] == ["audio"]
        output = {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "ann", "speed": 1.0}
        assert session["audio"]["output"] == output
        done = (await reply(client))["response"]
        assert len(sound(client)) == 2 * LETTER * LETTERS
        kinds = [k for k in dict.fromkeys(client.kinds()) if k.startswith(("response", "conversation"))]
        assert kinds == [
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio_transcript.delta",
            "response.output_audio.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
        assert done["output_modalities"] == ["audio"]
        assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": SAID}]


async def test_text_where_text_is_asked_for() -> None:
    async with serving(engine(), ScriptedVoice()) as url, talking(url) as client:
        done = (await reply(client, output_modalities=["text"]))["response"]
        assert done["output"][0]["content"] == [{"type": "output_text", "text": SAID}]
        assert not sound(client)
        updated = await client.update(output_modalities=["text"])
        assert updated["session"]["output_modalities"] == ["text"]
        done = (await reply(client))["response"]
        assert done["output_modalities"] == ["text"]


async def test_voice_and_speed() -> None:
    voice = ScriptedVoice()
    async with serving(engine(), voice) as url, talking(url) as client:
        updated = await client.update(audio={"output": {"voice": "bob", "speed": 1.5}})
        assert updated["session"]["audio"]["output"]["voice"] == "bob"
        await reply(client)
        await reply(client, audio={"output": {"voice": "ann"}})
        assert {said[1:] for said in voice.said} == {("bob", 1.5), ("ann", 1.5)}
        updated = await client.update(audio={"output": {"voice": "marin"}})
        assert updated["session"]["audio"]["output"]["voice"] == "ann"  # the default
        await client.send(
            {"type": "session.update", "session": {"type": "realtime", "audio": {"output": {"voice": "eve"}}}}
        )
        error = (await client.until("error"))["error"]
        assert error["param"] == "audio.output.voice" and "ann, bob" in error["message"]


async def test_a_truncation_keeps_what_was_played() -> None:
    async with serving(engine(), ScriptedVoice()) as url, talking(url) as client:
        item_id = (await reply(client))["response"]["output"][0]["id"]
        cut = {"type": "conversation.item.truncate", "item_id": item_id, "content_index": 0}
        await client.send({**cut, "audio_end_ms": 750})
        assert (await client.until("conversation.item.truncated"))["audio_end_ms"] == 750
        await client.send({"type": "conversation.item.retrieve", "item_id": item_id})
        item = (await client.until("conversation.item.retrieved"))["item"]
        assert item["content"] == [{"type": "output_audio", "transcript": "Oh yes, it"}]
        await client.send({**cut, "audio_end_ms": 10**9})
        assert (await client.until("conversation.item.truncated"))["audio_end_ms"] == 100 * LETTERS


async def test_a_telephone_hears_g711() -> None:
    async with serving(engine(), ScriptedVoice()) as url, talking(url) as client:
        updated = await client.update(audio={"output": {"format": {"type": "audio/pcmu"}}})
        assert updated["session"]["audio"]["output"]["format"] == {"type": "audio/pcmu"}
        await reply(client)
        wanted = round(LETTER * LETTERS * RATES["pcmu"] / RATES["pcm"])
        assert abs(len(sound(client)) - wanted) <= 1
        client.seen.clear()
        await reply(client, audio={"output": {"format": {"type": "audio/pcm", "rate": 24000}}})
        assert len(sound(client)) == 2 * LETTER * LETTERS


async def test_a_reply_outside_the_conversation_is_spoken_too() -> None:
    async with serving(engine(), ScriptedVoice()) as url, talking(url) as client:
        done = (await reply(client, conversation="none"))["response"]
        assert done["output"][0]["content"] == [{"type": "output_audio", "transcript": SAID}]
        assert len(sound(client)) == 2 * LETTER * LETTERS
        assert not any(kind.startswith("conversation.") for kind in client.kinds())


async def test_the_openai_client_hears_it() -> None:
    async with serving(engine(), ScriptedVoice()) as url:
        client = AsyncOpenAI(api_key="none", base_url=url.replace("ws", "http", 1) + "/v1")
        async with client, client.realtime.connect(model="nano") as connection:
            await connection.response.create(response={"reasoning": {"effort": "minimal"}})
            pcm, transcript = b"", ""
            async for event in connection:
                if event.type == "response.output_audio.delta":
                    pcm += base64.b64decode(event.delta)
                elif event.type == "response.output_audio_transcript.delta":
                    transcript += event.delta
                elif event.type == "response.done":
                    break
    assert (len(pcm), transcript) == (2 * LETTER * LETTERS, SAID)
