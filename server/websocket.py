"""`/v1/realtime` over WebSocket: one conversation a connection, or a line of them (`server.resume`).

How each of them begins, and every way in which it ends, with what the client is told then. Knows no HTTP, no
engine and no events.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time

from starlette.websockets import WebSocket, WebSocketDisconnect

from server import client_events as ce
from server.connection import Connection, Host
from server.limits import Account, LimitReached
from server.outbox import Outbox, SlowClient
from server.resume import Line, ResumeFailed
from server.server_events import Narrator
from streaming.events import EngineUnavailable, SessionError, SessionFull
from streaming.ids import new_id

SUBPROTOCOL = "realtime"
CLOSE_SECONDS = 2.0  # for the closing handshake

NORMAL, TRY_AGAIN, INTERNAL, POLICY = 1000, 1013, 1011, 1008  # RFC 6455 7.4.1 and its registry

logger = logging.getLogger("soundmind")


async def realtime(ws: WebSocket, host: Host, account: Account, wanted: ce.Session | None = None) -> None:
    """Hold one conversation, from the handshake to the close, or beyond it where the client may come back.

    `wanted`: how it is set to begin with.
    """
    narrator, outbox = Narrator(new_id("conv")), Outbox()
    seconds = account.limits.session_seconds
    length = asyncio.timeout(seconds)

    async def farewell(code: int, error: str, message: str) -> None:
        host.refused(error, message)
        outbox.put(narrator.error(error, message))
        await _close(line, code, outbox)

    line = Line(ws, account, host.resume_seconds)
    try:
        await _accept(ws)
        state = host.state(wanted, None if seconds is None else int(time.time() + seconds))
        with account.session(), host.admit(), host.lines.hold(line):
            async with length:
                connection = Connection(line, host, narrator, outbox, account, state, line)
                line.away = connection.away
                await connection.run()
    except TimeoutError:
        if not length.expired():
            raise
        await farewell(NORMAL, "session_expired", f"a session may last {seconds:g} s: begin another")
    except LimitReached as error:
        await farewell(TRY_AGAIN, error.code, str(error))
    except SessionError as error:
        await farewell(POLICY, error.code, str(error))
    except WebSocketDisconnect:
        pass
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


async def resume(ws: WebSocket, host: Host, account: Account, token: str, after: str | None) -> None:
    """Go on with the conversation of a line that has dropped, or in the place of whoever is there.

    `after`: the last event that the client has had. The conversation is run by who began it.
    """
    try:
        await _accept(ws)
        await host.lines.find(token, account).attach(ws, after)
    except ResumeFailed as error:
        host.refused(error.code, str(error))
        outbox = Outbox()
        outbox.put(Narrator(new_id("conv")).error(error.code, str(error)))
        await _close(ws, POLICY, outbox)
    except WebSocketDisconnect:
        pass


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
