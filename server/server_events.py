"""What a session tells, as the GA Realtime API's server events, in the order that stock clients survive.

`Narrator` turns one session event into its wire events, and answers the client's own requests (created,
updated, retrieved, truncated, error). It keeps the items as they now stand on the wire, since a client may
ask for one again; those of a response outside the conversation are not among them. Some event types are our
own, which every client passes over: `response.reasoning_text.*` (named after the Responses API) and
`soundmind.*`. An item's optional fields are left out rather than null: agents-js drops an item with
null fields. An item of a response is announced once there is something in it, so that a reply that only
calls a tool has no message. Knows no sockets, no clock and no session.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, assert_never

from server.limits import RateLimit
from server.protocol import ProtocolError
from server.session_object import SessionState
from server.telling import Narrated, Telling, Wire
from streaming import events as ev

PART = {"output_index": 0, "content_index": 0}  # a message comes first in its response, and has one part

# Every event that is sent, and what to know about it.
TOLD: dict[str, str] = {
    "session.created": "first of all",
    "session.updated": "the whole session as it is in effect",
    "error": "for one event of the client, named in `error.event_id`; the session goes on",
    "input_audio_buffer.speech_started": "with the id of the item to come",
    "input_audio_buffer.speech_stopped": "",
    "input_audio_buffer.committed": "",
    "input_audio_buffer.cleared": "",
    "input_audio_buffer.timeout_triggered": "after `idle_timeout_ms` without speech behind a reply: the "
    "newest of the quiet becomes a turn, which is answered",
    "conversation.item.added": "`previous_item_id` is the real predecessor, null only at the front",
    "conversation.item.done": "",
    "conversation.item.deleted": "",
    "conversation.item.retrieved": "the item as it now stands, its transcript included",
    "conversation.item.truncated": "`audio_end_ms` is at most the audio there is; 0 for text",
    "conversation.item.input_audio_transcription.delta": "when `audio.input.transcription` is set",
    "conversation.item.input_audio_transcription.completed": "`usage` is the duration transcribed",
    "conversation.item.input_audio_transcription.failed": "",
    "response.created": "echoes `metadata`",
    "rate_limits.updated": "where the server limits replies (`requests`), behind each `response.created`",
    "response.output_item.added": "the words, where there are any, then each call of a tool",
    "response.content_part.added": "one part an item, of the type `audio` or `text`",
    "response.reasoning_text.delta": "**our own**, as in the Responses API: the chain of thought as it comes",
    "response.reasoning_text.done": "**our own**: the whole chain as `text`; also of one cut short",
    "response.output_text.delta": "to a slow client several are merged into one",
    "response.output_text.done": "",
    "response.output_audio.delta": "a tenth of a second, and sent at most a few seconds before it is due",
    "response.output_audio.done": "",
    "response.output_audio_transcript.delta": "in step with the audio: the words that begin in it",
    "response.output_audio_transcript.done": "",
    "response.function_call_arguments.delta": "one a call, once the call is whole and good",
    "response.function_call_arguments.done": "",
    "response.content_part.done": "",
    "response.output_item.done": "`status` is `incomplete` for a reply that was cut short",
    "output_audio_buffer.started": "WebRTC: the first of a response's sound is sent",
    "output_audio_buffer.stopped": "WebRTC: all of it has been heard, behind `response.done`",
    "output_audio_buffer.cleared": "WebRTC: the rest of it is not played; what was heard of it is told by "
    "`conversation.item.truncated`",
    "soundmind.caption": "**our own**, WebRTC: the words once more, as `delta`, when they are heard; up to "
    "3 s behind `response.output_audio_transcript.delta`",
    "soundmind.timings": "**our own**, right before `response.done`: `turn_ended_ms`, `first_thinking_ms`, "
    "`first_reply_ms`, `first_sound_ms`, `done_ms` since the last voiced sample arrived; `append_ms`, what "
    "the newest append before the reply took; `stopped_ms`, of a reply that speech cut off, from the arrival "
    "of its first voiced sample to the last that was told of the reply (null: did not happen)",
    "soundmind.engine_lost": "**our own**: the engine has died, and its successor is being started; "
    "audio and events are taken in meanwhile",
    "soundmind.engine_back": "**our own**: the successor is there, after `down_ms`; what was being made "
    "goes on, and what was asked for is answered",
    "soundmind.resumed": "**our own**: a client has come back, and has all that it had missed; of the audio "
    "that it sent so many milliseconds are here (`input_audio_ms`): what is behind them is to be sent again",
    "soundmind.server_leaving": "**our own**: this server ends, and the conversation goes on at another: the "
    "client is to come back, with its token, at the same address; then the line is closed (1012)",
    "response.done": "of every response, whatever became of it; in `usage` reasoning counts as output text, "
    "and is told apart in `output_token_details.reasoning_tokens` (**our own**, as in the Responses API)",
}

NOT_TOLD: dict[str, str] = {
    "conversation.created": "never: of the beta API",
    "conversation.item.created": "never: of the beta API; GA says added and done",
    "conversation.item.input_audio_transcription.segment": "never: there is one voice a turn",
    "input_audio_buffer.dtmf_event_received": "never: telephony",
    "mcp_list_tools.*": "never: no MCP",
    "response.mcp_call*": "never: no MCP",
}

ERROR_TYPES = {"server_error", "session_limit", "engine_unavailable"}


class Narrator:
    def __init__(self, conversation_id: str) -> None:
        self._conversation_id = conversation_id
        self._told = 0  # events
        self._items: dict[str, Wire] = {}
        self._before: dict[str, str | None] = {}  # item to the one before it
        self._replies: dict[str, Telling] = {}  # by response

    def _event(self, kind: str, **fields: Any) -> Wire:
        self._told += 1
        return {"type": kind, "event_id": f"event_{self._told}", **fields}

    # --- for another server ---

    def snapshot(self) -> Narrated:
        incomplete = [item_id for item_id, item in self._items.items() if item["status"] == "incomplete"]
        tellings = [telling.snapshot() for telling in self._replies.values()]
        before = {t.message: self._before.get(t.message) for t in tellings if t.message is not None}
        return Narrated(self._conversation_id, self._told, tuple(incomplete), tuple(tellings), before)

    @classmethod
    def restored(cls, narrated: Narrated, items: Iterable[ev.Item]) -> Narrator:
        """`items`: of the conversation."""
        narrator = cls(narrated.conversation_id)
        narrator._told = narrated.told
        for item in items:
            status = "incomplete" if item.id in narrated.incomplete else "completed"
            narrator._items[item.id] = _item(item, status)
        for told in narrated.tellings:
            telling = narrator._replies[told.started.response_id] = Telling.restored(told, narrated)
            if told.message is not None and not telling.outside:
                narrator._items[told.message] = _begun(told.message)
        narrator._before |= narrated.before
        return narrator

    # --- answers to the client ---

    def session_created(self, state: SessionState) -> Wire:
        return self._event("session.created", session=state.wire())

    def session_updated(self, state: SessionState) -> Wire:
        return self._event("session.updated", session=state.wire())

    def retrieved(self, item_id: str) -> Wire:
        """Raises ProtocolError."""
        return self._event(
            "conversation.item.retrieved", item=self._known(item_id, "item_retrieve_invalid_item_id")
        )

    def truncated(self, item_id: str, content_index: int) -> Wire:
        """Where there is no audio, any cut is clamped to its end, 0 ms: Pipecat dies of a refusal.

        Raises ProtocolError for an item that does not exist.
        """
        self._known(item_id, "item_truncate_invalid_item_id")
        return self._event(
            "conversation.item.truncated", item_id=item_id, content_index=content_index, audio_end_ms=0
        )

    def _known(self, item_id: str, code: str) -> Wire:
        if item_id not in self._items:
            raise ProtocolError(
                code, f"item_id: expected an item of this conversation, got {item_id[:64]!r}", "item_id"
            )
        return self._items[item_id]

    def resumed(self, input_audio_ms: int) -> Wire:
        return self._event("soundmind.resumed", input_audio_ms=input_audio_ms)

    def leaving(self) -> Wire:
        return self._event("soundmind.server_leaving")

    def rate_limits(self, left: RateLimit) -> Wire:
        limit = {"name": "requests", "limit": left.limit, "remaining": left.remaining}
        return self._event("rate_limits.updated", rate_limits=[limit | {"reset_seconds": left.reset_seconds}])

    def output_buffer(self, what: str, response_id: str) -> Wire:
        """`what`: started, stopped or cleared."""
        return self._event(f"output_audio_buffer.{what}", response_id=response_id)

    def caption(self, response_id: str, item_id: str, words: str) -> Wire:
        return self._event("soundmind.caption", response_id=response_id, item_id=item_id, delta=words)

    def error(self, code: str, message: str, param: str | None = None, event_id: str | None = None) -> Wire:
        """`event_id` is that of the client's event at fault."""
        kind = "server_error" if code in ERROR_TYPES else "invalid_request_error"
        body = {"type": kind, "code": code, "message": message, "param": param, "event_id": event_id}
        return self._event("error", error=body)

    # --- what the session tells ---

    def narrate(self, event: ev.Event) -> list[Wire]:
        match event:
            case ev.SpeechStarted(item_id, at_ms):
                return [
                    self._event("input_audio_buffer.speech_started", item_id=item_id, audio_start_ms=at_ms)
                ]
            case ev.SpeechStopped(item_id, at_ms):
                return [self._event("input_audio_buffer.speech_stopped", item_id=item_id, audio_end_ms=at_ms)]
            case ev.IdleTimeout(item_id, start_ms, end_ms):
                kind = "input_audio_buffer.timeout_triggered"
                where = {"item_id": item_id, "audio_start_ms": start_ms, "audio_end_ms": end_ms}
                return [self._event(kind, **where)]
            case ev.EngineLost():
                return [self._event("soundmind.engine_lost")]
            case ev.EngineBack(seconds):
                return [self._event("soundmind.engine_back", down_ms=round(seconds * 1000))]
            case ev.Trouble(code, message):
                return [self.error(code, message)]
            case ev.Committed(item_id, before):
                return [self._event("input_audio_buffer.committed", item_id=item_id, previous_item_id=before)]
            case ev.Cleared():
                return [self._event("input_audio_buffer.cleared")]
            case ev.ItemAdded(item, before):
                return self._item_added(item, before)
            case ev.ItemDeleted(item_id):
                self._items.pop(item_id, None)
                return [self._event("conversation.item.deleted", item_id=item_id)]
            case ev.TranscriptDelta() | ev.TranscriptDone() | ev.TranscriptFailed():
                return [self._transcript(event)]
            case ev.ResponseStarted():
                return self._started(event)
            case ev.ThinkingDelta(response_id, item_id, delta):
                telling = self._replies[response_id]
                telling.thinking = (telling.thinking or "") + delta
                return [self._part("response.reasoning_text.delta", response_id, item_id, delta=delta)]
            case ev.ThinkingDone(response_id, item_id, text):
                self._replies[response_id].thinking = None
                return [self._part("response.reasoning_text.done", response_id, item_id, text=text)]
            case ev.ReplyStarted():
                return self._message_started(event)
            case ev.ReplyDelta(response_id, item_id, delta):
                self._replies[response_id].text += delta
                return [self._part("response.output_text.delta", response_id, item_id, delta=delta)]
            case ev.SpeechDelta():
                return self._speech(event)
            case ev.Truncated(item_id, ms, text):
                self._cut(item_id, text)
                where = {"item_id": item_id, "content_index": 0, "audio_end_ms": ms}
                return [self._event("conversation.item.truncated", **where)]
            case ev.CutOff(item_id, text):  # a client that wants to know asks for the item
                self._cut(item_id, text)
                return []
            case ev.CallMade(response_id, call, before):
                return [
                    *self._message_done(response_id, "completed"),
                    *self._called(response_id, call, before),
                ]
            case ev.ResponseDone():
                return self._done(event)
        assert_never(event)

    def _item_added(self, item: ev.Item, before: str | None) -> list[Wire]:
        wire = self._items[item.id] = _item(item, "completed")
        self._before[item.id] = before
        return [
            self._event("conversation.item.added", item=wire, previous_item_id=before),
            self._event("conversation.item.done", item=wire, previous_item_id=before),
        ]

    def _transcript(self, event: ev.TranscriptDelta | ev.TranscriptDone | ev.TranscriptFailed) -> Wire:
        where = {"item_id": event.item_id, "content_index": 0}
        base = "conversation.item.input_audio_transcription"
        match event:
            case ev.TranscriptDelta(_, delta):
                return self._event(f"{base}.delta", **where, delta=delta)
            case ev.TranscriptDone(item_id, text, seconds):
                if item_id in self._items:  # agents-js asks for the item again, now with its transcript
                    content = [{"type": "input_audio", "transcript": text}]
                    self._items[item_id] = {**self._items[item_id], "content": content}
                usage = {"type": "duration", "seconds": float(seconds)}
                return self._event(f"{base}.completed", **where, transcript=text, usage=usage)
            case ev.TranscriptFailed(_, message):
                error = {"type": "server_error", "code": "transcription_failed", "message": message}
                return self._event(f"{base}.failed", **where, error=error)

    def _part(self, kind: str, response_id: str, item_id: str, **fields: Any) -> Wire:
        return self._event(kind, response_id=response_id, item_id=item_id, **PART, **fields)

    def _started(self, event: ev.ResponseStarted) -> list[Wire]:
        telling = self._replies[event.response_id] = Telling(event, self._conversation_id)
        return [self._event("response.created", response=telling.response("in_progress"))]

    def _item_started(self, response_id: str, item: Wire, before: str | None) -> list[Wire]:
        """The order that stock clients need: the response's item before the conversation's."""
        telling = self._replies[response_id]
        where = {"response_id": response_id, "output_index": len(telling.output), "item": item}
        added = self._event("response.output_item.added", **where)
        if telling.outside:
            return [added]
        self._items[item["id"]] = item
        self._before[item["id"]] = before
        return [added, self._event("conversation.item.added", item=item, previous_item_id=before)]

    def _item_done(self, response_id: str, item: Wire) -> list[Wire]:
        telling = self._replies[response_id]
        where = {"response_id": response_id, "output_index": len(telling.output), "item": item}
        telling.output.append(item)
        out = []
        if not telling.outside:
            self._items[item["id"]] = item
            before = self._before[item["id"]]
            out.append(self._event("conversation.item.done", item=item, previous_item_id=before))
        return [*out, self._event("response.output_item.done", **where)]

    def _message_started(self, event: ev.ReplyStarted) -> list[Wire]:
        telling = self._replies[event.response_id]
        telling.message = event.item_id
        item = _begun(event.item_id)
        ids, part = (event.response_id, event.item_id), _part("", telling.spoken)
        return [
            *self._item_started(event.response_id, item, event.previous_item_id),
            self._part("response.content_part.added", *ids, part=part),
        ]

    def _speech(self, event: ev.SpeechDelta) -> list[Wire]:
        ids: tuple[str, str] = (event.response_id, event.item_id)
        out: list[Wire] = []
        telling = self._replies[event.response_id]
        if event.delta:
            telling.text += event.delta
            out.append(self._part("response.output_audio_transcript.delta", *ids, delta=event.delta))
        return out + self._sound(ids, telling.encoder.push(event.pcm))

    def _sound(self, ids: tuple[str, str], sound: bytes) -> list[Wire]:
        if not sound:
            return []
        return [self._part("response.output_audio.delta", *ids, delta=base64.b64encode(sound).decode())]

    def _cut(self, item_id: str, text: str) -> None:
        item = _item(ev.Message(item_id, "assistant", True, text), "incomplete")
        self._items[item_id] = self._items[item_id] | {"content": item["content"]}

    def _message_done(self, response_id: str, status: str) -> list[Wire]:
        """Nothing where no message is open."""
        telling = self._replies[response_id]
        if telling.message is None:
            return []
        item_id, text, telling.message = telling.message, telling.text, None
        item = _item(ev.Message(item_id, "assistant", telling.spoken, text), status)
        ids = (response_id, item_id)
        done = [self._part("response.output_text.done", *ids, text=text)]
        if telling.spoken:
            rest = telling.encoder.finish()
            done = [
                *self._sound(ids, rest),
                self._part("response.output_audio.done", *ids),
                self._part("response.output_audio_transcript.done", *ids, transcript=text),
            ]
        return [
            *done,
            self._part("response.content_part.done", *ids, part=_part(text, telling.spoken)),
            *self._item_done(response_id, item),
        ]

    def _called(self, response_id: str, call: ev.FunctionCall, before: str | None) -> list[Wire]:
        where = {
            "response_id": response_id,
            "item_id": call.id,
            "output_index": len(self._replies[response_id].output),
        }
        where |= {"call_id": call.call_id}
        base = "response.function_call_arguments"
        return [
            *self._item_started(response_id, _item(replace(call, arguments=""), "in_progress"), before),
            self._event(f"{base}.delta", **where, delta=call.arguments),
            self._event(f"{base}.done", **where, name=call.name, arguments=call.arguments),
            *self._item_done(response_id, _item(call, "completed")),
        ]

    def _done(self, event: ev.ResponseDone) -> list[Wire]:
        out = []
        telling = self._replies[event.response_id]
        if telling.thinking is not None:  # cut short: close what was opened
            ids = (event.response_id, event.item_id)
            out.append(self._part("response.reasoning_text.done", *ids, text=telling.thinking))
        status = "completed" if event.status == "completed" else "incomplete"
        out += self._message_done(event.response_id, status)
        del self._replies[event.response_id]
        response = telling.response(event.status)
        response |= {"status_details": _details(event), "usage": _usage(event.usage)}
        times = {f"{name}_ms": getattr(event.timings, name) for name in TIMINGS}
        return [
            *out,
            self._event("soundmind.timings", response_id=event.response_id, item_id=event.item_id, **times),
            self._event("response.done", response=response),
        ]


TIMINGS = ("turn_ended", "first_thinking", "first_reply", "first_sound", "done", "append", "stopped")


def _item(item: ev.Item, status: str) -> Wire:
    wire: Wire = {"id": item.id, "object": "realtime.item", "status": status}
    match item:
        case ev.Message():
            return wire | {"type": "message", "role": item.role, "content": _content(item)}
        case ev.FunctionCall(_, call_id, name, arguments):
            return wire | {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
        case ev.FunctionOutput(_, call_id, _, output):
            return wire | {"type": "function_call_output", "call_id": call_id, "output": output}


def _begun(item_id: str) -> Wire:
    """A message before its first word."""
    return _item(ev.Message(item_id, "assistant"), "in_progress") | {"content": []}


def _content(item: ev.Message) -> list[Wire]:
    if item.spoken and item.role == "user":
        # The transcript key must be there for agents-js, null as long as it is unknown.
        return [{"type": "input_audio", "transcript": item.text}]
    if item.role == "assistant":
        if item.spoken:
            return [{"type": "output_audio", "transcript": item.text or ""}]
        return [_output_text(item.text or "")]
    return [{"type": "input_text", "text": item.text or ""}]


def _output_text(text: str) -> Wire:
    return {"type": "output_text", "text": text}


def _part(text: str, spoken: bool) -> Wire:
    return {"type": "audio", "transcript": text} if spoken else {"type": "text", "text": text}


def _details(event: ev.ResponseDone) -> Wire | None:
    if event.status == "completed":
        return None
    if event.status == "failed":
        message = event.message or "the engine failed"
        # Pipecat reads error.message, as the hosted API sends it; the SDK's types do not have it.
        return {
            "type": "failed",
            "error": {"type": "server_error", "code": event.reason or "engine_failed", "message": message},
        }
    return {"type": event.status, "reason": event.reason}


def _usage(usage: ev.Usage) -> Wire:
    inputs, outputs = usage.audio + usage.text, usage.reasoning + usage.reply
    return {
        "total_tokens": inputs + outputs,
        "input_tokens": inputs,
        "output_tokens": outputs,
        "input_token_details": {
            "text_tokens": usage.text,
            "audio_tokens": usage.audio,
            "cached_tokens": usage.cached,
            "cached_tokens_details": {
                "text_tokens": usage.cached - usage.cached_audio,
                "audio_tokens": usage.cached_audio,
            },
        },
        "output_token_details": {
            "text_tokens": outputs,
            "audio_tokens": 0,
            "reasoning_tokens": usage.reasoning,
        },
    }
