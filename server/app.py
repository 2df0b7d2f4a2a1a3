"""One port: the Realtime API, what is served, whether it is well, its metrics, and the browser client.

The engine is somebody else's: `server.serving` starts it before the app and stops
it after. Knows no model and no command line.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from server import client_secrets, offer, secret_store
from server.auth import Caller, Denied, Doors, TooManySecrets
from server.calls import CONNECT_SECONDS, Calls
from server.connection import Host, LiveSession
from server.drain import Drain
from server.ice import Ice
from server.limits import Account, LimitReached, Limits
from server.metrics import Metrics
from server.observer import Observer, Observers
from server.page import SecurityHeaders, page_routes
from server.protocol import ProtocolError
from server.resume import ResumeFailed
from server.store import Store, StoreError
from server.traces import Traces
from server.webrtc import BadOffer
from server.websocket import realtime, resume
from streaming.errors import EngineUnavailable, SessionError, SessionFull
from streaming.events import Encoding, Event, SessionSettings

MAX_MESSAGE = (
    24 * 2**20
)  # bytes; from 15 MiB on an `error` event, from here on the connection is closed (1009)


logger = logging.getLogger("soundmind")


class LiveEngine(Protocol):
    """What this needs of `streaming.supervisor.Supervisor`."""

    @property
    def generation(self) -> int: ...
    @property
    def trouble(self) -> str: ...
    def admit(self) -> AbstractContextManager[None]: ...
    def check(self) -> None: ...
    def waiting(self) -> int: ...
    def running(self) -> int: ...
    def kv_usage(self) -> float: ...
    def free_tokens(self) -> int: ...


MAX_BODY = 2**20  # bytes
DENIED = {401: "invalid_api_key", 403: "origin_not_allowed", 503: "store_unavailable"}
ALLOWED_HEADERS = "authorization, content-type, x-openai-agents-sdk"


# emit, settings, observer: what `streaming.session.Session` is made with.
MakeSession = Callable[[Callable[[Event], None], SessionSettings, Observer], LiveSession]


@dataclass(frozen=True)
class Served:
    """What the routes share."""

    engine: LiveEngine
    model: str
    doors: Doors
    accounts: Accounts
    metrics: Metrics
    host: Host
    calls: Calls


class Accounts(dict[str, Account]):
    """What each key has used, by the caller's account."""

    def __init__(self, limits: Limits) -> None:
        super().__init__()
        self._limits = limits

    def __missing__(self, name: str) -> Account:
        account = self[name] = Account(self._limits, name)
        return account


def create_app(
    engine: LiveEngine,
    session: MakeSession,
    *,
    model: str,
    keys: Sequence[str] = (),
    origins: Sequence[str] = (),
    limits: Limits | None = None,
    encoding: Encoding = "incremental",
    voices: tuple[str, ...] = (),
    resume_seconds: float = 60.0,
    traces: Traces | None = None,
    ice: Ice | None = None,
    connect_seconds: float = CONNECT_SECONDS,
    store: Store | None = None,
    drain: Drain | None = None,
    name: str = "",
    adapters: tuple[str, ...] = (),
) -> Starlette:
    """`model` is its name as clients are told it; `keys` what they must know one of, none: nothing.

    `origins` are those of pages that may connect, `limits` those of each key, `encoding` is that of sessions
    that do not say; `voices` are what sessions can speak with; `traces` is where turns are told;
    `resume_seconds` is how long a conversation is kept whose line has dropped; `ice` is how calls find their
    way, and `connect_seconds` how long they have for it. `store` is where conversations are kept for other
    servers, `drain` when this one ends, and `name` what it is called among them; `adapters` are further
    models.
    """
    sizes = engine.free_tokens, engine.waiting
    metrics = Metrics(engine.running, engine.kv_usage, lambda: engine.generation, *sizes)

    @contextmanager
    def admit() -> Iterator[None]:
        with engine.admit(), metrics.session():
            yield

    observers = Observers(metrics, traces)
    host = Host(
        model,
        encoding,
        admit,
        session,
        observers.new,
        observers.refused,
        voices,
        resume_seconds,
        store=store,
        drain=drain or Drain(),
        name=name,
        adapters=adapters,
    )
    calls = Calls(host, ice or Ice(), connect_seconds)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with calls.running():
            yield

    app = Starlette(
        lifespan=lifespan,
        routes=[
            WebSocketRoute("/v1/realtime", _realtime),
            Route("/v1/realtime/calls", _shared(_call), methods=["POST", "OPTIONS"]),
            Route("/v1/realtime/calls/{call_id}/hangup", _shared(_hang_up), methods=["POST", "OPTIONS"]),
            Route("/v1/realtime/client_secrets", _client_secrets, methods=["POST"]),
            Route("/v1/models", _models),
            Route("/healthz", _healthz),
            Route("/readyz", _readyz),
            Route("/metrics", _metrics),
            *page_routes(model=model, voices=voices, key=bool(keys)),
        ],
        middleware=[Middleware(SecurityHeaders)],
    )
    accounts = Accounts(limits or Limits())
    app.state.served = Served(engine, model, Doors(keys, origins), accounts, metrics, host, calls)
    return app


def _served(connection: HTTPConnection) -> Served:
    served: Served = connection.app.state.served
    return served


async def _realtime(ws: WebSocket) -> None:
    served = _served(ws)
    try:
        caller = await _entered(served, ws.headers, ws.scope["subprotocols"])
    except Denied as denied:
        await ws.send_denial_response(_denied(served, denied))
        return
    account, token = served.accounts[caller.account], ws.query_params.get("resume")
    if _leaves(served, token):
        await ws.send_denial_response(_leaving(served))
        return
    if token is None:
        await realtime(ws, served.host, account, caller.session, ws.query_params.get("model"))
    else:
        await resume(ws, served.host, account, token, ws.query_params.get("after"))


def _leaves(served: Served, token: str | None) -> bool:
    """This server ends: who is new, or can go on elsewhere, is to go elsewhere."""
    return served.host.drain.begun.is_set() and (token is None or served.host.store is not None)


def _leaving(served: Served) -> Response:
    code, message = "server_leaving", "this server is ending: try again, another one will answer"
    served.host.refused(code, message)
    return _error("server_error", message, 503, code)


async def _caller(request: Request) -> Caller:
    """Raises Denied."""
    return await _entered(_served(request), request.headers, ())


async def _entered(served: Served, headers: Mapping[str, str], subprotocols: Sequence[str]) -> Caller:
    """Who it is, with a secret of another server, too. Raises Denied."""
    store, strange = served.host.store, served.doors.strange(headers, subprotocols)
    if store is not None and strange is not None:
        try:
            secret = await secret_store.find(store, strange)
        except StoreError as error:
            logger.error("%s", error)
            raise Denied("client secrets cannot be looked up now: try again", 503) from error
        if secret is not None:
            served.doors.learn(strange, secret, time.time())
    return served.doors.enter(headers, subprotocols, time.time())


class TooLarge(Exception):
    pass


async def _body(request: Request) -> bytes:
    """Raises TooLarge."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise TooLarge
    return body


Endpoint = Callable[[Request], Awaitable[Response]]


def _shared(endpoint: Endpoint) -> Endpoint:
    """With pages of other origins that may connect (CORS)."""

    async def answer(request: Request) -> Response:
        response = Response(status_code=204) if request.method == "OPTIONS" else await endpoint(request)
        response.headers["vary"] = "Origin"
        origin = request.headers.get("origin")
        if origin and _served(request).doors.welcomes(origin, request.headers.get("host")):
            response.headers["access-control-allow-origin"] = origin
            response.headers["access-control-expose-headers"] = "Location"
            if request.method == "OPTIONS":
                response.headers["access-control-allow-methods"] = "POST"
                response.headers["access-control-allow-headers"] = ALLOWED_HEADERS
                response.headers["access-control-max-age"] = "600"
        return response

    return answer


async def _call(request: Request) -> Response:
    served = _served(request)

    def refused(kind: str, message: str, status: int, code: str, param: str | None = None) -> Response:
        served.host.refused(code, message)
        return _error(kind, message, status, code, param)

    try:
        caller = await _caller(request)
        offered = await offer.read(request.headers, await _body(request))
        account = served.accounts[caller.account]
        if _leaves(served, request.query_params.get("resume")):
            return _leaving(served)
        if token := request.query_params.get("resume"):
            after = request.query_params.get("after")
            call_id, sdp = await served.calls.resume(offered.sdp, account, token, after)
        else:
            model = request.query_params.get("model")
            call_id, sdp = await served.calls.open(
                offered.sdp, account, caller.session, offered.session, model=model
            )
    except Denied as denied:
        return _denied(served, denied)
    except TooLarge:
        return _too_large()
    except BadOffer as error:
        return refused("invalid_request_error", str(error), 400, "invalid_offer", "sdp")
    except ProtocolError as error:
        return refused("invalid_request_error", error.message, 400, error.code, error.param)
    except SessionError as error:
        return refused("invalid_request_error", str(error), 400, error.code, "session")
    except ResumeFailed as error:
        return refused("invalid_request_error", str(error), 404, error.code, "resume")
    except LimitReached as error:
        return refused("rate_limit_error", str(error), 429, error.code)
    except SessionFull as error:
        return refused("server_error", f"{error}; try again later", 503, "session_limit")
    except EngineUnavailable as error:
        return refused("server_error", f"{error}; try again later", 503, error.code)
    where = {"location": f"/v1/realtime/calls/{call_id}"}
    return Response(sdp, 201, where, media_type="application/sdp")


async def _hang_up(request: Request) -> Response:
    served = _served(request)
    try:
        caller = await _caller(request)
    except Denied as denied:
        return _denied(served, denied)
    if served.calls.hang_up(request.path_params["call_id"], served.accounts[caller.account]):
        return Response(status_code=200)
    return _error("invalid_request_error", "there is no such call", 404, "call_not_found", "call_id")


async def _client_secrets(request: Request) -> Response:
    served, now = _served(request), time.time()
    try:
        caller = await _caller(request)
        wanted = client_secrets.read(await _body(request))
        expires_at = int(now) + wanted.seconds
        state = served.host.state(wanted.session)
        value = served.doors.make_secret(caller, wanted.session, expires_at, now)
        if served.host.store is not None:
            await secret_store.keep(served.host.store, value, served.doors.secret(value), now)
    except Denied as denied:
        return _denied(served, denied)
    except TooLarge:
        return _too_large()
    except ProtocolError as error:
        return _error("invalid_request_error", error.message, 400, error.code, error.param)
    except TooManySecrets as error:
        return _error("rate_limit_error", str(error), 429, "rate_limit_exceeded")
    return JSONResponse({"value": value, "expires_at": expires_at, "session": state.wire()})


async def _models(request: Request) -> Response:
    served = _served(request)
    try:
        await _caller(request)
    except Denied as denied:
        return _denied(served, denied)
    models = [
        {"id": name, "object": "model", "created": 0, "owned_by": "soundmind"} for name in served.host.models
    ]
    return JSONResponse({"object": "list", "data": models})


async def _healthz(request: Request) -> Response:
    """503 when nobody could be served; a full server is well. `generation` counts the engines."""
    served = _served(request)
    engine = served.engine
    told: dict[str, object] = {"generation": engine.generation}
    if served.host.name:
        told["name"] = served.host.name
    if served.host.drain.begun.is_set():
        return JSONResponse({"status": "draining", "reason": "the server is ending", **told}, 503)
    try:
        engine.check()
        return JSONResponse({"status": "ok", **told})
    except SessionFull as error:
        return JSONResponse({"status": "full", "reason": str(error), **told})
    except EngineUnavailable as error:
        reason = engine.trouble or str(error)
        return JSONResponse({"status": "restarting", "reason": reason, **told}, 503)


async def _readyz(request: Request) -> Response:
    """Whether a proxy should send callers: 200 any; 404 nobody new, for it is full, but whoever comes back
    (HAProxy's `http-check disable-on-404`); 503 nobody."""
    served = _served(request)
    if served.host.drain.begun.is_set():
        return JSONResponse({"status": "draining"}, 503)
    try:
        served.engine.check()
        return JSONResponse({"status": "ok"})
    except SessionFull:
        return JSONResponse({"status": "full"}, 404)
    except EngineUnavailable:
        return JSONResponse({"status": "restarting"}, 503)


async def _metrics(request: Request) -> Response:
    return Response(_served(request).metrics.text(), media_type="text/plain; version=0.0.4")


def _too_large() -> Response:
    return _error("invalid_request_error", "the request is too large", 413)


def _denied(served: Served, denied: Denied) -> Response:
    code = DENIED[denied.status]
    served.host.refused(code, str(denied))
    kind = "server_error" if denied.status >= 500 else "invalid_request_error"
    return _error(kind, str(denied), denied.status, code)


def _error(
    kind: str, message: str, status: int, code: str | None = None, param: str | None = None
) -> Response:
    error = {"type": kind, "code": code, "message": message, "param": param}
    return JSONResponse({"error": error}, status)
