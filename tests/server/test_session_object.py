"""The session as it is set and echoed: only what was named changes, and the echo is what is in effect."""

from __future__ import annotations

from typing import Any

import pytest

from server import client_events as ce
from server.server_events import Narrator
from server.session_object import SessionState
from streaming.events import ServerVad, SessionSettings
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
    assert state.settings == SessionSettings("be brief", ServerVad(), False, True, 50)
    assert state.wire()["audio"]["input"]["transcription"] == {"model": "m"}
    state = updated(state, audio=hearing(transcription=None), max_output_tokens="inf")
    assert state.settings == SessionSettings("be brief", ServerVad(), False, False, None)


def test_turn_detection_is_merged_and_null_turns_it_off() -> None:
    state = updated(START, audio=hearing(turn_detection={"type": "server_vad", "threshold": 0.7}))
    state = updated(state, audio=hearing(turn_detection={"type": "server_vad", "silence_duration_ms": 700}))
    assert state.turn_detection == ServerVad(threshold=0.7, silence_duration_ms=700)
    state = updated(state, audio=hearing(turn_detection=None))
    assert state.turn_detection is None
    assert state.wire()["audio"]["input"]["turn_detection"] is None
    assert updated(state, audio=hearing(noise_reduction=None)).turn_detection is None


@pytest.mark.parametrize(("eagerness", "silence"), [("low", 1000), ("high", 300), ("auto", 500), (None, 500)])
def test_semantic_vad_is_served_as_server_vad(eagerness: str | None, silence: int) -> None:
    wanted = {"type": "semantic_vad", "eagerness": eagerness, "interrupt_response": False}
    state = updated(START, audio=hearing(turn_detection=wanted))
    assert state.turn_detection == ServerVad(silence_duration_ms=silence, interrupt_response=False)


def test_our_own_effort_is_echoed_in_the_apis_words() -> None:
    state = updated(START, reasoning={"effort": "none"})
    assert not state.settings.thinking
    assert state.wire()["reasoning"] == {"effort": "minimal"}
