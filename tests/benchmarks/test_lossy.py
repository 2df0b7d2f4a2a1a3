"""The bad line: what the weather does to packets, and that they get across where this machine lets us."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.lossy import DELAY, HELD_BACK, Carrier, Counts, Weather, fates
from tests.server.client import eventually

ROOT = Path(__file__).parents[2]
MANY = 2000
SPEAK = """
import socket
from benchmarks.lossy import HERE, Line, LineError, Weather
try:
    with Line() as line:
        here = socket.create_server((HERE, 0))
        line.cross()
        line.change(Weather(loss=0.3), seed=7)
        there = socket.create_connection(here.getsockname(), timeout=30)
        other, _ = here.accept()
        there.sendall(b"x" * 50_000)
        got = b""
        while len(got) < 50_000:
            got += other.recv(65536)
        counts = line.change(Weather())
        print("all there, lost on the way:", counts.lost > 0)
except LineError as error:
    print("refused:", error)
"""


def drawn(weather: Weather, seed: int = 7) -> list[float | None]:
    return list(itertools.islice(fates(weather, seed), MANY))


def test_in_good_weather_all_packets_take_as_long() -> None:
    assert set(drawn(Weather())) == {DELAY}


def test_a_share_is_lost_and_the_same_with_the_same_seed() -> None:
    found = drawn(Weather(loss=0.2))
    assert found == drawn(Weather(loss=0.2)) != drawn(Weather(loss=0.2), seed=8)
    assert 0.17 < found.count(None) / MANY < 0.23


def test_jitter_is_even_up_to_its_most() -> None:
    late = [one for one in drawn(Weather(jitter=0.1)) if one is not None]
    assert len(late) == MANY and DELAY <= min(late) < DELAY + 0.001 and max(late) > DELAY + 0.099
    assert 0.047 < sum(late) / MANY - DELAY < 0.053


def test_a_share_is_held_back() -> None:
    found = drawn(Weather(overtaken=0.25))
    assert set(found) == {DELAY, DELAY + HELD_BACK}
    assert 0.22 < found.count(DELAY + HELD_BACK) / MANY < 0.28


@asynccontextmanager
async def carried() -> AsyncIterator[tuple[Carrier, socket.socket, socket.socket]]:
    """A carrier between two sockets that keep packets apart, as tunnels do."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
    for one in itertools.chain(*pairs):
        one.setblocking(False)
    (here, left), (there, right) = pairs
    carrier = Carrier((left.fileno(), right.fileno()))
    carrier.start()
    try:
        yield carrier, here, there
    finally:
        carrier.stop()
        for one in itertools.chain(*pairs):
            one.close()


def packet(number: int) -> bytes:
    """As much of IPv4 as the carrier looks at."""
    return bytes([0x45, number])


async def received(end: socket.socket, count: int) -> list[int]:
    loop = asyncio.get_running_loop()
    return [(await loop.sock_recv(end, 100))[1] for _ in range(count)]


async def test_packets_of_both_ways_are_carried_and_counted() -> None:
    async with carried() as (carrier, here, there):
        for number in range(20):
            here.send(packet(number))
        there.send(packet(99))
        there.send(b"\x60 another protocol's")
        assert await received(there, 20) == list(range(20))
        assert await received(here, 1) == [99]
        assert carrier.change(Weather(), 0) == Counts(passed=21, lost=0)


async def test_what_is_lost_does_not_come_and_is_counted() -> None:
    async with carried() as (carrier, here, there):
        carrier.change(Weather(loss=1.0), 0)
        here.send(packet(1))
        await eventually(lambda: carrier.lost == 1)
        assert carrier.change(Weather(), 0) == Counts(passed=0, lost=1)
        here.send(packet(2))
        assert await received(there, 1) == [2]


async def test_what_is_late_is_overtaken() -> None:
    async with carried() as (carrier, here, there):
        carrier.change(Weather(jitter=0.2), 7)
        for number in range(30):
            here.send(packet(number))
        came = await received(there, 30)
        assert came != sorted(came) == list(range(30))


def test_tcp_gets_everything_across_or_it_is_said_what_is_missing() -> None:
    """In a process of its own, which ends up on the line's other side."""
    told = subprocess.run(
        [sys.executable, "-c", SPEAK],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert told.returncode == 0, told.stderr
    if told.stdout.startswith("refused"):
        assert "root" in told.stdout
    else:
        assert told.stdout == "all there, lost on the way: True\n"
