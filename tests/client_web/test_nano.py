"""A conversation in the browser with the real server, the real nano and its real voice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.client_web.conftest import installed, watched
from tests.client_web.looking import APP, LEVEL, keep
from tools.chromium import microphone_file

RECORDING = Path(__file__).parents[1] / "recordings" / "product.wav"
QUIET_AFTER = 14.0  # seconds, in which a slow machine has thought, spoken, and answered in writing too


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Chromium that leaves time for an answer before it asks again."""
    path = tmp_path_factory.mktemp("microphone") / "patient.wav"
    microphone_file(path, [RECORDING], 0.8, QUIET_AFTER)
    with installed(path) as address:
        yield address


async def test_three_turns_two_spoken_and_one_typed(patient: str, live: str) -> None:
    async with watched(patient) as page:
        await page.microphone(live, "granted")
        await page.go(live)
        await page.click("#talk")
        await page.says(".user .words", "six times nine")
        await page.says(".reply .caption", "is 54")
        assert await page.until(LEVEL) > 0  # it speaks
        assert await page.until(f"{LEVEL}.then((level) => level === 0)")
        await page.says(".thoughts .newest", "54")
        await page.until("document.querySelector('.stages').textContent.includes('heard here')")
        keep("nano-desk.png", await page.screenshot())

        await page.click("#mute")
        await page.type("#question", "And plus three?")
        await page.click("#ask button")
        await page.says(".reply .caption", "is 57")

        await page.click("#mute")
        await page.until("document.querySelectorAll('.reply').length >= 3")
        await page.says(".reply:last-child .caption", "is 54")  # the one before says "54 plus 3 is 57"
        await page.click("#end")
        replies = f"(async () => {APP}.conversation.state.entries.filter((one) => one.kind === 'reply'))()"
        assert len(await page.evaluate(replies)) >= 3
        assert page.errors == []
        assert page.hosts == {urlsplit(live).netloc}
