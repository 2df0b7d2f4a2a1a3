"""A browser for all tests of the page, whose microphone plays one question over and over."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from tools.chromium import NotInstalled, Page, chromium, microphone_file, tab
from tools.clients import install

HERE = Path(__file__).parent
QUIET_BEFORE, QUIET_AFTER = 0.8, 3.4  # seconds


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Chromium that asks "what is six times nine" every few seconds."""
    path = tmp_path_factory.mktemp("microphone") / "question.wav"
    microphone_file(path, [HERE.parent / "recordings" / "product.wav"], QUIET_BEFORE, QUIET_AFTER)
    with installed(path) as address:
        yield address


@contextmanager
def installed(speech: Path) -> Iterator[str]:
    """Chromium; a test that needs it fails where it is not there."""
    try:
        with chromium(speech) as address:
            yield address
    except NotInstalled as missing:
        pytest.fail(str(missing))


@asynccontextmanager
async def watched(address: str) -> AsyncIterator[Page]:
    """A tab; where the test fails pytest shows what it waited for, and what the console said."""
    async with tab(address) as page:
        try:
            yield page
        finally:
            print("waited for:", page.awaited)
            print("console:", *page.errors, sep="\n  ")


@pytest.fixture
async def page(browser: str) -> AsyncIterator[Page]:
    async with watched(browser) as page:
        yield page


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core, in the version of our lock."""
    folder = tmp_path_factory.mktemp("axe")
    if trouble := install(folder, HERE):
        pytest.fail(trouble)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()
