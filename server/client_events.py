"""What a client may send: the shapes of the GA Realtime API's client events, field by field.

Every field is one of five things, and says so: supported (plain), `Partly` so, `Own` (supported, and not of
the API), `Ignored` (taken and without effect, the reason beside it) or `Refused` (known to the API, not there
yet: an error says so). Any other field is an error too. `server.events_doc` prints the same marks into
docs/realtime-events.md.
Shapes as in `openai.types.realtime`. JSON nulls mean "unset", except where the API gives null a meaning
(turn_detection, transcription). Knows no session.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)
from pydantic.annotated_handlers import GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from streaming.events import Effort, Encoding, Pace


@dataclass(frozen=True)
class Ignored:
    """Taken, without effect."""

    why: str


@dataclass(frozen=True)
class Partly:
    """Supported but for some values, which the conversation refuses."""

    why: str


@dataclass(frozen=True)
class Own:
    """Supported, and ours: the API does not have it. Echoed to those only who have set it."""

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


NO_VOICE = '["audio"], the default, is answered with ["text"] by a server that has no voice'
NO_MCP = "expected tools of the type function: MCP is not there"
ONE_MODEL = "of a client secret or a call: which of several (`--lora`) the session talks to, and keeps"
NO_PROMPT = "stored prompts are not there: expected null; send instructions instead"

# --- session ---


class AudioFormat(Shape):
    """PCM is of 16 bits, little endian, mono; G.711 is at 8000 Hz."""

    type: Literal["audio/pcm", "audio/pcmu", "audio/pcma"]
    rate: Annotated[Any, Refused("expected 24000, the one rate of audio/pcm", (24000, None))] = None

    @model_validator(mode="after")
    def _has_a_rate(self) -> AudioFormat:
        if self.type != "audio/pcm" and self.rate is not None:
            why = "expected no rate: {type} is always at 8000 Hz"
            raise PydanticCustomError("value_error", why, {"type": self.type})
        return self


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
    idle_timeout_ms: Annotated[int, Field(ge=1000, le=60_000)] | None = None


class SemanticVad(Shape):
    type: Literal["semantic_vad"]
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class NoiseReduction(Shape):
    type: Literal["near_field", "far_field"] | None = None
    strength: float | None = None


class AudioInput(Shape):
    format: AudioFormat | None = None
    transcription: Transcription | None = None
    turn_detection: Annotated[ServerVad | SemanticVad, Field(discriminator="type")] | None = None
    noise_reduction: Annotated[NoiseReduction | None, Ignored("the audio is taken as it comes; echoed")] = (
        None
    )


class AudioOutput(Shape):
    format: AudioFormat | None = None
    voice: Annotated[
        str | None, Partly("the voices of the server; the hosted API's names mean the default one")
    ] = None
    speed: Annotated[float, Field(ge=0.25, le=1.5)] | None = None


class Audio(Shape):
    input: AudioInput | None = None
    output: AudioOutput | None = None


class ResponseAudio(Shape):
    output: AudioOutput | None = None


MaxTokens = Annotated[int, Field(ge=1)] | Literal["inf"]
BUDGET = "tokens of thinking; then the chain is closed, and the reply comes all the same"


class Reasoning(Shape):
    effort: Effort | None = None
    max_tokens: Annotated[MaxTokens | None, Own(BUDGET)] = None


class ResponseReasoning(Shape):
    effort: Annotated[Effort | None, Partly("whether it thinks; how much is for the session to say")] = None
    max_tokens: Annotated[MaxTokens | None, Own(BUDGET)] = None


Modalities = Annotated[list[Literal["text", "audio"]], Field(min_length=1, max_length=1)]


def _function_only(value: Any) -> Any:
    """Before the fields of another kind of tool are called unknown."""
    if isinstance(value, dict) and value.get("type", "function") != "function":
        raise PydanticCustomError("unsupported", "{why}", {"why": NO_MCP})
    return value


FunctionName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class FunctionTool(Shape):
    type: Annotated[Literal["function"], Partly(NO_MCP)] = "function"
    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None


class FunctionChoice(Shape):
    type: Annotated[Literal["function"], Partly(NO_MCP)] = "function"
    name: FunctionName


def _named_once(tools: list[FunctionTool]) -> list[FunctionTool]:
    names = [tool.name for tool in tools]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise PydanticCustomError(
            "value_error", "expected every name once, {name} is there twice", {"name": twice}
        )
    return tools


Tools = Annotated[list[Annotated[FunctionTool, BeforeValidator(_function_only)]], AfterValidator(_named_once)]
Mode = Literal["none", "auto", "required"]
Choice = Annotated[
    Annotated[Mode, Tag("mode")] | Annotated[FunctionChoice, Tag("named")],
    Discriminator(lambda value: "mode" if isinstance(value, str) else "named"),
    BeforeValidator(_function_only),
]
PARALLEL = "a reply makes as many calls as the model writes"


class Soundmind(Shape):
    encoding: Annotated[
        Encoding | None,
        Own("what the reply sees of the spoken turn: `incremental`, the chunks that were encoded while it "
            "was spoken, or `refined`, the whole turn encoded anew"),
    ] = None  # fmt: skip
    speculation: Annotated[
        bool | None,
        Own("think at a pause already, unheard, in case the turn ends there: replies come sooner, and tokens "
            "are spent on those that were not wanted"),
    ] = None  # fmt: skip
    while_listening: Annotated[
        bool | None,
        Own("with speculation: what was thought at a pause goes on while the user speaks on, and as far as "
            "it holds also behind the next pause"),
    ] = None  # fmt: skip
    pace: Annotated[
        Pace | None,
        Own("when a reply begins: behind its thoughts (`think_then_speak`), or mind-paced, beside them: "
            "after a first segment (`think_first`) or at once (`speak_first`)"),
    ] = None  # fmt: skip
    think_segment: Annotated[
        Annotated[int, Field(ge=1, le=4096)] | None,
        Own("mind-paced: tokens of thoughts before each segment of the reply"),
    ] = None
    reply_segment: Annotated[
        Annotated[int, Field(ge=1, le=4096)] | None,
        Own("mind-paced: tokens that a segment of the reply has at most"),
    ] = None
    sureness: Annotated[
        Annotated[float, Field(ge=0, le=1)] | None,
        Own("mind-paced: a word that the model gives a smaller probability is not said before the thoughts "
            "have ended; 0: all are"),
    ] = None  # fmt: skip
    interrupt_after_ms: Annotated[
        Annotated[int, Field(ge=0, le=2000)] | None,
        Own("how long a sound must be voiced before it cuts a reply off; until then the reply is held back"),
    ] = None
    resume: Annotated[
        bool | None,
        Own("a client whose line drops may come back; echoed as `{token, seconds}`, see Coming back"),
    ] = None


class TokenLimits(Shape):
    post_instructions: Annotated[int, Field(ge=1)] | None = None


class RetentionRatio(Shape):
    type: Literal["retention_ratio"]
    retention_ratio: Annotated[float, Field(ge=0, le=1)]
    token_limits: TokenLimits | None = None


Truncation = Annotated[
    Annotated[Literal["auto", "disabled"], Tag("mode")] | Annotated[RetentionRatio, Tag("named")],
    Discriminator(lambda value: "mode" if isinstance(value, str) else "named"),
]


class Session(Shape):
    type: Annotated[Any, Refused('expected "realtime", the one kind of session there is', ("realtime",))]
    instructions: str | None = None
    audio: Audio | None = None
    output_modalities: Annotated[Modalities | None, Partly(NO_VOICE)] = None
    reasoning: Reasoning | None = None
    max_output_tokens: MaxTokens | None = None
    tools: Tools | None = None
    tool_choice: Choice | None = None
    parallel_tool_calls: Annotated[Any, Ignored(PARALLEL)] = None
    model: Annotated[str | None, Partly(ONE_MODEL)] = None
    prompt: Annotated[Any, Refused(NO_PROMPT)] = None
    truncation: Truncation | None = None
    tracing: Annotated[Any, Ignored("nothing that was said is stored")] = None
    include: Annotated[Any, Ignored("transcripts carry no log-probabilities")] = None
    soundmind: Soundmind | None = None


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


def _json_object(text: str) -> str:
    try:
        if isinstance(json.loads(text), dict):
            return text
    except (ValueError, RecursionError):
        pass
    raise PydanticCustomError("value_error", "expected a JSON object as text")


CONTENT = ("input_text", "output_text", "text", "input_audio", "output_audio")


class Content(Shape):
    type: Annotated[
        Any, Refused(f"expected {', '.join(CONTENT)}: the model hears and reads, and sees no images", CONTENT)
    ]
    text: str | None = None
    audio: Annotated[
        str | None, Partly("of input_audio, in the session's format; an assistant's audio cannot be added")
    ] = None
    transcript: Annotated[
        str | None,
        Partly("of input_audio, kept and not told to the model; of output_audio, its text"),
    ] = None

    @model_validator(mode="after")
    def _is_whole(self) -> Content:
        """Each type has its own field."""
        needed = {"input_audio": "audio", "output_audio": "transcript"}.get(self.type, "text")
        if getattr(self, needed) is None:
            raise PydanticCustomError("missing", "{type} needs {name}", {"type": self.type, "name": needed})
        if self.type == "output_audio" and self.audio:
            why = "an assistant's audio cannot be added: send its transcript"
            raise PydanticCustomError("unsupported", "{why}", {"why": why})
        return self


def _one_kind(content: list[Content]) -> list[Content]:
    if len({part.type == "input_audio" for part in content}) > 1:
        raise PydanticCustomError("unsupported", "expected text or audio in one message, got both: send two")
    return content


ItemId = Annotated[str, Field(min_length=1, max_length=64)]


class Item(Shape):
    id: ItemId | None = None
    object: Annotated[Any, Ignored("always realtime.item")] = None
    status: Annotated[Any, Ignored("an item that was sent is completed")] = None


class Message(Item):
    type: Literal["message"]
    role: Literal["user", "system", "assistant"]
    content: Annotated[list[Content], Field(min_length=1), AfterValidator(_one_kind)]
    phase: Annotated[Any, Ignored("a typed item is not spoken")] = None


class FunctionCall(Item):
    type: Literal["function_call"]
    name: FunctionName
    arguments: Annotated[str, AfterValidator(_json_object)]
    call_id: ItemId | None = None


class FunctionCallOutput(Item):
    type: Literal["function_call_output"]
    call_id: ItemId
    output: str


AnyItem = Message | FunctionCall | FunctionCallOutput


class ItemCreate(ClientEvent):
    type: Literal["conversation.item.create"]
    item: Annotated[AnyItem, Field(discriminator="type")]
    previous_item_id: str | None = None


class ItemDelete(ClientEvent):
    type: Literal["conversation.item.delete"]
    item_id: str


class ItemRetrieve(ClientEvent):
    type: Literal["conversation.item.retrieve"]
    item_id: str


class ItemTruncate(ClientEvent):
    type: Literal["conversation.item.truncate"]
    item_id: str
    content_index: int
    audio_end_ms: Annotated[
        Annotated[int, Field(ge=0)], Partly("the words spoken by then are kept; of text, nothing is cut")
    ]


# --- responses ---


Metadata = Annotated[
    dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=512)]], Field(max_length=16)
]


class ItemReference(Shape):
    type: Literal["item_reference"]
    id: str


class Response(Shape):
    instructions: str | None = None
    reasoning: ResponseReasoning | None = None
    max_output_tokens: MaxTokens | None = None
    metadata: Metadata | None = None
    output_modalities: Annotated[Modalities | None, Partly(NO_VOICE)] = None
    audio: ResponseAudio | None = None
    conversation: Literal["auto", "none"] | None = None
    input: list[Annotated[AnyItem | ItemReference, Field(discriminator="type")]] | None = None
    tools: Tools | None = None
    tool_choice: Choice | None = None
    parallel_tool_calls: Annotated[Any, Ignored(PARALLEL)] = None
    prompt: Annotated[Any, Refused(NO_PROMPT)] = None


class ResponseCreate(ClientEvent):
    type: Literal["response.create"]
    response: Response | None = None


class ResponseCancel(ClientEvent):
    type: Literal["response.cancel"]
    response_id: str | None = None


# --- output audio ---


class OutputClear(ClientEvent):
    type: Literal["output_audio_buffer.clear"]


EVENTS: dict[str, type[ClientEvent]] = {
    "session.update": SessionUpdate,
    "input_audio_buffer.append": Append,
    "input_audio_buffer.commit": Commit,
    "input_audio_buffer.clear": Clear,
    "conversation.item.create": ItemCreate,
    "conversation.item.delete": ItemDelete,
    "conversation.item.retrieve": ItemRetrieve,
    "conversation.item.truncate": ItemTruncate,
    "response.create": ResponseCreate,
    "response.cancel": ResponseCancel,
    "output_audio_buffer.clear": OutputClear,
}
