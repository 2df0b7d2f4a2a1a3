"""The shell of one live conversation: runs the pure cores for every packet, and owns the tasks.

    packet -> microphone (resample, voice, endpointing) -> turn table -> memory (ear, listener), speaker

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

from model.windows import Windows
from streaming import asked, turn
from streaming.audio import recording
from streaming.context import Context
from streaming.conversation import Conversation
from streaming.endpointing import Started, Stopped
from streaming.engine import Engine
from streaming.events import (
    Cleared,
    Committed,
    EmptyBuffer,
    EngineUnavailable,
    Event,
    Forgotten,
    FunctionCall,
    FunctionOutput,
    IdleTimeout,
    Item,
    ItemAdded,
    ItemDeleted,
    NoActiveResponse,
    ResponseActive,
    ResponseRequest,
    ResponseStarted,
    SessionError,
    SessionSettings,
    SpeechStarted,
    SpeechStopped,
    Status,
    Timings,
    TooLong,
    TranscriptDelta,
    TranscriptDone,
    TranscriptFailed,
    Trouble,
    Usage,
)
from streaming.memory import Memory
from streaming.microphone import RATE, Microphone
from streaming.recall import gathered, opening
from streaming.reply import ActiveReply
from streaming.speaker import Manner, Told, speak, transcribe
from streaming.turn import Do, Happened, State
from streaming.vad import SpeechDetector

STALL_SECONDS = 2.0  # no audio for so long in a turn: a muted microphone or a dead line; the turn ends
WATCH_SECONDS = 0.25
NO_ROOM = "the conversation has filled the context and truncation is disabled: the turn was not taken"
ASIDES = 4  # replies outside the conversation at a time


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
        self._clock = clock
        self._microphone = Microphone(detector, settings.turn_detection, settings.hears)
        self._state = State.IDLE
        self._turn_id = ""
        self._reply: ActiveReply | None = None
        self._quiet: tuple[float, int] | None = None  # since the last reply: the clock, the sample
        self._asides: dict[str, ActiveReply] = {}  # replies outside the conversation, by their ids
        self._tasks: asyncio.TaskGroup | None = None
        self._memory = Memory(
            engine,
            opening(settings, engine.prompt),
            windows=windows or Windows(),
            spawn=self._spawn,
            appended=appended,
            truncation=settings.truncation,
        )

    # --- life ---

    async def run(self) -> None:
        """Live until cancelled; every engine request ends with it. Raises EngineUnavailable."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._memory.start()
                self._spawn(self._watch())
        except* EngineUnavailable as group:
            if self._reply:
                self._finish_reply("failed", "engine_failed", "the engine is not running")
            for aside in list(self._asides.values()):
                self._finish_aside(aside, "failed", "engine_failed", "the engine is not running")
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
        if self._reply is None and not self._memory.hearing:
            self._memory.catch_up()
        last = self._microphone.last_arrival
        hearing = self._memory.hearing and self._microphone.detecting
        if hearing and last is not None and now - last > STALL_SECONDS:
            self._turn_over(self._microphone.clock)
        detection = self._settings.turn_detection
        timeout = detection.idle_timeout_ms if detection else None
        if timeout and self._quiet and (now - self._quiet[0]) * 1000 >= timeout:
            self._idle_for_long(self._quiet[1])

    def _idle_for_long(self, since: int) -> None:
        """Answer the quiet, of which the newest audio becomes a turn."""
        self._quiet = None
        if self._state is not State.IDLE or self._memory.full:
            return
        self._turn_id = _id("item")
        ms = [at * 1000 // RATE for at in (since, self._microphone.clock)]
        self._emit(IdleTimeout(self._turn_id, *ms))
        self._happened(Happened.SPEECH)
        heard = self._microphone.since(since)
        self._memory.hear(heard if heard.size else np.zeros(RATE // 2, np.float32))
        self._happened(Happened.QUESTION)

    def configure(self, settings: SessionSettings) -> None:
        """Change the settings from here on. A turn that is being spoken goes on under them.

        Raises BadChoice and TooLong; nothing has changed then.
        """
        asked.check(settings)
        begins = opening(settings, self._engine.prompt)
        self._memory.check(begins)
        before, self._settings = self._settings, settings
        if before.turn_detection is None and settings.turn_detection and self._memory.hearing:
            self._happened(Happened.DISCARDED)  # nobody will commit it, and no detector saw it begin
        self._microphone.configure(settings.turn_detection, settings.hears)
        self._memory.truncation = settings.truncation
        self._memory.begin_with(begins)

    # --- what a client says ---

    def append_audio(self, pcm: bytes) -> None:
        """Audio in the format that the settings name, any amount. Raises BadAudio and TooLong."""
        if self._memory.full and not self._memory.hearing and not self._microphone.detecting:
            self._memory.make_ready()
        for block, event in self._microphone.push(pcm, self._clock()):
            if not self._memory.hearing and not self._microphone.detecting:
                self._turn_id = _id("item")
                self._happened(Happened.SPEECH)
            if not self._memory.hear(block):
                self._full()
            if isinstance(event, Started):
                self._speech_started(event.at)
            elif isinstance(event, Stopped) and self._memory.hearing:
                self._turn_over(event.last_voiced)

    def commit(self) -> None:
        """End the user's turn by hand; asks for no reply. Raises EmptyBuffer."""
        if not self._memory.hearing:
            raise EmptyBuffer("the input audio buffer is empty: append audio before committing it")
        self._microphone.reset()
        self._happened(Happened.SILENCE)

    def clear(self) -> None:
        """Throw away the audio of a turn that has not ended."""
        if self._memory.hearing:
            self._microphone.reset()
            self._happened(Happened.DISCARDED)
        self._emit(Cleared())

    def create_response(self, request: ResponseRequest) -> None:
        """Ask for a reply to what was said so far, or to what the request has.

        Raises ResponseActive, BadChoice, TooLong, and for its input UnknownItem, UnknownCall, AudioGone and
        BadAudio.
        """
        if self._reply is not None and not request.outside:
            raise ResponseActive(f"a reply is being made already ({self._reply.response_id})")
        if len(self._asides) >= ASIDES and request.outside:
            raise ResponseActive(f"{ASIDES} replies outside the conversation are being made already")
        settings = asked.merged(self._settings, request)
        asked.check(settings)
        begins = opening(settings, self._engine.prompt)
        self._memory.check(begins)
        context = None
        if request.input is None:
            self._memory.make_ready()
        else:
            turns = gathered(request.input, self._memory.conversation, self._recording)
            context = self._memory.instead(turns, begins)
        if request.outside:
            self._start_reply(request, None, context)
        else:
            self._happened(Happened.REPLY_ASKED, request, context=context)

    def _recording(self, audio: bytes) -> NDArray[np.int16]:
        return recording(audio, self._settings.hears, RATE)

    def cancel_response(self, response_id: str | None = None) -> None:
        """Stop a reply, None: that in the conversation. Raises NoActiveResponse."""
        if response_id is not None and (aside := self._asides.get(response_id)):
            self._finish_aside(aside, "cancelled", "client_cancelled")
            return
        if self._reply is None or response_id not in (None, self._reply.response_id):
            raise NoActiveResponse("Cancellation failed: no active response found")
        self._happened(Happened.REPLY_CANCELLED)

    def add_item(self, item: Item, previous_item_id: str | None = None, pcm: bytes | None = None) -> None:
        """Add an item behind another, None: at the end of the conversation; "root" is before all items.

        Ids that are empty are given; what a tool gave back is named after its call; `pcm` is what is said in
        a spoken one, as `append_audio` takes it. Raises DuplicateItem, UnknownItem, UnknownCall, BadAudio and
        TooLong.
        """
        conversation = self._memory.conversation
        item = replace(item, id=item.id or _id("item"))
        if isinstance(item, FunctionCall):
            item = replace(item, call_id=item.call_id or _id("call"))
        elif isinstance(item, FunctionOutput):
            item = replace(item, name=conversation.name_of(item.call_id))
        samples = None if pcm is None else self._recording(pcm)
        self._emit(ItemAdded(item, self._memory.add(item, previous_item_id, samples)))

    def delete_item(self, item_id: str) -> None:
        """Raises UnknownItem and ItemActive."""
        self._memory.delete(item_id)
        self._emit(ItemDeleted(item_id))

    # --- the turn ---

    def _happened(
        self,
        event: Happened,
        request: ResponseRequest | None = None,
        since: float | None = None,
        context: Context | None = None,
    ) -> None:
        self._state, actions = turn.step(self._state, event)
        for action in actions:
            match action:
                case Do.OPEN_TURN:
                    self._memory.open_turn(self._turn_id)
                case Do.CLOSE_TURN:
                    self._close_turn()
                case Do.DROP_TURN:
                    self._memory.drop_turn()
                case Do.ABORT_REPLY:
                    interrupted = event is not Happened.REPLY_CANCELLED
                    self._finish_reply("cancelled", "turn_detected" if interrupted else "client_cancelled")
                case Do.START_REPLY:
                    self._start_reply(request or ResponseRequest(), since, context)

    def _speech_started(self, at: int) -> None:
        self._quiet = None
        if self._memory.full:
            self._emit(Trouble(TooLong.code, NO_ROOM))
            return
        self._turn_id = _id("item")
        self._emit(SpeechStarted(self._turn_id, at * 1000 // RATE))
        detection = self._settings.turn_detection
        interrupts = detection is not None and detection.interrupt_response
        self._happened(Happened.INTERRUPTION if interrupts else Happened.SPEECH)
        if not self._memory.hear(self._microphone.since(at)):
            self._full()

    def _turn_over(self, last_voiced: int) -> None:
        """The detector says that the user's turn has ended, or something else has to end it."""
        self._microphone.reset()
        detection = self._settings.turn_detection
        self._emit(SpeechStopped(self._turn_id, self._microphone.clock * 1000 // RATE))
        answered = detection is None or detection.create_response
        since = self._microphone.arrived(last_voiced, self._clock())
        self._happened(Happened.QUESTION if answered else Happened.SILENCE, since=since)

    def _full(self) -> None:
        """The turn has filled the context: end it here, as if the user had stopped.

        Where nothing may be let go for it, it is dropped.
        """
        if self._settings.truncation.keep is None:
            if self._microphone.detecting:
                self._emit(SpeechStopped(self._turn_id, self._microphone.clock * 1000 // RATE))
            self._happened(Happened.DISCARDED)
            self._emit(Trouble(TooLong.code, NO_ROOM))
        elif self._microphone.detecting:
            self._turn_over(self._microphone.clock)
        else:
            self._happened(Happened.SILENCE)

    def _close_turn(self) -> None:
        item, before, seconds = self._memory.close_turn()
        self._emit(Committed(item.id, before))
        self._emit(ItemAdded(item, before))
        if self._settings.transcribe:
            context = self._memory.dictation(self._settings.encoding)
            self._spawn(self._transcribe(item.id, seconds, context))

    # --- replies ---

    def _start_reply(
        self, request: ResponseRequest, since: float | None, context: Context | None = None
    ) -> None:
        """To the conversation, or to `context`."""
        now = self._clock()
        self._quiet = None
        settings = asked.merged(self._settings, request)
        if context is None:
            context = self._memory.question(settings.encoding, opening(settings, self._engine.prompt))
        audio = context.audio_tokens
        reply = ActiveReply(
            _id("resp"),
            _id("item"),
            now if since is None else since,
            Conversation() if request.outside else self._memory.conversation,
            _id,
            context,
            offered={tool.name for tool in settings.offered},
            metadata=request.metadata,
            usage=Usage(audio, len(context) - audio),
        )
        if request.outside:
            self._asides[reply.response_id] = reply
        else:
            self._reply = reply
        if since is not None:
            reply.timings = Timings(turn_ended=reply.since(now))
        self._emit(
            ResponseStarted(reply.response_id, request.metadata, request.outside, settings.max_output_tokens)
        )
        manner = asked.manner(settings, request, self._memory.reply_tokens)
        reply.task = self._spawn(self._speak(reply, context, manner))

    async def _speak(self, reply: ActiveReply, context: Context, manner: Manner) -> None:
        status: Status = "completed"
        reason = message = None
        try:
            async with aclosing(self._speaking(context, manner)) as steps:
                async for told in steps:
                    for event in reply.take(told, self._clock()):
                        self._emit(event)
                    if told.finish == "length":
                        status, reason = "incomplete", "max_output_tokens"
        except SessionError as error:
            status, reason, message = "failed", error.code, str(error)
        if self._reply is reply:
            self._finish_reply(status, reason, message)
            self._happened(Happened.REPLY_ENDED)
        elif reply.response_id in self._asides:
            self._finish_aside(reply, status, reason, message)

    async def _speaking(self, context: Context, manner: Manner) -> AsyncGenerator[Told, None]:
        """Speak; when the engine has forgotten what the listener told it, tell it again and speak then."""
        begun = False
        for last in (False, True):
            try:
                async with aclosing(speak(self._engine, context, manner)) as steps:
                    async for told in steps:
                        begun = True
                        yield told
                return
            except Forgotten:
                if last or begun:
                    raise
                context = self._memory.forgotten()

    def _finish_reply(self, status: Status, reason: str | None, message: str | None = None) -> None:
        """Tell the end of the active reply, keep what was heard of it, abort the rest."""
        assert self._reply is not None
        reply, self._reply = self._reply, None
        self._tell_end(reply, status, reason, message)
        self._memory.replied(reply.entry)
        self._quiet = self._clock(), self._microphone.clock

    def _finish_aside(
        self, aside: ActiveReply, status: Status, reason: str | None, message: str | None = None
    ) -> None:
        del self._asides[aside.response_id]
        self._tell_end(aside, status, reason, message)

    def _tell_end(self, reply: ActiveReply, status: Status, reason: str | None, message: str | None) -> None:
        for event in reply.end(status, reason, message, self._clock()):
            self._emit(event)
        if reply.task is not None and status in ("cancelled", "failed"):
            reply.task.cancel()

    async def _transcribe(self, item_id: str, seconds: float, context: Context) -> None:
        """Have the model write down a turn, and tell it as it comes."""
        text = ""
        try:
            async with aclosing(transcribe(self._engine, context, self._memory.reply_tokens)) as deltas:
                async for delta in deltas:
                    text += delta
                    self._emit(TranscriptDelta(item_id, delta))
        except SessionError as error:
            self._emit(TranscriptFailed(item_id, str(error)))
            return
        self._memory.conversation.heard(item_id, text)
        self._emit(TranscriptDone(item_id, text, seconds))
