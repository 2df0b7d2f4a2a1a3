"""Debian's Chromium, driven over its own protocol (CDP) with the `websockets` that we have anyway.

A browser is a process; a page is a tab in a context of its own, which shares nothing with the others. A page
keeps what its console said, what it asked the network for, and what the security policy stopped. Waiting is
asking again: the test's own time limit is the limit.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import soundfile
import soxr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

MISSING = "the browser tests need Chromium: apt-get install --no-install-recommends chromium"
START_SECONDS = 60.0

MICROPHONE_RATE = 48_000

PHONE, DESK = (390, 844), (1280, 900)

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # CI runs as root
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--password-store=basic",
    "--use-fake-device-for-media-stream",
    "--remote-debugging-port=0",
)


class NotInstalled(Exception):
    pass


@contextmanager
def chromium(speech: Path) -> Iterator[str]:
    """A browser whose microphone plays a WAV file over and over: the address of its protocol.

    Raises NotInstalled. Nothing of it is left behind.
    """
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        raise NotInstalled(MISSING)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        flags = [*FLAGS, f"--user-data-dir={folder}", f"--use-file-for-fake-audio-capture={speech}"]
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen([program, *flags, "about:blank"], **quiet) as process:
            try:
                yield _address(process, Path(folder, "DevToolsActivePort"))
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()


def _address(process: subprocess.Popen[bytes], told: Path) -> str:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        lines = told.read_text().split("\n") if told.exists() else []
        if len(lines) > 1:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.05)
    raise RuntimeError("Chromium did not start")


def microphone_file(path: Path, recordings: Sequence[Path], before: float, after: float) -> None:
    """A WAV file for a microphone: each recording in seconds of silence before and after it."""
    parts = []
    for recording in recordings:
        samples, rate = soundfile.read(recording, dtype="float32")
        speech = soxr.resample(samples, rate, MICROPHONE_RATE) * (0.9 / np.abs(samples).max())
        quiet = [np.zeros(int(seconds * MICROPHONE_RATE), np.float32) for seconds in (before, after)]
        parts += [quiet[0], speech, quiet[1]]
    soundfile.write(path, np.concatenate(parts), MICROPHONE_RATE, subtype="PCM_16")


class Page:
    """One tab. `errors`: what its console complained about; `hosts`: whom it asked for anything."""

    def __init__(self, ws: ClientConnection) -> None:
        self._ws = ws
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._session = ""
        self._context = ""
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.sockets: list[str] = []
        self.awaited = ""  # what was waited for last
        self.cast: Callable[[float, bytes], None] | None = None  # is given each frame of a screencast
        self.touched = True  # what is evaluated counts as done by the user

    async def _read(self) -> None:
        try:
            async for text in self._ws:
                message = json.loads(text)
                if answer := self._answers.pop(message.get("id", 0), None):
                    if not answer.done():
                        answer.set_result(message)
                elif "method" in message and message.get("sessionId") == self._session:
                    self._told(message["method"], message["params"])
                    if message["method"] == "Page.screencastFrame":
                        await self._casting(message["params"])
        except ConnectionClosed:
            pass
        for answer in self._answers.values():
            answer.cancel()

    def _told(self, method: str, params: dict[str, Any]) -> None:
        match method:
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                self.errors.append(" ".join(str(arg.get("value", arg)) for arg in params["args"]))
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.errors.append(details.get("exception", {}).get("description") or details["text"])
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                entry = params["entry"]
                self.errors.append(f"{entry['source']}: {entry['text']} {entry.get('url', '')}")
            case "Network.requestWillBeSent":
                self._asked(params["request"]["url"])
            case "Network.webSocketCreated":
                self._asked(params["url"])
                self.sockets.append(params["url"])

    async def _casting(self, frame: dict[str, Any]) -> None:
        """The next one comes once this one was taken."""
        if self.cast is not None:
            self.cast(frame["metadata"]["timestamp"], base64.b64decode(frame["data"]))
        taken = {"method": "Page.screencastFrameAck", "params": {"sessionId": frame["sessionId"]}}
        await self._ws.send(json.dumps({"id": next(self._ids), "sessionId": self._session, **taken}))

    def _asked(self, url: str) -> None:
        if not url.startswith(("data:", "blob:", "about:")):
            self.hosts.add(urlsplit(url).netloc)

    async def command(self, method: str, session: bool = True, **params: Any) -> dict[str, Any]:
        """Raises RuntimeError with what the browser says."""
        number = next(self._ids)
        self._answers[number] = asyncio.get_running_loop().create_future()
        message: dict[str, Any] = {"id": number, "method": method, "params": params}
        if session:
            message["sessionId"] = self._session
        await self._ws.send(json.dumps(message))
        answer = await self._answers[number]
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def open(self) -> None:
        made = await self.command("Target.createBrowserContext", False, disposeOnDetach=True)
        self._context = made["browserContextId"]
        target = await self.command(
            "Target.createTarget", False, url="about:blank", browserContextId=self._context
        )
        attached = await self.command(
            "Target.attachToTarget", False, targetId=target["targetId"], flatten=True
        )
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.command(f"{domain}.enable")
        await self.size(*DESK)

    async def close(self) -> None:
        await self.command("Target.disposeBrowserContext", False, browserContextId=self._context)

    async def microphone(self, url: str, setting: str) -> None:
        """What the user has answered for pages of this address: "granted" or "denied"."""
        await self.command(
            "Browser.setPermission",
            False,
            permission={"name": "microphone"},
            setting=setting,
            origin=url,
            browserContextId=self._context,
        )

    async def size(self, width: int, height: int, scale: float = 0) -> None:
        """In CSS pixels; `scale` is how many of the screen each has to a side, 0: as such a device."""
        phone = width < 600
        await self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale or (2 if phone else 1),
            mobile=phone,
        )

    async def dark(self, on: bool) -> None:
        feature = {"name": "prefers-color-scheme", "value": "dark" if on else "light"}
        await self.command("Emulation.setEmulatedMedia", features=[feature])

    async def offline(self, on: bool) -> None:
        await self.command(
            "Network.emulateNetworkConditions",
            offline=on,
            latency=0,
            downloadThroughput=-1,
            uploadThroughput=-1,
        )

    async def go(self, url: str) -> None:
        await self.command("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression, or of its promise. Raises AssertionError with its error."""
        result = await self.command(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=self.touched,
        )
        if details := result.get("exceptionDetails"):
            raise AssertionError(details.get("exception", {}).get("description") or details["text"])
        return result["result"].get("value")

    async def until(self, expression: str) -> Any:
        """What the expression says, once JavaScript would call it true: an element comes as an empty dict."""
        self.awaited = expression
        value = await self.evaluate(expression)
        while value in (None, False, 0, ""):
            await asyncio.sleep(0.05)
            value = await self.evaluate(expression)
        return value

    async def text(self, selector: str) -> str:
        return str(await self.evaluate(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    async def says(self, selector: str, words: str) -> str:
        """The text of an element, once it has these words in it."""
        found = f"[...document.querySelectorAll({json.dumps(selector)})].map((one) => one.innerText)"
        find = f"({found}).find((text) => text.includes({json.dumps(words)}))"
        return str(await self.until(find))

    async def _middle(self, selector: str) -> tuple[float, float]:
        """Of an element that can be seen; it is scrolled to."""
        box = await self.until(
            f"""(() => {{
              const found = document.querySelector({json.dumps(selector)});
              if (!found || found.disabled || !found.checkVisibility()) return null;
              found.scrollIntoView({{block: "nearest"}});
              const box = found.getBoundingClientRect();
              return [box.x + box.width / 2, box.y + box.height / 2];
            }})()"""
        )
        return box[0], box[1]

    async def mouse(self, kind: str, selector: str) -> None:
        x, y = await self._middle(selector)
        await self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def click(self, selector: str) -> None:
        await self.mouse("mousePressed", selector)
        await self.mouse("mouseReleased", selector)

    async def key(self, name: str, code: int, text: str = "") -> None:
        """A key pressed and released, by its name and its Windows code."""
        pressed: dict[str, Any] = {"key": name, "windowsVirtualKeyCode": code}
        await self.command(
            "Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **pressed
        )
        await self.command("Input.dispatchKeyEvent", type="keyUp", **pressed)

    async def type(self, selector: str, text: str) -> None:
        await self.click(selector)
        await self.command("Input.insertText", text=text)

    async def screenshot(self) -> bytes:
        """A PNG of what can be seen."""
        taken = await self.command("Page.captureScreenshot", format="png")
        return base64.b64decode(taken["data"])


@asynccontextmanager
async def tab(address: str) -> AsyncIterator[Page]:
    """A page in a context of its own, in the browser at this address."""
    async with connect(address, max_size=None, ping_interval=None) as ws:
        page = Page(ws)
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(page._read())
            try:
                await page.open()
                yield page
                await page.close()
            finally:
                reading.cancel()
