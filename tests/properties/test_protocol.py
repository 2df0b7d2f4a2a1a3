"""Whatever a client sends is a command, or is refused: nothing else ever comes of it."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from server import client_events as ce
from server import client_secrets
from server.protocol import ProtocolError, parse

SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(("", "inf"))
)
JSON: st.SearchStrategy[Any] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
)
MESSAGE = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
TOOL = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
OUTPUT = {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin", "speed": 1.0}
VALID: list[dict[str, Any]] = [
    {
        "type": "session.update",
        "session": {
            "type": "realtime",
            "instructions": "i",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcmu"},
                    "transcription": {"model": "m", "language": "en"},
                    "turn_detection": {"type": "server_vad", "threshold": 0.5, "idle_timeout_ms": 5000},
                    "noise_reduction": {"type": "near_field"},
                },
                "output": OUTPUT,
            },
            "output_modalities": ["audio"],
            "reasoning": {"effort": "low", "max_tokens": 5},
            "tools": [TOOL],
            "tool_choice": {"type": "function", "name": "f"},
            "truncation": {"type": "retention_ratio", "retention_ratio": 0.5},
            "max_output_tokens": "inf",
        },
    },
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear"},
    {"type": "conversation.item.create", "item": MESSAGE, "previous_item_id": "root"},
    {
        "type": "conversation.item.create",
        "item": {"type": "function_call", "name": "f", "arguments": "{}", "call_id": "c"},
    },
    {
        "type": "conversation.item.create",
        "item": {"type": "function_call_output", "call_id": "c", "output": ""},
    },
    {"type": "conversation.item.delete", "item_id": "x"},
    {"type": "conversation.item.retrieve", "item_id": "x"},
    {"type": "conversation.item.truncate", "item_id": "x", "content_index": 0, "audio_end_ms": 5},
    {
        "type": "response.create",
        "response": {
            "conversation": "none",
            "input": [MESSAGE, {"type": "item_reference", "id": "x"}],
            "metadata": {"a": "b"},
            "audio": {"output": OUTPUT},
            "tools": [TOOL],
        },
    },
    {"type": "response.cancel", "response_id": "r"},
]


def taken(message: str | bytes) -> bool:
    """Whether it is a command. Raises anything but ProtocolError."""
    try:
        parse(message)
    except ProtocolError as error:
        assert error.code and error.message and "\n" not in error.code
        error.message.encode()
        assert isinstance(error.event_id, str | None)
        return False
    return True


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, part in inner for place in places(part, (*path, key)))]


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A valid event of which a part or two is something else, gone, or doubled."""
    event: Any = copy.deepcopy(draw(st.sampled_from(VALID)))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from([place for place in places(event) if place]))
        where = event
        for key in path[:-1]:
            where = where[key]
        match draw(st.sampled_from(("other", "gone", "more"))):
            case "other":
                where[path[-1]] = draw(JSON)
            case "gone":
                del where[path[-1]]
            case "more" if isinstance(where, dict):
                where[draw(st.text(max_size=8))] = draw(JSON)
            case "more":
                where.append(draw(JSON))
        if not places(event)[1:]:
            break
    return dict(event)


def test_what_is_valid_is_taken() -> None:
    assert all(taken(json.dumps(event)) for event in VALID)
    assert {event["type"] for event in VALID} == ce.EVENTS.keys()


@given(JSON)
@example({"type": ["response.create"]})
@example({"type": "response.create", "event_id": {}})
def test_any_json(value: Any) -> None:
    taken(json.dumps(value))


@given(st.sampled_from(sorted(ce.EVENTS)), st.dictionaries(st.text(max_size=12), JSON, max_size=4))
def test_any_fields(kind: str, fields: dict[str, Any]) -> None:
    taken(json.dumps({**fields, "type": kind}))


@given(spoilt())
def test_spoilt_events(event: dict[str, Any]) -> None:
    taken(json.dumps(event))


@given(st.sampled_from(VALID), st.integers(0, 400), st.text(max_size=5))
def test_events_cut_short(event: dict[str, Any], at: int, tail: str) -> None:
    text = json.dumps(event)
    taken(text[: at % len(text)] + tail)


@given(st.one_of(st.text(), st.binary()))
@example("[" * 100_000)
@example('{"a":' * 100_000)
@example('"\\ud800"')
def test_any_message(message: str | bytes) -> None:
    assert not taken(message)


@given(st.one_of(st.binary(max_size=50), st.builds(lambda value: json.dumps(value).encode(), JSON)))
def test_any_wish_for_a_client_secret(body: bytes) -> None:
    try:
        client_secrets.read(body)
    except ProtocolError as error:
        assert error.code and error.message
