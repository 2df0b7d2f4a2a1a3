"""Client events to commands: what is understood, and the one error for each thing that is not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from model.tools import Tool
from server import protocol as p
from streaming.events import FunctionCall, FunctionOutput, Given, Message, Named, Reference, ResponseRequest


def parse(event: dict[str, Any]) -> p.Command:
    return p.parse(json.dumps(event))


def refused(event: dict[str, Any] | str | bytes) -> p.ProtocolError:
    with pytest.raises(p.ProtocolError) as caught:
        p.parse(json.dumps(event) if isinstance(event, dict) else event)
    return caught.value


def session(**fields: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **fields}}


def test_audio() -> None:
    audio = base64.b64encode(b"\x01\x02\x03\x04").decode()
    command = parse({"type": "input_audio_buffer.append", "audio": audio, "event_id": "e1"})
    assert command == p.AppendAudio(b"\x01\x02\x03\x04", "e1")


def test_commands_without_fields() -> None:
    assert parse({"type": "input_audio_buffer.commit"}) == p.CommitAudio()
    assert parse({"type": "input_audio_buffer.clear", "event_id": None}) == p.ClearAudio()


def test_items() -> None:
    content = [{"type": "input_text", "text": "one "}, {"type": "input_text", "text": "two"}]
    item = {"id": "a", "type": "message", "role": "user", "content": content, "status": "completed"}
    create = {"type": "conversation.item.create", "item": item, "previous_item_id": "root"}
    assert parse(create) == p.AddItem(Message("a", "user", text="one two"), "root")
    assert parse({"type": "conversation.item.retrieve", "item_id": "a"}) == p.RetrieveItem("a")
    cut = {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 5}
    assert parse(cut) == p.TruncateItem("a", 0, 5)


def test_responses() -> None:
    assert parse({"type": "response.create"}) == p.CreateResponse(ResponseRequest())
    wanted = {
        "instructions": "short",
        "max_output_tokens": 7,
        "metadata": {"a": "b"},
        "reasoning": {"effort": "minimal"},
        "output_modalities": ["audio"],
        "tools": [],
        "conversation": "auto",
    }
    assert parse({"type": "response.create", "response": wanted}) == p.CreateResponse(
        ResponseRequest("short", "minimal", None, 7, (), metadata={"a": "b"}, spoken=True)
    )
    content = [{"type": "input_text", "text": "hi"}]
    given = [
        {"type": "item_reference", "id": "a"},
        {"type": "message", "role": "user", "content": content},
    ]
    outside = {"conversation": "none", "input": given}
    assert parse({"type": "response.create", "response": outside}) == p.CreateResponse(
        ResponseRequest(outside=True, input=(Reference("a"), Given(Message("", "user", text="hi"))))
    )
    nothing = parse({"type": "response.create", "response": {"input": []}})
    assert nothing == p.CreateResponse(ResponseRequest(input=()))
    nulls = {"instructions": None, "max_output_tokens": None, "tools": None, "reasoning": None}
    assert parse({"type": "response.create", "response": nulls}) == p.CreateResponse(ResponseRequest())
    assert parse({"type": "response.cancel"}) == p.CancelResponse(None)
    assert parse({"type": "response.cancel", "response_id": "r"}) == p.CancelResponse("r")


WEATHER = {"type": "function", "name": "weather", "description": "d", "parameters": {"type": "object"}}


def test_responses_with_tools_and_a_budget() -> None:
    wanted = {
        "tools": [WEATHER, {"name": "time"}],
        "tool_choice": {"type": "function", "name": "time"},
        "reasoning": {"max_tokens": 64},
    }
    tools = (Tool("weather", "d", {"type": "object"}), Tool("time"))
    assert parse({"type": "response.create", "response": wanted}) == p.CreateResponse(
        ResponseRequest(max_reasoning_tokens=64, tools=tools, tool_choice=Named("time"))
    )
    for choice in ("none", "auto", "required"):
        command = parse({"type": "response.create", "response": {"tool_choice": choice}})
        assert command == p.CreateResponse(ResponseRequest(tool_choice=choice))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"conversation": "other"}, "conversation"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"metadata": {"a": "b" * 513}}, "metadata.a"),
        ({"input": [{"type": "item_reference"}]}, "input.0.id"),
    ],
)
def test_responses_that_cannot_be(fields: dict[str, Any], param: str) -> None:
    assert refused({"type": "response.create", "response": fields}).param == f"response.{param}"


def test_calls_and_their_results() -> None:
    call = {"type": "function_call", "name": "f", "arguments": "{}", "status": "completed"}
    create = {"type": "conversation.item.create", "item": call}
    assert parse(create) == p.AddItem(FunctionCall("", "", "f", "{}"), None)
    output = {"type": "function_call_output", "call_id": "c", "output": "1", "id": "o"}
    create = {"type": "conversation.item.create", "item": output}
    assert parse(create) == p.AddItem(FunctionOutput("o", "c", "", "1"), None)


@pytest.mark.parametrize(
    ("item", "code", "param"),
    [
        ({"type": "function_call_output", "output": "1"}, "missing_required_parameter", "item.call_id"),
        ({"type": "function_call", "name": "f", "arguments": "[]"}, "invalid_value", "item.arguments"),
        ({"type": "function_call", "name": "f\nf", "arguments": "{}"}, "invalid_value", "item.name"),
        ({"type": "mcp_call", "name": "f"}, "invalid_value", "item"),
        ({"name": "f"}, "invalid_value", "item"),
    ],
)
def test_items_that_make_no_sense(item: dict[str, Any], code: str, param: str) -> None:
    error = refused({"type": "conversation.item.create", "item": item})
    assert (error.code, error.param) == (code, param)


@pytest.mark.parametrize(
    ("fields", "code", "param"),
    [
        ({"voice": "alloy"}, "unknown_parameter", "session.voice"),
        ({"audio": {"input": {"volume": 3}}}, "unknown_parameter", "session.audio.input.volume"),
        (
            {"audio": {"input": {"format": {"type": "audio/opus"}}}},
            "invalid_value",
            "session.audio.input.format.type",
        ),
        (
            {"audio": {"input": {"format": {"type": "audio/pcmu", "rate": 8000}}}},
            "unsupported",
            "session.audio.input.format.rate",
        ),
        (
            {"audio": {"input": {"format": {"type": "audio/pcmu", "rate": 24000}}}},
            "invalid_value",
            "session.audio.input.format",
        ),
        (
            {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
            "unsupported",
            "session.audio.input.format.rate",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}},
            "invalid_value",
            "session.audio.input.turn_detection.threshold",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": "high"}}}},
            "invalid_type",
            "session.audio.input.turn_detection.threshold",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 5}}}},
            "invalid_value",
            "session.audio.input.turn_detection.idle_timeout_ms",
        ),
        (
            {"audio": {"input": {"turn_detection": {"type": "telepathy"}}}},
            "invalid_value",
            "session.audio.input.turn_detection",
        ),
        ({"tools": [{"type": "mcp", "server_label": "s"}]}, "unsupported", "session.tools.0"),
        ({"tools": [{"type": "function"}]}, "missing_required_parameter", "session.tools.0.name"),
        ({"tools": [{"name": "a b"}]}, "invalid_value", "session.tools.0.name"),
        ({"tools": [{"name": "f"}, {"name": "f"}]}, "invalid_value", "session.tools"),
        ({"tools": [{"name": "f", "strict": True}]}, "unknown_parameter", "session.tools.0.strict"),
        ({"tool_choice": {"type": "mcp", "server_label": "s"}}, "unsupported", "session.tool_choice"),
        ({"tool_choice": {"type": "function"}}, "missing_required_parameter", "session.tool_choice.name"),
        ({"tool_choice": "always"}, "invalid_value", "session.tool_choice"),
        ({"reasoning": {"max_tokens": 0}}, "invalid_value", "session.reasoning.max_tokens"),
        ({"soundmind": {"encoding": "raw"}}, "invalid_value", "session.soundmind.encoding"),
        ({"truncation": "never"}, "invalid_value", "session.truncation"),
        (
            {"truncation": {"type": "retention_ratio", "retention_ratio": 2}},
            "invalid_value",
            "session.truncation.retention_ratio",
        ),
        (
            {"audio": {"input": {"noise_reduction": {"type": "loud"}}}},
            "invalid_value",
            "session.audio.input.noise_reduction.type",
        ),
        ({"prompt": {"id": "p"}}, "unsupported", "session.prompt"),
        ({"max_output_tokens": 0}, "invalid_value", "session.max_output_tokens"),
        ({"output_modalities": ["text", "audio"]}, "invalid_value", "session.output_modalities"),
        ({"reasoning": {"effort": "much"}}, "invalid_value", "session.reasoning.effort"),
        ({"instructions": 5}, "invalid_type", "session.instructions"),
        ({"type": "transcription"}, "unsupported", "session.type"),
    ],
)
def test_sessions_that_are_refused(fields: dict[str, Any], code: str, param: str) -> None:
    error = refused({**session(**fields), "event_id": "mine"})
    assert (error.code, error.param, error.event_id) == (code, param, "mine")
    assert error.message.startswith(param + ": ")
    assert "\n" not in error.message


def test_a_session_without_its_type() -> None:
    error = refused({"type": "session.update", "session": {"instructions": "x"}})
    assert (error.code, error.param) == ("missing_required_parameter", "session.type")


def test_an_unknown_field_is_told_the_known_ones() -> None:
    assert refused({"type": "response.cancel", "x": 1}).message == (
        "x: no such parameter, expected one of event_id, type, response_id"
    )


def test_what_stock_clients_send_by_default_is_taken() -> None:
    openai_agents = session(
        model="gpt-realtime",
        output_modalities=["audio"],
        instructions="",
        audio={
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "noise_reduction": None,
                "transcription": {"model": "gpt-4o-mini-transcribe"},
                "turn_detection": {"type": "semantic_vad"},
            },
            "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "ash", "speed": 1},
        },
        tools=[],
        tool_choice="auto",
        tracing="auto",
    )
    assert isinstance(parse(openai_agents), p.UpdateSession)
    livekit = session(
        model="gpt-realtime",
        instructions=None,
        max_output_tokens="inf",
        audio={
            "input": {
                "format": {"type": "audio/pcm", "rate": 24000},
                "turn_detection": {
                    "type": "semantic_vad",
                    "create_response": True,
                    "eagerness": "medium",
                    "interrupt_response": True,
                },
            },
            "output": {"voice": "marin", "speed": 1.0},
        },
        tool_choice=None,
        tracing=None,
        truncation={"type": "retention_ratio", "retention_ratio": 0.8},
    )
    assert isinstance(parse(livekit), p.UpdateSession)


def message(*content: dict[str, Any], role: str = "user") -> dict[str, Any]:
    item = {"type": "message", "role": role, "content": list(content)}
    return {"type": "conversation.item.create", "item": item}


@pytest.mark.parametrize(
    ("event", "code", "param"),
    [
        (message({"type": "input_image", "image_url": "data:"}), "unknown_parameter", "image_url"),
        (message({"type": "input_image"}), "unsupported", "type"),
        (message({"type": "input_text"}), "missing_required_parameter", ""),
        (message({"type": "input_audio", "transcript": "hi"}), "missing_required_parameter", ""),
        (message({"type": "input_audio", "audio": "!"}), "invalid_value", "audio"),
        (message({"type": "output_audio", "transcript": "a", "audio": "AAAA"}), "unsupported", ""),
    ],
)
def test_content_that_cannot_be(event: dict[str, Any], code: str, param: str) -> None:
    error = refused(event)
    assert (error.code, error.param) == (code, f"item.content.0.{param}".rstrip("."))


def test_messages_that_cannot_be() -> None:
    text, audio = {"type": "input_text", "text": "hi"}, {"type": "input_audio", "audio": "AAAA"}
    assert refused(message(text, audio)).code == "unsupported"
    assert refused(message(audio, role="assistant")).param == "item.content"
    assert refused(message({"type": "input_audio", "audio": ""})).param == "item.content"


def test_recorded_messages() -> None:
    audio = {"type": "input_audio", "audio": "AAAA"}
    assert parse(message(audio, audio | {"transcript": "hi"})) == p.AddItem(
        Message("", "user", True, "hi"), None, bytes(6)
    )
    spoken = {"type": "output_audio", "transcript": "hello"}
    assert parse(message(spoken, role="assistant")) == p.AddItem(Message("", "assistant", text="hello"), None)
    delete = {"type": "conversation.item.delete", "item_id": "a"}
    assert parse(delete) == p.DeleteItem("a")


def test_a_number_too_long_for_a_number() -> None:
    assert refused('{"type": "response.cancel", "response_id": ' + "1" * 5000 + "}").code == "invalid_json"


def test_an_event_id_of_another_type() -> None:
    assert refused({"type": "response.cancel", "event_id": 5}).code == "invalid_type"
