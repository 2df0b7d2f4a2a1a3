"""Pictures of the browser client in a real conversation with nano, and a film of it, for README and docs/.

    python -m tools.pictures [--url http://HOST:PORT]       without: it starts a server for itself

One question is asked aloud from a recording, the next in writing, the third aloud again. On the way the steps
of docs/first-minute.md are taken; while the third is being answered the page is taken as it stands, light and
dark. All of it is filmed (docs/conversation.webp). Nothing is drawn that did not happen. Needs Chromium.
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
from tools.film import filmed, webp

ROOT = Path(__file__).resolve().parent.parent
RECORDINGS = [ROOT / "tests" / "recordings" / f"{name}.wav" for name in ("sum", "product")]
QUIET_BEFORE, QUIET_AFTER = 1.0, 28.0  # seconds: the second turn is typed between the questions
FILM_WIDTH = 800  # pixels
WIDTH, HEIGHT, SCALE = 1280, 820, 1.5
PATIENCE = 240.0  # seconds for the conversation, on a slow machine
CONVERSATION = "(await import('/main.js')).app.conversation"
SETTINGS = '{"transport": "webrtc"}'


async def converse(page: Page, taken: dict[str, bytes]) -> None:
    """Three turns; the last is being answered when this returns. `taken` is given the pictures on the way."""

    async def take(name: str) -> None:
        taken[f"first-minute-{name}.png"] = await page.screenshot()

    await page.until("document.querySelector('#examples button')")
    await take("start")
    await page.click("#talk")
    await page.says("#activity", "You are speaking")
    await take("listening")
    await page.says(".user .words", "twenty seven plus fifteen")
    await page.until("document.querySelector('.reply .heard').textContent.length > 4")
    await take("replying")
    await spoken(page, 1, "42")
    await page.click(".thoughts summary")
    await take("thoughts")
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
        pictures: dict[str, bytes] = {}
        async with filmed(page) as frames:
            try:
                async with asyncio.timeout(PATIENCE):
                    await converse(page, pictures)
            except TimeoutError:
                raise SystemExit(f"nothing came of: {page.awaited}") from None
        for name, dark in (("client-light.png", False), ("client-dark.png", True)):
            await page.dark(dark)
            pictures[name] = await page.screenshot()
    pictures["conversation.webp"] = webp(frames, FILM_WIDTH)
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
