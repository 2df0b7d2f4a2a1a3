"""docs/realtime-events.md, from the tables in the code.

    python -m server.events_doc > docs/realtime-events.md

A test holds the page to what this prints.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin

from model.prompt import LONG, SHORT
from server import client_events as ce
from server.server_events import NOT_TOLD, TOLD
from streaming.endpointing import PATIENCE, SURE_MS

INTRO = """\
# Realtime events

What of the GA Realtime API is there yet. This page is printed from the code (`python -m server.events_doc`).

- **yes**: does what the API says.
- **our own**: the same, and not of the API.
- **ignored**: taken, without effect, for the reason given.
- **refused**, or **only** some values: anything else is answered with an `error` event of the code
  `unsupported` whose message is the text given; nothing of the event takes effect, and the session goes on.

Any other field is answered with `unknown_parameter`, any other event with `unknown_event`. `session.updated`
echoes what is in effect, which may differ from what was asked for.

Choices made for stock clients, which mostly ask for more than there is yet:

- `?model=NAME`: where one model is served, every name means it. Where there are several (`--lora`), it is the
  name of one; any other is answered with `model_not_found`, which lists them, and closed (1008). A session
  keeps its model: a session.update with the name of another one is refused.
- `output_modalities: ["audio"]`, the default, is answered with `["text"]` by a server without a voice. The
  names of the hosted API's voices are taken, and mean the default voice.
- `semantic_vad`: at a pause, and with every 400 ms heard, the model tells how likely the turn is over. From a
  likelihood on, {sure} of silence end it; the less likely, the more, up to a longest silence. Its eagerness
  sets both: {eagerness}. Where the model does not answer in time, the silence alone decides, after 1000 ms
  (low), 500 ms or 300 ms (high).
- A sound while a reply is being made holds it back, and cuts it off only when it has been voiced for
  `soundmind.interrupt_after_ms` (400): a cough or an "mhm" is shorter, and the reply goes on.
  `speech_started` comes when that is certain, and its turn begins where the sound began.
- Spoken replies are sent up to 3 s before they are heard, so that `response.done` may come before their end.
  Until that has been played, a sound is judged in the same way. Speech cuts off what is still to be played:
  then as much of the reply is kept as had been played by the clock, or by `conversation.item.truncate` where
  that comes. `conversation.item.retrieve` shows it. What is sent while something plays is played behind it.
- What turns out to be no turn (voiced for less than 100 ms; with `semantic_vad` also what is brief and says
  nothing) is ended by `speech_stopped` and `input_audio_buffer.cleared`, and not committed. If a reply was
  cut off for it, also one that was done and being played, a new response follows with the same settings and
  metadata.
- `reasoning.effort`: `minimal`, and our own `none`, reply at once; every other effort thinks first.
  `low`, `high` and `xhigh` tell the model how much, in a line behind the instructions: `{short}` and
  `{long}`. That line is the session's: a response's own effort decides only whether it thinks. `none` is
  echoed as `minimal`, since the API does not have it.
- `reasoning.max_tokens` is enforced: when the chain has had so many tokens it is closed, and the model
  goes on with the reply. A model that was not trained on broken thoughts may reply less well then.
- `soundmind.pace`: mind-paced, two requests run at once. One thinks; the other says beforehand what is
  certain of the reply, segment by segment, from the thoughts so far: `response.reasoning_text.delta` and the
  deltas of the reply take turns, and `response.reasoning_text.done` comes when the thoughts have ended. Then
  the reply to all of them is compared with what was said, word for word: it goes on behind it, or corrects
  itself in words ("no, wait: …") and says the sentence anew. Calls are made from all of the thoughts alone.
  Tokens that were made and not said count as well, in `usage` and for `max_output_tokens`.
- `soundmind.while_listening`: at each pause the thoughts about what was said before are checked against what
  has come since, in one pass, and carried on from the first that would be another one now.
- Tools. A call is told once it is whole, in one delta: `response.output_item.added`,
  `conversation.item.added`, `response.function_call_arguments.delta` and `.done`,
  `conversation.item.done`, `response.output_item.done`. Words come before calls; what the model says
  behind a call is dropped. A reply cut short in the middle of a call has not called. When the model calls
  a tool that was not offered, or its arguments are no JSON object, the response ends `failed` with the
  code `invalid_function_call`: nothing of that call is told or remembered, calls told before it stand,
  and another `response.create` may do better.
- `tool_choice`: with `none` the model is told of no tools. `required`, or a function's name, begins the
  call for the model once it has thought, so that it can but call. `tools`, `tool_choice` or
  `instructions` of a response that differ from the session's cost reading the conversation anew.
- A `function_call_output` needs the `call_id` of a call in this conversation (`invalid_tool_call_id`),
  and may come while the response that called is not done yet: it takes its place behind it.
- Our own fields stand in `session.soundmind` and `reasoning`, and are echoed to those only who have set
  them.
- Items go anywhere: `previous_item_id` is an item or `root`; what is put into a reply that is still being
  made stands behind it, and what comes while the user speaks before that turn. Each of it, and a deletion,
  makes the engine read the conversation anew. A user's message may be audio (`input_audio`, in the session's
  format). An item of a reply in the making cannot be deleted (`item_active`).
- A response outside the conversation (`conversation: "none"`) leaves no trace there: no
  `conversation.item.*`, `conversation_id` null. Up to 4 of them may be made beside the conversation's own,
  which alone is interrupted by speech and cancelled by a `response.cancel` without an id. `input` takes the
  place of the conversation: items, references to items, or nothing at all.
- `truncation`: `auto` keeps the newest half, `retention_ratio` the share it names, of the room that there is
  (or of `post_instructions` tokens). `disabled`: what does not fit (an item, a `response.create`, a spoken
  turn, which is dropped) is answered with `context_length_exceeded`.
- A truncation (`conversation.item.truncate`) is never refused: it is clamped to the audio there is, and of
  text it cuts nothing.
- `idle_timeout_ms` counts from when the reply has been played, if it is spoken.
"""

WEBRTC = """\
## WebRTC

`POST /v1/realtime/calls` takes an SDP offer with audio (Opus) and a data channel, as `application/sdp`, or as
`multipart/form-data` with `sdp` and `session` (as in session.update). It answers 201 with the SDP answer, all
of our candidates in it, and the call in `Location`; `POST /v1/realtime/calls/{call_id}/hangup` ends it. The
key may be a client secret; the form's session goes over the secret's. Refused: 400 (`invalid_offer`, or what
is wrong with the session), 401 `invalid_api_key`, 403 `origin_not_allowed`, 413, 429 `rate_limit_exceeded`
(this key), 503 `session_limit` (the server is full) and 503 `engine_unavailable`.

The client makes the data channel `oai-events`, before its offer. The events on it are those above, each a
message of at most 256 KiB, with these differences:

- Audio goes by the tracks: `input_audio_buffer.append` is refused (`unsupported`),
  `response.output_audio.delta` is not sent, and the formats of the session stay `audio/pcm`. What is lost on
  the way in is made up for, so that the audio clock holds.
- A reply lasts until it has been heard: then come `response.done` and `output_audio_buffer.stopped`. Until
  then it can be interrupted, and a cough holds it back.
- A reply that is cut off falls silent at once: `response.done`, `output_audio_buffer.cleared`, and, where not
  all of its words had been sent, `conversation.item.truncated`, without being asked for. What was sent counts
  as heard 80 ms later.
- `output_audio_buffer.clear` cuts off the reply that is being played. Over WebSocket it is refused.

A call that has no open data channel after 15 s (`connect_seconds`) is freed, and so is one whose peer
connection or data channel closes or fails; the log says why.
"""

LIMITS = """\
## Limits and closing

An event may have 15 MiB; beyond that it is an `error` (`event_too_large`), beyond 24 MiB the connection is
closed (1009). Audio is base64, mono: PCM16 at 24 kHz, or G.711 at 8 kHz. Pings go out every 20 s. A client
that takes nothing for 30 s is closed (1008), one without a place gets `session_limit` and is closed (1013),
and while there is no engine `engine_unavailable` (1011). Who may not come in is answered before the
handshake: 401 `invalid_api_key`, 403 `origin_not_allowed`.

### Coming back

With `soundmind: {resume: true}` in session.update, session.updated has `soundmind.resume`:
`token`, and the `seconds` that the conversation is kept when the line drops (not when the client closes with
1000). It keeps its place and goes on: a response in the making is completed, a turn that was being spoken
stays open. `/v1/realtime?resume=TOKEN&after=EVENT_ID`, with the same key, goes on with it: the events behind
that one, once and in order, then `soundmind.resumed`, then whatever comes. Who comes while the first is still
there takes its place; the first is closed (1008). Events are kept up to 5000 and 8 MiB. Where the token is
unknown, another's or expired, or what was missed is no longer kept: `resume_failed`, closed (1008).
`soundmind.resumed` says how much of the audio has come in since the session began (`input_audio_ms`): a
client that keeps the newest seconds of what it sends loses none by sending again what is behind that.

Where several servers have one store (`store`, [fleet.md](fleet.md)), any of them goes on with it when the
first is gone: a response in the making is completed as the same response, behind what was told of it. A
server that is to stop (SIGTERM) lets nobody new in (503 before the handshake), ends what is being said, and
then sends those who may come back elsewhere: `soundmind.server_leaving`, closed (1012). Others may finish,
for as long as `drain_s` says (25 s).

A call comes back by another offer to `/v1/realtime/calls?resume=TOKEN&after=EVENT_ID`, also from another
network, whether the first peer connection is known to have failed or not: the answer names the same call, and
its audio goes on over the new tracks, a reply where it had stopped. What the lost line had been sent until it
failed counts as heard. An unknown token is answered 404 (`resume_failed`). A data channel that its client
closes, or `hangup`, ends the call. A WebSocket comes back as a WebSocket, a call as a call.

### The engine

An engine that dies has a successor; so has one that owes an answer and does nothing for `engine_hang_s`
(60 s). Sessions go on meanwhile and take audio and events in; a response in the making goes on as the same
response, behind what was told of it, and a turn that ended meanwhile is answered late. Where there is no
engine for as long as `engine_patience_s` says (120 s), the response fails with
`engine_unavailable`, and the session still goes on. `/healthz` says `ok`, `full` (200), `restarting` or
`draining` (503), with the `generation` of the engine; `/readyz` says whether a proxy should send callers:
200 any, 404 (full) those who come back, 503 nobody.

Where the server holds more conversations than it has room for at once (`overcommit`), one that has been idle
may find its room taken when it goes on. It takes audio and events in all the same, and replies wait as they
do without an engine; after as long, a response fails with `session_limit`.

Where the operator limits a key: `rate_limit_exceeded`, for one session too many (closed, 1013), for an event
beyond the bytes of a minute or a `response.create` beyond the replies of one (it is not taken, and the
session goes on); a reply beyond them that nobody asked for is cancelled. A session that has lasted as long as
it may ends with `session_expired` (1000), as `session.expires_at` had said.

`POST /v1/realtime/client_secrets` takes `expires_after` (`anchor`, `seconds` 10 to 7200, 600) and `session`,
as in session.update, and gives `value` (`ek_...`), `expires_at` and `session`. Until then the secret opens
sessions that are set so; it makes no further secrets. It is forgotten when the server stops, unless servers
have one store: then all of them know it.
"""


def page() -> str:
    eagerness = ", ".join(f"{name} {p.sure} and {p.most_ms / 1000:.0f} s" for name, p in PATIENCE.items())
    intro = INTRO.replace("{eagerness}", eagerness).replace("{sure}", f"{SURE_MS} ms")
    intro = intro.replace("{short}", SHORT).replace("{long}", LONG)
    return "\n".join([intro, *_client_events(), *_server_events(), WEBRTC, LIMITS.rstrip()])


def _client_events() -> Iterator[str]:
    yield "## From the client\n"
    for kind, shape in ce.EVENTS.items():
        yield f"### {kind}\n"
        rows = [row for row in _rows(shape, "") if row[0] not in ("type", "event_id")]
        if rows:
            yield from ("| field | | |", "|---|---|---|")
            yield from (f"| `{path}` | {mark} | {why} |" for path, mark, why in rows)
        else:
            yield "No fields of its own."
        yield ""


def _rows(shape: type[ce.Shape], prefix: str) -> Iterator[tuple[str, str, str]]:
    """(path, mark, why) of every field, depth first."""
    for name, field in shape.model_fields.items():
        mark, why = "yes", ""
        for note in (*field.metadata, *_notes(field.annotation)):
            if isinstance(note, ce.Ignored):
                mark, why = "ignored", note.why
            elif isinstance(note, ce.Refused):
                mark, why = _refused(note), note.why
            elif isinstance(note, ce.Partly):
                mark, why = "partly", note.why
            elif isinstance(note, ce.Own):
                mark, why = "our own", note.why
        nested = [] if mark == "ignored" else list(_shapes(field.annotation))
        if not nested:
            yield prefix + name, mark, why
        for inner in nested:
            yield from _rows(inner, f"{prefix}{name}{_branch(inner)}.")


def _refused(note: ce.Refused) -> str:
    values = [f"`{value}`" for value in note.allowed if value not in (None, [])]
    return f"only {', '.join(values)}" if values else "refused"


def _notes(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is Annotated:
        yield from get_args(annotation)[1:]


def _shapes(annotation: Any) -> Iterator[type[ce.Shape]]:
    """The shapes inside a field's type."""
    if isinstance(annotation, type) and issubclass(annotation, ce.Shape):
        yield annotation
    elif get_origin(annotation) in (Annotated, Union, types.UnionType, list):
        for part in get_args(annotation):
            yield from _shapes(part)


def _branch(shape: type[ce.Shape]) -> str:
    names = {
        ce.ServerVad: " (server_vad)",
        ce.SemanticVad: " (semantic_vad)",
        ce.Message: " (message)",
        ce.FunctionCall: " (function_call)",
        ce.FunctionCallOutput: " (function_call_output)",
        ce.RetentionRatio: " (retention_ratio)",
        ce.FunctionChoice: " (function)",
        ce.FunctionTool: "[]",
        ce.Content: "[]",
        ce.ItemReference: "[] (item_reference)",
    }
    return names.get(shape, "")


def _server_events() -> Iterator[str]:
    yield "## From the server\n"
    yield from ("| event | |", "|---|---|")
    yield from (f"| `{kind}` | {note} |" for kind, note in TOLD.items())
    yield "\nNot there yet, or never:\n"
    yield from (f"- `{kind}`: {why}" for kind, why in NOT_TOLD.items())
    yield ""


if __name__ == "__main__":
    print(page())
