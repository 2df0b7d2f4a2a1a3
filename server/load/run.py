"""Steps of load against a server: callers let loose, their turns gathered, and the knee searched for.

Knows no command line and no files.
"""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from model.errors import UserError
from server.load.caller import Caller, Manner
from server.load.figures import Cores, Knee, Step, progress
from server.load.ledger import Said
from server.load.lines import Line, Take, Transport, websocket
from server.load.questions import Question
from server.load.schedule import Load, schedule
from server.load.usage import Meter
from server.tasks import one_error

TELL_SECONDS = 5.0
LEAST_TURNS = 40  # of a step of the search, on average: p95 is the second worst of them
NOBODY = Cores(None, None, None, None)
STOP_SECONDS = 15.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Target:
    """Whom to call, and how."""

    url: str
    key: str | None = None
    transport: Transport = "websocket"

    def connect(self, take: Take) -> AbstractAsyncContextManager[Line]:
        if self.transport == "webrtc":
            from server.load.webrtc_line import webrtc

            return webrtc(self.url, self.key, take)
        return websocket(self.url, self.key, take)


async def step(target: Target, questions: Sequence[Question], manner: Manner, load: Load, say: Say) -> Step:
    """So many callers for so long. Turns that were due while they arrived are not measured."""
    calls = schedule(load, [question.sayable for question in questions])
    said: list[Said] = []

    def tell(one: Said) -> None:
        if one.due >= load.ramp:
            said.append(one)

    callers = [Caller(n, target.connect, questions, manner, tell) for n in range(load.callers)]
    now = asyncio.get_running_loop().time
    start, meter = now(), Meter(target.url)
    cores: list[Cores] = []

    async def measure() -> None:
        await asyncio.sleep(load.ramp)
        await meter.start()
        await asyncio.sleep(load.seconds)
        cores.append(await meter.read())

    async def watch() -> None:
        while True:
            await asyncio.sleep(TELL_SECONDS)
            so_far = max(0.0, now() - start - load.ramp)
            say(progress(Step(load.callers, so_far, said, NOBODY, 0.0)))

    with one_error():
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(watch())
            async with asyncio.TaskGroup() as talking:
                talking.create_task(measure())
                for caller, own in zip(callers, calls, strict=True):
                    talking.create_task(caller.run(own, start))
            watching.cancel()
    tardy = sum(caller.tardy for caller in callers) / max(1, sum(caller.sent for caller in callers))
    return Step(load.callers, load.seconds, sorted(said, key=lambda one: one.due), cores[0], round(tardy, 4))


def long_enough(load: Load) -> Load:
    """With enough turns for a 95th percentile, however few callers there are."""
    least = math.ceil(LEAST_TURNS * load.every / load.callers)
    return replace(load, seconds=max(load.seconds, least))


async def search(
    target: Target,
    questions: Sequence[Question],
    manner: Manner,
    load: Load,
    bound: float,
    say: Say,
    kept: Callable[[Step], None],
) -> int:
    """The most callers for whom p95 of the first word is below `bound` ms; `kept` is told every step."""
    knee = Knee(load.callers)
    run = partial(step, target, questions, manner)
    while wanted := knee.next():
        tried = await run(long_enough(replace(load, callers=wanted)), say)
        kept(tried)
        holds = tried.holds(bound)
        say(f"{wanted} callers: p95 of the first word is {'below' if holds else 'not below'} {bound:g} ms")
        knee.note(wanted, holds)
    return knee.good


# --- a server of one's own ---


class NotServed(UserError):
    """The server could not be started; one line that says why."""


def served(arguments: Sequence[str], say: Say) -> AbstractAsyncContextManager[str]:
    """`soundmind serve` as a process of its own for as long as the block lasts: its address.

    Raises NotServed.
    """
    return started([sys.executable, "-m", "server.cli", "serve", "--port", "0", *arguments], say)


@asynccontextmanager
async def started(command: Sequence[str], say: Say) -> AsyncGenerator[str, None]:
    """The same for any command that prints "listening on ADDRESS" once it is ready."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    telling: asyncio.Task[None] | None = None
    try:
        async for line in process.stdout:
            text = line.decode().rstrip()
            if text.startswith("listening on "):
                telling = asyncio.create_task(_drained(process.stdout))
                yield text.split()[-1]
                return
            say(text)
        raise NotServed(f"the server has ended with {await process.wait()} before it was ready")
    finally:
        if telling is not None:
            telling.cancel()
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()


async def _drained(stream: asyncio.StreamReader) -> None:
    async for _ in stream:
        pass
