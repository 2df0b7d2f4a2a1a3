"""A line to a client that may drop: the conversation goes on, and whoever comes back gets what was missed.

`Line` is one conversation's. To the conversation it looks like one WebSocket for as long as it lasts; below
it the WebSockets change. Once a token was granted the newest events are kept, up to a number and a size; a
client that comes back says which it has seen, and gets those behind it, once and in order. One that closes
(1000) has left. `Lines` finds them by their tokens. Knows no session, and of events only their ids.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.websockets import WebSocketDisconnect

KEPT_EVENTS = 5000
KEPT_BYTES = 8 * 2**20  # two minutes of speech, as it is sent
STALL_SECONDS = 25.0  # a client that takes nothing for so long has dropped
CLOSE_SECONDS = 2.0
NORMAL, TAKEN_OVER = 1000, 1008  # RFC 6455 7.4.1

Message = MutableMapping[str, Any]
GONE = "\0"  # the event before the oldest, where nobody knows it
OVER: Message = {"type": "websocket.disconnect", "code": NORMAL}


class ResumeFailed(Exception):
    """There is nothing to go on with; one line that says why."""

    code = "resume_failed"


class Socket(Protocol):
    """What this needs of a WebSocket that was accepted."""

    async def receive(self) -> Message: ...
    async def send_text(self, data: str) -> None: ...
    async def close(self, code: int = NORMAL) -> None: ...


@dataclass(frozen=True)
class Grant:
    token: str
    seconds: float  # that the conversation is kept

    def wire(self) -> dict[str, Any]:
        return {"token": self.token, "seconds": self.seconds}


class Log:
    """The newest events, with their ids."""

    def __init__(self, events: int = KEPT_EVENTS, size: int = KEPT_BYTES) -> None:
        self._most, self._size = events, size
        self._events: deque[tuple[str, str]] = deque()
        self._bytes = 0
        self._before: str | None = None  # the id of the event before the oldest
        self.ended = 0  # events that were added, those that are gone included

    @classmethod
    def of(cls, events: Iterable[tuple[str, str]]) -> Log:
        """What another server has told. Before the first of them there may have been others."""
        log = cls()
        log._before = GONE
        for event_id, data in events:
            log.add(event_id, data)
        return log

    def add(self, event_id: str, data: str) -> None:
        self._events.append((event_id, data))
        self._bytes += len(data)
        self.ended += 1
        while len(self._events) > self._most or (self._bytes > self._size and len(self._events) > 1):
            self._before, gone = self._events.popleft()
            self._bytes -= len(gone)

    @property
    def kept(self) -> int:
        return len(self._events)

    def behind(self, event_id: str | None) -> int:
        """The place behind an event, None: of the oldest. Raises ResumeFailed where not all is there."""
        begun = self.ended - len(self._events)
        if event_id == self._before:
            return begun
        for at, (known, _) in enumerate(self._events):
            if known == event_id:
                return begun + at + 1
        raise ResumeFailed("the events behind `after` are not kept any more: begin another session")

    def at(self, place: int) -> str | None:
        """The event there; None where it is gone. Raises IndexError behind the end."""
        first = self.ended - len(self._events)
        return self._events[place - first][1] if place >= first else None


class Attached:
    """One socket, and how far it has been told."""

    def __init__(self, socket: Socket, sent: int) -> None:
        self.socket = socket
        self.sent = sent  # place in the log
        self.sending = asyncio.Lock()
        self.waits: set[asyncio.Timeout] = set()  # of what it is to take or to say

    def interrupt(self) -> None:
        """Whoever waits for it waits no longer."""
        for limit in self.waits:
            limit.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def within(self, seconds: float | None) -> AsyncIterator[None]:
        """Raises TimeoutError then, or when it is interrupted."""
        async with asyncio.timeout(seconds) as limit:
            self.waits.add(limit)
            try:
                yield
            finally:
                self.waits.discard(limit)


class Line:
    """`away` is told whether nobody is there."""

    def __init__(
        self, socket: Socket, account: object, seconds: float, log: Log | None = None, server: str = ""
    ) -> None:
        """`seconds` that the conversation is kept without a client, which has to be of the same account.

        `server`: what tokens begin with, by which a proxy finds it.
        """
        self._now: Attached | None = Attached(socket, 0)
        self._account = account
        self._server = f"{server}." if server else ""
        self._seconds = seconds
        self._log = log or Log()
        self._token: str | None = None
        self._changed = asyncio.Event()  # another socket, none, or the end
        self._over = False
        self.away: Callable[[bool], None] = lambda away: None

    # --- what the conversation sees: one WebSocket ---

    def grant(self) -> Grant:
        """From now on it may be resumed."""
        self._token = self._token or self._server + secrets.token_urlsafe(32)
        return Grant(self._token, self._seconds)

    def take_over(self, token: str, after: str | None, log: Log) -> None:
        """Of another server, whose client has come here. `after`: the last event that it has had.

        Raises ResumeFailed.
        """
        self._token, self._log = token, log
        if self._now is not None:
            self._now.sent = self._log.behind(after)

    @property
    def kept(self) -> int:
        """Events that a client which comes back may be told again."""
        return self._log.kept

    def revoke(self) -> None:
        self._token = None

    async def receive(self) -> Message:
        """What the client says next, over whichever socket; a disconnect only once it is gone for good."""
        while not self._over:
            now = self._now
            if now is None:
                if not await self._back():
                    self.end()
                continue
            try:
                async with now.within(None):
                    message = await now.socket.receive()
            except TimeoutError:
                continue  # another took over
            if message["type"] != "websocket.disconnect":
                return message
            if self._token is None or message.get("code") == NORMAL:
                self._token = None
                return message
            self._drop(now)
        return OVER

    async def _back(self) -> bool:
        """Wait for the client, for as long as the conversation is kept."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._seconds):
                while self._now is None and not self._over:
                    self._changed.clear()
                    await self._changed.wait()
        return self._now is not None

    async def send_text(self, data: str) -> None:
        """To whoever is there; kept for whoever comes back. Raises WebSocketDisconnect where nobody can."""
        now = self._now
        if self._token is None:
            if now is not None:
                await now.socket.send_text(data)
            return
        self._log.add(json.loads(data)["event_id"], data)
        if now is not None:
            await self._tell(now)

    async def _tell(self, now: Attached) -> None:
        """Send what this socket has not had. One that does not take it has dropped."""
        try:
            async with now.sending, now.within(STALL_SECONDS):
                while self._now is now and now.sent < self._log.ended:
                    data = self._log.at(now.sent)
                    now.sent += 1
                    if data is None:  # more has come meanwhile than is kept
                        raise TimeoutError
                    await now.socket.send_text(data)
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            if self._now is now:
                self._drop(now)
                await _closed(now.socket)

    def _drop(self, now: Attached) -> None:
        self._now = None
        now.interrupt()
        self.away(True)
        self._changed.set()

    async def close(self, code: int = NORMAL) -> None:
        """For good."""
        now = self._now
        self.end()
        if now is not None:
            await now.socket.close(code)

    def end(self) -> None:
        """The conversation is over: whoever waits for it is told."""
        self._over, self._token, self._now = True, None, None
        self._changed.set()

    # --- whoever comes back ---

    def opens(self, token: str, account: object) -> bool:
        """In a time that tells nothing about the token."""
        known = self._token or ""
        same = hmac.compare_digest(known.encode(), token.encode())
        return bool(known) and same and account is self._account

    async def attach(self, socket: Socket, after: str | None) -> None:
        """Go on over another socket, in the place of any other; returns once it has been left again.

        `after` is the last event that its client has had. Raises ResumeFailed, and nothing has changed.
        """
        now = Attached(socket, self._log.behind(after))
        before, self._now = self._now, now
        if before is not None:
            before.interrupt()
        self.away(False)
        self._changed.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell(now))
            if before is not None:
                tasks.create_task(_closed(before.socket))
            while self._now is now:
                self._changed.clear()
                await self._changed.wait()


async def _closed(socket: Socket) -> None:
    with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await socket.close(TAKEN_OVER)


UNKNOWN = "there is no conversation with this token any more: begin another session"


class Lines:
    """All that can be resumed."""

    def __init__(self) -> None:
        self._lines: set[Line] = set()

    @contextmanager
    def hold(self, line: Line) -> Iterator[Line]:
        """Found for as long as the block lasts, once its token is granted."""
        self._lines.add(line)
        try:
            yield line
        finally:
            self._lines.discard(line)

    def find(self, token: str, account: object) -> Line:
        """Raises ResumeFailed: unknown, expired or another's are not told apart."""
        found = self.known(token, account)
        if found is None:
            raise ResumeFailed(UNKNOWN)
        return found

    def known(self, token: str, account: object) -> Line | None:
        """The same; None where there is none."""
        return next((line for line in list(self._lines) if line.opens(token, account)), None)
