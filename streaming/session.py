"""The shell of one live conversation: runs the pure cores for every packet, and owns the tasks.

    packet -> microphone (resample, voice, endpointing) -> turn table -> ear, listener, speaker

One synchronous call does all of that; nothing is queued on the way. Tasks exist for the listener's
request, for a reply, for a transcript and for the watchdog, all in one TaskGroup. What happens is told
through `emit`, in order. Knows no wire format and no transport.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.prompt import TRANSCRIBE
from model.reasoning import Thinking
from model.windows import Windows
from streaming import turn
from streaming.context import Context
from streaming.conversation import Conversation, Entry
from streaming.ear import Ear
from streaming.endpointing import Started, Stopped
from streaming.engine import Engine
from streaming.events import (
    BadItem,
    Cleared,
    Committed,
    EmptyBuffer,
    EngineUnavailable,
    Event,
    Forgotten,
    Item,
    ItemAdded,
    NoActiveResponse,
    Reason,
    ReplyDelta,
    ResponseActive,
    ResponseRequest,
    ResponseStarted,
    Role,
    SessionError,
    SessionSettings,
    SpeechStarted,
    SpeechStopped,
    Status,
    ThinkingDelta,
    ThinkingDone,
    Timings,
    TranscriptDelta,
    TranscriptDone,
    TranscriptFailed,
    Usage,
)
from streaming.listener import Listener
from streaming.microphone import RATE, Microphone
from streaming.recall import recall, typed
from streaming.reply import ActiveReply
from streaming.speaker import Told, speak
from streaming.turn import Do, Happened, State
from streaming.vad import SpeechDetector

REPLY_SHARE = 4  # a reply gets a quarter of the engine's context, or what the client allows
HEADROOM = 64  # tokens for the rest of a turn that has filled the context, and the template around it
STALL_SECONDS = 2.0  # no audio for so long in a turn: a muted microphone or a dead line; the turn ends
WATCH_SECONDS = 0.25


def _id(kind: str) -> str:
    return f"{kind}_{uuid.uuid4().hex[:20]}"


class Session:
    """One conversation. All methods are called on the event loop; `run` must run meanwhile."""

    def __init__(
        self,
        engine: Engine,
        detector: SpeechDetector,
        emit: Callable[[Event], None],
        settings: SessionSettings,
        *,
        appended: Callable[[], None] = lambda: None,
        windows: Windows | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._emit = emit
        self._settings = settings
        self._appended = appended
        self._windows = windows or Windows()
        self._clock = clock
        self._microphone = Microphone(detector, settings.turn_detection)
        self._conversation = Conversation()
        self._state = State.IDLE
        self._ear: Ear | None = None
        self._turn_id = ""
        self._turn_start = 0  # in the listener's context
        self._stale = False  # the listener lacks a reply that ended while the user spoke
        self._reply: ActiveReply | None = None
        self._tasks: asyncio.TaskGroup | None = None
        self._listening: asyncio.Task[None] | None = None
        self._listener = self._new_listener()

    # --- life ---

    async def run(self) -> None:
        """Live until cancelled; every engine request ends with it. Raises EngineUnavailable."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._listening = self._spawn(self._listener.run())
                self._spawn(self._watch())
        except* EngineUnavailable as group:
            if self._reply:
                self._finish_reply("failed", "engine_failed", "the engine is not running")
            raise EngineUnavailable("the engine is not running") from group

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task of this session. Raises EngineUnavailable once the session has ended."""
        try:
            if self._tasks is None:
                raise RuntimeError
            return self._tasks.create_task(work)
        except RuntimeError:
            work.close()
            raise EngineUnavailable("the session has ended") from None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self.tick(self._clock())

    def tick(self, now: float) -> None:
        """End a turn whose audio has stopped coming. `now` is the clock in seconds.

        And let the listener catch up where neither a reply nor speech makes it.
        """
        if self._reply is None and self._ear is None:
            self._listener.flush()
        last = self._microphone.last_arrival
        hearing = self._ear is not None and self._microphone.detecting
        if hearing and last is not None and now - last > STALL_SECONDS:
            self._turn_over(self._microphone.clock)

    def configure(self, settings: SessionSettings) -> None:
        """Change the settings from here on. A turn that is being spoken goes on under them."""
        before, self._settings = self._settings, settings
        if before.turn_detection is None and settings.turn_detection and self._ear is not None:
            self._happened(Happened.DISCARDED)  # nobody will commit it, and no detector saw it begin
        self._microphone.configure(settings.turn_detection)
        if settings.instructions != before.instructions and self._ear is None:
            self._reopen()

    # --- what a client says ---

    def append_audio(self, pcm: bytes) -> None:
        """PCM16 little endian, mono, 24 kHz, any amount. Raises BadAudio."""
        for block, event in self._microphone.push(pcm, self._clock()):
            if self._ear is None and not self._microphone.detecting:
                self._turn_id = _id("item")
                self._happened(Happened.SPEECH)
            self._hear(block)
            if isinstance(event, Started):
                self._speech_started(event.at)
            elif isinstance(event, Stopped) and self._ear is not None:
                self._turn_over(event.last_voiced)

    def commit(self) -> None:
        """End the user's turn by hand; asks for no reply. Raises EmptyBuffer."""
        if self._ear is None:
            raise EmptyBuffer("the input audio buffer is empty: append audio before committing it")
        self._microphone.reset()
        self._happened(Happened.SILENCE)

    def clear(self) -> None:
        """Throw away the audio of a turn that has not ended."""
        if self._ear is not None:
            self._microphone.reset()
            self._happened(Happened.DISCARDED)
        self._emit(Cleared())

    def create_response(self, request: ResponseRequest) -> None:
        """Ask for a reply to what was said so far. Raises ResponseActive."""
        if self._reply is not None:
            raise ResponseActive(f"a reply is being made already ({self._reply.response_id})")
        self._happened(Happened.REPLY_ASKED, request)

    def cancel_response(self, response_id: str | None = None) -> None:
        """Stop the reply. Raises NoActiveResponse."""
        if self._reply is None or response_id not in (None, self._reply.response_id):
            raise NoActiveResponse("Cancellation failed: no active response found")
        self._happened(Happened.REPLY_CANCELLED)

    def add_text(
        self, item_id: str | None, role: Role, text: str, previous_item_id: str | None = None
    ) -> None:
        """Add a typed turn at the end of the conversation; "root" is before all turns. Raises BadItem."""
        if previous_item_id not in (None, self._conversation.last_id or "root"):
            raise BadItem(f"items can be added at the end only, after {self._conversation.last_id}")
        if self._ear is not None:
            raise BadItem("the user is speaking: add the item once the turn has ended")
        item = Item(item_id or _id("item"), role, text=text)
        context = typed(item, self._engine.prompt)
        before = self._conversation.add(Entry(item, tokens=len(context)))
        self._listener.append(context)
        self._emit(ItemAdded(item, before))

    # --- the turn ---

    def _happened(
        self, event: Happened, request: ResponseRequest | None = None, since: float | None = None
    ) -> None:
        self._state, actions = turn.step(self._state, event)
        for action in actions:
            match action:
                case Do.OPEN_TURN:
                    self._open_turn()
                case Do.CLOSE_TURN:
                    self._close_turn()
                case Do.DROP_TURN:
                    self._ear = None
                    self._reopen()
                case Do.ABORT_REPLY:
                    interrupted = event is not Happened.REPLY_CANCELLED
                    self._finish_reply("cancelled", "turn_detected" if interrupted else "client_cancelled")
                case Do.START_REPLY:
                    self._start_reply(request or ResponseRequest(), since)

    def _speech_started(self, at: int) -> None:
        self._turn_id = _id("item")
        self._emit(SpeechStarted(self._turn_id, at * 1000 // RATE))
        detection = self._settings.turn_detection
        interrupts = detection is not None and detection.interrupt_response
        self._happened(Happened.INTERRUPTION if interrupts else Happened.SPEECH)
        self._hear(self._microphone.since(at))

    def _turn_over(self, last_voiced: int) -> None:
        """The detector says that the user's turn has ended, or something else has to end it."""
        self._microphone.reset()
        detection = self._settings.turn_detection
        self._emit(SpeechStopped(self._turn_id, self._microphone.clock * 1000 // RATE))
        answered = detection is None or detection.create_response
        since = self._microphone.arrived(last_voiced, self._clock())
        self._happened(Happened.QUESTION if answered else Happened.SILENCE, since=since)

    def _open_turn(self) -> None:
        if len(self._listener.context) > self._engine.max_tokens // 2:
            self._conversation.make_room(self._engine.max_tokens // 4)
            self._reopen()
        self._turn_start = len(self._listener.context)
        self._listener.append(Context.of(self._engine.prompt.human_open()), later=True)
        self._ear = Ear(self._turn_id, self._engine.prompt, self._engine.n_mels, self._windows)

    def _hear(self, samples: NDArray[np.float32]) -> None:
        if self._ear is None:
            return
        settled = self._ear.hear(samples)
        if settled:
            self._listener.append(settled)
        if len(self._listener.context) > self._engine.max_tokens - self._reply_tokens() - HEADROOM:
            self._full()

    def _full(self) -> None:
        """The turn has filled the context: end it here, as if the user had stopped."""
        if self._microphone.detecting:
            self._turn_over(self._microphone.clock)
        else:
            self._happened(Happened.SILENCE)

    def _close_turn(self) -> None:
        assert self._ear is not None
        heard, self._ear = self._ear, None
        end = heard.end() + Context.of(self._engine.prompt.human_close())
        self._listener.append(end, later=True)  # a reply's fork takes it along, and nobody waits for the rest
        item = Item(self._turn_id, "user", spoken=True)
        tokens = len(self._listener.context) - self._turn_start
        before = self._conversation.add(Entry(item, heard.samples, tokens))
        if self._stale:
            self._reopen()
        self._emit(Committed(item.id, before))
        self._emit(ItemAdded(item, before))
        if self._settings.transcribe:
            self._spawn(self._transcribe(item.id, heard.seconds, self._listener.context))

    # --- replies ---

    def _reply_tokens(self) -> int:
        share = self._engine.max_tokens // REPLY_SHARE
        return min(self._settings.max_output_tokens or share, share)

    def _start_reply(self, request: ResponseRequest, since: float | None) -> None:
        now = self._clock()
        reply = ActiveReply(
            _id("resp"), _id("item"), now if since is None else since, request.metadata, Usage()
        )
        if since is not None:
            reply.timings = Timings(turn_ended=reply.since(now))
        context = self._listener.context
        if self._ear is not None:  # what is being said is not part of the question
            context = context[: self._turn_start]
        if request.instructions is not None and request.instructions != self._settings.instructions:
            context = self._recalled(request.instructions)
        thinking = self._settings.thinking if request.thinking is None else request.thinking
        limit = min(request.max_output_tokens or self._reply_tokens(), self._reply_tokens())
        self._reply = reply
        self._emit(
            ResponseStarted(reply.response_id, reply.item_id, self._conversation.last_id, request.metadata)
        )
        reply.task = self._spawn(self._speak(reply, context, thinking, limit))

    async def _speak(self, reply: ActiveReply, context: Context, thinking: bool, limit: int) -> None:
        audio = context.audio_tokens
        status: Status = "completed"
        reason: Reason | None = None
        message: str | None = None
        try:
            async with aclosing(self._speaking(context, thinking, limit)) as steps:
                async for told in steps:
                    reply.usage = Usage(
                        audio,
                        len(context) - audio,
                        told.cached_tokens,
                        told.reasoning_tokens,
                        told.reply_tokens,
                    )
                    self._tell(reply, told)
                    if told.finish == "length":
                        status, reason = "incomplete", "max_output_tokens"
        except SessionError as error:
            status, message = "failed", str(error)
        if self._reply is reply:
            self._finish_reply(status, reason, message)
            self._happened(Happened.REPLY_ENDED)

    async def _speaking(self, context: Context, thinking: bool, limit: int) -> AsyncGenerator[Told, None]:
        """Speak; when the engine has forgotten what the listener told it, tell it again and speak then."""
        try:
            async with aclosing(speak(self._engine, context, thinking, limit)) as steps:
                async for told in steps:
                    yield told
        except Forgotten:
            self._reopen()
            async with aclosing(speak(self._engine, self._listener.context, thinking, limit)) as steps:
                async for told in steps:
                    yield told

    def _tell(self, reply: ActiveReply, told: Told) -> None:
        for part in told.parts:
            since = reply.since(self._clock())
            if isinstance(part, Thinking):
                if not reply.thinking:
                    reply.timings = replace(reply.timings, first_thinking=since)
                reply.thinking += part.text
                self._emit(ThinkingDelta(reply.response_id, reply.item_id, part.text))
            else:
                self._thinking_done(reply)
                if not reply.text:
                    reply.timings = replace(reply.timings, first_reply=since)
                reply.text += part.text
                self._emit(ReplyDelta(reply.response_id, reply.item_id, part.text))

    def _thinking_done(self, reply: ActiveReply) -> None:
        if reply.thinking and not reply.thinking_told:
            reply.thinking_told = True
            self._emit(ThinkingDone(reply.response_id, reply.item_id, reply.thinking))

    def _finish_reply(self, status: Status, reason: Reason | None, message: str | None = None) -> None:
        """Tell the end of the active reply, keep what was heard of it, abort the rest."""
        assert self._reply is not None
        reply, self._reply = self._reply, None
        self._thinking_done(reply)
        if reply.text:
            item = Item(reply.item_id, "assistant", text=reply.text)
            context = typed(item, self._engine.prompt)
            self._conversation.add(Entry(item, tokens=len(context)))
            if self._ear is None:
                self._listener.append(context)
            else:  # the user speaks already, and nothing can be put before what the engine has heard
                self._stale = True
        self._emit(reply.done(status, reason, message, self._clock()))
        if reply.task is not None and status in ("cancelled", "failed"):
            reply.task.cancel()

    async def _transcribe(self, item_id: str, seconds: float, context: Context) -> None:
        """Have the model write down a turn: the same context, with a typed request behind the audio."""
        prompt = self._engine.prompt
        closed = len(prompt.human_close())
        asked = context[: len(context) - closed] + Context.of(prompt.human_close(TRANSCRIBE))
        text = ""
        try:
            async with aclosing(speak(self._engine, asked, False, self._reply_tokens())) as steps:
                async for told in steps:
                    for part in told.parts:
                        text += part.text
                        self._emit(TranscriptDelta(item_id, part.text))
        except SessionError as error:
            self._emit(TranscriptFailed(item_id, str(error)))
            return
        self._conversation.heard(item_id, text)
        self._emit(TranscriptDone(item_id, text, seconds))

    # --- what the engine has read ---

    def _recalled(self, instructions: str) -> Context:
        return recall(self._conversation, instructions, self._engine.prompt, self._engine.n_mels)

    def _new_listener(self) -> Listener:
        listener = Listener(self._engine, self._appended)
        listener.append(self._recalled(self._settings.instructions))
        return listener

    def _reopen(self) -> None:
        """Start the engine's session anew from the conversation."""
        self._listener = self._new_listener()
        self._stale = False
        if self._listening is not None:
            self._listening.cancel()
            self._listening = self._spawn(self._listener.run())
