"""The session as its client sees and sets it.

`SessionState` is one frozen value: what was set so far. `updated` gives the next one, `settings` what the
conversation needs of it, `wire` the object of session.created and session.updated. What is echoed is what is
in effect, not what was asked for. Our own fields are echoed to those only who have set them: a stock client's
parser may refuse what it does not know. Knows no conversation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from model.tools import Tool
from server import client_events as ce
from server.protocol import FORMATS, choice, limit, tools, voice
from streaming.events import (
    AudioFormat,
    Effort,
    Encoding,
    Named,
    Pace,
    Pacing,
    SemanticVad,
    ServerVad,
    SessionSettings,
    ToolChoice,
    Truncation,
)

Detection = ServerVad | SemanticVad
DEFAULT_EFFORT: Effort = "medium"


@dataclass(frozen=True)
class SessionState:
    id: str
    model: str
    instructions: str = ""
    turn_detection: Detection | None = ServerVad()
    interrupt_after_ms: int = ServerVad().interrupt_after_ms
    transcription: Mapping[str, str] | None = None  # as it is echoed; None: not asked for
    effort: Effort = DEFAULT_EFFORT
    max_reasoning_tokens: int | None = None
    max_output_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    encoding: Encoding = "incremental"
    speculation: bool = True
    pace: Pace = "think_then_speak"
    think_segment: int = Pacing().think_segment  # tokens
    reply_segment: int = Pacing().reply_segment
    sureness: float = Pacing().sure
    while_listening: bool = False
    voices: tuple[str, ...] = ()  # of the server, the default first; none: replies are text
    spoken: bool = True  # as far as there is a voice
    voice: str | None = None
    speed: float = 1.0
    speaks: AudioFormat = "pcm"
    hears: AudioFormat = "pcm"
    truncation: ce.RetentionRatio | str = "auto"
    noise_reduction: Mapping[str, Any] | None = None  # as it is echoed
    resume: bool = False  # a client whose line drops may come back
    grant: Mapping[str, Any] | None = None  # with this, as it is told
    expires_at: int | None = None  # seconds since 1970
    own: frozenset[str] = frozenset()  # our own fields that the client has set: of soundmind, or reasoning

    @property
    def settings(self) -> SessionSettings:
        detection = self.turn_detection
        if detection is not None:
            detection = replace(detection, interrupt_after_ms=self.interrupt_after_ms)
        return SessionSettings(
            self.instructions,
            detection,
            self.effort,
            self.max_reasoning_tokens,
            self.transcription is not None,
            self.max_output_tokens,
            self.tools,
            self.tool_choice,
            self.encoding,
            self.speculation,
            self.spoken and bool(self.voices),
            self.voice,
            self.speed,
            self.speaks,
            self.hears,
            _truncation(self.truncation),
            self._pacing,
            self.while_listening,
        )

    @property
    def _pacing(self) -> Pacing | None:
        if self.pace == "think_then_speak":
            return None
        first = self.pace == "speak_first"
        return Pacing(first, self.think_segment, self.reply_segment, self.sureness)

    def updated(self, wanted: ce.Session) -> SessionState:
        """The state after a session.update: only what the client named changes."""
        state = self
        if wanted.instructions is not None:
            state = replace(state, instructions=wanted.instructions)
        if wanted.max_output_tokens is not None:
            state = replace(state, max_output_tokens=limit(wanted.max_output_tokens))
        if wanted.tools is not None:
            state = replace(state, tools=tools(wanted.tools))
        if wanted.tool_choice is not None:
            state = replace(state, tool_choice=choice(wanted.tool_choice))
        if wanted.truncation is not None:
            state = replace(state, truncation=wanted.truncation)
        if wanted.soundmind is not None:
            named = wanted.soundmind.model_dump(exclude_none=True)
            state = replace(state, **named, own=state.own.union(named))
        if wanted.output_modalities is not None:
            state = replace(state, spoken="audio" in wanted.output_modalities)
        if wanted.audio is not None and wanted.audio.output is not None:
            state = state._speaking(wanted.audio.output)
        return state._thinking(wanted.reasoning)._hearing(wanted.audio.input if wanted.audio else None)

    def _speaking(self, wanted: ce.AudioOutput) -> SessionState:
        """Raises ProtocolError for a voice that is not there."""
        state = self
        if wanted.voice is not None:
            state = replace(state, voice=voice(wanted.voice, self.voices))
        if wanted.speed is not None:
            state = replace(state, speed=wanted.speed)
        if wanted.format is not None:
            state = replace(state, speaks=FORMATS[wanted.format.type])
        return state

    def _thinking(self, wanted: ce.Reasoning | None) -> SessionState:
        state = self
        if wanted is not None and wanted.effort is not None:
            state = replace(state, effort=wanted.effort)
        if wanted is not None and wanted.max_tokens is not None:
            budget = limit(wanted.max_tokens)
            state = replace(state, max_reasoning_tokens=budget, own=state.own | {"reasoning"})
        return state

    def _hearing(self, wanted: ce.AudioInput | None) -> SessionState:
        """Here the API gives null a meaning: no turn detection, no transcription."""
        state = self
        if wanted is None:
            return state
        if wanted.format is not None:
            state = replace(state, hears=FORMATS[wanted.format.type])
        if "turn_detection" in wanted.model_fields_set:
            state = replace(state, turn_detection=_vad(wanted.turn_detection, self.turn_detection))
        if "noise_reduction" in wanted.model_fields_set:
            asked_less = wanted.noise_reduction
            echoed = None if asked_less is None else asked_less.model_dump(exclude_none=True)
            state = replace(state, noise_reduction=echoed or None)
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
            "format": _format_wire(self.hears),
            "turn_detection": _vad_wire(self.turn_detection),
            "noise_reduction": self.noise_reduction,
        }
        if self.transcription is not None:
            hearing["transcription"] = dict(self.transcription)
        reasoning: dict[str, Any] = {"effort": "minimal" if self.effort == "none" else self.effort}
        if "reasoning" in self.own:
            reasoning["max_tokens"] = self.max_reasoning_tokens or "inf"
        audio: dict[str, Any] = {"input": hearing}
        if self.voices:
            audio["output"] = {
                "format": _format_wire(self.speaks),
                "voice": self.voice or self.voices[0],
                "speed": self.speed,
            }
        session = {
            "type": "realtime",
            "object": "realtime.session",
            "id": self.id,
            "model": self.model,
            "instructions": self.instructions,
            "output_modalities": ["audio" if self.settings.spoken else "text"],
            "audio": audio,
            "reasoning": reasoning,
            "max_output_tokens": self.max_output_tokens or "inf",
            "tools": [{"type": "function", **tool.schema()} for tool in self.tools],
            "tool_choice": _choice_wire(self.tool_choice),
            "truncation": _truncation_wire(self.truncation),
        }
        if self.expires_at is not None:
            session["expires_at"] = self.expires_at
        ours = {name: getattr(self, name) for name in ce.Soundmind.model_fields if name in self.own}
        if self.grant is not None:
            ours["resume"] = dict(self.grant)
        return session | ({"soundmind": ours} if ours else {})


def _format_wire(audio_format: AudioFormat) -> dict[str, Any]:
    if audio_format == "pcm":
        return {"type": "audio/pcm", "rate": 24000}
    return {"type": f"audio/{audio_format}"}


def _truncation(wanted: ce.RetentionRatio | str) -> Truncation:
    if isinstance(wanted, str):
        return Truncation(keep=None) if wanted == "disabled" else Truncation()
    limits = wanted.token_limits or ce.TokenLimits()
    return Truncation(wanted.retention_ratio, limits.post_instructions)


def _truncation_wire(wanted: ce.RetentionRatio | str) -> str | dict[str, Any]:
    return wanted if isinstance(wanted, str) else wanted.model_dump(exclude_none=True)


def _choice_wire(choice: ToolChoice) -> str | dict[str, str]:
    return {"type": "function", "name": choice.name} if isinstance(choice, Named) else choice


def _vad(wanted: ce.ServerVad | ce.SemanticVad | None, now: Detection | None) -> Detection | None:
    """Only what was named changes, as long as the type does not."""
    if wanted is None:
        return None
    kind = SemanticVad if isinstance(wanted, ce.SemanticVad) else ServerVad
    set_fields = wanted.model_dump(exclude_none=True, exclude={"type"})
    return replace(now if isinstance(now, kind) else kind(), **set_fields)


def _vad_wire(vad: Detection | None) -> dict[str, Any] | None:
    if vad is None:
        return None
    common = {"create_response": vad.create_response, "interrupt_response": vad.interrupt_response}
    if isinstance(vad, SemanticVad):
        return {"type": "semantic_vad", "eagerness": vad.eagerness, **common}
    return {
        "type": "server_vad",
        "threshold": vad.threshold,
        "prefix_padding_ms": vad.prefix_padding_ms,
        "silence_duration_ms": vad.silence_duration_ms,
        **common,
        **({} if vad.idle_timeout_ms is None else {"idle_timeout_ms": vad.idle_timeout_ms}),
    }
