"""The browser client's static files, what they must know of the server, and the headers that guard them.

`client.json` says what a page has to know before it has a key: whether one is asked for, and what is there to
choose from. `SecurityHeaders` goes around the whole app: a page of ours loads nothing from elsewhere, runs no
script that is not a file of ours, cannot be framed, and may use the microphone, and nothing else. Knows no
sessions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PAGES = Path(__file__).parent.parent / "client_web"
CALLS = "/v1/realtime/calls"  # where WebRTC begins

POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",  # audio worklets too
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",  # of WebSockets too
    "media-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
DENIED = ("camera", "display-capture", "geolocation", "payment", "usb", "serial", "midi")

HEADERS = {
    "content-security-policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "permissions-policy": ", ".join(["microphone=(self)", *(f"{name}=()" for name in DENIED)]),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class SecurityHeaders:
    """ASGI middleware: adds HEADERS to every HTTP response that does not have them."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault(
                    "cache-control", "no-cache"
                )  # a file is asked for again, and may be unchanged
            await send(message)

        await self._app(scope, receive, guarded)


def page_routes(*, model: str, voices: Sequence[str], key: bool) -> list[BaseRoute]:
    """The page and what belongs to it; they go behind all others. `key`: one is asked for."""

    async def client(request: Request) -> Response:
        calls = any(getattr(route, "path", None) == CALLS for route in request.app.routes)
        return JSONResponse({"model": model, "voices": list(voices), "webrtc": calls, "key": key})

    return [Route("/client.json", client), Mount("/", StaticFiles(directory=PAGES, html=True))]
