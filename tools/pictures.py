"""Pictures of the browser client in a real conversation with nano, for the README.

    python -m tools.pictures [--url http://HOST:PORT]       without: it starts a server for itself

One question is asked aloud from a recording, the next in writing, the third aloud again; while that is being
answered the page is taken as it stands, light and dark, into docs/. Nothing is drawn that did not happen.
Needs Chromium.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tools.chromium import NotInstalled, Page, chromium, microphone_file, tab

ROOT = Path(__file__).resolve().parent.parent
RECORDINGS = [ROOT / "tests" / "recordings" / f"{name}.wav" for name in ("sum", "product")]
QUIET_BEFORE, QUIET_AFTER = 1.0, 16.0  # seconds: the second turn is typed between the questions
WIDTH, HEIGHT, SCALE = 1280, 960, 1.5
PATIENCE = 120.0  # seconds for the conversation, on a slow machine
CONVERSATION = "(await import('/main.js')).app.conversation"
SETTINGS = '{"transport": "websocket"}'  # captions follow the sound to the word


async def converse(page: Page) -> None:
    """Three turns; the last is being answered when this returns."""
    await page.click("#talk")
    await page.says(".user .words", "twenty seven plus fifteen")
    await spoken(page, 1, "42")
    await page.click(".thoughts summary")
    await page.type("#question", "And plus three?")
    await page.key("Enter", 13, "\r")
    await spoken(page, 2, "45")
    await page.evaluate("document.activeElement.blur()")
    await page.until("document.querySelectorAll('.reply .waterfall').length === 3")
    await page.until("document.querySelector('.reply:last-child .heard').textContent.length > 4")


async def spoken(page: Page, replies: int, words: str) -> None:
    """Wait until a reply has been heard to its end."""
    await page.until(f"document.querySelectorAll('.reply .waterfall').length >= {replies}")
    await page.says(".reply .caption", words)
    await page.until(f"(async () => {CONVERSATION}.activity === 'quiet')()")


async def take(address: str, url: str) -> None:
    async with tab(address) as page:
        await page.microphone(url, "granted")
        await page.size(WIDTH, HEIGHT, SCALE)
        stored = f"localStorage['soundmind.settings'] = '{SETTINGS}'"
        await page.command("Page.addScriptToEvaluateOnNewDocument", source=stored)
        await page.go(url)
        try:
            async with asyncio.timeout(PATIENCE):
                await converse(page)
        except TimeoutError:
            raise SystemExit(f"nothing came of: {page.awaited}") from None
        pictures = {}
        for name, dark in (("client-light.png", False), ("client-dark.png", True)):
            await page.dark(dark)
            pictures[name] = await page.screenshot()
    for name, picture in pictures.items():
        (ROOT / "docs" / name).write_bytes(picture)  # noqa: ASYNC240
        print(f"docs/{name}")


@contextmanager
def served(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    from tests.processes import soundmind

    with soundmind("serve", "--port", "0") as server:
        yield server.until(r"listening on (http://\S+)")[1]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.pictures", description=__doc__.split("\n")[0])
    parser.add_argument("--url", help="a server that runs already")
    url = parser.parse_args(arguments).url
    with tempfile.TemporaryDirectory() as folder:
        question = Path(folder, "question.wav")
        microphone_file(question, RECORDINGS, QUIET_BEFORE, QUIET_AFTER)
        try:
            with served(url) as running, chromium(question) as address:
                asyncio.run(take(address, running))
        except NotInstalled as missing:
            print(missing, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
