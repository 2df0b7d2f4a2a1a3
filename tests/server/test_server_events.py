"""What a session tells, on the wire: every event passes the `openai` types, in the documented order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest
from openai.types.realtime import RealtimeServerEvent

from server.protocol import ProtocolError
from server.server_events import NOT_TOLD, TOLD, Narrator
from streaming import events as ev
from tests.wire import OWN, validate

RESPONSE, ITEM = "resp_1", "item_2"
STARTED = ev.ResponseStarted(RESPONSE, {"client_event_id": "7"})
SAID = (ev.ReplyStarted(RESPONSE, ITEM, "item_1"), ev.ReplyDelta(RESPONSE, ITEM, "two"))
CALL = ev.FunctionCall("item_3", "call_1", "weather", '{"city": "Oslo"}')
USAGE = ev.Usage(audio=25, text=10, cached=32, cached_audio=24, reasoning=8, reply=4)
TIMINGS = ev.Timings(512.5, 540.0, 700.25, 900.0)


def done(status: ev.Status = "completed", **fields: Any) -> ev.ResponseDone:
    return ev.ResponseDone(RESPONSE, ITEM, status, "two", "1+1", USAGE, TIMINGS, **fields)


def told(*events: ev.Event) -> list[dict[str, Any]]:
    narrator = Narrator("conv_1")
    return [validate(wire) for event in events for wire in narrator.narrate(event)]


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def test_a_turn_and_its_reply() -> None:
    events = told(
        ev.SpeechStarted("item_1", 120),
        ev.SpeechStopped("item_1", 1800),
        ev.Committed("item_1", None),
        ev.ItemAdded(ev.Message("item_1", "user", spoken=True), None),
        STARTED,
        ev.TranscriptDelta("item_1", "one and "),
        ev.TranscriptDone("item_1", "one and one", 1.68),
        ev.ThinkingDelta(RESPONSE, ITEM, "1+1"),
        ev.ThinkingDone(RESPONSE, ITEM, "1+1"),
        *SAID,
        done(metadata={"client_event_id": "7"}),
    )
    assert kinds(events) == [
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
        "response.reasoning_text.delta",
        "response.reasoning_text.done",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        "soundmind.timings",
        "response.done",
    ]
    response = events[-1]["response"]
    assert response["metadata"] == {"client_event_id": "7"}
    assert response["usage"] == {
        "total_tokens": 25 + 10 + 8 + 4,
        "input_tokens": 35,
        "output_tokens": 12,
        "input_token_details": {
            "text_tokens": 10,
            "audio_tokens": 25,
            "cached_tokens": 32,
            "cached_tokens_details": {"text_tokens": 8, "audio_tokens": 24},
        },
        "output_token_details": {"text_tokens": 12, "audio_tokens": 0, "reasoning_tokens": 8},
    }
    assert events[-2]["first_reply_ms"] == 700.25
    added = [e for e in events if e["type"] == "conversation.item.added"]
    assert [e["previous_item_id"] for e in added] == [None, "item_1"]
    assert added[0]["item"]["content"] == [{"type": "input_audio", "transcript": None}]


@pytest.mark.parametrize(
    ("event", "details"),
    [
        (done(), None),
        (done("cancelled", reason="turn_detected"), {"type": "cancelled", "reason": "turn_detected"}),
        (done("cancelled", reason="client_cancelled"), {"type": "cancelled", "reason": "client_cancelled"}),
        (
            done("incomplete", reason="max_output_tokens"),
            {"type": "incomplete", "reason": "max_output_tokens"},
        ),
        (
            done("failed", reason="engine_failed", message="gone"),
            {"type": "failed", "error": {"type": "server_error", "code": "engine_failed", "message": "gone"}},
        ),
        (
            done("failed"),
            {
                "type": "failed",
                "error": {"type": "server_error", "code": "engine_failed", "message": "the engine failed"},
            },
        ),
    ],
)
def test_how_a_reply_ends(event: ev.ResponseDone, details: dict[str, Any] | None) -> None:
    response = told(STARTED, *SAID, event)[-1]["response"]
    assert response["status"] == event.status
    assert response["status_details"] == details
    assert response["output"][0]["status"] == ("completed" if event.status == "completed" else "incomplete")


def test_a_call_behind_words() -> None:
    other = replace(CALL, id="item_4", call_id="call_2")
    events = told(
        STARTED,
        *SAID,
        ev.CallMade(RESPONSE, CALL, ITEM),
        ev.CallMade(RESPONSE, other, "item_3"),
        done(),
    )
    made = [
        "response.output_item.added",
        "conversation.item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "conversation.item.done",
        "response.output_item.done",
    ]
    assert kinds(events)[5:] == [
        "response.output_text.done",
        "response.content_part.done",
        "conversation.item.done",
        "response.output_item.done",
        *made,
        *made,
        "soundmind.timings",
        "response.done",
    ]
    added = [e for e in events if e["type"] == "response.output_item.added"]
    assert [e["output_index"] for e in added] == [0, 1, 2]
    assert added[1]["item"] == {
        "id": "item_3",
        "object": "realtime.item",
        "status": "in_progress",
        "type": "function_call",
        "call_id": "call_1",
        "name": "weather",
        "arguments": "",
    }
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["message", "function_call", "function_call"]
    assert output[2]["call_id"] == "call_2" and output[1]["arguments"] == '{"city": "Oslo"}'


def test_a_reply_outside_the_conversation_beside_one_in_it() -> None:
    other, item = "resp_2", "item_9"
    events = told(
        STARTED,
        ev.ResponseStarted(other, {"topic": "aside"}, outside=True, max_output_tokens=7),
        ev.ThinkingDelta(RESPONSE, ITEM, "1+1"),
        ev.ReplyStarted(other, item, None),
        ev.ReplyDelta(other, item, "aside"),
        ev.ThinkingDone(RESPONSE, ITEM, "1+1"),
        *SAID,
        ev.ResponseDone(other, item, "completed", "aside", "", USAGE, TIMINGS),
        done(),
    )
    ours, outside = ([e for e in events if e.get("response_id") == r] for r in (RESPONSE, other))
    assert kinds(outside) == [
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "soundmind.timings",
    ]
    ends = [e["response"] for e in events if e["type"] == "response.done"]
    assert [end["conversation_id"] for end in ends] == [None, "conv_1"]
    assert [end["output"][0]["content"][0]["text"] for end in ends] == ["aside", "two"]
    assert [end["max_output_tokens"] for end in ends] == [7, "inf"]
    added = [e["item"]["id"] for e in events if e["type"] == "conversation.item.added"]
    assert added == [ITEM] and ours


def test_a_reply_that_only_calls_has_no_message() -> None:
    events = told(STARTED, ev.CallMade(RESPONSE, CALL, "item_1"), done())
    assert [item["type"] for item in events[-1]["response"]["output"]] == ["function_call"]
    assert "response.content_part.added" not in kinds(events)


def test_a_reply_of_nothing_has_no_items() -> None:
    assert told(STARTED, done("cancelled", reason="turn_detected"))[-1]["response"]["output"] == []


def test_a_chain_that_is_cut_short_is_closed() -> None:
    events = told(
        STARTED,
        ev.ThinkingDelta(RESPONSE, ITEM, "1+"),
        ev.ThinkingDelta(RESPONSE, ITEM, "1"),
        done("cancelled"),
    )
    closed = [e for e in events if e["type"] == "response.reasoning_text.done"]
    assert [e["text"] for e in closed] == ["1+1"]


def test_the_other_events() -> None:
    events = told(
        ev.Cleared(),
        ev.IdleTimeout("item_1", 100, 5100),
        ev.Trouble("context_length_exceeded", "no room"),
        ev.TranscriptFailed("item_1", "the engine is busy"),
        ev.ItemAdded(ev.Message("a", "system", text="be brief"), None),
        ev.ItemAdded(ev.Message("b", "user", text="hi"), "a"),
        ev.ItemAdded(ev.Message("c", "assistant", text="hello"), "b"),
        ev.ItemAdded(CALL, "c"),
        ev.ItemAdded(ev.FunctionOutput("e", "call_1", "weather", "rain"), "item_3"),
        ev.ItemDeleted("e"),
    )
    items = [e["item"] for e in events if e["type"] == "conversation.item.added"]
    content = [item["content"][0]["type"] for item in items[:3]]
    assert content == ["input_text", "input_text", "output_text"]
    assert [item["type"] for item in items[3:]] == ["function_call", "function_call_output"]
    assert items[4]["output"] == "rain" and "name" not in items[4]


def test_items_are_kept_as_they_now_stand() -> None:
    narrator = Narrator("conv_1")
    narrator.narrate(ev.ItemAdded(ev.Message("a", "user", spoken=True), None))
    narrator.narrate(ev.TranscriptDone("a", "hi", 1.0))
    narrator.narrate(ev.TranscriptDone("gone", "hi", 1.0))
    assert validate(narrator.retrieved("a"))["item"]["content"][0]["transcript"] == "hi"
    assert validate(narrator.truncated("a", 0))["audio_end_ms"] == 0
    with pytest.raises(ProtocolError):
        narrator.retrieved("b")
    with pytest.raises(ProtocolError):
        narrator.truncated("b", 0)


def test_errors() -> None:
    narrator = Narrator("conv_1")
    client = validate(narrator.error("invalid_value", "expected less", "audio", "mine"))["error"]
    assert (client["type"], client["event_id"]) == ("invalid_request_error", "mine")
    assert validate(narrator.error("engine_unavailable", "later"))["error"]["type"] == "server_error"


def test_the_tables_name_every_event_of_the_api() -> None:
    union = get_args(get_args(RealtimeServerEvent)[0])
    api = {get_args(model.model_fields["type"].annotation)[0] for model in union}
    prefixes = tuple(kind[:-1] for kind in NOT_TOLD if kind.endswith("*"))
    unnamed = {kind for kind in api - TOLD.keys() - NOT_TOLD.keys() if not kind.startswith(prefixes)}
    assert not unnamed
    assert TOLD.keys() - api == OWN.keys()
