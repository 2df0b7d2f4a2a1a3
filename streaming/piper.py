"""Piper behind the interface of a voice: one process for all sessions, watched and started again.

Piper is GPL, so it runs as a program of its own (`streaming/piper_worker.py`, which says what goes over its
pipes); nothing of it is loaded here. Clauses are spoken one after another, and since a session asks for its
next one only when it needs it, sessions take turns. A process that dies is started again, and the clause
that it was asked for is asked for once more; one that cannot start is given up. Knows no replies and no wire.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from streaming.spoken_text import Word, written
from streaming.voice import Sound, VoiceUnavailable

WORKER = Path(__file__).with_name("piper_worker.py")
INSTALL = "pip install 'soundmind[voice]'"
END_SECONDS = 2.0  # for the process to end when its input does

Answer = tuple[dict[str, Any], bytes]


def command(voices: Sequence[str] = ()) -> list[str]:
    """`voices`: NAME=MODEL.onnx each, in place of the one that is installed."""
    return [sys.executable, "-P", str(WORKER), *voices]


@asynccontextmanager
async def piper(arguments: Sequence[str] | None = None) -> AsyncIterator[Piper]:
    """Piper for as long as the block lasts. It starts meanwhile: `ready` waits for it."""
    voice = Piper(command() if arguments is None else arguments)
    task = asyncio.create_task(voice.run())
    try:
        yield voice
    finally:
        task.cancel()
        await asyncio.wait({task})


class Piper:
    def __init__(self, arguments: Sequence[str]) -> None:
        self.names: tuple[str, ...] = ()
        self._arguments = arguments
        self._ids = count(1)
        self._asked: dict[int, asyncio.Queue[Answer | None]] = {}  # None: the process has died
        self._process: asyncio.subprocess.Process | None = None  # once it is ready
        self._settled = asyncio.Event()  # it is ready, or given up
        self._failure: str | None = None

    async def ready(self) -> None:
        """Raises VoiceUnavailable, which says in one line what is missing."""
        await self._settled.wait()
        if self._failure is not None:
            raise VoiceUnavailable(self._failure)

    async def say(self, words: Sequence[Word], name: str, speed: float) -> AsyncGenerator[Sound, None]:
        """As `Voice` says. Stops the synthesis when the consumer goes away."""
        request = {"text": written(words), "voice": name, "speed": speed}
        for last in (False, True):
            await self.ready()
            number, answers = next(self._ids), asyncio.Queue[Answer | None]()
            self._asked[number] = answers
            self._send({"id": number, **request})
            begun = finished = False
            try:
                while (answer := await answers.get()) is not None:
                    head, pcm = answer
                    if head.get("done"):
                        finished = True
                        if head["error"]:
                            raise VoiceUnavailable(f"the voice cannot speak this: {head['error']}")
                        return
                    begun = True
                    yield Sound(pcm, tuple(head["ends"]))
            finally:
                del self._asked[number]
                if not finished:
                    self._send({"cancel": number})
            if last or begun:
                raise VoiceUnavailable("the voice broke down while it spoke")

    def _send(self, request: dict[str, Any]) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")

    async def run(self) -> None:
        """Keep the process alive until cancelled, or until it cannot start."""
        try:
            while self._failure is None:
                await self._live()
        finally:
            self._failure = self._failure or "the voice has been shut down"
            self._settled.set()
            self._lose()

    async def _live(self) -> None:
        """One process, from start to end."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*self._arguments, stdin=pipe, stdout=pipe, stderr=pipe)
        assert process.stdout and process.stderr
        complaints: deque[str] = deque(maxlen=5)
        reading = asyncio.create_task(_read(process.stderr, complaints))
        try:
            begun = await self._begin(process.stdout)
            if begun is None:
                self._process = process
                self._settled.set()
                await self._listen(process.stdout)
        finally:
            self._process = None
            await _end(process)
            await reading
            if self._settled.is_set():
                self._lose()
        if begun is not None:
            self._failure = begun or (complaints[-1] if complaints else "the voice ended while it started")

    async def _begin(self, out: asyncio.StreamReader) -> str | None:
        """The first line. What is wrong, if anything is."""
        line = await out.readline()
        head = json.loads(line) if line else {"fatal": ""}
        if "missing" in head:
            return f"no voice: {head['missing']} is not installed; to speak, {INSTALL}"
        if "fatal" in head:
            return f"no voice: {head['fatal']}" if head["fatal"] else ""
        self.names = tuple(head["ready"])
        return None

    async def _listen(self, out: asyncio.StreamReader) -> None:
        while line := await out.readline():
            head = json.loads(line)
            try:
                pcm = await out.readexactly(head.get("bytes", 0))
            except asyncio.IncompleteReadError:
                return
            if (answers := self._asked.get(head["id"])) is not None:
                answers.put_nowait((head, pcm))

    def _lose(self) -> None:
        """Tell whoever waits that the process is gone."""
        if self._failure is None:
            self._settled.clear()
        for answers in self._asked.values():
            answers.put_nowait(None)


async def _read(stream: asyncio.StreamReader, lines: deque[str]) -> None:
    """Until the process has ended, so that it never waits for somebody to read its complaints."""
    async for line in stream:
        lines.append(line.decode(errors="replace").strip())


async def _end(process: asyncio.subprocess.Process) -> None:
    """It ends with its input; if not, it is killed."""
    assert process.stdin
    process.stdin.close()
    try:
        async with asyncio.timeout(END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
