"""The gate that every event we send must pass: the `openai` package's own types, strictly.

Beyond pydantic's strict mode, no field may be there that the types do not have, since a stock client's parser
may refuse it. Our own two event families are excepted by name, and have their shapes here. `gate` holds every
server in this process to it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from openai.types.realtime import RealtimeServerEvent
from openai.types.realtime.realtime_session_create_response import RealtimeSessionCreateResponse
from pydantic import BaseModel, ConfigDict, TypeAdapter
from starlette.websockets import WebSocket

SERVER_EVENT: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)

# Sent by the hosted API too, and not in the SDK's types.
KNOWN_EXTRAS = {
    "session.object",
    "session.id",
    "session.expires_at",
    "response.status_details.error.message",
    "response.usage.output_token_details.reasoning_tokens",  # our own, named as in the Responses API
}

# Our own fields of a session, sent to those only who have set them.
OWN_FIELDS = {"soundmind", "reasoning.max_tokens"}


class Own(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    event_id: str
    response_id: str
    item_id: str


class ReasoningDelta(Own):
    type: Literal["response.reasoning_text.delta"]
    output_index: int
    content_index: int
    delta: str


class ReasoningDone(Own):
    type: Literal["response.reasoning_text.done"]
    output_index: int
    content_index: int
    text: str


class Timings(Own):
    type: Literal["soundmind.timings"]
    turn_ended_ms: float | None
    first_thinking_ms: float | None
    first_reply_ms: float | None
    first_sound_ms: float | None
    done_ms: float | None
    append_ms: float | None
    stopped_ms: float | None


class Caption(Own):
    type: Literal["soundmind.caption"]
    delta: str


class EngineLost(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    event_id: str
    type: Literal["soundmind.engine_lost"]


class Resumed(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    event_id: str
    type: Literal["soundmind.resumed"]
    input_audio_ms: int


class ServerLeaving(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    event_id: str
    type: Literal["soundmind.server_leaving"]


class EngineBack(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    event_id: str
    type: Literal["soundmind.engine_back"]
    down_ms: int


OWN: dict[str, type[BaseModel]] = {
    "response.reasoning_text.delta": ReasoningDelta,
    "response.reasoning_text.done": ReasoningDone,
    "soundmind.timings": Timings,
    "soundmind.caption": Caption,
    "soundmind.engine_lost": EngineLost,
    "soundmind.resumed": Resumed,
    "soundmind.server_leaving": ServerLeaving,
    "soundmind.engine_back": EngineBack,
}


def validate(event: dict[str, Any]) -> dict[str, Any]:
    """The event itself, when it is what the types say. Raises AssertionError or ValidationError."""
    json.dumps(event, allow_nan=False)
    if own := OWN.get(event["type"]):
        own.model_validate(event)
        return event
    # A model of the SDK takes anything as an event of another kind, so the type must match too.
    model = SERVER_EVENT.validate_python(event, strict=True)
    assert model.type == event["type"]
    extras = set(_extras(model, "")) - KNOWN_EXTRAS - {f"session.{name}" for name in OWN_FIELDS}
    assert not extras, f"{event['type']} has fields that the SDK's types do not know: {sorted(extras)}"
    if "session" in event:
        session = RealtimeSessionCreateResponse.model_validate(event["session"], strict=True)
        assert not set(_extras(session, "")) - OWN_FIELDS, list(_extras(session, ""))
    return event


@contextmanager
def gate() -> Iterator[list[str]]:
    """Every text frame that a server in this process sends is checked; what is wrong with them is listed.

    It is sent all the same: a server would answer an exception with a frame of its own.
    """
    wrong: list[str] = []
    send = WebSocket.send_text

    async def checked(self: WebSocket, data: str) -> None:
        try:
            validate(json.loads(data))
        except (
            AssertionError,
            ValueError,
            KeyError,
            TypeError,
        ) as error:  # a ValidationError is a ValueError
            wrong.append(f"{error}\n{data[:2000]}")
        await send(self, data)

    WebSocket.send_text = checked  # type: ignore[assignment, method-assign]
    try:
        yield wrong
    finally:
        WebSocket.send_text = send  # type: ignore[method-assign]


def _extras(value: object, path: str) -> list[str]:
    """Paths of the fields that a parsed event has beyond its types."""
    if isinstance(value, list):
        return [extra for part in value for extra in _extras(part, path)]
    if not isinstance(value, BaseModel):
        return []
    prefix = path + "." if path else ""
    found = [prefix + name for name in value.model_extra or {}]
    for name in type(value).model_fields:
        found += _extras(getattr(value, name), prefix + name)
    return found
