"""A page that talks to the whole server but for its engine, and somebody who looks at it.

`looked_at` takes a picture at the width of a phone and of a desk, into build/client_web, and fails where the
page does not fit. `clean` is what must hold after every conversation.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from model import tools
from streaming.context import Context
from streaming.engine import Sampling
from tests.scripted import ScriptedEngine
from tests.server.client import idle, serving
from tests.streaming.talk import text_of
from tests.voices import ScriptedVoice
from tools.chromium import DESK, PHONE, Page

PICTURES = Path(__file__).parents[2] / "build" / "client_web"
HEARD = "what is six times nine"
THOUGHTS = "heard: what is six times nine\n6 times 9\n6*9: 6*9=54, 54"
ANSWER = "Six times nine is fifty four, which is six more than six times eight, and six less than sixty."
APP = "(await import('/main.js')).app"
LEVEL = f"(async () => {APP}.conversation.speaker.level())()"


def reply(context: Context, sampling: Sampling) -> tuple[str, ...]:
    """It writes down, sets a timer where that is asked for, or thinks and answers."""
    said = text_of(context)
    if "Write down" in said:
        return (HEARD,)
    if "function_output" in (last := said.rsplit("human\n", 1)[-1]):
        return ("done", "\n</think>\n", "The timer is set.")
    if "timer" in last:
        return ("timer: set_timer", "\n</think>\n", tools.call("set_timer", '{"minutes": 5}'))
    words = ANSWER.split(" ")
    return (
        *THOUGHTS.splitlines(keepends=True),
        "\n</think>\n",
        *(f"{word} " for word in words[:-1]),
        words[-1],
    )


def keep(name: str, picture: bytes) -> None:
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / name).write_bytes(picture)


class Line:
    """What lies between the page and the server: bytes, until it drops. `port` is where they go.

    While it is not `up` who connects is kept waiting.
    """

    def __init__(self) -> None:
        self.port = 0
        self.up = asyncio.Event()
        self.up.set()
        self._open: set[asyncio.StreamWriter] = set()

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
            with suppress(ConnectionError):
                while data := await source.read(65_536):
                    target.write(data)
                    await target.drain()
            target.close()

        await self.up.wait()
        there, onwards = await asyncio.open_connection("127.0.0.1", self.port)
        both = {writer, onwards}
        self._open |= both
        try:
            await asyncio.gather(copy(reader, onwards), copy(there, writer))
        finally:
            self._open -= both

    def drop(self) -> None:
        for writer in self._open:
            writer.transport.abort()


@dataclass
class Scene:
    page: Page
    url: str
    engine: ScriptedEngine
    voice: ScriptedVoice
    line: Line

    async def looked_at(self, name: str) -> None:
        for kind, size in (("phone", PHONE), ("desk", DESK)):
            await self.page.size(*size)
            fits = f"document.documentElement.scrollWidth <= {size[0]}"
            assert await self.page.evaluate(fits), f"{name} is wider than a {kind}"
            await self.page.evaluate(
                "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))"
            )
            keep(f"{name}-{kind}.png", await self.page.screenshot())

    async def state(self) -> dict[str, Any]:
        state: dict[str, Any] = await self.page.evaluate(f"(async () => {APP}.conversation.state)()")
        return state

    async def replies(self) -> list[dict[str, Any]]:
        return [entry for entry in (await self.state())["entries"] if entry["kind"] == "reply"]

    def clean(self) -> None:
        """No complaint on the console, which the security policy's are, and nothing asked of anybody else."""
        assert self.page.errors == []
        assert self.page.hosts == {urlsplit(self.url).netloc}


@asynccontextmanager
async def scene(page: Page, transport: str = "websocket", **options: Any) -> AsyncIterator[Scene]:
    """`options`: those of `create_app`. The microphone is allowed, and no page of before is remembered."""
    engine, voice, line = ScriptedEngine(reply), ScriptedVoice(), Line()
    async with (
        serving(engine, voice, **options) as address,
        await asyncio.start_server(line.carry, "127.0.0.1", 0) as listening,
    ):
        line.port = urlsplit(address).port or 0
        url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        await page.microphone(url, "granted")
        stored = f"localStorage['soundmind.settings'] ??= JSON.stringify({{transport: '{transport}'}})"
        await page.command("Page.addScriptToEvaluateOnNewDocument", source=stored)
        await page.go(url)
        await page.until("document.querySelector('#examples button')")
        yield Scene(page, url, engine, voice, line)
        await page.evaluate(f"(async () => {APP}.conversation.end())()")
        await idle(engine)
        line.drop()
