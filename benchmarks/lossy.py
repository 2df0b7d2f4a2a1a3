"""A bad line on one machine: a relay of UDP packets that loses, delays and so reorders them.

It stands between a WebRTC client and the address that the server answered with; both ends take it for the
other. Every packet of either direction fares for itself, drawn from a generator with a seed. Knows no WebRTC
but the candidates of an SDP.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from functools import partial
from typing import Any

HOST = "127.0.0.1"
Address = tuple[str, int]


@dataclass(frozen=True)
class Weather:
    """`loss`: share of packets; `jitter`: each is late by up to so many seconds, evenly."""

    loss: float = 0.0
    jitter: float = 0.0


@dataclass
class Relay:
    """Open inside `async with`. Until there is weather, nothing happens to a packet."""

    server: Address
    seed: int = 0
    weather: Weather = Weather()
    passed: int = 0
    lost: int = 0
    _client: Address | None = None
    _sides: list[asyncio.DatagramTransport] = field(default_factory=list)

    async def __aenter__(self) -> Relay:
        self._random = random.Random(self.seed)
        loop = asyncio.get_running_loop()
        for take in (self._from_client, self._from_server):
            made = partial(Side, take)
            transport, _ = await loop.create_datagram_endpoint(made, local_addr=(HOST, 0))
            self._sides.append(transport)
        return self

    async def __aexit__(self, *_: object) -> None:
        for side in self._sides:
            side.close()
        await asyncio.sleep(0)  # the loop closes the sockets

    @property
    def port(self) -> int:
        """Where the client reaches it, on this machine."""
        return int(self._sides[0].get_extra_info("sockname")[1])

    def _from_client(self, data: bytes, where: Address) -> None:
        self._client = where
        self._carry(1, data, self.server)

    def _from_server(self, data: bytes, where: Address) -> None:
        if self._client is not None and where == self.server:
            self._carry(0, data, self._client)

    def _carry(self, side: int, data: bytes, to: Address) -> None:
        if self._random.random() < self.weather.loss:
            self.lost += 1
            return
        self.passed += 1
        late = self._random.uniform(0, self.weather.jitter)
        if late:
            asyncio.get_running_loop().call_later(late, self._send, side, data, to)
        else:
            self._send(side, data, to)

    def _send(self, side: int, data: bytes, to: Address) -> None:
        if not self._sides[side].is_closing():
            self._sides[side].sendto(data, to)


class Side(asyncio.DatagramProtocol):
    def __init__(self, take: Any) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._take(data, addr)


def host_candidate(sdp: str) -> Address:
    """The first address that an answer names."""
    line = next(line for line in sdp.splitlines() if line.startswith("a=candidate:") and " typ host" in line)
    _, _, _, _, host, port, *_ = line.split()
    return host, int(port)


def without_candidates(sdp: str) -> str:
    """Only what comes in tells where this end is."""
    return _lines(line for line in sdp.splitlines() if not line.startswith(("a=candidate", "a=end-of")))


def redirected(sdp: str, port: int) -> str:
    """The same answer, to be reached through the relay alone."""
    host, direct = host_candidate(sdp)
    one = [line for line in sdp.splitlines() if f" {host} {direct} typ host" in line][0]
    through = one.replace(f" {host} {direct} ", f" {HOST} {port} ")
    kept = (line for line in sdp.splitlines() if not line.startswith("a=candidate") or line == one)
    return _lines(through if line == one else line for line in kept)


def _lines(lines: Any) -> str:
    return "".join(f"{line}\r\n" for line in lines)
