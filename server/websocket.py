"""`/v1/realtime` over WebSocket: one conversation a connection, or a line of them (`server.resume`).

How each of them begins, and every way in which it ends, with what the client is told then. Knows no HTTP, no
engine and no events.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable

from starlette.websockets import WebSocket, WebSocketDisconnect

from server import client_events as ce
from server.connection import Connection, Host
from server.drain import Leaving
from server.limits import Account, LimitReached
from server.outbox import Outbox, SlowClient
from server.protocol import ProtocolError
from server.resume import Line, Log, ResumeFailed
from server.server_events import Narrator
from server.store import Taken
from server.takeover import left, look, restored, take
from streaming.errors import EngineUnavailable, SessionError, SessionFull
from streaming.ids import new_id

SUBPROTOCOL = "realtime"
CLOSE_SECONDS = 2.0  # for the closing handshake

# RFC 6455 7.4.1 and its registry
NORMAL, TRY_AGAIN, INTERNAL, POLICY, RESTART = 1000, 1013, 1011, 1008, 1012

logger = logging.getLogger("soundmind")


async def realtime(
    ws: WebSocket,
    host: Host,
    account: Account,
    wanted: ce.Session | None = None,
    model: str | None = None,
) -> None:
    """Hold one conversation, from the handshake to the close, or beyond it where the client may come back.

    `wanted`: how it is set to begin with; `model`: as the client has it in its address.
    """
    narrator, seconds = Narrator(new_id("conv")), account.limits.session_seconds
    line = Line(ws, account, host.resume_seconds, server=host.name)

    async def begin(outbox: Outbox) -> Connection:
        ends = None if seconds is None else int(time.time() + seconds)
        state = host.state(wanted, expires_at=ends, model=model)
        return Connection(line, host, narrator, outbox, account, state, line)

    try:
        await _accept(ws)
    except WebSocketDisconnect:
        return
    await _converse(line, host, account, seconds, narrator, begin)


async def resume(ws: WebSocket, host: Host, account: Account, token: str, after: str | None) -> None:
    """Go on with the conversation of a line that has dropped, or in the place of whoever is there.

    `after`: the last event that the client has had. The conversation is run by who began it, or, where that
    was another server, from here on by this one.
    """
    try:
        await _accept(ws)
        if (line := host.lines.known(token, account)) is not None:
            await line.attach(ws, after)
        else:
            await _take_over(ws, host, account, token, after)
    except ResumeFailed as error:
        host.refused(error.code, str(error))
        outbox = Outbox()
        outbox.put(Narrator(new_id("conv")).error(error.code, str(error)))
        await _close(ws, POLICY, outbox)
    except WebSocketDisconnect:
        pass


async def _take_over(ws: WebSocket, host: Host, account: Account, token: str, after: str | None) -> None:
    """Go on with what another server has kept. Raises ResumeFailed."""
    kept, events = await look(host, account, token)
    Log.of(events).behind(after)
    line = Line(ws, account, host.resume_seconds, server=host.name)

    async def begin(outbox: Outbox) -> Connection:
        taking, events = await take(host, token)
        line.take_over(token, after, Log.of(events))
        kept = taking.kept
        return Connection(line, host, restored(kept), outbox, account, kept.session, line, taking)

    await _converse(line, host, account, left(kept), restored(kept), begin)


Begin = Callable[[Outbox], Awaitable[Connection]]


async def _converse(
    line: Line, host: Host, account: Account, seconds: float | None, narrator: Narrator, begin: Begin
) -> None:
    """Hold the conversation that `begin` makes, once there is a place for it; it may last so long."""
    outbox, length = Outbox(), asyncio.timeout(seconds)

    async def farewell(code: int, error: str, message: str) -> None:
        host.refused(error, message)
        outbox.put(narrator.error(error, message))
        await _close(line, code, outbox)

    try:
        with account.session(), host.admit(), host.lines.hold(line), host.drain.hold():
            async with length:
                connection = await begin(outbox)
                narrator = connection.narrator
                line.away = connection.away
                await connection.run()
    except TimeoutError:
        if not length.expired():
            raise
        most = account.limits.session_seconds
        await farewell(NORMAL, "session_expired", f"a session may last {most:g} s: begin another")
    except LimitReached as error:
        await farewell(TRY_AGAIN, error.code, str(error))
    except SessionError as error:
        await farewell(POLICY, error.code, str(error))
    except ProtocolError as error:
        await farewell(POLICY, error.code, error.message)
    except WebSocketDisconnect:
        pass
    except ResumeFailed as error:
        await farewell(POLICY, error.code, str(error))
    except Leaving:
        await _close(line, RESTART)
    except Taken:
        await _close(line, POLICY)
    except SessionFull as error:
        await farewell(TRY_AGAIN, "session_limit", f"{error}; try again later")
    except EngineUnavailable as error:
        await farewell(INTERNAL, error.code, f"{error}; try again later")
    except SlowClient as error:
        logger.warning("closed a client that does not read: %s", error)
        await _close(line, POLICY)
    except Exception:
        logger.exception("a conversation failed")
        await farewell(INTERNAL, "server_error", "the conversation failed")
    finally:
        line.end()


async def _accept(ws: WebSocket) -> None:
    await ws.accept(subprotocol=SUBPROTOCOL if SUBPROTOCOL in ws.scope["subprotocols"] else None)


async def _close(ws: WebSocket | Line, code: int, last: Outbox | None = None) -> None:
    """Send what is left, and close. A client that does not read is dropped when this returns."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            while last:
                await ws.send_text(json.dumps(await last.get()))
            await ws.close(code)
    except (TimeoutError, SlowClient, WebSocketDisconnect, RuntimeError):
        pass  # it is gone, which is what was wanted
