"""The session as its client sees and sets it.

`SessionState` is one frozen value: what was set so far. `updated` gives the next one, `settings` what the
conversation needs of it, `wire` the object of session.created and session.updated. What is echoed is what is
in effect, not what was asked for. Knows no conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from server import client_events as ce
from server.protocol import thinks
from streaming.events import ServerVad, SessionSettings

# Until the model's own sense of an ending decides, semantic_vad is served as server_vad that waits so long.
EAGERNESS_MS = {"low": 1000, "medium": 500, "auto": 500, "high": 300}
DEFAULT_EFFORT = "medium"


@dataclass(frozen=True)
class SessionState:
    id: str
    model: str
    instructions: str = ""
    turn_detection: ServerVad | None = ServerVad()
    transcription: Mapping[str, str] | None = None  # as it is echoed; None: not asked for
    effort: str = DEFAULT_EFFORT
    max_output_tokens: int | None = None

    @property
    def settings(self) -> SessionSettings:
        return SessionSettings(
            self.instructions,
            self.turn_detection,
            thinks(self.effort),
            self.transcription is not None,
            self.max_output_tokens,
        )

    def updated(self, wanted: ce.Session) -> SessionState:
        """The state after a session.update: only what the client named changes."""
        state = self
        if wanted.instructions is not None:
            state = replace(state, instructions=wanted.instructions)
        if wanted.reasoning is not None and wanted.reasoning.effort is not None:
            state = replace(state, effort=wanted.reasoning.effort)
        if wanted.max_output_tokens is not None:
            limit = wanted.max_output_tokens
            state = replace(state, max_output_tokens=None if limit == "inf" else limit)
        return state._hearing(wanted.audio.input if wanted.audio else None)

    def _hearing(self, wanted: ce.AudioInput | None) -> SessionState:
        """Here the API gives null a meaning: no turn detection, no transcription."""
        state = self
        if wanted is None:
            return state
        if "turn_detection" in wanted.model_fields_set:
            state = replace(
                state, turn_detection=_vad(wanted.turn_detection, self.turn_detection or ServerVad())
            )
        if "transcription" in wanted.model_fields_set:
            asked = wanted.transcription
            # Pipecat's parser knows only these three keys.
            keys = {"model", "language", "prompt"}
            echo = None if asked is None else asked.model_dump(include=keys, exclude_none=True)
            state = replace(state, transcription=echo)
        return state

    def wire(self) -> dict[str, Any]:
        """The session object of the API."""
        hearing: dict[str, Any] = {
            "format": {"type": "audio/pcm", "rate": 24000},
            "turn_detection": _vad_wire(self.turn_detection),
            "noise_reduction": None,
        }
        if self.transcription is not None:
            hearing["transcription"] = dict(self.transcription)
        return {
            "type": "realtime",
            "object": "realtime.session",
            "id": self.id,
            "model": self.model,
            "instructions": self.instructions,
            "output_modalities": ["text"],
            "audio": {"input": hearing},
            "reasoning": {"effort": "minimal" if self.effort == "none" else self.effort},
            "max_output_tokens": self.max_output_tokens or "inf",
            "tools": [],
            "tool_choice": "auto",
        }


def _vad(wanted: ce.ServerVad | ce.SemanticVad | None, now: ServerVad) -> ServerVad | None:
    if wanted is None:
        return None
    set_fields = wanted.model_dump(exclude_none=True, exclude={"type", "eagerness", "idle_timeout_ms"})
    if isinstance(wanted, ce.SemanticVad):
        now = replace(ServerVad(), silence_duration_ms=EAGERNESS_MS[wanted.eagerness or "auto"])
    return replace(now, **set_fields)


def _vad_wire(vad: ServerVad | None) -> dict[str, Any] | None:
    if vad is None:
        return None
    return {
        "type": "server_vad",
        "threshold": vad.threshold,
        "prefix_padding_ms": vad.prefix_padding_ms,
        "silence_duration_ms": vad.silence_duration_ms,
        "create_response": vad.create_response,
        "interrupt_response": vad.interrupt_response,
    }
