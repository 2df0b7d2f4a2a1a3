"""The calls that are open (WebRTC): from an offer that is let in to the end of the call, whatever ends it.

Every call is a task of one TaskGroup, which lives as long as the server. It holds its place from the offer
on; one that does not come about in time, or breaks off, gives it back and says why in the log. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from server import client_events as ce
from server.connection import Host
from server.drain import Leaving
from server.ice import Ice
from server.limits import Account
from server.outbox import SlowClient
from server.resume import Line, Lines, Log, ResumeFailed
from server.server_events import Narrator
from server.session_object import SessionState
from server.store import Taken
from server.takeover import left, look, take
from server.webrtc import Call, Ended, Peer
from streaming import asked
from streaming.errors import EngineUnavailable

CONNECT_SECONDS = 15.0

logger = logging.getLogger("soundmind")

Answered = asyncio.Future[tuple[str, str]]  # a call's id, and the SDP
Begin = Callable[[Line], Awaitable[Call]]


@dataclass(frozen=True)
class Held:
    """An open call."""

    call: Call
    account: Account
    line: Line


class Calls:
    def __init__(self, host: Host, ice: Ice, connect_seconds: float = CONNECT_SECONDS) -> None:
        """`connect_seconds`: from the offer to an open data channel; then the call is freed."""
        self._host = host
        self._ice = ice
        self._connect_seconds = connect_seconds
        self._calls: dict[str, Held] = {}
        self._lines = Lines()
        self._running: set[asyncio.Task[None]] = set()
        self._tasks: asyncio.TaskGroup | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Calls can be opened inside; those that are open at its end are closed."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                yield
            finally:
                for task in self._running:
                    task.cancel()

    def _start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._tasks is not None
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def open(
        self, offer: str, account: Account, *wanted: ce.Session | None, model: str | None = None
    ) -> tuple[str, str]:
        """The new call's id, and the SDP to answer with. `wanted`: how it is set, the later over the earlier.

        `model`: as the client has it in its address.

        Raises BadOffer, ProtocolError, SessionError, LimitReached, SessionFull and EngineUnavailable.
        """
        seconds = account.limits.session_seconds

        async def begin(line: Line) -> Call:
            return Call(self._host, account, self._state(seconds, wanted, model), line)

        answered: Answered = asyncio.get_running_loop().create_future()
        return await self._answer(self._hold(offer, account, begin, seconds, answered), answered)

    async def resume(self, offer: str, account: Account, token: str, after: str | None) -> tuple[str, str]:
        """Go on with a call over another peer connection: its id, and the SDP. `after`: the last event had.

        One that another server has kept goes on here. Raises BadOffer and ResumeFailed, and what `open` does.
        """
        line = self._lines.known(token, account)
        if line is None:
            return await self._take_over(offer, account, token, after)
        held = next(held for held in self._calls.values() if held.line is line)
        answered: Answered = asyncio.get_running_loop().create_future()
        return await self._answer(self._go_on(offer, held, after, answered), answered)

    async def _take_over(
        self, offer: str, account: Account, token: str, after: str | None
    ) -> tuple[str, str]:
        kept, events = await look(self._host, account, token)
        Log.of(events).behind(after)

        async def begin(line: Line) -> Call:
            taking, events = await take(self._host, token)
            line.take_over(token, after, Log.of(events))
            return Call(self._host, account, taking.kept.session, line, taking)

        answered: Answered = asyncio.get_running_loop().create_future()
        return await self._answer(self._hold(offer, account, begin, left(kept), answered), answered)

    async def _answer(self, work: Coroutine[Any, Any, None], answered: Answered) -> tuple[str, str]:
        task = self._start(work)
        try:
            return await answered
        except asyncio.CancelledError:
            task.cancel()
            raise

    def hang_up(self, call_id: str, account: Account) -> bool:
        """False where the account has no such call."""
        held = self._calls.get(call_id)
        if held is None or held.account is not account:
            return False
        self._start(held.line.close())
        return True

    async def _hold(
        self, offer: str, account: Account, begin: Begin, seconds: float | None, answered: Answered
    ) -> None:
        """One call, from end to end."""
        with (
            _owed(answered),
            account.session(),
            self._host.admit(),
            self._host.drain.hold(),
        ):
            peer = Peer(self._ice)
            line = Line(peer.channel, account, self._host.resume_seconds, server=self._host.name)
            try:
                call = await begin(line)
                line.away = call.away
                answered.set_result((call.id, await peer.answer(offer, call.sound)))
                self._calls[call.id] = Held(call, account, line)
                self._start(_closing(peer))
                with self._lines.hold(line):
                    await self._converse(call, peer, seconds)
                await line.close()
            finally:
                self._calls = {name: held for name, held in self._calls.items() if held.line is not line}
                line.end()
                await peer.close()

    async def _go_on(self, offer: str, held: Held, after: str | None, answered: Answered) -> None:
        """One more peer connection of a call, until it is left."""
        peer, call = Peer(self._ice), held.call
        try:
            with _owed(answered):
                answered.set_result((call.id, await peer.answer(offer, call.sound)))
                try:
                    await peer.connected(self._connect_seconds)
                    call.sound.packets.put_nowait(None)
                    await held.line.attach(peer.channel, after)
                except Ended as error:
                    logger.warning("%s is not resumed: %s", call.id, error)
                except ResumeFailed as error:
                    self._host.refused(error.code, str(error))
                    await peer.channel.send_text(json.dumps(Narrator("").error(error.code, str(error))))
                    await peer.channel.close()
        finally:
            await peer.close()

    def _state(
        self, seconds: float | None, wanted: tuple[ce.Session | None, ...], model: str | None
    ) -> SessionState:
        """Raises SessionError and ProtocolError for what cannot be."""
        ends = None if seconds is None else int(time.time() + seconds)
        state = self._host.state(*wanted, expires_at=ends, model=model)
        asked.check(state.settings)
        return state

    async def _converse(self, call: Call, peer: Peer, seconds: float | None) -> None:
        length = asyncio.timeout(seconds)
        try:
            async with length:
                await peer.connected(self._connect_seconds)
                await call.run()
            logger.info("%s ended: %s", call.id, peer.channel.why)
        except Ended as error:
            logger.warning("%s freed: %s", call.id, error)
        except (Leaving, Taken):
            logger.info("%s goes on at another server", call.id)
        except TimeoutError:
            if not length.expired():
                raise
            most = call.account.limits.session_seconds
            await call.farewell("session_expired", f"a session may last {most:g} s: begin another")
        except EngineUnavailable as error:
            await call.farewell(error.code, f"{error}; try again later")
        except SlowClient as error:
            logger.warning("%s closed, the client does not read: %s", call.id, error)
        except Exception:
            logger.exception("%s: the conversation failed", call.id)
            await call.farewell("server_error", "the conversation failed")


@contextmanager
def _owed(answered: Answered) -> Iterator[None]:
    """What goes wrong before the answer is whose who waits for it."""
    try:
        yield
    except Exception as error:
        if answered.done():
            logger.exception("a call failed")
        else:
            answered.set_exception(error)
    finally:
        answered.cancel()


async def _closing(peer: Peer) -> None:
    """A peer connection that has dropped is no use any more, though its call may go on."""
    await peer.channel.finished.wait()
    await peer.close()
