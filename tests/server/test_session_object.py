"""The session as it is set and echoed: only what was named changes, and the echo is what is in effect."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from model.tools import Tool
from server import client_events as ce
from server.server_events import Narrator
from server.session_object import SessionState
from streaming.events import Named, Pacing, SemanticVad, ServerVad, SessionSettings, Truncation, thinks
from tests.wire import validate

START = SessionState("sess_1", "nano")


def updated(state: SessionState, **fields: Any) -> SessionState:
    state = state.updated(ce.Session.model_validate({"type": "realtime", **fields}))
    validate(Narrator("conv_1").session_updated(state))
    return state


def hearing(**fields: Any) -> dict[str, Any]:
    return {"input": fields}


def test_the_default_listens_thinks_and_replies() -> None:
    validate(Narrator("conv_1").session_created(START))
    assert START.settings == SessionSettings()
    assert START.wire()["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert START.wire()["output_modalities"] == ["text"]


def test_only_what_was_named_changes() -> None:
    state = updated(START, instructions="be brief", max_output_tokens=50, reasoning={"effort": "minimal"})
    state = updated(state, instructions=None, audio=hearing(transcription={"model": "m", "delay": "low"}))
    assert state.settings == SessionSettings(
        "be brief", effort="minimal", transcribe=True, max_output_tokens=50
    )
    assert state.wire()["audio"]["input"]["transcription"] == {"model": "m"}
    state = updated(state, audio=hearing(transcription=None), max_output_tokens="inf")
    assert state.settings == SessionSettings("be brief", effort="minimal")


def test_turn_detection_is_merged_and_null_turns_it_off() -> None:
    state = updated(START, audio=hearing(turn_detection={"type": "server_vad", "threshold": 0.7}))
    state = updated(state, audio=hearing(turn_detection={"type": "server_vad", "silence_duration_ms": 700}))
    assert state.turn_detection == ServerVad(threshold=0.7, silence_duration_ms=700)
    state = updated(state, audio=hearing(turn_detection=None))
    assert state.turn_detection is None
    assert state.wire()["audio"]["input"]["turn_detection"] is None
    assert updated(state, audio=hearing(noise_reduction=None)).turn_detection is None


def test_semantic_vad_is_set_and_echoed() -> None:
    wanted = {"type": "semantic_vad", "eagerness": "low", "interrupt_response": False}
    state = updated(START, audio=hearing(turn_detection=wanted))
    assert state.turn_detection == SemanticVad(eagerness="low", interrupt_response=False)
    assert state.wire()["audio"]["input"]["turn_detection"] == wanted | {"create_response": True}
    state = updated(state, audio=hearing(turn_detection={"type": "semantic_vad", "eagerness": None}))
    assert state.turn_detection == SemanticVad(eagerness="low", interrupt_response=False)
    state = updated(state, audio=hearing(turn_detection={"type": "server_vad"}))
    assert state.turn_detection == ServerVad()


def test_how_long_a_sound_is_in_doubt_is_the_sessions() -> None:
    state = updated(START, soundmind={"interrupt_after_ms": 0, "speculation": False})
    assert state.wire()["soundmind"] == {"interrupt_after_ms": 0, "speculation": False}
    assert state.settings == SessionSettings(
        turn_detection=ServerVad(interrupt_after_ms=0), speculation=False
    )
    state = updated(state, audio=hearing(turn_detection={"type": "semantic_vad"}))
    assert state.settings.turn_detection == SemanticVad(interrupt_after_ms=0)


def test_a_mind_paced_reply_is_asked_for_in_our_own_fields() -> None:
    state = updated(START, soundmind={"pace": "speak_first", "think_segment": 80, "sureness": 0.0})
    assert state.wire()["soundmind"] == {"pace": "speak_first", "think_segment": 80, "sureness": 0.0}
    assert state.settings.pacing == Pacing(speak_first=True, think_segment=80, sure=0.0)
    state = updated(state, soundmind={"pace": "think_then_speak"})
    assert state.settings.pacing is None
    for wrong in ({"pace": "fast"}, {"think_segment": 0}, {"reply_segment": -1}, {"sureness": 1.1}):
        with pytest.raises(ValidationError):
            updated(state, soundmind=wrong)


def test_our_own_effort_is_echoed_in_the_apis_words() -> None:
    state = updated(START, reasoning={"effort": "none"})
    assert not thinks(state.settings.effort)
    assert state.wire()["reasoning"] == {"effort": "minimal"}


def test_tools_and_the_choice_among_them() -> None:
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
    state = updated(START, tools=[tool], tool_choice={"type": "function", "name": "f"})
    assert state.settings.tools == (Tool("f", "d", {"type": "object"}),)
    assert state.settings.tool_choice == Named("f")
    assert state.wire()["tools"] == [tool]
    assert state.wire()["tool_choice"] == {"type": "function", "name": "f"}
    state = updated(state, tools=None, tool_choice="none")
    assert state.settings.tools and not state.settings.offered
    assert not updated(state, tools=[]).settings.tools


def test_our_own_fields_are_echoed_to_those_who_have_set_them() -> None:
    state = updated(SessionState("sess_1", "nano", encoding="refined"), reasoning={"effort": "low"})
    assert "soundmind" not in state.wire() and state.wire()["reasoning"] == {"effort": "low"}
    state = updated(state, reasoning={"max_tokens": 64}, soundmind={"encoding": "incremental"})
    assert state.wire()["reasoning"] == {"effort": "low", "max_tokens": 64}
    assert state.wire()["soundmind"] == {"encoding": "incremental"}
    assert (state.settings.max_reasoning_tokens, state.settings.encoding) == (64, "incremental")
    state = updated(state, reasoning={"max_tokens": "inf"})
    assert state.wire()["reasoning"]["max_tokens"] == "inf"
    assert state.settings.max_reasoning_tokens is None


def test_formats() -> None:
    state = updated(START, audio=hearing(format={"type": "audio/pcmu"}))
    assert state.settings.hears == "pcmu"
    assert state.wire()["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    state = updated(state, audio=hearing(format={"type": "audio/pcm", "rate": 24000}))
    assert state.settings == SessionSettings()


def test_what_is_let_go() -> None:
    assert START.wire()["truncation"] == "auto"
    assert updated(START, truncation="disabled").settings.truncation == Truncation(keep=None)
    asked = {"type": "retention_ratio", "retention_ratio": 0.8, "token_limits": {"post_instructions": 500}}
    state = updated(START, truncation=asked)
    assert state.settings.truncation == Truncation(0.8, 500)
    assert updated(state, truncation=None).wire()["truncation"] == asked
    assert updated(state, truncation="auto").settings.truncation == Truncation()


def test_noise_reduction_is_echoed_and_an_idle_timeout_taken() -> None:
    state = updated(START, audio=hearing(noise_reduction={"type": "near_field"}))
    assert state.wire()["audio"]["input"]["noise_reduction"] == {"type": "near_field"}
    state = updated(state, audio=hearing(turn_detection={"type": "server_vad", "idle_timeout_ms": 5000}))
    assert state.turn_detection == ServerVad(idle_timeout_ms=5000)
    assert state.wire()["audio"]["input"]["turn_detection"]["idle_timeout_ms"] == 5000
    assert updated(state, audio=hearing(noise_reduction=None)).noise_reduction is None
