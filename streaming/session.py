"""The shell of one live conversation: runs the pure cores for every packet, and owns the tasks.

    packet -> microphone (resample, voice, endpointing) -> turn table -> memory (ear, listener), speaker

One synchronous call does all of that; nothing is queued on the way. Tasks exist for the listener's
request, for a thought, for a transcript and for the watchdog, all in one TaskGroup. What happens is told
through `emit`, in order. At a pause a thought begins that nobody hears; the reply takes it over if the turn
ends there, and else it is gone. When the engine dies the session goes on, and takes audio in; what was being
thought or spoken goes on with the next engine, as the same reply. Knows no wire format and no transport.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.reasoning import Call
from model.windows import Windows
from streaming import asked, turn
from streaming.audio import recording
from streaming.context import Context
from streaming.conversation import Conversation
from streaming.endpointing import Doubted, NoTurn, Paused, Resumed, Started, Stopped
from streaming.endpointing import Event as Sounded
from streaming.engine import Engine
from streaming.events import (
    Cleared,
    Committed,
    CutOff,
    EmptyBuffer,
    EngineBack,
    EngineLost,
    EngineUnavailable,
    Event,
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
    SemanticVad,
    ServerVad,
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
    Truncated,
    Usage,
)
from streaming.failover import PATIENCE_SECONDS, Failover
from streaming.loudspeaker import Loudspeaker
from streaming.memory import Memory
from streaming.microphone import RATE, Microphone
from streaming.mouth import Mouth, Player
from streaming.recall import gathered, opening
from streaming.reply import ActiveReply
from streaming.speaker import speak, transcribe
from streaming.thought import Thought
from streaming.turn import GUARDED, Do, Happened, State
from streaming.vad import SpeechDetector
from streaming.voice import Voice

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
        appended: Callable[[float], None] = lambda seconds: None,
        speculated: Callable[[bool, int], None] = lambda promoted, tokens: None,
        windows: Windows | None = None,
        voice: Voice | None = None,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`appended` (the seconds it took) and `speculated` (whether it was heard, and its tokens until then)
        are for metrics. `patience`: seconds that a reply waits for an engine."""
        self._engine = engine
        self._emit = emit
        self._speculated = speculated
        self._told_append = appended
        self._append_ms: float | None = None  # the newest append's, since the last reply began
        self._settings = settings
        self._clock = clock
        self._voice = voice
        self._patience = patience
        self._down_since: float | None = None  # there is no engine
        self._player: Player | None = None
        self._nobody = False  # the client is away
        self._loudspeaker = Loudspeaker()
        self._sounding: ActiveReply | None = None  # made, and its end still to be played
        self._microphone = Microphone(detector, settings.turn_detection, settings.hears)
        self._state = State.IDLE
        self._turn_id = ""
        self._turn_start = 0  # sample clock
        self._reply: ActiveReply | None = None
        self._ahead: Thought | None = None  # unheard
        self._request = ResponseRequest()  # of the newest reply of the conversation
        self._instead: Context | None = None  # what that reply was to, None: to the conversation
        self._judging: asyncio.Task[None] | None = None
        self._quiet: tuple[float, int] | None = None  # since the last reply was heard: the clock, the sample
        self._asides: dict[str, ActiveReply] = {}  # replies outside the conversation, by their ids
        self._tasks: asyncio.TaskGroup | None = None
        self._memory = Memory(
            engine,
            opening(settings, engine.prompt),
            windows=windows or Windows(),
            spawn=self._spawn,
            appended=self._appended,
            ending=lambda samples, over: self._microphone.judge(self._turn_start + samples, over),
            lost=self._engine_lost,
            back=self._engine_back,
            truncation=settings.truncation,
        )

    # --- life ---

    async def run(self) -> None:
        """Live until cancelled; every engine request ends with it.

        Raises EngineUnavailable when the engine has died and there will be no other.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                self._memory.start()
                self._spawn(self._watch())
        except* EngineUnavailable as group:
            if self._reply:
                self._finish_reply("failed", EngineUnavailable.code, "the engine is not running")
            for aside in list(self._asides.values()):
                self._finish_aside(aside, "failed", EngineUnavailable.code, "the engine is not running")
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

    def _engine_lost(self) -> None:
        if self._down_since is None:
            self._down_since = self._clock()
            self._emit(EngineLost())

    def _engine_back(self) -> None:
        if self._down_since is not None:
            self._emit(EngineBack(self._clock() - self._down_since))
            self._down_since = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self.tick(self._clock())

    def away(self, nobody: bool) -> None:
        """Whether the client has gone and may come back: no audio comes, and that means nothing."""
        self._nobody = nobody
        if not nobody:
            self._microphone.back(self._clock())

    def tick(self, now: float) -> None:
        """End a turn whose audio has stopped coming. `now` is the clock in seconds.

        And let the listener catch up where neither a reply nor speech makes it.
        """
        self._played(now)
        if self._reply is None and not self._memory.hearing:
            self._memory.catch_up()
        if self._nobody:
            return
        last = self._microphone.last_arrival
        stalled = last is not None and now - last > STALL_SECONDS
        if stalled and self._microphone.detecting:
            if self._memory.hearing:
                self._turn_over(self._microphone.clock)
            elif self._microphone.doubting:
                self._microphone.reset()
                if self._state is State.DOUBTING:
                    self._happened(Happened.NO_TURN)
        detection = self._settings.turn_detection
        timeout = detection.idle_timeout_ms if isinstance(detection, ServerVad) else None
        if timeout and self._quiet and (now - self._quiet[0]) * 1000 >= timeout:
            self._idle_for_long(min(self._quiet[1], self._microphone.clock))

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
        self._forget()  # it was thought under other settings
        if settings.turn_detection is None and self._state is State.DOUBTING:
            self._happened(Happened.NO_TURN)
        if before.turn_detection is None and settings.turn_detection and self._memory.hearing:
            self._happened(Happened.DISCARDED)  # nobody will commit it, and no detector saw it begin
        self._microphone.configure(settings.turn_detection, settings.hears)
        self._memory.truncation = settings.truncation
        self._memory.begin_with(begins)

    def _appended(self, seconds: float) -> None:
        self._append_ms = seconds * 1000.0
        self._told_append(seconds)

    def play_through(self, player: Player) -> None:
        """From here on replies are played by this: it says what was heard, and a reply lasts until then."""
        self._player = player

    # --- what a client says ---

    def append_audio(self, pcm: bytes) -> None:
        """Audio in the format that the settings name, any amount. Raises BadAudio and TooLong."""
        now = self._clock()
        self._played(now)
        if self._memory.full and not self._memory.hearing and not self._microphone.detecting:
            self._memory.make_ready()
        for block, event in self._microphone.push(pcm, now):
            if not self._memory.hearing and not self._microphone.detecting:
                self._turn_id = _id("item")
                self._happened(Happened.SPEECH)
            if not self._memory.hear(block):
                self._full()
            if event is not None:
                self._sounded(event)

    def commit(self) -> None:
        """End the user's turn by hand; asks for no reply. Raises EmptyBuffer."""
        if self._state is State.DOUBTING or self._microphone.doubting:  # so it was speech
            self._speech_started(self._microphone.begun)
        if not self._memory.hearing:
            raise EmptyBuffer("the input audio buffer is empty: append audio before committing it")
        self._microphone.reset()
        self._happened(Happened.SILENCE)

    def clear(self) -> None:
        """Throw away the audio of a turn that has not ended."""
        if self._memory.hearing or self._state is State.DOUBTING:
            self._microphone.reset()
            self._happened(Happened.DISCARDED)
        elif self._microphone.doubting:
            self._microphone.reset()
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
        self._keep()
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

    def truncate(self, item_id: str, ms: int) -> bool:
        """So much of a spoken reply was played. False where it is no such reply, or too long ago."""
        reply = self._reply
        if reply is not None and reply.item_id == item_id and reply.mouth is not None:
            reply.heard_ms = ms
            track = reply.mouth.track
            self._emit(Truncated(item_id, min(ms, track.ms), reply.text[: track.heard(ms)]))
            return True
        heard = self._loudspeaker.truncated(item_id, ms)
        if heard is None:
            return False
        sounding = self._sounding
        if heard.less:
            self._corrected(item_id, heard.text)
        if sounding is not None and sounding.item_id == item_id:  # the client plays no more of it
            self._silence(item_id)
            self._happened(Happened.PLAYED)
        self._emit(Truncated(item_id, heard.ms, heard.text))
        return True

    def _corrected(self, item_id: str, text: str) -> None:
        """Less of a reply was heard than was noted, or could be."""
        sounding = self._sounding
        if sounding is not None and sounding.item_id == item_id and sounding.entry.open:
            self._memory.conversation.heard(item_id, text)  # the engine has not been told of it
        else:
            self._memory.corrected(item_id, text)
        self._forget()

    def add_item(self, item: Item, previous_item_id: str | None = None, pcm: bytes | None = None) -> None:
        """Add an item behind another, None: at the end of the conversation; "root" is before all items.

        Ids that are empty are given; what a tool gave back is named after its call; `pcm` is what is said in
        a spoken one, as `append_audio` takes it. Raises DuplicateItem, UnknownItem, UnknownCall, BadAudio and
        TooLong.
        """
        self._keep()
        conversation = self._memory.conversation
        item = replace(item, id=item.id or _id("item"))
        if isinstance(item, FunctionCall):
            item = replace(item, call_id=item.call_id or _id("call"))
        elif isinstance(item, FunctionOutput):
            item = replace(item, name=conversation.name_of(item.call_id))
        samples = None if pcm is None else self._recording(pcm)
        before = self._memory.add(item, previous_item_id, samples)
        self._forget()  # it was thought without that item
        self._emit(ItemAdded(item, before))

    def delete_item(self, item_id: str) -> None:
        """Raises UnknownItem and ItemActive."""
        self._keep()
        self._memory.delete(item_id)
        self._loudspeaker.forget(item_id)
        self._forget()
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
        self._microphone.guard(self._state in GUARDED)
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
                case Do.KEEP_REPLY:
                    self._keep()
                    self._sounding = None
                case Do.CUT_REPLY:
                    self._cut_off()
                case Do.REPEAT_REPLY:
                    self._start_reply(self._request, None, self._instead)
                case Do.HOLD_REPLY | Do.RELEASE_REPLY:
                    self._hold_reply(action is Do.HOLD_REPLY)
                case Do.THINK_AHEAD:
                    self._think_ahead()
                case Do.FORGET:
                    self._forget()
                case Do.ANSWER:
                    self._answer(since)

    @property
    def _interrupts(self) -> bool:
        detection = self._settings.turn_detection
        return detection is not None and detection.interrupt_response

    @property
    def _answers(self) -> bool:
        detection = self._settings.turn_detection
        return detection is None or detection.create_response

    def _sounded(self, event: Sounded) -> None:
        """What the detector found, told to the table."""
        match event:
            case Doubted():
                if self._interrupts:
                    self._happened(Happened.SOUND)
            case Started(at):
                self._speech_started(at)
            case NoTurn():
                if self._memory.hearing:
                    self._emit(SpeechStopped(self._turn_id, event.at * 1000 // RATE))
                    self._emit(Cleared())
                self._happened(Happened.NO_TURN)
            case _ if not self._memory.hearing:
                pass  # the turn was ended by something else within the same window
            case Paused(at):
                self._judge(at)
                if self._settings.speculation and self._answers:
                    self._happened(Happened.PAUSE)
            case Resumed():
                self._happened(Happened.RESUMED)
            case Stopped():
                self._turn_over(event.last_voiced)

    def _judge(self, at: int) -> None:
        """Ask the model whether the turn is over, where that matters."""
        if self._judging is not None:
            self._judging.cancel()
        context = self._memory.unfinished()
        if context is not None and isinstance(self._settings.turn_detection, SemanticVad):
            self._judging = self._spawn(self._ending(at, context))

    async def _ending(self, at: int, context: Context) -> None:
        try:
            over = await self._engine.ending(context)
        except (SessionError, EngineUnavailable):
            return  # then its eagerness alone decides
        if over is not None:
            self._microphone.judge(at, over)

    def _speech_started(self, at: int) -> None:
        self._quiet = None
        if self._memory.full:
            self._emit(Trouble(TooLong.code, NO_ROOM))
            if self._state is State.DOUBTING:
                self._happened(Happened.NO_TURN)
            return
        self._turn_id = _id("item")
        self._turn_start = at
        self._emit(SpeechStarted(self._turn_id, at * 1000 // RATE))
        if self._reply is not None and self._interrupts:
            now = self._clock()
            self._reply.interrupted(self._microphone.arrived(self._microphone.sounded, now), now)
        self._happened(Happened.INTERRUPTION if self._interrupts else Happened.SPEECH)
        if not self._memory.hear(self._microphone.since(at)):
            self._full()

    def _turn_over(self, last_voiced: int) -> None:
        """The detector says that the user's turn has ended, or something else has to end it."""
        self._microphone.reset()
        self._emit(SpeechStopped(self._turn_id, self._microphone.clock * 1000 // RATE))
        since = self._microphone.arrived(last_voiced, self._clock())
        self._happened(Happened.QUESTION if self._answers else Happened.SILENCE, since=since)

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
            again = self._failover(self._memory.dictation_anew(item.id))
            self._spawn(self._transcribe(item.id, seconds, context, again))

    # --- replies ---

    def _start_reply(
        self, request: ResponseRequest, since: float | None, instead: Context | None = None
    ) -> None:
        """To the conversation, or to something else."""
        settings, context = asked.merged(self._settings, request), instead
        begins = opening(settings, self._engine.prompt)
        if context is None:
            context = self._memory.question(settings.encoding, begins)
        thought = Thought(context, asked.manner(settings, request, self._memory.reply_tokens))
        thought.anew = self._memory.anew(begins) if instead is None else None
        self._think(thought)
        self._reply_with(thought, request, since, instead)

    def _answer(self, since: float | None) -> None:
        """A reply to the turn that has ended; what was thought of it ahead is told at once."""
        thought, self._ahead = self._ahead, None
        if thought is None or thought.error is not None:
            self._start_reply(ResponseRequest(), since)
        else:
            self._speculated(True, thought.tokens)
            thought.anew = self._memory.anew()
            self._reply_with(thought, ResponseRequest(), since)

    def _reply_with(
        self,
        thought: Thought,
        request: ResponseRequest,
        since: float | None,
        instead: Context | None = None,
    ) -> None:
        now = self._clock()
        settings = asked.merged(self._settings, request)
        audio = thought.context.audio_tokens
        reply = ActiveReply(
            _id("resp"),
            _id("item"),
            now if since is None else since,
            Conversation() if request.outside else self._memory.conversation,
            _id,
            thought.context,
            offered={tool.name for tool in settings.offered},
            metadata=request.metadata,
            thought=thought,
            usage=Usage(audio, len(thought.context) - audio),
        )
        if request.outside:
            self._asides[reply.response_id] = reply
        else:
            self._reply, self._quiet = reply, None
            self._request, self._instead = request, instead
        turn_ended = None if since is None else reply.since(now)
        reply.timings = Timings(turn_ended=turn_ended, append=self._append_ms)
        self._append_ms = None
        if settings.spoken and self._voice is not None:
            reply.mouth = self._mouth(reply, settings, self._voice)
        started = ResponseStarted(
            reply.response_id,
            request.metadata,
            request.outside,
            settings.max_output_tokens,
            reply.mouth is not None,
            settings.speaks,
        )
        self._emit(started)
        thought.wanted = True
        reply.task = self._spawn(self._speak(reply, thought))

    def _mouth(self, reply: ActiveReply, settings: SessionSettings, voice: Voice) -> Mouth:
        def told(pcm: bytes, text: str) -> None:
            if not reply.entry.open:
                return  # it was ended within this very step of the loop
            self._microphone.playing(pcm)
            self._emit(reply.said(pcm, text, self._clock()))

        name = settings.voice or voice.names[0]
        player = self._player
        return Mouth(voice, name, settings.speed, told, self._clock, self._loudspeaker, reply.item_id, player)

    async def _speak(self, reply: ActiveReply, thought: Thought) -> None:
        status: Status = "completed"
        reason = message = None
        try:
            if reply.mouth is None:
                finish = await self._decode(reply, thought)
            else:
                finish = await self._speak_aloud(reply, reply.mouth, thought)
            if finish == "length":
                status, reason = "incomplete", "max_output_tokens"
        except (SessionError, EngineUnavailable) as error:
            status, reason, message = "failed", error.code, str(error)
        if self._reply is reply:
            self._finish_reply(status, reason, message)
            self._happened(Happened.REPLY_ENDED if self._sounding is None else Happened.REPLY_MADE)
        elif reply.response_id in self._asides:
            self._finish_aside(reply, status, reason, message)

    async def _decode(self, reply: ActiveReply, thought: Thought) -> str | None:
        """Think and reply; returns why it ended."""
        finish = None
        async with aclosing(thought.told()) as steps:
            async for told in steps:
                for part in told.parts or (None,):
                    if isinstance(part, Call) and reply.mouth is not None:
                        await reply.mouth.quiet()  # a call is told behind all words
                    step = replace(told, parts=() if part is None else (part,))
                    for event in reply.take(step, self._clock()):
                        self._emit(event)
                finish = told.finish
        return finish

    async def _speak_aloud(self, reply: ActiveReply, mouth: Mouth, thought: Thought) -> str | None:
        """The same, until all of it has been spoken. Raises the first SessionError of either."""
        try:
            async with asyncio.TaskGroup() as tasks:
                speaking = tasks.create_task(mouth.run())
                finish = await self._decode(reply, thought)
                await mouth.finished()
                speaking.cancel()
            return finish
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None

    def _hold_reply(self, held: bool) -> None:
        assert self._reply is not None and self._reply.thought is not None
        self._reply.held_at = self._clock() if held else None
        self._reply.thought.hold(held)
        if self._reply.mouth is not None:
            self._reply.mouth.hold(held)

    def _finish_reply(self, status: Status, reason: str | None, message: str | None = None) -> None:
        """Tell the end of the active reply, keep what was heard of it, abort the rest."""
        assert self._reply is not None
        reply, self._reply = self._reply, None
        now = self._clock()
        self._tell_end(reply, status, reason, message)
        if reply.mouth is not None:
            heard = reply.heard(status, now)
            self._loudspeaker.made(reply.item_id, reply.mouth.track, heard)
            if self._player:
                self._player.hold(False)
                if reply.text and heard != reply.text:
                    played = min(int(self._player.played(reply.item_id)), reply.mouth.track.ms)
                    self._emit(Truncated(reply.item_id, played, heard))
        if status in ("completed", "incomplete") and reply.sounds(now):
            self._sounding = reply  # the engine is told of it once it is known how much was heard
        else:
            self._close(reply)
            if status in ("cancelled", "failed"):
                self._silence()
        still = reply.mouth.ends(now) - now if self._sounding and reply.mouth else 0.0
        self._quiet = now + still, self._microphone.clock + int(still * RATE)

    # --- what is still being played ---

    def _played(self, now: float) -> None:
        """Nothing of the last reply sounds any more, and no sound that came over it is to be judged."""
        if self._sounding and not self._sounding.sounds(now) and not self._microphone.doubting:
            self._happened(Happened.PLAYED)

    def _keep(self) -> None:
        """What sounds will have been heard to its end, unless somebody cuts in: let the engine read it."""
        if self._sounding is not None and self._sounding.entry.open:
            self._close(self._sounding)

    def _cut_off(self) -> None:
        """The user speaks over what sounds: it has been heard as far as it was played."""
        self._silence()
        self._keep()
        self._sounding = None

    def _silence(self, known: str = "") -> None:
        """The client plays no more of what it was sent; of one item it has said what it played."""
        self._microphone.silenced()
        for heard in self._loudspeaker.stopped(self._clock(), known):
            self._corrected(heard.item_id, heard.text)
            self._emit(CutOff(heard.item_id, heard.text))

    def _close(self, reply: ActiveReply) -> None:
        reply.entry.open = False
        self._memory.replied(reply.entry)

    def _finish_aside(
        self, aside: ActiveReply, status: Status, reason: str | None, message: str | None = None
    ) -> None:
        del self._asides[aside.response_id]
        self._tell_end(aside, status, reason, message)
        aside.entry.open = False

    def _tell_end(self, reply: ActiveReply, status: Status, reason: str | None, message: str | None) -> None:
        if reply.thought is not None:
            reply.thought.abort()
        for event in reply.end(status, reason, message, self._clock()):
            self._emit(event)
        if reply.task is not None and status in ("cancelled", "failed"):
            reply.task.cancel()

    # --- thoughts, which become replies ---

    def _think_ahead(self) -> None:
        if self._ahead is not None:
            return
        context = self._memory.so_far(self._settings.encoding)
        if context is not None:
            manner = asked.manner(self._settings, ResponseRequest(), self._memory.reply_tokens)
            self._ahead = Thought(context, manner)
            self._think(self._ahead)

    def _forget(self) -> None:
        thought, self._ahead = self._ahead, None
        if thought is not None:
            thought.abort()
            self._speculated(False, thought.tokens)

    def _think(self, thought: Thought) -> None:
        thought.task = self._spawn(self._thinking(thought))

    async def _thinking(self, thought: Thought) -> None:
        again = self._failover(thought.again, lambda: thought.wanted)
        try:
            async with aclosing(speak(self._engine, thought.context, thought.manner, again)) as steps:
                async for told in steps:
                    thought.take(told)
            thought.end()
        except (SessionError, EngineUnavailable) as error:
            thought.end(error)

    def _failover(self, anew: Callable[[], Context], wanted: Callable[[], bool] = lambda: True) -> Failover:
        return Failover(self._engine, anew, self._memory.forgotten, wanted, self._patience)

    async def _transcribe(self, item_id: str, seconds: float, context: Context, again: Failover) -> None:
        """Have the model write down a turn, and tell it as it comes."""
        text, most = "", self._memory.reply_tokens
        try:
            async with aclosing(transcribe(self._engine, context, most, again)) as deltas:
                async for delta in deltas:
                    text += delta
                    self._emit(TranscriptDelta(item_id, delta))
        except (SessionError, EngineUnavailable) as error:
            self._emit(TranscriptFailed(item_id, str(error)))
            return
        self._memory.conversation.heard(item_id, text)
        self._emit(TranscriptDone(item_id, text, seconds))
