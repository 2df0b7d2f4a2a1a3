"""`soundmind` as a user runs it: a process of its own, as from a terminal, and what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
RECORDINGS = Path(__file__).parent / "recordings"


class Soundmind:
    """The command, running. Its output comes line by line; both streams in one."""

    def __init__(self, arguments: Sequence[str], env: dict[str, str]) -> None:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SOUNDMIND_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", *arguments],
            cwd=ROOT,
            env=inherited | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # a process group of its own, as a terminal gives it
        )
        self.pid = self._process.pid
        self.output: list[str] = []

    def until(self, pattern: str) -> re.Match[str]:
        """Wait for a line that matches. Raises AssertionError when the output ends before."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"no line matched {pattern!r} in:\n{''.join(self.output)}")

    def end(self) -> int:
        """Wait for the end of the process and of its output; returns the exit code."""
        assert self._process.stdout is not None
        self.output += self._process.stdout
        return self._process.wait()

    def family(self) -> list[psutil.Process]:
        """The process and all that it started."""
        own = psutil.Process(self.pid)
        return [own, *own.children(recursive=True)]

    def interrupt(self) -> list[psutil.Process]:
        """Ctrl-C in a terminal: SIGINT to the whole process group. Returns the processes there were."""
        family = self.family()
        os.killpg(self.pid, signal.SIGINT)
        return family

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        if self._process.poll() is None:
            for process in self.family():
                process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; an ended one that nobody has reaped does not."""
    return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@contextmanager
def soundmind(*arguments: str, **env: str) -> Iterator[Soundmind]:
    """Start the command; whatever happens in the block, nothing of it is left."""
    started = Soundmind(arguments, env)
    try:
        yield started
    finally:
        started.kill()
