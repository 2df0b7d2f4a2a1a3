"""The bad line of the benchmark, and the questions asked over it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from httpx import AsyncClient

from benchmarks.loss import Caller, Condition, recorded
from benchmarks.lossy import Address, Relay, Weather, host_candidate, redirected, without_candidates
from tests.scripted import ScriptedEngine
from tests.server.client import eventually, serving
from tests.server.peer import Tone, loopback

SDP = (
    "v=0\r\n"
    "a=candidate:1 1 udp 2130706431 127.0.0.1 4711 typ host\r\n"
    "a=candidate:2 1 udp 2130706431 192.0.2.7 4712 typ host\r\n"
    "a=end-of-candidates\r\n"
)


class End(asyncio.DatagramProtocol):
    """It keeps what it is sent."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.came_from: Address | None = None

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self.got.append(data)
        self.came_from = addr


@asynccontextmanager
async def ends(weather: Weather) -> AsyncIterator[tuple[Relay, End, End, asyncio.DatagramTransport]]:
    """A relay, the server's end, the client's, and the way for the client to send."""
    loop = asyncio.get_running_loop()
    server, theirs = await loop.create_datagram_endpoint(End, local_addr=("127.0.0.1", 0))
    try:
        async with Relay(server.get_extra_info("sockname"), 7, weather) as relay:
            client, ours = await loop.create_datagram_endpoint(End, remote_addr=("127.0.0.1", relay.port))
            try:
                yield relay, theirs, ours, client
            finally:
                client.close()
    finally:
        server.close()
        await asyncio.sleep(0)


async def test_in_good_weather_all_of_it_passes_both_ways() -> None:
    async with ends(Weather()) as (relay, server, client, line):
        for n in range(20):
            line.sendto(b"%d" % n)
        await eventually(lambda: len(server.got) == 20)
        assert server.got == [b"%d" % n for n in range(20)]
        assert server.came_from is not None
        relay._from_server(b"back", relay.server)
        await eventually(lambda: client.got == [b"back"])
        relay._from_server(b"a stranger's", ("192.0.2.7", 1))
        assert (relay.passed, relay.lost) == (21, 0)


async def test_a_share_is_lost_and_the_same_with_the_same_seed() -> None:
    lost = []
    for _ in range(2):
        async with ends(Weather(loss=0.2)) as (relay, server, _, line):
            for n in range(500):
                relay._from_client(b"%d" % n, line.get_extra_info("sockname"))
            assert relay.passed + relay.lost == 500
            lost.append(relay.lost)
    assert lost[0] == lost[1] and 60 < lost[0] < 140


async def test_jitter_reorders_and_loses_nothing() -> None:
    async with ends(Weather(jitter=0.05)) as (_, server, _, line):
        sent = [b"%d" % n for n in range(100)]
        for data in sent:
            line.sendto(data)
        await eventually(lambda: len(server.got) == 100)
        assert server.got != sent and sorted(server.got) == sorted(sent)


def test_the_answer_names_the_relay_alone() -> None:
    assert host_candidate(SDP) == ("127.0.0.1", 4711)
    assert redirected(SDP, 99).count("a=candidate") == 1
    assert host_candidate(redirected(SDP, 99)) == ("127.0.0.1", 99)
    assert without_candidates(SDP) == "v=0\r\n"


async def test_a_question_over_a_bad_line_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    loopback(monkeypatch)
    case = next(case for case in recorded() if case.name == "sum.wav")
    engine = ScriptedEngine(lambda context, sampling: ("It is 42.",))
    async with serving(engine, Tone()) as url:
        async with AsyncClient(base_url=url.replace("ws", "http", 1), trust_env=False) as http:
            asked = await Caller(http, Condition(10, 20, True)).ask(case, 7)
    assert asked.error is None and asked.right and asked.lost > 0
    assert asked.wait is not None and asked.wait > 0.4
