"""What lies between a call's client and the server, until it is cut: a relay of UDP packets.

It stands at the address that the server answered with; both ends take it for the other. Knows no WebRTC but
the candidates of an SDP.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial

HOST = "127.0.0.1"
Address = tuple[str, int]


class Relay:
    """`port` is where the client reaches it. Once it is `cut` nothing passes any more."""

    def __init__(self, server: Address) -> None:
        self.cut = False
        self.port = 0
        self._server = server
        self._client: Address | None = None
        self._sides: list[asyncio.DatagramTransport] = []

    async def open(self) -> None:
        loop = asyncio.get_running_loop()
        for take in (self._from_client, self._from_server):
            side, _ = await loop.create_datagram_endpoint(partial(Side, take), local_addr=(HOST, 0))
            self._sides.append(side)
        self.port = self._sides[0].get_extra_info("sockname")[1]

    def close(self) -> None:
        for side in self._sides:
            side.close()

    def _from_client(self, data: bytes, where: Address) -> None:
        self._client = where
        self._pass(1, data, self._server)

    def _from_server(self, data: bytes, where: Address) -> None:
        if self._client is not None and where == self._server:
            self._pass(0, data, self._client)

    def _pass(self, side: int, data: bytes, to: Address) -> None:
        if not self.cut:
            self._sides[side].sendto(data, to)


class Side(asyncio.DatagramProtocol):
    def __init__(self, take: Callable[[bytes, Address], None]) -> None:
        self._take = take

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._take(data, addr)


@asynccontextmanager
async def relayed(sdp: str) -> AsyncIterator[tuple[Relay, str]]:
    """A relay to who answered so, and the answer that names it in their place."""
    relay = Relay(_host_candidate(sdp))
    await relay.open()
    try:
        yield relay, _redirected(sdp, relay.port)
    finally:
        relay.close()
        await asyncio.sleep(0)  # the loop closes the sockets


def without_candidates(sdp: str) -> str:
    """Only what comes in tells where this end is."""
    return _lines(line for line in sdp.splitlines() if not line.startswith(("a=candidate", "a=end-of")))


def _host_candidate(sdp: str) -> Address:
    """The first address that an answer names."""
    line = next(line for line in sdp.splitlines() if line.startswith("a=candidate:") and " typ host" in line)
    _, _, _, _, host, port, *_ = line.split()
    return host, int(port)


def _redirected(sdp: str, port: int) -> str:
    """The same answer, to be reached through the relay alone."""
    host, direct = _host_candidate(sdp)
    one = [line for line in sdp.splitlines() if f" {host} {direct} typ host" in line][0]
    through = one.replace(f" {host} {direct} ", f" {HOST} {port} ")
    kept = (line for line in sdp.splitlines() if not line.startswith("a=candidate") or line == one)
    return _lines(through if line == one else line for line in kept)


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\r\n" for line in lines)
