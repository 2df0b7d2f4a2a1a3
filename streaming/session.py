"""The shell of one live conversation: runs the pure cores for every packet, and owns the tasks.

    packet -> microphone (resample, voice, endpointing) -> turn table -> memory (ear, listener), replies

One synchronous call does all of that; nothing is queued on the way. Tasks exist for the listener's
request, for thoughts, replies and transcripts, and for the watchdog, all in one TaskGroup. What happens is
told through `emit`, in order. When the engine dies the session goes on, and takes audio in; what was being
thought or spoken goes on with the next engine, as the same reply. Knows no wire format and no transport.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.windows import Windows
from streaming import asked, handover, turn
from streaming.audio import recording
from streaming.context import Context
from streaming.endpointing import Doubted, NoTurn, Paused, Resumed, Started, Stopped
from streaming.endpointing import Event as Sounded
from streaming.engine import Engine
from streaming.errors import EmptyBuffer, EngineUnavailable, TooLong
from streaming.events import (
    Cleared,
    Committed,
    EngineBack,
    EngineLost,
    Event,
    FunctionCall,
    FunctionOutput,
    IdleTimeout,
    Item,
    ItemAdded,
    ItemDeleted,
    ResponseRequest,
    SemanticVad,
    ServerVad,
    SessionSettings,
    SpeechStarted,
    SpeechStopped,
    Trouble,
)
from streaming.failover import PATIENCE_SECONDS
from streaming.idling import Idling
from streaming.ids import new_id
from streaming.memory import Memory
from streaming.microphone import RATE, Microphone
from streaming.mouth import Player
from streaming.parking import Parking
from streaming.places import PLACE
from streaming.recall import gathered, opening
from streaming.replies import Replies
from streaming.snapshot import Snapshot
from streaming.thinking import Thinker
from streaming.turn import GUARDED, Do, Happened, State
from streaming.vad import SpeechDetector
from streaming.voice import Voice

STALL_SECONDS = 2.0  # no audio for so long in a turn: a muted microphone or a dead line; the turn ends
WATCH_SECONDS = 0.25
NO_ROOM = "the conversation has filled the context and truncation is disabled: the turn was not taken"


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
        parked: Callable[[bool], None] = lambda parked: None,
        parking: Parking | None = None,
        windows: Windows | None = None,
        voice: Voice | None = None,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`appended` (seconds), `speculated` (whether it was heard, and its tokens until then), `parked`: for
        metrics. `parking` may park it while it is idle; `patience`: seconds that a reply waits."""
        self._engine = engine
        self._emit = emit
        self._told_append = appended
        self._settings = settings
        self._clock = clock
        self._down_since: float | None = None  # there is no engine
        self._nobody = False  # the client is away
        self._microphone = Microphone(detector, settings.turn_detection, settings.hears)
        self._state = State.IDLE
        self._turn_id = ""
        self._turn_start = 0  # sample clock
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
            parked=parked,
            truncation=settings.truncation,
            place=PLACE.get(),
        )
        self._thinker = Thinker(
            engine, self._memory, emit, spawn=self._spawn, speculated=speculated, patience=patience
        )
        self._replies = Replies(
            self._memory,
            self._microphone,
            self._thinker,
            emit,
            self._happened,
            spawn=self._spawn,
            voice=voice,
            clock=clock,
        )
        self._parking = parking or Parking()
        self._idling = Idling(self._memory, self._microphone, self._thinker, self._replies, clock)

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
            self._replies.fail(EngineUnavailable("the engine is not running"))
            raise EngineUnavailable("the engine is not running") from group

    # --- elsewhere ---

    @property
    def received_ms(self) -> int:
        return self._microphone.received * 1000 // RATE

    @property
    def busy(self) -> bool:
        """Somebody speaks, or something is being made."""
        return self._idling.busy

    def snapshot(self) -> Snapshot:
        """As it stands; to be had between two steps of the event loop."""
        parts = self._memory, self._microphone, self._thinker, self._replies
        return handover.snapshot(self._state, *parts, (self._turn_id, self._turn_start), self._clock())

    def restore(self, snapshot: Snapshot) -> None:
        """Go on with what another server has told so much of, before anything has happened here."""
        if (hearing := snapshot.hearing) is not None:
            self._turn_id, self._turn_start = hearing.turn_id, hearing.start
        self._state = handover.state(snapshot)
        handover.restore(snapshot, self._memory, self._microphone, self._thinker)
        self._replies.restore(snapshot, self._settings, self._instead)

    def _instead(self, request: ResponseRequest) -> Context | None:
        """What a reply is to, None: to the conversation. Raises what `create_response` does."""
        if request.input is None:
            return None
        begins = opening(asked.merged(self._settings, request), self._engine.prompt)
        turns = gathered(request.input, self._memory.conversation, self._recording)
        return self._memory.instead(turns, begins)

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
        with self._parking.guest(self._idling, self._memory.place.rank):
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
        self._replies.played(now)
        if self._replies.active is None and not self._memory.hearing:
            self._memory.catch_up()
        self._idling.look()
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
        if timeout and self._replies.quiet and (now - self._replies.quiet[0]) * 1000 >= timeout:
            self._idle_for_long(min(self._replies.quiet[1], self._microphone.clock))

    def _idle_for_long(self, since: int) -> None:
        """Answer the quiet, of which the newest audio becomes a turn."""
        self._replies.quiet = None
        if self._state is not State.IDLE or self._memory.full:
            return
        self._turn_id = new_id("item")
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
        self._thinker.forget()  # it was thought under other settings
        if settings.turn_detection is None and self._state is State.DOUBTING:
            self._happened(Happened.NO_TURN)
        if before.turn_detection is None and settings.turn_detection and self._memory.hearing:
            self._happened(Happened.DISCARDED)  # nobody will commit it, and no detector saw it begin
        self._microphone.configure(settings.turn_detection, settings.hears)
        self._memory.truncation = settings.truncation
        self._memory.begin_with(begins)

    def _appended(self, seconds: float) -> None:
        self._replies.append_ms = seconds * 1000.0
        self._told_append(seconds)

    def play_through(self, player: Player) -> None:
        """From here on replies are played by this: it says what was heard, and a reply lasts until then."""
        self._replies.play_through(player)

    # --- what a client says ---

    def append_audio(self, pcm: bytes) -> None:
        """Audio in the format that the settings name, any amount. Raises BadAudio and TooLong."""
        now = self._clock()
        self._replies.played(now)
        if self._memory.full and not self._memory.hearing and not self._microphone.detecting:
            self._memory.make_ready()
        for block, event in self._microphone.push(pcm, now):
            if not self._memory.hearing and not self._microphone.detecting:
                self._turn_id = new_id("item")
                self._happened(Happened.SPEECH)
            if not self._memory.hear(block):
                self._full()
            if event is not None:
                self._sounded(event)

    async def listen(self, pcm: bytes) -> None:
        """The same; its voice activity is judged together with that of other sessions."""
        if self._microphone.detecting:
            await self._microphone.ahead(pcm, self._clock())
            pcm = b""
        self.append_audio(pcm)

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
        self._replies.check(request)
        settings = asked.merged(self._settings, request)
        asked.check(settings)
        begins = opening(settings, self._engine.prompt)
        self._memory.check(begins)
        self._replies.keep()
        self._memory.unpark()
        if request.input is None:
            self._memory.make_ready()
        context = self._instead(request)
        if request.outside:
            self._replies.start(self._settings, request, None, context)
        else:
            self._happened(Happened.REPLY_ASKED, request, context=context)

    def _recording(self, audio: bytes) -> NDArray[np.int16]:
        return recording(audio, self._settings.hears, RATE)

    def cancel_response(self, response_id: str | None = None) -> None:
        """Stop a reply, None: that in the conversation. Raises NoActiveResponse."""
        self._replies.cancel(response_id)

    def truncate(self, item_id: str, ms: int) -> bool:
        """So much of a spoken reply was played. False where it is no such reply, or too long ago."""
        return self._replies.truncate(item_id, ms)

    def add_item(self, item: Item, previous_item_id: str | None = None, pcm: bytes | None = None) -> None:
        """Add an item behind another, None: at the end of the conversation; "root" is before all items.

        Ids that are empty are given; what a tool gave back is named after its call; `pcm` is what is said in
        a spoken one, as `append_audio` takes it. Raises DuplicateItem, UnknownItem, UnknownCall, BadAudio and
        TooLong.
        """
        self._replies.keep()
        conversation = self._memory.conversation
        item = replace(item, id=item.id or new_id("item"))
        if isinstance(item, FunctionCall):
            item = replace(item, call_id=item.call_id or new_id("call"))
        elif isinstance(item, FunctionOutput):
            item = replace(item, name=conversation.name_of(item.call_id))
        samples = None if pcm is None else self._recording(pcm)
        before = self._memory.add(item, previous_item_id, samples)
        self._idling.stirred()
        self._thinker.forget()  # it was thought without that item
        self._emit(ItemAdded(item, before))

    def delete_item(self, item_id: str) -> None:
        """Raises UnknownItem and ItemActive."""
        self._replies.keep()
        self._memory.delete(item_id)
        self._replies.forget(item_id)
        self._thinker.forget()
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
        self._idling.stirred()
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
                    self._replies.finish("cancelled", "turn_detected" if interrupted else "client_cancelled")
                case Do.START_REPLY:
                    self._replies.start(self._settings, request or ResponseRequest(), since, context)
                case Do.KEEP_REPLY:
                    self._replies.let_sound()
                case Do.CUT_REPLY:
                    self._replies.cut_off()
                case Do.REPEAT_REPLY:
                    self._replies.repeat(self._settings)
                case Do.HOLD_REPLY | Do.RELEASE_REPLY:
                    self._replies.hold(action is Do.HOLD_REPLY)
                case Do.THINK_AHEAD:
                    self._thinker.ahead(self._settings)
                case Do.FORGET:
                    self._thinker.forget()
                case Do.CARRY:
                    self._thinker.carry(self._settings)
                case Do.ANSWER:
                    self._replies.answer(self._settings, since)

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
                if isinstance(self._settings.turn_detection, SemanticVad):
                    self._thinker.judge(lambda over: self._microphone.judge(at, over))
                if self._settings.speculation and self._answers:
                    self._happened(Happened.PAUSE)
            case Resumed():
                self._happened(Happened.RESUMED)
            case Stopped():
                self._turn_over(event.last_voiced)

    def _speech_started(self, at: int) -> None:
        self._replies.quiet = None
        if self._memory.full:
            self._emit(Trouble(TooLong.code, NO_ROOM))
            if self._state is State.DOUBTING:
                self._happened(Happened.NO_TURN)
            return
        self._turn_id = new_id("item")
        self._turn_start = at
        self._emit(SpeechStarted(self._turn_id, at * 1000 // RATE))
        if self._replies.active is not None and self._interrupts:
            now = self._clock()
            self._replies.active.interrupted(self._microphone.arrived(self._microphone.sounded, now), now)
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
            self._thinker.write_down(item.id, seconds, self._settings.encoding)
