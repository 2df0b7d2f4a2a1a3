"""One real server with the embedded model for all tests that need one, and a gate for what servers send."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest

from tests.processes import alive, soundmind
from tests.wire import gate


@pytest.fixture(autouse=True)
def wire() -> Iterator[list[str]]:
    """Whatever a test is about: no server in this process may send what the API's types do not have."""
    with gate() as wrong:
        yield wrong
    assert not wrong, "\n".join(wrong)


@pytest.fixture(scope="session")
def live() -> Iterator[str]:
    """`soundmind serve` on a free port: its address, http://HOST:PORT.

    When the last test is done it gets its Ctrl-C, and must leave no process behind.
    """
    with soundmind("serve", "--port", "0") as server:
        url = server.until(r"listening on (http://\S+)")[1]
        yield url
        family = server.interrupt()
        server.end()
        assert not alive(psutil.wait_procs(family, timeout=5)[1])
