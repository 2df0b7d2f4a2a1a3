"""One conversation and its client, over whatever line carries the events.

One reader and one writer beside the session, in a TaskGroup: whichever ends, ends all three, and the session
aborts its engine requests on its way out, so a client that vanishes leaves nothing behind. What a client
sends wrongly costs it an `error` event; the conversation goes on. Knows no HTTP, no sockets, no engine, and
of audio only its size.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, assert_never

from server import client_events as ce
from server import protocol as p
from server.drain import Drain, Leaving
from server.keeper import LOOK_SECONDS, Keeper
from server.kept import Kept
from server.limits import Account, LimitReached
from server.observer import Observer
from server.outbox import Outbox, SlowClient
from server.resume import Line as ResumableLine
from server.resume import Lines
from server.server_events import Narrator
from server.session_object import SessionState
from server.store import Store, Taken
from server.tasks import one_error
from server.telling import Wire
from streaming.audio import RATES
from streaming.errors import SessionError, UnknownItem
from streaming.events import Encoding, Event, Item, ResponseRequest, ResponseStarted, SessionSettings
from streaming.ids import new_id
from streaming.mouth import Player
from streaming.places import ADAPTER
from streaming.snapshot import Snapshot

SLICE_MS = 200  # of one event's audio: after so much the others have their turn
SAMPLE_BYTES = {"pcm": 2, "pcmu": 1, "pcma": 1}
STALL_SECONDS = 30.0  # a client that takes nothing for so long is gone


class LiveSession(Protocol):
    """What this needs of `streaming.session.Session`."""

    async def run(self) -> None: ...
    def configure(self, settings: SessionSettings) -> None: ...
    def append_audio(self, pcm: bytes) -> None: ...
    async def listen(self, pcm: bytes) -> None: ...
    def commit(self) -> None: ...
    def clear(self) -> None: ...
    def create_response(self, request: ResponseRequest) -> None: ...
    def cancel_response(self, response_id: str | None = None) -> None: ...
    def add_item(self, item: Item, previous_item_id: str | None = None, pcm: bytes | None = None) -> None: ...
    def delete_item(self, item_id: str) -> None: ...
    def truncate(self, item_id: str, ms: int) -> bool: ...
    def play_through(self, player: Player) -> None: ...
    def away(self, nobody: bool) -> None: ...
    @property
    def received_ms(self) -> int: ...
    @property
    def busy(self) -> bool: ...
    def snapshot(self) -> Snapshot: ...
    def restore(self, snapshot: Snapshot) -> None: ...


class Line(Protocol):
    """What carries the events: a WebSocket, or what behaves like one."""

    async def send_text(self, data: str) -> None: ...
    async def receive(self) -> MutableMapping[str, Any]: ...


@dataclass(frozen=True)
class Host:
    """Where the conversations live, as a connection sees it."""

    model: str  # the name that clients are told
    encoding: Encoding  # of sessions that do not say
    admit: Callable[[], AbstractContextManager[None]]  # raises SessionFull, EngineUnavailable
    session: Callable[[Callable[[Event], None], SessionSettings, Observer], LiveSession]
    observer: Callable[[str], Observer]  # of the session with that id
    refused: Callable[[str, str], None]  # an error's code and message, told to who has no session
    voices: tuple[str, ...] = ()  # the default first; none: replies are text
    resume_seconds: float = 60.0  # that a conversation is kept whose line has dropped
    lines: Lines = field(default_factory=Lines)
    store: Store | None = None  # shared with other servers, where there are any
    drain: Drain = field(default_factory=Drain)
    name: str = ""  # of this server among others
    adapters: tuple[str, ...] = ()  # further models that clients may ask for: LoRA, by name

    @property
    def models(self) -> tuple[str, ...]:
        """All that are served."""
        return (self.model, *self.adapters)

    def state(
        self, *wanted: ce.Session | None, expires_at: int | None = None, model: str | None = None
    ) -> SessionState:
        """A new session's, set as `wanted`, the later over the earlier. `model`: as its address has it.

        Raises ProtocolError.
        """
        settings = [session for session in wanted if session is not None]
        for session in settings:
            model = session.model or model
        state = SessionState(
            new_id("sess"),
            self.served(model),
            encoding=self.encoding,
            voices=self.voices,
            expires_at=expires_at,
        )
        for session in settings:
            state = state.updated(session)
        return state

    def served(self, model: str | None) -> str:
        """The model of that name. Where there is but one, it is meant, whatever clients call it.

        Raises ProtocolError.
        """
        if not self.adapters or model is None:
            return self.model
        if model not in self.models:
            there = ", ".join(self.models)
            raise p.ProtocolError(
                "model_not_found", f"there is no model {model!r} here, but {there}", "model"
            )
        return model


@dataclass(frozen=True)
class Taking:
    """What another server has kept, and who keeps it now."""

    kept: Kept
    keeper: Keeper


class Connection:
    def __init__(
        self,
        ws: Line,
        host: Host,
        narrator: Narrator,
        outbox: Outbox,
        account: Account,
        state: SessionState,
        resumable: ResumableLine | None = None,
        taken: Taking | None = None,
    ) -> None:
        """`resumable`: the line again, where the client may come back to it. `taken`: from another server.

        Raises SessionError for a state that cannot be.
        """
        self._ws = ws
        self._host = host
        self._narrator = narrator
        self._outbox = outbox
        self._account = account
        self._resumable = resumable
        self._taken = taken
        self._keeper = None if taken is None else taken.keeper
        self._state = self._granted(state)
        ADAPTER.set(state.model)  # of all that this task spawns; no adapter has the model's own name
        self._observer = host.observer(state.id)
        self._session = host.session(self._emit, self._state.settings, self._observer)

    @property
    def account(self) -> Account:
        return self._account

    @property
    def narrator(self) -> Narrator:
        return self._narrator

    async def run(self) -> None:
        """Until the client leaves. Raises Leaving, Taken, EngineUnavailable, SlowClient, or what went wrong.

        It is kept for another server where this one is leaving or is stopped, and nowhere else.
        """
        if self._taken is None:
            self._outbox.put(self._narrator.session_created(self._state))
        elsewhere = True
        try:
            await self._run()
            elsewhere = False
        except (Leaving, Taken, asyncio.CancelledError):
            raise
        except BaseException:
            elsewhere = False
            raise
        finally:
            if self._keeper is not None and not elsewhere:
                await self._keeper.drop()

    async def _run(self) -> None:
        with self._observer, one_error():
            async with asyncio.TaskGroup() as tasks:
                others = [tasks.create_task(work) for work in self._work()]
                await asyncio.sleep(0)  # the session runs before its first command
                if self._taken is not None:
                    self._session.restore(self._taken.kept.snapshot)
                    self.away(False)
                await self._read()
                for task in others:
                    task.cancel()

    def _work(self) -> list[Coroutine[Any, Any, None]]:
        """What is done beside reading."""
        return [self._session.run(), self._write()]

    def away(self, nobody: bool) -> None:
        """The line has dropped, or the client is back."""
        self._session.away(nobody)
        if not nobody:
            self._outbox.put(self._narrator.resumed(self._session.received_ms))

    def _granted(self, state: SessionState) -> SessionState:
        """With what a client needs to come back, if it wants to."""
        if self._resumable is None:
            return state
        if not state.resume:
            self._resumable.revoke()
            return replace(state, grant=None)
        grant = self._resumable.grant()
        if self._host.store is not None and self._keeper is None:
            self._keeper = Keeper(self._host.store, grant.token, self._host.resume_seconds)
        return replace(state, grant=grant.wire())

    def _updated(self, wanted: ce.Session) -> SessionState:
        """Raises ProtocolError."""
        state = self._state.updated(wanted)
        if state.resume and self._resumable is None:
            where = "session.soundmind.resume"
            raise p.ProtocolError(
                "unsupported", f"{where}: only over WebSocket may a client come back", where
            )
        if wanted.model != state.model and wanted.model in self._host.models:
            where = "session.model"
            raise p.ProtocolError(
                "unsupported",
                f"{where}: a session keeps the model that it began with, {state.model}: name another one in "
                "the address (?model=), in a client secret or in a call's session",
                where,
            )
        return state

    def _emit(self, event: Event) -> None:
        self._observer.event(event)
        for wire in self._narrate(event):
            self._outbox.put(wire)
        if isinstance(event, ResponseStarted):
            self._count(event.response_id)

    def _narrate(self, event: Event) -> list[Wire]:
        return self._narrator.narrate(event)

    def _count(self, response_id: str) -> None:
        """One reply more, asked for or not: one too many is cancelled."""
        now = time.monotonic()
        try:
            self._account.reply(now)
        except LimitReached as error:
            self._observer.refused(error.code, str(error))
            self._outbox.put(self._narrator.error(error.code, str(error)))
            asyncio.get_running_loop().call_soon(self._cancel, response_id)
        if left := self._account.replies(now):
            self._outbox.put(self._narrator.rate_limits(left))

    def _cancel(self, response_id: str) -> None:
        with suppress(SessionError):
            self._session.cancel_response(response_id)

    async def _write(self) -> None:
        while True:
            kept = self._keeper is not None
            await self._tell(await self._outbox.some(LOOK_SECONDS) if kept else [await self._outbox.get()])
            drain = self._host.drain
            if self._keeper is not None and drain.begun.is_set() and (drain.late or not self._session.busy):
                self._outbox.put(self._narrator.leaving())
                await self._tell(await self._outbox.some(0))
                raise Leaving

    async def _tell(self, events: list[Wire]) -> None:
        if self._keeper is not None:
            await self._keep(self._keeper, events)
        for event in events:
            await self._send(event)

    async def _keep(self, keeper: Keeper, events: list[Wire]) -> None:
        """Before the client is told of it. Raises Taken."""
        if not self._state.resume:
            self._keeper = None
            await keeper.drop()
            return
        assert self._resumable is not None
        snapshot, narrated = self._session.snapshot(), self._narrator.snapshot()
        kept = Kept(self._account.name, self._state, narrated, snapshot, time.time())
        logged = [(event["event_id"], json.dumps(event)) for event in events]
        await keeper.keep(kept, logged, self._resumable.kept + len(logged))

    async def _write_one(self) -> None:
        await self._send(await self._outbox.get())

    async def _send(self, event: Wire) -> None:
        try:
            async with asyncio.timeout(STALL_SECONDS):
                await self._ws.send_text(json.dumps(event))
        except TimeoutError as error:
            raise SlowClient(f"nothing taken for {STALL_SECONDS:g} s") from error

    async def _read(self) -> None:
        while True:
            message = await self._ws.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            try:
                content = text if text is not None else message["bytes"]
                command = p.parse(content)
                self._account.send(len(content), time.monotonic())
                await self._obey(command)
            except LimitReached as error:
                self._refuse(p.ProtocolError(error.code, str(error), event_id=command.event_id))
            except p.ProtocolError as error:
                self._refuse(error)

    def _refuse(self, error: p.ProtocolError) -> None:
        self._observer.refused(error.code, error.message)
        self._outbox.put(self._narrator.error(error.code, error.message, error.param, error.event_id))

    async def _obey(self, command: p.Command) -> None:
        """Raises ProtocolError for what the conversation refuses."""
        try:
            if isinstance(command, p.AppendAudio):
                await self._append(command.pcm)
            else:
                self._do(command)
        except SessionError as error:
            raise p.ProtocolError(error.code, str(error), event_id=command.event_id) from error
        except p.ProtocolError as error:
            error.event_id = command.event_id
            raise

    async def _append(self, pcm: bytes) -> None:
        hears = self._state.hears
        size = RATES[hears] * SAMPLE_BYTES[hears] * SLICE_MS // 1000
        if len(pcm) % SAMPLE_BYTES[hears]:
            raise p.ProtocolError(
                "invalid_value",
                f"audio: expected 16-bit samples, an even number of bytes, got {len(pcm)}",
                "audio",
            )
        for at in range(0, len(pcm), size):
            if at:
                await asyncio.sleep(0)
            self._observer.heard(len(pcm[at : at + size]) / (RATES[hears] * SAMPLE_BYTES[hears]))
            await self._session.listen(pcm[at : at + size])

    def _do(self, command: p.Command) -> None:
        match command:
            case p.UpdateSession(session):
                state = self._updated(session)
                self._session.configure(state.settings)
                self._state = self._granted(state)
                self._outbox.put(self._narrator.session_updated(self._state))
            case p.AppendAudio(pcm):
                self._session.append_audio(pcm)
            case p.CommitAudio():
                self._session.commit()
            case p.ClearAudio():
                self._session.clear()
            case p.AddItem(item, previous_item_id, audio):
                with wrong_item("item_create_invalid_previous_item_id", "previous_item_id"):
                    self._session.add_item(item, previous_item_id, audio)
            case p.DeleteItem(item_id):
                with wrong_item("item_delete_invalid_item_id"):
                    self._session.delete_item(item_id)
            case p.RetrieveItem(item_id):
                self._outbox.put(self._narrator.retrieved(item_id))
            case p.TruncateItem(item_id, content_index, ms):
                answer = self._narrator.truncated(item_id, content_index)
                if not self._session.truncate(item_id, ms):
                    self._outbox.put(answer)
            case p.CreateResponse(request):
                if request.voice is not None:
                    request = replace(request, voice=p.voice(request.voice, self._host.voices))
                self._account.check_reply(time.monotonic())
                with wrong_item("item_not_found", "response.input"):
                    self._session.create_response(request)
            case p.CancelResponse(response_id):
                self._session.cancel_response(response_id)
            case p.ClearOutput():
                raise p.ProtocolError("unsupported", "over WebSocket the client holds the audio", "type")
            case _:
                assert_never(command)


@contextmanager
def wrong_item(code: str, param: str = "item_id") -> Iterator[None]:
    """The API has a code for each event that names an item that is not there."""
    try:
        yield
    except UnknownItem as error:
        raise p.ProtocolError(code, f"{param}: {error}", param) from error
