"""What a client may send: the shapes of the GA Realtime API's client events, field by field.

Every field is one of four things, and says so: supported (plain), `Partly` so, `Ignored` (taken and without
effect, the reason beside it) or `Refused` (known to the API, not there yet: an error says so). A field that
the API does not have is an error too. `server.events_doc` prints the same marks into docs/realtime-events.md.
Shapes as in `openai.types.realtime`. JSON nulls mean "unset", except where the API gives null a meaning
(turn_detection, transcription). Knows no session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.annotated_handlers import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema


@dataclass(frozen=True)
class Ignored:
    """Taken, without effect."""

    why: str


@dataclass(frozen=True)
class Partly:
    """Supported but for some values, which the conversation refuses."""

    why: str


@dataclass(frozen=True)
class Refused:
    """Any value but those in `allowed` (they ask for nothing) is an error with the code `unsupported`."""

    why: str
    allowed: tuple[Any, ...] = (None,)

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, value: Any) -> Any:
        if value not in self.allowed:
            # Braces would be read as a template.
            raise PydanticCustomError("unsupported", "{why}", {"why": self.why})
        return value


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _only_known(cls, value: Any) -> Any:
        """Say which fields there are: pydantic's own message does not."""
        for name in value if isinstance(value, dict) else ():
            if name not in cls.model_fields:
                known = "expected one of " + ", ".join(cls.model_fields)
                raise PydanticCustomError("unknown_parameter", "{known}", {"known": known, "name": name})
        return value


class ClientEvent(Shape):
    event_id: str | None = None


NO_VOICE = "replies are text; there is no voice yet"
NO_TOOLS = "tools are not there yet: expected none ([] or null)"
NO_PROMPT = "stored prompts are not there: expected null; send instructions instead"

# --- session ---


class AudioFormat(Shape):
    type: Annotated[
        Any,
        Refused("expected audio/pcm, the one format there is yet (16 bit, mono, 24000 Hz)", ("audio/pcm",)),
    ]
    rate: Annotated[Any, Refused("expected 24000, the one rate of audio/pcm", (24000, None))] = None


class Transcription(Shape):
    model: Annotated[str | None, Ignored("the served model writes the transcript itself; echoed")] = None
    language: Annotated[str | None, Ignored("the served model hears what it was trained on; echoed")] = None
    prompt: Annotated[str | None, Ignored("no effect on the transcript; echoed")] = None
    delay: Annotated[Any, Ignored("the transcript comes when the turn is over")] = None
    keywords: Annotated[Any, Ignored("no effect on the transcript")] = None
    languages: Annotated[Any, Ignored("no effect on the transcript")] = None


class ServerVad(Shape):
    type: Literal["server_vad"]
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    prefix_padding_ms: Annotated[int, Field(ge=0, le=5000)] | None = None
    silence_duration_ms: Annotated[int, Field(ge=100, le=10_000)] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None
    idle_timeout_ms: Annotated[Any, Refused("idle_timeout_ms is not there yet: expected null")] = None


class SemanticVad(Shape):
    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class AudioInput(Shape):
    format: AudioFormat | None = None
    transcription: Transcription | None = None
    turn_detection: Annotated[ServerVad | SemanticVad, Field(discriminator="type")] | None = None
    noise_reduction: Annotated[Any, Ignored("the audio is taken as it comes")] = None


class AudioOutput(Shape):
    format: Annotated[Any, Ignored(NO_VOICE)] = None
    voice: Annotated[Any, Ignored(NO_VOICE)] = None
    speed: Annotated[Any, Ignored(NO_VOICE)] = None


class Audio(Shape):
    input: AudioInput | None = None
    output: AudioOutput | None = None


class ResponseAudio(Shape):
    output: AudioOutput | None = None


class Reasoning(Shape):
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None


Modalities = Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=1)]
MaxTokens = Annotated[int, Field(ge=1)] | Literal["inf"]


class Session(Shape):
    type: Annotated[Any, Refused('expected "realtime", the one kind of session there is', ("realtime",))]
    instructions: str | None = None
    audio: Audio | None = None
    output_modalities: Annotated[
        Modalities | None, Ignored('["audio"] is answered with ["text"]: ' + NO_VOICE)
    ] = None
    reasoning: Reasoning | None = None
    max_output_tokens: MaxTokens | None = None
    tools: Annotated[Any, Refused(NO_TOOLS, ([], None))] = None
    tool_choice: Annotated[Any, Refused(NO_TOOLS, ("auto", "none", None))] = None
    parallel_tool_calls: Annotated[Any, Ignored("no tools")] = None
    model: Annotated[str | None, Ignored("one server serves one model")] = None
    prompt: Annotated[Any, Refused(NO_PROMPT)] = None
    truncation: Annotated[Any, Ignored("the oldest turns are let go when the context is full")] = None
    tracing: Annotated[Any, Ignored("nothing that was said is stored")] = None
    include: Annotated[Any, Ignored("transcripts carry no log-probabilities")] = None


class SessionUpdate(ClientEvent):
    type: Literal["session.update"]
    session: Session


# --- input audio ---


class Append(ClientEvent):
    type: Literal["input_audio_buffer.append"]
    audio: str


class Commit(ClientEvent):
    type: Literal["input_audio_buffer.commit"]


class Clear(ClientEvent):
    type: Literal["input_audio_buffer.clear"]


# --- conversation ---


class Content(Shape):
    type: Annotated[
        Any,
        Refused("expected text (input_text, output_text); other content is not there yet: speak through "
                "input_audio_buffer.append", ("input_text", "output_text", "text")),
    ]  # fmt: skip
    text: str


class Item(Shape):
    type: Annotated[Any, Refused('expected "message": other items are not there yet', ("message",))]
    role: Literal["user", "system", "assistant"]
    content: Annotated[list[Content], Field(min_length=1)]
    id: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    object: Annotated[Any, Ignored("always realtime.item")] = None
    status: Annotated[Any, Ignored("an item that was sent is completed")] = None
    phase: Annotated[Any, Ignored("a typed item is not spoken")] = None


class ItemCreate(ClientEvent):
    type: Literal["conversation.item.create"]
    item: Item
    previous_item_id: Annotated[str | None, Partly("items can be added at the end only")] = None


class ItemRetrieve(ClientEvent):
    type: Literal["conversation.item.retrieve"]
    item_id: str


class ItemTruncate(ClientEvent):
    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: int
    audio_end_ms: Annotated[int, Ignored("replies have no audio that could be cut: answered with 0")]


# --- responses ---


class Response(Shape):
    instructions: str | None = None
    reasoning: Reasoning | None = None
    max_output_tokens: MaxTokens | None = None
    metadata: dict[str, str] | None = None
    output_modalities: Annotated[
        Modalities | None, Ignored('["audio"] is answered with ["text"]: ' + NO_VOICE)
    ] = None
    audio: Annotated[ResponseAudio | None, Ignored(NO_VOICE)] = None
    conversation: Annotated[
        Any, Refused('expected "auto": replies outside the conversation are not there yet', ("auto", None))
    ] = None
    input: Annotated[Any, Refused("input of its own is not there yet: expected null")] = None
    tools: Annotated[Any, Refused(NO_TOOLS, ([], None))] = None
    tool_choice: Annotated[Any, Refused(NO_TOOLS, ("auto", "none", None))] = None
    parallel_tool_calls: Annotated[Any, Ignored("no tools")] = None
    prompt: Annotated[Any, Refused(NO_PROMPT)] = None


class ResponseCreate(ClientEvent):
    type: Literal["response.create"]
    response: Response | None = None


class ResponseCancel(ClientEvent):
    type: Literal["response.cancel"]
    response_id: str | None = None


EVENTS: dict[str, type[ClientEvent]] = {
    "session.update": SessionUpdate,
    "input_audio_buffer.append": Append,
    "input_audio_buffer.commit": Commit,
    "input_audio_buffer.clear": Clear,
    "conversation.item.create": ItemCreate,
    "conversation.item.retrieve": ItemRetrieve,
    "conversation.item.truncate": ItemTruncate,
    "response.create": ResponseCreate,
    "response.cancel": ResponseCancel,
}

# Client events of the API that are refused as a whole, and why.
NOT_YET: dict[str, str] = {
    "conversation.item.delete": "conversation.item.delete is not there yet",
    "output_audio_buffer.clear": "output_audio_buffer.clear is for WebRTC, which is not there yet",
}
