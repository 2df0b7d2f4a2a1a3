"""The replies of one conversation, from their first thought until the last of them has been heard.

One at a time is in the conversation; others may be made outside it. A spoken reply sounds on after it was
made, where its client plays it: then somebody may still cut in, and so much of it counts as was played.
Whose turn it is the session's table decides; it is told what happens here. Knows no microphone windows, no
endpointing and no wire.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

from model.reasoning import Call
from model.tools import call_body
from streaming import asked
from streaming.context import Context
from streaming.conversation import Conversation
from streaming.errors import EngineUnavailable, NoActiveResponse, ResponseActive, SessionError
from streaming.events import (
    CutOff,
    Event,
    FunctionCall,
    ResponseRequest,
    ResponseStarted,
    SessionSettings,
    Status,
    Timings,
    Truncated,
    Usage,
)
from streaming.ids import new_id
from streaming.loudspeaker import Loudspeaker
from streaming.memory import Memory, Spawn
from streaming.microphone import RATE, Microphone
from streaming.mouth import Mouth, Player
from streaming.reply import ActiveReply
from streaming.snapshot import Made, Making, Snapshot, Turn
from streaming.thinking import Thinker
from streaming.thought import Thought
from streaming.turn import Happened
from streaming.voice import Voice

ASIDES = 4  # replies outside the conversation at a time


class Replies:
    """`active` is being made; `sounding` is made, and its end still to be played.

    `quiet`: the clock and the sample since which the last reply has been heard; None while one is made.
    `append_ms`: what the newest append took, since the last reply began.
    """

    def __init__(
        self,
        memory: Memory,
        microphone: Microphone,
        thinker: Thinker,
        emit: Callable[[Event], None],
        happened: Callable[[Happened], None],
        *,
        spawn: Spawn,
        voice: Voice | None,
        clock: Callable[[], float],
    ) -> None:
        self._memory = memory
        self._microphone = microphone
        self._thinker = thinker
        self._emit = emit
        self._happened = happened
        self._spawn = spawn
        self._voice = voice
        self._clock = clock
        self._loudspeaker = Loudspeaker()
        self._player: Player | None = None
        self._asides: dict[str, ActiveReply] = {}  # outside the conversation, by their ids
        self._request = ResponseRequest()  # of the newest one of the conversation
        self._instead: Context | None = None  # what that was to, None: to the conversation
        self.active: ActiveReply | None = None
        self.sounding: ActiveReply | None = None
        self.quiet: tuple[float, int] | None = None
        self.append_ms: float | None = None

    def play_through(self, player: Player) -> None:
        """From here on they are played by this: it says what was heard, and a reply lasts until then."""
        self._player = player

    @property
    def under_way(self) -> bool:
        """One is being made, outside the conversation or in it, or sounds."""
        return self.active is not None or self.sounding is not None or bool(self._asides)

    # --- begun ---

    def check(self, request: ResponseRequest) -> None:
        """Raises ResponseActive where no more can be made."""
        if self.active is not None and not request.outside:
            raise ResponseActive(f"a reply is being made already ({self.active.response_id})")
        if len(self._asides) >= ASIDES and request.outside:
            raise ResponseActive(f"{ASIDES} replies outside the conversation are being made already")

    def start(
        self,
        settings: SessionSettings,
        request: ResponseRequest,
        since: float | None = None,
        instead: Context | None = None,
    ) -> None:
        """One to the conversation, or to something else. `since`: the clock that its timings count from."""
        settings = asked.merged(settings, request)
        self._reply(self._thinker.about(settings, request, instead), settings, request, since, instead)

    def answer(self, settings: SessionSettings, since: float | None) -> None:
        """One to the turn that has ended; what was thought of it ahead is told at once."""
        thought, request = self._thinker.taken(), ResponseRequest()
        if thought is None:
            self.start(settings, request, since)
        else:
            self._reply(thought, asked.merged(settings, request), request, since)

    def repeat(self, settings: SessionSettings) -> None:
        """The newest one, anew."""
        self.start(settings, self._request, None, self._instead)

    def _reply(
        self,
        thought: Thought,
        settings: SessionSettings,
        request: ResponseRequest,
        since: float | None,
        instead: Context | None = None,
    ) -> None:
        now, audio = self._clock(), thought.context.audio_tokens
        reply = ActiveReply(
            new_id("resp"),
            new_id("item"),
            now if since is None else since,
            Conversation() if request.outside else self._memory.conversation,
            new_id,
            thought.context,
            offered={tool.name for tool in settings.offered},
            request=request,
            thought=thought,
            usage=Usage(audio, len(thought.context) - audio),
        )
        if request.outside:
            self._asides[reply.response_id] = reply
        else:
            self.active, self.quiet = reply, None
            self._request, self._instead = request, instead
        turn_ended = None if since is None else reply.since(now)
        reply.timings = Timings(turn_ended=turn_ended, append=self.append_ms)
        self.append_ms = None
        reply.mouth = self._mouth(reply, settings)
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
        reply.task = self._spawn(self._make(reply, thought))

    def _mouth(self, reply: ActiveReply, settings: SessionSettings) -> Mouth | None:
        """What speaks it; None where it is text."""
        voice = self._voice
        if not settings.spoken or voice is None:
            return None

        def told(pcm: bytes, text: str) -> None:
            if not reply.entry.open:
                return  # it was ended within this very step of the loop
            self._microphone.playing(pcm)
            self._emit(reply.said(pcm, text, self._clock()))

        name, player = settings.voice or voice.names[0], self._player
        return Mouth(voice, name, settings.speed, told, self._clock, self._loudspeaker, reply.item_id, player)

    # --- begun elsewhere ---

    def snapshot(self, now: float) -> tuple[Making | None, tuple[Making, ...], tuple[Made, ...]]:
        """The active one, those outside the conversation, and what has been told of those before."""
        active = None if self.active is None else self.active.snapshot(now)
        asides = tuple(aside.snapshot(now) for aside in self._asides.values())
        return active, asides, self._loudspeaker.snapshot()

    @property
    def newest(self) -> ResponseRequest:
        """What the newest reply in the conversation was asked for with."""
        return self._request

    def restore(
        self,
        snapshot: Snapshot,
        settings: SessionSettings,
        instead: Callable[[ResponseRequest], Context | None],
    ) -> None:
        """Go on with what another server has begun. `instead`: what a request is to, None: the whole."""
        self._request = snapshot.request
        self._loudspeaker.restore(snapshot.made)
        for making in (*snapshot.asides, *filter(None, [snapshot.making])):
            try:
                context = instead(making.request)
            except SessionError:  # what it was to has been deleted meanwhile: it goes on all the same
                context = None
            self._go_on(making, settings, context)

    def _go_on(self, making: Making, settings: SessionSettings, instead: Context | None) -> None:
        settings, outside = asked.merged(settings, making.request), making.request.outside
        conversation = self._memory.conversation
        if outside:
            conversation = Conversation()
            conversation.restore([Turn(making.items, open=True)] if making.items else [])
        reply = ActiveReply.restored(making, self._clock(), conversation, new_id)
        reply.offered = {tool.name for tool in settings.offered}
        calls = [Call(call_body(i.name, i.arguments)) for i in making.items if isinstance(i, FunctionCall)]
        reply.thought = thought = self._thinker.go_on(settings, making, instead, calls)
        reply.context, audio = thought.context, thought.context.audio_tokens
        reply.usage = replace(reply.usage, audio=audio, text=len(thought.context) - audio)
        reply.mouth = None if making.spoken is None else self._mouth(reply, settings)
        if outside:
            self._asides[reply.response_id] = reply
        else:
            self.active, self.quiet, self._instead = reply, None, instead
        if reply.mouth is not None and making.spoken is not None:
            reply.mouth.restore(making.spoken, making.text)
        reply.task = self._spawn(self._make(reply, thought))

    # --- made ---

    async def _make(self, reply: ActiveReply, thought: Thought) -> None:
        status: Status = "completed"
        reason = message = None
        try:
            if reply.mouth is None:
                finish = await self._decode(reply, thought)
            else:
                finish = await self._speak(reply, reply.mouth, thought)
            if finish == "length":
                status, reason = "incomplete", "max_output_tokens"
        except (SessionError, EngineUnavailable) as error:
            status, reason, message = "failed", error.code, str(error)
        if self.active is reply:
            self.finish(status, reason, message)
            self._happened(Happened.REPLY_ENDED if self.sounding is None else Happened.REPLY_MADE)
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
                finish = reply.finish = told.finish
        return finish

    async def _speak(self, reply: ActiveReply, mouth: Mouth, thought: Thought) -> str | None:
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

    def hold(self, held: bool) -> None:
        """It goes on, and nothing of it is told until released."""
        assert self.active is not None and self.active.thought is not None
        self.active.held_at = self._clock() if held else None
        self.active.thought.hold(held)
        if self.active.mouth is not None:
            self.active.mouth.hold(held)

    # --- ended ---

    def cancel(self, response_id: str | None) -> None:
        """Stop one, None: that in the conversation. Raises NoActiveResponse."""
        if response_id is not None and (aside := self._asides.get(response_id)):
            self._finish_aside(aside, "cancelled", "client_cancelled")
            return
        if self.active is None or response_id not in (None, self.active.response_id):
            raise NoActiveResponse("Cancellation failed: no active response found")
        self._happened(Happened.REPLY_CANCELLED)

    def fail(self, error: EngineUnavailable) -> None:
        """All of them."""
        if self.active:
            self.finish("failed", error.code, str(error))
        for aside in list(self._asides.values()):
            self._finish_aside(aside, "failed", error.code, str(error))

    def finish(self, status: Status, reason: str | None, message: str | None = None) -> None:
        """Tell the end of the active one, keep what was heard of it, abort the rest."""
        assert self.active is not None
        reply, self.active = self.active, None
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
            self.sounding = reply  # the engine is told of it once it is known how much was heard
        else:
            self._close(reply)
            if status in ("cancelled", "failed"):
                self._silence()
        still = reply.mouth.ends(now) - now if self.sounding and reply.mouth else 0.0
        self.quiet = now + still, self._microphone.clock + int(still * RATE)

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

    def _close(self, reply: ActiveReply) -> None:
        reply.entry.open = False
        self._memory.replied(reply.entry)

    # --- heard ---

    def played(self, now: float) -> None:
        """Nothing of the last one sounds any more, and no sound that came over it is to be judged."""
        if self.sounding and not self.sounding.sounds(now) and not self._microphone.doubting:
            self._happened(Happened.PLAYED)

    def keep(self) -> None:
        """What sounds will have been heard to its end, unless somebody cuts in: let the engine read it."""
        if self.sounding is not None and self.sounding.entry.open:
            self._close(self.sounding)

    def let_sound(self) -> None:
        """The same, and nobody can cut it off any more."""
        self.keep()
        self.sounding = None

    def cut_off(self) -> None:
        """The user speaks over what sounds: it has been heard as far as it was played."""
        self._silence()
        self.let_sound()

    def truncate(self, item_id: str, ms: int) -> bool:
        """The client has played so much of one. False where there is no such one, or it is too long ago."""
        reply = self.active
        if reply is not None and reply.item_id == item_id and reply.mouth is not None:
            reply.heard_ms = ms
            track = reply.mouth.track
            self._emit(Truncated(item_id, min(ms, track.ms), reply.text[: track.heard(ms)]))
            return True
        heard = self._loudspeaker.truncated(item_id, ms)
        if heard is None:
            return False
        sounding = self.sounding
        if heard.less:
            self._corrected(item_id, heard.text)
        if sounding is not None and sounding.item_id == item_id:  # the client plays no more of it
            self._silence(item_id)
            self._happened(Happened.PLAYED)
        self._emit(Truncated(item_id, heard.ms, heard.text))
        return True

    def forget(self, item_id: str) -> None:
        """It is no longer in the conversation."""
        self._loudspeaker.forget(item_id)

    def _silence(self, known: str = "") -> None:
        """The client plays no more of what it was sent; of one item it has said what it played."""
        self._microphone.silenced()
        for heard in self._loudspeaker.stopped(self._clock(), known):
            self._corrected(heard.item_id, heard.text)
            self._emit(CutOff(heard.item_id, heard.text))

    def _corrected(self, item_id: str, text: str) -> None:
        """Less of one was heard than was noted, or could be."""
        sounding = self.sounding
        if sounding is not None and sounding.item_id == item_id and sounding.entry.open:
            self._memory.conversation.heard(item_id, text)  # the engine has not been told of it
        else:
            self._memory.corrected(item_id, text)
        self._thinker.forget()
