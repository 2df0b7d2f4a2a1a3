"""A client's event, as text, to a command for the session; every fault to one `error` event.

Strict: what is not understood is refused by name, with what was expected, and nothing of the event takes
effect. Knows no session, no sockets and no clock.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import ValidationError

from model.tools import Tool
from server import client_events as ce
from streaming.events import (
    AudioFormat,
    FunctionCall,
    FunctionOutput,
    Given,
    Item,
    Message,
    Named,
    Reference,
    ResponseRequest,
    ToolChoice,
)

MAX_EVENT = 15 * 2**20  # characters of one event, as the API documents it
FORMATS: dict[str, AudioFormat] = {"audio/pcm": "pcm", "audio/pcmu": "pcmu", "audio/pcma": "pcma"}
HOSTED_VOICES = ("alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse")


@dataclass(frozen=True)
class UpdateSession:
    session: ce.Session
    event_id: str | None = None


@dataclass(frozen=True)
class AppendAudio:
    pcm: bytes
    event_id: str | None = None


@dataclass(frozen=True)
class CommitAudio:
    event_id: str | None = None


@dataclass(frozen=True)
class ClearAudio:
    event_id: str | None = None


@dataclass(frozen=True)
class AddItem:
    item: Item  # ids that the client leaves open are empty
    previous_item_id: str | None  # "root": in front of everything
    audio: bytes | None = None  # of a spoken one
    event_id: str | None = None


@dataclass(frozen=True)
class DeleteItem:
    item_id: str
    event_id: str | None = None


@dataclass(frozen=True)
class RetrieveItem:
    item_id: str
    event_id: str | None = None


@dataclass(frozen=True)
class TruncateItem:
    item_id: str
    content_index: int
    audio_end_ms: int
    event_id: str | None = None


@dataclass(frozen=True)
class CreateResponse:
    request: ResponseRequest
    event_id: str | None = None


@dataclass(frozen=True)
class CancelResponse:
    response_id: str | None
    event_id: str | None = None


@dataclass(frozen=True)
class ClearOutput:
    event_id: str | None = None


Command = (
    UpdateSession
    | AppendAudio
    | CommitAudio
    | ClearAudio
    | AddItem
    | DeleteItem
    | RetrieveItem
    | TruncateItem
    | CreateResponse
    | CancelResponse
    | ClearOutput
)


class ProtocolError(Exception):
    """An event was refused. `code` is for programs; `param` is the path of the field at fault."""

    def __init__(
        self, code: str, message: str, param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.event_id = event_id


def parse(message: str | bytes) -> Command:
    """One WebSocket message to one command. Raises ProtocolError."""
    raw = json_object(message)
    event_id = raw.get("event_id")
    if not isinstance(event_id, str | None):
        raise ProtocolError("invalid_type", f"event_id: expected a string, got {_kind(event_id)}", "event_id")
    try:
        return _command(_validated(raw))
    except ProtocolError as error:
        error.event_id = event_id
        raise


def json_object(message: str | bytes) -> dict[str, Any]:
    if isinstance(message, bytes):
        raise ProtocolError("invalid_message", "expected a text message with a JSON object, got a binary one")
    if len(message) > MAX_EVENT:
        raise ProtocolError(
            "event_too_large",
            f"expected at most {MAX_EVENT} bytes (15 MiB), got {len(message)}: send audio in smaller pieces",
        )
    try:
        raw = DECODER.decode(message)
        if "\\u" in message:  # half a surrogate pair is legal JSON, and no text
            json.dumps(raw, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise ProtocolError(
            "invalid_json", "expected text in JSON strings, got half a surrogate pair"
        ) from error
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ProtocolError("invalid_json", f"expected a JSON object: {reason}") from error
    if not isinstance(raw, dict):
        raise ProtocolError("invalid_json", f"expected a JSON object, got {_kind(raw)}")
    return raw


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


DECODER = json.JSONDecoder(parse_constant=_no_constant)  # json.loads would make one each time


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "a boolean", str: "a string", dict: "an object", list: "an array"}
    return names.get(type(value), "a number")


def _validated(raw: dict[str, Any]) -> ce.ClientEvent:
    kind = raw.get("type")
    if kind is None:
        raise ProtocolError("missing_required_parameter", f"type: expected one of {_known()}", "type")
    if not isinstance(kind, str):
        raise ProtocolError("invalid_type", f"type: expected a string, got {_kind(kind)}", "type")
    shape = ce.EVENTS.get(kind)
    if shape is None:
        raise ProtocolError("unknown_event", f"type: expected one of {_known()}, got {kind[:64]!r}", "type")
    try:
        return shape.model_validate(raw)
    except ValidationError as error:
        raise refusal(error) from error


def _known() -> str:
    return ", ".join(ce.EVENTS)


CODES = {
    "missing": "missing_required_parameter",
    "unknown_parameter": "unknown_parameter",
    "unsupported": "unsupported",
}
# A union's branch is part of pydantic's location.
TAGS = (
    "server_vad",
    "semantic_vad",
    "message",
    "function_call",
    "function_call_output",
    "item_reference",
    "mode",
    "named",
)


def refusal(error: ValidationError) -> ProtocolError:
    """The first fault of the event, in one line."""
    first = error.errors(include_url=False)[0]
    kind = first["type"]
    path = [
        str(part)
        for part in first["loc"]
        if isinstance(part, int) or part.isidentifier() and part not in TAGS
    ]
    code = CODES.get(kind, "invalid_type" if kind.endswith("_type") else "invalid_value")
    what = first["msg"]
    if kind == "unknown_parameter":
        path.append(str(first["ctx"]["name"])[:64])
        what = f"no such parameter, {what}"
    elif kind not in CODES:
        what += f", got {_short(first['input'])}"
    where = ".".join(path)
    return ProtocolError(code, f"{where}: {what}", where)


def _short(value: object) -> str:
    text = json.dumps(value)
    return text if len(text) <= 64 else text[:61] + "..."


def _command(event: ce.ClientEvent) -> Command:
    match event:
        case ce.SessionUpdate():
            return UpdateSession(event.session, event.event_id)
        case ce.Append():
            return AppendAudio(_audio(event.audio, "audio"), event.event_id)
        case ce.Commit():
            return CommitAudio(event.event_id)
        case ce.Clear():
            return ClearAudio(event.event_id)
        case ce.ItemCreate():
            item, audio = _item(event.item, "item")
            return AddItem(item, event.previous_item_id, audio, event.event_id)
        case ce.ItemDelete():
            return DeleteItem(event.item_id, event.event_id)
        case ce.ItemRetrieve():
            return RetrieveItem(event.item_id, event.event_id)
        case ce.ItemTruncate():
            return TruncateItem(event.item_id, event.content_index, event.audio_end_ms, event.event_id)
        case ce.ResponseCreate():
            return CreateResponse(_request(event.response), event.event_id)
        case ce.ResponseCancel():
            return CancelResponse(event.response_id, event.event_id)
        case ce.OutputClear():
            return ClearOutput(event.event_id)
    raise AssertionError(event)


def _audio(text: str, where: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ProtocolError("invalid_value", f"{where}: expected whole base64 ({error})", where) from error


def _request(response: ce.Response | None) -> ResponseRequest:
    if response is None:
        return ResponseRequest()
    reasoning = response.reasoning or ce.ResponseReasoning()
    output = (response.audio and response.audio.output) or ce.AudioOutput()
    return ResponseRequest(
        response.instructions,
        reasoning.effort,
        limit(reasoning.max_tokens),
        limit(response.max_output_tokens),
        None if response.tools is None else tools(response.tools),
        None if response.tool_choice is None else choice(response.tool_choice),
        response.metadata,
        None if response.output_modalities is None else "audio" in response.output_modalities,
        output.voice,
        output.speed,
        None if output.format is None else FORMATS[output.format.type],
        response.conversation == "none",
        None if response.input is None else tuple(_input(response.input)),
    )


def voice(wanted: str, voices: Collection[str]) -> str | None:
    """The voice of that name; None, the default, for those of the hosted API. Raises ProtocolError."""
    if wanted in voices:
        return wanted
    if not voices or wanted in HOSTED_VOICES:
        return None
    where = "audio.output.voice"
    expected = ", ".join([*voices, *HOSTED_VOICES])
    raise ProtocolError("invalid_value", f"{where}: expected one of {expected}, got {wanted[:64]!r}", where)


def _input(items: Sequence[ce.AnyItem | ce.ItemReference]) -> Iterator[Reference | Given]:
    for at, item in enumerate(items):
        if isinstance(item, ce.ItemReference):
            yield Reference(item.id)
        else:
            yield Given(*_item(item, f"response.input.{at}"))


def limit(tokens: int | str | None) -> int | None:
    """`inf` is none."""
    return tokens if isinstance(tokens, int) else None


def tools(offered: Sequence[ce.FunctionTool]) -> tuple[Tool, ...]:
    return tuple(Tool(tool.name, tool.description, tool.parameters) for tool in offered)


def choice(wanted: ce.Mode | ce.FunctionChoice) -> ToolChoice:
    return Named(wanted.name) if isinstance(wanted, ce.FunctionChoice) else wanted


def _item(item: ce.AnyItem, where: str) -> tuple[Item, bytes | None]:
    """The item, and what is to be heard in it."""
    match item:
        case ce.FunctionCall():
            return FunctionCall(item.id or "", item.call_id or "", item.name, item.arguments), None
        case ce.FunctionCallOutput():
            return FunctionOutput(item.id or "", item.call_id, "", item.output), None
    if item.content[0].type != "input_audio":
        text = "".join(part.text or part.transcript or "" for part in item.content)
        return Message(item.id or "", item.role, text=text), None
    if item.role != "user":
        raise ProtocolError(
            "invalid_value", f"{where}.content: expected text, only the user is heard", f"{where}.content"
        )
    audio = [_audio(part.audio or "", f"{where}.content.{at}.audio") for at, part in enumerate(item.content)]
    if not any(audio):
        raise ProtocolError(
            "invalid_value", f"{where}.content: expected audio, got nothing", f"{where}.content"
        )
    said = [part.transcript for part in item.content if part.transcript is not None]
    return Message(item.id or "", "user", True, " ".join(said) if said else None), b"".join(audio)
