"""What a fleet is made of, as processes that end with their block: a store, a proxy, and others."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import ROOT

DEPLOY = ROOT / "deploy"


def program(name: str, package: str) -> str:
    found = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    assert found, f"these tests need {name}: apt-get install --no-install-recommends {package}"
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def process(*command: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    """Whatever happens in the block, it has ended then."""
    started = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def until(running: subprocess.Popen[str], pattern: str) -> str:
    """The first group of the first line that matches."""
    assert running.stdout is not None
    lines = []
    for line in running.stdout:
        lines.append(line)
        if found := re.search(pattern, line):
            return found[found.lastindex or 0]
    raise AssertionError(f"no line matched {pattern!r} in:\n{''.join(lines)}")


def answers(port: int) -> None:
    """Returns once somebody listens there; the test's own time limit is the limit."""
    while True:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)


def status(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def until_status(url: str, wanted: int) -> None:
    while status(url) != wanted:
        time.sleep(0.01)


def until_reached(proxy: str, names: Iterable[str]) -> None:
    """Returns when the proxy (ws://HOST:PORT) knows all of these servers, and finds each by its name."""
    for name in names:
        while reached(proxy, name) != name:
            time.sleep(0.05)


def reached(proxy: str, name: str) -> str:
    """Who answers where the proxy is asked for a server."""
    try:
        with urllib.request.urlopen(f"{proxy.replace('ws', 'http', 1)}/healthz?resume={name}.") as response:
            return str(json.load(response)["name"])
    except urllib.error.HTTPError as error:
        return str(error)


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    port = free_port()
    line = [program("redis-server", "redis-server"), "--port", str(port), "--save", "", "--dir", str(folder)]
    with process(*line, "--bind", "127.0.0.1"):
        answers(port)
        yield f"redis://127.0.0.1:{port}"


@contextmanager
def haproxy(ports: Mapping[str, int], folder: Path) -> Iterator[str]:
    """HOST:PORT of HAProxy with the configuration that we ship, before servers of these names."""
    where = f"127.0.0.1:{free_port()}"
    servers = {f"SOUNDMIND_{name.upper()}": f"127.0.0.1:{port}" for name, port in ports.items()}
    line = [program("haproxy", "haproxy"), "-db", "-f", str(DEPLOY / "haproxy.cfg")]
    with process(*line, SOUNDMIND_LISTEN=where, **servers):
        answers(int(where.rpartition(":")[2]))
        yield where


@contextmanager
def nginx(ports: Mapping[str, int], folder: Path) -> Iterator[str]:
    """The same of nginx, whose configuration has the addresses in it: they are put in the place of those."""
    port = free_port()
    text = (DEPLOY / "nginx.conf").read_text().replace("listen 8000", f"listen 127.0.0.1:{port}")
    for at, there in enumerate(ports.values(), start=1):
        text = text.replace(f"127.0.0.1:800{at} ", f"127.0.0.1:{there} ").replace(
            f"127.0.0.1:800{at};", f"127.0.0.1:{there};"
        )
    (folder / "nginx.conf").write_text(text)
    line = [program("nginx", "nginx-light"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    alone = f"daemon off; master_process off; pid {folder}/pid; error_log stderr;"
    with process(*line, "-g", alone):
        answers(port)
        yield f"127.0.0.1:{port}"


@dataclass
class Fleet:
    url: str  # of the proxy, ws://
    store: str
    ports: dict[str, int]
    stack: ExitStack
    servers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    def of(self, name: str, path: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}{path}"

    def start(self) -> None:
        """Those that do not run; returns when the proxy knows them all."""
        missing = [
            name for name in self.ports if name not in self.servers or self.servers[name].poll() is not None
        ]
        for name in missing:
            line = (
                sys.executable,
                "-m",
                "tests.server.scripted_process",
                name,
                str(self.ports[name]),
                self.store,
            )
            self.servers[name] = self.stack.enter_context(process(*line))
        for name in missing:
            until(self.servers[name], "listening on")
        until_reached(self.url, self.ports)


@contextmanager
def scripted(
    folder: Path, proxy: Callable[[Mapping[str, int], Path], AbstractContextManager[str]]
) -> Iterator[Fleet]:
    """A proxy before two servers with scripted engines, which are to be started, and a store."""
    ports = {name: free_port() for name in ("s1", "s2")}
    with ExitStack() as stack:
        store = stack.enter_context(redis(folder))
        yield Fleet(f"ws://{stack.enter_context(proxy(ports, folder))}", store, ports, stack)
