"""A bad line on one machine, below TCP and UDP: packets are lost, late or overtaken, whatever is in them.

`Line` is two tunnels (TUN devices) with a process between them that carries every IP packet from one to the
other as the `Weather` says, each drawn for itself from a generator with a seed. One tunnel ends where this
process was, at HERE; then `cross` moves this process into a network namespace of its own, where the other
ends, at THERE. So what was started before is beyond the line, and what both speak over it are the kernel's
own UDP and TCP, retransmissions included. All of it is gone with the processes. Linux; needs root, or
`unshare --map-root-user --net`, which makes its own. Knows no audio.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import os
import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

HERE, THERE = "198.18.0.1", "198.18.0.2"  # of the network that is set aside for benchmarks (RFC 2544)
DEVICE = "soundmind0"
DELAY = 0.02  # seconds that every packet takes, each way
HELD_BACK = 0.06  # more, for one that is overtaken: by three packets of speech
PACKET_BYTES = 2**16
CLONE_NEWNET = 0x40000000  # sched.h
TUNSETIFF, TUN, NO_INFORMATION = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h
IPV4 = 4


class LineError(Exception):
    """There can be no such line here; one line that says what is missing."""


@dataclass(frozen=True)
class Weather:
    """`loss`, `overtaken`: shares of the packets; `jitter`: each is late by up to so many seconds, evenly."""

    loss: float = 0.0
    jitter: float = 0.0
    overtaken: float = 0.0


@dataclass(frozen=True)
class Counts:
    """Packets, in both directions."""

    passed: int
    lost: int


def fates(weather: Weather, seed: int) -> Iterator[float | None]:
    """How long packet after packet takes, in seconds; None: it is lost."""
    drawn = random.Random(seed)
    while True:
        if drawn.random() < weather.loss:
            yield None
            continue
        held = HELD_BACK if drawn.random() < weather.overtaken else 0.0
        yield DELAY + drawn.uniform(0, weather.jitter) + held


class Line:
    """Open inside `with`; the weather is good until it is told otherwise."""

    def __init__(self) -> None:
        self._carrier: subprocess.Popen[str] | None = None

    def __enter__(self) -> Line:
        """Raises LineError."""
        self._here = _tunnel(HERE)
        return self

    def cross(self) -> None:
        """To the other end, for the rest of this process. Raises LineError."""
        if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET):
            raise _refused(OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno())))
        _ip("link", "set", "lo", "up")
        there = _tunnel(THERE)
        ends = (self._here, there)
        self._carrier = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.lossy", *map(str, ends)],
            cwd=Path(__file__).parent.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=ends,
            start_new_session=True,
        )
        os.close(there)

    def change(self, weather: Weather, seed: int = 0) -> Counts:
        """The weather from now on; what has passed and been lost since the last change."""
        assert self._carrier is not None and self._carrier.stdin is not None, "nobody has crossed"
        assert self._carrier.stdout is not None
        print(json.dumps({"seed": seed, **asdict(weather)}), file=self._carrier.stdin, flush=True)
        return Counts(**json.loads(self._carrier.stdout.readline()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._here)
        if self._carrier is not None:
            self._carrier.kill()
            self._carrier.communicate()


def _tunnel(address: str) -> int:
    """A device where this thread is; what is sent to it can be read here. Raises LineError."""
    try:
        tunnel = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tunnel, TUNSETIFF, struct.pack("16sH22x", DEVICE.encode(), TUN | NO_INFORMATION))
    except OSError as error:
        raise _refused(error) from error
    _ip("link", "set", DEVICE, "addrgenmode", "none")  # no IPv6, whose own packets would be counted
    _ip("addr", "add", f"{address}/30", "dev", DEVICE)
    _ip("link", "set", DEVICE, "up")
    return tunnel


def _ip(*arguments: str) -> None:
    try:
        subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise LineError("ip is missing: apt-get install iproute2") from error
    except subprocess.CalledProcessError as error:
        raise LineError(f"ip {' '.join(arguments)}: {error.stderr.strip()}") from error


def _refused(error: OSError) -> LineError:
    return LineError(
        f"a line of its own needs Linux, /dev/net/tun and root ({error.strerror}); without root: "
        "unshare --map-root-user --net sh -c 'ip link set lo up && python -m benchmarks.loss'"
    )


class Carrier:
    """Between the two ends, each an open TUN device. Counts what it carries, and what it drops."""

    def __init__(self, ends: tuple[int, int]) -> None:
        self._ends = ends
        self.passed = self.lost = 0
        self.change(Weather(), 0)

    def change(self, weather: Weather, seed: int) -> Counts:
        """As `Line.change`."""
        self._fates = tuple(fates(weather, 2 * seed + way) for way in range(2))
        counts = Counts(self.passed, self.lost)
        self.passed = self.lost = 0
        return counts

    def start(self) -> None:
        loop = asyncio.get_running_loop()
        for way in range(2):
            loop.add_reader(self._ends[way], self._carry, way)

    def stop(self) -> None:
        for end in self._ends:
            asyncio.get_running_loop().remove_reader(end)

    def _carry(self, way: int) -> None:
        """All that waits at one end is on its way to the other."""
        while True:
            try:
                packet = os.read(self._ends[way], PACKET_BYTES)
            except BlockingIOError:
                return
            if packet[0] >> 4 != IPV4:
                continue
            late = next(self._fates[way])
            if late is None:
                self.lost += 1
            else:
                self.passed += 1
                asyncio.get_running_loop().call_later(late, os.write, self._ends[1 - way], packet)


async def carry(ends: tuple[int, int]) -> None:
    """Until standard input ends, which says the weather, a line each time."""
    carrier = Carrier(ends)
    carrier.start()
    loop = asyncio.get_running_loop()
    orders = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    async for order in orders:
        wanted = json.loads(order)
        seed = wanted.pop("seed")
        print(json.dumps(asdict(carrier.change(Weather(**wanted), seed))), flush=True)


if __name__ == "__main__":
    asyncio.run(carry((int(sys.argv[1]), int(sys.argv[2]))))
