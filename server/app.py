"""One port: the Realtime API, what is served, whether it is well, its metrics, and a page that says so.

The engine is somebody else's: `server.serving` starts it before the app and stops
it after. Knows no model and no command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from server import auth
from server.metrics import Metrics
from server.websocket import Host, LiveSession, realtime
from streaming.events import Encoding, EngineUnavailable, Event, SessionFull, SessionSettings

PAGES = Path(__file__).parent.parent / "client_web"
MAX_MESSAGE = (
    24 * 2**20
)  # bytes; from 15 MiB on an `error` event, from here on the connection is closed (1009)


class LiveEngine(Protocol):
    """What this needs of `streaming.engine.VllmEngine`."""

    def admit(self) -> AbstractContextManager[None]: ...
    def running(self) -> int: ...
    def kv_usage(self) -> float: ...


# emit, settings, metrics: what `streaming.session.Session` is made with.
MakeSession = Callable[[Callable[[Event], None], SessionSettings, Metrics], LiveSession]


@dataclass(frozen=True)
class Served:
    """What the routes share."""

    engine: LiveEngine
    model: str
    key: str | None
    metrics: Metrics
    host: Host


def create_app(
    engine: LiveEngine,
    session: MakeSession,
    *,
    model: str,
    key: str | None = None,
    encoding: Encoding = "incremental",
    voices: tuple[str, ...] = (),
) -> Starlette:
    """`model` is its name as clients are told it; `key` what they must know, None: nothing.

    `encoding` is that of sessions that do not say; `voices` are what sessions can speak with.
    """
    metrics = Metrics(engine.running, engine.kv_usage)

    @contextmanager
    def admit() -> Iterator[None]:
        with engine.admit(), metrics.session():
            yield

    host = Host(
        model,
        encoding,
        admit,
        lambda emit, settings: session(emit, settings, metrics),
        metrics.observe,
        voices,
    )
    app = Starlette(
        routes=[
            WebSocketRoute("/v1/realtime", _realtime),
            Route("/v1/models", _models),
            Route("/healthz", _healthz),
            Route("/metrics", _metrics),
            Mount("/", StaticFiles(directory=PAGES, html=True)),
        ]
    )
    app.state.served = Served(engine, model, key, metrics, host)
    return app


def _served(connection: HTTPConnection) -> Served:
    served: Served = connection.app.state.served
    return served


async def _realtime(ws: WebSocket) -> None:
    served = _served(ws)
    if why := auth.refusal(served.key, ws.headers, ws.scope["subprotocols"]):
        await ws.send_denial_response(_error(why, 401 if served.key else 403))
        return
    await realtime(ws, served.host)


async def _models(request: Request) -> Response:
    served = _served(request)
    if why := auth.refusal(served.key, request.headers):
        return _error(why, 401 if served.key else 403)
    model = {"id": served.model, "object": "model", "created": 0, "owned_by": "soundmind"}
    return JSONResponse({"object": "list", "data": [model]})


async def _healthz(request: Request) -> Response:
    """503 when nobody could be served; a full server is well."""
    try:
        with _served(request).engine.admit():
            return JSONResponse({"status": "ok"})
    except SessionFull as error:
        return JSONResponse({"status": "full", "reason": str(error)})
    except EngineUnavailable as error:
        return JSONResponse({"status": "unavailable", "reason": str(error)}, 503)


async def _metrics(request: Request) -> Response:
    return Response(_served(request).metrics.text(), media_type="text/plain; version=0.0.4")


def _error(message: str, status: int) -> Response:
    return JSONResponse({"error": {"type": "invalid_request_error", "message": message}}, status)
