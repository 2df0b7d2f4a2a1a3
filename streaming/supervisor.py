"""Keeps an engine running: when one dies, the next one is started.

Engines come in generations, one at a time. To sessions this is an engine like any other, whose requests end
with EngineUnavailable when their generation dies; `ready` tells when the next one takes requests. It has read
nothing: what it has to know the sessions tell it again. A place that was given stays given. Starts follow a
death after a pause, which doubles as long as generations die young or do not come up. Knows no vLLM, no
sessions and no conversation.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Protocol

from streaming import processes
from streaming.context import Context
from streaming.engine import Delta, Engine, Likelihood, Sampling
from streaming.errors import EngineUnavailable
from streaming.parking import Cache, Parking
from streaming.places import Places

WATCH_SECONDS = 0.25
SWEEP_SECONDS = 1.0  # after an engine has come up
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0  # seconds before a start, which takes long enough itself
SETTLED_SECONDS = 60.0  # who has lived so long did not die of its start

logger = logging.getLogger("soundmind")


class Running(Engine, Protocol):
    """What this needs of an engine."""

    name: str
    kv_tokens: int  # of a rank
    ranks: int  # copies of the weights, each with a cache of its own

    @property
    def alive(self) -> bool: ...
    def running(self) -> int: ...
    def kv_usage(self) -> float: ...
    def caches(self) -> tuple[Cache, ...]: ...
    async def close(self) -> None: ...


Start = Callable[[], Awaitable[Running]]


class Supervisor:
    """`engine` is the first generation; `start` makes the next, raising whatever keeps it from that."""

    def __init__(
        self,
        engine: Running,
        start: Start,
        *,
        first_pause: float = FIRST_PAUSE,
        settled: float = SETTLED_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        overcommit: float = 1.0,
        parking: Parking | None = None,
    ) -> None:
        """`overcommit`: conversations to a place, where idle ones lend theirs."""
        self.name = engine.name
        self.prompt = engine.prompt
        self.n_mels = engine.n_mels
        self.max_tokens = engine.max_tokens
        self.block = engine.block
        self.temperature = engine.temperature
        self.generation = 1  # counts the starts that succeeded
        self.trouble = ""  # why the newest start failed
        self.parking = parking or Parking()
        self._places = Places(engine.kv_tokens, engine.max_tokens, engine.ranks, overcommit)
        self._start = start
        self._first_pause = first_pause
        self._settled = settled
        self._clock = clock
        self._engine: Running | None = engine
        self._since = clock()  # this generation began
        self._changed = asyncio.Event()  # replaced at each change
        self._over = False  # there will be no other

    # --- life ---

    async def watch(self) -> None:
        """Until cancelled: see the engine die, and start the next one; park listeners where it runs short."""
        young = 0  # generations in a row that died young or did not come up
        while True:
            if self._engine is not None and self._engine.alive:
                self._park(self._engine)
                with suppress(TimeoutError):
                    async with asyncio.timeout(WATCH_SECONDS):
                        await self._changed.wait()
                continue
            if self._engine is not None:
                lived = self._clock() - self._since
                logger.error("engine generation %d has died after %.0f s", self.generation, lived)
                young = 0 if lived >= self._settled else young
                await self._bury()
            await asyncio.sleep(pause(young, self._first_pause))
            young += 1
            await self._next_generation()

    def _park(self, engine: Running) -> None:
        """Who is idle, for those who need the room."""
        now = self._clock()
        self.parking.look(engine.caches(), now)
        for rank, waiting in enumerate(self._places.waiting):
            if waiting:
                self.parking.lend(rank, waiting, now)

    async def _bury(self) -> None:
        """End what is left of the dead one."""
        dead, self._engine = self._engine, None
        self._turn_over()
        if dead is not None:
            try:
                await dead.close()
            except Exception:  # it is dead anyway, and the next one must come
                logger.exception("closing the engine failed")

    async def _next_generation(self) -> None:
        began = self._clock()
        try:
            engine = await self._start()
        except Exception as error:  # whatever it is, it may be over the next time
            self.trouble = " ".join(str(error).split()) or type(error).__name__
            logger.error("the engine does not start: %s", self.trouble)
            return
        if (engine.max_tokens, engine.block) != (self.max_tokens, self.block):
            logger.warning("the engine came back with other sizes")
        self.generation += 1
        self.trouble = ""
        self._places.resize(engine.kv_tokens)
        self._engine, self._since = engine, self._clock()
        logger.warning("engine generation %d is up after %.0f s", self.generation, self._since - began)
        self._turn_over()
        # Whoever waited goes on, and lets go of the dead one. Its parts refer to each other, some 50 MiB: the
        # collector would come to them in hours.
        await asyncio.sleep(SWEEP_SECONDS)
        gc.collect()
        processes.give_back()

    def _turn_over(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def close(self) -> None:
        """The last one ends, and whoever waits for another is told."""
        self._over = True
        await self._bury()

    # --- what sessions need: `streaming.engine.Engine` ---

    @property
    def alive(self) -> bool:
        return self._engine is not None and self._engine.alive

    async def ready(self) -> None:
        while not self.alive:
            if self._over:
                raise EngineUnavailable("the server is stopping")
            changed = self._changed
            if self._engine is not None:  # it is dead, and nobody has noticed
                self._turn_over()
                changed = self._changed
            await changed.wait()

    def listen(self, appends: AsyncGenerator[Context, None]) -> AsyncGenerator[float | None, None]:
        return self._serving().listen(appends)

    async def ending(self, context: Context) -> float | None:
        return await self._serving().ending(context)

    async def likelihoods(self, context: Context, behind: Sequence[int]) -> list[Likelihood]:
        return await self._serving().likelihoods(context, behind)

    def generate(self, context: Context, sampling: Sampling) -> AsyncGenerator[Delta, None]:
        return self._serving().generate(context, sampling)

    def _serving(self) -> Running:
        if self._engine is None or not self._engine.alive:
            raise EngineUnavailable("the engine is restarting")
        return self._engine

    # --- what the server needs ---

    @contextmanager
    def admit(self) -> Iterator[None]:
        """A place for one conversation, which outlives the engine. Raises SessionFull, EngineUnavailable."""
        self._serving()
        with self._places.one(lambda rank: self.parking.lend(rank, 1, self._clock())):
            yield

    def check(self) -> None:
        """Raises what `admit` would."""
        self._serving()
        self._places.choose(lambda rank: self.parking.could(rank, self._clock()))

    def waiting(self) -> int:
        """Conversations that were parked, go on, and have no place yet."""
        return sum(self._places.waiting)

    def running(self) -> int:
        return 0 if self._engine is None else self._engine.running()

    def free_tokens(self) -> int:
        """Of the KV cache, that more conversations may have."""
        return self._places.free if self.alive else 0

    def kv_usage(self) -> float:
        return 0.0 if self._engine is None else self._engine.kv_usage()


def pause(failures: int, first: float = FIRST_PAUSE) -> float:
    """Seconds before the next start, after so many in a row for nothing."""
    return float(min(LONGEST_PAUSE, first * 2 ** min(failures, 16)))


@asynccontextmanager
async def supervised(start: Start, overcommit: float = 1.0) -> AsyncIterator[Supervisor]:
    """An engine, and its successors, for as long as the block lasts. Raises what the first start raises."""
    supervisor = Supervisor(await start(), start, overcommit=overcommit)
    watching = asyncio.create_task(supervisor.watch())
    try:
        yield supervisor
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        await supervisor.close()
