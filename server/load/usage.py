"""Whose processors' time it is: the server's, its engine's, its voice's and the generator's own.

On one machine the process that listens at the server's port is found, and what it started; from elsewhere
the server's own time is read from its /metrics, if it has one, and the others are not known.
"""

from __future__ import annotations

import os
import re
import time
from urllib.parse import urlsplit, urlunsplit

import psutil
from httpx import AsyncClient, HTTPError

from server.auth import is_loopback
from server.load.figures import Cores

ENGINE = "VLLM::"  # how vLLM's processes are named
METRIC = re.compile(r"^process_cpu_seconds_total ([\d.e+]+)$", re.MULTILINE)


def family(url: str) -> list[psutil.Process]:
    """The process that listens at this address, and all that it started. Raises LookupError."""
    port = urlsplit(url).port
    for found in psutil.net_connections("tcp"):
        if found.status == psutil.CONN_LISTEN and found.laddr.port == port and found.pid:
            server = psutil.Process(found.pid)
            return [server, *server.children(recursive=True)]
    raise LookupError(f"no process of this machine listens on port {port}")


def role(process: psutil.Process, server: psutil.Process) -> str:
    if process.pid == server.pid:
        return "server"
    return "engine" if process.name().startswith(ENGINE) else "voice"


class Meter:
    """From `start` to `read`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._before: dict[str, float] = {}

    async def start(self) -> None:
        self._before = await self._seconds()

    async def read(self) -> Cores:
        now = await self._seconds()
        wall = now["clock"] - self._before["clock"]

        def cores(name: str) -> float | None:
            if name not in now:
                return None
            return round((now[name] - self._before.get(name, 0.0)) / wall, 3)

        return Cores(*(cores(name) for name in Cores.__dataclass_fields__))

    async def _seconds(self) -> dict[str, float]:
        """Of processors' time so far, and the clock."""
        found = {"clock": time.monotonic(), "generator": time.process_time()}
        if is_loopback(urlsplit(self._url).hostname or ""):
            try:
                everyone = family(self._url)
            except (LookupError, psutil.Error):
                return found | await self._told()
            for process in everyone:
                try:
                    name = role(process, everyone[0])
                    times = process.cpu_times()
                except psutil.NoSuchProcess:
                    continue
                found[name] = found.get(name, 0.0) + times.user + times.system
            if everyone[0].pid == os.getpid():  # a server in our own process
                del found["generator"]
            return found
        return found | await self._told()

    async def _told(self) -> dict[str, float]:
        parts = urlsplit(self._url)
        scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
        try:
            async with AsyncClient(timeout=5) as http:
                text = (await http.get(urlunsplit((scheme, parts.netloc, "/metrics", "", "")))).text
        except HTTPError:
            return {}
        told = METRIC.search(text)
        return {} if told is None else {"server": float(told[1])}
