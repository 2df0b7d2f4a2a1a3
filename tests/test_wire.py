"""The gate bites: what the API does not have is found, whoever reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.types import Message
from starlette.websockets import WebSocket

GOOD = {"type": "input_audio_buffer.cleared", "event_id": "event_1"}
BAD: dict[str, dict[str, Any]] = {
    "no id": {"type": "input_audio_buffer.cleared"},
    "a kind that nobody knows": {**GOOD, "type": "input_audio_buffer.lost"},
    "a field that nobody knows": {**GOOD, "why": "because"},
    "a number for a text": {**GOOD, "event_id": 1},
    "no kind": {"event_id": "event_1"},
}


async def send(frame: str) -> None:
    """As a server sends it."""
    passed: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def pass_on(message: Message) -> None:
        passed.append(message)

    ws = WebSocket({"type": "websocket", "headers": [], "subprotocols": []}, receive, pass_on)
    await ws.accept()
    await ws.send_text(frame)
    assert passed[-1] == {"type": "websocket.send", "text": frame}  # whatever it is


async def test_what_the_api_has_passes(wire: list[str]) -> None:
    await send(json.dumps(GOOD))
    assert not wire


@pytest.mark.parametrize("event", BAD.values(), ids=BAD)
async def test_what_it_does_not_have_is_found(event: dict[str, Any], wire: list[str]) -> None:
    await send(json.dumps(event))
    assert json.dumps(event) in wire.pop()


async def test_what_is_no_json_is_found(wire: list[str]) -> None:
    await send("{")
    assert wire.pop()
