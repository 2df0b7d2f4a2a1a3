"""A browser for all tests of the page, whose microphone plays one question over and over."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from tests.client_web.chromium import NotInstalled, Page, chromium, tab

HERE = Path(__file__).parent
RATE = 48_000
BEFORE, AFTER = 0.8, 4.2  # seconds of silence around the question


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Chromium that asks "what is six times nine" every few seconds."""
    samples, rate = soundfile.read(HERE.parent / "recordings" / "product.wav", dtype="float32")
    speech = soxr.resample(samples, rate, RATE) * (0.9 / np.abs(samples).max())
    quiet = [np.zeros(int(seconds * RATE), np.float32) for seconds in (BEFORE, AFTER)]
    path = tmp_path_factory.mktemp("microphone") / "question.wav"
    soundfile.write(path, np.concatenate([quiet[0], speech, quiet[1]]), RATE, subtype="PCM_16")
    try:
        with chromium(path) as address:
            yield address
    except NotInstalled as missing:
        pytest.fail(str(missing))


@pytest.fixture
async def page(browser: str) -> AsyncIterator[Page]:
    async with tab(browser) as page:
        try:
            yield page
        finally:
            print("waited for:", page.awaited)
            print("console:", *page.errors, sep="\n  ")  # pytest shows it where the test has failed


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, in the version of our lock."""
    folder = tmp_path_factory.mktemp("axe")
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, folder / name)
    npm = shutil.which("npm")
    if npm is None:
        pytest.fail("the accessibility test needs npm: apt-get install --no-install-recommends npm")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=folder, check=True)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()
