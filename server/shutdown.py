"""Ctrl-C, SIGTERM and a terminal that closes: everything ends in bounded time, and no process stays behind.

While there is something to end in good order, the first signal asks for that and starts the clock. SIGTERM,
which service managers send, may ask for more patience: to drain. Without it
(the engine is only starting, which cannot be interrupted), at the second signal, or when the time is up,
every child process is killed and this one exits at once. Knows no server and no engine.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

import psutil

GRACE_SECONDS = 3.5
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Shutdown:
    """Installed from the main thread."""

    def __init__(self, grace: float = GRACE_SECONDS) -> None:
        self._grace = grace
        self._stop: Callable[[], None] | None = None
        self._drain: tuple[Callable[[], None], float] | None = None
        self.signal: int | None = None  # that came

    def install(self) -> None:
        for number in SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:  # nohup
                signal.signal(number, self._handle)

    @contextmanager
    def orderly(self, stop: Callable[[], None]) -> Iterator[None]:
        """While the block lasts, `stop` (called in a signal handler) ends it in good order."""
        self._stop = stop
        try:
            yield
        finally:
            self._stop = None

    @contextmanager
    def draining(self, drain: Callable[[], None], seconds: float) -> Iterator[None]:
        """While the block lasts, SIGTERM calls `drain`, which has so many seconds more."""
        self._drain = drain, seconds
        try:
            yield
        finally:
            self._drain = None

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.signal = self.signal is not None, number
        stop = self._stop
        if stop is None or again:
            exit_now(128 + number)
        grace = self._grace
        if number == signal.SIGTERM and self._drain is not None:
            stop, more = self._drain
            grace += more
        timer = threading.Timer(grace, exit_now, [128 + number])
        timer.daemon = True
        timer.start()
        stop()


def exit_now(code: int) -> NoReturn:
    """Kill every process that this one started, and their children, then leave without any clean-up.

    It runs in a signal handler, maybe in the middle of a print: Python may refuse to flush then, and what is
    raised there would be lost with the signal. So whatever fails here, the process ends.
    """
    try:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError, RuntimeError):
                stream.flush()
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                child.kill()
    finally:
        os._exit(code)
