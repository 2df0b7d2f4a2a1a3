"""One server from start to end: the port, the engine, the app, and all of it again in reverse.

The port is taken first, so that a taken one is known before the engine has cost half a minute. What is heavy
to import (torch, the engine) is imported when it is needed, so that a wrong command line is told at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.applications import Starlette

from model.errors import UserError
from server.app import MAX_MESSAGE, create_app
from server.auth import is_loopback
from server.config import Config
from server.drain import Drain
from server.logs import configure
from server.observer import Observer
from server.shutdown import Shutdown
from server.store import Store, StoreError
from server.traces import Traces, traces
from streaming.errors import SessionError
from streaming.events import Event, SessionSettings

if TYPE_CHECKING:
    from streaming.piper import Piper
    from streaming.session import Session
    from streaming.supervisor import Supervisor

PROGRESS_SECONDS = 5.0
PING_SECONDS = 20.0  # and as long to answer: a client that lost its network is gone after 40 s
DRAIN_SECONDS = 2  # for open connections to close when the server stops

Say = Callable[[str], None]
Visit = Callable[[str], Awaitable[None]]


class ServeError(UserError):
    """The server cannot run here; one line that says why."""


async def serve(config: Config, say: Say, shutdown: Shutdown, visit: Visit, *, stay: bool) -> None:
    """Start, let `visit` talk to the server at its HTTP address, then (`stay`) serve until told to stop.

    Raises ServeError, CheckpointError, EngineStartError, and what `visit` raises; all is ended by then.
    """
    configure(config.log_format, config.log_level, config.log_content)
    drain = Drain()
    with bind(config.host, config.port) as sock:
        for caution in cautions(config):
            say(caution)
        async with _voice(config) as starting, _engine(config, say) as engine:
            voice = await _spoken(starting, say)
            async with (
                _traces(config) as told,
                _store(config) as store,
                listening(await _app(config, engine, voice, told, store, drain), sock) as url,
            ):
                with stoppable(shutdown):
                    await visit(url)
                    if stay:
                        await until_drained(drain, config.drain_s, shutdown)
                        say("drained")


async def until_drained(drain: Drain, seconds: float, shutdown: Shutdown) -> None:
    """Serve until SIGTERM, and then until nobody is there any more, or for so many seconds."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()

    def drain_now() -> None:
        loop.call_soon_threadsafe(asked.set)

    with shutdown.draining(drain_now, seconds):
        await asked.wait()
        await drain.finish(seconds)


@asynccontextmanager
async def _store(config: Config) -> AsyncIterator[Store | None]:
    """Raises ServeError where it cannot be reached."""
    if config.store is None:
        yield None
        return
    from server.redis_store import RedisStore

    store = RedisStore(config.store)
    try:
        await store.ready()
        yield store
    except StoreError as error:
        raise ServeError(str(error)) from error
    finally:
        await store.close()


def cautions(config: Config) -> Iterator[str]:
    """What an operator may not have meant."""
    if not is_loopback(config.host) and not config.keys:
        yield f"anybody who reaches {config.host} may use this server: --api-key asks them for a key"
    if config.log_content:
        yield "what is said, thought and called is written to the log: log_content is on"


@asynccontextmanager
async def _voice(config: Config) -> AsyncIterator[Piper | None]:
    """It starts while the engine does."""
    if config.voice == "none":
        yield None
        return
    from streaming.piper import piper

    async with piper() as voice:
        yield voice


async def _spoken(starting: Piper | None, say: Say) -> Piper | None:
    """The voice, once it is ready; none where it cannot start, which is told."""
    from streaming.voice import VoiceUnavailable
    from streaming.warm_up import try_voice

    try:
        if starting is not None:
            await starting.ready()
            await try_voice(starting)
        return starting
    except VoiceUnavailable as error:
        say(f"{error}; replies are text")
        return None


@contextlib.contextmanager
def stoppable(shutdown: Shutdown) -> Iterator[None]:
    """A signal ends the block, quietly."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None

    def stop() -> None:
        loop.call_soon_threadsafe(task.cancel)

    try:
        with shutdown.orderly(stop):
            yield
    except asyncio.CancelledError:
        if shutdown.signal is None or task.uncancel():
            raise


def bind(host: str, port: int) -> socket.socket:
    """Take the port, without listening yet. Raises ServeError."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ServeError(f"cannot listen on {host}: {error.strerror}") from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise ServeError(
            f"cannot listen on {host}, port {port}: {error.strerror} (another one: --port)"
        ) from error
    return sock


@asynccontextmanager
async def _engine(config: Config, say: Say) -> AsyncIterator[Supervisor]:
    began = time.monotonic()
    say(f"loading {config.model} …")
    telling = asyncio.create_task(_progress(say))
    try:
        from model import checkpoint
        from streaming.engine import VllmEngine
        from streaming.supervisor import supervised
        from streaming.warm_up import warm_up

        folder = await asyncio.to_thread(checkpoint.resolve, config.model)

        def start() -> Awaitable[VllmEngine]:
            return VllmEngine.start(folder, config.vllm_args, config.adapters, config.engine_hang_s)

        async with supervised(start, config.overcommit) as engine:
            try:
                await warm_up(engine)
            except SessionError as error:
                raise ServeError(f"the engine does not answer: {error}") from error
            telling.cancel()
            say(f"engine ready in {time.monotonic() - began:.0f} s")
            yield engine
    finally:
        telling.cancel()


async def _progress(say: Say) -> None:
    waited = 0.0
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        waited += PROGRESS_SECONDS
        say(f"starting the engine … {waited:.0f} s")


@asynccontextmanager
async def _traces(config: Config) -> AsyncIterator[Traces | None]:
    """Nowhere, unless an endpoint is set. What is left is sent at the end, off the event loop."""
    told = traces(config.alias or model_name(config.model), config.otlp_endpoint)
    try:
        yield told
    finally:
        if told is not None:
            await asyncio.to_thread(told.close)


async def _app(
    config: Config,
    engine: Supervisor,
    voice: Piper | None,
    told: Traces | None,
    store: Store | None,
    drain: Drain,
) -> Starlette:
    from streaming.session import Session
    from streaming.vad import SpeechDetector

    detector = await asyncio.to_thread(SpeechDetector)

    windows = config.windows

    def session(emit: Callable[[Event], None], settings: SessionSettings, observer: Observer) -> Session:
        return Session(
            engine,
            detector,
            emit,
            settings,
            appended=observer.appended,
            speculated=observer.speculated,
            parked=observer.parked,
            parking=engine.parking,
            windows=windows,
            voice=voice,
            patience=config.engine_patience_s,
        )

    name = config.alias or model_name(config.model)
    return create_app(
        engine,
        session,
        model=name,
        keys=config.keys,
        origins=config.origins,
        limits=config.limits,
        encoding=config.encoding,
        voices=voice.names if voice else (),
        resume_seconds=config.resume_s,
        traces=told,
        ice=config.ice,
        connect_seconds=config.connect_seconds,
        store=store,
        drain=drain,
        name=config.name or "",
        adapters=tuple(config.adapters),
    )


def model_name(model: str) -> str:
    """What clients are told: a folder's own name, anything else as it was given."""
    return Path(model).resolve().name if Path(model).is_dir() else model


class _Server(uvicorn.Server):
    """Tells when it is ready, and leaves signals to `server.shutdown`."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@asynccontextmanager
async def listening(app: Starlette, sock: socket.socket) -> AsyncIterator[str]:
    """Serve the app on a bound socket for as long as the block lasts; gives the address to reach it at."""
    server = _Server(
        uvicorn.Config(
            app,
            ws="websockets-sansio",
            ws_max_size=MAX_MESSAGE,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
            ws_per_message_deflate=False,  # base64 audio is not worth the time
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
        )
    )
    serving = asyncio.create_task(server.serve([sock]))
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        yield address(sock)
    except OSError as error:
        raise ServeError(f"cannot listen: {error.strerror}") from error
    finally:
        ready.cancel()
        server.should_exit = True
        await asyncio.wait({serving})


def address(sock: socket.socket) -> str:
    """http://HOST:PORT, with a host that this machine reaches."""
    host, port = sock.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
