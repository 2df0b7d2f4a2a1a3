"""Events in any order, over a real socket: each is answered or refused, and the session goes on.

Whatever is sent is strictly valid in itself; a run is made again from its seed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scripted import ScriptedEngine
from tests.server.client import Client, Wire, append, eventually, idle, pcm, serving, talking
from tests.voices import ScriptedVoice
from tests.wire import validate

EVENTS = 250
EXPECTED = {  # of what is refused; anything else is a fault of ours
    "context_length_exceeded",
    "conversation_already_has_active_response",
    "input_audio_buffer_commit_empty",
    "item_active",
    "item_audio_gone",
    "item_create_invalid_previous_item_id",
    "item_delete_invalid_item_id",
    "item_not_found",
    "item_retrieve_invalid_item_id",
    "item_truncate_invalid_item_id",
    "response_cancel_not_active",
}


class Story:
    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.items, self.responses = ["nobody"], ["nothing"]
        self.refused: set[str] = set()
        self.open = 0

    async def hear(self, client: Client) -> None:
        while True:
            event = validate(json.loads(await client.ws.recv()))
            match event["type"]:
                case "conversation.item.added":
                    self.items.append(event["item"]["id"])
                case "response.created":
                    self.responses.append(event["response"]["id"])
                    self.open += 1
                case "response.done":
                    self.open -= 1
                case "error":
                    self.refused.add(event["error"]["code"])

    def events(self) -> Iterator[Wire]:
        for n in range(EVENTS):
            yield from getattr(self, self.dice.choice(("_audio", "_item", "_response", "_session")))(n)

    def _of(self, *choices: Any) -> Any:
        return self.dice.choice(choices)

    def _any_item(self) -> str:
        return self.dice.choice(self.items[-8:])

    def _message(self, n: int) -> Wire:
        typed = {"type": "input_text", "text": f"text {n}"}
        recorded = {"type": "input_audio", "audio": base64.b64encode(pcm(200)).decode()}
        role, content = self._of(("user", typed), ("system", typed), ("assistant", typed), ("user", recorded))
        return {"type": "message", "role": role, "content": [content]}

    def _audio(self, n: int) -> Iterator[Wire]:
        yield self._of(append(pcm(500)), append(pcm(300)), append(pcm(700, 0.0)))
        if self._of(True, False, False):
            yield {"type": self._of("input_audio_buffer.commit", "input_audio_buffer.clear")}

    def _item(self, n: int) -> Iterator[Wire]:
        call = {"type": "function_call", "name": "f", "arguments": "{}", "call_id": f"call_{n}"}
        after = self._of(None, "root", self._any_item())
        create = {"type": "conversation.item.create", "previous_item_id": after}
        where = {"item_id": self._any_item()}
        yield self._of(
            {**create, "item": self._message(n)},
            {**create, "item": call},
            {"type": "conversation.item.delete", **where},
            {"type": "conversation.item.retrieve", **where},
            {"type": "conversation.item.truncate", **where, "content_index": 0, "audio_end_ms": 5},
        )

    def _response(self, n: int) -> Iterator[Wire]:
        reference = {"type": "item_reference", "id": self._any_item()}
        given = self._of(None, [], [self._message(n)], [reference], [reference, self._message(n)])
        wanted = {"conversation": self._of("none", "auto"), "input": given}
        yield self._of(
            {"type": "response.create"},
            {"type": "response.create", "response": wanted},
            {"type": "response.cancel"},
            {"type": "response.cancel", "response_id": self.dice.choice(self.responses[-3:])},
        )

    def _session(self, n: int) -> Iterator[Wire]:
        answered = {"create_response": self._of(True, False), "interrupt_response": self._of(True, False)}
        detection = self._of(None, {"type": "server_vad", **answered}, {"type": "semantic_vad", **answered})
        hearing = {
            "format": {"type": self._of("audio/pcm", "audio/pcmu", "audio/pcma")},
            "transcription": self._of(None, {"model": "any"}),
            "turn_detection": detection,
        }
        share = {"type": "retention_ratio", "retention_ratio": self.dice.random()}
        session = {
            "type": "realtime",
            "instructions": self._of("a", "b"),
            "truncation": self._of("auto", "disabled", share),
            "audio": {"input": hearing, "output": {"format": hearing["format"]}},
        }
        yield {"type": "session.update", "session": session}


@pytest.mark.parametrize(
    ("seed", "voice"), [(0, None), (1, None), (2, ScriptedVoice()), (3, ScriptedVoice())]
)
async def test_any_order(seed: int, voice: ScriptedVoice | None) -> None:
    story, engine = Story(seed), ScriptedEngine(max_tokens=1024)
    async with serving(engine, voice) as url, talking(url) as client:
        hearing = asyncio.create_task(story.hear(client))
        for event in story.events():
            await client.send(event)
            await asyncio.sleep(story._of(0, 0.002))
        await client.send({"type": "input_audio_buffer.clear"})
        await asyncio.sleep(0.3)
        await eventually(lambda: not story.open or hearing.done())
        if hearing.done():
            hearing.result()
        hearing.cancel()
    assert story.refused <= EXPECTED
    await idle(engine)
