"""Calls (WebRTC) to two server processes behind HAProxy, and behind nginx, configured as we ship them.

Only what is HTTP goes through the proxy: the offer, its answer, and the hang-up, which has to find the server
that has the call. Sound and events go from end to end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx import AsyncClient

from tests.server.client import pcm
from tests.server.machines import Fleet, haproxy, nginx, scripted
from tests.server.peer import Peer, calling, loopback

KEY = {"Authorization": "Bearer key"}
PROXIES = {"haproxy": haproxy, "nginx": nginx}


@pytest.fixture(autouse=True)
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback(monkeypatch)


@pytest.fixture(params=PROXIES)
def fleet(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Fleet]:
    with scripted(tmp_path, PROXIES[request.param]) as made:
        made.start()
        yield made


def server_of(call: Peer) -> str:
    return call.location.rpartition("/")[2].split("_")[1]


async def heard(call: Peer) -> None:
    """Speaks, and listens to the reply."""
    call.microphone.say(pcm(900) + bytes(48_000))
    await call.until("input_audio_buffer.speech_started")
    await call.until("output_audio_buffer.started")
    await call.until("output_audio_buffer.stopped")
    assert any(call.loud())


async def test_calls_come_about_and_a_hang_up_finds_the_server_that_has_the_call(fleet: Fleet) -> None:
    async with calling(fleet.url, headers=KEY) as first, calling(fleet.url, headers=KEY) as second:
        assert {server_of(first), server_of(second)} == set(
            fleet.ports
        )  # in turn: a call is no connection of the proxy's
        for call in (first, second):
            await heard(call)
            other = next(name for name in fleet.ports if name != server_of(call))
            async with AsyncClient(base_url=fleet.of(other, ""), trust_env=False) as http:
                lost = await http.post(f"{call.location}/hangup", headers=KEY)
            assert lost.status_code == 404  # elsewhere nobody knows it
            assert (await call.hang_up()).status_code == 200
            await call.closed.wait()
            assert (await call.hang_up()).status_code == 404
