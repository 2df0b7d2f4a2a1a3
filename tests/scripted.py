"""An engine with the real interface and a script instead of a network: for the fast tests.

It keeps what it was given, counts its open requests, and waits where a test wants it to wait. It knows
nothing that a test did not tell it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from model.prompt import SPECIAL, Prompt
from streaming.context import Context
from streaming.engine import Delta, Likelihood, Sampling
from streaming.errors import EngineUnavailable, Forgotten, SessionFull
from streaming.parking import Cache

T = TypeVar("T")

LOUD = 0.05  # amplitude from which a sound is a voice
REPLY = ("heard: one plus one\n", "1+1=2", "\n</think>\n", "1 plus 1 ", "is 2.")


def prompt() -> Prompt:
    """The template over bytes: ordinary text is its UTF-8, specials come behind."""
    return Prompt.of(lambda text: list(text.encode()), {name: 256 + i for i, name in enumerate(SPECIAL)})


class ScriptedEngine:
    """`reply` makes the deltas of a request from its context and sampling."""

    name = "scripted"
    n_mels = 80
    block = 32
    temperature = 0.0
    kv_tokens = 8192
    kv_used = 2048
    kv_told = 1  # how often it has told so
    ranks = 1

    def __init__(
        self,
        reply: Callable[[Context, Sampling], Sequence[str]] = lambda context, sampling: REPLY,
        max_tokens: int = 2048,
    ) -> None:
        self.prompt = prompt()
        self.max_tokens = max_tokens
        self._reply = reply
        self.appends: list[list[Context]] = []  # a listener: what it was given, one by one
        self.requests: list[Context] = []
        self.asked: list[Context] = []  # whether the turn is over
        self.over: Callable[[Context], float] | None = None  # how likely the turn is over
        self.holds: Callable[[Context, str], int] = lambda context, draft: 0  # of its characters
        self.checked: list[str] = []  # drafts
        self.sure: Callable[[str], float] = lambda text: 1.0  # of a delta
        self.open = 0
        self.alive = True
        self.refusal: Exception | None = None  # raised by the next request
        self.gate: asyncio.Event | None = None  # when set, every delta but a request's first waits for it
        self.generation, self.trouble = 1, ""
        self.succeeded = False  # a dead engine has a successor, some time
        self._revived = asyncio.Event()
        self._limits: set[asyncio.Timeout] = set()  # of what is under way
        self._known: set[str] = set()  # audio that this generation was sent
        self._places = self.kv_tokens // max_tokens

    def kill(self) -> None:
        """As the kernel does it: whatever is under way ends at once. There will be another engine."""
        self.alive, self.succeeded = False, True
        for limit in self._limits:
            limit.reschedule(asyncio.get_running_loop().time())

    def revive(self) -> None:
        """The next engine, which has read nothing."""
        self.alive, self.generation = True, self.generation + 1
        self._known.clear()
        self._revived.set()
        self._revived = asyncio.Event()

    async def ready(self) -> None:
        while not self.alive:
            if not self.succeeded:
                raise EngineUnavailable("the engine is not running")
            await self._revived.wait()

    async def _while_alive(self, work: Callable[[], Awaitable[T]]) -> T:
        """Raises EngineUnavailable when the engine dies before it is done."""
        if not self.alive:
            raise EngineUnavailable("the engine has died")
        try:
            async with asyncio.timeout(None) as limit:
                self._limits.add(limit)
                return await work()
        except TimeoutError:
            raise EngineUnavailable("the engine has died") from None
        finally:
            self._limits.discard(limit)

    def _read(self, context: Context) -> None:
        """Raises Forgotten for audio without data that this generation was never sent."""
        if not all(audio.data is not None or audio.key in self._known for audio in context.audio):
            raise Forgotten("the engine no longer holds the audio of this conversation")
        self._known |= {audio.key for audio in context.audio}

    async def listen(self, appends: AsyncGenerator[Context, None]) -> AsyncGenerator[float | None, None]:
        given: list[Context] = []
        self.appends.append(given)
        self.open += 1
        try:
            async with aclosing(appends):
                while True:
                    context = await self._while_alive(lambda: anext(appends, None))
                    if context is None:
                        return
                    await asyncio.sleep(0)
                    if not self.alive:
                        raise EngineUnavailable("the engine has died")
                    self._read(context)
                    given.append(context)
                    yield self.over(sum(given, Context())) if self.over else None
        finally:
            self.open -= 1

    async def ending(self, context: Context) -> float | None:
        self.asked.append(context)
        self.open += 1
        try:
            await asyncio.sleep(0)
            if not self.alive:
                raise EngineUnavailable("the engine has died")
            return self.over(context) if self.over else None
        finally:
            self.open -= 1

    async def likelihoods(self, context: Context, behind: Sequence[int]) -> list[Likelihood]:
        self.checked.append(bytes(behind).decode())
        self.open += 1
        try:
            await asyncio.sleep(0)
            if not self.alive:
                raise EngineUnavailable("the engine has died")
            self._read(context)
            holds = self.holds(context, bytes(behind).decode())
            return [Likelihood(1.0, 1) if at < holds else Likelihood(0.0, 2) for at in range(len(behind))]
        finally:
            self.open -= 1

    async def generate(self, context: Context, sampling: Sampling) -> AsyncGenerator[Delta, None]:
        self.requests.append(context)
        self.open += 1
        try:
            if not self.alive:
                raise EngineUnavailable("the engine has died")
            if self.refusal:
                refusal, self.refusal = self.refusal, None
                raise refusal
            self._read(context)
            parts = list(self._reply(context, sampling))
            for i, text in enumerate(parts):
                await asyncio.sleep(0)
                if i and self.gate and not self.gate.is_set():
                    await self._while_alive(self.gate.wait)
                if not self.alive:
                    raise EngineUnavailable("the engine has died")
                finish = ("stop" if i < sampling.max_tokens else "length") if i + 1 == len(parts) else None
                cached = len(context) // self.block * self.block
                yield Delta(text, 1, len(context), cached, finish, self.sure(text) if sampling.sure else 1.0)
        finally:
            self.open -= 1

    async def close(self) -> None:
        self.alive = False

    def running(self) -> int:
        return self.open

    def kv_usage(self) -> float:
        return self.kv_used / self.kv_tokens

    def caches(self) -> tuple[Cache, ...]:
        return (Cache(self.kv_tokens - self.kv_used, self.kv_tokens, self.kv_told),)

    def free_tokens(self) -> int:
        return self._places * self.max_tokens

    def check(self) -> None:
        with self.admit():
            pass

    def waiting(self) -> int:
        return 0

    @contextmanager
    def admit(self) -> Iterator[None]:
        if not self.alive:
            raise EngineUnavailable("the engine is not running")
        if not self._places:
            raise SessionFull("all places are taken")
        self._places -= 1
        try:
            yield
        finally:
            self._places += 1


class Loudness:
    """A speech detector with the real interface that takes loud for voiced."""

    def stream(self) -> Loudness:
        return self

    def push(self, window: NDArray[np.float32]) -> float:
        return float(np.abs(window).max() > LOUD)

    async def ahead(self, windows: NDArray[np.float32]) -> None:
        pass

    def forget(self) -> None:
        pass
