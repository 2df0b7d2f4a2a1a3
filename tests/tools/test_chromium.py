"""The driver sees what the tests of the page rely on it to see."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse
from starlette.routing import Route

from server.page import SecurityHeaders
from server.serving import bind, listening
from tests.client_web.conftest import installed
from tools.chromium import MICROPHONE_RATE, NotInstalled, Page, chromium, microphone_file, tab

RECORDING = Path(__file__).parents[1] / "recordings" / "greeting.wav"


async def test_nothing_that_a_page_does_wrong_is_missed(tmp_path: Path) -> None:
    microphone_file(tmp_path / "hello.wav", [RECORDING], 0.1, 0.1)
    body = "<button>Press</button><script>document.title = 'ran'</script>"
    with installed(tmp_path / "hello.wav") as address:
        async with one(address, body) as page:
            assert [error for error in page.errors if "Content Security Policy" in error]
            assert await page.evaluate("document.title") == ""
            page.errors.clear()

            await page.evaluate("console.error('what a pity')")
            await page.evaluate("void setTimeout(() => { throw new Error('uncaught'); })")
            await page.evaluate("void (document.createElement('img').src = 'http://elsewhere.test/')")
            await page.evaluate("new Promise((done) => setTimeout(done, 200))")
            said = "\n".join(page.errors)
            assert "what a pity" in said and "uncaught" in said and "elsewhere.test" in said

            press = "document.querySelector('button').onclick = () => (document.title = 'pressed')"
            await page.evaluate(f"void ({press})")
            await page.click("button")
            await page.until("document.title === 'pressed'")
            with pytest.raises(AssertionError, match="no such thing"):
                await page.evaluate("Promise.reject(new Error('no such thing'))")
            assert (await page.screenshot()).startswith(b"\x89PNG")


@asynccontextmanager
async def one(address: str, body: str) -> AsyncIterator[Page]:
    """A page of this body, under the headers that all of ours have."""
    routes = [Route("/", lambda request: HTMLResponse(body))]
    app = Starlette(routes=routes, middleware=[Middleware(SecurityHeaders)])
    with bind("127.0.0.1", 0) as sock:
        async with listening(app, sock) as url, tab(address) as page:
            await page.go(url)
            yield page


def test_a_recording_as_a_microphone_hears_it(tmp_path: Path) -> None:
    microphone_file(tmp_path / "twice.wav", [RECORDING, RECORDING], 0.5, 1.0)
    samples, rate = soundfile.read(tmp_path / "twice.wav", dtype="float32")
    once, recorded_at = soundfile.read(RECORDING, dtype="float32")
    assert rate == MICROPHONE_RATE
    assert abs(len(samples) / rate - 2 * (len(once) / recorded_at + 1.5)) < 0.01
    assert 0.8 < np.abs(samples).max() <= 1 and np.abs(samples[: rate // 2]).max() == 0


def test_where_there_is_no_chromium_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(NotInstalled, match="apt-get install"), chromium(tmp_path):
        pass
