"""What a session tells its client, and what a client may set.

Plain frozen values between `streaming.session` and whatever transport is in front of it. Times are
milliseconds on the session's own audio clock unless a name says otherwise. Knows no wire format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from model.tools import Tool

# --- what a conversation is made of ---

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Message:
    """Something said or typed. `text` of a spoken turn is its transcript, None while unknown."""

    id: str
    role: Role
    spoken: bool = False
    text: str | None = None


@dataclass(frozen=True)
class FunctionCall:
    """A tool that the model called; `arguments` is a JSON object as text."""

    id: str
    call_id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class FunctionOutput:
    """What a tool gave back; `name` is that of the call."""

    id: str
    call_id: str
    name: str
    output: str


Item = Message | FunctionCall | FunctionOutput  # of the conversation


# --- what a client may set ---


@dataclass(frozen=True)
class Detection:
    """What all turn detection has. While a reply is being made a sound is speech only once it has been
    voiced for `interrupt_after_ms`: a cough or an "mhm" is shorter."""

    threshold: float = 0.5  # speech probability from which speech begins
    prefix_padding_ms: int = 300  # audio before the detected start that belongs to the turn
    create_response: bool = True
    interrupt_response: bool = True
    interrupt_after_ms: int = 400


@dataclass(frozen=True)
class ServerVad(Detection):
    """Turn detection by voice activity."""

    silence_duration_ms: int = 500  # silence that ends the turn
    idle_timeout_ms: int | None = None  # after a reply; then one more is made, unasked


Eagerness = Literal["low", "medium", "high", "auto"]


@dataclass(frozen=True)
class SemanticVad(Detection):
    """Turn detection by voice activity and by what was said: the model tells how complete that is."""

    eagerness: Eagerness = "auto"


Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


def thinks(effort: Effort) -> bool:
    """`none` is our own; the API's smallest effort is `minimal`. Both mean: reply at once."""
    return effort not in ("none", "minimal")


Pace = Literal["think_then_speak", "think_first", "speak_first"]


@dataclass(frozen=True)
class Pacing:
    """A reply that begins before its thoughts have ended. `speak_first`: before they have begun.

    So many tokens of thoughts are thought before each segment of the reply, which has so many at most. What
    the model is less sure of, 0 to 1, is not said until it has thought to the end; 0: all of it is said.
    """

    speak_first: bool = False
    think_segment: int = 16
    reply_segment: int = 8
    sure: float = 0.9


@dataclass(frozen=True)
class Named:
    """The one tool that is to be called."""

    name: str


ToolChoice = Literal["none", "auto", "required"] | Named

# What the reply sees of the turn that it answers: the chunks that were appended while it was being spoken,
# or its whole audio encoded anew, as offline inference would.
Encoding = Literal["incremental", "refined"]


@dataclass(frozen=True)
class Truncation:
    """What is let go when the conversation has filled its room.

    `keep`: the share that stays, the newest turns; None: nothing is let go, and what does not fit is refused.
    `limit`: tokens behind the instructions, None: as the engine allows.
    """

    keep: float | None = 0.5
    limit: int | None = None


# pcm: 16 bit little endian at 24 kHz; pcmu and pcma: G.711 at 8 kHz. All mono.
AudioFormat = Literal["pcm", "pcmu", "pcma"]


@dataclass(frozen=True)
class SessionSettings:
    instructions: str = ""
    turn_detection: ServerVad | SemanticVad | None = field(default_factory=ServerVad)  # None: by hand
    effort: Effort = "medium"
    max_reasoning_tokens: int | None = None  # then the chain is closed, and the reply comes
    transcribe: bool = False  # write down what the user said
    max_output_tokens: int | None = None  # reasoning and reply together; None: as the engine allows
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice = "auto"
    encoding: Encoding = "incremental"
    speculation: bool = True  # think at a pause already, in case the turn ends there
    spoken: bool = False  # replies are spoken, where there is a voice
    voice: str | None = None  # None: the default
    speed: float = 1.0
    speaks: AudioFormat = "pcm"  # what the client is sent
    hears: AudioFormat = "pcm"  # what the client sends
    truncation: Truncation = Truncation()
    pacing: Pacing | None = None  # None: think, then speak
    while_listening: bool = False  # what was thought at a pause is carried on behind it, as far as it holds

    @property
    def offered(self) -> tuple[Tool, ...]:
        """The tools that the model is told of."""
        return () if self.tool_choice == "none" else self.tools


@dataclass(frozen=True)
class Reference:
    """An item of the conversation."""

    item_id: str


@dataclass(frozen=True)
class Given:
    """An item that is not of the conversation; `audio` of a spoken one, as the client sends it."""

    item: Item
    audio: bytes | None = None


@dataclass(frozen=True)
class ResponseRequest:
    """One reply asked for; None: as the session says.

    `input` is what it replies to, None: the conversation. `outside`: it leaves no trace there.
    Its effort decides only whether it thinks: how much to think stands at the head of the conversation.
    """

    instructions: str | None = None
    effort: Effort | None = None
    max_reasoning_tokens: int | None = None
    max_output_tokens: int | None = None
    tools: tuple[Tool, ...] | None = None
    tool_choice: ToolChoice | None = None
    metadata: Mapping[str, str] | None = None
    spoken: bool | None = None
    voice: str | None = None
    speed: float | None = None
    speaks: AudioFormat | None = None
    outside: bool = False
    input: tuple[Reference | Given, ...] | None = None


# --- what a session tells ---

Status = Literal["completed", "cancelled", "incomplete", "failed"]


@dataclass(frozen=True)
class Usage:
    """Tokens of one reply. `text` counts every input token that is no audio."""

    audio: int = 0
    text: int = 0
    cached: int = 0  # of them all
    cached_audio: int = 0
    reasoning: int = 0
    reply: int = 0


@dataclass(frozen=True)
class Timings:
    """Milliseconds of wall clock, counted from the arrival of the last voiced sample; None: did not happen.

    `turn_ended`: the turn was declared over (the silence that it takes included). A reply that no
    speech preceded counts from the moment it was asked for. Two are durations of their own: `append`, what
    the newest append before the reply took to be in the engine's cache, and `stopped`, of a reply that was
    interrupted: from the arrival of the first voiced sample until nothing more of it was told.
    """

    turn_ended: float | None = None
    first_thinking: float | None = None
    first_reply: float | None = None
    first_sound: float | None = None
    done: float | None = None
    append: float | None = None
    stopped: float | None = None


@dataclass(frozen=True)
class SpeechStarted:
    item_id: str  # of the turn to come
    at_ms: int  # begin of the turn's audio, the padding included


@dataclass(frozen=True)
class SpeechStopped:
    item_id: str
    at_ms: int


@dataclass(frozen=True)
class IdleTimeout:
    """Nobody has said anything after a reply: the quiet becomes a turn, which is answered."""

    item_id: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class EngineLost:
    """The engine has died. The session goes on; what it is asked for waits for the next one."""


@dataclass(frozen=True)
class EngineBack:
    """Another one is there, and is told the conversation."""

    seconds: float  # that there was none


@dataclass(frozen=True)
class Trouble:
    """Something was refused that no command of the client asked for: a SessionError's code, and why."""

    code: str
    message: str


@dataclass(frozen=True)
class Committed:
    item_id: str
    previous_item_id: str | None


@dataclass(frozen=True)
class Cleared:
    pass


@dataclass(frozen=True)
class ItemAdded:
    item: Item
    previous_item_id: str | None


@dataclass(frozen=True)
class ItemDeleted:
    item_id: str


@dataclass(frozen=True)
class TranscriptDelta:
    item_id: str
    delta: str


@dataclass(frozen=True)
class TranscriptDone:
    item_id: str
    text: str
    seconds: float  # of audio transcribed


@dataclass(frozen=True)
class TranscriptFailed:
    item_id: str
    message: str


@dataclass(frozen=True)
class ResponseStarted:
    """`outside`: nothing of it becomes part of the conversation."""

    response_id: str
    metadata: Mapping[str, str] | None = None
    outside: bool = False
    max_output_tokens: int | None = None
    spoken: bool = False
    speaks: AudioFormat = "pcm"


@dataclass(frozen=True)
class ThinkingDelta:
    response_id: str
    item_id: str  # that the reply's first item will have
    delta: str


@dataclass(frozen=True)
class ThinkingDone:
    """The chain has ended. Told once a reply that thought at all, before its first ReplyDelta."""

    response_id: str
    item_id: str
    text: str


@dataclass(frozen=True)
class ReplyStarted:
    """The first words are about to come."""

    response_id: str
    item_id: str
    previous_item_id: str | None
    spoken: bool = False  # then SpeechDelta follows, else ReplyDelta


@dataclass(frozen=True)
class SpeechDelta:
    """Sound of a reply (16 bit, mono, 24 kHz), and the text whose words begin in it; either may be empty."""

    response_id: str
    item_id: str
    pcm: bytes
    delta: str


@dataclass(frozen=True)
class Truncated:
    """A client has told how much of a reply was heard: that is its text now."""

    item_id: str
    ms: int
    text: str


@dataclass(frozen=True)
class CutOff:
    """The user cut in while a reply that is done was still being played: that much of it was heard."""

    item_id: str
    text: str


@dataclass(frozen=True)
class ReplyDelta:
    response_id: str
    item_id: str
    delta: str


@dataclass(frozen=True)
class CallMade:
    """A tool is to be called. Told once the call is whole and good, behind all words of the reply."""

    response_id: str
    call: FunctionCall
    previous_item_id: str | None


@dataclass(frozen=True)
class ResponseDone:
    """The terminal event of every reply, whatever happened to it. `text` is what was sent of it.

    `reason`: why it was cancelled or is incomplete; of a failed one the code of the error.
    """

    response_id: str
    item_id: str
    status: Status
    text: str
    thinking: str
    usage: Usage
    timings: Timings
    reason: str | None = None
    message: str | None = None  # for a failed one: one line that says why
    metadata: Mapping[str, str] | None = None


Event = (
    SpeechStarted
    | SpeechStopped
    | IdleTimeout
    | EngineLost
    | EngineBack
    | Trouble
    | Committed
    | Cleared
    | ItemAdded
    | ItemDeleted
    | TranscriptDelta
    | TranscriptDone
    | TranscriptFailed
    | ResponseStarted
    | ThinkingDelta
    | ThinkingDone
    | ReplyStarted
    | ReplyDelta
    | SpeechDelta
    | Truncated
    | CutOff
    | CallMade
    | ResponseDone
)
