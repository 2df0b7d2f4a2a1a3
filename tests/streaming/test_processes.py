"""streaming.processes, with processes that name themselves as vLLM's do."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from streaming import processes


@pytest.fixture
def sleepers(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    sleep = shutil.which("sleep")
    assert sleep
    name = shutil.copy(sleep, tmp_path / "VLLM::Sleeper")
    started = [subprocess.Popen([name, "1000"]), subprocess.Popen([sleep, "1000"])]
    yield started
    for one in started:
        one.kill()
        one.wait()


def test_they_are_found_by_their_names(sleepers: list[subprocess.Popen[bytes]]) -> None:
    theirs, other = (one.pid for one in sleepers)
    found = processes.running()
    assert theirs in [one.pid for one in found]
    assert other not in [one.pid for one in found]
    assert processes.others(found) == []


def test_one_that_does_not_end_is_killed(sleepers: list[subprocess.Popen[bytes]]) -> None:
    theirs = sleepers[0]
    theirs.send_signal(signal.SIGSTOP)
    [found] = [one for one in processes.running() if one.pid == theirs.pid]
    theirs.terminate()  # which a stopped process does not hear
    processes.end([found], 0.0)
    assert theirs.wait() == -signal.SIGKILL
    processes.end([found])  # it has ended


def test_one_that_ends_by_itself_is_left_alone(sleepers: list[subprocess.Popen[bytes]]) -> None:
    theirs = sleepers[0]
    [found] = [one for one in processes.running() if one.pid == theirs.pid]
    theirs.terminate()
    processes.end([found])
    assert theirs.wait() == -signal.SIGTERM


def test_freed_memory_goes_back_to_the_system() -> None:
    """100 000 small blocks, all of whose neighbours above are freed but not the last one."""
    blocks = [bytes(2_000) for _ in range(100_000)]
    top = blocks[-1]
    del blocks
    before = psutil.Process().memory_info().rss
    processes.give_back()
    assert before - psutil.Process().memory_info().rss > 100 * 2**20
    del top
