"""The calls that are open (WebRTC): from an offer that is let in to the end of the call, whatever ends it.

Every call is a task of one TaskGroup, which lives as long as the server. It holds its place from the offer
on; one that does not come about in time, or breaks off, gives it back and says why in the log. Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from server import client_events as ce
from server.ice import Ice
from server.limits import Account
from server.outbox import SlowClient
from server.session_object import SessionState
from server.webrtc import Call, Ended
from server.websocket import Host
from streaming import asked
from streaming.events import EngineUnavailable

CONNECT_SECONDS = 15.0

logger = logging.getLogger("soundmind")


class Calls:
    def __init__(self, host: Host, ice: Ice, connect_seconds: float = CONNECT_SECONDS) -> None:
        """`connect_seconds`: from the offer to an open data channel; then the call is freed."""
        self._host = host
        self._ice = ice
        self._connect_seconds = connect_seconds
        self._calls: dict[str, tuple[Call, Account]] = {}
        self._held: set[asyncio.Task[None]] = set()
        self._tasks: asyncio.TaskGroup | None = None

    def __len__(self) -> int:
        return len(self._held)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Calls can be opened inside; those that are open at its end are closed."""
        async with asyncio.TaskGroup() as self._tasks:
            try:
                yield
            finally:
                for task in self._held:
                    task.cancel()

    async def open(self, offer: str, account: Account, *wanted: ce.Session | None) -> tuple[str, str]:
        """The new call's id, and the SDP to answer with. `wanted`: how it is set, the later over the earlier.

        Raises BadOffer, ProtocolError, SessionError, LimitReached, SessionFull and EngineUnavailable.
        """
        assert self._tasks is not None
        answered: asyncio.Future[tuple[str, str]] = asyncio.get_running_loop().create_future()
        task = self._tasks.create_task(self._hold(offer, account, wanted, answered))
        self._held.add(task)
        task.add_done_callback(self._held.discard)
        try:
            return await answered
        except asyncio.CancelledError:
            task.cancel()
            raise

    def hang_up(self, call_id: str, account: Account) -> bool:
        """False where the account has no such call."""
        call, whose = self._calls.get(call_id, (None, None))
        if call is None or whose is not account:
            return False
        call.channel.over("the client hung up")
        return True

    async def _hold(
        self,
        offer: str,
        account: Account,
        wanted: tuple[ce.Session | None, ...],
        answered: asyncio.Future[tuple[str, str]],
    ) -> None:
        """One call, from end to end. What goes wrong before the answer is whose who waits for it."""
        try:
            with account.session(), self._host.admit():
                seconds = account.limits.session_seconds
                call = Call(self._host, account, self._state(seconds, wanted), self._ice)
                try:
                    answered.set_result((call.id, await call.answer(offer)))
                    self._calls[call.id] = (call, account)
                    await self._converse(call, seconds)
                finally:
                    self._calls.pop(call.id, None)
                    await call.close()
        except Exception as error:
            if answered.done():
                logger.exception("a call failed")
            else:
                answered.set_exception(error)
        finally:
            answered.cancel()

    def _state(self, seconds: float | None, wanted: tuple[ce.Session | None, ...]) -> SessionState:
        """Raises SessionError and ProtocolError for what cannot be."""
        state = self._host.state(None, None if seconds is None else int(time.time() + seconds))
        for session in wanted:
            state = state if session is None else state.updated(session)
        asked.check(state.settings)
        return state

    async def _converse(self, call: Call, seconds: float | None) -> None:
        length = asyncio.timeout(seconds)
        try:
            async with length:
                await call.connected(self._connect_seconds)
                await call.run()
            logger.info("%s ended: %s", call.id, call.channel.why)
        except Ended as error:
            logger.warning("%s freed: %s", call.id, error)
        except TimeoutError:
            if not length.expired():
                raise
            await call.farewell("session_expired", f"a session may last {seconds:g} s: begin another")
        except EngineUnavailable as error:
            await call.farewell(error.code, f"{error}; try again later")
        except SlowClient as error:
            logger.warning("%s closed, the client does not read: %s", call.id, error)
        except Exception:
            logger.exception("%s: the conversation failed", call.id)
            await call.farewell("server_error", "the conversation failed")
